#!/usr/bin/env bash
# Who leaves in the midst of a large literal, on either side and in either direction: the rest arrives, or the session ends; nothing stays.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/bulk.sh"

bulk_start mb1

# The descriptors of a thread of sluiced, if we may see them: sockets, and ends of pipes.
descriptors() { ls -l "/proc/$(sluice_pid)/task/$1/fd" 2>/dev/null | grep -c "$2:"; }
worker() { grep -l '^sluice-0$' /proc/"$(sluice_pid)"/task/*/comm | cut -d/ -f5; }
no_more_than() { [ "$(descriptors "$(worker)" "$1")" -le "$2" ]; }

for mode in splice copy; do
	sluice=$mode
	# A hundred descriptors: a leak of one a session is soon felt.
	WORKERS=1 sluice_start prlimit --nofile=128:128 <<END
relay-mode = "$mode";
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(bulk_address mb1)"; } }
END
	export ADDRESS=$(port imap)

	bulk_client "$mode: a client that ends its half behind an upload hears the answer" <<'END'
w = bulk.connect(os.environ['ADDRESS'], 'half')
w.send(b'a APPEND 1 {4000000+}\r\n' + bulk.body(1, 4000000) + b'\r\n')
w.sock.shutdown(socket.SHUT_WR)
assert w.line() == b'a OK'
assert w.at_end()
END
	ok "$mode: the log says how" logged "event=session-end .*user=half .*up=$mode .*reason=client-gone"

	bulk_client "$mode: a client that ends its half in the midst of one ends the session" <<'END'
w = bulk.connect(os.environ['ADDRESS'], 'torn')
w.send(b'a APPEND 1 {4000000+}\r\n' + bulk.body(1, 3000000))
w.sock.shutdown(socket.SHUT_WR)
assert w.at_end()
END
	ok "$mode: the log says how" logged "event=session-end .*user=torn .*in=3000[0-9]{3} .*up=$mode "

	bulk_client "$mode: a backend that breaks off: what came before is good" <<'END'
w = bulk.connect(os.environ['ADDRESS'], 'broken')
bulk.ask(w, 9, 5000000, ' RESET 3000000')
assert w.line() == b'* 1 FETCH (BODY[] {5000000}'
while w.fill():
	pass
got = bytes(w.buffer)
print(len(got))
assert len(got) <= 3000000 and got == bulk.body(9, 5000000)[:len(got)], 'bytes are wrong'
END
	ok "$mode: the log says so" logged "event=session-end .*user=broken .*reason=backend-(reset|gone)"

	before=$(descriptors "$(worker)" socket)
	bulk_client "$mode: sixty clients vanish in the midst of a download, sixty in that of an upload" <<'END'
for i in range(60):
	w = bulk.connect(os.environ['ADDRESS'], 'vanishing', small=True)
	bulk.ask(w, i, 30000000)
	assert w.line() == b'* 1 FETCH (BODY[] {30000000}'
	assert len(w.sock.recv(100000)) > 0
	w.reset()
	w = bulk.connect(os.environ['ADDRESS'], 'vanishing')
	w.send(b'a APPEND %d {30000000+}\r\n' % i + bulk.body(i, 1000000))
	w.reset()
END
	all_gone() { [ "$(log_count 'event=session-end .*user=vanishing')" -ge 120 ]; }
	ok "$mode: their sessions end" wait_for 10 all_gone
	is "$mode: accepting never paused" "$(log_count 'event=accept-paused')" 0
	if [ "$before" -gt 0 ]; then
		ok "$mode: no socket stays behind" wait_for 5 no_more_than socket "$before"
		ok "$mode: nor pipes, but for a few spare ones" no_more_than pipe 32
	else
		pass "$mode: (whose descriptors are not ours to see)"
	fi
	bulk_client "$mode: and all goes on as before" <<'END'
w = bulk.connect(os.environ['ADDRESS'], 'last')
bulk.fetch(w, 3, 3000000)
bulk.append(w, 3, 3000000)
END
	ok "$mode: the log says how" logged "event=session-end .*user=last .*up=$mode down=$mode "
done

done_testing
