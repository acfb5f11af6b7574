/*
 * backend.h - the cluster as the settings name it: backends, and groups of them.
 *
 * Built by daemon/settings, then immutable but for the counters: shared by all threads. A backend's number is its
 * place in cluster->backends, a group's in cluster->groups; everything else refers to it by that or by pointer. All strings are the
 * cluster's own (base/mem): cluster_free frees them.
 */
#ifndef ROUTE_BACKEND_H
#define ROUTE_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "wire/rendezvous.h"
#include "wire/span.h"

#define BACKEND_NAME_MAX 64	/* letters, digits, - and _ (libconfig's names) */
#define CLUSTER_BACKENDS_MAX 4096

enum tls_mode { TLS_NONE, TLS_STARTTLS, TLS_IMPLICIT };
enum backend_auth { BACKEND_AUTH_FORWARD, BACKEND_AUTH_MASTER };
enum backend_auth_method { BACKEND_METHOD_AUTO, BACKEND_METHOD_LOGIN, BACKEND_METHOD_PLAIN };
enum backend_proxy { BACKEND_PROXY_NONE, BACKEND_PROXY_V1, BACKEND_PROXY_V2 };
enum storage { STORAGE_SHARD, STORAGE_SHARED };

#define BACKEND_CAPS_KNOWN (1u << 31)	/* in caps: a list was seen */

struct backend {
	unsigned number;
	char *name;
	struct endpoint endpoint;
	enum tls_mode tls;
	bool tls_verify;
	char *tls_ca;			/* NULL: the system's */
	char *tls_name;			/* NULL: the endpoint's host name, or its IP */
	/* what to show it when it asks; NULL: nothing; key NULL: in the certificate's file, or beside */
	char *tls_certificate, *tls_key;
	int tls_min_version;		/* as in struct tls_policy */
	uint32_t weight;
	struct group *group;
	bool trusted;			/* gets ID with the client's address */
	enum backend_proxy proxy;	/* the PROXY header that each connection begins with */
	bool pipelining;		/* false: one command at a time */
	enum backend_auth auth;
	enum backend_auth_method method;
	char *master_user;		/* auth = master */
	char *master_password;		/* wiped when freed */

	/* Written by workers, read by anyone. */
	atomic_uint sessions;		/* relaying now */
	atomic_uint idle;		/* of them, in IDLE */
	atomic_uint opaque;		/* of them, not followed any more */
	atomic_ullong commands;		/* relayed since the start */
	/* enum imap_cap: what it listed last before a login, under its final TLS, and is of use; with BACKEND_CAPS_KNOWN */
	atomic_uint caps;
	atomic_bool id_warned;		/* it was said in the log that this backend does not trust our ID */
};

struct group {
	unsigned number;		/* means nothing for the group "all", which is in no list */
	char *name;
	enum storage storage;
	size_t n;
	struct backend **backends;	/* in the settings' order */
	struct rendezvous_node *nodes;	/* beside backends: name and weight */
};

/* Names in order, so that a million lines of a map file find their backends quickly. */
struct cluster_index {
	size_t n;
	struct cluster_name {
		const char *name;
		void *what;
	} *names;
};

struct cluster {
	size_t nbackends, ngroups;
	struct backend **backends;
	struct group **groups;
	struct cluster_index backend_names, group_names;
	struct group *default_group;	/* for users without a record; never NULL once cluster_finish succeeded */
};

struct cluster *cluster_new(void);
void cluster_free(struct cluster **c);

struct backend *cluster_add_backend(struct cluster *c, const char *name);	/* with the settings' defaults; no two of one name */
struct group *cluster_add_group(struct cluster *c, const char *name);		/* STORAGE_SHARD; the one of that name if there is one */

/* Builds each group's list (group_name[i] is the group of backend i; NULL: "default"; a group not added yet is made) and picks
 * the default group: the named one, or, for NULL, one of all backends, named "all" and not found by name, unless all are in one group
 * anyway. "all" is STORAGE_SHARD whatever its groups are: several groups are several storages.
 * Refused, with a sentence in err: no backend, or too many; a weight too large; a group without a backend; an unknown default group.
 * Once, after everything is added; after false only cluster_free. */
bool cluster_finish(struct cluster *c, const char *const *group_name, const char *default_group, char *err, size_t errlen);

struct backend *cluster_find_backend(const struct cluster *c, struct span name);	/* NULL: none */
struct group *cluster_find_group(const struct cluster *c, struct span name);

/* The backend whose address was given as that host (a name or an IP) and port. NULL: none. */
struct backend *cluster_find_address(const struct cluster *c, struct span host, uint16_t port);

/* Whether every backend of the group is known to list all of caps, and none of not. */
bool group_lists(const struct group *g, uint32_t caps, uint32_t not);

/* Whether some backend is known to list all of caps. */
bool group_has_one_with(const struct group *g, uint32_t caps);

#endif
