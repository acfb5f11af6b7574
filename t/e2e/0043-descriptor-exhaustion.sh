#!/usr/bin/env bash
# Out of descriptors: accepting pauses and resumes, one log line each, and who is logged in never notices.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
command -v prlimit >/dev/null || skip_all "prlimit (util-linux) is not installed"
WORKERS=1 sluice_start prlimit --nofile=64:64 <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
ok "the log says how many sessions fit" logged 'event=.*(descriptors|sessions|fit)'

cat >"$SCRATCH/flood.py" <<'END'
import os, sys, time, imapc
address, password, scratch = sys.argv[1:]
first = imapc.login(address, 'anna', password)
wires = [imapc.connect(address, timeout=15) for _ in range(100)]
imapc.wait_for_file(scratch + '/paused')
first.good('NOOP')
for w in wires[:80]:
	w.drop()
for w in wires[80:]:
	assert w.line().startswith(b'* OK')
	w.drop()
first.good('NOOP')
END
"$PYTHON" "$SCRATCH/flood.py" "$(port imap)" "$PASSWORD" "$SCRATCH" >"$SCRATCH/flood.out" 2>&1 &
flood=$!
ours $flood
ok "a hundred clients where sixty descriptors are: accepting pauses" logged 'event=accept-paused'
touch "$SCRATCH/paused"
wait $flood
is "when some leave, those who waited are served; a live session went on" "$?$(cat "$SCRATCH/flood.out")" 0
not_ours $flood
ok "accepting has resumed" logged 'event=accept-resumed'
ok "one line each, not a flood" test "$(log_count 'event=accept-paused')" -le 3 -a "$(log_count 'event=accept-paused')" -eq "$(log_count 'event=accept-resumed')"
ok "and logins work" sees anna mb1

# Who is connected can log in, whoever else only holds a connection.
cat >"$SCRATCH/hogs.py" <<'END'
import sys, imapc
address, password = sys.argv[1:]
early = imapc.connect(address, timeout=15)
early.line()
hogs = [imapc.connect(address, timeout=15) for _ in range(150)]
early.good('LOGIN berta ' + imapc.quote(password))
early.good('NOOP')
END
paused=$(log_count 'event=accept-paused')
is "a login in the midst of idle connections" "$("$PYTHON" "$SCRATCH/hogs.py" "$(port imap)" "$PASSWORD" 2>&1)" ''
paused_again() { [ "$(log_count 'event=accept-paused')" -gt "$paused" ]; }
ok "accepting had paused for that" wait_for 5 paused_again

done_testing
