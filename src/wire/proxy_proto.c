#include "wire/proxy_proto.h"

#include <string.h>

#define V2_FIXED 16		/* signature, version and command, family, length */
#define V2_IPV4_SIZE 12
#define V2_IPV6_SIZE 36
#define V2_UNIX_SIZE 216
#define TLV_HEAD 3
#define SSL_HEAD 5		/* client (1), verify (4) */

#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_UNSPEC 0x00
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_UNIX_STREAM 0x31

#define TLV_ALPN 0x01
#define TLV_AUTHORITY 0x02
#define TLV_UNIQUE_ID 0x05
#define TLV_SSL 0x20
#define TLV_SSL_VERSION 0x21
#define TLV_SSL_CIPHER 0x23
#define CLIENT_SSL 0x01
#define CLIENT_NOT_VERIFIED 1	/* "zero if the client presented a certificate and it was verified" */

static const char v1_start[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define SIGNATURE_SIZE (sizeof(v2_signature) - 1)

/* ---- reading: addresses of v1 ---- */

/* Digits without a leading zero, at most max; what follows them stays. false: none, or too large. */
static bool take_number(struct span *in, unsigned max, unsigned *number)
{
	const char *first = in->p;

	*number = 0;
	while (in->n > 0 && *in->p >= '0' && *in->p <= '9') {
		*number = *number * 10 + (unsigned)(*in->p - '0');
		if (*number > max)
			return false;
		in->p++;
		in->n--;
	}
	return in->p > first && (*first != '0' || in->p == first + 1);
}

static bool take_chr(struct span *in, char c)
{
	if (in->n == 0 || *in->p != c)
		return false;
	in->p++;
	in->n--;
	return true;
}

static bool parse_ipv4(struct span text, unsigned char *ip)
{
	unsigned number;

	for (int i = 0; i < 4; i++) {
		if ((i > 0 && !take_chr(&text, '.')) || !take_number(&text, 255, &number))
			return false;
		ip[i] = (unsigned char)number;
	}
	return text.n == 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One to four hex digits. */
static bool take_group(struct span *in, unsigned char *two)
{
	unsigned value = 0, digits = 0;

	while (in->n > 0 && digits < 4 && hex_value(*in->p) >= 0) {
		value = value << 4 | (unsigned)hex_value(*in->p);
		in->p++;
		in->n--;
		digits++;
	}
	two[0] = (unsigned char)(value >> 8);
	two[1] = (unsigned char)value;
	return digits > 0;
}

/* Groups between single colons, as many as are there, up to max bytes; an IPv4 address may be the last two. -1: no such thing. */
static int parse_groups(struct span text, unsigned char *to, size_t max)
{
	size_t n = 0;

	while (text.n > 0) {
		if (n > 0 && !take_chr(&text, ':'))
			return -1;
		if (n + 4 <= max && memchr(text.p, '.', text.n) && !memchr(text.p, ':', text.n))
			return parse_ipv4(text, to + n) ? (int)n + 4 : -1;
		if (n == max || !take_group(&text, to + n))
			return -1;
		n += 2;
	}
	return (int)n;
}

/* Where "::" begins; NULL: there is none. */
static const char *find_gap(struct span text)
{
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == ':' && text.p[i + 1] == ':')
			return text.p + i;
	return NULL;
}

static bool parse_ipv6(struct span text, unsigned char *ip)
{
	const char *gap = find_gap(text);
	unsigned char tail[16];
	int before, after;

	if (!gap)
		return parse_groups(text, ip, 16) == 16;
	memset(ip, 0, 16);
	before = parse_groups(span_mem(text.p, (size_t)(gap - text.p)), ip, 14);
	after = parse_groups(span_mem(gap + 2, text.n - (size_t)(gap + 2 - text.p)), tail, 14);
	if (before < 0 || after < 0 || before + after > 14)
		return false;
	if (before > 0 && memchr(text.p, '.', (size_t)(gap - text.p)))
		return false;		/* IPv4 form is for the end */
	memcpy(ip + 16 - after, tail, (size_t)after);
	return true;
}

/* ---- reading: v1 ---- */

static enum proxy_result bad(const char **why, const char *phrase)
{
	*why = phrase;
	return PROXY_BAD;
}

/* Up to the next space, which goes too, or the end. */
static struct span take_word(struct span *in)
{
	const char *space = in->n > 0 ? memchr(in->p, ' ', in->n) : NULL;
	struct span word = span_mem(in->p, space ? (size_t)(space - in->p) : in->n);

	in->p += word.n + (space ? 1 : 0);
	in->n -= word.n + (space ? 1 : 0);
	return word;
}

static bool parse_port(struct span text, uint16_t *port)
{
	unsigned number;

	if (!take_number(&text, UINT16_MAX, &number) || text.n > 0)
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool parse_ip(struct span text, enum proxy_family family, struct proxy_end *end)
{
	end->family = family;
	return family == PROXY_IPV4 ? parse_ipv4(text, end->ip) : parse_ipv6(text, end->ip);
}

/* "TCP4 192.0.2.7 198.51.100.1 40001 993", or "UNKNOWN" and whatever. */
static enum proxy_result parse_v1_words(struct span in, struct proxy_header *h, const char **why)
{
	struct span word = take_word(&in);
	enum proxy_family family = span_is(word, "TCP4") ? PROXY_IPV4 : PROXY_IPV6;

	if (span_is(word, "UNKNOWN"))
		return PROXY_DONE;
	if (!span_is(word, "TCP4") && !span_is(word, "TCP6"))
		return bad(why, "neither TCP4, TCP6 nor UNKNOWN");
	if (!parse_ip(take_word(&in), family, &h->source) || !parse_ip(take_word(&in), family, &h->destination))
		return bad(why, "an address that is none");
	if (!parse_port(take_word(&in), &h->source.port) || in.n == 0 || memchr(in.p, ' ', in.n) ||
	    !parse_port(in, &h->destination.port))
		return bad(why, "a port that is none");
	return PROXY_DONE;
}

static enum proxy_result parse_v1(struct span in, struct proxy_header *h, size_t *size, const char **why)
{
	size_t most = in.n < PROXY_V1_MAX ? in.n : PROXY_V1_MAX;
	const char *lf = memchr(in.p, '\n', most);
	size_t start = sizeof(v1_start) - 1;

	if (!lf)
		return in.n < PROXY_V1_MAX ? PROXY_MORE : bad(why, "a line too long");
	*size = (size_t)(lf + 1 - in.p);
	if (*size < start + 2 || lf[-1] != '\r')
		return bad(why, "a line that does not end in CRLF");
	h->version = 1;
	return parse_v1_words(span_mem(in.p + start, *size - start - 2), h, why);
}

/* ---- reading: v2 ---- */

static unsigned get16(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (unsigned)u[0] << 8 | u[1];
}

/* The first of its kind counts; texts too long to be one are left out. */
static void set_text(struct span *to, struct span value)
{
	if (to->n == 0 && value.n <= PROXY_TEXT_MAX)
		*to = value;
}

typedef bool tlv_fn(struct proxy_header *h, unsigned char type, struct span value);

/* false: a length that leads out of what there is. */
static bool walk_tlvs(struct proxy_header *h, struct span in, tlv_fn *take)
{
	while (in.n > 0) {
		size_t n;

		if (in.n < TLV_HEAD)
			return false;
		n = get16(in.p + 1);
		if (n > in.n - TLV_HEAD || !take(h, (unsigned char)in.p[0], span_mem(in.p + TLV_HEAD, n)))
			return false;
		in.p += TLV_HEAD + n;
		in.n -= TLV_HEAD + n;
	}
	return true;
}

static bool take_ssl_tlv(struct proxy_header *h, unsigned char type, struct span value)
{
	if (type == TLV_SSL_VERSION)
		set_text(&h->tls_version, value);
	else if (type == TLV_SSL_CIPHER)
		set_text(&h->tls_cipher, value);
	return true;
}

static bool take_tlv(struct proxy_header *h, unsigned char type, struct span value)
{
	switch (type) {
	case TLV_ALPN:
		set_text(&h->alpn, value);
		break;
	case TLV_AUTHORITY:
		set_text(&h->authority, value);
		break;
	case TLV_UNIQUE_ID:
		set_text(&h->unique_id, value);
		break;
	case TLV_SSL:
		if (value.n < SSL_HEAD)
			return false;
		if (value.p[0] & CLIENT_SSL)
			h->tls = true;
		return walk_tlvs(h, span_mem(value.p + SSL_HEAD, value.n - SSL_HEAD), take_ssl_tlv);
	default:
		break;		/* others are for others */
	}
	return true;
}

static void forget_tlvs(struct proxy_header *h)
{
	struct span none = { 0 };

	h->authority = h->alpn = h->unique_id = h->tls_version = h->tls_cipher = none;
	h->tls = false;
}

static void get_ends(struct proxy_header *h, const char *p, enum proxy_family family, size_t ip_size)
{
	h->source.family = h->destination.family = family;
	memcpy(h->source.ip, p, ip_size);
	memcpy(h->destination.ip, p + ip_size, ip_size);
	h->source.port = (uint16_t)get16(p + 2 * ip_size);
	h->destination.port = (uint16_t)get16(p + 2 * ip_size + 2);
}

/* What a family's addresses take; -1: not a family of a stream. */
static int addresses_size(unsigned char family)
{
	switch (family) {
	case V2_UNSPEC:
		return 0;
	case V2_TCP4:
		return V2_IPV4_SIZE;
	case V2_TCP6:
		return V2_IPV6_SIZE;
	case V2_UNIX_STREAM:
		return V2_UNIX_SIZE;
	default:
		return -1;
	}
}

static enum proxy_result parse_v2_rest(unsigned char family, struct span in, struct proxy_header *h, const char **why)
{
	int size = addresses_size(family);

	if (size < 0)
		return bad(why, "a family that is not of a stream");
	if ((size_t)size > in.n)
		return bad(why, "a length too short for its addresses");
	if (family == V2_TCP4)
		get_ends(h, in.p, PROXY_IPV4, 4);
	else if (family == V2_TCP6)
		get_ends(h, in.p, PROXY_IPV6, 16);
	if (walk_tlvs(h, span_mem(in.p + size, in.n - (size_t)size), take_tlv))
		return PROXY_DONE;
	if (family != V2_UNSPEC)
		return bad(why, "a TLV that leads out of the header");
	forget_tlvs(h);		/* anything may stand behind UNSPEC, and be skipped */
	return PROXY_DONE;
}

static enum proxy_result parse_v2(struct span in, struct proxy_header *h, size_t *size, const char **why)
{
	unsigned char command = in.n > SIGNATURE_SIZE ? (unsigned char)in.p[SIGNATURE_SIZE] : V2_PROXY;

	if (command != V2_LOCAL && command != V2_PROXY)
		return bad(why, "a version or command that is not known");
	if (in.n < V2_FIXED)
		return PROXY_MORE;
	*size = V2_FIXED + (size_t)get16(in.p + 14);
	if (*size > PROXY_HEADER_MAX)
		return bad(why, "a length too large");
	if (in.n < *size)
		return PROXY_MORE;
	h->version = 2;
	h->local = command == V2_LOCAL;
	if (h->local)
		return PROXY_DONE;	/* whatever it says besides is to be skipped */
	return parse_v2_rest((unsigned char)in.p[13], span_mem(in.p + V2_FIXED, *size - V2_FIXED), h, why);
}

/* ---- reading ---- */

static bool may_start_with(struct span in, const char *start, size_t n)
{
	return memcmp(in.p, start, in.n < n ? in.n : n) == 0;
}

enum proxy_result proxy_parse(const void *p, size_t n, struct proxy_header *h, size_t *size, const char **why)
{
	struct span in = span_mem(p, n);

	*h = (struct proxy_header){ 0 };
	*size = 0;
	*why = "";
	if (n == 0)
		return PROXY_MORE;
	if (may_start_with(in, v2_signature, SIGNATURE_SIZE))
		return n < SIGNATURE_SIZE ? PROXY_MORE : parse_v2(in, h, size, why);
	if (may_start_with(in, v1_start, sizeof(v1_start) - 1))
		return n < sizeof(v1_start) - 1 ? PROXY_MORE : parse_v1(in, h, size, why);
	return bad(why, "no PROXY header");
}

/* ---- writing ---- */

static struct proxy_end mapped(const struct proxy_end *e)
{
	struct proxy_end six = { .family = PROXY_IPV6, .port = e->port, .ip = { [10] = 0xff, [11] = 0xff } };

	memcpy(six.ip + 12, e->ip, 4);
	return six;
}

/* Both of one family, or both without an address. */
static void make_alike(const struct proxy_header *h, struct proxy_end *source, struct proxy_end *destination)
{
	*source = h->source;
	*destination = h->destination;
	if (source->family == PROXY_NO_ADDRESS || destination->family == PROXY_NO_ADDRESS)
		*destination = (struct proxy_end){ .family = source->family };
	if (source->family == destination->family)
		return;
	if (source->family == PROXY_IPV4)
		*source = mapped(source);
	else
		*destination = mapped(destination);
}

static void put_ip(struct out *o, const struct proxy_end *e)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < 4 && e->family == PROXY_IPV4; i++) {
		if (i > 0)
			out_chr(o, '.');
		out_num(o, e->ip[i]);
	}
	for (int i = 0; i < 16 && e->family == PROXY_IPV6; i++) {
		if (i > 0 && i % 2 == 0)
			out_chr(o, ':');
		out_chr(o, hex[e->ip[i] >> 4]);
		out_chr(o, hex[e->ip[i] & 15]);
	}
	out_chr(o, ' ');
}

