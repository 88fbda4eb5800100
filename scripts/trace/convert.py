#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make a trace (bench/trace.h) of what record.c wrote.

    convert.py RECORDS... TRACE

Of several files, those of the processes of a job, the one with the most
records is taken. A trace ends after MAX_OPS operations, or before more than
MAX_LIVE bytes are live. Prints what is in it.
"""
import struct
import sys

MAX_OPS = 1_500_000
MAX_LIVE = 200 << 20

MAGIC = b"ALXTRACE"
ALLOC, RESIZE, FREE = range(3)

RECORD = struct.Struct("=QQQ")


def records_of(path):
    with open(path, "rb") as file:
        data = file.read()
    for old, new, size in RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]):
        if not old and not new:
            return
        yield old, new, size


class Trace:
    """Operations so far, and what is live after them."""

    def __init__(self):
        self.ops = []
        self.live = {}      # address: slot, bytes
        self.free = []      # slots, the last freed one last
        self.slots = 0
        self.bytes = self.peak_bytes = self.peak_op = self.largest = 0

    def add(self, slot, op, size):
        self.ops.append((slot << 2 | op, size))
        self.largest = max(self.largest, size)
        if self.bytes > self.peak_bytes:
            self.peak_bytes, self.peak_op = self.bytes, len(self.ops)

    def allocate(self, address, size):
        if address in self.live:        # its free was not seen
            self.release(address)
        if self.free:
            slot = self.free.pop()
        else:
            slot, self.slots = self.slots, self.slots + 1
        self.live[address] = slot, size
        self.bytes += size
        self.add(slot, ALLOC, size)

    def release(self, address):
        if address not in self.live:    # of before the recording
            return
        slot, size = self.live.pop(address)
        self.bytes -= size
        self.free.append(slot)
        self.add(slot, FREE, 0)

    def resize(self, old, new, size):
        if old not in self.live:
            self.allocate(new, size)
            return
        slot, before = self.live.pop(old)
        if new in self.live:
            self.release(new)
        self.live[new] = slot, size
        self.bytes += size - before
        self.add(slot, RESIZE, size)

    def record(self, old, new, size):
        size = max(size, 1)             # the C library gives an address for 0 bytes too
        if not old:
            self.allocate(new, size)
        elif not new:
            self.release(old)
        else:
            self.resize(old, new, size)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(struct.pack("<8sIIIIQ", MAGIC, len(self.ops), self.slots,
                                   self.largest, self.peak_op, self.peak_bytes))
            for op in self.ops:
                file.write(struct.pack("<II", *op))


def main():
    *paths, out = sys.argv[1:]
    if not paths:
        sys.exit(__doc__)
    trace, longest = Trace(), max(paths, key=lambda path: sum(1 for _ in records_of(path)))
    for record in records_of(longest):
        if len(trace.ops) >= MAX_OPS or trace.bytes + record[2] > MAX_LIVE:
            break
        trace.record(*record)
    trace.write(out)
    print(f"{len(trace.ops)} operations, at most {trace.slots} allocations and "
          f"{trace.peak_bytes} bytes live")


if __name__ == "__main__":
    main()
