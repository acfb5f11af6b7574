#!/usr/bin/env bash
# TLS to backends, the other half: our own certificate, sessions that resume, old versions, files that cannot be read.
. "$(dirname "$0")/../lib/e2e.sh"

tls_files
tls=$SCRATCH/tls
ca_make "$tls/proxies" 'authority of proxies'
ca_client "$tls/proxies" "$tls/proxy.pem" sluice
cp "$tls/proxy.crt" "$tls/apart.pem"
cp "$tls/proxy.key" "$tls/apart.key"
# Dovecot wants a revocation list beside its authorities, unless told not to.
DOVECOT_EXTRA="
ssl_ca = <$tls/proxies/ca.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_require_client_cert = yes
verbose_ssl = yes" dovecot_up mb1
DOVECOT_EXTRA="
ssl_min_protocol = TLSv1
ssl_cipher_list = ALL:!aNULL:@SECLEVEL=0
verbose_ssl = yes" dovecot_up mb2

for b in shows apart starttls shows-none old; do
	echo "$b $b"
done >"$SCRATCH/users"
ca=$tls/ca.pem
WORKERS=1 sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	shows: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$ca"; tls-certificate = "$tls/proxy.pem"; }
	apart: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$ca"; tls-certificate = "$tls/proxy.crt"; tls-key = "$tls/apart.key"; }
	starttls: { address = "$(dovecot_address mb1)"; tls = "starttls"; tls-ca = "$ca"; tls-certificate = "$tls/apart.pem"; }
	shows-none: { address = "$(dovecot_tls_address mb1)"; tls = "implicit"; tls-ca = "$ca"; }
	old: { address = "$(dovecot_tls_address mb2)"; tls = "implicit"; tls-ca = "$ca"; tls-min-version = "1.0"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

ok "our certificate is shown to a backend that wants one" sees shows mb1
ok "with its key in a file of its own" sees apart mb1
ok "after STARTTLS, with its key beside it" sees starttls mb1
ok "without one, nobody logs in there" login_says shows-none 'NO '
ok "an old backend" sees old mb2
ok "is warned of at start" logged 'level=warn event=tls-old backend=old '
is "and no other" "$(log_count 'event=tls-old')" 1

# A backend that counts the handshakes that were not full. TLS 1.3 tickets are used once, TLS 1.2's again and again.
cat >"$SCRATCH/counting.py" <<'END'
import os, socket, ssl, sys, threading
cert, version, out, ready = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
listening = socket.create_server(('127.0.0.1', 0))
def serve(plain):
	try:
		s = context.wrap_socket(plain, server_side=True)
		with open(out, 'a') as f:
			f.write('%s\n' % s.session_reused)
		s.sendall(b'* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n')
		f = s.makefile('rb')
		for line in f:
			tag, word = line.split()[:2]
			s.sendall(tag + b' OK [CAPABILITY IMAP4rev1] done\r\n')
			if word == b'LOGOUT':
				break
		s.close()
	except OSError:
		pass
open(ready + '.tmp', 'w').write('127.0.0.1:%d' % listening.getsockname()[1])
os.rename(ready + '.tmp', ready)
while True:
	threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
END
for version in TLSv1_2 TLSv1_3; do
	"$PYTHON" "$SCRATCH/counting.py" "$tls/server.pem" $version "$SCRATCH/$version.count" "$SCRATCH/$version.at" &
	ours $!
	wait_for 10 test -e "$SCRATCH/$version.at" || bail_out "the counting backend does not start"
	: >"$SCRATCH/$version.count"
done
printf 'tlsv1_2 one\ntlsv1_3 two\n' >"$SCRATCH/users2"
sluice=resuming
WORKERS=1 sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	one: { address = "$(cat "$SCRATCH/TLSv1_2.at")"; tls = "implicit"; tls-ca = "$ca"; }
	two: { address = "$(cat "$SCRATCH/TLSv1_3.at")"; tls = "implicit"; tls-ca = "$ca"; }
}
directory: { driver = "file"; file = "$SCRATCH/users2"; }
END
login()
{
	talk "$(port imap)" <<END
S: ^\* OK
C: a LOGIN $1 "$PASSWORD"
S: ^a OK
C: c LOGOUT
S: ^c OK
END
}
for version in TLSv1_2 TLSv1_3; do
	ok "$version: six logins" eval "for i in 1 2 3 4 5 6; do login ${version,,} || break; done"
	is "$version: all but the first are resumed" "$(tr '\n' ' ' <"$SCRATCH/$version.count")" "False True True True True True "
done

# What cannot be read is told at the start.
sluice=never
at_start()	# TLS-SETTINGS-OF-A-BACKEND
{
	sluice_up <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; tls = "starttls"; $1 } }
END
}
ok "an authority's file that is not there: no start" eval '! at_start "tls-ca = \"$tls/nowhere.pem\";"'
ok "and the log says which" logged 'event=start-failed .*backend\.mb1\.tls-ca: .*nowhere\.pem: No such file'
ok "a certificate without its key: no start" eval '! at_start "tls-certificate = \"$tls/proxy.crt\";"'
ok "and the log says which" logged 'event=start-failed .*backend\.mb1\.tls-certificate: .*proxy\.crt: no private key'
rm -f "$SCRATCH/never.pid"

done_testing
