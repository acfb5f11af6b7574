/*
 * session.c - the table of steps, the loop that runs it, and the one function that ends a session.
 *
 * Events come from conns, timers and the route; each handler does its piece, says where to go with session_go, and ends with
 * session_settle. A closed session stays in memory until the loop's turn ends, so handlers may look at it: step is STEP_GONE.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/session_private.h"

static enum session_step start_tls(struct session *s);
static enum session_step start_command(struct session *s);
static enum session_step start_route(struct session *s);
static enum session_step start_connect(struct session *s);
static enum session_step start_penalty(struct session *s);
static enum session_step stay_gone(struct session *s);

/* One absolute deadline a phase; ROUTE's goes on through CONNECT and LOGIN. */
enum phase { PHASE_NONE, PHASE_PROXY, PHASE_TLS, PHASE_LOGIN, PHASE_BACKEND, PHASE_GOES_ON, PHASE_PENALTY };

/* enter does what the step begins with and returns the step to be in: its own to wait for events, another to go there at once. */
static const struct {
	const char *doing;	/* for the log: "timed out while ..." */
	enum phase phase;
	enum session_step (*enter)(struct session *s);
} steps[STEP_N] = {
	[STEP_PROXY]	= { "waiting for a PROXY header", PHASE_PROXY, proxied_start },
	[STEP_TLS]	= { "securing the client's connection", PHASE_TLS, start_tls },
	[STEP_COMMAND]	= { "waiting for a login", PHASE_LOGIN, start_command },
	[STEP_ROUTE]	= { "finding the backend", PHASE_BACKEND, start_route },
	[STEP_CONNECT]	= { "connecting to the backend", PHASE_GOES_ON, start_connect },
	[STEP_LOGIN]	= { "logging in to the backend", PHASE_GOES_ON, backend_dialogue_start },
	[STEP_PENALTY]	= { "waiting to say that the login failed", PHASE_PENALTY, start_penalty },
	[STEP_RELAY]	= { "relaying", PHASE_NONE, relay_start },
	[STEP_GONE]	= { "gone", PHASE_NONE, stay_gone },
};

_Static_assert(SESSION_NREASONS <= ARRAY_LEN(((struct session_env *)0)->reasons), "a reason without its counter");

const char *session_doing(const struct session *s)
{
	return steps[s->step].doing;
}

enum session_reason session_client_lost(int errnum)
{
	return errnum == EPROTO ? SESSION_CLIENT_TLS_BROKEN : SESSION_CLIENT_GONE;
}

void session_client_is(struct session *s, const struct addr *client)
{
	s->peer = *client;
}

bool session_local_addr(struct session *s, struct addr *a)
{
	if (s->login->local.family == AF_UNSPEC)
		return conn_local_addr(&s->client.conn, a);
	*a = s->login->local;
	return true;
}

/* ---- the machine ---- */

static void on_deadline(struct timer *t);

static void start_phase(struct session *s, enum phase phase)
{
	const struct session_times *times = &s->env->times;

	switch (phase) {
	case PHASE_PROXY:
		timers_start(&s->env->loop->timers, &s->deadline, times->proxy, on_deadline);
		break;
	case PHASE_TLS:
		timers_start(&s->env->loop->timers, &s->deadline, times->tls, on_deadline);
		break;
	case PHASE_LOGIN:
		timers_start(&s->env->loop->timers, &s->deadline, times->login, on_deadline);
		break;
	case PHASE_BACKEND:
		timers_start(&s->env->loop->timers, &s->deadline, times->backend, on_deadline);
		break;
	case PHASE_PENALTY:
		timers_start(&s->env->loop->timers, &s->deadline, times->penalty, on_deadline);
		break;
	case PHASE_NONE:
		timers_stop(&s->env->loop->timers, &s->deadline);
		break;
	case PHASE_GOES_ON:
		break;
	}
}

void session_go(struct session *s, enum session_step step)
{
	while (s->step != STEP_GONE) {
		s->step = step;
		start_phase(s, steps[step].phase);
		step = steps[step].enter(s);
		if (step == s->step)
			return;
	}
}

static enum session_step stay_gone(struct session *s)
{
	(void)s;
	return STEP_GONE;
}

