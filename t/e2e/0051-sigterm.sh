#!/usr/bin/env bash
# SIGTERM: listeners go, who is not logged in hears BYE, a command that is under way has drain-timeout (0160-drain.sh tells more); exit status 0.
# A second one ends it at once.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
settings()
{
	cat <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
}

refused() { ! talk "$1" --timeout 1 <<<'S: ^\* OK'; }

for workers in 2 0; do
	sluice=stop$workers
	WORKERS=$workers DRAIN=20 sluice_start < <(settings)
	pid=$(sluice_pid)
	at=$(port imap)
	talking stranger "$at" <<END
S: ^\* OK
TOUCH $SCRATCH/stranger.on
S: ^\* BYE \[UNAVAILABLE\]
CLOSED
END
	talking secured "$(port imaps)" --tls <<END
S: ^\* OK
TOUCH $SCRATCH/secured.on
S: ^\* BYE \[UNAVAILABLE\]
CLOSED
END
	talking user "$at" <<END
S: ^\* OK
C: a LOGIN anna "$PASSWORD"
S: ^a OK
C: b NOOP
S: ^b OK
C: c APPEND INBOX {21}
S: ^\+
TOUCH $SCRATCH/user.on
WAIT $SCRATCH/told
C: Subject: x\r\n\r\nhello\r\n
S: ^c OK
S: ^\* BYE \[UNAVAILABLE\]
CLOSED
END
	for who in stranger secured user; do
		wait_for 5 test -e "$SCRATCH/$who.on" || fail "$who is there" "$(cat "$SCRATCH/$who.out")"
	done
	kill -TERM "$pid"
	ok "workers = $workers: the log says that it drains" logged 'event=draining'
	ok "who is not logged in hears BYE" talked stranger
	ok "over TLS too, with a proper end" talked secured
	ok "no new client is let in" wait_for 5 refused "$at"
	ok "the daemon waits for the user" kill -0 "$pid"
	touch "$SCRATCH/told"
	ok "who goes on undisturbed until the message is stored" talked user
	ok "then it ends by itself" wait_for 5 gone "$pid"
	sluice_has_ended
	rm -f "$SCRATCH"/*.on "$SCRATCH/told"

	# When time is up; and at once.
	for how in timeout twice; do
		sluice=$how$workers
		drain=1
		[ $how = timeout ] || drain=60
		WORKERS=$workers DRAIN=$drain sluice_start < <(settings)
		pid=$(sluice_pid)
		talking user "$(port imap)" <<END
S: ^\* OK
C: a LOGIN anna "$PASSWORD"
S: ^a OK
C: b APPEND INBOX {21}
S: ^\+
TOUCH $SCRATCH/user.on
S: ^\* BYE \[UNAVAILABLE\]
CLOSED
END
		wait_for 5 test -e "$SCRATCH/user.on"
		kill -TERM "$pid"
		logged 'event=draining'
		[ $how = timeout ] || kill -TERM "$pid"
		ok "workers = $workers, $how: the session is ended" talked user
		ok "$how: and the daemon too" wait_for 5 gone "$pid"
		sluice_has_ended
		like "$how: the session's line says why" "$(cat "$(sluice_log)")" 'event=session-end .*user=anna .*why="the server stop'
		rm -f "$SCRATCH"/*.on
	done
done

sluice=busy
DRAIN=3 sluice_start < <(settings)
pid=$(sluice_pid)
"$PYTHON" - "$(port imap)" "$PASSWORD" >"$SCRATCH/busy.out" 2>&1 <<'END' &
import sys, threading, time, imapc
address, password = sys.argv[1:]
end = time.monotonic() + 8
served = 0
def client(n):
	global served
	while time.monotonic() < end:
		try:
			w = imapc.login(address, 'user%d' % n, password)
			w.good('NOOP')
			w.close()
			served += 1
		except (imapc.Surprise, OSError):
			if served:
				return
threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
for t in threads:
	t.start()
for t in threads:
	t.join()
print(served)
END
traffic=$!
ours $traffic
busy() { [ "$(log_count 'event=session-end')" -ge 20 ]; }
ok "under traffic" wait_for 5 busy
kill -TERM "$pid"
ok "it ends in time" wait_for 6 gone "$pid"
sluice_has_ended
wait $traffic
ok "those before it had been served" test "$(tail -n 1 "$SCRATCH/busy.out")" -ge 20
not_ours $traffic

done_testing
