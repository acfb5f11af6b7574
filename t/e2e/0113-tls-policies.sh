#!/usr/bin/env bash
# A policy for each listener: versions, ciphers, clients' certificates.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/tls.sh"

tls_files
fake_start mb1 <<'END'
S: * OK not needed
END
tls=$SCRATCH/tls
ca_make "$tls/people" 'authority of people'
ca_client "$tls/people" "$tls/anna.pem" anna
ca_make "$tls/strangers" 'another authority'
ca_client "$tls/strangers" "$tls/stranger.pem" anna

sluice_start <<END
listener: {
	usual: { address = "127.0.0.1:0"; }
	old: { address = "127.0.0.1:0"; min-version = "1.0"; }
	old-starttls: { address = "127.0.0.1:0"; tls = "starttls"; min-version = "1.1"; }
	new: { address = "127.0.0.1:0"; min-version = "1.3"; ciphers = "TLS_CHACHA20_POLY1305_SHA256"; }
	optional: { address = "127.0.0.1:0"; client-cert = "optional"; }
	required: { address = "127.0.0.1:0"; client-cert = "required"; }
}
tls: { certificate = "$tls/server.pem"; client-ca = "$tls/people/ca.pem"; }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END
says() { local l=$1; shift; tls_says "$(port "$l")" "$@"; }
refused() { local regex=$1 l=$2; shift 2; tls_refused "$regex" "$(port "$l")" "$@"; }
weak='-cipher DEFAULT:@SECLEVEL=0'

ok "TLS 1.0 where the listener lets it in" says old -tls1 $weak
ok "TLS 1.1, too" says old -tls1_1 $weak
ok "TLS 1.3 there all the same" says old -tls1_3
ok "TLS 1.1 after STARTTLS" says old-starttls -starttls imap -tls1_1 $weak
ok "but not 1.0 there" refused 'protocol version' old-starttls -starttls imap -tls1 $weak
ok "neither on other listeners" refused 'protocol version' usual -tls1 $weak
ok "nor 1.1" refused 'protocol version' usual -tls1_1 $weak
ok "no anonymous cipher, at whatever level" refused 'handshake failure' old -tls1_2 -cipher 'aNULL:@SECLEVEL=0'
ok "a warning at start names the listeners" logged 'level=warn event=tls-old listener=old '
ok "each of them" logged 'level=warn event=tls-old listener=old-starttls '
is "and no other" "$(log_count 'event=tls-old')" 2
ok "TLS 1.2 where nothing is said" says usual -tls1_2
ok "not where 1.3 is the least" refused 'protocol version' new -tls1_2
ok "ciphers of its own" eval 'says new -tls1_3 | grep -q "Cipher is TLS_CHACHA20_POLY1305_SHA256"'
ok "which the others have not" eval 'says usual -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384 | grep -q "Cipher is TLS_AES_256"'

anna="-cert $tls/anna.pem -key $tls/anna.pem"
stranger="-cert $tls/stranger.pem -key $tls/stranger.pem"
ok "no certificate is asked for where nothing is said" eval 'says usual | grep -q "No client certificate CA names sent"'
ok "optional: without" says optional
ok "optional: with" says optional $anna
ok "optional: the authority's name is told" eval 'says optional | grep -q "authority of people"'
ok "optional: one of a stranger is refused" refused 'alert unknown ca|unknown ca' optional $stranger
ok "required: with" says required $anna
ok "required: with, in TLS 1.2" says required $anna -tls1_2
ok "required: without is refused" refused 'certificate required' required
ok "required: without is refused in TLS 1.2" refused 'handshake failure' required -tls1_2
ok "required: one of a stranger is refused" refused 'unknown ca' required $stranger
for version in -tls1_2 -tls1_3; do
	ok "$version: a session of who has no certificate" eval 'says optional $version -sess_out "$SCRATCH/session"'
	ok "$version: resumes where none is needed" eval 'says optional $version -sess_in "$SCRATCH/session" | grep -q ^Reused'
	ok "$version: but not where one is" refused 'certificate required|handshake failure' required $version -sess_in "$SCRATCH/session"
done

done_testing
