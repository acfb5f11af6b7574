/*
 * stage.h - where a play is given: a loop without libev, a clock that the play moves, a cluster, a directory that says what it is told
 * to say, clients and backend connections (a play speaks of the last of each), and the log.
 *
 *	client's fake conn <--> session machine <--> backend's fake conn
 *	                            |      |
 *	                  fake directory   log lines
 */
#ifndef PLAY_STAGE_H
#define PLAY_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "fake.h"
#include "net/loop.h"
#include "route/backend.h"
#include "route/directory.h"
#include "route/limits.h"
#include "session/env.h"
#include "session/session.h"

#define STAGE_USERS_MAX 8
#define STAGE_SECRETS_MAX 8
#define STAGE_LOG_MAX 64
#define STAGE_BACKENDS_MAX 8
#define STAGE_NETWORKS_MAX 8

/* As in a map file; the backend and the group are looked up when the user is, as a directory of an operator would have it. */
struct stage_user {
	char *name, *backend, *group, *login_as, *reason;
	enum user_state state;
};

enum directory_mood { DIRECTORY_ANSWERS, DIRECTORY_IS_LATE, DIRECTORY_IS_DOWN };

struct stage {
	struct net_loop loop;
	bool unscripted;			/* nobody expects anything: dials may come in a row (t/fuzz) */
	struct cluster *cluster;
	char *group_of[STAGE_BACKENDS_MAX];
	char *default_domain, *capabilities;
	struct session_listener listener;
	struct session_env env;
	struct cidr trusted_proxies[STAGE_NETWORKS_MAX], trusted_networks[STAGE_NETWORKS_MAX];
	struct limits_conf limits;
	struct addr from;			/* where clients come from */

	struct directory directory;
	enum directory_mood mood;
	struct directory_query *query;		/* waits for an answer */
	char *asked;				/* about whom */
	struct stage_user users[STAGE_USERS_MAX];
	unsigned nusers;

	struct fake *client, *backend;		/* the last of each; NULL: none yet */
	struct fake *fakes;			/* all there were */
	struct backend *dialled;		/* NULL: a play has seen it */
	size_t room_a_turn;			/* of all fakes; SIZE_MAX: no limit */
	bool tls_contexts_fail;
	bool splices;				/* fakes made from now on can */
	unsigned opened, gone;

	char *log[STAGE_LOG_MAX];
	unsigned nlog, log_seen;
	char *secrets[STAGE_SECRETS_MAX];
	unsigned nsecrets;
	uint64_t ends_seen[SESSION_NREASONS];

	char failure[2048];			/* what went wrong first; "": nothing */
};

struct stage *stage_new(size_t room_a_turn);
void stage_free(struct stage **st);		/* whatever is still open is closed */

void stage_fail(struct stage *st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct stage_user *stage_user(struct stage *st, const char *name);	/* there, or new; NULL: too many */

/* The client connects: the first time, the cluster is complete. */
bool stage_open_client(struct stage *st, struct span sni, struct span cert);

/* Turns of the loop until nobody has anything to be told. */
void stage_settle(struct stage *st);
void stage_wait(struct stage *st, double seconds);

void stage_directory_speaks(struct stage *st);	/* answers the query that waits */

/* What must hold when nobody is on the stage any more. */
void stage_check_empty(struct stage *st);

#endif
