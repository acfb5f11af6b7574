/*
 * control.c - see control.h, and control_private.h for where the rest is: the start, step by step, and the end.
 */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "daemon/control_private.h"
#include "daemon/settings.h"
#include "daemon/version.h"
#include "net/ktls.h"
#include "net/tls.h"
#include "route/last_known.h"
#include "route/limits.h"


/* ---- the steps of the start ---- */

static bool make_loop(struct control *c, char *err, size_t errlen)
{
	c->loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV);	/* the only one that may have signals */
	if (!c->loop) {
		snprintf(err, errlen, "cannot make an event loop: %s", strerror(errno));
		return false;
	}
	control_watch_signals(c);
	return true;
}

/* Asked while we may still have the right to load a module. */
static bool look_at_kernel(struct control *c, char *err, size_t errlen)
{
	enum relay_mode mode = c->settings->relay_mode;

	if (mode == RELAY_AUTO || mode == RELAY_KERNEL_TLS)
		ktls_probe(&c->ktls);
	if (mode != RELAY_KERNEL_TLS || ktls_in_openssl(&c->ktls))
		return true;
	if (!ktls_in_kernel(&c->ktls))
		snprintf(err, errlen, "this kernel does no TLS; load its module (modprobe tls), or \"auto\" would be right");
	else
		snprintf(err, errlen, "this OpenSSL leaves no TLS to the kernel; another one, or \"auto\" would be right");
	settings_say_where(c->settings, "relay-mode", err, errlen);
	return false;
}

static bool give_up_rights(struct control *c, char *err, size_t errlen)
{
	c->descriptors = sandbox_raise_files();
	return sandbox_drop_rights(c->settings->user, err, errlen);
}

static bool load_files(struct control *c, char *err, size_t errlen)
{
	return files_load(&c->files, c->settings, err, errlen);
}

static bool open_sockets(struct control *c, char *err, size_t errlen)
{
	return sockets_open(&c->sockets, c->settings, c->nseats, err, errlen);
}

/* Short, and other than those of other runs and hosts: the time, and 16 bits of chance for those that start in the same second. */
static void name_run(struct control *c)
{
	uint16_t chance = 0;

	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = (uint16_t)getpid();
	snprintf(c->run, sizeof(c->run), "%08x%04x", (unsigned)time(NULL), chance);
}

static bool make_shared(struct control *c, char *err, size_t errlen)
{
	const struct settings *s = c->settings;

	(void)err, (void)errlen;
	sandbox_harden();
	name_run(c);
	c->limits = limits_new();
	if (s->directory == DIRECTORY_REDIS && s->on_outage == OUTAGE_LAST_KNOWN)
		c->last_known = last_known_new();
	return true;
}

static bool open_mailboxes(struct control *c, char *err, size_t errlen)
{
	bool opened = true;

	for (unsigned i = 0; i < c->nseats && opened; i++)
		opened = mailbox_open(c->seats[i].box);
	if (opened && c->settings->workers > 0)
		opened = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, c->wake) == 0;
	if (!opened) {
		snprintf(err, errlen, "cannot make mailboxes for %u workers: %s", c->nseats, strerror(errno));
		return false;
	}
	if (c->settings->workers > 0)
		control_watch_logs(c);
	return true;
}

static struct worker *new_worker(struct control *c, unsigned number)
{
	const struct socket_list *sockets = &c->sockets.lists[number];
	struct worker_conf conf = {
		.number = number, .run = c->run, .settings = c->settings, .certs = c->files.certs, .tickets = c->files.tickets,
		.client_files = c->files.clients, .map = c->files.map, .last_known = c->last_known, .limits = c->limits,
		.ktls = c->ktls,
		.sockets = sockets->items, .nsockets = sockets->n,
		.box = c->seats[number].box[1], .ring = c->seats[number].ring, .wake = c->wake[1],
	};

	return worker_new(&conf);
}

