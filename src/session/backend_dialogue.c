/*
 * backend_dialogue.c - what is said to a backend until it has let the user in.
 *
 *	(ANNOUNCE) -> (TLS) -> GREETING -> (STARTTLS -> SECURING) -> (CAPABILITY) -> (ID) -> LOGIN -> (AFTER) -> relay
 *
 * Tags: S STARTTLS, C CAPABILITY, I ID, L the login, A CAPABILITY after it. What is in brackets happens only where it must: the login goes
 * out with the first write if the greeting's capabilities show that it may.
 *
 * The backend is not believed more than needed: nothing it said before TLS counts under TLS, a PREAUTH or BYE is a failure, bytes behind
 * its STARTTLS OK end it, and its lines have bounds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "session/session_private.h"
#include "wire/base64.h"
#include "wire/imap_reply.h"
#include "wire/imap_url.h"
#include "wire/out.h"

#define ID_LINE_MAX 2048

/* What cannot be carried through a proxy that has ended TLS and has chosen the backend by user. */
#define CAPS_NOT_CARRIED (IMAP_CAP_AUTH_ANY_PLUS | IMAP_CAP_UNAUTHENTICATE | IMAP_CAP_STARTTLS | IMAP_CAP_LOGINDISABLED)

static const struct span nothing;

/* Whatever the client still owed it, the backend is not waiting for any more. */
static enum session_step fail(struct session *s, enum login_reason why, const char *detail)
{
	s->login->sasl_state = SASL_STATE_NONE;
	return session_login_failed(s, why, nothing, detail);
}

static enum session_step broken(struct session *s, const char *detail)
{
	return fail(s, LOGIN_BACKEND_BROKEN, detail);
}

/* ---- saying ---- */

static enum session_step send_bytes(struct session *s, struct span bytes)
{
	if (half_write(&s->backend, bytes.p, bytes.n))
		return STEP_LOGIN;
	return broken(s, "connection lost while sending");
}

static enum session_step send_line(struct session *s, enum backend_state state, const char *line)
{
	s->login->state = state;
	return send_bytes(s, span_of(line));
}

static void id_pair(struct out *o, const char *key, struct span value)
{
	size_t before = o->len;

	out_str(o, o->p[o->len - 1] == '(' ? "\"" : " \"");
	out_str(o, key);
	out_str(o, "\" ");
	out_quoted(o, value);
	if (o->full) {		/* not fit for a quoted string: leave the pair out */
		o->full = false;
		o->len = before;
	}
}

static void id_addr(struct out *o, const char *ip_key, const char *port_key, const struct addr *a)
{
	char text[ADDR_TEXT_MAX], port[8];
	struct out p;

	if (a->family != AF_INET && a->family != AF_INET6)
		return;
	out_init(&p, port, sizeof(port));
	out_num(&p, a->port);
	id_pair(o, ip_key, span_of(addr_ip_text(a, text)));
	id_pair(o, port_key, out_written(&p));
}

/* Who the client really is, for a backend that trusts us (Dovecot's names; x-multiplex must never be sent: it changes the framing). */
static void write_id(struct out *o, struct session *s)
{
	char id[SESSION_ID_MAX], ttl[4];
	struct addr local = { 0 };
	struct conn_tls tls;
	struct out t;

	out_init(&t, ttl, sizeof(ttl));
	out_num(&t, s->ttl - 1u);
	out_str(o, "I ID (");
	id_pair(o, "x-session-id", span_of(session_id_text(s, id)));
	id_addr(o, "x-originating-ip", "x-originating-port", &s->peer);
	if (session_local_addr(s, &local))
		id_addr(o, "x-connected-ip", "x-connected-port", &local);
	id_pair(o, "x-proxy-ttl", out_written(&t));
	id_pair(o, "x-client-transport", span_of(s->secure ? "TLS" : "insecure"));
	if (s->secure && conn_tls_facts(&s->client.conn, &tls) && tls.name)
		id_pair(o, "x-connected-name", span_of(tls.name));
	out_str(o, ")\r\n");
}

