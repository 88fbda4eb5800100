#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What can be said of the source without running it: checkpatch, sparse, W=1,
# clang, kernel versions outside compat.h, shellcheck. Any finding is a
# failure; all checks run before this one fails.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

sources() {
	find . -path ./build -prune -o -path ./.git -prune -o -name '*.mod.c' -prune -o \
		-name '*.[ch]' -print | sort
}

# What checkpatch cannot know of a module that is built out of the tree:
#  - compat.h is where the version is compared, and LINUX_VERSION_CODE is not
#    the constant in that comparison
#  - a kernel thread of a test that waits in a loop must yield() on UML
allowed_in() { # file
	case $1 in
	./include/compat.h) echo --ignore=LINUX_VERSION_CODE,CONSTANT_COMPARISON ;;
	./kunit/*) echo --ignore=YIELD ;;
	esac
}

check_style() {
	local file rc=0
	while read -r file; do
		# shellcheck disable=SC2046 # one option or none
		"$kernel/scripts/checkpatch.pl" --strict --no-tree --no-summary --terse \
			--show-types $(allowed_in "$file") -f "$file" || rc=1
	done < <(sources)
	return $rc
}

check_versions() {
	! sources | grep -v '^./include/compat.h$' |
		xargs grep -nE 'LINUX_VERSION_CODE|KERNEL_VERSION'
}

check_shell() {
	shellcheck scripts/*.sh scripts/guest/*.sh scripts/guest/init .ci/run
}

# In a directory of its own and from scratch, so that every file is looked at
check_build() { # rig make-arguments...
	local rig=$1 kdir
	shift
	kdir=$("$scripts/kernel-build.sh" "$rig")
	rm -rf "$build/check-$rig"
	"$scripts/module-build.sh" "$build/check-$rig" "$kdir" ARCH=x86_64 XALLOC_KUNIT=m XALLOC_BENCH=m -j"$(nproc)" "$@"
}

# Linux 7.2 wants a newer sparse than Debian 12 has and then goes without
check_sparse() { # rig
	check_build "$1" W=1 C=2 CF=-D__CHECK_ENDIAN__
	! grep -q 'sparse is not available or not up to date' "$build/check-$1.log" ||
		say "this sparse is too old for the kernel of $1: gcc alone looked"
}

check_clang() {
	check_build x86_64-clang W=1 CC="$(find_clang)"
}

failed=()
check() { # what command...
	local what=$1
	shift
	say "== $what"
	# In a subshell, where set -e holds; it would not in the condition itself
	set +e
	(set -e; "$@" >&2)
	local rc=$?
	set -e
	((rc == 0)) || failed+=("$what")
}

# Each version of clang is a package of its own name
need_clang() {
	local name
	find_clang >/dev/null && return
	for name in "${clangs[@]}"; do
		apt-cache show "$name" >/dev/null 2>&1 || continue
		need_tools "$name:$name"
		return
	done
	die "no clang of version 17 or later is installed, and apt knows of none"
}

need_tools "${build_tools[@]}" sparse:sparse shellcheck:shellcheck
need_clang

cd "$top"
kernel=$("$scripts/kernel-source.sh" "$KVER_NEW")

check "checkpatch --strict" check_style
check "kernel versions are in include/compat.h only" check_versions
check "shellcheck" check_shell
check "gcc W=1 and sparse, Linux $KVER_NEW" check_sparse "x86_64-$KVER_NEW"
check "gcc W=1 and sparse, Linux $KVER_OLD" check_sparse "x86_64-$KVER_OLD"
check "$(find_clang) W=1, Linux $KVER_NEW" check_clang

if ((${#failed[@]})); then
	printf 'check: findings in: %s\n' "${failed[@]}"
	exit 1
fi
echo "check: checkpatch, versions, shellcheck, sparse, W=1 and clang have no finding"
