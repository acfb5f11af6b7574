/*
 * base64.h - base64 as SASL wants it: strict (RFC 4648, 4; RFC 9051 forbids white space and line breaks in it).
 *
 * Pure. Not accepted: characters outside the alphabet, missing or misplaced '=', non-zero bits behind the last byte.
 */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/span.h"

/* Bytes that n bytes take when encoded. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Decodes in into out (cap bytes; 3/4 of in.n is enough). out may be in.p itself: decoding in place is allowed.
 * false: not base64, or no room. */
bool base64_decode(struct span in, void *out, size_t cap, size_t *len);

/* Whether in would decode. */
bool base64_is_valid(struct span in);

/* Encodes; out takes BASE64_LEN(in.n) bytes, no NUL. Returns that length. */
size_t base64_encode(struct span in, char *out);

#endif