/* What it has inherited is its own now: where those are copies, ours go. */
static void hand_over(struct control *c, unsigned number)
{
	struct seat *seat = &c->seats[number];
	bool copied = worker_owns_files(seat->worker);

	sockets_handed_over(&c->sockets, number, copied);
	if (copied)
		close(seat->box[1]);
	seat->box[1] = -1;
	control_watch_seat(seat);
}

/* One after the other: nobody opens or closes anything while a worker copies the table. */
static bool start_workers(struct control *c, char *err, size_t errlen)
{
	for (unsigned i = 0; i < c->nseats; i++) {
		struct seat *seat = &c->seats[i];
		bool up;

		if (c->settings->workers > 0)
			seat->ring = log_ring_new(c->wake[1]);
		seat->worker = new_worker(c, i);
		up = c->settings->workers > 0 ? worker_start(seat->worker, err, errlen)
					      : worker_attach(seat->worker, c->loop, err, errlen);
		if (!up)
			return false;
		hand_over(c, i);
	}
	return true;
}

/* Two descriptors a session; each table has the whole limit, the common one shares it. */
static unsigned long sessions_that_fit(const struct control *c)
{
	unsigned tables = worker_owns_files(c->seats[0].worker) ? c->nseats : 1;

	return (c->descriptors - worker_descriptors_kept(c->descriptors)) / 2 * tables;
}

/* tls12, tls13: what is left to the kernel in sessions; kernel-tls12, kernel-tls13: what it could. */
static void say_relay_modes(const struct control *c)
{
	const struct ktls *k = &c->ktls;
	char ciphers[KTLS_CIPHERS_TEXT_MAX];
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "relay-modes");
	log_str(&l, "relay-mode", settings_relay_mode_text(c->settings));
	log_str(&l, "splice", c->settings->relay_mode == RELAY_COPY ? "no" : "yes");
	log_str(&l, "tls12", ktls_ways_text(k->openssl[KTLS_12]));
	log_str(&l, "tls13", ktls_ways_text(k->openssl[KTLS_13]));
	if (ktls_in_kernel(k)) {
		log_str(&l, "kernel-tls12", ktls_ways_text(k->kernel[KTLS_12]));
		log_str(&l, "kernel-tls13", ktls_ways_text(k->kernel[KTLS_13]));
		log_str(&l, "ciphers", ktls_ciphers_text(k->ciphers, ciphers));
		log_str(&l, "half-records", k->half_records ? "wake" : "wait");
	}
	log_end(&l);
}

static void say_started(const struct control *c)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "started");
	log_str(&l, "version", PACKAGE_VERSION);
	log_str(&l, "run", c->run);
	log_num(&l, "workers", (uint64_t)c->settings->workers);
	log_num(&l, "descriptors", c->descriptors);
	log_num(&l, "sessions", sessions_that_fit(c));
	log_end(&l);
	if (c->settings->workers > 0 && !worker_owns_files(c->seats[0].worker))
		log_say(LOG_LEVEL_WARN, "shared-descriptors", "unshare(2) is not possible here: "
			"all workers share one descriptor table and its limit");
	say_relay_modes(c);
	sockets_log(&c->sockets);
}

static void warn_of_old_version(const char *key, const char *name)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_WARN, "tls-old");
	log_str(&l, key, name);
	log_str(&l, "msg", "min-version lets TLS 1.0 or 1.1 in, at OpenSSL's security level 0: whoever sits between may break them");
	log_end(&l);
}

static void warn_of_old_versions(const struct settings *s)
{
	for (size_t i = 0; i < s->nlisteners; i++)
		if (s->listeners[i].tls != TLS_NONE && tls_policy_is_old(s->listeners[i].tls_policy.min_version))
			warn_of_old_version("listener", s->listeners[i].name);
	for (size_t i = 0; i < s->cluster->nbackends; i++)
		if (s->cluster->backends[i]->tls != TLS_NONE && tls_policy_is_old(s->cluster->backends[i]->tls_min_version))
			warn_of_old_version("backend", s->cluster->backends[i]->name);
}

