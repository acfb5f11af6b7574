# sluice.sh - sluiced itself, with the settings a test gives it.
#
#	sluice_start <SETTINGS		starts it and waits for its ready file; bails out when it does not come up
#	port LISTENER			127.0.0.1:PORT of the listener's first address (unix:/path where it is one)
#	sluice_log			its log file
#	logged REGEX [SECONDS]		a line like that comes into the log within some seconds (5)
#	sluice_reload			SIGHUP
#	sluice_stop			SIGTERM; its exit status is a test result
#
# A script that starts several names them: sluice=second sluice_start. Before the settings go: the ready file, workers (WORKERS, 2), user when
# root, drain-timeout (DRAIN, 2), auth-failure-delay (PENALTY, 0), log level (LEVEL, debug).

SLUICED=${SLUICED:-$abs_top_builddir/sluiced}
sluice=sluice

# What a sanitizer finds ends the program, and so the test.
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99:abort_on_error=0:detect_leaks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1:exitcode=99}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:exitcode=99:second_deadlock_stack=1}
SANITIZER_SAYS='AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:'

sluice_conf() { echo "$SCRATCH/$sluice.conf"; }
sluice_log() { echo "$SCRATCH/$sluice.log"; }
sluice_pid() { cat "$SCRATCH/$sluice.pid"; }

# How much slower than usual things may go: a sanitizer takes its time.
is_sanitized() { grep -qa '__[at]san_init' "$SLUICED"; }

sluice_settings()
{
	echo "ready-file = \"$SCRATCH/run/$sluice.ready\";"
	echo "workers = ${WORKERS:-2};"
	[ "$(id -u)" -ne 0 ] || echo "user = \"$SERVER_USER\";"
	echo "drain-timeout = ${DRAIN:-2};"
	echo "auth-failure-delay = ${PENALTY:-0};"
	echo "log: { to = \"stderr\"; level = \"${LEVEL:-debug}\"; }"
	cat
}

# Starts it with the settings file as it is.
sluice_launch()
{
	rm -f "$SCRATCH/run/$sluice.ready"
	"$@" "$SLUICED" -c "$(sluice_conf)" </dev/null >"$SCRATCH/$sluice.out" 2>>"$(sluice_log)" &
	echo $! >"$SCRATCH/$sluice.pid"
	ours $!
}

sluice_up_or_dead() { [ -e "$SCRATCH/run/$sluice.ready" ] || gone "$(sluice_pid)"; }

# Settings on standard input; false: it did not come up.
sluice_up()
{
	sluice_settings >"$(sluice_conf)"
	: >"$(sluice_log)"
	LOGS+=("$(sluice_log)")
	sluice_launch "$@"
	wait_for 15 sluice_up_or_dead
	[ -e "$SCRATCH/run/$sluice.ready" ] && ! gone "$(sluice_pid)"
}

sluice_start()
{
	[ -x "$SLUICED" ] || bail_out "no program at $SLUICED: build first, and run this from the build folder (or set SLUICED)"
	sluice_up "$@" || bail_out "sluiced does not come up: $(tail -n 3 "$(sluice_log)")"
	[[ " ${AT_END[*]:-} " == *" sluice_end_$sluice "* ]] || sluice_at_end
}

# Each instance is stopped, as a test, when the script is done.
sluice_at_end()
{
	eval "sluice_end_$sluice() { sluice=$sluice sluice_stop; }"
	AT_END+=("sluice_end_$sluice")
}

port() { awk -v l="$1" '$1 == l { print $2; exit }' "$SCRATCH/run/$sluice.ready"; }

logged() { wait_for "${2:-5}" has_line "$(sluice_log)" "$1"; }
log_count() { grep -cE -- "$1" "$(sluice_log)"; }

# Where the log ends now; has_line FILE REGEX MARK looks only past it.
log_mark() { wc -l <"$(sluice_log)"; }
logged_since() { wait_for 5 has_line "$(sluice_log)" "$2" "$1"; }

sluice_reload() { kill -HUP "$(sluice_pid)"; }

# SIGTERM, and a second one for what does not want to go; exit status 0 and no word of a sanitizer.
sluice_stop()
{
	local pid status
	[ -e "$SCRATCH/$sluice.pid" ] || return 0
	pid=$(sluice_pid)
	kill "$pid" 2>/dev/null
	wait_for $((${DRAIN:-2} + 8)) gone "$pid" || { diag "$sluice does not end by itself"; kill "$pid"; wait_for 5 gone "$pid" || kill -KILL "$pid"; }
	sluice_has_ended
}

# It must end, or have ended, by itself: with exit status 0 and no word of a sanitizer.
sluice_has_ended()
{
	local pid=$(sluice_pid) status
	wait "$pid"
	status=$?
	not_ours "$pid"
	rm "$SCRATCH/$sluice.pid"
	is "$sluice ends with exit status 0" $status 0
	unlike "no sanitizer has anything to say about $sluice" "$(grep -aE "$SANITIZER_SAYS" "$(sluice_log)")" .
}
