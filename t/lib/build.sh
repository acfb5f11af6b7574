# build.sh - building in a folder of its own, running the suite there, and adding up what it says. Sourced by t/demo, t/check, t/bench/run, .ci/run.
#
#	build_in DIR [CONFIGURE-ARGUMENT...]	configures and builds; words go to DIR/build.log, its end is shown when it fails
#	check_in DIR SECONDS [MAKE-ARGUMENT...]	make check, bounded in time; its words go to DIR/check.log too
#	totals_of FILE				"PASSED FAILED", summed over automake's summaries in FILE; "0 0" where there is none
#	leftovers DIR				processes that still have to do with DIR, a line each

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

build_steps()
{
	if [ ! -x "$SOURCE/configure" ] || [ -n "$(find "$SOURCE/configure.ac" "$SOURCE/Makefile.am" -newer "$SOURCE/configure")" ]; then
		(cd "$SOURCE" && ./autogen.sh) || return 1
	fi
	[ -e Makefile ] && [ "$(cat configured 2>/dev/null)" = "$*" ] || "$SOURCE/configure" "$@" || return 1
	echo "$*" >configured
	timeout -k 10 120 make -j2
}

build_in()
{
	local dir=$1
	shift
	if [ -e "$SOURCE/config.status" ]; then
		echo "$SOURCE was configured in place, so nothing can be built beside it: run \"make distclean\" there first."
		return 1
	fi
	mkdir -p "$dir" || return 1
	(cd "$dir" && build_steps "$@") >"$dir/build.log" 2>&1 && return 0
	echo "The build in $dir failed; the end of build.log:"
	tail -n 40 "$dir/build.log"
	return 1
}

check_in()
{
	local dir=$1 seconds=$2 status
	shift 2
	(cd "$dir" && timeout -k 20 "$seconds" make -j2 check "$@") 2>&1 </dev/null | tee "$dir/check.log"
	status=${PIPESTATUS[0]}
	case $status in
	0) return 0 ;;
	124 | 137) echo "The suite did not end within $seconds s." ;;
	esac
	if [ -e "$dir/test-suite.log" ]; then
		echo "What failed, from $dir/test-suite.log:"
		grep -avE '^(ok |PASS:|# [A-Z]+: )' "$dir/test-suite.log" | cut -c1-500 | head -n 400
	fi
	return $status
}

totals_of()
{
	awk '
	/^# PASS:/ { passed += $3 }
	/^# (FAIL|ERROR|XPASS):/ { failed += $3 }
	END { print passed + 0, failed + 0 }' "$1" 2>/dev/null || echo 0 0
}

# Dovecot's processes have their folder as working directory, the others have it in their command line.
leftovers()
{
	local p
	for p in /proc/[0-9]*; do
		case "$(readlink "$p/cwd" 2>/dev/null) $(tr '\0' ' ' 2>/dev/null <"$p/cmdline")" in
		*"$1"*) [ "${p#/proc/}" = $$ ] || echo "${p#/proc/} $(tr '\0' ' ' 2>/dev/null <"$p/cmdline")" ;;
		esac
	done
}
