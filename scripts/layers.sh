#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Prove from the objects that calls go down only: Kbuild lists them from the top down, and
# none uses a symbol that is defined in one before it. What inline functions come to differs
# from kernel to kernel, so this is asked of each.
#
#   layers.sh DIRECTORY      where the modules were built
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=${1:?the directory in which the modules were built}

# `number object U|D symbol` for each symbol that an object uses or defines. kbuild has
# written down what it linked, in its order. One nm for all: it takes long to begin.
symbols() {
	tr -s ' \n' '\n' <"$dir/xalloc.mod" | sed -n "s|^$dir/||; s|^\./||; /\.o\$/p" >"$dir/objects"
	(cd "$dir" && xargs nm -A <objects) | awk '
		{ object = $1; sub(/:[0-9a-f]*$/, "", object) }
		object != last                { number++; last = object }
		$(NF - 1) == "U"              { print number, object, "U", $NF }
		NF == 3 && $2 ~ /^[A-TV-Z]$/  { print number, object, "D", $3 }'
}

need_tools nm:binutils
[[ -s $dir/xalloc.mod ]] || die "no xalloc.mod in $dir: nothing was built there"
symbols >"$dir/symbols"
sources=$(find "$dir" -maxdepth 2 -name '*.c' ! -name '*.mod.c' \
	! -path "$dir/kunit/*" ! -path "$dir/bench/*" ! -path "$dir/samples/*" | wc -l)
seen=$(cut -d' ' -f1 "$dir/symbols" | sort -u | wc -l)
((seen == sources)) || die "$dir: symbols of $seen objects, and there are $sources files"

upward=$(awk '
	$3 == "D" { where[$4] = $1; name[$4] = $2 }
	$3 == "U" { use[++n] = $0 }
	END {
		for (i = 1; i <= n; i++) {
			split(use[i], f, " ")
			if (f[4] in where && where[f[4]] < f[1])
				print f[2] " uses " f[4] " of " name[f[4]] ", which is above it"
		}
	}' "$dir/symbols")
[[ -z $upward ]] || { say "$upward"; exit 1; }
