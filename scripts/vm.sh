#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a kernel on an initramfs, UML or QEMU according to the image.
#
#   vm.sh [-i] [-t SECONDS] [-a "BOOT PARAMETERS"] [-n NAME] -l LOG IMAGE INITRAMFS
#
#   -i  interactive: the console is this terminal, and there is no time limit
#   -t  the VM hangs, and is killed, when its console was silent for SECONDS: how long a
#       run takes altogether depends on the machine, and on what else that does
#   -n  every ten seconds, say under this name which suite the guest is at
#   -l  where the console's output goes
#
# Success is only what the guest says it is: the line `=== exit 0`, which its
# init writes last. A VM that panics, hangs or dies says no such thing.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

interactive='' limit=300 append='' name='' log=''
while getopts it:a:n:l: option; do
	case $option in
	i) interactive=y ;;
	t) limit=$OPTARG ;;
	a) append=$OPTARG ;;
	n) name=$OPTARG ;;
	l) log=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
image=${1:?the kernel image}
initramfs=${2:?the initramfs}

# printk.devkmsg: the guest writes to the kernel's log so that its lines and
# the kernel's keep their order, and writes much
append="printk.time=0 printk.devkmsg=on panic=-1 $append"

uml_command() {
	local console='con=null con0=null,fd:1'
	[[ $interactive ]] && console='con=null con0=fd:0,fd:1'
	# SMP needs seccomp; the word splitting of the parameters is meant
	# shellcheck disable=SC2206
	command=("$image" mem="${VM_MEM:-1024}M" ncpus=4 seccomp=on initrd="$initramfs"
		$console $append)
}

# Two nodes of two CPUs each, one socket a node: the kernel warns of a socket
# that spans nodes
qemu_command() { # accelerator options
	local half=$((${VM_MEM:-1024} / 2))M
	# shellcheck disable=SC2054 # QEMU's own commas
	command=(qemu-system-x86_64 "$@" -nographic -no-reboot
		-m "${VM_MEM:-1024}M" -smp 4,sockets=2,cores=2
		-object memory-backend-ram,id=m0,size="$half"
		-object memory-backend-ram,id=m1,size="$half"
		-numa node,nodeid=0,memdev=m0,cpus=0-1 -numa node,nodeid=1,memdev=m1,cpus=2-3
		-kernel "$image" -initrd "$initramfs" -append "console=ttyS0 $append")
}

# /dev/kvm may exist and not work, so a kernel must be seen to start on it
kvm_works() {
	grep -qwE 'vmx|svm' /proc/cpuinfo && [[ -w /dev/kvm ]] || return
	qemu_command -accel kvm -cpu host
	timeout --foreground -s KILL 15 "${command[@]}" </dev/null 2>/dev/null | grep -q 'Linux version' || return
}

choose_command() {
	if [[ $(basename "$image") == linux ]]; then
		uml_command
		return
	fi
	need_tools qemu-system-x86_64:qemu-system-x86
	if [[ ${VM_KVM:-y} == y ]] && kvm_works; then
		qemu_command -accel kvm -cpu host
	else
		qemu_command -accel tcg,thread=multi -cpu max
	fi
}

choose_command
# UML's CPUs are threads of the host, and it does not start with "unlimited"
ulimit -S -s 8192
if [[ $interactive ]]; then
	exec setpriv --pdeathsig KILL "${command[@]}"
fi

[[ $log ]] || die "vm.sh needs -l LOG"
mkdir -p "$(dirname "$log")"
silent_for() { # log
	echo $((EPOCHSECONDS - $(stat -c %Y "$1")))
}

# The last suite that began, how many of how many that is, and its last result
report() { # seconds since the start
	say "  $name: $1 s  $(awk '
		/^=== suite /                 { at = $3 ($4 == "1/1" ? "" : " (" $4 ")"); last = "" }
		/^ +(not )?ok [0-9]+ [^ ]/    { last = "after " $0 }
		END                           { gsub(/ +/, " ", last); print at, last }' "$log")"
}

# A VM that never falls silent has an hour.
# Its CPUs are threads of the host, and wake each other with locks held. As a batch job the
# one that wakes goes on, and the other does not spin for what the first has: that was four
# fifths of the time of the tests on UML, and more where the machine does other things too.
run() {
	local killed='' start=$SECONDS next=10
	start_vm "$log" chrt --batch 0 "${command[@]}"
	while sleep 0.5 && vm_runs; do
		if [[ $name ]] && ((SECONDS - start >= next)); then
			report $((SECONDS - start))
			next=$((next + 10))
		fi
		(($(silent_for "$log") < limit && SECONDS - start < 3600)) && continue
		killed="killed by the host: $((SECONDS - start)) s after its start, silent for $(silent_for "$log") s"
		kill_vm
	done
	kill_vm
	vm=
	sed -i 's/\r//g' "$log"
	if [[ $killed ]]; then
		echo "=== $killed" >>"$log"
		say "the VM was $killed; the end of $log:"
		tail -n 12 "$log" >&2
		return 124
	fi
	grep -qx '=== exit 0' "$log"
}

run && exit
rc=$?
boot_again "$log" || exit "$rc"
run
