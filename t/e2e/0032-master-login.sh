#!/usr/bin/env bash
# auth = "master": the backend sees the master's credentials with the user to act as; and by each way a backend takes a login.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
printf '%s\n' "$MASTER_PASSWORD" >"$SCRATCH/master.password"
chmod 600 "$SCRATCH/master.password"
[ "$(id -u)" -ne 0 ] || chown "$SERVER_USER" "$SCRATCH/master.password"
printf 'wrong key\n' >"$SCRATCH/wrong.password"
chmod 600 "$SCRATCH/wrong.password"
[ "$(id -u)" -ne 0 ] || chown "$SERVER_USER" "$SCRATCH/wrong.password"

fake_start plain-only <<'END'
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] no SASL-IR
SERVE
END
fake_start old <<'END'
S: * OK [CAPABILITY IMAP4rev1] as in 2003
SERVE
END
cat >"$SCRATCH/users" <<'END'
anna mb1
berta mb1 login-as=carl
dora wrong
emil plain-only
fritz old
gerda by-login
hans by-plain
ida slowly
END
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; auth = "master"; master-user = "$MASTER_USER"; master-password-file = "$SCRATCH/master.password"; }
	wrong: { address = "$(dovecot_address mb1)"; auth = "master"; master-user = "$MASTER_USER"; master-password-file = "$SCRATCH/wrong.password"; }
	plain-only: { address = "$(fake_address plain-only)"; auth = "master"; master-user = "boss"; master-password-file = "$SCRATCH/master.password"; }
	old: { address = "$(fake_address old)"; }
	by-login: { address = "$(dovecot_address mb1)"; auth-method = "login"; }
	by-plain: { address = "$(dovecot_address mb1)"; auth-method = "plain"; }
	slowly: { address = "$(dovecot_address mb1)"; pipelining = false; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

conversation "with the master's credentials any password will do" "$(port imap)" <<END
S: ^\* OK
C: a LOGIN anna whatever
S: ^a OK
C: b LIST "" on-mb1
S: ^\* LIST
S: ^b OK
END
ok "Dovecot lets the user in, by its master" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<anna>'
conversation "the name at the backend is the one to act as" "$(port imap)" <<END
S: ^\* OK
C: a AUTHENTICATE PLAIN \b64{\0berta\0whatever}
S: ^a OK
END
ok "indeed" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<carl>'
ok "a wrong master password is refused" login_says dora 'NO \['
ok "PLAIN without SASL-IR waits for the backend's +" login_says emil OK
is "and says who acts as whom" "$(sed -n 's/^1 //p' "$(fake_record plain-only)" | grep '=$' | base64 -d | tr '\0' '|')" "emil|boss|$MASTER_PASSWORD"
ok "an old backend without LITERAL+ gets its literals one by one, or a quoted string" login_says fritz OK
ok "auth-method = login" sees gerda mb1
ok "auth-method = plain" sees hans mb1
ok "pipelining = false" sees ida mb1
unlike "the master's password is in no log" "$(cat "$(sluice_log)")" "$MASTER_PASSWORD"

done_testing
