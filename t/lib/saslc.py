"""saslc - the client's side of SASL mechanisms that need sums done: SCRAM (RFC 5802, 7677), and tokens for the OAuth ones.

	saslc.py jwt USER KEY [SECONDS]		a signed token (HS256), good for so many seconds (3600)

As a module: scram(wire, mechanism, user, password) on a Wire of imapc; it checks the server's proof too.
"""
import base64
import hashlib
import hmac
import json
import os
import sys
import time

import imapc

HASHES = {'SCRAM-SHA-1': 'sha1', 'SCRAM-SHA-256': 'sha256'}


def b64(data):
	return base64.b64encode(data)


def escaped(name):
	return name.replace('=', '=3D').replace(',', '=2C')


def xor(a, b):
	return bytes(x ^ y for x, y in zip(a, b))


def challenge(wire):
	line = wire.line()
	while line.startswith(b'* '):
		line = wire.line()
	if not line.startswith(b'+ '):
		raise imapc.Surprise('wanted a challenge: %r' % line)
	return base64.b64decode(line[2:], validate=True)


def fields(message):
	return dict(part.split('=', 1) for part in message.decode().split(','))


def scram(wire, mechanism, user, password, authorize='', initial=True, flag='n'):
	"""Logs in; the tagged line that ends it."""
	name = HASHES[mechanism]
	header = '%s,%s,' % (flag, 'a=' + escaped(authorize) if authorize else '')
	bare = 'n=%s,r=%s' % (escaped(user), base64.b64encode(os.urandom(18)).decode())
	wire.tag += 1
	tag = b's%d' % wire.tag
	if initial:
		wire.send(b'%s AUTHENTICATE %s %s\r\n' % (tag, mechanism.encode(), b64((header + bare).encode())))
	else:
		wire.send(b'%s AUTHENTICATE %s\r\n' % (tag, mechanism.encode()))
		if challenge(wire):
			raise imapc.Surprise('the first challenge is not empty')
		wire.send(b64((header + bare).encode()) + b'\r\n')
	first = challenge(wire)
	said = fields(first)
	if not said['r'].startswith(bare.split('r=', 1)[1]):
		raise imapc.Surprise('the nonce is not ours')
	final = 'c=%s,r=%s' % (b64(header.encode()).decode(), said['r'])
	salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(said['s']), int(said['i']))
	mac = lambda key, text: hmac.new(key, text, name).digest()
	client_key = mac(salted, b'Client Key')
	signed = ','.join((bare, first.decode(), final)).encode()
	proof = xor(client_key, mac(hashlib.new(name, client_key).digest(), signed))
	wire.send(b64(('%s,p=%s' % (final, b64(proof).decode())).encode()) + b'\r\n')
	line = wire.line()
	if line.startswith(b'+ '):
		proven = fields(base64.b64decode(line[2:]))
		if base64.b64decode(proven['v']) != mac(mac(salted, b'Server Key'), signed):
			raise imapc.Surprise('the server does not know the password')
		wire.send(b'\r\n')
		line = wire.line()
	while line.startswith(b'* '):
		line = wire.line()
	if not line.startswith(tag + b' '):
		raise imapc.Surprise('wanted the tagged line: %r' % line)
	return line[len(tag) + 1:]


def jwt(user, key, seconds=3600):
	part = lambda value: base64.urlsafe_b64encode(value).rstrip(b'=')
	now = int(time.time())
	head = part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())
	body = part(json.dumps({'sub': user, 'iat': now - 10, 'nbf': now - 10, 'exp': now + seconds}).encode())
	signature = part(hmac.new(key.encode(), head + b'.' + body, 'sha256').digest())
	return b'.'.join((head, body, signature)).decode()


if __name__ == '__main__':
	print(jwt(sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 3600))
