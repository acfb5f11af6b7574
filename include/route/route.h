/*
 * route.h - the decision where a user goes: directory, then (later) assignment, then hashing.
 *
 *	record says closed ---------> ROUTE_CLOSED
 *	record says hold -----------> asked again every ROUTE_HOLD_PAUSE s, at most ROUTE_HOLD_SECONDS, then ROUTE_UNAVAILABLE
 *	record names a backend -----> that one
 *	record names a group -------> weighted rendezvous hashing over the group
 *	no record ------------------> the same over the default group
 *	no answer ------------------> on-outage: refuse (ROUTE_UNAVAILABLE), last-known, hash
 *	answer without sense -------> ROUTE_MISCONFIGURED, never another backend
 *
 * A record that names a backend and a group it is not in is without sense, and so is a group to hash over whose weights are all 0.
 * "hash" holds for shared storage only: with shard storage a user whose record is out of reach waits for it (ROUTE_UNAVAILABLE).
 *
 * One per worker. Never picks a backend the settings do not name.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>

#include "net/timers.h"
#include "route/directory.h"

#define ROUTE_HOLD_SECONDS 30.0
#define ROUTE_HOLD_PAUSE 1.0

struct net_loop;

enum route_result {
	ROUTE_FOUND,
	ROUTE_UNAVAILABLE,	/* directory down, or the user on hold for too long; why says */
	ROUTE_CLOSED,		/* the account is closed; why is the operator's reason, fit for the client, may be "" */
	ROUTE_MISCONFIGURED,	/* the record and the settings do not fit together; why says */
};

struct route_answer {
	enum route_result result;
	struct backend *backend;		/* FOUND */
	const char *by;				/* FOUND: "directory", "last-known", "hash" */
	char login_as[USER_NAME_MAX + 1];	/* FOUND: "" or the name at the backend */
	char why[DIRECTORY_REASON_MAX + 1];
};

struct route_query;
typedef void route_fn(struct route_query *q, const struct route_answer *a);

struct route;

struct route_query {			/* embedded in who asks */
	struct directory_query directory;
	struct timer hold;
	double hold_until;		/* 0: not on hold */
	struct route *route;		/* NULL: not waiting */
	struct span user;		/* the asker's; must stay until the answer */
	route_fn *fn;
};

/* directory is taken: route_free frees it. loop gives the timers. Before route_free every query is answered or cancelled. */
struct route *route_new(struct net_loop *loop, const struct cluster *c, struct directory *directory, enum directory_outage outage);
void route_free(struct route **r);
struct directory *route_directory(struct route *r);
const struct cluster *route_cluster(const struct route *r);

/* user: canonical. true: *a is filled now, fn is not called. false: fn is called once, later. */
bool route_find(struct route *r, struct span user, struct route_query *q, route_fn *fn, struct route_answer *a);
void route_cancel(struct route_query *q);	/* not waiting: fine */

#endif
