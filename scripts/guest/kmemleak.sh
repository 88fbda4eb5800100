#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Nothing that the suites before this one allocated is left without a pointer
# to it.
# shellcheck source=lib.sh
. /guest/lib.sh

check "kmemleak looked" scan_twice
kmsg_stream "# " <$kmemleak
check "no memory is leaked" [ -z "$(cat $kmemleak)" ]
finish kmemleak
