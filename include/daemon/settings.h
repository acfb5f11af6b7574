/*
 * settings.h - sluice.conf, read and checked whole.
 *
 * libconfig's syntax; one table in settings_table.c says which settings there are, their types, units, bounds and defaults. What is built
 * is immutable and reference-counted (atomic): control reads it, workers hold a reference.
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/loop.h"
#include "net/redis.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "route/backend.h"
#include "route/directory.h"
#include "route/limits.h"
#include "wire/user_name.h"

#define SETTINGS_WORKERS_MAX 256
#define SETTINGS_LISTENERS_MAX 64
#define SETTINGS_CERTIFICATES_MAX 1024	/* files and folders */
#define SETTINGS_ADDRESSES_MAX 16	/* of one listener */
#define SETTINGS_NETWORKS_MAX 256	/* of one list */
#define SETTINGS_FAULTS_MAX 100		/* printed; then "and more" */
#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"	/* configure says otherwise */
#endif
#define SETTINGS_DEFAULT_PATH SYSCONFDIR "/sluice/sluice.conf"

struct settings_listener {
	char *name;
	struct endpoint *addresses;
	size_t naddresses;
	enum tls_mode tls;
	struct tls_policy tls_policy;	/* what it does not say itself is that of the section tls */
	bool cleartext_login;
	bool proxy_protocol;		/* each connection begins with a PROXY header, from trusted_proxies */
	bool unchecked_passwords;	/* allows auth = "master" behind a listener that others than this host can reach */
};

/* Where a setting stands that may turn out to be wrong only when the settings are read. */
struct settings_place {
	char *name;		/* "tls.key" */
	char *where;		/* "sluice.conf:7: tls.key" */
	char *path;		/* the path it gives; NULL: it gives none */
};

struct settings_places {
	struct settings_place *items;
	size_t n;
};

struct settings {
	atomic_uint refs;
	char *path;
	struct settings_places places;	/* of paths, of user and relay-mode, and of listeners */

	int workers;			/* 0: everything in one thread; "auto" is one per CPU this process may use */
	char *user;			/* to become when started as root */
	char *ready_file;		/* NULL: none */
	double drain_timeout;		/* seconds */
	struct cidr_list trusted_proxies, trusted_networks;
	double auth_failure_delay;	/* seconds */
	double idle_timeout, literal_timeout, command_timeout, slow_command;	/* seconds; but for the second, 0: never */
	struct tcp_timeouts tcp;	/* to clients and to backends */
	struct limits_conf limits;
	struct user_name_rules names;
	char *capabilities;		/* before login; NULL: the default ones */
	bool hide_compress;
	enum relay_mode relay_mode;
	enum log_sink log_to;
	enum log_level log_level;

	struct settings_listener *listeners;
	size_t nlisteners;

	struct tls_certs_conf certs;	/* npaths is 0 without any TLS listener */
	char *ticket_key_file;		/* NULL: random keys */

	struct cluster *cluster;

	enum directory_driver directory;
	char *directory_file;
	struct redis_conf redis;	/* directory = redis: endpoint, database, user, password, timeout */
	char *redis_prefix;
	enum directory_outage on_outage;
};

/* Called for each fault: "file:line: what is wrong; what would be right". Never holds a secret. */
typedef void settings_fault_fn(const char *sentence, void *arg);

/* NULL: at least one fault was told. The first syntax error alone, else every fault of meaning and every unknown name. Password files are
 * read (first line; they must not be readable by others than owner and group) and so must be there; certificates and the map file are
 * opened by control, and by sluiced -t through settings_check_files. */
struct settings *settings_load(const char *path, settings_fault_fn *fault, void *arg);

/* As root: whether there is the user to become. false: a fault was told. */
bool settings_check_user(const struct settings *s, settings_fault_fn *fault, void *arg);

/* What is no fault, but hardly meant: clients who can never log in. Each as a sentence like a fault's. */
void settings_doubts(const struct settings *s, settings_fault_fn *doubt, void *arg);

/* Loads certificates, CA files and map file to see that they can be. false: at least one fault was told. doubt: what is wrong with them,
 * but no reason not to serve. */
bool settings_check_files(const struct settings *s, settings_fault_fn *fault, settings_fault_fn *doubt, void *arg);

/* err is what the loader of the setting `of` ("tls.key"), or of any whose name so begins ("tls."), said. Puts "file:line: name: " before
 * it: of the one whose path err begins with, else of the first. What tells of a line in that path itself stays as it is. */
void settings_say_where(const struct settings *s, const char *of, char *err, size_t errlen);
const char *settings_where(const struct settings *s, const char *name);	/* "file:line: name" */

const char *settings_relay_mode_text(const struct settings *s);	/* as in the file: "auto" */

struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings **s);

/* For t/lint: calls fn with each setting's full name: "listener.NAME.address", "tls.certificate", "workers" ... */
void settings_each_name(void (*fn)(const char *name, void *arg), void *arg);

#endif
