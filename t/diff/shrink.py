#!/usr/bin/env python3
"""shrink.py - makes a recording of which the two accounts differ as small as it gets, still differing.

	shrink.py ACCOUNT [--strict] [--cut SEED] <RECORDING >SMALLER
"""
import argparse
import sys

import account
import compare


def recording(records):
	return b''.join(b'%s %d\n%s\n' % (way, len(data), data) for way, data in records)


def smaller_records(records):
	"""Without some records; with two made one."""
	n = len(records)
	size = n
	while size:
		for at in range(0, n, size):
			yield records[:at] + records[at + size:]
		size //= 2
	for at in range(1, n):
		if records[at - 1][0] == records[at][0]:
			yield records[:at - 1] + [(records[at][0], records[at - 1][1] + records[at][1])] + records[at + 1:]


def smaller_data(records):
	"""With fewer bytes in one record."""
	for n, (way, data) in enumerate(records):
		size = len(data) // 2
		while size:
			for at in range(0, len(data), size):
				yield records[:n] + [(way, data[:at] + data[at + size:])] + records[n + 1:]
			size //= 2


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument('account')
	parser.add_argument('--strict', action='store_true')
	parser.add_argument('--cut', type=int, default=0)
	arguments = parser.parse_args()

	def differs(records):
		data = recording(records)
		return compare.theirs(arguments.account, data, arguments.strict, arguments.cut) != account.account(data, arguments.strict)

	records = list(account.records(sys.stdin.buffer.read()))
	if not differs(records):
		sys.exit('they do not differ')
	while True:
		for ways in (smaller_records, smaller_data):
			smaller = next((one for one in ways(records) if differs(one)), None)
			if smaller:
				records = smaller
				break
		else:
			break
	sys.stdout.buffer.write(recording(records))


if __name__ == '__main__':
	main()
