/*
 * mailbox.h - how two threads tell each other things: a socket pair, made before the worker leaves the common
 * descriptor table (so each side has its end in its own table).
 *
 *	control: box[0] ====== box[1] :worker
 *
 * A mail is a small fixed struct; the pointer in it changes hands (the header of its type says who frees it). A descriptor
 * may travel along: the receiver gets its own number for it (SCM_RIGHTS). SOCK_SEQPACKET keeps mails whole and in order.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mail {
	uint32_t kind;		/* daemon/worker.h has the list */
	uint32_t number;
	void *what;
};

enum mailbox_result { MAILBOX_GOT, MAILBOX_EMPTY, MAILBOX_CLOSED };

/* Both ends close-on-exec and non-blocking. false: errno. */
bool mailbox_open(int box[2]);

/* fd: -1 or a descriptor to pass; it stays open here, the caller closes it. false: errno, EAGAIN when the far side does not read. */
bool mailbox_send(int box, const struct mail *m, int fd);

/* The same, waiting up to seconds for room. For control only. */
bool mailbox_send_wait(int box, const struct mail *m, int fd, double seconds);

/* *fd: -1 or the caller's to close, close-on-exec. -1 too if one was sent but this thread has no free number for it. */
enum mailbox_result mailbox_receive(int box, struct mail *m, int *fd);

#endif
