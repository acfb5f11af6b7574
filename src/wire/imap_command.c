/*
 * A client's command before login. Each verb is a row of the table: its name, what reads its arguments, and the sentence
 * for when they are wrong. Strings are first found (struct text), then decoded, because the pairs of ID are checked
 * now and decoded later.
 */
#include "wire/imap_command.h"

/* What is not read yet, without the command's last LF; the CR before that one, if any, is still there. */
struct cursor {
	char *p, *end;
};

/* A string as it was sent, without its quotes or literal head. */
struct text {
	char *p;
	size_t n;
	size_t escapes;		/* backslashes that decoding takes out */
};

static bool is_atom_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("(){%*\"\\]", c);
}

static bool is_astring_char(char c)
{
	return is_atom_char(c) || c == ']';
}

static bool is_tag_char(char c)
{
	return is_astring_char(c) && c != '+';
}

static bool is_base64_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

static bool at_end(const struct cursor *in)
{
	return in->p == in->end || (in->p + 1 == in->end && *in->p == '\r');
}

static bool skip(struct cursor *in, char c)
{
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

/* One or more characters of a kind. */
static bool take_run(struct cursor *in, bool (*fits)(char), struct span *s)
{
	char *from = in->p;

	while (in->p < in->end && fits(*in->p))
		in->p++;
	*s = span_mem(from, in->p - from);
	return s->n > 0;
}

static bool find_quoted(struct cursor *in, struct text *t)
{
	*t = (struct text){ .p = in->p };
	for (; in->p < in->end; in->p++) {
		char c = *in->p;

		if (c == '"') {
			t->n = in->p++ - t->p;
			return true;
		}
		if (c == '\0' || c == '\r' || c == '\n')
			return false;
		if (c != '\\')
			continue;
		in->p++;
		t->escapes++;
		if (in->p == in->end || (*in->p != '"' && *in->p != '\\'))
			return false;
	}
	return false;
}

/* A literal's size; false also when there are fewer bytes than that. */
static bool take_size(struct cursor *in, size_t *size)
{
	char *from = in->p;

	*size = 0;
	for (; in->p < in->end && *in->p >= '0' && *in->p <= '9'; in->p++) {
		*size = *size * 10 + (*in->p - '0');
		if (*size > (size_t)(in->end - in->p))
			return false;
	}
	return in->p > from;
}

/* Behind the '{': "n}", "n+}" or "n-}", [CR] LF, and n bytes. */
static bool find_literal(struct cursor *in, struct text *t)
{
	*t = (struct text){ 0 };
	if (!take_size(in, &t->n))
		return false;
	if (!skip(in, '+'))
		skip(in, '-');
	if (!skip(in, '}'))
		return false;
	skip(in, '\r');
	if (!skip(in, '\n') || t->n > (size_t)(in->end - in->p))
		return false;
	t->p = in->p;
	in->p += t->n;
	return !span_has_nul(span_mem(t->p, t->n));
}

static bool find_string(struct cursor *in, struct text *t)
{
	if (skip(in, '"'))
		return find_quoted(in, t);
	return skip(in, '{') && find_literal(in, t);
}

/* Takes the escapes out, in place: what is written never overtakes what is read. */
static struct span decode(struct text t)
{
	char *to = t.p;

	if (t.escapes == 0)
		return span_mem(t.p, t.n);
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '\\')
			i++;
		*to++ = t.p[i];
	}
	return span_mem(t.p, to - t.p);
}

static bool take_astring(struct cursor *in, struct span *s)
{
	struct text t;

	if (take_run(in, is_astring_char, s))
		return true;
	if (!find_string(in, &t))
		return false;
	*s = decode(t);
	return true;
}

/* Some clients leave one space behind the verb. */
static bool parse_nothing(struct cursor *in, struct imap_command *c)
{
	(void)c;
	skip(in, ' ');
	return at_end(in);
}

static bool parse_login(struct cursor *in, struct imap_command *c)
{
	return skip(in, ' ') && take_astring(in, &c->user) && !span_has_control(c->user) &&
	       skip(in, ' ') && take_astring(in, &c->password) && at_end(in);
}

static bool parse_authenticate(struct cursor *in, struct imap_command *c)
{
	if (!skip(in, ' ') || !take_run(in, is_atom_char, &c->mechanism))
		return false;
	c->has_initial = skip(in, ' ');
	if (!c->has_initial)
		return at_end(in);
	if (!take_run(in, is_base64_char, &c->initial))
		return false;
	if (span_is(c->initial, "="))
		c->initial.n = 0;
	return at_end(in);
}

static bool parse_enable(struct cursor *in, struct imap_command *c)
{
	struct span word;

	(void)c;
	while (skip(in, ' ')) {
		if (!take_run(in, is_atom_char, &word))
			return false;
		if (at_end(in))
			return true;
	}
	return false;
}

static bool skip_nil(struct cursor *in)
{
	if (!span_starts_nocase(span_mem(in->p, in->end - in->p), "NIL"))
		return false;
	in->p += 3;
	return true;
}

