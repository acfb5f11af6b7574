/*
 * The head of a line, a byte at a time, and no further than its third word; the rest of the line costs nothing. A word is looked for while
 * it comes, in a table in alphabetical order: what could still be it is a run of neighbours there.
 */
#include "wire/imap_line.h"

#include <string.h>

#include "wire/span.h"

enum { BEFORE_FIRST, IN_FIRST, BEFORE_SECOND, IN_SECOND, BEFORE_THIRD, IN_THIRD, BEHIND };

enum {
	BAD_TAG = 1,		/* a byte that no tag has */
	SPACED = 2,		/* more than one space before the second word, or one before the first */
	SPACED_THIRD = 4,	/* more than one space before the third */
	AT_CR = 8,		/* the byte fed last was a CR: of the line's end, or text */
	VERB_CR = 16,		/* the second word, or the third, was cut at a CR */
};

#define NO_WORD 255
#define FNV_BASIS UINT32_C(0x811c9dc5)
#define FNV_PRIME UINT32_C(0x01000193)

/* In alphabetical order. */
static const struct known {
	const char *text;
	uint8_t verb, uid_verb;	/* uid_verb: behind UID */
} known[] = {
	{ "APPEND", IMAP_LINE_APPEND, 0 },
	{ "AUTHENTICATE", IMAP_LINE_AUTHENTICATE, 0 },
	{ "BAD", 0, 0 },
	{ "BYE", 0, 0 },
	{ "CANCELUPDATE", IMAP_LINE_CANCELUPDATE, 0 },
	{ "CAPABILITY", IMAP_LINE_CAPABILITY, 0 },
	{ "CHECK", IMAP_LINE_CHECK, 0 },
	{ "CLOSE", IMAP_LINE_CLOSE, 0 },
	{ "COMPARATOR", IMAP_LINE_COMPARATOR, 0 },
	{ "COMPRESS", IMAP_LINE_COMPRESS, 0 },
	{ "CONVERT", IMAP_LINE_CONVERT, 0 },
	{ "COPY", IMAP_LINE_COPY, IMAP_LINE_UID_COPY },
	{ "CREATE", IMAP_LINE_CREATE, 0 },
	{ "DELETE", IMAP_LINE_DELETE, 0 },
	{ "DELETEACL", IMAP_LINE_DELETEACL, 0 },
	{ "ENABLE", IMAP_LINE_ENABLE, 0 },
	{ "ESEARCH", IMAP_LINE_ESEARCH, 0 },
	{ "EXAMINE", IMAP_LINE_EXAMINE, 0 },
	{ "EXPUNGE", IMAP_LINE_EXPUNGE, IMAP_LINE_UID_EXPUNGE },
	{ "FETCH", IMAP_LINE_FETCH, IMAP_LINE_UID_FETCH },
	{ "GENURLAUTH", IMAP_LINE_GENURLAUTH, 0 },
	{ "GETACL", IMAP_LINE_GETACL, 0 },
	{ "GETMETADATA", IMAP_LINE_GETMETADATA, 0 },
	{ "GETQUOTA", IMAP_LINE_GETQUOTA, 0 },
	{ "GETQUOTAROOT", IMAP_LINE_GETQUOTAROOT, 0 },
	{ "ID", IMAP_LINE_ID, 0 },
	{ "IDLE", IMAP_LINE_IDLE, 0 },
	{ "LANGUAGE", IMAP_LINE_LANGUAGE, 0 },
	{ "LIST", IMAP_LINE_LIST, 0 },
	{ "LISTRIGHTS", IMAP_LINE_LISTRIGHTS, 0 },
	{ "LOGIN", IMAP_LINE_LOGIN, 0 },
	{ "LOGOUT", IMAP_LINE_LOGOUT, 0 },
	{ "LSUB", IMAP_LINE_LSUB, 0 },
	{ "MOVE", IMAP_LINE_MOVE, IMAP_LINE_UID_MOVE },
	{ "MYRIGHTS", IMAP_LINE_MYRIGHTS, 0 },
	{ "NAMESPACE", IMAP_LINE_NAMESPACE, 0 },
	{ "NOOP", IMAP_LINE_NOOP, 0 },
	{ "NOTIFY", IMAP_LINE_NOTIFY, 0 },
	{ "OK", 0, 0 },
	{ "RENAME", IMAP_LINE_RENAME, 0 },
	{ "REPLACE", IMAP_LINE_REPLACE, IMAP_LINE_UID_REPLACE },
	{ "RESETKEY", IMAP_LINE_RESETKEY, 0 },
	{ "SEARCH", IMAP_LINE_SEARCH, IMAP_LINE_UID_SEARCH },
	{ "SELECT", IMAP_LINE_SELECT, 0 },
	{ "SETACL", IMAP_LINE_SETACL, 0 },
	{ "SETMETADATA", IMAP_LINE_SETMETADATA, 0 },
	{ "SETQUOTA", IMAP_LINE_SETQUOTA, 0 },
	{ "SORT", IMAP_LINE_SORT, IMAP_LINE_UID_SORT },
	{ "STARTTLS", IMAP_LINE_STARTTLS, 0 },
	{ "STATUS", IMAP_LINE_STATUS, 0 },
	{ "STORE", IMAP_LINE_STORE, IMAP_LINE_UID_STORE },
	{ "SUBSCRIBE", IMAP_LINE_SUBSCRIBE, 0 },
	{ "THREAD", IMAP_LINE_THREAD, IMAP_LINE_UID_THREAD },
	{ "UID", 0, 0 },
	{ "UNAUTHENTICATE", IMAP_LINE_UNAUTHENTICATE, 0 },
	{ "UNSELECT", IMAP_LINE_UNSELECT, 0 },
	{ "UNSUBSCRIBE", IMAP_LINE_UNSUBSCRIBE, 0 },
	{ "URLFETCH", IMAP_LINE_URLFETCH, 0 },
	{ "XLIST", IMAP_LINE_XLIST, 0 },
};