/* ---- the login ---- */

/* ID and the first piece in one write where the backend takes commands in a row, else one after the other. */
static enum session_step send_login(struct session *s, bool with_id)
{
	struct login *l = s->login;
	char *text;
	size_t cap;
	struct out o;
	enum session_step next;
	const char *why;

	if (!backend_login_write(s, &why))
		return fail(s, LOGIN_CANNOT, why);
	l->state = BACKEND_LOGIN;
	if (!with_id)
		return send_bytes(s, backend_login_next(l));
	cap = ID_LINE_MAX + l->pieces_len;
	text = mem_new(cap);
	out_init(&o, text, cap);
	write_id(&o, s);
	out_span(&o, backend_login_next(l));
	next = send_bytes(s, out_written(&o));
	mem_wipe_free(&text, cap);
	return next;
}

static enum session_step send_id(struct session *s)
{
	char line[ID_LINE_MAX];
	struct out o;

	out_init(&o, line, sizeof(line));
	write_id(&o, s);
	s->login->state = BACKEND_ID;
	return send_bytes(s, out_written(&o));
}

/* SCRAM says nothing that others may not hear. */
static bool may_not_be_said(const struct session *s)
{
	const struct login *l = s->login;

	return imap_caps_has(&l->caps, IMAP_CAP_LOGINDISABLED) &&
	       (l->way == WAY_LOGIN || (s->to->tls == TLS_NONE && sasl_kind(l->sasl) != SASL_CHALLENGE));
}

/* For what clients are offered: without the mechanisms that could not be passed on to this backend. */
static uint32_t caps_of_use(const struct session *s)
{
	const struct imap_caps *caps = &s->login->caps;
	uint32_t set = caps->set;

	for (enum sasl_mechanism m = SASL_NONE + 1; m < SASL_N; m++)
		if (login_way_pick(m, caps, s->to) == WAY_CANNOT)
			set &= ~sasl_cap(m);
	return set;
}

/* The capabilities of this layer are known: log in. */
static enum session_step start_login(struct session *s)
{
	struct login *l = s->login;

	atomic_store_explicit(&s->to->caps, caps_of_use(s) | BACKEND_CAPS_KNOWN, memory_order_relaxed);
	l->way = login_way_pick(l->sasl, &l->caps, s->to);
	if (l->way == WAY_CANNOT)
		return fail(s, LOGIN_CANNOT, "the backend does not take this mechanism");
	if (may_not_be_said(s))
		return fail(s, LOGIN_BACKEND_LOGINDISABLED, NULL);
	l->id_out = s->to->trusted && imap_caps_has(&l->caps, IMAP_CAP_ID);
	if (l->id_out && !s->to->pipelining)
		return send_id(s);
	return send_login(s, l->id_out);
}

static enum session_step ask_or_login(struct session *s)
{
	if (s->login->caps.known)
		return start_login(s);
	return send_line(s, BACKEND_CAPABILITY, "C CAPABILITY\r\n");
}

/* ---- hearing ---- */

static void learn_caps(struct login *l, struct span list)
{
	imap_caps_parse(&l->caps, list);
}

/* After login the list goes to the client; what Sluice cannot carry is taken out. */
static void keep_caps_after(struct session *s, struct span list)
{
	struct login *l = s->login;
	struct imap_caps caps = { 0 };
	bool hide_compress;
	struct out o;

	imap_caps_parse(&caps, list);
	l->lists_unauthenticate = imap_caps_has(&caps, IMAP_CAP_UNAUTHENTICATE);
	hide_compress = s->env->hide_compress || l->lists_unauthenticate;	/* it would end the session: doc/TRACKER 19 */
	mem_free(&l->caps_after);
	l->caps_after = mem_new(list.n + 1);
	out_init(&o, l->caps_after, list.n + 1);
	imap_caps_filter(&o, list, CAPS_NOT_CARRIED | (hide_compress ? IMAP_CAP_COMPRESS_DEFLATE : 0));
	out_cstr(&o);
}

