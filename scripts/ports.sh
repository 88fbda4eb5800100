#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Port kernel code onto xalloc and run its own tests, or real work, in VMs.
#
#   ports.sh [PORT...]       default: all of them
#
#   slub_kunit    the tests of SLUB, as far as they are of an interface that xalloc has
#   gpu_buddy     the buddy system of GPU drivers with its tests, its blocks in a cache
#   gpu_xbuddy    the same tests on xbuddy
#   maple_tree    the maple tree with its tests, its nodes in a cache
#   ext2, ext4    file systems, with jbd2 and mbcache: all their objects; ext4's tests
#   zram          zram and zsmalloc: their pages too, with the ext2 above on it, and swap
#
# The code is copied from the kernel's source to build/ports and edited there: ports/ has a
# script of sed for each file that needs one, and headers with the kernel's interfaces on
# xalloc's. Each port has a VM with a kernel that checks addresses and locks. It fails if a
# test does, if contents differ, if a cache that it should use had no object, if one was left,
# if xalloc refused anything, and if the kernel complained. Ends with a line for each port.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ports=(slub_kunit gpu_buddy gpu_xbuddy maple_tree ext2 ext4 zram)
files=(
	lib/tests/slub_kunit.c lib/maple_tree.c lib/test_maple_tree.c mm/zsmalloc.c mm/zpdesc.h
	drivers/gpu/buddy.c drivers/gpu/tests/gpu_{buddy_test.c,random.c,random.h}
	fs/{mbcache.c,jbd2,ext2,ext4} drivers/block/zram
)
dir=$build/ports

modules_of() { # port
	case $1 in
	gpu_buddy | maple_tree) echo "${1}_port" ;;
	ext2) echo mbcache ext2 ;;
	ext4) echo mbcache jbd2 ext4 ext4-test ;;
	zram) echo mbcache ext2 zsmalloc zram ;;
	*) echo "$1" ;;
	esac
}

# With edits made anew, so that what did not change is not compiled again
copy_sources() {
	local file script
	rm -rf "$dir/new"
	mkdir -p "$dir/new" "$dir/src"
	(cd "$source" && cp -r "${files[@]}" "$dir/new")
	cp "$dir/new/gpu_buddy_test.c" "$dir/new/gpu_xbuddy_test.c"
	# Our headers come first, and have those that define pr_fmt() before a file does
	find "$dir/new" -name '*.c' -exec sed -i 's/^#define pr_fmt/#undef pr_fmt\n&/' {} +
	for script in "$scripts"/ports/*.sed; do
		file=$(find "$dir/new" -name "$(basename "$script" .sed).c")
		[[ $file ]] || die "there is no file for $script"
		sed -i -f "$script" "$file"
	done
	cp "$scripts"/ports/{Kbuild,*.h} "$dir/new"
	rsync -rc "$dir/new/" "$dir/src/"
}

build_all() {
	local program
	"$scripts/module-build.sh" "$build/$rig" "$kdir" ARCH=um -j"$(nproc)"
	with_progress "building the ports" "$dir/build.log" \
		make -C "$kdir" M="$dir/src" ARCH=um XALLOC="$build/$rig" CONFIG_EXT4_KUNIT_TESTS=m \
		KBUILD_EXTRA_SYMBOLS="$build/$rig/Module.symvers" -j"$(nproc)" modules
	for program in xattr swap; do
		gcc -O2 -static -o "$dir/$program" "$scripts/ports/$program.c"
	done
}

find_module() { # name; ours before the kernel's own
	find "$dir/src" "$build/$rig" "$kdir" -name "$1.ko" -print -quit
}

# With what they need of the kernel's modules, in the order to load them
load_order() { # module...
	local name
	for name; do
		# shellcheck disable=SC2046 # several words
		load_order $(modinfo -F depends "$(find_module "$name")" | tr , ' ')
		echo "$name"
	done | awk '$1 != "xalloc" && !seen[$1]++'
}

gather() { # port
	local where=$dir/vm/$1 name
	mkdir -p "$where"
	echo "$1" >"$where/port"
	# shellcheck disable=SC2046 # several words
	load_order $(modules_of "$1") >"$where/modules"
	for name in xalloc $(cat "$where/modules"); do
		cp "$(find_module "$name")" "$where"
	done
	strip --strip-debug "$where"/*.ko
	cp "$dir"/{xattr,swap} "$where"
	"$scripts/initramfs.sh" "$where.cpio" ports "$where"/*
}

# Prints what is wrong, a line each
judge() { # port
	local log=$dir/vm/$1.log image=$dir/vm/$1.img
	grep -qx '=== exit 0' "$log" || echo "the VM did not end well"
	sed -n 's/^# FAILED //p' "$log"
	splats "$log" | head -n 5
	[[ ! -e $image ]] || e2fsck -fn "$image" >"$image.fsck" 2>&1 || echo "e2fsck finds errors, see $image.fsck"
}

run_port() { # name
	local log=$dir/vm/$1.log image=$dir/vm/$1.img boot=(rcupdate.rcu_expedited=1 kasan_multi_shot)
	local start=$SECONDS mem=1024 wrong
	[[ $1 != zram ]] || mem=512 # there is a test that uses all of it
	gather "$1"
	if [[ $1 == ext? ]]; then
		truncate -s 128M "$image"
		"mkfs.$1" -q -b 1024 "$image"
		boot+=("ubd0=$image")
	fi
	VM_MEM=$mem "$scripts/vm.sh" -t 400 -n "$1" -a "${boot[*]}" -l "$log" "$kdir/linux" "$dir/vm/$1.cpio" || true
	wrong=$(judge "$1")
	if [[ $wrong ]]; then
		echo "FAILED $1: $(paste -sd';' <<<"$wrong"), see $log"
	else
		echo "ok $1: $(sed -n 's/^=== shows //p' "$log") ($((SECONDS - start)) s)"
	fi
}

PATH=$PATH:/usr/sbin:/sbin
need_tools "${build_tools[@]}" "${vm_tools[@]}" strip:binutils e2fsck:e2fsprogs
rig=um-debug+ports
source=$("$scripts/kernel-source.sh" "$KVER_NEW")
kdir=$("$scripts/kernel-build.sh" "$rig")
copy_sources
build_all
rm -rf "$dir/vm"
mkdir -p "$dir/vm"
(($#)) || set -- "${ports[@]}"
for port; do run_port "$port"; done | tee "$dir/results"
! grep -q ^FAILED "$dir/results"
