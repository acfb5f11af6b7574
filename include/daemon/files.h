/*
 * files.h - what control reads from disk for the workers, at start and again later: certificates, ticket keys and the map file; and, only
 * at start, what backends' TLS needs.
 *
 * A file that cannot be taken changes nothing: what was loaded before goes on serving.
 */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "daemon/worker.h"

#define FILES_ERR_MAX 4096		/* a map file's faults are several lines */
#define FILES_PAUSE_MAX 64
#define FILES_DAYS_WARNED 14		/* a certificate that ends sooner is worth a line */

struct backend;
struct cluster;
struct settings;
struct tls_certs;
struct tls_client_files;
struct tls_client_files_conf;
struct tls_tickets;
struct user_map;

/* How it went when files of a kind were last read. */
struct files_read {
	uint64_t stamp;		/* of the files; 0: they have none */
	char *why;		/* they could not be taken; NULL: they were */
	unsigned pause, left;	/* looks at them without a new try, after one that failed; how many of them are still to come */
};

struct files {
	struct tls_certs *certs;	/* NULL: no TLS listener */
	struct tls_tickets *tickets;	/* likewise */
	struct user_map *map;		/* NULL: directory is not "file" */
	size_t nclients;
	struct tls_client_files **clients;	/* by the backend's number, NULL without TLS; some backends have one in common */
	struct files_read read[MAIL_MAP + 1];	/* by MAIL_CERTS, MAIL_TICKETS, MAIL_MAP */
	struct timespec settings_changed;
};

/* false: a sentence, or several lines of them, in err. */
bool files_load(struct files *f, const struct settings *s, char *err, size_t errlen);

/* For each that was loaded anew, tell is called with MAIL_CERTS, MAIL_TICKETS or MAIL_MAP; what could not be is logged. */
typedef void files_tell_fn(enum worker_mail kind, void *arg);
void files_reload(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg);

/* Certificates and ticket keys, if the files have changed since they were read. What could not be taken is tried again although nothing
 * has changed (no descriptor may have been free, or no memory), ever less often: after 1, 2, 4 ... FILES_PAUSE_MAX calls. */
void files_reload_changed(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg);

/* A new random key, if they are random. */
void files_change_tickets(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg);
void files_say_reloaded(const struct files *f, enum worker_mail kind);	/* once it is in force everywhere */

/* A mail that carries its own reference to what kind says; and its undoing, when it could not be sent. */
struct mail;
void files_fill_mail(const struct files *f, enum worker_mail kind, struct mail *m);
void files_drop_mail(struct mail *m);

void files_fini(struct files *f);

/* Loads certificates and sees whether every listener can use them; for sluiced -t too. NULL: a sentence in err. */
typedef void files_doubt_fn(const char *sentence, void *arg);
struct tls_certs *files_load_certs(const struct settings *s, files_doubt_fn *doubt, void *arg, char *err, size_t errlen);

/* What a backend's TLS needs; the first backend that needs the same (itself, at last). */
struct tls_client_files_conf files_client_conf(const struct backend *b);
size_t files_first_like(const struct cluster *c, size_t i);

#endif
