# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share: messages, progress of long steps, locks, the tools
# they need, and the cache. Sourced after `set -euo pipefail`, not run.
# shellcheck disable=SC2034 # variables here are for the scripts that source this

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scripts=$top/scripts
build=$top/build
cache=${XALLOC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xalloc}

# The two ends of the range of kernels that xalloc supports
KVER_OLD=${KVER_OLD:-6.1}
KVER_NEW=${KVER_NEW:-7.2}

export LC_ALL=C
mkdir -p "$build" "$cache/lock"

# Standard output carries results (a path); everything for people goes to 2
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# The outermost of the scripts that run: a VM does not outlive it
export XALLOC_OWNER=${XALLOC_OWNER:-$$}

# A command that should run in the background: bash has those ignore ^C
interruptible() { # command...
	trap - INT QUIT
	"$@"
}

# Run a command with its output in a file, and say every ten seconds that it
# is still going and where it is. If it fails, show where and pass that on.
with_progress() { # label logfile command...
	local label=$1 log=$2 pid start=$SECONDS next=10 rc=0 last
	shift 2
	mkdir -p "$(dirname "$log")"
	say "$label ..."
	interruptible "$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while sleep 0.2 && kill -0 $pid 2>/dev/null; do
		if ((SECONDS - start >= next)); then
			next=$((next + 10))
			last=$(tail -c 400 "$log" | tr '\r' '\n' | grep -v '^ *$' | tail -n 1 || true)
			say "  $label: $((SECONDS - start)) s  $(tr -s ' \t' ' ' <<<"${last:0:90}")"
		fi
	done
	wait $pid || rc=$?
	if ((rc)); then
		say "$label failed after $((SECONDS - start)) s; the end of $log:"
		tail -n 25 "$log" >&2
		return "$rc"
	fi
	say "$label: done in $((SECONDS - start)) s"
}

# A VM has a session of its own, which is killed as a whole: UML is several processes.
# This happens however the script ends: its shell sees to it, and the host's kernel if
# the shell is what is killed. KILL at once: UML can spin for ever in answering a TERM.
vm=
kill_vm() {
	[[ ! $vm ]] || kill -KILL -- "-$vm" "$vm" 2>/dev/null || true
}

start_vm() { # log command...
	local log=$1
	shift
	trap kill_vm EXIT
	setpriv --pdeathsig KILL setsid "$@" </dev/null >"$log" 2>&1 &
	vm=$!
	disown # bash need not tell that it was killed
}

# Returns false too if the script that wanted the VM is gone, perhaps with no time to say so
vm_runs() {
	kill -0 "$vm" 2>/dev/null && { kill -0 "$XALLOC_OWNER" 2>/dev/null || { kill_vm; return 1; }; }
}

# A VM may die before its first process runs: where QEMU emulates several CPUs at once, one
# may come upon code that another is just patching. Nothing of ours has run by then, so such
# a VM is booted again, once. Says whether this one is, and keeps its log.
boot_again() { # log
	grep -qs '^=== init' "$1" && return 1
	mv "$1" "$1.early"
	say "the VM died before its first process ran, see $1.early; booting it again"
}

# Hold a lock in the cache while a command runs. The number of the file is
# closed for what the command starts, so that a stray child cannot keep it.
with_lock() { # name command...
	local name=$1
	shift
	(
		if ! flock -n 9; then
			say "waiting for another run that holds the lock '$name'"
			flock 9
		fi
		"$@"
	) 9>"$cache/lock/$name"
}

