#include "daemon/files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "daemon/settings.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "route/user_map.h"

/* ---- certificates ---- */

static void warn_of_end(const struct tls_certs *certs)
{
	const char *path = NULL;
	double days = tls_certs_days_left(certs, &path);
	struct log_line l;

	if (days >= FILES_DAYS_WARNED)
		return;
	log_begin(&l, LOG_LEVEL_WARN, "certificate-expires");
	log_str(&l, "certificate", path);
	log_num(&l, "days", days > 0 ? (uint64_t)days : 0);
	log_str(&l, "msg", days > 0 ? "the certificate expires soon" : "the certificate has expired");
	log_end(&l);
}

static bool was_tried(const struct settings *s, size_t listener)
{
	for (size_t i = 0; i < listener; i++)
		if (s->listeners[i].tls != TLS_NONE && tls_policy_is(&s->listeners[i].tls_policy, &s->listeners[listener].tls_policy))
			return true;
	return false;
}

static bool try_certs(const struct settings *s, const struct tls_certs *certs, char *err, size_t errlen)
{
	for (size_t i = 0; i < s->nlisteners; i++) {
		const struct settings_listener *l = &s->listeners[i];

		if (l->tls != TLS_NONE && !was_tried(s, i) && !tls_server_try(&l->tls_policy, certs, err, errlen))
			return false;
	}
	return true;
}

struct tls_certs *files_load_certs(const struct settings *s, files_doubt_fn *doubt, void *arg, char *err, size_t errlen)
{
	struct tls_certs *certs = tls_certs_load(&s->certs, doubt, arg, err, errlen);

	if (certs && !try_certs(s, certs, err, errlen))
		tls_certs_unref(&certs);
	return certs;
}

static void log_doubt(const char *sentence, void *arg)
{
	(void)arg;
	log_say(LOG_LEVEL_WARN, "ocsp-not-stapled", "%s", sentence);
}

/* The stamp is taken before: what changes while it is read is read again. */
static bool load_certs(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	struct tls_certs *certs;

	if (s->certs.npaths == 0)
		return true;
	f->read[MAIL_CERTS].stamp = tls_certs_stamp(&s->certs);
	certs = files_load_certs(s, log_doubt, NULL, err, errlen);
	if (!certs) {
		settings_say_where(s, "tls.", err, errlen);
		return false;
	}
	tls_certs_unref(&f->certs);
	f->certs = certs;
	warn_of_end(certs);
	return true;
}

/* ---- ticket keys ---- */

static uint64_t stamp_of_tickets(const struct settings *s)
{
	const char *path = s->ticket_key_file;
	struct tls_certs_conf conf = { .paths = &path, .npaths = 1 };

	return path ? tls_certs_stamp(&conf) : 0;
}

static bool load_tickets(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	struct tls_tickets *tickets;

	if (s->certs.npaths == 0)
		return true;
	f->read[MAIL_TICKETS].stamp = stamp_of_tickets(s);
	if (s->ticket_key_file) {
		tickets = tls_tickets_load(s->ticket_key_file, err, errlen);
		if (!tickets)
			settings_say_where(s, "tls.ticket-key-file", err, errlen);
	} else {
		tickets = tls_tickets_new(f->tickets);
		snprintf(err, errlen, "cannot make random keys for TLS session tickets");
	}
	if (!tickets)
		return false;
	tls_tickets_unref(&f->tickets);
	f->tickets = tickets;
	return true;
}

/* ---- what backends' TLS needs ---- */

