#!/bin/sh
# doc/SECURITY goes through S1 to S25, and each test it names exists.
# TAP. srcdir: the top of the source tree (automake's abs_ one goes first).

src=${abs_top_srcdir:-${srcdir:-.}}
cd "$src" || exit 1
doc=doc/SECURITY
n=0

result() # status name
{
	n=$((n + 1))
	[ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# The lines of one number, up to the next.
part() # number
{
	awk -v s="S$1" '/^S[0-9]+ / { on = $1 == s } on' "$doc"
}

for number in $(seq 25); do
	tests=$(part "$number" | sed -n 's/^    tests: //p')
	[ -n "$tests" ]
	result $? "S$number is in $doc, with its tests"
	missing=
	for test in $(echo "$tests" | grep -o 't/[a-zA-Z0-9_./-]*'); do
		[ -e "$test" ] || missing="$missing $test"
	done
	[ -z "$missing" ]
	result $? "the tests of S$number exist"
	[ -z "$missing" ] || echo "# missing:$missing"
done

echo "1..$n"