# Tools are named with the Debian package that has them. A name with a slash
# is a file that must exist.
have() {
	case $1 in
	/*) [[ -e $1 ]] ;;
	*) command -v "$1" >/dev/null 2>&1 || [[ -x /usr/sbin/$1 || -x /sbin/$1 ]] ;;
	esac
}

can_apt_install() {
	[[ $(id -u) -eq 0 && -e /etc/debian_version ]] && command -v apt-get >/dev/null
}

# A fresh machine has no package lists, another may have old ones
apt_install() { # package...
	local log=$build/apt-install.log
	local install=(apt-get -o DPkg::Lock::Timeout=300 -y --no-install-recommends install)

	export DEBIAN_FRONTEND=noninteractive
	if apt-cache show "$@" >/dev/null 2>&1; then
		with_progress "installing $*" "$log" "${install[@]}" "$@" && return
		say "trying again with fresh package lists"
	fi
	with_progress "apt-get update" "$build/apt-update.log" apt-get update ||
		say "apt-get update had errors; going on with what it got"
	with_progress "installing $*" "$log" "${install[@]}" "$@"
}

need_tools() { # tool:package...
	local pair missing=() packages=()

	for pair in "$@"; do
		have "${pair%%:*}" && continue
		[[ " ${packages[*]-} " == *" ${pair#*:} "* ]] && continue
		missing+=("${pair%%:*} (Debian package ${pair#*:})")
		packages+=("${pair#*:}")
	done
	((${#missing[@]})) || return 0
	if can_apt_install; then
		with_lock apt apt_install "${packages[@]}" ||
			die "apt-get could not install: ${packages[*]}"
		for pair in "$@"; do
			have "${pair%%:*}" || die "still missing after the installation: ${pair%%:*}"
		done
		return
	fi
	say "missing tools:"
	printf '  %s\n' "${missing[@]}" >&2
	die "install them and run this again (root on Debian installs them by itself)"
}

# The tools that building any kernel or module takes
build_tools=(
	gcc:gcc make:make ld:binutils /usr/include/stdio.h:libc6-dev
	flex:flex bison:bison bc:bc perl:perl python3:python3 xz:xz-utils
	rsync:rsync cpio:cpio gzip:gzip find:findutils kmod:kmod
	/usr/include/libelf.h:libelf-dev
)
vm_tools=(busybox:busybox-static cpio:cpio gzip:gzip timeout:coreutils setpriv:util-linux chrt:util-linux)

# The kernels that the tests run on: what each is built from and booted with
rigs=(um-smp "x86_64-$KVER_NEW" "x86_64-$KVER_OLD" um-debug x86_64-debug)

# x86_64-7.2-clang-19 and such are none of those: trees to compile modules in, not to boot.
# Nor is x86_64-kmsan, for which clang builds another kernel: it is run by its name.
# um-debug+ports is um-debug with the options of another fragment besides.
use_rig() { # name; sets rig_*
	local more=${1#"${1%%+*}"}
	set -- "${1%%+*}"
	rig_name=$1 rig_version=$KVER_NEW rig_cc=gcc
	case $1 in
	x86_64-kmsan)
		rig_arch=x86_64 rig_targets=(bzImage vmlinux modules)
		rig_cc=$(find_clangs) rig_cc=${rig_cc%% *}
		[[ $rig_cc ]] || need_tools clang-19:clang-19 && rig_cc=${rig_cc:-clang-19}
		;;
	um-*) rig_arch=um rig_targets=(linux modules) ;;
	x86_64-*-clang*) rig_arch=x86_64 rig_targets=(modules_prepare) rig_cc=clang${1#*-clang} ;;
	x86_64-*) rig_arch=x86_64 rig_targets=(bzImage vmlinux modules) ;;
	*) die "no kernel named $1; there are: ${rigs[*]}" ;;
	esac
	[[ $1 == "x86_64-$KVER_OLD"* ]] && rig_version=$KVER_OLD
	rig_fragments=(common "$rig_arch")
	[[ $1 == *-debug ]] && rig_fragments+=(debug)
	[[ $1 == x86_64-debug || $1 == x86_64-kmsan ]] && rig_fragments+=("$1")
	[[ ! $more ]] || rig_fragments+=("${more#+}")
	return 0
}

# The versions of clang that build Linux 7.2, each a package of its own name in Debian
clangs=(clang-{22..17})

# Those that are installed; elsewhere there may be one, without a version in its name
find_clangs() {
	local name found=()
	for name in "${clangs[@]}"; do
		! have "$name" || found+=("$name")
	done
	if ((!${#found[@]})) && have clang && (($(clang -dumpversion | cut -d. -f1) >= 17)); then
		found=(clang)
	fi
	echo "${found[*]}"
}

# What in a kernel's log is a failure whatever the tests say
splat='WARNING:|BUG:|Oops|[Cc]all [Tt]race|KASAN|KCSAN|UBSAN'
splat+='|possible (recursive|circular) locking|suspicious RCU usage'
splat+='|INFO: task|rcu.*(stall|self-detected)|Kernel panic|unreferenced object'
splat+='|sleeping function called|[Bb]ad page|list_(add|del) corruption'
splat+='|general protection|[Uu]nable to handle|Objects remaining|inconsistent lock state'

# These lines are announcements of the kernel that the words above fit by accident
not_splat='KernelAddressSanitizer initialized|kmemleak: Kernel memory leak detector'
not_splat+='|SLAB_KASAN is a flag' # said by a test of what is refused

# What a kernel says after the guest is done and has it power off is no finding. A log may
# be of several boots; lines keep their numbers.
until_power_off() { # log
	awk '/^=== exit /                           { off = 1 }
	     /^Linux version|^Core dump limits/     { off = 0 }
	                                            { print off ? "" : $0 }' "$1"
}

splats() { # log; prints the lines, numbered
	until_power_off "$1" | grep -nE "$splat" | grep -vE "$not_splat"
}
