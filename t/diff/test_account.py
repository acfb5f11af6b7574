#!/usr/bin/env python3
"""test_account.py - account.py, rule by rule of doc/TRACKER: small sessions with what is to be said of them written by hand. TAP.

A session is a list of records and expectations: '> ...', '< ...' and '! ' are records, anything else is fields that the last line must have ("end":
the session must end there). The number of a rule starts each name.
"""
import sys

import account

SIXTEEN = ''.join('t%d NOOP\r\n' % i for i in range(16))

TAKERS = '''AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND SEARCH FETCH STORE COPY UID,COPY UID,FETCH UID,STORE
UID,SEARCH ID ENABLE MOVE UID,MOVE XLIST SORT THREAD UID,SORT UID,THREAD UID,EXPUNGE GETQUOTA GETQUOTAROOT SETQUOTA GETACL SETACL DELETEACL LISTRIGHTS MYRIGHTS
GETMETADATA SETMETADATA NOTIFY ESEARCH REPLACE UID,REPLACE GENURLAUTH RESETKEY URLFETCH LANGUAGE COMPARATOR CONVERT CANCELUPDATE'''.split()

OTHERS = '''CAPABILITY NOOP LOGOUT STARTTLS CHECK CLOSE EXPUNGE IDLE COMPRESS NAMESPACE UNSELECT UID,NOOP UID XYZZY'''.split()

