#!/usr/bin/env bash
# relay-mode: a session goes the same way in each; kernel-tls is refused where the kernel does no TLS.
. "$(dirname "$0")/../lib/e2e.sh"

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

tls_files
fake_start mb1 <<'END'
ON NOOP \tag OK idle hands\r\n
S: * OK ready
SERVE
END

settings()
{
	cat <<END
relay-mode = "$1";
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END
}

for mode in auto copy splice; do
	sluice=$mode
	sluice_start < <(settings $mode)
	conversation "with $mode a session goes" "$(port imaps)" --tls <<'END'
S: ^\* OK
C: a LOGIN joe secret
S: ^a OK
C: b NOOP
S: ^b OK idle hands
END
done

sluice=kernel
if has_kernel_tls; then
	sluice_start < <(settings kernel-tls)
	pass "with kernel-tls it starts, for this kernel does TLS"
else
	ok "with kernel-tls it does not start, for this kernel does no TLS" eval '! sluice_up < <(settings kernel-tls)'
	ok "and says so, with file and line" logged "event=start-failed msg=.*kernel.conf:[0-9]+: relay-mode: this kernel does no TLS; "
fi

done_testing
