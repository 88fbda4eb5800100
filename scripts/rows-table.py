#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A table of the figures that the tests print, beside the targets of rows.csv.

    rows-table.py rows.csv LOG...

Exit status 1 where a figure is missing or misses its target.
"""

import csv
import re
import sys

# How far a figure is from its target; at or below 0 it meets it
DISTANCE = {
    "=": lambda figure, target: abs(figure - target),
    "<=": lambda figure, target: figure - target,
    ">=": lambda figure, target: target - figure,
}


def read_lines(paths):
    """What the tests print of rows, without what the log puts before it."""
    lines = []
    for path in paths:
        with open(path, errors="replace", encoding="utf-8") as log:
            lines += re.findall(r"[#:] (row \d+[ ,:].*)", log.read())
    return lines


def read_targets(path):
    with open(path, encoding="utf-8") as file:
        rows = csv.reader(line for line in file if line.strip() and line[0] != "#")
        for row, what, pattern, how, target in rows:
            yield row, what, re.compile(pattern), how, float(target)


def figure_of(match):
    """The first group, or the quotient of two; nothing divides by 0."""
    numbers = [float(group) for group in match.groups()]
    return numbers[0] / (numbers[1] or 1) if len(numbers) > 1 else numbers[0]


def judge(lines, pattern, how, target):
    """The figure furthest from its target, and whether that meets it."""
    figures = [figure_of(m) for m in map(pattern.match, lines) if m]
    if not figures:
        return "-", "missing"
    worst = max(figures, key=lambda figure: DISTANCE[how](figure, target))
    return f"{worst:.6g}", "yes" if DISTANCE[how](worst, target) <= 0 else "NO"


def main(targets, *logs):
    lines = read_lines(logs)
    answers = []
    print(f"{'row':>3}  {'what':<52} {'figure':>9}  {'target':<8} met")
    for row, what, pattern, how, target in read_targets(targets):
        figure, met = judge(lines, pattern, how, target)
        print(f"{row:>3}  {what:<52} {figure:>9}  {how + f' {target:g}':<8} {met}")
        answers.append(met)
    print(f"\n{answers.count('yes')} of {len(answers)} targets met")
    return answers.count("yes") != len(answers)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
