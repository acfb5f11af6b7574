/*
 * What hiredis does by itself and we must live with: it frees its context on any error (then the cleanup hook is the last we hear, and
 * the only place where a connection is taken as ended), redisAsyncFree() inside one of its callbacks only marks it, and an
 * answer without a caller is an assert() there, so our object functions (redis_reply) refuse to make one before it comes to that.
 */
#include "net/redis.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/redis_reply.h"
#include "net/resolver.h"

#define REDIS_WHY_MAX 128

enum redis_state {
	REDIS_RESTING,		/* until the next attempt */
	REDIS_FINDING,		/* the server's name is being looked up */
	REDIS_OPENING,
	REDIS_UP,
	REDIS_ENDING,		/* hiredis frees its context as soon as its callbacks have returned */
};

enum redis_news { NEWS_NONE, NEWS_UP, NEWS_DOWN, NEWS_REFUSED };	/* REFUSED: down, until someone mends the password */

enum redis_step { STEP_CALL, STEP_AUTH, STEP_SELECT, STEP_PING };	/* PING is the last of the login's */

static const char *const step_names[] = { [STEP_AUTH] = "AUTH", [STEP_SELECT] = "SELECT", [STEP_PING] = "PING" };

/* A command between redis_call and its answer. */
struct redis_pending {
	struct redis_pending *prev, *next;
	struct redis *redis;
	struct redis_call *call;	/* NULL: cancelled, or the login's */
	enum redis_step step;
	struct timer deadline;
	char *command;			/* NULL: hiredis has it */
	size_t length;
};

struct redis_queue {
	struct redis_pending *first, *last;
};

struct redis {
	struct net_loop *loop;
	struct resolver *resolver;
	const struct redis_conf *conf;
	char server[320];		/* for the log */
	enum redis_state state;
	enum redis_news told;		/* what the log said last */
	bool first;			/* no attempt has ended yet */
	bool gone;			/* redis_free was called */
	struct reap_item reap;
	struct resolver_query query;
	unsigned attempts;		/* which of a name's addresses is next */
	struct timer timer;		/* ends an attempt, or a rest */
	double pause, up_since;
	unsigned seed;
	struct redisAsyncContext *ac;	/* NULL: none */
	ev_io readable, writable;
	struct redis_queue waiting;	/* for the first connection */
	struct redis_queue flight;	/* sent, in this order */
	unsigned npending;
	struct redis_bounds bounds;	/* of the answers */
	enum redis_news end;		/* how the connection ended: DOWN or REFUSED */
	char why[REDIS_WHY_MAX];	/* "": it has not */
};

/* ---- pending commands ---- */

static void queue_add(struct redis_queue *q, struct redis_pending *p)
{
	p->next = NULL;
	p->prev = q->last;
	if (q->last)
		q->last->next = p;
	else
		q->first = p;
	q->last = p;
}

static void queue_remove(struct redis_queue *q, struct redis_pending *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		q->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		q->last = p->prev;
	p->prev = p->next = NULL;
}

/* NULL: too long. The command is not in a queue yet. */
static struct redis_pending *pending_new(struct redis *r, enum redis_step step, unsigned argc, const struct span *argv)
{
	const char *args[REDIS_ARGS_MAX];
	size_t lengths[REDIS_ARGS_MAX], total = 0;
	struct redis_pending *p;
	int length;

	assert(argc > 0 && argc <= REDIS_ARGS_MAX);
	for (unsigned i = 0; i < argc; i++) {
		args[i] = argv[i].p;
		lengths[i] = argv[i].n;
		if (argv[i].n > REDIS_COMMAND_MAX - total)
			return NULL;
		total += argv[i].n;
	}
	p = mem_new(sizeof(*p));
	p->redis = r;
	p->step = step;
	length = (int)redisFormatCommandArgv(&p->command, (int)argc, args, lengths);
	if (length < 0)
		abort();	/* the bounds are ours, so it is memory: as base/mem does */
	p->length = (size_t)length;
	r->npending++;
	return p;
}

/* Gives who waits for it, NULL if nobody. */
static struct redis_call *pending_free(struct redis_pending *p)
{
	struct redis *r = p->redis;
	struct redis_call *call = p->call;

