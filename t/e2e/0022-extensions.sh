#!/usr/bin/env bash
# SORT, THREAD, LIST with children, ACL and more: word for word the same answers through Sluice as from Dovecot directly.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END

cat >"$SCRATCH/fill.py" <<'END'
import sys, imapc
w = imapc.login(sys.argv[1], 'anna', sys.argv[2])
for box in ('work', 'work/plans', 'work/plans/"old ones"'.replace('"', ''), 'play'):
	w.good('CREATE "%s"' % box)
w.good('SETACL work berta lrs')
w.good('SUBSCRIBE work/plans')
for n, (subject, refers) in enumerate([('zebra', None), ('apple', None), ('Re: zebra', 0), ('mango', None), ('Re: apple', 1), ('{9}', None)]):
	head = 'From: p%d@example.org\r\nDate: Mon, 2 Mar 2026 1%d:00:00 +0000\r\nMessage-ID: <%d@x>\r\nSubject: %s\r\n' % (9 - n, n, n, subject)
	if refers is not None:
		head += 'In-Reply-To: <%d@x>\r\nReferences: <%d@x>\r\n' % (refers, refers)
	w.good('APPEND INBOX (\\Flagged)' if n % 2 else 'APPEND INBOX', (head + '\r\nbody {3}\r\nwith a brace %d\r\n' % n).encode())
w.good('SELECT INBOX')			# takes \Recent away
END
cat >"$SCRATCH/ask.py" <<'END'
import re, sys, imapc
w = imapc.login(sys.argv[1], 'anna', sys.argv[2], tls=len(sys.argv) > 3)
for command in [
	'CAPABILITY', 'NAMESPACE', 'ENABLE CONDSTORE QRESYNC',
	'LIST "" "*"', 'LIST (SUBSCRIBED) "" "*" RETURN (CHILDREN)', 'LIST "" "%" RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))', 'LSUB "" "*"',
	'GETACL work', 'MYRIGHTS work', 'LISTRIGHTS work carl', 'GETACL nowhere',
	'EXAMINE INBOX', 'SORT (SUBJECT) UTF-8 ALL', 'UID SORT RETURN (MIN MAX COUNT) (REVERSE FROM) UTF-8 ALL',
	'THREAD REFERENCES UTF-8 ALL', 'UID THREAD ORDEREDSUBJECT UTF-8 FLAGGED', 'SEARCH RETURN (ALL) SUBJECT a',
	'FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE)', 'FETCH 6 (BODY[HEADER.FIELDS (SUBJECT)] BODY[TEXT] BINARY[1])', 'FETCH 1:3 (SNIPPET)',
	'STATUS work (MESSAGES UIDVALIDITY HIGHESTMODSEQ)', 'FROBNICATE', 'UID FETCH 1:* (MODSEQ)', 'UNSELECT',
]:
	untagged, tagged = w.command(command)
	if 'LIST ""' in command:		# in whatever order the folder was read
		untagged.sort()
	for line in untagged + [tagged]:
		line = re.sub(rb' \(\d+\.\d+ \+ [\d. +]*secs\)', b'', line)
		sys.stdout.buffer.write(line + b'\n')
END
ok "a mailbox to ask about" "$PYTHON" "$SCRATCH/fill.py" "$(dovecot_address mb1)" "$PASSWORD"
"$PYTHON" "$SCRATCH/ask.py" "$(dovecot_address mb1)" "$PASSWORD" >"$SCRATCH/direct" 2>&1
"$PYTHON" "$SCRATCH/ask.py" "$(port imap)" "$PASSWORD" >"$SCRATCH/plain" 2>&1
"$PYTHON" "$SCRATCH/ask.py" "$(port imaps)" "$PASSWORD" tls >"$SCRATCH/tls-client" 2>&1
like "the direct answers are what they should be: sorting" "$(cat "$SCRATCH/direct")" '^\* SORT 2 5 4 1 3 6'
like "threads" "$(cat "$SCRATCH/direct")" '^\* THREAD \(1 3\)\(2 5\)'
like "children" "$(cat "$SCRATCH/direct")" '^\* LIST \(.*\\HasChildren.*\) "/" work'
like "rights" "$(cat "$SCRATCH/direct")" '^\* ACL work .*berta lrs'
ok "through Sluice they are the same" diff "$SCRATCH/direct" "$SCRATCH/plain"
ok "and over TLS" diff "$SCRATCH/direct" "$SCRATCH/tls-client"

done_testing
