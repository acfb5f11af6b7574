/* mem.c - see mem.h. The lowest of base: even the log stands on it, so running out is said with a bare write(2). */
#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void no_memory(void)
{
	static const char line[] = "level=error event=no-memory msg=\"out of memory, aborting\"\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)ignored;
	abort();
}

void *mem_new(size_t n)
{
	return mem_new_array(1, n);
}

void *mem_new_array(size_t count, size_t size)
{
	void *p;

	if (count == 0 || size == 0)
		count = size = 1;	/* malloc may answer NULL to nothing */
	p = calloc(count, size);	/* checks count * size */
	if (!p)
		no_memory();
	return p;
}

void *mem_grow(void *p, size_t old_n, size_t n)
{
	unsigned char *q = realloc(p, n > 0 ? n : 1);

	if (!q)
		no_memory();
	if (n > old_n)
		memset(q + old_n, 0, n - old_n);
	return q;
}

void *mem_new_aligned(size_t alignment, size_t n)
{
	void *p;

	if (posix_memalign(&p, alignment, n) != 0)
		no_memory();
	return memset(p, 0, n);
}

void mem_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

char *mem_strdup(const char *text)
{
	return mem_span_dup(span_of(text));
}

char *mem_span_dup(struct span s)
{
	char *copy;

	if (s.n == SIZE_MAX)
		no_memory();
	copy = mem_new(s.n + 1);
	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	return copy;
}

/* What pp points to is a pointer of another type than void *: memcpy may look at it, an lvalue may not (C11 6.5p7). */
static void *take_pointer(void **pp)
{
	void *p, *none = NULL;

	memcpy(&p, pp, sizeof(p));
	memcpy(pp, &none, sizeof(none));
	return p;
}

void mem_free_(void **pp)
{
	free(take_pointer(pp));
}

void mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void mem_wipe_free_(void **pp, size_t n)
{
	void *p = take_pointer(pp);

	if (p)
		mem_wipe(p, n);
	free(p);
}
