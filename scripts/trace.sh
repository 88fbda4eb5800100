#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Record what real programs allocate, and replay it on xmalloc(), kmalloc() and the C library's
# malloc().
#
#   trace.sh [PROGRAM...]	default: all of them
#
#   cc1		the C compiler, on xheap.c of this tree
#   ld		the linker: a static program
#   make	a dry run of the build of this module
#   python	compiles modules of its own library
#   perl	checkpatch.pl on xheap.c
#   git-log	git log -p of a history of this tree's files
#   git-pack	git repack of the same, with threads
#   sqlite	trace/sqlite.sql: tables are made, joined, changed and emptied
#   gawk	counts the words of the kernel's documentation
#
#   RECORD=y trace.sh perl	record again what was recorded before
#
# trace/record.c is loaded into each program and writes down its calls, trace/convert.py makes a
# trace of that (bench/trace.h), in build/traces/: bench/trace.c replays it in the kernel of the
# benchmark and trace/replay.c outside of it, in one VM where QEMU counts instructions. Writes
# results.csv and table.txt beside the traces. Fails where a program could not be recorded or
# replayed, not where xalloc misses a target: the end of the table has those.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"

programs=(cc1 ld make python perl git-log git-pack sqlite gawk)
pool=512M # 200 MiB may be live
out=$build/traces
results=$out/results.csv
work=$out/work
modules=$build/bench-x86_64-$KVER_NEW

# The names that the C library has for the recorded program
name_of() { # program
	case $1 in
	git-*) echo git ;;
	sqlite) echo sqlite3 ;;
	*) echo "$1" ;;
	esac
}

# A command whose allocations are written down, and those of all that it starts
recorded() { # command...
	XALLOC_TRACE=$work/records LD_PRELOAD=$work/record.so "$@"
}

# The command by which kbuild compiled it, as it would be typed, with its output thrown away
compile_command() { # object
	sed -e 's/^[^=]*:= //; s/ -Wp,-MMD,[^ ]*//; s/ -o [^ ]* / -o \/dev\/null /; s/;.*//' -e 1q \
		"$modules/.$1.cmd"
}

job_cc1() {
	local command
	command=$(compile_command xheap.o)
	[[ $command ]] || die "kbuild left no command for xheap.o"
	# shellcheck disable=SC2086 # a command with its arguments; none has blanks
	(cd "$modules" && recorded $command)
}

job_ld() {
	recorded gcc -static -o "$work/linked" "$work/replay.o" -lm -pthread
}

job_make() {
	recorded make -n -B -C "$kdir" M="$modules" modules
}

# Python's own allocator would take arenas of 1 MiB. What starts the interpreter may be a script.
job_python() {
	local python
	python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
	PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 recorded "$python" -c '
import argparse, ast, collections, difflib
for module in collections, argparse, difflib:
    source = open(module.__file__).read()
    tree = ast.parse(source)
    sum(1 for node in ast.walk(tree))
    compile(tree, module.__file__, "exec")'
}

job_perl() { # it has findings or has none
	local checkpatch=("$source/scripts/checkpatch.pl" --strict --no-tree --no-summary --terse)
	recorded perl "${checkpatch[@]}" -f "$top/xheap.c" || true
}

# Two versions of each file of this tree: its first half, and all of it
history() {
	local file nr=0 half
	local commit='commit refs/heads/main\ncommitter X <x@example.com> %d +0000\ndata 2\nx\n\n'
	while read -r file; do
		for half in y ''; do
			nr=$((nr + 1))
			if [[ $half ]]; then
				head -n $(($(wc -l <"$top/$file") / 2)) "$top/$file"
			else
				cat "$top/$file"
			fi >"$work/blob"
			# shellcheck disable=SC2059 # it is a format
			printf "$commit" $((1000000000 + nr))
			printf 'M 100644 inline %s\ndata %d\n' "$file" "$(wc -c <"$work/blob")"
			cat "$work/blob"
			echo
		done
	done < <(cd "$top" && find . -path ./build -prune -o -name '*.[ch]' ! -name '*.mod.c' \
		-printf '%P\n' | sort)
}

make_repository() {
	rm -rf "$work/repository"
	git init -q -b main "$work/repository"
	history >"$work/history"
	git -C "$work/repository" fast-import --quiet <"$work/history"
}

git_there() { # arguments...
	GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null recorded git -C "$work/repository" \
		-c pack.threads=2 -c core.pager=cat "$@"
}

job_git-log() {
	make_repository
	git_there log -p --stat -M
}

job_git-pack() {
	make_repository
	git_there repack -q -a -d -f --depth=50 --window=50
}

job_sqlite() {
	rm -f "$work/db"
	recorded sqlite3 "$work/db" <"$scripts/trace/sqlite.sql"
}

job_gawk() {
	find "$source/Documentation" -name '*.rst' | sort | head -n 300 >"$work/list"
	# shellcheck disable=SC2016 # $ is gawk's
	recorded xargs -a "$work/list" -n 300 gawk '
		{ for (i = 1; i <= NF; i++) nr[tolower($i)]++ }
		END { for (word in nr) lines[sprintf("%08d %s", nr[word], word)]; asorti(lines, sorted)
		      for (i in sorted) sum += length(sorted[i]); print sum }'
}

record() { # program; set -e does not hold where this is called
	local records=$work/records
	rm -rf "$records"
	mkdir -p "$records"
	"job_$1" >"$work/output" || return
	"$scripts/trace/convert.py" "$records/$(name_of "$1")"* "$out/$1.new" || return
	rm -rf "$records"
	mv "$out/$1.new" "$out/$1.trace"
}

record_all() { # program...
	local program
	gcc -O2 -Wall -Wextra -Werror -fPIC -shared -o "$work/record.so" "$scripts/trace/record.c" \
		-pthread
	for program; do
		[[ ! ${RECORD:-} && -e $out/$program.trace ]] ||
			with_progress "recording $program" "$out/$program.log" record "$program" ||
			die "$program could not be recorded"
	done
}

# What the guest finds in /files: the modules, the traces and the program that replays them
gather() { # program...
	local program
	rm -f "$files"/*.trace
	for program; do ln "$out/$program.trace" "$files"; done
	cp "$work/replay" "$files"
}

(($#)) || set -- "${programs[@]}"
for program; do
	[[ " ${programs[*]} " == *" $program "* ]] ||
		die "no program is named $program; there are: ${programs[*]}"
done
need_tools "${build_tools[@]}" "${vm_tools[@]}" "${bench_tools[@]}" \
	git:git sqlite3:sqlite3 gawk:gawk
mkdir -p "$work"
exec 8>"$out/.lock"
flock -n 8 || die "another run of the traces is under way in this tree"
source=$("$scripts/kernel-source.sh" "$KVER_NEW")
prepare "bench-x86_64-$KVER_NEW"
gcc -O2 -Wall -Wextra -Werror -c -o "$work/replay.o" "$scripts/trace/replay.c"
gcc -static -o "$work/replay" "$work/replay.o"
record_all "$@"
gather "$@"
guest_job=trace TIMEOUT=${TIMEOUT:-3600}
echo "$pool" | qemu traces 1 "${icount[@]}"
echo kernel,rig,cpus,workload,allocator,metric,median,min,max >"$results"
collect traces icount 1
"$scripts/trace-table.py" "$results" | tee "$out/table.txt"
say "results: $results, table: $out/table.txt"
