/*
 * The kind a conn is while it dials: looks up the name, then tries the addresses one after another, each with an equal share of the time
 * that is left.
 *
 *	conn_dial -> begin -> (look-up) -> try an address <-> (refused, timed out)
 *	                                         |
 *	                              connected: plain, CONN_CONNECTED
 *
 * Everything happens in callbacks: conn_dial only feeds the watcher an event.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/resolver.h"

struct conn_dial {
	struct conn *conn;
	struct resolver *resolver;
	const struct endpoint *endpoint;
	struct resolver_query query;
	struct resolver_answer found;	/* for a Unix socket: one, empty */
	size_t tried;
	double deadline;
	struct timer timer;
	char failure[NET_FAILURE_MAX];	/* of the last attempt */
};

enum attempt { ATTEMPT_FAILED, ATTEMPT_WAITS, ATTEMPT_CONNECTED };

static void next_address(struct conn *c);

static void dial_free(struct conn *c)
{
	struct conn_dial *d = c->dial;

	if (!d)
		return;
	timers_stop(&c->loop->timers, &d->timer);
	if (d->resolver)
		resolver_cancel(d->resolver, &d->query);
	mem_free(&c->dial);
}

static void hang_up(struct conn *c)
{
	ev_io_stop(c->loop->ev, &c->io);
	if (c->io.fd >= 0)
		close(c->io.fd);
	c->io.fd = -1;
}

static void dial_close(struct conn *c)
{
	dial_free(c);
	conn_shut(c);
}

static void dial_failed(struct conn *c)
{
	snprintf(c->loop->failure, sizeof(c->loop->failure), "%s", c->dial->failure);
	dial_free(c);
	c->on_event(c, CONN_FAILED);
}

static void dial_done(struct conn *c)
{
	dial_free(c);
	conn_become_plain(c);
	c->on_event(c, CONN_CONNECTED);
}

/* Notes why the address tried last is no good. */
static void note(struct conn_dial *d, const char *why)
{
	char text[ADDR_TEXT_MAX];

	if (d->endpoint->kind == ENDPOINT_UNIX)
		snprintf(d->failure, sizeof(d->failure), "unix:%.100s: %s", d->endpoint->path, why);
	else
		snprintf(d->failure, sizeof(d->failure), "%s: %s", addr_text(&d->found.addrs[d->tried - 1], text), why);
}

static socklen_t current_sockaddr(const struct conn_dial *d, struct sockaddr_storage *ss)
{
	struct sockaddr_un *un = (struct sockaddr_un *)ss;

	if (d->endpoint->kind != ENDPOINT_UNIX)
		return addr_to_sockaddr(&d->found.addrs[d->tried - 1], ss);
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", d->endpoint->path);
	return sizeof(*un);
}

static enum attempt try_current(struct conn *c)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = current_sockaddr(c->dial, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0) {
		note(c->dial, strerror(errno));
		return ATTEMPT_FAILED;
	}
	ev_io_set(&c->io, fd, EV_WRITE);
	if (ss.ss_family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		tcp_set_timeouts(fd, &c->loop->tcp);
	}
	if (connect(fd, (struct sockaddr *)&ss, n) == 0)
		return ATTEMPT_CONNECTED;
	if (errno == EINPROGRESS)
		return ATTEMPT_WAITS;
	note(c->dial, errno == EAGAIN ? "its queue is full" : strerror(errno));	/* EAGAIN: Unix sockets only */
	hang_up(c);
	return ATTEMPT_FAILED;
}

static void address_timed_out(struct timer *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn_dial, timer)->conn;

	note(c->dial, strerror(ETIMEDOUT));
	hang_up(c);
	next_address(c);
}

static void wait_for_current(struct conn *c)
{
	struct conn_dial *d = c->dial;
	size_t left = d->found.n - d->tried + 1;
	double seconds = (d->deadline - c->loop->timers.now) / (double)left;

	ev_io_start(c->loop->ev, &c->io);
	timers_start(&c->loop->timers, &d->timer, seconds > 0 ? seconds : 0, address_timed_out);
}

static void next_address(struct conn *c)
{
	struct conn_dial *d = c->dial;

	while (d->tried < d->found.n) {
		d->tried++;
		switch (try_current(c)) {
		case ATTEMPT_CONNECTED:
			dial_done(c);
			return;
		case ATTEMPT_WAITS:
			wait_for_current(c);
			return;
		case ATTEMPT_FAILED:
			break;
		}
	}
	dial_failed(c);
}

