#!/usr/bin/env bash
# Literals of megabytes, down and up, every byte of them, spliced and copied; and the log says which.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/bulk.sh"

dovecot_up mb1
bulk_start tcp
server_dir "$SCRATCH/sockets"
bulk_start unix --listen "unix:$SCRATCH/sockets/imap"
cat >"$SCRATCH/users" <<'END'
anna dovecot
berta tcp
carl unix
dora tcp
END

for mode in splice copy; do
	sluice=$mode
	sluice_start <<END
relay-mode = "$mode";
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: {
	dovecot: { address = "$(dovecot_address mb1)"; }
	tcp: { address = "$(bulk_address tcp)"; }
	unix: { address = "$(bulk_address unix)"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

	bulk_client "$mode: 5 MB through Dovecot" "$(port imap)" "$PASSWORD" <<'END'
w = imapc.login(sys.argv[1], 'anna', sys.argv[2])
w.good('SELECT INBOX')
big = b'Subject: large\r\n\r\n' + b''.join(b'%069d\r\n' % i for i in range(5000000 // 71))
w.good('APPEND INBOX', big)

got = [g for g in w.good('FETCH * BODY.PEEK[]') if b'BODY[]' in g][0]
m = re.match(rb'\* \d+ FETCH \(BODY\[\] \{(\d+)\}\r\n', got)
assert int(m.group(1)) == len(big)
assert got[m.end():] == big + b')', 'what came down is not what went up'
END
	ok "$mode: the log says how" logged "event=session-end .*user=anna .*up=$mode down=$mode "

	for user in berta carl; do
		bulk_client "$mode: literals of all sizes, both ways, one after the other: $user" "$(port imap)" $user <<'END'
w = bulk.connect(sys.argv[1], sys.argv[2])
for n in (1, 16383, 16384, 65535, 65536, 65537, 81920, 131072, 200001, 3000000):
	bulk.fetch(w, n, n)
	bulk.append(w, n, n)
	bulk.append_waiting(w, n + 1, n)
bulk.ask(w, 1, 2000000)
bulk.ask(w, 2, 2000000)
bulk.take(w, 1, 2000000)
bulk.take(w, 2, 2000000)
END
		ok "$mode: the log says how" logged "event=session-end .*user=$user .*up=$mode down=$mode "
	done

	bulk_client "$mode: a slow reader and a slow backend miss nothing" "$(port imap)" "$SCRATCH/$mode.go" <<'END'
w = bulk.connect(sys.argv[1], 'dora', small=True)
bulk.fetch(w, 5, 2000000, piece=700)
w.send(b'a APPEND 7 WHEN %s {60000000+}\r\n' % sys.argv[2].encode())
data = memoryview(bulk.body(7, 60000000) + b'\r\n')
w.sock.settimeout(0.3)
try:
	while data:
		data = data[w.sock.send(data):]
except socket.timeout:
	pass
assert len(data) > 0, 'all of it fits into buffers: nothing stands still'
open(sys.argv[2], 'w').close()
w.sock.settimeout(imapc.TIMEOUT)
w.send(data)
assert w.line() == b'a OK'
END
	ok "$mode: the log says how" logged "event=session-end .*user=dora .*up=$mode down=$mode "
done

sluice=splice
bulk_client "what TLS opens and seals in our memory is copied from there" "$(port imaps)" <<'END'
w = imapc.login(sys.argv[1], 'berta', 'secret', tls=True)
w.send(b'f FETCH 3 3000000\r\n')
assert w.response() == b'* 1 FETCH (BODY[] {3000000}\r\n' + bulk.body(3, 3000000) + b')'
assert w.line() == b'f OK'
bulk.append(w, 4, 3000000)
END
ok "the log says how" logged "event=session-end .*user=berta .*up=copy down=copy .*tls=TLSv1.3"

done_testing
