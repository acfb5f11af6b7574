/*
 * env.h - what a session sees of the worker it runs in. The worker fills it in; t/play fills in another.
 *
 * Owned by one thread. Nothing here points upward: the session layer knows no settings file and no threads.
 */
#ifndef SESSION_ENV_H
#define SESSION_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "net/cidr.h"
#include "net/conn.h"
#include "net/timers.h"
#include "route/backend.h"
#include "session/reasons.h"
#include "wire/user_name.h"

struct limits;
struct limits_conf;
struct login;
struct net_loop;
struct route;
struct session;
struct tls_client;
struct tls_server;

/* A listener as its sessions see it. Lives as long as they do. */
struct session_listener {
	const char *name;
	enum tls_mode tls;
	bool proxy_protocol;		/* each connection begins with a PROXY header */
	bool cleartext_login;		/* LOGIN and PLAIN are taken without TLS */
	struct tls_server *tls_server;	/* NULL when tls is TLS_NONE */
};

#define SESSION_CAPABILITIES_MAX 512	/* bytes of a list that a setting may give */

/* How long each phase may take, in seconds; the defaults are the settings'. */
struct session_times {
	double tls;			/* 10: a handshake */
	double login;			/* 60: from the greeting to a login; each failed one starts it anew */
	double backend;			/* 30: from the login to the backend's answer, look-up, retries and all */
	double proxy;			/* 5: a PROXY header */
	double penalty;			/* 2: before the client hears that its login has failed; 0: at once */

	/* While relaying. All but literal may be 0: never. */
	double idle;			/* 31 min: neither side says anything */
	double literal;			/* 5 min: a client sends none of the bytes it owes, or a synchronising literal gets no answer */
	double command;			/* 0: a command is in flight, and is no IDLE */
	double slow;			/* 0: a command has taken longer: a line in the log */
};

/* Who is refused at the door does not get a log line each: one a second and reason says how many they were. */
struct session_refusals {
	struct timer tick;		/* runs: lines have been written less than a second ago */
	unsigned counts[SESSION_NREASONS];
	struct addr last;		/* the last of them, and where */
	const char *listener;
};

struct session_env {
	struct net_loop *loop;
	struct route *route;
	const char *id_prefix;		/* unique to this process and worker; session ids are this and a number */
	uint64_t next_id;
	struct user_name_rules names;
	const char *capabilities;	/* said before login, but for what depends on the connection; NULL: the default ones */
	bool hide_compress;		/* from the capabilities of after login */
	struct session_times times;
	struct cidr_list trusted_proxies;	/* whose PROXY header is believed; the settings' */
	struct cidr_list trusted_networks;	/* who may say in ID who the client is; the settings' */
	struct limits *limits;		/* shared by all workers; NULL: no limits */
	const struct limits_conf *limits_conf;
	bool draining;			/* no logins any more */
	struct session *drain_next;	/* drain.c's: those from here on have not been looked at yet */
	struct timer drain_tick;

	/* Connects c to b; the conn tells as after conn_dial. */
	void (*connect)(struct session_env *env, struct conn *c, struct backend *b, double seconds, conn_event_fn *on_event);

	/* This worker's TLS context for b. NULL: loop->failure says why. */
	struct tls_client *(*backend_tls)(struct session_env *env, struct backend *b);

	/* A session is gone, memory and all; called at the end of the turn. NULL: nobody asks. */
	void (*session_gone)(struct session_env *env);

	struct pool sessions;		/* session_env_init's */
	struct pool relays, blocks;	/* likewise: what relaying sessions have */
	struct session *first;		/* all sessions, newest first; session.c keeps the list */
	struct login *oldest, *newest;	/* of those that are not logged in; admission.c keeps this list */
	struct session_refusals refusals;
	size_t nsessions;		/* on that list */
	size_t nrelaying;		/* of them, logged in */
	uint64_t reasons[64];		/* ends by reason: SESSION_NREASONS fit (asserted) */
};

#endif
