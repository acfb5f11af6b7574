#!/usr/bin/env bash
# Kernel TLS 1.2 and 1.3, on the client's side and towards a backend: literals down and up, every byte as it was sent.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/ktls.sh"

ktls_or_skip
tls_files
literals_up

settings()	# NAME-OF-BACKEND MORE-OF-BACKEND
{
	cat <<END
relay-mode = "kernel-tls";
listener: {
	plain: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = "127.0.0.1:0"; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { b: { address = "$(literals_address "$1")"; $2 } }
END
}

# moves SENTENCE LISTENER FIELDS [OPTION...]: literals of many sizes go down and up; the session's line has these fields.
moves()
{
	local sentence=$1 listener=$2 fields=$3 mark
	shift 3
	mark=$(log_mark)
	ok "$sentence" "$PYTHON" "$LIB/literals.py" move "$(port "$listener")" "$@" 1 16383 16384 40000 250000 3
	ok "and its line in the log has: $fields" logged_since "$mark" "event=session-end .*listener=$listener .*$fields"
}

sluice=plain
sluice_start < <(settings plain '')
diag "kernel $(uname -r), $("$SLUICED" -V | grep OpenSSL), $(grep -ao 'relay-mode=.*' "$(sluice_log)")"
like "TLS 1.2 is the kernel's both ways" "$(modes tls12)" '^both$'
like "TLS 1.3 is, at least for sending" "$(modes tls13)" '^(both|send)$'
with13=$(modes tls13)
up13=copy
[ "$with13" = send ] || up13=splice
moves "a client with TLS 1.2, a backend without TLS" imaps 'up=splice down=splice .*tls=TLSv1.2 .*ktls=both' --tls --tls-max 1.2
moves "a client with TLS 1.3, a backend without TLS" imaps "up=$up13 down=splice .*tls=TLSv1.3 .*ktls=$with13" --tls

sluice=tls
sluice_start < <(settings tls "tls = \"implicit\"; tls-ca = \"$SCRATCH/tls/ca.pem\"; tls-name = \"localhost\";")
moves "a client without TLS, a backend with TLS 1.3" plain "up=splice down=$up13 .*tls=none.* backend-ktls=$with13"
moves "both with TLS 1.3" imaps "up=$up13 down=$up13 .*ktls=$with13 .*backend-ktls=$with13" --tls
moves "a client with TLS 1.2, a backend with 1.3" imaps "up=splice down=$up13 .*tls=TLSv1.2 .*ktls=both .*backend-ktls=$with13" --tls --tls-max 1.2

done_testing