static void answered(struct resolver_query *q, const struct resolver_answer *a)
{
	struct conn_dial *d = CONTAINER_OF(q, struct conn_dial, query);
	struct conn *c = d->conn;

	timers_stop(&c->loop->timers, &d->timer);
	d->found = *a;
	for (size_t i = 0; i < d->found.n; i++)
		d->found.addrs[i].port = d->endpoint->addr.port;
	if (d->found.n == 0)
		snprintf(d->failure, sizeof(d->failure), "%s", c->loop->failure);
	next_address(c);
}

static void lookup_timed_out(struct timer *t)
{
	struct conn_dial *d = CONTAINER_OF(t, struct conn_dial, timer);

	snprintf(d->failure, sizeof(d->failure), "%.120s: no answer from the name servers in time", d->endpoint->host);
	dial_failed(d->conn);
}

static void look_up(struct conn_dial *d)
{
	struct net_loop *loop = d->conn->loop;
	struct resolver_answer a = { 0 };

	if (resolver_find(d->resolver, d->endpoint->host, &d->query, answered, &a))
		answered(&d->query, &a);
	else
		timers_start(&loop->timers, &d->timer, d->deadline - loop->timers.now, lookup_timed_out);
}

static void begin(struct conn_dial *d)
{
	if (d->endpoint->kind == ENDPOINT_HOST) {
		look_up(d);
		return;
	}
	d->found.n = 1;
	d->found.addrs[0] = d->endpoint->addr;
	next_address(d->conn);
}

/* The descriptor can be written to: the attempt is decided. */
static void decided(struct conn *c)
{
	struct conn_dial *d = c->dial;
	int error = 0;
	socklen_t n = sizeof(error);

	timers_stop(&c->loop->timers, &d->timer);
	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		error = errno;
	if (error == 0) {
		dial_done(c);
		return;
	}
	note(d, strerror(error));
	hang_up(c);
	next_address(c);
}

static void dial_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct conn *c = CONTAINER_OF(io, struct conn, io);

	(void)ev;
	if (revents & EV_CUSTOM) {
		begin(c->dial);
	} else if (revents & EV_ERROR) {	/* libev cannot watch it: out of watches or memory */
		note(c->dial, strerror(ENOMEM));
		hang_up(c);
		next_address(c);
	} else {
		decided(c);
	}
}

static ssize_t dial_read(struct conn *c, void *p, size_t n)
{
	(void)p, (void)n;
	return conn_fail(c, ENOTCONN);
}

static ssize_t dial_write(struct conn *c, const void *p, size_t n)
{
	(void)p, (void)n;
	return conn_fail(c, ENOTCONN);
}

static void dial_want(struct conn *c, unsigned events)
{
	c->wants = events;	/* in force once it is connected */
}

static bool dial_start_tls_server(struct conn *c, struct tls_server *ts)
{
	(void)ts;
	conn_fail(c, ENOTCONN);
	return false;
}

static bool dial_start_tls_client(struct conn *c, struct tls_client *tc)
{
	(void)tc;
	conn_fail(c, ENOTCONN);
	return false;
}

static bool dial_tls_facts(struct conn *c, struct conn_tls *facts)
{
	(void)c, (void)facts;
	return false;
}

static bool dial_addr(struct conn *c, struct addr *a)
{
	(void)c, (void)a;
	return false;
}

static void dial_half_close(struct conn *c)
{
	(void)c;
}

static void dial_linger(struct conn *c, struct buf **rest)
{
	if (rest)
		buf_give(&c->loop->bufs, rest);
	dial_close(c);
}

static const struct conn_ops dial_ops = {
	.read = dial_read,
	.write = dial_write,
	.want = dial_want,
	.start_tls_server = dial_start_tls_server,
	.start_tls_client = dial_start_tls_client,
	.tls_facts = dial_tls_facts,
	.local_addr = dial_addr,
	.peer_addr = dial_addr,
	.half_close = dial_half_close,
	.linger = dial_linger,
	.close = dial_close,
};

void conn_dial(struct conn *c, struct net_loop *loop, struct resolver *r, const struct endpoint *e, double seconds,
	       conn_event_fn *on_event)
{
	struct conn_dial *d = mem_new(sizeof(*d));

	assert(e->kind != ENDPOINT_ANY);
	*d = (struct conn_dial){ .conn = c, .resolver = r, .endpoint = e, .deadline = loop->timers.now + seconds };
	*c = (struct conn){ .ops = &dial_ops, .loop = loop, .on_event = on_event, .dial = d };
	ev_io_init(&c->io, dial_io, -1, EV_WRITE);
	ev_feed_event(loop->ev, &c->io, EV_CUSTOM);
}
