/*
 * control_private.h - control from inside, for the files of control.h.
 *
 * control.c	its start, step by step, and its end
 * control_run.c	what it does in between: signals, the workers' mail, their logs
 */
#ifndef DAEMON_CONTROL_PRIVATE_H
#define DAEMON_CONTROL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <ev.h>

#include "daemon/file_watch.h"
#include "daemon/files.h"
#include "daemon/sockets.h"
#include "daemon/worker.h"
#include "net/ktls.h"
#include "net/tls_tickets.h"

struct limits;
struct log_ring;
struct settings;

/* A worker as control sees it. */
struct seat {
	struct control *control;
	struct worker *worker;
	struct log_ring *ring;		/* NULL with workers = 0 */
	int box[2];			/* ours; the worker's, until it runs. -1: closed, or the worker's now */
	ev_io mail;
	bool runs;			/* it may be sent mail */
};

enum control_state { CONTROL_STARTING, CONTROL_SERVING, CONTROL_DRAINING, CONTROL_STOPPING };

struct control {
	struct settings *settings;
	enum control_state state;
	struct ev_loop *loop;
	ev_signal term, interrupt, hup, usr1;
	struct files files;
	struct file_watch watch;	/* of the certificates' files */
	ev_timer tickets;		/* the next change of random ticket keys */
	struct sockets sockets;
	struct last_known *last_known;
	struct limits *limits;
	char run[WORKER_RUN_MAX + 1];
	unsigned long descriptors;	/* the limit */
	struct ktls ktls;		/* what there is of it, and the settings let sessions use */
	int wake[2];			/* ours; where the workers' rings wake us */
	ev_io woken;
	struct seat *seats;
	unsigned nseats;
	unsigned nrunning;		/* the loop ends when the last has gone */
	unsigned next_deal;
	unsigned untaken[MAIL_MAP + 1];	/* by MAIL_CERTS, MAIL_TICKETS, MAIL_MAP: workers that have not yet taken what was sent */
};

#define CONTROL_TICKETS_EVERY TLS_TICKET_SECONDS	/* so that two keys open all tickets that are still good */

#define CONTROL_FILES_EVERY 30.0	/* seconds between looks at files whose changes no event tells */

/* Certificates' files, and the clock for ticket keys. */
void control_watch_files(struct control *c);
void control_unwatch_files(struct control *c);

/* Signals are taken from now on, and answered when the loop runs. */
void control_watch_signals(struct control *c);
void control_unwatch_signals(struct control *c);

void control_watch_seat(struct seat *seat);	/* its mail; it runs */
void control_watch_logs(struct control *c);
void control_drain_logs(struct control *c);

/* A mail without luggage to all that run. */
void control_tell_all(struct control *c, enum worker_mail kind, unsigned number);

#endif
