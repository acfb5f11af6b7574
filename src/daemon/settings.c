/*
 * settings.c - loads sluice.conf and builds the settings once nothing is wrong with it. The parts are listed in settings_private.h.
 */
#include "daemon/settings.h"

#include <sched.h>
#include <string.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "daemon/settings_private.h"

int settings_tls_version(int word)
{
	return TLS1_VERSION + word;
}

struct tls_policy settings_policy(const struct draft_tls *t, const struct draft_listener *l)
{
	bool has_version = l && l->min_version != SETTING_INHERITED, has_client_cert = l && l->client_cert != SETTING_INHERITED;

	return (struct tls_policy){
		.min_version = settings_tls_version(has_version ? l->min_version : t->min_version + SETTINGS_TLS_1_2),
		.ciphers = l && l->ciphers ? l->ciphers : t->ciphers,
		.strict_sni = t->strict_sni,
		.client_cert = (enum tls_client_cert)(has_client_cert ? l->client_cert : t->client_cert),
		.user_from = (enum tls_user_from)t->user_from,
	};
}

/* ---- building ---- */

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

/* What somebody takes from the draft is his to free. */
static struct endpoint take_endpoint(struct endpoint *e)
{
	struct endpoint taken = *e;

	*e = (struct endpoint){ .kind = ENDPOINT_IP };
	return taken;
}

static char *take_text(char **text)
{
	char *taken = *text;

	*text = NULL;
	return taken;
}

static int processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < SETTINGS_WORKERS_MAX ? n : SETTINGS_WORKERS_MAX;
}

static struct cidr_list copy_networks(const struct draft_networks *from)
{
	struct cidr_list to = { .items = mem_new_array(from->n, sizeof(*to.items)), .n = from->n };

	if (from->n > 0)
		memcpy(to.items, from->items, from->n * sizeof(*to.items));
	return to;
}

static void build_limits(struct settings *s, const struct draft *d)
{
	const struct draft_limits *from = &d->limits;

	s->limits = (struct limits_conf){
		.not_logged_in = from->not_logged_in,
		.not_logged_in_per_address = from->per_address,
		.not_logged_in_per_64 = from->per_64,
		.connections_per_second = from->connections,
		.sessions_per_user = from->per_user,
		.sessions_per_user_address = from->per_user_address,
		.exempt = copy_networks(&d->top.limit_exempt),
	};
}

/* Upwards: what is not none stays so. */
static unsigned whole_seconds(double seconds)
{
	unsigned whole = (unsigned)seconds;

	return whole + (whole < seconds);
}

static void build_top(struct settings *s, struct draft *d)
{
	s->path = mem_strdup(d->path);
	s->places = d->places;
	d->places = (struct settings_places){ 0 };
	s->workers = d->top.workers == WORKERS_AUTO ? processors() : d->top.workers;
	s->user = mem_strdup(d->top.user);
	s->ready_file = copy(d->top.ready_file);
	s->drain_timeout = d->top.drain_timeout;
	s->trusted_proxies = copy_networks(&d->top.trusted_proxies);
	s->trusted_networks = copy_networks(&d->top.trusted_networks);
	s->auth_failure_delay = d->top.auth_failure_delay;
	s->idle_timeout = d->top.idle_timeout;
	s->literal_timeout = d->top.literal_timeout;
	s->command_timeout = d->top.command_timeout;
	s->slow_command = d->top.slow_command;
	s->tcp.keepalive = whole_seconds(d->top.tcp_keepalive);
	s->tcp.user_timeout = whole_seconds(d->top.tcp_user_timeout);
	s->names.local = (enum user_name_case)d->top.username_case;
	s->names.default_domain = copy(d->top.default_domain);
	s->names.master_separator = d->top.master_separator ? d->top.master_separator[0] : '\0';
	s->capabilities = copy(d->top.capabilities);
	s->hide_compress = d->top.compress;
	s->relay_mode = (enum relay_mode)d->top.relay_mode;
	s->log_to = (enum log_sink)d->log.to;
	s->log_level = (enum log_level)d->log.level;
}