static bool backend_is_open(const struct session *s)
{
	return conn_is_open(&s->backend.conn);
}

/* What each conn is to tell of, before relaying. While a conn dials or shakes hands it is left alone. */
static void want_in_dialogue(struct session *s)
{
	struct login *l = s->login;
	size_t client_max = s->step == STEP_COMMAND || client_owes_answer(s) ? INPUT_MAX : PIPELINED_MAX;
	bool backend_hears = l->state == BACKEND_ANNOUNCE;	/* and what it says stays where it is, for it may be TLS */
	bool backend_talks = l->state != BACKEND_IDLE && l->state != BACKEND_TLS && l->state != BACKEND_SECURING;

	if (s->step != STEP_TLS)
		conn_want(&s->client.conn, (l->in.len < client_max && !s->client.ended ? CONN_READ : 0) |
					   (s->client.waiting ? CONN_WRITE : 0));
	if (backend_is_open(s) && backend_talks)	/* its untagged lines are passed on: not faster than they are taken */
		conn_want(&s->backend.conn, (l->back.len < l->back.max && !s->client.waiting && !backend_hears ? CONN_READ : 0) |
					    (s->backend.waiting ? CONN_WRITE : 0));
}

void session_settle(struct session *s)
{
	client_dialogue_run(s);
	if (s->step < STEP_RELAY) {
		want_in_dialogue(s);
	} else if (s->step == STEP_RELAY) {
		relay_settle(s);
	}
}

/* ---- steps ---- */

static enum session_step start_tls(struct session *s)
{
	if (conn_start_tls_server(&s->client.conn, s->listener->tls_server))
		return STEP_TLS;
	session_close(s, SESSION_CLIENT_TLS_FAILED);
	return STEP_GONE;
}

static enum session_step start_command(struct session *s)
{
	if (!s->login->greeted)
		client_greet(s);
	return s->step;
}

static enum session_step routed(struct session *s, const struct route_answer *a)
{
	struct span none = { 0 };

	switch (a->result) {
	case ROUTE_FOUND:
		s->to = a->backend;
		s->routed_by = a->by;
		backend_login_as(s, a->login_as);
		s->login->referrals = 0;
		return STEP_CONNECT;
	case ROUTE_CLOSED: {
		char text[DIRECTORY_REASON_MAX + 32];
		struct out o;

		out_init(&o, text, sizeof(text));
		out_str(&o, "NO [CONTACTADMIN] ");
		out_str(&o, a->why);
		return session_login_failed(s, LOGIN_ACCOUNT_CLOSED, a->why[0] ? out_written(&o) : none, a->why);
	}
	case ROUTE_MISCONFIGURED:
		return session_login_failed(s, LOGIN_MISCONFIGURED, none, a->why);
	case ROUTE_UNAVAILABLE:
		break;
	}
	return session_login_failed(s, LOGIN_DIRECTORY_DOWN, none, a->why);
}

static void on_route(struct route_query *q, const struct route_answer *a)
{
	struct login *l = CONTAINER_OF(q, struct login, query);
	struct session *s = l->session;

	session_go(s, routed(s, a));
	session_settle(s);
}

static enum session_step start_route(struct session *s)
{
	struct route_answer a;

	if (s->ttl <= 1)
		return session_login_failed(s, LOGIN_LOOP, (struct span){ 0 }, NULL);
	if (!route_find(s->env->route, span_of(s->user), &s->login->query, on_route, &a))
		return STEP_ROUTE;
	return routed(s, &a);
}

static void on_backend(struct conn *c, unsigned events)
{
	struct half *h = CONTAINER_OF(c, struct half, conn);
	struct session *s = h->session;
	struct span none = { 0 };

	if (s->step == STEP_RELAY)
		relay_event(h, events);
	else if (s->step == STEP_LOGIN)
		backend_dialogue_event(s, events);
	else if (events & CONN_CONNECTED)
		session_go(s, STEP_LOGIN);
	else if (events & CONN_FAILED)
		session_go(s, session_login_failed(s, LOGIN_BACKEND_DOWN, none, s->env->loop->failure));
	session_settle(s);
}

static enum session_step start_connect(struct session *s)
{
	struct session_env *env = s->env;

	env->connect(env, &s->backend.conn, s->to, env->times.backend, on_backend);
	return STEP_CONNECT;
}

