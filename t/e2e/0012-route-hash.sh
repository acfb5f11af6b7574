#!/usr/bin/env bash
# Without a directory users are hashed: always to the same backend, by every proxy, in proportion to weights.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1 mb2
sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; }
	mb2: { address = "$(dovecot_address mb2)"; }
	mb3: { address = "127.0.0.1:1"; weight = 0; }
}
END
WORKERS=1 sluice=second sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb3: { address = "127.0.0.1:1"; weight = 0; }
	mb2: { address = "$(dovecot_address mb2)"; }
	mb1: { address = "$(dovecot_address mb1)"; }
}
END
WORKERS=1 sluice=heavy sluice_start <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; weight = 1000; }
	mb2: { address = "$(dovecot_address mb2)"; weight = 10; }
}
END

where=$SCRATCH/where
cat >"$SCRATCH/where.py" <<'END'
import sys, imapc
for i in range(40):
	user = 'user%d@example.org' % i
	w = imapc.connect(sys.argv[1])
	w.login(user, sys.argv[2])
	print(user, w.good('LIST "" "on-*"')[0].split()[-1].decode())
	w.close()
END
where() { "$PYTHON" "$SCRATCH/where.py" "$1" "$PASSWORD" >"$where.$2" 2>&1; }
ok "forty users log in" where "$(port imap)" one
ok "and once more" where "$(port imap)" again
ok "and through another proxy that names the backends in another order" where "$(sluice=second port imap)" second
ok "and through one with other weights" where "$(sluice=heavy port imap)" heavy
is "the second time each lands where it did the first time" "$(cat "$where.again")" "$(cat "$where.one")"
is "and so with the other proxy" "$(cat "$where.second")" "$(cat "$where.one")"
ok "each backend has its share of them" test "$(grep -c on-mb1 "$where.one")" -ge 8 -a "$(grep -c on-mb2 "$where.one")" -ge 8
ok "a hundred times the weight draws nearly all" test "$(grep -c on-mb1 "$where.heavy")" -ge 36
is "all that were with the heavy one stay with it" "$(grep on-mb1 "$where.one" | grep -cxFf "$where.heavy")" "$(grep -c on-mb1 "$where.one")"
ok "the log says that it was the hash" logged 'event=session-end .*user=user1@example\.org .*routed-by=hash'

done_testing
