#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's job under `make ports`: one port, its name in /files/port, with the modules
# that /files/modules lists in the order to load them. The line `=== shows` says what was seen.
# shellcheck source=lib.sh
. /guest/lib.sh

status=0 shows=

failed() {
	kmsg "# FAILED $*"
	status=1
}
show() { shows="$shows${shows:+, }$*"; }

# Look at slabinfo all the time: `name objects` for each cache that has some
sample() {
	while usleep 20000; do
		while read -r name live _; do
			case $live in 0 | *[!0-9]*) ;; *) echo "$name $live" ;; esac
		done <$debugfs/slabinfo
	done >/tmp/seen 2>/dev/null
}

# The same of caches that were destroyed, with the objects that they had in all
seen_no_more() { dmesg | sed -n 's/.*ported cache \([^ ]*\) had \([0-9]*\) objects$/\1 \2/p'; }

# Each of these caches was seen with objects; the most that it had is shown
expect_objects() { # cache...
	for cache in "$@"; do
		most=$({ cat /tmp/seen; seen_no_more; } |
			awk -v cache="$cache" '$1 == cache && $2 > n { n = $2 } END { print n + 0 }')
		[ "$most" -gt 0 ] || failed "the cache $cache never had an object"
		show "$most $cache"
	done
}

expect_kunit() {
	passed=$(dmesg | grep -c '^    ok ')
	[ "$passed" -gt 0 ] || failed "no test passed"
	dmesg | grep -q '^ *not ok' && failed "a test is not ok"
	show "$passed tests"
}

# A tree of files that are small, large, long, sparse, linked, moved, with an attribute, or gone
make_tree() { # directory
	mkdir "$1" "$1/sub" "$1/gone"
	text=$(cat /guest/lib.sh)
	for i in $(seq 200); do
		echo "$i $1" >"$1/sub/a name that is somewhat longer than others $i"
		echo "$i $text" >"$1/$i"
		echo "$i" >"$1/gone/$i"
	done
	for i in 1 2 3 4; do
		dd if=/dev/urandom of="$1/large$i" bs=64k count=$((i * i)) 2>/dev/null
		dd if=/dev/urandom of="$1/sparse" bs=4k count=1 seek=$((i * 300)) conv=notrunc 2>/dev/null
		ln "$1/large$i" "$1/sub/link$i"
		ln -s "/a/path/that/no/inode/has/room/for/$text" "$1/symlink$i" 2>/dev/null
		ln -s "$i" "$1/short$i"
	done
	truncate -s 100000 "$1/large4"
	mv "$1/sub" "$1/moved"
	echo more >>"$1/moved/link1"
	/files/xattr "$1"/1?
	rm -r "$1/gone" "$1"/*7
}

look() {
	find . -type f -exec sha256sum {} +
	find . -exec stat -c '%n %F %s %h %a %N' {} + | grep -v '^. '
}

same() { # when
	(cd /mnt && look) | sort | cmp -s - /tmp/before || failed "the files are others $1"
	(cd /mnt && /files/xattr -c ./?/1?) || failed "attributes are others $1"
}

# Three at a time, while the system reclaims what is cached
fill() {
	cd /mnt || return
	for tree in 1 2 3; do make_tree "$tree" & trees="$trees $!"; done
	for i in 1 2 3 4 5; do sleep 1; echo 3 >/proc/sys/vm/drop_caches; sync; done
	# shellcheck disable=SC2086 # several
	wait $trees
	look | sort >/tmp/before
	cd /
}

file_system() { # type, device, options
	mkdir -p /mnt
	mount -t "$1" -o "$3" "$2" /mnt || { failed "no mount"; return; }
	fill
	[ "$(wc -l </tmp/before)" -gt 2000 ] || failed "few files: $(wc -l </tmp/before)"
	echo 3 >/proc/sys/vm/drop_caches
	same "as read back"
	umount /mnt || failed "no unmount"
	mount -t "$1" -o "$3" "$2" /mnt || failed "no second mount"
	same "after the second mount"
	rm -r /mnt/1 || failed "a tree stays"
	show "$(wc -l </tmp/before) lines of $1's files and sums the same"
	umount /mnt || failed "no unmount"
}

swap_to() { # device
	echo 64M >/sys/block/zram0/disksize
	mkswap "$1" >/dev/null
	swapon "$1" || failed "no swap"
	swapped=$(/files/swap) || failed "memory that was swapped out is other"
	[ "${swapped:-0}" -gt 8192 ] || failed "little is swapped out"
	show "$swapped KiB swapped out and in"
	swapoff "$1" || failed "swap stays"
}

pool_pages() { stat_of $debugfs/pools/default/stats pages; }

run() { # port
	case $1 in
	slub_kunit)
		expect_kunit
		expect_objects TestSlub_leak_destroy
		echo 1 >$debugfs/caches/TestSlub_leak_destroy/give_up || failed "the leak is no orphan"
		sleep 1
		;;
	gpu_*)
		expect_kunit
		expect_objects gpu_buddy_block
		;;
	maple_tree)
		total=$(dmesg | grep -o '[0-9]* of [0-9]* tests passed')
		total=${total:-none of 0 tests}
		show "$total"
		[ "${total%% *}" = "$(echo "$total" | cut -d' ' -f3)" ] || failed "not all of the tests"
		expect_objects maple_node
		;;
	ext2)
		file_system ext2 /dev/ubda defaults
		expect_objects ext2_inode_cache mb_cache_entry
		;;
	ext4)
		expect_kunit
		file_system ext4 /dev/ubda defaults
		expect_objects ext4_inode_cache ext4_groupinfo_1k extent_status ext4_prealloc_space \
			ext4_io_end jbd2_journal_head jbd2_journal_handle jbd2_transaction_s mb_cache_entry
		;;
	zram)
		echo 64M >/sys/block/zram0/disksize
		mke2fs -b 4096 /dev/zram0 >/dev/null
		file_system ext2 /dev/zram0 user_xattr
		[ "$(pool_pages)" -gt 100 ] || failed "the data is not in the pool"
		show "$(pool_pages) pages"
		expect_objects zs_handle zspage
		echo 1 >/sys/block/zram0/reset
		swap_to /dev/zram0
		echo 1 >/sys/block/zram0/reset
		[ "$(pool_pages)" = 0 ] || failed "$(pool_pages) pages stay"
		;;
	esac
}

echo 4 >/proc/sys/vm/drop_caches # do not say so in the log
insmod /files/xalloc.ko size=160M || exit
sample & sampler=$!
while read -r module; do
	insmod "/files/$module.ko" || failed "$module does not load"
done </files/modules
run "$(cat /files/port)"
for module in $(tac /files/modules); do
	unload "$module" || failed "$module does not unload"
done
kill $sampler
for cache in "$debugfs"/caches/*; do
	[ ! -e "$cache" ] || failed "left behind: ${cache##*/} with $(stat_of "$cache/stats" live) objects"
done
dmesg | grep '^xalloc: ' | grep -qvE 'loading out-of-tree|pool default: 1|TestSlub_leak_destroy' &&
	failed "xalloc complained"
unload xalloc || failed "xalloc does not unload"
kmsg "=== shows $shows"
exit $status
