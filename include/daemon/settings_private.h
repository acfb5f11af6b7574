/*
 * settings_private.h - what the files of settings share: the table's shape and the draft. Nobody else includes it.
 *
 *	settings_table.c    the table
 *	settings_fault.c    sentences
 *	settings_place.c    where settings stand, for faults that are found when the draft is gone
 *	settings_include.c  may these files be read at all?      -+
 *	settings_read.c     libconfig's tree, by the table        |
 *	settings_check.c    rules across settings                 |--> faults, told with draft_fault
 *	settings_secret.c   password files                       -+
 *	settings.c          runs these, and builds struct settings when there was no fault
 *
 * The draft is what the file says, defaults filled in. Its texts are libconfig's, so nothing of it outlives the loading.
 */
#ifndef DAEMON_SETTINGS_PRIVATE_H
#define DAEMON_SETTINGS_PRIVATE_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/settings.h"

#define IMAP_PORT 143
#define IMAPS_PORT 993
#define SETTINGS_IDLE_LEAST 1860	/* idle-timeout: clients renew IDLE every 29 minutes, RFC 2177 */
#define SETTINGS_USER_TIMEOUT_LEAST 900	/* tcp-user-timeout: about as long as Linux tries by itself */
#define SETTINGS_NAME_MAX 64		/* of a listener, backend or group */
#define SETTINGS_TEXT_MAX 4096		/* of any text, unless the table says less */
#define SETTINGS_INCLUDES_MAX 100	/* files in all, each counted as often as it is included */
#define SETTINGS_BYTES_MAX (16 * 1024 * 1024)	/* of all of them */
#define SETTINGS_SECRET_MAX 1024	/* of a password */
#define SETTINGS_FAULT_MAX 1024		/* of a sentence; cut behind that */

enum setting_kind {
	SETTING_BOOL,		/* bool */
	SETTING_NUMBER,		/* unsigned */
	SETTING_SECONDS,	/* double */
	SETTING_TEXT,		/* const char *; NULL when not given and without a default */
	SETTING_PATH,		/* likewise; begins with "/", and where it stands is kept */
	SETTING_WORD,		/* int: the word's place in words */
	SETTING_WORKERS,	/* int */
	SETTING_ADDRESSES,	/* struct draft_addresses */
	SETTING_NETWORKS,	/* struct draft_networks */
	SETTING_PATHS,		/* struct draft_paths */
};

struct setting_spec {
	const char *name;
	enum setting_kind kind;
	size_t at;			/* the field's offset in the section's draft */
	double low, high;		/* NUMBER, SECONDS: bounds; TEXT: bytes, high 0 for SETTINGS_TEXT_MAX */
	double number;			/* default of BOOL, NUMBER, SECONDS, WORD, WORKERS */
	const char *text;		/* default of TEXT; of NETWORKS, with spaces between them */
	const char *const *words;	/* WORD: in the enum's order, NULL at the end */
};

struct section_spec {
	const char *name;		/* "": the top */
	size_t named_max;		/* > 0: holds that many sections with names of their own; at is a struct draft_list */
	size_t at;			/* offset in struct draft */
	size_t size;			/* of one section's draft; it starts with struct draft_section */
	const struct setting_spec *settings;
	size_t n;
};

extern const struct section_spec settings_sections[];
extern const size_t settings_nsections;

static inline bool section_is_top(const struct section_spec *s)
{
	return s->name[0] == '\0';
}

const struct setting_spec *section_find(const struct section_spec *s, const char *name);	/* NULL: it has none of that name */
const struct section_spec *settings_find_section(const char *name);				/* likewise; never the top */

#define WORKERS_AUTO (-1)

struct draft_section {
	const config_setting_t *at;	/* for the line; NULL: not in the file */
};

struct draft_list {
	void *items;
	size_t n;
};

struct draft_networks {
	size_t n;
	struct cidr items[SETTINGS_NETWORKS_MAX];
};

struct draft_top {
	struct draft_section section;
	int workers;
	const char *user, *ready_file, *default_group;
	const char *default_domain, *master_separator, *capabilities;
	int username_case, compress, relay_mode;
	double drain_timeout, auth_failure_delay;
	double idle_timeout, literal_timeout, command_timeout, slow_command, tcp_keepalive, tcp_user_timeout;
	struct draft_networks trusted_proxies, trusted_networks, limit_exempt;
};

struct draft_log {
	struct draft_section section;
	int to, level;
};