	timers_stop(&r->loop->timers, &p->deadline);
	queue_remove(p->command ? &r->waiting : &r->flight, p);
	if (p->command)
		redisFreeCommand(p->command);
	r->npending--;
	mem_free(&p);
	if (call)
		call->pending = NULL;
	return call;
}

static void answer(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	redis_fn *fn;

	if (!call)
		return;
	fn = call->fn;
	call->fn = NULL;
	fn(call, reply, why);
}

/* ---- how a connection ends ---- */

/* What the server says goes into phrases as printable ASCII. why: REDIS_WHY_MAX bytes. */
static void write_why(char *why, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0' && n < REDIS_WHY_MAX - 1; n++)
		why[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	why[n] = '\0';
}

/* The first reason is the reason. */
static void set_why(struct redis *r, const char *why)
{
	if (r->why[0] == '\0')
		write_why(r->why, why[0] != '\0' ? why : "connection lost");
}

static void tell(struct redis *r, enum redis_news news)
{
	struct log_line l;

	if (r->told == news)
		return;
	r->told = news;
	if (news == NEWS_UP)
		log_begin(&l, LOG_LEVEL_INFO, "redis-up");
	else
		log_begin(&l, news == NEWS_REFUSED ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "redis-down");
	log_str(&l, "server", r->server);
	log_str(&l, "why", news == NEWS_UP ? NULL : r->why);
	log_end(&l);
}

static void start_attempt(struct redis *r);

static void rest_over(struct timer *t)
{
	start_attempt(CONTAINER_OF(t, struct redis, timer));
}

/* A server that lets us in and throws us out again gets the growing pause too: only a connection that lasted starts anew. The quarter of
 * chance keeps the proxies of a cluster from coming back all at once. */
static void rest(struct redis *r)
{
	double now = r->loop->timers.now;

	if (r->up_since > 0 && now - r->up_since >= REDIS_PAUSE_MAX)
		r->pause = REDIS_PAUSE_MIN;
	r->up_since = 0;
	r->state = REDIS_RESTING;
	timers_start(&r->loop->timers, &r->timer, r->pause * (1 + 0.25 * rand_r(&r->seed) / RAND_MAX), rest_over);
	r->pause = r->pause * 2 < REDIS_PAUSE_MAX ? r->pause * 2 : REDIS_PAUSE_MAX;
}

static void fail_all(struct redis *r, struct redis_queue *q)
{
	while (q->first)
		answer(pending_free(q->first), NULL, r->why);
}

/* The attempt or the connection is over; r->why says why. */
static void ended(struct redis *r)
{
	r->first = false;
	rest(r);
	tell(r, r->end);
	fail_all(r, &r->flight);
	fail_all(r, &r->waiting);
}

/* hiredis lets go of the context: now or, inside one of its callbacks, when that has returned. ended() runs from the cleanup hook. */
static void end_connection(struct redis *r, enum redis_news how, const char *why)
{
	if (r->state == REDIS_ENDING)
		return;
	set_why(r, why);
	r->end = how;
	r->state = REDIS_ENDING;
	redisAsyncFree(r->ac);
}

/* ---- answers ---- */

static bool is_error(const redisReply *reply, const char *code)
{
	size_t n = strlen(code);

	return reply->type == REDIS_REPLY_ERROR && !strncmp(reply->str, code, n) && (reply->str[n] == ' ' || reply->str[n] == '\0');
}

static bool is_not_ready(const redisReply *reply)
{
	static const char *const codes[] = { "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN" };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (is_error(reply, codes[i]))
			return true;
	}
	return false;
}

static void answer_call(struct redis *r, struct redis_pending *p, const redisReply *reply)
{
	struct redis_call *call = pending_free(p);
	char why[REDIS_WHY_MAX];

	if (is_error(reply, "NOAUTH")) {
		end_connection(r, NEWS_REFUSED, "the server wants a password (NOAUTH)");
		answer(call, NULL, r->why);
	} else if (is_not_ready(reply)) {
		write_why(why, reply->str);
		answer(call, NULL, why);
	} else {
		answer(call, reply, NULL);
	}
}

