#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print what the traces of real programs cost on each allocator.

    trace-table.py [--update PAGE] results.csv

Memory is the most that an allocator had, for each byte that the program had
live at most; instructions are of an operation. Below are the targets: at most
kmalloc's memory, and at most MOST of its instructions, and where they are
missed. --update puts the table into a page, between the lines BEGIN and END.
"""
import argparse
import csv
import math
from collections import defaultdict

MOST = 0.7
BEGIN, END = "<!-- traces: begin -->", "<!-- traces: end -->"

HEAD = ("program", "operations", "live MiB", "memory: xmalloc", "kmalloc", "malloc", "part",
        "instructions: xmalloc", "kmalloc", "malloc", "part")
ALLOCATORS = ("xmalloc", "kmalloc", "glibc")


def read(path):
    """Values by trace, allocator and metric."""
    found = defaultdict(dict)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["workload"].startswith("trace-"):
                name = row["workload"].removeprefix("trace-")
                found[name][row["allocator"], row["metric"]] = float(row["median"])
    return found


class Row:
    """A trace; None stands for what an allocator could not do."""

    def __init__(self, name, of):
        self.name = name
        self.ops = of["program", "ops"]
        self.live = of["program", "live_kib"]
        self.memory = [self.over_live(of.get((a, "peak_kib"))) for a in ALLOCATORS]
        self.insn = [of.get((a, "insn_op")) for a in ALLOCATORS]

    def over_live(self, kib):
        return None if kib is None else kib / self.live

    @staticmethod
    def part(values):
        return None if None in values[:2] else values[0] / values[1]

    def cells(self):
        memory, insn = self.memory, self.insn
        return [self.name, f"{self.ops:,.0f}", f"{self.live / 1024:.1f}",
                *(shown(value, 2) for value in (*memory, self.part(memory))),
                *(shown(value, 0) for value in insn), shown(self.part(insn), 2)]


def shown(value, digits):
    return "failed" if value is None else f"{value:.{digits}f}"


def mean(parts):
    """The geometric mean."""
    parts = [part for part in parts if part]
    return math.exp(sum(map(math.log, parts)) / len(parts)) if parts else None


def last_cells(rows):
    return ["mean", "", "", "", "", "", shown(mean(Row.part(row.memory) for row in rows), 2),
            "", "", "", shown(mean(Row.part(row.insn) for row in rows), 2)]


def table(rows):
    lines = [HEAD, *(row.cells() for row in rows), last_cells(rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]

    def text(cells):
        return "| " + " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths))) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":")
                          for i, width in enumerate(widths)) + "|"
    return [text(HEAD), rule, *map(text, lines[1:])]


def verdicts(rows):
    for what, most, values in (("memory", 1.0, "memory"), ("instructions", MOST, "insn")):
        parts = {row.name: Row.part(getattr(row, values)) for row in rows}
        missed = [f"{name} {shown(part, 2)}" for name, part in parts.items()
                  if part is None or part > most]
        yield (f"{what}, at most {most} of kmalloc's: met by {len(parts) - len(missed)} of "
               f"{len(parts)}" + (f"; MISSED: {', '.join(missed)}" if missed else ""))


def update(page, lines):
    with open(page, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n".join([before + BEGIN, *lines, END]) + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", metavar="PAGE")
    parser.add_argument("results")
    args = parser.parse_args()
    rows = [Row(name, of) for name, of in sorted(read(args.results).items())]
    if args.update:
        update(args.update, table(rows))
        return
    print("MiB of memory for each MiB live, and instructions an operation; the part is xmalloc's "
          "of kmalloc's\n")
    print("\n".join(table(rows)), end="\n\n")
    print("\n".join(verdicts(rows)))


if __name__ == "__main__":
    main()
