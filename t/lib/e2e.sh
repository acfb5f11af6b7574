# e2e.sh - all that an end-to-end test needs, in one line:
#
#	. "$(dirname "$0")/../lib/e2e.sh"
#
# and two conveniences: tls_files (a CA and server certificates in $SCRATCH/tls), dovecot_up NAME...

. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
. "$LIB/ca.sh"
. "$LIB/dovecot.sh"
. "$LIB/redis.sh"
. "$LIB/fake.sh"
. "$LIB/sluice.sh"

# server.pem is what every server shows; ca.pem is whom clients trust.
tls_files()
{
	command -v openssl >/dev/null || skip_all "the openssl program is not installed"
	ca_make "$SCRATCH/tls" && ca_server "$SCRATCH/tls" "$SCRATCH/tls/server.pem" || bail_out "openssl makes no certificates"
	export IMAPC_CA=$SCRATCH/tls/ca.pem
}

# Starts these Dovecots; the script is skipped where there is no Dovecot.
dovecot_up()
{
	local name
	dovecot_is_there || skip_all "Dovecot (dovecot-imapd) is not installed"
	[ -e "$SCRATCH/tls/server.pem" ] || tls_files
	for name in "$@"; do
		dovecot_start "$name" || bail_out "Dovecot does not start"
		LOGS+=("$(dovecot_log "$name")")
	done
}

# sees USER BACKEND [ADDRESS] [OPTION...]: USER logs in (by default at the listener "imap") and finds the mailbox that BACKEND alone has.
sees()
{
	local user=$1 backend=$2 at=${3:-$(port imap)}
	shift $(($# < 3 ? $# : 3))
	talk "$at" "$@" <<END
S: ^\* OK
C: a LOGIN "$user" "$PASSWORD"
S: ^a OK
C: b LIST "" "on-*"
S: ^\* LIST .* on-$backend\$
S: ^b OK
C: c LOGOUT
S: ^\* BYE
S: ^c OK
CLOSED
END
}

# login_says USER REGEX [ADDRESS]: the answer to USER's LOGIN is tagged and like that, and the connection stays.
login_says()
{
	talk "${3:-$(port imap)}" <<END
S: ^\* OK
C: a LOGIN "$1" "$PASSWORD"
S: ^a $2
C: b NOOP
S: ^b OK
END
}
