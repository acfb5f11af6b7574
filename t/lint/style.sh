#!/bin/sh
# What of the house style a machine can see. TAP. srcdir: the top of the source tree (automake's abs_ one goes first).

src=${abs_top_srcdir:-${srcdir:-.}}
cd "$src" || exit 1
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

sources=$(find include src t -name '*.[ch]' | sort)
[ -n "$sources" ]
result $? "there are sources"

# Written so that this line does not find itself.
later='\<(TO[D]O|FIX[M]E|X[X]X)\>'
nothing "nothing is left to be done later" "$(
	grep -rnE "$later" include src t doc etc --include='*.[ch]' --include='*.sh' --include='*.[58]' --include='*.conf')"

nothing "each header starts with a comment that names it" "$(
	for header in $(find include -name '*.h' | sort); do
		head -n 2 "$header" | grep -qF " * $(basename "$header") - " || echo "$header"
	done)"

nothing "each header is guarded by a name made of its path" "$(
	for header in $(find include -name '*.h' | sort); do
		guard=$(echo "${header#include/}" | tr 'a-z/.' 'A-Z__')
		grep -qx "#ifndef $guard" "$header" || echo "$header: not guarded by $guard"
	done)"

nothing "no line is longer than 140 columns" "$(
	for file in $sources; do
		expand -t 8 "$file" | grep -nE '^.{141}' | sed "s#^\([0-9]*\):.*#$file:\1#"
	done)"

nothing "no line ends in blanks" "$(grep -nE '[[:blank:]]$' $sources)"
nothing "lines are indented by tabs" "$(grep -nE '^    ' $sources)"
nothing "structs have no typedef" "$(grep -nE '\<typedef[[:blank:]]+(struct|union|enum)\>' $sources)"
nothing "no function of the C library is called that cannot know how much room there is" "$(
	grep -nE '\<(strcat|sprintf|vsprintf|gets|alloca) ?\(' $(find include src -name '*.[ch]'))"

echo "1..$n"
