/*
 * worker.h - one thread that owns what it touches: loop, listening sockets, sessions, pools, Redis connection, TLS contexts, and its own
 * descriptor table.
 *
 *	control                               worker
 *	   box[0] ---- MAIL_CERTS, MAIL_TICKETS, MAIL_MAP, MAIL_DRAIN, MAIL_STOP, MAIL_ACCEPTED ---> box[1]
 *	          <--- MAIL_TAKEN, MAIL_GONE, MAIL_DEAL, and a byte in wake when the log ring fills ---
 *
 * With workers = 0 the same struct runs on control's loop, in control's thread, and the mailbox is still what they talk by.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "net/ktls.h"

struct ev_loop;
struct last_known;
struct limits;
struct log_ring;
struct settings;
struct tls_certs;
struct tls_client_files;
struct tls_tickets;
struct user_map;
struct worker;

enum worker_mail {
	MAIL_CERTS,	/* to worker: what = a struct tls_certs reference, the worker's now */
	MAIL_TICKETS,	/* to worker: what = a struct tls_tickets reference, the worker's now */
	MAIL_MAP,	/* to worker: what = a struct user_map reference, the worker's now */
	MAIL_DRAIN,	/* to worker: listeners go, sessions that are not logged in get BYE; number = milliseconds for the others */
	MAIL_STOP,	/* to worker: end everything at once */
	MAIL_ACCEPTED,	/* to worker: a connection, with its descriptor; number = the listener's index in the settings */
	MAIL_TAKEN,	/* from worker: what MAIL_CERTS, MAIL_TICKETS or MAIL_MAP (number says which) brought is in force */
	MAIL_GONE,	/* from worker: no session is left, the thread ends */
	MAIL_DEAL,	/* from the worker that accepts on a Unix socket: a connection for another worker, like MAIL_ACCEPTED */
};

/* One listening socket that a worker is to serve. */
struct worker_socket {
	int fd;
	unsigned listener;	/* index in settings->listeners */
	bool deals;		/* a Unix socket: what it accepts goes round all workers */
};

/* The descriptors are the worker's once it runs. Where it has a table of its own (worker_owns_files) those are copies, and control
 * closes the originals, but for wake. */
struct worker_conf {
	unsigned number;
	const char *run;		/* names this run of the daemon in session ids: at most WORKER_RUN_MAX of [A-Za-z0-9] */
	struct settings *settings;	/* the worker takes its own reference */
	struct tls_certs *certs;	/* likewise; NULL without TLS listeners */
	struct tls_tickets *tickets;	/* likewise */
	struct user_map *map;		/* likewise; NULL without directory = file */
	struct tls_client_files *const *client_files;	/* by the backend's number; shared, outlive the workers */
	struct last_known *last_known;	/* shared, outlives the workers; may be NULL */
	struct limits *limits;		/* likewise, never NULL */
	struct ktls ktls;		/* what the kernel may do of TLS */
	const struct worker_socket *sockets;	/* copied */
	size_t nsockets;
	int box;			/* the worker's end */
	struct log_ring *ring;		/* NULL: writes its log directly */
	int wake;			/* where the ring's wake-up goes, the same for all workers; -1: none */
};

#define WORKER_RUN_MAX 12

/* Of the descriptors of a table (limit), those that no client gets: for what is no session at all, for the backends' ends of logins
 * under way, so that whoever is connected can log in, and for the pipes that bytes go through. */
unsigned long worker_descriptors_kept(unsigned long limit);

/* What it has, it builds only when it runs. */
struct worker *worker_new(const struct worker_conf *conf);

/* Starts its thread, which first leaves the common descriptor table, keeping only what is its own; waits until it serves. false: a
 * sentence in err; worker_free is still to be called. */
bool worker_start(struct worker *w, char *err, size_t errlen);

/* False where it could not leave the common table (some containers forbid unshare(2), ThreadSanitizer cannot follow it): it works all
 * the same. */
bool worker_owns_files(const struct worker *w);

/* Runs it on the caller's loop instead. */
bool worker_attach(struct worker *w, struct ev_loop *loop, char *err, size_t errlen);

/* Waits for the thread to end (send MAIL_STOP first) or ends it here, and frees. */
void worker_free(struct worker **w);

#endif
