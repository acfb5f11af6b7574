"""literals - a backend and a client that send each other large literals whose every byte is known, and say when one is wrong.

	literals.py serve READY --cert FILE
	literals.py move ADDRESS [--tls] [--tls-max 1.2] SIZE...

serve: two IMAP servers in one process, one plain, one with TLS from the first byte; their addresses go to READY.plain and READY.tls. FETCH
N answers with a literal of N bytes, APPEND takes one. move: logs in, gets and puts a literal of each size, at once behind each other, and logs out.
"""
import argparse
import hashlib
import os
import re
import socket
import ssl
import sys
import threading

import imapc


def body(n, seed):
	"""n bytes that no other seed gives."""
	return hashlib.shake_128(b'%d %d' % (n, seed)).digest(n)


# --- the backend -------------------------------------------------------------------------------------------------------------------

class Session:
	def __init__(self, wire):
		self.wire = wire

	def run(self):
		self.wire.send(b'* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN] ready\r\n')
		while True:
			tag, verb, rest = (self.wire.line() + b' ').split(b' ', 2)
			answer = getattr(self, 'do_' + verb.decode().lower(), None)
			self.wire.send(tag + (answer(tag, rest.strip()) if answer else b' OK done') + b'\r\n')
			if verb == b'LOGOUT':
				return

	def do_authenticate(self, tag, rest):
		return b' OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE] in'

	do_login = do_authenticate

	def do_logout(self, tag, rest):
		self.wire.send(b'* BYE\r\n')
		return b' OK out'

	def do_fetch(self, tag, rest):
		n, seed = map(int, rest.split())
		self.wire.send(b'* 1 FETCH (BODY[] {%d}\r\n' % n + body(n, seed) + b')\r\n')
		return b' OK got'

	def do_append(self, tag, rest):
		seed, n, synchronising = re.fullmatch(rb'(\d+) \{(\d+)(\+?)\}', rest).groups()
		if not synchronising:
			self.wire.send(b'+ go on\r\n')
		good = self.wire.read(int(n)) == body(int(n), int(seed))
		return b' OK every byte' if self.wire.line() == b'' and good else b' NO other bytes'


def serve_one(sock, context):
	try:
		if context:
			sock = context.wrap_socket(sock, server_side=True)
		wire = imapc.Wire(sock, None)
		Session(wire).run()
		wire.close()
	except (imapc.Surprise, OSError) as e:
		print('a session ended: %s' % e, flush=True)
		sock.close()


def accept_all(listener, context):
	while True:
		sock = listener.accept()[0]
		sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		threading.Thread(target=serve_one, args=(sock, context), daemon=True).start()


def serve(ready, cert):
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(cert)
	threads = []
	for name, tls in (('plain', None), ('tls', context)):
		listener = socket.create_server(('127.0.0.1', 0))
		threads.append(threading.Thread(target=accept_all, args=(listener, tls), daemon=True))
		threads[-1].start()
		with open('%s.%s.new' % (ready, name), 'w') as f:
			f.write('127.0.0.1:%d\n' % listener.getsockname()[1])
		os.rename('%s.%s.new' % (ready, name), '%s.%s' % (ready, name))
	threads[0].join()


# --- the client --------------------------------------------------------------------------------------------------------------------

def get(wire, sizes):
	wire.send(b''.join(b'g%d FETCH %d %d\r\n' % (i, n, i) for i, n in enumerate(sizes)))
	for i, n in enumerate(sizes):
		head = b'* 1 FETCH (BODY[] {%d}' % n
		if wire.line() != head or wire.read(n) != body(n, i) or wire.line() != b')' or wire.line() != b'g%d OK got' % i:
			raise imapc.Surprise('a literal of %d bytes is not as it was sent' % n)


def put(wire, sizes, plus):
	for i, n in enumerate(sizes):
		wire.send(b'p%d APPEND %d {%d%s}\r\n' % (i, i, n, plus))
		if not plus and wire.line() != b'+ go on':
			raise imapc.Surprise('no continuation')
		wire.send(body(n, i) + b'\r\n')
	for i, n in enumerate(sizes):
		answer = wire.line()
		if answer != b'p%d OK every byte' % i:
			raise imapc.Surprise('a literal of %d bytes was answered: %r' % (n, answer))


def move(address, tls, tls_max, sizes):
	wire = imapc.login(address, 'joe', 'secret', tls=imapc.client_context(tls_max=tls_max) if tls else None)
	get(wire, sizes)
	put(wire, sizes, b'+')
	for n in sizes:
		put(wire, [n], b'')
	wire.good('NOOP')
	wire.good('LOGOUT')


def main():
	p = argparse.ArgumentParser()
	p.add_argument('what', choices=('serve', 'move'))
	p.add_argument('where')
	p.add_argument('sizes', nargs='*', type=int)
	p.add_argument('--tls', action='store_true')
	p.add_argument('--tls-max')
	p.add_argument('--cert')
	a = p.parse_intermixed_args()
	if a.what == 'serve':
		serve(a.where, a.cert)
	else:
		move(a.where, a.tls, a.tls_max, a.sizes)


if __name__ == '__main__':
	try:
		main()
	except (imapc.Surprise, OSError) as e:
		sys.exit('%s: %s' % (type(e).__name__, e))
