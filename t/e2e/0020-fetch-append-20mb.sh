#!/usr/bin/env bash
# 20 MB up and down, byte for byte, with and without TLS on each side.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
cat >"$SCRATCH/users" <<'END'
anna plain
berta tls
carl plain
dora tls
END
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: {
	plain: { address = "$(dovecot_address mb1)"; }
	tls: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$SCRATCH/tls/ca.pem"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

cat >"$SCRATCH/both-ways.py" <<'END'
import base64, hashlib, os, re, sys, imapc

def message(size):
	head = b'From: a@example.org\r\nSubject: large\r\n\r\n'
	lines = base64.encodebytes(os.urandom(size * 57 // 78)).replace(b'\n', b'\r\n')
	return head + lines

def digest(data):
	return hashlib.sha256(data).hexdigest()

def fetched(w, number):
	got = w.good('FETCH %d BODY.PEEK[]' % number)
	literal = [g for g in got if b'BODY[]' in g][0]
	m = re.match(rb'\* \d+ FETCH \(BODY\[\] \{(\d+)\}\r\n', literal)
	assert m, literal[:100]
	assert literal.endswith(b')') and len(literal) == m.end() + int(m.group(1)) + 1
	return literal[m.end():-1]

address, user, password, tls = sys.argv[1:]
w = imapc.login(address, user, password, tls=tls == 'tls')
big, small = message(20 * 1000 * 1000), message(1000)
w.good('APPEND INBOX', big)					# waits for "+"
w.send(b'x APPEND INBOX {%d+}\r\n' % len(small) + small + b'\r\n')	# does not
assert w.until(b'x')[-1].startswith(b'x OK')
direct = imapc.login(os.environ['DIRECT'], user, password)
direct.good('SELECT INBOX')
assert digest(fetched(direct, 1)) == digest(big), 'what went up is not what was sent'
w.good('SELECT INBOX')
assert digest(fetched(w, 1)) == digest(big), 'what came down is not what is there'
assert fetched(w, 2) == small
assert w.good('NOOP') is not None
END
export DIRECT=$(dovecot_address mb1)

ok "plain client, plain backend" "$PYTHON" "$SCRATCH/both-ways.py" "$(port imap)" anna "$PASSWORD" plain
ok "plain client, TLS to the backend" "$PYTHON" "$SCRATCH/both-ways.py" "$(port imap)" berta "$PASSWORD" plain
ok "TLS client, plain backend" "$PYTHON" "$SCRATCH/both-ways.py" "$(port imaps)" carl "$PASSWORD" tls
ok "TLS client, TLS to the backend" "$PYTHON" "$SCRATCH/both-ways.py" "$(port imaps)" dora "$PASSWORD" tls
ok "the log counts the bytes of each way" logged 'event=session-end .*user=dora .*in=200[0-9]{5} out=200[0-9]{5} '

done_testing
