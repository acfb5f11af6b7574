/*
 * fuzz_redis_record.c - whatever Redis sends: hiredis' parser with our bounds, then the record in it. A record that is taken names only
 * what the cluster has, and holds only text that may go on.
 *
 * The input is what comes from the server, in two pieces. The cluster: mb1 and mb2 in the group north, mb3 in the group south.
 */
#include <hiredis/hiredis.h>

#include "fuzz.h"
#include "net/redis_reply.h"
#include "route/directory.h"
#include "route/redis_record.h"

static struct cluster *cluster;		/* made once: it is never written to */

static void make_cluster(void)
{
	static const char *const groups[] = { "north", "north", "south" };
	char err[256];

	if (cluster)
		return;
	cluster = cluster_new();
	cluster_add_backend(cluster, "mb1");
	cluster_add_backend(cluster, "mb2");
	cluster_add_backend(cluster, "mb3");
	MUST(cluster_finish(cluster, groups, NULL, err, sizeof(err)));
}

static bool is_text(const char *text, size_t cap, bool ascii)
{
	size_t n = strnlen(text, cap);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f || (ascii && c > 0x7e))
			return false;
	}
	return n < cap;
}

static void check_record(const struct directory_record *r)
{
	bool ours = !r->backend;

	for (size_t i = 0; i < cluster->nbackends; i++)
		ours |= r->backend == cluster->backends[i];
	MUST(ours);
	MUST(!r->group || cluster_find_group(cluster, span_of(r->group->name)) == r->group);
	MUST(r->state == USER_ACTIVE || r->state == USER_HOLD || r->state == USER_CLOSED);
	MUST(is_text(r->login_as, sizeof(r->login_as), false));
	MUST(is_text(r->reason, sizeof(r->reason), true));
}

static void take(redis_record_fn *fn, const redisReply *reply)
{
	struct directory_answer a = { 0 };

	if (fn(cluster, reply, &a)) {
		MUST(a.result == DIRECTORY_FOUND || a.result == DIRECTORY_UNKNOWN);
		check_record(&a.record);
	} else {
		MUST(a.why[0] && is_text(a.why, sizeof(a.why), true));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_bounds bounds = { .owed = 1 };
	redisReader *reader = redisReaderCreate();
	size_t cut = size > 0 ? data[0] % size : 0;
	void *reply = NULL;

	make_cluster();
	MUST(reader);
	redis_reply_bound(reader, &bounds);
	redisReaderFeed(reader, (const char *)data, cut);
	if (redisReaderGetReply(reader, &reply) == REDIS_OK && !reply) {
		redisReaderFeed(reader, (const char *)data + cut, size - cut);
		if (redisReaderGetReply(reader, &reply) != REDIS_OK)
			reply = NULL;
	}
	if (reply) {
		take(redis_record_of_hash, reply);
		take(redis_record_of_string, reply);
		reader->fn->freeObject(reply);	/* its objects are ours, not hiredis' */
	}
	redisReaderFree(reader);
	return 0;
}
