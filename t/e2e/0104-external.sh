#!/usr/bin/env bash
# EXTERNAL from end to end: whom the certificate names, over TLS and STARTTLS, in each form; nobody else, nobody without one; and what a resumed session
# brings with it, on listeners and hosts with other policies.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/tls.sh"

dovecot_up mb1
tls=$SCRATCH/tls
ca_make "$tls/people" 'authority of people'
ca_make "$tls/strangers" 'another authority'
ca_client "$tls/people" "$tls/anna.pem" anna email:berta@example.org
ca_client "$tls/people" "$tls/carl.pem" Carl
ca_client "$tls/people" "$tls/two.pem" dora email:dora@example.org,email:emil@example.org
ca_client "$tls/people" "$tls/nameless.pem" '' email:fritz@example.org
ca_client "$tls/people" "$tls/separated.pem" 'anna*boss' 'email:anna*boss@example.org'
ca_client "$tls/strangers" "$tls/stranger.pem" anna email:berta@example.org
secret_file() { chmod 600 "$1"; [ "$(id -u)" -ne 0 ] || chown "$SERVER_USER" "$1"; }
printf '%s\n' "$MASTER_PASSWORD" >"$SCRATCH/master.password"
secret_file "$SCRATCH/master.password"
head -c 80 /dev/urandom >"$tls/shared.keys"
secret_file "$tls/shared.keys"
cp "$tls/people/ca.pem" "$tls/authority.pem"
printf '%s mb1\n' anna carl dora berta@example.org >"$SCRATCH/users"
printf 'gerda without\n' >>"$SCRATCH/users"
ca_client "$tls/people" "$tls/gerda.pem" gerda

settings()	# FIELD CLIENT-CA
{
	cat <<END
master-separator = "*";
listener: {
	off: { address = "127.0.0.1:0"; client-cert = "off"; }
	optional: { address = "127.0.0.1:0"; }
	starttls: { address = "127.0.0.1:0"; tls = "starttls"; }
	required: { address = "127.0.0.1:0"; client-cert = "required"; }
}
tls: { certificate = "$tls/server.pem"; ticket-key-file = "$tls/shared.keys"; client-ca = "$2"; client-cert = "optional"; user-from = "$1"; }
backend: {
	mb1: { address = "$(dovecot_address mb1)"; master-user = "$MASTER_USER"; master-password-file = "$SCRATCH/master.password"; }
	without: { address = "$(dovecot_address mb1)"; group = "else"; }
}
directory: { driver = "file"; file = "$SCRATCH/users"; }
END
}
sluice=cn
sluice_start < <(settings cn "$tls/authority.pem")
sluice=email
sluice_start < <(settings email-san "$tls/authority.pem")
sluice=strangers
sluice_start < <(settings cn "$tls/strangers/ca.pem")
sluice=cn

# The options of s_client: by whose certificate, and to which kind of listener.
by() { echo "-cert $tls/$1.pem -key $tls/$1.pem"; }
over() { [ "$1" != starttls ] || echo '-starttls imap'; }

# says LISTENER WORDS [OPTION...]: what comes back for AUTHENTICATE EXTERNAL with these words (escapes as in printf), the handshake's story before it.
says()
{
	local l=$1 words=$2
	shift 2
	printf "c CAPABILITY\r\na AUTHENTICATE EXTERNAL$words\r\nl LIST \"\" on-*\r\nb LOGOUT\r\n" |
		timeout $((10 * PATIENCE)) openssl s_client -connect "$(port "$l")" -ign_eof $(over "$l") "$@" 2>&1 | tr -d '\r' |
		grep -aE 'CAPABILITY|^(New|Reused), |^\* LIST|^[acl] |alert'
}

# is_user USER LISTENER WORDS [OPTION...]: EXTERNAL is offered and lets in as USER: for Dovecot, and in the log's one line.
is_user()
{
	local user=$1 out log=$(log_mark) there=$(wc -l <"$(dovecot_log mb1)")
	shift
	out=$(says "$@")
	echo "$out"
	grep -q 'CAPABILITY .*AUTH=EXTERNAL' <<<"$out" && grep -q '^a OK' <<<"$out" && grep -q 'LIST .* on-mb1' <<<"$out" &&
		wait_for 5 has_line "$(dovecot_log mb1)" "Login: user=<$user>" "$there" &&
		logged_since "$log" "event=session-end .*user=$user .*backend=mb1 .*mechanism=EXTERNAL " &&
		! tail -n +$((log + 1)) "$(sluice_log)" | grep 'event=session-end .* auth='
}

# is_nobody LISTENER WORDS [OPTION...]: the handshake is good, EXTERNAL is neither offered nor taken.
is_nobody()
{
	local out log=$(log_mark)
	out=$(says "$@")
	echo "$out"
	grep -q 'CAPABILITY .*AUTH=PLAIN' <<<"$out" && ! grep -q 'CAPABILITY.*AUTH=EXTERNAL' <<<"$out" &&
		grep -q '^a NO \[CANNOT\]' <<<"$out" && logged_since "$log" 'event=login-failed .*mechanism=EXTERNAL .*reason=mechanism'
}

