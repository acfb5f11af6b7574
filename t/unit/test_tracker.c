#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/pool.h"
#include "session/tracker.h"

/*
 * A session is strings: ">..." the client says, "<..." the server, "!" literal-timeout passes; each is followed by what must then be so,
 * of these words, in this order: cN commands, aN answered, fN in flight, IN idles asked, gN granted, eN ended, bN BADs owed, heldN bytes
 * (held alone when there are none), idle, safe, opaque=NAME, end. What is zero or no goes without saying.
 *
 * It is run whole, cut at each place, byte by byte, with its literals skipped unseen, and in random pieces: the account must be the same
 * behind each string, and what went on, too.
 */
#define SAID_MAX 65536
#define ITEMS_MAX 64
#define STEP_MS 1000	/* between two strings */

struct said {
	char text[SAID_MAX];
	size_t n;
};

struct run {
	struct tracker t;
	struct pool pool;
	struct said held, passed;
	char account[ITEMS_MAX][160];
	char done[80];
	unsigned ndone;
	bool over;
	/* how it is cut */
	size_t cut_item, cut_at;
	enum { WHOLE, ONE_CUT, BYTES, UNSEEN, RANDOM } how;
	uint64_t chance;
};

static struct run run, whole;
static bool strict;

static void say(struct said *s, const char *p, size_t n)
{
	assert_in_range(s->n + n, 0, SAID_MAX);
	memcpy(s->text + s->n, p, n);
	s->n += n;
}

static void done(struct tracker *t, enum imap_line_verb verb, uint32_t ms)
{
	assert_ptr_equal(t, &run.t);
	run.ndone++;
	snprintf(run.done, sizeof(run.done), "%s@%u", imap_line_verb_name(verb), (unsigned)(ms / STEP_MS));
}

static size_t next_piece(size_t item, size_t at, size_t left)
{
	size_t n = left;

	if (run.how == BYTES || run.how == UNSEEN)
		n = 1;
	else if (run.how == ONE_CUT && run.cut_item == item && at < run.cut_at)
		n = run.cut_at - at;
	else if (run.how == RANDOM) {
		run.chance = run.chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		n = 1 + (run.chance >> 33) % 9;
	}
	return n < left ? n : left;
}

static size_t skip_unseen(enum tracker_side side, size_t n)
{
	uint64_t left = tracker_literal_left(&run.t, side);

	if (run.how != UNSEEN || left == 0)
		return 0;
	n = left < n ? (size_t)left : n;
	tracker_skip(&run.t, side, n);
	return n;
}

static void client_says(size_t item, uint32_t now, const char *p, size_t n)
{
	enum tracker_verdict verdict = TRACKER_PASS;
	size_t piece, took;

	for (size_t at = 0; at < n && !run.over; at += piece) {
		bool waits = run.held.n > 0 || tracker_is_holding(&run.t);

		piece = next_piece(item, at, n - at);
		took = 0;
		if (!waits && (took = skip_unseen(TRACKER_CLIENT, n - at)) > 0)
			piece = took;
		else if (!waits)
			took = tracker_client(&run.t, p + at, piece, now, &verdict);
		assert_true(verdict != TRACKER_PASS || waits || took == piece);
		assert_int_equal(verdict == TRACKER_HOLD && !waits, !waits && tracker_is_holding(&run.t));
		run.over = verdict == TRACKER_END;
		say(&run.passed, p + at, took);
		if (!run.over)
			say(&run.held, p + at + took, piece - took);
	}
}

static void give_again(size_t item, uint32_t now)
{
	static struct said again;

	if (run.over || run.held.n == 0 || tracker_is_holding(&run.t))
		return;
	again = run.held;
	run.held.n = 0;
	client_says(item, now, again.text, again.n);
}

static void server_says(size_t item, uint32_t now, const char *p, size_t n)
{
	size_t piece;

	for (size_t at = 0; at < n && !run.over; at += piece) {
		piece = skip_unseen(TRACKER_SERVER, n - at);
		if (piece > 0)
			continue;
		piece = next_piece(item, at, n - at);
		run.over = tracker_server(&run.t, p + at, piece, now, done) == TRACKER_END;
	}
	give_again(item, now);
}

static void add(char *account, const char *name, uint64_t n)
{
	if (n > 0)
		snprintf(account + strlen(account), 160 - strlen(account), " %s%llu", name, (unsigned long long)n);
}

static void add_word(char *account, const char *word, bool is_so)
{
	if (is_so)
		snprintf(account + strlen(account), 160 - strlen(account), " %s", word);
}

static void tell_account(char *account)
{
	const struct tracker *t = &run.t;

	account[0] = '\0';
	if (run.over) {
		strcpy(account, " end");
		return;
	}
	add(account, "c", t->commands);
	add(account, "a", t->answered);
	add(account, "f", tracker_in_flight(t));
	add(account, "I", t->idles_asked);
	add(account, "g", t->idles_granted);
	add(account, "e", t->idles_ended);
	add(account, "b", t->opaque ? 0 : t->bads_owed);
	add(account, "held", run.held.n);
	add_word(account, "held", tracker_is_holding(t) && run.held.n == 0);
	add_word(account, "idle", tracker_is_idle(t));
	add_word(account, "safe", tracker_is_safe(t));
	add_word(account, "opaque=", t->opaque != TRACKER_CLEAR);
	if (t->opaque)
		strcat(account, tracker_opaque_name(t->opaque));
}

static void item_happens(size_t i, const char *item)
{
	uint32_t now = (uint32_t)(i * STEP_MS) - 2 * STEP_MS;	/* it wraps in the first seconds */

	if (item[0] == '>') {
		client_says(i, now, item + 1, strlen(item + 1));
	} else if (item[0] == '<') {
		server_says(i, now, item + 1, strlen(item + 1));
	} else {
		run.over = tracker_give_up(&run.t) == TRACKER_END;
		give_again(i, now);
	}
	tell_account(run.account[i]);
}

static void run_items(const char *const *items, size_t n)
{
	pool_init(&run.pool, tracker_block_size);
	tracker_init(&run.t, &run.pool, strict);
	run.held.n = run.passed.n = run.ndone = 0;
	run.done[0] = '\0';
	run.over = false;
	for (size_t i = 0; i < n && !run.over; i++) {
		item_happens(i, items[2 * i]);
		assert_int_equal(run.pool.in_use, run.t.remembered > 1);
	}
	tracker_fini(&run.t);
	pool_fini(&run.pool);
}

static void expect_as_whole(const char *const *items, size_t n)
{
	run_items(items, n);
	if (run.over)	/* of the line that ended it some may have gone on, but never its LF */
		assert_null(memchr(run.passed.text + whole.passed.n, '\n', run.passed.n - whole.passed.n));
	else
		assert_int_equal(run.passed.n, whole.passed.n);
	assert_memory_equal(run.passed.text, whole.passed.text, whole.passed.n);
	assert_string_equal(run.done, whole.done);
	assert_int_equal(run.ndone, whole.ndone);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(run.account[i], whole.account[i]);
}

