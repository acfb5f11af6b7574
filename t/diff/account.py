#!/usr/bin/env python3
"""account.py - what the tracker ought to say of a recorded session: a second, plain implementation of doc/TRACKER.

	account.py [--strict] <RECORDING

It prints what t/diff/account (the C tracker) prints, a line a record. It was written from doc/TRACKER alone, not from the tracker, and should stay
so: where the two differ, doc/TRACKER decides which is wrong. Plainness before speed: a line is looked at when it is whole.
Numbers in brackets are doc/TRACKER's.
"""
import re
import sys

REMEMBERED = 16			# [6]
MOST_OWED = 255			# [4]
MOST_BITS = 64			# [1]
LAST_BYTES = 32			# [1]

# [4] a tag is 1 to 64 of 0x21-0x7e but ( ) { % * " \ +; a verb is anything but spaces
COMMAND = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,64}) ([^ ]+)(?: (.*))?', re.DOTALL)
LITERAL = re.compile(rb'.*\{([0-9]+)([+-]?)\}', re.DOTALL)		# [1]
TOO_MANY_DIGITS = re.compile(rb'[0-9]+[+-]?\}\r?')			# [1]
TEXT = re.compile(rb'\* (OK|NO|BAD|BYE|PREAUTH)( .*)?', re.DOTALL | re.IGNORECASE)	# [2]

# [17] verbs whose non-synchronising literals are literals
TAKERS = set('''AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND SEARCH FETCH STORE COPY ID ENABLE MOVE
XLIST SORT THREAD GETQUOTA GETQUOTAROOT SETQUOTA GETACL SETACL DELETEACL LISTRIGHTS MYRIGHTS GETMETADATA SETMETADATA NOTIFY ESEARCH REPLACE GENURLAUTH RESETKEY
URLFETCH LANGUAGE COMPARATOR CONVERT CANCELUPDATE'''.split())
TAKERS |= {'UID ' + verb for verb in ('COPY', 'FETCH', 'STORE', 'SEARCH', 'MOVE', 'SORT', 'THREAD', 'EXPUNGE', 'REPLACE')}

# [21] the second word, or the third behind UID, and the byte that ends it
UNAUTHENTICATE = re.compile(rb'[\x00-\x20]*[^\x00-\x20]+[\x00-\x20]+(UID[\x00-\x20]+)?UNAUTHENTICATE[\x00-\x20]', re.IGNORECASE)

ENDS_IMAP = ('COMPRESS', 'STARTTLS')		# [19]
BROKEN = 'broken'		# a literal's size that nobody can count up to


class End(Exception):
	"""The session must end."""


def line_text(line):
	"""A whole line without its end [1]."""
	return line[:-2] if line.endswith(b'\r\n') else line[:-1]


def announced(line):
	"""The literal that a whole line announces: (its size, the sign behind it), BROKEN, or None [1]."""
	last = line[:-1][-LAST_BYTES:]
	if len(last) == LAST_BYTES and TOO_MANY_DIGITS.fullmatch(last):
		return BROKEN
	literal = LITERAL.fullmatch(line_text(line))
	if not literal:
		return None
	size = int(literal[1])
	if size.bit_length() > MOST_BITS:
		return BROKEN
	return size, literal[2]


def upper(word):
	return word.decode('latin-1').upper() if word.isascii() else ''


def verb(word):
	"""It ends at a CR, too [8]."""
	return upper(word.split(b'\r')[0])


class Command:
	"""A line that begins a command, counted or not [4]."""

	def __init__(self, line):
		self.counts = False
		self.word = line_text(line).split(b' ')[0]	# [14]
		self.tag = None
		self.verb = ''
		self.is_rest = False		# [6]
		self.is_over = False		# it got its tagged line [16]
		self.is_idle = False		# [9]
		self.is_granted = False		# [11]
		self.end = None			# an IDLE's end, once it was seen whole [10]: a Command that was never one
		match = COMMAND.fullmatch(line_text(line))
		if match:
			self.counts = True
			self.tag = match[1]
			self.verb = verb(match[2])
			if match[2].upper() == b'UID':
				self.verb += ' ' + verb((match[3] or b'').split(b' ')[0])


