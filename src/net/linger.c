/*
 * Closing politely: the descriptor, with whatever kind of conn is on it, moves from its owner into an object of its own, which
 *
 *	writes the rest -> close_notify, FIN -> reads and discards until the far side's end -> closes
 *
 * It reads from the start: a peer that is busy sending may take nothing before it is rid of its own bytes, and bytes left unread
 * at close() would make the kernel send a reset, which may overtake what we said last.
 */
#include <errno.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"

static void linger_free(struct reap_item *item)
{
	struct conn_linger *l = CONTAINER_OF(item, struct conn_linger, dead);

	mem_free(&l);
}

static void linger_end(struct conn_linger *l)
{
	struct net_loop *loop = l->conn.loop;

	if (l->prev)
		l->prev->next = l->next;
	else
		loop->lingers = l->next;
	if (l->next)
		l->next->prev = l->prev;
	loop->lingering--;
	timers_stop(&loop->timers, &l->timer);
	buf_give_wiped(&loop->bufs, &l->rest);	/* it may have been the answer of a login that was called off */
	conn_close(&l->conn);
	reap_later(&loop->reap, &l->dead, linger_free);
}

static void linger_timed_out(struct timer *t)
{
	linger_end(CONTAINER_OF(t, struct conn_linger, timer));
}

/* Writes of b what fits. false: the far side takes nothing any more. */
static bool write_rest(struct conn *c, struct buf *b)
{
	while (buf_waiting(b) > 0) {
		ssize_t put = conn_write(c, b->data + b->head, buf_waiting(b));

		if (put < 0)
			return errno == EAGAIN;
		buf_taken(b, (size_t)put);
	}
	return true;
}

/* false: nothing more can be said. */
static bool say_rest(struct conn_linger *l)
{
	if (l->said_all)
		return true;
	if (!write_rest(&l->conn, l->rest))
		return false;
	if (buf_waiting(l->rest) == 0) {
		buf_give(&l->conn.loop->bufs, &l->rest);
		conn_half_close(&l->conn);
		l->said_all = true;
	}
	return true;
}

enum hearing { HEARS_MORE, HEARD_END, HEARD_ENOUGH };

static enum hearing discard(struct conn_linger *l)
{
	ssize_t got = conn_read(&l->conn, l->conn.loop->scratch, LINGER_BYTES);

	if (got == 0)
		return HEARD_END;
	if (got < 0)
		return errno == EAGAIN ? HEARS_MORE : HEARD_ENOUGH;
	mem_wipe(l->conn.loop->scratch, (size_t)got);	/* a password may come too late */
	l->discarded += (size_t)got;
	return l->discarded >= LINGER_BYTES ? HEARD_ENOUGH : HEARS_MORE;
}

static void linger_event(struct conn *c, unsigned events)
{
	struct conn_linger *l = CONTAINER_OF(c, struct conn_linger, conn);
	enum hearing hearing = HEARS_MORE;
	unsigned wants = c->wants;

	if (events & CONN_READ)
		hearing = discard(l);
	if (events & CONN_FAILED || hearing == HEARD_ENOUGH || !say_rest(l)) {
		linger_end(l);
		return;
	}
	if (hearing == HEARD_END)
		wants &= ~(unsigned)CONN_READ;
	if (l->said_all)
		wants &= ~(unsigned)CONN_WRITE;
	/* A close_notify that waits for room is still the conn's work; the timer bounds it. */
	if (wants == 0 && !(c->flags & CONN_HALF_CLOSING))
		linger_end(l);
	else
		conn_want(c, wants);
}

static struct conn_linger *linger_new(struct conn *c, struct buf **rest)
{
	struct net_loop *loop = c->loop;
	struct conn_linger *l = mem_new(sizeof(*l));

	ev_io_stop(loop->ev, &c->io);
	conn_ready_off(c);
	l->conn = *c;
	l->conn.on_event = linger_event;
	l->conn.wants = 0;
	c->ops = NULL;
	c->io.fd = -1;
	if (rest) {
		l->rest = *rest;
		*rest = NULL;
	}
	l->next = loop->lingers;
	if (l->next)
		l->next->prev = l;
	loop->lingers = l;
	loop->lingering++;
	timers_start(&loop->timers, &l->timer, LINGER_SECONDS, linger_timed_out);
	return l;
}

void conn_linger_start(struct conn *c, struct buf **rest)
{
	bool crowded = c->loop->lingering >= LINGER_MAX;
	struct conn_linger *l = linger_new(c, rest);

	if (!say_rest(l) || crowded)
		linger_end(l);
	else
		conn_want(&l->conn, CONN_READ | (l->said_all ? 0 : CONN_WRITE));
}

/* FIN, then LINGER_SECONDS for what was said last: the close that follows may reset. */
void conn_linger_deaf(struct conn *c)
{
	bool crowded = c->loop->lingering >= LINGER_MAX;
	struct conn_linger *l = linger_new(c, NULL);

	say_rest(l);
	if (crowded)
		linger_end(l);
}
