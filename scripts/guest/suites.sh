#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's job under `make test`: runs the suites that /files/suites lists,
# one `kind name [parameter]` a line, each between markers that the host splits the log at.
# A marker is printed for the end whether or not the suite passed; a suite
# without one took the kernel down.
# shellcheck source=lib.sh
. /guest/lib.sh

# What xalloc is loaded with for a KUnit suite. Most count exactly what is where, so
# nothing may go back by itself; the stress is all the harder for it.
parameters_for() {
	case $1 in
	xdecay_test) echo size=64M ;;
	xstress_test) echo size=64M decay_ms=20 ;;
	*) echo size=64M decay_ms=-1 ;;
	esac
}

run_kunit() {
	# shellcheck disable=SC2046 # several parameters are several words
	insmod /files/xalloc.ko $(parameters_for "$1") || return
	insmod "/files/$1.ko" ${2:+"$2"}
	status=$?
	[ $status -eq 0 ] && { unload "$1" || status=1; }
	unload xalloc || status=1
	return $status
}

run_shell() {
	rm -f /tmp/results
	env ${2:+"$2"} sh "/guest/$1.sh"
	status=$?
	for module in xalloc_client xalloc; do
		loaded $module && { kmsg "# $1 left $module loaded"; unload $module; status=1; }
	done
	return $status
}

# So that the system keeps blocks of 4 MiB back for tasks that reclaim
echo 32768 >/proc/sys/vm/min_free_kbytes

arm_faults || kmsg "# no fault injection in this kernel: tests that need it are skipped"

seconds() { cut -d. -f1 /proc/uptime; }

total=$(wc -l </files/suites) number=0
while read -r kind name parameter; do
	start=$(seconds)
	number=$((number + 1))
	kmsg "=== suite $name $number/$total"
	"run_$kind" "$name" "$parameter"
	status=$?
	kmsg "# $name took $(($(seconds) - start)) s"
	kmsg "=== end $name $status"
done </files/suites
