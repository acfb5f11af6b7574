#!/usr/bin/env bash
# SIGHUP: map file and certificates are read again; broken ones keep the old and say why; no session notices.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1 mb2
ca_server "$SCRATCH/tls" "$SCRATCH/tls/one.pem"
ca_server "$SCRATCH/tls" "$SCRATCH/tls/two.pem"
cp "$SCRATCH/tls/one.pem" "$SCRATCH/tls/live.pem"
echo 'anna mb1' >"$SCRATCH/users"
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/live.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } mb2: { address = "$(dovecot_address mb2)"; } }
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

shown()		# the SHA-256 of the certificate that is shown now
{
	"$PYTHON" - "$(port imaps)" <<'END'
import hashlib, imapc, sys
w = imapc.connect(sys.argv[1], tls=True)
print(hashlib.sha256(w.sock.getpeercert(True)).hexdigest())
END
}
fingerprint() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1; }
reload()	# SIGHUP, and the lines that came of it: REGEX each
{
	local mark regex
	mark=$(log_mark)
	sluice_reload
	for regex in "$@"; do
		logged_since "$mark" "$regex" || { echo "no line like: $regex"; return 1; }
	done
}

# Traffic all the while: one long session, and many short ones.
"$PYTHON" - "$(port imap)" "$(port imaps)" "$PASSWORD" "$SCRATCH" >"$SCRATCH/traffic.out" 2>&1 <<'END' &
import os, sys, time, imapc
plain, secure, password, scratch = sys.argv[1:]
long = imapc.login(secure, 'anna', password, tls=True)
n, end = 0, time.monotonic() + 60
while not os.path.exists(scratch + '/enough') and time.monotonic() < end:
	long.good('NOOP')
	w = imapc.login(secure if n % 2 else plain, 'anna', password, tls=n % 2 == 1)
	w.good('NOOP')
	w.close()
	n += 1
long.good('LIST "" "on-mb1"')
assert n > 5, n
END
traffic=$!
ours $traffic

is "the first certificate is shown" "$(shown)" "$(fingerprint "$SCRATCH/tls/one.pem")"
ok "anna is on mb1" sees anna mb1

cp "$SCRATCH/tls/two.pem" "$SCRATCH/tls/live.pem"
echo 'anna mb2' >"$SCRATCH/users"
ok "told to reload, it says what it took" reload 'event=reloaded what=certificate' 'event=reloaded what=map users=1'
is "the second certificate is shown" "$(shown)" "$(fingerprint "$SCRATCH/tls/two.pem")"
ok "anna is on mb2" sees anna mb2

head -c 300 "$SCRATCH/tls/one.pem" >"$SCRATCH/tls/live.pem"
printf 'anna mb1\nberta nowhere\n' >"$SCRATCH/users"
ok "broken ones: it says what is wrong, and where" reload 'event=reload-failed what=certificate .*live\.pem' 'event=reload-failed what=map .*users:2: '
is "the certificate from before stays" "$(shown)" "$(fingerprint "$SCRATCH/tls/two.pem")"
ok "the map from before stays" sees anna mb2

echo '# nobody' >"$SCRATCH/users"
ok "a map that has lost all its users is not taken" reload 'event=reload-failed what=map .*directory\.file: .*no user in it, where there were 1'
ok "the map from before stays" sees anna mb2

cat "$SCRATCH/tls/one.crt" "$SCRATCH/tls/two.key" >"$SCRATCH/tls/live.pem"
rm "$SCRATCH/users"
ok "a key of another certificate, no map at all" reload 'event=reload-failed what=certificate' 'event=reload-failed what=map .*users'
is "the certificate from before stays" "$(shown)" "$(fingerprint "$SCRATCH/tls/two.pem")"
ok "the map from before stays" sees anna mb2

cp "$SCRATCH/tls/one.pem" "$SCRATCH/tls/live.pem"
echo 'anna mb1' >"$SCRATCH/users"
ok "mended: taken again" reload 'event=reloaded what=certificate' 'event=reloaded what=map'
is "the first certificate is shown" "$(shown)" "$(fingerprint "$SCRATCH/tls/one.pem")"
ok "anna is on mb1" sees anna mb1

for i in 1 2 3 4 5 6 7 8 9 10; do
	sluice_reload
done
ok "ten in a row do no harm" reload 'event=reloaded what=map'

touch "$SCRATCH/enough"
wait $traffic
is "no session noticed" "$?$(cat "$SCRATCH/traffic.out")" 0
not_ours $traffic
ok "the sessions that were open stayed open" sees anna mb1

done_testing
