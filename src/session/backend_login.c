/*
 * backend_login.c - how a login is put at a backend: by which way, in whose name, in which pieces.
 *
 *	client used			backend			way
 *	LOGIN, PLAIN			auth-method		AUTHENTICATE PLAIN if it is listed, else LOGIN (or what auth-method says)
 *	  the same			auth = "master"		AUTHENTICATE PLAIN, as master
 *	XOAUTH2, OAUTHBEARER		lists it		passed on, byte for byte
 *	SCRAM-*				lists it		passed on, byte for byte, and what follows too
 *	EXTERNAL			has a master-user	AUTHENTICATE PLAIN, as master
 *	anything else						cannot be
 *
 * The two mechanisms for tokens are not translated into each other: a backend knows one or the other, and says so.
 * Strings go as literals or base64: no byte of a password can end a line.
 */
#include "base/mem.h"
#include "session/session_private.h"
#include "wire/out.h"
#include "wire/user_name.h"

/* ---- the way ---- */

/* A password can go any way. LOGINDISABLED is about LOGIN alone (RFC 9051, 7.2.2). */
static enum login_way way_of_password(const struct imap_caps *caps, const struct backend *b)
{
	switch (b->method) {
	case BACKEND_METHOD_LOGIN:
		return WAY_LOGIN;
	case BACKEND_METHOD_PLAIN:
		return WAY_PLAIN;
	case BACKEND_METHOD_AUTO:
		break;
	}
	if (b->auth == BACKEND_AUTH_MASTER || imap_caps_has(caps, IMAP_CAP_AUTH_PLAIN))
		return WAY_PLAIN;
	return imap_caps_has(caps, IMAP_CAP_LOGINDISABLED | IMAP_CAP_AUTH_LOGIN) ? WAY_SASL_LOGIN : WAY_LOGIN;
}

enum login_way login_way_pick(enum sasl_mechanism used, const struct imap_caps *caps, const struct backend *b)
{
	switch (sasl_kind(used)) {
	case SASL_PASSWORD:
		return way_of_password(caps, b);
	case SASL_CERTIFICATE:
		return b->master_user ? WAY_PLAIN : WAY_CANNOT;
	case SASL_TOKEN:
	case SASL_CHALLENGE:
		return b->auth == BACKEND_AUTH_FORWARD && imap_caps_has(caps, sasl_cap(used)) ? WAY_PASS : WAY_CANNOT;
	}
	return WAY_CANNOT;
}

/* ---- the name ---- */

static bool by_master(const struct session *s)
{
	return s->to->auth == BACKEND_AUTH_MASTER || sasl_kind(s->login->sasl) == SASL_CERTIFICATE;
}

/* The name that routes, as the client wrote it. */
static struct span given_name(const struct session *s, struct span *master)
{
	const struct sasl_identity *who = &s->login->who;
	struct span user;

	user_name_cut_master(who->authorize.n > 0 ? who->authorize : who->authenticate, s->env->names.master_separator, &user, master);
	return user;
}

/* A master whom the client named (user*master) stays behind the record's name. */
void backend_login_as(struct session *s, const char *login_as)
{
	struct login *l = s->login;
	struct span master, user = given_name(s, &master);
	char name[2 * USER_NAME_MAX + 2];
	struct out o;

	mem_free(&l->login_as);
	if (!login_as[0] || span_is(user, login_as))
		return;
	out_init(&o, name, sizeof(name));
	out_str(&o, login_as);
	if (master.n > 0 && s->to->auth == BACKEND_AUTH_FORWARD) {
		out_chr(&o, s->env->names.master_separator);
		out_span(&o, master);
	}
	l->login_as = mem_span_dup(out_written(&o));
}

/* Who to be at the backend: the name of the record if it has one, and the master's credentials where those are used. */
static struct sasl_identity identity_there(const struct session *s)
{
	const struct login *l = s->login;
	struct sasl_identity who = l->who;
	struct span as = span_of(l->login_as);

	if (!s->auth && as.n > 0)
		who.authorize.n = 0;	/* the client named itself twice; one name is left to replace */
	if (by_master(s)) {
		struct span master, user = given_name(s, &master);

		who.authorize = as.n > 0 ? as : user;
		who.authenticate = span_of(s->to->master_user);
		who.secret = span_of(s->to->master_password);
	} else if (as.n > 0) {
		*(who.authorize.n > 0 ? &who.authorize : &who.authenticate) = as;
	}
	return who;
}

