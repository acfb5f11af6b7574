#!/usr/bin/env bash
# Logins over implicit TLS: versions, ALPN, certificate, and the login forms once more.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; tls = "implicit"; } }
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
at=$(port imaps)

conversation "login under TLS 1.3, nothing about STARTTLS or LOGINDISABLED is offered" "$at" --tls <<END
S: ^\* OK \[CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\]
C: a LOGIN berta "$PASSWORD"
S: ^a OK \[CAPABILITY
C: b LIST "" on-mb1
S: ^\* LIST .* on-mb1
S: ^b OK
C: c LOGOUT
S: ^\* BYE
S: ^c OK
CLOSED
END
ok "the log names version and cipher" logged 'event=session-end .*user=berta .*tls=TLSv1\.3 .*cipher=TLS_'

conversation "login under TLS 1.2 with literals" "$at" --tls --tls-max 1.2 --name mail.example <<END
S: ^\* OK
C: a LOGIN {5}
S: ^\+
C: berta {${#PASSWORD}+}
C: $PASSWORD
S: ^a OK
C: b NOOP
S: ^b OK
END
ok "and the server's name that the client asked for" logged 'event=session-end .*tls=TLSv1\.2 .*sni=mail\.example'

conversation "AUTHENTICATE PLAIN, cancelled once, with ALPN imap" "$at" --tls --alpn imap <<END
S: ^\* OK
C: a AUTHENTICATE PLAIN
S: ^\+
C: *
S: ^a BAD
C: b AUTHENTICATE PLAIN \b64{\0berta\0$PASSWORD}
S: ^b OK
END

ok "several protocols offered, imap among them: fine" talk "$at" --tls --alpn http/1.1,imap <<END
S: ^\* OK
END

python "ALPN without imap is refused" "$at" <<'END'
import ssl, sys, imapc
try:
	w = imapc.connect(sys.argv[1], tls=imapc.client_context(alpn='http/1.1'))
	w.line()
except (ssl.SSLError, imapc.Surprise, OSError) as e:
	print(e)
	assert 'ALERT' in str(e).upper() or 'PROTOCOL' in str(e).upper(), e
else:
	sys.exit('the handshake succeeded')
END

conversation "no STARTTLS inside TLS" "$at" --tls <<END
S: ^\* OK
C: a STARTTLS
S: ^a BAD
C: b NOOP
S: ^b OK
END

python "TLS 1.1 is refused" "$at" <<'END'
import ssl, sys, warnings, imapc
warnings.simplefilter('ignore')
context = imapc.client_context()
context.set_ciphers('ALL:@SECLEVEL=0')
context.minimum_version = ssl.TLSVersion.TLSv1
context.maximum_version = ssl.TLSVersion.TLSv1_1
try:
	imapc.connect(sys.argv[1], tls=context)
except (ssl.SSLError, OSError):
	pass
else:
	sys.exit('the handshake succeeded')
END

python "a session is resumed on the second connection, and on whichever worker" "$at" "$PASSWORD" <<'END'
import socket, ssl, sys, imapc
context = imapc.client_context()
host, port = sys.argv[1].rsplit(':', 1)
session = None
for i in range(8):
	s = context.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname='localhost', session=session)
	w = imapc.Wire(s)
	w.line()
	assert s.session_reused == (i > 0), 'connection %d: resumed %s' % (i, s.session_reused)
	session = s.session
	w.close()
END

python "plain text to a TLS port is closed" "$at" <<'END'
import sys, imapc
w = imapc.connect(sys.argv[1])
w.send(b'a LOGIN x y\r\n')
try:
	while w.fill():
		pass
except ConnectionError:
	pass
assert b'OK' not in w.buffer, bytes(w.buffer)
END
ok "and the log says what it was doing" logged 'event=session-end .*while="securing the client.s connection" .*why="TLS handshake with the client failed"'

done_testing
