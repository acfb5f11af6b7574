#!/usr/bin/env bash
# Clients that ask for 50 MB and read nothing: sluiced's memory stays bounded, and when they read, every byte is there.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END

cat >"$SCRATCH/slow.py" <<'END'
import array, fcntl, hashlib, re, sys, termios, time, imapc

plain, secure, direct, password, pid, bound = sys.argv[1:]

def rss():
	for line in open('/proc/%s/status' % pid):		# smaps is not for other users' eyes
		if line.startswith('VmRSS:'):
			return int(line.split()[1])

def arrived(w):
	n = array.array('i', [0])
	fcntl.ioctl(w.sock.fileno(), termios.FIONREAD, n)
	return n[0]

big = b'Subject: big\r\n\r\n' + b''.join(b'%070d\r\n' % i for i in range(50 * 1000 * 1000 // 72))
w = imapc.login(direct, 'anna', password)
w.good('APPEND INBOX', big)
wires = []
for address, tls in ((plain, False), (plain, False), (plain, False), (secure, True), (secure, True)):
	w = imapc.login(address, 'anna', password, tls=tls, timeout=20)
	w.good('SELECT INBOX')
	wires.append(w)
before = rss()
for w in wires:
	w.send(b'x FETCH 1 BODY.PEEK[]\r\n')
peak, end = 0, time.monotonic() + 2
while time.monotonic() < end:
	peak = max(peak, rss())
	time.sleep(0.05)
for w in wires:
	assert arrived(w) > 0, 'nothing is on its way'
print('rss before %d KB, peak %d KB' % (before, peak))
assert peak - before < int(bound), 'rss grew by %d KB' % (peak - before)
for w in wires:
	got = w.until(b'x')
	literal = [g for g in got if b'FETCH' in g][0]
	m = re.match(rb'\* 1 FETCH \(BODY\[\] \{(\d+)\}\r\n', literal)
	assert hashlib.sha256(literal[m.end():-1]).digest() == hashlib.sha256(big).digest(), 'bytes were lost'
	peak = max(peak, rss())
print('peak while reading %d KB' % peak)
assert peak - before < int(bound), 'rss grew by %d KB while they read' % (peak - before)
END
# Five times 50 MB are on their way. A sanitizer keeps freed memory for a while.
bound=4096
! is_sanitized || bound=65536
ok "five slow readers cost no more than $bound KB, and get all their bytes" "$PYTHON" "$SCRATCH/slow.py" "$(port imap)" "$(port imaps)" \
	"$(dovecot_address mb1)" "$PASSWORD" "$(sluice_pid)" $bound

done_testing
