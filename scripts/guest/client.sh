#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Clients that were built in other ways: one for another xalloc is refused with a
# line that says so, whatever it asks for first; one without inline functions works.
# And xalloc without a default pool.
# shellcheck source=lib.sh
. /guest/lib.sh

# insmod tries twice where a module does not load, so lines may come twice
loads() { insmod "/files/$1.ko" 2>/tmp/insmod.err; }
said() { xalloc_lines | grep -q "$1"; }
said_only() { said "$1" && ! xalloc_lines | grep -qv "$1"; }
client_said() { log_since | grep -q "^$1: $2"; }

insmod /files/xalloc.ko size=4M decay_ms=-1
mark_log
check "a client of another build does not load" sh -c "! insmod /files/xclient_other.ko 2>/dev/null"
check "it has no pool, no cache, no default pool" \
	client_said xclient_other "pool: error -8; cache: none; default pool: not told"
check "the log says why, and nothing else" \
	said_only "module xclient_other was built for another xalloc; build it again"
check "no cache is left" [ ! -e "$debugfs/caches/xclient_other" ]

mark_log
check "a client without inline functions loads" loads xclient_calls
check "it has all of them" \
	client_said xclient_calls "pool: error 0; cache: made; default pool: known"
check "its double free is refused" said "cache xclient_calls: .*free"
check "it unloads" unload xclient_calls
check "xalloc unloads" unload xalloc

mark_log
check "size=0 loads" [ "$(load_errno size=0)" = 0 ]
check "it says that there is no default pool" said_only "no default pool"
check "no pool is shown" [ -z "$(cat $debugfs/buddyinfo)$(ls $debugfs/pools)" ]
check "slabinfo is its head" [ "$(wc -l <$debugfs/slabinfo)" = 2 ]
check "collect has nothing to do" sh -c "echo 1 >$debugfs/collect"
mark_log
check "a cache in the default pool is refused" sh -c "! insmod /files/xclient_calls.ko 2>/dev/null"
check "but a pool is made" \
	client_said xclient_calls "pool: error 0; cache: none; default pool: not told"
check "the log says why" said_only "cache xclient_calls: no pool to make it in"
check "xalloc unloads again" unload xalloc

finish client
