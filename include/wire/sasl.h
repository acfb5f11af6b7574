/*
 * sasl.h - the SASL mechanisms' messages: bytes to meaning and back.
 *
 * Pure. Base64 is already off when reading and not yet on when writing. Which mechanisms there are is the table in sasl.c.
 *
 *	kind		mechanisms			the client's first message
 *	PASSWORD	PLAIN (RFC 4616)		[as whom] NUL who NUL password
 *			LOGIN				who; the password is a second message
 *	TOKEN		XOAUTH2				user=WHO ^A auth=Bearer TOKEN ^A ^A
 *			OAUTHBEARER (RFC 7628)		n,a=WHO,^A auth=Bearer TOKEN ^A ... ^A
 *	CERTIFICATE	EXTERNAL (RFC 4422, app. A)	[as whom]; who, the certificate says
 *	CHALLENGE	SCRAM-SHA-1, -256 (RFC 5802)	n,[a=AS WHOM],n=WHO,r=NONCE
 *
 * Of a TOKEN and a CHALLENGE only the names are read: the message itself goes on byte for byte.
 */
#ifndef WIRE_SASL_H
#define WIRE_SASL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/out.h"
#include "wire/span.h"

enum sasl_mechanism {
	SASL_NONE,
	SASL_PLAIN,
	SASL_LOGIN,
	SASL_XOAUTH2,
	SASL_OAUTHBEARER,
	SASL_EXTERNAL,
	SASL_SCRAM_SHA_1,
	SASL_SCRAM_SHA_256,
	SASL_N,
};

enum sasl_kind { SASL_PASSWORD, SASL_TOKEN, SASL_CERTIFICATE, SASL_CHALLENGE };

/* SASL_NONE: not one of ours. Names are without case. */
enum sasl_mechanism sasl_find(struct span name);
const char *sasl_name(enum sasl_mechanism m);
enum sasl_kind sasl_kind(enum sasl_mechanism m);
uint32_t sasl_cap(enum sasl_mechanism m);	/* enum imap_cap: that a server offers it */

/* What a client's message says. Spans point into the message, names that had to be decoded into room. */
struct sasl_identity {
	struct span authorize;		/* as whom; n = 0: the client gave none */
	struct span authenticate;	/* who; empty for EXTERNAL only */
	/* a password, or the whole message that goes on; empty for EXTERNAL, and for LOGIN until its second */
	struct span secret;
};

/* The first message of mechanism m. room: message.n bytes, for names. False, with all of *id empty: names with control bytes or invalid
 * UTF-8, no name at all (but for EXTERNAL), an empty password, channel binding ("p="), and whatever is not of the mechanism's form. */
bool sasl_parse(enum sasl_mechanism m, struct span message, char *room, struct sasl_identity *id);

/* LOGIN's second message. false: empty, or with a NUL. */
bool sasl_login_password(struct span message, struct sasl_identity *id);

/* What LOGIN asks, in base64: "Username:", "Password:", as old clients expect them letter by letter. */
#define SASL_LOGIN_ASKS_USER "VXNlcm5hbWU6"
#define SASL_LOGIN_ASKS_PASSWORD "UGFzc3dvcmQ6"

/* PLAIN's message. Sets full if a field holds NUL. */
void sasl_plain_write(struct out *o, const struct sasl_identity *id);

#endif
