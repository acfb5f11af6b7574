#!/usr/bin/env bash
# Which certificate is shown: by name, by kind; strict-sni; keys in their own files; ALPN.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/tls.sh"

tls_files
fake_start mb1 <<'END'
S: * OK not needed
END
tls=$SCRATCH/tls
mkdir "$tls/all"
ca_server "$tls" "$tls/all/a-mail.pem" DNS:mail.example,DNS:imap.example
CA_NEWKEY=rsa:2048 ca_server "$tls" "$tls/all/b-mail-rsa.pem" DNS:mail.example,DNS:imap.example
ca_server "$tls" "$tls/all/c-wild.pem" 'DNS:*.example'
ca_server "$tls" "$tls/all/d-exact.pem" DNS:exact.example
ca_server "$tls" "$tls/listed.pem" DNS:listed.example
cp "$tls/all/d-exact.crt" "$tls/all/d-exact.pem"	# its key is in d-exact.key
rm "$tls/all/"[abc]*.key

sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = [ "$tls/all", "$tls/listed.pem" ]; }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END
at=$(port imaps)

f() { ca_fingerprint "$tls/$1.pem"; }
is "a name of its own" "$(tls_shown "$at" -servername mail.example)" "$(f all/a-mail)"
is "its other name, in capitals" "$(tls_shown "$at" -servername IMAP.Example)" "$(f all/a-mail)"
is "exactly named goes before the wildcard" "$(tls_shown "$at" -servername exact.example)" "$(f all/d-exact)"
is "the wildcard" "$(tls_shown "$at" -servername whatever.example)" "$(f all/c-wild)"
is "which stands for one label: else the first" "$(tls_shown "$at" -servername a.b.example)" "$(f all/a-mail)"
is "a file of the list" "$(tls_shown "$at" -servername listed.example)" "$(f listed)"
is "an unknown name: the first" "$(tls_shown "$at" -servername nobody.knows)" "$(f all/a-mail)"
is "no name: the first" "$(tls_shown "$at" -noservername)" "$(f all/a-mail)"

is "RSA for who can verify only that" "$(tls_shown "$at" -servername mail.example -sigalgs RSA-PSS+SHA256)" "$(f all/b-mail-rsa)"
is "without a name, too" "$(tls_shown "$at" -noservername -sigalgs RSA-PSS+SHA256)" "$(f all/b-mail-rsa)"
is "ECDSA for who can verify only that" "$(tls_shown "$at" -servername mail.example -sigalgs ECDSA+SHA256)" "$(f all/a-mail)"
is "RSA in TLS 1.2" "$(tls_shown "$at" -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -servername mail.example)" "$(f all/b-mail-rsa)"
is "ECDSA in TLS 1.2" "$(tls_shown "$at" -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -servername mail.example)" "$(f all/a-mail)"
ok "neither for a name that has only the other" tls_refused 'handshake failure' "$at" -servername listed.example -sigalgs RSA-PSS+SHA256

ok "ALPN imap" tls_says "$at" -alpn imap
ok "ALPN imap among others" tls_says "$at" -alpn h2,imap
ok "ALPN without imap is refused" tls_refused 'no application protocol' "$at" -alpn http/1.1

sluice=strict sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } starttls: { address = "127.0.0.1:0"; tls = "starttls"; } }
tls: { certificate = "$tls/all"; strict-sni = true; }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END
at=$(sluice=strict port imaps)
is "strict: a known name is served" "$(tls_shown "$at" -servername mail.example)" "$(f all/a-mail)"
is "strict: the wildcard, too" "$(tls_shown "$at" -servername whatever.example)" "$(f all/c-wild)"
ok "strict: an unknown name is refused" tls_refused 'unrecognized name' "$at" -servername nobody.knows
ok "strict: no name is refused" tls_refused 'unrecognized name' "$at" -noservername
ok "strict: after STARTTLS, too" tls_refused 'unrecognized name' "$(sluice=strict port starttls)" -starttls imap -servername nobody.knows
ok "strict: in TLS 1.2, too" tls_refused 'unrecognized name' "$at" -tls1_2 -servername nobody.knows

done_testing
