#!/usr/bin/env bash
# IDLE: what a second session delivers is told at once, through plain and TLS.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END

cat >"$SCRATCH/idle.py" <<'END'
import sys, time, imapc
address, other, user, password, tls = sys.argv[1:]
w = imapc.login(address, user, password, tls=tls == 'tls')
w.good('SELECT INBOX')
w.send(b'i IDLE\r\n')
assert w.line().startswith(b'+')
w.quiet(0.3)
second = imapc.login(other, user, password)
for n in (1, 2, 3):
	began = time.monotonic()
	second.good('APPEND INBOX', b'Subject: %d\r\n\r\nhello\r\n' % n)
	while w.line() != b'* %d EXISTS' % n:
		pass
	took = time.monotonic() - began
	assert took < 5, 'told after %.1f s' % took
w.send(b'DONE\r\n')
while not w.line().startswith(b'i OK'):
	pass
w.good('NOOP')
END
ok "a plain client in IDLE hears of three deliveries" "$PYTHON" "$SCRATCH/idle.py" "$(port imap)" "$(port imap)" anna "$PASSWORD" plain
ok "a TLS client does too" "$PYTHON" "$SCRATCH/idle.py" "$(port imaps)" "$(port imap)" berta "$PASSWORD" tls

done_testing
