/*
 * imap_line.h - what a relayed line begins with: its tag (as a hash), its verb or status, whatever piece it comes in.
 *
 * Pure. The head of a line is fed in pieces; no byte of it is kept, only how far it agrees with the words that matter. The framing is
 * imap_frame's: this is told what belongs to the first line of a command or response, without the LF. Also skips runs of server lines that
 * say nothing to the tracker.
 */
#ifndef WIRE_IMAP_LINE_H
#define WIRE_IMAP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAP_LINE_TAG 64	/* bytes of the longest tag */

/* Those that clients say after login; UNKNOWN for all else. "UID x" has verbs of its own. */
enum imap_line_verb {
	IMAP_LINE_UNKNOWN,
	IMAP_LINE_CAPABILITY, IMAP_LINE_NOOP, IMAP_LINE_LOGOUT, IMAP_LINE_STARTTLS, IMAP_LINE_AUTHENTICATE, IMAP_LINE_LOGIN,
	IMAP_LINE_SELECT, IMAP_LINE_EXAMINE, IMAP_LINE_CREATE, IMAP_LINE_DELETE, IMAP_LINE_RENAME, IMAP_LINE_SUBSCRIBE,
	IMAP_LINE_UNSUBSCRIBE, IMAP_LINE_LIST, IMAP_LINE_LSUB, IMAP_LINE_STATUS, IMAP_LINE_APPEND, IMAP_LINE_CHECK, IMAP_LINE_CLOSE,
	IMAP_LINE_EXPUNGE, IMAP_LINE_SEARCH, IMAP_LINE_FETCH, IMAP_LINE_STORE, IMAP_LINE_COPY, IMAP_LINE_UID_COPY,
	IMAP_LINE_UID_FETCH, IMAP_LINE_UID_STORE, IMAP_LINE_UID_SEARCH, IMAP_LINE_ID, IMAP_LINE_ENABLE, IMAP_LINE_MOVE,
	IMAP_LINE_UID_MOVE,
	IMAP_LINE_IDLE, IMAP_LINE_COMPRESS, IMAP_LINE_UNAUTHENTICATE, IMAP_LINE_NAMESPACE,
	IMAP_LINE_XLIST, IMAP_LINE_UNSELECT, IMAP_LINE_SORT,
	IMAP_LINE_THREAD, IMAP_LINE_UID_SORT, IMAP_LINE_UID_THREAD, IMAP_LINE_UID_EXPUNGE, IMAP_LINE_GETQUOTA,
	IMAP_LINE_GETQUOTAROOT, IMAP_LINE_SETQUOTA, IMAP_LINE_GETACL, IMAP_LINE_SETACL, IMAP_LINE_DELETEACL,
	IMAP_LINE_LISTRIGHTS, IMAP_LINE_MYRIGHTS, IMAP_LINE_GETMETADATA, IMAP_LINE_SETMETADATA, IMAP_LINE_NOTIFY,
	IMAP_LINE_ESEARCH, IMAP_LINE_REPLACE, IMAP_LINE_UID_REPLACE, IMAP_LINE_GENURLAUTH, IMAP_LINE_RESETKEY,
	IMAP_LINE_URLFETCH, IMAP_LINE_LANGUAGE, IMAP_LINE_COMPARATOR, IMAP_LINE_CONVERT, IMAP_LINE_CANCELUPDATE,
	IMAP_LINE_NVERBS
};

/* A word as far as it has come: where in the table of known words it could still be. */
struct imap_line_word {
	uint8_t candidate;	/* the first of those that begin so */
	uint8_t len;		/* 255: none does */
};

struct imap_line {
	uint32_t hash;		/* of the first word as far as it has come */
	uint8_t first_len;	/* its bytes; 255 is the most */
	char first;		/* the line's first byte; NUL: it is empty */
	uint8_t state;		/* enum in imap_line.c: which word is under way */
	uint8_t flags;		/* enum in imap_line.c: what is odd about it */
	struct imap_line_word second, third;
};

void imap_line_start(struct imap_line *l);
void imap_line_feed(struct imap_line *l, const char *p, size_t n);	/* no LF in it; a CR may be, before the line's end or not */

/* The line is whole. Hashes of equal words are equal. */
bool imap_line_is_command(const struct imap_line *l);	/* tag SP verb: doc/TRACKER 4 */
enum imap_line_verb imap_line_verb(const struct imap_line *l);	/* of a command */
bool imap_line_has_tag(const struct imap_line *l);	/* a server's: 1 to IMAP_LINE_TAG bytes before its first SP; hash is theirs */
bool imap_line_status_is(const struct imap_line *l, const char *capitals);	/* a server's: "OK", "BAD" or "BYE" behind its first SP */
bool imap_line_verb_takes_literals(enum imap_line_verb verb);	/* doc/TRACKER 17 */
const char *imap_line_verb_name(enum imap_line_verb verb);	/* "UID FETCH"; "unknown" */

/* Looks for the word UNAUTHENTICATE in any case, whatever pieces it comes in. Words are what bytes above SP make between others. All zero
 * at the beginning. */
struct imap_line_hunt {
	uint8_t letters;	/* of the word under way: enum in imap_line.c */
	uint8_t words;		/* begun in this line, as far as they matter */
	bool uid;		/* the second one was UID */
};

/* Where the byte is that ends the word; n: there is none. any: whatever word it is; blind, of what may be lines or not: only where nothing
 * but bytes up to SP are between it and an LF, and it is that LF then. second: as a line's second word, or its third behind UID. */
size_t imap_line_hunt_any(struct imap_line_hunt *h, const char *p, size_t n, bool blind);
size_t imap_line_hunt_second(struct imap_line_hunt *h, const char *p, size_t n);

/* At the start of a server's response: how many of the n bytes at p are whole lines that begin with "* " and do not end with "}", and are
 * so not of any concern (untagged BAD and BYE may be among them: only for who waits for neither). Goes many bytes at a time. */
size_t imap_line_skip_untagged(const char *p, size_t n);

#endif
