#!/usr/bin/env bash
# One second after a login, right or wrong, its password is nowhere in the process's memory, nor in a log: over plain, STARTTLS and TLS, by LOGIN and
# AUTHENTICATE, towards backends of each kind. What must be there is found, so the search works.
. "$(dirname "$0")/../lib/e2e.sh"

! is_sanitized || does_not_apply "a sanitizer keeps copies of its own"
[ "$(id -u)" -eq 0 ] || does_not_apply "only root may read the memory of an undumpable process"
dovecot_up mb1
CANARY=CaNaRy7sEcReT
secret_file() { printf '%s\n' "$MASTER_PASSWORD" >"$1"; chmod 600 "$1"; chown "$SERVER_USER" "$1"; }
secret_file "$SCRATCH/master.password"
accepts() # NAME CAPABILITIES [OPTION...]: a backend that lets everybody in
{
	local name=$1 caps=$2
	shift 2
	fake_start "$name" "$@" <<END
S: * OK [CAPABILITY $caps] hello
SERVE
END
}
accepts modern 'IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN AUTH=XOAUTH2'
accepts literals 'IMAP4rev1 LITERAL+'
accepts old 'IMAP4rev1'
accepts no-ir 'IMAP4rev1 AUTH=PLAIN'
accepts secure 'IMAP4rev1 SASL-IR AUTH=PLAIN' --tls --cert "$SCRATCH/tls/server.pem"
fake_start starts --cert "$SCRATCH/tls/server.pem" <<'END'
S: * OK [CAPABILITY IMAP4rev1 STARTTLS] hello
C: STARTTLS
S: \tag OK go
TLS
SERVE
END
fake_start repeats <<END
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
ON AUTHENTICATE * OK you said $CANARY\r\n\tag NO [LIMIT] I do not like $CANARY.
SERVE
END
fake_start dies <<'END'
S: * OK [CAPABILITY IMAP4rev1] hello
C: .
CLOSE
END
BACKENDS='modern literals old no-ir secure starts'
for b in $BACKENDS repeats dies mb1 master; do echo "in-$b $b"; done >"$SCRATCH/users"
sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	starttls: { address = "127.0.0.1:0"; tls = "starttls"; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: {
	modern: { address = "$(fake_address modern)"; }
	literals: { address = "$(fake_address literals)"; }
	old: { address = "$(fake_address old)"; }
	no-ir: { address = "$(fake_address no-ir)"; }
	secure: { address = "$(fake_address secure)"; tls = "implicit"; tls-ca = "$SCRATCH/tls/ca.pem"; tls-name = "localhost"; }
	starts: { address = "$(fake_address starts)"; tls = "starttls"; tls-ca = "$SCRATCH/tls/ca.pem"; tls-name = "localhost"; }
	repeats: { address = "$(fake_address repeats)"; }
	dies: { address = "$(fake_address dies)"; }
	mb1: { address = "$(dovecot_address mb1)"; }
	master: { address = "$(dovecot_address mb1)"; auth = "master"; master-user = "$MASTER_USER"; master-password-file = "$SCRATCH/master.password"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END

memory() { "$PYTHON" "$LIB/memory.py" "$(sluice_pid)" "$@"; }
is_found() { memory "$@" | grep -q .; }

cat >"$SCRATCH/clients.py" <<'END'
import base64, os, ssl, sys, time, imapc
scratch, canary, backends, plain, starttls, tls = sys.argv[1:]
old = imapc.client_context(tls_max='1.2')
new = imapc.client_context()

def connect(how):
	if how.startswith('tls'):
		return imapc.connect(tls, tls=old if how == 'tls 1.2' else new)
	wire = imapc.connect(plain if how == 'plain' else starttls)
	if how == 'starttls':
		wire.line()
		wire.good('STARTTLS')
		wire.starttls(new)
	return wire

def log_in(wire, user, by):
	message = base64.b64encode(b'\0%s\0%s' % (user.encode(), canary.encode())).decode()
	if by == 'quoted':
		return wire.command('LOGIN %s "%s"' % (user, canary))[1]
	if by == 'literal':
		return wire.command('LOGIN %s' % user, canary.encode())[1]
	if by == 'initial':
		return wire.command('AUTHENTICATE PLAIN %s' % message)[1]
	if by == 'token':
		token = base64.b64encode(b'user=%s\1auth=Bearer %s\1\1' % (user.encode(), canary.encode())).decode()
		return wire.command('AUTHENTICATE XOAUTH2 %s' % token)[1]
	answers = [message] if by == 'PLAIN' else [base64.b64encode(x.encode()).decode() for x in (user, canary)]
	wire.send(b'x AUTHENTICATE %s\r\n' % by.encode())
	for answer in answers:
		wire.until(b'+')
		wire.send(answer.encode() + b'\r\n')
	return wire.until(b'x')[-1]

wires = []
for how in ('plain', 'starttls', 'tls 1.2', 'tls 1.3'):
	for by in ('quoted', 'literal', 'initial', 'PLAIN', 'LOGIN', 'token'):
		for backend in backends.split() + ['master', 'repeats', 'dies', 'mb1']:
			if by == 'token' and backend != 'modern':
				continue
			wire = connect(how)
			if how != 'starttls':
				wire.line()
			answer = log_in(wire, 'in-' + backend, by)
			wanted = b'NO' if backend in ('repeats', 'dies', 'mb1') else b'OK'
			if answer.split(b' ')[1] != wanted:
				raise imapc.Surprise('%s, %s, to %s: %r' % (how, by, backend, answer))
			wires.append(wire)
for name in 'in', 'out':
	open('%s/all-are-%s' % (scratch, name), 'w').close()
	imapc.wait_for_file('%s/searched-%s' % (scratch, name), 60)
	if name == 'in':
		for wire in wires:
			wire.drop()
END
"$PYTHON" "$SCRATCH/clients.py" "$SCRATCH" "$CANARY" "$BACKENDS" "$(port imap)" "$(port starttls)" "$(port imaps)" >"$SCRATCH/clients.out" 2>&1 &
clients=$!
ours $clients
ok "all log in, or are refused, as they should" wait_for 60 test -e "$SCRATCH/all-are-in"
sleep 1		# what the test is about
ok "the search finds a user's name, who is logged in" is_found in-modern
ok "and the master's password, which every login needs" is_found "$MASTER_PASSWORD"
is "a second after the last login no password is in the memory" "$(memory "$CANARY")" ''
like "nobody of its own user may look there" "$("${AS_SERVER[@]}" head -c 1 "/proc/$(sluice_pid)/maps" 2>&1)" 'Permission denied'
touch "$SCRATCH/searched-in"
ok "all leave" wait_for 20 test -e "$SCRATCH/all-are-out"
touch "$SCRATCH/searched-out"
wait $clients
is "the clients are content" "$?$(cat "$SCRATCH/clients.out")" 0
not_ours $clients

# half_said NAME LINE: what is not yet a whole line is there, and goes with its client.
half_said()
{
	talking "$1" "$(port imaps)" --tls <<END2
S: ^\* OK
raw: $2
TOUCH $SCRATCH/$1-said
WAIT $SCRATCH/$1-searched
RESET
END2
	wait_for 10 test -e "$SCRATCH/$1-said"
	ok "$1: a password is found while it is being said: the search sees what there is" wait_for 5 is_found "$CANARY"
	touch "$SCRATCH/$1-searched"
	ok "$1: its client leaves" talked "$1"
	ok "$1: and leaves nothing behind" wait_for 5 memory "$CANARY"
}
half_said plainly "a LOGIN anna \"$CANARY"
half_said in-base64 "a AUTHENTICATE PLAIN \\b64{\\0anna\\0$CANARY}"
is "nor is anything left of all the others" "$(memory "$CANARY")" ''
unlike "the log does not have it" "$(cat "$(sluice_log)" "$SCRATCH/sluice.out")" "$CANARY"
unlike "nor in base64" "$(cat "$(sluice_log)" "$SCRATCH/sluice.out")" "$("$PYTHON" -c '
import sys, memory
print("|".join(f.decode() for f in memory.forms(sys.argv[1].encode())))' "$CANARY")"

done_testing
