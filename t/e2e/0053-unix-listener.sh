#!/usr/bin/env bash
# A listener on a Unix socket: one worker accepts, all serve; the path is gone at the end.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
for workers in 0 1 3; do
	sluice=unix$workers
	WORKERS=$workers sluice_start <<END
listener: {
	local: { address = "unix:$SCRATCH/run/$sluice.sock"; tls = "none"; cleartext-login = true; }
	secure: { address = [ "unix:$SCRATCH/run/$sluice-tls.sock", "127.0.0.1:0" ]; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
	is "workers = $workers: the ready file has its path" "$(port local)" "unix:$SCRATCH/run/$sluice.sock"
	ok "a login over it" sees anna mb1 "$(port local)"
	ok "a login over it, with TLS" sees anna mb1 "unix:$SCRATCH/run/$sluice-tls.sock" --tls
	python "twenty at once, whichever worker they are dealt to" "$(port local)" "$PASSWORD" <<'END'
import sys, imapc
wires = [imapc.login(sys.argv[1], 'user%d' % i, sys.argv[2]) for i in range(20)]
for w in wires:
	w.good('NOOP')
END
	ok "the log says where the client came from" logged 'event=session-end .*user=anna .*client=unix .*listener=local'
	sluice_stop
	ok "its path is gone" test ! -e "$SCRATCH/run/$sluice.sock"
done

# One that a crash left behind is no hindrance; one that is in use is.
sluice=after
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$SCRATCH/run/left.sock"
chmod 777 "$SCRATCH/run/left.sock"
sluice_start <<END
listener: { local: { address = "unix:$SCRATCH/run/left.sock"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
ok "a socket that a crash has left is taken over" sees anna mb1 "$(port local)"
sed "s|$sluice.ready|second.ready|" "$(sluice_conf)" >"$SCRATCH/second.conf"
timeout 10 "$SLUICED" -c "$SCRATCH/second.conf" </dev/null >"$SCRATCH/second.out" 2>&1
status=$?
ok "a second daemon does not get it" test $status -ne 0 -a $status -ne 124
like "and says which" "$(cat "$SCRATCH/second.out")" "left\.sock"
ok "the first one keeps it" sees anna mb1 "$(port local)"

done_testing
