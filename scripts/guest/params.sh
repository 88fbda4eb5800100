#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Module parameters: each bad one is refused with the errno that says it best
# and one line in the log that names it, and leaves nothing behind; each good
# one gives a pool of that size. The boot parameters of the x86 kernels set
# aside 32 MiB at $reserved and, where the kernel can, 16 MiB by name.
# shellcheck source=lib.sh
. /guest/lib.sh

EINVAL=22 ENOMEM=12 EBUSY=16 ENOENT=2 EOPNOTSUPP=95
reserved=0x18000000

# What xalloc said of the last load, which should be one line
listen() {
	lines='' number=0
	dmesg -c >/tmp/log
	while IFS= read -r line; do
		case $line in
		*taint* | *signature*) ;;
		xalloc:\ *) lines=$line number=$((number + 1)) ;;
		esac
	done </tmp/log
	[ $number -eq 1 ] || problem="$problem $number lines in the log;"
}

# A look without giving anything back is enough while it finds little missing.
# Else memory is measured, and is what the next loads are measured against.
memory_lost() {
	[ $((before - $(memory_now))) -gt $tolerance ] || return
	lost=$(missing free_memory "$before" $tolerance)
	before=$((before - lost))
	[ "$lost" -gt $tolerance ]
}

range_is_left() {
	while read -r range; do
		case $range in *xalloc*) return 0 ;; esac
	done </proc/iomem
	return 1
}

verdict() { # name; $problem is what was found so far
	loaded xalloc && problem="$problem the module is loaded;"
	[ -e "$debugfs" ] && problem="$problem debugfs is left;"
	range_is_left && problem="$problem a range is left in iomem;"
	memory_lost && problem="$problem $lost KiB are lost;"
	if [ -z "$problem" ]; then pass "$1"; else fail "$1" "$problem"; fi
}

refused() { # errno, parameter that the log must name, module parameters
	want=$1 culprit=$2 parameters=$3
	errno=$(load_errno "$parameters")
	problem=
	listen
	loaded xalloc && unload xalloc
	[ "$errno" = "$want" ] || problem="$problem errno $errno, not $want;"
	case $lines in *"$culprit"*) ;; *) problem="$problem the log does not name $culprit;" ;; esac
	verdict "refused $parameters"
}

accepted() { # pages, module parameters
	pages=$1 parameters=$2
	errno=$(load_errno "$parameters")
	if [ "$errno" != 0 ]; then
		fail "accepted $parameters" "errno $errno"
		return
	fi
	problem=
	got=$(stat_of "$debugfs"/pools/default/stats total)
	listen
	unload xalloc
	case $lines in
	"xalloc: pool default: "[0-9]*" "[KMG]"iB in "*" metadata, decay "*", checks o"*) ;;
	*) problem="$problem no such line in the log, but: $lines;" ;;
	esac
	[ "$got" = "$pages" ] || problem="$problem $got pages, not $pages;"
	verdict "accepted $parameters"
}

x86() { grep -q GenuineIntel\\\|AuthenticAMD\\\|vendor_id /proc/cpuinfo && grep -q 'Reserved' /proc/iomem; }
can_reserve_by_name() { grep -q reserve_mem_find_by_name /proc/kallsyms; }

load_errno size=4M >/dev/null && unload xalloc # what the first load alone allocates
mark_log
first=$(free_memory) before=$first

refused $EINVAL size size=010M
refused $EINVAL size size=+4M
refused $EINVAL size size=0x
refused $EINVAL size size=4M,
refused $EINVAL size size=0x-4
refused $EINVAL size size=0x400000000000000000
refused $EINVAL max_size "size=0 max_size=8M"
refused $EINVAL base "size=0 base=$reserved"
refused $EINVAL reserve_mem "size=0 reserve_mem=xalloc_test"
refused $EINVAL decay_ms "size=4M decay_ms=010"
refused $EINVAL decay_ms "size=4M decay_ms=+10"
refused $EINVAL decay_ms "size=4M decay_ms=max"
refused $EINVAL checks "size=4M checks=maybe"
refused $EINVAL checks "size=4M checks=10"
refused $EINVAL size size=4097
refused $EINVAL size size=garbage
refused $EINVAL size size=
refused $EINVAL size size=-4096
refused $EINVAL size size=12Q
refused $EINVAL size size=4Mx
refused $ENOMEM size size=1T
refused $EINVAL max_size "size=4M max_size=6M"
refused $EINVAL max_size "size=8M max_size=4M"
refused $EINVAL max_size "size=4K max_size=4M"
refused $EINVAL max_size max_size=32M
refused $EINVAL max_size "size=4M max_size=0"
refused $EINVAL max_size "size=4M max_size=many"
refused $ENOMEM max_size "size=4M max_size=1T"
refused $EINVAL max_size "base=$reserved size=4M max_size=8M"
refused $EINVAL decay_ms "size=4M decay_ms=-2"
refused $EINVAL decay_ms "size=4M decay_ms=86400001"
refused $EINVAL decay_ms "size=4M decay_ms=10s"
refused $EINVAL decay_ms "size=4M decay_ms="
refused $EINVAL size base=$reserved
refused $EINVAL base "base=0x18000800 size=4M"
refused $EINVAL base "base=garbage size=4M"
refused $EINVAL base "base=0x10000000 size=4M"
refused $EINVAL base "base=$reserved reserve_mem=xalloc_test"
if can_reserve_by_name; then
	refused $ENOENT reserve_mem reserve_mem=no_such_name
else
	refused $EOPNOTSUPP reserve_mem reserve_mem=xalloc_test
fi

accepted 16384 size=64M
accepted 1 size=4K
accepted 1024 size=4M
accepted 16896 size=66M
accepted 1024 size=0x400000
accepted 1024 size=0X400000
accepted 1024 size=4m
accepted 1024 size=4096K
accepted 1024 "size=4M checks=0"
accepted 1024 "size=4M checks=on"
accepted 1024 "size=4M decay_ms=0x10"
accepted 1024 "size=4M decay_ms=0"
accepted 1024 "size=4M decay_ms=-1"
accepted 1024 "size=4M decay_ms=86400000"
accepted 1024 "size=4M max_size=64M"
accepted 1 "size=4K max_size=8M"
accepted 1024 "size=4M max_size=4M"
accepted 16384 max_size=64M

if x86; then
	refused $EBUSY base "base=0xfec00000 size=4K"
	refused $EINVAL base "base=$reserved size=33M"
	accepted 8192 "base=$reserved size=32M"
	accepted 1 "base=$reserved size=4K"
	if can_reserve_by_name; then accepted 4096 reserve_mem=xalloc_test; fi
fi

lost=$(missing free_memory "$first" $tolerance)
check "no memory is lost over all loads ($lost KiB)" [ "$lost" -le $tolerance ]

finish params
