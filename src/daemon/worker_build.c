/*
 * worker_build.c - what a worker owns and what its sessions ask of it.
 */
#include "daemon/worker_private.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/settings.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "route/directory.h"
#include "route/route.h"
#include "route/user_map.h"
#include "session/session.h"

#define TRIM_MANY 1000		/* sessions that have gone, and no fewer than there are, before memory is given back ... */
#define TRIM_PAUSE 60.0		/* ... so many seconds later: they seldom go alone */
#define SECONDS_FOR_TLS 10.0
#define SECONDS_FOR_LOGIN 60.0
#define SECONDS_FOR_BACKEND 30.0
#define SECONDS_FOR_PROXY 5.0

/* ---- what sessions ask ---- */

static void connect_backend(struct session_env *env, struct conn *c, struct backend *b, double seconds, conn_event_fn *on_event)
{
	struct worker *w = CONTAINER_OF(env, struct worker, env);

	conn_dial(c, &w->loop, w->resolver, &b->endpoint, seconds, on_event);
}

static const char *name_to_verify(const struct backend *b, char *ip)
{
	if (b->tls_name)
		return b->tls_name;
	if (b->endpoint.kind == ENDPOINT_IP)
		return addr_ip_text(&b->endpoint.addr, ip);
	return b->endpoint.host;
}

static struct tls_client *new_tls_client(struct worker *w, const struct backend *b)
{
	char ip[ADDR_TEXT_MAX];
	struct tls_client_conf conf = {
		.verify = b->tls_verify, .files = w->conf.client_files[b->number], .name = name_to_verify(b, ip),
		.min_version = b->tls_min_version,
	};

	return tls_client_new(&conf, w->loop.failure, sizeof(w->loop.failure));
}

static struct tls_client *backend_tls(struct session_env *env, struct backend *b)
{
	struct worker *w = CONTAINER_OF(env, struct worker, env);
	struct tls_client **tc = &w->tls_clients[b->number];

	if (!*tc)
		*tc = new_tls_client(w, b);
	return *tc;
}

/* ---- building ---- */

static struct directory *build_directory(struct worker *w)
{
	const struct settings *s = w->conf.settings;

	switch (s->directory) {
	case DIRECTORY_FILE:
		return directory_file_new(w->conf.map);
	case DIRECTORY_REDIS:
		return directory_redis_new(&w->loop, w->resolver, &s->redis, s->redis_prefix, s->cluster, s->on_outage,
					   w->conf.last_known);
	case DIRECTORY_NONE:
		break;
	}
	return directory_none_new();
}

static void trim(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, trim);

	if (w->gone < w->env.nsessions)
		return;
	w->gone = 0;
	mem_give_back();
}

/* malloc keeps what a storm of logins has left behind. */
static void session_gone(struct session_env *env)
{
	struct worker *w = CONTAINER_OF(env, struct worker, env);

	w->gone++;
	if (w->gone >= TRIM_MANY && !timer_is_running(&w->trim))
		timers_start(&w->loop.timers, &w->trim, TRIM_PAUSE, trim);
	worker_leave_if_empty(env);
}

static void build_env(struct worker *w)
{
	const struct settings *s = w->conf.settings;

	snprintf(w->id_prefix, sizeof(w->id_prefix), "%.*s.%u", WORKER_RUN_MAX, w->conf.run, w->conf.number);
	w->env = (struct session_env){
		.loop = &w->loop,
		.route = route_new(&w->loop, s->cluster, build_directory(w), s->on_outage),
		.id_prefix = w->id_prefix,
		.times = {
			.tls = SECONDS_FOR_TLS, .login = SECONDS_FOR_LOGIN, .backend = SECONDS_FOR_BACKEND, .proxy = SECONDS_FOR_PROXY,
			.penalty = s->auth_failure_delay, .idle = s->idle_timeout, .literal = s->literal_timeout,
			.command = s->command_timeout, .slow = s->slow_command,
		},
		.trusted_proxies = s->trusted_proxies,
		.trusted_networks = s->trusted_networks,
		.limits = w->conf.limits,
		.limits_conf = &s->limits,
		.names = s->names,
		.capabilities = s->capabilities,
		.hide_compress = s->hide_compress,
		.connect = connect_backend,
		.backend_tls = backend_tls,
		.session_gone = session_gone,
	};
	session_env_init(&w->env);
}

