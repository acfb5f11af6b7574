/*
 * mem.h - memory that comes zeroed and never fails: whoever runs out logs a line and aborts.
 *
 * A proxy that has lost count is worse than one that restarts; what peers can make us hold is bounded elsewhere.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "wire/span.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

void *mem_new(size_t n);			/* zeroed; free with mem_free */
void *mem_new_array(size_t count, size_t size);	/* zeroed; count * size is checked */
void *mem_grow(void *p, size_t old_n, size_t n);/* like realloc; what is new is zeroed; p may be NULL */
void *mem_new_aligned(size_t alignment, size_t n);	/* zeroed; alignment: a power of two, a pointer's size at least */
char *mem_strdup(const char *text);
char *mem_span_dup(struct span s);		/* a C string; s must hold no NUL to be worth it */

/* Frees *pp and clears it; NULL is fine. */
#define mem_free(pp) mem_free_((void **)(pp))
void mem_free_(void **pp);

/* Whole pages that are free go back to the system, of all threads. It takes its time: a look at each free piece. */
void mem_give_back(void);

/* Overwrites n bytes so that no compiler leaves it out. For secrets. */
void mem_wipe(void *p, size_t n);

/* mem_wipe, then mem_free. */
#define mem_wipe_free(pp, n) mem_wipe_free_((void **)(pp), (n))
void mem_wipe_free_(void **pp, size_t n);

#endif
