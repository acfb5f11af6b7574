#!/usr/bin/env bash
# A drain tears nothing: a session in IDLE or between commands hears BYE at once; one in a FETCH or an APPEND has its whole answer first; an
# opaque one is closed when time is up. SIGUSR1 says how many there are.
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

# In mid FETCH and in mid APPEND when the drain comes: the first reads nothing, the second sends nothing, until the file on has gone.
cat >"$SCRATCH/big.py" <<'END'
import hashlib, os, re, sys, time, imapc

address, tls, direct, password, who, on = sys.argv[1:]
big = b'Subject: big\r\n\r\n' + b''.join(b'%070d\r\n' % i for i in range(20 * 1000 * 1000 // 72))

def says_bye(w):
	bye = w.line()
	assert bye.startswith(b'* BYE [UNAVAILABLE]'), bye
	assert w.at_end(), 'it is still there'

w = imapc.login(direct, 'fetch' + who, password)
w.good('APPEND INBOX', big)
w.close()
f = imapc.login(address, 'fetch' + who, password, tls=tls == 'tls')
f.good('SELECT INBOX')
f.send(b'x FETCH 1 BODY.PEEK[]\r\n')
a = imapc.login(address, 'append' + who, password, tls=tls == 'tls')
a.send(b'y APPEND INBOX {%d}\r\n' % len(big))
assert a.line().startswith(b'+'), 'the literal is not invited'
a.send(big[:1000000])
open(on, 'w').close()
end = time.monotonic() + 15
while os.path.exists(on):
	assert time.monotonic() < end, 'no drain came'
	time.sleep(0.02)

got = f.until(b'x')
literal = [g for g in got if b'FETCH' in g][0]
m = re.match(rb'\* 1 FETCH \(BODY\[\] \{(\d+)\}\r\n', literal)
assert hashlib.sha256(literal[m.end():-1]).digest() == hashlib.sha256(big).digest(), 'bytes were lost'
assert got[-1].startswith(b'x OK'), got[-1]
says_bye(f)
a.send(big[1000000:] + b'\r\n')
assert a.until(b'y')[-1].startswith(b'y OK')
says_bye(a)
w = imapc.login(direct, 'append' + who, password)
w.good('SELECT INBOX')
stored = [g for g in w.good('FETCH 1 BODY[]') if b'FETCH' in g][0]
assert big in stored, 'the message is not as it was sent'
END

status() { grep -c "event=status backend=mb1 $1" "$(sluice_log)"; }

for workers in 2 0; do
	sluice=drain$workers
	WORKERS=$workers DRAIN=20 sluice_start < <(settings)
	pid=$(sluice_pid)
	at=$(port imap)
	talking idle "$at" <<END
S: ^\* OK
C: a LOGIN idle$workers "$ATOM_PASSWORD"
S: ^a OK
C: b IDLE
S: ^\+
TOUCH $SCRATCH/idle.on
S: ^\* BYE \[UNAVAILABLE\]
CLOSED
END
	talking still "$(port imaps)" --tls <<END
S: ^\* OK
C: a LOGIN still$workers "$ATOM_PASSWORD"
S: ^a OK
TOUCH $SCRATCH/still.on
S: ^\* BYE \[UNAVAILABLE\]
CLOSED
END
	for tls in plain tls; do
		listener=imap
		[ $tls = plain ] || listener=imaps
		"$PYTHON" "$SCRATCH/big.py" "$(port $listener)" $tls "$(dovecot_address mb1)" "$PASSWORD" "$tls$workers" "$SCRATCH/$tls.on" \
			>"$SCRATCH/$tls.out" 2>&1 &
		big_pid[${#tls}]=$!
		ours $!
	done
	for who in idle still plain tls; do
		wait_for 15 test -e "$SCRATCH/$who.on" || fail "$who is there" "$(cat "$SCRATCH/$who.out")"
	done
	kill -USR1 "$pid"
	ok "workers = $workers: SIGUSR1 tells how many sessions and commands there are" \
		logged 'event=status backend=mb1 sessions=6 idle=1 opaque=0 commands=7$'
	ok "and all together" logged 'event=status sessions=6 idle=1 opaque=0 commands=7 not-logged-in=0$'
	kill -TERM "$pid"
	ok "a session in IDLE hears BYE at once" talked idle
	ok "one between commands does, over TLS" talked still
	ok "the daemon waits for the others" kill -0 "$pid"
	kill -USR1 "$pid"
	ok "who are counted" logged 'event=status backend=mb1 sessions=4 idle=0 opaque=0 commands=7$'
	rm "$SCRATCH/plain.on" "$SCRATCH/tls.on"
	for tls in plain tls; do
		wait "${big_pid[${#tls}]}"
		is "FETCH and APPEND of 20 MB are finished, then BYE ($tls)" "$?$(cat "$SCRATCH/$tls.out")" 0
		not_ours "${big_pid[${#tls}]}"
	done
	ok "then it ends by itself" wait_for 5 gone "$pid"
	sluice_has_ended
	is "each session was ended by the drain" "$(log_count 'event=session-end .*user=.* reason=drained')" 6
	rm -f "$SCRATCH"/*.on
done

# Many: more than end in one go, and than the log's ring has room for.
cat >"$SCRATCH/many.py" <<'END'
import sys, imapc

address, on = sys.argv[1:]
wires = [imapc.login(address, 'user%d' % n, 'secret') for n in range(800)]
open(on, 'w').close()
for w in wires:
	bye = w.line()
	assert bye.startswith(b'* BYE [UNAVAILABLE]'), bye
	assert w.at_end(), 'one is still there'
END
sluice=many
fake_start many <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
SERVE
END
WORKERS=1 LEVEL=info DRAIN=20 sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(fake_address many)"; } }
END
pid=$(sluice_pid)
"$PYTHON" "$SCRATCH/many.py" "$(port imap)" "$SCRATCH/many.on" >"$SCRATCH/many.out" 2>&1 &
many=$!
ours $many
wait_for 30 test -e "$SCRATCH/many.on" || fail "800 sessions are there" "$(cat "$SCRATCH/many.out")"
kill -TERM "$pid"
wait $many
is "800 sessions hear BYE" "$?$(cat "$SCRATCH/many.out")" 0
not_ours $many
ok "and the daemon ends" wait_for 5 gone "$pid"
sluice_has_ended
is "each has its line in the log" "$(log_count 'event=session-end .* reason=drained')" 800
fake_stop many

# An opaque session has no safe point: it is closed without a word when time is up.
sluice=opaque
DRAIN=1 sluice_start < <(settings)
pid=$(sluice_pid)
talking opaque "$(port imap)" <<END
S: ^\* OK
C: a LOGIN opaque "$PASSWORD"
S: ^a OK
raw: b XFROB {3+}\r\nabc\r\n
S*: BAD
C: c NOOP
S*: ^c OK
TOUCH $SCRATCH/opaque.on
CLOSED
END
wait_for 10 test -e "$SCRATCH/opaque.on"
kill -USR1 "$pid"
ok "an opaque session is counted as such" logged 'event=status backend=mb1 sessions=1 idle=0 opaque=1 commands=1$'
kill -TERM "$pid"
ok "it is closed without a word" talked opaque
ok "and the daemon ends" wait_for 5 gone "$pid"
sluice_has_ended
like "its line says why it was opaque" "$(cat "$(sluice_log)")" 'event=session-end .*user=opaque .*opaque=unsure .*reason=drained'

done_testing
