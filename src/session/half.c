/*
 * half.c - what one side has not taken yet, and the order in which it goes.
 *
 *	conn <-- waiting (a buffer) <-- pipe <-- the rest of a literal
 *
 * What waits in the buffer goes first, then what is in the pipe. Bytes that are written behind a pipe's take these into the buffer first.
 * Both are given back as soon as they are empty.
 */
#include <errno.h>

#include "session/session_private.h"

_Static_assert(PIPE_BYTES <= BUF_MAX, "what is in a pipe may have to wait in a buffer");

/* Until the user is in, what waited may have been the login. */
static void give_buf(struct session *s, struct buf **b)
{
	struct buf_pool *pool = &s->env->loop->bufs;

	if (s->login)
		buf_give_wiped(pool, b);
	else
		buf_give(pool, b);
}

bool session_keep(struct session *s, struct buf **at, const char *p, size_t n)
{
	size_t all = buf_waiting(*at) + n;
	struct buf *larger;

	if (all > BUF_MAX)
		return false;
	if (!*at || (*at)->cap < all) {
		larger = buf_take(&s->env->loop->bufs, all);
		if (*at)
			buf_append(larger, (*at)->data + (*at)->head, buf_waiting(*at));
		give_buf(s, at);
		*at = larger;
	}
	return buf_append(*at, p, n) == n;
}

bool half_unpipe(struct half *h)
{
	struct buf_pool *bufs = &h->session->env->loop->bufs;
	struct buf *b;
	bool kept = true;

	if (!h->pipe)
		return true;
	b = buf_take(bufs, h->pipe->held);
	b->tail = (uint32_t)pipe_empty(h->pipe, b->data);
	pipe_give(&h->session->env->loop->pipes, &h->pipe);
	if (!h->waiting) {
		h->waiting = b;
	} else {
		kept = session_keep(h->session, &h->waiting, (const char *)b->data, buf_waiting(b));
		buf_give(bufs, &b);
	}
	return kept;
}

/* Nothing waits before it. Where the conn takes no splice any more, its bytes are written as others are. */
bool half_drain(struct half *h)
{
	while (h->pipe) {
		ssize_t n = conn_can_splice(&h->conn, CONN_WRITE) ? pipe_drain(h->pipe, &h->conn) : 0;

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return half_unpipe(h) && half_flush(h);
		if (h->pipe->held == 0)
			pipe_give(&h->session->env->loop->pipes, &h->pipe);
	}
	return true;
}

bool half_flush(struct half *h)
{
	while (h->waiting) {
		ssize_t n = conn_write(&h->conn, h->waiting->data + h->waiting->head, buf_waiting(h->waiting));

		if (n < 0)
			return errno == EAGAIN;
		buf_taken(h->waiting, (size_t)n);
		if (buf_waiting(h->waiting) == 0)
			give_buf(h->session, &h->waiting);
		else if (n == 0)
			return true;
	}
	return half_drain(h);
}

bool half_write(struct half *h, const void *p, size_t n)
{
	ssize_t done = 0;

	if (!half_unpipe(h))
		return false;
	if (!h->waiting)
		done = conn_write(&h->conn, p, n);
	if (done < 0) {
		if (errno != EAGAIN)
			return false;
		done = 0;
	}
	return (size_t)done == n || session_keep(h->session, &h->waiting, (const char *)p + done, n - (size_t)done);
}
