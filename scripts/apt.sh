# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Packages of Debian suites other than the machine's own, without touching
# its set-up: the mirror that apt is set up with is asked for another suite
# through private lists in the cache. Sourced after lib.sh.
# shellcheck disable=SC2154 # variables of lib.sh

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The suite that this machine runs
debian_codename() {
	# shellcheck disable=SC1091
	(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-sid}")
}

# The sites that may be Debian's main archive, likeliest first. ORIGIN is known
# only where package lists have been fetched; a site that is not Debian's
# fails the check of the signature later on.
debian_sites() {
	# shellcheck disable=SC2016 # apt expands this, not the shell
	local format='$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(SITE)'

	apt-get indextargets --format "$format" |
		awk -F'|' -v codename="$(debian_codename)" '
			$3 != "main" || $2 ~ /-(security|updates)$/ { next }
			$1 != "" && $1 != "Debian"                  { next }
			$2 == codename                              { print 0, $4; next }
			                                            { print 1, $4 }' |
		sort -u | cut -d' ' -f2- | awk '!seen[$0]++'
}

# apt-get or apt-cache that knows one suite and nothing of the machine
in_suite() { # suite command arguments...
	local dir=$cache/apt/$1 command=$2
	shift 2
	"$command" -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o Acquire::Retries=3 -o APT::Get::List-Cleanup=0 \
		-o APT::Update::Post-Invoke-Success= "$@"
}

# Fetch the lists of a suite from the first site that has it and is signed
suite_update() { # suite
	local suite=$1 dir=$cache/apt/$1 site
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	[[ -n $(find "$dir/fresh" -mmin -720 2>/dev/null) ]] && return
	[[ -e $debian_keyring ]] || die "$debian_keyring is missing (Debian package debian-archive-keyring)"
	for site in $(debian_sites); do
		printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$site" "$suite" >"$dir/sources.list"
		if with_progress "reading the package list of $suite" "$dir/update.log" \
			in_suite "$suite" apt-get -o APT::Update::Error-Mode=any update; then
			touch "$dir/fresh"
			return
		fi
	done
	say "no Debian mirror that apt is set up with gives the suite $suite"
	return 1
}

# Download a package of a suite into a directory and print the file's path.
# Lists older than the mirror name files that are gone: then read them anew.
suite_download() { # suite package directory
	local suite=$1 package=$2 dir=$3 try
	mkdir -p "$dir"
	for try in 1 2; do
		suite_update "$suite" || return
		in_suite "$suite" apt-cache show "$package" >/dev/null 2>&1 || return
		rm -f "$dir/${package}"_*.deb
		if (cd "$dir" && with_progress "downloading $package from $suite" "$dir/$package.log" \
			in_suite "$suite" apt-get download "$package"); then
			echo "$dir/${package}"_*.deb
			return
		fi
		((try == 1)) && rm -f "$cache/apt/$suite/fresh"
	done
	return 1
}
