"""imapc - one end of an IMAP connection, for tests: raw bytes, lines, literals, TLS. Nothing is hidden or repaired.

As a module: class Wire and the functions connect(), login(). As a program it holds a conversation written as a script on its
standard input, as the client:

	imapc.py [--tls] [--ca FILE] [--name NAME] [--alpn WORDS] [--tls-max 1.2] [--from ADDRESS] [--timeout SECONDS] ADDRESS

ADDRESS is HOST:PORT or unix:/path. One step a line; blank lines and those that start with # do not count:

	C: text      the client's line: sent, with CRLF (by a fake server: expected, as a regular expression)
	S: regex     the server's line: the next one must match (by a fake server: sent, with CRLF)
	S*: regex    lines of the server are read until one matches (C*: for a fake server)
	S{}: regex   the server's next response, literals and all, must match
	raw: bytes   sent as they are, without a line end
	TLS          a TLS handshake now; "TLS fails" wants it to fail
	CLOSED       the other side must close, saying nothing more; "CLOSED*" lets it say what it likes before
	QUIET s      nothing may come for s seconds
	HALF         shuts down our direction        RESET   cuts the connection with a TCP reset        CLOSE   closes it
	TOUCH path   makes a file                    WAIT path   waits until there is one

In what is sent, \\r \\n \\t \\0 \\\\ and \\xHH are escapes, \\b64{...} is the base64 of its (escaped) content and \\rep{N}{text} repeats. A fake
server may send \\tag, the tag of the line it read last. The whole conversation is printed; status 0: it went as written.
"""
import argparse
import base64
import os
import re
import socket
import ssl
import struct
import sys
import time

TIMEOUT = 10.0 * float(os.environ.get('PATIENCE', 1))
LITERAL_AT_END = re.compile(rb'~?\{(\d+)[+-]?\}$')


class Surprise(Exception):
	"""The other side did not do what it should."""


class Wire:
	def __init__(self, sock, timeout=TIMEOUT):
		self.sock = sock
		self.sock.settimeout(timeout)
		self.buffer = bytearray()
		self.tag = 0

	def send(self, data):
		self.sock.sendall(data)

	def fill(self):
		"""More bytes into the buffer; False at the end of the stream."""
		try:
			data = self.sock.recv(65536)
		except ssl.SSLEOFError:
			raise Surprise('the connection ended without close_notify') from None
		except socket.timeout:
			raise Surprise('nothing came in time; waiting: %r' % bytes(self.buffer[:200])) from None
		self.buffer += data
		return bool(data)

	def read(self, n):
		while len(self.buffer) < n:
			if not self.fill():
				raise Surprise('the connection ended')
		data = bytes(self.buffer[:n])
		del self.buffer[:n]
		return data

	def line(self):
		"""The next line without its end."""
		at = 0
		while True:
			end = self.buffer.find(b'\n', at)
			if end >= 0:
				break
			at = len(self.buffer)
			if not self.fill():
				raise Surprise('the connection ended%s' % (' in mid line: %r' % bytes(self.buffer) if self.buffer else ''))
		data = self.read(end + 1)
		return data[:-2] if data.endswith(b'\r\n') else data[:-1]

	def response(self):
		"""The next line with the literals in it and what follows them."""
		whole = self.line()
		while True:
			m = LITERAL_AT_END.search(whole)
			if not m or not whole.startswith(b'* ') or re.match(rb'\* (OK|NO|BAD|BYE|PREAUTH) ', whole):
				return whole
			whole += b'\r\n' + self.read(int(m.group(1)))
			whole += self.line()

	def command(self, text, literal=None):
		"""Sends a command (text without tag; with the literal behind it, synchronised); returns (untagged responses, tagged line)."""
		self.tag += 1
		tag = b't%d' % self.tag
		if isinstance(text, str):
			text = text.encode()
		if literal is None:
			self.send(tag + b' ' + text + b'\r\n')
		else:
			self.send(tag + b' ' + text + b' {%d}\r\n' % len(literal))
			untagged = self.until(b'+')
			if not untagged[-1].startswith(b'+'):
				raise Surprise('wanted a continuation: %r' % untagged[-1])
			self.send(literal + b'\r\n')
		lines = self.until(tag)
		return lines[:-1], lines[-1]

	def until(self, tag):
		"""Responses up to and with the first that is tagged so (or a "+")."""
		got = [self.response()]
		while not got[-1].startswith(tag + b' ') and got[-1] != b'+':
			if tag == b'+' and re.match(rb't\d+ ', got[-1]):
				break
			got.append(self.response())
		return got

	def good(self, text, literal=None):
		"""A command that must be answered with OK; its untagged responses."""
		untagged, tagged = self.command(text, literal)
		if not re.match(rb't\d+ OK', tagged):
			raise Surprise('%r was answered: %r' % (text[:100], tagged))
		return untagged

	def login(self, user, password):
		self.line()
		return self.good('LOGIN %s %s' % (quote(user), quote(password)))

	def starttls(self, context, name='localhost', server=False):
		if self.buffer:
			raise Surprise('bytes before the handshake: %r' % bytes(self.buffer[:100]))
		self.sock = context.wrap_socket(self.sock, server_side=server, server_hostname=None if server else name)

	def at_end(self):
		"""True if the other side has closed (or reset) and nothing is left to read."""
		try:
			return not self.buffer and not self.fill()
		except (ConnectionError, ssl.SSLError):
			return True

	def quiet(self, seconds):
		"""Nothing must come for a while."""
		before = self.sock.gettimeout()
		self.sock.settimeout(seconds)
		try:
			if not self.buffer:
				got = self.sock.recv(65536)
				if not got:
					raise Surprise('the connection ended where silence was wanted')
				self.buffer += got
			raise Surprise('wanted silence, got %r' % bytes(self.buffer[:200]))
		except socket.timeout:
			pass
		finally:
			self.sock.settimeout(before)

	def reset(self):
		self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
		self.drop()

	def drop(self):
		"""Closes the socket itself; TLS says no good-bye."""
		if isinstance(self.sock, ssl.SSLSocket):
			os.close(self.sock.detach())
		else:
			self.sock.close()

	def close(self):
		if isinstance(self.sock, ssl.SSLSocket):
			try:
				self.sock.settimeout(1)
				self.sock = self.sock.unwrap()
			except (OSError, ValueError):
				pass
		self.sock.close()


