/*
 * last_known.h - what the directory last said of each user, for on-outage = "last-known".
 *
 * Shared by all workers: LAST_KNOWN_SHARDS shards, a mutex each, never held across I/O. At most LAST_KNOWN_USERS users; the one
 * asked for longest ago goes first, and those without a record before all others: logins with made-up names push out nobody who exists.
 * In memory only: after a restart it is empty.
 *
 * It outlives the settings, so it keeps names of backends and groups, never pointers.
 */
#ifndef ROUTE_LAST_KNOWN_H
#define ROUTE_LAST_KNOWN_H

#include <stdbool.h>

#include "wire/span.h"

#define LAST_KNOWN_SHARDS 64
#define LAST_KNOWN_USERS 1000000

struct cluster;
struct directory_record;
struct last_known;

struct last_known *last_known_new(void);
void last_known_free(struct last_known **l);

/* record NULL: the directory said it has none, and that is remembered too (then find gives true with *has_record false). */
void last_known_put(struct last_known *l, struct span user, const struct directory_record *record);

/* false: nothing is known, or what is known names a backend or a group that c no longer has. *record is
 * filled if *has_record, else zeroed. */
bool last_known_find(struct last_known *l, const struct cluster *c, struct span user, struct directory_record *record, bool *has_record);

#endif
