/*
 * resolver.h - host names to addresses, by c-ares on the thread's loop; answers are kept as long as their TTL says
 * (at least RESOLVER_TTL_MIN, at most RESOLVER_TTL_MAX seconds), and when a new look-up fails, the old answer goes on serving.
 *
 *	asking --> known --(TTL over)--> asking again --> known
 *	   |                                |
 *	   +--> failed: so for              +--> stale: the old answer serves at once, and is
 *	        RESOLVER_RETRY s                 asked for anew every RESOLVER_RETRY s at most
 *
 * All who ask for one name share one look-up. One resolver per thread. Both families are asked; addresses come in the order of
 * RFC 6724. The loop needs a real ev loop.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

#define RESOLVER_ADDRS_MAX 8
#define RESOLVER_NAMES_MAX 1024		/* remembered at a time; only names from the settings are ever asked for */
#define RESOLVER_TTL_MIN 5
#define RESOLVER_TTL_MAX 3600
#define RESOLVER_RETRY 2.0		/* seconds until a failed look-up is tried again: a login storm must not become a DNS storm */

struct net_loop;
struct resolver;
struct resolver_query;

struct resolver_answer {
	size_t n;			/* 0: failed; loop->failure says why */
	struct addr addrs[RESOLVER_ADDRS_MAX];	/* port 0 */
};

typedef void resolver_fn(struct resolver_query *q, const struct resolver_answer *a);

struct resolver_query {			/* embedded in who asks */
	struct resolver_query *next, *prev;
	struct resolver_name *name;	/* NULL: not waiting */
	resolver_fn *fn;
};

struct resolver *resolver_new(struct net_loop *loop);
void resolver_free(struct resolver **r);	/* no query may wait any more; not from a resolver_fn */

/* Who answers instead of /etc/resolv.conf's servers: "127.0.0.1:5353,..."; for tests and odd networks.
 * false: no such list, or a look-up is under way. */
bool resolver_set_servers(struct resolver *r, const char *servers);

/* true: *a is filled now, fn is not called. false: fn is called once, later, from the loop. */
bool resolver_find(struct resolver *r, const char *host, struct resolver_query *q, resolver_fn *fn, struct resolver_answer *a);
void resolver_cancel(struct resolver *r, struct resolver_query *q);	/* not waiting: fine */

#endif