def quote(text):
	return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


def client_context(ca=None, alpn=None, tls_max=None):
	ca = ca or os.environ.get('IMAPC_CA')
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
	if ca:
		context.load_verify_locations(ca)
	if alpn:
		context.set_alpn_protocols(alpn.split(','))
	if tls_max == '1.2':
		context.maximum_version = ssl.TLSVersion.TLSv1_2
	return context


def connect(address, tls=None, name='localhost', timeout=TIMEOUT, source=None):
	"""A Wire to HOST:PORT or unix:/path; tls: a context for implicit TLS, or True for the default one."""
	if address.startswith('unix:'):
		sock = socket.socket(socket.AF_UNIX)
		sock.settimeout(timeout)
		sock.connect(address[5:])
	else:
		host, port = address.rsplit(':', 1)
		sock = socket.create_connection((host.strip('[]'), int(port)), timeout, (source, 0) if source else None)
		sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	wire = Wire(sock, timeout)
	if tls:
		wire.starttls(client_context() if tls is True else tls, name)
	return wire


def login(address, user, password, **how):
	wire = connect(address, **how)
	wire.login(user, password)
	return wire


# --- scripts -----------------------------------------------------------------------------------------------------------------

ESCAPES = {'r': '\r', 'n': '\n', 't': '\t', '0': '\0', '\\': '\\'}


def unescape(text, tag='*'):
	"""Latin-1 text with escapes to bytes."""
	def one(m):
		if m.group('b64') is not None:
			return base64.b64encode(unescape(m.group('b64'), tag)).decode()
		if m.group('rep'):
			return unescape(m.group('what'), tag).decode('latin-1') * int(m.group('rep'))
		if m.group('hex'):
			return chr(int(m.group('hex'), 16))
		return tag if m.group('tag') else ESCAPES[m.group('one')]
	pattern = r'\\(?:b64\{(?P<b64>[^}]*)\}|rep\{(?P<rep>\d+)\}\{(?P<what>[^}]*)\}|x(?P<hex>[0-9a-fA-F]{2})|(?P<tag>tag)|(?P<one>[rnt0\\]))'
	return re.sub(pattern, one, text).encode('latin-1')


