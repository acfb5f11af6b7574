#!/usr/bin/env bash
# Logins without TLS, in every form a client may use, to a real Dovecot.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
at=$(port imap)

conversation "before login CAPABILITY, NOOP, ID and ENABLE are answered, and LOGOUT ends the session" "$at" <<END
S: ^\* OK \[CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\]
C: 1 capability
S: ^\* CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\$
S: ^1 OK
C: 2 NOOP
S: ^2 OK
C: 3 ID NIL
S: ^\* ID .
S: ^3 OK
C: 4 ID ("name" "test" "version" {3+}
C: 1.0 "vendor" NIL)
S: ^\* ID .
S: ^4 OK
C: 5 ENABLE UTF8=ACCEPT CONDSTORE
S: ^\* ENABLED\$
S: ^5 OK
C: 6 LOGOUT
S: ^\* BYE
S: ^6 OK
CLOSED
END

conversation "LOGIN with atoms" "$at" <<END
S: ^\* OK
C: a1 LOGIN anna $ATOM_PASSWORD
S: ^a1 OK \[CAPABILITY IMAP4rev1 .*\bACL\b.*\] Logged in
C: a2 LIST "" on-mb1
S: ^\* LIST .* on-mb1
S: ^a2 OK
END

conversation "LOGIN with quoted strings" "$at" <<END
S: ^\* OK
C: q LOGIN "anna" "$PASSWORD"
S: ^q OK
C: r NOOP
S: ^r OK
END

conversation "LOGIN with synchronising literals" "$at" <<END
S: ^\* OK
C: l LOGIN {4}
S: ^\+
C: anna {${#PASSWORD}}
S: ^\+
C: $PASSWORD
S: ^l OK
C: m NOOP
S: ^m OK
END

conversation "LOGIN with non-synchronising literals" "$at" <<END
S: ^\* OK
C: n LOGIN {4+}
C: anna {${#PASSWORD}+}
C: $PASSWORD
S: ^n OK
C: o NOOP
S: ^o OK
END

conversation "LOGIN of mixed kinds, lower-case verb, and a strange but legal tag" "$at" <<END
S: ^\* OK
C: ]x!.9 login {4+}
C: anna "$PASSWORD"
S: ^\]x!.9 OK
C: y NOOP
S: ^y OK
END

conversation "AUTHENTICATE PLAIN with an initial response" "$at" <<END
S: ^\* OK
C: i AUTHENTICATE PLAIN \b64{\0anna\0$PASSWORD}
S: ^i OK \[CAPABILITY
C: j NOOP
S: ^j OK
END

conversation "AUTHENTICATE PLAIN without one" "$at" <<END
S: ^\* OK
C: i authenticate plain
S: ^\+ ?\$
C: \b64{\0anna\0$PASSWORD}
S: ^i OK \[CAPABILITY
C: j NOOP
S: ^j OK
END

conversation "AUTHENTICATE PLAIN with the user's own name as the one to act as" "$at" <<END
S: ^\* OK
C: i AUTHENTICATE PLAIN \b64{anna\0anna\0$PASSWORD}
S: ^i OK
END

conversation "AUTHENTICATE cancelled with *, with = as an empty response, then a login all the same" "$at" <<END
S: ^\* OK
C: i AUTHENTICATE PLAIN
S: ^\+
C: *
S: ^i BAD
C: j AUTHENTICATE PLAIN =
S: ^j BAD
C: k AUTHENTICATE PLAIN
S: ^\+
C: \b64{\0anna\0$PASSWORD}
S: ^k OK
END

conversation "a mechanism that is not offered is refused and the client stays" "$at" <<END
S: ^\* OK
C: i AUTHENTICATE GSSAPI
S: ^i NO \[CANNOT\]
C: j NOOP
S: ^j OK
END

conversation "after a wrong password the client stays and may try again" "$at" <<END
S: ^\* OK
C: 1 LOGIN anna wrong
S: ^1 NO \[AUTHENTICATIONFAILED\] Authentication failed\.\$
C: 2 AUTHENTICATE PLAIN \b64{\0anna\0wrong}
S: ^2 NO \[AUTHENTICATIONFAILED\]
C: 3 NOOP
S: ^3 OK
C: 4 LOGIN anna "$PASSWORD"
S: ^4 OK
C: 5 NOOP
S: ^5 OK
END

python "a login that comes byte by byte is understood" "$at" "$PASSWORD" <<'END'
import sys, imapc
w = imapc.connect(sys.argv[1])
w.line()
for b in b'x LOGIN {4+}\r\nanna "%s"\r\n' % sys.argv[2].encode():
	w.send(bytes([b]))
got = w.line()
assert got.startswith(b'x OK'), got
END

conversation "lines may end in LF alone" "$at" <<END
S: ^\* OK
raw: a LOGIN anna $ATOM_PASSWORD\n
S: ^a OK
raw: b NOOP\n
S: ^b OK
END

conversation "a client from another address logs in" "$at" --from 127.0.0.77 <<END
S: ^\* OK
C: a LOGIN carl $ATOM_PASSWORD
S: ^a OK
C: b LOGOUT
S: ^\* BYE
S: ^b OK
CLOSED
END
ok "Dovecot has been told the client's own address" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<carl>.* rip=127\.0\.0\.77,'
ok "its end is one line in the log, with who, where, how much and why" logged 'event=session-end .*user=carl .*client=127\.0\.0\.77:[0-9]+ .*backend=mb1 .*mechanism=LOGIN .*in=[1-9][0-9]* out=[1-9][0-9]* .*why='
ok "a failed login is one line in the log, with user, address and reason" logged 'event=login-failed .*user=anna .*client=127\.0\.0\.1:[0-9]+ .*reason=bad-password'
is "two wrong passwords are two lines" "$(log_count 'event=login-failed .*reason=bad-password')" 2

done_testing
