/* What is given: settings of the stage before anything happens, and of what is answered next. */
#include "verbs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "words.h"

static char *dup_or_null(struct span s)
{
	return s.n > 0 ? mem_span_dup(s) : NULL;
}

static bool read_yes(struct span value)
{
	return span_is(value, "yes");
}

static enum tls_mode read_tls(struct span value)
{
	return span_is(value, "implicit") ? TLS_IMPLICIT : span_is(value, "starttls") ? TLS_STARTTLS : TLS_NONE;
}

void given_listener(struct scene *sc, struct span args)
{
	struct session_listener *l = &sc->stage->listener;
	struct span word, v;

	while (words_next(&args, &word)) {
		if (words_value(word, "tls", &v))
			l->tls = read_tls(v);
		else if (words_value(word, "cleartext", &v))
			l->cleartext_login = read_yes(v);
		else if (words_value(word, "proxy", &v))
			l->proxy_protocol = read_yes(v);
		else
			scene_bad_word(sc, word);
	}
}

static void set_address(struct scene *sc, struct backend *b, struct span v)
{
	char *text = mem_span_dup(v), err[128];

	if (!endpoint_parse(&b->endpoint, text, 143, err, sizeof(err)))
		stage_fail(sc->stage, "%s", err);
	mem_free(&text);
}

static void set_backend(struct scene *sc, struct backend *b, struct span word)
{
	struct span v;

	if (words_value(word, "tls", &v))
		b->tls = read_tls(v);
	else if (words_value(word, "trusted", &v))
		b->trusted = read_yes(v);
	else if (words_value(word, "proxy", &v))
		b->proxy = span_is(v, "v1") ? BACKEND_PROXY_V1 : span_is(v, "v2") ? BACKEND_PROXY_V2 : BACKEND_PROXY_NONE;
	else if (words_value(word, "pipelining", &v))
		b->pipelining = read_yes(v);
	else if (words_value(word, "method", &v))
		b->method = span_is(v, "login") ? BACKEND_METHOD_LOGIN : BACKEND_METHOD_PLAIN;
	else if (words_value(word, "address", &v))
		set_address(sc, b, v);
	else if (words_value(word, "group", &v))
		sc->stage->group_of[b->number] = mem_span_dup(v);
	else if (words_value(word, "weight", &v))
		b->weight = (uint32_t)strtoul(v.p, NULL, 10);
	else if (words_value(word, "master-user", &v))
		b->master_user = mem_span_dup(v);
	else if (words_value(word, "master-password", &v))
		b->master_password = mem_span_dup(v);
	else if (!words_value(word, "auth", &v))
		scene_bad_word(sc, word);
	if (words_value(word, "master-user", &v))
		b->auth = BACKEND_AUTH_MASTER;
	if (words_value(word, "auth", &v))
		b->auth = span_is(v, "forward") ? BACKEND_AUTH_FORWARD : BACKEND_AUTH_MASTER;
}

void given_backend(struct scene *sc, struct span args)
{
	struct stage *st = sc->stage;
	struct backend *b;
	struct span word;
	char *name;

	if (st->cluster->nbackends == STAGE_BACKENDS_MAX || st->env.route || !words_next(&args, &word)) {
		stage_fail(st, "too many backends, or too late");
		return;
	}
	name = mem_span_dup(word);
	b = cluster_add_backend(st->cluster, name);
	mem_free(&name);
	while (words_next(&args, &word))
		set_backend(sc, b, word);
}

static void set_user(struct scene *sc, struct stage_user *u, struct span word)
{
	struct span v;

	if (words_value(word, "group", &v)) {
		u->group = mem_span_dup(v);
	} else if (words_value(word, "login-as", &v)) {
		u->login_as = mem_span_dup(v);
	} else if (words_value(word, "reason", &v)) {
		u->reason = mem_span_dup(v);
	} else if (words_value(word, "state", &v)) {
		u->state = span_is(v, "hold") ? USER_HOLD : span_is(v, "closed") ? USER_CLOSED : USER_ACTIVE;
	} else {
		scene_bad_word(sc, word);
	}
}

static void set_setting(struct scene *sc, struct span word)
{
	struct stage *st = sc->stage;
	struct span v;

	if (words_value(word, "username-case", &v))
		st->env.names.local = span_is(v, "keep") ? USER_NAME_KEEP : USER_NAME_LOWER;
	else if (words_value(word, "default-domain", &v))
		st->env.names.default_domain = st->default_domain = mem_span_dup(v);
	else if (words_value(word, "master-separator", &v))
		st->env.names.master_separator = v.p[0];
	else if (words_value(word, "capabilities", &v))
		st->env.capabilities = st->capabilities = mem_span_dup(v);
	else if (words_value(word, "compress", &v))
		st->env.hide_compress = span_is(v, "hide");
	else
		scene_bad_word(sc, word);
}

void given_settings(struct scene *sc, struct span args)
{
	struct span word;

	while (words_next(&args, &word))
		set_setting(sc, word);
}

