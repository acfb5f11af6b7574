#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define NAMES_MAX 4096	/* what getpwuid_r and getgrgid_r need for an entry */

/* ---- why not ---- */

/* With its number where it has no name. */
static void user_name(char *text, size_t size)
{
	char space[NAMES_MAX];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(geteuid(), &pw, space, sizeof(space), &found) == 0 && found)
		snprintf(text, size, "%.64s", found->pw_name);
	else
		snprintf(text, size, "%u", (unsigned)geteuid());
}

static void group_name(char *text, size_t size)
{
	char space[NAMES_MAX];
	struct group gr, *found = NULL;

	if (getgrgid_r(getegid(), &gr, space, sizeof(space), &found) == 0 && found)
		snprintf(text, size, "%.64s", found->gr_name);
	else
		snprintf(text, size, "%u", (unsigned)getegid());
}

void file_say_unreadable(const char *path, char *err, size_t errlen)
{
	char user[72], group[72];

	if (errno != EACCES) {
		snprintf(err, errlen, "%s", strerror(errno));
		return;
	}
	user_name(user, sizeof(user));
	group_name(group, sizeof(group));
	snprintf(err, errlen, "user %s may not read it; chgrp %s %s, chmod 640 %s", user, group, path, path);
}

/* ---- reading ---- */

static bool is_regular(int fd, const char *path, mode_t *mode, char *err, size_t errlen)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		file_say_unreadable(path, err, errlen);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(err, errlen, "not a regular file; one would be right");
		return false;
	}
	if (mode)
		*mode = st.st_mode;
	return true;
}

int file_open_regular(const char *path, mode_t *mode, char *err, size_t errlen)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		file_say_unreadable(path, err, errlen);
		return -1;
	}
	if (is_regular(fd, path, mode, err, errlen))
		return fd;
	close(fd);
	return -1;
}

/* Room for one byte more than there should be, so that the end is seen, and for the NUL. */
static void make_room(struct file *f, int fd, size_t most)
{
	struct stat st = { 0 };

	f->cap = fstat(fd, &st) == 0 && (size_t)st.st_size < most ? (size_t)st.st_size + 1 : most + 1;
	f->bytes = mem_new(f->cap + 1);
}

static bool read_all(struct file *f, int fd, size_t most, char *err, size_t errlen)
{
	ssize_t got;

	while ((got = read(fd, f->bytes + f->n, f->cap - f->n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			file_say_unreadable(f->path, err, errlen);
			return false;
		}
		f->n += (size_t)got;
	}
	if (f->n > most)
		snprintf(err, errlen, "too large; at most %zu bytes are read", most);
	else if (f->n == f->cap)
		snprintf(err, errlen, "it grows while it is being read");
	else
		return true;
	return false;
}

bool file_read_regular(struct file *f, const char *path, size_t most, char *err, size_t errlen)
{
	mode_t mode = 0;
	int fd = file_open_regular(path, &mode, err, errlen);
	bool ok;

	*f = (struct file){ .path = path, .mode = mode };
	if (fd < 0)
		return false;
	make_room(f, fd, most);
	ok = read_all(f, fd, most, err, errlen);
	close(fd);
	if (!ok)
		file_fini(f);
	return ok;
}

void file_fini(struct file *f)
{
	if (f->bytes)
		mem_wipe_free(&f->bytes, f->cap);
	*f = (struct file){ .path = f->path };
}
