# bulk.sh - backends that give and take literals of megabytes: see bulk.py.
#
#	bulk_start NAME [OPTION...]
#	bulk_address NAME		127.0.0.1:PORT, or unix:/path
#	bulk_client SENTENCE [ARGUMENT...] <PROGRAM	Python, with bulk and imapc imported; what it asserts must hold

bulk_address() { cat "$SCRATCH/$1.address"; }

bulk_start()
{
	local name=$1
	shift
	"$PYTHON" "$LIB/bulk.py" "$@" --ready "$SCRATCH/$name.address" </dev/null >"$SCRATCH/$name.out" 2>&1 &
	ours $!
	LOGS+=("$SCRATCH/$name.out")
	wait_for 10 test -e "$SCRATCH/$name.address" || bail_out "the backend \"$name\" does not start: $(cat "$SCRATCH/$name.out")"
}

bulk_client()
{
	local sentence=$1
	shift
	{
		echo 'import array, fcntl, os, re, socket, sys, termios, time, bulk, imapc'
		cat
	} >"$SCRATCH/client.py"
	ok "$sentence" timeout $((60 * PATIENCE)) "$PYTHON" "$SCRATCH/client.py" "$@"
}
