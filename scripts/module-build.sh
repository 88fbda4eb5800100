#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the modules of this tree for a kernel, in a copy of the sources, so
# that several kernels have their objects side by side (Linux 6.1 cannot put
# them elsewhere). A second run compiles what has changed.
#
#   module-build.sh DIRECTORY KDIR [make variables, such as XALLOC_KUNIT=m W=1]
#
# A warning is a failure. The sample is built last, from outside, against the
# symbols that xalloc exports.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=${1:?the directory to build in}
kdir=${2:?the build directory of the kernel}
shift 2
log=$dir.log

# A dead file must not live on in the copy, what the build made must. Prints what has changed.
copy_sources() {
	mkdir -p "$dir"
	rsync -a -O --itemize-changes --delete --prune-empty-dirs --exclude=/build --exclude=/scripts --exclude='.*' \
		--exclude='*.mod.c' --include='*/' --include='*.[chS]' --include=Kbuild \
		--include='Makefile' --exclude='*' "$top/" "$dir/"
}

kbuild() { # directory make-arguments...
	local where=$1
	shift
	make -C "$kdir" M="$where" "$@"
}

# Runs where set -e does not hold
build_all() {
	kbuild "$dir" "$@" modules || return
	[[ -e $dir/samples/Kbuild ]] || return 0
	kbuild "$dir/samples" KBUILD_EXTRA_SYMBOLS="$dir/Module.symvers" "$@" modules
}

clean_all() {
	kbuild "$dir" clean
	[[ ! -e $dir/samples/Kbuild ]] || kbuild "$dir/samples" clean
}

# That a tool is not the one the kernel was built with is no fault of ours
findings() { # options for grep
	sed '/differs from the one used to build the kernel/,+2d' "$log" |
		grep -nE "$@" '[Ww]arning:|WARNING:|error:' || true
}

# Forget what was built, or the next run would not see the warning
reject() {
	say "$1, see $log:"
	findings -A4 | head -n 40 >&2
	clean_all >/dev/null 2>&1 || true
	exit 1
}

need_tools "${build_tools[@]}"
changed=$(copy_sources)
# Nothing to do; make takes seconds to find that
if [[ ! $changed && $(cat "$dir/.built" 2>/dev/null) == "$kdir $*" ]]; then exit; fi
rm -f "$dir/.built"
with_progress "building modules in ${dir#"$top"/}" "$log" build_all "$@" ||
	reject "the modules do not build"
[[ -z $(findings) ]] || reject "the build gives warnings"
echo "$kdir $*" >"$dir/.built"
