/*
 * client_dialogue.c - the client's side before login: its commands, one by one, and what it is told.
 *
 *	bytes -> frame: line or literal? -> whole command -> table of verbs -> an answer, a handshake, or a login
 *
 * Nothing of what the client sent is echoed but its tag, and that only if it is a legal one.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "session/session_private.h"
#include "wire/base64.h"
#include "wire/imap_command.h"
#include "wire/out.h"
#include "wire/user_name.h"

/* ---- saying ---- */

/* Wiped, for a backend's words that are passed on may hold the password. */
static void say(struct session *s, struct span tag, struct span text)
{
	char line[BACKEND_LINE_MAX + IMAP_TAG_MAX + 8];
	struct out o;

	out_init(&o, line, sizeof(line));
	if (tag.n > 0) {
		out_span(&o, tag);
		out_chr(&o, ' ');
	}
	out_span(&o, text);
	out_str(&o, "\r\n");
	if (out_ok(&o))
		half_write(&s->client, line, o.len);	/* a broken conn shows itself when read */
	mem_wipe(line, o.len);
}

void client_say(struct session *s, const char *line)
{
	say(s, (struct span){ 0 }, span_of(line));
}

static void answer(struct session *s, const struct imap_command *cmd, const char *text)
{
	say(s, cmd->tag, span_of(text));
}

void client_login_answer(struct session *s, struct span reply)
{
	say(s, span_mem(s->login->tag, s->login->tag_len), reply);
}

/* A command that is none: told so, counted, and too many of them end the session. */
static void bad(struct session *s, struct span tag, const char *why)
{
	char line[128];
	struct out o;

	out_init(&o, line, sizeof(line));
	out_str(&o, "BAD ");
	out_str(&o, why);
	say(s, tag.n > 0 ? tag : span_of("*"), out_written(&o));
	if (++s->login->bad_commands >= BAD_COMMANDS_MAX)
		session_close(s, SESSION_CLIENT_COMMANDS);
}

/* ---- capabilities ---- */

static bool login_is_allowed(const struct session *s)
{
	return s->secure || s->listener->cleartext_login;
}

static bool can_starttls(const struct session *s)
{
	return s->listener->tls == TLS_STARTTLS && !s->secure;
}

static void write_capabilities(struct out *o, const struct session *s)
{
	out_str(o, "CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE");
	if (can_starttls(s))
		out_str(o, " STARTTLS");
	out_str(o, login_is_allowed(s) ? " AUTH=PLAIN" : " LOGINDISABLED");
}

void client_greet(struct session *s)
{
	char line[256];
	struct out o;

	out_init(&o, line, sizeof(line));
	out_str(&o, "* OK [");
	write_capabilities(&o, s);
	out_str(&o, "] Sluice ready.");
	client_say(s, out_cstr(&o));
	s->login->greeted = true;
}

/* ---- login ---- */

static void set_name(char **at, struct span name)
{
	mem_free(at);
	*at = name.n > 0 ? mem_span_dup(name) : NULL;
}

/* The name that routes is the one to act as, if the client gave one. */
static bool take_names(struct session *s, const struct sasl_identity *who)
{
	char user[USER_NAME_MAX], auth[USER_NAME_MAX];
	struct out u, a;

	out_init(&u, user, sizeof(user));
	out_init(&a, auth, sizeof(auth));
	if (!user_name_canonical(&u, who->authorize.n > 0 ? who->authorize : who->authenticate, s->env->local_case) ||
	    !user_name_canonical(&a, who->authenticate, s->env->local_case))
		return false;
	set_name(&s->user, out_written(&u));
	set_name(&s->auth, span_eq(out_written(&u), out_written(&a)) ? (struct span){ 0 } : out_written(&a));
	return true;
}

static void failed(struct session *s, enum login_reason why)
{
	session_go(s, session_login_failed(s, why, (struct span){ 0 }, NULL));
}

static void log_in(struct session *s, const struct sasl_identity *who)
{
	bool named = take_names(s, who);	/* first: the log of a refusal has the name */

	if (!login_is_allowed(s)) {
		failed(s, LOGIN_NO_TLS);
	} else if (!named) {
		failed(s, LOGIN_BAD_NAME);
	} else if (s->env->draining) {
		failed(s, LOGIN_DRAINING);
	} else {
		login_keep(s->login, who);
		s->login->unavailable = 0;
		session_go(s, STEP_ROUTE);
	}
}

/* An attempt begins: nothing of the one before may be left. */
static void begin_attempt(struct session *s, const struct imap_command *cmd, const char *mechanism)
{
	struct login *l = s->login;

	login_forget(l);
	set_name(&s->user, (struct span){ 0 });
	set_name(&s->auth, (struct span){ 0 });
	s->mechanism = mechanism;
	memcpy(l->tag, cmd->tag.p, cmd->tag.n);
	l->tag_len = cmd->tag.n;
}

