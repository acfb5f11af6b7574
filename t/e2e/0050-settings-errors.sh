#!/usr/bin/env bash
# sluiced -t, -V, -h; faults of the settings: each with its line, all in one go, and nothing starts.
. "$(dirname "$0")/../lib/e2e.sh"

tls_files
conf=$SCRATCH/t.conf
me=
[ "$(id -u)" -ne 0 ] || me="user = \"$SERVER_USER\";"

# check: settings on standard input; what sluiced -t says is in $said, its exit status in $status
check()
{
	cat >"$conf"
	said=$("$SLUICED" -t -c "$conf" 2>&1 </dev/null)
	status=$?
}

check <<END
listener: { imaps: { address = "127.0.0.1:0"; tls = "implicit"; } }
tls:      { certificate = "$SCRATCH/tls/server.pem"; }
backend:  { mb1: { address = "10.0.0.1:143"; } }
$me
END
is "good settings are good" $status 0
is "and said to be" "$said" "$conf: ok"

check <<'END'
listener: { imaps: { address = "127.0.0.1:0"; tls = "none"; } }
backend:  { mb1: { address = "10.0.0.1:143"; }
END
ok "a syntax error is found" test $status -ne 0
like "with its line" "$said" "^$conf:[0-9]+: "

check <<'END'
# a comment

listener: {
	imap: { address = "127.0.0.1:0"; tls = "none"; colour = "red"; }
	two: { tls = "sometimes"; }
}
backend: {
	mb1: { address = "10.0.0.1:143"; wait = 100; }
	mb2: { address = "10.0.0.2"; weight = -3; }
	mb3: { address = "10.0.0.3:143"; auth = "master"; }
}
drain-timeout = "soon";
shoes = 2;
directory: { driver = "file"; }
END
ok "faults of meaning and unknown names are found" test $status -ne 0
for line in 4 5 8 9 10 12 13 14; do
	like "line $line has one" "$said" "^$conf:$line: .+"
done
unlike "nothing is said without its place" "$(grep -v "^$conf:[0-9]*: " <<<"$said")" .
like "an unknown setting is named" "$said" ':13: .*shoes'
like "what would be right is told" "$said" ':5: .*tls.*(implicit|starttls)'

check <<'END'
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; } }
workers = 1;
workers = 2;
backend: { mb1: { address = "10.0.0.1:143"; } }
END
ok "a setting given twice is a fault" test $status -ne 0
like "with its line" "$said" "^$conf:3: "

check <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/absent.pem"; }
backend: { mb1: { address = "10.0.0.1:143"; tls = "starttls"; tls-ca = "$SCRATCH/tls/absent-ca.pem"; } }
directory: { driver = "file"; file = "$SCRATCH/absent-users"; }
$me
END
ok "files that are not there are found" test $status -ne 0
for f in 2:tls.certificate:tls/absent.pem 3:backend.mb1.tls-ca:tls/absent-ca.pem 4:directory.file:absent-users; do
	IFS=: read -r line name file <<<"$f"
	like "$file is named, and where" "$said" "^$conf:$line: $name: $SCRATCH/$file: No such file"
done

ca_server "$SCRATCH/tls" "$SCRATCH/tls/second.pem"
check <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/server.crt"; key = "$SCRATCH/tls/second.key"; }
backend: { mb1: { address = "10.0.0.1:143"; } }
$me
END
ok "a key that is another certificate's is found" test $status -ne 0
like "and named, with the line" "$said" "^$conf:2: tls\.key: .*second\.key"

mkfifo "$SCRATCH/fifo"
check <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/fifo"; }
backend: { mb1: { address = "10.0.0.1:143"; } }
$me
END
like "a pipe as certificate is a fault, and nobody waits for it" "$said" "^$conf:2: tls\.certificate: $SCRATCH/fifo: not a regular file"

check <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; } }
backend: { mb1: { address = "10.0.0.1:143"; } }
$me
END
is "a listener where nobody can log in is no fault" $status 0
like "but worth a warning" "$said" "^warning: $conf:1: listener\.imap: nobody can log in"
like "and the settings are good" "$said" "^$conf: ok"

