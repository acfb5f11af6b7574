#include "wire/out.h"

#include <assert.h>

#include "wire/base64.h"

void out_init(struct out *o, void *p, size_t cap)
{
	*o = (struct out){ .p = p, .cap = cap };
}

/* Whether a piece of n bytes may be written; if not, nothing ever will be again. */
static bool has_room(struct out *o, size_t n)
{
	if (n > o->cap - o->len)
		o->full = true;
	return !o->full;
}

void out_mem(struct out *o, const void *p, size_t n)
{
	if (!has_room(o, n) || n == 0)
		return;
	memcpy(o->p + o->len, p, n);
	o->len += n;
}

void out_chr(struct out *o, char c)
{
	out_mem(o, &c, 1);
}

void out_span(struct out *o, struct span s)
{
	out_mem(o, s.p, s.n);
}

void out_str(struct out *o, const char *text)
{
	out_span(o, span_of(text));
}

void out_num(struct out *o, uint64_t n)
{
	char digits[20];	/* 18446744073709551615 */
	size_t at = sizeof(digits);

	do {
		digits[--at] = '0' + n % 10;
		n /= 10;
	} while (n > 0);
	out_mem(o, digits + at, sizeof(digits) - at);
}

static bool is_escaped(char c)
{
	return c == '"' || c == '\\';
}

/* The bytes s takes between its quotes; false if no quoted string can hold it. */
static bool quoted_len(struct span s, size_t *len)
{
	*len = s.n;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = s.p[i];

		if (c == '\0' || c == '\r' || c == '\n' || c > 0x7e)
			return false;
		*len += is_escaped(c);
	}
	return true;
}

void out_quoted(struct out *o, struct span s)
{
	size_t len;

	if (!quoted_len(s, &len))
		o->full = true;
	if (!has_room(o, len + 2))
		return;
	out_chr(o, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (is_escaped(s.p[i]))
			out_chr(o, '\\');
		out_chr(o, s.p[i]);
	}
	out_chr(o, '"');
}

void out_literal_head(struct out *o, size_t n, bool nonsync)
{
	char text[32];
	struct out head;

	out_init(&head, text, sizeof(text));
	out_chr(&head, '{');
	out_num(&head, n);
	out_str(&head, nonsync ? "+}\r\n" : "}\r\n");
	out_span(o, out_written(&head));
}

void out_base64(struct out *o, struct span s)
{
	if (has_room(o, BASE64_LEN(s.n)))
		o->len += base64_encode(s, o->p + o->len);
}

const char *out_cstr(struct out *o)
{
	assert(o->cap > 0);
	if (o->len == o->cap) {
		o->len--;
		o->full = true;
	}
	o->p[o->len] = '\0';
	return o->p;
}