static bool has_caps_code(const struct imap_reply *r)
{
	return r->status == IMAP_STATUS_OK && span_is_nocase(r->code, "CAPABILITY");
}

static enum session_step on_greeting(struct session *s, const struct imap_reply *r)
{
	if (r->kind != IMAP_REPLY_UNTAGGED || r->status != IMAP_STATUS_OK)
		return broken(s, r->status == IMAP_STATUS_PREAUTH ? "greeting is PREAUTH" :
				 r->status == IMAP_STATUS_BYE ? "greeting is BYE" : "no greeting");
	if (r->code.n == 0 && span_starts_nocase(r->text, "Waiting for "))
		return STEP_LOGIN;	/* Dovecot's, while its authentication service is busy; the greeting follows */
	if (has_caps_code(r))
		learn_caps(s->login, r->code_args);
	if (s->to->tls != TLS_STARTTLS)
		return ask_or_login(s);
	if (s->login->caps.known && !imap_caps_has(&s->login->caps, IMAP_CAP_STARTTLS))
		return fail(s, LOGIN_BACKEND_TLS, "it does not offer STARTTLS");
	return send_line(s, BACKEND_STARTTLS, "S STARTTLS\r\n");
}

static enum session_step start_handshake(struct session *s, enum backend_state state)
{
	struct tls_client *tc = s->env->backend_tls(s->env, s->to);

	s->login->state = state;
	if (!tc)
		return fail(s, LOGIN_BACKEND_TLS, s->env->loop->failure);
	if (!conn_start_tls_client(&s->backend.conn, tc))
		return broken(s, s->env->loop->failure);
	return STEP_LOGIN;
}

static enum session_step on_starttls(struct session *s, const struct imap_reply *r)
{
	struct login *l = s->login;

	if (r->kind == IMAP_REPLY_UNTAGGED)
		return STEP_LOGIN;
	if (r->kind != IMAP_REPLY_TAGGED || !span_is(r->tag, "S"))
		return broken(s, "no answer to STARTTLS");
	if (r->status != IMAP_STATUS_OK)
		return fail(s, LOGIN_BACKEND_TLS, "it refused STARTTLS");
	if (l->back.len > l->back_scanned)
		return broken(s, "bytes in clear behind its STARTTLS OK");
	memset(&l->caps, 0, sizeof(l->caps));	/* what was said in clear is forgotten */
	return start_handshake(s, BACKEND_SECURING);
}

static enum session_step on_capability(struct session *s, const struct imap_reply *r)
{
	if (r->kind == IMAP_REPLY_UNTAGGED) {
		if (span_is_nocase(r->word, "CAPABILITY"))
			learn_caps(s->login, r->data);
		return STEP_LOGIN;
	}
	if (r->kind != IMAP_REPLY_TAGGED || !span_is(r->tag, "C"))
		return broken(s, "no answer to CAPABILITY");
	if (!s->login->caps.known && has_caps_code(r))
		learn_caps(s->login, r->code_args);
	if (r->status != IMAP_STATUS_OK || !s->login->caps.known)
		return broken(s, "it gave no capabilities");
	return start_login(s);
}

/* Dovecot says so in its text when login_trusted_networks lists us; others never do, and the line in the log says what to look at. */
static void on_id_answer(struct session *s, const struct imap_reply *r)
{
	s->login->id_out = false;
	if (r->status != IMAP_STATUS_OK || !span_starts_nocase(r->text, "Trusted"))
		session_log_backend_id(s);
}

/* Once messages went to and fro, the client's next one fits this connection only. */
static bool can_try_again(const struct login *l)
{
	return sasl_kind(l->sasl) != SASL_CHALLENGE && l->challenges == 0;
}

static void on_retry(struct timer *t)
{
	struct login *l = CONTAINER_OF(t, struct login, retry);

	session_go(l->session, STEP_CONNECT);
	session_settle(l->session);
}

static enum session_step again_later(struct session *s)
{
	backend_dialogue_stop(s);
	timers_start(&s->env->loop->timers, &s->login->retry, UNAVAILABLE_PAUSE, on_retry);
	return STEP_LOGIN;
}

