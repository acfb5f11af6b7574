/*
 * control_run.c - what control does while the workers run: signals, their mail, their logs. It must not block for long.
 */
#include "daemon/control_private.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "daemon/settings.h"
#include "route/limits.h"

#define TELL_PATIENCE 0.2	/* seconds for a worker to take a mail */
#define MAIL_BATCH 64		/* mails a turn of one worker */

/* ---- telling the workers ---- */

static bool tell(struct seat *seat, const struct mail *m)
{
	struct log_line l;

	if (mailbox_send_wait(seat->box[0], m, -1, TELL_PATIENCE))
		return true;
	log_begin(&l, LOG_LEVEL_ERROR, "worker-stuck");
	log_num(&l, "worker", (uint64_t)(seat - seat->control->seats));
	log_str(&l, "msg", "it does not take its mail");
	log_end(&l);
	return false;
}

void control_tell_all(struct control *c, enum worker_mail kind, unsigned number)
{
	struct mail m = { .kind = kind, .number = number };

	for (unsigned i = 0; i < c->nseats; i++) {
		if (c->seats[i].runs)
			tell(&c->seats[i], &m);
	}
}

/* A files_tell_fn. */
static void hand_out(enum worker_mail kind, void *arg)
{
	struct control *c = arg;

	c->untaken[kind] = 0;
	for (unsigned i = 0; i < c->nseats; i++) {
		struct mail m;

		if (!c->seats[i].runs)
			continue;
		c->untaken[kind]++;
		files_fill_mail(&c->files, kind, &m);
		if (!tell(&c->seats[i], &m))
			files_drop_mail(&m);
	}
}

/* ---- signals ---- */

/* What a backend counts, or all of them. */
struct tally {
	uint64_t sessions, idle, opaque, commands;
};

static struct tally tally_of(const struct backend *b)
{
	return (struct tally){
		.sessions = atomic_load_explicit(&b->sessions, memory_order_relaxed),
		.idle = atomic_load_explicit(&b->idle, memory_order_relaxed),
		.opaque = atomic_load_explicit(&b->opaque, memory_order_relaxed),
		.commands = atomic_load_explicit(&b->commands, memory_order_relaxed),
	};
}

/* backend NULL: the line of all. */
static void log_tally(const struct tally *t, const char *backend, unsigned not_logged_in)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "status");
	log_str(&l, "backend", backend);
	log_num(&l, "sessions", t->sessions);
	log_num(&l, "idle", t->idle);
	log_num(&l, "opaque", t->opaque);
	log_num(&l, "commands", t->commands);
	if (!backend)
		log_num(&l, "not-logged-in", not_logged_in);
	log_end(&l);
}

static void log_status(const struct control *c)
{
	const struct cluster *cluster = c->settings->cluster;
	struct tally all = { 0 };

	for (size_t i = 0; i < cluster->nbackends; i++) {
		struct tally t = tally_of(cluster->backends[i]);

		log_tally(&t, cluster->backends[i]->name, 0);
		all.sessions += t.sessions;
		all.idle += t.idle;
		all.opaque += t.opaque;
		all.commands += t.commands;
	}
	log_tally(&all, NULL, limits_not_logged_in(c->limits));
}

static uint64_t logged_in(const struct settings *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->cluster->nbackends; i++)
		n += atomic_load_explicit(&s->cluster->backends[i]->sessions, memory_order_relaxed);
	return n;
}

static void drain(struct control *c)
{
	struct log_line l;

	c->state = CONTROL_DRAINING;
	log_begin(&l, LOG_LEVEL_INFO, "draining");
	log_num(&l, "sessions", logged_in(c->settings));
	log_seconds(&l, "timeout", c->settings->drain_timeout);
	log_end(&l);
	control_tell_all(c, MAIL_DRAIN, (unsigned)(c->settings->drain_timeout * 1000));
}

static void stop(struct control *c)
{
	c->state = CONTROL_STOPPING;
	log_say(LOG_LEVEL_INFO, "stopping", "asked twice: sessions end now");
	control_tell_all(c, MAIL_STOP, 0);
}

static void on_stop_signal(struct ev_loop *ev, ev_signal *w, int events)
{
	struct control *c = w->data;

	(void)ev, (void)events;
	if (c->state == CONTROL_SERVING)
		drain(c);
	else if (c->state == CONTROL_DRAINING)
		stop(c);
}

static void on_status_signal(struct ev_loop *ev, ev_signal *w, int events)
{
	(void)ev, (void)events;
	log_status(w->data);
}

static void on_reload_signal(struct ev_loop *ev, ev_signal *w, int events)
{
	struct control *c = w->data;

	(void)ev, (void)events;
	if (c->state == CONTROL_SERVING)
		files_reload(&c->files, c->settings, hand_out, c);
}

/* ---- files ---- */

/* A file_watch_fn. */
static void on_files_changed(void *arg)
{
	struct control *c = arg;

	if (c->state == CONTROL_SERVING)
		files_reload_changed(&c->files, c->settings, hand_out, c);
}

static void on_ticket_time(struct ev_loop *ev, ev_timer *t, int events)
{
	struct control *c = t->data;

	(void)ev, (void)events;
	if (c->state == CONTROL_SERVING)
		files_change_tickets(&c->files, c->settings, hand_out, c);
}

