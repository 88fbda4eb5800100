#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the benchmark; print its table and draw its plot.
#
#   bench.sh [fast | icount | uml-up | uml-smp | tcg2]...	default: all but fast
#
#   ONLY=30k-256 bench.sh fast	only the scenarios whose name contains that
#   REPS=21 bench.sh uml-up	another number of runs in each boot
#   BOOTS=1 bench.sh uml-smp	another number of boots of User Mode Linux
#
# Each way boots kernels built for the purpose, without the tests' debugging
# aids, and writes to build/bench/: results.csv, table.txt, plot.svg.
#
#   icount	instructions, counted by QEMU: the same on any machine, busy or not. The rig
#		icount-several has pools of several regions, and all others pools of one
#   uml-up	nanoseconds on this machine, one CPU; wants an idle machine
#   uml-smp	nanoseconds, two CPUs; wants two idle CPUs
#   tcg2	shares of operations, with several CPUs and real interrupts
#   fast	icount, one kernel, fewer scenarios
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"

out=$build/bench
results=$out/results.csv

uml() { # name cpus
	local smp=()
	(($2 > 1)) && smp=(ncpus="$2" seccomp=on)
	# shellcheck disable=SC2086 # several parameters are several words
	boot "$1" "$kdir/linux" mem=1536M "${smp[@]}" initrd=INITRAMFS \
		con=null con0=null,fd:1 $boot_params
}

parameters() { # default number of runs, suites, others
	echo "reps=${REPS:-$1} suites=$2 only=${ONLY:-} ${3:-}"
}

run_icount() { # kernel version, suites, others
	prepare "bench-x86_64-$1"
	parameters 3 "$2" "${3:-}" | qemu "icount-$1" 1 "${icount[@]}"
	collect "icount-$1" icount 1
}

# The same workloads in pools of several regions
run_several() { # kernel version, others
	prepare "bench-x86_64-$1"
	parameters 3 objects,pages "several=1 ${2:-}" | qemu "several-$1" 1 "${icount[@]}"
	collect "several-$1" icount-several 1
}

# Two CPUs under icount boot on the newer kernel only
run_icount2() {
	parameters 3 remote | qemu "icount2-$KVER_NEW" 2 "${icount[@]}"
	collect "icount2-$KVER_NEW" icount 2
}

# Several boots: where the kernel's and the module's memory come to lie is an accident of each.
# In some, SLUB takes half as much again from start to end, and xalloc twice. What collides there
# was not found.
run_uml() { # way, cpus, suites, runs in each boot, boots, "several" or none
	local boot rig=$1${6:+-$6}
	prepare "bench-um-${1#uml-}"
	for ((boot = 1; boot <= ${BOOTS:-$5}; boot++)); do
		parameters "$4" "$3" "${6:+$6=1}" | uml "$rig-$boot" "$2"
		collect "$rig-$boot" "$rig" "$2"
	done
}

run_tcg2() {
	prepare "bench-x86_64-$KVER_NEW"
	parameters 3 shares | qemu tcg2 4 -accel tcg,thread=multi
	# Time stamps count no instructions here
	collect tcg2 tcg2 4
	sed -i '/,tcg2,4,\(calibration\|null-loop\),/d' "$results"
}

run_way() {
	case $1 in
	fast)
		run_icount "$KVER_NEW" objects,pages,genpool,heap fast=1
		run_several "$KVER_NEW" fast=1
		;;
	icount)
		run_icount "$KVER_NEW" objects,sizes,pages,genpool,heap,worst,memory
		run_several "$KVER_NEW"
		run_icount2
		run_icount "$KVER_OLD" objects,pages,genpool,heap,worst,memory
		run_several "$KVER_OLD"
		;;
	uml-up)
		run_uml uml-up 1 objects,sizes,pages,genpool 7 5
		run_uml uml-up 1 objects,pages 7 5 several
		;;
	uml-smp) run_uml uml-smp 2 remote,teams 9 3 ;;
	tcg2) run_tcg2 ;;
	*) die "no way is named $1" ;;
	esac
}

(($#)) || set -- icount uml-up uml-smp tcg2
need_tools "${build_tools[@]}" "${vm_tools[@]}" "${bench_tools[@]}"
mkdir -p "$out"
exec 8>"$out/.lock"
flock -n 8 || die "another benchmark is under way in this tree"
echo kernel,rig,cpus,workload,allocator,metric,median,min,max >"$results"
for way in "$@"; do
	run_way "$way"
done
"$scripts/bench-derive.py" "$results"
"$scripts/bench-table.py" "$results" "$top/bench/targets.csv" | tee "$out/table.txt"
"$scripts/bench-plot.py" "$results" >"$out/plot.svg"
say "results: $results"
say "table: $out/table.txt, plot: $out/plot.svg"
