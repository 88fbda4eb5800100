#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A client is unloaded while objects of it are live. Nothing of it is called any more,
# xalloc goes on working, and an operator can give up what it left, so that xalloc unloads.
# shellcheck source=lib.sh
. /guest/lib.sh

leaver=$debugfs/caches/leaver
left=$debugfs/pools/left
inner=$debugfs/caches/inner

write() { echo "$2" >"$1" 2>/dev/null; }
gone() { # directory
	for _ in $(seq 100); do
		[ -e "$1" ] || return 0
		usleep 50000
	done
	return 1
}
stays() { ! rmmod xalloc 2>/dev/null && loaded xalloc; }
live_of() { stat_of "$1/stats" live; }
collect_all() {
	for file in "$debugfs"/*/*/collect; do
		for force in 0 1; do write "$file" $force; done
	done
	for file in "$debugfs"/caches/*/tear; do write "$file" 1; done
	[ -e "$debugfs/slabinfo" ] && cat "$debugfs/slabinfo" >/dev/null
}
refused() { ! write "$1" "$2"; }

insmod /files/xalloc.ko size=32M decay_ms=200
insmod /files/xleaver.ko keep=7
check "a cache in use cannot be given up" refused "$leaver/give_up" 1
check "nor a pool in use" refused "$left/give_up" 1
check "the client unloads with objects live" unload xleaver
check "its cache is still there" [ "$(live_of "$leaver")" = 7 ]
check "that of its own pool, too" [ "$(live_of "$inner")" = 7 ]
check "xalloc stays" stays
check "collecting calls nothing of a client that is gone" collect_all
usleep 500000 # the worker has looked at them by then
check "the books balance" books_balance
check "its cache holds as many" [ "$(live_of "$leaver")" = 7 ]

insmod /files/xalloc_client.ko
check "others have the pool" [ "$(live_of "$debugfs/caches/requests")" = 1000 ]
unload xalloc_client

check "only 1 gives up" refused "$leaver/give_up" 2
check "an operator gives the cache up" write "$leaver/give_up" 1
check "the cache goes" gone "$leaver"
check "its pages are in use" [ "$(stat_of "$debugfs/pools/default/stats" slabs)" -gt 0 ]
check "collecting goes on" collect_all
check "xalloc stays for the pool" stays
check "an operator gives the pool up" write "$left/give_up" 1
check "the pool goes" gone "$left"
check "its cache with it" gone "$inner"
check "xalloc unloads" unload xalloc
says_left() { dmesg | grep -q "heap xmalloc: not destroyed: 1 chunks"; }
check "and says what is left of xmalloc()" says_left

insmod /files/xalloc.ko size=32M
check "xalloc loads again" loaded xalloc
for _ in 1 2; do
	insmod /files/xleaver.ko keep=1 2>/dev/null
	unload xleaver
	write "$left/give_up" 1 && gone "$left"
done
orphans=$(find "$debugfs/caches" -name 'leaver*' -maxdepth 1 | wc -l)
check "a client that comes again leaves a second cache ($orphans)" [ "$orphans" = 2 ]
for file in "$debugfs"/caches/leaver*/give_up; do write "$file" 1; done
check "xalloc unloads again" unload xalloc

finish orphan