void proxy_write_v1(struct out *o, const struct proxy_header *h)
{
	struct proxy_end source, destination;

	make_alike(h, &source, &destination);
	if (source.family == PROXY_NO_ADDRESS) {
		out_str(o, "PROXY UNKNOWN\r\n");
		return;
	}
	out_str(o, source.family == PROXY_IPV4 ? "PROXY TCP4 " : "PROXY TCP6 ");
	put_ip(o, &source);
	put_ip(o, &destination);
	out_num(o, source.port);
	out_chr(o, ' ');
	out_num(o, destination.port);
	out_str(o, "\r\n");
}

static void put16(struct out *o, size_t n)
{
	out_chr(o, (char)(n >> 8));
	out_chr(o, (char)n);
}

static size_t text_tlv_size(struct span text)
{
	return text.n > 0 && text.n <= PROXY_TEXT_MAX ? TLV_HEAD + text.n : 0;
}

static void put_text_tlv(struct out *o, unsigned char type, struct span text)
{
	if (text_tlv_size(text) == 0)
		return;
	out_chr(o, (char)type);
	put16(o, text.n);
	out_span(o, text);
}

static size_t ssl_size(const struct proxy_header *h)
{
	return SSL_HEAD + text_tlv_size(h->tls_version) + text_tlv_size(h->tls_cipher);
}

