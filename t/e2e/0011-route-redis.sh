#!/usr/bin/env bash
# The right backend by Redis: strings and hashes, states, records that make no sense, names that try to be commands.
. "$(dirname "$0")/../lib/e2e.sh"

redis_needed
dovecot_up mb1 mb2
redis_start
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; weight = 0; group = "west"; }
	mb2: { address = "$(dovecot_address mb2)"; group = "east"; }
}
directory: { driver = "redis"; redis = "$(redis_address)"; }
END

redis SET 'sluice:user:{anna}' mb1 >/dev/null
redis HSET 'sluice:user:{berta}' backend mb2 >/dev/null
redis HSET 'sluice:user:{carl@example.org}' backend mb1 login-as 'carl old' state active >/dev/null
redis HSET 'sluice:user:{dora}' group east >/dev/null
redis SET 'sluice:user:{e%20%7Bmil%7D%2F%0A}' mb1 >/dev/null
redis SET 'sluice:user:{f%20ritz%7B%C3%BC%7D%25}' mb1 >/dev/null
ok "a string names the backend" sees anna mb1
ok "a hash does too" sees berta mb2
ok "a group" sees dora mb2
ok "login-as" sees Carl@EXAMPLE.org mb1
ok "indeed" wait_for 5 has_line "$(dovecot_log mb1)" 'Login: user=<carl old>'
ok "no record: hashed, never to weight 0" sees gerda mb2
ok "bytes that a key cannot hold are percent-encoded" sees $'f ritz{\xc3\xbc}%' mb1

redis HSET 'sluice:user:{hans}' backend mb1 state closed reason 'Moved away.' >/dev/null
redis HSET 'sluice:user:{ida}' backend nowhere >/dev/null
redis RPUSH 'sluice:user:{jan}' mb1 >/dev/null
redis SET 'sluice:user:{kai}' 127.0.0.1:143 >/dev/null
redis HSET 'sluice:user:{lea}' backend mb1 state strange >/dev/null
redis HSET 'sluice:user:{mia}' backend mb1 state closed reason $'evil\r\n* BYE x' >/dev/null
ok "a closed account is told so, with the operator's reason" login_says hans 'NO \[CONTACTADMIN\] Moved away\.'
ok "a backend that the settings do not name" login_says ida 'NO \[SERVERBUG\]'
ok "and the log says which" logged 'event=login-failed .*user=ida .*reason=misconfigured .*nowhere'
ok "a record of the wrong type" login_says jan 'NO \[SERVERBUG\]'
ok "an address in the place of a name is not connected to" login_says kai 'NO \[SERVERBUG\]'
ok "an unknown state is no guess" login_says lea 'NO \[SERVERBUG\]'
ok "a reason cannot inject a line" login_says mia 'NO \[CONTACTADMIN\] '

redis SET 'sluice:user:{injected}' mb1 >/dev/null
python "a name with line ends is refused before Redis hears of it" "$(port imap)" <<'END'
import sys, imapc
name = b'x\r\nSET sluice:user:{injected} mb2\r\n'
w = imapc.connect(sys.argv[1])
w.line()
w.send(b'a LOGIN {%d+}\r\n%s secret\r\n' % (len(name), name))
got = w.line()
assert got.startswith((b'a BAD ', b'a NO [AUTHENTICATIONFAILED]')), got
END
is "and nothing was set" "$(redis GET 'sluice:user:{injected}')" mb1

redis HSET 'sluice:user:{otto}' backend mb2 state hold >/dev/null
sees otto mb2 >"$SCRATCH/otto.out" 2>&1 &
held=$!
ours $held
asked() { [ "$(redis OBJECT IDLETIME 'sluice:user:{otto}')" = 0 ] && [ "$(redis --raw INFO commandstats | sed -n 's/^cmdstat_hgetall:calls=\([0-9]*\).*/\1/p')" -gt "$1" ]; }
calls=$(redis --raw INFO commandstats | sed -n 's/^cmdstat_hgetall:calls=\([0-9]*\).*/\1/p')
ok "a user on hold is asked for again" wait_for 8 asked $((calls + 1))
ok "and waits" kill -0 $held
redis HSET 'sluice:user:{otto}' state active >/dev/null
wait $held
is "released, the login goes on" "$?" 0
not_ours $held

# The same over a Unix socket, with a password, a user, a database and a prefix of our own.
redis ACL SETUSER proxy on '>canary key' '~my:*' '+@read' '+@connection' >/dev/null
redis -n 3 SET 'my:user:{anna}' mb2 >/dev/null
printf 'canary key\n' >"$SCRATCH/redis.password"
chmod 640 "$SCRATCH/redis.password"
[ "$(id -u)" -ne 0 ] || chown nobody "$SCRATCH/redis.password"
sluice=second sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; } mb2: { address = "$(dovecot_address mb2)"; } }
directory: { driver = "redis"; redis = "redis://127.0.0.1:${REDIS_PORT[redis]}/3"; prefix = "my:"; user = "proxy"; password-file = "$SCRATCH/redis.password"; }
END
ok "with a user, a password, a database and a prefix" sees anna mb2 "$(sluice=second port imap)"
unlike "Redis' password is in no log" "$(cat "$SCRATCH"/*.log)" 'canary key'
redis SET 'sluice:user:{unix}' mb2 >/dev/null
sluice=third sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; } mb2: { address = "$(dovecot_address mb2)"; } }
directory: { driver = "redis"; redis = "$(redis_unix)"; }
END
ok "over a Unix socket" sees unix mb2 "$(sluice=third port imap)"

done_testing