/* What a server says goes into a line of ours: a bare CR or another control byte in it must not look like a line's end to a client. */
static void out_words(struct out *o, struct span words)
{
	for (size_t i = 0; i < words.n; i++) {
		unsigned char c = (unsigned char)words.p[i];

		out_chr(o, c < 0x20 || c == 0x7f ? ' ' : words.p[i]);
	}
}

/* ---- referrals ---- */

static bool is_referral(const struct imap_reply *r)
{
	return span_is_nocase(r->code, "REFERRAL");
}

/* RFC 2221. Clients do not know what to do with one, so it is followed here, but only to where the settings would let us go anyway. */
static enum session_step follow_referral(struct session *s, const struct imap_reply *r)
{
	struct login *l = s->login;
	struct imap_url url;
	struct backend *b = NULL;

	if (imap_url_parse(r->code_args, &url))
		b = cluster_find_address(route_cluster(s->env->route), url.host, url.port);
	if (!b)
		return fail(s, LOGIN_BACKEND_REFERRAL, "the settings name no backend of that address");
	if (b->auth != s->to->auth)	/* nobody may have looked at the password yet, and a master's login would not */
		return fail(s, LOGIN_BACKEND_REFERRAL, "the backend there has another auth");
	if (!can_try_again(l))
		return fail(s, LOGIN_BACKEND_REFERRAL, "the client's messages are with this backend already");
	if (l->referrals++ == REFERRALS_MAX)
		return fail(s, LOGIN_BACKEND_REFERRAL, "one after the other");
	backend_dialogue_stop(s);
	s->to = b;
	s->routed_by = "referral";
	return STEP_CONNECT;
}

/* ---- refusals ---- */

static void status_and_rest(struct out *o, const struct imap_reply *r)
{
	out_str(o, imap_status_name(r->status));
	out_chr(o, ' ');
	out_words(o, r->rest);
}

/* In its own words, which are the client's alone: they may hold the password. */
static enum session_step fail_in_its_words(struct session *s, const struct imap_reply *r, enum login_reason why, const char *detail)
{
	char text[BACKEND_LINE_MAX];
	enum session_step next;
	struct out o;

	out_init(&o, text, sizeof(text));
	status_and_rest(&o, r);
	next = session_login_failed(s, why, out_written(&o), detail);
	mem_wipe(text, o.len);
	return next;
}

/* Which NO is told to the client in the backend's own words, and which is not: a text that differs between a wrong user and a wrong
 * password would tell an attacker which users there are. */
static enum session_step on_refusal(struct session *s, const struct imap_reply *r)
{
	struct login *l = s->login;

	l->sasl_state = SASL_STATE_NONE;
	if (r->status == IMAP_STATUS_NO && is_referral(r))
		return follow_referral(s, r);
	if (r->status == IMAP_STATUS_BAD || r->code.n == 0 || span_is_nocase(r->code, "AUTHENTICATIONFAILED"))
		return fail(s, LOGIN_BAD_PASSWORD, NULL);
	if (span_is_nocase(r->code, "SERVERBUG") || span_is_nocase(r->code, "PRIVACYREQUIRED"))	/* our TLS there, not the client's */
		return fail(s, LOGIN_BACKEND_SERVERBUG, NULL);
	if (!span_is_nocase(r->code, "UNAVAILABLE"))
		return fail_in_its_words(s, r, LOGIN_REFUSED, imap_code_name(r->code));
	if (can_try_again(l) && l->unavailable++ < UNAVAILABLE_TRIES)
		return again_later(s);
	return fail_in_its_words(s, r, LOGIN_BACKEND_UNAVAILABLE, NULL);
}

/* The client's tag, the backend's text, the capabilities of after login: as the OK's code, or in a line of their own where the backend's
 * OK has a code already. */
static enum session_step let_in(struct session *s)
{
	struct login *l = s->login;
	char text[BACKEND_LINE_MAX];
	bool has_code = l->ok_text[0] == '[';
	enum login_reason may = admission_log_in(s);
	struct out o;

