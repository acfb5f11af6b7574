#!/usr/bin/env bash
# Certificates change under way, told by nobody: taken when the files change, without touching a session. OCSP responses beside them.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/tls.sh"

dovecot_up mb1
tls=$SCRATCH/tls
mkdir "$tls/all" "$tls/new"
for name in one two three; do
	ca_server "$tls" "$tls/new/$name.pem" DNS:one.example
done
ca_server "$tls" "$tls/new/more.pem" DNS:more.example
cp "$tls/new/one.pem" "$tls/all/one.pem"

sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$tls/all"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
at=$(port imaps)
f() { ca_fingerprint "$tls/new/$1.pem"; }
put() { cp "$1" "$tls/all/.being-written" && mv "$tls/all/.being-written" "$tls/all/$2"; }
stapled() { tls_says "$at" -servername "${1:-one.example}" -status | grep -q 'OCSP Response Status: successful'; }
not_stapled() { tls_says "$at" -servername "${1:-one.example}" -status | grep -q 'OCSP response: no response sent'; }

# Layouts where no event tells of a change: it is noticed by the clock, which is looked at in the end.
c=$tls/clock
mkdir -p "$c/of/many" "$c/live" "$c/archive" "$c/p/v1" "$c/p/v2" "$c/lost"
ca_server "$tls" "$c/archive/full1.pem" DNS:many.example
ca_server "$tls" "$c/archive/full2.pem" DNS:many.example
ca_server "$tls" "$c/p/v1/mail.pem" DNS:swapped.example
ca_server "$tls" "$c/p/v2/mail.pem" DNS:swapped.example
ca_server "$tls" "$c/lost/mail.pem" DNS:lost.example
ca_server "$tls" "$c/lost.pem" DNS:lost.example
ln -s ../archive/full1.pem "$c/live/full.pem" && ln -s ../../live/full.pem "$c/of/many/x.pem" && ln -s v1 "$c/p/current"
sluice=clock sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = [ "$c/of/many", "$c/p/current/mail.pem", "$c/lost/mail.pem" ]; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
rm -r "$c/lost"
sluice=clock ok "a folder that has gone is not watched" logged 'level=warn event=not-watched path=.*/lost/mail\.pem why="No such file'
mkdir "$c/lost" && cp "$c/lost.pem" "$c/lost/mail.pem"
ln -s ../archive/full2.pem "$c/new" && mv -T "$c/new" "$c/live/full.pem"
ln -s v2 "$c/new" && mv -T "$c/new" "$c/p/current"

# One session that is busy all the while.
"$PYTHON" - "$at" "$PASSWORD" "$SCRATCH" >"$SCRATCH/long.out" 2>&1 <<'END' &
import os, sys, time, imapc
at, password, scratch = sys.argv[1:]
w = imapc.login(at, 'anna', password, tls=True, name='one.example')
open(scratch + '/in', 'w').close()
end = time.monotonic() + 300
while not os.path.exists(scratch + '/enough') and time.monotonic() < end:
	w.good('NOOP')
	time.sleep(0.05)
w.good('LIST "" "on-mb1"')
w.good('LOGOUT')
END
long=$!
ours $long
wait_for 10 test -e "$SCRATCH/in" || bail_out "no session: $(cat "$SCRATCH/long.out")"

is "the first one" "$(tls_shown "$at" -servername one.example)" "$(f one)"
put "$tls/new/two.pem" one.pem
ok "renamed into its place: the second one" tls_becomes "$(f two)" "$at" -servername one.example
ok "and the log says so" logged 'event=reloaded what=certificate certificates=1'
put "$tls/new/more.pem" two.pem
ok "one more" tls_becomes "$(f more)" "$at" -servername more.example
rm "$tls/all/two.pem"
ok "one less: its name is unknown again" tls_becomes "$(f two)" "$at" -servername more.example

