/*
 * relay.c - the bytes after login, both ways.
 *
 *	client.conn --read--> scratch --tracker--> write --> backend.conn      and the same the other way round
 *	                                   |          '--what it does not take--> backend.waiting; the client is not read until that is gone
 *	                                   '--what the backend has not invited--> held; the client is read on until that is full
 *
 * At most one scratch's worth waits for each side, and SLOW_READ for one that is known to be slow; one is held. The rest of a large literal
 * goes through a pipe instead (splice.c). An idle session holds no buffer and no pipe. The tracker reads along (doc/TRACKER) and holds the
 * client's bytes behind a synchronising literal; it changes none. What a session needs for relaying is one struct relay, as what it needed
 * for login was one struct login.
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
	session_close(h->session, is_client(h) ? session_client_lost(errno) : SESSION_BACKEND_RESET);
}

/* ---- when bytes have moved last, for relay_watch ---- */

static struct moved *moved_of(struct half *h)
{
	struct relay *r = h->session->relay;

	return is_client(h) ? &r->client : &r->backend;
}

static void note_said(struct half *h)
{
	moved_of(h)->said = relay_now(h->session);
}

static void note_took(struct half *h)
{
	moved_of(h)->took = relay_now(h->session);
}

/* ---- ends ---- */

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

/* Something that came from the other side has not gone to h yet. */
static bool is_owed(const struct half *h)
{
	return half_is_behind(h) || (!is_client(h) && h->session->relay->held);
}

static void side_ended(struct half *h)
{
	struct session *s = h->session;

	h->ended = true;
	if (h->other->ended) {
		session_close(s, SESSION_CLIENT_GONE);
		return;
	}
	note_took(h->other);	/* it must end or move before long */
	if (!is_owed(h->other))
		end_towards(h->other);
}

/* A side takes nothing any more. A client is gone then; what a backend said before it left is still owed to the client. */
static void went_deaf(struct half *h)
{
	struct session *s = h->session;
	struct buf_pool *bufs = &s->env->loop->bufs;

	if (is_client(h)) {
		lost(h);
		return;
	}
	buf_give(bufs, &h->waiting);
	pipe_give(&s->env->loop->pipes, &h->pipe);
	buf_give(bufs, &s->relay->held);
	h->finished = true;
	note_took(h);
}

static void write_to(struct half *h, const void *p, size_t n)
{
	bool was_behind = half_is_behind(h);

	if (n > 0 && !h->finished && !half_write(h, p, n))
		went_deaf(h);
	if (!was_behind && half_is_behind(h))
		note_took(h);
}

/* ---- through the tracker ---- */

/* As much of the client's bytes as may go on now. Returns how many went. */
static size_t let_up(struct session *s, const void *p, size_t n)
{
	enum tracker_verdict verdict;
	size_t go;

	if (tracker_is_holding(&s->relay->tracker))
		return 0;
	go = tracker_client(&s->relay->tracker, p, n, relay_now(s), &verdict);
	write_to(&s->backend, p, go);
	if (verdict == TRACKER_HOLD)
		s->relay->hold_changed = relay_now(s);
	if (verdict != TRACKER_END)
		return go;
	session_close(s, SESSION_UNAUTHENTICATED);
	return n;
}

static void pass_up(struct session *s, const char *p, size_t n)
{
	size_t gone = let_up(s, p, n);

	if (gone < n && !s->backend.finished)
		session_keep(s, &s->relay->held, p + gone, n - gone);
}

/* The hold may be over: what was held is what the client says next. */
static void go_on_with_held(struct session *s)
{
	struct relay *r = s->relay;
	size_t gone;

	if (s->step != STEP_RELAY || !r->held || half_is_behind(&s->backend))
		return;
	gone = let_up(s, r->held->data + r->held->head, buf_waiting(r->held));
	if (r->held)	/* else the backend takes nothing any more */
		buf_taken(r->held, gone);
	if (buf_waiting(r->held) == 0)
		buf_give(&s->env->loop->bufs, &r->held);
	if (s->step == STEP_RELAY && s->client.ended && !is_owed(&s->backend))
		end_towards(&s->backend);
}