/* A pair of ID within its bounds; a value that is NIL has p = NULL. */
static bool find_pair(struct cursor *in, struct text *key, struct text *value)
{
	if (!find_string(in, key) || key->n - key->escapes > IMAP_ID_KEY_MAX || !skip(in, ' '))
		return false;
	*value = (struct text){ 0 };
	if (skip_nil(in))
		return true;
	return find_string(in, value) && value->n - value->escapes <= IMAP_ID_VALUE_MAX;
}

static bool find_pairs(struct cursor *in)
{
	struct text key, value;

	for (int pairs = 0; in->p < in->end && *in->p != ')'; pairs++) {
		if (pairs == IMAP_ID_PAIRS_MAX)
			return false;
		if (pairs > 0 && !skip(in, ' '))
			return false;
		if (!find_pair(in, &key, &value))
			return false;
	}
	return true;
}

static bool parse_id(struct cursor *in, struct imap_command *c)
{
	char *from;

	if (!skip(in, ' '))
		return false;
	if (skip_nil(in))
		return at_end(in);
	if (!skip(in, '('))
		return false;
	from = in->p;
	if (!find_pairs(in))
		return false;
	c->id = span_mem(from, in->p - from);
	return skip(in, ')') && at_end(in);
}

bool imap_id_next(struct span *rest, struct span *key, struct span *value)
{
	char *p = (char *)rest->p;	/* the buffer that imap_command_parse was given to write to */
	struct cursor in = { p, p ? p + rest->n : p };
	struct text k, v;

	skip(&in, ' ');
	if (!find_pair(&in, &k, &v))
		return false;
	*key = decode(k);
	*value = v.p ? decode(v) : span_mem(NULL, 0);
	*rest = span_mem(in.p, in.end - in.p);
	return true;
}

static const struct {
	const char *name;
	bool (*parse)(struct cursor *in, struct imap_command *c);
	const char *why;	/* for the client, when parse says no */
} verbs[] = {
	[IMAP_VERB_UNKNOWN] = { "unknown",	NULL,			NULL },
	[IMAP_CAPABILITY]   = { "CAPABILITY",	parse_nothing,		"CAPABILITY takes no arguments." },
	[IMAP_NOOP]	    = { "NOOP",		parse_nothing,		"NOOP takes no arguments." },
	[IMAP_LOGOUT]	    = { "LOGOUT",	parse_nothing,		"LOGOUT takes no arguments." },
	[IMAP_ID]	    = { "ID",		parse_id,		"Bad ID arguments." },
	[IMAP_ENABLE]	    = { "ENABLE",	parse_enable,		"Bad ENABLE arguments." },
	[IMAP_STARTTLS]	    = { "STARTTLS",	parse_nothing,		"STARTTLS takes no arguments." },
	[IMAP_LOGIN]	    = { "LOGIN",	parse_login,		"Bad LOGIN arguments." },
	[IMAP_AUTHENTICATE] = { "AUTHENTICATE",	parse_authenticate,	"Bad AUTHENTICATE arguments." },
};

#define NVERBS (sizeof(verbs) / sizeof(verbs[0]))

const char *imap_verb_name(enum imap_verb verb)
{
	return verbs[verb].name;
}

static enum imap_verb find_verb(struct span name)
{
	for (size_t v = IMAP_VERB_UNKNOWN + 1; v < NVERBS; v++) {
		if (span_is_nocase(name, verbs[v].name))
			return v;
	}
	return IMAP_VERB_UNKNOWN;
}

bool imap_tag_is_legal(struct span tag)
{
	if (tag.n == 0 || tag.n > IMAP_TAG_MAX)
		return false;
	for (size_t i = 0; i < tag.n; i++) {
		if (!is_tag_char(tag.p[i]))
			return false;
	}
	return true;
}

static bool take_tag(struct cursor *in, struct span *tag)
{
	struct span run;

	take_run(in, is_tag_char, &run);
	if (!imap_tag_is_legal(run) || !(at_end(in) || *in->p == ' '))
		return false;
	*tag = run;
	return true;
}

static bool take_verb(struct cursor *in, enum imap_verb *verb)
{
	struct span name;

	if (!take_run(in, is_atom_char, &name) || !(at_end(in) || *in->p == ' '))
		return false;
	*verb = find_verb(name);
	return true;
}

/* Tag and verb stay, what was read of the arguments goes: no half of a credential is left to be used. */
static bool refuse(struct imap_command *c, const char *why)
{
	*c = (struct imap_command){ .tag = c->tag, .verb = c->verb, .why = why };
	return false;
}

bool imap_command_parse(char *buf, size_t n, struct imap_command *c)
{
	struct cursor in;

	*c = (struct imap_command){ .verb = IMAP_VERB_UNKNOWN };
	if (n == 0 || buf[n - 1] != '\n')
		return refuse(c, "The line has no end.");
	in = (struct cursor){ buf, buf + n - 1 };
	if (!take_tag(&in, &c->tag))
		return refuse(c, "Bad tag.");
	if (!skip(&in, ' ') || at_end(&in))
		return refuse(c, "There is no command.");
	if (!take_verb(&in, &c->verb))
		return refuse(c, "Bad command name.");
	if (c->verb != IMAP_VERB_UNKNOWN && !verbs[c->verb].parse(&in, c))
		return refuse(c, verbs[c->verb].why);
	return true;
}
