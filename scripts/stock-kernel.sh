#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Get the distribution's own kernel for clouds, with the headers to build
# modules for it, and print where they are: a directory with `vmlinuz`, and
# `kdir`, which serves as KDIR=.
#
# Nothing is installed: the packages are unpacked in the cache. The headers
# name each other by absolute paths, which are changed to the cache's.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$(dirname "$0")/apt.sh"

# A package's dependency that fits a pattern
dependency() { # package pattern
	in_suite "$suite" apt-cache depends --important "$1" |
		awk -v pattern="$2" '/Depends:/ && $NF ~ pattern { print $NF; exit }'
}

# The kernel, its headers, and what those include
packages() {
	local release headers
	release=$(dependency linux-image-cloud-amd64 '^linux-image-.*-cloud-amd64$')
	release=${release#linux-image-}
	[[ $release ]] || die "$suite has no linux-image-cloud-amd64"
	headers=linux-headers-$release
	echo "linux-image-$release" "$headers" \
		"$(dependency "$headers" '^linux-headers-.*-common$')" \
		"$(dependency "$headers" '^linux-kbuild-')"
}

unpack() { # deb; of an image only the kernel itself
	case $1 in
	*/linux-image-*) dpkg-deb --fsys-tarfile "$1" | tar -x -C "$tree" --wildcards './boot/vmlinuz-*' ;;
	*) dpkg-deb -x "$1" "$tree" ;;
	esac
	rm -f "$1"
}

relocate() {
	local headers=("$tree"/usr/src/linux-headers-*-cloud-amd64) link
	grep -rlE '/usr/(src|lib)/linux-' "${headers[0]}" --include=Makefile --include=.kernelvariables |
		xargs -r sed -i -E "s,(^|[^[:alnum:]._])/usr/(src|lib)/linux-,\1$tree/usr/\2/linux-,g"
	find "$tree/usr" -lname '/usr/*' -print0 | while IFS= read -r -d '' link; do
		ln -sfn "$tree$(readlink "$link")" "$link"
	done
	ln -sfn "${headers[0]#"$tree"/}" "$tree/kdir"
	(cd "$tree" && ln -sfn boot/vmlinuz-* vmlinuz)
}

fetch() {
	local package deb list
	[[ -e $cache/stock/$suite/.complete ]] && return
	tree=$cache/stock/$suite
	rm -rf "$tree"
	mkdir -p "$tree"
	suite_update "$suite" || exit 1
	list=$(packages)
	for package in $list; do
		deb=$(suite_download "$suite" "$package" "$cache/stock/download") ||
			die "cannot get the package $package of $suite"
		unpack "$deb"
	done
	relocate
	touch "$tree/.complete"
}

[[ -e /etc/debian_version && -x /usr/bin/apt-get ]] ||
	die "not a Debian machine: there is no stock kernel to fetch, name one's build directory in KDIR= and its image in KERNEL_IMAGE="
suite=$(debian_codename)
with_lock "stock-$suite" fetch
echo "$cache/stock/$suite"
