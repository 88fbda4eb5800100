#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print the results of the benchmark: xalloc against each peer, with targets.

    bench-table.py results.csv targets.csv

A line is a workload and a peer: what the peer costs, what xalloc costs with
all checks and without the live check, and each as a part of the peer's cost.
Where a figure is to be reached, it stands behind, with "met" or "MISSED".
"""
import csv
import fnmatch
import sys
from collections import defaultdict

CHECKED = ("xalloc", "xalloc-pages", "xalloc-addr")
UNCHECKED = ("xalloc-nochecks",)


def read_results(path):
    """(kernel, rig, cpus, workload, metric) -> {allocator: median}, in order."""
    results = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = tuple(row[name] for name in ("kernel", "rig", "cpus", "workload", "metric"))
            results[key][row["allocator"]] = float(row["median"])
    return results


def read_targets(path):
    with open(path, newline="") as file:
        return list(csv.reader(line for line in file if line[:1] not in "#\n"))


def target_of(targets, key, allocator):
    """(peer or "", "<=" or ">=", number), or None where there is no target."""
    _, rig, _, workload, metric = key
    for t_rig, t_workload, t_metric, t_allocator, against, limit in targets:
        if (t_rig == rig and fnmatch.fnmatch(workload, t_workload)
                and fnmatch.fnmatch(metric, t_metric)
                and fnmatch.fnmatch(allocator, t_allocator)):
            return (against, limit[:2], float(limit[2:])) if limit else None
    return None


def verdict(targets, key, costs, allocator, tally):
    target = target_of(targets, key, allocator)
    if not target or allocator not in costs:
        return ""
    against, sense, limit = target
    if against and against not in costs:
        return ""
    value = costs[allocator] / costs[against] if against else costs[allocator]
    met = value <= limit if sense == "<=" else value >= limit
    tally["met" if met else "MISSED"].append((key, allocator, value, sense, limit))
    return f"{sense}{limit:g} {'met' if met else 'MISSED'}"


def cell(costs, allocator, peer):
    if allocator not in costs:
        return f"{'-':>10} {'':>6}"
    ratio = f"{costs[allocator] / costs[peer]:6.2f}" if peer and costs[peer] else f"{'':6}"
    return f"{costs[allocator]:10.2f} {ratio}"


def print_rows(key, costs, targets, tally):
    peers = [name for name in costs if not name.startswith("xalloc")] or [None]
    checked = [name for name in costs if name in CHECKED] or [CHECKED[0]]
    first = True
    for ours in checked:
        for peer in peers:
            off = UNCHECKED[0] if ours == "xalloc" else ""
            line = (f"{key[3]:<26} {key[4]:<21} {peer or '-':<12} "
                    f"{format(costs[peer], '10.2f') if peer else '':>10} "
                    f"{ours:<12} {cell(costs, ours, peer)}  {cell(costs, off, peer)}  ")
            if first or ours != checked[0]:
                line += f"{verdict(targets, key, costs, ours, tally):<14}"
                line += verdict(targets, key, costs, off, tally) if off else ""
            print(line.rstrip())
            first = False


def print_section(kernel, rig, cpus):
    print(f"\nLinux {kernel}, {rig}, CPUs: {cpus}")
    print(f"{'workload':<26} {'metric':<21} {'peer':<12} {'peer':>10} {'xalloc':<12} "
          f"{'checks on':>10} {'ratio':>6}  {'checks off':>10} {'ratio':>6}  "
          f"{'target on':<14}target off")


def main():
    results = read_results(sys.argv[1])
    targets = read_targets(sys.argv[2])
    tally = defaultdict(list)
    section = None
    for key, costs in results.items():
        if key[:3] != section:
            section = key[:3]
            print_section(*section)
        print_rows(key, costs, targets, tally)
    met, missed = len(tally["met"]), tally["MISSED"]
    print(f"\n{met} of {met + len(missed)} targets met")
    for key, allocator, value, sense, limit in missed:
        print(f"  missed: {key[0]} {key[1]} {key[3]} {key[4]} {allocator}: "
              f"{value:.2f}, target {sense}{limit:g}")


main()
