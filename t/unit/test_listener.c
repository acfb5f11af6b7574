/* Real sockets on loopback. Running out of descriptors is made by lowering the soft limit of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "net/listener.h"
#include "net/loop.h"

#define CLIENTS_MAX 128

static struct net_loop loop;
static struct listener listener;
static char err[256], dir[64], logged[4096];
static struct {
	int fds[CLIENTS_MAX];
	unsigned n, in_turn, most_in_turn;
	struct addr last_peer;
	bool stops;
} got;

static void tap(enum log_level level, struct span line, void *arg)
{
	(void)level, (void)arg;
	assert_true(strlen(logged) + line.n + 1 < sizeof(logged));
	strncat(logged, line.p, line.n);
}

static unsigned times_logged(const char *text)
{
	unsigned n = 0;

	for (const char *p = logged; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static int set_up(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	logged[0] = '\0';
	log_set_tap(tap, NULL);
	net_loop_init(&loop, ev_loop_new(EVFLAG_AUTO));
	strcpy(dir, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int tear_down(void **state)
{
	struct ev_loop *ev = loop.ev;
	char path[128];

	(void)state;
	listener_stop(&listener);
	for (unsigned i = 0; i < got.n; i++)
		close(got.fds[i]);
	net_loop_fini(&loop);
	ev_loop_destroy(ev);
	log_set_tap(NULL, NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	unlink(path);
	rmdir(dir);
	return 0;
}

static void on_accept(struct listener *l, int fd, const struct addr *peer)
{
	assert_ptr_equal(l, &listener);
	assert_true(got.n < CLIENTS_MAX);
	got.fds[got.n++] = fd;
	got.last_peer = *peer;
	if (++got.in_turn > got.most_in_turn)
		got.most_in_turn = got.in_turn;
	if (got.stops)
		listener_stop(l);
}

static void nothing(struct timer *t)
{
	(void)t;
}

/* One turn, at most seconds long. */
static void turn(double seconds)
{
	struct timer guard = { 0 };

	got.in_turn = 0;
	timers_start(&loop.timers, &guard, seconds, nothing);
	ev_run(loop.ev, EVRUN_ONCE);
	timers_stop(&loop.timers, &guard);
}

static void turn_until_got(unsigned n)
{
	for (int i = 0; i < 200 && got.n < n; i++)
		turn(0.05);
	assert_int_equal(got.n, n);
}

static struct addr loopback(const char *ip)
{
	struct addr a = { 0 };

	assert_true(addr_parse_ip(&a, span_of(ip)));
	return a;
}

static int open_on(struct addr *a)
{
	int fd = listener_open(a, true, err, sizeof(err));

	if (fd < 0)
		fail_msg("%s", err);
	return fd;
}

static struct addr start(void)
{
	struct addr a = loopback("127.0.0.1");

	listener_start(&listener, &loop, open_on(&a), "imap", on_accept, NULL);
	return a;
}

static int call(const struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = addr_to_sockaddr(a, &ss);
	int fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
	return fd;
}

static int number(int fd, int level, int option)
{
	int value = -1;
	socklen_t n = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, &value, &n), 0);
	return value;
}

static void port_0_becomes_the_port_that_was_bound(void **s)
{
	struct addr a = start();
	int fd = call(&a);

	(void)s;
	assert_true(a.port > 0);
	turn_until_got(1);
	assert_int_equal(got.last_peer.family, AF_INET);
	assert_true(addr_is_loopback(&got.last_peer));
	close(fd);
}

