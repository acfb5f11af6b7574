#!/usr/bin/env bash
# Sessions resume on every worker, over a reload, and on another host with the same key file; not where the keys or the policy differ.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/tls.sh"

tls_files
fake_start mb1 <<'END'
S: * OK not needed
END
tls=$SCRATCH/tls
umask 077
head -c 80 /dev/urandom >"$tls/shared.keys"
head -c 80 /dev/urandom >"$tls/newer.keys"
cat "$tls/newer.keys" "$tls/shared.keys" >"$tls/both.keys"
chown "$SERVER_USER" "$tls/"*.keys 2>/dev/null
umask 022

settings()	# MORE-OF-TLS
{
	cat <<END
listener: {
	imaps: { address = "127.0.0.1:0"; }
	starttls: { address = "127.0.0.1:0"; tls = "starttls"; }
	new: { address = "127.0.0.1:0"; min-version = "1.3"; }
}
tls: { certificate = "$tls/server.pem"; $1 }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END
}
sluice_start < <(settings '')
at=$(port imaps)
begins() { tls_says "$1" -sess_out "$SCRATCH/session" "${@:2}" | grep -q '^New, '; }
resumes() { tls_says "$1" -sess_in "$SCRATCH/session" -sess_out "$SCRATCH/session" "${@:2}" | grep -q '^Reused, '; }
does_not_resume() { tls_says "$1" -sess_in "$SCRATCH/session" "${@:2}" | grep -q '^New, '; }
times()	# N COMMAND...
{
	local i n=$1
	shift
	for i in $(seq "$n"); do
		"$@" || { echo "the ${i}th time"; return 1; }
	done
}
workers() { grep -oE 'event=session-end .*session=[0-9a-z]+\.[0-9]+' "$(sluice_log)" | grep -oE '[0-9]+$' | sort -u | wc -l; }

for version in -tls1_3 -tls1_2; do
	ok "$version: a session begins" begins "$at" $version
	ok "$version: and is resumed, every time" times 12 resumes "$at" $version
	mark=$(log_mark)
	sluice_reload
	ok "$version: a reload" logged_since "$mark" 'event=reloaded what=certificate'
	ok "$version: does not end it" times 4 resumes "$at" $version
	ok "$version: another listener of the same policy resumes it after STARTTLS" resumes "$(port starttls)" -starttls imap $version
done
is "both workers had a share" "$(workers)" 2
ok "the log knows which were resumed" logged 'event=session-end .*resumed=yes'
ok "begun under one policy" begins "$at" -tls1_3
ok "it is not resumed under another" does_not_resume "$(port new)" -tls1_3

sluice=here sluice_start < <(settings "ticket-key-file = \"$tls/shared.keys\";")
cp -p "$tls/shared.keys" "$tls/there.keys"
sluice=there sluice_start < <(settings "ticket-key-file = \"$tls/there.keys\";")
here=$(sluice=here port imaps)
there=$(sluice=there port imaps)
ok "with a key file: a session begins here" begins "$here"
ok "is resumed there" resumes "$there"
ok "and here again" times 4 resumes "$here"
ok "but not with other keys" does_not_resume "$at"
mv "$tls/both.keys" "$tls/there.keys"
ok "a new key there, before the old: it is taken" eval 'sluice=there logged "event=reloaded what=ticket-keys" 10'
ok "begun here" begins "$here"
ok "resumed there, with the old key" resumes "$there"
ok "what was sealed there with the new one, is not resumed here" does_not_resume "$here"
chmod o+r "$tls/there.keys"
ok "keys that others may read are not taken" eval 'sluice=there logged "event=reload-failed what=ticket-keys why=.*others" 10'
ok "the ones before stay" eval 'begins "$here" && resumes "$there"'

sluice=never
chmod o+r "$tls/newer.keys"
settings "ticket-key-file = \"$tls/newer.keys\";" | sluice_up
ok "nor at start" logged 'event=start-failed .*newer\.keys: others than its owner'

done_testing
