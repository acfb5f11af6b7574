/*
 * user_map.h - a map file in memory: a million users in about a second and under 150 MB.
 *
 *	# comment
 *	user backend [login-as=NAME] [group=NAME]
 *
 * One user a line, words separated by spaces or tabs; names percent-encoded as in Redis keys (wire/user_name.h). user is matched in
 * canonical form (it is made canonical when loaded). backend may be "-" where only a group is given. A later line with the same user is
 * an error, and so are unknown backends and groups: the file is taken whole or not at all.
 *
 * Lines end at LF, a CR before it is left out; a byte order mark before the first is skipped. A backend and a group that does not hold it
 * is an error too.
 *
 * Immutable once loaded, reference-counted by an atomic, shared by all workers. One arena for the bytes, one table of 32-bit offsets. It
 * points into the cluster it was loaded for, which must outlive it.
 */
#ifndef ROUTE_USER_MAP_H
#define ROUTE_USER_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "route/backend.h"
#include "wire/span.h"
#include "wire/user_name.h"

struct directory_record;
struct user_map;

#define USER_MAP_LINE_MAX 8192
#define USER_MAP_FAULTS_MAX 10		/* written into err; then "and N more" */

/* NULL: "file:line: what is wrong; what would be right" in err, several lines if several are wrong. */
struct user_map *user_map_load(const char *path, const struct cluster *c, const struct user_name_rules *rules, char *err, size_t errlen);

/* The same from memory; name is for the messages. */
struct user_map *user_map_parse(const char *name, struct span text, const struct cluster *c, const struct user_name_rules *rules,
				char *err, size_t errlen);

struct user_map *user_map_ref(struct user_map *m);
void user_map_unref(struct user_map **m);
size_t user_map_users(const struct user_map *m);

/* false: not in it. */
bool user_map_find(const struct user_map *m, struct span user, struct directory_record *r);

#endif