/* That Linux does so is what spares four system calls a client. */
static void what_is_accepted_inherits_the_timeouts_of_the_one_that_listens(void **s)
{
	struct addr a = loopback("127.0.0.1");
	int listening = open_on(&a), fd;

	(void)s;
	tcp_set_timeouts(listening, &(struct tcp_timeouts){ 77, 78 });
	listener_start(&listener, &loop, listening, "imap", on_accept, NULL);
	fd = call(&a);
	turn_until_got(1);
	assert_int_equal(number(got.fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(number(got.fds[0], IPPROTO_TCP, TCP_KEEPIDLE), 77);
	assert_int_equal(number(got.fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 78000);
	close(fd);
}

static void what_is_accepted_is_ready_for_use(void **s)
{
	struct addr a = start();
	int fd = call(&a);

	(void)s;
	turn_until_got(1);
	assert_true(fcntl(got.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(number(got.fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
	close(fd);
}

static void two_workers_share_a_port_and_v6_does_not_take_v4s(void **s)
{
	struct addr a = loopback("127.0.0.1"), again;
	int one = open_on(&a), two, six, four = -1;

	(void)s;
	again = a;
	two = open_on(&again);
	for (int tries = 0; four < 0; tries++) {	/* a port that is free for IPv6 may be somebody's for IPv4 */
		struct addr any6 = loopback("::"), any4 = loopback("0.0.0.0");

		six = open_on(&any6);
		assert_int_equal(number(six, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		any4.port = any6.port;
		four = listener_open(&any4, true, err, sizeof(err));
		if (four < 0 && tries == 50)
			fail_msg("%s", err);
		if (four < 0)
			close(six);
	}
	close(one);
	close(two);
	close(six);
	close(four);
}

static void an_address_in_use_is_a_sentence(void **s)
{
	struct addr a = loopback("127.0.0.1");
	int fd = listener_open(&a, false, err, sizeof(err));
	char expected[128], text[ADDR_TEXT_MAX];

	(void)s;
	assert_true(fd >= 0);
	assert_int_equal(listener_open(&a, false, err, sizeof(err)), -1);
	snprintf(expected, sizeof(expected), "%s: cannot listen: Address already in use; another program or another sluiced listens there",
		 addr_text(&a, text));
	assert_string_equal(err, expected);
	close(fd);
}

static void a_wake_up_accepts_a_batch_and_no_more(void **s)
{
	struct addr a = start();
	int fds[LISTENER_BATCH + 8];

	(void)s;
	for (int i = 0; i < LISTENER_BATCH + 8; i++)
		fds[i] = call(&a);
	turn_until_got(LISTENER_BATCH + 8);
	assert_int_equal(got.most_in_turn, LISTENER_BATCH);
	for (int i = 0; i < LISTENER_BATCH + 8; i++)
		close(fds[i]);
}

static void stopping_takes_what_the_kernel_has_accepted(void **s)
{
	struct addr a = start();
	int fds[LISTENER_BATCH * 2], late;
	struct sockaddr_storage ss = { 0 };
	socklen_t n = addr_to_sockaddr(&a, &ss);

	(void)s;
	for (int i = 0; i < LISTENER_BATCH * 2; i++)
		fds[i] = call(&a);
	listener_stop(&listener);
	assert_int_equal(got.n, LISTENER_BATCH * 2);
	late = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(late, (struct sockaddr *)&ss, n), -1);
	assert_int_equal(errno, ECONNREFUSED);
	listener_stop(&listener);
	close(late);
	for (int i = 0; i < LISTENER_BATCH * 2; i++)
		close(fds[i]);
}

static void a_listener_may_be_stopped_while_it_accepts(void **s)
{
	struct addr a = start();
	int one = call(&a), two = call(&a);

	(void)s;
	got.stops = true;
	turn_until_got(2);
	assert_int_equal(listener.io.fd, -1);
	close(one);
	close(two);
}

static void limit_files(rlim_t soft, struct rlimit *old)
{
	struct rlimit now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, old), 0);
	now = *old;
	now.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void without_descriptors_accepting_rests_and_comes_back(void **s)
{
	struct addr a = start();
	struct rlimit old;
	int fds[3], next;
	double from;

	(void)s;
	for (int i = 0; i < 3; i++)
		fds[i] = call(&a);
	next = dup(0);
	close(next);
	limit_files((rlim_t)next, &old);
	from = loop.timers.now;
	while (loop.timers.now < from + 2.5 * LISTENER_REST)
		turn(0.05);
	assert_int_equal(got.n, 0);
	assert_int_equal(times_logged("event=accept-paused"), 1);
	assert_int_equal(times_logged("listener=imap"), 1);
	assert_int_equal(times_logged("level=warn"), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	turn_until_got(3);
	assert_int_equal(times_logged("event=accept-paused"), 1);
	assert_int_equal(times_logged("event=accept-resumed"), 1);
	close(call(&a));
	turn_until_got(4);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* What libev does when epoll_ctl fails: it stops the watcher and says EV_ERROR, once. */
static void a_listener_that_libev_gave_up_comes_back(void **s)
{
	struct addr a = start();
	int fd;

	(void)s;
	ev_io_stop(loop.ev, &listener.io);
	ev_feed_event(loop.ev, &listener.io, EV_ERROR | EV_READ | EV_WRITE);
	turn(0.01);
	fd = call(&a);
	turn_until_got(1);
	assert_int_equal(times_logged("event=accept-paused"), 1);
	assert_int_equal(times_logged("event=accept-resumed"), 1);
	close(fd);
	fd = call(&a);
	turn_until_got(2);
	close(fd);
}

static void a_resting_listener_may_be_stopped(void **s)
{
	struct addr a = start();
	struct rlimit old;
	int fd = call(&a), next = dup(0);

	(void)s;
	close(next);
	limit_files((rlim_t)next, &old);
	turn(0.05);
	assert_int_equal(times_logged("event=accept-paused"), 1);
	listener_stop(&listener);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	turn(2 * LISTENER_REST);
	assert_int_equal(got.n, 0);
	close(fd);
}

static const char *socket_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/s", dir);
	return path;
}

static int call_unix(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(un.sun_path, socket_path(), strlen(socket_path()));
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void a_unix_socket_serves_everybody(void **s)
{
	int fd = listener_open_unix(socket_path(), err, sizeof(err)), caller;
	struct stat st;

	(void)s;
	assert_true(fd >= 0);
	assert_int_equal(stat(socket_path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	listener_start(&listener, &loop, fd, "local", on_accept, NULL);
	caller = call_unix();
	turn_until_got(1);
	assert_int_equal(got.last_peer.family, AF_UNIX);
	close(caller);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **s)
{
	int fd = listener_open_unix(socket_path(), err, sizeof(err)), again;

	(void)s;
	assert_true(fd >= 0);
	assert_int_equal(listener_open_unix(socket_path(), err, sizeof(err)), -1);
	assert_non_null(strstr(err, "/s: cannot listen: Address already in use; another program or another sluiced listens there"));
	close(fd);
	again = listener_open_unix(socket_path(), err, sizeof(err));
	assert_true(again >= 0);
	close(again);
}

static void a_file_in_the_way_is_left_alone(void **s)
{
	FILE *f = fopen(socket_path(), "w");

	(void)s;
	fclose(f);
	assert_int_equal(listener_open_unix(socket_path(), err, sizeof(err)), -1);
	assert_non_null(strstr(err, "File exists"));
	assert_int_equal(access(socket_path(), F_OK), 0);
}

static void a_path_too_long_is_refused(void **s)
{
	char path[200];

	(void)s;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(listener_open_unix(path, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(port_0_becomes_the_port_that_was_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_accepted_inherits_the_timeouts_of_the_one_that_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_accepted_is_ready_for_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_workers_share_a_port_and_v6_does_not_take_v4s, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_address_in_use_is_a_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wake_up_accepts_a_batch_and_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopping_takes_what_the_kernel_has_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_listener_may_be_stopped_while_it_accepts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_descriptors_accepting_rests_and_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_listener_that_libev_gave_up_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_resting_listener_may_be_stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_unix_socket_serves_everybody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stale_unix_socket_is_replaced_and_a_live_one_is_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_in_the_way_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_path_too_long_is_refused, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
