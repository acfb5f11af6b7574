#!/usr/bin/env bash
# Kernel TLS: what comes between the bytes. New keys, close_notify in mid literal, garbage, half a record and the processor it costs.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/ktls.sh"

ktls_or_skip
tls_files
literals_up
WORKERS=1
sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { b: { address = "$(literals_address plain)"; } }
END

# --- new keys: s_client sends a KeyUpdate for a line that begins with k, and asks for one with K --------------------------------------------

s_client_up()
{
	local address=$1
	shift
	coproc S_CLIENT { exec openssl s_client -connect "$address" -CAfile "$SCRATCH/tls/ca.pem" -crlf "$@" 2>&1; }
	ours "$S_CLIENT_PID"
	client_pid=$S_CLIENT_PID
}

says() { printf '%s\n' "$1" >&"${S_CLIENT[1]}"; }

# hears REGEX: reads up to a line like that.
hears()
{
	local line until=$((SECONDS + 15 * PATIENCE))
	while [ $SECONDS -lt $until ] && IFS= read -r -t $((15 * PATIENCE)) -u "${S_CLIENT[0]}" line; do
		printf '%s\n' "$line"
		[[ $line =~ $1 ]] && return
	done
	return 1
}

logs_in()
{
	hears '^\* OK' >"$SCRATCH/heard" && says 'a LOGIN joe secret' && hears '^a OK' >>"$SCRATCH/heard"
}

s_client_up "$(port imaps)" -tls1_3
ok "a client with TLS 1.3 logs in" logs_in
says k
sends_on() { says 'b NOOP' && hears '^b OK'; }
if [ "$(modes tls13)" = send ]; then
	ok "new keys of the client's own, which OpenSSL opens: the session goes on" sends_on
	mark=$(log_mark)
	says K
	says 'c NOOP'
else
	mark=0
fi
ok "new keys that the kernel would need end it, and the log says why" \
	logged_since "$mark" 'event=session-end .*reason=client-tls-broken .*detail=".*new keys \(TLS 1.3 KeyUpdate\)'
ok "the client's end comes" wait_for 10 gone "$client_pid"
not_ours "$client_pid"

# --- a client that has its records in its own hands: python's SSL object over memory ----------------------------------------------------------

cat >"$SCRATCH/records.py" <<'END'
import os, socket, ssl, sys, time
import imapc, literals

what, address, worker = sys.argv[1:]


class Hand:
	"""TLS 1.2 over memory: pieces() gives the records, which are sent as one likes."""

	def __init__(self):
		host, port = address.rsplit(':', 1)
		self.sock = socket.create_connection((host, int(port)), 20)
		self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		self.come, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
		self.tls = imapc.client_context(tls_max='1.2').wrap_bio(self.come, self.goes, server_hostname='localhost')
		self.call(self.tls.do_handshake)
		self.lines = b''

	def call(self, fn, *args):
		while True:
			try:
				got = fn(*args)
				self.flush()
				return got
			except ssl.SSLWantReadError:
				self.flush()
				data = self.sock.recv(65536)
				if data:
					self.come.write(data)
				else:
					self.come.write_eof()

	def flush(self):
		self.sock.sendall(self.goes.read())

	def sealed(self, data):
		self.tls.write(data)
		return self.goes.read()

	def until(self, text):
		while text not in self.lines:
			self.lines += self.call(self.tls.read, 65536)
		self.lines = self.lines.split(text, 1)[1]

	def login(self):
		self.until(b'* OK')
		self.call(self.tls.write, b'a LOGIN joe secret\r\n')
		self.until(b'a OK')


def cpu():
	fields = open('/proc/%s/stat' % worker).read().rsplit(')', 1)[1].split()
	return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def idle(seconds, most):
	before = cpu()
	time.sleep(seconds)
	spent = cpu() - before
	print('%.2f s of the processor in %s s' % (spent, seconds))
	assert spent < most, 'that is too much'


h = Hand()
h.login()
if what == 'half':
	two = h.sealed(b'b NOOP\r\n') + h.sealed(b'c NOOP\r\n')
	one = len(two) // 2
	h.sock.sendall(two[:one + 5])
	h.until(b'b OK')
	idle(3, 1)
	h.sock.sendall(two[one + 5:])
	h.until(b'c OK')
elif what == 'drops':
	for b in h.sealed(b'b NOOP\r\n'):	# a byte at a time
		h.sock.sendall(bytes([b]))
		time.sleep(0.02)
	h.until(b'b OK')
elif what == 'notify':
	h.call(h.tls.write, b'b APPEND 7 {1000+}\r\n' + literals.body(1000, 7)[:600])
	try:
		h.call(h.tls.unwrap)
	except ssl.SSLError:
		pass
elif what == 'eof':
	h.call(h.tls.write, b'b APPEND 7 {1000+}\r\n' + literals.body(1000, 7)[:600])
	h.sock.shutdown(socket.SHUT_WR)
	while h.sock.recv(65536):
		pass
elif what == 'garbage':
	h.sock.sendall(b'\x17no record has this for its beginning\r\n')
	try:
		while True:
			h.call(h.tls.read, 100)
	except ssl.SSLError as e:
		assert 'ALERT' in e.reason, e
	idle(1.5, 0.75)		# while its end is waited for
elif what == 'logout':
	h.sock.sendall(h.sealed(b'b LOGOUT\r\n') + h.sealed(b'c NOOP\r\n')[:7])
	h.until(b'b OK')
	idle(1.5, 0.75)
END
with_records() { "$PYTHON" "$SCRATCH/records.py" "$1" "$(port imaps)" "$(sluice_pid)"; }

ok "half a record costs the worker next to nothing, and the rest of it is taken" with_records half
ok "a record that comes byte by byte is taken" with_records drops
mark=$(log_mark)
ok "close_notify in mid literal" with_records notify
ok "ends the session" logged_since "$mark" 'event=session-end .*in=620 .*ktls=both .*reason=(backend-gone|client-gone)'
mark=$(log_mark)
ok "an end without close_notify in mid literal" with_records eof
ok "does too" logged_since "$mark" 'event=session-end .*in=620 .*ktls=both .*reason=(backend-gone|client-gone)'
mark=$(log_mark)
ok "garbage is answered with an alert, and costs next to nothing after it" with_records garbage
ok "and told as such" logged_since "$mark" 'event=session-end .*ktls=both .*reason=client-tls-broken .*detail='
ok "nor does half a record behind LOGOUT" with_records logout

done_testing
