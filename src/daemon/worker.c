/*
 * worker.c - see worker.h, and worker_private.h for where the rest is: a worker's making and its thread.
 */
#include "daemon/worker_private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "daemon/settings.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "route/user_map.h"

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* ThreadSanitizer keeps one book of descriptors for the whole process: equal numbers of two tables would be one file to it. */
#if defined(__SANITIZE_THREAD__)
#define ONE_TABLE true
#elif defined(__has_feature)
#define ONE_TABLE __has_feature(thread_sanitizer)
#else
#define ONE_TABLE false
#endif

/* Leaves the common descriptor table with its sockets, its mailbox and the wake-up. */
static bool leave_table(struct worker *w)
{
	size_t n = 0;
	int *keep, error;

	if (ONE_TABLE)
		return true;
	keep = mem_new_array(w->conf.nsockets + 2, sizeof(*keep));
	for (size_t i = 0; i < w->conf.nsockets; i++)
		keep[n++] = w->conf.sockets[i].fd;
	keep[n++] = w->conf.box;
	keep[n++] = w->conf.wake;
	qsort(keep, n, sizeof(*keep), by_number);
	w->owns_files = sandbox_own_files(keep, n);
	error = w->owns_files ? 0 : errno;
	mem_free(&keep);
	/* a container's filter: then nothing was closed either, and the common table will do */
	if (!error || error == EPERM || error == ENOSYS)
		return true;
	snprintf(w->err, sizeof(w->err), "cannot make a descriptor table for worker %u: %s", w->conf.number, strerror(error));
	return false;
}

static bool come_up(struct worker *w)
{
	char name[16];

	snprintf(name, sizeof(name), "sluice-%u", w->conf.number);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	if (!leave_table(w))
		return false;
	sandbox_drop_capabilities();
	log_use_ring(w->conf.ring);
	w->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (w->ev && worker_build(w))
		return true;
	if (!w->ev)
		snprintf(w->err, sizeof(w->err), "cannot make an event loop for worker %u: %s", w->conf.number, strerror(errno));
	return false;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	bool up = come_up(w);

	w->up = up;
	sem_post(&w->said);
	if (up) {
		ev_run(w->ev, 0);
		worker_demolish(w);
	}
	if (w->ev)
		ev_loop_destroy(w->ev);
	return NULL;
}

/* Signals are control's: the thread is born with all of them blocked. */
static int create_thread(struct worker *w)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

bool worker_start(struct worker *w, char *err, size_t errlen)
{
	int error;

	w->has_thread = true;
	error = create_thread(w);
	if (error) {
		w->has_thread = false;
		snprintf(err, errlen, "cannot start worker %u: %s", w->conf.number, strerror(error));
		return false;
	}
	while (sem_wait(&w->said) < 0)
		assert(errno == EINTR);
	if (!w->up)
		snprintf(err, errlen, "%s", w->err);
	return w->up;
}

bool worker_owns_files(const struct worker *w)
{
	return w->owns_files;
}

bool worker_attach(struct worker *w, struct ev_loop *loop, char *err, size_t errlen)
{
	w->ev = loop;
	if (worker_build(w))
		return true;
	snprintf(err, errlen, "%s", w->err);
	return false;
}

struct worker *worker_new(const struct worker_conf *conf)
{
	struct worker *w = mem_new(sizeof(*w));
	struct worker_socket *sockets = mem_new_array(conf->nsockets, sizeof(*sockets));

	w->conf = *conf;
	if (conf->nsockets > 0)
		memcpy(sockets, conf->sockets, conf->nsockets * sizeof(*sockets));
	w->conf.sockets = sockets;
	w->conf.settings = settings_ref(conf->settings);
	w->conf.certs = conf->certs ? tls_certs_ref(conf->certs) : NULL;
	w->conf.tickets = conf->tickets ? tls_tickets_ref(conf->tickets) : NULL;
	w->conf.map = conf->map ? user_map_ref(conf->map) : NULL;
	sem_init(&w->said, 0, 0);
	return w;
}

void worker_free(struct worker **wp)
{
	struct worker *w = *wp;
	struct worker_socket *sockets;

	*wp = NULL;
	if (!w)
		return;
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	else if (w->state != WORKER_NEW)
		worker_demolish(w);
	worker_forget_ingredients(w);
	settings_unref(&w->conf.settings);
	sem_destroy(&w->said);
	sockets = (struct worker_socket *)w->conf.sockets;
	mem_free(&sockets);
	mem_free(&w);
}