void control_watch_files(struct control *c)
{
	const struct tls_certs_conf *certs = &c->settings->certs;

	ev_timer_init(&c->tickets, on_ticket_time, CONTROL_TICKETS_EVERY, CONTROL_TICKETS_EVERY);
	c->tickets.data = c;
	if (certs->npaths == 0)
		return;
	ev_timer_start(c->loop, &c->tickets);
	file_watch_start(&c->watch, c->loop, CONTROL_FILES_EVERY, on_files_changed, c);
	for (size_t i = 0; i < certs->npaths; i++)
		file_watch_add(&c->watch, certs->paths[i]);
	file_watch_add(&c->watch, certs->key);
	file_watch_add(&c->watch, certs->client_ca);
	file_watch_add(&c->watch, c->settings->ticket_key_file);
}

void control_unwatch_files(struct control *c)
{
	if (c->loop)
		ev_timer_stop(c->loop, &c->tickets);
	file_watch_stop(&c->watch);
}

static void watch_signal(struct control *c, ev_signal *w, int number, void (*fn)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(w, fn, number);
	w->data = c;
	ev_signal_start(c->loop, w);
}

void control_watch_signals(struct control *c)
{
	signal(SIGPIPE, SIG_IGN);
	watch_signal(c, &c->term, SIGTERM, on_stop_signal);
	watch_signal(c, &c->interrupt, SIGINT, on_stop_signal);
	watch_signal(c, &c->hup, SIGHUP, on_reload_signal);
	watch_signal(c, &c->usr1, SIGUSR1, on_status_signal);
}

void control_unwatch_signals(struct control *c)
{
	ev_signal_stop(c->loop, &c->term);
	ev_signal_stop(c->loop, &c->interrupt);
	ev_signal_stop(c->loop, &c->hup);
	ev_signal_stop(c->loop, &c->usr1);
}

/* ---- mail ---- */

/* The one that accepts has kept every nth for itself; the others get theirs in turn. A worker whose box is full is passed over. */
static void deal(struct control *c, unsigned listener, int fd)
{
	struct mail m = { .kind = MAIL_ACCEPTED, .number = listener };
	bool sent = false;

	for (unsigned tries = 1; tries < c->nseats && fd >= 0 && !sent; tries++) {
		struct seat *seat = &c->seats[1 + c->next_deal++ % (c->nseats - 1)];

		sent = seat->runs && mailbox_send(seat->box[0], &m, fd);
	}
	if (fd >= 0)
		close(fd);
	if (!sent && c->state == CONTROL_SERVING)
		log_say(LOG_LEVEL_WARN, "connection-lost", "a connection got lost between two workers: %s",
			fd < 0 ? "no descriptor was free" : "no other worker took it");
}

static void worker_has_taken(struct control *c, unsigned kind)
{
	assert(kind < ARRAY_LEN(c->untaken));
	if (c->untaken[kind] > 0 && --c->untaken[kind] == 0)
		files_say_reloaded(&c->files, kind);
}

static void worker_has_gone(struct seat *seat)
{
	struct control *c = seat->control;

	seat->runs = false;
	ev_io_stop(c->loop, &seat->mail);
	if (--c->nrunning == 0)
		ev_break(c->loop, EVBREAK_ALL);
}

static void take_mail(struct seat *seat, const struct mail *m, int fd)
{
	switch ((enum worker_mail)m->kind) {
	case MAIL_TAKEN:
		worker_has_taken(seat->control, m->number);
		return;
	case MAIL_GONE:
		worker_has_gone(seat);
		return;
	case MAIL_DEAL:
		deal(seat->control, m->number, fd);
		return;
	case MAIL_CERTS:
	case MAIL_TICKETS:
	case MAIL_MAP:
	case MAIL_DRAIN:
	case MAIL_STOP:
	case MAIL_ACCEPTED:
		break;
	}
	assert(!"mail that is not for control");
}

static void on_mail(struct ev_loop *ev, ev_io *io, int events)
{
	struct seat *seat = CONTAINER_OF(io, struct seat, mail);
	struct mail m;
	int fd;

	if (events & EV_ERROR)	/* libev could not watch it and has stopped: try again, for without mail nobody can be told anything */
		ev_io_start(ev, io);
	for (int i = 0; i < MAIL_BATCH && seat->runs; i++) {
		switch (mailbox_receive(seat->box[0], &m, &fd)) {
		case MAILBOX_GOT:
			take_mail(seat, &m, fd);
			break;
		case MAILBOX_CLOSED:
			worker_has_gone(seat);
			break;
		case MAILBOX_EMPTY:
			return;
		}
	}
}

void control_watch_seat(struct seat *seat)
{
	seat->runs = true;
	seat->control->nrunning++;
	ev_io_init(&seat->mail, on_mail, seat->box[0], EV_READ);
	ev_io_start(seat->control->loop, &seat->mail);
}

/* ---- logs ---- */

void control_drain_logs(struct control *c)
{
	for (unsigned i = 0; i < c->nseats; i++) {
		if (c->seats[i].ring)
			log_ring_drain(c->seats[i].ring);
	}
}

/* First the bytes, then the rings: a line that comes in between wakes us again. */
static void on_woken(struct ev_loop *ev, ev_io *io, int events)
{
	struct control *c = CONTAINER_OF(io, struct control, woken);
	char bytes[SETTINGS_WORKERS_MAX];
	ssize_t ignored = read(c->wake[0], bytes, sizeof(bytes));

	(void)ev, (void)events, (void)ignored;
	control_drain_logs(c);
}

void control_watch_logs(struct control *c)
{
	ev_io_init(&c->woken, on_woken, c->wake[0], EV_READ);
	ev_io_start(c->loop, &c->woken);
}
