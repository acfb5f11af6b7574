#include "daemon/files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "daemon/settings.h"
#include "net/tls.h"
#include "route/user_map.h"

static void warn_of_end(const struct settings *s, const struct tls_certs *certs)
{
	double days = tls_certs_days_left(certs);
	struct log_line l;

	if (days >= FILES_DAYS_WARNED)
		return;
	log_begin(&l, LOG_LEVEL_WARN, "certificate-expires");
	log_str(&l, "certificate", s->certificate);
	log_num(&l, "days", days > 0 ? (uint64_t)days : 0);
	log_str(&l, "msg", days > 0 ? "the certificate expires soon" : "the certificate has expired");
	log_end(&l);
}

static bool load_certs(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	struct tls_certs *certs;

	if (!s->certificate)
		return true;
	certs = tls_certs_load(s->certificate, s->key, err, errlen);
	if (!certs)
		return false;
	tls_certs_unref(&f->certs);
	f->certs = certs;
	warn_of_end(s, certs);
	return true;
}

static bool load_map(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	struct user_map *map;

	if (s->directory != DIRECTORY_FILE)
		return true;
	map = user_map_load(s->directory_file, s->cluster, &s->names, err, errlen);
	if (!map)
		return false;
	user_map_unref(&f->map);
	f->map = map;
	return true;
}

static struct timespec changed(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){ 0 };
}

bool files_load(struct files *f, const struct settings *s, char *err, size_t errlen)
{
	f->settings_changed = changed(s->path);
	return load_certs(f, s, err, errlen) && load_map(f, s, err, errlen);
}

/* ---- again ---- */

void files_say_reloaded(const struct files *f, enum worker_mail kind)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "reloaded");
	log_str(&l, "what", kind == MAIL_CERTS ? "certificate" : "map");
	if (kind == MAIL_MAP)
		log_num(&l, "users", user_map_users(f->map));
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

void files_reload(struct files *f, const struct settings *s, files_tell_fn *tell, void *arg)
{
	static const struct {
		enum worker_mail kind;
		const char *what;
		bool (*load)(struct files *f, const struct settings *s, char *err, size_t errlen);
	} kinds[] = {
		{ MAIL_CERTS, "certificate", load_certs },
		{ MAIL_MAP, "map", load_map },
	};
	char err[FILES_ERR_MAX];

	say_settings_wait(f, s);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].kind == MAIL_CERTS ? !f->certs : !f->map)
			continue;	/* not in use */
		if (kinds[i].load(f, s, err, sizeof(err)))
			tell(kinds[i].kind, arg);
		else
			say_failed(kinds[i].what, err);
	}
}

/* ---- mail ---- */

void files_fill_mail(const struct files *f, enum worker_mail kind, struct mail *m)
{
	*m = (struct mail){ .kind = kind };
	if (kind == MAIL_CERTS)
		m->what = tls_certs_ref(f->certs);
	else
		m->what = user_map_ref(f->map);
}

void files_drop_mail(struct mail *m)
{
	struct tls_certs *certs = m->kind == MAIL_CERTS ? m->what : NULL;
	struct user_map *map = m->kind == MAIL_MAP ? m->what : NULL;

	tls_certs_unref(&certs);
	user_map_unref(&map);
	m->what = NULL;
}

void files_fini(struct files *f)
{
	tls_certs_unref(&f->certs);
	user_map_unref(&f->map);
}
