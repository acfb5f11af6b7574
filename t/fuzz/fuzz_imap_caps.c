/*
 * fuzz_imap_caps.c - a filtered capability list is clean, no longer than it was, and says what is left of the set.
 *
 * The input is the list behind "CAPABILITY ".
 */
#include "fuzz.h"
#include "wire/imap_caps.h"

static uint32_t set_of(struct span list)
{
	struct imap_caps caps;

	memset(&caps, 0xa5, sizeof(caps));
	imap_caps_parse(&caps, list);
	MUST(caps.known);
	return caps.set;
}

static bool is_printable(struct span list)
{
	for (size_t i = 0; i < list.n; i++) {
		if (list.p[i] < ' ' || list.p[i] > '~')
			return false;
	}
	return true;
}

/* Printable words, one space between them. */
static bool is_clean(struct span list)
{
	for (size_t i = 0; i < list.n; i++) {
		bool at_edge = i == 0 || i + 1 == list.n || list.p[i - 1] == ' ';

		if (list.p[i] == ' ' && at_edge)
			return false;
	}
	return is_printable(list);
}

/* What filtering leaves is what was there without drop, but for two: LITERAL- where IMAP4rev2 implies it, and an AUTH=...-PLUS
 * with odd bytes in it, which counts as one (SCRAM is then not offered: the safe side) and yet is not passed on. */
static void check_set(struct span list, struct span filtered, uint32_t drop)
{
	uint32_t before = set_of(list), after = set_of(filtered), look = ~0u;

	if (before & IMAP_CAP_IMAP4REV2)
		look &= ~(uint32_t)IMAP_CAP_LITERAL_MINUS;
	if (!is_printable(list))
		look &= ~(uint32_t)IMAP_CAP_AUTH_ANY_PLUS;
	MUST((after & look) == (before & ~drop & look));
	MUST((after & ~before) == 0);
	MUST((after & IMAP_CAP_IMAP4REV2) == 0 || (after & IMAP_CAP_LITERAL_MINUS) != 0);
}

static void check_idempotent(struct span filtered, uint32_t drop)
{
	char *buf = fuzz_room(filtered.n);
	struct out o;

	out_init(&o, buf, filtered.n);
	imap_caps_filter(&o, filtered, drop);
	MUST(out_ok(&o));
	MUST(span_eq(out_written(&o), filtered));
	free(buf);
}

/* Too little room: whole words from the beginning, and the flag. */
static void check_cut(struct span list, struct span filtered, uint32_t drop, size_t room)
{
	char *buf = fuzz_room(room);
	struct out o;

	out_init(&o, buf, room);
	imap_caps_filter(&o, list, drop);
	MUST(out_ok(&o) == (filtered.n <= room));
	MUST(o.len <= room && span_eq(out_written(&o), span_mem(filtered.p, o.len)));
	MUST(o.len == 0 || o.len == filtered.n || buf[o.len - 1] == ' ' || filtered.p[o.len] == ' ');
	free(buf);
}

static void check_drop(struct span list, uint32_t drop)
{
	char *buf = fuzz_room(list.n);
	struct out o;

	out_init(&o, buf, list.n);
	imap_caps_filter(&o, list, drop);
	MUST(out_ok(&o));		/* never longer than it was */
	MUST(is_clean(out_written(&o)));
	check_set(list, out_written(&o), drop);
	check_idempotent(out_written(&o), drop);
	check_cut(list, out_written(&o), drop, fuzz_number(list) % (list.n + 1));
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span list = span_mem(data, size);
	char *exact = fuzz_copy(list);

	list.p = exact;
	check_drop(list, 0);
	check_drop(list, ~0u);
	check_drop(list, (uint32_t)fuzz_number(list));
	check_drop(list, IMAP_CAP_COMPRESS_DEFLATE | IMAP_CAP_UNAUTHENTICATE | IMAP_CAP_AUTH_ANY_PLUS);
	free(exact);
	return 0;
}
