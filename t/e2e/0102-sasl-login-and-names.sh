#!/usr/bin/env bash
# AUTHENTICATE LOGIN to a real Dovecot; names in capitals, without a domain, with a master behind them; a backend that has nothing but AUTH=LOGIN.
. "$(dirname "$0")/../lib/e2e.sh"

DOVECOT_EXTRA='auth_master_user_separator = *
disable_plaintext_auth = no'
dovecot_up mb1
fake_start exchange --tls --cert "$SCRATCH/tls/server.pem" <<'END'
S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=LOGIN] hello
C: ^L AUTHENTICATE LOGIN$
S: + VXNlcm5hbWU6
C: ^ZG9yYQ==$
S: + UGFzc3dvcmQ6
C: ^c2VjcmV0$
S: L OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE] welcome
CLOSED*
END
cat >"$SCRATCH/users" <<'END'
Anna mb1
berta@example.org mb1
dora exchange
END
sluice_start <<END
default-domain = "Example.ORG";
master-separator = "*";
capabilities = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE";
compress = "hide";
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; }
	exchange: { address = "$(fake_address exchange)"; tls = "implicit"; tls-ca = "$SCRATCH/tls/ca.pem"; tls-name = "localhost"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END
at=$(port imap)

conversation "the capabilities of the settings, and AUTHENTICATE LOGIN with its two questions" "$at" <<END
S: ^\* OK \[CAPABILITY IMAP4rev1 SASL-IR LITERAL\+ ID ENABLE IDLE NAMESPACE AUTH=PLAIN AUTH=LOGIN\]
C: a AUTHENTICATE LOGIN
S: ^\+ VXNlcm5hbWU6\$
C: \b64{anna}
S: ^\+ UGFzc3dvcmQ6\$
C: \b64{$PASSWORD}
S: ^a OK \[CAPABILITY .*\] Logged in
C: b LIST "" on-mb1
S: ^\* LIST .* on-mb1
S: ^b OK
END
ok "in the log the name is whole" logged 'event=session-end .*user=anna@example\.org .*mechanism=LOGIN '
ok "Dovecot got it as it was" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<anna>'
conversation "with the name as initial response, a wrong password, and cancelled" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE login \b64{ANNA@EXAMPLE.org}
S: ^\+ UGFzc3dvcmQ6
C: \b64{wrong}
S: ^a NO \[AUTHENTICATIONFAILED\]
C: b AUTHENTICATE LOGIN \b64{anna}
S: ^\+
C: *
S: ^b BAD
C: c AUTHENTICATE LOGIN \b64{BERTA}
S: ^\+
C: \b64{$PASSWORD}
S: ^c OK
END
ok "berta is known by her whole name" logged 'event=session-end .*user=berta@example\.org '
conversation "a master logs in with the user's name and his own password" "$at" <<END
S: ^\* OK
C: a LOGIN "anna*$MASTER_USER" "$MASTER_PASSWORD"
S: ^a OK
C: b LIST "" on-mb1
S: ^\* LIST .* on-mb1
S: ^b OK
END
ok "Dovecot lets him in as the user" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<anna>.*'
ok "the log has both" logged "event=session-end .*user=anna@example\\.org auth=$MASTER_USER "
conversation "a client that says what it is" "$at" <<END
S: ^\* OK
C: i ID ("name" "Test Mailer" "version" "1.2" "vendor" NIL)
S: ^\* ID
S: ^i OK
C: a LOGIN anna $ATOM_PASSWORD
S: ^a OK
END
ok "stands in the log so" logged 'event=session-end .*client-name="Test Mailer" client-version=1\.2 '
conversation "a server with AUTH=LOGIN alone; COMPRESS is hidden" "$at" <<END
S: ^\* OK
C: a LOGIN dora secret
S: ^a OK \[CAPABILITY IMAP4rev1 IDLE\] welcome
END

done_testing
