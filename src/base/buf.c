#include "base/buf.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

/* The sizes, and how many spares of each the pool keeps: at most 704 KiB in all. */
static const struct {
	uint32_t cap;
	unsigned spares_max;
} sizes[] = {
	{ 4 * 1024, 16 },
	{ 16 * 1024, 8 },
	{ 64 * 1024, 4 },
	{ BUF_MAX, 1 },
};
_Static_assert(ARRAY_LEN(sizes) == BUF_NSIZES, "a size without its row");

static unsigned size_index(size_t n)
{
	unsigned i = 0;

	assert(n <= BUF_MAX);
	while (sizes[i].cap < n)
		i++;
	return i;
}

void buf_pool_init(struct buf_pool *pool)
{
	*pool = (struct buf_pool){ 0 };
}

void buf_pool_fini(struct buf_pool *pool)
{
	assert(pool->in_use == 0);
	for (unsigned i = 0; i < BUF_NSIZES; i++) {
		while (pool->spare[i]) {
			struct buf *b = pool->spare[i];

			pool->spare[i] = b->next;
			mem_free(&b);
		}
		pool->spares[i] = 0;
	}
}

static struct buf *take_spare(struct buf_pool *pool, unsigned i)
{
	struct buf *b = pool->spare[i];

	if (!b)
		return NULL;
	pool->spare[i] = b->next;
	pool->spares[i]--;
	b->next = NULL;
	b->head = b->tail = 0;
	return b;
}

struct buf *buf_take(struct buf_pool *pool, size_t n)
{
	unsigned i = size_index(n);
	struct buf *b = take_spare(pool, i);

	if (!b) {
		b = mem_new(sizeof(*b) + sizes[i].cap);
		b->cap = sizes[i].cap;
	}
	pool->in_use++;
	pool->in_use_bytes += b->cap;
	return b;
}

void buf_give(struct buf_pool *pool, struct buf **bp)
{
	struct buf *b = *bp;
	unsigned i;

	if (!b)
		return;
	*bp = NULL;
	assert(pool->in_use > 0 && pool->in_use_bytes >= b->cap);
	pool->in_use--;
	pool->in_use_bytes -= b->cap;

	i = size_index(b->cap);
	if (pool->spares[i] >= sizes[i].spares_max) {
		mem_free(&b);
		return;
	}
	b->next = pool->spare[i];
	pool->spare[i] = b;
	pool->spares[i]++;
}

/* All of it: what was moved to the front left a copy behind the tail. */
void buf_give_wiped(struct buf_pool *pool, struct buf **bp)
{
	if (*bp)
		mem_wipe((*bp)->data, (*bp)->cap);
	buf_give(pool, bp);
}

static void move_to_front(struct buf *b)
{
	memmove(b->data, b->data + b->head, b->tail - b->head);
	b->tail -= b->head;
	b->head = 0;
}

size_t buf_append(struct buf *b, const void *p, size_t n)
{
	size_t room;

	if (n > b->cap - b->tail && b->head > 0)
		move_to_front(b);
	room = b->cap - b->tail;
	if (n > room)
		n = room;
	if (n > 0)
		memcpy(b->data + b->tail, p, n);
	b->tail += (uint32_t)n;
	return n;
}

void buf_taken(struct buf *b, size_t n)
{
	assert(n <= buf_waiting(b));
	b->head += (uint32_t)n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}
