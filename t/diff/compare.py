#!/usr/bin/env python3
"""compare.py - whether the C tracker's account of sessions is account.py's.

	compare.py ACCOUNT [--cuts N] RECORDING...		recordings
	compare.py ACCOUNT [--cuts N] --seeds FROM TO		generated sessions: seeds FROM, FROM + 1, ... TO - 1
	compare.py ACCOUNT [--cuts N] --rules			the sessions of test_account.py
	compare.py ACCOUNT --covers FROM TO			whether these sessions bring about what there is to be seen

Each is read as it is and in N different cuts, with --strict and without. Of a difference it prints where, and the first lines that differ; status 1.
"""
import argparse
import subprocess
import sys

import account
import generate
import test_account

SHOWN = 5		# differing sessions
WANTED = {'idle=1', 'holding=1', 'safe=1', 'end', 'opaque=compress', 'opaque=starttls', 'opaque=broken-size', 'opaque=too-many', 'opaque=unsure', 'opaque=no-answer', 'inflight=40'}


def theirs(program, recording, strict, cut):
	options = ['--strict'] * strict + (['--cut', str(cut)] if cut else [])
	run = subprocess.run([program] + options, input=recording, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	lines = run.stdout.decode('latin-1').splitlines()
	if run.returncode:
		lines.append('status %d: %s' % (run.returncode, run.stderr.decode('latin-1').strip()[-2000:]))
	return lines


def where(name, strict, cut):
	return name + ' --strict' * strict + (' --cut %d' % cut if cut else '')


def first_difference(recording, wanted, got):
	"""What was read last, and the two lines behind it."""
	records = list(account.records(recording))
	for n in range(max(len(wanted), len(got))):
		one = wanted[n] if n < len(wanted) else 'nothing'
		two = got[n] if n < len(got) else 'nothing'
		if one != two:
			way, data = records[n] if n < len(records) else (b'?', b'')
			return 'record %d: %s %r\n  account.py: %s\n  account:    %s' % (n + 1, way.decode(), data[-200:], one, two)
	return ''


def differs(program, name, recording, cuts):
	for strict in (False, True):
		wanted = account.account(recording, strict)
		for cut in range(cuts + 1):
			got = theirs(program, recording, strict, cut)
			if got != wanted:
				print('%s: %s' % (where(name, strict, cut), first_difference(recording, wanted, got)))
				return True
	return False


def sessions(arguments):
	for path in arguments.recording:
		with open(path, 'rb') as file:
			yield path, file.read()
	if arguments.rules:
		for name, steps in test_account.SESSIONS + test_account.STRICT:
			yield name, test_account.recording(steps)[0]
	if arguments.seeds:
		for seed in range(*arguments.seeds):
			yield 'generate.py %d' % seed, generate.session(seed)


def covers(first, last):
	missing = set(WANTED)
	for seed in range(first, last):
		for strict in (False, True):
			for line in account.account(generate.session(seed), strict):
				missing.difference_update(line.split())
	if missing:
		print('nothing in seeds %d to %d brought about: %s' % (first, last, ' '.join(sorted(missing))))
	return not missing


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument('account')
	parser.add_argument('--cuts', type=int, default=3)
	parser.add_argument('--seeds', type=int, nargs=2)
	parser.add_argument('--rules', action='store_true')
	parser.add_argument('--covers', type=int, nargs=2)
	parser.add_argument('recording', nargs='*')
	arguments = parser.parse_intermixed_args()
	if arguments.covers:
		sys.exit(not covers(*arguments.covers))
	n = different = 0
	for name, recording in sessions(arguments):
		n += 1
		different += differs(arguments.account, name, recording, arguments.cuts)
		if different == SHOWN:
			break
	print('%d sessions, %d differ' % (n, different))
	sys.exit(different > 0 or n == 0)


if __name__ == '__main__':
	main()
