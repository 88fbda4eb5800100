#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# No VM outlives the command that wanted it: start some, end them as ^C and the like do,
# and look for what is left.
#
#   interrupt-test.sh        the tests on UML, ended in several ways
#   interrupt-test.sh all    every command that boots a VM too; may build kernels first
# shellcheck disable=SC2317 # functions here are called by names made up
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What is started here is outermost itself
unset XALLOC_OWNER
export SUITE=xset

log=$build/interrupt-test.log
patience=1800 # seconds until a VM runs: there may be a kernel to build
grace=5       # seconds until it is gone

# A VM leads its session, or is the command itself; its initramfs is of this tree
vms() { pgrep -f -- "initrd[= ]$build/" || true; }

left() { # processes
	ps -o pid=,args= -p "$1" || true
	ps -o pid=,args= -s "$1" || true
}

wait_for() { # seconds, function arguments...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return
		sleep 0.1
	done
}

runs() { [[ $(vms) ]]; }
runs_or_failed() { runs || ! kill -0 "$command" 2>/dev/null; }
gone() { [[ ! $(left "$1") ]]; }

# The whole group, as a terminal does, or only the script that was called
end_group() { kill -s "$1" -- "-$command"; }
end_outermost() { kill -s "$1" "$command"; }
end_vm_sh() {
	local script
	for script in $(pgrep -g "$command" -f 'scripts/vm\.sh'); do
		kill -s "$1" "$script" 2>/dev/null || true
	done
}

# ^C does not reach the group of what is under test when this script is what is ended
trap '[[ ! ${command-} ]] || end_group KILL 2>/dev/null || true' EXIT

failed=0
try() { # way to end, signal, command...
	local way=$1 signal=$2 found what="${*:3}: $1 $2"
	shift 2
	set -m # a group of its own, which does not ignore ^C
	"$@" >"$log" 2>&1 </dev/null &
	command=$!
	set +m
	if ! wait_for $patience runs_or_failed || ! runs; then
		say "$what: no VM came up, see $log"
		failed=1
		end_group KILL 2>/dev/null || true
		return
	fi
	found=$(vms | paste -sd,)
	"end_$way" "$signal"
	if wait_for $grace gone "$found"; then
		say "$what: no VM is left"
	else
		say "$what: left behind:"
		left "$found" >&2
		failed=1
	fi
	end_group KILL 2>/dev/null || true
	wait "$command" 2>/dev/null || true
}

[[ ! $(vms) ]] || die "VMs of this tree run already"
try group INT "$scripts/test.sh" um-smp
try group TERM "$scripts/test.sh" um-smp
try outermost INT "$scripts/test.sh" um-smp
try outermost KILL "$scripts/test.sh" um-smp
try vm_sh KILL "$scripts/test.sh" um-smp
if [[ ${1-} == all ]]; then
	for target in "test KERNEL=x86_64-$KVER_NEW" demo vm bench-fast rows; do
		# shellcheck disable=SC2086 # two words
		try group INT make $target
	done
	try outermost KILL "$scripts/demo.sh"
	try outermost KILL "$scripts/bench.sh" uml-up
fi
exit $failed
