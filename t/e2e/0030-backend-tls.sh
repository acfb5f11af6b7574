#!/usr/bin/env bash
# TLS to backends: none, STARTTLS, implicit, with chain and name verified; what is wrong gets NO [SERVERBUG] and no password.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
ca_make "$SCRATCH/other" 'another CA'
ca_server "$SCRATCH/tls" "$SCRATCH/tls/elsewhere.pem" DNS:elsewhere.example
ca_server "$SCRATCH/other" "$SCRATCH/tls/stranger.pem"

# What no real server does.
fake_start bare <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] no TLS here
SERVE
END
fake_start mute <<'END'
S: * OK no capabilities in this greeting
ON STARTTLS \tag BAD what
SERVE
END
fake_start elsewhere --cert "$SCRATCH/tls/elsewhere.pem" --tls <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
SERVE
END
fake_start stranger --cert "$SCRATCH/tls/stranger.pem" <<'END'
S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hello
C: ^\S+ STARTTLS$
S: \tag OK go
TLS
SERVE
END
fake_start injects --cert "$SCRATCH/tls/server.pem" <<'END'
S: * OK [CAPABILITY IMAP4rev1 STARTTLS SASL-IR] hello
C: ^\S+ STARTTLS$
raw: \tag OK go\r\nL OK [CAPABILITY IMAP4rev1] injected\r\n
TLS
SERVE
END
fake_start forgets --cert "$SCRATCH/tls/server.pem" <<'END'
S: * OK [CAPABILITY IMAP4rev1 STARTTLS SASL-IR LITERAL+ ID] hello
C: ^\S+ STARTTLS$
S: \tag OK go
TLS
C: ^\S+ CAPABILITY$
S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
S: \tag OK these are the ones that count
SERVE
END
fake_start garbage <<'END'
S: * OK this is no TLS
CLOSED*
END

for b in none starttls implicit name unverified wrongca wrongname bare mute elsewhere stranger trusting injects forgets garbage; do
	echo "$b $b"
done >"$SCRATCH/users"
ca=$SCRATCH/tls/ca.pem
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	none: { address = "$(dovecot_address mb1)"; }
	starttls: { address = "$(dovecot_address mb1)"; tls = "starttls"; tls-ca = "$ca"; }
	implicit: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$ca"; }
	name: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$ca"; tls-name = "mail.example"; }
	unverified: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-verify = false; }
	wrongca: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$SCRATCH/other/ca.pem"; }
	wrongname: { address = "$(dovecot_address mb1)"; tls = "starttls"; tls-ca = "$ca"; tls-name = "other.example"; }
	bare: { address = "$(fake_address bare)"; tls = "starttls"; tls-verify = false; }
	mute: { address = "$(fake_address mute)"; tls = "starttls"; tls-verify = false; }
	elsewhere: { address = "$(fake_address elsewhere)"; tls = "implicit"; tls-ca = "$ca"; }
	stranger: { address = "$(fake_address stranger)"; tls = "starttls"; tls-ca = "$ca"; }
	trusting: { address = "$(fake_address stranger)"; tls = "starttls"; tls-verify = false; }
	injects: { address = "$(fake_address injects)"; tls = "starttls"; tls-ca = "$ca"; }
	forgets: { address = "$(fake_address forgets)"; tls = "starttls"; tls-ca = "$ca"; }
	garbage: { address = "$(fake_address garbage)"; tls = "implicit"; tls-verify = false; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

# $1: user and backend; $2: how Dovecot's log names the connection's security
lands() { sees "$1" mb1 && wait_for 5 has_line "$(dovecot_log mb1)" "Login: user=<$1>.*, $2, session"; }
ok "without TLS" lands none secured
ok "STARTTLS, chain and address verified" lands starttls TLS
ok "implicit TLS" lands implicit TLS
ok "another name to verify" lands name TLS
ok "not verified because told so" lands unverified TLS

for b in wrongca wrongname elsewhere stranger; do
	ok "$b: NO [SERVERBUG], the client stays" login_says $b 'NO \[SERVERBUG\]'
	ok "$b: the log says why" logged "event=login-failed .*user=$b .*reason=backend-tls .*detail="
done
ok "garbage instead of a handshake: NO [UNAVAILABLE], the client stays" login_says garbage 'NO \[UNAVAILABLE\]'
ok "garbage: the log says why" logged "event=login-failed .*user=garbage .*reason=backend-broken .*detail="
ok "no STARTTLS offered: NO [SERVERBUG]" login_says bare 'NO \[SERVERBUG\]'
ok "STARTTLS refused: NO [SERVERBUG]" login_says mute 'NO \[SERVERBUG\]'
ok "the one who was not verified lets the user in where tls-verify is false" login_says trusting OK
ok "bytes in clear behind the backend's STARTTLS OK: not believed" login_says injects 'NO \[(UNAVAILABLE|SERVERBUG)\]'
ok "what a backend says before TLS is forgotten" login_says forgets OK
ok "nothing but STARTTLS was said to it before, ID included" test "$(sed -n 2p "$(fake_record forgets)")" = '1 S STARTTLS'
for b in bare mute elsewhere injects garbage; do
	unlike "$b never saw a password" "$(cat "$(fake_record $b)")" 'LOGIN|AUTHENTICATE'
done
is "the stranger saw one login only, the one that was meant for it" "$(grep -cE 'LOGIN|AUTHENTICATE' "$(fake_record stranger)")" 1
unlike "Dovecot saw no login of those who do not trust it" "$(cat "$(dovecot_log mb1)")" 'user=<wrong'

done_testing
