#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Show xalloc at work: boot a stock distribution kernel in a VM, load xalloc
# and the sample client, look at the allocator while the client holds objects
# and after it has freed them, unload both, power off.
#
#   demo.sh           exit 0 only if all of that was seen to happen
#   demo.sh --shell   the same VM with a shell instead
#
# KDIR= and KERNEL_IMAGE= use another kernel than Debian's.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

log=$build/demo.log
modules=$build/stock
initramfs=$build/demo.cpio

# What the log must show, in this order
evidence=(
	'=== demo: xalloc is loaded'
	'=== demo: the client is loaded'
	'=== demo: buddyinfo while objects are live'
	'=== demo: slabinfo while objects are live'
	'=== demo: statistics while objects are live'
	'=== demo: the client has live objects'
	'=== demo: buddyinfo after they are freed'
	'=== demo: slabinfo after they are freed'
	'=== demo: statistics after they are freed'
	'=== demo: the client has no live objects'
	'=== demo: the client is unloaded'
	'=== demo: xalloc is unloaded'
	'=== exit 0'
	'Power down'
)

get_kernel() {
	local stock
	if [[ ${KDIR:-} && ${KERNEL_IMAGE:-} ]]; then
		kdir=$KDIR image=$KERNEL_IMAGE
		return
	fi
	stock=$("$scripts/stock-kernel.sh")
	kdir=$stock/kdir image=$stock/vmlinuz
}

check_log() {
	local line number last=0
	for line in "${evidence[@]}"; do
		number=$(grep -nF -- "$line" "$log" | cut -d: -f1 | awk -v last="$last" '$1 > last { print; exit }')
		[[ $number ]] || die "the log does not show '$line' where it should, see $log"
		last=$number
	done
	if splats "$log" >&2; then
		die "the kernel complained, see $log"
	fi
}

show_log() {
	sed -n '/=== demo/,$p' "$log" | grep -vE '^=== exit'
}

need_tools "${build_tools[@]}" "${vm_tools[@]}" qemu-system-x86_64:qemu-system-x86
get_kernel
"$scripts/module-build.sh" "$modules" "$kdir" -j"$(nproc)"
job=demo
[[ ${1:-} == --shell ]] && job=shell
"$scripts/initramfs.sh" "$initramfs" $job "$modules/xalloc.ko" "$modules/samples/xalloc_client.ko"

# A VM that runs only what we give it needs no protection from it
boot=(-a 'mitigations=off' "$image" "$initramfs")
if [[ $job == shell ]]; then
	exec "$scripts/vm.sh" -i "${boot[@]}"
fi
rc=0
with_progress "booting $(basename "$(readlink -f "$image")")" "$build/demo-vm.log" \
	"$scripts/vm.sh" -t 120 -l "$log" "${boot[@]}" || rc=$?
show_log
((rc == 0)) || die "the demo failed, see $log"
check_log
say "demo: all of it happened; the whole log is $log"