static void run_cuts(const char *const *items, size_t n)
{
	size_t all = 0;

	run.how = ONE_CUT;
	for (run.cut_item = 0; run.cut_item < n; run.cut_item++) {
		size_t len = strlen(items[2 * run.cut_item]);

		all += len;
		for (run.cut_at = 1; len < 1000 && run.cut_at < len; run.cut_at++)
			expect_as_whole(items, n);
	}
	run.how = BYTES;
	expect_as_whole(items, n);
	run.how = UNSEEN;
	expect_as_whole(items, n);
	run.how = RANDOM;
	for (size_t seed = 0; seed < (all < 1000 ? 100 : 10); seed++) {
		run.chance = seed;
		expect_as_whole(items, n);
	}
}

static void expect_session(const char *const *items)
{
	size_t n = 0;

	while (items[2 * n])
		n++;
	assert_in_range(n, 1, ITEMS_MAX);
	memset(run.account, 0, sizeof(run.account));
	run.how = WHOLE;
	run_items(items, n);
	for (size_t i = 0; i < n; i++) {
		const char *got = run.account[i];

		assert_string_equal(got + (*got == ' '), items[2 * i + 1]);
	}
	whole = run;
	run_cuts(items, n);
}

#define EXPECT(...) expect_session((const char *const[]){ __VA_ARGS__, NULL })

static int lenient(void **s)
{
	(void)s;
	strict = false;
	return 0;
}

static int strictly(void **s)
{
	(void)s;
	strict = true;
	return 0;
}

/* n times the text, on a page of its own. */
static const char *times(const char *before, const char *text, size_t n, const char *behind)
{
	static char pages[4][SAID_MAX];
	static unsigned page;
	char *p = pages[page++ % 4];
	size_t at = (size_t)sprintf(p, "%s", before);

	while (n-- > 0)
		at += (size_t)sprintf(p + at, "%s", text);
	sprintf(p + at, "%s", behind);
	return p;
}

/* ---- lines and literals: 1-3 ---- */

static void a_fresh_session_is_safe(void **s)
{
	(void)s;
	EXPECT(">", "safe", "<", "safe");
}

static void a_line_ends_at_lf_with_or_without_cr(void **s)
{
	(void)s;
	EXPECT(">a NOOP\n", "c1 f1", "<a OK\n", "c1 a1 safe", ">b NOOP\r\n", "c2 a1 f1", "<b OK\r\n", "c2 a2 safe", ">c NOOP\rx", "c2 a2",
	       ">\r\r\n", "c3 a2 f1", "<c\rx\r\n", "c3 a2 f1", "<c\n", "c3 a3 safe");
}

static void a_tag_ends_at_the_line_s_end_too(void **s)
{
	(void)s;
	EXPECT(">a X\r\nb X\r\n", "c2 f2", "<a\n", "c2 a1 f1", "<b\r\n", "c2 a2 safe");
}

static void a_literal_s_bytes_are_not_looked_at(void **s)
{
	(void)s;
	EXPECT(">a LOGIN {9+}\r\nb NOOP\r\n\n {3+}\r\n{5}\r\n", "c1 f1",
	       "<* 1 FETCH (BODY[] {8}\r\na OK x\r\n {6}\r\na OK\r\n)\r\n", "c1 f1", "<a OK\r\n", "c1 a1 safe");
}

static void an_empty_literal_leaves_the_command_open(void **s)
{
	(void)s;
	EXPECT(">a LOGIN {0+}\r\n", "c1 f1", "<a NO\r\n", "c1 a1", ">\r\n", "c1 a1 safe");
}

static void a_size_that_cannot_be_held_makes_opaque_from_either_side(void **s)
{
	(void)s;
	EXPECT(">a FETCH {18446744073709551616}\r\n", "c1 opaque=broken-size", ">x\r\n", "c1 opaque=broken-size");
	EXPECT(">a FETCH {000000000000000000000000000000000000000001+}\n", "c1 opaque=broken-size");
	EXPECT("<* X {18446744073709551616}\r\n", "opaque=broken-size", "<* 1 EXISTS\r\n", "opaque=broken-size");
	EXPECT(">a X {1}\r\n", "c1 f1 held", "<+\r\n", "c1 f1", ">x {99999999999999999999}\r\n", "c1 opaque=broken-size");
	EXPECT(">a X {18446744073709551615}\r\n", "c1 f1 held");
}

static void text_of_the_server_announces_no_literal(void **s)
{
	(void)s;
	EXPECT("<* OK {300}\r\n", "safe", "<* no {300}\r\n", "safe", "<* BAD {300}\r\n", "safe", "<* BYE {300}\r\n", "safe",
	       "<* PREAUTH {300}\r\n", "safe", "<a {300}\r\n", "safe", "<+ {300}\r\n", "safe", "<+{300}\r\n", "safe");
	EXPECT("<* OKAY {3}\r\n", "", "<abc\r\n", "safe", "<* X {1}\r\na OK {2}\r\n", "", "<xx\r\n", "safe");
}

/* ---- commands: 4-8 ---- */

static void only_a_tag_one_space_and_a_verb_count(void **s)
{
	(void)s;
	EXPECT(">a NOOP\r\n", "c1 f1", ">\r\n\nDONE\r\nb\r\nb \r\nb  X\r\n b X\r\n(b X\r\nb+ X\r\n", "c1 f1 b9", ">c X\r\n", "c2 f2 b9");
}

static void a_tag_has_64_bytes_at_most(void **s)
{
	const char *at_most = times(">", "x", 64, " NOOP\r\n"), *more = times(">", "x", 65, " NOOP\r\n");
	const char *answer = times("<", "x", 65, " OK\r\n");

	(void)s;
	EXPECT(at_most, "c1 f1", more, "c1 f1 b1", answer, "c1 f1 b1");
}

static void bads_owed_are_counted_up_to_255(void **s)
{
	const char *lines = times(">a NOOP\r\n", "\r\n", 300, ""), *bads = times("<", "* BAD what\r\n", 254, "");

	(void)s;
	EXPECT(lines, "c1 f1 b255", bads, "c1 f1 b1", "<* BAD\r\n", "c1 f1", "<* BAD\r\n", "c1 f1");
}

static void a_tagged_line_after_which_none_is_in_flight_settles_the_bads(void **s)
{
	(void)s;
	EXPECT(">\r\na X\r\nb X\r\n", "c2 f2 b1", "<a OK\r\n", "c2 a1 f1 b1", "<b OK\r\n", "c2 a2 safe", ">DONE\r\n", "c2 a2 b1 safe",
	       "<zz OK\r\n", "c2 a2 safe");
}

static void a_command_is_in_flight_from_its_first_line_on(void **s)
{
	(void)s;
	EXPECT(">a LOGI", "", ">N {1+}\r", "", ">\n", "c1 f1", ">x x\r\n", "c1 f1", "<a OK\r\n", "c1 a1 safe");
}

