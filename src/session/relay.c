/*
 * relay.c - the bytes after login, both ways.
 *
 *	client.conn --read--> scratch --write--> backend.conn        and the same the other way round
 *	                         '--what it does not take--> backend.waiting; the client is not read until that is gone
 *
 * At most one scratch's worth waits for each side. An idle session holds nothing. The flows have their place for a tracker
 * and for splice(2): every byte of a flow passes through pass_on().
 */
#include <errno.h>

#include "base/mem.h"
#include "session/session_private.h"

static bool is_client(const struct half *h)
{
	return h == &h->session->client;
}

static void lost(struct half *h)
{
	session_close(h->session, is_client(h) ? SESSION_CLIENT_GONE : SESSION_BACKEND_RESET);
}

static void on_half_open(struct timer *t)
{
	struct session *s = CONTAINER_OF(t, struct session, deadline);

	session_close(s, SESSION_HALF_OPEN);
	session_settle(s);
}

/* One side has ended: the other must end or move before long. */
static void watch_half_open(struct session *s)
{
	timers_start(&s->env->loop->timers, &s->deadline, HALF_OPEN_SECONDS, on_half_open);
}

/* h has ended and all it said is delivered. A backend that ends ends the session; a client may still be waiting for answers. */
static void end_towards(struct half *other)
{
	if (is_client(other)) {
		session_close(other->session, SESSION_BACKEND_GONE);
	} else if (!other->finished) {
		other->finished = true;
		conn_half_close(&other->conn);
	}
}

static void side_ended(struct half *h)
{
	struct session *s = h->session;

	h->ended = true;
	if (h->other->ended) {
		session_close(s, SESSION_CLIENT_GONE);
		return;
	}
	watch_half_open(s);
	if (!h->other->waiting)
		end_towards(h->other);
}

/* A side takes nothing any more. A client is gone then; what a backend said before it left is still owed to the client. */
static void went_deaf(struct half *h)
{
	if (is_client(h)) {
		lost(h);
		return;
	}
	buf_give(&h->session->env->loop->bufs, &h->waiting);
	h->finished = true;
	watch_half_open(h->session);
}

static void pass_on(struct half *from, const void *p, size_t n)
{
	from->bytes += n;
	if (!from->other->finished && !half_write(from->other, p, n))
		went_deaf(from->other);
}

static void read_side(struct half *h)
{
	struct session *s = h->session;
	struct net_loop *loop = s->env->loop;
	ssize_t n;

	if (h->ended || h->other->waiting)
		return;
	n = conn_read(&h->conn, loop->scratch, NET_SCRATCH);
	if (n > 0) {
		if (h->other->ended || h->finished)
			watch_half_open(s);
		pass_on(h, loop->scratch, (size_t)n);
	} else if (n == 0) {
		side_ended(h);
	} else if (errno != EAGAIN) {
		lost(h);
	}
}

static void write_side(struct half *h)
{
	size_t before = buf_waiting(h->waiting);

	if (!half_flush(h)) {
		went_deaf(h);
		return;
	}
	if ((h->other->ended || h->other->finished) && buf_waiting(h->waiting) < before)
		watch_half_open(h->session);
	if (!h->waiting && h->other->ended)
		end_towards(h);
}

void relay_event(struct half *h, unsigned events)
{
	if ((events & CONN_WRITE) && h->waiting)
		write_side(h);
	if ((events & CONN_READ) && h->session->step == STEP_RELAY)
		read_side(h);
	if ((events & CONN_FAILED) && h->session->step == STEP_RELAY)
		lost(h);
}

/* What each side sent beyond the login goes on to the other; then all that only login needed is wiped and freed. */
enum session_step relay_start(struct session *s)
{
	struct login *l = s->login;

	s->env->nrelaying++;
	s->to->sessions++;
	admission_leave(s);
	session_log_login(s);
	if (l->back.len > 0)
		pass_on(&s->backend, l->back.p, l->back.len);
	if (l->in.len > 0 && s->step == STEP_RELAY)
		pass_on(&s->client, l->in.p, l->in.len);
	if (s->step == STEP_RELAY)
		login_free(&s->login);
	if (s->step == STEP_RELAY && s->client.ended)
		side_ended(&s->client);
	return s->step;
}
