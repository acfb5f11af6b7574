/*
 * client_sasl.c - a client's logins: LOGIN and AUTHENTICATE, the names in them, and the lines of a SASL exchange.
 *
 *	LOGIN ------------------------------------------------> names -> may it? -> keep -> STEP_ROUTE
 *	AUTHENTICATE -> first message (with the command, or behind our "+") --^
 *	                '-LOGIN: user -> "+" -> password ---------------------^
 *	STEP_LOGIN: the backend's challenge -> client_challenge -> "+" -> the client's answer -> backend_answer
 *
 * Credentials go on byte for byte; only the name that routes and is logged is made canonical. Each attempt starts with nothing of the one
 * before.
 */
#include <string.h>

#include "base/mem.h"
#include "session/session_private.h"
#include "wire/base64.h"
#include "wire/out.h"
#include "wire/user_name.h"

/* ---- what may be used here ---- */

bool client_login_is_allowed(const struct session *s)
{
	return s->secure || s->listener->cleartext_login;
}

/* The user that the client's certificate names; n = 0: none. With a master's separator in it, it would be another user's name. */
static struct span certified_user(struct session *s)
{
	struct conn_tls tls = { 0 };
	struct span name, user, master;

	if (!s->secure || !conn_tls_facts(&s->client.conn, &tls))
		return (struct span){ 0 };
	name = span_of(tls.client_name);
	if (!user_name_cut_master(name, s->env->names.master_separator, &user, &master) || master.n > 0)
		return (struct span){ 0 };
	return name;
}

/* SCRAM works from end to end only, so each backend must have it; one with channel binding (-PLUS) would rightly hold it against the
 * client that it was told of none. */
static bool backends_have_challenge(const struct session *s, enum sasl_mechanism m)
{
	return group_lists(route_cluster(s->env->route)->default_group, sasl_cap(m), IMAP_CAP_AUTH_ANY_PLUS);
}

static bool is_taken(struct session *s, enum sasl_mechanism m)
{
	switch (sasl_kind(m)) {
	case SASL_PASSWORD:
		return m != SASL_NONE;
	case SASL_TOKEN:
		return true;	/* where the backend does not list it, the login fails there */
	case SASL_CERTIFICATE:
		return certified_user(s).n > 0;
	case SASL_CHALLENGE:
		return backends_have_challenge(s, m);
	}
	return false;
}

bool client_mechanism_is_offered(struct session *s, enum sasl_mechanism m)
{
	if (sasl_kind(m) == SASL_TOKEN)
		return group_has_one_with(route_cluster(s->env->route)->default_group, sasl_cap(m));
	return is_taken(s, m);
}

/* ---- names ---- */

static void set_name(char **at, struct span name)
{
	mem_free(at);
	*at = name.n > 0 ? mem_span_dup(name) : NULL;
}

/* The name that routes is the one to act as, if the client gave one. */
static bool take_names(struct session *s, const struct sasl_identity *who)
{
	const struct user_name_rules *rules = &s->env->names;
	struct span name = who->authorize.n > 0 ? who->authorize : who->authenticate, auth = who->authenticate, master;
	char user[USER_NAME_MAX], other[USER_NAME_MAX];
	struct out u, a;

	out_init(&u, user, sizeof(user));
	out_init(&a, other, sizeof(other));
	if (!user_name_cut_master(name, rules->master_separator, &name, &master))
		return false;
	if (who->authorize.n == 0 && master.n > 0)
		auth = master;
	if (!user_name_route(&u, name, rules) ||
	    !(master.n > 0 ? user_name_canonical(&a, auth, rules->local) : user_name_route(&a, auth, rules)))
		return false;
	set_name(&s->user, out_written(&u));
	set_name(&s->auth, span_eq(out_written(&u), out_written(&a)) ? (struct span){ 0 } : out_written(&a));
	s->login->domain_added = u.len != name.n;
	return true;
}

/* ---- attempts ---- */

