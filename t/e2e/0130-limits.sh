#!/usr/bin/env bash
# Each limit, what is said when it is reached, and that it is exact with four workers; who is exempt; the wait behind a wrong password.
. "$(dirname "$0")/../lib/e2e.sh"

tls_files
fake_start mb1 <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] hello
SERVE
END
fake_start refuses <<'END'
S: * OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] hello
ON AUTHENTICATE \tag NO wrong
SERVE
END
printf 'anna mb1\nberta mb1\nwrong refuses\n' >"$SCRATCH/users"

# with NAME SETTINGS [WORKERS]: a sluiced of that name
with()
{
	sluice=$1 WORKERS=${3:-2} sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	starttls: { address = "127.0.0.1:0"; tls = "starttls"; }
	imaps: { address = "127.0.0.1:0"; }
	six: { address = "[::1]:0"; tls = "none"; }
	local: { address = "unix:$SCRATCH/run/$1.imap"; tls = "none"; cleartext-login = true; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: {
	mb1: { address = "$(fake_address mb1)"; }
	refuses: { address = "$(fake_address refuses)"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
$2
END
}
# on NAME LISTENER
on() { sluice=$1 port "$2"; }
says_too_many() { talk "$@" <<<$'S: ^\* BYE \[LIMIT\] Too many connections\.$\nCLOSED'; }
lets_in() { talk "$@" <<<$'S: ^\* OK'; }
# stays NAME ADDRESS [OPTION...]: a client that is not logged in and stays until let_go NAME
stays()
{
	local name=$1
	shift
	rm -f "$SCRATCH/$name.is-in"
	talking "$name" "$@" <<END
S: ^\* OK
TOUCH $SCRATCH/$name.is-in
WAIT $SCRATCH/$name.may-go
CLOSE
END
	wait_for 10 test -e "$SCRATCH/$name.is-in"
}
let_go() { touch "$SCRATCH/$1.may-go"; talked "$1" >/dev/null; }

# --- not logged in, by address ---
with address 'limit-exempt = [ "127.0.0.9", "unix" ]; limits: { not-logged-in-per-address = 2; }'
stays first "$(on address imap)" --from 127.0.0.2
stays second "$(on address imaps)" --from 127.0.0.2 --tls
ok "a third client of an address is told so" says_too_many "$(on address imap)" --from 127.0.0.2
ok "before STARTTLS as well" says_too_many "$(on address starttls)" --from 127.0.0.2
conversation "before a handshake nothing is said" "$(on address imaps)" --from 127.0.0.2 <<<'CLOSED'
ok "another address is let in" lets_in "$(on address imap)" --from 127.0.0.3
for i in 1 2 3; do stays "exempt$i" "$(on address imap)" --from 127.0.0.9; done
ok "an exempt network has no such limit" lets_in "$(on address imap)" --from 127.0.0.9
for i in 1 2 3; do stays "local$i" "$(on address local)"; done
ok "nor do those who have no address" lets_in "$(on address local)"
conversation "who is logged in is not counted" "$(on address imap)" --from 127.0.0.4 <<'END'
S: ^\* OK
C: a LOGIN anna secret
S: ^a OK
END
let_go first
ok "when one has gone there is room" wait_for 5 lets_in "$(on address imap)" --from 127.0.0.2
for name in second exempt1 exempt2 exempt3 local1 local2 local3; do let_go $name; done
sluice=address
ok "the log counts whom it refused" logged 'event=connections-refused count=[0-9]+ last=127\.0\.0\.2 listener=[a-z]+ why="too many sessions not logged in from its address"'

# --- of a /64 ---
with network 'limit-exempt = []; limits: { not-logged-in-per-64 = 1; }'
stays six "$(on network six)"
ok "an IPv6 network of 64 bits has its limit" says_too_many "$(on network six)"
let_go six

# --- connections a second ---
with rate 'limit-exempt = []; limits: { connections-per-second = 20; }'
python "of two hundred that come at once about twenty get in" "$(on rate imap)" <<'END'
import sys, time, imapc
began = time.monotonic()
got = 0
for i in range(200):
	wire = imapc.connect(sys.argv[1], source='127.0.0.2')
	line = wire.line()
	got += line.startswith(b'* OK')
	assert line.startswith(b'* OK') or line == b'* BYE [LIMIT] Too many connections.', line
	wire.drop()
took = time.monotonic() - began
assert 20 <= got <= 21 + 20 * took, (got, took)
END
sluice=rate
ok "the log has it" logged 'event=connections-refused .*why="too many new connections from its address"'
ok "but not a line each" test "$(log_count 'event=connections-refused')" -le 30
ok "nor other lines of them" test "$(log_count 'event=session-end')" -le 60

# --- not logged in, in all ---
with total 'limits: { not-logged-in = 3; }' 1
python "the oldest that is not logged in makes room for the newest" "$(on total imap)" <<'END'
import sys, imapc
def come():
	wire = imapc.connect(sys.argv[1])
	assert wire.line().startswith(b'* OK')
	return wire
inside = come()
inside.good('LOGIN anna secret')
old = [come() for _ in range(3)]
new = [come() for _ in range(2)]
for wire in old[:2]:
	assert wire.line() == b'* BYE [UNAVAILABLE] Too busy, please try again later.'
	assert wire.at_end()
for wire in [old[2]] + new + [inside]:
	wire.good('NOOP')
END
sluice=total
ok "with a line in the log" logged 'event=session-end .*why="oldest of too many sessions not logged in"'

with spread 'limits: { not-logged-in = 10; }' 4
python "over four workers exactly as many stay as may be" "$(on spread imap)" <<'END'
import sys, imapc
wires = []
for i in range(60):
	wires.append(imapc.connect(sys.argv[1]))
	wires[-1].line()		# a greeting, or a good-bye where its worker has nobody else
stay = 0
for wire in wires:
	try:
		stay += wire.command('NOOP')[1] == b't1 OK NOOP completed.'
	except (imapc.Surprise, ConnectionError):
		pass
assert stay == 10, stay
END

# --- sessions of a user ---
with user 'limit-exempt = []; limits: { sessions-per-user = 50; connections-per-second = 0; }' 4
cat >"$SCRATCH/crowd.py" <<'END'
import sys, threading, imapc
address, users, each, limit = sys.argv[1], sys.argv[2].split(), int(sys.argv[3]), int(sys.argv[4])
answers = {u: [] for u in users}
wires = []
start = threading.Barrier(len(users) * each)
def one(user):
	wire = imapc.connect(address, timeout=60)
	wire.line()
	wires.append(wire)
	start.wait()
	answer = wire.command('LOGIN %s secret' % user)[1]
	if not answer.startswith(b't1 OK'):
		assert answer == b't1 NO [LIMIT] Too many sessions of this user.', answer
	answers[user].append(answer.startswith(b't1 OK'))
	wire.good('NOOP')
threads = [threading.Thread(target=one, args=(u,)) for u in users for _ in range(each)]
for t in threads:
	t.start()
for t in threads:
	t.join()
for u in users:
	assert len(answers[u]) == each and sum(answers[u]) == min(limit, each), (u, len(answers[u]), sum(answers[u]))
for wire in wires:
	wire.drop()
END
ok "of 200 logins of a user at once exactly 50 get in, over four workers" "$PYTHON" "$SCRATCH/crowd.py" "$(on user imap)" anna 200 50
sluice=user
ok "the log has the reason" logged 'event=login-failed .*user=anna .*reason=user-full'
ok "all have gone" wait_for 10 eval '[ "$(log_count "event=session-end")" -eq 200 ]'
ok "and then as many get in again, of each user" "$PYTHON" "$SCRATCH/crowd.py" "$(on user imap)" "anna berta" 60 50

with pair 'limit-exempt = [ "127.0.0.9" ]; limits: { sessions-per-user-address = 1; }'
cat >"$SCRATCH/pair.py" <<'END'
import sys, time, imapc
def log_in(source, user='anna'):
	wire = imapc.connect(sys.argv[1], source=source)
	wire.line()
	return wire, wire.command('LOGIN %s secret' % user)[1][3:]
first, answer = log_in('127.0.0.2')
assert answer.startswith(b'OK'), answer
second, answer = log_in('127.0.0.2')
assert answer == b'NO [LIMIT] Too many sessions of this user from your address.', answer
for source, user in ('127.0.0.3', 'anna'), ('127.0.0.2', 'berta'), ('127.0.0.9', 'anna'), ('127.0.0.9', 'ANNA'):
	assert log_in(source, user)[1].startswith(b'OK'), (source, user)
first.drop()
for _ in range(3):		# the fifth that fails would be its last
	time.sleep(0.3)
	answer = second.command('LOGIN Anna secret')[1].split(b' ', 1)[1]
	if answer.startswith(b'OK'):
		break
assert answer.startswith(b'OK'), answer
END
ok "sessions of a user at one address; who is refused stays, and gets in when another has gone" \
	"$PYTHON" "$SCRATCH/pair.py" "$(on pair imap)"

# --- wrong passwords ---
python "the fifth ends the session" "$(on pair imap)" <<'END'
import sys, imapc
wire = imapc.connect(sys.argv[1])
wire.line()
for i in range(5):
	assert wire.command('LOGIN wrong secret')[1].split(b' ')[1] == b'NO'
assert wire.line() == b'* BYE Too many failed logins.'
assert wire.at_end()
END
PENALTY=2 with penalty ''
python "a wrong password is answered after a while, and nobody else waits" "$(on penalty imap)" <<'END'
import sys, time, imapc
wire = imapc.connect(sys.argv[1])
wire.line()
began = time.monotonic()
wire.send(b'a LOGIN wrong secret\r\nb NOOP\r\n')
other = imapc.login(sys.argv[1], 'anna', 'secret')
other.good('NOOP')
assert time.monotonic() - began < 2, 'others waited'
assert wire.line().startswith(b'a NO [AUTHENTICATIONFAILED]')
assert 1.9 < time.monotonic() - began, 'too early'
assert wire.line().startswith(b'b OK')
END

done_testing
