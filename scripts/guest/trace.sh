#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's job under `make traces`: each trace is replayed in the kernel, with xalloc loaded
# anew, and by /files/replay. /files/bench has the size of the pool. Results are in the log.
# shellcheck source=lib.sh
. /guest/lib.sh

read -r size </files/bench
for trace in /files/*.trace; do
	give_back
	insmod /files/xalloc.ko "size=$size" || exit
	insmod /files/xbench.ko reps=1 suites=trace "trace=$trace" || exit
	unload xbench && unload xalloc || exit
	/files/replay "$trace" >/tmp/replayed || exit
	kmsg_stream "xbench: " </tmp/replayed
done
