/*
 * conn_private.h - what the kinds of conn share with each other and with the loop. Nobody else includes it.
 *
 *	conn.c		the plain kind, and helpers for all
 *	dial.c		the kind a conn is while it dials; becomes plain
 *	conn_tls.c	OpenSSL over the descriptor, from the first byte of the handshake
 *	conn_ktls.c	what of that the kernel does
 *	linger.c	what closes politely: it takes over any kind
 */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include <ev.h>

#include "net/conn.h"
#include "net/loop.h"

enum conn_tls_state { CONN_TLS_SECURING, CONN_TLS_OPEN, CONN_TLS_FAILED };

enum conn_tls_flags {
	CONN_READ_NEEDS_WRITE	= 1,	/* OpenSSL wants to write before it can read on */
	CONN_WRITE_NEEDS_READ	= 2,
	CONN_MORE_INSIDE	= 4,	/* bytes, the end or an error that no descriptor will announce */
	CONN_READ_BROKEN	= 8,	/* never touch SSL_read again */
	CONN_WRITE_BROKEN	= 16,	/* neither SSL_write nor SSL_shutdown */
	CONN_HALF_CLOSING	= 32,	/* close_notify did not fit yet */
	CONN_KERNEL_SEALS	= 64,	/* what is written goes to the kernel as it is */
	CONN_KERNEL_OPENS	= 128,	/* what is read comes from it likewise */
	CONN_SPLICE_ODD		= 256,	/* a splice failed: a control record, or garbage; the next read tells */
	CONN_RESTING		= 512,	/* not watched for reading until conn_tls_more's timer is due */
	CONN_HAS_RESTED		= 1024,	/* and nothing has come since */
};

/* What few TLS conns need; SSL_get_app_data. */
struct conn_tls_more {
	struct conn *conn;
	char *client_name;	/* the user a client's certificate names; NULL: none */
	struct timer rest;
	double seconds;		/* its length, the last time; 0: none since something came */
};

struct conn_linger {
	struct conn conn;
	struct conn_linger *next, *prev;
	struct buf *rest;
	struct timer timer;
	struct reap_item dead;
	size_t discarded;
	bool said_all;		/* rest is written and the half closed */
};

extern const struct conn_ops conn_plain_ops;

/* Makes c, whose io has a connected descriptor, a plain open conn. */
void conn_become_plain(struct conn *c);
void conn_plain_io(struct ev_loop *ev, ev_io *io, int revents);

/* Watches for mask (EV_READ | EV_WRITE or 0); nothing happens when it does so already. */
void conn_watch(struct conn *c, int mask);

/* The end of any kind with a descriptor: stops the watcher, leaves the ready list, closes the descriptor, clears ops. */
void conn_shut(struct conn *c);

/* Says errnum's meaning in loop->failure, and sets errno to it; returns -1. */
int conn_fail(struct conn *c, int errnum);

bool conn_sock_local_addr(struct conn *c, struct addr *a);
bool conn_sock_peer_addr(struct conn *c, struct addr *a);

bool conn_tls_start_server(struct conn *c, struct tls_server *ts);
bool conn_tls_start_client(struct conn *c, struct tls_client *tc);

struct conn_tls_more *conn_tls_more(struct conn *c);	/* makes it if it is not there */
void conn_tls_update(struct conn *c);			/* what is watched, after flags or wants have changed */

/* When the handshake is done: what the kernel does is noted in the flags. */
void conn_ktls_begin(struct conn *c);
unsigned conn_ktls_ways(const struct conn *c);
void conn_ktls_free_buffers(struct conn *c);		/* OpenSSL's, if nothing is in them */

/* As conn_fail, with better words for what is wrong with TLS, for which errno is EPROTO. */
#define CONN_NEW_KEYS EKEYREVOKED
int conn_ktls_fail(struct conn *c, int errnum);

/* Where the kernel opens, and OpenSSL holds nothing; as conn_read. EIO: a control record is next, for SSL_read. */
ssize_t conn_ktls_read(struct conn *c, void *p, size_t n);
ssize_t conn_ktls_write(struct conn *c, const void *p, size_t n);	/* where the kernel seals; as conn_write */
bool conn_ktls_can_splice(struct conn *c, unsigned way);
ssize_t conn_ktls_splice(struct conn *c, unsigned way, int pipe, size_t n);

/* After a read that found nothing, though the descriptor was readable: the next wakening waits. */
void conn_ktls_rest_if_half(struct conn *c);
void conn_ktls_stop_rest(struct conn *c);

void conn_linger_start(struct conn *c, struct buf **rest);
void conn_linger_deaf(struct conn *c);		/* nothing is left to say, and what comes cannot be read any more */

static inline void conn_ready_on(struct conn *c)
{
	struct net_loop *loop = c->loop;

	if (c->ready_at)
		return;
	c->ready_next = loop->ready;
	if (c->ready_next)
		c->ready_next->ready_at = &c->ready_next;
	c->ready_at = &loop->ready;
	loop->ready = c;
}

/* Works also while the loop is serving a list it has taken off. */
static inline void conn_ready_off(struct conn *c)
{
	if (!c->ready_at)
		return;
	*c->ready_at = c->ready_next;
	if (c->ready_next)
		c->ready_next->ready_at = c->ready_at;
	c->ready_next = NULL;
	c->ready_at = NULL;
}

#endif
