#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of xalloc-view, with snapshots of sample.py and some that are wrong."""
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

HERE = os.path.dirname(os.path.realpath(__file__))
VIEW = os.path.join(HERE, "..", "xalloc-view")
SAMPLE = os.path.join(HERE, "sample.py")

# As the module writes it: a pool of 64 pages from number 8 on, with a cache and a heap
SMALL = {
    "xalloc_snapshot": 1, "pool": "a<b\"&", "time_ns": 5, "page_size": 4096, "numbers": 72,
    "total": 64, "reserve": 2,
    "states": ["free", "slab", "pages", "heap", "magazine", "busy", "hole"],
    "regions": [[8, 64, "0xffff888001008000"]],
    "blocks": [[0, 8, 6], [8, 8, 3, 1, 1], [16, 1, 1, 4, 0, 16, 0], [20, 1, 1, 1, 0, 3, 13],
               [21, 1, 1], [22, 2, 2], [24, 4, 4, 2], [32, 8, 0], [40, 32, 0]],
    "chunks": [[1, 8, 0, [16, -16]], [1, 8, 32, [480]]],
    "owners": [["cache", "</script>", 256, 16], ["heap", "h\\\"", 64, 0]],
}


class ViewTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def save(self, name, shot):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(shot if isinstance(shot, str) else json.dumps(shot))
        return self.path(name)

    def run_view(self, *args):
        return subprocess.run([sys.executable, VIEW, *args], capture_output=True, text=True,
                              check=False)

    def view(self, *paths):
        html, svg = self.path("out.html"), self.path("out.svg")
        done = self.run_view(*paths, "-o", html, "--svg", svg)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        with open(html, encoding="utf-8") as file:
            text = file.read()
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
        return text, json.loads(data[1]), xml.dom.minidom.parse(svg)

    def refuse(self, shot, *words):
        done = self.run_view(self.save("bad.json", shot), "-o", self.path("bad.html"))
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("Traceback", done.stderr)
        self.assertIn("bad.json", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(self.path("bad.html")))

    def changed(self, **fields):
        shot = copy.deepcopy(SMALL)
        for key, value in fields.items():
            if value is None:
                del shot[key]
            else:
                shot[key] = value
        return shot

    def test_small(self):
        text, data, svg = self.view(self.save("small.json", SMALL))
        shot = data["shots"][0]
        self.assertEqual(data["pool"], 'a<b"&')
        self.assertIn("pool a&lt;b&quot;&amp;</title>", text)
        self.assertEqual([owner["name"] for owner in data["owners"]], ['h\\"', "</script>"])
        self.assertEqual(shot["chunks"], [[0, 8, 0, [16, -16, 480]]])
        records = [shot["blocks"][i:i + 7] for i in range(0, len(shot["blocks"]), 7)]
        self.assertEqual(records[2], [16, 1, 1, 4, 1, 16, 0])
        self.assertEqual(records[4], [21, 1, 1, 1, -1, 0, 0])
        self.assertEqual(records[6], [24, 4, 4, 2, -1, 0, 0])
        self.assertEqual(sum(r[1] * r[3] for r in records), 72)
        self.assertIn("67 of 80 live", svg.toxml())

    def test_page_is_self_contained(self):
        text, _, _ = self.view(self.save("small.json", SMALL))
        self.assertIsNone(re.search(r'\b(src|href)=|@import|url\(', text))
        self.assertEqual(text.count("<script"), 2)

    def test_snapshots_are_sorted_by_time(self):
        paths = [self.save(f"{time}.json", self.changed(time_ns=time)) for time in (9, 2, 5)]
        _, data, _ = self.view(*paths)
        self.assertEqual([shot["time"] for shot in data["shots"]], [2, 5, 9])
        self.assertEqual(data["shots"][0]["name"], "2.json")

    def test_samples(self):
        for args in (["--pages", "5000"], ["--pages", "4096", "--age", "0.9", "--seed", "7"],
                     ["--pages", "3000", "--singles"]):
            sample = subprocess.run([sys.executable, SAMPLE, *args], capture_output=True,
                                    text=True, check=True)
            _, data, _ = self.view(self.save("sample.json", sample.stdout))
            self.assertEqual(data["shots"][0]["total"], int(args[1]))

    def test_wrong_files(self):
        self.refuse("", "is empty")
        self.refuse(json.dumps(SMALL)[:300], "no JSON", "to its end")
        self.refuse("[]", "no snapshot of xalloc")
        self.refuse("{}", "no snapshot of xalloc")
        done = self.run_view(self.path("none.json"), "-o", self.path("x.html"))
        self.assertIn("none.json: No such file", done.stderr)
        done = self.run_view(self.save("s.json", SMALL), "-o", self.path("no/x.html"))
        self.assertIn("x.html: No such file", done.stderr)
        self.assertEqual(self.run_view(self.path("s.json")).returncode, 2)

    def test_wrong_heads(self):
        self.refuse(self.changed(xalloc_snapshot=2), "version 2", "reads version 1")
        self.refuse(self.changed(pool=None), '"pool" is no name')
        self.refuse(self.changed(numbers="72"), '"numbers" is no number')
        self.refuse(self.changed(page_size=0), "no pages")
        self.refuse(self.changed(states=["free"]), '"states" are not free, slab')
        self.refuse(self.changed(chunks=None), '"chunks" is no array')

    def test_wrong_records(self):
        def block(i, record):
            blocks = copy.deepcopy(SMALL["blocks"])
            blocks[i] = record
            return self.changed(blocks=blocks)

        self.refuse(block(2, [17, 1, 1, 4, 0, 16, 0]), "blocks[2] begins at page 17", "ends at 16")
        self.refuse(block(2, [16, 1, 7]), "blocks[2]", "no state")
        self.refuse(block(2, [16, 0, 1]), "blocks[2] has no pages")
        self.refuse(block(2, [16, 1, 1, 4, 2, 1, 1]), "owner 2, and there are 2")
        self.refuse(block(2, [16, 1.5, 1]), "blocks[2] is not 3 to 7 numbers")
        self.refuse(block(2, [16, 1, 1, 4, 0, 16]), "blocks[2] is not 3 to 7 numbers")
        self.refuse(block(8, [40, 16, 0]), "end at page 56 of 72")
        self.refuse(self.changed(regions=[[8, 99, "0x1000"]]), "regions[0]", "behind page 72")
        self.refuse(self.changed(regions=[[8, 64, "here"]]), "no address: 'here'")
        self.refuse(self.changed(owners=[["dog", "x", 1, 1]] * 2), "owners[0]")
        self.refuse(self.changed(chunks=[[0, 8, 0, [1]]]), "owner 0 is no heap")
        self.refuse(self.changed(chunks=[[1, 8, 0, [0]]]), "chunks[0]")
        self.refuse(self.changed(chunks=[[1, 8, 0, [9999]]]), "ends behind the pool")

    def test_two_pools(self):
        one, two = self.save("1.json", SMALL), self.save("2.json", self.changed(pool="other"))
        done = self.run_view(one, two, "-o", self.path("x.html"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("2.json: it is of pool other", done.stderr)


if __name__ == "__main__":
    unittest.main()