struct tls_client_files_conf files_client_conf(const struct backend *b)
{
	return (struct tls_client_files_conf){
		.verify = b->tls_verify, .ca = b->tls_ca, .certificate = b->tls_certificate, .key = b->tls_key,
	};
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool need_the_same(const struct backend *a, const struct backend *b)
{
	return a->tls != TLS_NONE && a->tls_verify == b->tls_verify && same_text(a->tls_ca, b->tls_ca)
		&& same_text(a->tls_certificate, b->tls_certificate) && same_text(a->tls_key, b->tls_key);
}

size_t files_first_like(const struct cluster *c, size_t i)
{
	size_t first = 0;

	while (first < i && !need_the_same(c->backends[first], c->backends[i]))
		first++;
	return first;
}

static bool load_client(struct files *f, const struct settings *s, size_t i, char *err, size_t errlen)
{
	const struct cluster *c = s->cluster;
	struct tls_client_files_conf conf = files_client_conf(c->backends[i]);
	size_t first = files_first_like(c, i);
	char of[BACKEND_NAME_MAX + 32];

	if (first < i) {
		f->clients[i] = f->clients[first];
		return true;
	}
	f->clients[i] = tls_client_files_load(&conf, err, errlen);
	if (f->clients[i])
		return true;
	snprintf(of, sizeof(of), "backend.%s.", c->backends[i]->name);
	settings_say_where(s, of, err, errlen);
	return false;
}

static bool load_clients(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	const struct cluster *c = s->cluster;

	f->clients = mem_new_array(c->nbackends, sizeof(struct tls_client_files *));
	f->nclients = c->nbackends;
	for (size_t i = 0; i < c->nbackends; i++)
		if (c->backends[i]->tls != TLS_NONE && !load_client(f, s, i, err, errlen))
			return false;
	return true;
}

static void free_clients(struct files *f)
{
	for (size_t i = 0; i < f->nclients; i++) {
		struct tls_client_files *mine = f->clients[i];

		for (size_t k = i + 1; k < f->nclients; k++)
			if (f->clients[k] == mine)
				f->clients[k] = NULL;
		tls_client_files_free(&mine);
	}
	mem_free(&f->clients);
	f->nclients = 0;
}

/* ---- the map ---- */

/* More often a copy that went wrong than what somebody wants: all users would be hashed anew. */
static bool is_emptied(const struct user_map *old, const struct user_map *map)
{
	return user_map_users(old) > 0 && user_map_users(map) == 0;
}

static void warn_of_empty_map(const struct settings *s, const struct user_map *map)
{
	struct log_line l;

	if (user_map_users(map) > 0)
		return;
	log_begin(&l, LOG_LEVEL_WARN, "map-empty");
	log_str(&l, "file", s->directory_file);
	log_str(&l, "msg", "no user is in the map file");
	log_end(&l);
}

static bool load_map(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	struct user_map *map;

	if (s->directory != DIRECTORY_FILE)
		return true;
	map = user_map_load(s->directory_file, s->cluster, &s->names, err, errlen);
	if (map && f->map && is_emptied(f->map, map)) {
		snprintf(err, errlen, "%s: no user in it, where there were %zu; the old map stays", s->directory_file,
			 user_map_users(f->map));
		user_map_unref(&map);
	}
	if (!map) {
		settings_say_where(s, "directory.file", err, errlen);
		return false;
	}
	warn_of_empty_map(s, map);
	user_map_unref(&f->map);
	f->map = map;
	return true;
}

/* ---- all ---- */

static struct timespec changed(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){ 0 };
}

bool files_load(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	f->settings_changed = changed(s->path);
	return load_certs(f, s, err, errlen) && load_tickets(f, s, err, errlen) && load_clients(f, s, err, errlen)
		&& load_map(f, s, err, errlen);
}

/* ---- again ---- */

static const char *const names[] = { [MAIL_CERTS] = "certificate", [MAIL_TICKETS] = "ticket-keys", [MAIL_MAP] = "map" };

void files_say_reloaded(const struct files *f, enum worker_mail kind)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "reloaded");
	log_str(&l, "what", names[kind]);
	if (kind == MAIL_MAP)
		log_num(&l, "users", user_map_users(f->map));
	if (kind == MAIL_CERTS)
		log_num(&l, "certificates", tls_certs_count(f->certs));
	log_end(&l);
}

/* A map file's faults are several lines. */
static void say_failed(const char *what, char *why)
{
	char *rest = why, *line;
	struct log_line l;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		log_begin(&l, LOG_LEVEL_ERROR, "reload-failed");
		log_str(&l, "what", what);
		log_str(&l, "why", line);
		log_end(&l);
	}
}

