/*
 * directory_redis.c - the driver "redis": the operator's record of a user is a hash, or just a string with the backend's name.
 *
 *	find --HGETALL--> a hash ------> checked, field by field -----> FOUND, UNKNOWN or BROKEN
 *	          |-----> WRONGTYPE --GET--> the backend's name -----> the same
 *	          '-----> no answer ------> what was known last, if the settings say so, else DOWN
 */
#include "route/directory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "base/mem.h"
#include "net/loop.h"
#include "net/redis.h"
#include "route/last_known.h"
#include "route/redis_record.h"
#include "wire/out.h"

struct directory_redis {
	struct directory directory;
	struct net_loop *loop;
	struct redis *redis;
	const struct cluster *cluster;
	char *prefix;
	enum directory_outage outage;
	struct last_known *last;
	struct request *first;		/* waiting for Redis */
	char *key;			/* scratch: redis_call copies it */
	size_t key_cap;
};

/* A query under way. */
struct request {
	struct request *next, *prev;
	struct directory_redis *driver;
	struct directory_query *query;
	struct redis_call call;
	size_t user_len;
	char user[];
};

/* ---- answers ---- */

static void remember(struct directory_redis *d, struct span user, const struct directory_answer *a)
{
	if (d->outage == OUTAGE_LAST_KNOWN && d->last)
		last_known_put(d->last, user, a->result == DIRECTORY_FOUND ? &a->record : NULL);
}

static void answer_down(struct directory_redis *d, struct span user, const char *why, struct directory_answer *a)
{
	bool has_record;

	*a = (struct directory_answer){ .result = DIRECTORY_DOWN };
	snprintf(a->why, sizeof(a->why), "%s", why);
	if (d->outage != OUTAGE_LAST_KNOWN || !d->last || !last_known_find(d->last, d->cluster, user, &a->record, &has_record))
		return;
	a->result = has_record ? DIRECTORY_FOUND : DIRECTORY_UNKNOWN;
	a->stale = true;
}

/* reply NULL: there is none. */
static void make_answer(struct request *r, const redisReply *reply, const char *why, redis_record_fn *take, struct directory_answer *a)
{
	struct directory_redis *d = r->driver;
	struct span user = span_mem(r->user, r->user_len);

	*a = (struct directory_answer){ 0 };
	if (!reply) {
		answer_down(d, user, why, a);
	} else if (take(d->cluster, reply, a)) {
		remember(d, user, a);
	} else {
		a->result = DIRECTORY_BROKEN;
		a->record = (struct directory_record){ 0 };
	}
}

static void request_free(struct request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		r->driver->first = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->query->driver = NULL;
	mem_free(&r);
}

static void finish(struct request *r, const redisReply *reply, const char *why, redis_record_fn *take)
{
	struct directory_query *q = r->query;
	struct directory_answer a;

	make_answer(r, reply, why, take, &a);
	request_free(r);
	q->fn(q, &a);
}

/* ---- asking ---- */

static bool ask(struct request *r, const char *command, redis_fn *fn)
{
	struct directory_redis *d = r->driver;
	struct out o;

	out_init(&o, d->key, d->key_cap);
	out_str(&o, d->prefix);
	out_str(&o, "user:{");
	user_name_encode(&o, span_mem(r->user, r->user_len));
	out_chr(&o, '}');
	assert(out_ok(&o));
	return redis_call(d->redis, &r->call, fn, 2, (struct span[]){ span_of(command), out_written(&o) });
}

static void on_get(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	finish(CONTAINER_OF(call, struct request, call), reply, why, redis_record_of_string);
}

static void on_hgetall(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	struct request *r = CONTAINER_OF(call, struct request, call);

	if (!reply || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "WRONGTYPE", strlen("WRONGTYPE")) != 0)
		finish(r, reply, why, redis_record_of_hash);
	else if (!ask(r, "GET", on_get))
		finish(r, NULL, r->driver->loop->failure, redis_record_of_string);
}

static struct request *request_new(struct directory_redis *d, struct span user, struct directory_query *q)
{
	struct request *r = mem_new(sizeof(*r) + user.n);

	r->driver = d;
	r->query = q;
	r->user_len = user.n;
	memcpy(r->user, user.p, user.n);
	r->next = d->first;
	if (r->next)
		r->next->prev = r;
	d->first = r;
	return r;
}

static bool redis_find(struct directory *directory, struct span user, struct directory_query *q, directory_fn *fn,
		       struct directory_answer *a)
{
	struct directory_redis *d = CONTAINER_OF(directory, struct directory_redis, directory);
	struct request *r;

	assert(user.n > 0 && user.n <= USER_NAME_MAX);
	r = request_new(d, user, q);
	q->directory = directory;
	q->driver = r;
	q->fn = fn;
	if (ask(r, "HGETALL", on_hgetall))
		return false;
	answer_down(d, user, d->loop->failure, a);
	request_free(r);
	return true;
}

static void redis_find_cancel(struct directory *directory, struct directory_query *q)
{
	struct directory_redis *d = CONTAINER_OF(directory, struct directory_redis, directory);
	struct request *r = q->driver;

	if (!r)
		return;
	redis_cancel(d->redis, &r->call);
	request_free(r);
}

static void redis_directory_free(struct directory *directory)
{
	struct directory_redis *d = CONTAINER_OF(directory, struct directory_redis, directory);

	redis_free(&d->redis);		/* forgets the calls */
	while (d->first)
		request_free(d->first);
	mem_free(&d->prefix);
	mem_free(&d->key);
	mem_free(&d);
}

struct directory *directory_redis_new(struct net_loop *loop, struct resolver *r, const struct redis_conf *conf, const char *prefix,
				      const struct cluster *cluster, enum directory_outage outage, struct last_known *last)
{
	struct directory_redis *d = mem_new(sizeof(*d));

	d->directory = (struct directory){ .find = redis_find, .cancel = redis_find_cancel, .free = redis_directory_free };
	d->loop = loop;
	d->cluster = cluster;
	d->prefix = mem_strdup(prefix);
	d->outage = outage;
	d->last = last;
	d->key_cap = strlen(prefix) + strlen("user:{}") + 3 * USER_NAME_MAX;	/* each byte as %XX */
	d->key = mem_new(d->key_cap);
	d->redis = redis_new(loop, r, conf);
	return &d->directory;
}
