# fake.sh - backends that misbehave as told: see fakebackend.py for how their scripts are written.
#
#	fake_start NAME [OPTION...] <SCRIPT
#	fake_address NAME		127.0.0.1:PORT, or unix:/path
#	fake_record NAME		the file with what came in
#	fake_heard NAME REGEX		a recorded line matches

declare -A FAKE_PID

fake_address() { cat "$SCRATCH/$1.address"; }
fake_record() { echo "$SCRATCH/$1.record"; }
fake_heard() { has_line "$(fake_record "$1")" "$2"; }

fake_start()
{
	local name=$1
	shift
	rm -f "$SCRATCH/$name.address"
	: >"$SCRATCH/$name.record"
	cat >"$SCRATCH/$name.script"
	"$PYTHON" "$LIB/fakebackend.py" "$@" --ready "$SCRATCH/$name.address" --record "$SCRATCH/$name.record" "$SCRATCH/$name.script" \
		</dev/null >"$SCRATCH/$name.out" 2>&1 &
	FAKE_PID[$name]=$!
	ours $!
	LOGS+=("$SCRATCH/$name.record" "$SCRATCH/$name.out")
	wait_for 10 test -e "$SCRATCH/$name.address" || bail_out "the fake backend \"$name\" does not start: $(cat "$SCRATCH/$name.out")"
}

fake_stop() { stop_process "${FAKE_PID[$1]}"; }
