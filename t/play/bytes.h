/*
 * bytes.h - bytes that grow, and how a play writes them down.
 *
 *	\r \n \t \0 \\ \xHH	one byte
 *	\[N*TEXT]		TEXT, N times
 *	\b{TEXT}		TEXT in base64
 *	\c			at the end of a line: no CRLF follows
 *
 * A line that is expected may say "..." for any bytes but LF.
 */
#ifndef PLAY_BYTES_H
#define PLAY_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/span.h"

struct bytes {
	char *p;
	size_t n, cap;
};

void bytes_add(struct bytes *b, const void *p, size_t n);
void bytes_free(struct bytes *b);

/* Appends what text stands for, and CRLF unless it ends with \c. false: it cannot be read. */
bool bytes_unescape(struct bytes *b, struct span text);

/* Whether all begins with what pattern stands for; *n: how much of it. */
bool bytes_match(struct span pattern, struct span all, size_t *n);

/* Up to the first LF, for a message: written as a play would. */
void bytes_show(struct span s, char *text, size_t cap);

#endif
