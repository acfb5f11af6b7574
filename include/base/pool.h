/*
 * pool.h - objects of one size, for what comes and goes with sessions: no malloc header each, no holes of odd sizes.
 *
 *	chunk |obj|obj|obj|...|      chunks of about POOL_CHUNK bytes; a chunk all of whose objects are back goes back to malloc,
 *	chunk |obj|...               but for one that is kept
 *
 * Owned by one thread. With AddressSanitizer each object is malloc's own, so that use after free is seen.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

#define POOL_CHUNK (32 * 1024)

struct pool_chunk;

struct pool {
	size_t size;			/* of an object, rounded up */
	struct pool_chunk *with_room;	/* chunks that have free objects */
	size_t in_use;			/* objects taken and not given back: a gauge */
	size_t chunks;
};

void pool_init(struct pool *p, size_t size);
void pool_fini(struct pool *p);		/* every object must be back */

void *pool_take(struct pool *p);	/* zeroed; never fails */

/* Gives *object back and clears it; NULL is fine. */
#define pool_give(p, object) pool_give_((p), (void **)(object))
void pool_give_(struct pool *p, void **object);

#endif
