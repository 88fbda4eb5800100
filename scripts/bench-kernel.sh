#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Build one of the kernels that the benchmark runs on and print its build
# directory.
#
#   bench-kernel.sh bench-x86_64-7.2 | bench-x86_64-6.1 | bench-um-up | bench-um-smp
#
# These are kernels of their own because those of the tests have fault
# injection, which costs each allocation of the peers a dozen instructions.
# Builds are kept in the cache beside the others.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=${1:?the name of a kernel, such as bench-x86_64-$KVER_NEW}
version=$KVER_NEW fragments=(bench) targets=(linux modules) arch=um
case $name in
bench-um-up) fragments+=(bench-um) ;;
bench-um-smp) fragments+=(bench-um bench-smp) ;;
bench-x86_64-*)
	version=${name##*-} arch=x86_64 targets=(bzImage modules)
	fragments+=(bench-x86_64 bench-smp)
	;;
*) die "no benchmark kernel is named $name" ;;
esac
[[ -e $scripts/kernels/bench-$version.config ]] && fragments+=("bench-$version")

options() {
	printf "$scripts/kernels/%s.config\n" "${fragments[@]}" | xargs cat
}

build_key() {
	{
		basename "$source"
		make -s -C "$source" kernelversion
		gcc --version | head -n 1
		options
	} | sha256sum | cut -c1-12
}

kmake() {
	nice make -C "$source" O="$dir" ARCH="$arch" -j"$(nproc)" "$@"
}

configure() {
	options >"$dir/fragments.config"
	KCONFIG_ALLCONFIG=$dir/fragments.config kmake allnoconfig
	! grep -vxFf "$dir/.config" "$dir/fragments.config"
}

build_kernel() {
	[[ -e $dir/.complete ]] && return
	mkdir -p "$dir"
	with_progress "configuring $name" "$dir.log" configure || exit 1
	with_progress "building kernel $name" "$dir.log" kmake "${targets[@]}" || exit 1
	touch "$dir/.complete"
}

need_tools "${build_tools[@]}"
source=$("$scripts/kernel-source.sh" "$version")
dir=$cache/kernels/$name-$(build_key)
with_lock "build-$(basename "$dir")" build_kernel
echo "$dir"