	if (may != LOGIN_OK)
		return fail(s, may, NULL);
	out_init(&o, text, sizeof(text));
	if (l->caps_after) {
		out_str(&o, has_code ? "* CAPABILITY " : "OK [CAPABILITY ");
		out_str(&o, l->caps_after);
		if (!has_code)
			out_str(&o, "] ");
	}
	if (has_code && out_ok(&o) && o.len > 0)
		client_say(s, out_cstr(&o));
	if (has_code || !l->caps_after) {
		out_init(&o, text, sizeof(text));
		out_str(&o, "OK ");
	}
	out_words(&o, span_of(l->ok_text[0] ? l->ok_text : "Logged in."));
	client_login_answer(s, out_ok(&o) ? out_written(&o) : span_of("OK Logged in."));
	return STEP_RELAY;
}

static enum session_step ask_after_or_let_in(struct session *s)
{
	if (s->login->caps_after)
		return let_in(s);
	return send_line(s, BACKEND_AFTER, "A CAPABILITY\r\n");
}

static enum session_step on_let_in(struct session *s, const struct imap_reply *r)
{
	struct login *l = s->login;

	mem_free(&l->ok_text);
	l->ok_text = mem_span_dup(has_caps_code(r) || is_referral(r) ? r->text : r->rest);
	if (has_caps_code(r))
		keep_caps_after(s, r->code_args);
	if (l->id_out) {
		l->state = BACKEND_LATE_ID;
		return STEP_LOGIN;
	}
	return ask_after_or_let_in(s);
}

/* Between our login and its tagged answer a server may say anything untagged; the client hears what is meant for it. */
static enum session_step on_untagged(struct session *s, const struct imap_reply *r, struct span line)
{
	if (r->status == IMAP_STATUS_BYE || r->status == IMAP_STATUS_PREAUTH)
		return STEP_LOGIN;	/* the end of the connection follows a BYE; the client stays */
	if (span_is_nocase(r->word, "CAPABILITY"))
		keep_caps_after(s, r->data);
	else if (has_caps_code(r))
		keep_caps_after(s, r->code_args);
	else if (!span_is_nocase(r->word, "ID") && !memchr(line.p, '\n', line.n - 1))
		half_write(&s->client, line.p, line.n);
	return STEP_LOGIN;
}

/* SCRAM's messages, and what OAuth calls an error: the client must answer it before the tagged NO comes. */
static enum session_step on_challenge(struct session *s, struct span base64)
{
	struct login *l = s->login;

	if (l->way != WAY_PASS)
		return broken(s, "it asks for more than the login has");
	if (l->sasl_state == SASL_STATE_RELAYED || l->challenges++ == CHALLENGES_MAX)
		return broken(s, "it asks and asks");
	if (!base64_is_valid(base64))
		return broken(s, "its challenge is no base64");
	l->sasl_state = SASL_STATE_RELAYED;
	client_challenge(s, base64);
	return STEP_LOGIN;
}

void backend_answer(struct session *s, struct span line)
{
	if (!half_write(&s->backend, line.p, line.n))
		session_go(s, broken(s, "connection lost while sending"));
}

static enum session_step on_login(struct session *s, const struct imap_reply *r, struct span line)
{
	struct login *l = s->login;

	if (r->kind == IMAP_REPLY_UNTAGGED)
		return on_untagged(s, r, line);
	if (r->kind == IMAP_REPLY_CONTINUE) {
		if (l->piece < l->npieces)
			return send_bytes(s, backend_login_next(l));
		return on_challenge(s, r->text);
	}
	if (l->id_out && span_is(r->tag, "I")) {
		on_id_answer(s, r);
		return STEP_LOGIN;
	}
	if (!span_is(r->tag, "L"))
		return broken(s, "an answer to nothing that was asked");
	if (r->status == IMAP_STATUS_OK && (l->piece < l->npieces || l->sasl_state == SASL_STATE_RELAYED))
		return broken(s, "it let the user in before it had the whole login");
	return r->status == IMAP_STATUS_OK ? on_let_in(s, r) : on_refusal(s, r);
}

