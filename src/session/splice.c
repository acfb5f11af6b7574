/*
 * splice.c - the rest of a large literal goes from one side to the other inside the kernel.
 *
 *	from.conn --pipe_fill--> to.pipe --pipe_drain--> to.conn
 *
 * A pipe is taken when there may be bytes for it and given back when it is empty; what the far side does not take stays in it, behind
 * what waits in a buffer, and the near side is not read meanwhile. Where there is no pipe, or a side cannot do it just now, the
 * bytes are copied. Any other answer of splice(2) than so many bytes, or none just now, is not believed: the bytes are copied, and read or
 * write tells what was wrong.
 */
#include <errno.h>

#include "base/mem.h"
#include "session/session_private.h"

#define SPLICE_MIN (64 * 1024)		/* less of a literal is read together with what follows it */
#define SPLICE_A_TURN (512 * 1024)	/* then it is somebody else's turn */
#define SPLICE_SHORT (16 * 1024)	/* less than one record of TLS: there was no more */

static struct net_loop *loop_of(const struct half *h)
{
	return h->session->env->loop;
}

static enum tracker_side side_of(const struct half *h)
{
	return h == &h->session->client ? TRACKER_CLIENT : TRACKER_SERVER;
}

/* How much of the literal under way is to be spliced now; 0: that is not the way to go on. */
static size_t worth_splicing(struct half *from)
{
	uint64_t left = tracker_literal_left(&from->session->relay->tracker, side_of(from));

	if (left < SPLICE_MIN || from->other->finished || (from->other->slow && !pipes_are_plenty(&loop_of(from)->pipes)))
		return 0;
	if (!conn_can_splice(&from->conn, CONN_READ) || !conn_can_splice(&from->other->conn, CONN_WRITE))
		return 0;
	return left < PIPE_BYTES ? (size_t)left : PIPE_BYTES;
}

/* As conn_splice; 0 also where there is no pipe. */
static ssize_t fill(struct half *from, size_t n)
{
	struct half *to = from->other;
	ssize_t got;
	int why;

	to->pipe = pipe_take(&loop_of(from)->pipes);
	if (!to->pipe)
		return 0;
	got = pipe_fill(to->pipe, &from->conn, n);
	why = errno;
	if (got > 0) {
		tracker_skip(&from->session->relay->tracker, side_of(from), (uint64_t)got);
		from->bytes += (uint64_t)got;
		from->spliced = true;
	} else {
		pipe_give(&loop_of(from)->pipes, &to->pipe);
	}
	errno = why;
	return got;
}

/* Before the mark of an urgent byte splice(2) says EAGAIN for ever, and the loop that there is something: then only reading goes on. */
static enum spliced not_filled(ssize_t got, int why, size_t moved)
{
	return got < 0 && why == EAGAIN && moved > 0 ? SPLICED_ALL : SPLICED_TILL_HERE;
}

enum spliced half_splice(struct half *from, size_t *moved)
{
	struct half *to = from->other;
	size_t n;

	*moved = 0;
	while ((n = worth_splicing(from)) > 0) {
		ssize_t got = fill(from, n);

		if (got <= 0)
			return not_filled(got, errno, *moved);
		*moved += (size_t)got;
		if (!half_drain(to))
			return SPLICED_TO_NOBODY;
		to->slow = half_is_behind(to);
		if (to->slow || *moved >= SPLICE_A_TURN || ((size_t)got < n && got < SPLICE_SHORT))
			return SPLICED_ALL;
	}
	return SPLICED_TILL_HERE;
}
