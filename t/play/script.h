/*
 * script.h - a .play file: its statements, and giving it on a stage. README says what they are.
 */
#ifndef PLAY_SCRIPT_H
#define PLAY_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct verb;

struct statement {
	unsigned line;
	const struct verb *verb;
	char *args;
	size_t bytes;		/* it sends; known once it was run */
};

struct script {
	char *name;		/* the file's, without its folder and ".play" */
	char *title;		/* its first comment line */
	struct statement *statements;
	size_t n;
	bool whole_writes;	/* not to be given with short writes */
};

/* How a play is given. */
enum run_mode {
	RUN_AS_WRITTEN,
	RUN_BYTE_BY_BYTE,	/* each byte that comes in has a turn of its own */
	RUN_SHORT_WRITES,	/* each conn takes one byte a turn */
	RUN_CUT,		/* what the statement sends comes in two pieces */
};

struct run {
	enum run_mode mode;
	size_t statement, at;	/* RUN_CUT: which, and where */
};

bool script_read(struct script *s, const char *path, char *err, size_t errlen);
void script_free(struct script *s);

/* false: a text of several lines in failure. */
bool script_run(struct script *s, const struct run *run, char *failure, size_t n);

#endif
