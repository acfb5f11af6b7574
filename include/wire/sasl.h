/*
 * sasl.h - the SASL mechanisms' messages: bytes to meaning and back.
 *
 * Pure. Base64 is already off when reading and not yet on when writing. Which mechanisms there are is the table in
 * sasl.c; today PLAIN (RFC 4616), others join it.
 */
#ifndef WIRE_SASL_H
#define WIRE_SASL_H

#include <stdbool.h>

#include "wire/out.h"
#include "wire/span.h"

enum sasl_mechanism { SASL_NONE, SASL_PLAIN };

/* SASL_NONE: not one of ours. Names are without case. */
enum sasl_mechanism sasl_find(struct span name);
const char *sasl_name(enum sasl_mechanism m);

/* What a client's message says. Spans point into the message. */
struct sasl_identity {
	struct span authorize;		/* as whom; n = 0: the client gave none */
	struct span authenticate;	/* who; never empty */
	struct span password;
};

/* authzid NUL authcid NUL password. Refused: other than two NULs, an empty authcid or password, control bytes or invalid UTF-8 in
 * the names. */
bool sasl_plain_parse(struct span message, struct sasl_identity *id);
/* Sets full if a field holds NUL. */
void sasl_plain_write(struct out *o, const struct sasl_identity *id);

#endif
