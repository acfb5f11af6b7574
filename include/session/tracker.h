/*
 * tracker.h - reads along in a relayed session: commands in flight, literals, IDLE. doc/TRACKER has the rules, by number.
 *
 * Pure but for one pooled block: no I/O, no clock (it is told the time), no log. It changes no byte. Input may come cut anywhere.
 *
 *	client bytes --tracker_client--> how many of them may go on now
 *	server bytes --tracker_server--> all of them go on
 *
 * An idle session holds no block: the oldest command in flight, which is mostly an IDLE, has its place in the tracker itself.
 */
#ifndef SESSION_TRACKER_H
#define SESSION_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/imap_frame.h"
#include "wire/imap_line.h"

struct pool;
struct tracker;
struct tracker_block;

#define TRACKER_REMEMBERED 16

enum tracker_side { TRACKER_CLIENT, TRACKER_SERVER };

enum tracker_verdict {
	TRACKER_PASS,	/* all bytes may go on */
	TRACKER_HOLD,	/* those behind the returned number wait until tracker_is_holding says no; then they are given again */
	TRACKER_END,	/* the session must end (rule 21); what is behind the returned number must not go on */
};

enum tracker_opaque {
	TRACKER_CLEAR,		/* it is not opaque */
	TRACKER_COMPRESS,
	TRACKER_STARTTLS,
	TRACKER_BROKEN_SIZE,	/* a literal of more than 64 bits, from either side */
	TRACKER_TOO_MANY,	/* IDLE, COMPRESS, STARTTLS behind more commands than are remembered */
	TRACKER_UNSURE,		/* a non-synchronising literal that the server may or may not take as one */
	TRACKER_NO_ANSWER,	/* to a synchronising literal: tracker_give_up */
	TRACKER_NOPAQUE
};

/* A command in flight. */
struct tracker_command {
	uint32_t tag;		/* its hash */
	uint32_t since;		/* its first line, of an IDLE its end once that was sent; in the caller's milliseconds */
	uint8_t verb;		/* enum imap_line_verb */
	uint8_t idle;		/* enum in tracker.c */
};

struct tracker {
	struct imap_frame up, down;	/* the client's flow, the server's */
	struct imap_line up_line, down_line;	/* the first line of the command, of the response under way */
	struct tracker_command first;	/* the oldest in flight */
	struct tracker_block *more;	/* the others that are remembered; NULL: none */
	struct pool *pool;
	uint64_t commands, answered;	/* rule 23 */
	uint32_t idles_asked, idles_granted, idles_ended;
	uint32_t rest;			/* in flight, not remembered */
	uint8_t remembered;
	uint8_t bads_owed;
	uint8_t opaque;			/* enum tracker_opaque */
	uint8_t state;			/* of the client's flow: enum in tracker.c */
	uint8_t counted_as;		/* the command under way: enum in tracker.c */
	bool strict;			/* the backend lists UNAUTHENTICATE: rule 21 */
	bool logged_out;		/* a LOGOUT had its OK, so the server has said BYE */
	struct imap_line_hunt hunt;	/* for UNAUTHENTICATE; strict: in all that goes on, else in the line under way */
};

/* A tagged line has ended a remembered command; ms: since command->since. */
typedef void tracker_done_fn(struct tracker *t, enum imap_line_verb verb, uint32_t ms);

/* pool: of objects of tracker_block_size bytes, for the blocks. */
void tracker_init(struct tracker *t, struct pool *pool, bool strict);
void tracker_fini(struct tracker *t);	/* gives the block back */
extern const size_t tracker_block_size;

/* Reads n bytes of the client's, returns how many of them may go on. now: milliseconds of any clock; it may wrap. Not to be called while
 * tracker_is_holding. What goes on is the same however the bytes are cut, but for the line of an END: that begins behind the returned
 * number, or in an earlier piece; its LF is never among what goes on. */
size_t tracker_client(struct tracker *t, const void *p, size_t n, uint32_t now, enum tracker_verdict *verdict);

/* Reads n bytes of the server's, which all go on. done may be NULL. PASS, or END: rules 19 and 21. */
enum tracker_verdict tracker_server(struct tracker *t, const void *p, size_t n, uint32_t now, tracker_done_fn *done);

/* Bytes of a literal that are still to come in this flow and need not be seen; 0 outside literals, while the client's are held, of the
 * client's where the backend lists UNAUTHENTICATE, and when opaque. */
uint64_t tracker_literal_left(const struct tracker *t, enum tracker_side side);
void tracker_skip(struct tracker *t, enum tracker_side side, uint64_t n);	/* n of them went by unseen */

/* literal-timeout: becomes opaque. END: must not. */
enum tracker_verdict tracker_give_up(struct tracker *t);

bool tracker_is_holding(const struct tracker *t);
bool tracker_is_safe(const struct tracker *t);		/* rule 22 */
bool tracker_is_idle(const struct tracker *t);		/* an IDLE is granted, and no byte of its end has come */
/* Its last response is whole, or was when the session became opaque; of all that was given, also behind an END. */
bool tracker_server_rests(const struct tracker *t);
bool tracker_client_owes(const struct tracker *t);	/* bytes of a literal that the server waits for */
size_t tracker_in_flight(const struct tracker *t);	/* commands; 0 when opaque */

/* The oldest remembered command that is no granted IDLE; NULL: none. */
const struct tracker_command *tracker_oldest(const struct tracker *t);

const char *tracker_opaque_name(enum tracker_opaque why);	/* for the log: "compress" ... */

#endif
