#!/usr/bin/env bash
# The right backend by a map file: names, login-as, groups, and users that are not in it.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1 mb2
cat >"$SCRATCH/users" <<'END'
# who is where
anna mb1
berta	mb2
Carl@EXAMPLE.org   mb2
d%20ave mb1
emil mb1 login-as=emil.old
fritz - group=east
gerda@example.org mb2 login-as=g%20erda
END
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
default-group = "west";
backend: {
	mb1: { address = "$(dovecot_address mb1)"; group = "west"; }
	mb2: { address = "$(dovecot_address mb2)"; group = "east"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

ok "anna is on mb1" sees anna mb1
ok "berta is on mb2" sees berta mb2
ok "a name is one however it is written" sees cARL@example.ORG mb2
ok "a name with a blank, percent-encoded in the file" sees 'd ave' mb1
ok "a group in place of a backend" sees fritz mb2
ok "who is not in the file goes to the default group" sees nobody-knows mb1
ok "a name with the letters of a path or a format" sees '%s../x$HOME' mb1
ok "login-as is the name at the backend" sees emil mb1
ok "indeed" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<emil\.old>'
ok "login-as with a blank" sees gerda@example.org mb2
ok "indeed too" wait_for 5 has_line "$(dovecot_log mb2)" 'Login: user=<g erda>'
ok "the log names the user as it routes" logged 'event=session-end .*user=carl@example\.org .*backend=mb2'
conversation "AUTHENTICATE: the name to act as is the one that routes" "$(port imap)" <<END
S: ^\* OK
C: a AUTHENTICATE PLAIN \b64{berta\0$MASTER_USER\0$MASTER_PASSWORD}
S: ^a OK
C: b LIST "" "on-*"
S: ^\* LIST .* on-mb2
S: ^b OK
END
ok "and the log tells who said so" logged 'event=session-end .*user=berta auth=master'

done_testing
