#!/usr/bin/env bash
# 5,000 certificates: one copy, however many workers; each is found; a reload of all of them loses nothing.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/tls.sh"

tls_files
fake_start mb1 <<'END'
S: * OK not needed
END
MANY=${MANY:-5000}
mkdir "$SCRATCH/many" "$SCRATCH/one"
"$abs_top_builddir/t/e2e/many_certs" "$SCRATCH/many" "$MANY" || bail_out "no certificates"
cp "$SCRATCH/many/n0.pem" "$SCRATCH/one/"

rss_kb() { awk '/^Rss:/ { print $2 }' "/proc/$(sluice_pid)/smaps_rollup"; }

settings()
{
	cat <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/$1"; }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END
}
serve()		# FOLDER WORKERS: starts it, lets each worker do some handshakes, and leaves the memory in RSS
{
	sluice=$1-$2
	WORKERS=$2 sluice_start < <(settings "$1")
	"$PYTHON" - "$(port imaps)" <<'END'
import socket, ssl, sys
host, port = sys.argv[1].rsplit(':', 1)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for i in range(40):
	context.wrap_socket(socket.create_connection((host, int(port))), server_hostname='n%d.many.example' % i).close()
END
	RSS=$(rss_kb)
}

serve one 1; one1=$RSS
serve one 2; one2=$RSS
serve many 1; many1=$RSS
serve many 2; many2=$RSS
cost=$((many1 - one1))
second=$((many2 - many1 - (one2 - one1)))
diag "$MANY certificates cost $cost KiB ($((cost * 1024 / MANY)) bytes each) with one worker, and a second worker $second KiB more"
ok "all $MANY together cost something that can be measured" test $cost -gt $((MANY * 2))
ok "and at most 24 KiB each" eval "is_sanitized || test $cost -lt $((MANY * 24))"
ok "a second worker costs no second copy" eval "is_sanitized || test $second -lt $((cost / 5))"

at=$(port imaps)
for i in 0 1 $((MANY / 2)) $((MANY - 1)); do
	is "n$i is found" "$(tls_shown "$at" -servername n$i.many.example)" "$(ca_fingerprint "$SCRATCH/many/n$i.pem")"
done
mark=$(log_mark)
sluice_reload
ok "all are read again" wait_for 20 has_line "$(sluice_log)" "event=reloaded what=certificate certificates=$MANY" "$mark"
is "and found again" "$(tls_shown "$at" -servername n7.many.example)" "$(ca_fingerprint "$SCRATCH/many/n7.pem")"
for i in 1 2 3; do
	mark=$(log_mark)
	sluice_reload
	wait_for 20 has_line "$(sluice_log)" "event=reloaded what=certificate" "$mark"
done
again=$(rss_kb)
diag "after four reloads: $again KiB, $((again - many2)) more than before"
ok "the old copies go: there is never more than two" eval "is_sanitized || test $((again - many2)) -lt $((cost * 3 / 2))"

done_testing
