/*
 * redis_server.h - for tests: a loop that cannot hang, a scripted Redis server in that loop, and a real one beside us.
 *
 * The scripted one serves one connection at a time on a free port of 127.0.0.1. It answers PING, AUTH, SELECT and anything
 * else with the bytes it was given for that, whatever they are.
 */
#ifndef UNIT_REDIS_SERVER_H
#define UNIT_REDIS_SERVER_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/redis.h"

#define WAIT_MAX 20.0	/* seconds until a test that waits has failed */

/* ---- the loop ---- */

struct test_loop {
	struct ev_loop *ev;
	struct net_loop net;
	ev_timer pulse;		/* ev_run(EVRUN_ONCE) comes back at least this often */
	char log[16384];	/* all lines so far, each with its level's number before it */
};

static inline void test_pulse(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev, (void)w, (void)events;
}

static inline void test_log_line(enum log_level level, struct span line, void *arg)
{
	struct test_loop *l = arg;
	size_t n = strlen(l->log);

	snprintf(l->log + n, sizeof(l->log) - n, "%d %.*s\n", (int)level, (int)line.n, line.p);
}

static inline void test_loop_init(struct test_loop *l)
{
	signal(SIGPIPE, SIG_IGN);
	*l = (struct test_loop){ .ev = ev_loop_new(EVFLAG_AUTO) };
	net_loop_init(&l->net, l->ev);
	ev_timer_init(&l->pulse, test_pulse, 0.02, 0.02);
	ev_timer_start(l->ev, &l->pulse);
	log_set_tap(test_log_line, l);
}

static inline void test_loop_fini(struct test_loop *l)
{
	log_set_tap(NULL, NULL);
	ev_timer_stop(l->ev, &l->pulse);
	net_loop_fini(&l->net);
	ev_loop_destroy(l->ev);
}

/* Runs the loop until what holds; a test that waits too long fails. */
#define wait_until(l, what)							\
	do {									\
		double wait_end = clock_monotonic() + WAIT_MAX;			\
		while (!(what)) {						\
			assert_true(clock_monotonic() < wait_end);		\
			ev_run((l)->ev, EVRUN_ONCE);				\
		}								\
	} while (0)

static inline void run_for(struct test_loop *l, double seconds)
{
	double end = clock_monotonic() + seconds;

	while (clock_monotonic() < end)
		ev_run(l->ev, EVRUN_ONCE);
}

static inline unsigned count_in_log(const struct test_loop *l, const char *text)
{
	unsigned n = 0;

	for (const char *at = l->log; (at = strstr(at, text)); at += strlen(text))
		n++;
	return n;
}

/* ---- the scripted server ---- */

#define FAKE_ARGS_MAX 32

struct fake_redis {
	struct test_loop *loop;
	uint16_t port;
	int listener, fd;		/* -1: none */
	ev_io accepting, reading;
	struct span ping, auth, select, answer;	/* n = 0: silence */
	bool cut;			/* close behind any answer but the login's */
	unsigned connections, commands;	/* so far; the login's are not counted */
	unsigned argc;			/* the last command */
	struct span argv[FAKE_ARGS_MAX];
	char in[512 * 1024];
	size_t in_len;
};

static inline void fake_close(struct fake_redis *f)
{
	if (f->fd < 0)
		return;
	ev_io_stop(f->loop->ev, &f->reading);
	close(f->fd);
	f->fd = -1;
}

