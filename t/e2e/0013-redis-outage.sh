#!/usr/bin/env bash
# Redis down at the start, gone, hanging, and back: logins are refused or go by what is known; live sessions never notice.
. "$(dirname "$0")/../lib/e2e.sh"

redis_needed
dovecot_up mb1
redis_start
redis_stop

settings()
{
	cat <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "$(dovecot_address mb1)"; group = "all"; } }
group: { all: { storage = "shared"; } }
directory: { driver = "redis"; redis = "$(redis_address)"; timeout = 1; on-outage = "$1"; }
END
}

sluice_start < <(settings refuse)
sluice=known sluice_start < <(settings last-known)
sluice=hashed sluice_start < <(settings hash)

ok "started without Redis: logins are refused, the client stays" login_says anna 'NO \[UNAVAILABLE\]'
ok "the log says why" logged 'event=login-failed .*user=anna .*reason=directory-down'
ok "on-outage = hash: logins go by the hash" sees anna mb1 "$(sluice=hashed port imap)"
ok "on-outage = last-known: nothing is known yet" login_says anna 'NO \[UNAVAILABLE\]' "$(sluice=known port imap)"

redis_restart
redis SET 'sluice:user:{anna}' mb1 >/dev/null
# Each of the two workers has a connection of its own: both must be back. $1: how many times they have been up.
all_up() { [ "$(log_count 'event=redis-up')" -eq $(($1 * 2)) ]; }
ok "Redis is there: within seconds all workers know" wait_for 8 all_up 1
ok "logins work" sees anna mb1
sluice=known
ok "and in the others" wait_for 8 all_up 1
ok "too" sees anna mb1
sluice=sluice

# A live session through the whole outage.
talking live "$(port imap)" <<END
S: ^\* OK
C: a LOGIN anna "$PASSWORD"
S: ^a OK
TOUCH $SCRATCH/live.on
WAIT $SCRATCH/redis.down
C: b NOOP
S: ^b OK
TOUCH $SCRATCH/live.still
WAIT $SCRATCH/redis.hangs
C: c LIST "" "on-*"
S: ^\* LIST .* on-mb1
S: ^c OK
C: d LOGOUT
S: ^\* BYE
S: ^d OK
CLOSED
END
ok "a session is open" wait_for 5 test -e "$SCRATCH/live.on"

redis_stop
ok "Redis gone: logins are refused" login_says anna 'NO \[UNAVAILABLE\]'
ok "last-known: who was seen gets in" sees anna mb1 "$(sluice=known port imap)"
ok "last-known: who was not is refused" login_says stranger 'NO \[UNAVAILABLE\]' "$(sluice=known port imap)"
ok "the log says where that came from" eval 'sluice=known logged "event=session-end .*user=anna .*routed-by=last-known"'
touch "$SCRATCH/redis.down"
ok "the live session goes on" wait_for 5 test -e "$SCRATCH/live.still"

redis_restart
redis SET 'sluice:user:{anna}' mb1 >/dev/null
ok "Redis back: all workers know" wait_for 8 all_up 2
ok "logins work again" sees anna mb1
kill -STOP "${REDIS_PID[redis]}"
ok "Redis hangs: logins are refused when its time is up" login_says anna 'NO \[UNAVAILABLE\]'
touch "$SCRATCH/redis.hangs"
ok "the live session ends as it should" talked live
kill -CONT "${REDIS_PID[redis]}"
back() { sees anna mb1 && sees anna mb1 && sees anna mb1 && sees anna mb1; }
ok "Redis moves again: logins work again" wait_for 8 back

done_testing
