"""bulk - literals of megabytes, and every byte of them looked at: a backend (as a program) and its clients (as a module).

	bulk.py [--listen ADDRESS] --ready FILE

ADDRESS is 127.0.0.1:PORT (default: port 0, any free one) or unix:/path; it is written to the ready file. The server lets everybody in and
knows, besides what every client says:

	FETCH START N			a literal of N bytes, those that body(START, N) gives
	FETCH START N RESET M		the same, but behind M of them the connection is reset
	FETCH START N URGENT M		the same, but behind M of them comes an urgent byte, which is none of them (TCP's, MSG_OOB)
	APPEND START {N}  or {N+}	takes such a literal: OK if its bytes are those of body(START, N), else BAD
	APPEND START WHEN FILE {N+}	the same, but it is read only when there is such a file

A client's half-close ends a connection when all that it said before has been answered.
"""
import argparse
import array
import fcntl
import os
import random
import re
import signal
import socket
import sys
import termios
import threading

import imapc

BLOCK = random.Random(4).randbytes(1000003)
SMALL = 16 * 1024	# of a receive buffer (with segments that fit): whoever does not read soon blocks whoever writes


def body(start, n):
	start %= len(BLOCK)
	return (BLOCK * ((start + n) // len(BLOCK) + 1))[start:start + n]


# --- clients -------------------------------------------------------------------------------------------------------------------

def connect(address, user, small=False):
	"""A logged in Wire."""
	host, port = address.rsplit(':', 1)
	sock = socket.socket()
	if small:
		sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
		sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
	sock.settimeout(imapc.TIMEOUT)
	sock.connect((host, int(port)))
	w = imapc.Wire(sock)
	w.login(user, 'secret')
	return w


def arrived(w):
	n = array.array('i', [0])
	fcntl.ioctl(w.sock.fileno(), termios.FIONREAD, n)
	return n[0]


def ask(w, start, n, more=''):
	w.send(b'f FETCH %d %d%s\r\n' % (start, n, more.encode()))


def take(w, start, n, piece=65536):
	"""The answer to ask, read so much at a time."""
	line = w.line()
	assert line == b'* 1 FETCH (BODY[] {%d}' % n, line
	got = bytearray(w.buffer[:n])
	del w.buffer[:n]
	while len(got) < n:
		data = w.sock.recv(min(piece, n - len(got)))
		assert data, 'the connection ended after %d bytes' % len(got)
		got += data
	assert got == body(start, n), 'bytes are wrong'
	assert w.line() == b')'
	assert w.line() == b'f OK'


def fetch(w, start, n, piece=65536):
	ask(w, start, n)
	take(w, start, n, piece)


def append(w, start, n, more=''):
	w.send(b'a APPEND %d%s {%d+}\r\n' % (start, more.encode(), n) + body(start, n) + b'\r\n')
	assert w.line() == b'a OK'


def append_waiting(w, start, n):
	"""With a literal that waits for "+"."""
	w.send(b'a APPEND %d {%d}\r\n' % (start, n))
	assert w.line().startswith(b'+')
	w.send(body(start, n) + b'\r\n')
	assert w.line() == b'a OK'


# --- the server ----------------------------------------------------------------------------------------------------------------

class Server(imapc.Wire):
	def serve(self):
		self.send(b'* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] bulk\r\n')
		while not self.at_end():
			tag, verb, *words = self.line().decode().split(' ')
			good = self.fetch(*words) if verb == 'FETCH' else self.append(*words) if verb == 'APPEND' else True
			self.send(b'%s %s\r\n' % (tag.encode(), b'OK' if good else b'BAD wrong bytes'))
		self.close()

	def fetch(self, start, n, *how):
		data = body(int(start), int(n))
		self.send(b'* 1 FETCH (BODY[] {%d}\r\n' % len(data))
		if how:
			self.send(data[:int(how[1])])
			data = data[int(how[1]):]
		if how[:1] == ('RESET',):
			self.reset()
			raise imapc.Surprise('reset as told')
		if how[:1] == ('URGENT',):
			self.sock.send(b'!', socket.MSG_OOB)
		self.send(data + b')\r\n')
		return True

	def append(self, start, *words):
		if words[0] == 'WHEN':
			self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)	# else the kernel may take 30 MB for us
			imapc.wait_for_file(words[1])
		n = int(re.match(r'{(\d+)', words[-1]).group(1))
		if not words[-1].endswith('+}'):
			self.send(b'+ OK\r\n')
		good = self.read(n) == body(int(start), n)
		return self.line() == b'' and good


def serve(sock):
	try:
		Server(sock, 60).serve()
	except (OSError, imapc.Surprise):
		sock.close()


def main():
	options = argparse.ArgumentParser()
	options.add_argument('--listen', default='127.0.0.1:0')
	options.add_argument('--ready', required=True)
	o = options.parse_args()
	signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
	if o.listen.startswith('unix:'):
		listener, address = socket.socket(socket.AF_UNIX), o.listen
		listener.bind(o.listen[5:])
		os.chmod(o.listen[5:], 0o666)
		listener.listen(100)
	else:
		host, port = o.listen.rsplit(':', 1)
		listener = socket.create_server((host, int(port)), backlog=100)
		address = '%s:%d' % listener.getsockname()
	with open(o.ready + '.new', 'w') as f:
		f.write(address + '\n')
	os.rename(o.ready + '.new', o.ready)
	while True:
		threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == '__main__':
	sys.exit(main())
