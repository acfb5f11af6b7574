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

/* 0, or errno. */
static int watch_folder(struct file_watch *w, const char *folder)
{
	return inotify_add_watch(w->fd, folder, EVENTS | IN_ONLYDIR) >= 0 ? 0 : errno;
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

/* Where it is; itself, if it is a folder; and where it leads to, if it is a symbolic link. 0, or errno. */
static int watch_path(struct file_watch *w, const char *path)
{
	char text[PATH_MAX], real[PATH_MAX];
	int error = watch_folder(w, folder_of(path, text)), other = watch_folder(w, path);

	if (error == 0 && other != ENOTDIR && other != ENOENT)	/* a file, or gone: it is watched where it is */
		error = other;
	if (!realpath(path, real) || strcmp(real, path) == 0)
		return error;
	other = watch_folder(w, folder_of(real, text));
	return error ? error : other;
}

/* Told again, the kernel knows what it watches. */
static void watch(struct file_watch *w, struct file_watched *one)
{
	int error = watch_path(w, one->path);
	struct log_line l;

	if (error && !one->failed) {
		log_begin(&l, LOG_LEVEL_WARN, "not-watched");
		log_str(&l, "path", one->path);
		log_str(&l, "why", strerror(error));
		log_str(&l, "msg", "changes are noticed only by the clock, or at SIGHUP");
		log_end(&l);
	}
	one->failed = error != 0;
}

static void tell(struct file_watch *w)
{
	w->since = 0;
	for (size_t i = 0; i < w->n && w->fd >= 0; i++)
		watch(w, &w->all[i]);	/* it may be another folder by now */
	w->changed(w->arg);
}

static void on_quiet(struct ev_loop *ev, ev_timer *t, int events)
{
	(void)ev, (void)events;
	tell(t->data);
}

/* While somebody is writing, it is told soon enough. */
static void on_clock(struct ev_loop *ev, ev_timer *t, int events)
{
	struct file_watch *w = t->data;

	(void)ev, (void)events;
	if (!ev_is_active(&w->quiet))
		tell(w);
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

static void start_inotify(struct file_watch *w)
{
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		log_say(LOG_LEVEL_WARN, "not-watched", "changes are noticed only by the clock, or at SIGHUP: %s", strerror(errno));
		return;
	}
	ev_io_init(&w->io, on_events, w->fd, EV_READ);
	w->io.data = w;
	ev_io_start(w->loop, &w->io);
}

void file_watch_start(struct file_watch *w, struct ev_loop *loop, double every, file_watch_fn *changed, void *arg)
{
	*w = (struct file_watch){ .loop = loop, .changed = changed, .arg = arg };
	ev_timer_init(&w->quiet, on_quiet, 0, 0);
	w->quiet.data = w;
	ev_timer_init(&w->clock, on_clock, every, every);
	w->clock.data = w;
	ev_timer_start(loop, &w->clock);
	start_inotify(w);
	put_off(w);	/* what changed since the files were read, no event will tell */
}

void file_watch_add(struct file_watch *w, const char *path)
{
	if (!path)
		return;
	w->all = mem_grow(w->all, w->n * sizeof(*w->all), (w->n + 1) * sizeof(*w->all));
	w->all[w->n] = (struct file_watched){ .path = path };
	if (w->fd >= 0)
		watch(w, &w->all[w->n]);
	w->n++;
}

void file_watch_stop(struct file_watch *w)
{
	if (!w->loop)
		return;
	ev_timer_stop(w->loop, &w->quiet);
	ev_timer_stop(w->loop, &w->clock);
	if (w->fd >= 0) {
		ev_io_stop(w->loop, &w->io);
		close(w->fd);
	}
	mem_free(&w->all);
	*w = (struct file_watch){ .fd = -1 };
}
