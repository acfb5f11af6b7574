#!/usr/bin/env bash
# Two implementations of doc/TRACKER, written apart, say the same of every session: the C tracker (t/diff/account) and account.py.
#
# DIFF_SEEDS: how many generated sessions (400); DIFF_FROM: the first one's seed (1); DIFF_CUTS: in how many cuts each is read (3).
. "$(dirname "$0")/../lib/tap.sh"

here=$abs_top_srcdir/t/diff
program=$abs_top_builddir/t/diff/account
first=${DIFF_FROM:-1}
last=$((first + ${DIFF_SEEDS:-400}))
cuts=${DIFF_CUTS:-3}
block=100

compare() { "$PYTHON" "$here/compare.py" "$program" --cuts "$cuts" "$@"; }

ok "account.py keeps the rules of doc/TRACKER" "$PYTHON" "$here/test_account.py"
ok "the tracker says the same of the sessions that test it" compare --rules
ok "the generated sessions bring about all there is to be seen" compare --covers 1 200

for recording in "$here"/recordings/*.rec; do
	ok "both say the same of $(basename "$recording" .rec)" compare "$recording"
done
for ((seed = first; seed < last; seed += block)); do
	end=$((seed + block < last ? seed + block : last))
	ok "both say the same of the generated sessions $seed to $((end - 1))" compare --seeds $seed $end
done

done_testing
