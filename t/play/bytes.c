#include "bytes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/out.h"

#define REPEAT_MAX 1000000

void bytes_add(struct bytes *b, const void *p, size_t n)
{
	if (b->n + n > b->cap) {
		size_t cap = 2 * (b->n + n) + 64;

		b->p = mem_grow(b->p, b->cap, cap);
		b->cap = cap;
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void bytes_free(struct bytes *b)
{
	mem_free(&b->p);
	*b = (struct bytes){ 0 };
}

static void add_chr(struct bytes *b, char c)
{
	bytes_add(b, &c, 1);
}

static bool unescape(struct bytes *b, struct span text);

/* The argument of \[...] or \b{...}: up to the bracket that closes it. */
static bool take_argument(struct span *text, char close, struct span *argument)
{
	const char *end = memchr(text->p, close, text->n);

	if (!end)
		return false;
	*argument = span_mem(text->p, (size_t)(end - text->p));
	text->p += argument->n + 1;
	text->n -= argument->n + 1;
	return true;
}

static bool add_repeated(struct bytes *b, struct span argument)
{
	char *star;
	unsigned long n = strtoul(argument.p, &star, 10);
	struct span text;

	if (star >= argument.p + argument.n || *star != '*' || n > REPEAT_MAX)
		return false;
	text = span_mem(star + 1, argument.n - (size_t)(star + 1 - argument.p));
	while (n-- > 0)
		if (!unescape(b, text))
			return false;
	return true;
}

static bool add_base64(struct bytes *b, struct span argument)
{
	struct bytes plain = { 0 };
	bool good = unescape(&plain, argument);
	size_t cap = plain.n * 2 + 8;
	char *text = mem_new(cap);
	struct out o;

	out_init(&o, text, cap);
	out_base64(&o, span_mem(plain.p, plain.n));
	bytes_add(b, o.p, o.len);
	mem_free(&text);
	bytes_free(&plain);
	return good;
}

static bool add_hex(struct bytes *b, struct span *text)
{
	char digits[3] = { 0 }, *end;

	if (text->n < 2)
		return false;
	memcpy(digits, text->p, 2);
	add_chr(b, (char)strtoul(digits, &end, 16));
	text->p += 2;
	text->n -= 2;
	return *end == '\0';
}

/* What follows a backslash. */
static bool add_escape(struct bytes *b, struct span *text)
{
	static const char names[] = "rnt0\\", bytes[] = "\r\n\t\0\\";
	struct span argument;
	const char *at;
	char c;

	if (text->n == 0)
		return false;
	c = *text->p++;
	text->n--;
	at = strchr(names, c);
	if (at) {
		add_chr(b, bytes[at - names]);
		return true;
	}
	if (c == 'x')
		return add_hex(b, text);
	if (c == '[')
		return take_argument(text, ']', &argument) && add_repeated(b, argument);
	if (c != 'b' || text->n == 0 || *text->p != '{')
		return false;
	text->p++;
	text->n--;
	return take_argument(text, '}', &argument) && add_base64(b, argument);
}

static bool unescape(struct bytes *b, struct span text)
{
	while (text.n > 0) {
		char c = *text.p++;

		text.n--;
		if (c != '\\')
			add_chr(b, c);
		else if (!add_escape(b, &text))
			return false;
	}
	return true;
}

bool bytes_unescape(struct bytes *b, struct span text)
{
	if (text.n >= 2 && memcmp(text.p + text.n - 2, "\\c", 2) == 0)
		return unescape(b, span_mem(text.p, text.n - 2));
	if (!unescape(b, text))
		return false;
	bytes_add(b, "\r\n", 2);
	return true;
}

/* Where part stands in all at or behind from, no LF being skipped; SIZE_MAX: nowhere. */
static size_t find(struct span part, struct span all, size_t from, bool may_skip)
{
	for (size_t at = from; at + part.n <= all.n; at++) {
		if (part.n == 0 || memcmp(all.p + at, part.p, part.n) == 0)
			return at;
		if (!may_skip || all.p[at] == '\n')
			break;
	}
	return SIZE_MAX;
}

/* The pattern's next piece, up to "..." or its end. */
static struct span next_piece(struct span *pattern, bool *last)
{
	struct span piece = *pattern;
	const char *dots = memmem(pattern->p, pattern->n, "...", 3);

	*last = !dots;
	if (!dots)
		return piece;
	piece.n = (size_t)(dots - pattern->p);
	pattern->p += piece.n + 3;
	pattern->n -= piece.n + 3;
	return piece;
}

static bool unescape_piece(struct bytes *b, struct span piece, bool last)
{
	return last ? bytes_unescape(b, piece) : unescape(b, piece);
}

bool bytes_match(struct span pattern, struct span all, size_t *n)
{
	bool last = false, first = true, good = true;

	*n = 0;
	while (good && !last) {
		struct span piece = next_piece(&pattern, &last);
		struct bytes b = { 0 };
		size_t at;

		good = unescape_piece(&b, piece, last);
		at = find(span_mem(b.p, b.n), all, *n, !first);
		good = good && at != SIZE_MAX;
		*n = at + b.n;
		first = false;
		bytes_free(&b);
	}
	return good;
}

static void show_byte(struct out *o, unsigned char c)
{
	char hex[5];

	snprintf(hex, sizeof(hex), "\\x%02x", c);
	if (c == '\r' || c == '\n')
		out_str(o, c == '\r' ? "\\r" : "\\n");
	else if (c == '\\')
		out_str(o, "\\\\");
	else if (c < ' ' || c > '~')
		out_str(o, hex);
	else
		out_chr(o, (char)c);
}

void bytes_show(struct span s, char *text, size_t cap)
{
	struct out o;

	out_init(&o, text, cap - 4);
	for (size_t i = 0; i < s.n && out_ok(&o); i++) {
		show_byte(&o, (unsigned char)s.p[i]);
		if (s.p[i] == '\n')
			break;
	}
	o.cap = cap;
	if (o.full) {
		o.full = false;
		out_str(&o, "...");
	}
	out_cstr(&o);
}
