/*
 * session_log.c - the lines a session writes: one at its end, one for each login (a failed one above all), a hint about a backend. Never
 * a credential.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/session_private.h"

const char *session_id_text(const struct session *s, char *text)
{
	struct out o;

	out_init(&o, text, SESSION_ID_MAX);
	if (s->given_id) {
		out_str(&o, s->given_id);
		return out_cstr(&o);
	}
	out_str(&o, s->env->id_prefix);
	out_chr(&o, '-');
	out_num(&o, s->id);
	return out_cstr(&o);
}

/* What every line of a session says first. */
static void log_who(struct log_line *l, const struct session *s)
{
	char id[SESSION_ID_MAX], addr[ADDR_TEXT_MAX];

	log_str(l, "session", session_id_text(s, id));
	if (s->user)
		log_field(l, "user", span_of(s->user));
	if (s->auth)
		log_field(l, "auth", span_of(s->auth));
	log_str(l, "client", addr_text(&s->peer, addr));
	if (s->proxied)
		log_str(l, "proxy", addr_text(&s->proxied->from, addr));
	if (s->via.family != AF_UNSPEC)
		log_str(l, "via", addr_text(&s->via, addr));
	log_str(l, "listener", s->listener->name);
}

static void log_tls(struct log_line *l, struct session *s)
{
	struct conn_tls tls;

	if (!conn_is_open(&s->client.conn) || !s->secure || !conn_tls_facts(&s->client.conn, &tls)) {
		log_str(l, "tls", "none");
		return;
	}
	log_str(l, "tls", tls.version);
	log_str(l, "cipher", tls.cipher);
	if (tls.kernel)
		log_str(l, "ktls", tls.kernel);
	if (tls.resumed)
		log_str(l, "resumed", "yes");
	if (tls.name)
		log_field(l, "sni", span_of(tls.name));
}

/* Towards the backend only what the kernel does of it: the rest follows from the settings. */
static void log_backend_ktls(struct log_line *l, struct session *s)
{
	struct conn_tls tls;

	if (conn_is_open(&s->backend.conn) && conn_tls_facts(&s->backend.conn, &tls) && tls.kernel)
		log_str(l, "backend-ktls", tls.kernel);
}

/* What a PROXY header told of the client's connection to the proxy before us. */
static void log_proxied(struct log_line *l, const struct proxied *p)
{
	const struct { const char *key, *value; } texts[] = {
		{ "proxy-tls", p->tls && !p->tls_version ? "yes" : p->tls_version }, { "proxy-cipher", p->tls_cipher },
		{ "proxy-sni", p->sni }, { "proxy-alpn", p->alpn }, { "proxy-id", p->unique_id },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].value)
			log_field(l, texts[i].key, span_of(texts[i].value));
}

/* The reasons for which loop->failure, set by the call that failed just now, tells more. */
static bool has_detail(enum session_reason why)
{
	return why == SESSION_CLIENT_TLS_FAILED || why == SESSION_CLIENT_TLS_BROKEN || why == SESSION_PROXY_BAD
		|| why == SESSION_BACKEND_RESET;
}

static void log_tracked(struct log_line *l, const struct tracker *t)
{
	log_num(l, "commands", t->commands);
	log_num(l, "idles", t->idles_granted);
	if (t->opaque)
		log_str(l, "opaque", tracker_opaque_name((enum tracker_opaque)t->opaque));
}

void session_log_end(struct session *s, const char *detail)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "session-end");
	log_who(&l, s);
	if (s->step == STEP_RELAY) {
		log_str(&l, "backend", s->to->name);
		log_str(&l, "routed-by", s->routed_by);
		log_str(&l, "mechanism", s->mechanism);
		log_num(&l, "in", s->client.bytes);
		log_num(&l, "out", s->backend.bytes);
		log_str(&l, "up", s->client.spliced ? "splice" : "copy");
		log_str(&l, "down", s->backend.spliced ? "splice" : "copy");
		log_tracked(&l, &s->relay->tracker);
	} else {
		log_str(&l, "while", session_doing(s));
	}
	log_tls(&l, s);
	log_backend_ktls(&l, s);
	if (s->proxied)
		log_proxied(&l, s->proxied);
	if (s->client_name)
		log_field(&l, "client-name", span_of(s->client_name));
	if (s->client_version)
		log_field(&l, "client-version", span_of(s->client_version));
	log_seconds(&l, "seconds", s->env->loop->timers.now - s->began);
	log_str(&l, "reason", session_reasons[s->why].name);
	log_str(&l, "why", session_reasons[s->why].log);
	if (has_detail(s->why) && detail[0])
		log_field(&l, "detail", span_of(detail));
	log_end(&l);
}

void session_log_slow(const struct session *s, enum imap_line_verb verb, uint32_t ms)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_WARN, "slow-command");
	log_who(&l, s);
	log_str(&l, "backend", s->to->name);
	log_str(&l, "command", imap_line_verb_name(verb));
	log_seconds(&l, "seconds", ms / 1000.0);
	log_end(&l);
}

void session_log_login(const struct session *s)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_DEBUG, "login");
	log_who(&l, s);
	log_str(&l, "backend", s->to->name);
	log_str(&l, "routed-by", s->routed_by);
	log_str(&l, "mechanism", s->mechanism);
	log_end(&l);
}

void session_log_refused(const struct session_env *env, enum session_reason why)
{
	const struct session_refusals *r = &env->refusals;
	char addr[ADDR_TEXT_MAX];
	struct log_line l;

	log_begin(&l, LOG_LEVEL_WARN, "connections-refused");
	log_num(&l, "count", r->counts[why]);
	log_str(&l, "last", addr_ip_text(&r->last, addr));
	log_str(&l, "listener", r->listener);
	log_str(&l, "why", session_reasons[why].log);
	log_end(&l);
}

void session_log_login_failed(struct session *s, enum login_reason why, const char *detail)
{
	static const enum log_level levels[] = {
		[FAULT_CLIENT] = LOG_LEVEL_INFO, [FAULT_NOBODY] = LOG_LEVEL_INFO,
		[FAULT_OUTAGE] = LOG_LEVEL_WARN, [FAULT_SETTINGS] = LOG_LEVEL_ERROR,
	};
	struct log_line l;

	log_begin(&l, levels[login_reasons[why].fault], "login-failed");
	log_who(&l, s);
	log_str(&l, "mechanism", s->mechanism);
	if (s->to)
		log_str(&l, "backend", s->to->name);
	if (s->step != STEP_COMMAND)
		log_str(&l, "while", session_doing(s));
	log_str(&l, "reason", login_reasons[why].name);
	log_str(&l, "why", login_reasons[why].log);
	if (detail && detail[0])
		log_field(&l, "detail", span_of(detail));
	log_end(&l);
}

/* Once a backend, and as a hint only: Dovecot 2.4 says whether it trusts us, 2.3 and others never do. Without its trust all users share one
 * address there, and its limits and penalties hit them together. */
void session_log_backend_id(struct session *s)
{
	if (atomic_exchange(&s->to->id_warned, true))
		return;
	log_say(LOG_LEVEL_INFO, "backend-trust",
		"backend %s did not say whether it trusts our ID (Dovecot before 2.4 never does): make sure that it lists this proxy "
		"(Dovecot: login_trusted_networks), or it sees all clients under this proxy's address",
		s->to->name);
}
