#!/bin/sh
# Every setting is in the man page and in the sample, each in its section; and neither tells of one that there is not.
# TAP. srcdir and builddir: the tops of both trees (automake's abs_ ones go first).

src=${abs_top_srcdir:-${srcdir:-.}}
build=${abs_top_builddir:-${builddir:-.}}
page=$src/doc/sluice.conf.5
sample=$src/etc/sluice.conf
n=0

result() # status name
{
	n=$((n + 1))
	[ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# "listener.NAME.address" for each .It Ic address under .Ss listener NAME; the subsection of the top is named Top.
names_in_page()
{
	awk '$1 == ".Ss" { s = $2; gsub(/"/, "", s); named = $3 == "NAME" ? "NAME." : "" }
	     $1 == ".Sh" { s = "" }
	     $1 == ".It" && $2 == "Ic" && s != "" { print (s == "Top" ? "" : s "." named) $3 }' "$page"
}

# Of the sections with names of their own, the sample has "section: {" at the margin and "name: {" one tab in.
names_in_sample()
{
	awk '/^[a-z]+: \{/ { s = $1; sub(/:/, "", s); named = "" }
	     /^\t[A-Za-z0-9_-]+: \{/ { named = "NAME." }
	     /^\};/ { s = "" }
	     /^\t*#?[a-z0-9-]+ = / { t = $1; gsub(/#/, "", t); print (s == "" ? "" : s "." named) t }' "$sample"
}

known=$("$build/t/lint/list_settings") || known=
[ -n "$known" ]
result $? "list_settings lists the settings"

for where in page sample; do
	names=$(names_in_$where | sort -u)
	for name in $known; do
		echo "$names" | grep -qxF -e "$name"
		result $? "$name is in the $where"
	done
	for name in $names; do
		echo "$known" | grep -qxF -e "$name"
		result $? "$name, which is in the $where, is a setting"
	done
done

# Between a setting's .It and the next, or the list's end, there is an example.
without_example()
{
	awk 'function over() { if (name != "" && !seen) print name; name = "" }
	     /^\.(Sh|Ss) / || ($1 == ".It" && $2 == "Ic") { over() }
	     /^\.Ss / { s = $2 }
	     /^\.Sh / { s = "" }
	     $1 == ".It" && $2 == "Ic" && s != "" { name = s " " $3; seen = 0 }
	     /^Example:$/ { seen = 1 }
	     END { over() }' "$page"
}

missing=$(without_example)
[ -z "$missing" ]
result $? "each setting in the page has an example"
[ -z "$missing" ] || echo "$missing" | sed 's/^/# /'

if command -v mandoc >/dev/null 2>&1; then
	for name in sluice.conf.5 sluiced.8; do
		faults=$(mandoc -Tlint -Wwarning "$src/doc/$name" 2>&1)
		[ -z "$faults" ]
		result $? "mandoc finds nothing wrong with $name"
		[ -z "$faults" ] || echo "$faults" | sed 's/^/# /'
	done
fi

echo "1..$n"
