/*
 * redis.h - one connection to a Redis (or Valkey) server on a thread's loop: hiredis' async client with timers of our own.
 *
 *	finding (the name) -> opening (connect; AUTH, SELECT, PING) -> up
 *	   ^                     |                                      |
 *	   +------ resting <-----+---------------- ending <-------------+
 *
 * It connects by itself and reconnects with a growing pause (REDIS_PAUSE_MIN to REDIS_PAUSE_MAX seconds). Log lines come only when that
 * changes: event=redis-up, and event=redis-down with why, as an error if the server refuses the login. Every
 * command has a deadline; one that misses it ends the connection, since what came later could be taken for another's
 * answer. hiredis holds replies without bound: here a connection with more than REDIS_UNPARSED_MAX bytes unparsed, an answer with more
 * than that in its strings, of more than REDIS_ELEMENTS_MAX elements or nested deeper than two, or one that nobody asked for, is ended.
 * Commands are vectors with lengths, never formatted strings.
 */
#ifndef NET_REDIS_H
#define NET_REDIS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/addr.h"
#include "wire/span.h"

#define REDIS_UNPARSED_MAX (64 * 1024)
#define REDIS_ELEMENTS_MAX 256
#define REDIS_WAITING_MAX 4096		/* commands in flight; more are refused at once */
#define REDIS_COMMAND_MAX (64 * 1024)	/* bytes of a command's arguments */
#define REDIS_PAUSE_MIN 0.1
#define REDIS_PAUSE_MAX 5.0
#define REDIS_ARGS_MAX 16

struct net_loop;
struct resolver;
struct redisReply;
struct redis;
struct redis_call;

struct redis_conf {
	struct endpoint endpoint;	/* redis://host:port/db or unix:/path */
	unsigned database;
	const char *user;		/* NULL: the default user */
	const char *password;		/* NULL: no AUTH */
	double timeout;			/* seconds for connecting, and for each command */
};

/* "redis://127.0.0.1:6379/0", "redis://host", "unix:/path"; no credentials in it (they have settings of their own). Sets endpoint (the
 * caller's to endpoint_fini) and database. false: what is wrong; what would be right. */
bool redis_url_parse(struct redis_conf *conf, const char *url, char *err, size_t errlen);

/* reply: hiredis' object (hiredis/hiredis.h), valid during the call; never an error reply of the connection itself or of a server that is
 * not ready (NOAUTH, LOADING, BUSY, MASTERDOWN, CLUSTERDOWN). NULL: no answer (not connected, timed out, connection lost, not ready);
 * why is a phrase. fn may call anything here, redis_free too. */
typedef void redis_fn(struct redis_call *call, const struct redisReply *reply, const char *why);

struct redis_call {			/* embedded in who asks */
	redis_fn *fn;			/* NULL: not waiting */
	struct redis_pending *pending;
};

/* conf and what it points at must outlive it. Starts connecting at once. */
struct redis *redis_new(struct net_loop *loop, struct resolver *r, const struct redis_conf *conf);
void redis_free(struct redis **r);	/* calls still waiting are forgotten, fn is not called */

/* argv[0] is no command that leaves the one-answer-each scheme (SUBSCRIBE, MONITOR...). The bytes are copied.
 * true: fn is called once, later. false: not connected, too many waiting, or too long; fn is not called, loop->failure says why. While
 * the first connecting of all is under way, calls wait for it, within their deadline. */
bool redis_call(struct redis *r, struct redis_call *call, redis_fn *fn, unsigned argc, const struct span *argv);
void redis_cancel(struct redis *r, struct redis_call *call);	/* not waiting: fine */

bool redis_is_up(const struct redis *r);

#endif
