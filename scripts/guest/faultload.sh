#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every allocation that loading xalloc makes fails once, the first, the second
# and so on until a load has fewer than that; with shorter=N, behind the first, every Nth.
# Each load either fails cleanly or does without; the kernel's log judges the rest.
# shellcheck source=lib.sh
. /guest/lib.sh

limit=3000 step=${shorter:-1}

# The first failures cost the kernel up to 3 MiB that a second round does not:
# pages of caches that only error paths use. What is counted starts after.
settled=64

if ! arm_faults; then
	skip "allocations that fail at load" "no fault injection in this kernel"
	finish faultload
	exit
fi

failed=0 survived=0 odd='' n=0 before=0
while n=$((n < settled ? n + 1 : n + step)) && [ $n -le $limit ]; do
	[ $n -eq $settled ] && before=$(free_memory)
	# shellcheck disable=SC2046 # two words
	set -- $(/files/insmod-nth $n /files/xalloc.ko size=4M)
	errno=$1 state=$2
	if [ "$errno" = 0 ]; then
		survived=$((survived + 1))
		unload xalloc || odd="$odd $n:unload"
	else
		failed=$((failed + 1))
		[ "$errno" = 12 ] || odd="$odd $n:errno=$errno"
		loaded xalloc && odd="$odd $n:loaded"
	fi
	[ "$state" = exhausted ] && break
done
lost=$(missing free_memory "$before" $tolerance)

kmsg "# $n loads: $failed failed, $survived did without, $lost KiB less free"
check "each load that fails gives ENOMEM and leaves nothing ($odd)" [ -z "$odd" ]
check "faults make loads fail" [ $failed -gt 10 ]
check "the last allocation is reached" [ "$state" = exhausted -a $n -gt $((settled * 2)) ]
check "a load succeeds after all that" [ "$errno" = 0 ]
check "no memory is lost ($lost KiB)" [ "$lost" -le $tolerance ]

finish faultload
