/*
 * settings_include.c - looks at the settings' files before libconfig reads them.
 *
 * libconfig ends the process when told to read a directory, waits for ever at a pipe, and follows files that include each other ten
 * deep, which may be ten to the power of ten files. So every file must be a regular one, and there may be only so many. What libconfig
 * takes for an @include is at the start of a line; so is what is looked for here, even inside of comments and texts.
 */
#include "daemon/settings_private.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define DEPTH_MAX 10		/* libconfig's; deeper ones it refuses by itself */

struct scan {
	struct draft *d;
	const char *file;	/* that includes; NULL: nobody, it is the first */
	unsigned line;
	unsigned files;
	size_t bytes;
};

static bool refuse(struct scan *s, const char *path, const char *why)
{
	if (s->file)
		draft_fault(s->d, s->file, s->line, "cannot include \"%s\": %s", path, why);
	else
		draft_fault(s->d, path, 0, "cannot be read: %s", why);
	return false;
}

/* Its text is the caller's to free, with file_fini. */
static bool read_file(struct scan *s, const char *path, struct file *f)
{
	char err[SETTINGS_FAULT_MAX / 2];

	if (!file_read_regular(f, path, SETTINGS_BYTES_MAX - s->bytes, err, sizeof(err)))
		return refuse(s, path, err);
	s->bytes += f->n;
	return s->files++ < SETTINGS_INCLUDES_MAX
		|| refuse(s, path, "too many files; settings may have 100 in all, each counted as often as it is included");
}

/* The path behind @include " on a line; heap. NULL: there is none. */
static char *included_path(struct span line)
{
	size_t i = 0, start;

	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	if (line.n - i < 8 || memcmp(line.p + i, "@include", 8) != 0)
		return NULL;
	i += 8;
	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	if (i == line.n || line.p[i] != '"')
		return NULL;
	start = ++i;
	while (i < line.n && line.p[i] != '"')
		i++;
	return mem_span_dup(span_mem(line.p + start, i - start));
}

static bool scan_file(struct scan *s, const char *path, unsigned depth);

static bool scan_included(struct scan *s, const char *path, unsigned depth)
{
	if (path[0] != '/')
		return refuse(s, path, "not a whole path; it must begin with \"/\"");
	if (strchr(path, '\\'))
		return refuse(s, path, "a path with a backslash; it must have none");
	return depth >= DEPTH_MAX || scan_file(s, path, depth + 1);
}

static bool scan_text(struct scan *s, const char *file, struct span text, unsigned depth)
{
	unsigned line = 0;
	bool sane = true;

	while (sane && text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		char *path = included_path(span_mem(text.p, n));

		line++;
		s->file = file;
		s->line = line;
		if (path)
			sane = scan_included(s, path, depth);
		mem_free(&path);
		n += end != NULL;
		text = span_mem(text.p + n, text.n - n);
	}
	return sane;
}

static bool scan_file(struct scan *s, const char *path, unsigned depth)
{
	struct file f;
	bool sane = read_file(s, path, &f) && scan_text(s, path, span_mem(f.bytes, f.n), depth);

	file_fini(&f);
	return sane;
}

bool settings_files_are_sane(struct draft *d)
{
	struct scan s = { .d = d };

	return scan_file(&s, d->path, 0);
}
