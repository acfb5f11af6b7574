/* The pool of pipes, and the way of bytes through one of them from conn to conn, over TCP and Unix sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/pipe.h"

static struct net_loop loop;

static int loop_up(void **s)
{
	(void)s;
	net_loop_init(&loop, ev_loop_new(EVFLAG_AUTO));
	return 0;
}

static int loop_down(void **s)
{
	struct ev_loop *ev = loop.ev;

	(void)s;
	net_loop_fini(&loop);
	ev_loop_destroy(ev);
	return 0;
}

/* ---- the pool ---- */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void a_pipe_blocks_nobody_and_is_not_inherited(void **s)
{
	struct pipe *p = pipe_take(&loop.pipes);

	(void)s;
	assert_non_null(p);
	assert_true(fcntl(p->in, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(p->out, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(p->in, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(p->out, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(p->in, F_GETPIPE_SZ) >= PIPE_LEAST);
	assert_int_equal(p->held, 0);
	assert_int_equal(loop.pipes.in_use, 1);
	pipe_give(&loop.pipes, &p);
	assert_null(p);
	pipe_give(&loop.pipes, &p);
	assert_int_equal(loop.pipes.in_use, 0);
}

static void an_empty_pipe_is_used_again(void **s)
{
	struct pipe *p = pipe_take(&loop.pipes), *again;
	int in = p->in;

	(void)s;
	pipe_give(&loop.pipes, &p);
	assert_int_equal(loop.pipes.spares, 1);
	again = pipe_take(&loop.pipes);
	assert_int_equal(again->in, in);
	assert_int_equal(loop.pipes.spares, 0);
	pipe_give(&loop.pipes, &again);
}

static void a_pipe_that_holds_bytes_is_closed(void **s)
{
	struct pipe *p = pipe_take(&loop.pipes);
	int in = p->in, out = p->out;

	(void)s;
	assert_int_equal(write(p->in, "secret", 6), 6);
	p->held = 6;
	pipe_give(&loop.pipes, &p);
	assert_false(is_open(in));
	assert_false(is_open(out));
	assert_int_equal(loop.pipes.spares, 0);
	assert_int_equal(loop.pipes.in_use, 0);
}

static void there_are_no_more_than_the_bound(void **s)
{
	struct pipe *all[PIPES_MAX], *more;

	(void)s;
	for (int i = 0; i < PIPES_MAX; i++) {
		all[i] = pipe_take(&loop.pipes);
		assert_non_null(all[i]);
	}
	assert_null(pipe_take(&loop.pipes));
	assert_null(pipe_take(&loop.pipes));
	assert_int_equal(loop.pipes.missed, 2);
	assert_int_equal(loop.pipes.in_use, PIPES_MAX);
	pipe_give(&loop.pipes, &all[0]);
	more = pipe_take(&loop.pipes);
	assert_non_null(more);
	pipe_give(&loop.pipes, &more);
	for (int i = 1; i < PIPES_MAX; i++)
		pipe_give(&loop.pipes, &all[i]);
	assert_int_equal(loop.pipes.in_use, 0);
}

static void only_a_few_are_kept(void **s)
{
	struct pipe *all[PIPES_MAX];
	int in[PIPES_MAX], open = 0;

	(void)s;
	for (int i = 0; i < PIPES_MAX; i++) {
		all[i] = pipe_take(&loop.pipes);
		in[i] = all[i]->in;
	}
	for (int i = 0; i < PIPES_MAX; i++)
		pipe_give(&loop.pipes, &all[i]);
	for (int i = 0; i < PIPES_MAX; i++)
		open += is_open(in[i]);
	assert_int_equal(open, PIPES_SPARE);
	assert_int_equal(loop.pipes.spares, PIPES_SPARE);
}

static void once_more_than_half_are_in_use_they_are_not_plenty(void **s)
{
	struct pipe *pipes[3];

	(void)s;
	loop.pipes.max = 4;
	for (size_t i = 0; i < ARRAY_LEN(pipes); i++) {
		assert_true(pipes_are_plenty(&loop.pipes));
		pipes[i] = pipe_take(&loop.pipes);
	}
	assert_false(pipes_are_plenty(&loop.pipes));
	for (size_t i = 0; i < ARRAY_LEN(pipes); i++)
		pipe_give(&loop.pipes, &pipes[i]);
	assert_true(pipes_are_plenty(&loop.pipes));
}

static void with_a_bound_of_nothing_nobody_gets_one(void **s)
{
	(void)s;
	loop.pipes.max = 0;
	assert_null(pipe_take(&loop.pipes));
	assert_int_equal(loop.pipes.missed, 0);
}

static void where_the_kernel_gives_no_pipe_there_is_none(void **s)
{
	struct rlimit before, few;
	struct pipe *p;

	(void)s;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	p = pipe_take(&loop.pipes);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_null(p);
	assert_int_equal(loop.pipes.missed, 1);
	assert_int_equal(loop.pipes.in_use, 0);
	p = pipe_take(&loop.pipes);
	assert_non_null(p);
	pipe_give(&loop.pipes, &p);
}

/* ---- through it ---- */

static void untold(struct conn *c, unsigned events)
{
	(void)c, (void)events;
	fail_msg("told of what nobody wants");
}

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&sin, n), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sin, &n), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&sin, n), 0);
	fds[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fds[1] >= 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	close(l);
}

