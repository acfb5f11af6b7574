#!/usr/bin/env bash
# Logins over STARTTLS; no password without TLS.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "starttls"; }
	lax: { address = "127.0.0.1:0"; tls = "starttls"; cleartext-login = true; }
	never: { address = "127.0.0.1:0"; tls = "none"; }
}
tls: { certificate = "$SCRATCH/tls/server.crt"; key = "$SCRATCH/tls/server.key"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
at=$(port imap)

conversation "before TLS login is disabled, and says so in each form" "$at" <<END
S: ^\* OK \[CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE STARTTLS LOGINDISABLED\]
C: a LOGIN dora "$PASSWORD"
S: ^a NO \[PRIVACYREQUIRED\]
C: b AUTHENTICATE PLAIN \b64{\0dora\0$PASSWORD}
S: ^b NO \[PRIVACYREQUIRED\]
C: c AUTHENTICATE PLAIN
S: ^c NO \[PRIVACYREQUIRED\]
C: d STARTTLS
S: ^d OK
TLS
C: e LOGIN dora "$PASSWORD"
S: ^e OK
C: f NOOP
S: ^f OK
END
ok "Dovecot never heard of the refused ones" test "$(grep -c 'dora' "$(dovecot_log mb1)")" -le 3

conversation "STARTTLS first: capabilities change, every login form works" "$at" --alpn imap <<END
S: ^\* OK
C: a STARTTLS
S: ^a OK
TLS
C: b CAPABILITY
S: ^\* CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\$
S: ^b OK
C: c STARTTLS
S: ^c BAD
C: d AUTHENTICATE PLAIN
S: ^\+
C: \b64{\0dora\0$PASSWORD}
S: ^d OK \[CAPABILITY
C: e LOGOUT
S: ^\* BYE
S: ^e OK
CLOSED
END

conversation "under STARTTLS with TLS 1.2 and literals" "$at" --tls-max 1.2 <<END
S: ^\* OK
C: a STARTTLS
S: ^a OK
TLS
C: d LOGIN {4+}
C: dora {${#PASSWORD}}
S: ^\+
C: $PASSWORD
S: ^d OK
END

conversation "where cleartext-login is true, TLS is offered and not required" "$(port lax)" <<END
S: ^\* OK \[CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE STARTTLS AUTH=PLAIN AUTH=LOGIN\]
C: a LOGIN dora "$PASSWORD"
S: ^a OK
END

conversation "a listener without TLS and without cleartext-login lets nobody in" "$(port never)" <<END
S: ^\* OK \[CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE LOGINDISABLED\]
C: a LOGIN dora "$PASSWORD"
S: ^a NO \[PRIVACYREQUIRED\]
C: b STARTTLS
S: ^b BAD
C: c NOOP
S: ^c OK
END
ok "the refusal is in the log with user and reason" logged 'event=login-failed .*user=dora .*listener=never .*reason=no-tls'

done_testing
