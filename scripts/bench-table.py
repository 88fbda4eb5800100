#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print the results of the benchmark: xalloc against each peer, with targets.

    bench-table.py [--markdown] results.csv targets.csv
    bench-table.py --update PAGE results.csv targets.csv

A line is a workload and a peer: what the peer costs, what xalloc costs with
all checks and without the live check, and each as a part of the peer's cost.
Where a figure is to be reached, it stands behind, with "met" or "MISSED"; an
aim beyond it follows, with whether it is reached. The end is how many targets
were met, and those that were not; where a bare stack of pointers, or handing
over nothing, misses the limit too, with what that took.

--markdown prints the chosen results of TABLES, and --update puts them into a
page, in place of what stands there between the lines BEGIN and END.
"""
import argparse
import csv
import fnmatch
import re
from collections import defaultdict
from dataclasses import dataclass

CHECKED = ("xalloc", "xalloc-pages", "xalloc-addr", "xalloc-deep", "xalloc-closed")
UNCHECKED = "xalloc-nochecks"

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

# What the page shows: title, rig, workloads, peers
TABLES = (
    ("Objects, instructions", "icount", (
        "pair-256", "pair-1024", "batch128-256", "30k-256", "30k-1024", "30k-random-256",
        "30k-random-1024", "bulk64-256", "bulk64-1024", "bulk4-192", "bulk30-192",
        "remote-phases256-256",
        "glibc-simple*-64", "reserve-pair-256"), ("slub", "mempool")),
    ("Pages, instructions", "icount", (
        "pages-pair-o*", "pages-1024-o0", "pages-bulk1024-o0"), ("alloc_pages",)),
    ("Pools of a region for each 4 MiB, at random addresses, instructions", "icount-several", (
        "pair-256", "pair-1024", "batch128-256", "30k-256", "30k-1024", "30k-random-256",
        "bulk64-256", "bulk64-1024", "pages-pair-o*", "pages-1024-o0", "pages-bulk1024-o0"),
     ("slub", "alloc_pages")),
    ("Ranges of which half is in use, instructions", "icount", ("range-*",), ("gen_pool",)),
    ("Chunks of 256 bytes to 1 MiB beside many live ones, instructions", "icount",
     ("heap-*",), ("gen_pool-best",)),
    ("Worst case, instructions", "icount", ("worst-*",), ()),
    ("Bytes of live objects, in percent of the pages in use", "icount", (
        "memory-all-*", "memory-half-shrunk-*", "memory-eighth-shrunk-*"), ("slub",)),
    ("Metadata, in percent of the pool", "icount", ("metadata-*",), ()),
    ("One CPU, nanoseconds", "uml-up", (
        "pair-256", "pair-1024", "batch128-256", "30k-256", "30k-1024", "30k-random-256",
        "30k-random-1024", "bulk64-256", "bulk16-256", "bulk4-192", "bulk30-192",
        "batch128-bulk16-192", "30k-4096", "bulk64-4096",
        "30k-touch-256", "30k-touch-1024", "bulk64-touch-256", "glibc-simple*-64",
        "reserve-pair-256", "pages-pair-o0", "pages-pair-o3", "pages-pair-o10"),
     ("slub", "stack", "mempool", "alloc_pages")),
    ("Pools of a region for each 4 MiB, one CPU, nanoseconds", "uml-up-several", (
        "pair-256", "pair-1024", "batch128-256", "30k-256", "30k-1024", "30k-random-256",
        "30k-random-1024", "bulk64-256", "pages-pair-o0", "pages-pair-o3", "pages-pair-o10"),
     ("slub", "alloc_pages")),
    ("Two CPUs, nanoseconds", "uml-smp", (
        "own-pair-2cpu-256", "own-batch64-2cpu-256", "own-pages-2cpu-o?", "ring*-256",
        "slices-*", "linux-scalability-8", "threadtest-8", "xmalloc-test-64", "cache-*-1",
        "larson-random", "mstress-random", "shares-slices-*"),
     ("slub", "alloc_pages", "kmalloc")),
    ("Several CPUs and interrupts", "tcg2", ("shares-*",), ()),
)

# Follows from the columns of a table
LEFT_OUT = "*_live_check_*"


@dataclass(frozen=True)
class Target:
    """What one figure should reach; the limit is of the ratio if there is a peer."""
    against: str
    limit: str
    aim: str


@dataclass(frozen=True)
class Verdict:
    """How a figure does against its target."""
    limit: str
    met: bool
    value: float
    aim: str
    reached: bool
    floor: float        # what the workload takes without an allocator; 0: not known


def read_results(path):
    """(kernel, rig, cpus, workload, metric) -> {allocator: median}, in order."""
    results = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = tuple(row[name] for name in ("kernel", "rig", "cpus", "workload", "metric"))
            results[key][row["allocator"]] = float(row["median"])
    return results


def read_targets(path):
    """[(what it is for, Target)], of which the first that fits counts."""
    with open(path, newline="") as file:
        rows = csv.reader(line for line in file if line[:1] not in "#\n")
        return [(row[:4], Target(*(row[4:] + [""])[:3])) for row in rows]


def target_of(targets, key, allocator):
    """The target, or None where there is none."""
    figure = (key[1], key[3], key[4], allocator)
    for patterns, target in targets:
        if all(map(fnmatch.fnmatch, figure, patterns)):
            return target if target.limit else None
    return None


def within(value, limit):
    """Whether a value is within "<=12" or ">=12"."""
    number = float(limit[2:])
    return value <= number if limit.startswith("<=") else value >= number


def floor_of(results, key):
    """What a workload costs without an allocator: its own cache misses and waiting."""
    null = (*key[:3], re.sub(r"-\d+$", "-null", key[3]), key[4])
    return results[key].get("stack") or results.get(null, {}).get("nothing", 0)


def judge(targets, key, results, allocator):
    """The verdict on a figure, or None where there is no target."""
    target, costs = target_of(targets, key, allocator), results[key]
    if not target or allocator not in costs:
        return None
    if target.against and not costs.get(target.against):
        return None
    figure = costs[allocator]
    unit = costs[target.against] if target.against else 1
    floor = floor_of(results, key) / unit if target.against else 0
    return Verdict(target.limit, within(figure / unit, target.limit), figure / unit, target.aim,
                   bool(target.aim) and within(figure, target.aim), floor)


def limit_text(verdict):
    return f"{verdict.limit} {'met' if verdict.met else 'MISSED'}" if verdict else ""


def aim_text(*verdicts):
    return ", ".join(f"{verdict.aim} {'reached' if verdict.reached else 'not reached'}"
                     for verdict in verdicts if verdict and verdict.aim)


@dataclass(frozen=True)
class Line:
    """One line of a table: xalloc and one peer, or none, in one workload."""
    key: tuple
    ours: str
    off: str
    peer: str
    costs: dict
    verdicts: tuple     # on ours and off; empty where an earlier line has them


def lines_of(key, results, targets):
    """A line for each of ours and each peer; the first of ours has its verdicts."""
    costs = results[key]
    peers = [name for name in costs if not name.startswith("xalloc")] or [""]
    for ours in [name for name in costs if name in CHECKED] or [CHECKED[0]]:
        off = UNCHECKED if ours == CHECKED[0] else ""
        verdicts = tuple(judge(targets, key, results, name) for name in (ours, off))
        for peer in peers:
            yield Line(key, ours, off, peer, costs, verdicts)
            verdicts = (None, None)


def cell(costs, allocator, peer):
    if allocator not in costs:
        return f"{'-':>10} {'':>6}"
    ratio = f"{costs[allocator] / costs[peer]:6.2f}" if costs.get(peer) else f"{'':6}"
    return f"{costs[allocator]:10.2f} {ratio}"


def print_line(line):
    _, _, _, workload, metric = line.key
    on, off = map(limit_text, line.verdicts)
    peer_cost = f"{line.costs[line.peer]:10.2f}" if line.peer else f"{'':10}"
    print(f"{workload:<26} {metric:<21} {line.peer or '-':<12} {peer_cost} {line.ours:<12} "
          f"{cell(line.costs, line.ours, line.peer)}  {cell(line.costs, line.off, line.peer)}  "
          f"{on:<14}{off:<14}{aim_text(*line.verdicts)}".rstrip())


def print_section(kernel, rig, cpus):
    print(f"\nLinux {kernel}, {rig}, CPUs: {cpus}")
    print(f"{'workload':<26} {'metric':<21} {'peer':<12} {'peer':>10} {'xalloc':<12} "
          f"{'checks on':>10} {'ratio':>6}  {'checks off':>10} {'ratio':>6}  "
          f"{'target on':<14}{'target off':<14}aim")


def verdicts_of(lines):
    """(key, allocator, verdict) for all that has a target."""
    for line in lines:
        for allocator, verdict in zip((line.ours, line.off), line.verdicts):
            if verdict:
                yield line.key, allocator, verdict


def summary(lines):
    """How many targets and aims were met, and the targets that were not."""
    verdicts = list(verdicts_of(lines))
    aims = [verdict for _, _, verdict in verdicts if verdict.aim]
    missed = [item for item in verdicts if not item[2].met]
    beyond = [item for item in missed if item[2].floor and not within(item[2].floor, item[2].limit)]
    yield f"{sum(verdict.reached for verdict in aims)} of {len(aims)} aims reached"
    yield f"{len(verdicts) - len(missed)} of {len(verdicts)} targets met"
    if beyond:
        yield f"of the {len(missed)} missed, {len(beyond)} are missed by a bare stack or nothing, too"
    for item in missed:
        key, allocator, verdict = item
        alone = f"; without an allocator {verdict.floor:.2f}" if item in beyond else ""
        yield (f"  missed: {key[0]} {key[1]} {key[3]} {key[4]} {allocator}: "
               f"{verdict.value:.2f}, target {verdict.limit}{alone}")


def print_text(lines):
    section = None
    for line in lines:
        if line.key[:3] != section:
            section = line.key[:3]
            print_section(*section)
        print_line(line)
    print()
    print("\n".join(summary(lines)))


def chosen(lines, rig, workloads, peers):
    """The lines of a table, in the order of its workloads."""
    for pattern in workloads:
        for line in lines:
            if (line.key[1] == rig and fnmatch.fnmatch(line.key[3], pattern)
                    and not fnmatch.fnmatch(line.key[4], LEFT_OUT)
                    and line.peer in (*peers, "")
                    and (line.ours in line.costs or line.off in line.costs)):
                yield line


def number(costs, allocator):
    if allocator not in costs:
        return ""
    value = costs[allocator]
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def markdown_row(line):
    _, _, _, workload, metric = line.key
    on, off = map(limit_text, line.verdicts)
    name = "" if line.ours == CHECKED[0] else f" ({line.ours.removeprefix('xalloc-')})"
    cells = (workload + name, re.sub("^(insn|ns)_", "", metric),
             f"{line.peer} {number(line.costs, line.peer)}", number(line.costs, line.ours),
             number(line.costs, line.off), ", ".join(text for text in (on, off) if text),
             aim_text(*line.verdicts))
    return "".join(f"| {cell} " for cell in cells).replace("|  ", "| ") + "|"


def markdown_tables(lines):
    for title, rig, workloads, peers in TABLES:
        by_kernel = defaultdict(list)
        for line in chosen(lines, rig, workloads, peers):
            by_kernel[line.key[0]].append(markdown_row(line))
        for kernel, rows in by_kernel.items():
            yield f"### {title}: `{rig}`, Linux {kernel}\n"
            yield "| workload | figure | peer | xalloc | no live check | target | aim |"
            yield "|---|---|---:|---:|---:|---|---|"
            yield from dict.fromkeys(rows)
            yield ""


def markdown(lines):
    tables = "\n".join(markdown_tables(lines))
    return f"{tables}\n```\n" + "\n".join(summary(lines)) + "\n```\n"


def update(page, text):
    with open(page) as file:
        before, _, rest = file.read().partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{page} has no lines {BEGIN} and {END}")
    with open(page, "w") as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--update", metavar="PAGE")
    parser.add_argument("results")
    parser.add_argument("targets")
    args = parser.parse_args()
    targets = read_targets(args.targets)
    results = read_results(args.results)
    lines = [line for key in list(results) for line in lines_of(key, results, targets)]
    if args.update:
        update(args.update, markdown(lines))
    elif args.markdown:
        print(markdown(lines), end="")
    else:
        print_text(lines)


main()
