/*
 * settings_files.c - for sluiced -t: looks at what settings name on this machine, files and a user, only to see that all is there. And at
 * settings that are right, but hardly meant.
 */
#include "daemon/settings.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/files.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "route/user_map.h"

#define MAP_FAULTS_TEXT 16384	/* room for a map file's faults, one a line */
#define SENTENCE_MAX 2048

struct telling {
	const struct settings *settings;
	settings_fault_fn *fault, *doubt;
	void *arg;
	bool told;
};

static void say(const struct telling *t, settings_fault_fn *fn, const char *of, const char *why)
{
	char sentence[SENTENCE_MAX];

	snprintf(sentence, sizeof(sentence), "%s", why);
	settings_say_where(t->settings, of, sentence, sizeof(sentence));
	fn(sentence, t->arg);
}

static void tell(struct telling *t, const char *of, const char *why)
{
	say(t, t->fault, of, why);
	t->told = true;
}

static void tell_doubt(const char *sentence, void *arg)
{
	const struct telling *t = arg;

	say(t, t->doubt, "tls.", sentence);
}

static void doubt_end(const struct tls_certs *certs, const struct telling *t)
{
	const char *path = NULL;
	double days = tls_certs_days_left(certs, &path);
	char why[SENTENCE_MAX];

	if (days >= FILES_DAYS_WARNED)
		return;
	if (days > 0)
		snprintf(why, sizeof(why), "%s: expires in %.0f days; a new one would be right", path, days);
	else
		snprintf(why, sizeof(why), "%s: has expired; a new one would be right", path);
	say(t, t->doubt, "tls.", why);
}

static void check_certificates(const struct settings *s, struct telling *t)
{
	char err[512];
	struct tls_certs *certs;

	if (s->certs.npaths == 0)
		return;
	certs = files_load_certs(s, tell_doubt, t, err, sizeof(err));
	if (certs)
		doubt_end(certs, t);
	else
		tell(t, "tls.", err);
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

	snprintf(name, sizeof(name), "backend.%.*s.", BACKEND_NAME_MAX, b->name);
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

static void doubt_map(const struct user_map *map, const struct telling *t)
{
	char why[SENTENCE_MAX];

	if (user_map_users(map) > 0)
		return;
	snprintf(why, sizeof(why), "%s: no user in it; a line \"user backend\" for each would be right", t->settings->directory_file);
	say(t, t->doubt, "directory.file", why);
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
	while (!map && (line = strsep(&rest, "\n")))
		if (*line)
			tell(t, "directory.file", line);
	if (map)
		doubt_map(map, t);
	user_map_unref(&map);
	mem_free(&err);
}

bool settings_check_files(const struct settings *s, settings_fault_fn *fault, settings_fault_fn *doubt, void *arg)
{
	struct telling t = { .settings = s, .fault = fault, .doubt = doubt, .arg = arg };

	check_certificates(s, &t);
	check_ticket_keys(s, &t);
	check_backends(s->cluster, &t);
	check_map(s, &t);
	return !t.told;
}

/* ---- the user ---- */

bool settings_check_user(const struct settings *s, settings_fault_fn *fault, void *arg)
{
	char why[SENTENCE_MAX];

	if (geteuid() != 0 || getpwnam(s->user))
		return true;
	snprintf(why, sizeof(why), "no such user: %s; make it (adduser --system --group %s) or set user", s->user, s->user);
	settings_say_where(s, "user", why, sizeof(why));
	fault(why, arg);
	return false;
}

/* ---- right, but hardly meant ---- */

/* With STARTTLS there is a way in; without TLS of our own there is none, for a PROXY header's word of it does not count. */
static bool nobody_can_log_in(const struct settings_listener *l)
{
	return l->tls == TLS_NONE && !l->cleartext_login;
}

void settings_doubts(const struct settings *s, settings_fault_fn *doubt, void *arg)
{
	char name[BACKEND_NAME_MAX + 32], why[SENTENCE_MAX];

	for (size_t i = 0; i < s->nlisteners; i++) {
		const struct settings_listener *l = &s->listeners[i];

		if (!nobody_can_log_in(l))
			continue;
		snprintf(name, sizeof(name), "listener.%s", l->name);
		snprintf(why, sizeof(why), "%s: nobody can log in here, without TLS and with cleartext-login = false; set one of them",
			 settings_where(s, name));
		doubt(why, arg);
	}
}
