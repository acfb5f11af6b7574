/*
 * imap_command.h - takes a client's whole command before login apart (RFC 9051, 6.1 and 6.2).
 *
 * Pure. The command comes as it was received: lines with their CRLF, each literal right behind its {n}CRLF. Strings are
 * decoded in place (the buffer is written to), so the spans point into the caller's buffer and live as long as it.
 *
 * Strict where it costs nobody: one space between words, no NUL, no CR or LF but at line ends, no control bytes in
 * atoms; tags of the RFC's characters (']' and all), at most IMAP_TAG_MAX.
 */
#ifndef WIRE_IMAP_COMMAND_H
#define WIRE_IMAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/span.h"

#define IMAP_TAG_MAX 64
#define IMAP_ID_PAIRS_MAX 30	/* RFC 2971, 3.3 */
#define IMAP_ID_KEY_MAX 30
#define IMAP_ID_VALUE_MAX 1024

enum imap_verb {
	IMAP_VERB_UNKNOWN,	/* no such command before login; its arguments are not looked at */
	IMAP_CAPABILITY,
	IMAP_NOOP,
	IMAP_LOGOUT,
	IMAP_ID,
	IMAP_ENABLE,
	IMAP_STARTTLS,
	IMAP_LOGIN,
	IMAP_AUTHENTICATE,
};

struct imap_command {
	struct span tag;	/* n = 0: there was none, or an illegal one; it must not be echoed */
	enum imap_verb verb;
	struct span user, password;	/* LOGIN: both astrings, decoded; may be empty; user holds no control byte, neither holds NUL */
	struct span mechanism;		/* AUTHENTICATE */
	bool has_initial;		/* AUTHENTICATE with an initial response (RFC 4959) */
	struct span initial;		/* still base64; "=" (empty response) comes as n = 0 */
	struct span id;			/* ID: what is between the parentheses, raw; n = 0 for NIL and (). For imap_id_next */
	const char *why;		/* on failure: a fixed sentence, fit for the client: "Bad LOGIN arguments." */
};

/* false: no legal command; c->why says why, and c->tag is set if the tag itself was legal, c->verb if it was known. */
bool imap_command_parse(char *buf, size_t n, struct imap_command *c);

/* Walks the pairs of ID. *rest starts as c->id (already checked by imap_command_parse: at most IMAP_ID_PAIRS_MAX pairs,
 * sizes within bounds). Values that are NIL come with p = NULL. Decodes in place. false: no more. */
bool imap_id_next(struct span *rest, struct span *key, struct span *value);

/* A tag as RFC 9051 has it: 1 to IMAP_TAG_MAX ASTRING-CHARs without '+'. */
bool imap_tag_is_legal(struct span tag);

/* The verb's name in capitals; "unknown" for IMAP_VERB_UNKNOWN. */
const char *imap_verb_name(enum imap_verb verb);

#endif