static void sixteen_are_remembered_and_the_rest_is_counted(void **s)
{
	const char *same = times(">", "a X\r\n", 16, "b FETCH x\r\nc X\r\n"), *answers = times("<", "a OK\r\n", 16, "");

	(void)s;
	EXPECT(same, "c18 f18", "<b OK\r\n", "c18 a1 f17", "<zz OK\r\n", "c18 a2 f16", "<zz OK\r\n", "c18 a2 f16",
	       answers, "c18 a18 safe");
	assert_int_equal(whole.ndone, 16);
}

static void behind_a_rest_nothing_is_remembered_until_it_is_gone(void **s)
{
	const char *same = times(">", "a X\r\n", 17, "");

	(void)s;
	EXPECT(same, "c17 f17", "<a OK\r\na OK\r\n", "c17 a2 f15", ">b X\r\n", "c18 a2 f16", "<y OK\r\nz OK\r\n", "c18 a4 f14",
	       ">c IDLE\r\n", "c19 a4 f15 I1", "<c BAD\r\n", "c19 a5 f14 I1 e1");
}

static void a_tagged_line_ends_the_oldest_of_its_tag(void **s)
{
	(void)s;
	EXPECT(">a NOOP\r\n", "c1 f1", ">b X\r\n", "c2 f2", ">a FETCH\r\n", "c3 f3", "<a OK\r\n", "c3 a1 f2");
	assert_string_equal(whole.done, "NOOP@3");
	EXPECT(">a NOOP\r\n", "c1 f1", ">b X\r\n", "c2 f2", ">a FETCH\r\n", "c3 f3", "<a OK\r\na NO\r\n", "c3 a2 f1");
	assert_string_equal(whole.done, "FETCH@1");
}

static void a_tagged_line_of_no_command_means_nothing(void **s)
{
	(void)s;
	EXPECT(">a X\r\n", "c1 f1", "<b OK\r\nA OK\r\naa OK\r\n OK\r\n\r\n", "c1 f1", "<a OK\r\na OK\r\n", "c1 a1 safe");
}

static void verbs_are_known_in_any_case(void **s)
{
	(void)s;
	EXPECT(">a uid Fetch 1\r\n", "c1 f1", "<a OK\r\n", "c1 a1 safe");
	assert_string_equal(whole.done, "UID FETCH@1");
	EXPECT(">a idle\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe");
	EXPECT(">a UID  FETCH {1+}\r\n", "c1 opaque=unsure");
}

/* ---- IDLE: 9-13 ---- */

static void an_idle_is_asked_granted_and_ended(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<* 1 EXISTS\r\n", "c1 f1 I1", "<+ idling\r\n", "c1 f1 I1 g1 idle safe",
	       "<* 2 EXI", "c1 f1 I1 g1 idle", "<STS\r\n", "c1 f1 I1 g1 idle safe", ">DO", "c1 f1 I1 g1", ">NE\r\n", "c1 f1 I1 g1",
	       "<a OK\r\n", "c1 a1 I1 g1 e1 safe");
	assert_string_equal(whole.done, "IDLE@1");	/* since its end */
}

static void idle_with_a_literal_makes_opaque(void **s)
{
	(void)s;
	EXPECT(">a IDLE {3}\r\n", "c1 opaque=unsure");
	EXPECT(">a IDLE {3+}\r\n", "c1 opaque=unsure");
	EXPECT(">a IDLE\rx ~{0}\r\n", "c1 opaque=unsure");
	EXPECT(">(a IDLE {3}\r\n", "b1 held");
}

static void a_verb_ends_at_a_cr(void **s)
{
	(void)s;
	EXPECT(">a IDLE\rx\r\nb APPEND x {3}\r\n", "c1 f1 I1 held", "<+\r\na BAD\r\n", "c1 a1 I1 g1 e1 safe");
	EXPECT(">a UID FETCH\rx {1+}\r\n\n\r\n", "c1 f1", ">b \rIDLE\r\n", "c2 f2");
}

static void an_idle_of_the_rest_makes_opaque(void **s)
{
	const char *many = times(">", "a NOOP\r\n", 16, ""), *fewer = times(">", "a NOOP\r\n", 15, "i IDLE\r\n");

	(void)s;
	EXPECT(many, "c16 f16", ">i IDLE\r\n", "c17 opaque=too-many");
	EXPECT(fewer, "c16 f16 I1", "<+\r\n", "c16 f16 I1 g1 idle");
}

static void several_idles_wait_each_for_its_plus(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nDONE\r\nb IDLE\r\nDONE\r\nc IDLE\r\n", "c3 f3 I3", "<+\r\n", "c3 f3 I3 g1",
	       "<a OK\r\n+\r\n", "c3 a1 f2 I3 g2 e1", "<b OK\r\n+\r\n", "c3 a2 f1 I3 g3 e2 idle safe",
	       "<+\r\n", "c3 a2 f1 I3 g3 e2 idle safe");
}

static void whatever_follows_a_granted_idle_is_its_end(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe", ">b NOOP\r\n", "c1 f1 I1 g1",
	       "<a BAD\r\n", "c1 a1 I1 g1 e1 safe");
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe", ">\r\n", "c1 f1 I1 g1", "<a BAD\r\n", "c1 a1 I1 g1 e1 safe");
}

static void an_end_sent_before_the_plus_is_an_end(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nb NOOP\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1", "<a BAD\r\n", "c1 a1 I1 g1 e1 safe");
	EXPECT(">a IDLE\r\nDO", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1", ">NE\r\n", "c1 f1 I1 g1", "<a OK\r\n", "c1 a1 I1 g1 e1 safe");
}

static void behind_a_refused_idle_comes_an_ordinary_line(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1 safe", ">b NOOP\r\n", "c2 a1 f1 I1 e1");
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1 safe", ">DONE\r\n", "c1 a1 I1 e1 b1 safe");
}

static void a_line_that_began_before_the_refusal_is_ordinary(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nb NO", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1", ">OP\r\n", "c2 a1 f1 I1 e1");
	EXPECT(">a IDLE\r\nb IDLE", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1", ">\r\n", "c2 a1 f1 I2 e1",
	       "<+\r\n", "c2 a1 f1 I2 g1 e1 idle safe");
	EXPECT(">a IDLE\r\nb LOGIN {1", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1", ">}\r\n", "c2 a1 f1 I1 e1 held");
	EXPECT(">a IDLE\r\nDO", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1", ">NE\r\n", "c1 a1 I1 e1 b1 safe");
}

static void a_command_sent_whole_before_the_refusal_makes_opaque(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nb NOOP\r\n", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1 opaque=unsure");
	EXPECT(">a IDLE\r\nDONE\r\n", "c1 f1 I1", "<a NO\r\n", "c1 a1 I1 e1 b1 safe", "<* BAD\r\n", "c1 a1 I1 e1 safe");
	EXPECT(">a IDLE\r\nDONE\r\nc NOOP\r\n", "c2 f2 I1", "<a NO\r\n", "c2 a1 f1 I1 e1 b1");
}

