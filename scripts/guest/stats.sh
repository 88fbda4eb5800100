#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# debugfs: the files are there, can be read by everything that reads buddyinfo
# and slabinfo, and their numbers balance while a client holds objects and
# after it has freed them. Reading changes nothing. What is written holds, or is
# refused with the errno that says it best and changes nothing.
# shellcheck source=lib.sh
. /guest/lib.sh

readable() { [ -n "$(cat "$1")" ]; }

pool=$debugfs/pools/default cache=$debugfs/caches/requests

# All of a file that has one line; nothing of one that cannot be read
value_of() { # file; in $value
	value=
	{ read -r value <"$1"; } 2>/dev/null
}

# The shell's complaint can be read
# shellcheck disable=SC3037 # busybox' echo has -n, and says why it failed
write() { { echo -n "$2" >"$1"; } 2>/tmp/write.err; } # file text

sets() { # file text [what is read then]
	write "$1" "$2" && value_of "$1" && [ "$value" = "${3-$2}" ]
}

refuses() { # file text message
	value_of "$1"
	was=$value
	write "$1" "$2" && return 1
	read -r complaint </tmp/write.err
	case $complaint in *"$3"*) ;; *) return 1 ;; esac
	value_of "$1"
	[ "$value" = "$was" ]
}

# Bytes as they are, at an offset
writes_at() { printf '%b' "$3" | dd of="$1" bs=64 seek="$2" oflag=seek_bytes conv=notrunc 2>/dev/null; } # file offset bytes
refuses_bytes() { # file offset bytes
	value_of "$1"
	was=$value
	! writes_at "$1" "$2" "$3" && value_of "$1" && [ "$value" = "$was" ]
}

check_number() { # file largest
	leaf=${1#"$debugfs/"}
	for text in ' ' x 1x '1 2' -2 -9999999999999999999 99999999999999999999999999 0.5 \
		+1 010 00 0x -0x1 '- 1' 1e1 0b1 "$2"; do
		check "$leaf refuses '$text'" refuses "$1" "$text" "Invalid argument"
	done
	check "$leaf refuses a zero byte inside" refuses_bytes "$1" 0 '1\0000z'
	check "$leaf refuses a zero byte behind" refuses_bytes "$1" 0 '1\0000'
	check "$leaf refuses a part of a number" refuses_bytes "$1" 1 '1'
	check "$leaf takes 0x10" sets "$1" 0x10 16
	check "$leaf takes a blank line's end" sets "$1" "17
" 17
}

# Where `why` says that the pages are; words before the caches are keys and numbers
why_sum() { # key
	awk -v key="$1" '{ for (i = 2; i < NF; i += 2) { if ($i == "cache") break; if ($i == key) n += $(i + 1) } } END { print n + 0 }' "$pool/why"
}
why_objects() { # cache
	awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == "cache" && $(i + 3) == name) n += $(i + 1) } END { print n + 0 }' "$pool/why"
}
why_agrees() {
	for owner in requests states; do
		[ "$(why_objects $owner)" = "$(stat_of "$debugfs/caches/$owner/stats" live)" ] || return
	done
	[ "$(why_sum clients)" = "$(stat_of "$pool/stats" pages)" ] &&
		[ "$(why_sum slabs)" = "$(stat_of "$pool/stats" slabs)" ]
}

# Pages in the blocks of a snapshot, by the number of a state: 0 free, 1 slabs, 3 heaps, 6 holes.
# A line is [first,pages,state] or [first,pages,state,times,...]
snapshot_pages() { # state; in the file that was saved
	awk -v state="$1" '
		/^"chunks"/  { on = 0 }
		on           {
			gsub(/[][]/, "")
			n = split($0, v, ",")
			if (v[3] == state) sum += v[2] * (n > 3 && v[4] ? v[4] : 1)
		}
		/^"blocks"/  { on = 1 }
		END          { print sum + 0 }' /tmp/snapshot
}
snapshot_agrees() {
	cat "$pool/snapshot" >/tmp/snapshot || return
	number=0
	for state in free slabs pages heaps magazines; do
		[ "$(snapshot_pages $number)" = "$(stat_of "$pool/stats" $state)" ] || return
		number=$((number + 1))
	done
	[ "$(snapshot_pages 5)" = 0 ]
}

numbers() { cat "$debugfs"/caches/*/stats "$debugfs"/pools/*/stats; }

insmod /files/xalloc.ko size=64M decay_ms=-1
insmod /files/xalloc_client.ko
for file in buddyinfo slabinfo pools/default/stats; do
	check "$file can be read" readable "$debugfs/$file"
done
check "buddyinfo has the columns of /proc/buddyinfo" \
	awk '!/^Node [0-9]+, zone +[^ ]+( +[0-9]+)+ *$/ || NF != 15 { exit 1 }' "$debugfs/buddyinfo"
check "slabinfo has the head of /proc/slabinfo" \
	grep -q '^# name  *<active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>' "$debugfs/slabinfo"
check "every line of a stats file is a key and a number" \
	sh -c "cat $debugfs/caches/*/stats $debugfs/pools/*/stats | awk 'NF < 2 { exit 1 }'"
check "objects are live" [ "$(sum_of live "$debugfs"/caches/*/stats)" -gt 0 ]
check "the books balance while objects are live" books_balance
first=$(numbers)
check "reading changes nothing" [ "$first" = "$(numbers)" ]
check "why names the client's objects and pages" why_agrees
check "the client holds 1000 of each, and 4 pages" \
	[ "$(why_objects requests) $(why_objects states) $(why_sum clients)" = "1000 1000 4" ]

