#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What can be said of the source without running it: checkpatch, sparse, W=1 of
# gcc and of each clang, kernel versions outside compat.h, long files, calls that go up from
# one layer to another, shellcheck; the viewer of snapshots. And that ^C
# leaves no VM, with VMs that are started and ended at once. Any finding is a failure;
# all checks run before this one fails. The last lines say what looked at what.
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
#  - a loop over a list, as a macro, names the list more than once
#  - _Generic() is no label
allowed_in() { # file
	case $1 in
	./include/compat.h) echo --ignore=LINUX_VERSION_CODE,CONSTANT_COMPARISON ;;
	./kunit/*) echo --ignore=YIELD ;;
	./pool/listed.h) echo --ignore=MACRO_ARG_REUSE ;;
	./scripts/ports/kmem_cache.h) echo --ignore=MACRO_ARG_REUSE,SPACING,TABSTOP,TRAILING_STATEMENTS ;;
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

# A file has one idea
check_lengths() {
	! sources | grep -vE '^./(kunit|bench)/' | xargs wc -l | awk '$2 != "total" && $1 > 800' | grep ''
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

# The files that kbuild says it does something to, without .c or .o
files_of() { # what kbuild calls it, log
	sed -nE "s,^  $1 +(.*/)?([^/.]+)\.[co]$,\2,p" "$2" | sort
}

# The benchmark clears arrays of megabytes, which sparse takes for a mistake.
# kbuild may go without sparse, and says so in one line among many: what counts is
# whether each file that was compiled was looked at too
check_sparse() { # rig, sparse
	local log=$build/check-$1.log
	check_build "$1" W=1 C=2 CHECK="$2" CF="-D__CHECK_ENDIAN__ -Wno-memcpy-max-count"
	[[ $(files_of CHECK "$log") ]] || { say "sparse looked at nothing"; return 1; }
	! comm -13 <(files_of CHECK "$log") <(files_of 'CC \[M\]' "$log") | grep '' ||
		{ say "sparse did not look at these"; return 1; }
}

passed=() failed=()
check() { # what command...
	local what=$1
	shift
	say "== $what"
	# In a subshell, where set -e holds; it would not in the condition itself
	set +e
	(set -e; "$@" >&2)
	local rc=$?
	set -e
	if ((rc == 0)); then passed+=("$what"); else failed+=("$what"); fi
}

# Debian 12's sparse is too old for Linux 7.2. With none that is new enough, the name
# of the check says that gcc alone looked.
check_gcc() { # version
	local source sparse
	source=$("$scripts/kernel-source.sh" "$1")
	if sparse=$("$scripts/sparse.sh" "$source"); then
		check "gcc W=1, $("$sparse" --version 2>&1 | sed 's/^/sparse /'), Linux $1" \
			check_sparse "x86_64-$1" "$sparse"
	else
		check "gcc W=1, Linux $1 (no sparse: none that is new enough was found)" \
			check_build "x86_64-$1" W=1
	fi
}

# Each version of clang is a package of its own name; where packages can be installed,
# all those that there are
need_clangs() {
	local name
	if can_apt_install; then
		for name in "${clangs[@]}"; do
			have "$name" || ! apt-cache show "$name" >/dev/null 2>&1 || need_tools "$name:$name"
		done
	fi
	[[ $(find_clangs) ]] ||
		die "no clang of version 17 or later is installed, and apt knows of none"
}

need_tools "${build_tools[@]}" sparse:sparse shellcheck:shellcheck
need_clangs

cd "$top"
kernel=$("$scripts/kernel-source.sh" "$KVER_NEW")

check "checkpatch --strict" check_style
check "kernel versions are in include/compat.h only" check_versions
check "no file above 800 lines" check_lengths
check "shellcheck" check_shell
check "the viewer of snapshots" "$scripts/view/check.py"
for version in "$KVER_NEW" "$KVER_OLD"; do
	check_gcc "$version"
	for clang in $(find_clangs); do
		check "$clang W=1, Linux $version" check_build "x86_64-$version-$clang" W=1 CC="$clang"
	done
done
check "calls go down only" "$scripts/layers.sh" "$build/check-x86_64-$KVER_NEW"
check "no VM outlives its command" "$scripts/interrupt-test.sh"

printf 'check: no finding: %s\n' "${passed[@]}"
((!${#failed[@]})) || { printf 'check: findings in: %s\n' "${failed[@]}"; exit 1; }
