#!/usr/bin/env bash
# Nothing that was said in clear counts under TLS, however it is cut.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "starttls"; } }
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
at=$(port imap)

conversation "a command in the same segment: BAD, and the end" "$at" <<END
S: ^\* OK
raw: s STARTTLS\r\nx NOOP\r\n
S: ^s BAD
CLOSED
END
ok "the log says why" logged 'event=session-end .*why="client sent bytes in clear behind STARTTLS"'

conversation "a LOGIN in the same segment" "$at" <<END
S: ^\* OK
raw: s STARTTLS\r\nx LOGIN anna "$PASSWORD"\r\n
S: ^s BAD
CLOSED
END

conversation "half a command in the same segment" "$at" <<END
S: ^\* OK
raw: s STARTTLS\r\nx
S: ^s BAD
CLOSED
END

conversation "a literal's beginning in the same segment" "$at" <<END
S: ^\* OK
raw: s STARTTLS\r\nx LOGIN {4+}\r\nan
S: ^s BAD
CLOSED
END

conversation "with bare line feeds" "$at" <<END
S: ^\* OK
raw: s STARTTLS\nx NOOP\n
S: ^s BAD
CLOSED
END

conversation "a command before it is answered; what it leaves does not count either" "$at" <<END
S: ^\* OK
raw: a NOOP\r\ns STARTTLS\r\nx NOOP\r\n
S: ^a OK
S: ^s BAD
CLOSED
END

python "bytes in clear after the OK, before the handshake, break it; nothing of it is answered" "$at" <<'END'
import sys, imapc
w = imapc.connect(sys.argv[1])
w.line()
w.send(b's STARTTLS\r\n')
assert w.line().startswith(b's OK')
w.send(b'x NOOP\r\ny LOGOUT\r\n')
try:
	while w.fill():
		pass
except ConnectionError:
	pass
assert b'OK' not in w.buffer and b'BAD' not in w.buffer, bytes(w.buffer)
END

python "STARTTLS in pieces, handshake at once, is what it should be" "$at" "$PASSWORD" <<'END'
import sys, time, imapc
for cut in range(1, 12):
	w = imapc.connect(sys.argv[1])
	w.line()
	line = b's STARTTLS\r\n'
	w.send(line[:cut])
	w.send(line[cut:])
	assert w.line().startswith(b's OK')
	w.starttls(imapc.client_context())
	w.send(b'x LOGIN anna "%s"\r\n' % sys.argv[2].encode())
	got = w.line()
	assert got.startswith(b'x OK'), got
	w.close()
END
unlike "Dovecot heard nothing of the injected login" "$(grep -v 'TLS' "$(dovecot_log mb1)")" 'auth failed'

done_testing
