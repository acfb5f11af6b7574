/*
 * worker_mail.c - what reaches a worker: connections and mail; and how it leaves when control says so.
 */
#include "daemon/worker_private.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "daemon/settings.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "route/directory.h"
#include "route/route.h"
#include "route/user_map.h"
#include "session/session.h"

#define LEAVE_LOOK 0.05		/* seconds between two looks whether somebody lingers, or control takes our last mail */
#define LEAVE_PATIENCE 3.0	/* seconds for those who linger */
#define DESCRIPTORS_OURS 64	/* kept for loop, mailbox, log, listeners, Redis, resolver */
#define DESCRIPTORS_LOGINS (1024 - 2 * PIPES_MAX)	/* kept for backends that are being logged in at */
#define MAIL_BATCH 64		/* mails a turn */

/* ---- the end ---- */

void worker_stop_listening(struct worker *w)
{
	for (size_t i = 0; i < w->conf.nsockets; i++)
		listener_stop(&w->doors[i].listener);
}

/* Whatever control has said before is done; it says nothing more to who has gone. false: it does not take the mail now. */
static bool say_gone(struct worker *w)
{
	struct mail m = { .kind = MAIL_GONE, .number = w->conf.number };

	if (!mailbox_send(w->conf.box, &m, -1) && errno == EAGAIN)
		return false;
	w->state = WORKER_GONE;
	ev_io_stop(w->ev, &w->mail);
	if (w->has_thread)
		ev_break(w->ev, EVBREAK_ALL);
	return true;
}

static void try_to_leave(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, leave);
	bool waits = w->loop.lingering > 0 && w->loop.timers.now < w->leave_until;

	if (waits || !say_gone(w))
		timers_start(&w->loop.timers, &w->leave, LEAVE_LOOK, try_to_leave);
}

/* Never at once: who calls may be in the middle of a session's end. */
static void start_leaving(struct worker *w, double patience)
{
	w->state = WORKER_LEAVING;
	timers_stop(&w->loop.timers, &w->drained);
	w->leave_until = w->loop.timers.now + patience;
	timers_start(&w->loop.timers, &w->leave, 0, try_to_leave);
}

void worker_leave_if_empty(struct session_env *env)
{
	struct worker *w = CONTAINER_OF(env, struct worker, env);

	if (w->state == WORKER_DRAINING && env->nsessions == 0)
		start_leaving(w, LEAVE_PATIENCE);
}

static void time_is_up(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, drained);

	session_close_all(&w->env, SESSION_DRAINED);
	worker_leave_if_empty(&w->env);
}

/* What has been accepted already is emptied into sessions first, so that they hear BYE instead of a reset. */
static void drain(struct worker *w, double seconds)
{
	if (w->state != WORKER_SERVING)
		return;
	w->state = WORKER_DRAINING;
	worker_stop_listening(w);
	session_drain_all(&w->env);
	timers_start(&w->loop.timers, &w->drained, seconds, time_is_up);
	worker_leave_if_empty(&w->env);
}

static void stop(struct worker *w)
{
	if (w->state == WORKER_GONE)
		return;
	w->state = WORKER_DRAINING;	/* for those who come while the listeners are emptied */
	worker_stop_listening(w);
	w->env.draining = true;
	session_close_all(&w->env, SESSION_STOPPED);
	start_leaving(w, 0);
}

/* ---- connections ---- */

static void serve(struct worker *w, unsigned listener, int fd, const struct addr *peer)
{
	struct session *s = session_open(&w->env, &w->listeners[listener], fd, peer);

	if (w->env.draining)
		session_close(s, SESSION_DRAINED);
}

/* Each in turn, ourselves first. Only control can reach the others. */
static bool deal_to_another(struct worker *w, unsigned listener, int fd)
{
	struct mail m = { .kind = MAIL_DEAL, .number = listener };
	unsigned nworkers = w->conf.settings->workers > 1 ? (unsigned)w->conf.settings->workers : 1;

	if (w->deals++ % nworkers == 0 || w->state != WORKER_SERVING || !mailbox_send(w->conf.box, &m, fd))
		return false;
	close(fd);
	return true;
}

/* Counted, not asked of the kernel: a client each, a backend each that is logged in, and those that are closing politely. */
static bool is_full(const struct listener *l)
{
	const struct door *d = l->arg;
	const struct worker *w = d->worker;

	return w->env.nsessions + w->env.nrelaying + w->loop.lingering >= w->descriptors;
}

static void on_accept(struct listener *l, int fd, const struct addr *peer)
{
	struct door *d = l->arg;

	if (!d->deals || !deal_to_another(d->worker, d->number, fd))
		serve(d->worker, d->number, fd, peer);
}

/* ---- mail ---- */

