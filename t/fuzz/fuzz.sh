#!/bin/sh
# fuzz.sh - every harness over its corpus, as one TAP stream. For a build without a fuzzer: there each fuzz_NAME is fuzz_NAME.c
# with replay.c. By hand it is run from the build folder.
set -u
LC_ALL=C
export LC_ALL

srcdir=${abs_top_srcdir:-${top_srcdir:-$(dirname "$0")/../..}}/t/fuzz
builddir=${abs_top_builddir:-$PWD}/t/fuzz
count=0
failed=0

result()
{
	count=$((count + 1))
	case $1 in
	ok) ;;
	*) failed=1 ;;
	esac
	echo "$1 $count - $2"
}

# One harness's output with our numbers. What is no result becomes a comment; what is missing is a failure, and so is an exit status
# that no failed seed explains (a leak found at the end).
merge()
{
	planned=none
	seen=0
	bad=0
	status=0
	while IFS= read -r line; do
		case $line in
		1..*) planned=${line#1..} ;;
		"ok "*) seen=$((seen + 1)); result ok "${line#* - }" ;;
		"not ok "*) seen=$((seen + 1)); bad=1; result "not ok" "${line#* - }" ;;
		"exit status "*) status=${line##* } ;;
		"# "*) printf '%s\n' "$line" ;;
		*) printf '# %s\n' "$line" ;;
		esac
	done
	[ "$seen" = "$planned" ] || result "not ok" "$1: all of its corpus ran ($seen of $planned)"
	[ "$status" -eq 0 ] || [ "$bad" -eq 1 ] || result "not ok" "$1: ended well (exit status $status)"
}

for source in "$srcdir"/fuzz_*.c; do
	name=$(basename "$source" .c)
	merge "$name" <<EOF
$("$builddir/$name" "$srcdir/corpus/${name#fuzz_}" 2>&1 || echo "exit status $?")
EOF
done

[ "$count" -gt 0 ] || result "not ok" "there are harnesses in t/fuzz"
echo "1..$count"
exit "$failed"
