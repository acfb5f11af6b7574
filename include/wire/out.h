/*
 * out.h - writes text into a buffer of fixed size; too much sets a flag and writes nothing more.
 *
 * Pure. The error is sticky: write ten things, look at out_ok() once. A piece that does not fit is left out
 * whole, and so is all that comes after it, so what is there is never half a word.
 */
#ifndef WIRE_OUT_H
#define WIRE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/span.h"

struct out {
	char *p;
	size_t cap;
	size_t len;		/* bytes written; no NUL is added unless out_cstr() is asked */
	bool full;		/* something did not fit */
};

void out_init(struct out *o, void *p, size_t cap);

void out_chr(struct out *o, char c);
void out_str(struct out *o, const char *text);
void out_span(struct out *o, struct span s);
void out_mem(struct out *o, const void *p, size_t n);
void out_num(struct out *o, uint64_t n);

/* An IMAP quoted string with \ and " escaped (RFC 9051, 4.3). Sets full if s holds NUL, CR, LF or a byte above 0x7e:
 * such a string needs a literal. */
void out_quoted(struct out *o, struct span s);

/* "{n}\r\n" or, if nonsync, "{n+}\r\n" (RFC 7888). The caller sends the bytes when it may. */
void out_literal_head(struct out *o, size_t n, bool nonsync);

/* Base64 with padding, no line breaks (RFC 4648, 4). */
void out_base64(struct out *o, struct span s);

static inline bool out_ok(const struct out *o)
{
	return !o->full;
}

static inline struct span out_written(const struct out *o)
{
	return span_mem(o->p, o->len);
}

/* Ends what is written with a NUL and gives it; the last byte makes room for the NUL if need be. cap must be > 0. */
const char *out_cstr(struct out *o);

#endif
