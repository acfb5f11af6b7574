#!/usr/bin/env bash
# relay-mode: a session goes the same way in each; kernel-tls is refused where the kernel does no TLS.
. "$(dirname "$0")/../lib/e2e.sh"
. "$LIB/ktls.sh"

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
	is "and $mode is what the log says" "$(modes relay-mode)" $mode
	[ $mode = auto ] || is "with TLS in user space" "$(modes tls12) $(modes tls13)" "none none"
done

sluice=kernel
if has_kernel_tls; then
	sluice_start < <(settings kernel-tls)
	conversation "with kernel-tls it starts, for this kernel does TLS, and a session goes" "$(port imaps)" --tls <<'END'
S: ^\* OK
C: a LOGIN joe secret
S: ^a OK
END
	ok "which has it" logged 'event=session-end .*ktls=(send|both)'
else
	ok "with kernel-tls it does not start, for this kernel does no TLS" eval '! sluice_up < <(settings kernel-tls)'
	ok "and says so, with file and line" logged "event=start-failed msg=.*kernel.conf:[0-9]+: relay-mode: this kernel does no TLS; "
fi

done_testing
