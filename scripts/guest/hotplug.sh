#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A CPU goes while a client holds objects, and comes back. Its magazines go to
# the depot: nothing is lost, and everything can be freed and unloaded.
# shellcheck source=lib.sh
. /guest/lib.sh

cpu=/sys/devices/system/cpu/cpu1/online

live_objects() { sum_of live "$debugfs"/caches/*/stats; }

if [ ! -e $cpu ]; then
	skip "a CPU that goes and comes" "CPUs of this kernel stay"
	finish hotplug
	exit
fi

insmod /files/xalloc.ko size=64M
taskset 2 insmod /files/xalloc_client.ko
live=$(live_objects)
check "the client holds objects on CPU 1 ($live)" [ "$live" -gt 0 ]
check "CPU 1 goes" sh -c "echo 0 >$cpu"
check "no object is lost" [ "$(live_objects)" = "$live" ]
check "the books balance without the CPU" books_balance
check "CPU 1 comes back" sh -c "echo 1 >$cpu"
check "the client frees there" taskset 2 sh -c "echo 1 >/sys/module/xalloc_client/parameters/release"
check "no object is live" [ "$(live_objects)" = 0 ]
check "the books balance with the CPU" books_balance
check "the client unloads" unload xalloc_client
check "xalloc unloads" unload xalloc

finish hotplug
