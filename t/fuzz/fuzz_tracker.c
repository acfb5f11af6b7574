/*
 * fuzz_tracker.c - a relayed session between a hostile client and a hostile server: wherever its bytes are cut, the tracker's account is
 * the same, what the client said goes on in order and complete but for what is held, the counters agree with each other, and no block is
 * left.
 *
 * The input is lines; the first letter of each says what happens, the rest is text for it:
 *
 *	c b	the client, the backend sends the text with CRLF; "\" makes the byte after it CR, LF or NUL if it is r, n or 0
 *	C B	the same without CRLF
 *	t	literal-timeout passes
 *	s	(as the first line) the backend lists UNAUTHENTICATE
 */
#include "base/pool.h"
#include "fuzz.h"
#include "session/tracker.h"

#define STEPS_MAX 256
#define PIECE_MAX 40

/* How a run is cut. UNSEEN: byte by byte, and literals are skipped as splice does; any other number: by chance. */
enum { WHOLE, BYTE_BY_BYTE, UNSEEN, RUNS_FIXED };

struct account {
	struct tracker t;	/* as it is behind a step: for its numbers only */
	size_t passed;
	bool holding, safe, idle, over;
};

struct run {
	struct tracker t;
	struct pool pool;
	char *said;		/* all that the client says; what went on is its beginning */
	size_t nsaid, passed;
	uint64_t how, chance;
	bool over;
	uint64_t done;		/* commands whose end was told */
	size_t steps;
	struct account seen[STEPS_MAX];
};

static void count_done(struct tracker *t, enum imap_line_verb verb, uint32_t ms)
{
	struct run *r = (struct run *)t;

	(void)ms;
	MUST(verb < IMAP_LINE_NVERBS);
	r->done++;
}

static size_t next_piece(struct run *r, size_t left)
{
	size_t n;

	if (r->how == WHOLE)
		return left;
	if (r->how < RUNS_FIXED)
		return 1;
	r->chance = r->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	n = 1 + (r->chance >> 33) % PIECE_MAX;
	return n < left ? n : left;
}

static size_t skip_unseen(struct run *r, enum tracker_side side, size_t n)
{
	uint64_t left = tracker_literal_left(&r->t, side);

	MUST(side == TRACKER_SERVER || !tracker_is_holding(&r->t) || left == 0);
	if (r->how != UNSEEN || left == 0)
		return 0;
	n = left < n ? (size_t)left : n;
	tracker_skip(&r->t, side, n);
	return n;
}

static void give_piece(struct run *r, size_t n)
{
	char *piece = fuzz_copy(span_mem(r->said + r->passed, n));
	enum tracker_verdict verdict;
	size_t took = tracker_client(&r->t, piece, n, 0, &verdict);

	free(piece);
	MUST(took <= n);
	MUST(verdict != TRACKER_PASS || took == n);
	MUST((verdict == TRACKER_HOLD) == tracker_is_holding(&r->t));
	MUST(verdict != TRACKER_END || took < n);
	r->passed += took;
	r->over = verdict == TRACKER_END;
}

/* Gives what the client has said and the tracker has not let through, as far as it may be given. */
static void give_client(struct run *r)
{
	while (r->passed < r->nsaid && !r->over && !tracker_is_holding(&r->t)) {
		size_t left = r->nsaid - r->passed, skipped = skip_unseen(r, TRACKER_CLIENT, left);

		r->passed += skipped;
		if (skipped == 0)
			give_piece(r, next_piece(r, left));
	}
}

static void server_says(struct run *r, struct span s)
{
	while (s.n > 0 && !r->over) {
		size_t n = skip_unseen(r, TRACKER_SERVER, s.n);

		if (n == 0) {
			char *piece;

			n = next_piece(r, s.n);
			piece = fuzz_copy(span_mem(s.p, n));
			r->over = tracker_server(&r->t, piece, n, 0, count_done) == TRACKER_END;
			free(piece);
		}
		s.p += n;
		s.n -= n;
	}
	give_client(r);
}

static size_t idles_in_flight(const struct run *r)
{
	return r->t.idles_asked - r->t.idles_ended;
}

/* What must hold behind each step. */
static void check_counters(const struct run *r)
{
	const struct tracker *t = &r->t;
	size_t in_flight = tracker_in_flight(t);
	bool holding = tracker_is_holding(t), safe = tracker_is_safe(t), idle = tracker_is_idle(t);

	MUST(r->pool.in_use == (t->remembered > 1));
	MUST(t->remembered <= TRACKER_REMEMBERED);
	MUST(r->passed <= r->nsaid);
	MUST(t->answered >= r->done && t->commands >= t->answered);
	MUST(t->idles_granted <= t->idles_asked && t->idles_ended <= t->idles_asked);
	if (r->over)
		return;
	MUST(holding || r->passed == r->nsaid);
	MUST(!t->opaque || (in_flight == 0 && !holding && !safe && !idle && !tracker_oldest(t)));
	MUST(t->opaque || t->commands == t->answered + in_flight);
	MUST(t->opaque || idles_in_flight(r) <= t->remembered);
	MUST(!idle || in_flight > 0);
	MUST(!holding || (!safe && !idle && !tracker_client_owes(t)));
	MUST(!safe || in_flight <= 1);
	MUST(!safe || (in_flight == 1) == idle);
	MUST((t->remembered > 0) || !tracker_oldest(t));
}