/* The settings themselves are read at start only; who has edited them should know. */
static void say_settings_wait(const struct files *f, const struct settings *s)
{
	struct timespec now = changed(s->path);
	struct log_line l;

	if (now.tv_sec == f->settings_changed.tv_sec && now.tv_nsec == f->settings_changed.tv_nsec)
		return;
	log_begin(&l, LOG_LEVEL_INFO, "reload-skipped");
	log_str(&l, "what", "settings");
	log_str(&l, "file", s->path);
	log_str(&l, "why", "they have changed, but are read again only at the next start");
	log_end(&l);
}

typedef bool load_fn(struct files *f, const struct settings *s, char *err, size_t errlen);

static load_fn *const loads[] = { [MAIL_CERTS] = load_certs, [MAIL_TICKETS] = load_tickets, [MAIL_MAP] = load_map };

static void forget_failure(struct files_read *r)
{
	mem_free(&r->why);
	r->pause = r->left = 0;
}

/* The same sentence is not said again for a mere new try. */
static void note_failure(struct files_read *r, const char *what, char *why)
{
	bool known = r->why && strcmp(r->why, why) == 0;

	r->pause = r->pause == 0 ? 1 : r->pause < FILES_PAUSE_MAX ? r->pause * 2 : FILES_PAUSE_MAX;
	r->left = r->pause;
	if (known)
		return;
	mem_free(&r->why);
	r->why = mem_strdup(why);
	say_failed(what, why);
}

static void try_again(struct files *f, const struct settings *s, enum worker_mail kind, files_tell_fn *tell, void *arg)
{
	char err[FILES_ERR_MAX] = "";

	if (!loads[kind](f, s, err, sizeof(err))) {
		note_failure(&f->read[kind], names[kind], err);
		return;
	}
	forget_failure(&f->read[kind]);
	tell(kind, arg);
}

static void again(struct files *f, const struct settings *s, enum worker_mail kind, files_tell_fn *tell, void *arg)
{
	forget_failure(&f->read[kind]);
	try_again(f, s, kind, tell, arg);
}

static void again_if(struct files *f, const struct settings *s, enum worker_mail kind, uint64_t stamp, files_tell_fn *tell, void *arg)
{
	struct files_read *r = &f->read[kind];

	if (stamp != r->stamp)
		again(f, s, kind, tell, arg);
	else if (r->why && --r->left == 0)
		try_again(f, s, kind, tell, arg);
}

/* Random ticket keys stay: sessions resume over a reload. */
void files_reload(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg)
{
	say_settings_wait(f, s);
	if (f->certs)
		again(f, s, MAIL_CERTS, tell, arg);
	if (f->tickets && s->ticket_key_file)
		again(f, s, MAIL_TICKETS, tell, arg);
	if (f->map)
		again(f, s, MAIL_MAP, tell, arg);
}

void files_reload_changed(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg)
{
	if (f->certs)
		again_if(f, s, MAIL_CERTS, tls_certs_stamp(&s->certs), tell, arg);
	if (f->tickets)
		again_if(f, s, MAIL_TICKETS, stamp_of_tickets(s), tell, arg);
}

void files_change_tickets(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg)
{
	if (f->tickets && !s->ticket_key_file)
		again(f, s, MAIL_TICKETS, tell, arg);
}

/* ---- mail ---- */

void files_fill_mail(const struct files *f, enum worker_mail kind, struct mail *m)
{
	*m = (struct mail){ .kind = kind };
	if (kind == MAIL_CERTS)
		m->what = tls_certs_ref(f->certs);
	else if (kind == MAIL_TICKETS)
		m->what = tls_tickets_ref(f->tickets);
	else
		m->what = user_map_ref(f->map);
}

void files_drop_mail(struct mail *m)
{
	struct tls_certs *certs = m->kind == MAIL_CERTS ? m->what : NULL;
	struct tls_tickets *tickets = m->kind == MAIL_TICKETS ? m->what : NULL;
	struct user_map *map = m->kind == MAIL_MAP ? m->what : NULL;

	tls_certs_unref(&certs);
	tls_tickets_unref(&tickets);
	user_map_unref(&map);
	m->what = NULL;
}

void files_fini(struct files *f)
{
	tls_certs_unref(&f->certs);
	tls_tickets_unref(&f->tickets);
	free_clients(f);
	user_map_unref(&f->map);
	for (size_t i = 0; i < ARRAY_LEN(f->read); i++)
		mem_free(&f->read[i].why);
}
