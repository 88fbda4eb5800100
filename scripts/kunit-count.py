#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count results in logs with the parser of the kernel's kunit.py.

    kunit-count.py DIRECTORY LOG...     DIRECTORY: tools/testing/kunit of a kernel

Prints `log passed failed skipped` for each. Crashes and errors count as failed.
One process for all of them, because it takes long to begin.
"""
import sys


def main(directory, logs):
    sys.path.insert(0, directory)
    from kunit_parser import parse_run_tests
    from kunit_printer import null_printer

    for log in logs:
        with open(log, errors="backslashreplace") as lines:
            n = parse_run_tests(lines, null_printer).counts
        print(log, n.passed, n.failed + n.crashed + n.errors, n.skipped)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(sys.argv[1], sys.argv[2:])