static enum session_step start_penalty(struct session *s)
{
	(void)s;
	return STEP_PENALTY;
}

/* ---- events ---- */

void session_client_event(struct conn *c, unsigned events)
{
	struct half *h = CONTAINER_OF(c, struct half, conn);
	struct session *s = h->session;

	if (s->step == STEP_RELAY) {
		relay_event(h, events);
	} else if (events & CONN_FAILED) {
		session_close(s, SESSION_CLIENT_TLS_FAILED);
	} else if (events & CONN_SECURED) {
		s->secure = true;
		client_id_forget(s);
		session_go(s, STEP_COMMAND);
	} else if (s->step == STEP_PROXY) {
		proxied_read(s);
	} else {
		if ((events & CONN_WRITE) && !half_flush(h))
			session_close(s, SESSION_CLIENT_GONE);
		else if (events & CONN_READ)
			client_dialogue_read(s);
	}
	session_settle(s);
}

static enum session_step say_failed(struct session *s, struct span reply);

static void on_deadline(struct timer *t)
{
	struct session *s = CONTAINER_OF(t, struct session, deadline);
	struct span none = { 0 };

	if (s->step == STEP_PROXY)
		session_close(s, SESSION_PROXY_SLOW);
	else if (s->step == STEP_TLS)
		session_close(s, SESSION_CLIENT_SLOW_TLS);
	else if (s->step == STEP_COMMAND || client_owes_answer(s))
		session_close(s, SESSION_CLIENT_SLOW_LOGIN);
	else if (s->step == STEP_PENALTY)
		session_go(s, say_failed(s, span_mem(s->login->failure, s->login->failure_len)));
	else if (s->step == STEP_ROUTE)
		session_go(s, session_login_failed(s, LOGIN_DIRECTORY_DOWN, none, s->login->query.hold_until > 0 ?
						   "the user was on hold for too long" : "no answer in time"));
	else
		session_go(s, session_login_failed(s, LOGIN_BACKEND_SLOW, none, NULL));
	session_settle(s);
}

/* ---- a login that fails ---- */

/* Outages are not the client's failures; they cost it none of its tries, but there are not endlessly many of these either. */
static bool client_is_to_blame(enum login_reason why)
{
	return login_reasons[why].fault == FAULT_CLIENT;
}

/* Whoever guesses shall wait for each answer. Who gives up by itself has not guessed. */
static bool is_penalised(const struct session *s, enum login_reason why)
{
	return client_is_to_blame(why) && why != LOGIN_ABORTED && s->env->times.penalty > 0;
}

static enum session_step say_failed(struct session *s, struct span reply)
{
	struct login *l = s->login;

	client_login_answer(s, reply);
	login_forget_failure(l);
	if (l->failed_logins >= FAILED_LOGINS_MAX || l->attempts >= LOGIN_ATTEMPTS_MAX)
		session_close(s, SESSION_CLIENT_LOGINS);
	return s->step == STEP_GONE ? STEP_GONE : STEP_COMMAND;
}

enum session_step session_login_failed(struct session *s, enum login_reason why, struct span backend_says, const char *detail)
{
	struct span reply = backend_says.n > 0 ? backend_says : span_of(login_reasons[why].reply);
	struct login *l = s->login;

	session_log_login_failed(s, why, detail);
	route_cancel(&l->query);
	backend_dialogue_stop(s);
	login_forget(l);
	s->to = NULL;
	l->failed_logins += client_is_to_blame(why);
	l->attempts++;
	if (!is_penalised(s, why))
		return say_failed(s, reply);
	login_keep_failure(l, reply);
	return STEP_PENALTY;
}

/* ---- life and death ---- */

void session_env_init(struct session_env *env)
{
	pool_init(&env->sessions, sizeof(struct session));
	pool_init(&env->relays, sizeof(struct relay));
	pool_init(&env->blocks, tracker_block_size);
}

void session_env_fini(struct session_env *env)
{
	admission_fini(env);
	timers_stop(&env->loop->timers, &env->drain_tick);
	pool_fini(&env->sessions);
	pool_fini(&env->relays);
	pool_fini(&env->blocks);
}

struct session *session_new(struct session_env *env, const struct session_listener *listener, const struct addr *peer)
{
	struct session *s = pool_take(&env->sessions);