void relay_give_up(struct session *s)
{
	if (tracker_give_up(&s->relay->tracker) == TRACKER_END)
		session_close(s, SESSION_UNAUTHENTICATED);
	go_on_with_held(s);
}

static void on_answered(struct tracker *t, enum imap_line_verb verb, uint32_t ms)
{
	const struct session *s = CONTAINER_OF(t, struct relay, tracker)->session;

	if (ms > s->env->times.slow * 1000 && verb != IMAP_LINE_IDLE)
		session_log_slow(s, verb, ms);
}

static void pass_down(struct session *s, const void *p, size_t n)
{
	tracker_done_fn *done = s->env->times.slow > 0 ? on_answered : NULL;
	bool was_held = tracker_is_holding(&s->relay->tracker);
	enum tracker_verdict verdict = tracker_server(&s->relay->tracker, p, n, relay_now(s), done);

	if (was_held && !tracker_is_holding(&s->relay->tracker))
		s->relay->hold_changed = relay_now(s);
	write_to(&s->client, p, n);
	if (verdict == TRACKER_END)
		session_close(s, SESSION_UNAUTHENTICATED);
	go_on_with_held(s);
}

static void pass_on(struct half *from, const void *p, size_t n)
{
	from->bytes += n;
	if (is_client(from))
		pass_up(from->session, p, n);
	else
		pass_down(from->session, p, n);
}

/* ---- events ---- */

_Static_assert(NET_SCRATCH <= BUF_MAX, "what one read gives may have to wait in a buffer");

/* Of buffers in use by this worker; beyond, a read is no larger than what a slow side gets. */
#define BUFS_PLENTY (64 * 1024 * 1024)

static size_t a_read(const struct half *h)
{
	return h->other->slow || h->session->env->loop->bufs.in_use_bytes > BUFS_PLENTY ? SLOW_READ : NET_SCRATCH;
}

/* How many bytes may be read from h now. While the client's are held it is read on, into one buffer, so that its end is seen. */
static size_t room_for(const struct half *h)
{
	const struct relay *r = h->session->relay;

	if (h->ended || half_is_behind(h->other))
		return 0;
	if (!is_client(h) || (!r->held && !tracker_is_holding(&r->tracker)))
		return a_read(h);
	return buf_waiting(r->held) < HELD_MAX ? HELD_MAX - buf_waiting(r->held) : 0;
}

/* true: that is all for now. */
static bool splice_side(struct half *h)
{
	size_t moved;
	enum spliced how = half_splice(h, &moved);

	if (moved > 0)
		note_said(h);
	if (half_is_behind(h->other))
		note_took(h->other);
	if (how == SPLICED_TO_NOBODY)
		went_deaf(h->other);
	return how != SPLICED_TILL_HERE;
}

static void read_side(struct half *h)
{
	struct net_loop *loop = h->session->env->loop;
	size_t room = room_for(h);
	ssize_t n;

	if (room == 0 || splice_side(h))
		return;
	n = conn_read(&h->conn, loop->scratch, room);
	if (n > 0) {
		note_said(h);
		pass_on(h, loop->scratch, (size_t)n);
		h->other->slow = h->other->waiting != NULL;
	} else if (n == 0) {
		side_ended(h);
	} else if (errno != EAGAIN) {
		lost(h);
	}
}

static size_t behind(const struct half *h)
{
	return buf_waiting(h->waiting) + (h->pipe ? h->pipe->held : 0);
}

/* Once h has taken all, the other side is read at once: while it has more than h takes, nothing changes in what is wanted of either. */
static void write_side(struct half *h)
{
	struct session *s = h->session;
	size_t before = behind(h);

	if (!half_flush(h)) {
		went_deaf(h);
		return;
	}
	if (behind(h) < before)
		note_took(h);
	if (!is_client(h))
		go_on_with_held(s);
	if (s->step != STEP_RELAY || half_is_behind(h))
		return;
	if (!h->other->ended)
		read_side(h->other);
	else if (!is_owed(h))
		end_towards(h);
}

