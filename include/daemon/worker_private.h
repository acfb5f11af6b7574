/*
 * worker_private.h - a worker from inside, for the files of worker.h.
 *
 *	new -> serving --MAIL_DRAIN--> draining --no session left--> leaving --nobody lingers--> gone
 *	          \-----------------------\--------MAIL_STOP------------\----------------------^
 *
 * worker.c	its making, its thread
 * worker_build.c	what it owns: built in its thread, taken down there; what its sessions ask of it
 * worker_mail.c	what control tells it, the connections that come, and how it leaves
 */
#ifndef DAEMON_WORKER_PRIVATE_H
#define DAEMON_WORKER_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <ev.h>

#include "daemon/worker.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/timers.h"
#include "session/env.h"

enum worker_state { WORKER_NEW, WORKER_SERVING, WORKER_DRAINING, WORKER_LEAVING, WORKER_GONE };

/* One listening socket in service. */
struct door {
	struct listener listener;
	struct worker *worker;
	unsigned number;	/* of the listener, in the settings */
	bool deals;
};

struct worker {
	struct worker_conf conf;	/* with references of our own */
	enum worker_state state;

	/* The thread, if it has one. Control reads up, owns_files and err once said has been posted, and nothing else before the join. */
	pthread_t thread;
	bool has_thread;
	sem_t said;
	bool up, owns_files;
	char err[512];

	struct ev_loop *ev;
	struct net_loop loop;
	struct resolver *resolver;
	struct tls_server **tls_servers;	/* one for each policy that a listener has */
	size_t ntls_servers;
	struct tls_client **tls_clients;	/* by the backend's number; made when first needed */
	struct session_listener *listeners;	/* by number, as in the settings */
	struct door *doors;
	struct session_env env;
	char id_prefix[WORKER_RUN_MAX + 8];
	ev_io mail;
	struct timer drained, leave, trim;
	size_t gone;			/* sessions, since memory was given back */
	double leave_until;
	unsigned deals;			/* connections dealt so far */
	unsigned long descriptors;	/* for clients, and backends they are logged in at */
};

/* On the loop w->ev, in the thread that runs it. false: a sentence in w->err, and nothing is left of it. */
bool worker_build(struct worker *w);
void worker_demolish(struct worker *w);
void worker_forget_ingredients(struct worker *w);	/* what is in conf only to be built from */

/* Starts serving what build has made. */
void worker_open(struct worker *w);
void worker_stop_listening(struct worker *w);
void worker_leave_if_empty(struct session_env *env);	/* env->session_gone */

#endif
