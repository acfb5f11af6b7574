/*
 * imap_frame.h - finds where IMAP lines and literals begin and end, in either direction.
 *
 * Pure: no I/O, no allocation, no clock. The caller keeps the bytes; the frame keeps a few words of state, so
 * input may come cut anywhere, down to one byte at a time. Line ends are found with memchr, not byte by byte.
 *
 *	          ... {digits} [CR] LF
 *	 LINE ---------------------------> LITERAL
 *	  ^ |                                |
 *	  | +-- LF: a line is whole          | the announced bytes have gone by
 *	  +----------------------------------+
 *
 * A line ends at LF; the CR before it is optional (servers and clients without it exist), other CRs are text.
 * {n} {n+} {n-} and their ~ forms (RFC 9051 4.3, RFC 7888, RFC 3516) announce a literal only as the last thing before
 * the line's end. From a server, text announces none: "* OK|NO|BAD|BYE|PREAUTH ...", tagged lines and "+ ..."; what
 * follows a literal on the same response is of the class of the response's first piece (so of data).
 */
#ifndef WIRE_IMAP_FRAME_H
#define WIRE_IMAP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum imap_frame_event {
	IMAP_FRAME_MORE,	/* all bytes taken, nothing ended */
	IMAP_FRAME_LINE,	/* the last byte taken was the LF that ends the command or response */
	IMAP_FRAME_LITERAL,	/* the last byte taken was the LF before a literal of f->left bytes */
	IMAP_FRAME_BAD,		/* the line's LF was taken, but its literal's size fits no 64 bits, or its digits fill IMAP_FRAME_TAIL:
				 * cannot be followed; the frame is of no more use */
};

enum imap_frame_side { IMAP_FRAME_CLIENT, IMAP_FRAME_SERVER };

#define IMAP_FRAME_TAIL 32	/* the longest announcement with its CR: "~{18446744073709551615+}\r" is 25 */
#define IMAP_FRAME_HEAD 12	/* enough of a response to know its class: "* PREAUTH " is 10 */

struct imap_frame {
	uint64_t left;			/* bytes of the literal still to come; 0 when in a line */
	uint8_t side;			/* enum imap_frame_side */
	uint8_t class;			/* of the response under way: unknown, or data since a literal went by */
	bool nonsync;			/* the literal announced last was {n+} or {n-} */
	bool minus;			/* it was {n-} */
	uint8_t head_len, tail_len;
	char head[IMAP_FRAME_HEAD];	/* first bytes of the response */
	char tail[IMAP_FRAME_TAIL];	/* last bytes of the line, while it comes in pieces */
};

void imap_frame_init(struct imap_frame *f, enum imap_frame_side side);

/* Reads up to n bytes at p, stops behind the first event, returns how many it took (n when the event is MORE). */
size_t imap_frame_scan(struct imap_frame *f, const void *p, size_t n, enum imap_frame_event *ev);

/* At the start of a command or response: nothing of a line or literal is open. */
bool imap_frame_at_start(const struct imap_frame *f);

/* No literal of this command or response has been announced yet: what comes is of its first line. */
bool imap_frame_in_first_line(const struct imap_frame *f);

#endif