def show(who, data, out):
	if len(data) > 300:
		data = data[:300] + b'... (%d bytes)' % len(data)
	print('%s %s' % (who, data.decode('latin-1').encode('unicode_escape').decode()), file=out, flush=True)


class Script:
	"""Runs steps over a Wire. mine is what this side says: 'C' for a client, 'S' for a server."""

	def __init__(self, wire, mine='C', tls=None, name='localhost', out=sys.stdout, record=None):
		self.wire, self.mine, self.tls, self.name, self.out = wire, mine, tls, name, out
		self.theirs = 'S' if mine == 'C' else 'C'
		self.record = record or (lambda line: None)
		self.last = b''

	def tag(self):
		return self.last.split(b' ', 1)[0].decode('latin-1')

	def run(self, steps):
		for step in steps:
			self.step(step)

	def step(self, step):
		word, _, rest = step.partition(' ')
		if word == self.mine + ':':
			self.say(unescape(rest, self.tag()) + b'\r\n')
		elif word == 'raw:':
			self.say(unescape(rest, self.tag()))
		elif word == self.theirs + ':':
			self.expect(rest, self.hear(self.wire.line))
		elif word == self.theirs + '{}:':
			self.expect(rest, self.hear(self.wire.response))
		elif word == self.theirs + '*:':
			while not re.search(rest, self.hear(self.wire.line).decode('latin-1')):
				pass
		else:
			self.other(word, rest)

	def say(self, data):
		show(self.mine + ':', data, self.out)
		self.wire.send(data)

	def hear(self, what):
		self.last = what()
		show(self.theirs + ':', self.last, self.out)
		self.record(self.last)
		return self.last

	def expect(self, pattern, line):
		if not re.search(pattern, line.decode('latin-1')):
			raise Surprise('wanted: %s' % pattern)

	def other(self, word, rest):
		if word == 'TLS':
			self.handshake(rest)
		elif word == 'CLOSED':
			if not self.wire.at_end():
				raise Surprise('wanted the end, got %r' % bytes(self.wire.buffer[:200]))
		elif word == 'CLOSED*':
			while not self.wire.at_end():
				self.wire.buffer.clear()
		elif word == 'QUIET':
			self.wire.quiet(float(rest))
		elif word == 'HALF':
			self.wire.sock.shutdown(socket.SHUT_WR)
		elif word == 'RESET':
			self.wire.reset()
		elif word == 'CLOSE':
			self.wire.close()
		elif word == 'TOUCH':
			open(rest, 'w').close()
		elif word == 'WAIT':
			wait_for_file(rest)
		else:
			raise Surprise('no such step: %s' % word)
		if word not in ('WAIT', 'TOUCH'):
			print('-- %s %s' % (word, rest), file=self.out, flush=True)

	def handshake(self, rest):
		try:
			self.wire.starttls(self.tls, self.name, server=self.mine == 'S')
		except (ssl.SSLError, OSError) as e:
			if rest != 'fails':
				raise Surprise('TLS handshake: %s' % e) from None
		else:
			if rest == 'fails':
				raise Surprise('the TLS handshake succeeded')


def wait_for_file(path, seconds=15):
	end = time.monotonic() + seconds
	while not os.path.exists(path):
		if time.monotonic() > end:
			raise Surprise('waited in vain for %s' % path)
		time.sleep(0.02)


def steps_of(text):
	return [line for line in text.split('\n') if line.strip() and not line.startswith('#')]


def main():
	options = argparse.ArgumentParser()
	options.add_argument('--tls', action='store_true')
	options.add_argument('--ca')
	options.add_argument('--name', default='localhost')
	options.add_argument('--alpn')
	options.add_argument('--tls-max')
	options.add_argument('--from', dest='source')
	options.add_argument('--timeout', type=float, default=TIMEOUT)
	options.add_argument('address')
	o = options.parse_args()
	context = client_context(o.ca, o.alpn, o.tls_max)
	try:
		wire = connect(o.address, context if o.tls else None, o.name, o.timeout, o.source)
		Script(wire, 'C', context, o.name).run(steps_of(sys.stdin.buffer.read().decode('latin-1')))
		wire.close()
	except (Surprise, OSError) as e:
		print('!! %s' % e)
		return 1
	return 0


if __name__ == '__main__':
	sys.exit(main())
