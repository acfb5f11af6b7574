#!/usr/bin/env bash
# ID: webmail in trusted-networks says who its client is, and Dovecot hears that; from anyone else the same words mean nothing.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
fake_start listens <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN] hello
SERVE
END
printf '%s\n' 'anna mb1' 'berta mb1' 'carl listens' 'dora listens' 'emil mb1' 'fritz mb1' >"$SCRATCH/users"
sluice_start <<END
trusted-proxies = "127.0.0.3";
trusted-networks = [ "127.0.0.2/32", "192.0.2.0/24" ];
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	proxied: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; proxy-protocol = true; }
}
backend: { mb1: { address = "$(dovecot_address mb1)"; }; listens: { address = "$(fake_address listens)"; } }
directory: { driver = "file"; file = "$SCRATCH/users"; }
END
WHO='"name" "webmail" "x-originating-ip" "198.51.100.7" "x-originating-port" "777" "x-connected-ip" "198.51.100.1" "x-connected-port" "993" "x-session-id" "web-1" "x-proxy-ttl" "3" "x-multiplex" "0"'
rip_is() { wait_for 5 has_line "$(dovecot_log mb1)" "Login: user=<$1>.*rip=$2, lip=$3,.*session=<$4>"; }
says() { # user
	cat <<END
S: ^\* OK
C: i ID ($WHO)
S: ^\* ID
S: ^i OK (Trusted )?ID completed\.
C: j ID ("x-originating-ip" "10.9.9.9" "x-session-id" "second")
S: ^\* ID
S: ^j OK
C: a LOGIN $1 $ATOM_PASSWORD
S: ^a OK
END
}

conversation "webmail says who its client is, once" "$(port imap)" --from 127.0.0.2 < <(says anna)
ok "Dovecot hears it" rip_is anna 198.51.100.7 198.51.100.1 web-1
ok "the log has both, under the session's own name" logged 'event=session-end session=web-1 user=anna client=198\.51\.100\.7:777 via=127\.0\.0\.2:[0-9]+'
conversation "a client says the same" "$(port imap)" --from 127.0.0.4 < <(says berta)
ok "Dovecot hears who it really is" rip_is berta 127.0.0.4 127.0.0.1 '[A-Za-z0-9]+\.[0-9]-[0-9]+'
ok "and so does the log" logged 'event=session-end session=[^w ]* user=berta client=127\.0\.0\.4:'
unlike "with nobody between" "$(grep user=berta "$(sluice_log)")" via=

conversation "what the backend is told for webmail" "$(port imap)" --from 127.0.0.2 < <(says carl)
ok "each value as given, the TTL one less" fake_heard listens \
	'^1 I ID \("x-session-id" "web-1" "x-originating-ip" "198.51.100.7" "x-originating-port" "777" "x-connected-ip" "198.51.100.1" "x-connected-port" "993" "x-proxy-ttl" "2" "x-client-transport" "insecure"\)$'
conversation "what the backend is told for a client" "$(port imap)" --from 127.0.0.4 < <(says dora)
ok "our own values" fake_heard listens \
	'^2 I ID \("x-session-id" "[A-Za-z0-9]+\.[0-9]-[0-9]+" "x-originating-ip" "127.0.0.4" "x-originating-port" "[0-9]+" "x-connected-ip" "127.0.0.1" "x-connected-port" "[0-9]+" "x-proxy-ttl" "6" "x-client-transport" "insecure"\)$'
unlike "never x-multiplex" "$(cat "$(fake_record listens)")" x-multiplex

conversation "a PROXY header's client is the one whose ID is believed" "$(port proxied)" --from 127.0.0.3 <<END
raw: PROXY TCP4 192.0.2.7 198.51.100.2 40777 143\r\n
$(says emil)
END
ok "the log has all three" logged 'user=emil client=198\.51\.100\.7:777 proxy=127\.0\.0\.3:[0-9]+ via=192\.0\.2\.7:40777'
conversation "or not" "$(port proxied)" --from 127.0.0.3 <<END
raw: PROXY TCP4 203.0.113.7 198.51.100.2 40777 143\r\n
$(says fritz)
END
ok "then it is the header's client" rip_is fritz 203.0.113.7 198.51.100.2 '[A-Za-z0-9]+\.[0-9]-[0-9]+'

done_testing
