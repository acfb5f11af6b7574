#include "wire/imap_url.h"

#define IMAP_PORT 143

static bool is_of(struct span s, const char *characters)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(characters, s.p[i]))
			return false;
	return s.n > 0;
}

static struct span behind(struct span s, size_t n)
{
	return span_mem(s.p + n, s.n - n);
}

/* ":port" or nothing. */
static bool parse_port(struct span text, uint16_t *port)
{
	unsigned n = 0;

	*port = IMAP_PORT;
	if (text.n == 0)
		return true;
	if (text.p[0] != ':' || text.n > 6 || !is_of(behind(text, 1), "0123456789"))
		return false;
	for (size_t i = 1; i < text.n; i++)
		n = n * 10 + (unsigned)(text.p[i] - '0');
	*port = (uint16_t)n;
	return n > 0 && n <= UINT16_MAX;
}

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool parse_place(struct span place, struct imap_url *url)
{
	bool bracket = place.n > 0 && place.p[0] == '[';
	const char *end = place.n > 0 ? memchr(place.p, bracket ? ']' : ':', place.n) : NULL;

	if (bracket && !end)
		return false;
	url->host = bracket ? span_mem(place.p + 1, end - place.p - 1) : span_mem(place.p, end ? (size_t)(end - place.p) : place.n);
	return is_of(url->host, bracket ? ":.abcdefABCDEF" DIGITS : ".-_" DIGITS LETTERS) &&
	       parse_port(behind(place, url->host.n + (bracket ? 2 : 0)), &url->port);
}

bool imap_url_parse(struct span text, struct imap_url *url)
{
	static const char scheme[] = "imap://";
	const char *slash, *at;
	struct span place;

	*url = (struct imap_url){ 0 };
	if (!span_starts_nocase(text, scheme))
		return false;
	place = behind(text, sizeof(scheme) - 1);
	slash = place.n > 0 ? memchr(place.p, '/', place.n) : NULL;
	if (slash)
		place.n = (size_t)(slash - place.p);
	at = place.n > 0 ? memrchr(place.p, '@', place.n) : NULL;
	if (at)
		place = behind(place, (size_t)(at - place.p) + 1);
	return parse_place(place, url);
}
