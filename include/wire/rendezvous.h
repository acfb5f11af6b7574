/*
 * rendezvous.h - weighted rendezvous hashing: every proxy picks the same backend for a user without asking anyone.
 *
 * Pure, and the same on every machine: integers only. A backend's share of users is its weight's share of the sum;
 * when one is added or taken away, only the users that it gains or loses move. (Thaler and Ravishankar, "Using Name-Based
 * Mappings to Increase Hit Rates", 1998; the weighted form after Schindelhauer and Schomaker, 2005.)
 *
 * The hash is part of the storage format: changing it moves users away from their mail. A unit test pins its values.
 */
#ifndef WIRE_RENDEZVOUS_H
#define WIRE_RENDEZVOUS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/span.h"

struct rendezvous_node {
	struct span name;
	uint32_t weight;	/* 0: never picked; at most RENDEZVOUS_WEIGHT_MAX */
};

#define RENDEZVOUS_WEIGHT_MAX 1000000

/* The index of the node for key, or n if every weight is 0. */
size_t rendezvous_pick(struct span key, const struct rendezvous_node *nodes, size_t n);

/* 64 bits of key and name: FNV-1a over key, a zero byte, name, then a finalising mix. */
uint64_t rendezvous_hash(struct span key, struct span name);

#endif
