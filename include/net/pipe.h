/*
 * pipe.h - pipes that bytes go through inside the kernel, from one conn to another (splice(2)), and only while they do: an idle session
 * holds none.
 *
 *	conn --pipe_fill--> |== held ==| --pipe_drain--> conn
 *	                          '------pipe_empty----> memory, where the far conn takes no splice any more
 *
 * A pipe is filled only when it is empty, so EAGAIN on filling means that the conn has nothing, on draining that the conn is full. Owned by
 * one thread. Each costs two descriptors and, while it holds bytes, their pages: so the pool is bounded, and whoever gets none copies.
 */
#ifndef NET_PIPE_H
#define NET_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct conn;

#define PIPE_BYTES (128 * 1024)	/* held at most: what is asked for */
#define PIPE_LEAST (64 * 1024)	/* what a kernel gives unasked, but not to a user who has too many: smaller ones are not used */
#define PIPES_MAX 64		/* open at a time, unless the owner says less: struct pipe_pool's max */
#define PIPES_SPARE 16		/* of them kept for the next who needs one; making and closing one costs more than a small splice saves */

struct pipe {
	struct pipe *next;	/* in the pool's list of spares */
	int in, out;		/* what is written to, what is read from */
	size_t held;		/* bytes inside */
};

struct pipe_pool {
	struct pipe *spare;
	unsigned spares;
	unsigned max;		/* open at a time; 0: nobody gets any, or misses one */
	unsigned in_use;	/* taken and not given back: a gauge */
	uint64_t missed;	/* times that somebody got none, and copied */
};

/* Enough for whoever keeps one for long. */
static inline bool pipes_are_plenty(const struct pipe_pool *pool)
{
	return pool->in_use <= pool->max / 2;
}

void pipe_pool_init(struct pipe_pool *pool);
void pipe_pool_fini(struct pipe_pool *pool);	/* every pipe must be back */

/* An empty one. NULL: max are in use, or the kernel gives none; it is counted. */
struct pipe *pipe_take(struct pipe_pool *pool);
void pipe_give(struct pipe_pool *pool, struct pipe **p);	/* NULL is fine. One that holds bytes is closed, never used again */

/* conn_splice up to n bytes out of c; the pipe must be empty. */
ssize_t pipe_fill(struct pipe *p, struct conn *c, size_t n);

/* conn_splice what it holds into c, as far as that goes. */
ssize_t pipe_drain(struct pipe *p, struct conn *c);

/* Copies what it holds, all of it, to bytes, where PIPE_BYTES fit. Returns how many. */
size_t pipe_empty(struct pipe *p, void *bytes);

#endif
