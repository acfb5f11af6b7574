#!/usr/bin/env bash
# Two hundred users at once, each on its own backend, half of them over TLS.
. "$(dirname "$0")/../lib/e2e.sh"

DOVECOT_EXTRA='service imap {
  client_limit = 20
  service_count = 0
}'
dovecot_up mb1 mb2
for ((i = 0; i < 200; i++)); do
	echo "user$i mb$((i * 7 / 3 % 2 + 1))"
done >"$SCRATCH/users"
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } mb2: { address = "$(dovecot_address mb2)"; } }
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

python "two hundred log in at once, see their own backend, and log out" "$(port imap)" "$(port imaps)" "$PASSWORD" "$SCRATCH/users" <<'END'
import sys, imapc
plain, secure, password, users = sys.argv[1:]
users = [line.split() for line in open(users)]
context = imapc.client_context()
wires = [imapc.connect(secure, tls=context, timeout=30) if i % 2 else imapc.connect(plain, timeout=30) for i in range(len(users))]
for w, (user, _) in zip(wires, users):
	w.send(b'a LOGIN %s "%s"\r\n' % (user.encode(), password.encode()))
for w, (user, backend) in zip(wires, users):
	w.line()
	got = w.line()
	assert got.startswith(b'a OK'), (user, got)
for w in wires:
	w.send(b'b LIST "" "on-*"\r\n')
for w, (user, backend) in zip(wires, users):
	got = [w.line(), w.line()]
	assert got[0].endswith(b' on-' + backend.encode()), (user, got)
	assert got[1].startswith(b'b OK'), (user, got)
for w in wires:
	w.send(b'c LOGOUT\r\n')
for w in wires:
	assert w.line().startswith(b'* BYE') and w.line().startswith(b'c OK') and w.at_end()
END
all_ended() { [ "$(log_count 'event=session-end .*user=user[0-9]+ .*backend=mb')" -eq 200 ]; }
ok "two hundred lines tell of their ends" wait_for 5 all_ended

done_testing