static inline void fake_send(struct fake_redis *f, struct span bytes)
{
	if (f->fd >= 0 && bytes.n > 0)
		(void)!send(f->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
}

/* The number between a mark and CRLF; false: not all there. *at moves behind it. A wrong mark fails the test. */
static inline bool fake_number(const struct fake_redis *f, size_t *at, char mark, size_t *number)
{
	const char *p = f->in + *at, *end;

	if (*at >= f->in_len)
		return false;
	assert_int_equal(*p, mark);
	end = memchr(p, '\n', f->in_len - *at);
	if (!end)
		return false;
	assert_int_equal(end[-1], '\r');
	*number = strtoul(p + 1, NULL, 10);
	*at = (size_t)(end + 1 - f->in);
	return true;
}

/* One command from the front of in: its length, 0 if it is not all there. */
static inline size_t fake_parse(struct fake_redis *f)
{
	size_t at = 0, count, n;

	if (!fake_number(f, &at, '*', &count))
		return 0;
	assert_in_range(count, 1, FAKE_ARGS_MAX);
	f->argc = (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		if (!fake_number(f, &at, '$', &n) || f->in_len - at < n + 2)
			return 0;
		f->argv[i] = span_mem(f->in + at, n);
		assert_memory_equal(f->in + at + n, "\r\n", 2);
		at += n + 2;
	}
	return at;
}

static inline void fake_answer(struct fake_redis *f)
{
	if (span_is(f->argv[0], "PING")) {
		fake_send(f, f->ping);
	} else if (span_is(f->argv[0], "AUTH")) {
		fake_send(f, f->auth);
	} else if (span_is(f->argv[0], "SELECT")) {
		fake_send(f, f->select);
	} else {
		f->commands++;
		fake_send(f, f->answer);
		if (f->cut)
			fake_close(f);
	}
}

static inline void fake_readable(struct ev_loop *ev, ev_io *io, int events)
{
	struct fake_redis *f = CONTAINER_OF(io, struct fake_redis, reading);
	ssize_t n = recv(f->fd, f->in + f->in_len, sizeof(f->in) - f->in_len, MSG_DONTWAIT);
	size_t taken;

	(void)ev, (void)events;
	if (n <= 0) {
		fake_close(f);
		return;
	}
	f->in_len += (size_t)n;
	while (f->fd >= 0 && f->in_len > 0 && (taken = fake_parse(f)) > 0) {
		fake_answer(f);
		if (taken == f->in_len) {	/* the last one stays readable for the test */
			f->in_len = 0;
			return;
		}
		memmove(f->in, f->in + taken, f->in_len - taken);
		f->in_len -= taken;
	}
}

static inline void fake_acceptable(struct ev_loop *ev, ev_io *io, int events)
{
	struct fake_redis *f = CONTAINER_OF(io, struct fake_redis, accepting);

	(void)events;
	fake_close(f);
	f->fd = accept(f->listener, NULL, NULL);
	assert_true(f->fd >= 0);
	f->in_len = 0;
	f->connections++;
	ev_io_init(&f->reading, fake_readable, f->fd, EV_READ);
	ev_io_start(ev, &f->reading);
}

/* A TCP socket bound to a free port of 127.0.0.1. */
static inline int bind_free_port(uint16_t *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static inline void fake_start(struct fake_redis *f, struct test_loop *l)
{
	f->loop = l;
	f->fd = -1;
	f->in_len = 0;
	f->connections = f->commands = 0;
	f->cut = false;
	f->ping = span_of("+PONG\r\n");
	f->auth = f->select = span_of("+OK\r\n");
	f->answer = span_of("");
	f->listener = bind_free_port(&f->port);
	assert_int_equal(listen(f->listener, 16), 0);
	ev_io_init(&f->accepting, fake_acceptable, f->listener, EV_READ);
	ev_io_start(l->ev, &f->accepting);
}

static inline void fake_stop(struct fake_redis *f)
{
	fake_close(f);
	ev_io_stop(f->loop->ev, &f->accepting);
	close(f->listener);
}

/* ---- the real server ---- */

struct redis_server {
	pid_t pid;		/* 0: not running */
	uint16_t port;
	char folder[64], socket[96];
};

/* Where it is missing, tests that need it have nothing to say, but where tests are the job (CI=true) it must be there. */
static inline bool redis_server_is_here(void)
{
	const char *ci = getenv("CI");

	if (system("command -v redis-server >/dev/null 2>&1") == 0)
		return true;
	print_message("redis-server is not installed: this test has tested nothing.\n");
	assert_false(ci && !strcmp(ci, "true"));
	return false;
}

static inline bool redis_server_answers(const struct redis_server *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", s->socket);
	answers = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	close(fd);
	return answers;
}

/* password: NULL for none. */
static inline void redis_server_run(struct redis_server *s, const char *password)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)s->port);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* also when the test dies */
		execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port, "--unixsocket", s->socket,
		      "--dir", s->folder, "--save", "", "--appendonly", "no", "--logfile", "/dev/null",
		      password ? "--requirepass" : NULL, password, (char *)NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 1000 && !redis_server_answers(s); i++) {
		assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
		usleep(10000);
	}
	assert_true(redis_server_answers(s));
}

static inline void redis_server_start(struct redis_server *s, const char *password)
{
	*s = (struct redis_server){ .folder = "/tmp/sluice-redis-XXXXXX" };
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->folder);
	close(bind_free_port(&s->port));
	redis_server_run(s, password);
}

static inline void redis_server_kill(struct redis_server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
	unlink(s->socket);
}

static inline void redis_server_stop(struct redis_server *s)
{
	redis_server_kill(s);
	if (s->folder[0] != '\0')
		rmdir(s->folder);
}

#endif