/* NULL: none of the listeners before it has the same policy. */
static struct tls_server *server_from_before(const struct worker *w, size_t listener)
{
	const struct settings_listener *all = w->conf.settings->listeners;

	for (size_t i = 0; i < listener; i++)
		if (all[i].tls != TLS_NONE && tls_policy_is(&all[i].tls_policy, &all[listener].tls_policy))
			return w->listeners[i].tls_server;
	return NULL;
}

static bool build_tls(struct worker *w, size_t listener)
{
	const struct settings_listener *l = &w->conf.settings->listeners[listener];
	struct tls_server *ts;

	if (l->tls == TLS_NONE)
		return true;
	ts = server_from_before(w, listener);
	if (!ts) {
		ts = tls_server_new(&l->tls_policy, w->conf.certs, w->conf.tickets, w->err, sizeof(w->err));
		if (!ts)
			return false;
		w->tls_servers[w->ntls_servers++] = ts;
	}
	w->listeners[listener].tls_server = ts;
	return true;
}

static bool build_listeners(struct worker *w)
{
	const struct settings *s = w->conf.settings;

	w->listeners = mem_new_array(s->nlisteners, sizeof(*w->listeners));
	w->tls_servers = mem_new_array(s->nlisteners, sizeof(struct tls_server *));
	for (size_t i = 0; i < s->nlisteners; i++) {
		const struct settings_listener *l = &s->listeners[i];

		w->listeners[i] = (struct session_listener){
			.name = l->name, .tls = l->tls, .cleartext_login = l->cleartext_login,
			.proxy_protocol = l->proxy_protocol,
		};
		if (!build_tls(w, i))
			return false;
	}
	return true;
}

static void demolish_listeners(struct worker *w)
{
	for (size_t i = 0; i < w->ntls_servers; i++)
		tls_server_free(&w->tls_servers[i]);
	w->ntls_servers = 0;
	mem_free(&w->tls_servers);
	mem_free(&w->listeners);
}

void worker_forget_ingredients(struct worker *w)
{
	tls_certs_unref(&w->conf.certs);
	user_map_unref(&w->conf.map);
	tls_tickets_unref(&w->conf.tickets);
}

bool worker_build(struct worker *w)
{
	const struct settings *s = w->conf.settings;

	if (!build_listeners(w)) {
		demolish_listeners(w);
		return false;
	}
	net_loop_init(&w->loop, w->ev);
	w->loop.relay_mode = s->relay_mode;
	w->loop.tcp = s->tcp;
	w->loop.ktls = w->conf.ktls;
	w->resolver = resolver_new(&w->loop);
	w->tls_clients = mem_new_array(s->cluster->nbackends, sizeof(struct tls_client *));
	build_env(w);
	worker_forget_ingredients(w);
	worker_open(w);
	return true;
}

/* Top down: sessions and what serves them, then the loop with those who linger, then the TLS contexts these still used. */
void worker_demolish(struct worker *w)
{
	worker_stop_listening(w);
	session_close_all(&w->env, SESSION_STOPPED);
	net_loop_turn_end(&w->loop);
	session_env_fini(&w->env);
	ev_io_stop(w->ev, &w->mail);
	timers_stop(&w->loop.timers, &w->drained);
	timers_stop(&w->loop.timers, &w->leave);
	timers_stop(&w->loop.timers, &w->trim);
	route_free(&w->env.route);
	resolver_free(&w->resolver);
	net_loop_fini(&w->loop);
	for (size_t i = 0; i < w->conf.settings->cluster->nbackends; i++)
		tls_client_free(&w->tls_clients[i]);
	mem_free(&w->tls_clients);
	demolish_listeners(w);
	mem_free(&w->doors);
	close(w->conf.box);
	w->state = WORKER_NEW;
}
