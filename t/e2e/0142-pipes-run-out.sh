#!/usr/bin/env bash
# There are fewer pipes than sessions that could use one: the others copy, and nobody misses a byte.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/bulk.sh"

bulk_start mb1
command -v prlimit >/dev/null || skip_all "prlimit (util-linux) is not installed"
# Of 256 descriptors the sixteenth part is for pipes: eight.
WORKERS=1 sluice_start prlimit --nofile=256:256 <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(bulk_address mb1)"; } }
END

bulk_client "of thirty clients that do not read, each is served when it does" "$(port imap)" <<'END'
N = 2000000
wires = [bulk.connect(sys.argv[1], 'user%02d' % i, small=True) for i in range(30)]
for i, w in enumerate(wires):
	bulk.ask(w, i, N)
	assert w.line() == b'* 1 FETCH (BODY[] {%d}' % N
	w.buffer[:0] = b'* 1 FETCH (BODY[] {%d}\r\n' % N
for i, w in reversed(list(enumerate(wires))):	# those that came last had no pipe, and get none while the first hold theirs
	bulk.take(w, i, N)
	w.sock.close()
END
ended() { [ "$(log_count 'event=session-end .*user=user')" -eq 30 ]; }
ok "all are gone" wait_for 5 ended
copied=$(log_count 'event=session-end .*user=user.* down=copy')
spliced=$(log_count 'event=session-end .*user=user.* down=splice')
ok "some were copied ($copied), some spliced ($spliced)" test "$copied" -gt 0 -a "$spliced" -ge 8

done_testing
