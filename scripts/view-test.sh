#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Test the viewer of snapshots: what it accepts and refuses, whether its page answers to pointer
# and keys, and how long a browser takes until a pool of 1 GiB is drawn, which has to be less than
# 2 s. Also for a snapshot of as many records as such a pool can have, where no two pages in a row
# are alike.
#
#   view-test.sh              writes the pages and the times to build/view/
#   view-test.sh --picture    and draws the picture of the documentation anew
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

limit=2000 # ms until it is drawn
out=$build/view
browser=''

# The browser of other systems has another name
find_browser() {
	local name
	for name in chromium chromium-browser google-chrome; do
		have "$name" && browser=$name && return
	done
	need_tools chromium:chromium
	browser=chromium
}

# Root has no sandbox to offer. A profile of its own, so that no other one is touched
browse() { # arguments
	timeout -s KILL 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
		--user-data-dir="$out/profile" --window-size=1120,640 "$@" 2>"$out/browser.log"
}

# What a script wrote down at the root of a page
said() { # page key
	browse --dump-dom "file://$1" | sed -n "s/.*<html[^>]* data-$2=\"\([^\"]*\)\".*/\1/p"
}

check_time() { # name snapshot...
	local name=$1 ms
	shift
	"$scripts/xalloc-view" "$@" -o "$out/$name.html" --svg "$out/$name.svg"
	ms=$(said "$out/$name.html" drawn) # from the start of the navigation on
	[[ $ms ]] || { tail -n 5 "$out/browser.log" >&2; die "$name: the browser did not draw it"; }
	echo "$name: $(cat "$@" | wc -c) bytes of snapshots, drawn after $ms ms"
	((ms < limit)) || die "$name: $ms ms are more than $limit"
}

# Does the page answer to pointer, wheel, keys, slider and buttons?
check_events() { # name of a page with three samples
	local result
	cat "$out/$1.html" "$scripts/view/events.html" >"$out/events.html"
	result=$(said "$out/events.html" events)
	[[ $result == ok ]] || die "events are not answered: ${result:-no result, see $out/browser.log}"
	echo "$1: pointer, wheel, keys, slider and buttons are answered"
}

need_tools python3:python3 timeout:coreutils
find_browser
rm -rf "$out"
mkdir -p "$out"
"$scripts/view/check.py"
for age in 0.2 0.5 0.8; do
	"$scripts/view/sample.py" --age "$age" >"$out/$age.json"
done
"$scripts/view/sample.py" --singles >"$out/singles.json"
check_time pool "$out/0.2.json"
check_time over-time "$out"/0.?.json
check_events over-time
check_time singles "$out/singles.json"
[[ ${1:-} != --picture ]] || cp "$out/pool.svg" "$top/Documentation/snapshot.svg"
