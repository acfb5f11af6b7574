/*
 * Chunks are aligned to their size, so that an object's address tells its chunk: no word per object is kept while it is in use.
 */
#include "base/pool.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define EACH_ITS_OWN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_ITS_OWN 1
#endif
#endif
#ifndef EACH_ITS_OWN
#define EACH_ITS_OWN 0
#endif

struct free_object {
	struct free_object *next;
};

struct pool_chunk {
	struct pool_chunk *next, *prev;	/* neighbours in with_room */
	struct free_object *free;
	size_t in_use;
};

#define ALIGNMENT 16
#define MALLOC_HEAD 16	/* left to it of each chunk: so the next one can begin where this one ends, and nothing is lost between them */
#define CHUNK_BYTES (POOL_CHUNK - MALLOC_HEAD)
#define CHUNK_HEAD ((sizeof(struct pool_chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

void pool_init(struct pool *p, size_t size)
{
	*p = (struct pool){ .size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };
	assert(p->size > 0 && p->size <= POOL_CHUNK / 8);
}

static void list_add(struct pool *p, struct pool_chunk *c)
{
	c->prev = NULL;
	c->next = p->with_room;
	if (c->next)
		c->next->prev = c;
	p->with_room = c;
}

static void list_remove(struct pool *p, struct pool_chunk *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		p->with_room = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

static void add_chunk(struct pool *p)
{
	struct pool_chunk *c = mem_new_aligned(POOL_CHUNK, CHUNK_BYTES);

	for (size_t n = (CHUNK_BYTES - CHUNK_HEAD) / p->size; n > 0; n--) {
		struct free_object *f = (struct free_object *)((char *)c + CHUNK_HEAD + (n - 1) * p->size);

		f->next = c->free;
		c->free = f;
	}
	p->chunks++;
	list_add(p, c);
}

static void drop_chunk(struct pool *p, struct pool_chunk *c)
{
	list_remove(p, c);
	p->chunks--;
	mem_free(&c);
}

void pool_fini(struct pool *p)
{
	assert(p->in_use == 0);
	while (p->with_room)
		drop_chunk(p, p->with_room);
}

static void *take_from_chunk(struct pool *p)
{
	struct pool_chunk *c;
	struct free_object *f;

	if (!p->with_room)
		add_chunk(p);
	c = p->with_room;
	f = c->free;
	c->free = f->next;
	c->in_use++;
	if (!c->free)
		list_remove(p, c);
	memset(f, 0, p->size);
	return f;
}

void *pool_take(struct pool *p)
{
	p->in_use++;
	return EACH_ITS_OWN ? mem_new(p->size) : take_from_chunk(p);
}

static void give_to_chunk(struct pool *p, void *object)
{
	struct pool_chunk *c = (struct pool_chunk *)((uintptr_t)object & ~(uintptr_t)(POOL_CHUNK - 1));
	struct free_object *f = object;
	bool was_full = !c->free;

	f->next = c->free;
	c->free = f;
	c->in_use--;
	if (was_full)
		list_add(p, c);
	if (c->in_use == 0 && (c->next || c->prev))	/* another one has room: that is enough */
		drop_chunk(p, c);
}

void pool_give_(struct pool *p, void **object)
{
	if (!*object)
		return;
	assert(p->in_use > 0);
	p->in_use--;
	if (EACH_ITS_OWN)
		mem_free(object);
	else
		give_to_chunk(p, *object);
	*object = NULL;
}