static void a_granted_idle_that_ends_by_itself_leaves_an_ordinary_line(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\na NO timeout\r\n", "c1 a1 I1 g1 e1 safe", ">b NOOP\r\n", "c2 a1 f1 I1 g1 e1");
	EXPECT(">a IDLE\r\nb N", "c1 f1 I1", "<+\r\na NO\r\n", "c1 a1 I1 g1 e1", ">OOP\r\n", "c2 a1 f1 I1 g1 e1");
	EXPECT(">a IDLE\r\nb N", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1", ">OOP\r\n", "c1 f1 I1 g1", "<a NO\r\n", "c1 a1 I1 g1 e1 safe");
}

static void the_end_of_a_granted_idle_announces_nothing(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe", ">DONE {5}\r\n", "c1 f1 I1 g1", ">b NOOP\r\n", "c2 f2 I1 g1",
	       "<a OK\r\nb OK\r\n", "c2 a2 I1 g1 e1 safe");
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe", ">x {5+}\r\nb X\r\n", "c2 f2 I1 g1");
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe", ">x {99999999999999999999}\r\nb X\r\n", "c2 f2 I1 g1");
}

static void a_nonsynchronising_literal_behind_an_asked_idle_makes_opaque(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nb LOGIN {3+}\r\n", "c1 I1 opaque=unsure");
	EXPECT(">a IDLE\r\nb LOGIN {99999999999999999999}\r\n", "c1 I1 opaque=broken-size");
}

static void a_synchronising_literal_behind_an_asked_idle_waits_for_the_idle(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nb LOGIN {3}\r\nc X\r\n", "c1 f1 I1 held5", "<+\r\n", "c2 f2 I1 g1",
	       "<a BAD\r\nc OK\r\n", "c2 a2 I1 g1 e1 safe");
	EXPECT(">a IDLE\r\nb LOGIN {3}\r\nc X\r\n", "c1 f1 I1 held5", "<a BAD\r\n", "c2 a1 f1 I1 e1 held5", "<+\r\n", "c2 a1 f1 I1 e1",
	       "<b OK\r\n", "c2 a2 I1 e1 safe");
	EXPECT(">a IDLE\r\n (b {3}\r\n", "c1 f1 I1 held", "<a BAD\r\n", "c1 a1 I1 e1 b1 held", "<+\r\n", "c1 a1 I1 e1 b1",
	       ">x\r\n\r\n", "c1 a1 I1 e1 b1 safe");
	EXPECT(">a IDLE\r\nb IDLE {3}\r\n", "c1 f1 I1 held", "<+\r\n", "c1 f1 I1 g1", "<a BAD\r\n", "c1 a1 I1 g1 e1 safe");
	EXPECT(">a IDLE\r\nb IDLE {3}\r\nx", "c1 f1 I1 held1", "<a BAD\r\n", "c2 a1 I1 e1 opaque=unsure");
}

static void an_untagged_bad_or_bye_leaves_that_hold_alone(void **s)
{
	(void)s;
	EXPECT(">\r\na IDLE\r\nb LOGIN {3}\r\n", "c1 f1 I1 b1 held", "<* BAD\r\n", "c1 f1 I1 held",
	       "<* BAD\r\n* BYE\r\n", "c1 f1 I1 held", "!", "c1 I1 opaque=no-answer");
}

/* ---- synchronising literals: 14-16 ---- */

static void a_synchronising_literal_is_held_until_its_plus(void **s)
{
	(void)s;
	EXPECT(">a APPEND x {3}\r\nabc {0}\r\n\r\nb X\r\n", "c1 f1 held16", "<* 1 EXISTS\r\n", "c1 f1 held16", "<+ go\r\n", "c1 f1 held7",
	       "<+ go\r\n", "c2 f2", "<a OK\r\nb OK\r\n", "c2 a2 safe");
	EXPECT(">a X {0}\r\n", "c1 f1 held", ">\r", "c1 f1 held1", ">\n", "c1 f1 held2", "<+\r\n", "c1 f1");
}

static void a_line_that_counts_for_nothing_is_held_too(void **s)
{
	(void)s;
	EXPECT(">b X\r\n(a X {3}\r\n", "c1 f1 b1 held", "<b OK\r\n", "c1 a1 held");
	EXPECT(">(a X {3}\r\n", "b1 held", "<(b OK\r\n", "held", "<+\r\n", "", ">xyz\r\n", "safe");
}

static void the_answer_to_a_line_that_counts_for_nothing_ends_its_hold(void **s)
{
	const char *held = times(">b X\r\n", "y", 70, " APPEND x {5}\r\n"), *answer = times("<", "y", 70, " NO [TRYCREATE]\r\n");
	const char *many = times(">", "a X\r\n", 17, "c+ X {3}\r\n");

	(void)s;
	EXPECT(">b X\r\na+b APPEND x {5}\r\nc NOOP\r\n", "c1 f1 b1 held8", "<a+ NO\r\na+bc NO\r\n NO\r\n\r\n", "c1 f1 b1 held8",
	       "<a+b NO\r\n", "c2 f2", "<c OK\r\n", "c2 a1 f1");
	EXPECT(held, "c1 f1 b1 held", answer, "c1 f1");
	EXPECT(">a X\r\na  X {5}\r\n", "c1 f1 b1 held", "<a OK\r\n", "c1 a1 held", "<a BAD\r\n", "c1 a1 safe");
	EXPECT(">a X\r\n  x {5}\r\n", "c1 f1 b1 held", "<a OK\r\n", "c1 a1 held", "<null BAD\r\n", "c1 a1 safe");
	EXPECT(many, "c17 f17 b1 held", "<c+ NO\r\n", "c17 f17", "<c+ NO\r\n", "c17 a1 f16");
	EXPECT(">(a X {3}\r\n", "b1 held", "<+\r\n", "b1", ">abc {3}\r\n", "b1 held", "<(a BAD\r\n", "safe");
	EXPECT(">a LOGIN {1+}\r\n", "c1 f1", "<a NO\r\n", "c1 a1", ">x {3}\r\n", "c1 a1 held", "<a NO\r\n", "c1 a1 held");
}

static void a_tagged_bad_pays_before_it_ends_one_of_the_rest(void **s)
{
	const char *many = times(">DONE\r\n", "a X\r\n", 17, "");

	(void)s;
	EXPECT(many, "c17 f17 b1", "<DONE NO\r\n", "c17 a1 f16 b1", "<DONE BAD\r\n", "c17 a1 f16", "<a BAD\r\n", "c17 a2 f15");
	EXPECT(times(">DONE\r\n", "a X\r\n", 17, "h X {3}\r\n"), "c18 f18 b1 held", "<h BAD\r\n", "c18 a1 f17 b1");
	EXPECT(">DONE\r\na X {3}\r\n", "c1 f1 b1 held", "<DONE BAD\r\n", "c1 f1 held", "<* BAD\r\n", "c1 f1");
}

static void the_tagged_line_refuses_the_literal(void **s)
{
	(void)s;
	EXPECT(">a APPEND x {5}\r\nb NOOP\r\n", "c1 f1 held8", "<a NO\r\n", "c2 a1 f1", "<b OK\r\n", "c2 a2 safe");
	EXPECT(">a X\r\na APPEND x {5}\r\n", "c2 f2 held", "<a NO\r\n", "c2 a1 f1 held", "<a NO\r\n", "c2 a2 safe");
	EXPECT(">b X\r\na APPEND x {5}\r\n", "c2 f2 held", "<b NO\r\n", "c2 a1 f1 held");
}

