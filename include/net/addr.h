/*
 * addr.h - IP addresses, and the places settings name: "10.0.0.1:143", "[::1]:143", "mail.example:143", "*:993", "unix:/path".
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire/span.h"

#define ADDR_TEXT_MAX 64	/* "[ffff:...:ffff%4294967295]:65535" and its NUL */

/* A compact socket address; AF_UNSPEC (0): none. IPv4-mapped IPv6 addresses are stored as IPv4. */
struct addr {
	uint16_t family;	/* AF_INET, AF_INET6, AF_UNIX (a peer without a name), AF_UNSPEC */
	uint16_t port;		/* host order */
	uint32_t scope;
	unsigned char ip[16];	/* 4 or 16 bytes, network order */
};

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);	/* 0 but for AF_INET and AF_INET6 */

/* ip: 4 bytes of AF_INET, 16 of AF_INET6, network order. */
void addr_from_bytes(struct addr *a, int family, const unsigned char *ip, uint16_t port);

/* No port (0), no brackets; a scope is a number: "fe80::1%2". */
bool addr_parse_ip(struct addr *a, struct span ip);

/* "10.0.0.1:143", "[::1]:143", "unix", "-" for none. Give text ADDR_TEXT_MAX bytes; returns it. */
const char *addr_text(const struct addr *a, char *text);
const char *addr_ip_text(const struct addr *a, char *text);	/* without port and brackets */
bool addr_is_loopback(const struct addr *a);	/* 127/8, ::1, a peer on a unix socket */

enum endpoint_kind {
	ENDPOINT_IP,
	ENDPOINT_HOST,		/* a name to look up */
	ENDPOINT_ANY,		/* "*:port": both families; for listening only */
	ENDPOINT_UNIX,
};

struct endpoint {
	enum endpoint_kind kind;
	struct addr addr;	/* IP: all of it; HOST, ANY: the port */
	char *host;		/* HOST */
	char *path;		/* UNIX; starts with '/' and fits sockaddr_un */
};

/* Port 0 may be written: any free one, for listening. default_port: 0 if one must be given. false: what is
 * wrong and what would be right, in err. */
bool endpoint_parse(struct endpoint *e, const char *text, uint16_t default_port, char *err, size_t errlen);
/* The port must be given; usual_port is the one that a sentence about it names. */
bool endpoint_parse_listener(struct endpoint *e, const char *text, uint16_t usual_port, char *err, size_t errlen);
void endpoint_fini(struct endpoint *e);

#endif
