# SPDX-License-Identifier: GPL-2.0
# The commands that people type; kbuild itself reads Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build

.PHONY: all headers clean demo vm test test-fast test-long ports rows check view-test bench \
	bench-fast traces help
.DEFAULT_GOAL := all

all: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

headers:
	@test -e $(KDIR)/Makefile || { \
	  echo "There is no kernel to build against in $(KDIR)."; \
	  echo "Install its headers (Debian: linux-headers-$$(uname -r)), name a"; \
	  echo "kernel's build directory in KDIR=, or try 'make demo', which needs none."; \
	  exit 1; } >&2

# Works without headers too
clean:
	@! test -e $(KDIR)/Makefile || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -rf build

demo:
	@scripts/demo.sh

vm:
	@scripts/demo.sh --shell

test:
	@scripts/test.sh $(KERNEL)

test-fast:
	@FAST=1 scripts/test.sh um-smp

# Below the 300 s that a test may take, and the 400 s for which a VM may be silent
test-long:
	@PARAM=wrong=1000000 SUITE=xwrong scripts/test.sh um-smp
	@PARAM=twice_ms=115000 SUITE=xtwice scripts/test.sh um-smp
	@PARAM=hotplug_ms=600000 SUITE=xstress scripts/test.sh x86_64-debug

ports:
	@scripts/ports.sh $(PORT)

rows:
	@scripts/rows.sh

check:
	@scripts/check.sh

view-test:
	@scripts/view-test.sh

bench:
	@scripts/bench.sh

bench-fast:
	@scripts/bench.sh fast

traces:
	@scripts/trace.sh $(PROGRAM)

help:
	@echo 'make            build xalloc.ko for the running kernel (KDIR= for another)'
	@echo 'make demo       a VM with a stock kernel, xalloc and a client at work'
	@echo 'make vm         the same VM with a shell'
	@echo 'make test       every suite on every kernel; a cold run builds the kernels'
	@echo '                KERNEL="um-smp um-debug" SUITE="xslab params" select some'
	@echo '                KERNEL=x86_64-kmsan SUITE=tools: uninitialised memory; takes clang'
	@echo 'make test-fast  the suites on UML alone, long loops shortened (in full:'
	@echo '                make test KERNEL=um-smp)'
	@echo 'make test-long  a million wrong frees, errors at the same instant, everything'
	@echo '                at once with CPU hotplug and KASAN: takes half an hour'
	@echo 'make ports      kernel code that is ported onto xalloc, with its own tests and real'
	@echo '                work: slub_kunit, gpu_buddy, gpu_xbuddy, maple_tree, ext2, ext4,'
	@echo '                zram; PORT="ext4 zram" selects some'
	@echo 'make rows       what the tests measure, beside the targets'
	@echo 'make check      checkpatch, sparse, W=1, each clang, shellcheck, the viewer, ^C'
	@echo 'make view-test  how long a browser takes to draw a snapshot of 1 GiB'
	@echo 'make bench      xalloc against the kernel allocators, all ways; bench-fast: one'
	@echo 'make traces     what real programs allocate, recorded and replayed on xmalloc,'
	@echo '                kmalloc and malloc; PROGRAM="perl sqlite" selects some'
	@echo 'make clean      remove what was built here; the cache of kernels stays in'
	@echo '                $${XALLOC_CACHE:-~/.cache/xalloc}'
	@echo
	@echo 'KSRC="dir..."   kernel sources to use instead of the linux-source packages'
	@echo 'KVER_NEW=7.2 KVER_OLD=6.1  the versions that the tests run on'
