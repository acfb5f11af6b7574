/*
 * span.h - a run of bytes that somebody else owns: a pointer and a length, no NUL at its end.
 *
 * What the network sent is always a span, never a C string: a NUL in it must not hide what follows.
 */
#ifndef WIRE_SPAN_H
#define WIRE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *p;
	size_t n;
};

/* The span of a string literal or any C string. */
static inline struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline struct span span_mem(const void *p, size_t n)
{
	return (struct span){ p, n };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_eq(a, span_of(text));
}

/* ASCII letters compare without case, as IMAP's words do (RFC 9051, 1.2). */
static inline bool span_is_nocase(struct span a, const char *text)
{
	size_t n = strlen(text);

	return a.n == n && strncasecmp(a.p, text, n) == 0;
}

/* A byte that has no business in a name: 0 to 31, 127. */
static inline bool span_has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7f)
			return true;
	}
	return false;
}

static inline bool span_has_nul(struct span s)
{
	return s.n > 0 && memchr(s.p, '\0', s.n) != NULL;
}

static inline bool span_starts_nocase(struct span a, const char *text)
{
	size_t n = strlen(text);

	return a.n >= n && strncasecmp(a.p, text, n) == 0;
}

#endif