/* Of a refused AUTH only a code is told: some servers repeat the whole command in the text, password and all. */
static void auth_refused(struct redis *r, const redisReply *reply)
{
	static const char *const codes[] = { "WRONGPASS", "NOAUTH", "NOPERM", "ERR" };
	const char *code = "an error";
	char why[REDIS_WHY_MAX];

	for (size_t i = ARRAY_LEN(codes); i-- > 0;)
		code = is_error(reply, codes[i]) ? codes[i] : code;
	snprintf(why, sizeof(why), "the server refused AUTH (%s)", code);
	end_connection(r, NEWS_REFUSED, why);
}

static void login_failed(struct redis *r, enum redis_step step, const redisReply *reply)
{
	bool is_full = !strncmp(reply->str, "ERR max number of clients", 25);

	if (is_error(reply, "NOAUTH"))
		end_connection(r, NEWS_REFUSED, "the server wants a password (NOAUTH)");
	else if (step == STEP_AUTH && !is_full && !is_not_ready(reply) && !is_error(reply, "DENIED"))
		auth_refused(r, reply);
	else
		end_connection(r, NEWS_DOWN, reply->str);
}

static void send_waiting(struct redis *r);

static void login_step(struct redis *r, struct redis_pending *p, const redisReply *reply)
{
	enum redis_step step = p->step;
	const char *good = step == STEP_PING ? "PONG" : "OK";
	char why[REDIS_WHY_MAX];

	pending_free(p);
	/* A user who may not PING has been let in all the same. */
	if (reply->type == REDIS_REPLY_ERROR && !(step == STEP_PING && is_error(reply, "NOPERM"))) {
		login_failed(r, step, reply);
	} else if (reply->type != REDIS_REPLY_ERROR && (reply->type != REDIS_REPLY_STATUS || strcmp(reply->str, good) != 0)) {
		snprintf(why, sizeof(why), "not the answer of a Redis server to %s", step_names[step]);
		end_connection(r, NEWS_DOWN, why);
	} else if (step == STEP_PING) {
		timers_stop(&r->loop->timers, &r->timer);
		r->state = REDIS_UP;
		r->first = false;
		r->up_since = r->loop->timers.now;
		tell(r, NEWS_UP);
		send_waiting(r);
	}
}

static void on_reply(struct redisAsyncContext *ac, void *object, void *privdata)
{
	struct redis *r = ac->data;
	struct redis_pending *p = privdata;

	if (!object || r->state == REDIS_ENDING)
		return;		/* ended() sees to what is pending; p may be gone */
	assert(p == r->flight.first);
	if (p->step == STEP_CALL)
		answer_call(r, p, object);
	else
		login_step(r, p, object);
}

/* p is in no queue. */
static void send_command(struct redis *r, struct redis_pending *p)
{
	char *command = p->command;
	int status = redisAsyncFormattedCommand(r->ac, on_reply, p, command, p->length);

	redisFreeCommand(command);
	p->command = NULL;
	queue_add(&r->flight, p);
	r->bounds.owed++;
	if (status != REDIS_OK)		/* only a context that is ending refuses, and then we would know */
		end_connection(r, NEWS_DOWN, "the command could not be sent");
}

static void send_waiting(struct redis *r)
{
	struct redis_pending *p;

	while (r->state == REDIS_UP && (p = r->waiting.first)) {
		queue_remove(&r->waiting, p);
		send_command(r, p);
	}
}

/* ---- hiredis' five hooks ---- */

static void add_read(void *data)
{
	struct redis *r = data;

	ev_io_start(r->loop->ev, &r->readable);
}

static void del_read(void *data)
{
	struct redis *r = data;

	ev_io_stop(r->loop->ev, &r->readable);
}

static void add_write(void *data)
{
	struct redis *r = data;

	ev_io_start(r->loop->ev, &r->writable);
}

static void del_write(void *data)
{
	struct redis *r = data;

	ev_io_stop(r->loop->ev, &r->writable);
}

static void cleanup(void *data)
{
	struct redis *r = data;

	del_read(r);
	del_write(r);
	set_why(r, r->bounds.refused ? r->bounds.refused : r->ac->errstr ? r->ac->errstr : "");
	r->ac = NULL;
	if (!r->gone)
		ended(r);
}