	s->env = env;
	s->listener = listener;
	s->peer = *peer;
	s->ttl = PROXY_TTL_MAX;
	s->id = ++env->next_id;
	s->began = env->loop->timers.now;
	s->client.other = &s->backend;
	s->backend.other = &s->client;
	s->client.session = s->backend.session = s;
	s->login = login_new();
	s->login->session = s;
	s->next = env->first;
	if (s->next)
		s->next->prev = s;
	env->first = s;
	env->nsessions++;
	return s;
}

struct conn *session_client_conn(struct session *s)
{
	return &s->client.conn;
}

void session_admit(struct session *s)
{
	s->step = s->listener->tls == TLS_IMPLICIT ? STEP_TLS : STEP_COMMAND;
	if (admission_ask(s))
		session_go(s, s->step);
}

void session_start(struct session *s)
{
	if (s->listener->proxy_protocol)
		session_go(s, STEP_PROXY);
	else
		session_admit(s);
	session_settle(s);
}

struct session *session_open(struct session_env *env, const struct session_listener *listener, int fd, const struct addr *peer)
{
	struct session *s = session_new(env, listener, peer);

	conn_accepted(&s->client.conn, env->loop, fd, session_client_event);
	session_start(s);
	return s;
}

static void free_session(struct reap_item *item)
{
	struct session *s = CONTAINER_OF(item, struct session, reap);
	struct session_env *env = s->env;

	login_free(&s->login);
	relay_free(s);
	mem_free(&s->user);
	mem_free(&s->auth);
	mem_free(&s->client_name);
	mem_free(&s->client_version);
	mem_free(&s->given_id);
	proxied_free(&s->proxied);
	pool_give(&env->sessions, &s);
	if (env->session_gone)
		env->session_gone(env);
}

static void leave_list(struct session *s)
{
	struct session_env *env = s->env;

	if (env->drain_next == s)
		env->drain_next = s->next;
	if (s->prev)
		s->prev->next = s->next;
	else
		env->first = s->next;
	if (s->next)
		s->next->prev = s->prev;
	env->nsessions--;
}

/* A client that has only ended its half may still read, and TLS owes it a close_notify; one whose connection broke does not. */
static bool client_can_hear(const struct session *s, enum session_step was)
{
	if (s->why == SESSION_CLIENT_GONE)
		return s->client.ended;
	return was > STEP_TLS && !session_is_refused(s->why);
}

static void close_conns(struct session *s, enum session_step was)
{
	struct net_loop *loop = s->env->loop;

	if (s->login)
		backend_dialogue_stop(s);
	conn_close(&s->backend.conn);
	buf_give_wiped(&loop->bufs, &s->backend.waiting);
	pipe_give(&loop->pipes, &s->backend.pipe);
	if (conn_is_open(&s->client.conn) && client_can_hear(s, was) && half_unpipe(&s->client))
		conn_linger(&s->client.conn, &s->client.waiting);
	conn_close(&s->client.conn);
	buf_give(&loop->bufs, &s->client.waiting);
	pipe_give(&loop->pipes, &s->client.pipe);
}

static bool may_speak(const struct session *s)
{
	return s->step == STEP_RELAY ? relay_may_speak(s) : s->step > STEP_TLS;
}

void session_close(struct session *s, enum session_reason why)
{
	enum session_step was = s->step;
	const char *bye = session_reasons[why].reply;

	if (was == STEP_GONE)
		return;
	s->why = why;
	s->env->reasons[why]++;
	if (session_is_refused(why))
		admission_refused(s);
	else
		session_log_end(s, s->env->loop->failure);
	if (bye && may_speak(s))
		client_say(s, bye);
	s->step = STEP_GONE;
	timers_stop(&s->env->loop->timers, &s->deadline);
	if (was == STEP_RELAY) {
		relay_end(s);
	} else {
		route_cancel(&s->login->query);
		admission_leave(s);
	}
	admission_log_out(s);
	close_conns(s, was);
	leave_list(s);
	reap_later(&s->env->loop->reap, &s->reap, free_session);
}

void session_close_all(struct session_env *env, enum session_reason why)
{
	while (env->first)
		session_close(env->first, why);
}
