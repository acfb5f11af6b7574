#include "wire/imap_reply.h"

#include "wire/imap_command.h"

static const char *const status_names[] = {
	[IMAP_STATUS_NONE]    = "",
	[IMAP_STATUS_OK]      = "OK",
	[IMAP_STATUS_NO]      = "NO",
	[IMAP_STATUS_BAD]     = "BAD",
	[IMAP_STATUS_BYE]     = "BYE",
	[IMAP_STATUS_PREAUTH] = "PREAUTH",
};

#define NSTATUSES (sizeof(status_names) / sizeof(status_names[0]))

const char *imap_status_name(enum imap_status status)
{
	return status_names[status];
}

static enum imap_status find_status(struct span word)
{
	for (size_t s = IMAP_STATUS_OK; s < NSTATUSES; s++) {
		if (span_is_nocase(word, status_names[s]))
			return s;
	}
	return IMAP_STATUS_NONE;
}

/* What is before the first c in *s; *s becomes what is behind it, or empty. */
static struct span take_until(struct span *s, char c)
{
	const char *at = s->n > 0 ? memchr(s->p, c, s->n) : NULL;
	struct span before = *s;

	if (!at) {
		s->p += s->n;
		s->n = 0;
		return before;
	}
	before.n = at - s->p;
	s->p += before.n + 1;
	s->n -= before.n + 1;
	return before;
}

static struct span skip_space(struct span s)
{
	return s.n > 0 && s.p[0] == ' ' ? span_mem(s.p + 1, s.n - 1) : s;
}

/* "[CODE args] text", "[CODE] text" or "text"; a '[' that is never closed is text. */
static void parse_text(struct span rest, struct imap_reply *r)
{
	struct span inside, behind = rest;

	r->rest = r->text = rest;
	if (rest.n == 0 || rest.p[0] != '[' || !memchr(rest.p, ']', rest.n))
		return;
	inside = take_until(&behind, ']');
	inside = span_mem(inside.p + 1, inside.n - 1);
	r->code = take_until(&inside, ' ');
	if (r->code.n == 0)
		return;
	r->code_args = inside;
	r->text = skip_space(behind);
}

static bool parse_untagged(struct span rest, struct imap_reply *r)
{
	struct span word = take_until(&rest, ' ');

	r->kind = IMAP_REPLY_UNTAGGED;
	r->status = find_status(word);
	if (r->status != IMAP_STATUS_NONE) {
		parse_text(rest, r);
		return true;
	}
	r->word = word;
	r->data = rest;
	return word.n > 0;
}

static bool parse_tagged(struct span tag, struct span rest, struct imap_reply *r)
{
	r->kind = IMAP_REPLY_TAGGED;
	r->tag = tag;
	r->status = find_status(take_until(&rest, ' '));
	parse_text(rest, r);
	return imap_tag_is_legal(tag) && r->status >= IMAP_STATUS_OK && r->status <= IMAP_STATUS_BAD;
}

static bool parse_continue(struct span rest, struct imap_reply *r)
{
	r->kind = IMAP_REPLY_CONTINUE;
	r->text = skip_space(rest);
	return true;
}

bool imap_reply_parse(const char *line, size_t n, struct imap_reply *r)
{
	struct span rest, first;

	*r = (struct imap_reply){ .status = IMAP_STATUS_NONE };
	while (n > 0 && line[n - 1] == ' ')
		n--;
	if (n == 0 || memchr(line, '\0', n))
		return false;
	if (line[0] == '+')
		return parse_continue(span_mem(line + 1, n - 1), r);
	rest = span_mem(line, n);
	first = take_until(&rest, ' ');
	return span_is(first, "*") ? parse_untagged(rest, r) : parse_tagged(first, rest, r);
}

static const char *const codes[] = {
	"ALERT", "ALREADYEXISTS", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "BADCHARSET", "CANNOT", "CAPABILITY",
	"CLIENTBUG", "CONTACTADMIN", "CORRUPTION", "EXPIRED", "INUSE", "LIMIT", "NONEXISTENT", "NOPERM", "OVERQUOTA",
	"PRIVACYREQUIRED", "REFERRAL", "SERVERBUG", "UNAVAILABLE",
};

const char *imap_code_name(struct span code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (span_is_nocase(code, codes[i]))
			return codes[i];
	return NULL;
}