static void build_listener(struct settings_listener *l, const struct draft_tls *tls, struct draft_listener *from)
{
	l->name = mem_strdup(config_setting_name(from->section.at));
	l->naddresses = from->addresses.n;
	l->addresses = mem_new_array(l->naddresses, sizeof(*l->addresses));
	for (size_t i = 0; i < l->naddresses; i++)
		l->addresses[i] = take_endpoint(&from->addresses.endpoints[i]);
	l->tls = (enum tls_mode)from->tls;
	l->tls_policy = settings_policy(tls, from);
	l->tls_policy.ciphers = copy(l->tls_policy.ciphers);
	l->cleartext_login = from->cleartext_login;
	l->proxy_protocol = from->proxy_protocol;
	l->unchecked_passwords = from->unchecked_passwords;
}

static void build_listeners(struct settings *s, struct draft *d)
{
	s->nlisteners = d->listeners.n;
	s->listeners = mem_new_array(s->nlisteners, sizeof(*s->listeners));
	for (size_t i = 0; i < s->nlisteners; i++)
		build_listener(&s->listeners[i], &d->tls, draft_listener(d, i));
}

static bool some_listener_has_tls(const struct settings *s)
{
	for (size_t i = 0; i < s->nlisteners; i++)
		if (s->listeners[i].tls != TLS_NONE)
			return true;
	return false;
}

/* Where no listener has TLS, nobody is to load a certificate. */
static void build_tls(struct settings *s, const struct draft *d)
{
	const struct draft_tls *t = &d->tls;
	char **paths;

	if (!some_listener_has_tls(s))
		return;
	paths = mem_new_array(t->certificates.n, sizeof(*paths));
	for (size_t i = 0; i < t->certificates.n; i++)
		paths[i] = mem_strdup(t->certificates.paths[i]);
	s->certs.paths = (const char *const *)paths;
	s->certs.npaths = t->certificates.n;
	s->certs.key = copy(t->key);
	s->certs.client_ca = copy(t->client_ca);
	s->ticket_key_file = copy(t->ticket_key_file);
}

static void build_backend(struct backend *b, struct draft_backend *from)
{
	b->endpoint = take_endpoint(&from->endpoint);
	b->tls = (enum tls_mode)from->tls;
	b->tls_verify = from->tls_verify;
	b->tls_ca = copy(from->tls_ca);
	b->tls_name = copy(from->tls_name);
	b->tls_certificate = copy(from->tls_certificate);
	b->tls_key = copy(from->tls_key);
	b->tls_min_version = settings_tls_version(from->tls_min_version);
	b->weight = from->weight;
	b->proxy = (enum backend_proxy)from->proxy;
	b->trusted = from->trusted;
	b->pipelining = from->pipelining;
	b->auth = (enum backend_auth)from->auth;
	b->method = (enum backend_auth_method)from->method;
	b->master_user = copy(from->master_user);
	b->master_password = take_text(&from->master_password);
}

static void build_cluster(struct settings *s, struct draft *d)
{
	const char **groups = mem_new_array(d->backends.n, sizeof(*groups));
	char err[512];

	s->cluster = cluster_new();
	for (size_t i = 0; i < d->backends.n; i++) {
		struct draft_backend *b = draft_backend(d, i);

		build_backend(cluster_add_backend(s->cluster, config_setting_name(b->section.at)), b);
		groups[i] = b->group;
	}
	for (size_t i = 0; i < d->groups.n; i++) {
		const struct draft_group *g = draft_group(d, i);

		cluster_add_group(s->cluster, config_setting_name(g->section.at))->storage = (enum storage)g->storage;
	}
	if (!cluster_finish(s->cluster, groups, d->top.default_group, err, sizeof(err)))
		draft_fault_at(d, draft_where(d, NULL, "backend"), "%s", err);
	mem_free(&groups);
}

static void build_directory(struct settings *s, struct draft *d)
{
	struct draft_directory *from = &d->directory;

	s->directory = (enum directory_driver)from->driver;
	s->directory_file = copy(from->file);
	s->on_outage = (enum directory_outage)from->on_outage;
	s->redis_prefix = mem_strdup(from->prefix);
	s->redis.endpoint = take_endpoint(&from->conf.endpoint);
	s->redis.database = from->conf.database;
	s->redis.user = copy(from->user);
	s->redis.password = take_text(&from->password);
	s->redis.timeout = from->timeout;
}

static struct settings *build(struct draft *d)
{
	struct settings *s = mem_new(sizeof(*s));

