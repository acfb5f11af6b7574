"""memory - looks for bytes in the memory of a process, as its owner's debugger would (root; the process may be undumpable).

	memory.py PID TEXT...

Each TEXT is looked for as it is, and as base64 would have it at each of the three places where it can begin. One line for each place where
one is found: "ADDRESS MAPPING: TEXT as it stands there". Status 0: nothing was found; 1: something was; 2: the memory cannot be read.
"""
import base64
import re
import sys

PIECE = 1 << 20
AROUND = 24


def forms(text):
	"""The bytes themselves, and of each base64 of them what does not depend on its neighbours."""
	yield text
	for before in range(3):
		whole = base64.b64encode(b'\0' * before + text)
		end = len(whole.rstrip(b'='))
		if (before + len(text)) % 3:
			end -= 1
		yield whole[(0, 2, 3)[before]:end]


def mappings(pid):
	for line in open('/proc/%d/maps' % pid):
		words = line.split()
		if words[1][0] == 'r' and words[-1] not in ('[vvar]', '[vsyscall]', '[vdso]'):
			low, high = (int(x, 16) for x in words[0].split('-'))
			yield low, high, words[5] if len(words) > 5 else 'anonymous'


def pieces(memory, low, high, overlap):
	"""(address, bytes); each begins with the last bytes of the one before."""
	tail = b''
	for at in range(low, high, PIECE):
		try:
			memory.seek(at)
			data = memory.read(min(PIECE, high - at))
		except (OSError, ValueError):
			tail = b''
			continue
		yield at - len(tail), tail + data
		tail = data[-overlap:]


def search(pid, texts):
	wanted = [f for t in texts for f in forms(t)]
	pattern = re.compile(b'|'.join(re.escape(w) for w in wanted))
	overlap = max(len(w) for w in wanted) - 1
	read = 0
	found = {}
	with open('/proc/%d/mem' % pid, 'rb', 0) as memory:
		for low, high, name in mappings(pid):
			for at, data in pieces(memory, low, high, overlap):
				read += len(data)
				for m in pattern.finditer(data):
					found[at + m.start()] = (name, data[max(0, m.start() - AROUND):m.end() + AROUND])
	if not read:
		raise OSError('no page of it can be read')
	return found


def main():
	try:
		found = search(int(sys.argv[1]), [t.encode() for t in sys.argv[2:]])
	except OSError as e:
		print('cannot read: %s' % e)
		return 2
	for at in sorted(found):
		print('%x %s: %r' % (at, *found[at]))
	return 1 if found else 0


if __name__ == '__main__':
	sys.exit(main())
