# tls.sh - what openssl's own client sees of a listener. Sourced by the tests that need it.
#
#	tls_says ADDRESS [OPTION...]	connects, says LOGOUT, waits for the end; all that s_client printed. Status 0: the handshake succeeded
#	tls_shown ADDRESS [OPTION...]	the fingerprint of the certificate that is shown
#	tls_refused REGEX ADDRESS ...	the handshake fails, and s_client says why

tls_says()
{
	local at=$1 out
	shift
	out=$(printf 'a LOGOUT\r\n' | timeout $((10 * PATIENCE)) openssl s_client -connect "$at" -ign_eof "$@" 2>&1)
	cat <<<"$out"
	grep -q '^a OK' <<<"$out"
}

tls_shown()
{
	local out
	out=$(tls_says "$@") || { echo "no handshake: $out"; return 1; }
	openssl x509 -noout -fingerprint -sha256 <<<"$out"
}

tls_refused()
{
	local regex=$1 out
	shift
	if out=$(tls_says "$@"); then
		echo "the handshake succeeded"
		return 1
	fi
	echo "$out"
	grep -qE "$regex" <<<"$out"
}

# tls_becomes FINGERPRINT ADDRESS [OPTION...]: within some seconds another certificate is shown.
tls_is() { [ "$(tls_shown "${@:2}")" = "$1" ]; }
tls_becomes() { wait_for 10 tls_is "$@"; }