static void an_untagged_bad_refuses_the_literal(void **s)
{
	(void)s;
	EXPECT(">a APPEND x {5}\r\nb NOOP\r\n", "c1 f1 held8", "<* BAD no\r\n", "c2 f2", "<a BAD\r\n", "c2 a1 f1");
	EXPECT(">(a X {5}\r\nb NOOP\r\n", "b1 held8", "<* bad\r\n", "c1 f1 b1");
	EXPECT(">a APPEND x {5}\r\n", "c1 f1 held", "<* BADLY\r\n*  BAD\r\n*BAD\r\n** BAD\r\n* OK BAD\r\n", "c1 f1 held");
}

static void a_bad_that_was_owed_is_paid_first_where_the_command_counts(void **s)
{
	(void)s;
	EXPECT(">DONE\r\na APPEND x {5}\r\n", "c1 f1 b1 held", "<* BAD\r\n", "c1 f1 held", "<* BAD\r\n", "c1 f1");
	EXPECT(">DONE\r\n(a X {5}\r\n", "b2 held", "<* BAD\r\n", "b2 safe");
}

static void an_untagged_bye_refuses_the_literal(void **s)
{
	(void)s;
	EXPECT(">DONE\r\na APPEND x {5}\r\n", "c1 f1 b1 held", "<* BYE\r\n", "c1 f1 b1", ">b X\r\n", "c2 f2 b1");
}

static void an_answered_command_that_is_held_is_not_the_last_remembered(void **s)
{
	(void)s;
	EXPECT(">b X\r\na LOGIN {1+}\r\n", "c2 f2", "<a NO\r\n", "c2 a1 f1", ">x {3}\r\n", "c2 a1 f1 held", "<b OK\r\n", "c2 a2 held");
}

static void without_an_answer_the_session_becomes_opaque(void **s)
{
	(void)s;
	EXPECT(">a APPEND x {5}\r\nb X\r\n", "c1 f1 held5", "!", "c1 opaque=no-answer");
	assert_int_equal(whole.passed.n, 16 + 5);
	EXPECT(">a X\r\n", "c1 f1", "!", "c1 f1");
}

static void a_held_command_of_the_rest_knows_its_tagged_line(void **s)
{
	const char *many = times(">", "a NOOP\r\n", 17, "h APPEND {3}\r\n"), *same = times(">", "a NOOP\r\n", 16, "a APPEND {3}\r\n");
	const char *answers = times("<", "a OK\r\n", 16, "");

	(void)s;
	EXPECT(many, "c18 f18 held", "<a OK\r\n", "c18 a1 f17 held", "<z OK\r\n", "c18 a2 f16 held", "<h NO\r\n", "c18 a3 f15");
	EXPECT(many, "c18 f18 held", "<z OK\r\nz OK\r\nz OK\r\n", "c18 a2 f16 held", "<h NO\r\n", "c18 a2 f16");
	EXPECT(same, "c17 f17 held", answers, "c17 a16 f1 held", "<a NO\r\n", "c17 a17 safe");
}

static void a_plus_belongs_to_the_oldest_that_waits(void **s)
{
	(void)s;
	EXPECT(">a IDLE\r\nDONE\r\nb APPEND x {3}\r\n", "c2 f2 I1 held", "<+ idling\r\n", "c2 f2 I1 g1 held",
	       "<a OK\r\n+ go\r\n", "c2 a1 f1 I1 g1 e1");
	EXPECT(">a IDLE\r\nDONE\r\nb IDLE\r\nc X {3}\r\n", "c2 f2 I2 held", "<+\r\n", "c2 f2 I2 g1 held", "<+\r\n", "c2 f2 I2 g2",
	       "<+\r\n", "c2 f2 I2 g2");
	EXPECT("<+\r\n", "safe", ">a X {3}\r\n", "c1 f1 held");
}

static void an_answer_before_the_literal_s_end_leaves_its_bytes_to_be_followed(void **s)
{
	(void)s;
	EXPECT(">a LOGIN {9+}\r\n", "c1 f1", "<a NO\r\n", "c1 a1", ">b NOOP\r\n\n", "c1 a1", "> {3+}\r\nabc\r", "c1 a1",
	       ">\n", "c1 a1 safe");
	EXPECT(">a LOGIN {1+}\r\n", "c1 f1", "<a NO\r\n", "c1 a1", ">x {3}\r\n", "c1 a1 held", "<a NO\r\n", "c1 a1 held",
	       "<* BAD\r\n", "c1 a1 safe");
}

/* ---- non-synchronising literals: 17-18 ---- */

static void commands_with_arguments_take_literals(void **s)
{
	static const char *const verbs[] = {
		"AUTHENTICATE", "LOGIN", "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME",
		"SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS", "APPEND", "SEARCH", "FETCH",
		"STORE", "COPY", "UID COPY", "UID FETCH", "UID STORE", "UID SEARCH", "ID", "ENABLE", "MOVE", "uid move",
		"SORT", "THREAD", "UID SORT", "UID THREAD", "UID EXPUNGE", "GETQUOTAROOT", "SETACL", "GETMETADATA", "NOTIFY", "REPLACE",
	};
	char line[64];

	(void)s;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		snprintf(line, sizeof(line), ">a %s {3+}\r\na X ~{1+}\r\nx\r\n", verbs[i]);
		EXPECT(line, "c1 f1", "<a BAD\r\n", "c1 a1 safe");
	}
}

static void in_others_they_make_opaque(void **s)
{
	(void)s;
	EXPECT(">a XFOO {3+}\r\n", "c1 opaque=unsure");
	EXPECT(">a NOOP {3+}\r\n", "c1 opaque=unsure");
	EXPECT(">a EXPUNGE {3+}\r\n", "c1 opaque=unsure");
	EXPECT(">a UNSELECT {3+}\r\n", "c1 opaque=unsure");
	EXPECT(">a LOGIN ~{3-}\r\n", "c1 opaque=unsure");
	EXPECT(">(a LOGIN {3+}\r\n", "opaque=unsure");
	EXPECT(">DONE{3+}\r\n", "opaque=unsure");
	EXPECT(">a FROB {1}\r\n", "c1 f1 held", "<+\r\n", "c1 f1", ">x {1+}\r\n", "c1 opaque=unsure");
	EXPECT(">a SORT {1}\r\n", "c1 f1 held", "<+\r\n", "c1 f1", ">x {1+}\r\n", "c1 f1", ">x {1-}\r\n", "c1 opaque=unsure");
}

/* ---- opaque sessions and ends: 19-21 ---- */