class Tracker:
	def __init__(self, strict=False):
		self.strict = strict
		self.commands = self.answered = 0
		self.asked = self.granted = self.ended = 0
		self.passed = 0
		self.opaque = None
		self.in_flight = []		# those remembered, oldest first [6]
		self.rest = 0			# those that are not
		self.owed = 0			# untagged BADs [4]

		self.client = b''		# bytes that came and could not go on
		self.line = b''			# the client's line under way; its bytes have gone on
		self.word = b''			# the word that the client has sent last, as far as it matters [21]
		self.is_word_whole = False	# a byte that ends it has come, too
		self.literal = 0		# bytes of the client's literal still to come
		self.command = None		# the command under way
		self.held = None		# the Command whose literal is held back [14], or the end of an IDLE [13]
		self.held_size = 0
		self.held_idle = None		# the IDLE that the held line may be the end of
		self.ending = None		# the IDLE whose end the next line is [10]

		self.server_line = b''
		self.server_literal = 0
		self.is_response = True		# whether the server's next line is a response's first

	# ---- the client ----

	def client_bytes(self, data):
		self.client += data
		self.go_on()

	def go_on(self):
		while self.client and not self.held:
			if self.opaque:
				self.let_pass(len(self.client), is_blind=True)
			elif self.literal:
				self.literal -= len(self.let_pass(min(self.literal, len(self.client)), is_blind=True))
			else:
				self.read_line()

	def let_pass(self, n, is_blind=False):
		gone, self.client = self.client[:n], self.client[n:]
		self.passed += len(gone)
		if self.strict:
			self.look_for_words(gone, is_blind)
		return gone

	def look_for_words(self, data, is_blind):
		"""Any word UNAUTHENTICATE; where lines cannot be told, if only what is no word stands between it and an LF [21]."""
		for byte in data:
			if byte > 0x20:
				self.word = b'' if self.is_word_whole else self.word[:15]
				self.word += bytes([byte])
				self.is_word_whole = False
				continue
			if self.word.upper() == b'UNAUTHENTICATE' and (byte == 10 or not is_blind and not self.is_word_whole):
				raise End
			self.is_word_whole = True

	def read_line(self):
		at = self.client.find(b'\n')
		self.line += self.let_pass(at + 1 if at >= 0 else len(self.client))
		if not self.command and UNAUTHENTICATE.match(self.line):
			raise End			# [21]
		if at < 0:
			return
		line, self.line = self.line, b''
		if self.command:
			self.literal_or_end(self.command, announced(line))
		elif self.ending:
			self.idle_end(line)
		else:
			self.first_line(line)

	def first_line(self, line):
		command = Command(line)
		literal = announced(line)
		self.begin(command, asks_for_idle=command.verb == 'IDLE' and literal is None)
		if not self.opaque:
			self.literal_or_end(command, literal)

	def begin(self, command, asks_for_idle=False):
		"""A command's first line is whole [4] [5] [6] [9]."""
		if not command.counts:
			self.owe()
			return
		self.commands += 1
		command.is_rest = len(self.in_flight) == REMEMBERED or self.rest > 0
		if command.is_rest and (asks_for_idle or command.verb in ENDS_IMAP):	# [9] [19]
			self.lose('too-many', by_client=True)
		elif command.is_rest:
			self.rest += 1
		else:
			self.in_flight.append(command)
			command.is_idle = asks_for_idle
			if asks_for_idle:
				self.asked += 1
				self.ending = command

	def owe(self):
		self.owed = min(self.owed + 1, MOST_OWED)

	def literal_or_end(self, command, literal):
		"""A line of a command is whole; here the command goes on or ends [3] [14] [17] [18]."""
		self.command = None
		if literal is None:
			return
		if literal == BROKEN:
			self.lose('broken-size', by_client=True)
			return
		size, sign = literal
		if command.verb == 'IDLE':
			self.lose('unsure', by_client=True)
		elif not sign:
			self.hold(command, size)
		elif command.verb in TAKERS and sign == b'+':
			self.command = command
			self.literal = size
		else:
			self.lose('unsure', by_client=True)

	def hold(self, command, size, idle=None):
		self.held = command
		self.held_size = size
		self.held_idle = idle

	def idle_end(self, line):
		"""The line behind one that asked for IDLE [10] [13]."""
		idle, self.ending = self.ending, None
		idle.end = Command(line)
		literal = announced(line)
		if idle.is_granted or literal is None:
			return
		if literal == BROKEN:
			self.lose('broken-size', by_client=True)
		elif literal[1]:
			self.lose('unsure', by_client=True)
		else:
			self.hold(idle.end, literal[0], idle)

	def lose(self, why, by_client):
		"""Becomes opaque [20], or ends [21]."""
		if by_client and self.strict:
			raise End
		self.opaque = why
		self.in_flight = []
		self.rest = 0
		self.command = self.held = self.ending = None

	def time_is_up(self):
		"""literal-timeout [14]."""
		if self.held:
			self.lose('no-answer', by_client=True)
			self.go_on()

	# ---- the server ----

	def server_bytes(self, data):
		"""All of them go on. What was held meanwhile goes on behind them: go_on()."""
		while data and not self.opaque:
			if self.server_literal:
				gone, data = data[:self.server_literal], data[self.server_literal:]
				self.server_literal -= len(gone)
				continue
			at = data.find(b'\n')
			taken = at + 1 if at >= 0 else len(data)
			self.server_line += data[:taken]
			data = data[taken:]
			if at >= 0:
				line, self.server_line = self.server_line, b''
				self.response_line(line)

	def response_line(self, line):
		is_first, self.is_response = self.is_response, True
		if is_first and line.startswith(b'+'):
			self.plus()
		elif is_first and not line.startswith(b'*'):
			self.tagged(line_text(line))
		elif is_first and TEXT.fullmatch(line_text(line)):
			self.untagged(upper(TEXT.fullmatch(line_text(line))[1]))
		else:
			self.data(announced(line))

	def data(self, literal):
		if literal == BROKEN:
			self.lose('broken-size', by_client=False)
		elif literal:
			self.server_literal = literal[0]
			self.is_response = False

	def plus(self):
		"""It belongs to the oldest that waits for one [15]."""
		for command in self.in_flight:
			if command.is_idle and not command.is_granted:
				self.grant(command)
				return
		if self.held:
			self.command, self.held = self.held, None
			self.literal = self.held_size

	def grant(self, idle):
		idle.is_granted = True
		self.granted += 1
		if self.held and self.held_idle is idle:	# [13]
			self.held = None

	def untagged(self, word):
		is_refusable = self.held and not self.held_idle		# [13]
		if is_refusable and (word == 'BYE' or word == 'BAD' and (not self.held.counts or self.owed == 0)):	# [14]
			self.held = None
		elif word == 'BAD' and self.owed:
			self.owed -= 1

	def tagged(self, text):
		tag, _, rest = text.partition(b' ')
		status = upper(rest.split(b' ')[0])
		command = self.answered_by(tag)
		if command:
			self.answered += 1
			self.in_flight.remove(command)
		elif not self.ends_rest(tag, status) and self.strict and tag and status == 'OK':
			raise End			# [21]
		if not self.in_flight and not self.rest:
			self.owed = 0			# [4]
		if command:
			self.end_command(command, status == 'OK')

	def ends_rest(self, tag, status):
		"""Of none that is remembered: whether it ends one of the rest [7] [14]."""
		if self.is_of_uncounted(tag):
			self.held = None
			self.owed -= self.owed > 0
			return False
		if self.is_of_the_rest_under_way(tag):
			(self.command or self.held).is_over = True	# [14] [16]
			self.held = None
		elif tag and status == 'BAD' and self.owed:
			self.owed -= 1
			return False
		if not self.rest:
			return False
		self.answered += 1
		self.rest -= 1
		return True

	def is_of_uncounted(self, tag):
		"""Whether what is held counts for nothing, and this answers it [14]."""
		if not self.held or self.held_idle or self.held.counts:
			return False
		return not self.held.word or self.held.word == tag

	def answered_by(self, tag):
		"""The remembered command that a tagged line ends [7]."""
		for command in self.in_flight:
			if command.tag == tag:
				return command
		return None

	def is_of_the_rest_under_way(self, tag):
		"""Whether a tagged line is that of the command under way, which is one of the rest [14]."""
		command = self.command or self.held
		return command and command.is_rest and not command.is_over and command.tag == tag

	def end_command(self, command, is_ok):
		if command.verb in ENDS_IMAP and is_ok:
			self.lose(command.verb.lower(), by_client=True)	# [19]
		elif command.is_idle:
			self.end_idle(command)
		elif command is self.held:
			self.held = None

	def end_idle(self, idle):
		"""[12] [13]"""
		self.ended += 1
		if self.ending is idle:
			self.ending = None
		if idle.is_granted or not idle.end:
			return
		if self.held and self.held_idle is idle:
			self.held_idle = None
			self.begin(idle.end)
			if idle.end.verb == 'IDLE':
				self.lose('unsure', by_client=True)	# [18]
		elif idle.end.counts:
			self.lose('unsure', by_client=True)
		else:
			self.owe()

	# ---- what is known ----

	def is_idle(self):
		return self.ending is not None and self.ending.is_granted and not self.line

	def is_safe(self):
		"""[22]"""
		if self.opaque or self.held or self.line or self.server_line or self.command or self.literal or self.server_literal:
			return False
		if not self.is_response:
			return False
		n = len(self.in_flight) + self.rest
		return n == 0 or n == 1 and self.is_idle()

	def account(self):
		return ('commands=%d answered=%d inflight=%d idle=%d asked=%d granted=%d ended=%d holding=%d passed=%d safe=%d opaque=%s' %
			(self.commands, self.answered, len(self.in_flight) + self.rest, self.is_idle(), self.asked, self.granted, self.ended,
			self.held is not None, self.passed, self.is_safe(), self.opaque or '-'))


def records(recording):
	"""(b'>', b'<' or b'!', bytes) of each record."""
	at = 0
	while at < len(recording):
		end = recording.index(b'\n', at)
		way, size = recording[at:end].split(b' ')
		at = end + 1 + int(size)
		if way not in (b'>', b'<', b'!') or recording[at:at + 1] != b'\n':
			raise ValueError('not a recording: a record before byte %d' % at)
		yield way, recording[end + 1:at]
		at += 1


def account(recording, strict=False):
	"""The lines that belong to a recording."""
	tracker = Tracker(strict)
	lines = []
	try:
		for way, data in records(recording):
			if way == b'>':
				tracker.client_bytes(data)
			elif way == b'<':
				tracker.server_bytes(data)
				tracker.go_on()
			else:
				tracker.time_is_up()
			lines.append(tracker.account())
	except End:
		lines.append('end')
	return lines


def main():
	strict = sys.argv[1:] == ['--strict']
	if sys.argv[1:] and not strict:
		sys.exit('usage: account.py [--strict] <RECORDING')
	for line in account(sys.stdin.buffer.read(), strict):
		print(line)


if __name__ == '__main__':
	main()
