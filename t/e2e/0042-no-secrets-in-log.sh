#!/usr/bin/env bash
# Passwords, master passwords and what encodes them are in no log, at any level, in success and in failure.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
CANARY='Canary7secret'
printf '%s\n' "$MASTER_PASSWORD" >"$SCRATCH/master.password"
chmod 600 "$SCRATCH/master.password"
[ "$(id -u)" -ne 0 ] || chown "$SERVER_USER" "$SCRATCH/master.password"
fake_start echoes <<END
S: * OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+] hello
ON LOGIN \tag NO [LIMIT] I do not like $CANARY.
ON AUTHENTICATE * OK you said $CANARY\r\n\tag NO [LIMIT] I do not like $CANARY.
SERVE
END
fake_start dies <<'END'
S: * OK [CAPABILITY IMAP4rev1] hello
C: .
CLOSE
END
cat >"$SCRATCH/users" <<'END'
anna mb1
echo echoes
berta dies
carl down
dora master
END
LEVEL=debug sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	closed: { address = "127.0.0.1:0"; tls = "none"; }
}
backend: {
	mb1: { address = "$(dovecot_address mb1)"; }
	echoes: { address = "$(fake_address echoes)"; trusted = false; }
	dies: { address = "$(fake_address dies)"; }
	down: { address = "127.0.0.1:1"; }
	master: { address = "$(dovecot_address mb1)"; auth = "master"; master-user = "$MASTER_USER"; master-password-file = "$SCRATCH/master.password"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

encoded=
secret_base64() { "$PYTHON" -c 'import base64, sys; print(base64.b64encode(("\0%s\0%s" % tuple(sys.argv[1:])).encode()).decode())' "$@"; }
tries=0
for at in "$(port imap)" "$(port closed)"; do
	for user in anna echo berta carl nobody-at-all $'b\x01ad'; do
		tries=$((tries + 1))
		encoded="$encoded|$(secret_base64 "$user" "$CANARY" | sed 's/[+/=]/\\&/g')"
		talk "$at" >"$SCRATCH/talk.$tries" 2>&1 <<END
S: ^\* OK
C: a LOGIN "$user" "$CANARY"
S*: ^a (NO|BAD)
C: b LOGIN {${#user}+}
C: $user {${#CANARY}+}
C: $CANARY
S*: ^b (NO|BAD)
C: c AUTHENTICATE PLAIN $(secret_base64 "$user" "$CANARY")
S*: ^c (NO|BAD)
END
		is "a login that fails goes as it should, $tries" $? 0
	done
done
conversation "passwords where they do not belong" "$(port imap)" <<END
S: ^\* OK
C: $CANARY LOGIN a
S: BAD
C: b $CANARY
S: BAD
C: c LOGIN anna $CANARY $CANARY
S: BAD
END
conversation "a password cut off by the end of the connection" "$(port imap)" <<END
S: ^\* OK
raw: a LOGIN anna "$CANARY
RESET
END
conversation "a login by master, and what is relayed" "$(port imap)" <<END
S: ^\* OK
C: a LOGIN dora $CANARY
S: ^a OK
C: b SELECT $CANARY
S*: ^b .
C: c LOGOUT
S*: ^c OK
END
conversation "a login that succeeds" "$(port imap)" <<END
S: ^\* OK
C: a LOGIN anna "$PASSWORD"
S: ^a OK
END
ok "the log has the failures" logged 'event=login-failed .*user=anna'
ok "and the end of a session" logged 'event=session-end .*user=dora'
everything=$(cat "$(sluice_log)" "$SCRATCH/sluice.out")
unlike "the password is in no line, not even where a backend says it back" "$everything" "$CANARY"
unlike "nor is its base64" "$everything" "${encoded#|}"
unlike "nor the master's" "$everything" "$MASTER_PASSWORD"
unlike "nor a real one" "$everything" "pass word"

done_testing
