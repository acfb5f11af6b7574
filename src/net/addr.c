#include "net/addr.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"

#define HOST_MAX 253	/* RFC 1035, 2.3.4: 255 bytes on the wire */
#define LABEL_MAX 63
#define QUOTE_MAX 64	/* bytes of a wrong text that a sentence about it repeats: what is wrong must fit too */
#define PATH_LEN_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* ---- addresses ---- */

static const unsigned char mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };	/* ::ffff:0:0/96 */

static void set_ipv4(struct addr *a, const void *ip)
{
	a->family = AF_INET;
	memcpy(a->ip, ip, 4);
}

static void set_ipv6(struct addr *a, const struct in6_addr *ip, uint32_t scope)
{
	if (memcmp(ip->s6_addr, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		set_ipv4(a, ip->s6_addr + sizeof(mapped_prefix));
		return;
	}
	a->family = AF_INET6;
	a->scope = scope;
	memcpy(a->ip, ip->s6_addr, 16);
}

/* sa may be part of a smaller buffer than its family's struct is aligned for: copied, not cast. */
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	*a = (struct addr){ .family = AF_UNSPEC };
	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&v4, sa, sizeof(v4));
		set_ipv4(a, &v4.sin_addr);
		a->port = ntohs(v4.sin_port);
		break;
	case AF_INET6:
		memcpy(&v6, sa, sizeof(v6));
		set_ipv6(a, &v6.sin6_addr, v6.sin6_scope_id);
		a->port = ntohs(v6.sin6_port);
		break;
	case AF_UNIX:
		a->family = AF_UNIX;
		break;
	}
}

void addr_from_bytes(struct addr *a, int family, const unsigned char *ip, uint16_t port)
{
	struct in6_addr v6;

	*a = (struct addr){ .port = port };
	if (family == AF_INET) {
		set_ipv4(a, ip);
	} else {
		memcpy(&v6, ip, sizeof(v6));
		set_ipv6(a, &v6, 0);
	}
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(a->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope };

	memset(ss, 0, sizeof(*ss));
	switch (a->family) {
	case AF_INET:
		memcpy(&v4.sin_addr, a->ip, 4);
		memcpy(ss, &v4, sizeof(v4));
		return sizeof(v4);
	case AF_INET6:
		memcpy(&v6.sin6_addr, a->ip, 16);
		memcpy(ss, &v6, sizeof(v6));
		return sizeof(v6);
	default:
		return 0;
	}
}

/* Digits only; strtoul would take blanks and signs. */
static bool parse_number(struct span s, uint64_t max, uint64_t *number)
{
	*number = 0;
	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(s.p[i] - '0');
	}
	return *number <= max;
}

/* Takes "%2" off the end of ip. */
static bool split_scope(struct span *ip, uint64_t *scope)
{
	const char *percent = ip->n ? memchr(ip->p, '%', ip->n) : NULL;
	struct span number;

	*scope = 0;
	if (!percent)
		return true;
	number = span_mem(percent + 1, ip->n - (size_t)(percent + 1 - ip->p));
	ip->n = (size_t)(percent - ip->p);
	return parse_number(number, UINT32_MAX, scope);
}

bool addr_parse_ip(struct addr *a, struct span ip)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	struct span bare = ip;
	uint64_t scope;

	*a = (struct addr){ .family = AF_UNSPEC };
	if (!split_scope(&bare, &scope) || bare.n == 0 || bare.n >= sizeof(text) || memchr(bare.p, '\0', bare.n))
		return false;
	memcpy(text, bare.p, bare.n);
	text[bare.n] = '\0';
	if (bare.n == ip.n && inet_pton(AF_INET, text, &v4) == 1)
		set_ipv4(a, &v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		set_ipv6(a, &v6, (uint32_t)scope);
	return a->family != AF_UNSPEC;
}

const char *addr_ip_text(const struct addr *a, char *text)
{
	size_t len;

	switch (a->family) {
	case AF_INET:
		inet_ntop(AF_INET, a->ip, text, ADDR_TEXT_MAX);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, a->ip, text, ADDR_TEXT_MAX);
		len = strlen(text);
		if (a->scope)
			snprintf(text + len, ADDR_TEXT_MAX - len, "%%%" PRIu32, a->scope);
		break;
	default:
		snprintf(text, ADDR_TEXT_MAX, "%s", a->family == AF_UNIX ? "unix" : "-");
	}
	return text;
}

const char *addr_text(const struct addr *a, char *text)
{
	char ip[ADDR_TEXT_MAX];

	addr_ip_text(a, ip);
	if (a->family == AF_INET)
		snprintf(text, ADDR_TEXT_MAX, "%.15s:%u", ip, a->port);
	else if (a->family == AF_INET6)
		snprintf(text, ADDR_TEXT_MAX, "[%.54s]:%u", ip, a->port);
	else
		memcpy(text, ip, sizeof(ip));
	return text;
}

bool addr_is_loopback(const struct addr *a)
{
	switch (a->family) {
	case AF_INET:
		return a->ip[0] == 127;
	case AF_INET6:
		return memcmp(a->ip, &in6addr_loopback, 16) == 0;
	default:
		return a->family == AF_UNIX;
	}
}

/* ---- endpoints ---- */

/* An endpoint's text, taken apart on the way; where the sentence about it goes. */
struct reading {
	const char *text;
	char *err;
	size_t errlen;
	struct span host;	/* before the port; without brackets */
	bool bracketed;
	unsigned usual_port;	/* for the sentence */
};

