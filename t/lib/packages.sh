# packages.sh - which Debian packages are needed for what, and getting them. Sourced by t/demo, t/check, t/vm, t/bench/run and .ci/run.
#
#	packages_need demo			says what is missing and installs it; returns 1 with a sentence when that cannot be
#	packages_need test --no-install		only says what is missing
#
# Services that come with the packages are not started, and running ones are not touched (install-as-root.sh sees to that).

packages_for()
{
	case $1 in
	build)	echo gcc libc6-dev make autoconf automake pkg-config libssl-dev libev-dev libhiredis-dev libconfig-dev libc-ares-dev libcmocka-dev ;;
	demo)	echo "$(packages_for build)" openssl python3 curl dovecot-core dovecot-imapd util-linux ;;
	test)	echo "$(packages_for demo)" redis-server redis-tools mandoc mutt isync fetchmail ;;
	bench)	echo "$(packages_for build)" openssl python3 util-linux redis-server dovecot-core dovecot-imapd haproxy nginx libnginx-mod-mail ;;
	vm)	echo "$(packages_for build)" openssl python3 util-linux qemu-system-x86 xz-utils ;;
	ci)	echo "$(packages_for test)" clang libclang-rt-14-dev ;;
	*)	return 1 ;;
	esac
}

packages_missing()
{
	local p
	for p in $(packages_for "$1"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s ' "$p"
	done
}

packages_need()
{
	local missing here status=0 sudo=

	if ! command -v dpkg-query >/dev/null; then
		echo "This is no Debian: what $0 needs must be there already (Debian's names: $(packages_for "$1"))."
		return 0
	fi
	missing=$(packages_missing "$1")
	[ -n "$missing" ] || return 0
	if [ "${2:-}" = --no-install ]; then
		echo "Missing, and not installed because of --no-install: $missing"
		return 1
	fi
	echo "Will install with apt-get (no service is started): $missing"
	here=$(dirname "${BASH_SOURCE[0]}")
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "Neither root nor sudo here. As root, run: apt-get install --no-install-recommends $missing"
			return 1
		fi
		sudo=sudo
		[ -t 0 ] || sudo='sudo -n'
	fi
	# A word a package: no quotes.
	$sudo sh "$here/install-as-root.sh" $missing </dev/null || status=1
	[ $status -eq 0 ] || echo "Installing failed: see apt-get's words above."
	return $status
}
