# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the fetch scripts: packages of any Debian suite into the cache
# folder, and nothing anywhere else. apt runs on state, cache and source list
# of its own, so neither the system's configuration nor its package database
# changes, and no root is needed.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

cache_dir=${VCRYPTO_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set: set VCRYPTO_CACHE to a folder}/.cache}/vcrypto}
case $cache_dir in
/*) ;;
*) die "the cache folder must be an absolute path, not '$cache_dir' (VCRYPTO_CACHE, XDG_CACHE_HOME)" ;;
esac

# need TOOL PACKAGE ...: each tool must be there; the error names the package.
need() {
	while [ $# -ge 2 ]; do
		command -v "$1" >/dev/null 2>&1 || die "$1 is missing: apt-get install $2"
		shift 2
	done
}

need apt-get apt apt-cache apt dpkg dpkg dpkg-deb dpkg flock util-linux
arch=$(dpkg --print-architecture)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# lock NAME: one run at a time works on cache_dir/NAME; a second one waits.
lock() {
	mkdir -p "$cache_dir/$1"
	exec 9>"$cache_dir/$1/.lock"
	flock -n 9 || { say "waiting for another run to finish"; flock 9; }
}

# As root, apt would give up its rights to a user who cannot write to the cache.
apt_common=(-q -o APT::Sandbox::User=root -o Acquire::Retries=3)

# debian_mirrors: the addresses of the Debian archive this system is configured
# with, most likely first. apt itself reads the sources, whichever format they
# have. Addresses that are not Debian's own archive (a third party may use the
# same suite names) fail the signature check later, so a wrong guess is harmless.
debian_mirrors() {
	if [ -n "${VCRYPTO_DEBIAN_MIRROR:-}" ]; then
		printf '%s\n' "$VCRYPTO_DEBIAN_MIRROR"
		return
	fi
	# Release information is there only after an apt-get update.
	# shellcheck disable=SC2016 # the dollar signs are apt's
	apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "main" && $1 !~ /-security|\// && $3 !~ /-security/ {
			print ($1 ~ /-/ ? 2 : 1) ($3 ~ /\/debian\/?$/ ? 1 : 2), $3
		}' | sort -u | awk '!seen[$2]++ { print $2 }'
}

# use_suite SUITE: prepares apt for SUITE (and, for backports, the suite it
# builds on) under cache_dir/apt/SUITE; afterwards `suite_apt get|cache ...`
# works on these alone.
use_suite() {
	local suite=$1 base=${1%-backports} state=$cache_dir/apt/$1 mirror tried=
	[[ $suite =~ ^[a-z][a-z0-9.-]*$ ]] || die "'$suite' is not the name of a Debian suite (for example trixie-backports)"
	[ -r "$keyring" ] || die "$keyring is missing: apt-get install debian-archive-keyring"
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	# Hooks of the system's configuration are meant for the system's own state.
	cat >"$state/apt.conf" <<-CONF
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Pre-Install-Pkgs;
		#clear DPkg::Pre-Invoke;
		#clear DPkg::Post-Invoke;
	CONF
	suite_options=("${apt_common[@]}" -c "$state/apt.conf"
		-o Dir::State="$state" -o Dir::State::status="$state/status"
		-o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache"
		-o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o APT::Architecture="$arch" -o APT::Install-Recommends=false
		-o APT::Default-Release="$suite" -o Acquire::Languages=none
		-o Acquire::GzipIndexes=true
		-o APT::Get::AllowUnauthenticated=false)
	while read -r mirror; do
		tried="$tried $mirror"
		{
			printf 'deb [arch=%s signed-by=%s] %s %s main\n' "$arch" "$keyring" "$mirror" "$suite"
			[ "$base" = "$suite" ] ||
				printf 'deb [arch=%s signed-by=%s] %s %s main\n' "$arch" "$keyring" "$mirror" "$base"
		} >"$state/sources.list.new"
		# The lists of a source that has not changed are still good.
		if ! cmp -s "$state/sources.list.new" "$state/sources.list"; then
			rm -f "$state/lists/"*_Packages* "$state/lists/"*Release*
			mv "$state/sources.list.new" "$state/sources.list"
		fi
		say "reading the package lists of $suite from $mirror"
		if suite_apt get update -o APT::Update::Error-Mode=any >"$state/update.log" 2>&1; then
			return
		fi
		sed 's/^/    /' "$state/update.log" >&2
	done < <(debian_mirrors)
	[ -n "$tried" ] || die "no Debian archive among this system's apt sources: set VCRYPTO_DEBIAN_MIRROR to the address of a mirror"
	die "none of these serves the Debian suite $suite:$tried (set VCRYPTO_DEBIAN_MIRROR to the address of a mirror that does)"
}

# suite_apt get|cache ARGS...: apt-get or apt-cache on the suite of use_suite.
suite_apt() {
	local tool=apt-$1
	shift
	"$tool" "${suite_options[@]}" "$@"
}
