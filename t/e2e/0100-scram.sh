#!/usr/bin/env bash
# SCRAM from a client to a real Dovecot, relayed: both sides prove that they know the password, and the proxy in between never sees it.
. "$(dirname "$0")/../lib/e2e.sh"

DOVECOT_EXTRA='auth_mechanisms = plain login scram-sha-1 scram-sha-256'
dovecot_up mb1 mb2
cat >"$SCRATCH/users" <<'END'
anna mb1
berta mb2
carla mb1 login-as=anna
END
settings()
{
	cat <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; tls = "starttls"; tls-verify = false; }
	mb2: { address = "$(dovecot_address mb2)"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END
}
settings | sluice_start
at=$(port imap)

conversation "before anything is known of the backends SCRAM is neither offered nor taken" "$at" <<'END'
S: ^\* OK \[CAPABILITY IMAP4rev1 .* AUTH=PLAIN AUTH=LOGIN\]
C: a AUTHENTICATE SCRAM-SHA-256
S: ^a NO \[CANNOT\]
END
ok "a login at one backend" sees anna mb1
ok "and at the other" sees berta mb2
conversation "teach what they have in common" "$at" <<'END'
S: ^\* OK \[CAPABILITY IMAP4rev1 .* AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-1 AUTH=SCRAM-SHA-256\]
END

# scram USER PASSWORD MECHANISM [KEYWORDS]: prints the tagged answer; logs out after OK
scram()
{
	"$PYTHON" - "$at" "$1" "$2" "$3" "${4:-}" <<'END'
import sys, imapc, saslc
at, user, password, mechanism, more = sys.argv[1:]
w = imapc.connect(at)
w.line()
answer = saslc.scram(w, mechanism, user, password, **eval('dict(%s)' % more))
print(answer.decode())
if answer.startswith(b'OK'):
	w.good('SELECT INBOX')
else:
	w.good('NOOP')
END
}
for m in SCRAM-SHA-1 SCRAM-SHA-256; do
	like "$m with an initial response" "$(scram anna "$PASSWORD" $m 2>&1)" '^OK \[CAPABILITY .*\] Logged in'
	like "$m without one, to the other backend" "$(scram berta "$PASSWORD" $m 'initial=False' 2>&1)" '^OK '
	like "$m with an authorization identity that is the same" "$(scram anna "$PASSWORD" $m 'authorize="anna"' 2>&1)" '^OK '
	like "$m with y: the client would bind, and was told that the server cannot" "$(scram anna "$PASSWORD" $m 'flag="y"' 2>&1)" '^OK '
	like "$m with a wrong password: the server says so, the client stays" "$(scram anna wrong $m 2>&1)" '^NO \[AUTHENTICATIONFAILED\] Authentication failed\.$'
done
like "a user with another name at the backend cannot" "$(scram carla "$PASSWORD" SCRAM-SHA-256 2>&1)" 'Surprise.*NO \[CANNOT\]'
ok "the log names the mechanism" logged 'event=session-end .*user=anna .*mechanism=SCRAM-SHA-256 '
ok "and the failure" logged 'event=login-failed .*user=anna .*mechanism=SCRAM-SHA-1 .*reason=bad-password'

python "channel binding is refused, a cancelled exchange answered at once, and a client may leave in its midst" "$at" <<'END'
import base64, sys, imapc
w = imapc.connect(sys.argv[1])
w.line()
w.send(b'a AUTHENTICATE SCRAM-SHA-1 %s\r\n' % base64.b64encode(b'p=tls-unique,,n=anna,r=abc'))
assert w.line().startswith(b'a BAD'), 'p='
w.send(b'b AUTHENTICATE SCRAM-SHA-1 %s\r\n' % base64.b64encode(b'n,,n=anna,r=abc'))
assert w.line().startswith(b'+ '), 'challenge'
w.send(b'*\r\nc NOOP\r\n')
assert w.line().startswith(b'b BAD'), 'cancelled'
assert w.line().startswith(b'c OK'), 'stays'
w.send(b'd AUTHENTICATE SCRAM-SHA-1 %s\r\n' % base64.b64encode(b'n,,n=anna,r=abc'))
assert w.line().startswith(b'+ '), 'challenge'
w.close()
END
ok "its end is in the log" logged 'event=session-end .*user=anna .*while="logging in to the backend" .*why="client closed the connection"'
unlike "the password is in no log of Sluice" "$(cat "$(sluice_log)")" "$PASSWORD"

done_testing
