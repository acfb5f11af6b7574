/*
 * directory.h - user -> what is recorded for this user.
 *
 * One interface, a driver a file: none, a map file in memory, Redis. One struct directory a worker; what workers share (the map) is behind
 * it. A driver answers at once or later, always with the same struct.
 */
#ifndef ROUTE_DIRECTORY_H
#define ROUTE_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "route/backend.h"
#include "wire/span.h"
#include "wire/user_name.h"

struct net_loop;
struct resolver;
struct redis_conf;
struct user_map;
struct last_known;

enum directory_driver { DIRECTORY_NONE, DIRECTORY_FILE, DIRECTORY_REDIS };
enum directory_outage { OUTAGE_REFUSE, OUTAGE_LAST_KNOWN, OUTAGE_HASH };

enum directory_result {
	DIRECTORY_FOUND,	/* *record holds */
	DIRECTORY_UNKNOWN,	/* no record of this user */
	DIRECTORY_DOWN,		/* no answer; why says */
	DIRECTORY_BROKEN,	/* an answer that makes no sense (unknown backend, wrong type); why says */
};

enum user_state { USER_ACTIVE, USER_HOLD, USER_CLOSED };

#define DIRECTORY_REASON_MAX 256

struct directory_record {
	struct backend *backend;		/* NULL: none recorded */
	struct group *group;			/* NULL: none recorded */
	enum user_state state;
	char login_as[USER_NAME_MAX + 1];	/* "": as the client said */
	char reason[DIRECTORY_REASON_MAX + 1];	/* of USER_CLOSED; printable ASCII only; may be "" */
};

struct directory_answer {
	enum directory_result result;
	bool stale;		/* FOUND, UNKNOWN: the directory is down, this is what it said last (on-outage = last-known) */
	struct directory_record record;
	char why[192];		/* DOWN, BROKEN: for the log */
};

struct directory_query;
typedef void directory_fn(struct directory_query *q, const struct directory_answer *a);

struct directory;

struct directory_query {		/* embedded in who asks */
	directory_fn *fn;
	void *driver;			/* the driver's; NULL: not waiting */
	struct directory *directory;
};

struct directory {
	bool (*find)(struct directory *d, struct span user, struct directory_query *q, directory_fn *fn, struct directory_answer *a);
	void (*cancel)(struct directory *d, struct directory_query *q);
	void (*free)(struct directory *d);
};

/* user: canonical. true: *a is filled now, fn is not called. false: fn is called once, later. */
static inline bool directory_find(struct directory *d, struct span user, struct directory_query *q, directory_fn *fn,
				  struct directory_answer *a)
{
	return d->find(d, user, q, fn, a);
}

static inline void directory_cancel(struct directory *d, struct directory_query *q)	/* not waiting: fine */
{
	d->cancel(d, q);
}

static inline void directory_free(struct directory **d)
{
	if (*d)
		(*d)->free(*d);
	*d = NULL;
}

struct directory *directory_none_new(void);

/* map: shared, reference-counted; the driver takes a reference and swaps it with directory_file_set_map. */
struct directory *directory_file_new(struct user_map *map);
void directory_file_set_map(struct directory *d, struct user_map *map);

/* HGETALL, and GET where the key holds a string. last: shared among workers, may be NULL (then on-outage = last-known cannot be). */
struct directory *directory_redis_new(struct net_loop *loop, struct resolver *r, const struct redis_conf *conf, const char *prefix,
				      const struct cluster *cluster, enum directory_outage outage, struct last_known *last);

#endif
