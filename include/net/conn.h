/*
 * conn.h - one stream: a descriptor, perhaps TLS over it, and the watcher that wakes its owner.
 *
 * Nobody above knows which kind a conn is; the kinds are tables of functions: plain TCP or Unix socket, OpenSSL (and the kernel, where it
 * has the keys), later detached TLS 1.3, and the fake one of t/play.
 *
 *	idle --conn_dial--> dialling --CONN_CONNECTED--> open --conn_start_tls--> securing --CONN_SECURED--> open
 *	  \----conn_accepted------------------------------^          any of them --CONN_FAILED--> owner calls conn_close
 *
 * A conn is embedded in its owner and belongs to one net_loop. The owner says what it wants to hear of with conn_want; it is told by
 * on_event, from the loop, never from inside a conn_ call. It may close the conn inside on_event. What a failed call
 * means is a phrase in loop->failure ("connection refused", "certificate verify failed: certificate has expired").
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <ev.h>

#include "net/addr.h"

struct buf;
struct conn;
struct net_loop;
struct resolver;
struct ssl_st;
struct tls_client;
struct tls_server;

enum conn_events {
	CONN_READ	= 1,	/* bytes or the end may be read */
	CONN_WRITE	= 2,	/* bytes may be written */
	CONN_CONNECTED	= 4,	/* conn_dial has succeeded */
	CONN_SECURED	= 8,	/* the TLS handshake is done */
	CONN_FAILED	= 16,	/* dialling or the handshake failed; loop->failure says why */
	CONN_UNTRUSTED	= 32,	/* with CONN_FAILED: the far side's certificate did not verify; trying again will not mend it */
};

typedef void conn_event_fn(struct conn *c, unsigned events);

struct conn_tls {
	const char *version;	/* "TLSv1.3" */
	const char *cipher;	/* "TLS_AES_128_GCM_SHA256" */
	const char *name;	/* the server name the client asked for (SNI), or NULL; outside text: escape it */
	const char *client_name;	/* the user the client's verified certificate names, or NULL */
	const char *kernel;	/* "send", "receive", "both": what the kernel does of it; NULL: nothing */
	bool resumed;
};

struct conn_ops {
	ssize_t (*read)(struct conn *c, void *p, size_t n);
	ssize_t (*peek)(struct conn *c, void *p, size_t n);	/* NULL: not possible */
	ssize_t (*write)(struct conn *c, const void *p, size_t n);
	bool (*can_splice)(struct conn *c, unsigned way);	/* CONN_READ: out of it; CONN_WRITE: into it. NULL: never */
	ssize_t (*splice)(struct conn *c, unsigned way, int pipe, size_t n);	/* NULL: never */
	void (*want)(struct conn *c, unsigned events);
	void (*no_secrets)(struct conn *c);	/* NULL: nothing to do */
	bool (*start_tls_server)(struct conn *c, struct tls_server *ts);
	bool (*start_tls_client)(struct conn *c, struct tls_client *tc);
	bool (*tls_facts)(struct conn *c, struct conn_tls *facts);
	bool (*local_addr)(struct conn *c, struct addr *a);
	bool (*peer_addr)(struct conn *c, struct addr *a);
	void (*half_close)(struct conn *c);
	void (*linger)(struct conn *c, struct buf **rest);
	void (*close)(struct conn *c);
};

struct conn {
	ev_io io;
	const struct conn_ops *ops;	/* NULL: closed */
	struct net_loop *loop;
	conn_event_fn *on_event;
	union {
		struct ssl_st *ssl;
		struct conn_dial *dial;	/* while dialling */
		void *fake;
	};
	struct conn *ready_next;	/* loop->ready's next */
	struct conn **ready_at;		/* what points at this one there; NULL: not on it */
	uint8_t wants;			/* CONN_READ | CONN_WRITE */
	uint8_t state;			/* of the kind: see conn_private.h */
	uint8_t error;			/* of the kind: the errno of what broke it */
	bool lifted;			/* see conn_lift_user_timeout */
	uint16_t flags;			/* of the kind */
};

/* Takes an accepted, non-blocking descriptor. */
void conn_accepted(struct conn *c, struct net_loop *loop, int fd, conn_event_fn *on_event);

/* Connects to e: looks its name up if it has one, tries its addresses in turn, gives up after seconds. The loop tells CONN_CONNECTED or
 * CONN_FAILED. TCP_NODELAY and the loop's timeouts are set. e must outlive the dialling. */
void conn_dial(struct conn *c, struct net_loop *loop, struct resolver *r, const struct endpoint *e, double seconds,
	       conn_event_fn *on_event);

static inline bool conn_is_open(const struct conn *c)
{
	return c->ops != NULL;
}

