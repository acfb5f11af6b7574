#!/usr/bin/env bash
# What a client sends behind its login, without waiting, reaches the backend whole and in order.
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

conversation "commands in one write with LOGIN" "$(port imap)" <<END
raw: a LOGIN anna "$PASSWORD"\r\nb CREATE one\r\nc CREATE two\r\nd LIST "" "one"\r\ne LOGOUT\r\n
S: ^\* OK
S: ^a OK
S: ^b OK
S: ^c OK
S: ^\* LIST .* one
S: ^d OK
S: ^\* BYE
S: ^e OK
CLOSED
END

conversation "behind AUTHENTICATE with an initial response, behind other commands, over TLS" "$(port imaps)" --tls <<END
raw: a CAPABILITY\r\nb ID NIL\r\nc NOOP\r\nd AUTHENTICATE PLAIN \b64{\0anna\0$PASSWORD}\r\ne LIST "" two\r\nf NOOP\r\n
S*: ^a OK
S*: ^b OK
S: ^c OK
S: ^d OK
S: ^\* LIST .* two
S: ^e OK
S: ^f OK
END

conversation "behind a login with non-synchronising literals" "$(port imap)" <<END
raw: a LOGIN {4+}\r\nanna {${#PASSWORD}+}\r\n$PASSWORD\r\nb APPEND INBOX {21+}\r\nSubject: x\r\n\r\nhello\r\n\r\nc NOOP\r\n
S: ^\* OK
S: ^a OK
S*: ^b OK
S*: ^c OK
END

conversation "behind a login that fails" "$(port imap)" <<END
raw: a LOGIN anna wrong\r\nb NOOP\r\nc LOGIN anna "$PASSWORD"\r\nd LIST "" one\r\n
S: ^\* OK
S: ^a NO \[AUTHENTICATIONFAILED\]
S: ^b OK
S: ^c OK
S: ^\* LIST .* one
S: ^d OK
END

cat >"$SCRATCH/much.py" <<'END'
import hashlib, re, sys, threading, imapc
address, password, tls = sys.argv[1:]
w = imapc.connect(address, tls=tls == 'tls')
body = b'Subject: much\r\n\r\n' + b''.join(b'%078d\r\n' % i for i in range(40000))
commands = b'a LOGIN dora "%s"\r\nb APPEND INBOX {%d+}\r\n%s\r\nc SELECT INBOX\r\nd FETCH 1 BODY.PEEK[]\r\n' % (password.encode(), len(body), body)
sender = threading.Thread(target=w.send, args=(commands,), daemon=True)
if tls == 'tls':
	w.send(commands)		# an SSL object takes one thread
else:
	sender.start()
w.line()
assert w.line().startswith(b'a OK')
assert w.until(b'b')[-1].startswith(b'b OK')
w.until(b'c')
got = b''.join(w.until(b'd'))
assert body in got, 'not what was sent'
w.good('STORE 1 +FLAGS (\\Deleted)')
w.good('EXPUNGE')
END
ok "three megabytes behind LOGIN" "$PYTHON" "$SCRATCH/much.py" "$(port imap)" "$PASSWORD" plain
ok "and over TLS" "$PYTHON" "$SCRATCH/much.py" "$(port imaps)" "$PASSWORD" tls

done_testing