struct draft_addresses {
	size_t n;
	const config_setting_t *at[SETTINGS_ADDRESSES_MAX];
	struct endpoint endpoints[SETTINGS_ADDRESSES_MAX];
	bool good[SETTINGS_ADDRESSES_MAX];	/* endpoints[i] is one */
};

struct draft_limits {
	struct draft_section section;
	unsigned not_logged_in, per_address, per_64, connections, per_user, per_user_address;
};

struct draft_paths {
	size_t n;
	const char *paths[SETTINGS_CERTIFICATES_MAX];
};

#define SETTING_INHERITED (-1)	/* a WORD that is not given: the section tls says */

struct draft_listener {
	struct draft_section section;
	struct draft_addresses addresses;
	int tls, min_version, client_cert;
	const char *ciphers;
	bool cleartext_login, unchecked_passwords, proxy_protocol;
};

struct draft_tls {
	struct draft_section section;
	struct draft_paths certificates;
	const char *key, *ciphers, *client_ca, *ticket_key_file;
	int min_version, client_cert, user_from;
	bool strict_sni;
};

struct draft_backend {
	struct draft_section section;
	const char *address;
	struct endpoint endpoint;
	int tls, tls_min_version, auth, method, proxy;
	bool tls_verify, trusted, pipelining;
	const char *tls_ca, *tls_name, *tls_certificate, *tls_key, *group, *master_user, *master_password_file;
	char *master_password;
	unsigned weight;
};

struct draft_group {
	struct draft_section section;
	int storage;
};

struct draft_directory {
	struct draft_section section;
	int driver, on_outage;
	const char *file, *redis, *user, *password_file, *prefix;
	double timeout;
	struct redis_conf conf;		/* endpoint and database only */
	char *password;
};

struct draft {
	const char *path;
	settings_fault_fn *fault;
	void *arg;
	unsigned faults;
	config_t conf;
	struct settings_places places;

	struct draft_top top;
	struct draft_log log;
	struct draft_limits limits;
	struct draft_list listeners;	/* of struct draft_listener */
	struct draft_tls tls;
	struct draft_list backends;	/* of struct draft_backend */
	struct draft_list groups;	/* of struct draft_group */
	struct draft_directory directory;
};

static inline struct draft_listener *draft_listener(const struct draft *d, size_t i)
{
	return (struct draft_listener *)d->listeners.items + i;
}

static inline struct draft_backend *draft_backend(const struct draft *d, size_t i)
{
	return (struct draft_backend *)d->backends.items + i;
}

static inline struct draft_group *draft_group(const struct draft *d, size_t i)
{
	return (struct draft_group *)d->groups.items + i;
}

/* Tells a fault. With a file: "file:line: " goes before it; draft_fault_at takes both from at and adds the setting's full name. */
void draft_fault(struct draft *d, const char *file, unsigned line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void draft_fault_at(struct draft *d, const config_setting_t *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void draft_unknown_name(struct draft *d, const struct section_spec *s, const config_setting_t *m);

/* The setting of that name in a section, or the section itself (for a line number) if it is not given there; NULL section: the top. */
const config_setting_t *draft_where(const struct draft *d, const struct draft_section *section, const char *name);
bool draft_has(const struct draft_section *section, const char *name);

/* Keeps for later where a setting stands, and of which path it speaks (NULL: of none). */
void draft_place(struct draft *d, const config_setting_t *at, const char *path);

const char *draft_file(const struct draft *d, const config_setting_t *at);
unsigned draft_line(const config_setting_t *at);

/* false: told. libconfig would read a directory by ending the process, a pipe for ever, and files that include each other for very long. */
bool settings_files_are_sane(struct draft *d);

void settings_read(struct draft *d);
void settings_check(struct draft *d);

int settings_tls_version(int word);		/* OpenSSL's number of "1.0", "1.1", "1.2", "1.3" */
#define SETTINGS_TLS_1_2 2			/* the word where the list in the section tls begins */
/* l NULL: the section's own; texts are the draft's */
struct tls_policy settings_policy(const struct draft_tls *t, const struct draft_listener *l);
void settings_full_name(const config_setting_t *at, char *text, size_t size);	/* "backend.mb1.weight"; the top has none */
bool settings_name_is_right(const char *name);	/* of a listener, backend or group */

/* The first line of a file, without its end; heap, to be wiped. NULL: a sentence in err that holds nothing of it. */
char *settings_secret_load(const char *path, char *err, size_t errlen);

#endif
