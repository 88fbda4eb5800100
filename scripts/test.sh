#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the tests: every suite on every kernel, in VMs.
#
#   test.sh [KERNEL...]          default: all of them
#   SUITE="xslab params" test.sh   only these suites
#   FAST=1 test.sh um-smp          long loops are shorter, and what needs much memory is left out
#   test.sh x86_64-kmsan           a kernel that is built by clang; not among all of them
#   APPEND="init_on_alloc=1" test.sh   boot parameters besides
#   PARAM=wrong=1000000 SUITE=xwrong test.sh um-smp   a parameter of the suites of KUnit
#
# For each kernel: build it (once), build the modules, boot them on it, split
# the log into suites and let the parser of the kernel's kunit.py count. VMs run while the
# next kernel builds, those that take longest first. Ends with a table and the
# line `N passed, N failed, N skipped`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Suites written in shell, which run after those of KUnit; hotplug needs CPUs
# that can go, kmemleak sees what all the others left behind, and after tools the
# kernel's checks say less
shell_suites=(stats params client unload orphan faultload hotplug kmemleak tools)

max_vms=2

# The suites' parameter under FAST: what their longest loops are divided by
shorter=10
# Like shorter, but for the kernels with all checks, where they take minutes each; and
# suites that take many minutes on the emulated one even so. um-debug runs those with the
# same checks. They run there, too, if SUITE names them.
shorter_slow=8
too_slow=(xbulk_test xcollect_test xdecay_test xgather_test xpool_test)

# Where the x86 kernels set memory aside for `base=` and `reserve_mem=`
# shellcheck disable=SC2016 # the $ is memmap's
x86_reservations='memmap=32M$0x18000000 reserve_mem=16M:4096:xalloc_test'

selected() { # name
	[[ -z ${SUITE:-} ]] && return
	local wanted
	for wanted in $SUITE; do
		[[ $1 == "$wanted" || $1 == "${wanted}_test" ]] && return
	done
	return 1
}

applies() { # shell suite; to the rig in use
	[[ -e $scripts/guest/$1.sh ]] || return
	case $1 in
	hotplug) [[ $rig_arch == x86_64 ]] ;;
	kmemleak) [[ $rig_name == x86_64-debug ]] ;;
	tools) [[ $rig_name == *-debug || $rig_name == *-kmsan ]] ;;
	stats | params | faultload) [[ $rig_name != x86_64-debug ]] ;; # take minutes there
	esac
}

fast_enough() { # suite; for the rig in use
	[[ $rig_name != x86_64-debug || ${SUITE:-} || " ${too_slow[*]} " != *" $1 "* ]]
}

