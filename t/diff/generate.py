#!/usr/bin/env python3
"""generate.py - a recorded session that never was: a plausible client and server, and hostile twists. The same SEED, the same session.

	generate.py SEED >RECORDING

Each session has tastes of its own: a step is likely in one, rare in the next, and missing in a third. So twists that hide each other (whatever
ends a session, or makes it opaque) leave room for the others.
"""
import random
import sys

VERBS = '''CAPABILITY NOOP LOGOUT AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND CHECK CLOSE
EXPUNGE SEARCH FETCH STORE COPY ID ENABLE MOVE'''.split() + ['UID ' + verb for verb in ('COPY', 'FETCH', 'STORE', 'SEARCH', 'MOVE')]
TAKERS = [verb for verb in VERBS if verb not in ('CAPABILITY', 'NOOP', 'LOGOUT', 'CHECK', 'CLOSE', 'EXPUNGE')] + ['SORT', 'UID THREAD', 'UID EXPUNGE', 'SETMETADATA', 'GETQUOTA',
	'REPLACE', 'SEARCH\r']
UNKNOWN_VERBS = ['XYZZY', 'UID', 'UID EXPUNGE', 'UID  FETCH', 'UIDFETCH', 'UID FETCHED', 'UID FETCH\r', 'UID\tFETCH', 'UID NOOP', 'APPENDED', 'APPEN', 'NAMESPACE', 'GETMETADATA',
	'FETCH\x00', 'F\xc4TCH', 'NO\rOP', '{3}', '*', '+', 'MULTIAPPEND', 'IDLED', 'IDL', 'COMPRESSED', 'UNSELECT', 'NOTIFY', 'ID LE', 'MOVE\r', 'IDLE\r', 'IDLE\rx', 'UID\rFETCH', 'UID FETCH\rx', '\rIDLE']
ODD_VERBS = VERBS + UNKNOWN_VERBS + ['IDLE', 'COMPRESS', 'STARTTLS']
BAD_TAGS = ['', 'a*', 'a%b', '"a"', 'a\\b', 'a{b', 'a}b{', '(a', 'a)', '+', 'a+', 'a\tb', 'a\x7fb', '\xe4', 'a\x00', 'x' * 65, 'x' * 1000, '\r', 'a\rb']
ODD_TAGS = ['x' * 64, '}', '!', '~', 'a]b', '0', "'", 'a}', '[', '-', 'A.1/2', 'a;b']
SIZES = [0, 0, 1, 2, 3, 3, 5, 5, 7, 10, 30, 200]
LIKE_LITERALS = ['{5}', '{3+}', '{0}', '~{3}', '{3-}', '{99999999999}', '{18446744073709551616}', '{18446744073709551615}', '{}', '{+}', '{-1}', '{a}', '{5', '5}',
	'{5} ', '{5}x', '{{1}', '{1}}', '{1 }', '{ 1}', '{0x5}', '{5+-}', '{5++}', '{+5}', '~{}', '{00000000000000000000000000003}', '{5}\r', '{5\r}', '{5}\x00', '{\xb2}']
BROKEN_SIZES = ['{18446744073709551616}', '{99999999999999999999+}', '{18446744073709551616-}', '~{340282366920938463463374607431768211456}',
	'{%s}' % ('3'.zfill(30)), '{%s}' % ('3'.zfill(31)), '{%s+}' % ('0' * 29), '{%s+}' % ('0' * 30), '0' * 40 + '}', '7' * 31 + '}', '7' * 30 + '+}', '1' * 200 + '-}',
	'{%s' % ('9' * 60) + '-}']
NEARLY_BROKEN = ['{%s' % ('1' * 40), '1' * 40, '{18446744073709551615+}', '{%s}' % ('3'.zfill(28)), '{%s+}' % ('3'.zfill(27)), '+' * 40 + '}', '1' * 20 + '+' * 20 + '}', '1' * 40 + '+-}',
	'1' * 40 + '}}', '1' * 40 + '} ', '1' * 40 + '}\r', '1' * 30 + ' ' + '1' * 20 + '}', '1' * 29 + '}', '1' * 40 + '+', '{%s}\r' % ('9' * 40)]
