/*
 * imap_reply.h - takes one line from a backend apart (RFC 9051, 7).
 *
 * Pure, and lenient where servers are known to differ: "+" without its space, text missing after the status, spaces at
 * the line's end. The spans point into the caller's line.
 */
#ifndef WIRE_IMAP_REPLY_H
#define WIRE_IMAP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/span.h"

enum imap_reply_kind {
	IMAP_REPLY_CONTINUE,	/* "+ text" */
	IMAP_REPLY_UNTAGGED,	/* "* ..." */
	IMAP_REPLY_TAGGED,	/* "tag OK|NO|BAD ..." */
};

enum imap_status {
	IMAP_STATUS_NONE,	/* untagged data, such as "* CAPABILITY ..." */
	IMAP_STATUS_OK,
	IMAP_STATUS_NO,
	IMAP_STATUS_BAD,
	IMAP_STATUS_BYE,	/* untagged only */
	IMAP_STATUS_PREAUTH,	/* untagged only */
};

struct imap_reply {
	enum imap_reply_kind kind;
	enum imap_status status;
	struct span tag;	/* TAGGED */
	struct span word;	/* status NONE: the first word of the data: CAPABILITY, ID, 23 ... */
	struct span data;	/* status NONE: what follows the word and its space */
	struct span code;	/* "[CODE args]": CODE, n = 0 if there is none (RFC 5530, RFC 9051 7.1) */
	struct span code_args;	/* what follows CODE and its space, up to the ']' */
	struct span text;	/* human text behind the code; CONTINUE: all behind "+ " */
	struct span rest;	/* code and text as they were sent: all behind the status and its space */
};

/* line: without its CRLF, n bytes. false: nothing IMAP can mean (no tag, unknown status, NUL in it). */
bool imap_reply_parse(const char *line, size_t n, struct imap_reply *r);

/* "OK", "NO", "BAD", "BYE", "PREAUTH"; "" for NONE. */
const char *imap_status_name(enum imap_status status);

/* The code as one of RFC 5530's and 9051's words, in capitals: fit for a log, as what a server made up itself is not (it may hold what a
 * client sent). NULL: none of them. */
const char *imap_code_name(struct span code);

#endif