static void on_readable(struct ev_loop *ev, ev_io *io, int events)
{
	struct redis *r = CONTAINER_OF(io, struct redis, readable);
	const redisReader *reader;

	(void)ev, (void)events;
	redisAsyncHandleRead(r->ac);
	if (!r->ac)
		return;
	reader = r->ac->c.reader;
	if (reader->len - reader->pos > REDIS_UNPARSED_MAX)
		end_connection(r, NEWS_DOWN, "too long an answer");
}

static void on_writable(struct ev_loop *ev, ev_io *io, int events)
{
	struct redis *r = CONTAINER_OF(io, struct redis, writable);

	(void)ev, (void)events;
	redisAsyncHandleWrite(r->ac);
}

/* ---- how a connection begins ---- */

static void login_command(struct redis *r, enum redis_step step, unsigned argc, const struct span *argv)
{
	struct redis_pending *p = pending_new(r, step, argc, argv);

	if (p)
		send_command(r, p);
	else
		end_connection(r, NEWS_REFUSED, "the user's name or the password is too long");
}

static void send_login(struct redis *r)
{
	const struct redis_conf *conf = r->conf;
	char database[16];

	if (conf->password && conf->user)
		login_command(r, STEP_AUTH, 3, (struct span[]){ span_of("AUTH"), span_of(conf->user), span_of(conf->password) });
	else if (conf->password)
		login_command(r, STEP_AUTH, 2, (struct span[]){ span_of("AUTH"), span_of(conf->password) });
	if (conf->database > 0 && r->state == REDIS_OPENING) {
		snprintf(database, sizeof(database), "%u", conf->database);
		login_command(r, STEP_SELECT, 2, (struct span[]){ span_of("SELECT"), span_of(database) });
	}
	if (r->state == REDIS_OPENING)
		login_command(r, STEP_PING, 1, (struct span[]){ span_of("PING") });
}

/* The timer runs on from the start of the attempt. */
static void attempt_failed(struct redis *r, const char *why)
{
	set_why(r, why);
	r->end = NEWS_DOWN;
	ended(r);
}

static void take_context(struct redis *r, struct redisAsyncContext *ac)
{
	if (!ac || ac->err) {
		set_why(r, ac && ac->errstr ? ac->errstr : "no connection could be made");
		if (ac)
			redisAsyncFree(ac);
		attempt_failed(r, "");
		return;
	}
	r->ac = ac;
	r->state = REDIS_OPENING;
	fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
	r->bounds = (struct redis_bounds){ 0 };
	redis_reply_bound(ac->c.reader, &r->bounds);
	ac->data = r;
	ac->ev.data = r;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = cleanup;
	ev_io_init(&r->readable, on_readable, ac->c.fd, EV_READ);
	ev_io_init(&r->writable, on_writable, ac->c.fd, EV_WRITE);
	send_login(r);
}

static void connect_to(struct redis *r, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	take_context(r, redisAsyncConnect(addr_ip_text(a, text), r->conf->endpoint.addr.port));
}

static void on_found(struct resolver_query *q, const struct resolver_answer *a)
{
	struct redis *r = CONTAINER_OF(q, struct redis, query);

	if (a->n == 0)
		attempt_failed(r, r->loop->failure);
	else
		connect_to(r, &a->addrs[r->attempts++ % a->n]);
}

static void find_server(struct redis *r)
{
	struct resolver_answer a;

	r->state = REDIS_FINDING;
	if (resolver_find(r->resolver, r->conf->endpoint.host, &r->query, on_found, &a))
		on_found(&r->query, &a);
}

static void attempt_timed_out(struct timer *t)
{
	struct redis *r = CONTAINER_OF(t, struct redis, timer);
	char why[REDIS_WHY_MAX];

	snprintf(why, sizeof(why), "no connection within %g s", r->conf->timeout);
	if (r->state == REDIS_OPENING) {
		end_connection(r, NEWS_DOWN, why);
		return;
	}
	resolver_cancel(r->resolver, &r->query);
	attempt_failed(r, why);
}

static void start_attempt(struct redis *r)
{
	const struct endpoint *e = &r->conf->endpoint;

	r->why[0] = '\0';
	r->end = NEWS_DOWN;
	timers_start(&r->loop->timers, &r->timer, r->conf->timeout, attempt_timed_out);
	if (e->kind == ENDPOINT_UNIX)
		take_context(r, redisAsyncConnectUnix(e->path));
	else if (e->kind == ENDPOINT_IP)
		connect_to(r, &e->addr);
	else
		find_server(r);
}