static void note_account(struct run *r)
{
	r->seen[r->steps++] = (struct account){ .t = r->t, .passed = r->passed, .holding = tracker_is_holding(&r->t),
						.safe = tracker_is_safe(&r->t), .idle = tracker_is_idle(&r->t), .over = r->over };
}

/* Of the line that ends a session, what came in a piece before its LF has gone on already. */
static bool passed_alike(const struct run *r, const struct account *a, const struct account *b)
{
	size_t least = a->passed < b->passed ? a->passed : b->passed, most = a->passed + b->passed - least;

	return least == most || (a->over && !memchr(r->said + least, '\n', most - least));
}

static void expect_same_step(const struct account *a, const struct account *b)
{
	MUST(a->over == b->over);
	MUST(a->t.opaque == b->t.opaque);
	MUST(a->t.commands == b->t.commands && a->t.answered == b->t.answered);
	MUST(a->t.idles_asked == b->t.idles_asked && a->t.idles_granted == b->t.idles_granted && a->t.idles_ended == b->t.idles_ended);
	MUST(a->t.remembered == b->t.remembered && a->t.rest == b->t.rest);
	MUST(a->t.opaque || a->t.bads_owed == b->t.bads_owed);
	MUST(a->t.opaque || a->t.state == b->t.state);
	MUST(a->over || (a->holding == b->holding && a->safe == b->safe && a->idle == b->idle));
}

static void expect_same(const struct run *a, const struct run *b)
{
	MUST(a->steps == b->steps);
	MUST(a->done == b->done);
	for (size_t i = 0; i < a->steps; i++) {
		MUST(passed_alike(a, &a->seen[i], &b->seen[i]));
		expect_same_step(&a->seen[i], &b->seen[i]);
	}
}

/* The text with its escapes undone, in room for all of it; returns how long it is. */
static size_t unescape(char *room, struct span text, bool line)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		bool escaped = text.p[i] == '\\' && i + 1 < text.n;
		char c = text.p[escaped ? ++i : i];

		room[n++] = !escaped ? c : c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
	}
	if (line) {
		room[n++] = '\r';
		room[n++] = '\n';
	}
	return n;
}

static void step(struct run *r, char op, struct span text)
{
	char *room = fuzz_room(text.n + 2);
	size_t n = unescape(room, text, op == 'c' || op == 'b');

	switch (op) {
	case 'c': case 'C':
		memcpy(r->said + r->nsaid, room, n);
		r->nsaid += n;
		give_client(r);
		break;
	case 'b': case 'B':
		server_says(r, span_mem(room, n));
		break;
	case 't':
		r->over = tracker_give_up(&r->t) == TRACKER_END;
		give_client(r);
		break;
	}
	free(room);
	check_counters(r);
	note_account(r);
}

static void run_lines(struct run *r, struct span input)
{
	while (input.n > 0 && r->steps < STEPS_MAX && !r->over) {
		const char *lf = memchr(input.p, '\n', input.n);
		size_t len = lf ? (size_t)(lf - input.p) : input.n;

		if (len > 0)
			step(r, input.p[0], span_mem(input.p + 1, len - 1));
		input.p += lf ? len + 1 : len;
		input.n -= lf ? len + 1 : len;
	}
}

static struct run *run_session(struct span input, uint64_t how)
{
	struct run *r = calloc(1, sizeof(*r));

	MUST(r != NULL);
	r->said = fuzz_room(2 * input.n + 2);	/* a line of one letter says CRLF */
	r->how = r->chance = how;
	pool_init(&r->pool, tracker_block_size);
	tracker_init(&r->t, &r->pool, input.n > 0 && input.p[0] == 's');
	run_lines(r, input);
	tracker_fini(&r->t);
	MUST(r->pool.in_use == 0);
	pool_fini(&r->pool);
	return r;
}

static void run_free(struct run *r)
{
	free(r->said);
	free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_mem(data, size);
	const uint64_t hows[] = { BYTE_BY_BYTE, UNSEEN, RUNS_FIXED + (fuzz_number(input) >> 2) };
	struct run *whole = run_session(input, WHOLE);

	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		struct run *other = run_session(input, hows[i]);

		expect_same(whole, other);
		run_free(other);
	}
	run_free(whole);
	return 0;
}
