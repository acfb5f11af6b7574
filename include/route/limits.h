/*
 * limits.h - how many at once: sessions that are not logged in (in all, of an address, of an IPv6 /64), new connections a second, sessions
 * of a user and of a user at one address.
 *
 *	limits_arrive --> not logged in --limits_leave--> gone
 *	                        |
 *	                        '--limits_log_in, limits_leave--> logged in --limits_log_out--> gone
 *
 * Shared by all workers: LIMITS_SHARDS shards, a mutex each, never held across I/O; the total is an atomic. Exact with any number of
 * threads: a count is taken and compared under one lock. An entry is there only while its count is above 0, or for the second in which
 * connections are counted, so there are at most a few for each session, and for each connection of the last LIMITS_SWEEP seconds.
 *
 * The numbers are the caller's settings, handed in at each call: after a reload new ones hold, and the counts go on.
 */
#ifndef ROUTE_LIMITS_H
#define ROUTE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/addr.h"
#include "net/cidr.h"
#include "wire/span.h"

#define LIMITS_SHARDS 64
#define LIMITS_SWEEP 10.0	/* seconds, at most, for which a shard in use remembers an address that has no session any more */

struct limits;

/* 0: no limit. */
struct limits_conf {
	unsigned not_logged_in;			/* in all; exempt ones count too: it is memory that is limited here */
	unsigned not_logged_in_per_address;
	unsigned not_logged_in_per_64;		/* IPv6 networks of 64 bits: one household */
	unsigned connections_per_second;	/* of an IPv4 address or an IPv6 /64; as many at once, if it was quiet before */
	unsigned sessions_per_user;
	unsigned sessions_per_user_address;
	struct cidr_list exempt;		/* held to the total only */
};

enum limits_verdict {
	LIMITS_OK,
	LIMITS_CROWDED,			/* counted, and now there are too many in all: one that is not logged in must go */
	LIMITS_TOO_FAST,		/* this and those below: not counted */
	LIMITS_ADDRESS_FULL,
	LIMITS_NETWORK_FULL,
	LIMITS_USER_FULL,
	LIMITS_USER_ADDRESS_FULL,
};

/* What of a session is counted, so that the same is given back. Zeroed: nothing. */
struct limits_ticket {
	struct addr addr;
	bool in_total, by_address;	/* not logged in */
};

enum limits_login { LIMITS_BY_USER = 1, LIMITS_BY_USER_ADDRESS = 2 };

struct limits *limits_new(void);
void limits_free(struct limits **l);	/* whatever is still counted */

/* A client is here. now: a clock that all callers share. OK or CROWDED: it is counted until limits_leave. A peer without an address (a
 * Unix socket's) is counted in the total only. */
enum limits_verdict limits_arrive(struct limits *l, const struct limits_conf *conf, const struct addr *peer, double now,
				  struct limits_ticket *t);
void limits_leave(struct limits *l, struct limits_ticket *t, double now);	/* nothing counted: fine; t is zeroed */

/* The backend has let user (canonical) in. OK: *counted (enum limits_login, 0 for nothing) must be given to limits_log_out with the same
 * user and address. */
enum limits_verdict limits_log_in(struct limits *l, const struct limits_conf *conf, struct span user, const struct addr *peer,
				  unsigned *counted);
void limits_log_out(struct limits *l, struct span user, const struct addr *peer, unsigned counted);

unsigned limits_not_logged_in(const struct limits *l);
size_t limits_entries(struct limits *l);	/* for tests and the curious: takes each lock once */

#endif
