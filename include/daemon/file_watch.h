/*
 * file_watch.h - tells when something has changed where certain files are (inotify).
 *
 * Watched are folders, not files: who renews a certificate puts a new file in place of the old one, by a rename or a new symbolic link. It
 * tells once it has been quiet for FILE_WATCH_QUIET seconds, or, where it never is, every FILE_WATCH_LONGEST; whether it was one of the
 * files that changed, is for the owner to find out. What cannot be watched is logged, and SIGHUP still works.
 */
#ifndef DAEMON_FILE_WATCH_H
#define DAEMON_FILE_WATCH_H

#include <stddef.h>
#include <ev.h>

#define FILE_WATCH_QUIET 1.0
#define FILE_WATCH_LONGEST 10.0

typedef void file_watch_fn(void *arg);

struct file_watch {
	struct ev_loop *loop;
	int fd;			/* -1: not started */
	ev_io io;
	ev_timer quiet;
	double since;		/* when the first change was seen that has not been told */
	file_watch_fn *changed;
	void *arg;
	size_t n;
	const char **paths;	/* the owner's; they outlive the watch */
};

/* It tells once at the start, too, for what came before. */
void file_watch_start(struct file_watch *w, struct ev_loop *loop, file_watch_fn *changed, void *arg);

/* A file or a folder; NULL: nothing happens. */
void file_watch_add(struct file_watch *w, const char *path);

void file_watch_stop(struct file_watch *w);

#endif