static void sasl_message(struct session *s, struct span base64)
{
	struct sasl_identity who = { 0 };
	char *message = mem_new(base64.n + 1);
	size_t n;

	if (!base64_decode(base64, message, base64.n, &n))
		failed(s, LOGIN_BAD_BASE64);
	else if (!sasl_plain_parse(span_mem(message, n), &who))
		failed(s, LOGIN_BAD_SASL);
	else
		log_in(s, &who);
	mem_wipe_free(&message, base64.n + 1);
}

/* The line behind our "+ ". */
static void sasl_answer(struct session *s, struct span line)
{
	s->login->in_sasl = false;
	if (span_is(line, "*"))
		failed(s, LOGIN_ABORTED);
	else
		sasl_message(s, line);
}

/* ---- the commands ---- */

static void do_capability(struct session *s, const struct imap_command *cmd)
{
	char line[256];
	struct out o;

	out_init(&o, line, sizeof(line));
	out_str(&o, "* ");
	write_capabilities(&o, s);
	client_say(s, out_cstr(&o));
	answer(s, cmd, "OK CAPABILITY completed.");
}

static void do_noop(struct session *s, const struct imap_command *cmd)
{
	answer(s, cmd, "OK NOOP completed.");
}

static void do_logout(struct session *s, const struct imap_command *cmd)
{
	client_say(s, "* BYE Logging out.");
	answer(s, cmd, "OK LOGOUT completed.");
	session_close(s, SESSION_CLIENT_LOGOUT);
}

static void do_id(struct session *s, const struct imap_command *cmd)
{
	bool trusted = client_id_take(s, cmd->id);

	client_say(s, "* ID (\"name\" \"Sluice\")");
	answer(s, cmd, trusted ? "OK Trusted ID completed." : "OK ID completed.");	/* as Dovecot says it, and we look for */
}

/* Only valid after login (RFC 5161), but clients send it before, and a BAD breaks them. */
static void do_enable(struct session *s, const struct imap_command *cmd)
{
	client_say(s, "* ENABLED");
	answer(s, cmd, "OK ENABLE completed; nothing can be enabled before login.");
}

/* Whoever sends on behind STARTTLS in clear hopes that it counts as said under TLS (CVE-2011-0411 and its kin). */
static void do_starttls(struct session *s, const struct imap_command *cmd)
{
	struct login *l = s->login;

	if (!can_starttls(s)) {
		bad(s, cmd->tag, s->secure ? "TLS is on already." : "STARTTLS is not offered.");
		return;
	}
	if (l->in.len > l->scanned) {
		answer(s, cmd, "BAD Nothing may follow STARTTLS before the handshake.");
		session_close(s, SESSION_CLIENT_INJECTED);
		return;
	}
	answer(s, cmd, "OK Begin TLS negotiation now.");
	if (s->client.waiting)
		session_close(s, SESSION_CLIENT_GONE);	/* it does not even read this line */
	else
		session_go(s, STEP_TLS);
}

static void do_login(struct session *s, const struct imap_command *cmd)
{
	struct sasl_identity who = { .authenticate = cmd->user, .password = cmd->password };

	begin_attempt(s, cmd, "LOGIN");
	log_in(s, &who);
}

static void do_authenticate(struct session *s, const struct imap_command *cmd)
{
	struct login *l = s->login;

	l->sasl = sasl_find(cmd->mechanism);
	begin_attempt(s, cmd, l->sasl == SASL_NONE ? "unknown" : sasl_name(l->sasl));
	if (l->sasl == SASL_NONE) {
		failed(s, LOGIN_MECHANISM);
	} else if (cmd->has_initial) {
		sasl_message(s, cmd->initial);
	} else if (!login_is_allowed(s)) {
		failed(s, LOGIN_NO_TLS);	/* better before the password than after */
	} else {
		l->in_sasl = true;
		client_say(s, "+ ");
	}
}

static void do_unknown(struct session *s, const struct imap_command *cmd)
{
	bad(s, cmd->tag, "Unknown command, or not before login.");
}

static void (*const commands[])(struct session *s, const struct imap_command *cmd) = {
	[IMAP_VERB_UNKNOWN]	= do_unknown,
	[IMAP_CAPABILITY]	= do_capability,
	[IMAP_NOOP]		= do_noop,
	[IMAP_LOGOUT]		= do_logout,
	[IMAP_ID]		= do_id,
	[IMAP_ENABLE]		= do_enable,
	[IMAP_STARTTLS]		= do_starttls,
	[IMAP_LOGIN]		= do_login,
	[IMAP_AUTHENTICATE]	= do_authenticate,
};

/* ---- from bytes to commands ---- */