SESSIONS = [
	('1: a line ends at LF, a CR before it is its end, any other is text', [
		'> a NOOP\n', 'commands=1', '> b NO\rOP\r\n', 'commands=2', '> c X {5}\r\r\n', 'commands=3 holding=0',
		'> d NOOP\r', 'commands=3 passed=33', '> \n', 'commands=4']),
	('1: {n} {n+} and ~{n} announce a literal', [
		'> a APPEND x {3+}\r\nxyz {2+}\nab ~{4+}\r\n', 'commands=1 holding=0', '> wxyz\r\n', 'safe=0', '> b APPEND x ~{1}\r\n', 'holding=1 commands=2']),
	('1: what is not quite so announces none', [
		'> a APPEND x {3+} \r\n', 'commands=1', '> b APPEND x {}\r\nc APPEND {x}\r\nd APPEND {-3}\r\ne APPEND {3+-}\r\nf APPEND 3}\r\n', 'commands=6 holding=0',
		'> g APPEND {+3}\r\nh APPEND {3 }\r\ni APPEND {3\r\nj APPEND {3}}\r\nk APPEND {{1}\r\n', 'commands=11 holding=1']),
	('1: 64 bits are the most, and zeros lead as many as they like', [
		'> a APPEND {0000000000000000003+}\r\nxyz\r\n', 'commands=1 holding=0 opaque=-', '< a OK\r\n', 'safe=1',
		'> b APPEND {18446744073709551615+}\r\n', 'opaque=-']),
	('1: more makes it opaque', ['> b APPEND {18446744073709551616+}\r\n', 'commands=1 opaque=broken-size inflight=0', '> xyz', 'passed=37 safe=0']),
	('1: so do too many digits', [
		'> a APPEND {0000000000000000000000000000003}\r\n', 'opaque=broken-size']),
	('1: 29 digits with their braces and CR are 32 bytes, and a literal', ['> a APPEND {' + '3'.zfill(29) + '}\r\n', 'opaque=- holding=1']),
	('1: 30 digits with their braces and CR are too many', ['> a APPEND {' + '3'.zfill(30) + '}\r\n', 'opaque=broken-size']),
	('1: 30 digits with their braces and no CR are not', ['> a APPEND {' + '3'.zfill(30) + '}\n', 'opaque=- holding=1']),
	('1: digits without an end are just digits', ['> a SEARCH ' + '1' * 40 + '\r\n', 'opaque=- commands=1']),
	('1: 64 bits are the most of a server, too', ['< * 1 FETCH (X {18446744073709551616}\r\n', 'opaque=broken-size']),
	('2: text announces no literal', [
		'< * OK {5}\r\n* no {5}\r\n* BaD {5}\r\n* BYE {5}\r\n* PREAUTH {5}\r\n+ {3}\r\na1 OK {4}\r\n', 'safe=1',
		'< * OK {99999999999999999999}\r\n', 'opaque=- safe=1', '< * OKAY {3}\r\n', 'safe=0', '< ab\n', 'safe=0', '< \r\n', 'safe=1']),
	('2: what follows a literal may announce more, and is no text', [
		'< * LIST () "/" {3}\r\nabc {2}\r\n+ {1}\r\nx\r\n', 'safe=1']),
	('3: a response goes on behind its literal', [
		'> a NOOP\r\n', 'inflight=1', '< * 1 FETCH (BODY[] {6}\r\na OK\r\na OK x\r\n', 'inflight=1', '< a OK x\r\n', 'inflight=0 answered=1 safe=1']),
	('4: only a tag, one space and a verb count', [
		'> \r\n', 'commands=0', '> DONE\r\n', 'commands=0', '>  a NOOP\r\n', 'commands=0', '> a  NOOP\r\n', 'commands=0', '> a \r\n', 'commands=0',
		'> a\r\n', 'commands=0', '> a+b NOOP\r\na*b NOOP\r\na(b NOOP\r\na"b NOOP\r\na\\b NOOP\r\na%b NOOP\r\na{b NOOP\r\na)b NOOP\r\n', 'commands=0',
		'> a\x7f NOOP\r\n\xe4 NOOP\r\na\tb NOOP\r\n', 'commands=0', '> a]b} NOOP\r\n', 'commands=1', '> a \x00\xff\x09\r\n', 'commands=2']),
	('4: a tag has 64 bytes at most', ['> ' + 'a' * 64 + ' NOOP\r\n', 'commands=1', '> ' + 'a' * 65 + ' NOOP\r\n', 'commands=1']),
	('4: the verb may end the line', ['> a NOOP\n', 'commands=1', '> b {3}\r\n', 'commands=2 holding=1']),
	('4: BADs owed are forgotten when a tagged line leaves nothing in flight', [
		'> \r\na NOOP\r\n', 'inflight=1', '< a OK\r\n', 'inflight=0', '> b APPEND {3}\r\n', 'holding=1', '< * BAD\r\n', 'holding=0 inflight=1']),
	('4: they are counted up to 255', [
		'> ' + '\r\n' * 300 + 'a APPEND {3}\r\n', 'holding=1', '< ' + '* BAD\r\n' * 255, 'holding=1', '< * BAD\r\n', 'holding=0']),
	('4: even behind a tagged line that means nothing', ['> \r\n', 'safe=1', '< x OK\r\n', 'answered=0', '> b APPEND {3}\r\n', 'holding=1', '< * BAD\r\n', 'holding=0']),
	('5: a command is in flight from its first line on', [
		'> a APPEND x {1+}', 'commands=0 inflight=0 safe=0', '> \r\n', 'commands=1 inflight=1', '< a OK\r\n', 'answered=1 inflight=0 safe=0', '> z', 'safe=0',
		'> \r\n', 'safe=1 passed=20']),
	('6: sixteen are remembered, and none more until the rest is gone', [
		'> ' + SIXTEEN + 'a NOOP\r\n', 'inflight=17', '< t0 OK\r\n', 'inflight=16 answered=1', '> b NOOP\r\n', 'inflight=17',
		'< b OK\r\nb OK\r\n', 'inflight=15 answered=3', '< b OK\r\n', 'inflight=15 answered=3', '> b NOOP\r\n', 'inflight=16', '< c OK\r\n', 'inflight=16']),
	('7: a tagged line ends the oldest of its tag', [
		'> a NOOP\r\na IDLE\r\n', 'inflight=2 asked=1', '< a OK\r\n', 'inflight=1 ended=0', '< + go\r\na OK\r\n', 'inflight=0 granted=1 ended=1']),
	('7: a tagged line of no command means nothing', ['> a NOOP\r\n', 'inflight=1', '< b OK\r\n\r\nA OK\r\n OK\r\n', 'inflight=1 answered=0', '< a\r\n', 'inflight=0']),
	('7: with a rest, it ends one of it', ['> ' + SIXTEEN + 'a NOOP\r\n', 'inflight=17', '< ' + 'x' * 65 + ' OK\r\n', 'inflight=16 answered=1']),
	('7: a blank line of the server ends one of the rest, and nothing else', ['> ' + SIXTEEN + 'a NOOP\r\n', 'inflight=17', '< \r\n', 'inflight=16', '< \r\n', 'inflight=16']),
	('8: verbs are known in any case', ['> a uId feTch {3+}\r\nabc\r\n', 'opaque=-', '> b UID NOOP {3+}\r\n', 'opaque=unsure']),
	('8: UID is known with the one word behind it', ['> b UID  FETCH {3+}\r\n', 'opaque=unsure']),
	('8: a verb ends at a CR', ['> a idle\rx\r\n', 'asked=1', '< +\r\na BAD\r\n', 'safe=1', '> b UID FETCH\r\r {1+}\r\nx\r\n', 'commands=2 opaque=-']),
	('8: but it does not begin with one, nor is UID one then', ['> a \rIDLE\r\nb UID\r FETCH\r\n', 'commands=2 asked=0', '> c UID\r FETCH {1+}\r\n', 'opaque=unsure']),
	('9: IDLE is asked for', [
		'> a idle\r\n', 'asked=1 granted=0 idle=0 safe=0', '< + idling\r\n', 'granted=1 idle=1 safe=1', '< * 1 EXISTS\r\n* 2 EX', 'idle=1 safe=0',
		'< PUNGE\r\n', 'safe=1', '> D', 'idle=0 safe=0', '> ONE\r\n', 'idle=0 safe=0', '< a OK\r\n', 'ended=1 inflight=0 safe=1 commands=1']),
	('18: not in an IDLE, whatever the literal', ['> a IDLE {3}\r\nabc', 'asked=0 commands=1 opaque=unsure passed=15']),
	('18: nor behind its CR', ['> a IDLE\r {3+}\r\n', 'opaque=unsure']),
	('18: nor in one that would have ended another IDLE', ['> a IDLE\r\nb IDLE {3}\r\n', 'holding=1', '< a NO\r\n', 'commands=2 asked=1 opaque=unsure']),
	('9: as one of the rest it makes the session opaque', ['> ' + SIXTEEN + 'a IDLE\r\n', 'opaque=too-many commands=17 asked=0 inflight=0']),
	('9: one of the sixteen does not', ['> ' + SIXTEEN[:-len('t15 NOOP\r\n')] + 'a IDLE\r\n', 'opaque=- asked=1 inflight=16']),
	('9: several wait for their "+"', [
		'> a IDLE\r\nDONE\r\nb IDLE\r\n', 'asked=2 inflight=2', '< +\r\n', 'granted=1 idle=0', '< a OK\r\n+\r\n', 'granted=2 ended=1 idle=1 safe=1']),
	('10: the next line is the end of IDLE, whatever it says', [
		'> a IDLE\r\nb NOOP\r\nc NOOP\r\n', 'commands=2 inflight=2', '< +\r\na OK\r\n', 'inflight=1',
		'> d APPEND {3}\r\n', 'holding=1', '< * BAD\r\n', 'holding=0']),
	('11: "+" grants, a tagged line ends', ['> a IDLE\r\n', 'asked=1', '< + x\r\na BAD\r\n', 'granted=1 ended=1 inflight=0 safe=1']),
	('12: refused, and nothing of the next line seen', [
		'> a IDLE\r\n', 'asked=1', '< a NO\r\n', 'ended=1 granted=0 inflight=0 safe=1', '> b NOOP\r\n', 'commands=2']),
	('12: refused, and a part of the next line seen', [
		'> a IDLE\r\nb NO', 'asked=1', '< a NO\r\n', 'ended=1 safe=0', '> OP\r\n', 'commands=2 inflight=1']),
	('12: refused, and a command seen whole', ['> a IDLE\r\nb NOOP\r\n', 'asked=1', '< a NO\r\n', 'ended=1 opaque=unsure commands=1']),
	('12: refused, and DONE seen whole: a BAD is owed', [
		'> a IDLE\r\nDONE\r\n', 'asked=1', '< a NO\r\n', 'ended=1 opaque=- safe=1',
		'> b APPEND {3}\r\n', 'holding=1', '< * BAD\r\n', 'holding=1', '< * BAD\r\n', 'holding=0']),
	('12: granted, and over before the next line: that is an ordinary one', [
		'> a IDLE\r\n', 'asked=1', '< +\r\na OK\r\n', 'ended=1 safe=1', '> b NOOP\r\n', 'commands=2']),
	('12: the same when a part of it was seen', ['> a IDLE\r\nb NO', 'asked=1', '< +\r\na OK\r\n', 'ended=1', '> OP\r\n', 'commands=2']),
	('12: a line seen whole while granted stays nothing', ['> a IDLE\r\n', 'asked=1', '< +\r\n', 'idle=1', '> b NOOP\r\n', 'commands=1', '< a OK\r\n', 'opaque=- safe=1']),
	('13: granted, its end announces nothing', [
		'> a IDLE\r\n', 'asked=1', '< +\r\n', 'granted=1', '> b APPEND {3+}\r\nc NOOP\r\n', 'commands=2 opaque=-', '< a OK\r\nc OK\r\n', 'safe=1']),
	('13: asked, a non-synchronising literal in its end makes opaque', ['> a IDLE\r\nb APPEND {3+}\r\n', 'opaque=unsure']),
	('13: asked, a synchronising one is held; "+" is the IDLE\'s', [
		'> a IDLE\r\nb APPEND {3}\r\nc NOOP\r\n', 'holding=1 commands=1 passed=22', '< + go\r\n', 'granted=1 holding=0 commands=2 passed=30 inflight=2']),
	('13: and a tagged line makes it a command, held for its own', [
		'> a IDLE\r\nb APPEND {3}\r\nabc\r\n', 'holding=1', '< a NO\r\n', 'ended=1 holding=1 commands=2 inflight=1', '< +\r\n', 'holding=0 passed=27',
		'< b OK\r\n', 'inflight=0 safe=1']),
	('13: nothing else ends that hold', [
		'> a IDLE\r\nb APPEND {3}\r\nc NOOP\r\n', 'holding=1 commands=1 passed=22', '< * BYE\r\n* BAD\r\nb OK\r\n', 'holding=1', '< a NO\r\n', 'holding=1',
		'< * BAD\r\n', 'holding=0 inflight=2']),
	('13: a bad one is owed for, and held until any BAD', [
		'> a IDLE\r\n\x01 APPEND {3}\r\nc NOOP\r\n', 'holding=1', '< * BAD\r\n', 'holding=1', '< a NO\r\n', 'holding=1 commands=1', '< * BAD\r\n', 'holding=0 commands=2']),
	('13: a size too large is nothing when IDLE is granted', ['> a IDLE\r\n', 'asked=1', '< +\r\n', 'idle=1', '> x {99999999999999999999}\r\n', 'opaque=-']),
	('13: and makes opaque when it is asked', ['> a IDLE\r\nx {99999999999999999999}\r\n', 'opaque=broken-size']),
	('14: held until the "+"', [
		'> a APPEND x {3}\r\nabc\r\nb NOOP\r\n', 'holding=1 passed=16 commands=1 safe=0', '< * OK {3}\r\n* 1 EXISTS\r\nx OK\r\n', 'holding=1',
		'< + go\r\n', 'holding=0 passed=29 commands=2']),
	('14: {0} is held, too', ['> a APPEND x {0}\r\n\r\nb NOOP\r\n', 'holding=1 passed=16', '< +\r\n', 'holding=0 passed=26 commands=2']),
	('14: held until the tagged line', [
		'> a APPEND x ~{3}\r\nb NOOP\r\n', 'holding=1 passed=17', '< a NO\r\n', 'holding=0 passed=25 commands=2 inflight=1']),
	('14: the tagged line of a command of the same tag is not its own', [
		'> a NOOP\r\na APPEND x {3}\r\n', 'holding=1 inflight=2', '< a OK\r\n', 'holding=1 inflight=1', '< a OK\r\n', 'holding=0 inflight=0']),
	('14: held until an untagged BAD', ['> a APPEND {3}\r\n', 'holding=1', '< * bad x\r\n', 'holding=0 inflight=1 safe=0', '< a BAD\r\n', 'safe=1']),
	('14: unless one is owed', ['> \r\na APPEND {3}\r\n', 'holding=1', '< * BAD\r\n', 'holding=1', '< * BAD\r\n', 'holding=0']),
	('14: what does not count is held, too, until any BAD', [
		'> a*b APPEND {3}\r\nc NOOP\r\n', 'holding=1 commands=0', '< a*c OK\r\n', 'holding=1', '< * BADLY\r\n', 'holding=1', '< * BAD\r\n', 'holding=0 commands=1']),
	('14: what does not count may be answered with its first word', [
		'> \r\nb X\r\na+b APPEND {3}\r\nc NOOP\r\n', 'holding=1 inflight=1', '< a+ NO\r\n', 'holding=1', '< a+b NO\r\n', 'holding=0 commands=2 inflight=2',
		'> d APPEND {3}\r\n', 'holding=1', '< * BAD\r\n', 'holding=1', '< * BAD\r\n', 'holding=0']),
	('14: however long that is', ['> ' + 'a' * 70 + ' APPEND {3}\r\n', 'holding=1', '< ' + 'a' * 70 + ' NO\r\n', 'holding=0']),
	('14: but a remembered command goes before', ['> a NOOP\r\na  APPEND {3}\r\n', 'holding=1', '< a OK\r\n', 'holding=1 inflight=0', '< a BAD\r\n', 'holding=0']),
	('14: and where that is empty, with any', ['> a NOOP\r\n a APPEND {3}\r\n', 'holding=1', '< a OK\r\n', 'holding=1', '< null BAD\r\n', 'holding=0']),
	('14: none of the rest is ended by that', ['> ' + SIXTEEN + 'a NOOP\r\na+ X {3}\r\n', 'inflight=17 holding=1', '< a+ OK\r\n', 'inflight=17 holding=0']),
	('7: a tagged BAD pays one that is owed', [
		'> DONE\r\n' + SIXTEEN + 'a NOOP\r\n', 'inflight=17', '< DONE BAD\r\n', 'inflight=17 answered=0', '< x BAD\r\n', 'inflight=16 answered=1']),
	('7: also where there is no rest', ['> DONE\r\na X {3}\r\n', 'holding=1', '< DONE BAD\r\n', 'holding=1', '< * BAD\r\n', 'holding=0']),
	('7: no other status does', ['> DONE\r\n' + SIXTEEN + 'a NOOP\r\n', 'inflight=17', '< DONE NO\r\n', 'inflight=16']),
	('14: held until an untagged BYE', ['> \r\na APPEND {3}\r\nb NOOP\r\n', 'holding=1', '< * BYE\r\n', 'holding=0 inflight=2']),
	('14: the tagged line of one of the rest', [
		'> ' + SIXTEEN + 't3 APPEND {3}\r\n', 'holding=1 inflight=17', '< zz OK\r\n', 'holding=1 inflight=16', '< t3 OK\r\n', 'holding=1 inflight=15',
		'< t3 OK\r\n', 'holding=0 inflight=15']),
	('14: also when no rest is left', [
		'> ' + SIXTEEN + 'a APPEND {3}\r\n', 'holding=1 inflight=17', '< zz OK\r\n', 'holding=1 inflight=16', '< a OK\r\n', 'holding=0 inflight=16 answered=1']),
	('14: one of the rest that had it gets no further', [
		'> ' + SIXTEEN + 'a LOGIN {3+}\r\n', 'inflight=17', '< a OK\r\n', 'inflight=16', '> abc {3}\r\n', 'holding=1', '< a OK\r\n', 'holding=1', '< +\r\n', 'holding=0']),
	('14: a second literal waits for its own "+"', [
		'> a LOGIN {1}\r\nx {2}\r\nyy\r\n', 'holding=1 passed=13', '< +\r\n', 'holding=1 passed=20', '< +\r\n', 'holding=0 passed=24']),
	('14: held until literal-timeout', [
		'! ', 'opaque=- safe=1', '> a APPEND {3}\r\nb NOOP\r\n', 'holding=1', '! ', 'opaque=no-answer holding=0 passed=22 commands=1']),
	('14: literal-timeout while an IDLE is asked', ['> a IDLE\r\nb APPEND {3}\r\nxyz', 'holding=1', '! ', 'opaque=no-answer passed=25']),
	('15: a "+" goes to IDLE before the literal', [
		'> a IDLE\r\nDONE\r\nb APPEND {1}\r\n', 'holding=1', '< +\r\n', 'holding=1 granted=1', '< +\r\n', 'holding=0 granted=1']),
	('15: out of the blue it means nothing', ['< + {3}\r\n', 'safe=1', '> a IDLE\r\n', 'granted=0']),
	('16: a tagged line while the literal is under way', [
		'> a APPEND x {9+}\r\n1234', 'inflight=1', '< a NO\r\n', 'inflight=0 safe=0', '> b NO\r {2}\r\n', 'commands=1 holding=1', '< a NO\r\n', 'holding=1',
		'< +\r\n', 'holding=0', '> xx\r\n', 'safe=1']),
	('17: known verbs take non-synchronising literals', [
		'> a LOGIN {1+}\r\nb {0+}\r\n\r\nb ID {0+}\r\n\r\nc ENABLE {0+}\r\n\r\nd MOVE {0+}\r\n\r\ne UID MOVE {0+}\r\n\r\n', 'commands=5 opaque=-']),
	('17: each of them', [
		'> ' + ''.join('a %s {2+}\r\nxx\r\n' % verb.replace(',', ' ') for verb in TAKERS), 'commands=%d opaque=-' % len(TAKERS)]),
	*(('18: not ' + verb, ['> a %s {2+}\r\n' % verb.replace(',', ' '), 'commands=1 opaque=unsure']) for verb in OTHERS),
	('18: {n-} is none of a client', ['> a LOGIN {1-}\r\n', 'opaque=unsure commands=1']),
	('18: unknown ones make opaque', ['> a XYZZY {1+}\r\n', 'opaque=unsure commands=1 inflight=0']),
	('18: so does what does not count', ['> a*b APPEND {1+}\r\nzz', 'opaque=unsure commands=0 passed=19']),
	('18: and a synchronising literal first saves nothing', ['> a XYZZY {1}\r\nx {1+}\r\n', 'holding=1', '< +\r\n', 'opaque=unsure passed=21']),
	('19: COMPRESS with OK', ['> a COMPRESS DEFLATE\r\n', 'inflight=1', '< a ok\r\n\n\n', 'opaque=compress answered=1 inflight=0']),
	('19: STARTTLS with OK', ['> a starttls\r\n', 'inflight=1', '< a OK x\r\n', 'opaque=starttls']),
	('19: and with NO', ['> a COMPRESS DEFLATE\r\n', 'inflight=1', '< a NO\r\n', 'opaque=- safe=1', '> b STARTTLS\r\n', 'inflight=1', '< b OKAY\r\n', 'opaque=- safe=1']),
	('19: as one of the rest, COMPRESS makes opaque at once', ['> ' + SIXTEEN + 'a COMPRESS DEFLATE\r\n', 'opaque=too-many commands=17']),
	('20: opaque, what was held goes on', [
		'> a APPEND {3}\r\nxyz', 'holding=1 passed=14', '< * 1 FETCH {99999999999999999999}\r\n', 'opaque=broken-size holding=0 passed=17 inflight=0 safe=0',
		'> z UNAUTHENTICATE\r\n', 'opaque=broken-size passed=35 commands=1']),
	('21: UNAUTHENTICATE', ['> a unAUTHenticate\r\n', 'end']),
	('21: in whatever line', ['> \x00{*  UNAUTHENTICATE x\r\n', 'end']),
	('21: with spaces before', ['>   a UNAUTHENTICATE {3}\r\n', 'end']),
	('21: parted by any byte up to SP', ['> \x01a\tUNAUTHENTICATE\x00', 'end']),
	('21: behind UID', ['> a\ruid \x00unauthenticate\n', 'end']),
	('21: up to a CR', ['> a UNAUTHENTICATE\rx\r\n', 'end']),
	('21: as the end of IDLE', ['> a IDLE\r\nb UNAUTHENTICATE\n', 'end']),
	('21: not elsewhere', [
		'> UNAUTHENTICATE\r\n', 'commands=0', '> a x UNAUTHENTICATE\r\n', 'commands=1', '> b LOGIN {20+}\r\na UNAUTHENTICATE\r\n\r\n UNAUTHENTICATE x\r\n',
		'commands=2', '> c UNAUTHENTICATED\r\nd UNAUTHENTICATE\x7fx\r\ne UIDS UNAUTHENTICATE\r\nf UID x UNAUTHENTICATE\r\n', 'commands=6']),
	('22: safe is at the start of a command', ['> a', 'safe=0', '>  NOOP\r\n', 'safe=0', '< a O', 'safe=0', '< K\r\n', 'safe=1']),
	('22: and of a response', ['< * 1 FETCH {1}\r\n', 'safe=0', '< x', 'safe=0', '< )\r\n', 'safe=1', '< * X {0}\r\n', 'safe=0', '< \n', 'safe=1']),
	('22: with an IDLE and nothing else', ['> b NOOP\r\na IDLE\r\n', 'inflight=2', '< +\r\n', 'idle=1 safe=0', '< b OK\r\n', 'idle=1 safe=1']),
]