mark=$(log_mark)
head -c 300 "$tls/new/three.pem" >"$SCRATCH/broken" && put "$SCRATCH/broken" one.pem
ok "a broken one: the log says which and why" logged_since "$mark" 'event=reload-failed what=certificate why=.*/all/one\.pem: '
is "and the one before stays" "$(tls_shown "$at" -servername one.example)" "$(f two)"
mark=$(log_mark)
openssl ecparam -name secp160r1 -genkey -noout -out "$tls/weak.key" 2>/dev/null &&
	openssl req -x509 -new -key "$tls/weak.key" -days 9 -subj /CN=one.example 2>/dev/null >"$tls/weak.crt"
cat "$tls/weak.crt" "$tls/weak.key" >"$SCRATCH/weak" && put "$SCRATCH/weak" one.pem
ok "one that is too weak to be used: the log says which" logged_since "$mark" 'event=reload-failed what=certificate why=.*/all/one\.pem: the certificate cannot be used'
is "and the one before stays" "$(tls_shown "$at" -servername one.example)" "$(f two)"
cp "$tls/new/three.pem" "$tls/all/one.pem"
ok "mended, in place: the third one" tls_becomes "$(f three)" "$at" -servername one.example

ok "nothing is stapled without a response" not_stapled
ca_ocsp "$tls" "$tls/new/three.pem" 1
put "$tls/new/three.ocsp" one.ocsp
ok "a response beside the certificate is stapled" wait_for 10 stapled
ok "only to who asks for it" eval '! tls_says "$at" -servername one.example | grep -q "OCSP Response"'
ok "in TLS 1.2, too" eval 'tls_says "$at" -servername one.example -status -tls1_2 | grep -q "OCSP Response Status: successful"'
mark=$(log_mark)
ca_ocsp "$tls" "$tls/new/two.pem" 1
put "$tls/new/two.ocsp" one.ocsp
ok "one of another certificate is not stapled" wait_for 10 not_stapled
is "and there is one warning" "$(tail -n +$((mark + 1)) "$(sluice_log)" | grep -c 'level=warn event=ocsp-not-stapled .*one\.ocsp')" 1
mark=$(log_mark)
echo nonsense >"$SCRATCH/nonsense" && put "$SCRATCH/nonsense" one.ocsp
ok "nonsense neither" logged_since "$mark" 'level=warn event=ocsp-not-stapled .*not an OCSP response'
is "the certificate is shown all the same" "$(tls_shown "$at" -servername one.example)" "$(f three)"

# The folder itself is exchanged, as by those who keep one for each release.
mkdir "$tls/next" && cp "$tls/new/two.pem" "$tls/next/one.pem" && mv "$tls/all" "$tls/gone" && mv "$tls/next" "$tls/all"
ok "another folder in its place" tls_becomes "$(f two)" "$at" -servername one.example
put "$tls/new/three.pem" one.pem
ok "which is watched now" tls_becomes "$(f three)" "$at" -servername one.example

touch "$SCRATCH/enough"
wait $long
is "the session that was open all the while noticed nothing" "$?$(cat "$SCRATCH/long.out")" 0
not_ours $long

# A link that is set anew, as certbot does.
ln -s "$tls/new/one.pem" "$tls/link.pem"
sluice=linked sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$tls/link.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
at=$(sluice=linked port imaps)
is "through a link" "$(tls_shown "$at")" "$(f one)"
ln -s "$tls/new/two.pem" "$tls/link.new" && mv -T "$tls/link.new" "$tls/link.pem"
ok "the link leads elsewhere now" tls_becomes "$(f two)" "$at"

at=$(sluice=clock port imaps)
ok "within 30 seconds: a folder of links to links" wait_for 40 tls_is "$(ca_fingerprint "$c/archive/full2.pem")" "$at" -servername many.example
ok "a link to a folder, set anew" tls_becomes "$(ca_fingerprint "$c/p/v2/mail.pem")" "$at" -servername swapped.example
ok "a folder that was made again" tls_becomes "$(ca_fingerprint "$c/lost.pem")" "$at" -servername lost.example
is "the log tells the loss of its watch once" "$(sluice=clock log_count 'event=not-watched')" 1

done_testing