static void compress_and_starttls_that_succeed_make_opaque(void **s)
{
	(void)s;
	EXPECT(">a COMPRESS DEFLATE\r\nb X\r\n", "c2 f2", "<a NO\r\n", "c2 a1 f1", ">c COMPRESS DEFLATE\r\n", "c3 a1 f2",
	       "<c OK\r\n* X {99999999999999999999}\r\n", "c3 a2 opaque=compress");
	assert_string_equal(whole.done, "COMPRESS@1");
	EXPECT(">a STARTTLS\r\n", "c1 f1", "<a BAD\r\n", "c1 a1 safe", ">a starttls\r\n", "c2 a1 f1",
	       "<a ok\r\n", "c2 a2 opaque=starttls");
	EXPECT(">a COMPRESS DEFLATE\r\n", "c1 f1", "<a  OK\r\n", "c1 a1 safe");
}

static void compress_among_the_rest_makes_opaque_at_once(void **s)
{
	const char *compress = times(">", "a X\r\n", 16, "b COMPRESS DEFLATE\r\n");
	const char *starttls = times(">", "a X\r\n", 16, "b STARTTLS\r\n");

	(void)s;
	EXPECT(compress, "c17 opaque=too-many");
	EXPECT(starttls, "c17 opaque=too-many");
}

static void an_opaque_session_is_not_looked_at(void **s)
{
	(void)s;
	EXPECT(">i IDLE\r\nDONE\r\na COMPRESS DEFLATE\r\nb APPEND x {3}\r\nabc\r\n", "c3 f3 I1 held5",
	       "<a OK\r\n+\r\n", "c3 a1 I1 opaque=compress", ">c NOOP\r\nd X {3}\r\nd UNAUTHENTICATE\r\n", "c3 a1 I1 opaque=compress",
	       "<d OK\r\n* X {99999999999999999999}\r\n", "c3 a1 I1 opaque=compress");
	assert_int_equal(whole.passed.n, 8 + 6 + 20 + 16 + 5 + 8 + 9 + 18);
}

static void unauthenticate_ends_the_session_before_its_line(void **s)
{
	(void)s;
	EXPECT(">a X\r\nb UNAUTHENTICATE\r\nc X\r\n", "end");
	assert_int_equal(whole.passed.n, strlen("a X\r\n"));
	EXPECT("> (  unauthenticate {3+}\n", "end");
	EXPECT(">a Unauthenticate\rx\r\n", "end");
	EXPECT(">a IDLE\r\nb UNAUTHENTICATE\r\n", "end");
	EXPECT(">a IDLE\r\n", "c1 f1 I1", "<+\r\n", "c1 f1 I1 g1 idle safe", ">DONE UNAUTHENTICATE\r\n", "end");
	EXPECT(">a IDLE\r\nb UNAUTHENTICATE {3}\r\n", "end");
	EXPECT(">\x01x\tUNAUTHENTICATE\x1f", "end");
	EXPECT(">a\ruid \tunauthenticate\n", "end");
	EXPECT(">a UNAUTHENTICATE", "", ">D\r\nb \"UNAUTHENTICATE\"\r\n", "c2 f2");
	EXPECT(">a X {3}\r\nb UNAUTHENTICATE\r\n", "c1 f1 held18", "<a BAD\r\n", "end");
}

static void elsewhere_it_is_just_a_word(void **s)
{
	(void)s;
	EXPECT(">a LOGIN {3+}\r\nabc UNAUTHENTICATE\r\n", "c1 f1", ">UNAUTHENTICATE\r\na UNAUTHENTICATED\r\n", "c2 f2 b1",
	       ">b x UNAUTHENTICATE\r\nc UID x UNAUTHENTICATE\r\n", "c4 f4 b1");
}

static void where_the_backend_lists_it_any_word_ends_the_session(void **s)
{
	(void)s;
	EXPECT(">a X\r\nb SEARCH TEXT unauthenticate ", "end");
	EXPECT(">UNAUTHENTICATE\n", "end");
	EXPECT(">a LOGIN {3+}\r\nabc UNAUTHENTICATE\r\n", "end");
	EXPECT(">a NOOP \"UNAUTHENTICATE\" UN AUTHENTICATE\r\nNAUTHENTICATE\r\n", "c1 f1 b1");
}

static void where_it_does_it_is_looked_for_in_literals(void **s)
{
	(void)s;
	EXPECT(">a LOGIN {37+}\r\nUNAUTHENTICATE x\r\nb UNAUTHENTICATE \r", "c1 f1", ">\nxy\r\n", "end");
	assert_int_equal(whole.passed.n, strlen("a LOGIN {37+}\r\nUNAUTHENTICATE x\r\nb UNAUTHENTICATE \r"));
	EXPECT(">a LOGIN {14+}\r\nUNAUTHENTICATE", "c1 f1", "> x", "end");
	EXPECT(">a LOGIN {15+}\r\nUNAUTHENTICATE ", "c1 f1", ">x\r\n", "c1 f1", "<a OK\r\n", "c1 a1 safe");
	EXPECT(">a LOGIN {15+}\r\nUNAUTHENTICATE ", "c1 f1", ">\r", "c1 f1", ">\n", "end");
	EXPECT(">a LOGIN {5+}\r\nUNAUT", "c1 f1", ">HENTICATE\r", "end");
	EXPECT(">a X {16}\r\n", "c1 f1 held", "<+\r\n", "c1 f1", ">UNAUTHENTICATE\r\n", "end");
	EXPECT(">a LOGIN {3+}\r\nx\ny {99999999999999999999}\r\n", "end");
}

static void where_it_does_it_is_looked_for_in_opaque_sessions(void **s)
{
	(void)s;
	EXPECT("<* X {99999999999999999999}\r\n", "opaque=broken-size", ">a UNAUTHENTICATE x\r\nb UNAUTH", "opaque=broken-size",
	       ">ENTICATE\t", "opaque=broken-size", ">\r\n", "end");
	EXPECT(">a X {3}\r\nb unauthenticate\n", "c1 f1 held17", "<* X {99999999999999999999}\r\n", "end");
}

static void where_the_backend_lists_unauthenticate_the_client_makes_nothing_opaque(void **s)
{
	const char *many = times(">", "a NOOP\r\n", 16, "i IDLE\r\n"), *compress = times(">", "a NOOP\r\n", 16, "i COMPRESS x\r\n");

	(void)s;
	EXPECT(">a XFOO {3+}\r\nabc\r\n", "end");
	assert_int_equal(whole.passed.n, 0);
	EXPECT(">a LOGIN {99999999999999999999}\r\n", "end");
	EXPECT(many, "end");
	EXPECT(compress, "end");
	EXPECT(">a IDLE\r\nb NOOP\r\n", "c1 f1 I1", "<a NO\r\n", "end");
	EXPECT(">a IDLE\r\nb NOOP {3+}\r\n", "end");
	EXPECT(">a LOGIN {3}\r\n", "c1 f1 held", "!", "end");
}

static void where_it_does_an_ok_to_nothing_we_know_of_ends_the_session(void **s)
{
	(void)s;
	EXPECT(">a CREATE x{20+}\r\nb NOOPNOOPNOOPNOOP\r\n", "c1 f1", "<a BAD\r\n", "c1 a1", "<b OK\r\n", "end");
	EXPECT(">(a X {3}\r\n", "b1 held", "<(a OK\r\n", "end");
	EXPECT("<a NO\r\nDONE BAD\r\n", "safe", "<* OK\r\n+ OK\r\n", "safe", "<\r\n", "safe", "<a ok [X] y\r\n", "end");
	EXPECT(times(">", "a NOOP\r\n", 17, ""), "c17 f17", times("<", "b OK\r\n", 1, ""), "c17 a1 f16", "<b OK\r\n", "end");
}

