#!/usr/bin/env bash
# Ten thousand clients that have said half a LOGIN line cost less than 16 KiB each: what attackers send is to cost nothing.
. "$(dirname "$0")/../lib/e2e.sh"

! is_sanitized || does_not_apply "a sanitizer's memory is not ours"
COUNT=10000 TLS_COUNT=500
hard=$(ulimit -Hn)
[ "$hard" = unlimited ] || [ "$hard" -gt $((COUNT + 200)) ] || COUNT=$((hard - 200))
tls_files
settings()
{
	cat <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "127.0.0.1:$(free_port)"; } }
END
}
WORKERS=1 sluice_start <<END
$(settings)
END

# PSS: what is the process's own, and its share of what it shares.
pss_kb() { awk '/^Pss:/ { print $2 }' "/proc/$(sluice_pid)/smaps_rollup"; }

# half_open LISTENER COUNT [tls]: sets each_kb
half_open()
{
	local before after clients
	before=$(pss_kb)
	rm -f "$SCRATCH/all-in" "$SCRATCH/measured"
	"$PYTHON" "$LIB/half_open.py" "$(port "$1")" "$2" "$SCRATCH" ${3:+"$3"} >"$SCRATCH/clients.out" 2>&1 &
	clients=$!
	ours $clients
	wait_for 60 test -e "$SCRATCH/all-in"
	after=$(pss_kb)
	touch "$SCRATCH/measured"
	wait $clients
	is "$2 clients say half a line at $1 and none is sent away" "$?$(cat "$SCRATCH/clients.out")" 0
	not_ours $clients
	each_kb=$(awk -v n="$2" -v kb=$((after - before)) 'BEGIN { printf "%.1f", kb / n }')
	diag "$1: $before KB before, $after KB with $2 sessions: $each_kb KB each"
}
less_than() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && a < b) }'; }

half_open imap $COUNT
ok "less than 16 KiB each before login: $each_kb" less_than "$each_kb" 16
ok "and the log says that they have gone" logged "event=session-end .*listener=imap" 10
# A process of its own: what the first has free already would not be counted.
sluice=tls WORKERS=1 sluice_start <<END
$(settings)
END
sluice=tls half_open imaps $TLS_COUNT tls
ok "less than 64 KiB each with TLS: $each_kb" less_than "$each_kb" 64

done_testing
