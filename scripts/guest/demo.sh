#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's job under `make demo`. Each step says what it has done only when
# it has; the host looks for those lines.
# shellcheck source=lib.sh
. /guest/lib.sh

done_step() { kmsg "=== demo: $*"; }
die() { kmsg "demo failed: $*"; exit 1; }

show() { # heading, file...
	heading=$1
	shift
	for file in "$@"; do
		[ -n "$(cat "$file")" ] || die "$file is missing or empty"
	done
	done_step "$heading"
	for file in "$@"; do
		[ $# -gt 1 ] && kmsg "${file#"$debugfs/"}:"
		kmsg_stream "  " <"$file"
	done
}

show_all() { # when
	show "buddyinfo $1" "$debugfs"/buddyinfo
	show "slabinfo $1" "$debugfs"/slabinfo
	show "statistics $1" "$debugfs"/caches/*/stats
}

live_objects() { sum_of live "$debugfs"/caches/*/stats; }

kmsg "=== demo on $(uname -sr)"
insmod /files/xalloc.ko size=64M || die "insmod xalloc.ko"
done_step "xalloc is loaded"
insmod /files/xalloc_client.ko || die "insmod xalloc_client.ko"
done_step "the client is loaded"

show_all "while objects are live"
[ "$(live_objects)" -gt 0 ] || die "the client holds no objects"
done_step "the client has live objects: $(live_objects)"

echo 1 >/sys/module/xalloc_client/parameters/release || die "the client does not release"
show_all "after they are freed"
[ "$(live_objects)" -eq 0 ] || die "$(live_objects) objects are still live"
done_step "the client has no live objects"

unload xalloc_client || die "rmmod xalloc_client"
loaded xalloc_client && die "the client is still loaded"
done_step "the client is unloaded"
unload xalloc || die "rmmod xalloc"
loaded xalloc && die "xalloc is still loaded"
[ ! -e "$debugfs" ] || die "$debugfs is still there"
done_step "xalloc is unloaded"
