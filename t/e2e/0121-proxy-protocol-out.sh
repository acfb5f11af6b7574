#!/usr/bin/env bash
# A backend with proxy-protocol: Dovecot behind haproxy = yes knows the client by the header alone, in clear and before TLS, over IPv4 and
# IPv6.
. "$(dirname "$0")/../lib/e2e.sh"

has_ipv6() { "$PYTHON" -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null; }
local6=$(has_ipv6 && echo ::1)
plain=$(free_port) tls=$(free_port)
DOVECOT_EXTRA="
haproxy_trusted_networks = 127.0.0.0/8 ::1
service imap-login {
  inet_listener proxied {
    address = 127.0.0.1 $local6
    port = $plain
    haproxy = yes
  }
  inet_listener proxieds {
    address = 127.0.0.1 $local6
    port = $tls
    haproxy = yes
    ssl = yes
  }
}"
dovecot_up mb1
fake_start listens <<'END'
C: ^PROXY TCP4 127\.0\.0\.3 127\.0\.0\.1 [0-9]+ [0-9]+$
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
SERVE
END
six="127.0.0.1"
[ -z "$local6" ] || six="[::1]"
for b in v1 v2 v1tls v2tls v1six v2six listens; do
	echo "$b $b"
done >"$SCRATCH/users"
ca=$SCRATCH/tls/ca.pem
sluice_start <<END
trusted-proxies = "127.0.0.1";
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	proxied: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; proxy-protocol = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: {
	v1: { address = "127.0.0.1:$plain"; proxy-protocol = "v1"; trusted = false; }
	v2: { address = "127.0.0.1:$plain"; proxy-protocol = "v2"; trusted = false; }
	v1tls: { address = "127.0.0.1:$tls"; tls = "implicit"; tls-ca = "$ca"; proxy-protocol = "v1"; trusted = false; }
	v2tls: { address = "127.0.0.1:$tls"; tls = "implicit"; tls-ca = "$ca"; proxy-protocol = "v2"; trusted = false; }
	v1six: { address = "$six:$plain"; proxy-protocol = "v1"; trusted = false; }
	v2six: { address = "$six:$plain"; tls = "starttls"; tls-ca = "$ca"; tls-name = "localhost"; proxy-protocol = "v2"; trusted = false; }
	listens: { address = "$(fake_address listens)"; proxy-protocol = "v1"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

rip_is() { wait_for 5 has_line "$(dovecot_log mb1)" "Login: user=<$1>.*rip=$2, lip=$3,"; }
for b in v1 v2 v1tls v2tls v1six v2six; do
	ok "$b: the user gets in" sees $b mb1 "$(port imap)" --from 127.0.0.3
	ok "$b: Dovecot knows the client and where it connected to" rip_is $b 127.0.0.3 127.0.0.1
done
conversation "the header is the very first that is said" "$(port imap)" --from 127.0.0.3 <<END
S: ^\* OK
C: a LOGIN listens $ATOM_PASSWORD
S: ^a OK
END
conversation "the client may have TLS, which v2 tells" "$(port imaps)" --tls --from 127.0.0.4 <<END
S: ^\* OK
C: a LOGIN v2 $ATOM_PASSWORD
S: ^a OK
END
ok "Dovecot knows this client too" rip_is v2 127.0.0.4 127.0.0.1

# A client that a proxy before us has named, of either family.
named() { # sentence user line rip lip
	conversation "$1" "$(port proxied)" <<END
raw: PROXY $3\r\n
S: ^\* OK
C: a LOGIN $2 $ATOM_PASSWORD
S: ^a OK
END
	ok "$1: Dovecot knows it" rip_is "$2" "$4" "$5"
}
named "IPv6, passed on in v1" v1 'TCP6 2001:db8::7 2001:db8::1 7 143' 2001:db8::7 2001:db8::1
named "IPv6, passed on in v2" v2 'TCP6 2001:db8::8 2001:db8::1 7 143' 2001:db8::8 2001:db8::1
named "IPv4, passed on to an IPv6 backend in v1" v1six 'TCP4 192.0.2.7 198.51.100.1 7 143' 192.0.2.7 198.51.100.1
named "IPv4, passed on to an IPv6 backend in v2" v2six 'TCP4 192.0.2.8 198.51.100.1 7 143' 192.0.2.8 198.51.100.1
unlike "Dovecot had nothing to complain about a header" "$(cat "$(dovecot_log mb1)")" 'haproxy'

done_testing
