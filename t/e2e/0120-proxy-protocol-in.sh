#!/usr/bin/env bash
# PROXY headers from trusted-proxies: v1 and v2, before plain, STARTTLS and implicit TLS; the client they name is the one that counts. Who is
# not trusted, sends none, a wrong one, or none in time, hears nothing.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
sluice_start <<END
trusted-proxies = [ "127.0.0.1", "2001:db8::/32" ];
listener: {
	plain: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; proxy-protocol = true; }
	imap: { address = "127.0.0.1:0"; tls = "starttls"; proxy-protocol = true; }
	imaps: { address = "127.0.0.1:0"; proxy-protocol = true; }
	direct: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
V2='\r\n\r\n\0\r\nQUIT\n'

# What follows the header and the greeting's transport: a login, and its end. $1: the user
login() {
	cat <<END
S: ^\* OK
C: a LOGIN $1 $ATOM_PASSWORD
S: ^a OK
C: b LOGOUT
S: ^\* BYE
S: ^b OK
CLOSED
END
}
# USER ADDRESS: Dovecot was told that this is USER's address.
rip_is() { wait_for 5 has_line "$(dovecot_log mb1)" "Login: user=<$1>.*rip=$2,"; }

conversation "v1: the header, then the dialogue" "$(port plain)" <<END
raw: PROXY TCP4 192.0.2.7 198.51.100.1 40777 143\r\n
$(login anna)
END
ok "the log has the client, and who brought it" logged 'event=session-end .*user=anna client=192\.0\.2\.7:40777 proxy=127\.0\.0\.1:[0-9]+ listener=plain'
ok "the backend is told the client's address" rip_is anna 192.0.2.7
conversation "v1, IPv6, byte by byte and with the first command in the same piece" "$(port plain)" <<END
raw: PROXY TC
QUIET 0.05
raw: P6 2001:db8::7 2001:db8::1 40777 14
QUIET 0.05
raw: 3\r\na LOGIN berta $ATOM_PASSWORD\r\n
S: ^\* OK
S: ^a OK
END
ok "the log has the client" logged 'event=session-end .*user=berta client=\[2001:db8::7\]:40777 '
ok "the backend is told" rip_is berta 2001:db8::7
conversation "v2 with TLVs, a mapped address, in two pieces" "$(port plain)" <<END
raw: ${V2}\x21\x21\x00\x57\rep{10}{\0}\xff\xff\xc0\x00\x02\x08\rep{10}{\0}
QUIET 0.05
raw: \xff\xff\xc6\x33\x64\x01\x9c\x41\x00\x8f\x02\x00\x0cmail.example\x05\x00\x05id-77\x20\x00\x19\x01\0\0\0\0\x21\x00\x07TLSv1.3\x23\x00\x07A\x0aCIPHE
$(login carl)
END
ok "the log has what the header told, escaped" logged 'user=carl client=192\.0\.2\.8:40001 .*proxy-tls=TLSv1.3 proxy-cipher="A\\x0aCIPHE" proxy-sni=mail.example proxy-id=id-77'
ok "the backend is told" rip_is carl 192.0.2.8
conversation "before STARTTLS" "$(port imap)" <<END
raw: PROXY TCP4 192.0.2.9 198.51.100.1 1 143\r\n
S: ^\* OK
C: s STARTTLS
S: ^s OK
TLS
C: a LOGIN dora $ATOM_PASSWORD
S: ^a OK
END
ok "the log has the client and its TLS" logged 'user=dora client=192\.0\.2\.9:1 .*tls=TLSv1'
for i in 1 2; do
	conversation "v$i before implicit TLS: the handshake's bytes stay what they are" "$(port imaps)" <<END
raw: $([ $i = 1 ] && echo 'PROXY TCP4 192.0.2.10 198.51.100.1 1 993\r\n' || echo "${V2}\\x21\\x11\\x00\\x0c\\xc0\\x00\\x02\\x0a\\xc6\\x33\\x64\\x01\\0\\x01\\x03\\xe1")
TLS
$(login "emil$i")
END
	ok "v$i: the log has the client and its TLS" logged "user=emil$i client=192\\.0\\.2\\.10:1 .*tls=TLSv1"
done
# Header and ClientHello in one segment, as a fast proxy sends them.
one_piece() {
	"$PYTHON" - "$(port imaps)" "$SCRATCH/tls/ca.pem" <<'END'
import socket, ssl, sys
host, port = sys.argv[1].rsplit(':', 1)
raw = socket.create_connection((host, int(port)), 10)
context = ssl.create_default_context(cafile=sys.argv[2])
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname='localhost')
first = b'PROXY TCP4 192.0.2.11 198.51.100.1 11 993\r\n'
while True:
    try:
        greeting = tls.read(1000)
        break
    except ssl.SSLWantReadError:
        raw.sendall(first + outgoing.read())
        first = b''
        incoming.write(raw.recv(65536))
sys.exit(not greeting.startswith(b'* OK'))
END
}
ok "header and ClientHello in one piece" one_piece
ok "the log has the client" logged 'client=192\.0\.2\.11:11 .*listener=imaps'

conversation "UNKNOWN: the peer counts" "$(port plain)" <<END
raw: PROXY UNKNOWN\r\n
$(login fritz)
END
ok "the log has the peer" logged 'user=fritz client=127\.0\.0\.1:'
conversation "LOCAL: the proxy looks whether we live" "$(port plain)" <<END
raw: ${V2}\x20\x00\x00\x00
S: ^\* OK
END

conversation "a listener without proxy-protocol takes no header" "$(port direct)" <<END
S: ^\* OK
raw: PROXY TCP4 192.0.2.7 198.51.100.1 40777 143\r\n
S: BAD
END
conversation "who is not trusted is closed without a word" "$(port plain)" --from 127.0.0.2 <<END
CLOSED
END
ok "the log says why" logged 'event=connections-refused .*last=127\.0\.0\.2 listener=plain .*why="not in trusted-proxies'
# $1: sentence, $2: bytes, $3: what the log says
refused() {
	conversation "$1: closed without a word" "$(port plain)" <<END
raw: $2
CLOSED
END
	ok "$1: the log says why" logged "why=\"no valid PROXY header\" detail=\"$3\""
}
refused "no header" 'a NOOP\r\n' 'no PROXY header'
refused "a TLS handshake where a header belongs" '\x16\x03\x01\x02\x00' 'no PROXY header'
refused "a line without end" 'PROXY UNKNOWN \rep{200}{x}' 'a line too long'
refused "v1 with a wrong port" 'PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n' 'a port that is none'
refused "v2 of 64 KiB" "${V2}\\x21\\x11\\xff\\xff" 'a length too large'
refused "v2 too short for its addresses" "${V2}\\x21\\x11\\x00\\x04\\xc0\\x00\\x02\\x07" 'a length too short for its addresses'
refused "v2 with a TLV that leads out" "${V2}\\x21\\x11\\x00\\x0f\\xc0\\x00\\x02\\x07\\xc6\\x33\\x64\\x01\\0\\x01\\x03\\xe1\\x02\\xff\\xff" 'a TLV that leads out of the header'

conversation "one who drips has five seconds in all" "$(port plain)" --timeout 8 <<END
raw: PROXY
QUIET 2
raw:  TCP4
QUIET 2
raw:  192.0.2.7
CLOSED
END
ok "the log says so" logged 'seconds=5\.[0-4].* why="PROXY header did not come in time"'
ok "nobody was harmed" sees gerda mb1 "$(port direct)"

done_testing
