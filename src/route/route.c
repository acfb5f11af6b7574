#include "route/route.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/loop.h"

struct route {
	struct net_loop *loop;
	const struct cluster *cluster;
	struct directory *directory;
	enum directory_outage outage;
};

static bool ask(struct route_query *q, struct route_answer *a);

struct route *route_new(struct net_loop *loop, const struct cluster *c, struct directory *directory, enum directory_outage outage)
{
	struct route *r = mem_new(sizeof(*r));

	assert(c->default_group);
	r->loop = loop;
	r->cluster = c;
	r->directory = directory;
	r->outage = outage;
	return r;
}

void route_free(struct route **r)
{
	if (*r)
		directory_free(&(*r)->directory);
	mem_free(r);
}

struct directory *route_directory(struct route *r)
{
	return r->directory;
}

const struct cluster *route_cluster(const struct route *r)
{
	return r->cluster;
}

/* ---- answers ---- */

static void found(struct route_answer *a, struct backend *b, const char *by)
{
	a->result = ROUTE_FOUND;
	a->backend = b;
	a->by = by;
}

static void not_found(struct route_answer *a, enum route_result result, const char *why)
{
	a->result = result;
	snprintf(a->why, sizeof(a->why), "%s", why);
}

static void pick_by_hash(struct route_answer *a, struct span user, const struct group *g)
{
	size_t i = rendezvous_pick(user, g->nodes, g->n);

	if (i < g->n) {
		found(a, g->backends[i], "hash");
		return;
	}
	a->result = ROUTE_MISCONFIGURED;
	snprintf(a->why, sizeof(a->why), "every backend of group %s has weight 0", g->name);
}

/* ---- what each answer of the directory comes to ---- */

static void go_to_backend(struct route_answer *a, const struct directory_answer *d)
{
	const struct directory_record *rec = &d->record;

	if (!rec->group || rec->group == rec->backend->group) {
		found(a, rec->backend, d->stale ? "last-known" : "directory");
		return;
	}
	a->result = ROUTE_MISCONFIGURED;
	snprintf(a->why, sizeof(a->why), "the record names backend %.64s, which is not in the record's group %.64s",
		 rec->backend->name, rec->group->name);
}

static void go_by_record(struct route_query *q, struct route_answer *a, const struct directory_answer *d)
{
	const struct directory_record *rec = &d->record;

	if (rec->backend)
		go_to_backend(a, d);
	else
		pick_by_hash(a, q->user, rec->group ? rec->group : q->route->cluster->default_group);
	if (a->result == ROUTE_FOUND)
		memcpy(a->login_as, rec->login_as, sizeof(a->login_as));
}

static void hold_is_over(struct timer *t)
{
	struct route_query *q = CONTAINER_OF(t, struct route_query, hold);
	struct route_answer a;

	if (!ask(q, &a))
		return;
	q->route = NULL;
	q->fn(q, &a);		/* q may be gone after this */
}

/* true: the user has been on hold for so long that one more pause would be too much. */
static bool hold(struct route_query *q, struct route_answer *a)
{
	struct timers *ts = &q->route->loop->timers;

	if (q->hold_until == 0)
		q->hold_until = ts->now + ROUTE_HOLD_SECONDS;
	if (ts->now + ROUTE_HOLD_PAUSE > q->hold_until) {
		not_found(a, ROUTE_UNAVAILABLE, "the user was on hold for too long");
		return true;
	}
	timers_start(ts, &q->hold, ROUTE_HOLD_PAUSE, hold_is_over);
	return false;
}

static bool found_record(struct route_query *q, struct route_answer *a, const struct directory_answer *d)
{
	switch (d->record.state) {
	case USER_ACTIVE:
		go_by_record(q, a, d);
		break;
	case USER_HOLD:
		return hold(q, a);
	case USER_CLOSED:
		not_found(a, ROUTE_CLOSED, d->record.reason);
		break;
	}
	return true;
}

/* on-outage = last-known is the directory's own affair: what it remembers comes as FOUND or UNKNOWN, what is left is refused. */
static void directory_is_down(struct route_query *q, struct route_answer *a, const struct directory_answer *d)
{
	const struct group *g = q->route->cluster->default_group;

	if (q->route->outage == OUTAGE_HASH && g->storage == STORAGE_SHARED)
		pick_by_hash(a, q->user, g);
	else
		not_found(a, ROUTE_UNAVAILABLE, d->why);
}

/* false: no answer yet, the user is on hold. */
static bool decide(struct route_query *q, struct route_answer *a, const struct directory_answer *d)
{
	*a = (struct route_answer){ .result = ROUTE_UNAVAILABLE };
	switch (d->result) {
	case DIRECTORY_FOUND:
		return found_record(q, a, d);
	case DIRECTORY_UNKNOWN:
		pick_by_hash(a, q->user, q->route->cluster->default_group);
		break;
	case DIRECTORY_DOWN:
		directory_is_down(q, a, d);
		break;
	case DIRECTORY_BROKEN:
		not_found(a, ROUTE_MISCONFIGURED, d->why);
		break;
	}
	return true;
}

/* ---- asking ---- */

static void directory_answered(struct directory_query *dq, const struct directory_answer *d)
{
	struct route_query *q = CONTAINER_OF(dq, struct route_query, directory);
	struct route_answer a;

	if (!decide(q, &a, d))
		return;
	q->route = NULL;
	q->fn(q, &a);		/* q may be gone after this */
}

static bool ask(struct route_query *q, struct route_answer *a)
{
	struct directory_answer d;

	return directory_find(q->route->directory, q->user, &q->directory, directory_answered, &d) && decide(q, a, &d);
}

bool route_find(struct route *r, struct span user, struct route_query *q, route_fn *fn, struct route_answer *a)
{
	assert(!q->route);
	q->route = r;
	q->user = user;
	q->fn = fn;
	q->hold_until = 0;
	if (!ask(q, a))
		return false;
	q->route = NULL;
	return true;
}

void route_cancel(struct route_query *q)
{
	if (!q->route)
		return;
	timers_stop(&q->route->loop->timers, &q->hold);
	directory_cancel(q->route->directory, &q->directory);
	q->route = NULL;
}
