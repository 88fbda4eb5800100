#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make one result of those of several boots, and add what follows from several results.

    bench-derive.py results.csv

The median of the boots' medians counts, with the least and the most of all. Added are

    speedup		what two CPUs do in the time that one does it, of 2.00; of
			the fastest runs, which nothing else on the machine slowed
    bulk_gain		one by one / in bulk, time of a free, without magazines
    ms_layer		freeing a layer of 25,000 slices, in milliseconds
    insn_live_check	what the live check of an operation costs
    ratio_16G_16M	the worst case of the large pool / of the small one
    ratio_256R_16M	the worst case of the pool of 256 regions / of the small one
"""
import csv
import statistics
import sys
from collections import defaultdict

COLUMNS = ["kernel", "rig", "cpus", "workload", "allocator", "metric", "median", "min", "max"]


LIVE_CHECK = ("pair-256", "batch128-256", "bulk64-256")


def merge(rows):
    """One row for the rows of all boots of a kernel, in the order of the first boot."""
    boots = defaultdict(list)
    for row in rows:
        boots[id_of(row)].append(row)
    for same in boots.values():
        median = statistics.median(float(row["median"]) for row in same)
        yield {**same[0], "median": f"{median:.2f}",
               "min": min((row["min"] for row in same), key=float),
               "max": max((row["max"] for row in same), key=float)}


def derive(rows):
    least = {id_of(r): float(r["min"]) for r in rows}
    medians = {id_of(r): float(r["median"]) for r in rows}

    def add(key, workload, metric, value, digits=2):
        number = f"{value:.{digits}f}"
        return dict(zip(COLUMNS, (*key[:3], workload, key[4], metric, number, number, number)))

    for key, value in medians.items():
        _, rig, _, workload, allocator, metric = key

        def other(**changes):
            return medians.get(tuple(changes.get(n, v) for n, v in zip(COLUMNS, key)))

        if "-2cpu-" in workload and value:
            one = least.get((*key[:3], workload.replace("-2cpu-", "-1cpu-"), *key[4:]))
            if one:
                yield add(key, workload, "speedup", 2 * one / least[key])
        if (workload, allocator) == ("slices-bulk-120", "xalloc-closed") and \
                metric.endswith("_free"):
            single = other(workload="slices-120")
            if single:
                yield add(key, workload, "bulk_gain", single / value)
        if workload.startswith("slices") and metric == "ns_free":
            yield add(key, workload, "ms_layer", value * 25000 / 1e6)
        if allocator == "xalloc" and rig == "icount" and workload in LIVE_CHECK:
            off = other(allocator="xalloc-nochecks")
            if off:
                yield add(key, workload, metric.replace("insn_", "insn_live_check_"), value - off)
        for size in ("16G", "256R"):
            if workload.endswith("-" + size) and metric == "insn_most":
                small = other(workload=workload.replace(size, "16M"))
                if small:
                    yield add(key, workload, f"ratio_{size}_16M", value / small)


def id_of(row):
    return tuple(row[name] for name in COLUMNS[:6])


def run_of(row):
    return row["kernel"], row["rig"], row["cpus"]


def main():
    with open(sys.argv[1], newline="") as file:
        rows = list(merge(csv.DictReader(file)))
    rows += list(derive(rows))
    runs = {run_of(row): None for row in rows}
    rows.sort(key=lambda row: list(runs).index(run_of(row)))
    with open(sys.argv[1], "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


main()
