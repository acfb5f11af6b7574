/*
 * redis_record.h - what Redis answers about a user, taken apart: a hash with the fields backend, group, login-as, state, reason, or a
 * string with the backend's name. Pure: a reply in, an answer out.
 *
 * Nothing is guessed: a wrong type, an unknown backend, group or state, a login-as that is no name make the record a broken one. Fields
 * with other names are the operator's own.
 */
#ifndef ROUTE_REDIS_RECORD_H
#define ROUTE_REDIS_RECORD_H

#include <stdbool.h>

struct cluster;
struct directory_answer;
struct redisReply;

/* *a comes zeroed. true: a->result (FOUND or UNKNOWN) and a->record hold. false: a->why says what is wrong; the record must not be used. */
typedef bool redis_record_fn(const struct cluster *c, const struct redisReply *reply, struct directory_answer *a);

redis_record_fn redis_record_of_hash;	/* the answer to HGETALL */
redis_record_fn redis_record_of_string;	/* the answer to GET */

#endif
