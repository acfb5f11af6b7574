#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/settings.h"
#include "daemon/sockets.h"
#include "daemon/worker.h"

#define WORKERS 3

static char folder[64], unix_path[96], ready_path[96];
static struct endpoint endpoints[2];
static struct settings_listener listeners[1];
static struct settings settings;
static struct sockets sockets;
static char err[512];

static int make_folder(void **s)
{
	(void)s;
	snprintf(folder, sizeof(folder), "/tmp/test_sockets.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(unix_path, sizeof(unix_path), "%s/imap", folder);
	snprintf(ready_path, sizeof(ready_path), "%s/ready", folder);
	memset(endpoints, 0, sizeof(endpoints));
	listeners[0] = (struct settings_listener){ .name = "imap", .addresses = endpoints };
	settings = (struct settings){ .path = "sluice.conf", .listeners = listeners, .nlisteners = 1 };
	err[0] = '\0';
	return 0;
}

static void forget_addresses(void)
{
	for (size_t i = 0; i < listeners[0].naddresses; i++)
		endpoint_fini(&endpoints[i]);
	listeners[0].naddresses = 0;
}

static int remove_folder(void **s)
{
	(void)s;
	forget_addresses();
	sockets_fini(&sockets);
	unlink(unix_path);
	unlink(ready_path);
	return rmdir(folder);	/* nothing else may be left in it */
}

static void listen_at(const char *address)
{
	assert_true(endpoint_parse(&endpoints[listeners[0].naddresses++], address, 0, err, sizeof(err)));
}

static void open_sockets(void)
{
	if (!sockets_open(&sockets, &settings, WORKERS, err, sizeof(err)))
		fail_msg("%s", err);
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct addr a;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	addr_from_sockaddr(&a, (struct sockaddr *)&ss);
	return a.port;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static int number(int fd, int level, int option)
{
	int value = -1;
	socklen_t n = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, &value, &n), 0);
	return value;
}