/* Two names that are two users, the one who logs in and the one to act as: LOGIN has room for one. */
static bool acts_as_another(const struct session *s)
{
	return by_master(s) || (s->auth && s->login->who.authorize.n > 0);
}

/* NULL: it can. The messages that are passed on hold the name as the client wrote it, and SCRAM's proof covers it. */
static const char *why_not(const struct session *s)
{
	const struct login *l = s->login;

	if (l->way == WAY_PASS && l->login_as)
		return "the name at the backend differs, and the client's message cannot be altered";
	if (l->way == WAY_PASS && sasl_kind(l->sasl) == SASL_CHALLENGE && l->domain_added)
		return "the user's name lacks its domain, and the client's message cannot be altered";
	if ((l->way == WAY_LOGIN || l->way == WAY_SASL_LOGIN) && acts_as_another(s))
		return "LOGIN cannot carry an authorization identity";
	return NULL;
}

/* ---- the pieces ---- */

static void piece_ends(struct login *l, const struct out *o)
{
	l->piece_end[l->npieces++] = o->len;
}

/* One piece with SASL-IR (RFC 4959), else the message waits for "+". */
static void write_authenticate(struct login *l, struct out *o, const char *mechanism, struct span message)
{
	out_str(o, "L AUTHENTICATE ");
	out_str(o, mechanism);
	if (imap_caps_has(&l->caps, IMAP_CAP_SASL_IR)) {
		out_chr(o, ' ');
	} else {
		out_str(o, "\r\n");
		piece_ends(l, o);
	}
	out_base64(o, message);
	out_str(o, "\r\n");
	piece_ends(l, o);
}

static void write_plain(struct login *l, struct out *o, const struct sasl_identity *who)
{
	size_t n = who->authorize.n + who->authenticate.n + who->secret.n + 2;
	char *message = mem_new(n);
	struct out m;

	out_init(&m, message, n);
	sasl_plain_write(&m, who);
	write_authenticate(l, o, "PLAIN", out_written(&m));
	mem_wipe_free(&message, n);
}

/* Never with an initial response: this mechanism is older than those. */
static void write_sasl_login(struct login *l, struct out *o, const struct sasl_identity *who)
{
	out_str(o, "L AUTHENTICATE LOGIN\r\n");
	piece_ends(l, o);
	out_base64(o, who->authenticate);
	out_str(o, "\r\n");
	piece_ends(l, o);
	out_base64(o, who->secret);
	out_str(o, "\r\n");
	piece_ends(l, o);
}

static void write_literal(struct login *l, struct out *o, struct span s)
{
	bool nonsync = imap_caps_literal_nonsync(&l->caps, s.n);

	out_literal_head(o, s.n, nonsync);
	if (!nonsync)
		piece_ends(l, o);
	out_span(o, s);
}

/* LOGIN, both strings as literals: no byte of a password can end a line there. */
static void write_login(struct login *l, struct out *o, const struct sasl_identity *who)
{
	out_str(o, "L LOGIN ");
	write_literal(l, o, who->authenticate);
	out_chr(o, ' ');
	write_literal(l, o, who->secret);
	out_str(o, "\r\n");
	piece_ends(l, o);
}

static void write_pieces(struct login *l, struct out *o, const struct sasl_identity *who)
{
	switch (l->way) {
	case WAY_PLAIN:
		write_plain(l, o, who);
		break;
	case WAY_LOGIN:
		write_login(l, o, who);
		break;
	case WAY_SASL_LOGIN:
		write_sasl_login(l, o, who);
		break;
	case WAY_PASS:
		write_authenticate(l, o, sasl_name(l->sasl), who->secret);
		break;
	case WAY_CANNOT:
		break;
	}
}

bool backend_login_write(struct session *s, const char **why)
{
	struct login *l = s->login;
	struct sasl_identity there = identity_there(s);
	struct out o;

	*why = why_not(s);
	if (*why)
		return false;
	mem_wipe_free(&l->pieces, l->pieces_len);
	l->npieces = l->piece = 0;
	l->pieces_len = 128 + 2 * (there.authorize.n + there.authenticate.n + there.secret.n);
	l->pieces = mem_new(l->pieces_len);
	out_init(&o, l->pieces, l->pieces_len);
	write_pieces(l, &o, &there);
	*why = "it does not fit";
	return out_ok(&o) && l->npieces > 0;
}

struct span backend_login_next(struct login *l)
{
	size_t from = l->piece ? l->piece_end[l->piece - 1] : 0;
	size_t to = l->piece_end[l->piece++];

	return span_mem(l->pieces + from, to - from);
}
