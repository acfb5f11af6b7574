#!/usr/bin/env bash
# Backends by Unix socket and by host name (looked up without blocking), plain and TLS.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
cat >"$SCRATCH/users" <<'END'
anna socket
berta name
carl name-tls
dora nowhere
emil absent
END
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	socket: { address = "$(dovecot_unix mb1)"; }
	name: { address = "localhost:${DOVECOT_PORT[mb1]}"; }
	name-tls: { address = "localhost:${DOVECOT_TLS_PORT[mb1]}"; tls = "implicit"; tls-ca = "$SCRATCH/tls/ca.pem"; }
	nowhere: { address = "no-such-host.invalid:143"; }
	absent: { address = "unix:$SCRATCH/absent.sock"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

ok "a Unix socket" sees anna mb1
ok "a host name" sees berta mb1
ok "a host name, verified in its certificate" sees carl mb1
ok "a second time" sees berta mb1
ok "a name that does not exist: NO [UNAVAILABLE]" login_says dora 'NO \[UNAVAILABLE\]'
ok "and the log says which" logged 'event=login-failed .*user=dora .*reason=backend-down .*no-such-host\.invalid'
ok "a socket that is not there: NO [UNAVAILABLE]" login_says emil 'NO \[UNAVAILABLE\]'

done_testing