static void failed(struct session *s, enum login_reason why)
{
	session_go(s, session_login_failed(s, why, (struct span){ 0 }, NULL));
}

static void log_in(struct session *s, const struct sasl_identity *who)
{
	struct login *l = s->login;
	bool named = take_names(s, who);	/* first: the log of a refusal has the name */

	if (!client_login_is_allowed(s)) {
		failed(s, LOGIN_NO_TLS);
	} else if (!named) {
		failed(s, LOGIN_BAD_NAME);
	} else if (s->env->draining) {
		failed(s, LOGIN_DRAINING);
	} else {
		login_keep(l, who);
		l->unavailable = l->challenges = 0;
		session_go(s, STEP_ROUTE);
	}
}

/* An attempt begins: nothing of the one before may be left. */
static void begin_attempt(struct session *s, const struct imap_command *cmd, enum sasl_mechanism m, const char *name)
{
	struct login *l = s->login;

	login_forget(l);
	set_name(&s->user, (struct span){ 0 });
	set_name(&s->auth, (struct span){ 0 });
	l->sasl = m;
	l->sasl_state = SASL_STATE_NONE;
	s->mechanism = name;
	memcpy(l->tag, cmd->tag.p, cmd->tag.n);
	l->tag_len = cmd->tag.n;
}

void client_login(struct session *s, const struct imap_command *cmd)
{
	struct sasl_identity who = { .authenticate = cmd->user, .secret = cmd->password };

	begin_attempt(s, cmd, SASL_LOGIN, sasl_name(SASL_LOGIN));
	log_in(s, &who);
}

void client_refuse_login(struct session *s, struct span tag)
{
	struct imap_command cmd = { .tag = tag };

	begin_attempt(s, &cmd, SASL_LOGIN, sasl_name(SASL_LOGIN));
	failed(s, LOGIN_NO_TLS);
}

/* ---- SASL ---- */

static void ask(struct session *s, enum sasl_state state, const char *base64)
{
	s->login->sasl_state = state;
	client_challenge(s, span_of(base64));
}

static void ask_password(struct session *s, const struct sasl_identity *who)
{
	if (!client_login_is_allowed(s)) {
		failed(s, LOGIN_NO_TLS);
		return;
	}
	login_keep(s->login, who);
	ask(s, SASL_STATE_PASSWORD, SASL_LOGIN_ASKS_PASSWORD);
}

static bool same_user(const struct session *s, struct span a, struct span b)
{
	char one[USER_NAME_MAX], two[USER_NAME_MAX];
	struct out x, y;

	out_init(&x, one, sizeof(one));
	out_init(&y, two, sizeof(two));
	return user_name_route(&x, a, &s->env->names) && user_name_route(&y, b, &s->env->names) &&
	       span_eq(out_written(&x), out_written(&y));
}

/* Who holds the certificate may be its user and nobody else. */
static void log_in_by_certificate(struct session *s, const struct sasl_identity *asked)
{
	struct sasl_identity who = { .authenticate = certified_user(s) };

	if (asked->authorize.n == 0 || same_user(s, asked->authorize, who.authenticate)) {
		log_in(s, &who);
		return;
	}
	take_names(s, &(struct sasl_identity){ .authorize = asked->authorize, .authenticate = who.authenticate });
	failed(s, LOGIN_NOT_AS);
}

static void first_message(struct session *s, struct span message, char *room)
{
	enum sasl_mechanism m = s->login->sasl;
	struct sasl_identity who;

	if (!sasl_parse(m, message, room, &who))
		failed(s, LOGIN_BAD_SASL);
	else if (m == SASL_LOGIN)
		ask_password(s, &who);
	else if (m == SASL_EXTERNAL)
		log_in_by_certificate(s, &who);
	else
		log_in(s, &who);
}

static void password_message(struct session *s, struct span message)
{
	struct sasl_identity who = s->login->who;

	if (!sasl_login_password(message, &who))
		failed(s, LOGIN_BAD_SASL);
	else
		log_in(s, &who);
}

