/*
 * file.h - reading files that somebody else names: regular ones only, bounded, never waited for.
 *
 * A pipe, a device or a folder is refused: whoever reads it would wait, for ever, or get without end.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct file {
	const char *path;
	char *bytes;		/* n of them and a NUL behind; heap */
	size_t n, cap;
	mode_t mode;
};

/* A descriptor to read from; -1: why, without the path, in err. mode may be NULL. */
int file_open_regular(const char *path, mode_t *mode, char *err, size_t errlen);

/* The whole file, if it has at most `most` bytes. path must outlive f. false: why, without the path, in err, and nothing to free. */
bool file_read_regular(struct file *f, const char *path, size_t most, char *err, size_t errlen);

/* Wipes and frees what was read. */
void file_fini(struct file *f);

/* What errno says of a file that cannot be read; of one that this user may not read also who that is, and what would help. */
void file_say_unreadable(const char *path, char *err, size_t errlen);

#endif
