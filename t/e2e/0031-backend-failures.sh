#!/usr/bin/env bash
# Backends that fail at each stage of a login, or speak what they should not: a tagged NO, the reason in the log, and the client stays.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
GREETING='S: * OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] hello'

fake_start at-once <<<'CLOSE'
fake_start reset <<<'RESET'
fake_start after-greeting <<<"$GREETING
CLOSE"
fake_start asked-capability <<<'S: * OK hello
C: CAPABILITY
CLOSE'
fake_start in-login <<<"$GREETING
C: .
CLOSE"
fake_start in-answer <<<"$GREETING
C: .
raw: L OK [CAPAB
CLOSE"
fake_start preauth <<<'S: * PREAUTH [CAPABILITY IMAP4rev1] come in
SERVE'
fake_start bye <<<'S: * BYE not today'
fake_start bye-in-login <<<"$GREETING
C: .
S: * BYE not today"
fake_start nonsense <<<'S: SSH-2.0-OpenSSH_9.2p1
CLOSED*'
fake_start http <<<'S: HTTP/1.1 400 Bad Request
CLOSED*'
fake_start binary <<<'raw: \x00\x01\x02\xff\xfe\r\n\x00\r\n
CLOSED*'
fake_start endless <<<'raw: * OK \rep{100000}{x}
CLOSED*'
fake_start wrong-tag <<<"$GREETING
C: .
S: Z9 OK you are in
CLOSED*"
fake_start no-imap <<<'S: * OK hello
C: CAPABILITY
S: \tag BAD what
CLOSED*'
fake_start big-literal <<<"$GREETING
C: .
S: * X {99999999}
CLOSED*"
fake_start unavailable <<<"$GREETING
ON LOGIN \\tag NO [UNAVAILABLE] Try again later, says the backend.
ON AUTHENTICATE \\tag NO [UNAVAILABLE] Try again later, says the backend.
SERVE"
fake_start recovers <<<"$GREETING
ON LOGIN \\tag NO [UNAVAILABLE] not yet
ON AUTHENTICATE \\tag NO [UNAVAILABLE] not yet
SERVE
---
$GREETING
SERVE"
fake_start limit <<<"$GREETING
ON LOGIN \\tag NO [LIMIT] Too many sessions.
ON AUTHENTICATE \\tag NO [LIMIT] Too many sessions.
SERVE"
fake_start serverbug <<<"$GREETING
ON LOGIN \\tag NO [SERVERBUG] secret detail
ON AUTHENTICATE \\tag NO [SERVERBUG] secret detail
SERVE"
fake_start unknown-user <<<"$GREETING
ON LOGIN \\tag NO no such user here
ON AUTHENTICATE \\tag NO no such user here
SERVE"
fake_start disabled <<<'S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello
SERVE'
fake_start talkative <<'END'
S: * OK Waiting for authentication process to respond..
S: * OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] hello
ON AUTHENTICATE * OK still looking\r\n* NO [ALERT] disk nearly full\r\n* CAPABILITY IMAP4rev1 IDLE XFROB UNAUTHENTICATE STARTTLS AUTH=SCRAM-SHA-256-PLUS\r\n\tag OK welcome
SERVE
END

FAKES='at-once reset after-greeting asked-capability in-login in-answer preauth bye bye-in-login nonsense http binary endless wrong-tag no-imap
	big-literal unavailable recovers limit serverbug unknown-user disabled talkative'
{
	for b in $FAKES refused; do
		echo "$b $b"
	done
	echo "anna mb1"
} >"$SCRATCH/users"
{
	echo 'listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }'
	echo 'backend: {'
	for b in $FAKES; do
		echo "$b: { address = \"$(fake_address $b)\"; trusted = false; }"
	done
	echo "refused: { address = \"127.0.0.1:$(free_port)\"; }"
	echo "mb1: { address = \"$(dovecot_address mb1)\"; }"
	echo '}'
	echo "directory: { driver = \"file\"; file = \"$SCRATCH/users\"; }"
} >"$SCRATCH/settings"
sluice_start <"$SCRATCH/settings"
at=$(port imap)