static void put_ssl_tlv(struct out *o, const struct proxy_header *h)
{
	if (!h->tls)
		return;
	out_chr(o, TLV_SSL);
	put16(o, ssl_size(h));
	out_chr(o, CLIENT_SSL);
	put16(o, 0);
	put16(o, CLIENT_NOT_VERIFIED);
	put_text_tlv(o, TLV_SSL_VERSION, h->tls_version);
	put_text_tlv(o, TLV_SSL_CIPHER, h->tls_cipher);
}

static void put_ends(struct out *o, const struct proxy_end *source, const struct proxy_end *destination)
{
	size_t size = source->family == PROXY_IPV4 ? 4 : 16;

	if (source->family == PROXY_NO_ADDRESS)
		return;
	out_mem(o, source->ip, size);
	out_mem(o, destination->ip, size);
	put16(o, source->port);
	put16(o, destination->port);
}

void proxy_write_v2(struct out *o, const struct proxy_header *h)
{
	static const unsigned char families[] = { [PROXY_NO_ADDRESS] = V2_UNSPEC, [PROXY_IPV4] = V2_TCP4, [PROXY_IPV6] = V2_TCP6 };
	struct proxy_end source, destination;

	make_alike(h, &source, &destination);
	out_mem(o, v2_signature, SIGNATURE_SIZE);
	out_chr(o, V2_PROXY);
	out_chr(o, (char)families[source.family]);
	put16(o, (size_t)addresses_size(families[source.family]) + text_tlv_size(h->authority) + text_tlv_size(h->unique_id) +
		 (h->tls ? TLV_HEAD + ssl_size(h) : 0));
	put_ends(o, &source, &destination);
	put_text_tlv(o, TLV_AUTHORITY, h->authority);
	put_text_tlv(o, TLV_UNIQUE_ID, h->unique_id);
	put_ssl_tlv(o, h);
}
