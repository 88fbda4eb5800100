#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading and unloading again and again costs no memory and breaks up no large
# blocks; xalloc cannot be unloaded while a client holds it.
# shellcheck source=lib.sh
. /guest/lib.sh

rounds=50
[ -e /sys/kernel/debug/kmemleak ] && rounds=10 # x86 with all checks is slow
tolerance=$((2048 + quarantine)) # KiB, over all rounds: 64 MiB are taken in each
large_tolerance=8 # of the 16 that one round takes

# Blocks of the largest order, in all zones
large_blocks() {
	free_memory >/dev/null
	echo 1 >/proc/sys/vm/compact_memory
	awk '{ n += $NF } END { print n }' /proc/buddyinfo
}

load_and_unload() { insmod /files/xalloc.ko size=64M && unload xalloc; }

many_rounds() {
	for _ in $(seq $rounds); do
		load_and_unload || return
	done
}

load_and_unload
before=$(free_memory) large=$(large_blocks)
check "$rounds loads and unloads" many_rounds
lost=$((before - $(free_memory)))
check "no memory is lost ($lost KiB)" [ $lost -le $tolerance ]
check "large blocks stay whole ($large, then $(large_blocks))" [ $((large - $(large_blocks))) -le $large_tolerance ]

insmod /files/xalloc.ko size=64M
insmod /files/xalloc_client.ko
rmmod xalloc 2>/dev/null
check "xalloc stays while a client is loaded" loaded xalloc
check "the client unloads" unload xalloc_client
check "xalloc unloads after it" unload xalloc
lost=$((before - $(free_memory)))
check "no memory is lost with a client ($lost KiB)" [ $lost -le $tolerance ]

finish unload
