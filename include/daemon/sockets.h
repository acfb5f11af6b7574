/*
 * sockets.h - the listening sockets of all workers, opened by control; and the ready file, which tells their addresses.
 *
 *	                worker 0   worker 1   worker 2
 *	*:993, IPv4        fd         fd         fd      SO_REUSEPORT: the kernel spreads connections
 *	*:993, IPv6        fd         fd         fd
 *	unix:/path         fd         -          -       this worker deals out
 *
 * Control's only. The settings must outlive it.
 */
#ifndef DAEMON_SOCKETS_H
#define DAEMON_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "net/addr.h"

struct settings;
struct worker_socket;

/* Which file a path named when we made it: what has been put in its place since is not ours to remove. */
struct made_file {
	const char *path;	/* NULL: none */
	dev_t dev;
	ino_t ino;
};

struct bound_address {
	unsigned listener;	/* index in settings->listeners */
	struct addr addr;	/* AF_UNIX: see file */
	struct made_file file;
};

struct socket_list {
	struct worker_socket *items;
	size_t n;
};

struct sockets {
	const struct settings *settings;
	struct bound_address *bound;
	size_t nbound;
	struct socket_list *lists;	/* one a worker */
	unsigned nlists;
	struct made_file ready;
};

/* nworkers: at least 1. false: a sentence in err; sockets_fini undoes what was opened. */
bool sockets_open(struct sockets *k, const struct settings *s, unsigned nworkers, char *err, size_t errlen);

/* A worker runs. copied: it has its own copies, ours are closed; else our numbers are its to close now. */
void sockets_handed_over(struct sockets *k, unsigned worker, bool copied);

void sockets_log(const struct sockets *k);	/* a line for each address: event=listening */

/* Appears whole or not at all: a line "listener address" for each. false: a sentence in err. */
bool sockets_write_ready(struct sockets *k, const char *path, char *err, size_t errlen);

/* Closes what was not handed over; removes Unix sockets and the ready file. */
void sockets_fini(struct sockets *k);

#endif