# `kind name [parameter]` for each suite that this rig runs
list_suites() { # module directory
	local module name parameter=''
	[[ $rig_name != *-debug ]] || parameter=" shorter=$shorter_slow"
	[[ -z ${FAST:-} ]] || parameter=" shorter=$shorter"
	[[ -z ${PARAM:-} ]] || parameter=" $PARAM"
	for module in "$1"/kunit/*_test.ko; do
		name=$(basename "$module" .ko)
		[[ -e $module ]] && selected "$name" && fast_enough "$name" && echo "kunit $name$parameter"
	done
	for name in "${shell_suites[@]}"; do
		selected "$name" && applies "$name" && echo "shell $name$parameter"
	done
	return 0
}

# The modules as they go into the guest: without debug information
gather() { # module directory, destination
	rm -rf "$2"
	mkdir -p "$2"
	find "$1" -name '*.ko' -exec cp -t "$2" {} +
	strip --strip-debug "$2"/*.ko
	list_suites "$1" >"$2/suites"
	gcc -O2 -static -o "$2/insmod-nth" "$scripts/guest/insmod-nth.c"
}

# One kernel gets enough for a buddy system over 2^32 pages, one gets memory that 32 bits of
# address do not reach, and those that need memory for their own checks get more, if the
# machine has it
guest_memory() { # MiB
	local available
	available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
	case ${FAST:+fast-}$rig_name in
	um-smp) ((available > 8192)) && echo 4096 && return ;;
	*-debug | *-kmsan) ((available > 8192)) && echo 2048 && return ;;
	x86_64-"$KVER_NEW") ((available > 12288)) && echo 6144 && return ;; # beyond 32 bits
	esac
	echo 1024
}

boot_once() { # files directory, log
	local image append
	image=$rig_dir/linux
	# Without this a grace period takes 20 to 30 ms on UML, as does irq_work_sync() there, and
	# most tests would wait for these. The others wait for ordinary grace periods
	append=rcupdate.rcu_expedited=1
	if [[ $rig_arch == x86_64 ]]; then
		image=$rig_dir/arch/x86/boot/bzImage
		append=$x86_reservations
	fi
	# KASAN must report each error and not the first alone. With five levels of page tables
	# it takes all memory for wild while the kernel reads the CPU's features the second time,
	# in the first interrupt that falls there
	[[ $rig_name != *-debug ]] || append+=' kasan_multi_shot no5lvl'
	append+=" ${APPEND:-}"
	"$scripts/initramfs.sh" "$1.cpio" suites "$1"/*
	VM_MEM=${VM_MEM:-$(guest_memory)} "$scripts/vm.sh" -t 400 -n "$rig_name${place-}" -a "$append" -l "$2" \
		"$image" "$1.cpio"
}

# A suite that takes its VM down must not hide those after it: boot again with
# the rest, a few times.
boot_all() { # files directory, log
	local all=$1 log=$2 boot rest started
	: >"$log"
	cp "$all/suites" "$all.suites"
	for boot in 1 2 3 4; do
		boot_once "$all" "$log.$boot" || say "$rig_name: the VM failed, see $log.$boot"
		cat "$log.$boot" >>"$log"
		started=$(grep -c '^=== suite ' "$log" || true)
		rest=$(tail -n +"$((started + 1))" "$all.suites")
		[[ $rest ]] || break
		echo "$rest" >"$all/suites"
	done
	mv "$all.suites" "$all/suites" # all of them are judged
}

# `vm suite` for each: what takes long should not begin last, so those in shell come first, then
# those of KUnit in the order of their size. Each has a VM, but for short ones.
deal_vms() { # files directory
	local kind name size vm
	while read -r kind name _; do
		size=1000000 vm=$name
		case $kind-$name in
		shell-params) ;;
		shell-*) vm=shell ;;
		kunit-*)
			size=$(stat -c %s "$1/$name.ko")
			((size > 90000)) || { vm=small; size=999999; }
			;;
		esac
		echo "$size $vm $name"
	done <"$1/suites" | sort -k1,1nr -k2,2 | cut -d' ' -f2-
}

# On UML, which boots within a second, suites have VMs of their own, and some run at a time
boot_each() { # files directory, log
	local vm place running=0 number=0 suites vms
	suites=$(deal_vms "$1")
	vms=$(cut -d' ' -f1 <<<"$suites" | uniq)
	for vm in $vms; do
		number=$((number + 1))
		place=" $number/$(wc -w <<<"$vms")"
		((running < max_suites)) || { wait -n || true; running=$((running - 1)); }
		mkdir "$1.$vm"
		ln "$1"/* "$1.$vm"
		grep -wFf <(sed -n "s/^$vm //p" <<<"$suites") "$1/suites" >"$1.$vm.suites"
		mv "$1.$vm.suites" "$1.$vm/suites"
		interruptible boot_all "$1.$vm" "$2.$vm" &
		running=$((running + 1))
	done
	wait
	for vm in $vms; do cat "$2.$vm"; done >"$2"
}

# One file a suite; what belongs to none goes to `kernel`
split_log() { # log, directory
	rm -rf "$2"
	mkdir -p "$2"
	awk -v dir="$2" '
		BEGIN          { part = "kernel" }
		/^=== suite /  { part = $3 }
		               { print >(dir "/" part ".log") }
		/^=== end /    { part = "kernel" }
		/^Linux version|^Core dump limits/ { part = "kernel" }' "$1"
}

# Before 6.6 a module's suites come without the head of a KTAP document
with_ktap_head() { # log of a suite, number of KUnit suites in the module
	[[ $(grep -m1 -F 'KTAP version' "$1") == KTAP* ]] || printf 'KTAP version 1\n1..%d\n' "$2"
	cat "$1"
}

# A KUnit module has a table of pointers to its suites
count_suites() { # module
	[[ -e $1 ]] || { echo 1; return; }
	local size
	size=$(readelf -SW "$1" | awk '{ sub(/^ *\[ *[0-9]+\] */, "") } $1 == ".kunit_test_suites" { print $5 }')
	echo $((16#${size:-0} / 8))
}

# `suite passed failed skipped` for each suite that left something in the log
count_results() { # parts directory, files directory
	local suite ktap=()
	while read -r _ suite _; do
		[[ -e $1/$suite.log ]] || continue
		with_ktap_head "$1/$suite.log" "$(count_suites "$2/$suite.ko")" >"$1/$suite"
		ktap+=("$suite")
	done <"$2/suites"
	(cd "$1" && "$scripts/kunit-count.py" "$kunit" "${ktap[@]}")
}

# The kernel itself prints a backtrace when the memory for a module's code is
# what fails; what is wrong there besides has other words too. Reports that are expected
# have been judged where they were provoked.
suite_splats() { # suite, part
	case $1 in
	faultload) splats "$2" | grep -v 'Call Trace:' ;;
	tools) splats <(sed '/^=== expected begin/,/^=== expected end/s/.*//' "$2") ;;
	*) splats "$2" ;;
	esac
}

# Show what failed, from the suite's own output
show_failures() { # part, reason
	say "FAILED: $rig_name $(basename "$1" .log); see $1"
	[[ -z $2 ]] || say "${2%$'\n'}"
	[[ -e $1 ]] || return 0
	grep -E -A3 '(EXPECTATION|ASSERTION) FAILED|^ *not ok' "$1" | head -n 24 | sed 's/^/    /' >&2 || true
}

