# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the guest's scripts share. Everything is written to the kernel's log,
# so that it keeps its order with what the kernel says.
#
# A shell suite calls pass, fail or skip for each of its checks and `finish` at
# the end, which writes the results as KTAP, with the plan that only then is
# known. A suite that dies before that has written no KTAP, which is a failure.

# shellcheck disable=SC2034 # for the scripts that source this
debugfs=/sys/kernel/debug/xalloc
results=/tmp/results

kmsg() { echo "$*" >/dev/kmsg; }

# Copy a stream into the log
kmsg_stream() { while IFS= read -r line; do kmsg "${1-# }$line"; done; }

result() {
	echo "$*" >>$results
	kmsg "# $*"
}
pass() { result "ok $1"; }
fail() { result "not ok $1 ${2:+($2)}"; }
skip() { result "ok $1 # SKIP $2"; }

# check "name" command...: passes when the command succeeds
check() {
	name=$1
	shift
	if "$@"; then pass "$name"; else fail "$name" "failed: $*"; fi
}

finish() { # suite
	kmsg "KTAP version 1"
	kmsg "1..1"
	kmsg "    KTAP version 1"
	kmsg "    # Subtest: $1"
	kmsg "    1..$(wc -l <$results)"
	awk '{ sub(/ok /, "ok " NR " - "); print "    " $0 }' $results | kmsg_stream ""
	if grep -q '^not ok' $results; then kmsg "not ok 1 - $1"; else kmsg "ok 1 - $1"; fi
}

# KiB that other parts of the kernel may take for good while a suite runs. KASAN
# keeps a record of each new stack from which memory was allocated or freed.
tolerance=1024
if zcat /proc/config.gz 2>/dev/null | grep -qx CONFIG_KASAN=y; then tolerance=2048; fi

# Let a test that asks for it have any of its own allocations fail. Nothing fails by
# itself: the probability stays 0. Returns false if the kernel cannot.
arm_faults() {
	attributes=/sys/kernel/debug
	for attribute in failslab fail_page_alloc; do
		[ -d $attributes/$attribute ] || return
		echo 0 >$attributes/$attribute/verbose # a backtrace each would look like a splat
		echo N >$attributes/$attribute/ignore-gfp-wait
	done
	echo 0 >$attributes/fail_page_alloc/min-order
	[ -e $attributes/fail_page_alloc/ignore-gfp-highmem ] &&
		echo N >$attributes/fail_page_alloc/ignore-gfp-highmem
	return 0
}

# What was too young for kmemleak's first scan waits for a second one. Returns false if kmemleak
# is off, which it also is once it found no memory for its own records.
kmemleak=/sys/kernel/debug/kmemleak
scan_twice() { echo scan >$kmemleak && sleep 6 && echo scan >$kmemleak; }

# New processes are dear in a VM, on UML most of all: what is done often is done by the shell
loaded() {
	while read -r entry _; do
		[ "$entry" = "$1" ] && return
	done </proc/modules
	return 1
}

# rmmod can meet a reference that is just being dropped
unload() {
	for _ in 1 2 3 4 5; do
		rmmod "$1" 2>/tmp/rmmod.err && return
		usleep 100000
	done
	kmsg_stream "# rmmod $1: " </tmp/rmmod.err
	return 1
}

# Lines that xalloc has written to the kernel's log since mark_log
mark_log() { dmesg -c >/dev/null; }
log_since() { dmesg; }
xalloc_lines() { dmesg | grep '^xalloc: '; }

# Free memory in KiB. Free pages that lie ready for one CPU are not in MemFree.
memory_now() {
	awk '/^MemFree/ { n += $2 } $1 == "count:" { n += $2 * 4 } END { print n }' \
		/proc/meminfo /proc/zoneinfo
}

# Give back what is cached or waits to be freed. KASAN keeps freed objects in a
# quarantine, up to a 32nd of the memory, and each keeps its slab: a cache that
# shrinks takes its objects out of there, and then gives its empty slabs back.
give_back() {
	echo 4 >/proc/sys/vm/drop_caches # do not say so in the log
	echo 3 >/proc/sys/vm/drop_caches
	for shrink in /sys/kernel/slab/*/shrink; do echo 1 >"$shrink"; done
	usleep 50000
}

free_memory() {
	give_back
	memory_now
}

# Blocks of the largest order, in all zones
large_blocks() {
	give_back
	echo 1 >/proc/sys/vm/compact_memory
	awk '{ n += $NF } END { print n }' /proc/buddyinfo
}

# What is missing of what there was. Some things come back late: what CPUs keep of
# freed pages for themselves within seconds. What is lost for good stays missing.
missing() { # free_memory or large_blocks, what it said before, what may be missing
	for _ in 1 2 3; do
		missing=$(($2 - $($1)))
		[ $missing -gt "$3" ] || break
		sleep 1
	done
	echo "$missing"
}

# Load xalloc with one string of parameters; print the errno
load_errno() {
	loaded=$(/files/insmod-nth 0 /files/xalloc.ko "$1")
	echo "${loaded%% *}"
}

# Values of the `key value` files
stat_of() { # file key
	while read -r key value _; do
		[ "$key" = "$2" ] && echo "$value" && return
	done <"$1"
}
sum_of() { # key file...
	key=$1
	shift
	cat "$@" | awk -v key="$key" '$1 == key { n += $2 } END { print n + 0 }'
}

# pages: total = free + slabs + heaps + pages given out + page magazines
# objects: capacity = live + waiting for a grace period + magazines + depot + free in slabs
books_balance() {
	for stats in "$debugfs"/pools/*/stats; do
		awk '{ v[$1] = $2 } END { exit v["total"] != v["free"] + v["slabs"] + v["heaps"] + v["pages"] + v["magazines"] }' \
			"$stats" || { kmsg_stream "# $stats: " <"$stats"; return 1; }
	done
	for stats in "$debugfs"/caches/*/stats; do
		awk '{ v[$1] = $2 } END { exit v["capacity"] != v["live"] + v["waiting"] + v["magazines"] + v["depot"] + v["slab_free"] }' \
			"$stats" || { kmsg_stream "# $stats: " <"$stats"; return 1; }
	done
}
