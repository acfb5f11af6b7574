/*
 * Where lines and literals end. A line that comes whole costs one memchr and a look at its last two bytes; only a line
 * that comes in pieces has its first and last bytes kept, and only one that ends like an announcement has its class
 * looked at. So the class is asked for late, and what is remembered of it is just that a literal has gone by.
 */
#include "wire/imap_frame.h"

#include <string.h>

#include "wire/span.h"

enum {
	CLASS_UNKNOWN,		/* of a response's first piece */
	CLASS_DATA,		/* behind a literal: only data has literals, and it goes on as data */
};

enum announcement { NO_LITERAL, A_LITERAL, A_BAD_LITERAL };

void imap_frame_init(struct imap_frame *f, enum imap_frame_side side)
{
	*f = (struct imap_frame){ .side = side, .class = CLASS_UNKNOWN };
}

bool imap_frame_at_start(const struct imap_frame *f)
{
	return f->left == 0 && f->class == CLASS_UNKNOWN && f->head_len == 0;
}

bool imap_frame_in_first_line(const struct imap_frame *f)
{
	return f->left == 0 && f->class == CLASS_UNKNOWN;
}

static void keep_head(struct imap_frame *f, const char *p, size_t n)
{
	size_t room = IMAP_FRAME_HEAD - f->head_len;
	size_t take = n < room ? n : room;

	memcpy(f->head + f->head_len, p, take);
	f->head_len += take;
}

static void keep_tail(struct imap_frame *f, const char *p, size_t n)
{
	size_t add = n < IMAP_FRAME_TAIL ? n : IMAP_FRAME_TAIL;
	size_t room = IMAP_FRAME_TAIL - add;
	size_t stay = f->tail_len < room ? f->tail_len : room;

	memmove(f->tail, f->tail + f->tail_len - stay, stay);
	memcpy(f->tail + stay, p + n - add, add);
	f->tail_len = stay + add;
}

/* The last IMAP_FRAME_TAIL bytes of the line (fewer if it is shorter), its last piece being the n bytes at p. */
static struct span line_tail(struct imap_frame *f, const char *p, size_t n)
{
	if (n >= IMAP_FRAME_TAIL)
		return span_mem(p + n - IMAP_FRAME_TAIL, IMAP_FRAME_TAIL);
	if (f->tail_len == 0)
		return span_mem(p, n);
	keep_tail(f, p, n);
	return span_mem(f->tail, f->tail_len);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool read_number(const char *p, const char *end, uint64_t *number)
{
	*number = 0;
	for (; p < end; p++) {
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
			return false;
	}
	return true;
}

/* Reads "{digits}", "{digits+}" or "{digits-}" off the end of a line, from right to left. */
static enum announcement read_announcement(struct span tail, uint64_t *number, char *sign)
{
	const char *end = tail.p + tail.n, *first;

	if (end > tail.p && end[-1] == '\r')
		end--;
	if (end == tail.p || *--end != '}')
		return NO_LITERAL;
	*sign = '\0';
	if (end > tail.p && (end[-1] == '+' || end[-1] == '-'))
		*sign = *--end;
	for (first = end; first > tail.p && is_digit(first[-1]); first--)
		;
	if (first == end)
		return NO_LITERAL;
	if (first == tail.p)	/* where its brace is, if it has one, is no longer known */
		return tail.n == IMAP_FRAME_TAIL ? A_BAD_LITERAL : NO_LITERAL;
	if (first[-1] != '{')
		return NO_LITERAL;
	return read_number(first, end, number) ? A_LITERAL : A_BAD_LITERAL;
}

/* "OK" with a space or the line's end behind it, and the like. */
static bool starts_with_status(struct span s)
{
	static const char *const words[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if (span_starts_nocase(s, words[i]) && (s.n == n || s.p[n] == ' '))
			return true;
	}
	return false;
}

/* Server text: tagged lines, "+ ..." and untagged statuses. All else begins with '*' and is data. */
static bool head_is_text(struct span head)
{
	if (head.n == 0 || head.p[0] != '*')
		return true;
	return head.n >= 2 && head.p[1] == ' ' && starts_with_status(span_mem(head.p + 2, head.n - 2));
}

static bool may_announce(struct imap_frame *f, const char *p, size_t n)
{
	if (f->side == IMAP_FRAME_CLIENT || f->class == CLASS_DATA)
		return true;
	keep_head(f, p, n);
	return !head_is_text(span_mem(f->head, f->head_len));
}

/* The line is whole, its last piece being the n bytes at p, without the LF. */
static enum imap_frame_event end_line(struct imap_frame *f, const char *p, size_t n)
{
	uint64_t number = 0;
	char sign = '\0';
	enum announcement what = read_announcement(line_tail(f, p, n), &number, &sign);

	if (what != NO_LITERAL && !may_announce(f, p, n))
		what = NO_LITERAL;
	f->head_len = f->tail_len = 0;
	f->class = what == NO_LITERAL ? CLASS_UNKNOWN : CLASS_DATA;
	if (what == NO_LITERAL)
		return IMAP_FRAME_LINE;
	if (what == A_BAD_LITERAL)
		return IMAP_FRAME_BAD;
	f->left = number;
	f->nonsync = sign != '\0';
	f->minus = sign == '-';
	return IMAP_FRAME_LITERAL;
}

static size_t scan_line(struct imap_frame *f, const char *p, size_t n, enum imap_frame_event *ev)
{
	const char *lf = memchr(p, '\n', n);

	if (!lf) {
		keep_head(f, p, n);
		keep_tail(f, p, n);
		return n;
	}
	*ev = end_line(f, p, lf - p);
	return lf - p + 1;
}

size_t imap_frame_scan(struct imap_frame *f, const void *data, size_t n, enum imap_frame_event *ev)
{
	const char *p = data;
	size_t skip = f->left < n ? f->left : n;	/* a literal's bytes are never looked at */

	*ev = IMAP_FRAME_MORE;
	f->left -= skip;
	if (skip == n)
		return n;
	return skip + scan_line(f, p + skip, n - skip, ev);
}
