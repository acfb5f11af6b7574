/*
 * settings_files.c - for sluiced -t: loads the files that settings name, only to see that they can be.
 */
#include "daemon/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/files.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "route/user_map.h"

#define MAP_FAULTS_TEXT 16384	/* room for a map file's faults, one a line */

struct telling {
	settings_fault_fn *fault;
	void *arg;
	const char *path;	/* of the settings: the lines are no longer known */
	bool told;
};

static void tell(struct telling *t, const char *name, const char *why)
{
	char sentence[1024];

	snprintf(sentence, sizeof(sentence), "%s: %s: %s", t->path, name, why);
	t->fault(sentence, t->arg);
	t->told = true;
}

static void tell_doubt(const char *sentence, void *arg)
{
	struct telling *t = arg;
	bool told = t->told;

	tell(t, "tls.certificate", sentence);
	t->told = told;	/* it serves all the same */
}

static void check_certificates(const struct settings *s, struct telling *t)
{
	char err[512];
	struct tls_certs *certs;

	if (s->certs.npaths == 0)
		return;
	certs = files_load_certs(s, tell_doubt, t, err, sizeof(err));
	if (!certs)
		tell(t, "tls.certificate", err);
	tls_certs_unref(&certs);
}

static void check_ticket_keys(const struct settings *s, struct telling *t)
{
	struct tls_tickets *tickets;
	char err[512];

	if (!s->ticket_key_file)
		return;
	tickets = tls_tickets_load(s->ticket_key_file, err, sizeof(err));
	if (!tickets)
		tell(t, "tls.ticket-key-file", err);
	tls_tickets_unref(&tickets);
}

static void check_client_files(const struct backend *b, struct telling *t)
{
	struct tls_client_files_conf conf = files_client_conf(b);
	char err[512], name[BACKEND_NAME_MAX + 32];
	struct tls_client_files *files = tls_client_files_load(&conf, err, sizeof(err));

	snprintf(name, sizeof(name), "backend.%.*s", BACKEND_NAME_MAX, b->name);
	if (!files)
		tell(t, name, err);
	tls_client_files_free(&files);
}

/* One look at each file will do: the system's authorities take a while, and there may be thousands of backends. */
static void check_backends(const struct cluster *c, struct telling *t)
{
	for (size_t i = 0; i < c->nbackends; i++)
		if (c->backends[i]->tls != TLS_NONE && files_first_like(c, i) == i)
			check_client_files(c->backends[i], t);
}

/* The map's faults name file and line by themselves. */
static void check_map(const struct settings *s, struct telling *t)
{
	char *err, *rest, *line;
	struct user_map *map;

	if (s->directory != DIRECTORY_FILE)
		return;
	err = rest = mem_new(MAP_FAULTS_TEXT);
	map = user_map_load(s->directory_file, s->cluster, &s->names, err, MAP_FAULTS_TEXT);
	while (!map && (line = strsep(&rest, "\n"))) {
		if (*line)
			t->fault(line, t->arg);
		t->told = true;
	}
	user_map_unref(&map);
	mem_free(&err);
}

bool settings_check_files(const struct settings *s, settings_fault_fn *fault, void *arg)
{
	struct telling t = { .fault = fault, .arg = arg, .path = s->path };

	check_certificates(s, &t);
	check_ticket_keys(s, &t);
	check_backends(s->cluster, &t);
	check_map(s, &t);
	return !t.told;
}
