# ktls.sh - what scripts about kernel TLS have in common.
#
#	ktls_or_skip		ends the script where the kernel does no TLS: t/vm runs it in one that does, and then (KERNEL_TLS=must) that is a failure
#	literals_up		the backend of literals.py; literals_address plain|tls
#	modes NAME		of the line event=relay-modes: what it says of tls12, tls13, half-records
#	log_field LINE NAME	the value of that field

has_kernel_tls()
{
	"$PYTHON" - <<'END'
import socket, sys
l = socket.create_server(('127.0.0.1', 0))
try:
	socket.create_connection(l.getsockname()).setsockopt(socket.IPPROTO_TCP, 31, b'tls')	# TCP_ULP
except OSError:
	sys.exit(1)
END
}

ktls_or_skip()
{
	has_kernel_tls && return
	[ "${KERNEL_TLS:-}" != must ] || bail_out "this kernel does no TLS"
	does_not_apply "this kernel does no TLS; t/vm runs this in one that does"
}

literals_up()
{
	"$PYTHON" "$LIB/literals.py" serve "$SCRATCH/literals" --cert "$SCRATCH/tls/server.pem" </dev/null >"$SCRATCH/literals.out" 2>&1 &
	ours $!
	LOGS+=("$SCRATCH/literals.out")
	wait_for 10 test -e "$SCRATCH/literals.tls" || bail_out "the backend does not start: $(cat "$SCRATCH/literals.out")"
}

literals_address() { cat "$SCRATCH/literals.$1"; }

log_field() { sed -nE "s/^.* $2=\"?([^\" ]*).*\$/\\1/p" <<<"$1"; }

modes() { log_field "$(grep -a 'event=relay-modes' "$(sluice_log)")" "$1"; }
