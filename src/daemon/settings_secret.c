/*
 * settings_secret.c - password files: one line, kept from others.
 */
#include "daemon/settings_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_MAX_BYTES (SETTINGS_SECRET_MAX + 2)	/* and CR LF */

/* What is wrong with the file itself; NULL: nothing. */
static const char *wrong_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file; it must be one that holds the password in its first line";
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return "others than its owner and group may read or write it; chmod o= would be right";
	return NULL;
}

/* At most n bytes; fewer only at the file's end. */
static ssize_t read_start(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, p + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

/* The first line of text without its end. false: too long to be sure. */
static bool first_line(struct span text, struct span *line)
{
	const char *end = memchr(text.p, '\n', text.n);

	if (!end && text.n == LINE_MAX_BYTES)
		return false;
	*line = span_mem(text.p, end ? (size_t)(end - text.p) : text.n);
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return line->n <= SETTINGS_SECRET_MAX;
}

static const char *take_secret(int fd, char **secret)
{
	char text[LINE_MAX_BYTES];
	ssize_t n = read_start(fd, text, sizeof(text));
	struct span line = { text, 0 };
	const char *why = NULL;

	if (n < 0)
		why = strerror(errno);
	else if (!first_line(span_mem(text, (size_t)n), &line))
		why = "its first line is too long; a password may have 1024 bytes";
	else if (line.n == 0)
		why = "its first line is empty; it must hold the password";
	else if (memchr(line.p, '\0', line.n))
		why = "its first line holds a zero byte; a password is text";
	else
		*secret = mem_span_dup(line);
	mem_wipe(text, sizeof(text));
	return why;
}

char *settings_secret_load(const char *path, char *err, size_t errlen)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *secret = NULL;
	const char *why = fd < 0 ? strerror(errno) : wrong_file(fd);

	if (!why)
		why = take_secret(fd, &secret);
	if (why)
		snprintf(err, errlen, "\"%s\": %s", path, why);
	if (fd >= 0)
		close(fd);
	return secret;
}
