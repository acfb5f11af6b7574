/*
 * client_id.c - what a client says about itself with ID (RFC 2971): a walk over its pairs, by a table of the keys that matter.
 *
 * Webmail and other proxies tell with it who the client behind them is (Dovecot's names: x-originating-ip ...). That is believed only of
 * peers in trusted-networks, and only in the first ID; from anyone else those keys are dropped, and never passed on. A value that makes
 * no sense is left out, with a line at level debug; the ID itself always succeeds.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/cidr.h"
#include "session/session_private.h"
#include "wire/imap_command.h"

/* What the pairs say, gathered first: an address and its port come in any order, and only together make sense. */
struct id_walk {
	struct session *session;
	struct addr originating, connected;	/* family AF_UNSPEC: not given */
	uint16_t originating_port, connected_port;
};

typedef bool id_set_fn(struct id_walk *w, struct span value);	/* false: it makes no sense */

/* Digits only, at most max. */
static bool take_number(struct span value, unsigned max, unsigned *number)
{
	*number = 0;
	if (value.n == 0 || value.n > 5)
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return false;
		*number = *number * 10 + (unsigned)(value.p[i] - '0');
	}
	return *number <= max;
}

static bool take_port(struct span value, uint16_t *port)
{
	unsigned number;
	bool right = take_number(value, UINT16_MAX, &number);

	if (right)
		*port = (uint16_t)number;
	return right;
}

static bool set_originating_ip(struct id_walk *w, struct span value)
{
	return addr_parse_ip(&w->originating, value);
}

static bool set_originating_port(struct id_walk *w, struct span value)
{
	return take_port(value, &w->originating_port);
}

static bool set_connected_ip(struct id_walk *w, struct span value)
{
	return addr_parse_ip(&w->connected, value);
}

static bool set_connected_port(struct id_walk *w, struct span value)
{
	return take_port(value, &w->connected_port);
}

/* It goes into our log lines and to the backend, so only what is printed as it stands. */
static bool set_session_id(struct id_walk *w, struct span value)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+/=<>@";
	struct session *s = w->session;

	if (value.n == 0 || value.n >= SESSION_ID_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (!memchr(safe, value.p[i], sizeof(safe) - 1))
			return false;
	mem_free(&s->given_id);
	s->given_id = mem_span_dup(value);
	return true;
}

/* More than a first proxy would give counts as that: nobody may make a loop long. */
static bool set_proxy_ttl(struct id_walk *w, struct span value)
{
	unsigned ttl;

	if (!take_number(value, UINT16_MAX, &ttl))
		return false;
	w->session->ttl = (uint8_t)(ttl < PROXY_TTL_MAX ? ttl : PROXY_TTL_MAX);
	return true;
}

/* For the log alone, and each an idle session keeps: so not all of what might be sent. */
static bool keep_text(char **at, struct span value)
{
	mem_free(at);
	if (value.n > 0)
		*at = mem_span_dup(span_mem(value.p, value.n < CLIENT_TEXT_MAX ? value.n : CLIENT_TEXT_MAX));
	return true;
}

static bool set_name(struct id_walk *w, struct span value)
{
	return keep_text(&w->session->client_name, value);
}

static bool set_version(struct id_walk *w, struct span value)
{
	return keep_text(&w->session->client_version, value);
}

static const struct id_key {
	const char *name;
	bool trust;		/* taken only from trusted-networks */
	id_set_fn *set;
} keys[] = {
	{ "x-originating-ip",	true, set_originating_ip },
	{ "x-originating-port",	true, set_originating_port },
	{ "x-connected-ip",	true, set_connected_ip },
	{ "x-connected-port",	true, set_connected_port },
	{ "x-session-id",	true, set_session_id },
	{ "x-proxy-ttl",	true, set_proxy_ttl },
	{ "name",		false, set_name },
	{ "version",		false, set_version },
};

static const struct id_key *find_key(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (span_is_nocase(name, keys[i].name))
			return &keys[i];
	return NULL;
}

static void log_nonsense(const struct session *s, const struct id_key *key, struct span value)
{
	char id[SESSION_ID_MAX];
	struct log_line l;

	log_begin(&l, LOG_LEVEL_DEBUG, "id-ignored");
	log_str(&l, "session", session_id_text(s, id));
	log_str(&l, "key", key->name);
	log_field(&l, "value", value);
	log_end(&l);
}

/* The session's client is another from now on; who brought it is remembered. */
static void apply(struct id_walk *w)
{
	struct session *s = w->session;

	if (w->originating.family != AF_UNSPEC) {
		s->via = s->peer;
		w->originating.port = w->originating_port;
		session_client_is(s, &w->originating);
	}
	if (w->connected.family != AF_UNSPEC) {
		s->login->local = w->connected;
		s->login->local.port = w->connected_port;
	}
}

void client_id_forget(struct session *s)
{
	if (!s->id_taken)
		return;
	s->id_taken = false;
	session_client_is(s, &s->login->peer_before_id);
	s->login->local = s->login->local_before_id;
	s->via = (struct addr){ 0 };
	s->ttl = PROXY_TTL_MAX;
	mem_free(&s->given_id);
	mem_free(&s->client_name);
	mem_free(&s->client_version);
}

bool client_id_take(struct session *s, struct span pairs)
{
	bool trusted = !s->id_taken && cidr_list_has(&s->env->trusted_networks, &s->peer);
	struct id_walk w = { .session = s };
	struct span name, value;

	if (!s->id_taken) {
		s->login->peer_before_id = s->peer;
		s->login->local_before_id = s->login->local;
	}
	while (imap_id_next(&pairs, &name, &value)) {
		const struct id_key *key = value.p ? find_key(name) : NULL;

		if (key && (trusted || !key->trust) && !key->set(&w, value))
			log_nonsense(s, key, value);
	}
	s->id_taken = true;
	apply(&w);
	return trusted;
}