static void say_taken(struct worker *w, enum worker_mail kind)
{
	struct mail m = { .kind = MAIL_TAKEN, .number = kind };

	mailbox_send(w->conf.box, &m, -1);	/* lost: control says nothing then, that is all */
}

static void take_certs(struct worker *w, struct tls_certs *certs)
{
	for (size_t i = 0; i < w->ntls_servers; i++)
		tls_server_set_certs(w->tls_servers[i], certs);
	tls_certs_unref(&certs);
	say_taken(w, MAIL_CERTS);
}

static void take_tickets(struct worker *w, struct tls_tickets *tickets)
{
	for (size_t i = 0; i < w->ntls_servers; i++)
		tls_server_set_tickets(w->tls_servers[i], tickets);
	tls_tickets_unref(&tickets);
	say_taken(w, MAIL_TICKETS);
}

static void take_map(struct worker *w, struct user_map *map)
{
	directory_file_set_map(route_directory(w->env.route), map);
	user_map_unref(&map);
	say_taken(w, MAIL_MAP);
}

static void take_connection(struct worker *w, const struct mail *m, int fd)
{
	static const struct addr nameless = { .family = AF_UNIX };

	assert(m->number < w->conf.settings->nlisteners);
	if (fd >= 0)
		serve(w, m->number, fd, &nameless);
	else
		log_say(LOG_LEVEL_WARN, "connection-lost", "a connection got lost between two workers: no descriptor was free");
}

static void take_mail(struct worker *w, struct mail *m, int fd)
{
	switch ((enum worker_mail)m->kind) {
	case MAIL_CERTS:
		take_certs(w, m->what);
		return;
	case MAIL_TICKETS:
		take_tickets(w, m->what);
		return;
	case MAIL_MAP:
		take_map(w, m->what);
		return;
	case MAIL_DRAIN:
		drain(w, m->number / 1000.0);
		return;
	case MAIL_STOP:
		stop(w);
		return;
	case MAIL_ACCEPTED:
		take_connection(w, m, fd);
		return;
	case MAIL_TAKEN:
	case MAIL_GONE:
	case MAIL_DEAL:
		break;
	}
	assert(!"mail that is not for workers");
}

static void on_mail(struct ev_loop *ev, ev_io *io, int events)
{
	struct worker *w = CONTAINER_OF(io, struct worker, mail);
	enum mailbox_result got;
	struct mail m;
	int fd;

	if (events & EV_ERROR)	/* libev could not watch it and has stopped: try again, for without mail we could not even be stopped */
		ev_io_start(ev, io);
	for (int i = 0; i < MAIL_BATCH; i++) {
		got = mailbox_receive(w->conf.box, &m, &fd);
		if (got == MAILBOX_EMPTY)
			return;
		if (got == MAILBOX_CLOSED) {
			ev_io_stop(w->ev, &w->mail);
			stop(w);
			return;
		}
		take_mail(w, &m, fd);
	}
}

/* ---- the beginning ---- */

static void open_doors(struct worker *w)
{
	w->doors = mem_new_array(w->conf.nsockets, sizeof(*w->doors));
	for (size_t i = 0; i < w->conf.nsockets; i++) {
		const struct worker_socket *k = &w->conf.sockets[i];
		struct door *d = &w->doors[i];

		d->worker = w;
		d->number = k->listener;
		d->deals = k->deals;
		listener_start(&d->listener, &w->loop, k->fd, w->listeners[k->listener].name, on_accept, d);
		d->listener.is_full = is_full;
	}
}

static unsigned pipes_of(unsigned long limit)
{
	return (unsigned)(limit / 32 < PIPES_MAX ? limit / 32 : PIPES_MAX);
}

unsigned long worker_descriptors_kept(unsigned long limit)
{
	unsigned long for_us = limit / 4 < DESCRIPTORS_OURS ? limit / 4 : DESCRIPTORS_OURS;
	unsigned long for_logins = limit / 16 < DESCRIPTORS_LOGINS ? limit / 16 : DESCRIPTORS_LOGINS;

	return for_us + for_logins + 2ul * pipes_of(limit);
}

/* Of the limit; where the table is common to all workers, each has its share. */
static unsigned long table_of(const struct worker *w)
{
	unsigned sharers = w->owns_files || w->conf.settings->workers == 0 ? 1 : (unsigned)w->conf.settings->workers;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
		return ULONG_MAX;
	return files.rlim_cur / sharers;
}

void worker_open(struct worker *w)
{
	unsigned long table = table_of(w);

	w->descriptors = table - worker_descriptors_kept(table);
	w->loop.pipes.max = w->loop.relay_mode == RELAY_COPY ? 0 : pipes_of(table);
	open_doors(w);
	ev_io_init(&w->mail, on_mail, w->conf.box, EV_READ);
	ev_io_start(w->ev, &w->mail);
	w->state = WORKER_SERVING;
}
