#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the benchmark and print its table.
#
#   bench.sh [fast | icount | uml-up | uml-smp | tcg2]...	default: all but fast
#
#   ONLY=pair REPS=9 SIZES=...	select scenarios, set the number of runs
#
# Each way boots kernels built for the purpose, without the tests' debugging
# aids. Results are collected in build/bench/results.csv.
#
#   icount	instructions, counted by QEMU: the same on any machine, loaded or not
#   uml-up	nanoseconds on this machine, one CPU
#   fast	icount, one kernel, fewer scenarios
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

out=$build/bench
results=$out/results.csv

# The kernel, the modules built for it and stripped, as $kdir and $files
prepare() { # kernel
	local modules=$build/$1
	kdir=$("$scripts/bench-kernel.sh" "$1")
	arch=um
	[[ $1 == bench-x86_64-* ]] && arch=x86_64
	"$scripts/module-build.sh" "$modules" "$kdir" ARCH=$arch XALLOC_BENCH=m W=1 -j"$(nproc)"
	files=$out/files-$1
	mkdir -p "$files"
	strip -g -o "$files/xalloc.ko" "$modules/xalloc.ko"
	strip -g -o "$files/xbench.ko" "$modules/bench/xbench.ko"
}

# One VM. What is run in it, one load of the module a line, is on stdin
boot() { # name command... with INITRAMFS for its file
	local name=$1 initramfs=$out/$1.cpio log=$out/$1.log
	shift
	cat >"$files/bench"
	"$scripts/initramfs.sh" "$initramfs" bench "$files"/*
	with_progress "benchmark $name" "$log" timeout -s KILL "${TIMEOUT:-1800}" "${@//INITRAMFS/"$initramfs"}"
	sed -i 's/\r$//' "$log"
	grep -qx '=== exit 0' "$log" || die "the benchmark did not end well, see $log"
}

boot_params='slab_nomerge printk.time=0 panic=-1 loglevel=7'

qemu() { # name cpus accelerator...
	local name=$1 cpus=$2
	shift 2
	boot "$name" qemu-system-x86_64 "$@" -smp "$cpus" -m 1536M -nographic -no-reboot -net none \
		-kernel "$kdir/arch/x86/boot/bzImage" -initrd INITRAMFS -append "console=ttyS0 $boot_params"
}

# shellcheck disable=SC2054 # QEMU's own commas
icount=(-accel tcg,thread=single -icount shift=0,sleep=off)

uml() { # name cpus
	local smp=()
	(($2 > 1)) && smp=(ncpus="$2" seccomp=on)
	# shellcheck disable=SC2086 # several parameters are several words
	boot "$1" "$kdir/linux" mem=1536M "${smp[@]}" initrd=INITRAMFS con=null con0=null,fd:1 $boot_params
}

# Add the results in a log to the csv
collect() { # name rig cpus
	local log=$out/$1.log kernel
	kernel=$(sed -n 's/.*Linux version \([^ ]*\).*/\1/p' "$log" | head -n 1)
	sed -n "s/^xbench: bench,/$kernel,$2,$3,/p" "$log" >>"$results"
}

parameters() {
	echo "reps=${REPS:-$1} only=${ONLY:-} $2"
}

run_icount() { # kernel version, more parameters
	prepare "bench-x86_64-$1"
	parameters 3 "${2:-}" | qemu "icount-$1" 1 "${icount[@]}"
	collect "icount-$1" icount 1
}

run_uml_up() {
	prepare bench-um-up
	parameters 9 "" | uml uml-up 1
	collect uml-up uml-up 1
}

run_way() {
	case $1 in
	fast) run_icount "$KVER_NEW" fast=1 ;;
	icount)
		run_icount "$KVER_NEW"
		run_icount "$KVER_OLD"
		;;
	uml-up) run_uml_up ;;
	*) die "no way is named $1" ;;
	esac
}

(($#)) || set -- icount uml-up
need_tools "${build_tools[@]}" "${vm_tools[@]}" strip:binutils qemu-system-x86_64:qemu-system-x86
mkdir -p "$out"
exec 8>"$out/.lock"
flock -n 8 || die "another benchmark is under way in this tree"
echo kernel,rig,cpus,workload,allocator,metric,median,min,max >"$results"
for way in "$@"; do
	run_way "$way"
done
"$scripts/bench-table.py" "$results" "$top/bench/targets.csv" | tee "$out/table.txt"
say "results: $results, table: $out/table.txt"
