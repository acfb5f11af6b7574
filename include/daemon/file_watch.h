/*
 * file_watch.h - tells when something has changed where certain files are (inotify).
 *
 * Watched are folders, not files: who renews a certificate puts a new file in place of the old one, by a rename or a new symbolic link. It
 * tells once it has been quiet for FILE_WATCH_QUIET seconds, or, where it never is, every FILE_WATCH_LONGEST; whether it was one of the
 * files that changed, is for the owner to find out.
 *
 * No event comes from where a link in the middle of a path leads elsewhere, from behind the links in a watched folder, or for a folder
 * that is made again where all of it had gone. So it tells by the clock as well, and then sets the watches anew; it is logged, once, if
 * one cannot be.
 */
#ifndef DAEMON_FILE_WATCH_H
#define DAEMON_FILE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <ev.h>

#define FILE_WATCH_QUIET 1.0
#define FILE_WATCH_LONGEST 10.0

typedef void file_watch_fn(void *arg);

struct file_watched {
	const char *path;	/* the owner's; it outlives the watch */
	bool failed;		/* no watch could be set, and that has been logged */
};

struct file_watch {
	struct ev_loop *loop;	/* NULL: not started */
	int fd;			/* -1: no inotify, only the clock */
	ev_io io;
	ev_timer quiet;
	ev_timer clock;
	double since;		/* when the first change was seen that has not been told */
	file_watch_fn *changed;
	void *arg;
	size_t n;
	struct file_watched *all;
};

/* It tells once at the start, too, for what came before; and every so many seconds, whether anything was seen or not. */
void file_watch_start(struct file_watch *w, struct ev_loop *loop, double every, file_watch_fn *changed, void *arg);

/* A file or a folder; NULL: nothing happens. */
void file_watch_add(struct file_watch *w, const char *path);

void file_watch_stop(struct file_watch *w);

#endif