# Count a suite and print `kernel suite passed failed skipped`. Besides its own
# failures, a splat in its part of the log, no results and not having come to
# an end are one failure each.
judge_suite() { # suite, parts directory
	local suite=$1 part=$2/$1.log passed=0 failed=0 skipped=0 own why=''

	if [[ ! -e $part ]]; then
		why='  it never ran'
		failed=1
	else
		read -r passed own skipped < <(awk -v s="$suite" '$1 == s { print $2, $3, $4 }' "$2.counts") || own=0
		failed=$own
		if ((passed + own + skipped == 0)); then
			failed=$((failed + 1))
			why+='  it gave no results'$'\n'
		fi
		if ! grep -qx "=== end $suite 0" "$part"; then
			failed=$((failed + 1))
			why+="  $(grep -m1 '^=== killed' "$part" || echo 'it did not end well: load, unload or crash')"$'\n'
		fi
		if suite_splats "$suite" "$part" >"$part.splats"; then
			failed=$((failed + 1))
			why+="$(head -n 5 "$part.splats" | sed 's/^/  line /')"
		fi
	fi
	((failed == 0)) || show_failures "$part" "$why"
	echo "$rig_name $suite $passed $failed $skipped"
}

# Splats outside any suite are a failure of the kernel's own row
judge_kernel() { # parts directory
	[[ -e $1/kernel.log ]] && splats "$1/kernel.log" >"$1/kernel.splats" || return 0
	say "FAILED: $rig_name outside the suites:"
	head -n 5 "$1/kernel.splats" >&2
	echo "$rig_name (kernel) 0 1 0"
}

run_rig() { # with rig_dir set and the modules built
	local where=$build/$rig_name files=$build/vm/$rig_name
	local start=$SECONDS suite
	gather "$where" "$files"
	if [[ $rig_arch == um ]]; then
		boot_each "$files" "$files.log"
	else
		boot_all "$files" "$files.log"
	fi
	split_log "$files.log" "$files.parts"
	: >"$files.counts"
	count_results "$files.parts" "$files" >"$files.parts.counts"
	while read -r _ suite _; do
		judge_suite "$suite" "$files.parts" >>"$files.counts"
	done <"$files/suites"
	judge_kernel "$files.parts" >>"$files.counts"
	say "$rig_name: $(awk '{ p += $3; f += $4; s += $5 } END { printf "%d passed, %d failed, %d skipped", p, f, s }' \
		"$files.counts") in $((SECONDS - start)) s"
	mv "$files.counts" "$files.results" # the sign of having come this far
}

# A rig that cannot be built is a failure too, and the others still run
prepare_rig() {
	rig_dir=$("$scripts/kernel-build.sh" "$rig_name") &&
		"$scripts/module-build.sh" "$build/$rig_name" "$rig_dir" \
			ARCH="$rig_arch" CC="$rig_cc" XALLOC_KUNIT=m W=1 -j"$(nproc)" &&
		"$scripts/layers.sh" "$build/$rig_name"
}

wait_for_slot() {
	while (($(jobs -rp | wc -l) >= max_vms)); do wait -n || true; done
}

table() { # results
	awk '
		!($1 in kernels) { kernels[$1]; k[nk++] = $1 }
		!($2 in suites)  { suites[$2]; s[ns++] = $2 }
		{
			cell[$1, $2] = $3 "/" $4 "/" $5
			passed += $3; failed += $4; skipped += $5
		}
		END {
			printf "\n%-16s", "passed/failed/skipped"
			for (i = 0; i < nk; i++) printf " %14s", k[i]
			print ""
			for (j = 0; j < ns; j++) {
				printf "%-21s", s[j]
				for (i = 0; i < nk; i++)
					printf " %14s", (k[i], s[j]) in cell ? cell[k[i], s[j]] : "-"
				print ""
			}
			printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit !(passed && !failed)
		}' "$1"
}

# What takes longest must not begin last, when nothing else is left to do beside it
slowest_first() { # rigs
	printf '%s\n' "$@" | grep -e '-debug$' | sort -r || true
	printf '%s\n' "$@" | grep -ve '-debug$' || true
}

main() {
	local rig
	need_tools "${build_tools[@]}" "${vm_tools[@]}" strip:binutils python3:python3
	kunit=$("$scripts/kernel-source.sh" "$KVER_NEW")/tools/testing/kunit
	max_suites=2
	(($# > 1)) || max_suites=4
	rm -rf "$build/vm"
	mkdir -p "$build/vm"
	for rig in $(slowest_first "$@"); do
		use_rig "$rig"
		if prepare_rig; then
			wait_for_slot
			interruptible run_rig &
		else
			echo "$rig (build) 0 1 0" >"$build/vm/$rig.results"
		fi
	done
	wait
	for rig in "$@"; do
		[[ -s $build/vm/$rig.results ]] || echo "$rig (run) 0 1 0" >"$build/vm/$rig.results"
	done
	for rig in "$@"; do cat "$build/vm/$rig.results"; done >"$build/results"
	table "$build/results"
}

# Two runs in one tree would overwrite each other's objects
(($#)) || set -- "${rigs[@]}"
exec 8>"$build/.lock"
flock -n 8 || die "another test run is under way in this tree"
main "$@"