# may_not_be USER LISTENER WORDS [OPTION...]: refused, and in the log with both names.
may_not_be()
{
	local user=$1 out log=$(log_mark)
	shift
	out=$(says "$@")
	echo "$out"
	grep -q '^a NO \[AUTHORIZATIONFAILED\]' <<<"$out" && ! grep -q '^a OK' <<<"$out" &&
		logged_since "$log" "event=login-failed .*user=$user auth=anna .*mechanism=EXTERNAL .*reason=not-as"
}

# refused_by LISTENER REGEX [OPTION...]: no handshake.
refused_by()
{
	local l=$1 regex=$2
	shift 2
	tls_refused "$regex" "$(port "$l")" $(over "$l") "$@"
}

b64() { printf '%s' "$1" | base64; }
is_resumed() { grep -q '^Reused, ' <<<"$1"; }
reused() { local out; out=$("$@") && is_resumed "$out" || { echo "$out"; return 1; }; }
begun() { local out; out=$("$@") && ! is_resumed "$out" || { echo "$out"; return 1; }; }

# ---- who ----

anna=$(by anna)
for l in optional starttls required; do
	ok "$l: an empty initial response: as oneself" is_user anna $l ' =' $anna
	ok "$l: without an initial response" is_user anna $l '\r\n' $anna
	ok "$l: by one's own name" is_user anna $l " $(b64 anna)" $anna
	ok "$l: by one's own name, in capitals, when asked" is_user anna $l "\r\n$(b64 ANNA)" $anna
	ok "$l: by another's name not" may_not_be berta $l " $(b64 berta)" $anna
	ok "$l: neither when asked" may_not_be berta $l "\r\n$(b64 berta)" $anna
	like "$l: nor with a master's separator" "$(says $l " $(b64 'anna*berta')" $anna)" '^a NO \[AUTHORIZATIONFAILED\]'
	ok "$l: nobody where the certificate has no such field" is_nobody $l ' =' $(by nameless)
	ok "$l: nobody's master, whatever the certificate's name looks like" is_nobody $l ' =' $(by separated)
done
for l in optional starttls; do
	ok "$l: nobody without a certificate" is_nobody $l ' ='
	ok "$l: not by saying who" is_nobody $l " $(b64 anna)"
	ok "$l: a stranger's ends the handshake" refused_by $l 'unknown ca' $(by stranger)
done
ok "required: without a certificate there is no handshake" refused_by required 'certificate required'
ok "required: nor with a stranger's" refused_by required 'unknown ca' $(by stranger)
ok "off: nobody, for it is not asked for" is_nobody off ' =' $anna
ok "capitals in a certificate make no other user" is_user carl optional ' =' $(by carl)
like "a backend without a master: it cannot be passed on" "$(says optional ' =' $(by gerda))" '^a NO \[CANNOT\]'

sluice=email
for l in optional starttls required; do
	ok "$l: by the email address" is_user berta@example.org $l ' =' $anna
	ok "$l: nobody where there are two" is_nobody $l ' =' $(by two)
	ok "$l: nobody where there is none" is_nobody $l ' =' $(by carl)
done
sluice=cn

# ---- sessions that resume ----

saved=$SCRATCH/session
for version in -tls1_3 -tls1_2; do
	keep="$version -sess_out $saved"
	again="$version -sess_in $saved"

	ok "$version: anna begins a session" begun is_user anna optional ' =' $keep $anna
	ok "$version: resumed it is still anna's" reused is_user anna optional ' =' $again
	ok "$version: after STARTTLS, too, for the policy is the same" reused is_user anna starttls ' =' $again
	ok "$version: whatever certificate is at hand then" reused is_user anna optional ' =' $again $(by carl)
	ok "$version: and nobody else's" may_not_be carl optional " $(b64 carl)" $again $(by carl)
	ok "$version: where no certificate is asked for, it begins anew, as nobody's" begun is_nobody off ' =' $again
	ok "$version: where one is required, it is asked for again" refused_by required 'certificate required|handshake failure' $again
	ok "$version: and counts" begun is_user carl required ' =' $again $(by carl)
	sluice=email
	ok "$version: on a host that takes users from another field, it begins anew" begun is_user berta@example.org optional ' =' $again $anna
	ok "$version: and is nobody's without a certificate" begun is_nobody optional ' =' $again
	sluice=strangers
	ok "$version: on a host with other authorities it is nobody's" begun is_nobody optional ' =' $again
	sluice=cn

	ok "$version: nobody begins a session" begun is_nobody optional ' =' $keep
	ok "$version: resumed it is nobody's" reused is_nobody optional ' =' $again $anna
	ok "$version: a session from where no certificate is asked for" begun is_nobody off ' =' $keep $anna
	ok "$version: is not resumed where one counts" begun is_user anna optional ' =' $again $anna
	sluice=strangers
	ok "$version: a stranger's session from a host that knows him" begun is_user anna optional ' =' $keep $(by stranger)
	sluice=cn
	ok "$version: is nobody's here" begun is_nobody optional ' =' $again
done

ok "anna's session" begun is_user anna optional ' =' -sess_out "$saved" $anna
mark=$(log_mark)
cp "$tls/strangers/ca.pem" "$tls/authority.pem"
sluice_reload
ok "other authorities, by a reload" logged_since "$mark" 'event=reloaded what=certificate'
ok "end the sessions of those who came with the ones before" begun is_nobody optional ' =' -sess_in "$saved"
unlike "the master's password is in no log" "$(cat "$SCRATCH"/*.log)" "$MASTER_PASSWORD"

done_testing