	atomic_init(&s->refs, 1);
	for (size_t i = 0; i < d->listeners.n; i++)
		draft_place(d, draft_listener(d, i)->section.at, NULL);
	if (draft_has(&d->top.section, "user"))
		draft_place(d, draft_where(d, NULL, "user"), NULL);
	if (draft_has(&d->top.section, "relay-mode"))
		draft_place(d, draft_where(d, NULL, "relay-mode"), NULL);
	build_top(s, d);
	build_limits(s, d);
	build_listeners(s, d);
	build_tls(s, d);
	build_cluster(s, d);
	build_directory(s, d);
	if (d->faults)
		settings_unref(&s);
	return s;
}

/* ---- loading ---- */

/* libconfig stops at the first. */
static void tell_syntax_error(struct draft *d)
{
	const char *file = config_error_file(&d->conf), *text = config_error_text(&d->conf);
	const char *right = "look here or before for a missing quote, brace or \";\", or for a name that does not begin with a letter";

	if (text && strstr(text, "duplicate"))
		right = "a name may stand once in its section";
	else if (text && strstr(text, "nesting"))
		right = "files may include others ten deep";
	draft_fault(d, file ? file : d->path, (unsigned)config_error_line(&d->conf), "%s; %s", text ? text : "cannot be read", right);
}

static void wipe_password(char **password)
{
	if (*password)
		mem_wipe_free(password, strlen(*password));
}

static void free_places(struct settings_places *all)
{
	for (size_t i = 0; i < all->n; i++) {
		mem_free(&all->items[i].name);
		mem_free(&all->items[i].where);
		mem_free(&all->items[i].path);
	}
	mem_free(&all->items);
	all->n = 0;
}

static void draft_fini(struct draft *d)
{
	free_places(&d->places);
	for (size_t i = 0; i < d->listeners.n; i++)
		for (size_t k = 0; k < draft_listener(d, i)->addresses.n; k++)
			endpoint_fini(&draft_listener(d, i)->addresses.endpoints[k]);
	for (size_t i = 0; i < d->backends.n; i++) {
		endpoint_fini(&draft_backend(d, i)->endpoint);
		wipe_password(&draft_backend(d, i)->master_password);
	}
	endpoint_fini(&d->directory.conf.endpoint);
	wipe_password(&d->directory.password);
	mem_free(&d->listeners.items);
	mem_free(&d->backends.items);
	mem_free(&d->groups.items);
	config_destroy(&d->conf);
}

struct settings *settings_load(const char *path, settings_fault_fn *fault, void *arg)
{
	struct draft d = { .path = path, .fault = fault, .arg = arg };
	struct settings *s = NULL;

	config_init(&d.conf);
	if (settings_files_are_sane(&d)) {
		if (config_read_file(&d.conf, path)) {
			settings_read(&d);
			settings_check(&d);
		} else {
			tell_syntax_error(&d);
		}
	}
	if (!d.faults)
		s = build(&d);
	draft_fini(&d);
	return s;
}

/* ---- references ---- */

struct settings *settings_ref(struct settings *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

static void free_tls(struct settings *s)
{
	char **paths = (char **)s->certs.paths;

	for (size_t i = 0; i < s->certs.npaths; i++)
		mem_free(&paths[i]);
	mem_free(&s->certs.paths);
	mem_free(&s->certs.key);
	mem_free(&s->certs.client_ca);
	mem_free(&s->ticket_key_file);
}

static void settings_free(struct settings *s)
{
	for (size_t i = 0; i < s->nlisteners; i++) {
		struct settings_listener *l = &s->listeners[i];

		for (size_t k = 0; k < l->naddresses; k++)
			endpoint_fini(&l->addresses[k]);
		mem_free(&l->addresses);
		mem_free(&l->tls_policy.ciphers);
		mem_free(&l->name);
	}
	mem_free(&s->listeners);
	mem_free(&s->trusted_proxies.items);
	mem_free(&s->trusted_networks.items);
	free_places(&s->places);
	mem_free(&s->path);
	mem_free(&s->user);
	mem_free(&s->ready_file);
	mem_free(&s->limits.exempt.items);
	mem_free((char **)&s->names.default_domain);
	mem_free(&s->capabilities);
	free_tls(s);
	cluster_free(&s->cluster);
	mem_free(&s->directory_file);
	endpoint_fini(&s->redis.endpoint);
	mem_free(&s->redis.user);
	wipe_password((char **)&s->redis.password);
	mem_free(&s->redis_prefix);
	mem_free(&s);
}

void settings_unref(struct settings **sp)
{
	struct settings *s = *sp;

	*sp = NULL;
	if (s && atomic_fetch_sub(&s->refs, 1) == 1)
		settings_free(s);
}
