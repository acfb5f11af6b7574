#!/usr/bin/env bash
# A client that is gone (reset in mid FETCH, closed in IDLE, vanished while its login is under way) leaves no session at the backend.
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

cat >"$SCRATCH/leave.py" <<'END'
import sys, imapc
address, direct, user, password, tls, how = sys.argv[1:]
if how == 'fetch':
	imapc.login(direct, user, password).good('APPEND INBOX', b'Subject: big\r\n\r\n' + b'0123456789\r\n' * 1000000)
w = imapc.login(address, user, password, tls=tls == 'tls')
w.good('SELECT INBOX')
if how == 'fetch':
	w.send(b'x FETCH 1 BODY.PEEK[]\r\n')
	w.line()
	w.read(100000)
	w.reset()
elif how == 'idle':
	w.send(b'x IDLE\r\n')
	w.line()
	w.drop()
elif how == 'append':
	w.send(b'x APPEND INBOX {1000000}\r\n')
	w.line()
	w.send(b'x' * 100000)
	w.reset()
END
number=0
for tls in plain tls; do
	for how in fetch idle append; do
		number=$((number + 1))
		user=user$number
		at=$(port imap)
		[ $tls = plain ] || at=$(port imaps)
		ok "$tls: a client leaves in $how" "$PYTHON" "$SCRATCH/leave.py" "$at" "$(dovecot_address mb1)" $user "$PASSWORD" $tls $how
		logins() { grep -c "Login: user=<$user>" "$(dovecot_log mb1)"; }
		ends() { grep -cE "imap\\($user\\).*(Disconnected|Connection closed|Logged out)" "$(dovecot_log mb1)"; }
		all_gone() { [ "$(ends)" -ge "$(logins)" ]; }
		ok "$tls: and within seconds the backend's session is gone" wait_for 5 all_gone
		ok "$tls: the log says so" logged "event=session-end .*user=$user .*why=\"client closed the connection\""
	done
done

# The backend is slow to answer the login; the client does not wait.
fake_start slow <<'END'
S: * OK [CAPABILITY IMAP4rev1] slow
C: LOGIN
WAIT /nonexistent/never
END
sluice=second sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { slow: { address = "$(fake_address slow)"; trusted = false; } }
END
conversation "a client leaves while its login is under way" "$(sluice=second port imap)" <<END
S: ^\* OK
C: a LOGIN anna secret
WAIT $SCRATCH/slow.record
QUIET 0.3
RESET
END
ok "the log says what it was doing" eval 'sluice=second logged "event=session-end .*user=anna .*while=\"logging in to the backend\" .*why=\"client closed the connection\""'

done_testing
