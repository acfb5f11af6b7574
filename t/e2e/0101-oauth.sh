#!/usr/bin/env bash
# XOAUTH2 and OAUTHBEARER to a real Dovecot that checks the tokens' signatures itself.
. "$(dirname "$0")/../lib/e2e.sh"

KEY='a key of HS256 that nobody else knows'
server_dir "$SCRATCH/keys"
mkdir -p "$SCRATCH/keys/default/HS256"
printf %s "$KEY" | base64 -w0 >"$SCRATCH/keys/default/HS256/default"
cat >"$SCRATCH/oauth2.conf" <<END
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=$SCRATCH/keys/
username_attribute = sub
END
chmod -R a+rX "$SCRATCH/keys" "$SCRATCH/oauth2.conf"
DOVECOT_EXTRA="auth_mechanisms = plain login xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $SCRATCH/oauth2.conf
}"
dovecot_up mb1
fake_start no-oauth <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
SERVE
END
fake_start narrow <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello
C: AUTHENTICATE XOAUTH2
S: * BYE Input buffer full.
CLOSE
END
fake_start no-ir <<'END'
S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 AUTH=OAUTHBEARER] hello
SERVE
END
cat >"$SCRATCH/users" <<'END'
anna mb1
berta mb1
dora no-oauth
emil narrow
fritz no-ir
END
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; }
	no-oauth: { address = "$(fake_address no-oauth)"; }
	narrow: { address = "$(fake_address narrow)"; }
	no-ir: { address = "$(fake_address no-ir)"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END
at=$(port imap)
good=$("$PYTHON" "$LIB/saslc.py" jwt anna "$KEY")
old=$("$PYTHON" "$LIB/saslc.py" jwt anna "$KEY" -60)
forged=$("$PYTHON" "$LIB/saslc.py" jwt anna "another key")

xoauth2() { echo "\\b64{user=$1\\x01auth=Bearer $2\\x01\\x01}"; }
bearer() { echo "\\b64{n,a=$1,\\x01host=imap.example.org\\x01port=143\\x01auth=Bearer $2\\x01\\x01}"; }

conversation "XOAUTH2 with an initial response, before anybody was offered it" "$at" <<END
S: ^\* OK \[CAPABILITY .* AUTH=PLAIN AUTH=LOGIN\]
C: a AUTHENTICATE XOAUTH2 $(xoauth2 anna "$good")
S: ^a OK \[CAPABILITY .*\] Logged in
C: b SELECT on-mb1
S*: ^b OK
END
conversation "XOAUTH2 without one; now both are offered" "$at" <<END
S: ^\* OK \[CAPABILITY .* AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER\]
C: a AUTHENTICATE XOAUTH2
S: ^\+ ?$
C: $(xoauth2 anna "$good")
S: ^a OK
C: b NOOP
S: ^b OK
END
conversation "OAUTHBEARER with an initial response" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE OAUTHBEARER $(bearer anna "$good")
S: ^a OK
C: b NOOP
S: ^b OK
END
conversation "OAUTHBEARER without one" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE OAUTHBEARER
S: ^\+ ?$
C: $(bearer anna "$good")
S: ^a OK
END
for token in "$old" "$forged"; do
	conversation "Dovecot's error goes to the client, its answer back, then comes the NO, and the client stays" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE XOAUTH2 $(xoauth2 anna "$token")
S: ^\+ ey[A-Za-z0-9+/=]+\$
C: 
S: ^a NO \[AUTHENTICATIONFAILED\] Authentication failed\.\$
C: b AUTHENTICATE OAUTHBEARER $(bearer anna "$token")
S: ^\+ ey[A-Za-z0-9+/=]+\$
C: AQ==
S: ^b NO \[AUTHENTICATIONFAILED\]
C: c AUTHENTICATE XOAUTH2 $(xoauth2 anna "$token")
S: ^\+ ey
C: *
S: ^c BAD
C: d AUTHENTICATE XOAUTH2 $(xoauth2 anna "$good")
S: ^d OK
END
done
conversation "somebody else's token is refused" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE XOAUTH2 $(xoauth2 berta "$good")
S*: ^(\+ |a NO)
END
conversation "a backend without the mechanism: NO [CANNOT]" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE XOAUTH2 $(xoauth2 dora "$good")
S: ^a NO \[CANNOT\]
C: b NOOP
S: ^b OK
END
unlike "it was not told the token" "$(cat "$(fake_record no-oauth)")" 'AUTHENTICATE|LOGIN'
long=$(printf '%09000d' 7)
conversation "a token too long for the backend, which closes: NO [UNAVAILABLE], not tried again" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE XOAUTH2 $(xoauth2 emil "$long")
S: ^a NO \[UNAVAILABLE\]
C: b NOOP
S: ^b OK
END
is "indeed not" "$(grep -c connected "$(fake_record narrow)")" 1
ok "the log says how long it was" logged "event=login-failed .*user=emil .*mechanism=XOAUTH2 .*reason=backend-broken .*detail=\"it closed the connection; the token's message is of 120[0-9][0-9] bytes in base64\""
conversation "a backend without SASL-IR gets the token behind its +" "$at" <<END
S: ^\* OK
C: a AUTHENTICATE OAUTHBEARER $(bearer fritz "$long")
S: ^a OK
END
is "byte for byte" "$(sed -n 's/^1 //p' "$(fake_record no-ir)" | sed -n '/AUTHENTICATE OAUTHBEARER$/{n;p}' | base64 -d | tr '\001' '|')" \
	"n,a=fritz,|host=imap.example.org|port=143|auth=Bearer $long||"
unlike "no token is in the log" "$(cat "$(sluice_log)")" "$good|$long|eyJ"

done_testing
