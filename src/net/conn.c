/* The plain kind of conn, and what all kinds share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"
#include "net/tcp.h"

int conn_fail(struct conn *c, int errnum)
{
	snprintf(c->loop->failure, sizeof(c->loop->failure), "%s", strerror(errnum));
	errno = errnum;
	return -1;
}

void conn_watch(struct conn *c, int mask)
{
	int now = ev_is_active(&c->io) ? c->io.events & (EV_READ | EV_WRITE) : 0;

	if (mask == now)
		return;
	ev_io_stop(c->loop->ev, &c->io);
	ev_io_modify(&c->io, mask);	/* libev tells the kernel before it sleeps, and only if the sum has changed */
	if (mask)
		ev_io_start(c->loop->ev, &c->io);
}

void conn_shut(struct conn *c)
{
	ev_io_stop(c->loop->ev, &c->io);
	conn_ready_off(c);
	if (c->io.fd >= 0)
		close(c->io.fd);
	c->io.fd = -1;
	c->ops = NULL;
}

static bool name_of(int fd, int (*ask)(int, struct sockaddr *, socklen_t *), struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);

	if (ask(fd, (struct sockaddr *)&ss, &n) != 0)
		return false;
	addr_from_sockaddr(a, (struct sockaddr *)&ss);
	return true;
}

bool conn_sock_local_addr(struct conn *c, struct addr *a)
{
	return name_of(c->io.fd, getsockname, a);
}

bool conn_sock_peer_addr(struct conn *c, struct addr *a)
{
	return name_of(c->io.fd, getpeername, a);
}

void conn_plain_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct conn *c = CONTAINER_OF(io, struct conn, io);
	unsigned events = (revents & EV_READ ? CONN_READ : 0) | (revents & EV_WRITE ? CONN_WRITE : 0);

	(void)ev;
	events &= c->wants;
	if (events)
		c->on_event(c, events);	/* c may be closed now */
}

static ssize_t receive(struct conn *c, void *p, size_t n, int flags)
{
	ssize_t got = recv(c->io.fd, p, n, flags);

	if (got < 0 && errno != EAGAIN)
		return conn_fail(c, errno);
	return got;
}

static ssize_t plain_read(struct conn *c, void *p, size_t n)
{
	return receive(c, p, n, 0);
}

static ssize_t plain_peek(struct conn *c, void *p, size_t n)
{
	return receive(c, p, n, MSG_PEEK);
}

static ssize_t plain_write(struct conn *c, const void *p, size_t n)
{
	ssize_t put = send(c->io.fd, p, n, MSG_NOSIGNAL);

	if (put < 0 && errno != EAGAIN)
		return conn_fail(c, errno);
	return put;
}

/* Any stream socket can, TCP and Unix. */
static bool plain_can_splice(struct conn *c, unsigned way)
{
	(void)c, (void)way;
	return true;
}

/* Never SPLICE_F_MORE: nobody would send the rest. Into a socket whose peer has gone this raises SIGPIPE, which is ignored. */
static ssize_t plain_splice(struct conn *c, unsigned way, int pipe, size_t n)
{
	int from = way == CONN_READ ? c->io.fd : pipe, to = way == CONN_READ ? pipe : c->io.fd;

	return splice(from, NULL, to, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

static void plain_want(struct conn *c, unsigned events)
{
	c->wants = events;
	conn_watch(c, (events & CONN_READ ? EV_READ : 0) | (events & CONN_WRITE ? EV_WRITE : 0));
}

static bool plain_tls_facts(struct conn *c, struct conn_tls *facts)
{
	(void)c, (void)facts;
	return false;
}

static void plain_half_close(struct conn *c)
{
	shutdown(c->io.fd, SHUT_WR);
}

const struct conn_ops conn_plain_ops = {
	.read = plain_read,
	.peek = plain_peek,
	.write = plain_write,
	.can_splice = plain_can_splice,
	.splice = plain_splice,
	.want = plain_want,
	.start_tls_server = conn_tls_start_server,
	.start_tls_client = conn_tls_start_client,
	.tls_facts = plain_tls_facts,
	.local_addr = conn_sock_local_addr,
	.peer_addr = conn_sock_peer_addr,
	.half_close = plain_half_close,
	.linger = conn_linger_start,
	.close = conn_shut,
};

void conn_become_plain(struct conn *c)
{
	unsigned wants = c->wants;

	c->ops = &conn_plain_ops;
	ev_set_cb(&c->io, conn_plain_io);
	conn_want(c, wants);
}

void conn_accepted(struct conn *c, struct net_loop *loop, int fd, conn_event_fn *on_event)
{
	*c = (struct conn){ .loop = loop, .on_event = on_event };
	ev_io_init(&c->io, conn_plain_io, fd, 0);
	conn_become_plain(c);
}

void conn_lift_user_timeout(struct conn *c, bool lifted)
{
	if (!c->ops || c->lifted == lifted)
		return;
	c->lifted = lifted;
	if (c->loop->ev && c->io.fd >= 0 && c->loop->tcp.user_timeout)
		tcp_set_user_timeout(c->io.fd, lifted ? 0 : c->loop->tcp.user_timeout);
}
