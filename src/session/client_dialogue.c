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
#include "wire/imap_command.h"
#include "wire/out.h"

#define CAPABILITY_LINE_MAX (SESSION_CAPABILITIES_MAX + 256)

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

static bool can_starttls(const struct session *s)
{
	return s->listener->tls == TLS_STARTTLS && !s->secure;
}

static void write_mechanisms(struct out *o, struct session *s)
{
	for (enum sasl_mechanism m = SASL_NONE + 1; m < SASL_N; m++) {
		if (!client_mechanism_is_offered(s, m))
			continue;
		out_str(o, " AUTH=");
		out_str(o, sasl_name(m));
	}
}

static void write_capabilities(struct out *o, struct session *s)
{
	out_str(o, "CAPABILITY ");
	out_str(o, s->env->capabilities ? s->env->capabilities : "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE");
	if (can_starttls(s))
		out_str(o, " STARTTLS");
	if (client_login_is_allowed(s))
		write_mechanisms(o, s);
	else
		out_str(o, " LOGINDISABLED");
}

void client_greet(struct session *s)
{
	char line[CAPABILITY_LINE_MAX];
	struct out o;

	out_init(&o, line, sizeof(line));
	out_str(&o, "* OK [");
	write_capabilities(&o, s);
	out_str(&o, "] Sluice ready.");
	client_say(s, out_cstr(&o));
	s->login->greeted = true;
}

/* ---- the commands ---- */

static void do_capability(struct session *s, const struct imap_command *cmd)
{
	char line[CAPABILITY_LINE_MAX];
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
	[IMAP_LOGIN]		= client_login,
	[IMAP_AUTHENTICATE]	= client_authenticate,
};

/* ---- from bytes to commands ---- */

/* "tag VERB ...", while the command may still be on its way. */
static bool begins(const char *p, size_t n, const char *verb)
{
	const char *space = memchr(p, ' ', n < IMAP_TAG_MAX + 1 ? n : IMAP_TAG_MAX + 1);

	return space && span_starts_nocase(span_mem(space + 1, n - (size_t)(space + 1 - p)), verb);
}

/* AUTHENTICATE may be longer than the others: its initial response is base64 of a token. Less than the buffer holds, so that what is
 * longer is seen and does not just fill it. */
static size_t command_max(const struct login *l)
{
	return begins(l->in.p, l->in.len, "AUTHENTICATE ") ? INPUT_MAX - 1 : COMMAND_MAX;
}

/* The command in the first l->scanned bytes is done with, whatever became of it. */
void client_next_command(struct login *l)
{
	input_consume(&l->in, l->scanned);
	l->scanned = 0;
	imap_frame_init(&l->frame, IMAP_FRAME_CLIENT);
}

static void whole_command(struct session *s)
{
	struct login *l = s->login;
	struct imap_command cmd;

	if (++l->commands > COMMANDS_MAX)
		session_close(s, SESSION_CLIENT_CHATTER);
	else if (imap_command_parse(l->in.p, l->scanned, &cmd))
		commands[cmd.verb](s, &cmd);
	else
		bad(s, cmd.tag, cmd.why);
	client_next_command(l);
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
	client_next_command(s->login);
}

/* Better before the password than after. */
static void refuse_login(struct session *s, struct span tag)
{
	client_refuse_login(s, tag);
	client_next_command(s->login);
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
	} else if (!client_login_is_allowed(s) && begins(l->in.p, l->in.len, "LOGIN ") && tag_so_far(l).n > 0) {
		refuse_login(s, tag_so_far(l));
	} else {
		client_say(s, "+ OK");
	}
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

static bool is_heard(const struct session *s)
{
	return (s->step == STEP_COMMAND || client_owes_answer(s)) && !s->client.waiting;
}

void client_dialogue_run(struct session *s)
{
	while (is_heard(s))
		if (!(s->login->sasl_state != SASL_STATE_NONE ? client_sasl_line(s) : take_command(s)))
			break;
	if (is_heard(s) && s->client.ended)
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
	else if (n == 0 || (errno != EAGAIN && s->step == STEP_PENALTY))
		/* who breaks off while it waits for its answer keeps its place until then: guessing takes its time */
		s->client.ended = true;
	else if (errno != EAGAIN)
		session_close(s, session_client_lost(errno));
}
