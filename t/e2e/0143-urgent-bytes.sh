#!/usr/bin/env bash
# An urgent byte of TCP in the midst of a literal: splice(2) does not go past its mark, ever; the literal does, and nobody spins.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/bulk.sh"

bulk_start tcp

for mode in splice copy; do
	sluice=$mode
	sluice_start <<END
relay-mode = "$mode";
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { tcp: { address = "$(bulk_address tcp)"; } }
END

	bulk_client "$mode: a literal with an urgent byte in it comes down whole" "$(port imap)" anna <<'END'
w = bulk.connect(sys.argv[1], sys.argv[2])
bulk.ask(w, 7, 1000000, ' URGENT 300000')
bulk.take(w, 7, 1000000)
END

	bulk_client "$mode: and up" "$(port imap)" anna <<'END'
w = bulk.connect(sys.argv[1], sys.argv[2])
data = bulk.body(9, 1000000)
w.send(b'a APPEND 9 {1000000+}\r\n' + data[:300000])
w.sock.send(b'!', socket.MSG_OOB)
w.send(data[300000:] + b'\r\n')
assert w.line() == b'a OK'
END

	bulk_client "$mode: before the rest comes, the worker sleeps" "$(port imap)" "$(sluice_pid)" <<'END'
def ticks():
	return sum(int(n) for n in open('/proc/%s/stat' % sys.argv[2]).read().rsplit(')', 1)[1].split()[11:13])

w = bulk.connect(sys.argv[1], 'anna')
data = bulk.body(9, 1000000)
w.send(b'a APPEND 9 {1000000+}\r\n' + data[:300000])
w.sock.send(b'!', socket.MSG_OOB)
w.send(data[300000:350000])
before = ticks()
time.sleep(1)
assert ticks() - before < 50, 'it used %d hundredths of a second' % (ticks() - before)
w.send(data[350000:] + b'\r\n')
assert w.line() == b'a OK'
END
	sluice_stop
done
done_testing
