#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write a snapshot of a pool that never was, for tests of the viewer.

    sample.py [--pages N] [--seed N] [--age 0..1] [--singles] >snapshot.json

Small objects fill the pool from its start and large ones from its end, as in a pool that
grows; between them lies a heap. With --age more of them were freed, here and there.
--singles: each page is a record of its own, the most that there can be.
"""
import argparse
import json
import random

CHUNK = 1024
STATES = ["free", "slab", "pages", "heap", "magazine", "busy", "hole"]
FREE, SLAB, PAGES, HEAP, MAGAZINE = range(5)
# Name, bytes, pages of a slab, objects in it, weight
SMALL = (("dentry", 192, 1, 21, 8), ("inode", 640, 4, 25, 5), ("request", 256, 1, 16, 4),
         ("vma", 160, 1, 25, 4), ("filp", 232, 2, 35, 3), ("names", 64, 1, 64, 2),
         ("skb", 448, 4, 36, 3), ("radix", 576, 4, 28, 3))
LARGE = (("buffers", 4096, 8, 8, 3), ("frames", 16384, 32, 8, 2))
GRANULE = 256
HEAP_OWNER = len(SMALL) + len(LARGE)


class Pool:
    def __init__(self, args):
        self.random = random.Random(args.seed)
        self.args = args
        self.blocks, self.chunks = [], []

    def put(self, pages, state, owner=-1, live=0, free=0):
        last = self.blocks[-1] if self.blocks else None
        record = [pages, state, owner, live, free]
        if last and last[2:] == record and not self.args.singles:
            last[1] += 1
        else:
            first = last[0] + last[1] * last[2] if last else 0
            self.blocks.append([first, 1] + record)

    def put_free(self, pages):
        """Blocks as a buddy system has them."""
        at = self.blocks[-1][0] + self.blocks[-1][1] * self.blocks[-1][2] if self.blocks else 0
        while pages:
            size = 1 if self.args.singles else min(at & -at or CHUNK, CHUNK)
            while size > pages:
                size //= 2
            self.put(size, FREE)
            at += size
            pages -= size

    def slab(self, owner, kind, age):
        _, _, pages, objects, _ = kind
        if self.random.random() < age * age:
            self.put_free(pages)
            return
        gone = self.random.random() < age
        live = objects - (self.random.randint(1, objects) if gone else 0)
        self.put(pages, SLAB, owner, live, objects - live)

    def slabs(self, kinds, first_owner, age):
        left = CHUNK
        while left:
            of = self.random.choices(range(len(kinds)), [kind[4] for kind in kinds])[0]
            for _ in range(self.random.randint(4, 96)):
                if kinds[of][2] > left:
                    break
                self.slab(first_owner + of, kinds[of], age)
                left -= kinds[of][2]
            else:
                continue
            if self.random.random() < .5 or left < 4:
                self.put_free(left)
                left = 0

    def pages(self, age):
        left = CHUNK
        while left:
            order = min(self.random.randint(0, 5), left.bit_length() - 1)
            size = 1 << order
            state = self.random.choices((PAGES, FREE, MAGAZINE), (4, 3 * age + .01, .3))[0]
            if state == FREE:
                self.put_free(size)
            else:
                self.put(size, state)
            left -= size

    def heap(self, number, age):
        granules = CHUNK * 4096 // GRANULE
        self.put(CHUNK, HEAP, HEAP_OWNER)
        sizes, at = [], 0
        while at < granules:
            size = min(int(2 ** self.random.uniform(0, 9)), granules - at)
            free = self.random.random() < .15 + .5 * age and not (sizes and sizes[-1] < 0)
            sizes.append(-size if free else size)
            at += size
        self.chunks.append([HEAP_OWNER, number * CHUNK, 0, sizes])

    def region(self, number, regions):
        part = number / regions
        age = min(1, self.args.age * (.4 + self.random.random()))
        if part < .45:
            self.slabs(SMALL, 0, age)
        elif part < .55:
            self.heap(number, age)
        elif part < .70:
            self.pages(age)
        elif part < .8:
            self.put_free(CHUNK)
        else:
            self.slabs(LARGE, len(SMALL), age)

    def singles(self, pages):
        for page in range(pages):
            self.put(1, (SLAB, PAGES, FREE)[page % 3], page % 8 if page % 3 == 0 else -1,
                     *((page % 20 + 1, 20 - page % 20) if page % 3 == 0 else ()))

    def record(self, first, times, pages, state, owner, live, free):
        record = [first, pages, state]
        if times > 1 or owner >= 0:
            record.append(times)
        if owner >= 0:
            record.append(owner)
        if live or free:
            record += [live, free]
        return record

    def json(self):
        pages = self.args.pages
        if self.args.singles:
            self.singles(pages)
        else:
            regions = pages // CHUNK
            for number in range(regions):
                self.region(number, regions)
            self.put_free(pages % CHUNK)
        owners = [["cache", name, size, objects] for name, size, _, objects, _ in SMALL + LARGE]
        return {
            "xalloc_snapshot": 1, "pool": "sample", "time_ns": int(self.args.age * 1e10),
            "page_size": 4096, "numbers": pages, "total": pages, "reserve": 0,
            "states": STATES, "regions": [[0, pages, "0xffff888100000000"]],
            "blocks": [self.record(*block) for block in self.blocks],
            "chunks": self.chunks, "owners": owners + [["heap", "textures", GRANULE, 0]],
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=262144)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--age", type=float, default=.3)
    parser.add_argument("--singles", action="store_true")
    print(json.dumps(Pool(parser.parse_args()).json(), separators=(",", ":")))


main()