#define NKNOWN (sizeof(known) / sizeof(known[0]))

static const char *const uid_names[IMAP_LINE_NVERBS] = {
	[IMAP_LINE_UID_COPY] = "UID COPY", [IMAP_LINE_UID_FETCH] = "UID FETCH", [IMAP_LINE_UID_STORE] = "UID STORE",
	[IMAP_LINE_UID_SEARCH] = "UID SEARCH", [IMAP_LINE_UID_MOVE] = "UID MOVE", [IMAP_LINE_UID_SORT] = "UID SORT",
	[IMAP_LINE_UID_THREAD] = "UID THREAD", [IMAP_LINE_UID_EXPUNGE] = "UID EXPUNGE", [IMAP_LINE_UID_REPLACE] = "UID REPLACE",
};

void imap_line_start(struct imap_line *l)
{
	*l = (struct imap_line){ .hash = FNV_BASIS };
}

static char capital(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* One byte more of the word. */
static void word_grow(struct imap_line_word *w, char c)
{
	const char *as_far = known[w->candidate].text;

	if (w->len == NO_WORD)
		return;
	c = capital(c);
	for (size_t i = w->candidate; c != '\0' && i < NKNOWN && strncmp(known[i].text, as_far, w->len) == 0; i++) {
		if (known[i].text[w->len] < c)
			continue;
		if (known[i].text[w->len] > c)
			break;
		w->candidate = (uint8_t)i;
		w->len++;
		return;
	}
	w->len = NO_WORD;
}

/* The word is whole: which it is. NULL: none of those known. */
static const struct known *word_find(const struct imap_line_word *w)
{
	const struct known *k = &known[w->candidate];

	return w->len != NO_WORD && k->text[w->len] == '\0' ? k : NULL;
}

static bool word_is(const struct imap_line_word *w, const char *capitals)
{
	const struct known *k = word_find(w);

	return k && strcmp(k->text, capitals) == 0;
}

static bool is_tag_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("(){%*\"\\+", c);
}

static void first_grow(struct imap_line *l, char c)
{
	l->hash = (l->hash ^ (unsigned char)c) * FNV_PRIME;
	l->first_len += l->first_len < UINT8_MAX;
	if (!is_tag_char(c))
		l->flags |= BAD_TAG;
}

static void take_space(struct imap_line *l)
{
	switch (l->state) {
	case BEFORE_FIRST:
	case BEFORE_SECOND:
		l->flags |= SPACED;
		break;
	case BEFORE_THIRD:
		l->flags |= SPACED_THIRD;
		break;
	case IN_SECOND:
		l->state = word_is(&l->second, "UID") ? BEFORE_THIRD : BEHIND;
		break;
	default:
		l->state++;
	}
}

/* Dovecot ends a verb there. */
static void cut_word(struct imap_line *l)
{
	l->flags |= VERB_CR;
	l->state = BEHIND;
}