# The client is told, stays, and logs in elsewhere on the same connection.
fails()
{
	local user=$1 answer=$2
	talk "$at" <<END
S: ^\* OK
C: a LOGIN $user secret
S: ^a $answer
C: b NOOP
S: ^b OK
C: c LOGIN anna $ATOM_PASSWORD
S: ^c OK
C: d LIST "" on-mb1
S: ^\* LIST
S: ^d OK
END
}

# backend|what the log must say|sentence
while IFS='|' read -r b reason sentence; do
	ok "$sentence: NO [UNAVAILABLE], and the client may log in elsewhere" fails "$b" 'NO \[UNAVAILABLE\]'
	ok "$sentence: so says the log" logged "event=login-failed .*user=$b .*backend=$b .*while=\"[^\"]*backend\" reason=$reason "
done <<'END'
refused|backend-down|nobody listens
at-once|backend-broken|closed before the greeting
reset|backend-[bd][a-z]*|reset before the greeting
after-greeting|backend-broken|closed after the greeting
asked-capability|backend-broken|closed when asked for its capabilities
in-login|backend-broken|closed when told the login
in-answer|backend-broken|closed in the middle of its answer
preauth|backend-broken|PREAUTH
bye|backend-broken|BYE for a greeting
bye-in-login|backend-broken|BYE in the login
nonsense|backend-broken|another protocol
http|backend-broken|a web server
binary|backend-broken|bytes that are no text
endless|backend-broken|a line without end
wrong-tag|backend-broken|an answer to another tag
no-imap|backend-broken|no capabilities to be had
big-literal|backend-broken|a literal too large
END
unlike "who says PREAUTH gets no password" "$(cat "$(fake_record preauth)")" 'LOGIN|AUTHENTICATE|secret'

conversation "NO [UNAVAILABLE] is tried again, then told in the backend's words" "$at" <<'END'
S: ^\* OK
C: a LOGIN unavailable secret
S: ^a NO \[UNAVAILABLE\] Try again later, says the backend\.$
END
ok "more than once" test "$(grep -c connected "$(fake_record unavailable)")" -ge 2
ok "where it helps the user gets in and never knows" login_says recovers OK
ok "NO [LIMIT] is passed on" fails limit 'NO \[LIMIT\] Too many sessions\.$'
ok "NO [SERVERBUG] is, without its text" fails serverbug 'NO \[SERVERBUG\] Account is temporarily unavailable\.$'
ok "a NO without a code tells nothing of who exists" fails unknown-user 'NO \[AUTHENTICATIONFAILED\] Authentication failed\.$'
ok "LOGINDISABLED: NO [SERVERBUG]" fails disabled 'NO \[SERVERBUG\]'
unlike "and no password was sent" "$(cat "$(fake_record disabled)")" 'LOGIN|AUTHENTICATE|secret'

conversation "untagged lines before the answer reach the client; the capabilities are put in, without what cannot be carried" "$at" <<'END'
S: ^\* OK
C: a LOGIN talkative secret
S: ^\* OK still looking
S: ^\* NO \[ALERT\] disk nearly full
S: ^a OK \[CAPABILITY IMAP4rev1 IDLE XFROB\] welcome$
C: b NOOP
S: ^b OK
END

# A real server that dies while it is relayed to.
talking live "$at" <<END
S: ^\* OK
C: a LOGIN anna "$PASSWORD"
S: ^a OK
C: b IDLE
S: ^\+
TOUCH $SCRATCH/live.on
CLOSED*
END
ok "a session is open" wait_for 5 test -e "$SCRATCH/live.on"
dovecot_stop mb1
ok "its backend stopped: the client's connection ends" talked live
ok "the log says whose doing it was" logged 'event=session-end .*user=anna .*backend=mb1 .*why="(backend ended the session|connection to the backend was lost)"'
ok "while it is down: NO [UNAVAILABLE]" login_says anna 'NO \[UNAVAILABLE\]'
dovecot_restart mb1
ok "back again, logins work" sees anna mb1

done_testing
