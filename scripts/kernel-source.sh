#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Get the source tree of a kernel version and print where it is.
#
#   kernel-source.sh 7.2
#
# A tree named in KSRC (one or more, separated by spaces) whose version fits is
# used as it is. Else it is Debian's linux-source package, from whatever suite
# has it, unpacked once in the cache.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$(dirname "$0")/apt.sh"

version=${1:?a kernel version such as 7.2}

# Where to look for linux-source-<version>, oldest first
suites=(bookworm trixie trixie-backports forky sid)

own_tree() {
	local tree
	for tree in ${KSRC:-}; do
		[[ -f $tree/Makefile ]] || die "KSRC: $tree is not a kernel source tree"
		if [[ $(make -s -C "$tree" kernelversion) == "$version"?(.*|-*) ]]; then
			(cd "$tree" && pwd)
			return
		fi
	done
	return 1
}

cached_tree() {
	[[ -L $cache/src/$version && -e $cache/src/$version/.complete ]] && readlink -f "$cache/src/$version"
}

unpack() { # deb directory
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/linux-source-$version.tar.xz" |
		xz -dc | tar -x -C "$2" --strip-components=1
}

install_deb() { # deb
	local exact tree
	exact=$(dpkg-deb -f "$1" Version)
	tree=$cache/src/linux-$exact
	rm -rf "$tree"
	mkdir -p "$tree"
	with_progress "unpacking linux-source-$version $exact" "$cache/src/unpack-$version.log" \
		unpack "$1" "$tree" || die "$1 could not be unpacked"
	touch "$tree/.complete"
	ln -sfn "linux-$exact" "$cache/src/$version"
	rm -f "$1"
}

fetch() {
	local suite deb
	cached_tree >/dev/null && return
	for suite in "${suites[@]}"; do
		if deb=$(suite_download "$suite" "linux-source-$version" "$cache/src/download"); then
			install_deb "$deb"
			return
		fi
	done
	die "no package linux-source-$version in any of: ${suites[*]}." \
		"Unpack the source of Linux $version and name it in KSRC=," \
		"or name another version in KVER_NEW= or KVER_OLD=."
}

shopt -s extglob
own_tree && exit
cached_tree && exit
[[ -e /etc/debian_version && -x /usr/bin/apt-get ]] ||
	die "not a Debian machine: unpack the source of Linux $version and name it in KSRC="
need_tools xz:xz-utils tar:tar make:make
with_lock "source-$version" fetch
cached_tree
