#!/usr/bin/env bash
# What is no IMAP: BAD, or BYE and the end where the stream cannot be followed; nothing is echoed, and the daemon lives.
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
at=$(port imap)

conversation "a line without end: BYE" "$at" <<'END'
S: ^\* OK
raw: a LOGIN \rep{30000}{x}
S: ^\* BYE
CLOSED*
END
conversation "one that is just as long, but a line" "$at" <<'END'
S: ^\* OK
raw: a LOGIN \rep{9000}{x} y\r\n
S: ^\* BYE
CLOSED*
END
conversation "a literal too large is refused before it is sent, and the client stays" "$at" <<END
S: ^\* OK
C: a LOGIN {10000}
S: ^a BAD
C: b LOGIN {4294967300}
S: ^b BAD
C: c LOGIN anna "$PASSWORD"
S: ^c OK
END
conversation "one of 2^64 bytes and more" "$at" <<'END'
S: ^\* OK
C: b LOGIN {18446744073709551617}
S: ^(b BAD|\* BYE)
END
conversation "a non-synchronising one ends it" "$at" <<'END'
S: ^\* OK
C: a LOGIN {9000+}
S: ^\* BYE
CLOSED*
END
conversation "non-synchronising and without end" "$at" <<'END'
S: ^\* OK
C: a LOGIN {99999999999999999999+}
S: ^\* BYE
CLOSED*
END
conversation "literals that add up" "$at" <<'END'
S: ^\* OK
C: a LOGIN {5000}
S: ^\+
raw: \rep{5000}{u} {5000}\r\n
S: ^a BAD
C: b NOOP
S: ^b OK
END
conversation "a NUL in a line" "$at" <<'END'
S: ^\* OK
raw: a LOGIN an\0na x\r\n
S: ^(a|\*) BAD
C: b NOOP
S: ^b OK
END
conversation "a NUL in a literal" "$at" <<'END'
S: ^\* OK
raw: a LOGIN {4+}\r\na\0na {1+}\r\nx\r\n
S: ^a (BAD|NO \[AUTHENTICATIONFAILED\])
C: b NOOP
S: ^b OK
END
conversation "illegal tags are not echoed" "$at" <<'END'
S: ^\* OK
C: a%b NOOP
S: ^\* BAD [^%]*$
C: + NOOP
S: ^\* BAD
C: b NOOP
S: ^b OK
END
conversation "a tag too long" "$at" <<'END'
S: ^\* OK
C: \rep{65}{t} NOOP
S: ^\* BAD
C: \rep{64}{t} NOOP
S: ^t{64} OK
END
conversation "an escape sequence is not echoed" "$at" <<'END'
S: ^\* OK
C: \x1b[31m NOOP
S: ^\* BAD [ -~]*$
C: a \x1b[31m
S: ^a BAD [ -~]*$
END
conversation "bad base64, as initial response and as answer" "$at" <<'END'
S: ^\* OK
C: a AUTHENTICATE PLAIN !!!!
S: ^a BAD
C: b AUTHENTICATE PLAIN
S: ^\+
C: QUJ
S: ^b BAD
C: c AUTHENTICATE PLAIN \b64{no separators}
S: ^c BAD
C: d NOOP
S: ^d OK
END
conversation "PLAIN with line ends and controls in the name" "$at" <<'END'
S: ^\* OK
C: a AUTHENTICATE PLAIN \b64{\0an\r\nna\0x}
S: ^a (BAD|NO)
C: b AUTHENTICATE PLAIN \b64{\0an\x7fna\0x}
S: ^b (BAD|NO)
C: c AUTHENTICATE PLAIN \b64{\0an\xffna\0x}
S: ^c (BAD|NO)
END
conversation "an initial response of 16 KB is taken, one of more is the end" "$at" <<'END'
S: ^\* OK
raw: a AUTHENTICATE PLAIN \rep{16000}{A}\r\n
S: ^a (BAD|NO)
raw: b AUTHENTICATE PLAIN \rep{20000}{A}\r\n
S: ^\* BYE
CLOSED*
END
conversation "an answer without end" "$at" <<'END'
S: ^\* OK
C: a AUTHENTICATE PLAIN
S: ^\+
raw: \rep{40000}{A}
S: ^\* BYE
CLOSED*
END
conversation "a user name longer than any" "$at" <<'END'
S: ^\* OK
raw: a LOGIN \rep{1025}{u} x\r\n
S: ^a (BAD|NO \[AUTHENTICATIONFAILED\])
END
conversation "a web browser gets a few lines of its own making, and the end" "$at" <<'END'
S: ^\* OK
raw: GET / HTTP/1.1\r\nHost: mail.example\r\nUser-Agent: <script>\r\nAccept: */*\r\n\r\n
S: ^\S+ BAD [^<>/]*$
S: ^\S+ BAD [^<>/]*$
S: ^\S+ BAD [^<>/]*$
S: ^\* BYE
CLOSED
END
conversation "and over TLS" "$(port imaps)" --tls <<'END'
S: ^\* OK
raw: POST / HTTP/1.1\r\nHost: mail.example\r\nContent-Length: 3\r\n\r\na b\r\n
S: BAD
S: BAD
S: BAD
S: ^\* BYE
CLOSED
END
conversation "empty lines, and commands that are none" "$at" <<'END'
S: ^\* OK
C: 
S: ^\* BAD
C: a
S: BAD
C: b SELECT INBOX
S: ^b BAD
S: ^\* BYE
CLOSED
END
conversation "too many failed logins are the end" "$at" <<'END'
S: ^\* OK
C: 1 LOGIN anna w1
S: ^1 NO
C: 2 LOGIN anna w2
S: ^2 NO
C: 3 LOGIN anna w3
S: ^3 NO
C: 4 LOGIN anna w4
S: ^4 NO
C: 5 LOGIN anna w5
S: ^5 NO
S: ^\* BYE
CLOSED
END

python "random bytes, cut at random, do no harm" "$at" "$(port imaps)" <<'END'
import random, sys, imapc
random.seed(20261122)
words = [b'a', b' ', b'LOGIN', b'AUTHENTICATE PLAIN', b'{3}', b'{3+}', b'\r\n', b'\n', b'"', b'\\', b'\0', b'*', b'=', b'(', b')', b'ID', b'\xff', b'x' * 500, b'STARTTLS', b'CAPABILITY']
for n in range(150):
	w = imapc.connect(sys.argv[1 + n % 2], tls=n % 2 == 1)
	data = b''.join(random.choice(words) for _ in range(random.randrange(1, 60)))
	try:
		cut = random.randrange(len(data) + 1)
		w.send(data[:cut])
		w.send(data[cut:])
	except OSError:
		pass
	w.drop()
END
ok "after all of this a user logs in" sees anna mb1
unlike "no line of the log was forged" "$(grep -av '^ts=' "$(sluice_log)")" .
unlike "nor has it a control byte" "$(grep -aP '[\x00-\x08\x0b-\x1f\x7f]' "$(sluice_log)")" .

done_testing
