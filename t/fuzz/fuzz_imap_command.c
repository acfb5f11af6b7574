/*
 * fuzz_imap_command.c - whatever a client sends as a command, what is taken out of it lies in it and is what it promises to be.
 *
 * The input is one whole command. Names and passwords that were found are written again, as quoted strings and as literals,
 * and must come back; and a command of a known verb must be what the frame, too, takes for one command.
 */
#include "fuzz.h"
#include "wire/imap_command.h"
#include "wire/imap_frame.h"
#include "wire/out.h"

static bool is_base64_text(struct span s)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

	for (size_t i = 0; i < s.n; i++) {
		if (!memchr(alphabet, s.p[i], sizeof(alphabet) - 1))
			return false;
	}
	return true;
}

/* RFC 9051's tag, said once more in other words. */
static bool is_tag(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("(){%*\"\\+", s.p[i]))
			return false;
	}
	return s.n > 0 && s.n <= 64;
}

static void check_spans(const struct imap_command *c, struct span buf)
{
	const struct span spans[] = { c->tag, c->user, c->password, c->mechanism, c->initial, c->id };

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		MUST(fuzz_is_inside(spans[i], buf));
	MUST(c->tag.n == 0 || (c->tag.p == buf.p && is_tag(c->tag) && imap_tag_is_legal(c->tag)));
	MUST(strlen(imap_verb_name(c->verb)) > 0);
}

static void check_refused(const struct imap_command *c)
{
	MUST(c->why != NULL);
	MUST(c->user.n + c->password.n + c->mechanism.n + c->initial.n + c->id.n == 0);
	MUST(!c->has_initial);
}

static struct span write_login(const struct imap_command *c, bool quoted, char *buf, size_t cap)
{
	const struct span strings[] = { c->user, c->password };
	struct out o;

	out_init(&o, buf, cap);
	out_span(&o, c->tag);
	out_str(&o, " LOGIN");
	for (size_t i = 0; i < 2; i++) {
		out_chr(&o, ' ');
		if (quoted) {
			out_quoted(&o, strings[i]);
		} else {
			out_literal_head(&o, strings[i].n, true);
			out_span(&o, strings[i]);
		}
	}
	out_str(&o, "\r\n");
	return out_ok(&o) ? out_written(&o) : span_mem(NULL, 0);
}

/* Quoted, they may not fit a quoted string; as literals they always come back. */
static void check_login(const struct imap_command *c)
{
	size_t cap = 2 * (c->user.n + c->password.n) + IMAP_TAG_MAX + 80;
	char *buf = fuzz_room(cap);

	MUST(!span_has_control(c->user) && !span_has_nul(c->password));
	MUST(c->user.n == 0 || c->password.n == 0 || c->user.p + c->user.n <= c->password.p);
	for (int quoted = 0; quoted < 2; quoted++) {
		struct span text = write_login(c, quoted, buf, cap);
		struct imap_command again;

		if (text.n == 0 && quoted)
			continue;
		MUST(imap_command_parse(buf, text.n, &again));
		MUST(again.verb == IMAP_LOGIN && span_eq(again.tag, c->tag));
		MUST(span_eq(again.user, c->user) && span_eq(again.password, c->password));
	}
	free(buf);
}

static void check_authenticate(const struct imap_command *c)
{
	MUST(c->mechanism.n > 0 && !span_has_control(c->mechanism));
	MUST(c->has_initial || c->initial.n == 0);
	MUST(is_base64_text(c->initial));
}

static void check_id(const struct imap_command *c)
{
	struct span rest = c->id, key, value;
	size_t pairs = 0;

	while (imap_id_next(&rest, &key, &value)) {
		pairs++;
		MUST(key.n <= IMAP_ID_KEY_MAX && !span_has_nul(key) && fuzz_is_inside(key, c->id));
		MUST(value.n <= IMAP_ID_VALUE_MAX && !span_has_nul(value) && fuzz_is_inside(value, c->id));
		MUST(value.p != NULL || value.n == 0);
	}
	MUST(pairs <= IMAP_ID_PAIRS_MAX);
	MUST(rest.n == 0);
}

static void check_taken(const struct imap_command *c)
{
	MUST(c->why == NULL && c->tag.n > 0);
	if (c->verb == IMAP_LOGIN)
		check_login(c);
	else
		MUST(c->user.n + c->password.n == 0);
	if (c->verb == IMAP_AUTHENTICATE)
		check_authenticate(c);
	else
		MUST(c->mechanism.n + c->initial.n == 0 && !c->has_initial);
	if (c->verb == IMAP_ID)
		check_id(c);
	else
		MUST(c->id.n == 0);
}

/* The frame gives up on more digits before a '}' than it keeps, whether they are an announcement or an atom. */
static bool ends_in_many_digits(struct span line)
{
	size_t n = line.n - 1, digits = 0;

	n -= n > 0 && line.p[n - 1] == '\r';
	n -= n > 0 && line.p[n - 1] == '}';
	n -= n > 0 && (line.p[n - 1] == '+' || line.p[n - 1] == '-');
	for (; n > 0 && line.p[n - 1] >= '0' && line.p[n - 1] <= '9'; n--)
		digits++;
	return digits >= IMAP_FRAME_TAIL - 3;
}

/* The session hands over what the frame calls one command: what the parser takes, the frame must have let through. */
static void check_frame(struct span text)
{
	enum imap_frame_event ev = IMAP_FRAME_MORE;
	struct imap_frame f;
	size_t at = 0;

	imap_frame_init(&f, IMAP_FRAME_CLIENT);
	while (at < text.n && ev != IMAP_FRAME_LINE && ev != IMAP_FRAME_BAD)
		at += imap_frame_scan(&f, text.p + at, text.n - at, &ev);
	if (ev == IMAP_FRAME_BAD)
		MUST(ends_in_many_digits(span_mem(text.p, at)));
	else
		MUST(ev == IMAP_FRAME_LINE && at == text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_mem(data, size);
	char *buf = fuzz_copy(text);
	struct imap_command c;

	memset(&c, 0xa5, sizeof(c));
	if (imap_command_parse(buf, size, &c)) {
		check_spans(&c, span_mem(buf, size));
		if (c.verb != IMAP_VERB_UNKNOWN)
			check_frame(text);
		check_taken(&c);
	} else {
		check_spans(&c, span_mem(buf, size));
		check_refused(&c);
	}
	free(buf);
	return 0;
}
