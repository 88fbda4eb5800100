#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# debugfs: the files are there, can be read by everything that reads buddyinfo
# and slabinfo, and their numbers balance while a client holds objects and
# after it has freed them. Reading changes nothing.
# shellcheck source=lib.sh
. /guest/lib.sh

readable() { [ -n "$(cat "$1")" ]; }

numbers() { cat "$debugfs"/caches/*/stats "$debugfs"/pools/*/stats; }

insmod /files/xalloc.ko size=64M
insmod /files/xalloc_client.ko
for file in buddyinfo slabinfo pools/default/stats; do
	check "$file can be read" readable "$debugfs/$file"
done
check "buddyinfo has the columns of /proc/buddyinfo" \
	awk '!/^Node [0-9]+, zone +[^ ]+( +[0-9]+)+ *$/ || NF != 15 { exit 1 }' "$debugfs/buddyinfo"
check "slabinfo has the head of /proc/slabinfo" \
	grep -q '^# name  *<active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>' "$debugfs/slabinfo"
check "every line of a stats file is a key and a number" \
	sh -c "cat $debugfs/caches/*/stats $debugfs/pools/*/stats | awk 'NF < 2 { exit 1 }'"
check "objects are live" [ "$(sum_of live "$debugfs"/caches/*/stats)" -gt 0 ]
check "the books balance while objects are live" books_balance
first=$(numbers)
check "reading changes nothing" [ "$first" = "$(numbers)" ]
check "the client frees" sh -c "echo 1 >/sys/module/xalloc_client/parameters/release"
check "no object is live" [ "$(sum_of live "$debugfs"/caches/*/stats)" = 0 ]
check "the books balance after" books_balance
check "the client unloads" unload xalloc_client
check "xalloc unloads" unload xalloc
check "debugfs is empty after" [ ! -e "$debugfs" ]

finish stats
