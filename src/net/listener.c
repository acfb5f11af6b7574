#include "net/listener.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

#define BACKLOG 4096	/* the kernel cuts it to net.core.somaxconn */

/* ---- opening ---- */

static void say(char *err, size_t errlen, const char *where, int errnum)
{
	const char *hint = "";

	if (errnum == EACCES)
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE";
	else if (errnum == EADDRINUSE)
		hint = "; another program or another sluiced listens there";
	snprintf(err, errlen, "%s: cannot listen: %s%s", where, strerror(errnum), hint);
}

static bool set_options(int fd, const struct addr *a, bool reuseport)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return false;
	if (reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
		return false;
	if (a->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		return false;
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
}

static bool bind_and_listen(int fd, const struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = addr_to_sockaddr(a, &ss);

	return bind(fd, (struct sockaddr *)&ss, n) == 0 && listen(fd, BACKLOG) == 0;
}

static bool learn_port(int fd, struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	struct addr bound;

	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		return false;
	addr_from_sockaddr(&bound, (struct sockaddr *)&ss);
	a->port = bound.port;
	return true;
}

int listener_open(struct addr *a, bool reuseport, char *err, size_t errlen)
{
	char text[ADDR_TEXT_MAX];
	int fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && set_options(fd, a, reuseport) && bind_and_listen(fd, a) && learn_port(fd, a))
		return fd;
	say(err, errlen, addr_text(a, text), errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Removes a socket at un that nobody accepts on: what a crash leaves behind. false: errno. */
static bool clear_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd, why;

	if (lstat(un->sun_path, &st) != 0)
		return errno == ENOENT;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	why = connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 ? EADDRINUSE : errno;
	close(fd);
	if (why == ECONNREFUSED)
		return unlink(un->sun_path) == 0;
	errno = why == EAGAIN ? EADDRINUSE : why;
	return false;
}

int listener_open_unix(const char *path, char *err, size_t errlen)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char where[PATH_MAX];
	int fd = -1;

	errno = ENAMETOOLONG;
	if (strlen(path) >= sizeof(un.sun_path))
		goto fail;
	memcpy(un.sun_path, path, strlen(path));
	if (!clear_stale(&un))
		goto fail;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0 || chmod(path, 0666) != 0 || listen(fd, BACKLOG) != 0)
		goto fail;
	return fd;
fail:
	snprintf(where, sizeof(where), "unix:%s", path);
	say(err, errlen, where, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- accepting ---- */

enum outcome { ACCEPTED, NONE_LEFT, PASSING, EXHAUSTED };

/* accept(2): errors of the connection that was to be accepted come out here as well; they pass. */
static enum outcome outcome_of(int errnum)
{
	switch (errnum) {
	case EAGAIN:
		return NONE_LEFT;
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case EPERM:		/* a firewall's word */
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case ETIMEDOUT:
		return PASSING;
	default:		/* EMFILE, ENFILE, ENOBUFS, ENOMEM; and what nobody has foreseen must not make the loop spin */
		return EXHAUSTED;
	}
}

static enum outcome accept_one(struct listener *l)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	struct addr peer;
	int fd;

	if (l->is_full && l->is_full(l)) {
		errno = EMFILE;
		return EXHAUSTED;
	}
	fd = accept4(l->io.fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return outcome_of(errno);
	addr_from_sockaddr(&peer, (struct sockaddr *)&ss);
	l->on_accept(l, fd, &peer);
	return ACCEPTED;
}

/* Up to n; on_accept may stop the listener. EXHAUSTED: errno. */
static enum outcome accept_some(struct listener *l, unsigned n)
{
	enum outcome outcome = ACCEPTED;

	for (unsigned i = 0; i < n && l->io.fd >= 0; i++) {
		outcome = accept_one(l);
		if (outcome == NONE_LEFT || outcome == EXHAUSTED)
			break;
	}
	return outcome;
}

static void log_turn(struct listener *l, enum log_level level, const char *event, const char *why)
{
	struct log_line line;

	log_begin(&line, level, event);
	log_str(&line, "listener", l->name);
	log_str(&line, "why", why);
	log_end(&line);
}

static void accept_batch(struct listener *l);

static void rested(struct timer *t)
{
	accept_batch(CONTAINER_OF(t, struct listener, rest));
}

static void rest(struct listener *l, int errnum)
{
	if (!l->resting)
		log_turn(l, LOG_LEVEL_WARN, "accept-paused", strerror(errnum));
	l->resting = true;
	ev_io_stop(l->loop->ev, &l->io);
	timers_start(&l->loop->timers, &l->rest, LISTENER_REST, rested);
}

static void resume(struct listener *l)
{
	l->resting = false;
	log_turn(l, LOG_LEVEL_INFO, "accept-resumed", NULL);
	ev_io_start(l->loop->ev, &l->io);
}

static void accept_batch(struct listener *l)
{
	enum outcome outcome = accept_some(l, LISTENER_BATCH);

	if (l->io.fd < 0)
		return;
	if (outcome == EXHAUSTED)
		rest(l, errno);
	else if (l->resting)
		resume(l);
}

/* EV_ERROR: libev could not tell the kernel what to watch for (out of watches or memory) and has stopped the watcher. */
static void listener_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct listener *l = CONTAINER_OF(io, struct listener, io);

	(void)ev;
	if (revents & EV_ERROR)
		rest(l, ENOMEM);
	else
		accept_batch(l);
}

void listener_start(struct listener *l, struct net_loop *loop, int fd, const char *name, listener_fn *fn, void *arg)
{
	*l = (struct listener){ .loop = loop, .on_accept = fn, .arg = arg, .name = name };
	ev_io_init(&l->io, listener_io, fd, EV_READ);
	ev_io_start(loop->ev, &l->io);
}

void listener_stop(struct listener *l)
{
	if (!l->loop || l->io.fd < 0)
		return;
	ev_io_stop(l->loop->ev, &l->io);
	timers_stop(&l->loop->timers, &l->rest);
	accept_some(l, BACKLOG);
	if (l->io.fd < 0)
		return;		/* on_accept has stopped it */
	close(l->io.fd);
	l->io.fd = -1;
}
