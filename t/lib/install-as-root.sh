#!/bin/sh
# install-as-root.sh PACKAGE... - installs with apt-get, unattended, and starts nothing. Run by packages.sh as root.
#
# While it runs, /usr/sbin/policy-rc.d forbids every start, stop and restart of a service; what was there before is put back, also
# after Ctrl-C. Packages that are there already are not upgraded.
set -u
policy=/usr/sbin/policy-rc.d
saved=

restore()
{
	trap '' INT TERM HUP
	rm -f "$policy"
	[ -z "$saved" ] || mv "$saved" "$policy"
}

forbid_starts()
{
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		saved=$policy.before-sluice.$$
		mv "$policy" "$saved" || exit 1
	fi
	trap restore EXIT
	trap 'exit 130' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || exit 1
}

forbid_starts
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=120 update || echo "apt-get update failed; trying with the lists that are here."
apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold install --no-install-recommends --no-upgrade "$@"
