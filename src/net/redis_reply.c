#include "net/redis_reply.h"

#include <string.h>
#include <hiredis/hiredis.h>

#include "base/mem.h"
#include "net/redis.h"

#define REDIS_DEPTH_MAX 2

static void *refuse(struct redis_bounds *b, const char *why)
{
	b->refused = why;
	return NULL;	/* hiredis takes it for a lack of memory and ends the connection */
}

static redisReply *make_object(const redisReadTask *task, size_t extra)
{
	struct redis_bounds *b = task->privdata;
	redisReply *reply, *parent;

	if (!task->parent) {
		if (b->owed == 0)
			return refuse(b, "an answer that nobody asked for");
		b->owed--;
		b->elements = b->bytes = 0;
	}
	reply = mem_new(sizeof(*reply) + extra);
	reply->type = task->type;
	if (task->parent) {
		parent = task->parent->obj;
		parent->element[task->idx] = reply;
	}
	return reply;
}

static void *make_string(const redisReadTask *task, char *text, size_t n)
{
	struct redis_bounds *b = task->privdata;
	redisReply *reply;
	size_t before = task->parent ? b->bytes : 0;

	if (n > REDIS_UNPARSED_MAX || before + n > REDIS_UNPARSED_MAX)
		return refuse(b, "too long an answer");
	reply = make_object(task, n + 1);
	if (!reply)
		return NULL;
	b->bytes += n;
	reply->str = (char *)(reply + 1);
	reply->len = n;
	memcpy(reply->str, text, n);
	return reply;
}

static unsigned depth_of(const redisReadTask *task)
{
	unsigned depth = 1;

	while ((task = task->parent))
		depth++;
	return depth;
}

#if HIREDIS_MAJOR >= 1
typedef size_t redis_count;
#else
typedef int redis_count;
#endif

static void *make_array(const redisReadTask *task, redis_count count)
{
	struct redis_bounds *b = task->privdata;
	size_t n = (size_t)count, before = task->parent ? b->elements : 0;
	redisReply *reply;

	if (n > REDIS_ELEMENTS_MAX || before + n > REDIS_ELEMENTS_MAX)
		return refuse(b, "too many elements in an answer");
	if (depth_of(task) > REDIS_DEPTH_MAX)
		return refuse(b, "too deep an answer");
	reply = make_object(task, n * sizeof(reply->element[0]));
	if (!reply)
		return NULL;
	b->elements += n;
	reply->elements = n;
	reply->element = (redisReply **)(reply + 1);
	return reply;
}

static void *make_integer(const redisReadTask *task, long long value)
{
	redisReply *reply = make_object(task, 0);

	if (reply)
		reply->integer = value;
	return reply;
}

static void *make_nil(const redisReadTask *task)
{
	redisReply *reply = make_object(task, 0);

	if (reply)
		reply->type = REDIS_REPLY_NIL;	/* task->type is what it is the nil of */
	return reply;
}

#if HIREDIS_MAJOR >= 1
/* RESP3, which nobody asked for. */
static void *make_double(const redisReadTask *task, double value, char *text, size_t n)
{
	(void)value, (void)text, (void)n;
	return refuse(task->privdata, "an answer of an unknown type");
}

static void *make_bool(const redisReadTask *task, int value)
{
	(void)value;
	return refuse(task->privdata, "an answer of an unknown type");
}
#endif

static void free_object(void *object)
{
	redisReply *reply = object;

	if (!reply)
		return;
	for (size_t i = 0; i < reply->elements; i++)
		free_object(reply->element[i]);
	mem_free(&reply);
}

static redisReplyObjectFunctions object_functions = {
	.createString = make_string,
	.createArray = make_array,
	.createInteger = make_integer,
	.createNil = make_nil,
	.freeObject = free_object,
#if HIREDIS_MAJOR >= 1
	.createDouble = make_double,
	.createBool = make_bool,
#endif
};

void redis_reply_bound(struct redisReader *reader, struct redis_bounds *b)
{
	reader->fn = &object_functions;
	reader->privdata = b;
}