STRICT = [
	('21: what the client does to make it opaque ends it: a size', ['> a APPEND {99999999999999999999}\r\n', 'end']),
	('21: IDLE among the rest', ['> ' + SIXTEEN + 'a IDLE\r\n', 'end']),
	('21: IDLE refused with a command behind', ['> a IDLE\r\nb NOOP\r\n', 'asked=1', '< a NO\r\n', 'end']),
	('21: IDLE with a literal behind', ['> a IDLE\r\nb APPEND {3+}\r\n', 'end']),
	('21: a literal that may be none', ['> a XYZZY {1+}\r\n', 'end']),
	('21: literal-timeout', ['> a APPEND {3}\r\n', 'holding=1', '! ', 'end']),
	('21: the server\'s doing does not', ['< * 1 FETCH {99999999999999999999}\r\n', 'opaque=broken-size']),
	('21: in a session that it made opaque the word is looked for, whole lines of it', [
		'< * 1 FETCH {99999999999999999999}\r\n', 'opaque=broken-size', '> a UNAUTHENTICATE x\r\nUNAUTHENTICATE\xff\nUNAUTHENTIC', 'passed=47',
		'> ATE \x00', 'passed=52', '> \n', 'end']),
	('21: also of what was held', ['> a X {3}\r\nUNAUTHENTICATE\r\n', 'holding=1', '< * 1 FETCH {99999999999999999999}\r\n', 'end']),
	('19: COMPRESS with OK ends it', ['> a COMPRESS DEFLATE\r\n', 'inflight=1', '< a OK\r\n', 'end']),
	('19: STARTTLS, too', ['> a STARTTLS\r\n', 'inflight=1', '< a NO\r\n', 'safe=1', '> a STARTTLS\r\n', 'inflight=1', '< a OK\r\n', 'end']),
	('21: any word of a line', ['> a SEARCH TEXT unauthenticate ', 'end']),
	('21: in quotes it is another', ['> a SEARCH TEXT "unauthenticate" UNAUTHENTICAT\r\nENTICATE UN AUTHENTICATE ', 'commands=1 opaque=-']),
	('21: in a literal only at a line\'s end', ['> a LOGIN {35+}\r\nUNAUTHENTICATE x\r\nUNAUTHENTICATE \x00\r', 'passed=50 opaque=-', '> \n', 'end']),
	('21: also when the literal ends before that', ['> a LOGIN {15+}\r\nUNAUTHENTICATE ', 'passed=30', '> \r\n', 'end']),
	('21: or within the word', ['> a LOGIN {12+}\r\nUNAUTHENTICA', 'passed=27', '> TE', 'passed=29', '>  x', 'end']),
	('21: or the word is whole, but another comes', ['> a LOGIN {15+}\r\nUNAUTHENTICATE ', 'passed=30', '>  x\r\n', 'safe=0 opaque=-', '< a OK\r\n', 'safe=1']),
]