STATUSES = ['OK', 'ok', 'Ok', 'NO', 'no', 'BAD', 'OKAY', 'OK\t', 'O', '', ' OK', 'BYE', 'XYZ']
TEXTS = ['', ' ', ' done', ' [READ-ONLY] x', ' {5}', ' {3+}', ' literal {4}', ' \xfc', ' a\rb', ' \x00']
UNAUTHENTICATES = ['a UNAUTHENTICATE', 'a unauthenticate', 'b UnAuthEnticate x', ' a UNAUTHENTICATE', '  a  UNAUTHENTICATE', '* UNAUTHENTICATE', 'a UNAUTHENTICATE {3}', 'a UNAUTHENTICATE {3+}',
	'\x00 UNAUTHENTICATE', '{3 UNAUTHENTICATE \x00', 'x' * 2000 + ' UNAUTHENTICATE', ' ' * 2000 + 'a' + ' ' * 100 + 'UNAUTHENTICATE', '\r UNAUTHENTICATE', 'a UNAUTHENTICATE\r', 'a unauthenticate\rx', 'a UNAUTHENTICATE\r\xff\r', 'DONE UNAUTHENTICATE',
	'a\tUNAUTHENTICATE', 'a UNAUTHENTICATE\t', 'a \rUNAUTHENTICATE', 'a UNAUTHENTICATE\x00', '\x1fa UID UNAUTHENTICATE', 'a\tuid\x00unauthenticate\x01']
NOT_UNAUTHENTICATES = ['UNAUTHENTICATE', ' UNAUTHENTICATE', 'a x UNAUTHENTICATE', 'a UNAUTHENTICATED', 'a UNAUTHENTICAT', 'a UIDS UNAUTHENTICATE', 'a UID UNAUTHENTICATED', 'a UI UNAUTHENTICATE',
	'a UID x UNAUTHENTICATE', 'a "UNAUTHENTICATE"',
	'a UNAUTH ENTICATE', 'a UNAUTHENTICATE{3}', 'aUNAUTHENTICATE', 'a UNAUTH\x00NTICATE', 'a UNAUTHENTICATEUNAUTHENTICATE']
UNTAGGED = ['* 1 EXISTS', '* 3 FETCH (FLAGS (\\Seen))', '* FLAGS ()', '* OK', '* ok hello', '* OK {5}', '* NO {99999999999999999999}', '* PREAUTH {3}', '* OKAY', '*', '* ', '*OK x', '* BADGE x',
	'* BYEBYE', '*  BAD', '* BAD\tx', '* BY', '* B\rAD', '* SEARCH 1 2', '* \x00', '* BAD\r']

CLIENT_SOUP = ['a', 'b', 'a1', ' ', ' ', ' ', '\r\n', '\r\n', '\r\n', '\n', '\r', 'IDLE', 'idle\r\n', 'DONE\r\n', 'NOOP', 'APPEND', 'UID', 'FETCH', 'LOGIN', 'XYZZY', '{3}\r\n', '{3+}\r\n', '{0}\r\n',
	'{1-}\r\n', '~{2}\r\n', '{5}\n', 'xyz', '*', '+', '{', '}', '0', '\x00', '\xff', 'a NOOP\r\n', 'b APPEND {3}\r\n', 'a IDLE\r\n', 'c LOGIN {2+}\r\n']
SERVER_SOUP = ['a', 'b', 'a1', 'c', ' ', ' ', '\r\n', '\r\n', '\r\n', '\n', '\r', 'OK', 'NO', 'BAD', 'BYE', '*', '* ', '+', '+ \r\n', '+ \r\n', '* BAD\r\n', '* BYE x\r\n', 'a OK\r\n', 'a NO\r\n', 'b OK\r\n', 'c BAD\r\n', '{3}\r\n',
	'{3+}\r\n', '{0}\r\n', '~{2}\r\n', '{5}\n', 'xyz', '{', '}', '0', '\x00', '\xff', '* 1 EXISTS\r\n', '* X {1}\r\n']


