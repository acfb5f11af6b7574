/*
 * buf.h - pooled buffers for bytes that must wait, and only while they wait: an idle session holds none.
 *
 *	data  |..taken..|==== waiting ====|......room......|
 *	                head              tail             cap
 *
 * Owned by one thread. The pool keeps a few spare buffers of each size and gives the rest back to malloc.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#define BUF_MAX (256 * 1024)	/* the largest size there is: one scratch buffer */

struct buf {
	struct buf *next;	/* in the pool's list of spares */
	uint32_t head, tail, cap;
	unsigned char data[];
};

enum { BUF_NSIZES = 4 };	/* 4, 16, 64, 256 KiB */

struct buf_pool {
	struct buf *spare[BUF_NSIZES];
	unsigned spares[BUF_NSIZES];
	size_t in_use;		/* buffers taken and not given back: a gauge */
	size_t in_use_bytes;
};

void buf_pool_init(struct buf_pool *pool);
void buf_pool_fini(struct buf_pool *pool);	/* every buffer must be back */

/* The smallest size that holds n bytes; n <= BUF_MAX. Empty: head = tail = 0. */
struct buf *buf_take(struct buf_pool *pool, size_t n);
void buf_give(struct buf_pool *pool, struct buf **b);		/* NULL is fine */
void buf_give_wiped(struct buf_pool *pool, struct buf **b);	/* for what may hold secrets */

static inline size_t buf_waiting(const struct buf *b)
{
	return b ? b->tail - b->head : 0;
}

/* Copies n bytes to the end; makes room by moving what waits to the front. Returns how many fit. */
size_t buf_append(struct buf *b, const void *p, size_t n);
void buf_taken(struct buf *b, size_t n);	/* n of the waiting bytes are gone */

#endif