static void where_it_does_compress_and_starttls_end_the_session(void **s)
{
	(void)s;
	EXPECT(">a COMPRESS DEFLATE\r\n", "c1 f1", "<a NO\r\n", "c1 a1 safe", ">b COMPRESS DEFLATE\r\n", "c2 a1 f1", "<b OK\r\n", "end");
	EXPECT(">a STARTTLS\r\n", "c1 f1", "<a OK\r\n", "end");
	EXPECT("<* X {99999999999999999999}\r\n", "opaque=broken-size", ">b X\r\n", "opaque=broken-size");
}

/* ---- safe points, and what else is asked: 22-23 ---- */

static void a_session_is_safe_between_commands_only(void **s)
{
	(void)s;
	EXPECT(">a", "", "> X\r\n", "c1 f1", "<a OK", "c1 f1", "<\r\n", "c1 a1 safe", "<*", "c1 a1", "< X {2}\r\n", "c1 a1",
	       "<ab", "c1 a1", "<\r\n", "c1 a1 safe");
}

static void beside_an_idle_nothing_may_be_in_flight(void **s)
{
	(void)s;
	EXPECT(">a X\r\nb IDLE\r\n", "c2 f2 I1", "<+\r\n", "c2 f2 I1 g1 idle", "<a OK\r\n", "c2 a1 f1 I1 g1 idle safe");
}

static void start(bool is_strict)
{
	pool_init(&run.pool, tracker_block_size);
	tracker_init(&run.t, &run.pool, is_strict);
}

static void stop(void)
{
	tracker_fini(&run.t);
	assert_int_equal(run.pool.in_use, 0);
	pool_fini(&run.pool);
}

static void client(const char *text, uint32_t now)
{
	enum tracker_verdict verdict;

	tracker_client(&run.t, text, strlen(text), now, &verdict);
}

static void server(const char *text)
{
	assert_int_equal(tracker_server(&run.t, text, strlen(text), 0, NULL), TRACKER_PASS);
}

static void the_oldest_command_is_told_but_not_a_granted_idle(void **s)
{
	(void)s;
	start(false);
	assert_null(tracker_oldest(&run.t));
	client("a IDLE\r\n", 5);
	assert_int_equal(tracker_oldest(&run.t)->since, 5);
	server("+\r\n");
	assert_null(tracker_oldest(&run.t));
	client("DONE\r\n", 7);
	assert_int_equal(tracker_oldest(&run.t)->since, 7);
	server("a OK\r\n");
	client("a IDLE\r\nDO", 8);
	client("NE\r\n", 9);
	assert_int_equal(tracker_oldest(&run.t)->since, 9);
	server("+\r\n");
	assert_int_equal(tracker_oldest(&run.t)->since, 9);
	client("b FETCH x\r\nc STORE y\r\n", 10);
	server("a OK\r\n");
	assert_int_equal(tracker_oldest(&run.t)->verb, IMAP_LINE_FETCH);
	server("b OK\r\n");
	assert_int_equal(tracker_oldest(&run.t)->verb, IMAP_LINE_STORE);
	stop();
}

static void the_client_owes_what_was_invited_only(void **s)
{
	(void)s;
	start(false);
	client("a APPEND x {3}\r\n", 0);
	assert_false(tracker_client_owes(&run.t));
	assert_true(tracker_literal_left(&run.t, TRACKER_CLIENT) == 0);
	server("+ go\r\n");
	assert_true(tracker_client_owes(&run.t));
	client("ab", 0);
	assert_true(tracker_literal_left(&run.t, TRACKER_CLIENT) == 1);
	tracker_skip(&run.t, TRACKER_CLIENT, 1);
	assert_false(tracker_client_owes(&run.t));
	client("\r\n", 0);
	server("* 1 FETCH (BODY[] {10}\r\nabc");
	assert_true(tracker_literal_left(&run.t, TRACKER_SERVER) == 7);
	server("* X {99999999999999999999}\r\n)\r\n* X {99999999999999999999}\r\n");
	assert_int_equal(run.t.opaque, TRACKER_BROKEN_SIZE);
	assert_true(tracker_literal_left(&run.t, TRACKER_SERVER) == 0);
	stop();
}

static void where_unauthenticate_is_looked_for_no_byte_may_go_by_unseen(void **s)
{
	(void)s;
	start(true);
	client("a APPEND x {3+}\r\n", 0);
	assert_true(tracker_literal_left(&run.t, TRACKER_CLIENT) == 0);
	assert_true(tracker_client_owes(&run.t));
	client("abc", 0);
	assert_false(tracker_client_owes(&run.t));
	server("* 1 FETCH (BODY[] {10}\r\nabc");
	assert_true(tracker_literal_left(&run.t, TRACKER_SERVER) == 7);
	stop();
}

/* What is sent behind the line that ends the session counts, for all of it goes to the client. */
static void an_end_tells_whether_the_client_is_between_responses(void **s)
{
	static const struct { const char *client, *server; bool rests; } ends[] = {
		{ "b IDLE\r\nc NOOP\r\n", "b NO\r\n", true },
		{ "b IDLE\r\nc NOOP\r\n", "b NO\r\n* 1 FETCH (X {3}\r\nabc)\r\n", true },
		{ "b IDLE\r\nc NOOP\r\n", "b NO\r\n* 1 FETCH (X {10}\r\nabc", false },
		{ "b IDLE\r\nc NOOP\r\n", "b NO\r\n* 1 EXI", false },
		{ "b IDLE\r\nc NOOP\r\n", "b NO\r\n* X {99999999999999999999}\r\n", false },
		{ "b X\r\n", "c OK\r\n* X", false },
		{ "b X\r\n", "c OK\r\n", true },
		{ "b COMPRESS DEFLATE\r\n", "b OK\r\n", false },
		{ "b STARTTLS\r\n", "b OK\r\n", false },
	};

	(void)s;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		start(true);
		client(ends[i].client, 0);
		assert_int_equal(tracker_server(&run.t, ends[i].server, strlen(ends[i].server), 0, NULL), TRACKER_END);
		assert_int_equal(tracker_server_rests(&run.t), ends[i].rests);
		stop();
	}
}

static void a_logout_is_over_with_its_ok(void **s)
{
	(void)s;
	start(false);
	client("a LOGOUT\r\nb LOGOUT\r\n", 0);
	server("* BYE\r\na NO\r\n");
	assert_false(run.t.logged_out);
	server("b OK\r\n");
	assert_true(run.t.logged_out);
	stop();
}

static void an_idle_session_holds_no_block(void **s)
{
	(void)s;
	start(false);
	client("a X\r\nb IDLE\r\n", 0);
	assert_int_equal(run.pool.in_use, 1);
	server("a OK\r\n+ idling\r\n");
	assert_int_equal(run.pool.in_use, 0);
	assert_true(tracker_is_idle(&run.t));
	client("DONE\r\nc X\r\nd X\r\n", 0);
	stop();
}