static void take_byte(struct imap_line *l, char c)
{
	if (c == ' ') {
		take_space(l);
		return;
	}
	if (c == '\r' && (l->state == IN_SECOND || l->state == IN_THIRD)) {
		cut_word(l);
		return;
	}
	switch (l->state) {
	case BEFORE_FIRST:
	case BEFORE_SECOND:
	case BEFORE_THIRD:
		l->state++;
	}
	if (l->state == IN_FIRST)
		first_grow(l, c);
	else
		word_grow(l->state == IN_SECOND ? &l->second : &l->third, c);
}

/* A CR is text only when something comes behind it. */
void imap_line_feed(struct imap_line *l, const char *p, size_t n)
{
	if (n > 0 && l->state == BEFORE_FIRST && !(l->flags & (SPACED | AT_CR)))
		l->first = *p;
	for (const char *end = p + n; p < end && l->state != BEHIND; p++) {
		if (l->flags & AT_CR) {
			l->flags &= ~AT_CR;
			take_byte(l, '\r');
			if (l->state == BEHIND)
				break;
		}
		if (*p == '\r')
			l->flags |= AT_CR;
		else
			take_byte(l, *p);
	}
}

bool imap_line_is_command(const struct imap_line *l)
{
	return l->state >= IN_SECOND && !(l->flags & (BAD_TAG | SPACED)) && l->first_len <= IMAP_LINE_TAG;
}

enum imap_line_verb imap_line_verb(const struct imap_line *l)
{
	const struct known *second = word_find(&l->second), *third = word_find(&l->third);

	if (!second)
		return IMAP_LINE_UNKNOWN;
	if (strcmp(second->text, "UID") != 0)
		return second->verb;
	return third && !(l->flags & SPACED_THIRD) ? third->uid_verb : IMAP_LINE_UNKNOWN;
}

bool imap_line_has_tag(const struct imap_line *l)
{
	return l->first != ' ' && l->first_len > 0 && l->first_len <= IMAP_LINE_TAG;
}

bool imap_line_status_is(const struct imap_line *l, const char *capitals)
{
	return !(l->flags & (SPACED | VERB_CR)) && word_is(&l->second, capitals);
}

/* All that are known, but those that have no argument, or one that is never a literal. */
bool imap_line_verb_takes_literals(enum imap_line_verb verb)
{
	switch (verb) {
	case IMAP_LINE_UNKNOWN:
	case IMAP_LINE_CAPABILITY:
	case IMAP_LINE_NOOP:
	case IMAP_LINE_LOGOUT:
	case IMAP_LINE_STARTTLS:
	case IMAP_LINE_CHECK:
	case IMAP_LINE_CLOSE:
	case IMAP_LINE_EXPUNGE:
	case IMAP_LINE_IDLE:
	case IMAP_LINE_COMPRESS:
	case IMAP_LINE_UNAUTHENTICATE:
	case IMAP_LINE_NAMESPACE:
	case IMAP_LINE_UNSELECT:
		return false;
	default:
		return true;
	}
}

const char *imap_line_verb_name(enum imap_line_verb verb)
{
	if (uid_names[verb])
		return uid_names[verb];
	for (size_t i = 0; i < NKNOWN && verb != IMAP_LINE_UNKNOWN; i++) {
		if (known[i].verb == verb)
			return known[i].text;
	}
	return "unknown";
}

/* ---- UNAUTHENTICATE ---- */

static const char hunted[] = "UNAUTHENTICATE";

/* How much of a word has come: of the one that is looked for 1 to WHOLE letters, or one of these. */
enum {
	NO_LETTER = 0,
	WHOLE = sizeof(hunted) - 1,
	WHOLE_THEN_BLANKS,	/* behind it came bytes up to SP only, and no LF */
	HAS_UI,
	HAS_UID,
	OTHER_WORD,
};

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ';
}

static uint8_t letters_with(uint8_t letters, char c)
{
	if (letters == WHOLE_THEN_BLANKS)
		letters = NO_LETTER;
	c = capital(c);
	if (letters < WHOLE && c == hunted[letters])
		return letters + 1;
	if (letters == 1 && c == 'I')
		return HAS_UI;
	return letters == HAS_UI && c == 'D' ? HAS_UID : OTHER_WORD;
}

