/*
 * files.h - what control reads from disk for the workers, at start and again at SIGHUP: the certificate and the map file.
 *
 * A file that cannot be taken changes nothing: what was loaded before goes on serving.
 */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "daemon/worker.h"

#define FILES_ERR_MAX 4096		/* a map file's faults are several lines */
#define FILES_DAYS_WARNED 14		/* a certificate that ends sooner is worth a line */

struct settings;
struct tls_certs;
struct user_map;

struct files {
	struct tls_certs *certs;	/* NULL: no TLS listener */
	struct user_map *map;		/* NULL: directory is not "file" */
	struct timespec settings_changed;
};

/* false: a sentence, or several lines of them, in err. */
bool files_load(struct files *f, const struct settings *s, char *err, size_t errlen);

/* For each that was loaded anew, tell is called with MAIL_CERTS or MAIL_MAP; what could not be is logged. */
typedef void files_tell_fn(enum worker_mail kind, void *arg);
void files_reload(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg);
void files_say_reloaded(const struct files *f, enum worker_mail kind);	/* once it is in force everywhere */

/* A mail that carries its own reference to what kind says; and its undoing, when it could not be sent. */
struct mail;
void files_fill_mail(const struct files *f, enum worker_mail kind, struct mail *m);
void files_drop_mail(struct mail *m);

void files_fini(struct files *f);

#endif
