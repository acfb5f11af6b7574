/*
 * settings_files.c - for sluiced -t: loads the files that settings name, only to see that they can be.
 */
#include "daemon/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
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

static void check_certificate(const struct settings *s, struct telling *t)
{
	char err[512];
	struct tls_certs *certs;

	if (!s->certificate)
		return;
	certs = tls_certs_load(s->certificate, s->key, err, sizeof(err));
	if (!certs)
		tell(t, "tls.certificate", err);
	tls_certs_unref(&certs);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* One look at each CA file will do: the system's takes a while, and there may be thousands of backends. */
static bool ca_was_checked(const struct cluster *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (c->backends[k]->tls != TLS_NONE && same_text(c->backends[k]->tls_ca, c->backends[i]->tls_ca))
			return true;
	return false;
}

static void check_ca(const struct backend *b, struct telling *t)
{
	struct tls_client_conf conf = { .verify = true, .ca = b->tls_ca, .name = b->tls_name ? b->tls_name : "localhost" };
	char err[512], name[BACKEND_NAME_MAX + 32];
	struct tls_client *tc = tls_client_new(&conf, err, sizeof(err));

	snprintf(name, sizeof(name), "backend.%.*s.tls-ca", BACKEND_NAME_MAX, b->name);
	if (!tc)
		tell(t, name, err);
	tls_client_free(&tc);
}

static void check_cas(const struct cluster *c, struct telling *t)
{
	for (size_t i = 0; i < c->nbackends; i++)
		if (c->backends[i]->tls != TLS_NONE && !ca_was_checked(c, i))
			check_ca(c->backends[i], t);
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

	check_certificate(s, &t);
	check_cas(s->cluster, &t);
	check_map(s, &t);
	return !t.told;
}
