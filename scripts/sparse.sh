#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Find a sparse that the checks of a kernel's source tree accept, and print how to call it.
#
#   sparse.sh SOURCE-TREE
#
# That is the machine's own if it is new enough. Else it is one of a later Debian suite,
# unpacked in the cache together with the C library that it wants. Fails if there is none.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$(dirname "$0")/apt.sh"

source=${1:?the source tree of a kernel}

# Where to look for a newer one, oldest first
suites=(trixie forky sid)

# Old kernels take any
valid() { # command of sparse
	[[ ! -e $source/scripts/checker-valid.sh ]] ||
		[[ $(sh "$source/scripts/checker-valid.sh" "$1") == 1 ]]
}

# It is called through its own suite's loader, and uses nothing of the machine's
wrap() { # tree
	cat >"$1/sparse" <<-EOF
		#!/bin/sh
		exec "$1/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \\
			--library-path "$1/usr/lib/x86_64-linux-gnu" "$1/usr/bin/sparse" "\$@"
	EOF
	chmod +x "$1/sparse"
}

unpack() { # suite, tree
	local package deb
	rm -rf "$2"
	mkdir -p "$2"
	for package in sparse libc6; do
		deb=$(suite_download "$1" "$package" "$cache/sparse/download") || return
		dpkg-deb -x "$deb" "$2" || return
		rm -f "$deb"
	done
	wrap "$2"
	touch "$2/.complete"
}

fetch() {
	local suite tree
	for suite in "${suites[@]}"; do
		tree=$cache/sparse/$suite
		[[ -e $tree/.complete ]] || unpack "$suite" "$tree" || continue
		if valid "$tree/sparse"; then
			echo "$tree/sparse"
			return
		fi
	done
	return 1
}

if have sparse && valid sparse; then
	echo sparse
	exit
fi
[[ -e /etc/debian_version && -x /usr/bin/apt-get && $(uname -m) == x86_64 ]] || exit 1
with_lock sparse fetch
