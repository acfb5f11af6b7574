/*
 * imap_caps.h - what a server says it can do (RFC 9051, 7.2.2).
 *
 * Pure. The set holds only what Sluice itself acts on; the list's text is kept by whoever passes it on.
 */
#ifndef WIRE_IMAP_CAPS_H
#define WIRE_IMAP_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/out.h"
#include "wire/span.h"

enum imap_cap {
	IMAP_CAP_IMAP4REV1	= 1 << 0,
	IMAP_CAP_IMAP4REV2	= 1 << 1,
	IMAP_CAP_SASL_IR	= 1 << 2,	/* RFC 4959 */
	IMAP_CAP_LITERAL_PLUS	= 1 << 3,	/* RFC 7888 */
	IMAP_CAP_LITERAL_MINUS	= 1 << 4,	/* RFC 7888: up to IMAP_LITERAL_MINUS_MAX bytes; IMAP4rev2 implies it */
	IMAP_CAP_ID		= 1 << 5,	/* RFC 2971 */
	IMAP_CAP_STARTTLS	= 1 << 6,
	IMAP_CAP_LOGINDISABLED	= 1 << 7,
	IMAP_CAP_AUTH_PLAIN	= 1 << 8,
	IMAP_CAP_AUTH_LOGIN	= 1 << 9,
	IMAP_CAP_AUTH_XOAUTH2	= 1 << 10,
	IMAP_CAP_AUTH_OAUTHBEARER = 1 << 11,
	IMAP_CAP_AUTH_EXTERNAL	= 1 << 12,
	IMAP_CAP_AUTH_SCRAM_SHA_1 = 1 << 13,
	IMAP_CAP_AUTH_SCRAM_SHA_256 = 1 << 14,
	IMAP_CAP_AUTH_ANY_PLUS	= 1 << 15,	/* some AUTH=...-PLUS: channel binding */
	IMAP_CAP_IDLE		= 1 << 16,
	IMAP_CAP_COMPRESS_DEFLATE = 1 << 17,
	IMAP_CAP_UNAUTHENTICATE	= 1 << 18,
	IMAP_CAP_UTF8_ACCEPT	= 1 << 19,
	IMAP_CAP_ENABLE		= 1 << 20,
};

#define IMAP_LITERAL_MINUS_MAX 4096

struct imap_caps {
	bool known;		/* a list was seen; without one, nothing may be assumed */
	uint32_t set;		/* enum imap_cap, or-ed */
};

/* list: the words behind "CAPABILITY ". What was there before is forgotten. */
void imap_caps_parse(struct imap_caps *caps, struct span list);

static inline bool imap_caps_has(const struct imap_caps *caps, uint32_t cap)
{
	return (caps->set & cap) == cap;
}

/* Takes the next word off the list; spaces around words do not count. false: no more. */
bool imap_caps_next(struct span *list, struct span *word);

/* No control, no 8-bit byte, and none that would end the list in a response code. */
bool imap_caps_is_word(struct span word);

/* Writes list without the words whose bit is in drop, one space between words. Unknown words stay; those with bytes that no
 * capability has (controls, 8-bit) go. With IMAP_CAP_AUTH_ANY_PLUS in drop every AUTH=...-PLUS goes. */
void imap_caps_filter(struct out *o, struct span list, uint32_t drop);

/* Whether a literal of n bytes may be sent to this server without waiting. */
static inline bool imap_caps_literal_nonsync(const struct imap_caps *caps, size_t n)
{
	return imap_caps_has(caps, IMAP_CAP_LITERAL_PLUS) ||
	       (n <= IMAP_LITERAL_MINUS_MAX && imap_caps_has(caps, IMAP_CAP_LITERAL_MINUS));
}

#endif
