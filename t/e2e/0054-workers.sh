#!/usr/bin/env bash
# The same with no thread, one, two, and one for each processor; all of them serve.
. "$(dirname "$0")/../lib/e2e.sh"

dovecot_up mb1
for workers in 0 1 2 4 '"auto"'; do
	sluice=w${workers//\"/}
	WORKERS=$workers sluice_start <<END
listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; }
	imaps: { address = [ "127.0.0.1:0", "127.0.0.2:0" ]; }
}
tls: { certificate = "$SCRATCH/tls/server.pem"; }
backend: { mb1: { address = "$(dovecot_address mb1)"; } }
END
	threads=$(ls "/proc/$(sluice_pid)/task" | wc -l)
	# ThreadSanitizer has a thread of its own as soon as there is a second one.
	[ "$workers" = 0 ] || ! grep -qa __tsan_init "$SLUICED" || threads=$((threads - 1))
	case $workers in
	'"auto"') ok "workers = auto: a thread more than processors at most" test "$threads" -ge 2 -a "$threads" -le $(($(nproc) + 1)) ;;
	0) is "workers = 0: one thread" "$threads" 1 ;;
	*) is "workers = $workers: as many, and one that controls" "$threads" $((workers + 1)) ;;
	esac
	is "no thread of it is root" "$(cat "/proc/$(sluice_pid)/task"/*/status | awk '/^Uid:/ { print $2, $3, $4 }' | sort -u)" \
		"$(id -u $SERVER_USER) $(id -u $SERVER_USER) $(id -u $SERVER_USER)"
	is "a line for each address in the ready file" "$(awk '{ print $1 }' "$SCRATCH/run/$sluice.ready" | tr '\n' ' ')" 'imap imaps imaps '
	python "sixty sessions, half of them over TLS" "$(port imap)" "$(port imaps)" "$(awk '/^imaps 127.0.0.2/ { print $2 }' "$SCRATCH/run/$sluice.ready")" "$PASSWORD" <<'END'
import sys, imapc
plain, secure, other, password = sys.argv[1:]
context = imapc.client_context()
wires = []
for i in range(60):
	if i % 2:
		w = imapc.connect(secure if i % 4 == 1 else other, tls=context, name='mail.example')
	else:
		w = imapc.connect(plain)
	w.login('user%d' % (i % 20), password)
	wires.append(w)
for w in wires:
	w.good('NOOP')
END
	sluice_stop
done

done_testing
