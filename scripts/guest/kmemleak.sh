#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Nothing that the suites before this one allocated is left without a pointer
# to it. The second scan is for objects that were too young for the first.
# shellcheck source=lib.sh
. /guest/lib.sh

kmemleak=/sys/kernel/debug/kmemleak

echo scan >$kmemleak
sleep 6
echo scan >$kmemleak
kmsg_stream "# " <$kmemleak
check "no memory is leaked" [ -z "$(cat $kmemleak)" ]
finish kmemleak