/* > 0: bytes; 0: the far side has ended its half; -1: errno, EAGAIN when there is nothing now. A TLS stream that ends without
 * close_notify counts as ended (mail clients do that all the time). */
static inline ssize_t conn_read(struct conn *c, void *p, size_t n)
{
	return c->ops->read(c, p, n);
}

/* As conn_read, but what it gives can be read again. Of a plain conn only; of others EOPNOTSUPP. */
static inline ssize_t conn_peek(struct conn *c, void *p, size_t n)
{
	if (c->ops->peek)
		return c->ops->peek(c, p, n);
	errno = EOPNOTSUPP;
	return -1;
}

/* >= 0: bytes taken, maybe fewer than n; -1: errno, EAGAIN when there is no room now. TLS may have sealed some of the bytes already: what
 * comes next must begin with the same bytes, at least as many of them. */
static inline ssize_t conn_write(struct conn *c, const void *p, size_t n)
{
	return c->ops->write(c, p, n);
}

/* Whether bytes can move between this conn and a pipe inside the kernel: way CONN_READ, out of the conn; CONN_WRITE, into it. It may
 * change at any time (TLS holds bytes of its own now and then): ask before each call of conn_splice. */
static inline bool conn_can_splice(struct conn *c, unsigned way)
{
	return c->ops->can_splice && c->ops->can_splice(c, way);
}

/* Moves up to n bytes from the conn into the pipe's writing end (CONN_READ) or from the pipe's reading end into the conn (CONN_WRITE).
 * > 0: so many went; -1 and EAGAIN: nothing now (the pipe must be empty before a CONN_READ, else EAGAIN may be the pipe's). Anything else
 * (0, another error) tells nothing yet, for an empty TLS record looks like an end and an alert like a fault: the next conn_read or
 * conn_write says what it is. */
static inline ssize_t conn_splice(struct conn *c, unsigned way, int pipe, size_t n)
{
	return c->ops->splice(c, way, pipe, n);
}

/* What to tell of from now on: CONN_READ | CONN_WRITE or 0. Level-triggered: told again each turn while it holds. */
static inline void conn_want(struct conn *c, unsigned events)
{
	c->ops->want(c, events);
}

/* What is read from now on holds no credentials, so that a kind which wipes what it has given needs to do so no more. */
static inline void conn_no_secrets(struct conn *c)
{
	if (c->ops->no_secrets)
		c->ops->no_secrets(c);
}

/* Starts the handshake; the loop tells CONN_SECURED or CONN_FAILED, and nothing else before. false: not possible, loop->failure says why,
 * and the conn is good for conn_close only. What was wanted before is told again afterwards. Bytes of the peer that are still unread
 * become part of the handshake: who has read some already must refuse them itself. */
static inline bool conn_start_tls_server(struct conn *c, struct tls_server *ts)
{
	return c->ops->start_tls_server(c, ts);
}

static inline bool conn_start_tls_client(struct conn *c, struct tls_client *tc)
{
	return c->ops->start_tls_client(c, tc);
}

/* false: no TLS. The texts live as long as the conn. */
static inline bool conn_tls_facts(struct conn *c, struct conn_tls *facts)
{
	return c->ops->tls_facts(c, facts);
}

static inline bool conn_local_addr(struct conn *c, struct addr *a)
{
	return c->ops->local_addr(c, a);
}

static inline bool conn_peer_addr(struct conn *c, struct addr *a)
{
	return c->ops->peer_addr(c, a);
}

/* No more will be written: close_notify and shutdown(SHUT_WR). Reading goes on. All must have been written. */
static inline void conn_half_close(struct conn *c)
{
	c->ops->half_close(c);
}

/* Closes politely, and c is closed at once for its owner: the descriptor lives on by itself until *rest (given back to loop->bufs; NULL is
 * fine) is written, close_notify and FIN are sent and the far side has ended, at most LINGER_SECONDS and LINGER_BYTES read: so that a
 * last line is not lost to a reset. When LINGER_MAX conns linger on this loop, it is closed at once after one try. */
static inline void conn_linger(struct conn *c, struct buf **rest)
{
	c->ops->linger(c, rest);
}

#define LINGER_SECONDS 2.0
#define LINGER_BYTES (64 * 1024)
#define LINGER_MAX 1000

/* Closes now, with no close_notify: this may be in the midst of something. Also while dialling or securing. A
 * closed conn: nothing happens. */
static inline void conn_close(struct conn *c)
{
	if (c->ops)
		c->ops->close(c);
}

/* Takes TCP_USER_TIMEOUT away, or gives back what the loop says. Linux counts it also while a peer that is well acknowledges everything
 * but has no room: who waits for a slow reader lifts it. The same again: nothing happens. */
void conn_lift_user_timeout(struct conn *c, bool lifted);

#endif