static void sockets_have_the_timeouts_of_the_settings(void **s)
{
	(void)s;
	settings.tcp = (struct tcp_timeouts){ 77, 78 };
	listen_at("127.0.0.1:0");
	open_sockets();
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(number(sockets.lists[i].items[0].fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		assert_int_equal(number(sockets.lists[i].items[0].fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
		assert_int_equal(number(sockets.lists[i].items[0].fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 78000);
	}
}

static void with_port_zero_all_workers_get_the_same_free_port(void **s)
{
	(void)s;
	listen_at("127.0.0.1:0");
	open_sockets();
	assert_int_equal(sockets.nbound, 1);
	assert_true(sockets.bound[0].addr.port > 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(sockets.lists[i].n, 1);
		assert_int_equal(port_of(sockets.lists[i].items[0].fd), sockets.bound[0].addr.port);
		assert_false(sockets.lists[i].items[0].deals);
	}
}

static void a_second_daemon_is_refused_a_port_that_our_workers_share(void **s)
{
	struct sockets second;
	char address[ADDR_TEXT_MAX];

	(void)s;
	listen_at("127.0.0.1:0");
	open_sockets();
	forget_addresses();
	listen_at(addr_text(&sockets.bound[0].addr, address));
	assert_false(sockets_open(&second, &settings, WORKERS, err, sizeof(err)));
	assert_non_null(strstr(err, address));
	sockets_fini(&second);
}

static void a_port_that_is_set_is_shared_by_all_workers(void **s)
{
	char address[ADDR_TEXT_MAX];

	(void)s;
	listen_at("127.0.0.1:0");
	open_sockets();
	addr_text(&sockets.bound[0].addr, address);
	sockets_fini(&sockets);
	forget_addresses();
	listen_at(address);
	open_sockets();
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(port_of(sockets.lists[i].items[0].fd), endpoints[0].addr.port);
}

static void a_star_is_each_family_once(void **s)
{
	(void)s;
	listen_at("*:0");
	open_sockets();
	assert_in_range(sockets.nbound, 1, 2);
	if (sockets.nbound == 2)
		assert_int_not_equal(sockets.bound[0].addr.family, sockets.bound[1].addr.family);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(sockets.lists[i].n, sockets.nbound);
}

static void a_unix_socket_is_the_first_workers_to_deal_out(void **s)
{
	char address[128];

	(void)s;
	snprintf(address, sizeof(address), "unix:%s", unix_path);
	listen_at(address);
	open_sockets();
	assert_int_equal(sockets.lists[0].n, 1);
	assert_true(sockets.lists[0].items[0].deals);
	for (unsigned i = 1; i < WORKERS; i++)
		assert_int_equal(sockets.lists[i].n, 0);
	assert_true(is_there(unix_path));
	sockets_fini(&sockets);
	assert_false(is_there(unix_path));
}

static void what_another_has_put_at_our_paths_stays(void **s)
{
	char address[128];

	(void)s;
	snprintf(address, sizeof(address), "unix:%s", unix_path);
	listen_at(address);
	open_sockets();
	assert_true(sockets_write_ready(&sockets, ready_path, err, sizeof(err)));
	/* made beside the old ones: else the file system might give them the numbers of those that went */
	for (int i = 0; i < 2; i++) {
		const char *path = i ? ready_path : unix_path;
		char beside[128];

		snprintf(beside, sizeof(beside), "%s.other", path);
		close(open(beside, O_WRONLY | O_CREAT, 0600));
		assert_int_equal(rename(beside, path), 0);
	}
	sockets_fini(&sockets);
	assert_true(is_there(unix_path));
	assert_true(is_there(ready_path));
}

static void the_ready_file_names_each_address(void **s)
{
	char address[128], expected[512], text[512] = "", ip[ADDR_TEXT_MAX];
	FILE *f;

	(void)s;
	snprintf(address, sizeof(address), "unix:%s", unix_path);
	listen_at("127.0.0.1:0");
	listen_at(address);
	open_sockets();
	assert_true(sockets_write_ready(&sockets, ready_path, err, sizeof(err)));
	f = fopen(ready_path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	snprintf(expected, sizeof(expected), "imap %s\nimap %s\n", addr_text(&sockets.bound[0].addr, ip), address);
	assert_string_equal(text, expected);
	sockets_fini(&sockets);
	assert_false(is_there(ready_path));
}

static void a_ready_file_that_cannot_be_written_is_told_with_its_name(void **s)
{
	char path[128];

	(void)s;
	listen_at("127.0.0.1:0");
	open_sockets();
	snprintf(path, sizeof(path), "%s/nowhere/ready", folder);
	assert_false(sockets_write_ready(&sockets, path, err, sizeof(err)));
	assert_non_null(strstr(err, path));
	/* a folder in its place: the rename fails, and nothing is left beside it (remove_folder looks) */
	assert_int_equal(mkdir(ready_path, 0700), 0);
	assert_false(sockets_write_ready(&sockets, ready_path, err, sizeof(err)));
	assert_int_equal(rmdir(ready_path), 0);
}

static void the_ready_file_does_not_follow_a_link_that_waits_beside_it(void **s)
{
	char victim[128], beside[128];

	(void)s;
	listen_at("127.0.0.1:0");
	open_sockets();
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	snprintf(beside, sizeof(beside), "%s.new", ready_path);
	assert_int_equal(symlink(victim, beside), 0);
	assert_false(sockets_write_ready(&sockets, ready_path, err, sizeof(err)));
	assert_false(is_there(victim));
	assert_int_equal(unlink(beside), 0);
}

static void only_originals_of_copies_are_closed_when_handed_over(void **s)
{
	int copied, given;

	(void)s;
	listen_at("127.0.0.1:0");
	open_sockets();
	copied = sockets.lists[0].items[0].fd;
	given = sockets.lists[1].items[0].fd;
	sockets_handed_over(&sockets, 0, true);
	sockets_handed_over(&sockets, 1, false);
	assert_false(is_open(copied));
	assert_true(is_open(given));
	sockets_fini(&sockets);
	assert_true(is_open(given));
	close(given);
}

static void a_host_name_is_no_place_to_listen(void **s)
{
	(void)s;
	endpoints[0] = (struct endpoint){ .kind = ENDPOINT_HOST };
	listeners[0].naddresses = 1;
	assert_false(sockets_open(&sockets, &settings, WORKERS, err, sizeof(err)));
	assert_non_null(strstr(err, "listener.imap"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		TEST(sockets_have_the_timeouts_of_the_settings),
		TEST(with_port_zero_all_workers_get_the_same_free_port),
		TEST(a_second_daemon_is_refused_a_port_that_our_workers_share),
		TEST(a_port_that_is_set_is_shared_by_all_workers),
		TEST(a_star_is_each_family_once),
		TEST(a_unix_socket_is_the_first_workers_to_deal_out),
		TEST(what_another_has_put_at_our_paths_stays),
		TEST(the_ready_file_names_each_address),
		TEST(a_ready_file_that_cannot_be_written_is_told_with_its_name),
		TEST(the_ready_file_does_not_follow_a_link_that_waits_beside_it),
		TEST(only_originals_of_copies_are_closed_when_handed_over),
		TEST(a_host_name_is_no_place_to_listen),
	};
	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
