# frame.sh - what every script that starts servers stands in: a scratch folder, waiting, and an end that leaves nothing behind.
#
# $SCRATCH is the script's own folder, gone at the end. What a script starts it registers with "ours PID"; at the end, however that
# comes about, exactly those are stopped. at_the_end is called first, if there is such a function. LOGS: files worth a look when something failed.

set -u
LC_ALL=C
export LC_ALL
umask 022

# Which folder is whose: automake exports these; by hand a script is run from the build folder.
abs_top_srcdir=${abs_top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
abs_top_builddir=${abs_top_builddir:-$PWD}
LIB=$abs_top_srcdir/t/lib
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
export PYTHONPATH=$LIB PYTHONDONTWRITEBYTECODE=1

LOGS=()

# --- scratch -------------------------------------------------------------------------------------------------------------------

# Started as root, servers run as nobody: the folder must be reachable for it, which a private TMPDIR may not be.
if [ "$(id -u)" -eq 0 ]; then
	SERVER_USER=nobody
	AS_SERVER=(setpriv --reuid=nobody --regid=nogroup --clear-groups --)
else
	SERVER_USER=$(id -un)
	AS_SERVER=(env)
fi

# A folder that the servers may write to.
server_dir()
{
	mkdir -p "$1"
	[ "$(id -u)" -ne 0 ] || chown "$SERVER_USER" "$1"
}

make_scratch()
{
	local in
	for in in "${TMPDIR:-/tmp}" /tmp; do
		SCRATCH=$(mktemp -d "$in/sluice.XXXXXX") || continue
		chmod 755 "$SCRATCH"
		if [ ${#SCRATCH} -lt 60 ] && "${AS_SERVER[@]}" test -x "$SCRATCH"; then	# a Unix socket's path has 107 bytes
			server_dir "$SCRATCH/run"
			return 0
		fi
		rmdir "$SCRATCH"
	done
	echo "No folder for scratch files under ${TMPDIR:-/tmp} or /tmp." >&2
	exit 1
}

# --- waiting -------------------------------------------------------------------------------------------------------------------

# The only way to wait: wait_for SECONDS COMMAND... until the command succeeds, looked at every 0.05 s. On a slow or busy machine PATIENCE
# stretches the seconds.
PATIENCE=${PATIENCE:-1}
export PATIENCE
wait_for()
{
	local tries=$(($1 * 20 * PATIENCE))
	shift
	while [ $tries -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
		tries=$((tries - 1))
	done
	"$@" >/dev/null 2>&1
}

gone() { ! kill -0 -- "$1" 2>/dev/null; }

# A file has a line that matches, past its first $3 lines (default: anywhere).
has_line() { [ -e "$1" ] && tail -n "+$((${3:-0} + 1))" "$1" | grep -qE -- "$2"; }

# --- processes -----------------------------------------------------------------------------------------------------------------

# A file, not a variable: what is started in a subshell is ours too.
ours() { echo "$1" >>"$SCRATCH/ours"; }
not_ours() { sed -i "/^$1\$/d" "$SCRATCH/ours"; }

# stop_process PID [SECONDS]: TERM, then KILL when that did not do; waits for it. What was started with setsid leads a group of its own
# (Dovecot's processes outlive their master while they have sessions): the whole group goes.
stop_process()
{
	kill "$1" 2>/dev/null
	wait_for "${2:-5}" gone "$1" || kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	if kill -- "-$1" 2>/dev/null; then
		wait_for 1 gone "-$1" || kill -KILL -- "-$1" 2>/dev/null
	fi
	not_ours "$1"
}

# A TCP port on 127.0.0.1 that is free now. Whoever takes it must be ready to find it taken.
free_port() { "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# --- the end -------------------------------------------------------------------------------------------------------------------

show_logs()
{
	local f
	for f in ${LOGS[@]+"${LOGS[@]}"}; do
		[ -s "$f" ] || continue
		echo "---- the end of ${f#"$SCRATCH"/}:"
		tail -n "${LOG_LINES:-60}" "$f" | cut -c1-600
	done
}

# Newest first: a proxy before its servers.
frame_cleanup()
{
	local status=$? pid
	trap '' INT TERM HUP PIPE
	! declare -F at_the_end >/dev/null || at_the_end || status=1
	for pid in $(tac "$SCRATCH/ours"); do
		stop_process "$pid" 3
	done
	if [ -n "${SLUICE_KEEP:-}" ]; then
		echo "# kept: $SCRATCH"
	else
		rm -rf "$SCRATCH"
	fi
	exit $status
}

trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'exit 141' PIPE	# whoever read our words has gone
SCRATCH=
make_scratch
: >"$SCRATCH/ours"
trap frame_cleanup EXIT
