#include "wire/sasl.h"

#include "wire/imap_caps.h"
#include "wire/user_name.h"

typedef bool parse_fn(struct span message, char *room, struct sasl_identity *id);

static parse_fn parse_plain, parse_login, parse_xoauth2, parse_oauthbearer, parse_external, parse_scram;

static const struct {
	const char *name;
	enum sasl_kind kind;
	uint32_t cap;
	parse_fn *parse;
} mechanisms[SASL_N] = {
	[SASL_NONE]		= { "none",		SASL_PASSWORD,		0,				0 },
	[SASL_PLAIN]		= { "PLAIN",		SASL_PASSWORD,		IMAP_CAP_AUTH_PLAIN,		parse_plain },
	[SASL_LOGIN]		= { "LOGIN",		SASL_PASSWORD,		IMAP_CAP_AUTH_LOGIN,		parse_login },
	[SASL_XOAUTH2]		= { "XOAUTH2",		SASL_TOKEN,		IMAP_CAP_AUTH_XOAUTH2,		parse_xoauth2 },
	[SASL_OAUTHBEARER]	= { "OAUTHBEARER",	SASL_TOKEN,		IMAP_CAP_AUTH_OAUTHBEARER,	parse_oauthbearer },
	[SASL_EXTERNAL]		= { "EXTERNAL",		SASL_CERTIFICATE,	IMAP_CAP_AUTH_EXTERNAL,		parse_external },
	[SASL_SCRAM_SHA_1]	= { "SCRAM-SHA-1",	SASL_CHALLENGE,		IMAP_CAP_AUTH_SCRAM_SHA_1,	parse_scram },
	[SASL_SCRAM_SHA_256]	= { "SCRAM-SHA-256",	SASL_CHALLENGE,		IMAP_CAP_AUTH_SCRAM_SHA_256,	parse_scram },
};

enum sasl_mechanism sasl_find(struct span name)
{
	for (size_t m = SASL_NONE + 1; m < SASL_N; m++) {
		if (span_is_nocase(name, mechanisms[m].name))
			return m;
	}
	return SASL_NONE;
}

const char *sasl_name(enum sasl_mechanism m)
{
	return mechanisms[m].name;
}

enum sasl_kind sasl_kind(enum sasl_mechanism m)
{
	return mechanisms[m].kind;
}

uint32_t sasl_cap(enum sasl_mechanism m)
{
	return mechanisms[m].cap;
}

bool sasl_parse(enum sasl_mechanism m, struct span message, char *room, struct sasl_identity *id)
{
	struct sasl_identity got = { 0 };
	bool good = m != SASL_NONE && mechanisms[m].parse(message, room, &got);

	*id = good ? got : (struct sasl_identity){ 0 };
	return good;
}

/* ---- what messages are made of ---- */

static bool is_clean_name(struct span name)
{
	return !span_has_control(name) && utf8_is_valid(name);
}

/* Cuts what is before the next such byte, and that byte, off the message. */
static bool take_until(struct span *message, char end, struct span *field)
{
	const char *at = message->n > 0 ? memchr(message->p, end, message->n) : NULL;

	if (!at)
		return false;
	*field = span_mem(message->p, at - message->p);
	message->p += field->n + 1;
	message->n -= field->n + 1;
	return true;
}

/* Cuts text off the message's beginning. Letters count as they are. */
static bool take_text(struct span *message, const char *text)
{
	size_t n = strlen(text);

	if (message->n < n || memcmp(message->p, text, n) != 0)
		return false;
	message->p += n;
	message->n -= n;
	return true;
}

/* ---- passwords ---- */

static bool parse_plain(struct span message, char *room, struct sasl_identity *id)
{
	(void)room;
	if (!take_until(&message, '\0', &id->authorize) || !take_until(&message, '\0', &id->authenticate))
		return false;
	return id->authenticate.n > 0 && is_clean_name(id->authorize) && is_clean_name(id->authenticate) &&
	       sasl_login_password(message, id);
}

static bool parse_login(struct span message, char *room, struct sasl_identity *id)
{
	(void)room;
	id->authenticate = message;
	return message.n > 0 && is_clean_name(message);
}

bool sasl_login_password(struct span message, struct sasl_identity *id)
{
	id->secret = message;
	return message.n > 0 && !span_has_nul(message);
}