/* state: what the message is. */
static void sasl_message(struct session *s, enum sasl_state state, struct span base64)
{
	size_t cap = 2 * base64.n + 2, n;
	char *message = mem_new(cap);		/* the message, and behind it room for names */

	s->login->sasl_state = SASL_STATE_NONE;
	if (!base64_decode(base64, message, base64.n, &n))
		failed(s, LOGIN_BAD_BASE64);
	else if (state == SASL_STATE_PASSWORD)
		password_message(s, span_mem(message, n));
	else
		first_message(s, span_mem(message, n), message + n + 1);
	mem_wipe_free(&message, cap);
}

void client_authenticate(struct session *s, const struct imap_command *cmd)
{
	enum sasl_mechanism m = sasl_find(cmd->mechanism);

	begin_attempt(s, cmd, m, m == SASL_NONE ? "unknown" : sasl_name(m));
	if (!is_taken(s, m))
		failed(s, LOGIN_MECHANISM);
	else if (cmd->has_initial)
		sasl_message(s, SASL_STATE_FIRST, cmd->initial);
	else if (!client_login_is_allowed(s))
		failed(s, LOGIN_NO_TLS);	/* better before the password than after */
	else
		ask(s, SASL_STATE_FIRST, m == SASL_LOGIN ? SASL_LOGIN_ASKS_USER : "");
}

/* ---- lines that are no commands ---- */

bool client_owes_answer(const struct session *s)
{
	return s->step == STEP_LOGIN && s->login->sasl_state == SASL_STATE_RELAYED;
}

void client_challenge(struct session *s, struct span base64)
{
	char line[BACKEND_LINE_MAX];
	struct out o;

	out_init(&o, line, sizeof(line));
	out_str(&o, "+ ");
	out_span(&o, base64);
	client_say(s, out_cstr(&o));
}

/* line: with its end, of which n bytes are not part. */
static void relayed_answer(struct session *s, struct span line, size_t end)
{
	if (!base64_is_valid(span_mem(line.p, line.n - end))) {
		failed(s, LOGIN_BAD_BASE64);
		return;
	}
	s->login->sasl_state = SASL_STATE_NONE;
	backend_answer(s, line);
}

/* A token that was refused, or a proof: the backend has said so in a challenge, and only a tagged NO is missing. */
static bool was_refused(const struct login *l)
{
	unsigned harmless = sasl_kind(l->sasl) == SASL_CHALLENGE ? 1 : 0;

	return l->sasl_state == SASL_STATE_RELAYED && l->challenges > harmless;
}

static void gives_up(struct session *s)
{
	enum login_reason why = was_refused(s->login) ? LOGIN_BAD_PASSWORD : LOGIN_ABORTED;

	session_go(s, session_login_failed(s, why, span_of(login_reasons[LOGIN_ABORTED].reply), NULL));
}

static void sasl_line(struct session *s, struct span line, size_t end)
{
	struct span text = span_mem(line.p, line.n - end);
	struct login *l = s->login;

	if (l->sasl_state == SASL_STATE_RELAYED && !span_is(text, "*")) {
		relayed_answer(s, line, end);
	} else if (span_is(text, "*")) {
		gives_up(s);	/* a backend that waits for the answer is told */
	} else {
		sasl_message(s, l->sasl_state, text);
	}
}

bool client_sasl_line(struct session *s)
{
	struct login *l = s->login;
	char *lf = l->in.len > 0 ? memchr(l->in.p, '\n', l->in.len) : NULL;
	size_t n = lf ? (size_t)(lf - l->in.p) : l->in.len;

	if (n > SASL_LINE_MAX + 1) {
		session_close(s, SESSION_CLIENT_LINE);
		return false;
	}
	if (!lf)
		return false;
	l->scanned = n + 1;
	sasl_line(s, span_mem(l->in.p, n + 1), n > 0 && l->in.p[n - 1] == '\r' ? 2 : 1);
	client_next_command(l);
	return true;
}
