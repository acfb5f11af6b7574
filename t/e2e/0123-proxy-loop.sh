#!/usr/bin/env bash
# Two proxies that are each other's backend: a login goes round until its time to live is up, and ends with NO [SERVERBUG]. One that is its own
# backend does not even start.
. "$(dirname "$0")/../lib/e2e.sh"

a=$SCRATCH/run/a.sock b=$SCRATCH/run/b.sock
sluice=second
sluice_start <<END
trusted-networks = "unix";
listener: { imap: { address = "unix:$b"; tls = "none"; cleartext-login = true; } }
backend: { first: { address = "unix:$a"; } }
END
sluice=first
sluice_start <<END
trusted-networks = [ "unix" ];
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	back: { address = "unix:$a"; tls = "none"; cleartext-login = true; }
}
backend: { second: { address = "unix:$b"; } }
END

ok "the client hears NO [SERVERBUG], and stays" login_says anna 'NO \[SERVERBUG\]' "$(port imap)"
LOOP='event=login-failed .*user=anna .*reason=loop'
is "after seven proxies in all" \
	"$(for sluice in first second; do grep -E 'event=login-failed .*user=anna' "$(sluice_log)"; done | wc -l)" 7
sluice=first
ok "the log of the last one says so" logged "$LOOP"
is "just that one" "$(for sluice in first second; do grep -E "$LOOP" "$(sluice_log)"; done | wc -l)" 1
sluice=second
session=$(grep -oE 'session=[^ ]+ user=anna' "$SCRATCH/first.log" | sort -u)
is "all of them know it under one name" "$(grep -oE 'session=[^ ]+ user=anna' "$(sluice_log)" | sort -u)" "$session"

unlike "they trust each other" "$(cat "$SCRATCH/first.log" "$SCRATCH/second.log")" event=backend-trust

port=$(free_port)
cat >"$SCRATCH/own.conf" <<END
listener: { imap: { address = "127.0.0.1:$port"; tls = "none"; } }
backend: { me: { address = "127.0.0.1:$port"; } }
END
like "a backend that is one of our own listeners is a fault" "$("$SLUICED" -t -c "$SCRATCH/own.conf" 2>&1)" 'own.conf:2: backend.me.address: listener.imap listens there'

done_testing
