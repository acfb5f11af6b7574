/*
 * loop.h - what one thread's event loop has: libev's loop, the timers, the deferred frees, the buffers, the pipes, the scratch.
 *
 *	one turn:  poll -> callbacks -> due timers -> conns that hold bytes inside TLS -> deferred frees
 *
 * Owned by one thread, never shared. With ev = NULL (t/play) nothing runs by itself: the owner sets timers.now and calls
 * timers_run and net_loop_turn_end.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stddef.h>
#include <ev.h>

#include "base/buf.h"
#include "base/reap.h"
#include "net/ktls.h"
#include "net/pipe.h"
#include "net/tcp.h"
#include "net/timers.h"

/* One read, one relay step. With less, a fast backend is not kept busy, and each step costs a wake-up; it stays in a core's cache. */
#define NET_SCRATCH (256 * 1024)
#define NET_FAILURE_MAX 192

struct conn;
struct conn_linger;

/* How much of the copying is left to the kernel: the setting relay-mode. */
enum relay_mode {
	RELAY_AUTO,		/* all that kernel and OpenSSL can */
	RELAY_COPY,		/* nothing is spliced, TLS stays in user space */
	RELAY_SPLICE,		/* plain TCP is spliced, TLS stays in user space */
	RELAY_KERNEL_TLS,	/* as RELAY_AUTO, and it was made sure that the kernel does TLS */
};

struct net_loop {
	struct ev_loop *ev;
	enum relay_mode relay_mode;	/* set by the owner after net_loop_init; RELAY_AUTO until then */
	struct tcp_timeouts tcp;	/* of what is dialled, and what a lifted timeout goes back to; likewise: none until then */
	struct ktls ktls;		/* likewise: what TLS conns may leave to the kernel; nothing until then */
	ev_timer tick;			/* when the first of timers is due */
	ev_check after_poll;		/* the first callback of a turn: what time it is */
	ev_check end_of_turn;		/* the last one */
	ev_prepare before_poll;
	ev_idle ready_idle;		/* runs while ready is not empty, so that poll does not wait */
	struct timers timers;
	struct reap reap;
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct conn *ready;		/* conns with bytes inside their TLS layer that no descriptor will announce */
	struct conn_linger *lingers;		/* conns that are closing politely */
	unsigned lingering;		/* how many */
	unsigned char *scratch;		/* NET_SCRATCH bytes; nobody keeps anything in it across a call */
	char failure[NET_FAILURE_MAX];	/* why the last call on a conn failed: a phrase; read it at once */
};

/* ev: libev's loop, the caller's, or NULL. */
void net_loop_init(struct net_loop *loop, struct ev_loop *ev);
void net_loop_fini(struct net_loop *loop);	/* what still lingers is closed; all other conns and timers must be gone */

/* Delivers to ready conns, each once, and runs the deferred frees: what ends each turn. libev calls it by
 * itself; with ev = NULL the owner does. */
void net_loop_turn_end(struct net_loop *loop);

#endif
