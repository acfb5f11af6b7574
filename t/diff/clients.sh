#!/usr/bin/env bash
# clients.sh - real mail clients with a real Dovecot, recorded anew. README says when and how.
#
#	t/diff/clients.sh FOLDER		from anywhere; writes FOLDER/CLIENT.rec and the like
#
# All mail is made up here. Debian's packages: dovecot-imapd, isync, mutt, offlineimap3, python3, bsdutils (script).
. "$(dirname "$0")/../lib/frame.sh"
. "$LIB/ca.sh"
. "$LIB/dovecot.sh"

here=$(cd "$(dirname "$0")" && pwd)
to=$(mkdir -p "${1:?a folder}" && cd "$1" && pwd) || exit 1
home=$SCRATCH/home
mkdir -p "$home"

die() { echo "clients.sh: $*" >&2; exit 1; }

for program in mbsync mutt offlineimap script; do
	command -v $program >/dev/null || die "$program is not installed"
done
ca_make "$SCRATCH/tls" && ca_server "$SCRATCH/tls" "$SCRATCH/tls/server.pem" || die "openssl makes no certificates"
DOVECOT_EXTRA='protocol imap {
  mail_plugins = $mail_plugins imap_zlib
}'
dovecot_start mb1 || die "Dovecot does not start"

# recording NAME: a recorder in front of Dovecot; its port is $PORT.
recording()
{
	setsid "$PYTHON" "$here/record" "${DOVECOT_PORT[mb1]}" "$to/$1" >"$SCRATCH/$1.port" &
	ours $!
	wait_for 10 test -s "$SCRATCH/$1.port" || die "the recorder does not start"
	PORT=$(cat "$SCRATCH/$1.port")
}

# said NAME REGEX [TIMES]: a line of either side is like that, in one of the recordings of that name, so often at least.
said() { [ "$(cat "$to/$1"*.rec | tr -d '\r' | grep -caE -- "$2")" -ge "${3:-1}" ]; }

# fill USER N: N mails with what makes trouble, a few of them in another mailbox.
fill()
{
	"$PYTHON" - "$1" "$2" "$(dovecot_address mb1)" "$ATOM_PASSWORD" <<'END'
import sys
import imapc
user, n, address, password = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
wire = imapc.login(address, user, password)
wire.command('CREATE work')
for i in range(n):
	mail = b'From: <joe@example.org>\r\nTo: <ann@example.org>\r\nSubject: mail %d {%d}\r\nDate: Tue, 04 Mar 2025 10:00:00 +0000\r\n' % (i, i)
	mail += b'Message-ID: <%d@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n' % i
	mail += b'.\r\na%d OK {5}\r\n* BYE gr\xc3\xbcn {17}\r\n+ go\r\nDONE.\r\n' % i + b'line }{ of no meaning\r\n' * (i * 10) + b'{5}\r\n'
	wire.good('APPEND %s' % ('work' if i % 4 == 3 else 'INBOX'), mail)
wire.good('LOGOUT')
END
}

# ---- mbsync: there, then back with what changed here; and once more with COMPRESS, which it takes where it is offered ----
fill mbsync 12
recording mbsync
mkdir -p "$home/mbsync"
cat >"$home/mbsyncrc" <<END
IMAPAccount a
Host 127.0.0.1
Port $PORT
User mbsync
Pass $ATOM_PASSWORD
SSLType None
AuthMechs LOGIN
DisableExtension COMPRESS=DEFLATE

IMAPStore far
Account a

