#!/bin/sh
# Every event of the log and every reason stands in sluiced(8), which tells of no other; and its filter for fail2ban takes the client's address
# and nothing that a user name pretends. TAP. srcdir: the top of the source tree (automake's abs_ one goes first).

src=${abs_top_srcdir:-${srcdir:-.}}
cd "$src" || exit 1
page=doc/sluiced.8
n=0

result() # status name
{
	n=$((n + 1))
	[ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# The first text with a lower-case letter after the call: log_begin(&l, LEVEL, "event"), log_say(LEVEL, "event", ...), log_turn(...).
events_in_source()
{
	cat $(find src -name '*.c') | grep -oE '\<log_(begin|say|turn)\((&?[a-z]+, )?[^"]*"[a-z-]+"' | sed 's/.*"\([a-z-]*\)"$/\1/' | sort -u
}

events_in_page()
{
	grep '^\.It event=' "$page" | grep -oE 'event=[a-z-]+' | sed 's/event=//' | sort -u
}

# The reasons of reasons.c but for the two that are none.
reasons_in_source()
{
	sed -n 's/^	\[\(SESSION\|LOGIN\)_[A-Z_0-9]*\][^"]*"\([a-z0-9-]*\)".*/\2/p' src/session/reasons.c | grep -vxE 'alive|ok' | sort -u
}

reasons_in_page()
{
	sed -n '/^\.Ss Why a session ends/,/^\.Ss Fail2ban/s/^\.It \([a-z0-9-]*\)$/\1/p' "$page" | sort -u
}

for what in events reasons; do
	source=$(${what}_in_source)
	[ "$(echo "$source" | wc -l)" -gt 20 ]
	result $? "there are $what"
	for name in $source; do
		${what}_in_page | grep -qxF -e "$name"
		result $? "$name is in the page"
	done
	for name in $(${what}_in_page); do
		echo "$source" | grep -qxF -e "$name"
		result $? "$name, which is in the page, is in the source"
	done
done

# As an extended regular expression of sed: of an address it is enough that it is one of those tried here.
filter=$(sed -n '/^failregex = /,/^\.Ed/p' "$page" | sed -e '/^\.Ed/d' -e 's/^failregex = //' -e 's/\\$//' | tr -d '\n' |
	sed -e 's/\\e/\\/g' -e 's/(?:/(/g' -e 's/<ADDR>/@([0-9a-f.:]+)@/' -e 's/\\S/[^ ]/g' -e 's/\\s/ /g')
before=${filter%%@*}
address=${filter#*@}
address=${address%%@*}
after=${filter##*@}
group=$(($(echo "$before" | tr -dc '(' | wc -c) + 1))

taken() # the address that the filter takes from a line, or nothing
{
	echo "$1" | sed -nE "s#$before$address$after.*#\\$group#p"
}

takes() # name, line, address
{
	got=$(taken "$2")
	[ "$got" = "$3" ]
	result $? "$1"
	[ "$got" = "$3" ] || echo "# got: $got"
}

[ -n "$address" ] && [ "$group" -lt 10 ]
result $? "the page has a filter for fail2ban"
head='ts=2026-01-02T03:04:05.678Z level=info event=login-failed session=x.0-1'
tail='listener=imaps mechanism=PLAIN backend=mb1 while="logging in to the backend" reason=bad-password why="backend refused the credentials"'
takes "a wrong password counts" "$head user=joe client=192.0.2.1:1234 $tail" 192.0.2.1
takes "with IPv6 too" "$head user=joe auth=admin client=[2001:db8::1]:1234 $tail" 2001:db8::1
takes "through syslog too" " mx sluiced[12]: $head user=joe client=192.0.2.1:1234 $tail" 192.0.2.1
takes "a name with spaces cannot give another address" \
	"$head user=\"x client=192.0.2.66:1 $(echo "$tail" | tr -d '"')\" client=192.0.2.1:1234 listener=imaps reason=bad-password" 192.0.2.1
takes "nor one without" "$head user=client=192.0.2.66:1 client=192.0.2.1:1234 $tail" 192.0.2.1
takes "nor one that looks like a line, in another event" \
	"ts=1 level=info event=session-end session=x.0-1 user=\"$(echo "$head" | tr -d '"') client=192.0.2.66:1 reason=bad-password \" client=192.0.2.1:1 reason=client-gone" ''
takes "other reasons do not count" "$head user=\"x reason=bad-password\" client=192.0.2.1:1234 listener=imaps reason=backend-down why=x" ''

echo "1..$n"
