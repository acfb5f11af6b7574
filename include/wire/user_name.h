/*
 * user_name.h - one canonical form of a user's name, and its form in keys and files.
 *
 * Pure. The canonical form is what is looked up, hashed, limited and logged; credentials go on byte for byte as the client
 * sent them. Domain: ASCII letters lowered. Local part: lowered or kept, by setting. Bytes outside ASCII stay as they are:
 * no Unicode folding, so no two names become one by surprise (U+0130, full-width '@').
 */
#ifndef WIRE_USER_NAME_H
#define WIRE_USER_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/out.h"
#include "wire/span.h"

#define USER_NAME_MAX 1024	/* bytes of a name, as received */

enum user_name_case { USER_NAME_LOWER, USER_NAME_KEEP };	/* of the local part */

/* How names become canonical ones; all zero: lowered, and nothing more. */
struct user_name_rules {
	enum user_name_case local;
	const char *default_domain;	/* of names without '@'; NULL: none */
	char master_separator;		/* between a user and the master who logs in as that user; '\0': none */
};

/* false: empty, longer than USER_NAME_MAX, invalid UTF-8 (surrogates and overlong forms too), or a control byte (0-31, 127). */
bool user_name_canonical(struct out *o, struct span name, enum user_name_case local);

/* The same with the default domain behind a name without '@'. false also: it would then be too long. */
bool user_name_route(struct out *o, struct span name, const struct user_name_rules *rules);

/* "user*master", as a client sent it: cut at the first separator; where there is none, all is the user. false: nothing before it, or
 * nothing behind it. */
bool user_name_cut_master(struct span name, char separator, struct span *user, struct span *master);

/* Bytes outside A-Za-z0-9@._+- as %XX, capital hex digits: the form in Redis keys and in the map file. */
void user_name_encode(struct out *o, struct span name);

/* The way back, for the map file (hex digits of either case); out may be name.p. false: a % without two hex
 * digits behind it, or no room. */
bool user_name_decode(struct span name, char *out, size_t cap, size_t *len);

bool utf8_is_valid(struct span s);

#endif
