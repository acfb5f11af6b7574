/*
 * settings_secret.c - password files: one line, kept from others.
 */
#include "daemon/settings_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

#define FILE_MOST (64 * 1024)	/* behind the first line there may be notes */

/* Without its end. */
static struct span first_line(struct span text)
{
	const char *end = text.n ? memchr(text.p, '\n', text.n) : NULL;
	struct span line = span_mem(text.p, end ? (size_t)(end - text.p) : text.n);

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static const char *take_secret(const struct file *f, char **secret)
{
	struct span line;

	if (f->mode & (S_IROTH | S_IWOTH))
		return "others than its owner and group may read or write it; chmod o= would be right";
	line = first_line(span_mem(f->bytes, f->n));
	if (line.n > SETTINGS_SECRET_MAX)
		return "its first line is too long; a password may have 1024 bytes";
	if (line.n == 0)
		return "its first line is empty; it must hold the password";
	if (memchr(line.p, '\0', line.n))
		return "its first line holds a zero byte; a password is text";
	*secret = mem_span_dup(line);
	return NULL;
}

char *settings_secret_load(const char *path, char *err, size_t errlen)
{
	char *secret = NULL;
	const char *why;
	struct file f;
	size_t n = (size_t)snprintf(err, errlen, "\"%s\": ", path);

	if (n >= errlen || !file_read_regular(&f, path, FILE_MOST, err + n, errlen - n))
		return NULL;
	why = take_secret(&f, &secret);
	if (why)
		snprintf(err + n, errlen - n, "%s", why);
	file_fini(&f);
	return secret;
}