static void a_tracker_is_small(void **s)
{
	(void)s;
	assert_in_range(sizeof(struct tracker), 1, 249);
}

static void each_way_to_be_opaque_has_a_name(void **s)
{
	(void)s;
	assert_string_equal(tracker_opaque_name(TRACKER_CLEAR), "-");
	for (int why = TRACKER_CLEAR; why < TRACKER_NOPAQUE; why++)
		assert_non_null(tracker_opaque_name((enum tracker_opaque)why));
}

static void a_line_that_goes_on_like_another_is_one_line(void **s)
{
	(void)s;
	EXPECT(">a X\r\n", "c1 f1", "<* 1 X* 2 Y\r\na OK\r\n", "c1 a1 safe");
	EXPECT(">a X\r\n", "c1 f1", "<* 1 X {3}\r\nabc* 2 Y {2}\r\n* * 3 X\r\na OK\r\n", "c1 a1 safe");
}

static void a_long_listing_between_commands_is_followed(void **s)
{
	const char *listing = times("<", "* 123 FETCH (UID 456 FLAGS (\\Seen))\r\n", 300, "* 4 FETCH (X {3}\r\na }");
	const char *more = times("<)\r\n", "* 123 FETCH (FLAGS ())\r\n", 300, "a OK\r\n");

	(void)s;
	EXPECT(">a FETCH 1:* FLAGS\r\n", "c1 f1", listing, "c1 f1", more, "c1 a1 safe");
}

#define LENIENT(test) cmocka_unit_test_setup(test, lenient)
#define STRICT(test) cmocka_unit_test_setup(test, strictly)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LENIENT(a_fresh_session_is_safe),
		LENIENT(a_line_ends_at_lf_with_or_without_cr),
		LENIENT(a_tag_ends_at_the_line_s_end_too),
		LENIENT(a_literal_s_bytes_are_not_looked_at),
		LENIENT(an_empty_literal_leaves_the_command_open),
		LENIENT(a_size_that_cannot_be_held_makes_opaque_from_either_side),
		LENIENT(text_of_the_server_announces_no_literal),
		LENIENT(only_a_tag_one_space_and_a_verb_count),
		LENIENT(a_tag_has_64_bytes_at_most),
		LENIENT(bads_owed_are_counted_up_to_255),
		LENIENT(a_tagged_line_after_which_none_is_in_flight_settles_the_bads),
		LENIENT(a_command_is_in_flight_from_its_first_line_on),
		LENIENT(sixteen_are_remembered_and_the_rest_is_counted),
		LENIENT(behind_a_rest_nothing_is_remembered_until_it_is_gone),
		LENIENT(a_tagged_line_ends_the_oldest_of_its_tag),
		LENIENT(a_tagged_line_of_no_command_means_nothing),
		LENIENT(verbs_are_known_in_any_case),
		LENIENT(an_idle_is_asked_granted_and_ended),
		LENIENT(idle_with_a_literal_makes_opaque),
		STRICT(a_verb_ends_at_a_cr),
		LENIENT(a_verb_ends_at_a_cr),
		LENIENT(an_idle_of_the_rest_makes_opaque),
		LENIENT(several_idles_wait_each_for_its_plus),
		LENIENT(whatever_follows_a_granted_idle_is_its_end),
		LENIENT(an_end_sent_before_the_plus_is_an_end),
		LENIENT(behind_a_refused_idle_comes_an_ordinary_line),
		LENIENT(a_line_that_began_before_the_refusal_is_ordinary),
		LENIENT(a_command_sent_whole_before_the_refusal_makes_opaque),
		LENIENT(a_granted_idle_that_ends_by_itself_leaves_an_ordinary_line),
		LENIENT(the_end_of_a_granted_idle_announces_nothing),
		LENIENT(a_nonsynchronising_literal_behind_an_asked_idle_makes_opaque),
		LENIENT(a_synchronising_literal_behind_an_asked_idle_waits_for_the_idle),
		LENIENT(an_untagged_bad_or_bye_leaves_that_hold_alone),
		LENIENT(a_synchronising_literal_is_held_until_its_plus),
		LENIENT(a_line_that_counts_for_nothing_is_held_too),
		LENIENT(the_answer_to_a_line_that_counts_for_nothing_ends_its_hold),
		LENIENT(a_tagged_bad_pays_before_it_ends_one_of_the_rest),
		LENIENT(the_tagged_line_refuses_the_literal),
		LENIENT(an_untagged_bad_refuses_the_literal),
		LENIENT(a_bad_that_was_owed_is_paid_first_where_the_command_counts),
		LENIENT(an_untagged_bye_refuses_the_literal),
		LENIENT(an_answered_command_that_is_held_is_not_the_last_remembered),
		LENIENT(without_an_answer_the_session_becomes_opaque),
		LENIENT(a_held_command_of_the_rest_knows_its_tagged_line),
		LENIENT(a_plus_belongs_to_the_oldest_that_waits),
		LENIENT(an_answer_before_the_literal_s_end_leaves_its_bytes_to_be_followed),
		LENIENT(commands_with_arguments_take_literals),
		STRICT(commands_with_arguments_take_literals),
		LENIENT(in_others_they_make_opaque),
		LENIENT(compress_and_starttls_that_succeed_make_opaque),
		LENIENT(compress_among_the_rest_makes_opaque_at_once),
		LENIENT(an_opaque_session_is_not_looked_at),
		LENIENT(unauthenticate_ends_the_session_before_its_line),
		STRICT(unauthenticate_ends_the_session_before_its_line),
		LENIENT(elsewhere_it_is_just_a_word),
		STRICT(where_the_backend_lists_it_any_word_ends_the_session),
		STRICT(where_it_does_it_is_looked_for_in_literals),
		STRICT(where_it_does_it_is_looked_for_in_opaque_sessions),
		STRICT(where_the_backend_lists_unauthenticate_the_client_makes_nothing_opaque),
		STRICT(where_it_does_an_ok_to_nothing_we_know_of_ends_the_session),
		STRICT(where_it_does_compress_and_starttls_end_the_session),
		LENIENT(a_session_is_safe_between_commands_only),
		LENIENT(beside_an_idle_nothing_may_be_in_flight),
		LENIENT(the_oldest_command_is_told_but_not_a_granted_idle),
		LENIENT(the_client_owes_what_was_invited_only),
		LENIENT(where_unauthenticate_is_looked_for_no_byte_may_go_by_unseen),
		LENIENT(an_end_tells_whether_the_client_is_between_responses),
		LENIENT(a_logout_is_over_with_its_ok),
		LENIENT(an_idle_session_holds_no_block),
		LENIENT(a_tracker_is_small),
		LENIENT(each_way_to_be_opaque_has_a_name),
		LENIENT(a_line_that_goes_on_like_another_is_one_line),
		LENIENT(a_long_listing_between_commands_is_followed),
	};

	return cmocka_run_group_tests_name("tracker", tests, NULL, NULL);
}
