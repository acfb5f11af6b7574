#include "net/cidr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_MAX 64		/* bytes of a wrong text that a sentence about it repeats */
#define MAPPED_BITS 96		/* of ::ffff:0:0/96 */

static bool __attribute__((format(printf, 4, 5))) wrong(char *err, size_t errlen, const char *text, const char *fmt, ...)
{
	int n = snprintf(err, errlen, "\"%.*s%s\": ", QUOTE_MAX, text, strlen(text) > QUOTE_MAX ? "..." : "");
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < errlen)
		vsnprintf(err + n, errlen - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* Up to three digits; -1: not a number. */
static int parse_bits(const char *text)
{
	size_t n = strlen(text);
	int bits = 0;

	if (n == 0 || n > 3 || strspn(text, "0123456789") != n)
		return -1;
	for (; *text; text++)
		bits = bits * 10 + (*text - '0');
	return bits;
}

static void clear_behind(unsigned char *ip, size_t size, unsigned bits)
{
	for (size_t i = 0; i < size; i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * (unsigned)i : 0;

		if (keep < 8)
			ip[i] &= (unsigned char)(0xff00 >> keep);
	}
}

static const char *network_text(const struct cidr *c, char *text, size_t size)
{
	struct addr a = { .family = c->family };
	char ip[ADDR_TEXT_MAX];

	memcpy(a.ip, c->ip, sizeof(a.ip));
	snprintf(text, size, "%s/%u", addr_ip_text(&a, ip), c->bits);
	return text;
}

/* "10.1.2.3/8" is a slip of the pen, and nobody knows of which: the address or the number. */
static bool take_bits(struct cidr *c, int bits, const char *text, char *err, size_t errlen)
{
	size_t size = c->family == AF_INET ? 4 : 16;
	unsigned char given[16];
	char right[ADDR_TEXT_MAX + 8];

	memcpy(given, c->ip, sizeof(given));
	c->bits = (uint8_t)bits;
	clear_behind(c->ip, size, c->bits);
	if (memcmp(given, c->ip, size) == 0)
		return true;
	return wrong(err, errlen, text, "bits are set behind the first %d; \"%s\" would be right", bits,
		     network_text(c, right, sizeof(right)));
}

bool cidr_parse(struct cidr *c, const char *text, char *err, size_t errlen)
{
	const char *slash = strchr(text, '/');
	struct span ip = slash ? span_mem(text, (size_t)(slash - text)) : span_of(text);
	bool as_ipv6 = ip.n > 0 && memchr(ip.p, ':', ip.n);
	int most, bits;
	struct addr a;

	*c = (struct cidr){ 0 };
	if (strcmp(text, "unix") == 0) {
		c->family = AF_UNIX;
		return true;
	}
	if (!addr_parse_ip(&a, ip) || memchr(ip.p, '%', ip.n))
		return wrong(err, errlen, text, "not a network; write one as in \"10.0.0.0/8\", \"2001:db8::/32\" or \"10.0.0.1\"");
	most = as_ipv6 ? 128 : 32;
	bits = slash ? parse_bits(slash + 1) : most;
	if (bits < 0 || bits > most)
		return wrong(err, errlen, text, "what follows the \"/\" must be a number from 0 to %d", most);
	if (as_ipv6 && a.family == AF_INET && bits < MAPPED_BITS)
		return wrong(err, errlen, text, "an IPv4 address in IPv6 form needs a number from %d to 128 behind the \"/\"", MAPPED_BITS);
	c->family = a.family;
	memcpy(c->ip, a.ip, sizeof(c->ip));
	return take_bits(c, as_ipv6 && a.family == AF_INET ? bits - MAPPED_BITS : bits, text, err, errlen);
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
	unsigned char ip[16];

	if (c->family != a->family)
		return false;
	if (a->family == AF_UNIX)
		return true;
	memcpy(ip, a->ip, sizeof(ip));
	clear_behind(ip, sizeof(ip), c->bits);
	return memcmp(ip, c->ip, sizeof(ip)) == 0;
}

bool cidr_list_has(const struct cidr_list *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (cidr_has(&l->items[i], a))
			return true;
	return false;
}