class Generator:
	def __init__(self, seed):
		self.random = random.Random(seed)
		self.records = []		# [b'>', b'<' or b'!', bytes]
		self.tags = []			# in flight, or so the server thinks
		self.next_tag = 0
		steps = (self.commands, self.commands, self.answers, self.answers, self.untagged, self.data, self.literal_waiting, self.literal_waiting, self.literal_at_once,
			self.idle, self.idle, self.idle_twisted, self.idles, self.flood, self.junk, self.junk, self.bads, self.pluses, self.same_tags, self.stranger,
			self.odd_line, self.refusals, self.long_lines, self.settle, self.settle,
			self.crowd, self.crowd, self.idle_held, self.owing, self.not_unauthenticate, self.not_quite_broken)
		self.steps = list(steps)
		self.tastes = [self.random.choice((0, 0, 1, 2, 5)) for _ in steps]
		if not any(self.tastes):
			self.tastes[0] = 1
		self.fatal = self.random.choice((0, 0, 0.02, 0.1))
		self.is_lf = self.random.random() < 0.1		# whether this client is one that leaves CRs out

	# ---- words ----

	def chance(self, p):
		return self.random.random() < p

	def pick(self, some):
		return self.random.choice(some)

	def say(self, way, text):
		self.records.append([way, text if isinstance(text, bytes) else text.encode('latin-1')])

	def client(self, text):
		self.say(b'>', text)

	def server(self, text):
		self.say(b'<', text)

	def crlf(self):
		return '\n' if self.is_lf or self.chance(0.05) else '\r\n'

	def case(self, word):
		return word.lower() if self.chance(0.2) else word.title() if self.chance(0.1) else word

	def tag(self):
		"""A new tag; it goes among those in flight."""
		if self.tags and self.chance(0.05):
			tag = self.pick(self.tags)
		elif self.chance(0.03):
			tag = self.pick(ODD_TAGS)
		else:
			self.next_tag += 1
			tag = '%s%d' % (self.pick('aaaAX'), self.next_tag)
		self.tags.append(tag)
		return tag

	def take_tag(self, oldest=0.7):
		if not self.tags or self.chance(0.02):
			return self.pick(['zz', '', ' ', 'a0'] + BAD_TAGS[1:3] + ['y' * 64, 'y' * 65])
		return self.tags.pop(0 if self.chance(oldest) else self.random.randrange(len(self.tags)))

	def verb(self):
		return self.case(self.pick(ODD_VERBS if self.chance(0.05) else VERBS))

	def argument(self):
		return self.pick(['', '', ' INBOX', ' 1:* (FLAGS)', ' "a {5} b"', ' ~x', ' \\', ' x {3} y'])

	def line(self):
		return '%s %s%s%s' % (self.tag(), self.verb(), self.argument(), self.crlf())

	def bytes_of(self, size):
		"""What a literal holds, or what pretends to."""
		kind = self.random.random()
		if kind < 0.4:
			words = ['x', '\r\n', 'a1 NOOP\r\n', 'DONE\r\n', '* BAD\r\n', '{5}\r\n', '+ \r\n', '\x00', '\xff']
			if self.chance(0.05):
				words += ['b UNAUTHENTICATE\r\n', 'UNAUTHENTICATE ', ' UNAUTHENTICATE\x00', '\n']
			text = ''
			while len(text) < size:
				text += self.pick(words)
			return text[:size]
		return 'y' * size if kind < 0.8 else self.random.randbytes(size).decode('latin-1')

	def size(self):
		return self.pick(SIZES) if self.chance(0.98) else self.random.randrange(1000, 9000)

	def opening(self, size, sign=''):
		return '%s{%s%d%s}' % ('~' if self.chance(0.2) else '', '0' * (self.chance(0.1) * self.random.randrange(1, 20)), size, sign)

	def status(self):
		return self.pick(STATUSES) if self.chance(0.1) else self.pick(['OK', 'OK', 'OK', 'NO', 'BAD'])

	def tagged(self, tag, status=None):
		self.server('%s %s%s%s' % (tag, status or self.status(), self.pick(TEXTS), self.crlf()))

	def plus(self):
		self.server(self.pick(['+ go ahead', '+', '+ ', '+idling', '+ {3}', '+ idling', '+ OK\r']) + self.crlf())

	# ---- steps ----

	def commands(self):
		"""Some commands at once, and perhaps their answers."""
		n = self.pick([1, 1, 1, 2, 3, 5])
		self.client(''.join(self.line() for _ in range(n)))
		if self.chance(0.7):
			self.answers()

	def answers(self):
		for _ in range(self.pick([1, 1, 2, 5, 20])):
			if not self.tags and self.chance(0.9):
				return
			if self.chance(0.2):
				self.untagged()
			self.tagged(self.take_tag())

	def untagged(self):
		self.server(self.pick(UNTAGGED) + self.crlf())

	def data(self):
		"""A response with literals."""
		text = '* %d FETCH (X' % self.random.randrange(100)
		for _ in range(self.pick([1, 1, 1, 2, 4])):
			size = self.size()
			text += ' ' + self.opening(size, self.pick(['', '', '+', '-'])) + self.crlf() + self.bytes_of(size)
			text += self.pick(['', '', '', '+ x', '* BAD x', '* BYE', '* OK', '+', '%s OK' % self.pick(self.tags or ['a1'])])
		self.server(text + self.pick([')', '', ' {3', ' a1 OK']) + self.crlf())

	def piece(self, sign):
		size = self.size()
		return ' ' + self.opening(size, sign) + self.crlf(), self.bytes_of(size) if self.chance(0.95) else self.bytes_of(self.size())

	def literal_waiting(self):
		"""A command with synchronising literals; the client waits for the answer, or does not."""
		tag = self.tag() if self.chance(0.9) else self.pick(BAD_TAGS)
		opening, literal = self.piece('')
		self.client(tag + ' ' + self.case(self.pick(['APPEND', 'APPEND', 'LOGIN', 'SEARCH', 'XYZZY', 'UID FETCH', 'IDLE' if self.chance(self.fatal) else 'IDLED', 'COMPRESS', 'CATENATE'])) + ' box' + opening)
		is_patient = self.chance(0.7)
		for _ in range(4):
			more, next_literal = self.piece(self.pick(['', '', '+', '-' if self.chance(self.fatal) else ''])) if self.chance(0.3) else (self.crlf(), None)
			if not is_patient:
				self.client(literal + more)
			if self.chance(0.2):
				self.pick([self.untagged, self.bads, self.commands, self.data, self.junk])()
			if not self.literal_answered(tag):
				return
			if is_patient:
				self.client(literal + more)
			if next_literal is None:
				break
			literal = next_literal
		if self.chance(0.8):
			self.forget(tag)
			self.tagged(tag)

	def literal_answered(self, tag):
		"""Whether the client is told to go on."""
		if self.chance(0.7):
			self.plus()
			return True
		kind = self.pick(['tagged', 'tagged', 'bad', 'bad', 'bye', 'both', 'nothing'])
		if kind == 'bad' or kind == 'both':
			self.server(self.case('* BAD') + self.pick(['', ' too long', ' {3}']) + self.crlf())
		if kind == 'bye':
			self.server(self.case('* BYE') + self.crlf())
		if kind == 'tagged' or kind == 'both':
			self.forget(tag)
			self.tagged(tag, self.pick(['NO', 'BAD', 'OK']))
		return False

	def forget(self, tag):
		if tag in self.tags:
			self.tags.remove(tag)

	def literal_at_once(self):
		"""Commands with non-synchronising literals."""
		tag = self.tag()
		verb = self.pick(TAKERS) if self.chance(1 - self.fatal) else self.pick(ODD_VERBS)
		text = tag + ' ' + self.case(verb) + self.pick(['', ' x'])
		for _ in range(self.pick([1, 1, 2, 3])):
			opening, literal = self.piece('-' if self.chance(self.fatal / 2) else '+')
			text += opening + literal
		cut = self.random.randrange(len(text)) if self.chance(0.3) else len(text)
		self.client(text[:cut])
		if self.chance(0.1):
			self.bads()
		if cut < len(text):
			self.tagged(tag)
		self.client(text[cut:] + self.crlf())
		if self.chance(0.7):
			self.answers()

	def idle_line(self):
		return '%s %s%s%s' % (self.tag(), self.case('IDLE'), self.pick(['', '', '', ' x', ' ']), self.crlf())

	def done(self):
		return self.pick(['DONE', 'DONE', 'DONE', 'done', 'DONE ']) + self.crlf()

	def idle(self):
		"""As it should be."""
		self.client(self.idle_line())
		tag = self.tags[-1]
		self.plus()
		for _ in range(self.pick([0, 1, 3])):
			self.pick([self.untagged, self.data])()
		self.client(self.done())
		self.forget(tag)
		self.tagged(tag, self.pick(['OK', 'OK', 'NO']))

	def idle_twisted(self):
		"""IDLE's line, its end in two pieces, "+" and the tagged line: in any order, but each of the client's in its own."""
		line = self.idle_line()
		tag = self.tags[-1]
		end = self.idle_end()
		cut = self.random.randrange(len(end) + 1)
		mine = [line, end[:cut], end[cut:]]
		theirs = self.pick([['+'], ['+', tag], ['+', tag], [tag], [tag], [tag, '+'], ['+', '+', tag], []])
		self.client(mine.pop(0))
		while mine or theirs:
			if mine and (not theirs or self.chance(0.5)):
				self.client(mine.pop(0))
				continue
			word = theirs.pop(0)
			if word == '+':
				self.plus()
			else:
				self.forget(tag)
				self.tagged(tag)

	def idle_end(self):
		kind = self.random.random()
		if kind < 0.5:
			return self.done()
		if kind < 0.6:
			return self.line() if self.chance(self.fatal * 5) else self.crlf()
		if kind < 0.8:
			opening, literal = self.piece('' if self.chance(1 - self.fatal) else '+')
			return '%s %s%s%s%s' % (self.pick([self.tag(), self.pick(BAD_TAGS)]), self.verb(), opening, literal, self.crlf())
		if kind < 0.9:
			return self.pick(BAD_TAGS) + ' NOOP' + self.crlf()
		if self.chance(self.fatal):
			return self.pick(UNAUTHENTICATES) + self.crlf()
		return self.pick(LIKE_LITERALS + NEARLY_BROKEN + NOT_UNAUTHENTICATES[:2]) + self.crlf()

	def idles(self):
		"""Several in a row, without waiting."""
		n = self.pick([2, 2, 3, 6])
		tags = []
		text = ''
		for _ in range(n):
			text += self.idle_line() + (self.done() if self.chance(0.95) else self.idle_end())
			tags.append(self.tags[-1])
		self.client(text[:-self.random.randrange(9)] if self.chance(0.3) else text)
		for tag in tags:
			if self.chance(0.8):
				self.plus()
			if self.chance(0.2):
				self.pick([self.untagged, self.literal_waiting, self.junk, self.bads])()
			if self.chance(0.8):
				self.forget(tag)
				self.tagged(tag)

	def idle_held(self):
		"""A literal that the client would have sent behind an IDLE nobody has granted yet."""
		self.client(self.idle_line())
		idle = self.tags[-1]
		tag = self.tag() if self.chance(0.7) else self.pick(BAD_TAGS)
		opening, literal = self.piece('')
		self.client('%s %s%s' % (tag, self.pick(['APPEND', 'LOGIN', 'XYZZY', 'IDLE', 'COMPRESS']), opening))
		if self.chance(0.3):
			self.client(literal + self.crlf() + self.line())
		words = [idle, tag, '+', '+', '* BAD', '* BAD', '* BYE', '* OK']
		for _ in range(self.pick([1, 2, 3, 4, 6])):
			word = self.pick(words)
			if word in (idle, tag):
				words.remove(word)
				self.forget(word)
				self.tagged(word)
			else:
				self.server(word + self.pick(['', ' x']) + self.crlf())

	def owing(self):
		"""BADs that are owed, and what may pay them before a literal is refused."""
		for _ in range(self.pick([1, 1, 2, 3])):
			self.client(self.pick(['', 'DONE', 'a* NOOP', ' a NOOP']) + self.crlf())
		for _ in range(self.pick([0, 1, 1, 2])):
			self.pick([self.stranger, self.settle, self.bads, self.untagged, self.commands])()
		tag = self.tag() if self.chance(0.8) else self.pick(BAD_TAGS)
		self.client('%s APPEND {3}\r\n' % tag)
		for _ in range(self.pick([1, 2, 3, 4])):
			self.pick([self.bads, self.bads, self.bads, self.stranger, self.untagged])()
		if self.chance(0.7):
			self.forget(tag)
			self.tagged(tag)

	def crowd(self):
		"""About as many commands as are remembered, and then one that matters."""
		if self.chance(0.7):
			self.settle()
		while len(self.tags) < self.random.randrange(14, 20):
			self.client(self.line())
		tag = self.tag()
		kind = self.random.randrange(4)
		if kind == 0:
			verb = self.pick(['IDLE', 'COMPRESS DEFLATE', 'STARTTLS']) if self.chance(0.1 + self.fatal) else 'IDLED'
			self.client('%s %s\r\n' % (tag, self.case(verb)))
		elif kind == 1:
			self.client('%s APPEND {3}\r\n' % tag)
		else:
			self.client('%s LOGIN {3+}\r\nab' % tag)
		words = [tag, tag, tag, tag, '', 'zz', self.take_tag(), self.take_tag(0), self.take_tag(0)]
		for _ in range(self.random.randrange(6)):
			if self.chance(0.3):
				self.pick([self.plus, self.bads])()
			else:
				self.tagged(self.pick(words))
		if kind >= 2:
			self.client('c' + self.pick([' {2}', ' {2+}', '', ' {0}']) + self.crlf())
			for _ in range(self.random.randrange(6)):
				self.tagged(self.pick(words))
			if self.chance(0.8):
				self.plus()
				self.client('de\r\n')
		self.forget(tag)

	def flood(self):
		"""More commands than are remembered."""
		n = self.random.randrange(10, 51)
		text = ''.join(self.line() for _ in range(n))
		if self.chance(self.fatal * 3):
			text += self.pick([self.idle_line(), '%s COMPRESS DEFLATE\r\n' % self.tag(), '%s STARTTLS {3}\r\n' % self.tag()])
		self.client(text)
		if self.chance(0.5):
			self.pick([self.literal_waiting, self.literal_at_once, self.same_tags, self.idle])()
		for _ in range(self.random.randrange(n + 5)):
			self.tagged(self.take_tag(0.9))
		if self.chance(0.7):
			while self.tags:
				self.tagged(self.tags.pop(0))

	def junk(self):
		"""Lines that count for nothing, and the BADs they earn."""
		n = self.pick([1, 1, 1, 2, 3])
		for _ in range(n):
			kind = self.random.random()
			if kind < 0.3:
				text = ''
			elif kind < 0.5:
				text = 'DONE'
			elif kind < 0.9:
				text = '%s %s' % (self.pick(BAD_TAGS), self.verb())
			else:
				text = self.pick(['a', 'a ', 'a  NOOP', ' a NOOP', '\x00', '+', '*', '~{3} x', 'a\tNOOP', ' ', '\r'])
			self.client(text + self.crlf())
		for _ in range(self.pick([0, n, n, n + 1])):
			self.server('* BAD what?' + self.crlf())
		if self.chance(0.03):
			self.client('\r\n' * 300)
			self.literal_waiting()
			self.server('* BAD\r\n' * self.pick([254, 255, 256]))

	def bads(self):
		for _ in range(self.pick([1, 1, 2])):
			self.server(self.case(self.pick(['* BAD', '* BAD', '* BYE'])) + self.pick(['', ' x', ' {5}']) + self.crlf())

	def pluses(self):
		for _ in range(self.pick([1, 1, 2])):
			self.plus()

	def same_tags(self):
		"""One tag for several commands, IDLE perhaps among them."""
		tag = self.tag()
		lines = ['%s NOOP\r\n' % tag, '%s IDLE\r\nDONE\r\n' % tag, '%s APPEND {3}\r\nabc\r\n' % tag, '%s APPEND {3+}\r\nabc\r\n' % tag, '%s NOOP\r\n' % tag.swapcase()]
		n = self.pick([2, 3, 4])
		self.client(''.join(self.pick(lines) for _ in range(n)))
		for _ in range(n):
			self.tags.append(tag)
			if self.chance(0.4):
				self.plus()
			if self.chance(0.8):
				self.forget(tag)
				self.tagged(tag)

	def settle(self):
		"""All is answered, as far as anybody knows."""
		while self.tags:
			self.tagged(self.tags.pop(0), self.pick(['OK', 'NO', 'BAD']))

	def stranger(self):
		"""Answers nobody waits for."""
		self.tagged(self.pick(['zz', 'a0', '', 'y' * 64, 'y' * 65, 'y' * 3000, 'a1\x00', 'A1', '\xff'] + BAD_TAGS[1:6]))

	def odd_line(self):
		verb = self.pick(['APPEND', 'SEARCH', 'NOOP', 'UID FETCH', 'IDLE'])
		text = '%s %s%s%s' % (self.tag(), verb, self.pick([' ', ' ', '']), self.pick(LIKE_LITERALS))
		self.client(text + self.crlf())
		if self.chance(0.8):
			self.pick([self.plus, self.answers, self.bads])()

	def refusals(self):
		"""Literals one behind the other, each refused, with what the client sent too early behind them."""
		for _ in range(self.pick([1, 2, 3])):
			tag = self.tag()
			self.client('%s APPEND %s {3}\r\n' % (tag, self.pick(['x', '{3}'])) + (self.pick(['abc\r\n', 'b1 NOOP\r\n', '\r\n', '']) if self.chance(0.5) else ''))
			self.literal_answered(tag)
			if self.chance(0.5):
				self.forget(tag)
				self.tagged(tag, 'BAD')

	def long_lines(self):
		size = self.random.randrange(200, 6000)
		text = self.pick(['x', ' ', '{', '9', '\r', '\x00', 'ab ', '\xff', 'a {5} '])
		text = (text * size)[:size]
		ends = [' {2+}\r\nxy', '', '\r', '}', ' 1}', ' {3']
		start = self.pick(['%s SEARCH ' % self.tag(), '%s ' % self.tag(), '', '%s SEARCH {1+}\r\nx ' % self.tag()])
		if self.chance(0.5):
			self.client(start + text + self.pick(ends) + self.crlf())
		else:
			self.server(self.pick(['* 1 FETCH ', '* OK ', '', '+ ', '* X {1}\r\nx ']) + text + self.pick(ends) + self.crlf())

	def not_unauthenticate(self):
		self.client(self.pick(NOT_UNAUTHENTICATES) + self.crlf())
		if self.chance(0.5):
			self.bads()

	def not_quite_broken(self):
		if self.chance(0.5):
			self.client('%s SEARCH %s' % (self.tag(), self.pick(NEARLY_BROKEN)) + self.crlf())
		else:
			self.server(self.pick(['* 1 FETCH ', '* OK ', '+ ', 'zz ', '* 1 FETCH {1}\r\nx']) + self.pick([s for s in NEARLY_BROKEN if '65' not in s]) + self.crlf())
		if self.chance(0.6):
			self.pick([self.plus, self.answers])()

	def something_fatal(self):
		"""What ends the session or makes it opaque."""
		kind = self.random.randrange(6)
		if kind == 0:
			self.client((self.idle_line() if self.chance(0.4) else '') + self.pick(UNAUTHENTICATES) + self.crlf())
		elif kind == 1:
			tag = self.tag()
			self.client('%s %s\r\n' % (tag, self.case(self.pick(['COMPRESS DEFLATE', 'STARTTLS', 'COMPRESS']))))
			if self.chance(0.5):
				self.commands()
			self.forget(tag)
			self.tagged(tag, self.pick(STATUSES))
		elif kind == 2:
			self.client('%s SEARCH x%s' % (self.tag() if self.chance(0.8) else '*', self.pick(BROKEN_SIZES)) + self.crlf())
		elif kind == 3:
			self.server(self.pick(['* 1 FETCH ', '* OK ', '+ ', 'zz ', '* 1 FETCH {1}\r\nx']) + self.pick(BROKEN_SIZES) + self.crlf())
		elif kind == 4:
			opening, literal = self.piece('+')
			self.client('%s %s%s%s%s\r\n' % (self.tag(), self.pick(UNKNOWN_VERBS), self.pick([' x', ' ', '']), opening, literal))
		else:
			self.flood()
			self.client(self.idle_line())
			self.plus()

	# ---- the whole ----

	def session(self):
		if self.chance(0.15):
			self.soup()
		else:
			self.play()
		self.race()
		self.join()
		self.tear()
		self.damage()
		self.give_up()
		return b''.join(b'%s %d\n%s\n' % (way, len(data), data) for way, data in self.records if data or way == b'!')

	def give_up(self):
		"""literal-timeout strikes, now and then."""
		if self.chance(0.1):
			self.records.insert(self.random.randrange(len(self.records) + 1), [b'!', b''])

	def soup(self):
		"""Words of the trade in no order."""
		for _ in range(self.random.randrange(5, 60)):
			if self.chance(0.5):
				self.client(''.join(self.random.choices(CLIENT_SOUP, k=self.random.randrange(1, 9))))
			else:
				self.server(''.join(self.random.choices(SERVER_SOUP, k=self.random.randrange(1, 6))))

	def play(self):
		for _ in range(self.pick([5, 10, 20, 40])):
			if self.chance(self.fatal):
				self.something_fatal()
			if len(self.tags) > 12 and self.chance(0.5):
				self.settle()
			self.random.choices(self.steps, self.tastes)[0]()

	def race(self):
		"""The two directions know nothing of each other: neighbours change places."""
		p = self.pick([0, 0, 0.05, 0.3])
		for n in range(1, len(self.records)):
			one, two = self.records[n - 1:n + 1]
			if one[0] != two[0] and self.chance(p):
				self.records[n - 1:n + 1] = [two, one]

	def join(self):
		"""Records of one direction become one."""
		p = self.pick([0, 0.3, 0.7, 1])
		joined = self.records[:1]
		for record in self.records[1:]:
			if joined[-1][0] == record[0] and self.chance(p):
				joined[-1][1] += record[1]
			else:
				joined.append(record)
		self.records = joined

	def tear(self):
		"""Or many, with the other direction's between them."""
		p = self.pick([0, 0, 0.1, 0.5])
		torn = []
		for way, data in self.records:
			while len(data) > 1 and self.chance(p):
				cut = self.random.randrange(1, len(data))
				torn.append([way, data[:cut]])
				data = data[cut:]
				if self.chance(0.2):
					torn.append([b'<' if way == b'>' else b'>', self.pick([b'\r\n', b'* 1 EXISTS\r\n', b'x NOOP\r\n', b'+ \r\n', b'* BAD\r\n'])])
			torn.append([way, data])
		self.records = torn

	def damage(self):
		"""A few bytes change."""
		if self.chance(0.8):
			return
		for _ in range(self.pick([1, 2, 5])):
			record = self.pick(self.records)
			data = record[1]
			at = self.random.randrange(len(data) + 1)
			kind = self.random.randrange(4)
			if kind == 0:
				data = data[:at] + data[at + 1:]
			elif kind == 1:
				data = data[:at] + bytes([self.pick(b'\r\n {}+-~*0\x00\xff')]) + data[at:]
			elif kind == 2:
				data = data[:at] + bytes([self.pick(b'\r\n {}+-~*0\x00\xff')]) + data[at + 1:]
			else:
				data = data[:at] + data[at:at + 8] + data[at:]
			record[1] = data


def session(seed):
	return Generator(seed).session()


if __name__ == '__main__':
	if len(sys.argv) != 2:
		sys.exit('usage: generate.py SEED >RECORDING')
	sys.stdout.buffer.write(session(int(sys.argv[1])))