static enum session_step on_id(struct session *s, const struct imap_reply *r)
{
	if (r->kind == IMAP_REPLY_UNTAGGED)
		return STEP_LOGIN;
	if (r->kind != IMAP_REPLY_TAGGED || !span_is(r->tag, "I"))
		return broken(s, "no answer to ID");
	on_id_answer(s, r);
	return send_login(s, false);
}

/* The login was answered before the ID sent with it; that answer must not reach the client. */
static enum session_step on_late_id(struct session *s, const struct imap_reply *r, struct span line)
{
	if (r->kind == IMAP_REPLY_UNTAGGED)
		return on_untagged(s, r, line);
	if (r->kind != IMAP_REPLY_TAGGED || !span_is(r->tag, "I"))
		return broken(s, "no answer to ID");
	on_id_answer(s, r);
	return ask_after_or_let_in(s);
}

static enum session_step on_after(struct session *s, const struct imap_reply *r, struct span line)
{
	if (r->kind == IMAP_REPLY_UNTAGGED)
		return on_untagged(s, r, line);
	if (r->kind != IMAP_REPLY_TAGGED || !span_is(r->tag, "A"))
		return broken(s, "no answer to CAPABILITY after login");
	return let_in(s);
}

/* A whole response; line holds its line end, r was made of it. */
static enum session_step on_response(struct session *s, const struct imap_reply *r, struct span line)
{
	switch (s->login->state) {
	case BACKEND_GREETING:
		return on_greeting(s, r);
	case BACKEND_STARTTLS:
		return on_starttls(s, r);
	case BACKEND_CAPABILITY:
		return on_capability(s, r);
	case BACKEND_ID:
		return on_id(s, r);
	case BACKEND_LOGIN:
		return on_login(s, r, line);
	case BACKEND_LATE_ID:
		return on_late_id(s, r, line);
	case BACKEND_AFTER:
		return on_after(s, r, line);
	case BACKEND_IDLE:
	case BACKEND_ANNOUNCE:
	case BACKEND_TLS:
	case BACKEND_SECURING:
		break;
	}
	return STEP_LOGIN;
}

/* ---- from bytes to responses ---- */

static size_t without_line_end(struct span line)
{
	size_t n = line.n - 1;

	return n > 0 && line.p[n - 1] == '\r' ? n - 1 : n;
}

static enum session_step whole_response(struct session *s)
{
	struct login *l = s->login;
	struct span line = span_mem(l->back.p, l->back_scanned);
	struct imap_reply r;
	enum session_step next;

	if (!imap_reply_parse(line.p, without_line_end(line), &r))
		return broken(s, "it does not speak IMAP");
	next = on_response(s, &r, line);
	if (next == STEP_LOGIN || next == STEP_RELAY) {
		input_consume(&l->back, l->back_scanned);
		l->back_scanned = 0;
		imap_frame_init(&l->back_frame, IMAP_FRAME_SERVER);
	}
	return next;
}

static bool expects_bytes(const struct session *s)
{
	enum backend_state state = s->login->state;

	return state != BACKEND_IDLE && state != BACKEND_ANNOUNCE && state != BACKEND_TLS && state != BACKEND_SECURING;
}

/* A literal in a reply is skipped as part of it, if it fits. */
static enum session_step hear(struct session *s)
{
	struct login *l = s->login;
	enum session_step next = STEP_LOGIN;

	while (next == STEP_LOGIN && expects_bytes(s) && l->back_scanned < l->back.len) {
		enum imap_frame_event ev;

		l->back_scanned += imap_frame_scan(&l->back_frame, l->back.p + l->back_scanned,
						   l->back.len - l->back_scanned, &ev);
		if (ev == IMAP_FRAME_LINE)
			next = whole_response(s);
		else if (ev == IMAP_FRAME_BAD || (ev == IMAP_FRAME_LITERAL && l->back_frame.left > BACKEND_LINE_MAX))
			return broken(s, "a literal too large");
	}
	if (next == STEP_LOGIN && l->back.len == l->back.max && l->back_scanned == l->back.len)
		return broken(s, "a line too long");
	return next;
}