static bool __attribute__((format(printf, 2, 3))) wrong(const struct reading *r, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(r->err, r->errlen, "\"%.*s%s\": ", QUOTE_MAX, r->text, strlen(r->text) > QUOTE_MAX ? "..." : "");

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < r->errlen)
		vsnprintf(r->err + n, r->errlen - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

static bool parse_unix(struct endpoint *e, const struct reading *r, const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/')
		return wrong(r, "a unix socket needs a whole path, as in \"unix:/run/sluice/imap\"");
	if (len > PATH_LEN_MAX)
		return wrong(r, "the path has %zu bytes; a unix socket's may have %zu", len, PATH_LEN_MAX);
	e->kind = ENDPOINT_UNIX;
	e->path = mem_strdup(path);
	return true;
}

static bool parse_port(struct endpoint *e, const struct reading *r, const char *rest, uint16_t default_port)
{
	uint64_t port = default_port;

	if (*rest == '\0' && default_port == 0)
		return wrong(r, "the port is missing; write \"%.*s:%u\"", QUOTE_MAX, r->text, r->usual_port);
	if (*rest != '\0' && *rest != ':')
		return wrong(r, "only a port may follow \"]\", as in \"[::1]:143\"");
	if (*rest == ':' && !parse_number(span_of(rest + 1), 65535, &port))
		return wrong(r, "\"%.*s\" is not a port; give a number from 0 to 65535", QUOTE_MAX, rest + 1);
	e->addr.port = (uint16_t)port;
	return true;
}

/* Sets r->host; *rest is what follows it: "" or ":port". */
static bool split_host(struct reading *r, const char **rest)
{
	const char *close;

	r->bracketed = r->text[0] == '[';
	if (r->bracketed) {
		close = strchr(r->text, ']');
		if (!close)
			return wrong(r, "the closing \"]\" is missing, as in \"[::1]:143\"");
		r->host = span_mem(r->text + 1, (size_t)(close - r->text - 1));
		*rest = close + 1;
		return true;
	}
	if (strchr(r->text, ':') != strrchr(r->text, ':'))
		return wrong(r, "too many colons; an IPv6 address goes into brackets, as in \"[::1]:143\"");
	*rest = r->text + strcspn(r->text, ":");
	r->host = span_mem(r->text, (size_t)(*rest - r->text));
	return true;
}

static bool all_are(struct span s, const char *set)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || !strchr(set, s.p[i]))
			return false;
	return true;
}

/* No label empty but the root's, that is one dot at the end. */
static bool labels_are_right(struct span host)
{
	size_t label = 0;

	for (size_t i = 0; i < host.n; i++) {
		if (host.p[i] != '.')
			label++;
		else if (label == 0)
			return false;
		else
			label = 0;
		if (label > LABEL_MAX)
			return false;
	}
	return true;
}

static bool parse_host(struct endpoint *e, const struct reading *r)
{
	struct span host = r->host;

	if (host.n == 0)
		return wrong(r, "the host is missing, as in \"10.0.0.1:143\" or \"mail.example:143\"");
	if (all_are(host, "0123456789."))
		return wrong(r, "not an IPv4 address; write four numbers from 0 to 255, as in \"10.0.0.1:143\"");
	if (!all_are(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"))
		return wrong(r, "a host name has only letters, digits, \"-\", \".\" and \"_\", as in \"mail.example:143\"");
	if (host.n > HOST_MAX || !labels_are_right(host))
		return wrong(r, "a host name has parts of 1 to %d bytes between dots, %d bytes in all", LABEL_MAX, HOST_MAX);
	e->kind = ENDPOINT_HOST;
	e->host = mem_span_dup(host);
	return true;
}

/* The port is already in e->addr. */
static bool parse_place(struct endpoint *e, const struct reading *r)
{
	uint16_t port = e->addr.port;
	bool is_ip = addr_parse_ip(&e->addr, r->host);

	e->addr.port = port;
	if (r->bracketed && !(is_ip && memchr(r->host.p, ':', r->host.n)))
		return wrong(r, "no IPv6 address stands in the brackets; write as in \"[::1]:143\" or \"[fe80::1%%2]:143\"");
	if (is_ip) {
		e->kind = ENDPOINT_IP;
		return true;
	}
	if (span_is(r->host, "*")) {
		e->kind = ENDPOINT_ANY;
		return true;
	}
	return parse_host(e, r);
}

static bool parse(struct endpoint *e, struct reading *r, uint16_t default_port)
{
	const char *rest = r->text;

	*e = (struct endpoint){ .kind = ENDPOINT_IP };
	if (strncmp(r->text, "unix:", 5) == 0)
		return parse_unix(e, r, r->text + 5);
	return split_host(r, &rest) && parse_port(e, r, rest, default_port) && parse_place(e, r);
}

bool endpoint_parse(struct endpoint *e, const char *text, uint16_t default_port, char *err, size_t errlen)
{
	struct reading r = { .text = text, .err = err, .errlen = errlen, .usual_port = 143 };

	return parse(e, &r, default_port);
}

bool endpoint_parse_listener(struct endpoint *e, const char *text, uint16_t usual_port, char *err, size_t errlen)
{
	struct reading r = { .text = text, .err = err, .errlen = errlen, .usual_port = usual_port };

	return parse(e, &r, 0);
}

void endpoint_fini(struct endpoint *e)
{
	mem_free(&e->host);
	mem_free(&e->path);
	*e = (struct endpoint){ .kind = ENDPOINT_IP };
}
