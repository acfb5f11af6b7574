"""half_open - many clients that have said half a LOGIN line and then nothing: the load of t/e2e/0132-half-open-memory.sh.

	half_open.py ADDRESS COUNT SCRATCH [tls]

Each of COUNT connections waits for the greeting and sends half a line; they come from ten addresses of 127/8. Then SCRATCH/all-in is made, SCRATCH/measured
waited for, and every connection must still be there.
"""
import os
import resource
import select
import socket
import sys

import imapc

HALF_A_LINE = b'a LOGIN somebody@example.org "half a pass'
CHUNK = 200		# at once, so that no queue of accepted ones overflows


def open_chunk(address, n, first, context):
	wires = []
	for i in range(n):
		wires.append(imapc.connect(address, tls=context, source='127.0.0.%d' % (2 + (first + i) % 10)))
	for w in wires:
		if not w.line().startswith(b'* OK'):
			raise imapc.Surprise('not let in')
		w.send(HALF_A_LINE)
	return wires


def have_ended(wires):
	poll = select.poll()
	for w in wires:
		poll.register(w.sock, select.POLLIN | select.POLLHUP)
	return len(poll.poll(0))


def main():
	address, count, scratch = sys.argv[1], int(sys.argv[2]), sys.argv[3]
	context = imapc.client_context() if sys.argv[4:] == ['tls'] else None
	hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
	resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
	wires = []
	while len(wires) < count:
		wires += open_chunk(address, min(CHUNK, count - len(wires)), len(wires), context)
	open(scratch + '/all-in', 'w').close()
	imapc.wait_for_file(scratch + '/measured', 60)
	ended = have_ended(wires)
	if ended:
		raise imapc.Surprise('%d have ended' % ended)
	for w in wires:
		w.drop()


if __name__ == '__main__':
	main()
