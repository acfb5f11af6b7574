#!/bin/sh
# Layers: a file includes headers of its own layer or lower ones; wire is pure; each header compiles alone.
# TAP. srcdir: the top of the source tree (automake's abs_ one goes first). CC: the compiler, cc if unset.

src=${abs_top_srcdir:-${srcdir:-.}}
build=${abs_top_builddir:-${builddir:-.}}
build=$(cd "$build" && pwd) && cd "$src" || exit 1
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

# All .c and .h of a layer.
files() # layer
{
	find "include/$1" "src/$1" -name '*.[ch]' 2>/dev/null | sort
}

# file:line: what, for each header of a layer that is not allowed
wrong_includes() # allowed file...
{
	awk -v allowed="$1" '
		BEGIN { split(allowed, a, " "); for (i in a) ok[a[i]] = 1; ARGV[1] = "" }
		/^[ \t]*#[ \t]*include[ \t]*"/ {
			split($0, part, "\""); top = part[2]; sub(/\/.*/, "", top)
			if (index(part[2], "/") == 0 || !(top in ok))
				print FILENAME ":" FNR ": includes \"" part[2] "\""
		}' "$@"
}

lower=
for layer in wire base net route session daemon; do
	lower="$lower $layer"
	[ -n "$(files $layer)" ]
	result $? "there are files in layer $layer"
	nothing "layer $layer includes its own headers and lower ones only" "$(wrong_includes "$lower" $(files $layer))"
done

# ctype.h is not among them: what it says depends on the locale.
nothing "wire includes standard string and integer headers only" "$(
	grep -nE '#[ 	]*include[ 	]*<' $(files wire) |
		grep -vE '<(assert|inttypes|limits|stdbool|stddef|stdint|string|strings)\.h>')"

# Comments and texts may say these words; code must not call them.
calls='malloc|calloc|realloc|free|strdup|strndup|f?printf|puts|fopen|fwrite|open|read|write|recv|send|time|clock_gettime|gettimeofday|syslog|log_[a-z]+|mem_[a-z]+'
nothing "wire calls no malloc, no I/O, no clock, no log" "$(
	for file in $(files wire); do
		sed -e 's,"[^"]*",,g' -e 's,/\*.*\*/,,' -e 's,//.*,,' -e '\,/\*,,\,\*/,d' "$file" | grep -E "\\<($calls) ?\\(" | sed "s,^,$file: ,"
	done)"

nothing "no private header is included from another layer" "$(
	for layer in wire base net route session daemon; do
		grep -nE '#[ 	]*include[ 	]*"[a-z]+/[a-z_]*_private\.h"' $(files $layer) | grep -v "\"$layer/"
	done)"

for header in $(find include -name '*.h' | sort); do
	nothing "$header compiles alone" "$(echo "#include \"${header#include/}\"" |
		${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -Iinclude -I"$build" $CPPFLAGS -fsyntax-only -x c - 2>&1)"
done

echo "1..$n"
