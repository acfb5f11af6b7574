# tap.sh - the frame of a test script: Test Anything Protocol, in the frame of frame.sh.
#
#	. "$(dirname "$0")/../lib/tap.sh"
#	ok "a sentence that must hold" COMMAND...	holds if the command succeeds; its output is shown if not
#	is "a sentence" GOT WANTED
#	done_testing					must be the last line: without it the script counts as broken

. "$(dirname "${BASH_SOURCE[0]}")/frame.sh"

tap_count=0
tap_failed=0
tap_done=
AT_END=()	# commands that done_testing runs

# --- results -------------------------------------------------------------------------------------------------------------------

diag() { sed 's/^/# /' <<<"$*"; }

bail_out()
{
	tap_done=1
	echo "Bail out! $*"
	exit 1
}

# A server that is not there. On a continuous-integration run that is a failure: a skipped test proves nothing.
skip_all()
{
	[ "${CI:-}" != true ] || bail_out "$*"
	tap_done=1
	echo "1..0 # SKIP $*"
	exit 0
}

# What this build cannot show, as a sanitizer's memory: another run shows it.
does_not_apply()
{
	tap_done=1
	echo "1..0 # SKIP $*"
	exit 0
}

pass()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

fail()
{
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	[ $# -lt 2 ] || diag "$2"
}

ok()
{
	local sentence=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		pass "$sentence"
	else
		fail "$sentence" "exit status $status of: $*"
		[ -z "$out" ] || diag "$out"
	fi
	return $status
}

is()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got:    $2"
		diag "wanted: $3"
		return 1
	fi
}

# like SENTENCE TEXT REGEX
like()
{
	if grep -qE -- "$3" <<<"$2"; then
		pass "$1"
	else
		fail "$1" "wanted a match for: $3"
		diag "in: $2"
		return 1
	fi
}

unlike()
{
	if ! grep -qE -- "$3" <<<"$2"; then
		pass "$1"
	else
		fail "$1" "wanted no match for: $3"
		diag "found: $(grep -E -- "$3" <<<"$2" | head -5)"
		return 1
	fi
}

# --- clients -------------------------------------------------------------------------------------------------------------------

# talk ADDRESS [OPTION...] <SCRIPT: holds a conversation as a client (imapc.py says how scripts are written).
talk() { "$PYTHON" "$LIB/imapc.py" "$@"; }

# conversation SENTENCE ADDRESS [OPTION...] <SCRIPT: one that must go as written.
conversation()
{
	local sentence=$1
	shift
	ok "$sentence" talk "$@"
}

# talking NAME ADDRESS [OPTION...] <SCRIPT: one in the background. talked NAME: waits for its end; succeeds if it went as written.
talking()
{
	local name=$1
	shift
	cat >"$SCRATCH/$name.steps"
	rm -f "$SCRATCH/$name.status"
	setsid sh -c '"$@"; echo $? >"$0"' "$SCRATCH/$name.status" "$PYTHON" "$LIB/imapc.py" "$@" <"$SCRATCH/$name.steps" >"$SCRATCH/$name.out" 2>&1 &
	ours $!
}

talked()
{
	wait_for 20 test -s "$SCRATCH/$1.status"
	cat "$SCRATCH/$1.out"
	[ "$(cat "$SCRATCH/$1.status")" = 0 ]
}

# python SENTENCE [ARGUMENT...] <PROGRAM: a client of its own; the module imapc is at hand. Its printed words show when it fails.
python()
{
	local sentence=$1
	shift
	ok "$sentence" "$PYTHON" - "$@"
}

# --- the end -------------------------------------------------------------------------------------------------------------------

done_testing()
{
	local f
	for f in ${AT_END[@]+"${AT_END[@]}"}; do
		$f
	done
	AT_END=()
	[ $tap_failed -eq 0 ] || diag "$(show_logs)"
	tap_done=1
	echo "1..$tap_count"
	[ $tap_failed -eq 0 ]
	exit
}

at_the_end()
{
	[ -n "$tap_done" ] && return
	diag "$(show_logs)"
	echo "Bail out! the script ended before its last line"
	return 1
}