static void (*const pairs[])(int fds[2]) = { unix_pair, tcp_pair };

#define FOR_EACH_PAIR(f) for (size_t f = 0; f < ARRAY_LEN(pairs); f++)

/* What is sent to near comes out of far, if somebody moves it from the one conn to the other. */
struct way {
	int near, far;
	struct conn from, to;
	struct pipe *pipe;
};

static void way_open(struct way *w, size_t family)
{
	int in[2], out[2];

	pairs[family](in);
	pairs[family](out);
	*w = (struct way){ .near = in[0], .far = out[0], .pipe = pipe_take(&loop.pipes) };
	conn_accepted(&w->from, &loop, in[1], untold);
	conn_accepted(&w->to, &loop, out[1], untold);
	assert_true(conn_can_splice(&w->from, CONN_READ));
	assert_true(conn_can_splice(&w->to, CONN_WRITE));
}

static void way_close(struct way *w)
{
	pipe_give(&loop.pipes, &w->pipe);
	conn_close(&w->from);
	conn_close(&w->to);
	if (w->near >= 0)
		close(w->near);
	if (w->far >= 0)
		close(w->far);
}

/* TCP over loopback may take a moment. */
static ssize_t fill_waiting(struct way *w, size_t n)
{
	ssize_t got;

	for (int tries = 0; (got = pipe_fill(w->pipe, &w->from, n)) < 0 && errno == EAGAIN && tries < 1000; tries++)
		usleep(1000);
	return got;
}