/* "tag VERB ...", while the command may still be on its way. */
static bool begins(const char *p, size_t n, const char *verb)
{
	const char *space = memchr(p, ' ', n < IMAP_TAG_MAX + 1 ? n : IMAP_TAG_MAX + 1);

	return space && span_starts_nocase(span_mem(space + 1, n - (size_t)(space + 1 - p)), verb);
}

/* AUTHENTICATE may be longer than the others: its initial response is base64 of a token. Less than the buffer holds, so that what is longer is seen and does not just fill it. */
static size_t command_max(const struct login *l)
{
	return begins(l->in.p, l->in.len, "AUTHENTICATE ") ? INPUT_MAX - 1 : COMMAND_MAX;
}

/* The command in the first l->scanned bytes is done with, whatever became of it. */
static void next_command(struct login *l)
{
	input_consume(&l->in, l->scanned);
	l->scanned = 0;
	imap_frame_init(&l->frame, IMAP_FRAME_CLIENT);
}

static void whole_command(struct session *s)
{
	struct login *l = s->login;
	struct imap_command cmd;

	if (imap_command_parse(l->in.p, l->scanned, &cmd))
		commands[cmd.verb](s, &cmd);
	else
		bad(s, cmd.tag, cmd.why);
	next_command(l);
}

/* The tag of the command under way; n = 0 if it has none that may be echoed. */
static struct span tag_so_far(const struct login *l)
{
	const char *space = memchr(l->in.p, ' ', l->scanned);
	struct span tag = { 0 };

	if (space)
		tag = span_mem(l->in.p, (size_t)(space - l->in.p));
	return imap_tag_is_legal(tag) ? tag : (struct span){ 0 };
}

/* A literal of this size is not invited, and so the command ends here. */
static void refuse_literal(struct session *s)
{
	bad(s, tag_so_far(s->login), "Literal too large.");
	next_command(s->login);
}

/* Better before the password than after. */
static void refuse_login(struct session *s, struct span tag)
{
	struct imap_command cmd = { .tag = tag };

	begin_attempt(s, &cmd, "LOGIN");
	failed(s, LOGIN_NO_TLS);
	next_command(s->login);
}

/* One that waits for our "+" is refused before it sends; one that does not is already sending. */
static void literal_announced(struct session *s)
{
	struct login *l = s->login;
	bool fits = l->frame.left <= COMMAND_MAX && l->scanned + l->frame.left <= COMMAND_MAX;

	if (l->frame.nonsync) {
		if (!fits)
			session_close(s, SESSION_CLIENT_LITERAL);
	} else if (!fits) {
		refuse_literal(s);
	} else if (!login_is_allowed(s) && begins(l->in.p, l->in.len, "LOGIN ") && tag_so_far(l).n > 0) {
		refuse_login(s, tag_so_far(l));
	} else {
		client_say(s, "+ OK");
	}
}

/* false: more bytes are needed first. */
static bool take_sasl_line(struct session *s)
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
	if (n > 0 && l->in.p[n - 1] == '\r')
		n--;
	sasl_answer(s, span_mem(l->in.p, n));
	next_command(l);
	return true;
}

static bool take_command(struct session *s)
{
	struct login *l = s->login;
	enum imap_frame_event ev;

	if (l->scanned == l->in.len)
		return false;
	l->scanned += imap_frame_scan(&l->frame, l->in.p + l->scanned, l->in.len - l->scanned, &ev);
	if (ev != IMAP_FRAME_BAD && l->scanned > COMMAND_MAX && l->scanned > command_max(l)) {
		session_close(s, SESSION_CLIENT_LINE);
		return false;
	}
	switch (ev) {
	case IMAP_FRAME_LINE:
		whole_command(s);
		return true;
	case IMAP_FRAME_LITERAL:
		literal_announced(s);
		return true;
	case IMAP_FRAME_BAD:
		session_close(s, SESSION_CLIENT_BROKEN);
		return false;
	case IMAP_FRAME_MORE:
		break;
	}
	return false;
}

void client_dialogue_run(struct session *s)
{
	while (s->step == STEP_COMMAND && !s->client.waiting)
		if (!(s->login->in_sasl ? take_sasl_line(s) : take_command(s)))
			break;
	if (s->step == STEP_COMMAND && !s->client.waiting && s->client.ended)
		session_close(s, SESSION_CLIENT_GONE);
}

/* An end is only the end of what the client says: a login it sent before goes on, and so does what it sent behind that. */
void client_dialogue_read(struct session *s)
{
	struct input *in = &s->login->in;
	ssize_t n;

	if (s->client.ended || !input_has_room(in))
		return;
	n = conn_read(&s->client.conn, in->p + in->len, in->cap - in->len);
	if (n > 0)
		in->len += (size_t)n;
	else if (n == 0)
		s->client.ended = true;
	else if (errno != EAGAIN)
		session_close(s, SESSION_CLIENT_GONE);
}
