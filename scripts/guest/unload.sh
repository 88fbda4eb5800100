#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading and unloading again and again costs no memory and breaks up no large
# blocks; xalloc cannot be unloaded while a client holds it.
# shellcheck source=lib.sh
. /guest/lib.sh

rounds=$((50 / ${shorter:-1})) large_tolerance=8 # blocks, over all rounds: 16 are taken in each
[ -e /sys/kernel/debug/kmemleak ] && rounds=10 large_tolerance=5 # x86 with all checks is slow

load_and_unload() { insmod /files/xalloc.ko size=64M && unload xalloc; }

many_rounds() {
	for _ in $(seq $rounds); do
		load_and_unload || return
	done
}

# The kernel puts pages of its own into a few whole blocks in the first loads after
# boot. What xalloc breaks up, it breaks up each time: rounds with too many are made
# again, from what is whole by then.
broken=$rounds
few_broken() { [ "$broken" -le $large_tolerance ]; }
rounds_that_break() {
	large=$(large_blocks)
	many_rounds || return
	broken=$(missing large_blocks "$large" $large_tolerance)
}

load_and_unload
before=$(free_memory)
check "$rounds loads and unloads" rounds_that_break
lost=$(missing free_memory "$before" $tolerance)
check "no memory is lost ($lost KiB)" [ "$lost" -le $tolerance ]
few_broken || rounds_that_break
few_broken || rounds_that_break
check "large blocks stay whole ($broken of $large do not)" few_broken

insmod /files/xalloc.ko size=64M
insmod /files/xalloc_client.ko
rmmod xalloc 2>/dev/null
check "xalloc stays while a client is loaded" loaded xalloc
check "the client unloads" unload xalloc_client
check "xalloc unloads after it" unload xalloc
lost=$(missing free_memory "$before" $tolerance)
check "no memory is lost with a client ($lost KiB)" [ "$lost" -le $tolerance ]

finish unload
