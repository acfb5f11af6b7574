/*
 * cidr.h - networks: "10.0.0.0/8", "2001:db8::/32", a single address, or "unix" (whoever comes over a Unix socket).
 *
 * An IPv4-mapped one is the IPv4 network it means, as in struct addr. Lists are short and searched in order.
 */
#ifndef NET_CIDR_H
#define NET_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

struct cidr {
	uint16_t family;	/* AF_INET, AF_INET6, AF_UNIX */
	uint8_t bits;		/* of ip that count; the others are 0 */
	unsigned char ip[16];
};

struct cidr_list {
	struct cidr *items;
	size_t n;
};

/* false: what is wrong and what would be right, in err. */
bool cidr_parse(struct cidr *c, const char *text, char *err, size_t errlen);

bool cidr_has(const struct cidr *c, const struct addr *a);		/* ports and scopes do not matter */
bool cidr_list_has(const struct cidr_list *l, const struct addr *a);	/* an empty list has nobody */

#endif
