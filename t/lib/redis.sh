# redis.sh - a real redis-server of our own, in memory only.
#
#	redis_start [NAME]		on a free port of 127.0.0.1 and on a Unix socket
#	redis_address [NAME]		redis://127.0.0.1:PORT/0
#	redis_unix [NAME]		unix:/path
#	redis WORD...			a command for the one called "redis"
#	redis_stop, redis_restart	on the same port again, empty

declare -A REDIS_PID REDIS_PORT

redis_address() { echo "redis://127.0.0.1:${REDIS_PORT[${1:-redis}]}/0"; }
redis_unix() { echo "unix:$SCRATCH/${1:-redis}.sock"; }
redis() { redis-cli -s "$SCRATCH/redis.sock" "$@"; }

redis_needed() { command -v redis-server >/dev/null && command -v redis-cli >/dev/null || skip_all "redis-server is not installed"; }

redis_answers() { gone "$2" || [ "$(redis-cli -s "$SCRATCH/$1.sock" PING 2>&1)" = PONG ]; }

redis_try()
{
	local name=$1
	shift
	redis-server --port "${REDIS_PORT[$name]}" --bind 127.0.0.1 --unixsocket "$SCRATCH/$name.sock" --unixsocketperm 777 --save '' \
		--appendonly no --dir "$SCRATCH/run" --daemonize no "$@" </dev/null >>"$SCRATCH/$name.log" 2>&1 &
	REDIS_PID[$name]=$!
	ours $!
	wait_for 10 redis_answers "$name" "${REDIS_PID[$name]}"
	! gone "${REDIS_PID[$name]}" || { not_ours "${REDIS_PID[$name]}"; return 1; }
}

redis_start()
{
	local name=${1:-redis} try
	shift $(($# > 0))
	LOGS+=("$SCRATCH/$name.log")
	for try in 1 2 3 4 5; do
		REDIS_PORT[$name]=$(free_port)
		redis_try "$name" "$@" && return 0
	done
	bail_out "redis-server does not start: $(tail -n 3 "$SCRATCH/$name.log")"
}

redis_stop() { stop_process "${REDIS_PID[${1:-redis}]}"; }
redis_restart() { redis_try "${1:-redis}"; }