static void log_doubt(const char *sentence, void *arg)
{
	(void)arg;
	log_say(LOG_LEVEL_WARN, "settings-doubt", "%s", sentence);
}

static bool say_ready(struct control *c, char *err, size_t errlen)
{
	const char *path = c->settings->ready_file;

	control_watch_files(c);
	if (path && !sockets_write_ready(&c->sockets, path, err, errlen)) {
		settings_say_where(c->settings, "ready-file", err, errlen);
		return false;
	}
	say_started(c);
	settings_doubts(c->settings, log_doubt, NULL);
	warn_of_old_versions(c->settings);
	return true;
}

/* Rights go before files and ports are opened: what a reload will need, must work from the start. */
static bool (*const steps[])(struct control *c, char *err, size_t errlen) = {
	make_loop,
	look_at_kernel,
	give_up_rights,
	load_files,
	open_sockets,
	make_shared,
	open_mailboxes,
	start_workers,
	say_ready,
};

/* Whoever starts it looks at the terminal, wherever the log goes. */
static void say_start_failed(const struct control *c, const char *why)
{
	log_say(LOG_LEVEL_ERROR, "start-failed", "%s", why);
	if (c->settings->log_to != LOG_TO_STDERR)
		fprintf(stderr, "sluiced: %s\n", why);
}

static bool start(struct control *c)
{
	char err[FILES_ERR_MAX], *rest = err, *line;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i](c, err, sizeof(err)))
			continue;
		while ((line = strsep(&rest, "\n")))
			if (*line)
				say_start_failed(c, line);
		return false;
	}
	c->state = CONTROL_SERVING;
	return true;
}

/* ---- the end ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void free_seat(struct control *c, struct seat *seat)
{
	worker_free(&seat->worker);
	if (seat->runs)
		ev_io_stop(c->loop, &seat->mail);
	close_fd(&seat->box[0]);
	close_fd(&seat->box[1]);
}

/* After ev_run all have gone; after a start that failed half-way some still run. */
static void end_workers(struct control *c)
{
	control_tell_all(c, MAIL_STOP, 0);
	for (unsigned i = 0; i < c->nseats; i++)
		free_seat(c, &c->seats[i]);
	control_drain_logs(c);
	for (unsigned i = 0; i < c->nseats; i++)
		log_ring_free(&c->seats[i].ring);
	mem_free(&c->seats);
	c->nseats = 0;
}

static void end(struct control *c)
{
	end_workers(c);
	control_unwatch_files(c);
	if (c->wake[0] >= 0)
		ev_io_stop(c->loop, &c->woken);
	close_fd(&c->wake[0]);
	close_fd(&c->wake[1]);
	sockets_fini(&c->sockets);
	files_fini(&c->files);
	last_known_free(&c->last_known);
	limits_free(&c->limits);
	if (c->state != CONTROL_STARTING)
		log_say(LOG_LEVEL_INFO, "stopped", "all sessions have ended");
	settings_unref(&c->settings);
	if (c->loop) {
		control_unwatch_signals(c);
		ev_loop_destroy(c->loop);
	}
}

static void make_seats(struct control *c)
{
	c->nseats = c->settings->workers > 0 ? (unsigned)c->settings->workers : 1;
	c->seats = mem_new_array(c->nseats, sizeof(*c->seats));
	for (unsigned i = 0; i < c->nseats; i++) {
		c->seats[i].control = c;
		c->seats[i].box[0] = c->seats[i].box[1] = -1;
	}
}

int control_run(struct settings *s)
{
	struct control c = { .settings = s, .wake = { -1, -1 }, .watch = { .fd = -1 } };
	bool started;

	log_open(s->log_to, s->log_level);
	make_seats(&c);
	started = start(&c);
	if (started)
		ev_run(c.loop, 0);
	end(&c);
	return started ? 0 : 1;
}
