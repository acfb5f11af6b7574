#!/usr/bin/env bash
# EXTERNAL: who shows a certificate logs in as the user it names, through the backend's master user; who shows none, does not.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
tls=$SCRATCH/tls
ca_make "$tls/people" 'authority of people'
ca_client "$tls/people" "$tls/anna.pem" anna email:berta@example.org
ca_client "$tls/people" "$tls/nobody.pem" "$(printf 'an\001na')"
printf '%s\n' "$MASTER_PASSWORD" >"$SCRATCH/master.password"
chmod 600 "$SCRATCH/master.password"
[ "$(id -u)" -ne 0 ] || chown "$SERVER_USER" "$SCRATCH/master.password"

settings()	# FIELD
{
	cat <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$tls/server.pem"; client-ca = "$tls/people/ca.pem"; client-cert = "optional"; user-from = "$1"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; master-user = "$MASTER_USER"; master-password-file = "$SCRATCH/master.password"; } }
END
}

# says CERTIFICATE REGEX: the answer to AUTHENTICATE EXTERNAL with no name of its own; the certificate may be "none".
says()
{
	"$PYTHON" - "$(port imaps)" "$@" <<'END'
import imapc, re, sys
at, certificate, wanted = sys.argv[1:]
context = imapc.client_context()
if certificate != 'none':
	context.load_cert_chain(certificate)
for i in range(2):	# the second time resumed, where the client can
	w = imapc.connect(at, tls=context)
	w.line()
	untagged, tagged = w.command('AUTHENTICATE EXTERNAL =')
	print(tagged)
	assert re.match(wanted.encode(), tagged.split(b' ', 1)[1]), tagged
	w.close()
END
}
sluice_start < <(settings cn)
ok "by the common name" says "$tls/anna.pem" OK
ok "which the log has as the user" logged 'event=session-end .*user=anna '
ok "and the backend, too" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<anna>'
ok "nobody without a certificate" says none 'NO|BAD'
ok "nobody where control bytes are in the name" says "$tls/nobody.pem" 'NO|BAD'

sluice=email
sluice_start < <(settings email-san)
ok "by the email address" says "$tls/anna.pem" OK
ok "which is another user then" logged 'event=session-end .*user=berta@example\.org '
ok "nobody where there is none" says "$tls/nobody.pem" 'NO|BAD'

done_testing
