#include "wire/user_name.h"

/* The least and greatest second byte that may follow a lead byte, and how many bytes follow it in all (Unicode, table 3-7). */
static const struct utf8_row {
	unsigned char from, to;		/* lead bytes */
	unsigned char low, high;	/* second byte: shuts out overlong forms, surrogates and what is above U+10FFFF */
	unsigned char more;
} utf8_rows[] = {
	{ 0x00, 0x7f, 0x00, 0x00, 0 },
	{ 0xc2, 0xdf, 0x80, 0xbf, 1 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 2 },
	{ 0xe1, 0xec, 0x80, 0xbf, 2 },
	{ 0xed, 0xed, 0x80, 0x9f, 2 },
	{ 0xee, 0xef, 0x80, 0xbf, 2 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 3 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 3 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 3 },
};

static const struct utf8_row *find_row(unsigned char lead)
{
	for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
		if (lead >= utf8_rows[i].from && lead <= utf8_rows[i].to)
			return &utf8_rows[i];
	}
	return NULL;
}

/* The length of the first character of p (n > 0 bytes), 0 if there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	const struct utf8_row *row = find_row(p[0]);

	if (!row || row->more >= n)
		return 0;
	for (size_t i = 1; i <= row->more; i++) {
		if (p[i] < (i == 1 ? row->low : 0x80) || p[i] > (i == 1 ? row->high : 0xbf))
			return 0;
	}
	return row->more + 1;
}

bool utf8_is_valid(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t at = 0, len = 1;

	while (at < s.n && len > 0) {
		len = utf8_len(p + at, s.n - at);
		at += len;
	}
	return len > 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* The domain is behind the last '@'. */
static size_t local_len(struct span name)
{
	const char *at = memrchr(name.p, '@', name.n);

	return at ? (size_t)(at - name.p) : name.n;
}

bool user_name_canonical(struct out *o, struct span name, enum user_name_case local)
{
	char canonical[USER_NAME_MAX];
	size_t keep;

	if (name.n == 0 || name.n > USER_NAME_MAX || span_has_control(name) || !utf8_is_valid(name))
		return false;
	keep = local == USER_NAME_KEEP ? local_len(name) : 0;
	for (size_t i = 0; i < name.n; i++)
		canonical[i] = i < keep ? name.p[i] : lower(name.p[i]);
	out_mem(o, canonical, name.n);
	return out_ok(o);
}

bool user_name_route(struct out *o, struct span name, const struct user_name_rules *rules)
{
	char whole[USER_NAME_MAX];
	struct out w;

	if (!rules->default_domain || name.n == 0 || memchr(name.p, '@', name.n))
		return user_name_canonical(o, name, rules->local);
	out_init(&w, whole, sizeof(whole));
	out_span(&w, name);
	out_chr(&w, '@');
	out_str(&w, rules->default_domain);
	return out_ok(&w) && user_name_canonical(o, out_written(&w), rules->local);
}

bool user_name_cut_master(struct span name, char separator, struct span *user, struct span *master)
{
	const char *at = separator && name.n > 0 ? memchr(name.p, separator, name.n) : NULL;

	*user = at ? span_mem(name.p, at - name.p) : name;
	*master = at ? span_mem(at + 1, name.n - user->n - 1) : (struct span){ 0 };
	return !at || (user->n > 0 && master->n > 0);
}

static bool is_plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '@' || c == '.' || c == '_' || c == '+' || c == '-';
}

static void encode_byte(struct out *o, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	out_mem(o, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
}

void user_name_encode(struct out *o, struct span name)
{
	size_t before = o->len;

	for (size_t i = 0; i < name.n; i++) {
		if (is_plain(name.p[i]))
			out_chr(o, name.p[i]);
		else
			encode_byte(o, name.p[i]);
	}
	if (o->full)
		o->len = before;	/* half a name is another user's */
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that s (not empty) begins with and how many characters it takes; 0 for a bad %. */
static size_t decode_byte(struct span s, char *byte)
{
	int high, low;

	*byte = s.p[0];
	if (s.p[0] != '%')
		return 1;
	if (s.n < 3)
		return 0;
	high = hex_value(s.p[1]);
	low = hex_value(s.p[2]);
	if (high < 0 || low < 0)
		return 0;
	*byte = (char)(high << 4 | low);
	return 3;
}

bool user_name_decode(struct span name, char *out, size_t cap, size_t *len)
{
	size_t done = 0;

	*len = 0;
	for (size_t at = 0; at < name.n;) {
		char byte;
		size_t took = decode_byte(span_mem(name.p + at, name.n - at), &byte);

		if (took == 0 || done == cap)
			return false;
		out[done++] = byte;
		at += took;
	}
	*len = done;
	return true;
}