check "a snapshot has all pages where the stats have them" snapshot_agrees
check "it names both caches" [ "$(grep -cE '^\["cache","(requests|states)",' /tmp/snapshot)" = 2 ]
check "a snapshot cannot be written" sh -c "! echo 1 >$pool/snapshot"

check "decay_ms is what xalloc was loaded with" [ "$(cat "$pool/decay_ms")" = -1 ]
check "a cache has the decay of its pool" [ "$(cat "$cache/decay_ms")" = -1 ]
check_number "$cache/decay_ms" 86400001
check "decay_ms refuses max" refuses "$cache/decay_ms" max "Invalid argument"
check "decay_ms refuses -0" refuses "$cache/decay_ms" -0 "Invalid argument"
check "the pool's decay is another" [ "$(cat "$pool/decay_ms")" = -1 ]
check "decay_ms takes -1" sets "$cache/decay_ms" -1
check_number "$pool/decay_ms" 86400001
check "the cache keeps its own" [ "$(cat "$cache/decay_ms")" = -1 ]
check "and the other has the pool's" [ "$(cat "$debugfs/caches/states/decay_ms")" = 17 ]
check "decay_ms takes -1 again" sets "$pool/decay_ms" -1

used=$(($(stat_of "$pool/stats" slabs) + $(stat_of "$pool/stats" pages)))
for limit in hard cache reserve; do
	none=-1 value=10000
	[ $limit = reserve ] && none=0 value=9000
	check "no $limit limit at first" [ "$(cat "$pool/limits/$limit")" = $none ]
	check "limits/$limit takes $value" sets "$pool/limits/$limit" $value
	check "limits/$limit refuses -2" refuses "$pool/limits/$limit" -2 "Invalid argument"
	check "limits/$limit refuses many" refuses "$pool/limits/$limit" many "Invalid argument"
done
check_number "$pool/limits/cache" max1
check "limits/cache takes 10000 again" sets "$pool/limits/cache" 10000
check "the reserve is a value of the stats file" [ "$(stat_of "$pool/stats" reserve)" = 9000 ]
check "a hard limit below the reserve is refused" \
	refuses "$pool/limits/hard" 8999 "Invalid argument"
check "a reserve that the hard limit has no room for now is refused" \
	refuses "$pool/limits/reserve" 10000 "Resource temporarily unavailable"
check "a reserve above the hard limit is refused" \
	refuses "$pool/limits/reserve" 10001 "Invalid argument"
check "a reserve of -1 is refused" refuses "$pool/limits/reserve" -1 "Invalid argument"
check "no reserve" sets "$pool/limits/reserve" 0
check "a hard limit below what is held is refused" \
	refuses "$pool/limits/hard" $((used / 2)) "busy"
check "no hard limit" sets "$pool/limits/hard" max -1
check "no cache limit" sets "$pool/limits/cache" -1

held=$(stat_of "$cache/stats" slabs)
for limit in hard cache; do
	check "no $limit limit of a cache at first" [ "$(cat "$cache/limits/$limit")" = -1 ]
	check "caches' limits/$limit takes 5000" sets "$cache/limits/$limit" 5000
	check "caches' limits/$limit refuses -2" refuses "$cache/limits/$limit" -2 "Invalid argument"
	check "caches' limits/$limit refuses many" refuses "$cache/limits/$limit" many "Invalid argument"
done
check "the cache has slabs" [ "$held" -gt 0 ]
check "a cache's hard limit below what is live is refused" refuses "$cache/limits/hard" 0 "busy"
check "no hard limit of the cache" sets "$cache/limits/hard" max -1
check "no cache limit of the cache" sets "$cache/limits/cache" max -1

for text in ' ' 0 2 -1 x max; do
	check "tear refuses '$text'" refuses "$cache/tear" "$text" "Invalid argument"
done
check "tear takes 1" write "$cache/tear" 1
check "the books balance after tear" books_balance
check "why agrees after tear" why_agrees
check "a snapshot agrees after tear" snapshot_agrees

# By one CPU, and what follows by another: what is in magazines is not at hand then
check "the client frees" taskset 1 sh -c "echo 1 >/sys/module/xalloc_client/parameters/release"
taskset -p 2 $$ >/dev/null
check "no object is live" [ "$(sum_of live "$debugfs"/caches/*/stats)" = 0 ]
check "the books balance after" books_balance
check "what is kept is not live: why" [ "$(why_objects requests) $(why_sum clients)" = "0 0" ]
check "but it is there" [ "$(why_sum slabs)" -gt 0 ]
for file in "$cache/collect" "$pool/collect" "$debugfs/collect"; do
	for text in ' ' 2 -1 x max; do
		check "${file#"$debugfs/"} refuses '$text'" refuses "$file" "$text" "Invalid argument"
	done
	check "${file#"$debugfs/"} takes 0" write "$file" 0
done
check "without force, magazines of other CPUs keep theirs" [ "$(stat_of "$cache/stats" slabs)" -gt 0 ]
for owner in requests states; do
	check "caches/$owner/collect with force" write "$debugfs/caches/$owner/collect" 1
	check "then $owner has no slab" [ "$(stat_of "$debugfs/caches/$owner/stats" slabs)" = 0 ]
done
check "collect with force" write "$debugfs/collect" 1
check "then nothing is in use" [ "$(stat_of "$pool/stats" free)" = 16384 ]
check "and why is empty" [ -z "$(cat "$pool/why")" ]
check "and so is a snapshot" snapshot_agrees
check "the client unloads" unload xalloc_client
check "xalloc unloads" unload xalloc
check "debugfs is empty after" [ ! -e "$debugfs" ]

finish stats
