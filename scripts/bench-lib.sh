# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts that measure share: modules for a kernel of bench-kernel.sh, VMs that they run
# in, and the results. Sourced after lib.sh by a script that sets $out, a directory, and
# $results, a file there; not run.
# shellcheck disable=SC2034,SC2154 # variables of lib.sh and of the scripts that source this

guest_job=bench # of scripts/guest/
bench_tools=(strip:binutils qemu-system-x86_64:qemu-system-x86)

# The modules built for a kernel, stripped; sets kdir and files
prepare() { # kernel
	local modules=$build/$1 arch=um
	kdir=$("$scripts/bench-kernel.sh" "$1")
	[[ $1 == bench-x86_64-* ]] && arch=x86_64
	"$scripts/module-build.sh" "$modules" "$kdir" ARCH=$arch XALLOC_BENCH=m W=1 -j"$(nproc)"
	files=$out/files-$1
	mkdir -p "$files"
	strip -g -o "$files/xalloc.ko" "$modules/xalloc.ko"
	strip -g -o "$files/xbench.ko" "$modules/bench/xbench.ko"
}

# Success is what the guest says, as in vm.sh: UML may abort after it, when it is off already.
# The log may still have what a serial line puts at the end of each line.
guest_ends() { # log command...
	local log=$1 start=$SECONDS
	start_vm "$log" "${@:2}"
	while sleep 0.5 && vm_runs; do
		((SECONDS - start < ${TIMEOUT:-600})) || kill_vm
	done
	kill_vm
	grep -qE '^=== exit 0.?$' "$log"
}

boot_once() { # name log command...
	local name=$1 log=$2
	shift 2
	with_progress "benchmark $name" "$log" guest_ends "$log" "$@" || return
	sed -i 's/\r$//' "$log"
}

# One VM, whose command is given with INITRAMFS for that file. Standard input is what its job
# reads: of "bench" the parameters of the module, a line for each time that it is loaded.
boot() { # name command...
	local name=$1 initramfs=$out/$1.cpio log=$out/$1.log
	shift
	cat >"$files/bench"
	"$scripts/initramfs.sh" "$initramfs" "$guest_job" "$files"/*
	boot_once "$name" "$log" "${@//INITRAMFS/"$initramfs"}" ||
		{ boot_again "$log" && boot_once "$name" "$log" "${@//INITRAMFS/"$initramfs"}"; } ||
		die "the benchmark did not end well, see $log"
}

boot_params='slab_nomerge printk.time=0 panic=-1 loglevel=7'

qemu() { # name cpus accelerator...
	local name=$1 cpus=$2
	shift 2
	boot "$name" qemu-system-x86_64 "$@" -smp "$cpus" -m 1536M -nographic -no-reboot -net none \
		-kernel "$kdir/arch/x86/boot/bzImage" -initrd INITRAMFS \
		-append "console=ttyS0 $boot_params"
}

# shellcheck disable=SC2054 # QEMU's own commas
icount=(-accel tcg,thread=single -icount shift=0,sleep=off)

# Add the results in a log to the csv
collect() { # name rig cpus
	local log=$out/$1.log kernel
	kernel=$(sed -n 's/.*Linux version \([^ ]*\).*/\1/p' "$log" | head -n 1)
	sed -n "s/^xbench: bench,/$kernel,$2,$3,/p" "$log" >>"$results"
}