def recording(steps):
	"""The bytes of a recording, and what is expected of each record."""
	data = b''
	wanted = []
	for step in steps:
		if step[0] in '<>!' and step[1] == ' ':
			piece = step[2:].encode('latin-1')
			data += b'%c %d\n%s\n' % (step[0].encode(), len(piece), piece)
			wanted.append('')
		else:
			wanted[-1] = step
	return data, wanted


def faults(steps, strict):
	data, wanted = recording(steps)
	lines = account.account(data, strict)
	if len(lines) != len(wanted):
		yield '%d lines for %d records: %s' % (len(lines), len(wanted), lines)
	for n, (line, fields) in enumerate(zip(lines, wanted), 1):
		for field in fields.split():
			if field not in line.split():
				yield 'record %d: not %s: %s' % (n, field, line)


def main():
	n = failed = 0
	for strict, sessions in ((False, SESSIONS), (True, STRICT)):
		for name, steps in sessions:
			found = list(faults(steps, strict))
			n += 1
			failed += bool(found)
			print('%s %d - rule %s%s' % ('not ok' if found else 'ok', n, name, ' (strict)' if strict else ''))
			for fault in found:
				print('# ' + fault)
	print('1..%d' % n)
	sys.exit(failed > 0)


if __name__ == '__main__':
	main()
