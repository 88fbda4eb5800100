#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draw the results of the benchmark as SVG: what xalloc costs, of each peer.

    bench-plot.py results.csv >plot.svg

A column for each run of the benchmark that has peers; a row for each workload,
with a bar for all checks and one without the live check. The line at 1 is the
peer.
"""
import csv
import fnmatch
import sys
from collections import defaultdict
from html import escape

# What is shown, in this order, and against which peers
SHOWN = (
    ("pair-256", "slub"), ("pair-1024", "slub"), ("pair-256", "kmalloc"),
    ("batch128-256", "slub"), ("batch128-random-256", "slub"),
    ("30k-256", "slub"), ("30k-1024", "slub"),
    ("30k-random-256", "slub"), ("30k-random-1024", "slub"),
    ("bulk64-256", "slub"), ("bulk64-1024", "slub"),
    ("remote-phases256-256", "slub"), ("slices-120", "slub"), ("slices-bulk-120", "slub"),
    ("glibc-simple*-64", "kmalloc"), ("reserve-pair-256", "mempool"),
    ("pages-pair-o*", "alloc_pages"), ("pages-*1024-o0", "alloc_pages"),
    ("range-pair-256-*", "gen_pool"), ("range-pair-4096-*", "gen_pool"),
    ("own-pair-2cpu-256", "slub"), ("own-batch64-2cpu-256", "slub"),
    ("ring*-256", "slub"), ("xmalloc-test-64", "slub"), ("threadtest-8", "slub"),
    ("linux-scalability-8", "slub"), ("cache-*-1", "slub"),
    ("larson-random", "kmalloc"), ("mstress-random", "kmalloc"),
    ("own-pages-2cpu-o*", "alloc_pages"),
)
BARS = (("xalloc", "#1f5fa8", "xalloc, all checks"),
        ("xalloc-nochecks", "#7fb6e6", "xalloc, no live check"))
LABEL, WIDTH, VALUES, ROW, BAR, TOP = 250, 260, 190, 30, 11, 120
PER_BAND, GAP = 3, 90
FULL = 1.25     # of the peer, at the right end
COLUMN = LABEL + WIDTH + VALUES


def read(path):
    runs = defaultdict(lambda: defaultdict(dict))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            run = runs[f"Linux {row['kernel']}, {row['rig']}, CPUs: {row['cpus']}"]
            run[row["workload"], row["metric"]][row["allocator"]] = float(row["median"])
    return runs


def rows_of(run):
    for pattern, peer in SHOWN:
        for (workload, metric), costs in run.items():
            if (fnmatch.fnmatch(workload, pattern) and costs.get(peer) and "xalloc" in costs
                    and metric.startswith(("insn_", "ns_"))):
                yield workload, metric, peer, costs


def text(x, y, what, size=12, anchor="start", color="#222", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{color}" font-weight="{weight}">{escape(what)}</text>')


def draw_row(x, y, workload, metric, peer, costs):
    yield text(x + LABEL - 8, y + 15, f"{workload} {metric.split('_', 1)[1]}", anchor="end")
    at = y + 3
    numbers = []
    for name, color, _ in BARS:
        if name in costs:
            part = costs[name] / costs[peer]
            width = max(1, min(part, FULL) / FULL * WIDTH)
            yield (f'<rect x="{x + LABEL}" y="{at:.0f}" width="{width:.1f}" height="{BAR}" '
                   f'fill="{color}"/>')
            numbers.append(f"{costs[name]:.{0 if costs[name] >= 100 else 1}f}")
        at += BAR + 1
    yield text(x + LABEL + WIDTH + 8, y + 15,
               f"{' / '.join(numbers)} of {costs[peer]:.{0 if costs[peer] >= 100 else 1}f} {peer}",
               size=11, color="#555")


def draw_column(x, top, title, rows):
    bottom = top + len(rows) * ROW
    yield text(x + LABEL, top - 26, title, size=14, weight="bold")
    for part in (0, 0.25, 0.5, 0.75, 1):
        at = x + LABEL + part / FULL * WIDTH
        color = "#c03020" if part == 1 else "#ddd"
        yield f'<line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{bottom}" stroke="{color}"/>'
        yield text(at, top - 8, "peer" if part == 1 else f"{part:g}", size=10, anchor="middle",
                   color="#c03020" if part == 1 else "#777")
    for i, row in enumerate(rows):
        yield from draw_row(x, top + i * ROW, *row)


def bands(columns):
    """Up to PER_BAND columns side by side, as (y, title, rows) for each."""
    y, titles = TOP, list(columns)
    for first in range(0, len(titles), PER_BAND):
        band = titles[first:first + PER_BAND]
        yield [(y, title, columns[title]) for title in band]
        y += max(len(columns[title]) for title in band) * ROW + GAP


def main():
    columns = {title: list(rows_of(run)) for title, run in read(sys.argv[1]).items()}
    columns = {title: rows for title, rows in columns.items() if rows}
    placed = [(i * COLUMN, *column) for band in bands(columns) for i, column in enumerate(band)]
    width = min(max(len(columns), 1), PER_BAND) * COLUMN + 20
    height = max([y + len(rows) * ROW for _, y, _, rows in placed] or [TOP]) + 20
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
          f'viewBox="0 0 {width} {height}" font-family="DejaVu Sans, Arial, sans-serif">')
    print(f'<rect width="{width}" height="{height}" fill="#fff"/>')
    print(text(20, 28, "What xalloc costs, as a part of what the peer costs", 18, weight="bold"))
    for i, (_, color, label) in enumerate(BARS):
        print(f'<rect x="{20 + i * 200}" y="40" width="14" height="12" fill="{color}"/>')
        print(text(40 + i * 200, 51, label))
    for column in placed:
        print("\n".join(draw_column(*column)))
    print("</svg>")


main()
