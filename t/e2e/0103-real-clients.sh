#!/usr/bin/env bash
# Mail clients people use, over plain, STARTTLS and TLS, through Sluice to a real Dovecot: what they fetch is what was put there.
. "$(dirname "$0")/../lib/e2e.sh"

for client in curl mbsync fetchmail mutt script; do
	command -v $client >/dev/null || skip_all "$client is not installed"
done
dovecot_up mb1
sluice_start <<END
listener: {
	plain: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	starttls: { address = "127.0.0.1:0"; tls = "starttls"; }
	tls: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
CA=$SCRATCH/tls/ca.pem
home=$SCRATCH/home
mkdir -p "$home"

# A mail with what makes trouble: dots, a line "From ", braces, 8-bit, long lines, and a size of several buffers. CRLF line ends.
mail()
{
	printf 'From: <joe@example.org>\r\nTo: <ann@example.org>\r\nSubject: mail %s\r\nDate: Tue, 04 Mar 2025 10:00:00 +0000\r\n' "$1"
	printf 'Message-ID: <%s@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n' "$1"
	printf 'Content-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\n{17}\r\n* BYE gr\303\274n\r\nthe end of it\r\n'
	"$PYTHON" -c 'for i in range(3000): print("line %d of $1 }{ %s" % (i, "x" * (i % 70)), end="\r\n")'
}
body_sum() { tr -d '\r' | sed '1,/^$/d' | sha256sum | cut -d' ' -f1; }

# The part of a URL before the host, per transport.
scheme() { [ "$1" = tls ] && echo imaps || echo imap; }

for t in plain starttls tls; do
	user=curl-$t at=$(port $t) host=localhost:$(port $t | sed 's/.*://')
	mail "$t" >"$SCRATCH/$t.eml"
	wanted=$(body_sum <"$SCRATCH/$t.eml")
	url=$(scheme $t)://$host
	secure=()
	[ $t = plain ] || secure=(--cacert "$CA" --ssl-reqd)
	quiet_curl=(curl -sS -4 --max-time 60 "${secure[@]}" -u "$user:$PASSWORD")

	ok "curl puts a mail ($t)" "${quiet_curl[@]}" -T "$SCRATCH/$t.eml" "$url/INBOX"
	is "curl fetches what it put ($t)" "$("${quiet_curl[@]}" "$url/INBOX;MAILINDEX=1" | sha256sum)" "$(sha256sum <"$SCRATCH/$t.eml")"
	for m in PLAIN LOGIN; do
		is "curl by AUTH=$m ($t)" "$("${quiet_curl[@]}" --login-options "AUTH=$m" "$url/INBOX;MAILINDEX=1" | sha256sum)" \
			"$(sha256sum <"$SCRATCH/$t.eml")"
	done

	# Python's imaplib: LOGIN, AUTHENTICATE with a callable, IDLE is not its thing.
	ok "imaplib puts, searches and fetches ($t)" "$PYTHON" - "$t" "$at" "$PASSWORD" "$CA" "$SCRATCH/$t.eml" <<'END'
import imaplib, ssl, sys
t, at, password, ca, file = sys.argv[1:]
port = int(at.rsplit(':', 1)[1])
context = ssl.create_default_context(cafile=ca)
def connect():
	if t == 'tls':
		return imaplib.IMAP4_SSL('localhost', port, ssl_context=context)
	c = imaplib.IMAP4('localhost', port)
	if t == 'starttls':
		c.starttls(context)
	return c
mail = open(file, 'rb').read()
c = connect()
c.login('imaplib-' + t, password)
assert c.append('INBOX', r'(\Seen)', None, mail)[0] == 'OK'
c.logout()
c = connect()
c.authenticate('PLAIN', lambda _: b'\0imaplib-%s\0%s' % (t.encode(), password.encode()))
assert c.select()[0] == 'OK'
assert c.search(None, 'SUBJECT', '"mail %s"' % t)[1] == [b'1']
assert c.fetch('1', '(RFC822)')[1][0][1] == mail
c.logout()
END

	# mbsync fetches curl's mail into a Maildir.
	mkdir -p "$home/mbsync-$t"
	{
		echo "IMAPAccount a"
		echo "Host localhost"
		echo "Port ${at##*:}"
		echo "User $user"
		echo "PassCmd \"printf '%s' '$PASSWORD'\""
		case $t in
		plain)	printf 'SSLType None\nAuthMechs LOGIN\n' ;;
		starttls) printf 'SSLType STARTTLS\nCertificateFile %s\n' "$CA" ;;
		tls)	printf 'SSLType IMAPS\nCertificateFile %s\n' "$CA" ;;
		esac
		printf '\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/\nInbox %s/INBOX\nSubFolders Verbatim\n' "$home/mbsync-$t" "$home/mbsync-$t"
		printf '\nChannel c\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSyncState *\n'
	} >"$home/mbsyncrc-$t"
	ok "mbsync syncs ($t)" mbsync -q -c "$home/mbsyncrc-$t" c
	is "what mbsync got is what was put ($t)" "$(cat "$home/mbsync-$t"/INBOX/*/* | grep -v '^X-TUID:' | body_sum)" "$wanted"

	# fetchmail hands the mail to a program.
	{
		echo "set no syslog"
		echo "poll localhost protocol imap port ${at##*:} auth password"
		echo " user '$user' password '$PASSWORD' is nobody here fetchall keep"
		case $t in
		plain)	echo " sslproto ''" ;;
		starttls) echo " sslproto 'tls1.2+' sslcertck sslcertfile $CA" ;;
		tls)	echo " ssl sslcertck sslcertfile $CA" ;;
		esac
		echo " mda 'cat >$home/fetchmail-$t'"
	} >"$home/fetchmailrc-$t"
	chmod 600 "$home/fetchmailrc-$t"
	ok "fetchmail fetches ($t)" env HOME="$home" FETCHMAILHOME="$home" fetchmail -f "$home/fetchmailrc-$t" --pidfile "$home/fetchmail.pid" --nodetach
	is "what fetchmail got is what was put ($t)" "$(body_sum <"$home/fetchmail-$t")" "$wanted"

	# mutt copies the mail into a local mailbox.
	{
		echo "set imap_user='$user' imap_pass='$PASSWORD' folder='$url/' spoolfile='$url/INBOX'"
		[ $t = plain ] && echo "set ssl_force_tls=no ssl_starttls=no" ||
			echo "set ssl_force_tls=yes ssl_starttls=yes ssl_ca_certificates_file='$CA'"
		echo "set confirmcreate=no confirmappend=no copy=yes delete=no quit=yes move=no sleep_time=0 wait_key=no imap_idle=no mbox_type=mbox"
		echo "push '<copy-message><kill-line>$home/mutt-$t<enter><quit>'"
	} >"$home/muttrc-$t"
	ok "mutt copies a mail ($t)" timeout $((30 * ${PATIENCE:-1})) script -qec "env TERM=xterm HOME=$home mutt -n -F $home/muttrc-$t" /dev/null </dev/null
	# A mailbox has an empty line behind each mail.
	is "what mutt got is what was put ($t)" "$(sed '$d' "$home/mutt-$t" 2>/dev/null | body_sum)" "$wanted"
done
unlike "no session ended in a way it should not" "$(grep session-end "$(sluice_log)" | grep -vE 'why="(backend ended the session|client closed the connection)"')" .

done_testing