static unsigned char at(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

static void send_some(struct way *w, size_t *sent, size_t all)
{
	unsigned char bytes[10000];
	size_t n = all - *sent < sizeof(bytes) ? all - *sent : sizeof(bytes);
	ssize_t put;

	for (size_t i = 0; i < n; i++)
		bytes[i] = at(*sent + i);
	put = send(w->near, bytes, n, MSG_NOSIGNAL);
	if (put > 0)
		*sent += (size_t)put;
}

static void check_some(struct way *w, size_t *come)
{
	unsigned char bytes[20000];
	ssize_t got = recv(w->far, bytes, sizeof(bytes), 0);

	for (ssize_t i = 0; i < got; i++)
		if (bytes[i] != at(*come + (size_t)i))
			fail_msg("byte %zu is wrong", *come + (size_t)i);
	if (got > 0)
		*come += (size_t)got;
}

static void megabytes_go_through_unharmed(void **s)
{
	size_t all = 3 * 1000 * 1000;
	struct way w;

	(void)s;
	FOR_EACH_PAIR(f) {
		size_t sent = 0, come = 0;

		way_open(&w, f);
		while (come < all) {
			send_some(&w, &sent, all);
			if (w.pipe->held == 0 && pipe_fill(w.pipe, &w.from, SIZE_MAX) < 0)
				assert_int_equal(errno, EAGAIN);
			assert_true(w.pipe->held <= PIPE_BYTES);
			if (w.pipe->held > 0 && pipe_drain(w.pipe, &w.to) < 0)
				assert_int_equal(errno, EAGAIN);
			check_some(&w, &come);
		}
		assert_int_equal(w.pipe->held, 0);
		way_close(&w);
	}
}

static void no_more_goes_in_than_is_asked_for(void **s)
{
	struct way w;
	char rest[16];

	(void)s;
	FOR_EACH_PAIR(f) {
		way_open(&w, f);
		assert_int_equal(send(w.near, "literal)\r\n", 10, 0), 10);
		assert_int_equal(fill_waiting(&w, 7), 7);
		assert_int_equal(w.pipe->held, 7);
		assert_int_equal(conn_read(&w.from, rest, sizeof(rest)), 3);
		assert_memory_equal(rest, ")\r\n", 3);
		way_close(&w);
	}
}

static void a_conn_without_bytes_says_so(void **s)
{
	struct way w;

	(void)s;
	FOR_EACH_PAIR(f) {
		way_open(&w, f);
		errno = 0;
		assert_int_equal(pipe_fill(w.pipe, &w.from, 100), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(w.pipe->held, 0);
		way_close(&w);
	}
}

static void a_conn_that_has_ended_gives_nothing(void **s)
{
	struct way w;

	(void)s;
	FOR_EACH_PAIR(f) {
		way_open(&w, f);
		assert_int_equal(shutdown(w.near, SHUT_WR), 0);
		assert_int_equal(fill_waiting(&w, 100), 0);
		way_close(&w);
	}
}

static void fill_the_far_conn(struct way *w)
{
	static const char zeros[65536];

	while (conn_write(&w->to, zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void what_a_full_conn_does_not_take_stays_in_the_pipe(void **s)
{
	struct way w;
	char bytes[PIPE_BYTES];

	(void)s;
	FOR_EACH_PAIR(f) {
		way_open(&w, f);
		assert_int_equal(send(w.near, "later", 5, 0), 5);
		assert_int_equal(fill_waiting(&w, 100), 5);
		fill_the_far_conn(&w);
		assert_int_equal(pipe_drain(w.pipe, &w.to), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(w.pipe->held, 5);
		while (recv(w.far, bytes, sizeof(bytes), 0) > 0 || pipe_drain(w.pipe, &w.to) < 0)
			;
		assert_int_equal(w.pipe->held, 0);
		way_close(&w);
	}
}

static void a_conn_whose_peer_has_gone_takes_nothing(void **s)
{
	struct way w;
	ssize_t put = 0;

	(void)s;
	FOR_EACH_PAIR(f) {
		way_open(&w, f);
		close(w.far);
		w.far = -1;
		for (int i = 0; i < 1000 && put >= 0; i++) {	/* TCP hears of it with the reset that answers the first bytes */
			assert_int_equal(send(w.near, "x", 1, 0), 1);
			assert_int_equal(fill_waiting(&w, 1), 1);
			put = pipe_drain(w.pipe, &w.to);
		}
		assert_int_equal(put, -1);
		assert_true(errno == EPIPE || errno == ECONNRESET);
		assert_int_equal(w.pipe->held, 1);
		assert_int_equal(conn_write(&w.to, "x", 1), -1);
		assert_true(errno == EPIPE || errno == ECONNRESET);
		put = 0;
		way_close(&w);
	}
}

static void a_pipe_can_be_emptied_into_memory(void **s)
{
	static unsigned char bytes[PIPE_BYTES];
	struct way w;

	(void)s;
	FOR_EACH_PAIR(f) {
		size_t sent = 0, come = 0;

		way_open(&w, f);
		while (come < 300000) {
			size_t n;

			send_some(&w, &sent, 300000);
			fill_waiting(&w, SIZE_MAX);
			n = pipe_empty(w.pipe, bytes);
			assert_int_equal(w.pipe->held, 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(bytes[i], at(come + i));
			come += n;
		}
		assert_int_equal(pipe_empty(w.pipe, bytes), 0);
		way_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pipe_blocks_nobody_and_is_not_inherited, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(an_empty_pipe_is_used_again, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(a_pipe_that_holds_bytes_is_closed, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(there_are_no_more_than_the_bound, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(only_a_few_are_kept, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(once_more_than_half_are_in_use_they_are_not_plenty, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(with_a_bound_of_nothing_nobody_gets_one, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(where_the_kernel_gives_no_pipe_there_is_none, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(megabytes_go_through_unharmed, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(no_more_goes_in_than_is_asked_for, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(a_conn_without_bytes_says_so, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(a_conn_that_has_ended_gives_nothing, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(what_a_full_conn_does_not_take_stays_in_the_pipe, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(a_conn_whose_peer_has_gone_takes_nothing, loop_up, loop_down),
		cmocka_unit_test_setup_teardown(a_pipe_can_be_emptied_into_memory, loop_up, loop_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
