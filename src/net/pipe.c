#include "net/pipe.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"

void pipe_pool_init(struct pipe_pool *pool)
{
	*pool = (struct pipe_pool){ .max = PIPES_MAX };
}

static void pipe_close(struct pipe *p)
{
	close(p->in);
	close(p->out);
	mem_free(&p);
}

void pipe_pool_fini(struct pipe_pool *pool)
{
	assert(pool->in_use == 0);
	while (pool->spare) {
		struct pipe *p = pool->spare;

		pool->spare = p->next;
		pipe_close(p);
	}
	pool->spares = 0;
}

/* A pipe has places for pages or packets, not for bytes: the 16 that it has unasked are full with 24 KB of an Ethernet's packets. A user
 * with more than fs.pipe-user-pages-soft gets no larger ones, and in the end some of a page or two. */
static struct pipe *pipe_open(void)
{
	struct pipe *p;
	int fds[2];

	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return NULL;
	p = mem_new(sizeof(*p));
	p->out = fds[0];
	p->in = fds[1];
	fcntl(p->in, F_SETPIPE_SZ, PIPE_BYTES);
	if (fcntl(p->in, F_GETPIPE_SZ) >= PIPE_LEAST)
		return p;
	pipe_close(p);
	return NULL;
}

struct pipe *pipe_take(struct pipe_pool *pool)
{
	struct pipe *p = NULL;

	if (pool->in_use < pool->max) {
		p = pool->spare;
		if (p) {
			pool->spare = p->next;
			pool->spares--;
		} else {
			p = pipe_open();
		}
	}
	if (p)
		pool->in_use++;
	else
		pool->missed += pool->max > 0;
	return p;
}

void pipe_give(struct pipe_pool *pool, struct pipe **pp)
{
	struct pipe *p = *pp;

	if (!p)
		return;
	*pp = NULL;
	assert(pool->in_use > 0);
	pool->in_use--;
	if (p->held > 0 || pool->spares >= PIPES_SPARE) {
		pipe_close(p);
		return;
	}
	p->next = pool->spare;
	pool->spare = p;
	pool->spares++;
}

ssize_t pipe_fill(struct pipe *p, struct conn *c, size_t n)
{
	ssize_t got;

	assert(p->held == 0);
	got = conn_splice(c, CONN_READ, p->in, n < PIPE_BYTES ? n : PIPE_BYTES);
	if (got > 0)
		p->held = (size_t)got;
	return got;
}

ssize_t pipe_drain(struct pipe *p, struct conn *c)
{
	ssize_t put = conn_splice(c, CONN_WRITE, p->out, p->held);

	assert(put <= (ssize_t)p->held);
	if (put > 0)
		p->held -= (size_t)put;
	return put;
}

size_t pipe_empty(struct pipe *p, void *bytes)
{
	size_t n = 0;

	while (p->held > 0) {
		ssize_t got = read(p->out, (char *)bytes + n, p->held);

		assert(got > 0);	/* they are there, and nobody else reads them */
		n += (size_t)got;
		p->held -= (size_t)got;
	}
	return n;
}