void sasl_plain_write(struct out *o, const struct sasl_identity *id)
{
	if (span_has_nul(id->authorize) || span_has_nul(id->authenticate) || span_has_nul(id->secret))
		o->full = true;		/* it would be read as another user's name or password */
	out_span(o, id->authorize);
	out_chr(o, '\0');
	out_span(o, id->authenticate);
	out_chr(o, '\0');
	out_span(o, id->secret);
}

/* ---- tokens ---- */

#define BETWEEN '\1'

/* KEY=VALUE ^A, once or more, then ^A at the very end. One of them is the token, and only one: two parsers might not take the same. */
static bool has_one_token(struct span pairs)
{
	unsigned tokens = 0;
	struct span pair;

	while (take_until(&pairs, BETWEEN, &pair) && pair.n > 0) {
		if (!memchr(pair.p, '=', pair.n) || span_has_nul(pair))
			return false;
		if (span_starts_nocase(pair, "auth="))
			tokens++;
		else if (span_starts_nocase(pair, "user="))
			return false;	/* XOAUTH2's name, a second time or where it does not belong */
	}
	return tokens == 1 && pairs.n == 0 && pair.n == 0;
}

static bool parse_xoauth2(struct span message, char *room, struct sasl_identity *id)
{
	(void)room;
	id->secret = message;
	if (!take_text(&message, "user=") || !take_until(&message, BETWEEN, &id->authenticate))
		return false;
	return id->authenticate.n > 0 && is_clean_name(id->authenticate) && has_one_token(message);
}

/* ---- GS2 (RFC 5801, 4): n or y, for no channel binding; then as whom ---- */

/* The escaped byte at s.p, which is '='. '\0': none that may be. */
static char unescaped(struct span s)
{
	if (s.n >= 3 && memcmp(s.p, "=2C", 3) == 0)
		return ',';
	return s.n >= 3 && memcmp(s.p, "=3D", 3) == 0 ? '=' : '\0';
}

/* A saslname, decoded to *room, which moves on. */
static bool decode_name(struct span from, char **room, struct span *name)
{
	char *to = *room;

	for (size_t at = 0; at < from.n; at++) {
		char c = from.p[at];

		if (c == '=') {
			c = unescaped(span_mem(from.p + at, from.n - at));
			at += 2;
		}
		if (c == '\0')
			return false;
		*to++ = c;
	}
	*name = span_mem(*room, to - *room);
	*room = to;
	return is_clean_name(*name);
}

/* "p=" asks for a binding to a TLS channel that ends here. */
static bool take_gs2(struct span *message, char **room, struct span *authorize)
{
	struct span as;

	if (!take_text(message, "n,") && !take_text(message, "y,"))
		return false;
	if (!take_until(message, ',', &as))
		return false;
	return as.n == 0 || (take_text(&as, "a=") && as.n > 0 && decode_name(as, room, authorize));
}

/* RFC 7628, 3.1: the name is in the GS2 header; where it is not, only the token knows it, and nobody is there to ask. */
static bool parse_oauthbearer(struct span message, char *room, struct sasl_identity *id)
{
	id->secret = message;
	return take_gs2(&message, &room, &id->authenticate) && id->authenticate.n > 0 && take_text(&message, "\1") &&
	       has_one_token(message);
}

/* ---- certificate ---- */

static bool parse_external(struct span message, char *room, struct sasl_identity *id)
{
	(void)room;
	id->authorize = message;
	return is_clean_name(message);
}

/* ---- SCRAM ---- */

/* Printable, without a comma (RFC 5802, 7). */
static bool is_nonce(struct span nonce)
{
	for (size_t i = 0; i < nonce.n; i++)
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e)
			return false;
	return nonce.n > 0;
}

/* An extension that must be understood ("m=", before the name) is not. Others stand behind the nonce, and are the backend's affair. */
static bool parse_scram(struct span message, char *room, struct sasl_identity *id)
{
	struct span name, nonce, rest;

	id->secret = message;
	if (span_has_nul(message) || !take_gs2(&message, &room, &id->authorize))
		return false;
	if (!take_text(&message, "n=") || !take_until(&message, ',', &name) || !take_text(&message, "r="))
		return false;
	rest = message;
	nonce = take_until(&rest, ',', &nonce) ? nonce : message;
	return decode_name(name, &room, &id->authenticate) && id->authenticate.n > 0 && is_nonce(nonce);
}
