#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's tools report a client's errors, each once, and nothing of a client that makes
# none. What they say stands between two lines in the log, whose content is judged here and
# which the host leaves out when it looks for trouble. After the first report of KASAN, or of
# lockdep itself, lockdep is silent: so this is the last suite, and locks come first.
# shellcheck source=lib.sh
. /guest/lib.sh

has() { zcat /proc/config.gz 2>/dev/null | grep -qx "CONFIG_$1=y"; }

begin_report() { kmsg "=== expected begin"; }
end_report() { kmsg "=== expected end"; }
report() { dmesg | awk '/^=== expected begin/ { n = 0 } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }'; }
heads() { report | grep -E '^(BUG|WARNING|ODEBUG):'; }

run_client() { insmod /files/xtools_client.ko what="$1" && unload xtools_client; }

# One report and no other, of which the first line says so
expect() { # error, pattern
	begin_report
	run_client "$1"
	status=$?
	end_report
	said=$(heads)
	if [ $status -eq 0 ] && [ "$(echo "$said" | grep -c .)" = 1 ] && echo "$said" | grep -qE "$2"; then
		pass "$1 (${said##*: })"
	else
		fail "$1: a report of '$2'" "said: $(echo "$said" | head -n 3 | tr '\n' ';')"
	fi
}

expect_kasan() { # error, kind
	expect "$1" "^BUG: KASAN: $2 in .*xtools_client"
}

quiet() {
	begin_report
	end_report
	run_client nothing && [ -z "$(heads)" ] && ! report | grep -q '^xtools_client:'
}

# What kmemleak finds while the client is loaded
leaks() { # error
	insmod /files/xtools_client.ko what="$1" || return
	scan_twice
	cat $kmemleak >/tmp/leaks
	begin_report
	kmsg_stream "# " </tmp/leaks
	end_report
	unload xtools_client
	grep -c '^unreferenced object' /tmp/leaks
}

insmod /files/xalloc.ko size=64M

check "no report of a client without an error" quiet
if has PROVE_LOCKING; then
	expect held_lock '^WARNING: held lock freed!'
else
	skip held_lock "no lockdep in this kernel"
fi
if [ -e $kmemleak ]; then
	check "kmemleak is on" scan_twice
	echo clear >$kmemleak
	check "what objects point to is not lost" [ "$(leaks hold)" = 0 ]
	# Of 60: interrupts saved registers on stacks that are scanned, as often as the VM is slow
	check "objects without a pointer to them are lost" [ "$(leaks lose)" -ge 30 ]
	check "they are told by their size" [ "$(grep -c '(size 203)' /tmp/leaks)" -ge 30 ]
	echo clear >$kmemleak
else
	skip kmemleak "not in this kernel"
fi
if has KASAN_GENERIC; then
	expect_kasan overrun slab-out-of-bounds
	expect_kasan padding slab-out-of-bounds
	expect_kasan underrun slab-out-of-bounds
	expect_kasan use_after_free slab-use-after-free
	expect_kasan bulk_overrun '(slab-)?out-of-bounds' # the next one is live
	expect_kasan bulk_use_after_free slab-use-after-free
	expect_kasan slab_after_free use-after-free
	expect_kasan constructed_overrun slab-out-of-bounds
	expect_kasan use_after_move '(slab-)?use-after-free' # as the slab has gone, or not
	expect_kasan page_overrun use-after-free
	expect_kasan page_use_after_free use-after-free
	expect_kasan page_bulk_use_after_free use-after-free
	expect_kasan grown_overrun slab-out-of-bounds
else
	skip addresses "not in this kernel"
fi
if has KMSAN; then
	for error in never_written written_before bulk_never_written page_never_written; do
		expect $error "^BUG: KMSAN: uninit-value in .*$error"
	done
else
	skip values "not in this kernel"
fi
check "xalloc unloads" unload xalloc

finish tools
