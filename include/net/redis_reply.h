/*
 * redis_reply.h - the objects hiredis' parser makes of an answer, with bounds, which its own do not have: those of redis.h, and that
 * no answer is made that nobody asked for. What they refuse ends the connection (hiredis takes it for a lack of memory).
 *
 * Only redis.c includes it.
 */
#ifndef NET_REDIS_REPLY_H
#define NET_REDIS_REPLY_H

#include <stddef.h>

struct redisReader;

struct redis_bounds {
	unsigned owed;			/* answers that may still begin: one more for each command sent */
	size_t elements, bytes;		/* of the answer that arrives */
	const char *refused;		/* NULL, or why: a phrase */
};

/* The reader must be new; b must outlive it. Its objects are of hiredis' type, and the reader's freeObject frees them. */
void redis_reply_bound(struct redisReader *reader, struct redis_bounds *b);

#endif