static void write_server(struct redis *r)
{
	const struct endpoint *e = &r->conf->endpoint;
	char text[ADDR_TEXT_MAX];

	if (e->kind == ENDPOINT_UNIX)
		snprintf(r->server, sizeof(r->server), "unix:%s", e->path);
	else if (e->kind == ENDPOINT_HOST)
		snprintf(r->server, sizeof(r->server), "%s:%u", e->host, (unsigned)e->addr.port);
	else
		snprintf(r->server, sizeof(r->server), "%s", addr_text(&e->addr, text));
}

struct redis *redis_new(struct net_loop *loop, struct resolver *resolver, const struct redis_conf *conf)
{
	struct redis *r = mem_new(sizeof(*r));

	assert(loop->ev);
	r->loop = loop;
	r->resolver = resolver;
	r->conf = conf;
	r->first = true;
	r->pause = REDIS_PAUSE_MIN;
	if (getrandom(&r->seed, sizeof(r->seed), GRND_NONBLOCK) != sizeof(r->seed))
		r->seed = (unsigned)(uintptr_t)r;
	write_server(r);
	start_attempt(r);
	return r;
}

static void forget_all(struct redis_queue *q)
{
	while (q->first) {
		struct redis_call *call = pending_free(q->first);

		if (call)
			call->fn = NULL;
	}
}

static void reap_redis(struct reap_item *item)
{
	struct redis *r = CONTAINER_OF(item, struct redis, reap);

	mem_free(&r);
}

/* Inside a callback of hiredis its context outlives this call, and its hooks still come to r. */
void redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	r->gone = true;
	r->state = REDIS_ENDING;
	timers_stop(&r->loop->timers, &r->timer);
	if (r->resolver)
		resolver_cancel(r->resolver, &r->query);
	forget_all(&r->flight);
	forget_all(&r->waiting);
	if (r->ac)
		redisAsyncFree(r->ac);
	reap_later(&r->loop->reap, &r->reap, reap_redis);
}

/* ---- commands ---- */

/* No answer to a command that was sent: what comes later could be taken for another's, so the connection is done with. */
static void deadline_missed(struct timer *t)
{
	struct redis_pending *p = CONTAINER_OF(t, struct redis_pending, deadline);
	struct redis *r = p->redis;
	char why[REDIS_WHY_MAX];

	snprintf(why, sizeof(why), "no answer within %g s", r->conf->timeout);
	if (p->command)
		answer(pending_free(p), NULL, why);
	else
		end_connection(r, NEWS_DOWN, why);
}

static bool may_call(struct redis *r)
{
	char *failure = r->loop->failure;
	bool first_attempt = r->first && (r->state == REDIS_FINDING || r->state == REDIS_OPENING);

	if (r->state != REDIS_UP && !first_attempt)
		snprintf(failure, sizeof(r->loop->failure), "not connected to Redis: %s", r->why);
	else if (r->npending >= REDIS_WAITING_MAX)
		snprintf(failure, sizeof(r->loop->failure), "too many commands wait for Redis");
	else
		return true;
	return false;
}

bool redis_call(struct redis *r, struct redis_call *call, redis_fn *fn, unsigned argc, const struct span *argv)
{
	struct redis_pending *p;

	call->fn = NULL;
	call->pending = NULL;
	if (!may_call(r))
		return false;
	p = pending_new(r, STEP_CALL, argc, argv);
	if (!p) {
		snprintf(r->loop->failure, sizeof(r->loop->failure), "too long a command for Redis");
		return false;
	}
	call->fn = fn;
	call->pending = p;
	p->call = call;
	timers_start(&r->loop->timers, &p->deadline, r->conf->timeout, deadline_missed);
	if (r->state == REDIS_UP)
		send_command(r, p);
	else
		queue_add(&r->waiting, p);
	return true;
}

void redis_cancel(struct redis *r, struct redis_call *call)
{
	(void)r;
	if (call->pending)
		call->pending->call = NULL;
	call->pending = NULL;
	call->fn = NULL;
}

bool redis_is_up(const struct redis *r)
{
	return r->state == REDIS_UP;
}
