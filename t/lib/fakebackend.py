"""fakebackend - an IMAP server that misbehaves as told, for what a real one cannot be made to do.

	fakebackend.py [--listen ADDRESS] [--tls] [--cert FILE] --ready FILE --record FILE SCRIPT

ADDRESS is 127.0.0.1:PORT (default: port 0, any free one) or unix:/path. Its address is written to the ready file. SCRIPT's steps are those of
imapc.py, seen from the server: "S:" is sent, "C:" expected. A line "---" ends one connection's script; the next connection takes the
next one, and the last serves all that follow. Two steps more:

	ON VERB text     how SERVE answers a command: text with \\tag, \\r\\n and so on; a tagged OK unless said otherwise
	SERVE            answers commands until the other side goes: CAPABILITY, ID, LOGIN, AUTHENTICATE, literals and all

Every line that comes is recorded as "N line" (N: the connection's number, from 1), and so are "N connected", "N TLS", "N closed" and
"N failed: why" when the other side did not follow its script.
"""
import argparse
import base64
import os
import re
import signal
import socket
import ssl
import sys
import threading

import imapc

CAPABILITIES = 'IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN'


class Record:
	def __init__(self, path):
		self.file = open(path, 'ab', buffering=0)
		self.lock = threading.Lock()

	def write(self, number, line):
		with self.lock:
			self.file.write(b'%d %s\n' % (number, line))


class Server(imapc.Script):
	def __init__(self, wire, tls, record, number):
		log = lambda line: record.write(number, line)
		super().__init__(wire, 'S', tls, out=open(os.devnull, 'w'), record=log)
		self.answers = {}

	def other(self, word, rest):
		if word == 'ON':
			verb, _, text = rest.partition(' ')
			self.answers[verb.upper()] = text
		elif word == 'SERVE':
			self.serve()
		else:
			super().other(word, rest)
			if word == 'TLS':
				self.record(b'TLS')

	def serve(self):
		while True:
			line = self.command()
			words = line.split(b' ')
			self.last = words[0] + b' '
			verb = words[1].decode('latin-1').upper() if len(words) > 1 else ''
			if verb == 'AUTHENTICATE' and len(words) == 3:
				self.say(b'+ \r\n')
				self.record(self.wire.line())
			self.answer(verb)

	def command(self):
		"""A line with its literals."""
		whole = b''
		while True:
			line = self.wire.line()
			self.record(line)
			whole += line
			m = imapc.LITERAL_AT_END.search(line)
			if not m:
				return whole
			if not line.endswith(b'+}'):
				self.say(b'+ OK\r\n')
			whole += self.wire.read(int(m.group(1)))

	def answer(self, verb):
		usual = {
			'CAPABILITY': '* CAPABILITY %s\\r\\n\\tag OK done' % CAPABILITIES,
			'LOGOUT': '* BYE see you\\r\\n\\tag OK done',
			'LOGIN': '\\tag OK [CAPABILITY IMAP4rev1 IDLE] welcome',
			'AUTHENTICATE': '\\tag OK [CAPABILITY IMAP4rev1 IDLE] welcome',
		}
		text = self.answers.get(verb, usual.get(verb, '\\tag OK done'))
		if text == 'CLOSE':
			self.wire.close()
			raise imapc.Surprise('closed as told')
		self.say(imapc.unescape(text, self.tag()) + b'\r\n')


def serve_connection(sock, number, steps, options, context, record):
	record.write(number, b'connected')
	wire = imapc.Wire(sock, 30)
	try:
		if options.tls:
			wire.starttls(context, server=True)
			record.write(number, b'TLS')
		Server(wire, context, record, number).run(steps)
		wire.close()
		record.write(number, b'closed')
	except (imapc.Surprise, OSError) as e:
		record.write(number, b'failed: ' + str(e).encode())
		try:
			wire.close()
		except OSError:
			pass


def listen(address):
	if address.startswith('unix:'):
		s = socket.socket(socket.AF_UNIX)
		s.bind(address[5:])
		os.chmod(address[5:], 0o777)
	else:
		host, port = address.rsplit(':', 1)
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind((host, int(port)))
		address = '%s:%d' % s.getsockname()
	s.listen(512)
	return s, address


def main():
	o = argparse.ArgumentParser()
	o.add_argument('--listen', default='127.0.0.1:0')
	o.add_argument('--tls', action='store_true')
	o.add_argument('--cert')
	o.add_argument('--ready', required=True)
	o.add_argument('--record', required=True)
	o.add_argument('script')
	options = o.parse_args()
	scripts = [imapc.steps_of(s) for s in re.split(r'(?m)^---$', open(options.script, encoding='latin-1').read())]
	context = None
	if options.cert:
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		context.load_cert_chain(options.cert)
	record = Record(options.record)
	signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
	listening, address = listen(options.listen)
	with open(options.ready + '.new', 'w') as f:
		f.write(address + '\n')
	os.rename(options.ready + '.new', options.ready)
	for number in range(1, 10000):
		sock, _ = listening.accept()
		steps = scripts[min(number, len(scripts)) - 1]
		threading.Thread(target=serve_connection, args=(sock, number, steps, options, context, record), daemon=True).start()


if __name__ == '__main__':
	sys.exit(main())
