/*
 * fuzz_imap_frame.c - wherever a stream is cut, its lines and literals end at the same places.
 *
 * The input is a stream, read as a client's and as a server's: whole, byte by byte, cut by chance, with its literals moved past the
 * frame as splice does, and with other bytes in its literals.
 */
#include "fuzz.h"
#include "wire/imap_frame.h"

#define PIECE_MAX 40	/* a little more than the frame keeps of a line */

struct seen {
	enum imap_frame_event ev;
	size_t at;		/* behind its LF */
	uint64_t left;
	bool nonsync;
};

struct scan {
	struct imap_frame f;
	struct span text;
	size_t at;		/* scanned so far */
	size_t start;		/* of the command or response under way */
	bool bad;
	bool splice;		/* literals go by unscanned */
	size_t n;
	struct seen *seen;	/* one for each byte at most */
};

enum { WHOLE, BYTE_BY_BYTE };	/* other cuts are by chance */

static size_t next_piece(uint64_t *cuts, size_t left)
{
	size_t n;

	if (*cuts == WHOLE)
		return left;
	if (*cuts == BYTE_BY_BYTE)
		return 1;
	*cuts = *cuts * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	n = 1 + (*cuts >> 33) % PIECE_MAX;
	return n < left ? n : left;
}

static void take_event(struct scan *s, enum imap_frame_event ev)
{
	MUST(s->text.p[s->at - 1] == '\n');
	MUST(imap_frame_at_start(&s->f) == (ev == IMAP_FRAME_LINE));
	MUST(ev == IMAP_FRAME_LITERAL || s->f.left == 0);
	if (ev == IMAP_FRAME_LITERAL && s->f.side == IMAP_FRAME_SERVER)
		MUST(s->text.p[s->start] == '*');
	s->seen[s->n++] = (struct seen){ ev, s->at, s->f.left, ev == IMAP_FRAME_LITERAL && s->f.nonsync };
	s->bad = ev == IMAP_FRAME_BAD;
	if (ev == IMAP_FRAME_LINE)
		s->start = s->at;
}

/* Scans the next bytes up to an event, or n of them. */
static size_t scan_some(struct scan *s, size_t n)
{
	char *piece = fuzz_copy(span_mem(s->text.p + s->at, n));
	enum imap_frame_event ev;
	size_t took = imap_frame_scan(&s->f, piece, n, &ev);

	free(piece);
	MUST(took >= 1 && took <= n);
	MUST(ev != IMAP_FRAME_MORE || took == n);
	s->at += took;
	if (ev == IMAP_FRAME_MORE)
		MUST(!imap_frame_at_start(&s->f));
	else
		take_event(s, ev);
	return took;
}

static void skip_literal(struct scan *s)
{
	size_t rest = s->text.n - s->at;
	size_t skip = s->f.left < rest ? (size_t)s->f.left : rest;

	s->f.left -= skip;
	s->at += skip;
}

static void scan_all(struct scan *s, enum imap_frame_side side, struct span text, uint64_t cuts)
{
	size_t piece = 0;

	*s = (struct scan){ .text = text, .splice = s->splice, .seen = s->seen };
	imap_frame_init(&s->f, side);
	while (s->at < text.n && !s->bad) {
		if (piece == 0)
			piece = next_piece(&cuts, text.n - s->at);
		piece -= scan_some(s, piece);
		if (s->splice) {
			skip_literal(s);
			piece = 0;
		}
	}
}

static void expect_same(const struct scan *a, const struct scan *b)
{
	MUST(a->n == b->n);
	for (size_t i = 0; i < a->n; i++) {
		MUST(a->seen[i].ev == b->seen[i].ev);
		MUST(a->seen[i].at == b->seen[i].at);
		MUST(a->seen[i].left == b->seen[i].left);
		MUST(a->seen[i].nonsync == b->seen[i].nonsync);
	}
	MUST(a->f.left == b->f.left);
	MUST(imap_frame_at_start(&a->f) == imap_frame_at_start(&b->f));
}

/* The text with each literal's bytes made line ends. */
static char *with_other_literals(const struct scan *s)
{
	char *copy = fuzz_copy(s->text);

	for (size_t i = 0; i < s->n; i++) {
		size_t at = s->seen[i].at, rest = s->text.n - at;

		memset(copy + at, '\n', s->seen[i].left < rest ? (size_t)s->seen[i].left : rest);
	}
	return copy;
}

static void check_side(enum imap_frame_side side, struct span text, struct scan *whole, struct scan *other)
{
	char *copy;

	scan_all(whole, side, text, WHOLE);
	scan_all(other, side, text, BYTE_BY_BYTE);
	expect_same(whole, other);
	scan_all(other, side, text, fuzz_number(text));
	expect_same(whole, other);

	other->splice = true;
	scan_all(other, side, text, WHOLE);
	expect_same(whole, other);
	other->splice = false;

	copy = with_other_literals(whole);
	scan_all(other, side, span_mem(copy, text.n), WHOLE);
	expect_same(whole, other);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_mem(data, size);
	struct scan whole = { .seen = calloc(size + 1, sizeof(*whole.seen)) };
	struct scan other = { .seen = calloc(size + 1, sizeof(*other.seen)) };

	MUST(whole.seen && other.seen);
	check_side(IMAP_FRAME_CLIENT, text, &whole, &other);
	check_side(IMAP_FRAME_SERVER, text, &whole, &other);
	free(whole.seen);
	free(other.seen);
	return 0;
}
