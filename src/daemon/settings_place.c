/*
 * settings_place.c - where settings stand. Files are opened, users looked up and ports bound when the draft with its lines is gone: by
 * these few places a fault still tells its file and line.
 */
#include "daemon/settings_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define NAME_SIZE 256
#define WHERE_SIZE 768
#define FILE_SHOWN 400		/* bytes of the settings' path */

void draft_place(struct draft *d, const config_setting_t *at, const char *path)
{
	struct settings_places *all = &d->places;
	char name[NAME_SIZE], where[WHERE_SIZE];
	size_t size = sizeof(*all->items);

	settings_full_name(at, name, sizeof(name));
	snprintf(where, sizeof(where), "%.*s:%u: %s", FILE_SHOWN, draft_file(d, at), draft_line(at), name);
	if ((all->n & (all->n - 1)) == 0)	/* full at each power of two */
		all->items = mem_grow(all->items, all->n * size, (all->n ? all->n * 2 : 1) * size);
	all->items[all->n++] = (struct settings_place){ mem_strdup(name), mem_strdup(where), path ? mem_strdup(path) : NULL };
}

/* err begins with the path, or with that of a file below it. */
static bool is_about(const char *err, const char *path)
{
	size_t n = path ? strlen(path) : 0;

	return n > 0 && strncmp(err, path, n) == 0 && (err[n] == '/' || err[n] == ':');
}

/* err has a file and a line of its own. */
static bool has_line(const char *err, const char *path)
{
	size_t n = path ? strlen(path) : 0;

	return is_about(err, path) && err[n] == ':' && isdigit((unsigned char)err[n + 1]);
}

/* "tls." is of tls.key and all its sisters. */
static bool is_of(const char *name, const char *of)
{
	size_t n = strlen(of);

	return of[n - 1] == '.' ? strncmp(name, of, n) == 0 : strcmp(name, of) == 0;
}

/* NULL: none. */
static const struct settings_place *find(const struct settings *s, const char *of, const char *err)
{
	const struct settings_place *first = NULL;

	for (size_t i = 0; i < s->places.n; i++) {
		const struct settings_place *p = &s->places.items[i];

		if (!is_of(p->name, of))
			continue;
		if (!first)
			first = p;
		if (err && is_about(err, p->path))
			return p;
	}
	return first;
}

void settings_say_where(const struct settings *s, const char *of, char *err, size_t errlen)
{
	const struct settings_place *p = find(s, of, err);
	char *why;

	if (p && has_line(err, p->path))
		return;
	why = mem_strdup(err);
	if (p)
		snprintf(err, errlen, "%s: %s", p->where, why);
	else
		snprintf(err, errlen, "%s:1: %s: %s", s->path, of, why);
	mem_free(&why);
}

const char *settings_where(const struct settings *s, const char *name)
{
	const struct settings_place *p = find(s, name, NULL);

	return p ? p->where : s->path;
}
