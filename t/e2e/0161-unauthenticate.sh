#!/usr/bin/env bash
# A session stays its user's: UNAUTHENTICATE is hidden, and the backend never gets to hear it. And commands that take long come into the log.
. "$(dirname "$0")/../lib/e2e.sh"

tls_files
fake_start mb1 <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
ON AUTHENTICATE \tag OK [CAPABILITY IMAP4rev1 IDLE UNAUTHENTICATE] in
SERVE
END
fake_start slow <<END
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
C: ^L AUTHENTICATE
S: L OK [CAPABILITY IMAP4rev1 IDLE] in
C: ^b uid search
WAIT $SCRATCH/asked
S: b OK done
C: ^c NOOP
S: c OK done
END
printf 'anna mb1\njoe slow\n' >"$SCRATCH/users"
chmod 644 "$SCRATCH/users"
sluice_start <<END
slow-command = "200ms";
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(fake_address mb1)"; } slow: { address = "$(fake_address slow)"; } }
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

conversation "UNAUTHENTICATE is not offered, and ends the session with BYE" "$(port imap)" <<'END'
S: ^\* OK
C: a LOGIN anna secret
S: ^a OK \[CAPABILITY IMAP4rev1 IDLE\]
C: b NOOP
S: ^b OK
raw: c NOOP\r\nd Unauthenticate\r\ne LOGIN bob secret\r\n
S*: ^\* BYE
CLOSED
END
ok "the session's line says why" logged 'event=session-end .*user=anna .*reason=unauthenticated'
ok "the backend has heard what came before it" wait_for 5 fake_heard mb1 'c NOOP'
ok "its connection is closed" wait_for 5 fake_heard mb1 '^1 (closed|failed)'
unlike "and it has heard no line of it" "$(cat "$(fake_record mb1)")" '[Uu]nauthenticate|bob'

conversation "a non-synchronising literal of an unknown command ends it, too, where the backend lists UNAUTHENTICATE" "$(port imap)" <<'END'
S: ^\* OK
C: a LOGIN anna secret
S: ^a OK
raw: b XFROB {18+}\r\nc UNAUTHENTICATE\r\n
S*: ^\* BYE
CLOSED
END
unlike "the backend has not heard of it" "$(cat "$(fake_record mb1)")" 'UNAUTHENTICATE'

conversation "a command that takes long" "$(port imap)" <<END
S: ^\* OK
C: a LOGIN joe secret
S: ^a OK
C: b uid search all
QUIET 0.3
TOUCH $SCRATCH/asked
S: ^b OK
C: c NOOP
S: ^c OK
END
ok "is a line in the log" logged 'level=warn event=slow-command .*user=joe .*backend=slow command="UID SEARCH" seconds=[0-9]'
is "and the only one" "$(log_count event=slow-command)" 1

done_testing
