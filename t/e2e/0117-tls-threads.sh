#!/usr/bin/env bash
# Workers share certificates and authorities: many handshakes at once, with clients' certificates, while all of it is loaded anew. What
# this is for, shows under ThreadSanitizer.
. "$(dirname "$0")/../lib/e2e.sh"

tls_files
tls=$SCRATCH/tls
ca_client "$tls" "$tls/anna.pem" anna
fake_start mb1 <<<'SERVE'
WORKERS=4 LEVEL=info sluice_start <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$tls/server.pem"; client-ca = "$tls/ca.pem"; client-cert = "required"; }
backend: { mb1: { address = "$(fake_address mb1)"; } }
END

# None resumed, half of them with TLS 1.2; each round comes all at once upon certificates that nobody has used yet.
shakes()
{
	"$PYTHON" - "$(port imaps)" "$tls/anna.pem" "$(sluice_pid)" <<'END'
import imapc, os, signal, ssl, sys, threading, time
at, certificate, pid = sys.argv[1:]
ROUNDS, CLIENTS = 25, 12
faults = []
start = threading.Barrier(CLIENTS + 1)

def client(number):
	for i in range(ROUNDS):
		context = imapc.client_context()
		context.load_cert_chain(certificate)
		if (number + i) % 2:
			context.maximum_version = ssl.TLSVersion.TLSv1_2
		start.wait()
		try:
			w = imapc.connect(at, tls=context)
			assert w.line().startswith(b'* OK')
			w.good('LOGOUT')
			w.close()
		except Exception as e:
			faults.append(repr(e))

threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(CLIENTS)]
for t in threads:
	t.start()
for i in range(ROUNDS):
	os.kill(int(pid), signal.SIGHUP)
	time.sleep(0.05)
	start.wait()
for t in threads:
	t.join()
print(len(faults), 'failed', faults[:3])
sys.exit(bool(faults))
END
}
ok "all clients are let in, whatever is loaded meanwhile" shakes
ok "it was loaded each time" eval '[ "$(log_count "event=reloaded what=certificate")" -ge 2 ]'
unlike "and without a fault" "$(grep -a event=reload-failed "$(sluice_log)")" .

done_testing