void relay_event(struct half *h, unsigned events)
{
	if ((events & CONN_WRITE) && half_is_behind(h))
		write_side(h);
	if ((events & CONN_READ) && h->session->step == STEP_RELAY)
		read_side(h);
	if ((events & CONN_FAILED) && h->session->step == STEP_RELAY)
		lost(h);
}

static void want(struct half *h)
{
	conn_want(&h->conn, (room_for(h) > 0 ? CONN_READ : 0) | (half_is_behind(h) ? CONN_WRITE : 0));
}

bool relay_is_safe(const struct session *s)
{
	return tracker_is_safe(&s->relay->tracker) && !half_is_behind(&s->client);
}

/* What UNAUTHENTICATE might hide in has made it opaque just now. Behind a LOGOUT the backend has said BYE itself. */
bool relay_may_speak(const struct session *s)
{
	const struct tracker *t = &s->relay->tracker;

	if (t->logged_out)
		return false;
	return (!t->opaque || s->why == SESSION_UNAUTHENTICATED) && tracker_server_rests(t) && !half_is_behind(&s->client);
}

/* ---- what the backend counts of us: changes only, for others write there too ---- */

static void count(atomic_uint *at, bool *counted, bool is)
{
	if (*counted == is)
		return;
	*counted = is;
	if (is)
		atomic_fetch_add_explicit(at, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(at, 1, memory_order_relaxed);
}

static void count_commands(struct session *s)
{
	struct relay *r = s->relay;
	uint64_t more = r->tracker.commands - r->commands;

	r->commands += more;
	if (more > 0)
		atomic_fetch_add_explicit(&s->to->commands, more, memory_order_relaxed);
}

static void count_state(struct session *s)
{
	struct relay *r = s->relay;

	count(&s->to->idle, &r->idle, tracker_is_idle(&r->tracker));
	count(&s->to->opaque, &r->opaque, r->tracker.opaque != TRACKER_CLEAR);
	count_commands(s);
}

void relay_settle(struct session *s)
{
	if (s->env->draining && relay_is_safe(s)) {
		session_close(s, SESSION_DRAINED);
		return;
	}
	count_state(s);
	if (!half_is_behind(&s->client))
		conn_lift_user_timeout(&s->client.conn, false);
	relay_watch(s);
	want(&s->client);
	want(&s->backend);
}

/* ---- begin and end ---- */

static struct relay *relay_new(struct session *s)
{
	struct relay *r = pool_take(&s->env->relays);

	tracker_init(&r->tracker, &s->env->blocks, s->login->lists_unauthenticate);
	r->session = s;
	r->client.said = r->client.took = r->backend.said = r->backend.took = r->hold_changed = relay_now(s);
	return r;
}

void relay_end(struct session *s)
{
	struct relay *r = s->relay;

	s->env->nrelaying--;
	atomic_fetch_sub_explicit(&s->to->sessions, 1, memory_order_relaxed);
	count(&s->to->idle, &r->idle, false);
	count(&s->to->opaque, &r->opaque, false);
	count_commands(s);
}

void relay_free(struct session *s)
{
	struct relay *r = s->relay;

	if (!r)
		return;
	tracker_fini(&r->tracker);
	buf_give(&s->env->loop->bufs, &r->held);
	pool_give(&s->env->relays, &s->relay);
}

/* What each side sent beyond the login goes on to the other; then all that only login needed is wiped and freed. */
enum session_step relay_start(struct session *s)
{
	struct login *l = s->login;

	s->env->nrelaying++;
	atomic_fetch_add_explicit(&s->to->sessions, 1, memory_order_relaxed);
	s->relay = relay_new(s);
	admission_leave(s);
	session_log_login(s);
	if (l->back.len > 0)
		pass_on(&s->backend, l->back.p, l->back.len);
	if (l->in.len > 0 && s->step == STEP_RELAY)
		pass_on(&s->client, l->in.p, l->in.len);
	if (s->step == STEP_RELAY) {
		login_free(&s->login);
		conn_no_secrets(&s->client.conn);
		conn_no_secrets(&s->backend.conn);
	}
	if (s->step == STEP_RELAY && s->client.ended)
		side_ended(&s->client);
	return s->step;
}
