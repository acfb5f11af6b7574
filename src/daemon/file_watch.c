#include "daemon/file_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define EVENTS (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define READS_MAX 64		/* a turn */

/* false: errno. */
static bool watch_folder(struct file_watch *w, const char *folder)
{
	return inotify_add_watch(w->fd, folder, EVENTS | IN_ONLYDIR) >= 0;
}

/* The folder that a path's last piece is in; text has room for PATH_MAX. */
static const char *folder_of(const char *path, char *text)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	snprintf(text, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return text;
}

/* Where it is; itself, if it is a folder; and where it leads to, if it is a symbolic link. Told again, the kernel knows what it watches. */
static bool watch_path(struct file_watch *w, const char *path)
{
	char text[PATH_MAX], real[PATH_MAX];

	watch_folder(w, path);	/* a file: refused, and rightly */
	if (realpath(path, real) && strcmp(real, path) != 0)
		watch_folder(w, folder_of(real, text));
	return watch_folder(w, folder_of(path, text));
}

static void tell(struct ev_loop *ev, ev_timer *t, int events)
{
	struct file_watch *w = t->data;

	(void)ev, (void)events;
	w->since = 0;
	for (size_t i = 0; i < w->n; i++)
		watch_path(w, w->paths[i]);	/* it may be another folder by now */
	w->changed(w->arg);
}

/* Each change puts the telling off, but not for ever. */
static void put_off(struct file_watch *w)
{
	double now = ev_now(w->loop), left;

	if (w->since == 0)
		w->since = now;
	left = w->since + FILE_WATCH_LONGEST - now;
	ev_timer_stop(w->loop, &w->quiet);
	ev_timer_set(&w->quiet, left < FILE_WATCH_QUIET ? (left > 0 ? left : 0) : FILE_WATCH_QUIET, 0);
	ev_timer_start(w->loop, &w->quiet);
}

/* What the events say does not matter. */
static void on_events(struct ev_loop *ev, ev_io *io, int events)
{
	struct file_watch *w = io->data;
	char text[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)ev, (void)events;
	for (int i = 0; i < READS_MAX && read(w->fd, text, sizeof(text)) > 0; i++)
		;
	put_off(w);
}

void file_watch_start(struct file_watch *w, struct ev_loop *loop, file_watch_fn *changed, void *arg)
{
	*w = (struct file_watch){ .loop = loop, .changed = changed, .arg = arg };
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		log_say(LOG_LEVEL_WARN, "not-watched", "new certificates are taken at SIGHUP only: %s", strerror(errno));
		return;
	}
	ev_timer_init(&w->quiet, tell, 0, 0);
	w->quiet.data = w;
	ev_io_init(&w->io, on_events, w->fd, EV_READ);
	w->io.data = w;
	ev_io_start(loop, &w->io);
	put_off(w);	/* what changed since the files were read, no event will tell */
}

void file_watch_add(struct file_watch *w, const char *path)
{
	struct log_line l;

	if (!path || w->fd < 0)
		return;
	w->paths = mem_grow(w->paths, w->n * sizeof(*w->paths), (w->n + 1) * sizeof(*w->paths));
	w->paths[w->n++] = path;
	if (watch_path(w, path))
		return;
	log_begin(&l, LOG_LEVEL_WARN, "not-watched");
	log_str(&l, "file", path);
	log_str(&l, "why", strerror(errno));
	log_str(&l, "msg", "a new one is taken at SIGHUP only");
	log_end(&l);
}

void file_watch_stop(struct file_watch *w)
{
	if (w->fd < 0)
		return;
	ev_io_stop(w->loop, &w->io);
	ev_timer_stop(w->loop, &w->quiet);
	close(w->fd);
	w->fd = -1;
	mem_free(&w->paths);
}