/* Servers have bounds for a line, and some just close: how long the token was is what an operator then wants to know. */
static enum session_step it_closed(struct session *s)
{
	const struct login *l = s->login;
	char text[96];

	if (l->state != BACKEND_LOGIN || sasl_kind(l->sasl) != SASL_TOKEN)
		return broken(s, "it closed the connection");
	snprintf(text, sizeof(text), "it closed the connection; the token's message is of %zu bytes in base64",
		 BASE64_LEN(l->who.secret.n));
	return broken(s, text);
}

static enum session_step read_and_hear(struct session *s)
{
	struct login *l = s->login;
	ssize_t n;

	if (!input_has_room(&l->back))
		return STEP_LOGIN;
	n = conn_read(&s->backend.conn, l->back.p + l->back.len, l->back.cap - l->back.len);
	if (n < 0 && errno == EAGAIN)
		return STEP_LOGIN;
	if (n < 0)
		return broken(s, s->env->loop->failure);
	if (n == 0)
		return it_closed(s);
	l->back.len += (size_t)n;
	return hear(s);
}

static enum session_step on_secured(struct session *s)
{
	if (s->login->state == BACKEND_SECURING)
		return ask_or_login(s);
	s->login->state = BACKEND_GREETING;
	return STEP_LOGIN;
}

/* Nothing may overtake the PROXY header, TLS least of all. */
static enum session_step announced(struct session *s)
{
	if (s->backend.waiting)
		return STEP_LOGIN;
	if (s->to->tls == TLS_IMPLICIT)
		return start_handshake(s, BACKEND_TLS);
	s->login->state = BACKEND_GREETING;
	return STEP_LOGIN;
}

void backend_dialogue_event(struct session *s, unsigned events)
{
	enum session_step next = STEP_LOGIN;

	if (events & CONN_FAILED)
		next = fail(s, events & CONN_UNTRUSTED ? LOGIN_BACKEND_TLS : LOGIN_BACKEND_BROKEN, s->env->loop->failure);
	else if (events & CONN_SECURED)
		next = on_secured(s);
	else if ((events & CONN_WRITE) && !half_flush(&s->backend))
		next = broken(s, "connection lost while sending");
	else if (s->login->state == BACKEND_ANNOUNCE)
		next = announced(s);
	else if (events & CONN_READ)
		next = read_and_hear(s);
	if (next != STEP_LOGIN)
		session_go(s, next);
}

enum session_step backend_dialogue_start(struct session *s)
{
	struct login *l = s->login;

	imap_frame_init(&l->back_frame, IMAP_FRAME_SERVER);
	l->state = BACKEND_ANNOUNCE;
	if (s->to->proxy != BACKEND_PROXY_NONE && !proxied_announce(s))
		return broken(s, "connection lost while sending");
	return announced(s);
}

/* It waits for an answer that will not come. */
static void call_off(struct session *s)
{
	if (conn_is_open(&s->backend.conn) && half_write(&s->backend, "*\r\n", 3))
		conn_linger(&s->backend.conn, &s->backend.waiting);
}

void backend_dialogue_stop(struct session *s)
{
	struct login *l = s->login;

	timers_stop(&s->env->loop->timers, &l->retry);
	if (l->sasl_state == SASL_STATE_RELAYED)
		call_off(s);
	l->sasl_state = SASL_STATE_NONE;
	conn_close(&s->backend.conn);
	buf_give_wiped(&s->env->loop->bufs, &s->backend.waiting);
	l->state = BACKEND_IDLE;
	l->id_out = false;
	l->back_scanned = 0;
	input_free(&l->back);
	memset(&l->caps, 0, sizeof(l->caps));
	mem_free(&l->caps_after);
	l->lists_unauthenticate = false;
	mem_free(&l->ok_text);
}
