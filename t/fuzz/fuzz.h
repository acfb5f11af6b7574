/*
 * fuzz.h - what the harnesses share: one input in, properties asserted, nothing given back.
 *
 * A harness is a fuzz_NAME.c with LLVMFuzzerTestOneInput. Linked with libFuzzer it is a fuzzer, with replay.c a test of its corpus.
 * What a harness chooses beside the input (where to cut it, how large a buffer is) comes out of the input itself, so that an
 * input is the whole story: the same one fails again, and seeds stay plain text.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): it must hold with NDEBUG too. */
#define MUST(holds) ((holds) ? (void)0 : fuzz_fail(#holds, __FILE__, __LINE__))

static inline _Noreturn void fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* Room for just n bytes, so that a sanitizer sees one too many. */
static inline char *fuzz_room(size_t n)
{
	char *p = malloc(n ? n : 1);

	MUST(p != NULL);
	return p;
}

static inline char *fuzz_copy(struct span s)
{
	char *p = fuzz_room(s.n);

	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

/* A number that every byte of the input has a say in (FNV-1a). */
static inline uint64_t fuzz_number(struct span input)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < input.n; i++)
		h = (h ^ (unsigned char)input.p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static inline bool fuzz_is_inside(struct span s, struct span whole)
{
	return s.n == 0 || (s.n <= whole.n && s.p >= whole.p && (size_t)(s.p - whole.p) <= whole.n - s.n);
}

#endif
