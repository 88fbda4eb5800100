#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Build one of the kernels that the tests run on and print its build
# directory, which serves as KDIR= for modules too.
#
#   kernel-build.sh um-smp | um-debug | x86_64-7.2 | x86_64-6.1 | x86_64-debug | x86_64-kmsan
#
# The configuration is allnoconfig plus the fragments in kernels/. Builds are
# kept in the cache, one directory for each exact version, configuration and
# compiler; a stamp written last tells a whole build from half of one.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

use_rig "${1:?the name of a kernel, one of: ${rigs[*]}}"

# Options that exist in some versions only are in fragments of their own. For
# a version without one, all of these are offered and none is insisted on.
fragment_files() {
	local own=$scripts/kernels/version-$rig_version.config
	printf "$scripts/kernels/%s.config\n" "${rig_fragments[@]}"
	[[ -e $own ]] && echo "$own"
	return 0
}

offered_options() {
	fragment_files | xargs cat
	[[ -e $scripts/kernels/version-$rig_version.config ]] || cat "$scripts"/kernels/version-*.config
}

dropped_options() { # .config
	local line
	[[ -e $scripts/kernels/version-$rig_version.config ]] || return 0
	while read -r line; do
		case $line in CONFIG_*) grep -qxF -- "$line" "$1" || echo "$line" ;; esac
	done < <(fragment_files | xargs cat)
}

build_key() { # source tree
	{
		basename "$1"
		make -s -C "$1" kernelversion
		"$rig_cc" --version | head -n 1
		offered_options
		[[ $rig_arch != um ]] || declare -f mend_uml yield_to_others leave_kfree_out
	} | sha256sum | cut -c1-12
}

kmake() {
	make -C "$source" O="$dir" ARCH="$rig_arch" CC="$rig_cc" -j"$(nproc)" "$@"
}

configure() {
	offered_options >"$dir/fragments.config"
	KCONFIG_ALLCONFIG=$dir/fragments.config kmake allnoconfig
}

check_config() {
	local dropped
	dropped=$(dropped_options "$dir/.config")
	[[ -z $dropped ]] || die "Linux $rig_version refused these lines of scripts/kernels for $rig_name:"$'\n'"$dropped"
}

# What is only prepared has no symbols for modules to be linked against; those
# of the kernel that gcc built from the same configuration are the same.
borrow_symbols() {
	[[ $rig_name == *-clang* ]] || return 0
	cp "$("$scripts/kernel-build.sh" "${rig_name%-clang*}")/Module.symvers" "$dir/"
}

# Files of UML's that make finds in the build directory before it finds the source's
mend_uml() {
	[[ $rig_arch == um ]] || return 0
	yield_to_others
	[[ $rig_name != um-debug ]] || leave_kfree_out
}

# UML's CPUs are threads of the host. One that spins for a lock whose holder does not run
# must let the host run the holder, or each lock that four CPUs want takes milliseconds
# where the host has two: 24 is sched_yield.
yield_to_others() {
	local dir_of=arch/x86/um/asm
	[[ -e $source/$dir_of/processor.h ]] || return 0
	mkdir -p "$dir/include/asm"
	cp "$source/$dir_of/processor_64.h" "$dir/include/asm/"
	sed 's/^.*"pause".*$/\tlong nr = 24; asm volatile("syscall" : "+a" (nr) : : "rcx", "r11", "memory");/' \
		"$source/$dir_of/processor.h" >"$dir/include/asm/processor.h"
}

# UML with KASAN takes a backtrace in each kfree(). The one with which a second CPU starts
# is on a stack of the host's, where the backtrace can walk off the end, which kills the
# kernel. It is left out (64 bytes stay allocated for each CPU).
leave_kfree_out() {
	local file=arch/um/os-Linux/smp.c
	[[ -e $source/$file ]] || return 0
	mkdir -p "$dir/${file%/*}"
	cp "$source/${file%/*}/internal.h" "$dir/${file%/*}/"
	sed '/^void os_start_secondary/,/^}/{/^\tkfree(data);$/d}' "$source/$file" >"$dir/$file"
}

build_kernel() {
	[[ -e $dir/.complete ]] && return
	mkdir -p "$dir"
	with_progress "configuring $rig_name" "$dir.log" configure || exit 1
	check_config
	mend_uml
	with_progress "building kernel $rig_name" "$dir.log" kmake "${rig_targets[@]}" || exit 1
	borrow_symbols
	touch "$dir/.complete"
}

need_tools "${build_tools[@]}"
source=$("$scripts/kernel-source.sh" "$rig_version")
dir=$cache/kernels/$rig_name-$(build_key "$source")
with_lock "build-$(basename "$dir")" build_kernel
echo "$dir"