/* A user that is there already gets a new record. */
void given_user(struct scene *sc, struct span args)
{
	struct stage_user *u;
	struct span name, backend, word;
	char *text;

	if (!words_next(&args, &name) || !words_next(&args, &backend)) {
		stage_fail(sc->stage, "a user has a name and a backend (or -)");
		return;
	}
	text = mem_span_dup(name);
	u = stage_user(sc->stage, text);
	mem_free(&text);
	if (!u) {
		stage_fail(sc->stage, "too many users");
		return;
	}
	mem_free(&u->backend);
	mem_free(&u->group);
	mem_free(&u->login_as);
	mem_free(&u->reason);
	u->state = USER_ACTIVE;
	u->backend = span_is(backend, "-") ? NULL : dup_or_null(backend);
	while (words_next(&args, &word))
		set_user(sc, u, word);
}

void given_secret(struct scene *sc, struct span args)
{
	struct stage *st = sc->stage;
	struct bytes b = { 0 };

	if (st->nsecrets == STAGE_SECRETS_MAX || !bytes_unescape(&b, args)) {
		stage_fail(st, "too many secrets, or one that cannot be read");
		return;
	}
	st->secrets[st->nsecrets++] = mem_span_dup(span_mem(b.p, b.n - 2));
	bytes_free(&b);
}

void given_directory(struct scene *sc, struct span args)
{
	if (span_is(args, "down"))
		sc->stage->mood = DIRECTORY_IS_DOWN;
	else if (span_is(args, "late"))
		sc->stage->mood = DIRECTORY_IS_LATE;
	else if (span_is(args, "up"))
		sc->stage->mood = DIRECTORY_ANSWERS;
	else
		scene_bad_word(sc, args);
}

static void add_network(struct scene *sc, struct cidr_list *list, struct span word)
{
	char *text = mem_span_dup(word), err[256];

	if (list->n == STAGE_NETWORKS_MAX)
		stage_fail(sc->stage, "too many networks");
	else if (cidr_parse(&list->items[list->n], text, err, sizeof(err)))
		list->n++;
	else
		stage_fail(sc->stage, "%s", err);
	mem_free(&text);
}

static void add_networks(struct scene *sc, struct cidr_list *list, struct span args)
{
	struct span word;

	while (words_next(&args, &word))
		add_network(sc, list, word);
}

void given_trusted_proxies(struct scene *sc, struct span args)
{
	add_networks(sc, &sc->stage->env.trusted_proxies, args);
}

void given_trusted_networks(struct scene *sc, struct span args)
{
	add_networks(sc, &sc->stage->env.trusted_networks, args);
}

void given_limits(struct scene *sc, struct span args)
{
	struct limits_conf *c = &sc->stage->limits;
	const struct {
		const char *name;
		unsigned *at;
	} all[] = {
		{ "not-logged-in", &c->not_logged_in },
		{ "not-logged-in-per-address", &c->not_logged_in_per_address },
		{ "not-logged-in-per-64", &c->not_logged_in_per_64 },
		{ "connections-per-second", &c->connections_per_second },
		{ "sessions-per-user", &c->sessions_per_user },
		{ "sessions-per-user-address", &c->sessions_per_user_address },
	};
	struct span word, v;

	while (words_next(&args, &word)) {
		size_t i = 0;

		while (i < ARRAY_LEN(all) && !words_value(word, all[i].name, &v))
			i++;
		if (i < ARRAY_LEN(all))
			*all[i].at = (unsigned)strtoul(v.p, NULL, 10);
		else
			scene_bad_word(sc, word);
	}
}

void given_auth_failure_delay(struct scene *sc, struct span args)
{
	sc->stage->env.times.penalty = strtod(args.p, NULL);
}

void given_times(struct scene *sc, struct span args)
{
	struct session_times *t = &sc->stage->env.times;
	const struct {
		const char *name;
		double *at;
	} all[] = { { "idle", &t->idle }, { "literal", &t->literal }, { "command", &t->command }, { "slow", &t->slow } };
	struct span word, v;

	while (words_next(&args, &word)) {
		size_t i = 0;

		while (i < ARRAY_LEN(all) && !words_value(word, all[i].name, &v))
			i++;
		if (i < ARRAY_LEN(all))
			*all[i].at = strtod(v.p, NULL);
		else
			scene_bad_word(sc, word);
	}
}

void given_clients_from(struct scene *sc, struct span args)
{
	if (!addr_parse_ip(&sc->stage->from, args))
		scene_bad_word(sc, args);
}

void given_splice(struct scene *sc, struct span args)
{
	(void)args;
	sc->stage->splices = true;
}

void given_pipes(struct scene *sc, struct span args)
{
	sc->stage->loop.pipes.max = (unsigned)strtoul(args.p, NULL, 10);
}

void given_no_tls_context(struct scene *sc, struct span args)
{
	(void)args;
	sc->stage->tls_contexts_fail = true;
}
