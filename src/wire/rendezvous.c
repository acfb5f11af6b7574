/*
 * Each node draws a number u in (0, 1) from the hash of key and its name; its score is -weight / log2(u) and the highest
 * wins. Scores are compared crosswise, so nothing is divided, and the logarithm is one of integers: no compiler,
 * CPU or rounding mode can make two proxies disagree.
 */
#include "wire/rendezvous.h"

#include <stdbool.h>

#define LOG_FRACTION 32		/* bits behind the point */

__extension__ typedef unsigned __int128 u128;

static uint64_t fnv1a(uint64_t h, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* FNV's high bits know little of the last bytes; the logarithm needs all 64 to be even (MurmurHash3's fmix64). */
static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

uint64_t rendezvous_hash(struct span key, struct span name)
{
	uint64_t h = fnv1a(UINT64_C(0xcbf29ce484222325), key);

	h = fnv1a(h, span_mem("", 1));		/* so that "ab" + "c" is not "a" + "bc" */
	return mix(fnv1a(h, name));
}

/* log2(h), rounded down: each squaring of the mantissa brings the next bit. h > 0. */
static uint64_t fixed_log2(uint64_t h)
{
	unsigned int whole = 63 - __builtin_clzll(h);
	uint64_t mantissa = h << (63 - whole);		/* 1.0 is 2^63 */
	uint64_t log = whole;

	for (int i = 0; i < LOG_FRACTION; i++) {
		u128 square = (u128)mantissa * mantissa;	/* 1.0 is 2^126 */
		unsigned int bit = (unsigned int)(square >> 127);

		mantissa = (uint64_t)(square >> (63 + bit));
		log = log << 1 | bit;
	}
	return log;
}

/* -log2(h / 2^64): above 0, at most 64. */
static uint64_t distance(uint64_t h)
{
	return ((uint64_t)64 << LOG_FRACTION) - fixed_log2(h > 0 ? h : 1);
}

struct draw {
	size_t index;
	uint32_t weight;
	uint64_t hash, distance;
};

static bool beats(const struct draw *a, const struct draw *b)
{
	u128 left = (u128)a->weight * b->distance;
	u128 right = (u128)b->weight * a->distance;

	return left != right ? left > right : a->hash > b->hash;
}

size_t rendezvous_pick(struct span key, const struct rendezvous_node *nodes, size_t n)
{
	struct draw best = { .index = n, .weight = 0, .distance = 1 };

	for (size_t i = 0; i < n; i++) {
		uint64_t hash = rendezvous_hash(key, nodes[i].name);
		struct draw d = { i, nodes[i].weight, hash, distance(hash) };

		if (d.weight > 0 && beats(&d, &best))
			best = d;
	}
	return best.index;
}
