#!/bin/sh
# Every reason why a session ends or a login fails has a play that ends so, or is listed in t/play/README as out of reach, with why.
# TAP. srcdir: the top of the source tree (automake's abs_ one goes first).

src=${abs_top_srcdir:-${srcdir:-.}}
cd "$src" || exit 1
header=include/session/reasons.h
texts=src/session/reasons.c
readme=t/play/README
n=0

result() # status name
{
	n=$((n + 1))
	[ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# said empty: ok. Else what was said goes into the report.
nothing() # name said
{
	[ -z "$2" ]
	result $? "$1"
	[ -z "$2" ] || echo "$2" | sed 's/^/# /'
}

# The enumerators of a list, without the one that counts them.
reasons() # SESSION or LOGIN
{
	sed -n "s/^	\($1_[A-Z_]*\)[ ,].*/\1/p" "$header" | grep -v '_NREASONS$'
}

# The name of a reason; nothing if it has no row.
name_of() # enumerator
{
	sed -n "s/^	\[$1\][^\"]*\"\([a-z-]*\)\".*/\1/p" "$texts"
}

# Of the README's table: has a row with a play's number.
has_row() # name
{
	grep -qE "^    $1 +\|(.*\|)? [0-9][0-9]( |\$)" "$readme"
}

is_out_of_reach() # name
{
	sed -n '/^Not reachable by a play/,$p' "$readme" | grep -qE "^    $1  +[a-z]"
}

# A play whose lines say so.
is_played() # SESSION or LOGIN, name
{
	case $1 in
	SESSION) grep -qx "ends $2" t/play/*.play ;;
	LOGIN) grep -qE "^log login-failed .*\<reason=$2( |\$)" t/play/*.play ;;
	esac
}

for list in SESSION LOGIN; do
	all=$(reasons $list)
	[ "$(echo "$all" | wc -l)" -gt 5 ]
	result $? "$header has the list of ${list}_ reasons"
	nothing "each ${list}_ reason has its row in $texts" "$(
		for reason in $all; do
			[ -n "$(name_of "$reason")" ] || echo "$reason"
		done)"
	nothing "each ${list}_ reason has a play, and its row in $readme, or is listed there as out of reach" "$(
		for reason in $all; do
			name=$(name_of "$reason")
			if is_out_of_reach "$name"; then
				is_played $list "$name" && echo "$name: out of reach, and played"
			elif ! is_played $list "$name"; then
				echo "$name: no play"
			elif ! has_row "$name"; then
				echo "$name: no row with a play"
			fi
		done)"
done

nothing "no two plays have one number" "$(ls t/play/*.play | sed 's|.*/\(..\).*|\1|' | sort | uniq -d)"
nothing "each play begins with two digits" "$(ls t/play/*.play | grep -v '/[0-9][0-9]-[a-z0-9-]*\.play$')"

echo "1..$n"
