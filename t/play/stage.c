#include "stage.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "cover.h"
#include "route/route.h"

#define TURNS_MAX 1000000

void stage_fail(struct stage *st, const char *fmt, ...)
{
	va_list ap;

	if (st->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(st->failure, sizeof(st->failure), fmt, ap);
	va_end(ap);
}

/* ---- the directory ---- */

static void fill_record(struct stage *st, const struct stage_user *u, struct directory_answer *a)
{
	struct directory_record *r = &a->record;

	a->result = DIRECTORY_FOUND;
	r->state = u->state;
	r->backend = u->backend ? cluster_find_backend(st->cluster, span_of(u->backend)) : NULL;
	r->group = u->group ? cluster_find_group(st->cluster, span_of(u->group)) : NULL;
	snprintf(r->login_as, sizeof(r->login_as), "%s", u->login_as ? u->login_as : "");
	snprintf(r->reason, sizeof(r->reason), "%s", u->reason ? u->reason : "");
	if ((u->backend && !r->backend) || (u->group && !r->group)) {
		a->result = DIRECTORY_BROKEN;
		snprintf(a->why, sizeof(a->why), "the record names what is not there");
	}
}

static void fill_answer(struct stage *st, struct span user, struct directory_answer *a)
{
	*a = (struct directory_answer){ .result = DIRECTORY_UNKNOWN };
	if (st->mood == DIRECTORY_IS_DOWN) {
		a->result = DIRECTORY_DOWN;
		snprintf(a->why, sizeof(a->why), "connection refused");
		return;
	}
	for (unsigned i = 0; i < st->nusers; i++)
		if (span_is(user, st->users[i].name))
			fill_record(st, &st->users[i], a);
}

static struct stage *stage_of(struct directory *d)
{
	return CONTAINER_OF(d, struct stage, directory);
}

static bool stage_find(struct directory *d, struct span user, struct directory_query *q, directory_fn *fn, struct directory_answer *a)
{
	struct stage *st = stage_of(d);

	if (st->mood != DIRECTORY_IS_LATE) {
		fill_answer(st, user, a);
		return true;
	}
	if (st->query)
		stage_fail(st, "the directory was asked again while it was thinking");
	*q = (struct directory_query){ .fn = fn, .driver = st, .directory = d };
	st->query = q;
	mem_free(&st->asked);
	st->asked = mem_span_dup(user);
	return false;
}

static void stage_cancel(struct directory *d, struct directory_query *q)
{
	if (!q->driver)
		return;
	q->driver = NULL;
	stage_of(d)->query = NULL;
}

static void stage_directory_free(struct directory *d)
{
	(void)d;
}

void stage_directory_speaks(struct stage *st)
{
	struct directory_query *q = st->query;
	struct directory_answer a;

	if (!q) {
		stage_fail(st, "nobody has asked the directory");
		return;
	}
	fill_answer(st, span_of(st->asked), &a);
	st->query = NULL;
	q->driver = NULL;
	q->fn(q, &a);
}

struct stage_user *stage_user(struct stage *st, const char *name)
{
	for (unsigned i = 0; i < st->nusers; i++)
		if (strcmp(st->users[i].name, name) == 0)
			return &st->users[i];
	if (st->nusers == STAGE_USERS_MAX)
		return NULL;
	st->users[st->nusers].name = mem_strdup(name);
	return &st->users[st->nusers++];
}

static void free_user(struct stage_user *u)
{
	mem_free(&u->name);
	mem_free(&u->backend);
	mem_free(&u->group);
	mem_free(&u->login_as);
	mem_free(&u->reason);
}

/* ---- the log ---- */

static void tap(enum log_level level, struct span line, void *arg)
{
	struct stage *st = arg;
	char *text;

	(void)level;
	if (st->nlog == STAGE_LOG_MAX) {
		stage_fail(st, "too many log lines");
		return;
	}
	text = st->log[st->nlog++] = mem_span_dup(line);
	cover_log_line(text);
	for (unsigned i = 0; i < st->nsecrets; i++)
		if (strstr(text, st->secrets[i]))
			stage_fail(st, "a secret is in the log: %s", text);
}

/* ---- the env ---- */

static struct fake *add_fake(struct stage *st, const char *side)
{
	struct fake *f = fake_new(side);

	f->room_a_turn = f->room_now = st->room_a_turn;
	f->splices = st->splices ? SPLICES : SPLICES_NOT;
	f->next = st->fakes;
	st->fakes = f;
	return f;
}

static void env_connect(struct session_env *env, struct conn *c, struct backend *b, double seconds, conn_event_fn *on_event)
{
	struct stage *st = CONTAINER_OF(env, struct stage, env);

	(void)seconds;
	if (st->dialled && !st->unscripted)
		stage_fail(st, "backend %s was dialled, and no line of the play expects it", st->dialled->name);
	st->dialled = b;
	st->backend = add_fake(st, "backend");
	st->backend->dialling = true;
	fake_open(st->backend, c, env->loop, on_event);
}

/* No fake looks into it. */
static struct tls_client *env_backend_tls(struct session_env *env, struct backend *b)
{
	struct stage *st = CONTAINER_OF(env, struct stage, env);

	if (!st->tls_contexts_fail)
		return (struct tls_client *)b;
	snprintf(st->loop.failure, sizeof(st->loop.failure), "no such file");
	return NULL;
}

static void env_session_gone(struct session_env *env)
{
	CONTAINER_OF(env, struct stage, env)->gone++;
}

struct stage *stage_new(size_t room_a_turn)
{
	struct stage *st = mem_new(sizeof(*st));

	net_loop_init(&st->loop, NULL);
	st->cluster = cluster_new();
	st->room_a_turn = room_a_turn;
	st->listener = (struct session_listener){ .name = "play" };
	st->directory = (struct directory){ stage_find, stage_cancel, stage_directory_free };
	st->env = (struct session_env){
		.loop = &st->loop,
		.id_prefix = "run.0",
		.trusted_proxies = { .items = st->trusted_proxies },
		.trusted_networks = { .items = st->trusted_networks },
		.times = { .tls = 10, .login = 60, .backend = 30, .proxy = 5, .idle = 1860, .literal = 300 },
		.limits = limits_new(),
		.limits_conf = &st->limits,
		.connect = env_connect,
		.backend_tls = env_backend_tls,
		.session_gone = env_session_gone,
	};
	session_env_init(&st->env);
	addr_parse_ip(&st->from, span_of("192.0.2.7"));
	log_set_level(LOG_LEVEL_DEBUG);
	log_set_tap(tap, st);
	return st;
}

static void free_texts(struct stage *st)
{
	for (unsigned i = 0; i < st->nusers; i++)
		free_user(&st->users[i]);
	for (unsigned i = 0; i < st->nlog; i++)
		mem_free(&st->log[i]);
	for (unsigned i = 0; i < st->nsecrets; i++)
		mem_free(&st->secrets[i]);
	for (unsigned i = 0; i < STAGE_BACKENDS_MAX; i++)
		mem_free(&st->group_of[i]);
	mem_free(&st->asked);
	mem_free(&st->default_domain);
	mem_free(&st->capabilities);
}

void stage_free(struct stage **at)
{
	struct stage *st = *at;

	session_close_all(&st->env, SESSION_STOPPED);
	net_loop_turn_end(&st->loop);
	session_env_fini(&st->env);
	log_set_tap(NULL, NULL);
	limits_free(&st->env.limits);
	route_free(&st->env.route);
	net_loop_fini(&st->loop);
	cluster_free(&st->cluster);
	while (st->fakes) {
		struct fake *f = st->fakes;

		st->fakes = f->next;
		fake_free(&f);
	}
	free_texts(st);
	mem_free(at);
}

/* ---- opening ---- */

static bool complete_cluster(struct stage *st)
{
	char err[256];

	if (st->env.route)
		return true;
	if (!cluster_finish(st->cluster, (const char *const *)st->group_of, NULL, err, sizeof(err))) {
		stage_fail(st, "%s", err);
		return false;
	}
	st->env.route = route_new(&st->loop, st->cluster, &st->directory, OUTAGE_REFUSE);
	return true;
}

bool stage_open_client(struct stage *st, struct span sni, struct span cert)
{
	struct addr peer = st->from;
	struct session *s;

	if (!complete_cluster(st))
		return false;
	peer.port = 40001;
	st->client = add_fake(st, "client");
	snprintf(st->client->sni, sizeof(st->client->sni), "%.*s", (int)sni.n, sni.p);
	snprintf(st->client->cert, sizeof(st->client->cert), "%.*s", (int)cert.n, cert.p);
	s = session_new(&st->env, &st->listener, &peer);
	fake_open(st->client, session_client_conn(s), &st->loop, session_client_event);
	st->opened++;
	session_start(s);
	return true;
}

/* ---- time ---- */

static bool turn(struct stage *st)
{
	bool told = false;

	for (struct fake *f = st->fakes; f; f = f->next)
		told |= fake_tell(f);
	timers_run(&st->loop.timers);
	net_loop_turn_end(&st->loop);
	for (struct fake *f = st->fakes; f; f = f->next)
		if (f->broken[0])
			stage_fail(st, "%s", f->broken);
	return told;
}

/* What waited once may have been a login: the pool's spare buffers must not remember it. */
static bool is_spare(const struct stage *st, const char *secret)
{
	for (unsigned i = 0; i < BUF_NSIZES; i++)
		for (const struct buf *b = st->loop.bufs.spare[i]; b; b = b->next)
			if (memmem(b->data, b->cap, secret, strlen(secret)))
				return true;
	return false;
}

static void check_spares(struct stage *st)
{
	for (unsigned i = 0; i < st->nsecrets; i++)
		if (is_spare(st, st->secrets[i]))
			stage_fail(st, "a secret is still in a buffer of the pool");
}

void stage_settle(struct stage *st)
{
	for (unsigned turns = 0; !st->failure[0] && turn(st); turns++)
		if (turns == TURNS_MAX)
			stage_fail(st, "the machine does not come to rest");
	if (st->room_a_turn != SIZE_MAX)	/* else next to nothing ever waits */
		check_spares(st);
}

/* From one timer to the next, so that each sees the time it is due at. */
void stage_wait(struct stage *st, double seconds)
{
	double until = st->loop.timers.now + seconds;

	while (!st->failure[0]) {
		double next = timers_wait(&st->loop.timers);
		double left = until - st->loop.timers.now;

		st->loop.timers.now = next >= 0 && next < left ? st->loop.timers.now + next : until;
		stage_settle(st);
		if (st->loop.timers.now >= until)
			break;
	}
}

/* ---- the end ---- */

static bool still_counts(struct backend *b)
{
	return atomic_load(&b->sessions) || atomic_load(&b->idle) || atomic_load(&b->opaque);
}

void stage_check_empty(struct stage *st)
{
	if (st->env.first || st->env.nsessions || st->env.nrelaying)
		stage_fail(st, "a session is still there; a play ends with the end of its last one");
	if (st->opened != st->gone)
		stage_fail(st, "%u sessions were opened, the memory of %u is free", st->opened, st->gone);
	if (st->loop.bufs.in_use)
		stage_fail(st, "%zu buffers were not given back", st->loop.bufs.in_use);
	if (st->loop.pipes.in_use)
		stage_fail(st, "%u pipes were not given back", st->loop.pipes.in_use);
	if (timers_wait(&st->loop.timers) >= 0)
		stage_fail(st, "a timer still runs");
	if (st->query)
		stage_fail(st, "the directory is still asked");
	if (limits_not_logged_in(st->env.limits) || (!st->limits.connections_per_second && limits_entries(st->env.limits)))
		stage_fail(st, "the limits still count somebody");
	for (size_t i = 0; i < st->cluster->nbackends; i++)
		if (still_counts(st->cluster->backends[i]))
			stage_fail(st, "backend %s still counts a session", st->cluster->backends[i]->name);
}