size_t imap_line_hunt_any(struct imap_line_hunt *h, const char *p, size_t n, bool blind)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_blank(p[i])) {
			h->letters = letters_with(h->letters, p[i]);
		} else if (h->letters != WHOLE && h->letters != WHOLE_THEN_BLANKS) {
			h->letters = NO_LETTER;
		} else if (p[i] == '\n' || (h->letters == WHOLE && !blind)) {
			return i;
		} else {
			h->letters = WHOLE_THEN_BLANKS;
		}
	}
	return n;
}

/* A word of the line has ended: is it the one? */
static bool ends_hunt(struct imap_line_hunt *h)
{
	bool is_it = h->letters == WHOLE && (h->words == 2 || h->uid);

	h->uid = h->words == 2 && h->letters == HAS_UID;
	h->letters = NO_LETTER;
	return is_it;
}

size_t imap_line_hunt_second(struct imap_line_hunt *h, const char *p, size_t n)
{
	for (size_t i = 0; i < n && (h->words < 3 || (h->words == 3 && h->uid)); i++) {
		if (!is_blank(p[i])) {
			h->words += h->letters == NO_LETTER;
			h->letters = letters_with(h->letters, p[i]);
		} else if (h->letters != NO_LETTER && ends_hunt(h)) {
			return i;
		}
	}
	return n;
}

/* ---- runs of server lines ---- */

/* 16 bytes at a time: SSE2 or the like where there is one, else what the compiler makes of it. */
typedef unsigned char bytes16 __attribute__((vector_size(16)));
typedef uint64_t words16 __attribute__((vector_size(16)));

#define BEHIND_MAX 2	/* bytes that are looked at before and behind an LF */

static inline bytes16 load(const char *p)
{
	bytes16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Which of the 16 bytes at p are LFs that are not followed by "* ", or preceded by "}" or "}" CR. */
static inline bytes16 stops16(const char *p)
{
	bytes16 before = load(p - 1), again = (bytes16)((load(p + 1) == '*') & (load(p + 2) == ' '));
	bytes16 brace = (bytes16)((before == '}') | ((before == '\r') & (load(p - 2) == '}')));

	return (bytes16)(load(p) == '\n') & (~again | brace);
}

static inline bool any16(bytes16 v)
{
	words16 w = (words16)v;

	return (w[0] | w[1]) != 0;
}

static bool stops(const char *p, const char *end)
{
	return *p == '\n' && (end - p < 3 || p[1] != '*' || p[2] != ' ' || p[-1] == '}' || (p[-1] == '\r' && p[-2] == '}'));
}

/* The same, or a "}" wherever it is: less to look at, and mostly there is none. */
static inline bytes16 may_stop16(const char *p)
{
	bytes16 here = load(p), again = (bytes16)((load(p + 1) == '*') & (load(p + 2) == ' '));

	return (bytes16)((here == '\n') & ~again) | (bytes16)(here == '}');
}

/* A "}" in the two bytes before p counts, too. */
static inline bool may_stop64(const char *p)
{
	bytes16 any = may_stop16(p) | may_stop16(p + 16) | may_stop16(p + 32) | may_stop16(p + 48);

	return any16(any) || p[-1] == '}' || p[-2] == '}';
}

static inline bool stops64(const char *p)
{
	return any16(stops16(p) | stops16(p + 16) | stops16(p + 32) | stops16(p + 48));
}

/* The first LF at p or behind it where the run stops; end: none. p is two bytes inside the run at least. */
static const char *find_stop(const char *p, const char *end)
{
	for (; end - p >= 64 + BEHIND_MAX; p += 64) {
		if (may_stop64(p) && stops64(p))
			break;
	}
	while (p < end && !stops(p, end))
		p++;
	return p;
}

static bool ends_with_brace(const char *p, const char *lf)
{
	size_t n = (size_t)(lf - p);

	return (n >= 1 && lf[-1] == '}') || (n >= 2 && lf[-1] == '\r' && lf[-2] == '}');
}

size_t imap_line_skip_untagged(const char *p, size_t n)
{
	const char *end = p + n, *stop, *lf;

	if (n < 3 || p[0] != '*' || p[1] != ' ')
		return 0;
	stop = find_stop(p + 2, end);
	if (stop < end && !ends_with_brace(p, stop))
		return (size_t)(stop - p) + 1;
	lf = memrchr(p, '\n', (size_t)(stop - p));
	return lf ? (size_t)(lf - p) + 1 : 0;
}