if [ "$(id -u)" -eq 0 ]; then
	check <<'END'
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; cleartext-login = true; } }
backend: { mb1: { address = "10.0.0.1:143"; } }
user = "nobody-of-this-name";
END
	ok "as root a user who is not there is a fault" test $status -ne 0
	like "with its line, and what would help" "$said" "^$conf:3: user: no such user: nobody-of-this-name; make it \(adduser"

	touch "$SCRATCH/tls/roots.pem"
	chmod 600 "$SCRATCH/tls/roots.pem"
	check <<END
listener: { imaps: { address = "127.0.0.1:0"; } }
tls: { certificate = "$SCRATCH/tls/roots.pem"; }
backend: { mb1: { address = "10.0.0.1:143"; } }
$me
END
	like "a file that the user may not read is told with who may not" "$said" "^$conf:2: tls\.certificate: .*: user $SERVER_USER may not read it; chgrp"
fi

printf 'anna mb1\nberta nowhere\nanna mb1\ncarl mb1 colour=red\n' >"$SCRATCH/users"
check <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; } }
backend: { mb1: { address = "10.0.0.1:143"; } }
directory: { driver = "file"; file = "$SCRATCH/users"; }
$me
END
ok "faults of the map file are found" test $status -ne 0
for line in 2 3 4; do
	like "its line $line" "$said" "^$SCRATCH/users:$line: "
done

printf 'top secret\n' >"$SCRATCH/secret"
chmod 644 "$SCRATCH/secret"
check <<END
listener: { imap: { address = "127.0.0.1:0"; tls = "none"; } }
backend: { mb1: { address = "10.0.0.1:143"; auth = "master"; master-user = "m"; master-password-file = "$SCRATCH/secret"; } }
$me
END
ok "a password file that all can read is a fault" test $status -ne 0
unlike "and its content is not shown" "$said" 'top secret'

check <<'END'
listener: { imap: { address = "*:0"; tls = "none"; } }
backend: { mb1: { address = "10.0.0.1:143"; auth = "master"; master-user = "m"; master-password-file = "/nonexistent"; } }
END
like "a master's login behind a public listener needs to be meant" "$said" ':1: .*unchecked-passwords'

"$SLUICED" -t -c "$SCRATCH/absent.conf" >"$SCRATCH/out" 2>&1 </dev/null
ok "a settings file that is not there" test $? -ne 0
like "is named" "$(cat "$SCRATCH/out")" 'absent\.conf'

printf 'listener: { imap: { address = "127.0.0.1:0"; tls = "none"; } }\nbackend: { mb1: { address = "here:0"; } }\n' >"$conf"
timeout 10 "$SLUICED" -c "$conf" >"$SCRATCH/out" 2>&1 </dev/null
status=$?
ok "with faults it does not start" test $status -ne 0 -a $status -ne 124
like "and says the same" "$(cat "$SCRATCH/out")" "$conf:2: "

# A fake backend is as good as any other program that has a port.
fake_start taken <<<'CLOSE'
cat >"$conf" <<END
listener: { imap: { address = "$(fake_address taken)"; tls = "none"; } }
backend: { mb1: { address = "10.0.0.1:143"; } }
$me
END
timeout 10 "$SLUICED" -c "$conf" >"$SCRATCH/out" 2>&1 </dev/null
status=$?
ok "a port that is taken: it does not start" test $status -ne 0 -a $status -ne 124
like "and says which" "$(cat "$SCRATCH/out")" "$conf:1: listener\.imap: $(fake_address taken): .*in use; another program"

sed -i 's/^listener/log: { to = "syslog"; } listener/' "$conf"
timeout 10 "$SLUICED" -c "$conf" >"$SCRATCH/out" 2>&1 </dev/null
like "also where the log goes to syslog" "$(cat "$SCRATCH/out")" "$conf:1: listener\.imap: $(fake_address taken): "

like "-V tells versions" "$("$SLUICED" -V)" '^sluiced [0-9u]'
like "-h tells how it is used" "$("$SLUICED" -h)" '^usage: sluiced'
"$SLUICED" -x >"$SCRATCH/out" 2>&1
is "an unknown option has a status of its own" $? 2
like "and shows the usage" "$(cat "$SCRATCH/out")" '^usage: sluiced|invalid option'

done_testing
