/*
 * listener.h - sockets that accept: opening them, and taking what comes in batches.
 *
 * Each worker has its own socket for each address (SO_REUSEPORT), so the kernel spreads connections and no two threads meet in accept.
 * Accepted sockets inherit TCP_NODELAY from the listening one, and the timeouts that its owner gives it (net/tcp.h): no system call for
 * each. When descriptors run out, accepting rests and is tried again, with one log line at each turn of the tide.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <ev.h>

#include "net/addr.h"
#include "net/timers.h"

struct net_loop;

#define LISTENER_BATCH 32		/* accepts a wake-up */
#define LISTENER_REST 0.25		/* seconds of rest when descriptors have run out */

/* Opens one listening socket, non-blocking, close-on-exec; a.family may be AF_INET or AF_INET6 (v6only). Port 0: any free one, written
 * back to a->port. -1: a sentence in err. */
int listener_open(struct addr *a, bool reuseport, char *err, size_t errlen);

/* A Unix socket at path; a stale one (nobody accepts there) is replaced; mode 0666, for whoever may reach the folder. */
int listener_open_unix(const char *path, char *err, size_t errlen);

struct listener;
typedef void listener_fn(struct listener *l, int fd, const struct addr *peer);	/* fd is the callee's now */
typedef bool listener_full_fn(const struct listener *l);

struct listener {
	ev_io io;
	struct net_loop *loop;
	listener_fn *on_accept;
	listener_full_fn *is_full;	/* asked before each accept: true rests as if descriptors had run out. NULL (after start): never */
	void *arg;		/* the owner's */
	const char *name;	/* for the log */
	struct timer rest;
	bool resting;
};

void listener_start(struct listener *l, struct net_loop *loop, int fd, const char *name, listener_fn *fn, void *arg);

/* Takes what the kernel has already accepted, then closes the socket. Stopped already: nothing happens. */
void listener_stop(struct listener *l);

#endif