MaildirStore near
Path $home/mbsync/
Inbox $home/mbsync/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
END
mbsync -q -c "$home/mbsyncrc" c || die "mbsync fails"
read_mail=$(ls "$home"/mbsync/INBOX/*/* | head -n 1)
mv "$read_mail" "$home/mbsync/INBOX/cur/$(basename "${read_mail%%:*}"):2,ST"
printf 'From: <ann@example.org>\nSubject: written here\nMessage-ID: <here@example.org>\n\nHello {3}\n' >"$home/mbsync/INBOX/new/1.here"
mbsync -q -c "$home/mbsyncrc" c || die "mbsync fails the second time"
recording mbsync-compress
sed -i -e '/^DisableExtension/d' -e "s/^Port.*/Port $PORT/" "$home/mbsyncrc"
mbsync -q -c "$home/mbsyncrc" c || die "mbsync fails the third time"

# ---- mutt: opens, copies a mail to another mailbox, waits in IDLE until a new one comes, and quits ----
fill mutt 8
recording mutt
cat >"$home/muttrc" <<END
set imap_user=mutt imap_pass=$ATOM_PASSWORD folder=imap://127.0.0.1:$PORT/ spoolfile=imap://127.0.0.1:$PORT/INBOX
set ssl_force_tls=no ssl_starttls=no confirmcreate=no confirmappend=no copy=yes delete=yes quit=yes move=no sleep_time=0 wait_key=no imap_idle=yes
set imap_authenticators=login beep=no
push '<copy-message><kill-line>=work<enter><delete-message><next-entry><display-message><exit>'
END
mkfifo "$home/keys"
setsid script -qec "env TERM=xterm HOME=$home mutt -n -F $home/muttrc" /dev/null <"$home/keys" >"$SCRATCH/mutt.screen" &
ours $!
exec 3>"$home/keys"
wait_for 20 said mutt '^[^ ]+ IDLE$' || die "mutt is in no IDLE"
fill mutt 1
wait_for 20 said mutt '^DONE$' || die "mutt heard of no mail"
wait_for 20 said mutt '^[^ ]+ IDLE$' 2 || die "mutt does not return to IDLE"
printf '$' >&3
wait_for 20 said mutt '^[^ ]+ EXPUNGE$' || die "mutt expunges nothing"
printf q >&3
wait_for 20 said mutt '^[^ ]+ LOGOUT$' || die "mutt does not leave"
exec 3>&-

# ---- offlineimap: there and back; its second run waits in IDLE a while ----
fill offlineimap 8
recording offlineimap
cat >"$home/offlineimaprc" <<END
[general]
accounts = a
metadata = $home/offlineimap.state
ui = quiet
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = $home/offlineimap
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = $PORT
remoteuser = offlineimap
remotepass = $ATOM_PASSWORD
ssl = no
starttls = no
auth_mechanisms = LOGIN
END
offlineimap -o -c "$home/offlineimaprc" || die "offlineimap fails"
printf 'From: <ann@example.org>\nSubject: written here\nMessage-ID: <here@example.org>\n\nHello {3}\n' >"$home/offlineimap/INBOX/new/1.here:2,"
sed -i -e 's/^\(remoterepository.*\)/\1\nautorefresh = 5/' -e 's/^\(auth_mech.*\)/\1\nidlefolders = ["INBOX"]\nkeepalive = 60\nholdconnectionopen = yes/' "$home/offlineimaprc"
setsid offlineimap -c "$home/offlineimaprc" &
waiting=$!
ours $waiting
wait_for 30 said offlineimap '^[^ ]+ IDLE$' || die "offlineimap is in no IDLE"
fill offlineimap 1
wait_for 30 said offlineimap '^[^ ]+ OK Idle completed' || die "offlineimap leaves no IDLE"
stop_process $waiting

# ---- Python's imaplib ----
fill imaplib 6
recording imaplib
"$PYTHON" - "$PORT" "$ATOM_PASSWORD" <<'END' || die "imaplib fails"
import imaplib, sys
c = imaplib.IMAP4('127.0.0.1', int(sys.argv[1]))
c.login('imaplib', sys.argv[2])
c.select()
c.append('INBOX', r'(\Seen)', None, b'Subject: appended\r\n\r\n{5}\r\nhello\r\n')
c.append('nowhere', None, None, b'Subject: refused\r\n\r\nhello\r\n')
c.search(None, 'SUBJECT', '"mail 1"')
c.literal = 'grün'.encode()
c.search('UTF-8', 'BODY')
c.uid('FETCH', '1:*', '(FLAGS BODY.PEEK[])')
c.fetch('1:*', '(ENVELOPE BODYSTRUCTURE)')
c.store('1', '+FLAGS', r'(\Deleted)')
c.expunge()
c.list()
c.status('work', '(MESSAGES UIDNEXT)')
c.copy('1', 'work')
c.close()
c.logout()
END

# ---- a stress run: what the clients above do not do, and Dovecot does ----
fill stress 3
for part in stress many compress unauthenticate; do
	recording $part
	"$PYTHON" - "$PORT" "$ATOM_PASSWORD" $part <<'END' || die "the stress run fails: $part"
import sys, zlib
import imapc

port, password, part = sys.argv[1:]
wire = imapc.login('127.0.0.1:' + port, 'stress', password)

def say(text, literal=b''):
	wire.send(text.encode() + literal)

def hear(tag):
	"""Up to the tagged line."""
	while not wire.response().startswith(tag.encode() + b' '):
		pass

def hear_plus():
	while not wire.line().startswith(b'+'):
		pass

def pipelined():
	say(''.join('p%d %s\r\n' % (i, ('NOOP', 'STATUS work (MESSAGES)', 'CAPABILITY', 'UID SEARCH ALL', 'XYZZY')[i % 5]) for i in range(40)))
	hear('p39')

def appends():
	body = b'Subject: x {3}\r\n\r\n' + b'a OK {5}\r\n* BYE\r\n+ \r\nDONE\r\n' * 500
	say('b1 APPEND INBOX {%d+}\r\n' % len(body), body + b'\r\n')
	say('b2 APPEND INBOX (\\Seen) {%d}\r\n' % len(body))
	hear_plus()
	say('', body)
	say('\r\n')
	hear('b2')
	say('b3 APPEND nowhere {%d+}\r\n' % len(body), body + b'\r\nb4 APPEND nowhere {300}\r\n')
	hear('b4')
	say('b5 APPEND INBOX ~{8}\r\n')
	hear_plus()
	say('', b'X: \x00\r\n\r\n\r\n')
	say('b6 APPEND INBOX ~{8+}\r\n', b'X: \x00\r\n\r\n\r\n')
	hear('b6')
	small = b'X: y\r\n\r\n{9}\r\n'
	say('b7 APPEND INBOX')
	for n in range(3):
		say(' {%d}\r\n' % len(small))
		hear_plus()
		say('', small)
	say(' {%d+}\r\n' % len(small), small + b' ~{%d+}\r\n' % len(small) + small + b'\r\n')
	hear('b7')
	say('b8 APPEND INBOX {%d}\r\n' % len(small))
	hear_plus()
	say('', small + b' {0}\r\n')
	hear('b8')

def searches():
	say('c0 SELECT INBOX\r\n')
	hear('c0')
	say('c1 SEARCH SUBJECT {1+}\r\nx SUBJECT {1-}\r\nx OR TEXT {4+}\r\nDONE BODY {1+}\r\n{\r\nc2 SEARCH SUBJECT {1}\r\n')
	hear_plus()
	say('x\r\nc3 UID SEARCH TEXT {0+}\r\n\r\n')
	hear('c3')
	say('c4 FETCH 1:* (BODY[HEADER.FIELDS (SUBJECT)] BINARY.PEEK[1])\r\nc5 FETCH 1 BODY[]\r\n')
	hear('c5')
	say('c6 CREATE {6+}\r\nn {3}x\r\nc7 LIST "" {1+}\r\n*\r\nc8 STATUS {6}\r\n')
	hear_plus()
	say('n {3}x (MESSAGES)\r\nc9 SELECT {9}\r\n')
	hear_plus()
	say('n ("\\{5}x\r\n')
	hear('c9')
	say('c10 SELECT INBOX\r\n')
	hear('c10')

def idles():
	for n in range(3):
		say('d%d IDLE\r\n' % n)
		hear_plus()
		say('DONE\r\n')
		hear('d%d' % n)
	say('d3 NOOP\r\nd4 IDLE\r\nDONE\r\nd5 NOOP\r\n')
	hear('d5')
	say('d6 IDLE\r\n')
	hear_plus()
	say('d7 NOOP\r\n')		# in place of DONE
	hear('d6')
	say('d8 IDLE now\r\n')		# Dovecot takes no argument, or does; both are heard
	wire.line()
	say('DONE\r\nd9 NOOP\r\n')
	hear('d9')

def bad_lines():
	say('\r\n')
	say('DONE\r\n')
	say('a*b NOOP\r\n')
	say(' e1 NOOP\r\n')
	say('e2\r\n')
	say('e3 NOOP {5}x\r\ne4  NOOP\r\ne5 NOOP\r\n')
	hear('e5')
	say('e6 ID NIL\r\ne7 ENABLE QRESYNC\r\ne6 NOOP\r\ne6 NOOP\r\ne8 SEARCH X {3+}\r\nabc\r\ne9 XYZZY {3}\r\n')
	hear('e9')
	say('e10 NOOP\r\n')
	hear('e10')

if part == 'compress':
	say('f1 CAPABILITY\r\nf2 COMPRESS DEFLATE\r\n')
	hear('f2')
	z = zlib.compressobj(wbits=-15)
	wire.send(z.compress(b'f3 NOOP\r\nf4 LOGOUT\r\n') + z.flush(zlib.Z_SYNC_FLUSH))
elif part == 'many':
	# More than the tracker remembers, and lines that count for nothing, which Dovecot answers with a tagged line: "DONE BAD".
	say(''.join('m%d NOOP\r\n' % i for i in range(18)) + 'DONE\r\nm18\r\n')
	say('m19 UID SEARCH ALL\r\nm20 NOOP\r\n')
	hear('m20')
	say('m21 LOGOUT\r\n')
elif part == 'unauthenticate':
	say('g1 NOOP\r\ng2 UNAUTHENTICATE\r\n')
	hear('g2')
	say('g3 LOGOUT\r\n')
else:
	for work in (pipelined, appends, searches, idles, bad_lines):
		work()
	say('h LOGOUT\r\n')
while not wire.at_end():
	wire.buffer.clear()
END
done

for file in "$to"/*.rec; do
	[ -s "$file" ] || rm "$file"
	! grep -qaF -e "$ATOM_PASSWORD" "$file" || die "$file has a password"
done
ls -l "$to"
