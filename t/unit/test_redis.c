#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "net/resolver.h"
#include "redis_server.h"

/* ---- what every test has: a loop, both servers at hand, one client ---- */

static struct test_loop loop;
static struct fake_redis fake;
static struct redis_server server;
static struct resolver *resolver;
static struct redis_conf conf;
static struct redis *redis;

static int set_up(void **s)
{
	(void)s;
	test_loop_init(&loop);
	fake_start(&fake, &loop);
	resolver = resolver_new(&loop.net);
	conf = (struct redis_conf){ .timeout = 5 };
	return 0;
}

static int tear_down(void **s)
{
	(void)s;
	redis_free(&redis);
	endpoint_fini(&conf.endpoint);
	ev_run(loop.ev, EVRUN_NOWAIT);
	resolver_free(&resolver);
	fake_stop(&fake);
	redis_server_stop(&server);
	server = (struct redis_server){ 0 };
	test_loop_fini(&loop);
	return 0;
}

static void set_url(const char *host, unsigned port, unsigned database)
{
	char url[128], err[200];

	snprintf(url, sizeof(url), "redis://%s:%u/%u", host, port, database);
	assert_true(redis_url_parse(&conf, url, err, sizeof(err)));
}

static void connect_fake(void)
{
	set_url("127.0.0.1", fake.port, 0);
	redis = redis_new(&loop.net, resolver, &conf);
}

static void connect_fake_up(void)
{
	connect_fake();
	wait_until(&loop, redis_is_up(redis));
}

static void connect_server_up(void)
{
	set_url("127.0.0.1", server.port, 0);
	redis = redis_new(&loop.net, resolver, &conf);
	wait_until(&loop, redis_is_up(redis));
}

/* ---- a call that keeps what it was told ---- */

struct told {
	struct redis_call call;
	unsigned times;
	int type;		/* -1: no answer */
	size_t elements;
	char text[256];		/* of a string, status or error; or why */
};

static void on_told(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	struct told *t = CONTAINER_OF(call, struct told, call);
	const char *text = reply ? reply->str : why;

	assert_null(call->fn);
	t->times++;
	t->type = reply ? reply->type : -1;
	t->elements = reply ? reply->elements : 0;
	snprintf(t->text, sizeof(t->text), "%s", text ? text : "");
}

static bool say(struct told *t, const char *a, const char *b, const char *c)
{
	struct span argv[3] = { span_of(a), span_of(b), span_of(c) };

	*t = (struct told){ 0 };
	return redis_call(redis, &t->call, on_told, b ? c ? 3 : 2 : 1, argv);
}

static void ask(struct told *t, const char *a, const char *b, const char *c)
{
	assert_true(say(t, a, b, c));
	assert_int_equal(t->times, 0);
	wait_until(&loop, t->times > 0);
	assert_int_equal(t->times, 1);
}

static void expect_down(const struct told *t, const char *why)
{
	assert_int_equal(t->times, 1);
	assert_int_equal(t->type, -1);
	if (!strstr(t->text, why))
		fail_msg("\"%s\" is not in \"%s\"", why, t->text);
	assert_non_null(strstr(loop.log, "event=redis-down"));
}

/* The fake's answer must end the connection; another one follows. */
static void expect_end(struct span bytes, const char *why)
{
	struct told t;

	fake.answer = bytes;
	if (!redis)
		connect_fake();
	wait_until(&loop, redis_is_up(redis));
	ask(&t, "GET", "x", NULL);
	expect_down(&t, why);
	assert_false(redis_is_up(redis));
}

/* ---- settings ---- */

static void a_url_names_host_port_and_database(void **s)
{
	char err[200];

	(void)s;
	assert_true(redis_url_parse(&conf, "redis://127.0.0.2:7000/12", err, sizeof(err)));
	assert_int_equal(conf.endpoint.kind, ENDPOINT_IP);
	assert_int_equal(conf.endpoint.addr.port, 7000);
	assert_int_equal(conf.database, 12);
	assert_true(redis_url_parse(&conf, "redis://[::1]/", err, sizeof(err)));
	assert_int_equal(conf.endpoint.addr.family, AF_INET6);
	assert_int_equal(conf.endpoint.addr.port, 6379);
	assert_int_equal(conf.database, 0);
	assert_true(redis_url_parse(&conf, "redis://cache.example", err, sizeof(err)));
	assert_string_equal(conf.endpoint.host, "cache.example");
	endpoint_fini(&conf.endpoint);
	assert_true(redis_url_parse(&conf, "unix:/run/redis.sock", err, sizeof(err)));
	assert_string_equal(conf.endpoint.path, "/run/redis.sock");
}

static void a_url_that_makes_no_sense_is_refused_with_a_sentence(void **s)
{
	static const char *const urls[] = { "", "127.0.0.1:6379", "rediss://h", "redis://", "redis:///1", "redis://u:p@h/0", "redis://h/x",
					    "redis://h/1x", "redis://h/-1", "redis://h/99999999999", "redis://h/1/2", "redis://*:6379",
					    "redis://h:0x", "redis://h:70000", "redis://unix:/x", "unix:relative", "redis://h?db=1" };

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		char err[200] = "";

		if (redis_url_parse(&conf, urls[i], err, sizeof(err)))
			fail_msg("%s was taken", urls[i]);
		assert_true(strlen(err) > 10);
		assert_null(strstr(err, "u:p"));
	}
}

/* ---- a real server ---- */

static void commands_are_answered_by_a_real_server(void **s)
{
	struct told t;

	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, NULL);
	connect_server_up();
	ask(&t, "SET", "name", "value");
	assert_int_equal(t.type, REDIS_REPLY_STATUS);
	ask(&t, "GET", "name", NULL);
	assert_string_equal(t.text, "value");
	ask(&t, "GET", "nobody", NULL);
	assert_int_equal(t.type, REDIS_REPLY_NIL);
	ask(&t, "HGETALL", "nobody", NULL);
	assert_int_equal(t.type, REDIS_REPLY_ARRAY);
	assert_int_equal(t.elements, 0);
	ask(&t, "HGETALL", "name", NULL);
	assert_int_equal(t.type, REDIS_REPLY_ERROR);
	assert_int_equal(strncmp(t.text, "WRONGTYPE ", 10), 0);
	ask(&t, "STRLEN", "name", NULL);
	assert_int_equal(t.type, REDIS_REPLY_INTEGER);
	assert_int_equal(count_in_log(&loop, "event=redis-up"), 1);
}

static void a_unix_socket_and_a_host_name_work_too(void **s)
{
	struct told t;
	char url[128], err[200];

	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, NULL);
	snprintf(url, sizeof(url), "unix:%s", server.socket);
	assert_true(redis_url_parse(&conf, url, err, sizeof(err)));
	redis = redis_new(&loop.net, NULL, &conf);
	ask(&t, "SET", "by", "unix");
	assert_string_equal(t.text, "OK");
	redis_free(&redis);
	endpoint_fini(&conf.endpoint);
	set_url("localhost", server.port, 0);
	redis = redis_new(&loop.net, resolver, &conf);
	wait_until(&loop, redis_is_up(redis));	/* if localhost is ::1 first, the second attempt is the good one */
	ask(&t, "GET", "by", NULL);
	assert_string_equal(t.text, "unix");
}

static void the_password_the_user_and_the_database_are_sent_first(void **s)
{
	struct told t;

	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, "open sesame");
	conf.password = "open sesame";
	connect_server_up();
	ask(&t, "SET", "where", "0");
	redis_free(&redis);
	conf.user = "default";
	set_url("127.0.0.1", server.port, 3);
	redis = redis_new(&loop.net, resolver, &conf);
	ask(&t, "GET", "where", NULL);
	assert_int_equal(t.type, REDIS_REPLY_NIL);
	assert_null(strstr(loop.log, "sesame"));
}

static void a_wrong_password_is_an_error_in_the_log_once_and_never_shown(void **s)
{
	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, "open sesame");
	conf.password = "open barley";
	set_url("127.0.0.1", server.port, 0);
	redis = redis_new(&loop.net, resolver, &conf);
	run_for(&loop, 1);	/* several attempts */
	assert_false(redis_is_up(redis));
	assert_int_equal(count_in_log(&loop, "event=redis-down"), 1);
	assert_int_equal(loop.log[0], '0' + LOG_LEVEL_ERROR);
	assert_non_null(strstr(loop.log, "WRONGPASS"));
	assert_null(strstr(loop.log, "barley"));
}

static void a_missing_password_is_an_error_in_the_log(void **s)
{
	struct told t;

	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, "open sesame");
	set_url("127.0.0.1", server.port, 0);
	redis = redis_new(&loop.net, resolver, &conf);
	ask(&t, "GET", "x", NULL);
	expect_down(&t, "NOAUTH");
	assert_int_equal(loop.log[0], '0' + LOG_LEVEL_ERROR);
}

static void a_server_that_comes_back_is_found_again(void **s)
{
	struct told t;

	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, NULL);
	connect_server_up();
	redis_server_kill(&server);
	wait_until(&loop, !redis_is_up(redis));
	assert_false(say(&t, "GET", "x", NULL));
	assert_non_null(strstr(loop.net.failure, "not connected to Redis"));
	run_for(&loop, 0.5);
	assert_int_equal(count_in_log(&loop, "event=redis-down"), 1);
	redis_server_run(&server, NULL);
	wait_until(&loop, redis_is_up(redis));
	ask(&t, "SET", "x", "y");
	assert_string_equal(t.text, "OK");
	assert_int_equal(count_in_log(&loop, "event=redis-up"), 2);
	assert_int_equal(count_in_log(&loop, "event=redis-down"), 1);
}

/* ---- answers out of order ---- */

static void calls_made_while_the_first_connection_is_under_way_wait_for_it(void **s)
{
	struct told a, b;

	(void)s;
	fake.answer = span_of("$2\r\nhi\r\n");
	connect_fake();
	assert_true(say(&a, "GET", "a", NULL));
	assert_true(say(&b, "GET", "b", NULL));
	wait_until(&loop, a.times && b.times);
	assert_string_equal(a.text, "hi");
	assert_string_equal(b.text, "hi");
	assert_true(span_is(fake.argv[1], "b"));
	assert_int_equal(fake.connections, 1);
}

static void calls_wait_no_longer_than_the_first_attempt(void **s)
{
	struct told t;
	uint16_t port;

	(void)s;
	close(bind_free_port(&port));
	set_url("127.0.0.1", port, 0);
	redis = redis_new(&loop.net, resolver, &conf);
	ask(&t, "GET", "a", NULL);
	expect_down(&t, "Connection refused");
	assert_false(say(&t, "GET", "a", NULL));
}

static void a_host_that_does_not_exist_is_an_outage(void **s)
{
	struct told t;

	(void)s;
	set_url("nowhere.onion", 6379, 0);	/* never looked up (RFC 7686, 2), so no network can make a difference */
	redis = redis_new(&loop.net, resolver, &conf);
	assert_false(say(&t, "GET", "a", NULL));
	assert_non_null(strstr(loop.net.failure, "no address of nowhere.onion"));
	assert_non_null(strstr(loop.log, "event=redis-down"));
}

static void a_server_that_never_answers_the_login_is_given_up(void **s)
{
	struct told t;

	(void)s;
	conf.timeout = 0.2;
	fake.ping = span_of("");
	connect_fake();
	ask(&t, "GET", "a", NULL);
	expect_down(&t, "no connection within 0.2 s");
}

static void a_command_that_is_never_answered_ends_the_connection(void **s)
{
	struct told a, b;

	(void)s;
	conf.timeout = 0.2;
	connect_fake_up();
	assert_true(say(&a, "GET", "a", NULL));
	assert_true(say(&b, "GET", "b", NULL));
	wait_until(&loop, a.times);
	expect_down(&a, "no answer within 0.2 s");
	expect_down(&b, "no answer within 0.2 s");	/* what came now might be a's answer */
}

static void a_late_answer_reaches_nobody(void **s)
{
	struct told a, b;

	(void)s;
	conf.timeout = 0.2;
	connect_fake_up();
	ask(&a, "GET", "a", NULL);
	expect_down(&a, "no answer");
	fake_send(&fake, span_of("$4\r\nlate\r\n"));
	fake.answer = span_of("$4\r\ngood\r\n");
	wait_until(&loop, redis_is_up(redis));
	ask(&b, "GET", "b", NULL);
	assert_string_equal(b.text, "good");
	assert_int_equal(a.times, 1);
}

static void an_answer_nobody_asked_for_ends_the_connection(void **s)
{
	static const char *const extras[] = { "+OK\r\n", "$1\r\nx\r\n", ":1\r\n", "*1\r\n$1\r\nx\r\n", "*0\r\n", "-ERR no\r\n", "$-1\r\n" };

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
		loop.log[0] = '\0';
		connect_fake_up();
		fake_send(&fake, span_of(extras[i]));
		wait_until(&loop, !redis_is_up(redis));
		assert_non_null(strstr(loop.log, "nobody asked for"));
		redis_free(&redis);
	}
}

static void two_answers_to_one_command_end_the_connection_behind_the_first(void **s)
{
	struct told t;

	(void)s;
	fake.answer = span_of("$1\r\na\r\n$1\r\nb\r\n");
	connect_fake_up();
	ask(&t, "GET", "x", NULL);
	assert_string_equal(t.text, "a");
	assert_false(redis_is_up(redis));
}

static void a_cancelled_calls_answer_is_swallowed(void **s)
{
	struct told a, b;

	(void)s;
	connect_fake_up();
	assert_true(say(&a, "GET", "a", NULL));
	wait_until(&loop, fake.commands == 1);
	redis_cancel(redis, &a.call);
	redis_cancel(redis, &a.call);
	assert_true(say(&b, "GET", "b", NULL));
	wait_until(&loop, fake.commands == 2);
	fake_send(&fake, span_of("$1\r\na\r\n$1\r\nb\r\n"));
	wait_until(&loop, b.times);
	assert_string_equal(b.text, "b");
	assert_int_equal(a.times, 0);
	assert_true(redis_is_up(redis));
}

static void a_cancelled_call_that_is_never_answered_still_ends_the_connection(void **s)
{
	struct told a;

	(void)s;
	conf.timeout = 0.2;
	connect_fake_up();
	assert_true(say(&a, "GET", "a", NULL));
	redis_cancel(redis, &a.call);
	wait_until(&loop, !redis_is_up(redis));
	assert_int_equal(a.times, 0);
}

/* ---- answers without bounds or sense ---- */

static void a_huge_bulk_string_ends_the_connection(void **s)
{
	static char huge[REDIS_UNPARSED_MAX + 20000] = "$1000000000\r\n";

	(void)s;
	memset(huge + 13, 'x', sizeof(huge) - 13);
	expect_end(span_mem(huge, sizeof(huge)), "too long an answer");
}

static void a_line_without_end_ends_the_connection(void **s)
{
	static char huge[REDIS_UNPARSED_MAX + 20000] = "+";

	(void)s;
	memset(huge + 1, 'x', sizeof(huge) - 1);
	expect_end(span_mem(huge, sizeof(huge)), "too long an answer");
}

static void many_long_strings_in_one_answer_end_the_connection(void **s)
{
	static char huge[8 * 16384];
	size_t n = (size_t)snprintf(huge, sizeof(huge), "*7\r\n");

	(void)s;
	for (unsigned i = 0; i < 7; i++) {
		n += (size_t)snprintf(huge + n, sizeof(huge) - n, "$16000\r\n");
		memset(huge + n, 'x', 16000);
		n += 16000;
		n += (size_t)snprintf(huge + n, sizeof(huge) - n, "\r\n");
	}
	expect_end(span_mem(huge, n), "too long an answer");
}

static void a_huge_array_is_refused_by_its_head(void **s)
{
	(void)s;
	expect_end(span_of("*257\r\n"), "too many elements");
	expect_end(span_of("*2147483647\r\n"), "too many elements");
}

static void elements_are_counted_over_the_whole_answer(void **s)
{
	(void)s;
	expect_end(span_of("*2\r\n*255\r\n"), "too many elements");
}

static void an_array_of_256_elements_is_taken(void **s)
{
	static char array[8192];
	size_t n = (size_t)snprintf(array, sizeof(array), "*256\r\n");
	struct told t;

	(void)s;
	for (unsigned i = 0; i < 256; i++)
		n += (size_t)snprintf(array + n, sizeof(array) - n, "$2\r\nab\r\n");
	fake.answer = span_mem(array, n);
	connect_fake_up();
	for (unsigned i = 0; i < 3; i++) {	/* each answer is counted anew */
		ask(&t, "HGETALL", "x", NULL);
		assert_int_equal(t.elements, 256);
	}
}

static void an_answer_nested_in_two_is_taken_and_in_three_refused(void **s)
{
	struct told t;

	(void)s;
	fake.answer = span_of("*2\r\n*2\r\n:1\r\n$-1\r\n*-1\r\n");
	connect_fake_up();
	ask(&t, "EVAL", "x", NULL);
	assert_int_equal(t.elements, 2);
	expect_end(span_of("*1\r\n*1\r\n*1\r\n:1\r\n"), "too deep");
}

static void what_is_no_redis_protocol_ends_the_connection(void **s)
{
	(void)s;
	expect_end(span_of("HTTP/1.1 400 Bad Request\r\n\r\n"), "");
	expect_end(span_of("*x\r\n"), "");
	expect_end(span_of("$-5\r\n"), "");
	expect_end(span_mem("\0\0\0\r\n", 5), "");
}

static void a_connection_cut_at_any_byte_of_an_answer_is_an_outage(void **s)
{
	static const char text[] = "*2\r\n$7\r\nbackend\r\n$3\r\nmb1\r\n";

	(void)s;
	for (size_t cut = 1; cut < sizeof(text) - 1; cut += 4) {
		fake.cut = true;
		expect_end(span_mem(text, cut), "");
		fake.cut = false;
		redis_free(&redis);	/* a new one, for the old one's pause grows */
	}
}

static void an_answer_in_single_bytes_is_whole(void **s)
{
	static const char text[] = "*2\r\n$7\r\nbackend\r\n$3\r\nmb1\r\n";
	struct told t;

	(void)s;
	connect_fake_up();
	assert_true(say(&t, "HGETALL", "x", NULL));
	wait_until(&loop, fake.commands == 1);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(t.times, 0);
		fake_send(&fake, span_mem(text + i, 1));
		run_for(&loop, 0.002);
	}
	wait_until(&loop, t.times);
	assert_int_equal(t.elements, 2);
}

/* ---- a server that answers, but not us ---- */

static void a_login_answered_by_another_protocol_is_an_outage(void **s)
{
	struct told t;

	(void)s;
	fake.ping = span_of(":1\r\n");
	connect_fake();
	ask(&t, "GET", "a", NULL);
	expect_down(&t, "not the answer of a Redis server to PING");
}

static void a_refused_auth_shows_no_text_of_the_server(void **s)
{
	struct told t;

	(void)s;
	conf.password = "barley";
	fake.auth = span_of("-ERR unknown command `AUTH`, with args beginning with: `barley`\r\n");
	connect_fake();
	ask(&t, "GET", "a", NULL);
	expect_down(&t, "the server refused AUTH (ERR)");
	assert_int_equal(loop.log[0], '0' + LOG_LEVEL_ERROR);
	assert_null(strstr(loop.log, "barley"));
}

static void a_full_server_is_an_outage_and_no_refusal(void **s)
{
	struct told t;

	(void)s;
	conf.password = "barley";
	fake.auth = span_of("-ERR max number of clients reached\r\n");
	connect_fake();
	ask(&t, "GET", "a", NULL);
	expect_down(&t, "max number of clients");
	assert_int_equal(loop.log[0], '0' + LOG_LEVEL_WARN);
}

static void a_user_who_may_not_ping_is_let_in(void **s)
{
	(void)s;
	fake.ping = span_of("-NOPERM this user has no permissions to run the 'ping' command\r\n");
	connect_fake_up();
}

static void a_database_that_does_not_exist_is_an_outage(void **s)
{
	struct told t;

	(void)s;
	fake.select = span_of("-ERR DB index is out of range\r\n");
	set_url("127.0.0.1", fake.port, 99);
	redis = redis_new(&loop.net, resolver, &conf);
	ask(&t, "GET", "a", NULL);
	expect_down(&t, "DB index is out of range");
}

static void a_server_that_loads_gives_no_answer_but_stays_connected(void **s)
{
	struct told t;

	(void)s;
	fake.answer = span_of("-LOADING Redis is loading the \033[31mdataset\r\n");
	connect_fake_up();
	ask(&t, "GET", "a", NULL);
	assert_int_equal(t.type, -1);
	assert_string_equal(t.text, "LOADING Redis is loading the ?[31mdataset");
	assert_true(redis_is_up(redis));
}

static void a_password_asked_for_later_ends_the_connection(void **s)
{
	(void)s;
	expect_end(span_of("-NOAUTH Authentication required.\r\n"), "NOAUTH");
	assert_non_null(strstr(loop.log, "0 "));
}

static void an_error_of_the_command_itself_is_an_answer(void **s)
{
	struct told t;

	(void)s;
	fake.answer = span_of("-ERR wrong\r\n");
	connect_fake_up();
	ask(&t, "GET", "a", NULL);
	assert_int_equal(t.type, REDIS_REPLY_ERROR);
	assert_string_equal(t.text, "ERR wrong");
	assert_true(redis_is_up(redis));
}

static void a_server_that_drops_us_again_and_again_is_asked_ever_more_seldom(void **s)
{
	double began;

	(void)s;
	connect_fake_up();
	for (began = clock_monotonic(); fake.connections < 4; ev_run(loop.ev, EVRUN_ONCE)) {
		assert_true(clock_monotonic() < began + WAIT_MAX);
		if (redis_is_up(redis))
			fake_close(&fake);
	}
	assert_true(clock_monotonic() - began >= 0.69);	/* 0.1, 0.2, 0.4 s, and up to a quarter more */
}

/* ---- owners ---- */

static void no_more_than_the_bound_wait(void **s)
{
	static struct told told[REDIS_WAITING_MAX + 1];
	unsigned n = 0;

	(void)s;
	connect_fake_up();
	while (n <= REDIS_WAITING_MAX && say(&told[n], "GET", "x", NULL))
		n++;
	assert_int_equal(n, REDIS_WAITING_MAX);
	assert_non_null(strstr(loop.net.failure, "too many"));
	fake_close(&fake);
	wait_until(&loop, told[n - 1].times);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(told[i].times, 1);
}

static void a_command_that_is_too_long_is_refused(void **s)
{
	static char huge[REDIS_COMMAND_MAX + 1];
	struct told t = { 0 };

	(void)s;
	connect_fake_up();
	assert_false(redis_call(redis, &t.call, on_told, 1, &(struct span){ huge, sizeof(huge) }));
	assert_false(redis_call(redis, &t.call, on_told, 2, (struct span[]){ { huge, sizeof(huge) - 1 }, { huge, 1 << 30 } }));
	assert_non_null(strstr(loop.net.failure, "too long"));
	assert_true(redis_is_up(redis));
}

static void who_is_freed_calls_nobody(void **s)
{
	struct told t;

	(void)s;
	connect_fake_up();
	assert_true(say(&t, "GET", "x", NULL));
	redis_free(&redis);
	assert_null(t.call.fn);
	run_for(&loop, 0.05);
	assert_int_equal(t.times, 0);
	assert_int_equal(fake.fd, -1);
	connect_fake();
	assert_true(say(&t, "GET", "x", NULL));	/* before it is connected */
	redis_free(&redis);
	run_for(&loop, 0.05);
	assert_int_equal(t.times, 0);
}

static void on_told_free(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	on_told(call, reply, why);
	redis_free(&redis);
}

static void an_answer_may_free_the_client(void **s)
{
	struct told a = { 0 }, b;
	const struct span get[] = { span_of("GET"), span_of("a") };

	(void)s;
	fake.answer = span_of(":1\r\n:2\r\n");
	connect_fake_up();
	assert_true(redis_call(redis, &a.call, on_told_free, 2, get));
	assert_true(say(&b, "GET", "b", NULL));
	wait_until(&loop, a.times);
	run_for(&loop, 0.05);
	assert_int_equal(b.times, 0);
}

static void the_end_of_a_connection_may_free_the_client(void **s)
{
	struct told a = { 0 }, b;
	const struct span get[] = { span_of("GET"), span_of("a") };

	(void)s;
	fake.cut = true;
	connect_fake_up();
	assert_true(redis_call(redis, &a.call, on_told_free, 2, get));
	assert_true(say(&b, "GET", "b", NULL));
	wait_until(&loop, a.times);
	run_for(&loop, 0.05);
	assert_int_equal(a.type, -1);
	assert_int_equal(b.times, 0);
}

static struct told second;
static bool second_taken;

static void on_told_ask(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	on_told(call, reply, why);
	second_taken = say(&second, "GET", "second", NULL);
}

static void an_answer_may_ask_the_next_thing(void **s)
{
	struct told t = { 0 };
	const struct span get[] = { span_of("GET"), span_of("a") };

	(void)s;
	fake.answer = span_of(":1\r\n");
	connect_fake_up();
	assert_true(redis_call(redis, &t.call, on_told_ask, 2, get));
	wait_until(&loop, second.times);
	assert_int_equal(second.type, REDIS_REPLY_INTEGER);
	fake.cut = true;
	fake.answer = span_of("");
	assert_true(redis_call(redis, &t.call, on_told_ask, 2, get));
	wait_until(&loop, t.times == 2);
	assert_false(second_taken);	/* the connection has ended */
}

/* ---- bytes ---- */

static uint32_t dice_state = 1;

static uint32_t dice(uint32_t n)
{
	dice_state = dice_state * 1664525 + 1013904223;
	return (dice_state >> 8) % n;
}

/* Bytes that would break out of a command that is put together as text. */
static size_t throw_bytes(char *p, size_t max)
{
	static const char nasty[] = "\r\n\0 $*:+-{}%\"'\\s";
	size_t n = dice(dice(4) ? 40 : (uint32_t)max);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)(dice(2) ? nasty[dice(sizeof(nasty))] : (char)dice(256));
	return n;
}

static void any_bytes_make_exactly_one_command_with_the_same_bytes(void **s)
{
	static char bytes[REDIS_ARGS_MAX][2000];

	(void)s;
	fake.answer = span_of("+OK\r\n");
	connect_fake_up();
	for (unsigned round = 1; round <= 2000; round++) {
		struct span argv[REDIS_ARGS_MAX] = { span_of("SADD") };
		unsigned argc = 1 + dice(REDIS_ARGS_MAX);
		struct told t = { 0 };

		for (unsigned i = 1; i < argc; i++)
			argv[i] = span_mem(bytes[i], throw_bytes(bytes[i], sizeof(bytes[i])));
		assert_true(redis_call(redis, &t.call, on_told, argc, argv));
		wait_until(&loop, t.times);
		assert_int_equal(t.type, REDIS_REPLY_STATUS);
		assert_int_equal(fake.commands, round);
		assert_int_equal(fake.in_len, 0);
		assert_int_equal(fake.argc, argc);
		for (unsigned i = 0; i < argc; i++)
			assert_true(span_eq(fake.argv[i], argv[i]));
	}
	assert_int_equal(fake.connections, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_url_names_host_port_and_database),
		TEST(a_url_that_makes_no_sense_is_refused_with_a_sentence),
		TEST(commands_are_answered_by_a_real_server),
		TEST(a_unix_socket_and_a_host_name_work_too),
		TEST(the_password_the_user_and_the_database_are_sent_first),
		TEST(a_wrong_password_is_an_error_in_the_log_once_and_never_shown),
		TEST(a_missing_password_is_an_error_in_the_log),
		TEST(a_server_that_comes_back_is_found_again),
		TEST(calls_made_while_the_first_connection_is_under_way_wait_for_it),
		TEST(calls_wait_no_longer_than_the_first_attempt),
		TEST(a_host_that_does_not_exist_is_an_outage),
		TEST(a_server_that_never_answers_the_login_is_given_up),
		TEST(a_command_that_is_never_answered_ends_the_connection),
		TEST(a_late_answer_reaches_nobody),
		TEST(an_answer_nobody_asked_for_ends_the_connection),
		TEST(two_answers_to_one_command_end_the_connection_behind_the_first),
		TEST(a_cancelled_calls_answer_is_swallowed),
		TEST(a_cancelled_call_that_is_never_answered_still_ends_the_connection),
		TEST(a_huge_bulk_string_ends_the_connection),
		TEST(a_line_without_end_ends_the_connection),
		TEST(many_long_strings_in_one_answer_end_the_connection),
		TEST(a_huge_array_is_refused_by_its_head),
		TEST(elements_are_counted_over_the_whole_answer),
		TEST(an_array_of_256_elements_is_taken),
		TEST(an_answer_nested_in_two_is_taken_and_in_three_refused),
		TEST(what_is_no_redis_protocol_ends_the_connection),
		TEST(a_connection_cut_at_any_byte_of_an_answer_is_an_outage),
		TEST(an_answer_in_single_bytes_is_whole),
		TEST(a_login_answered_by_another_protocol_is_an_outage),
		TEST(a_refused_auth_shows_no_text_of_the_server),
		TEST(a_full_server_is_an_outage_and_no_refusal),
		TEST(a_user_who_may_not_ping_is_let_in),
		TEST(a_database_that_does_not_exist_is_an_outage),
		TEST(a_server_that_loads_gives_no_answer_but_stays_connected),
		TEST(a_password_asked_for_later_ends_the_connection),
		TEST(an_error_of_the_command_itself_is_an_answer),
		TEST(a_server_that_drops_us_again_and_again_is_asked_ever_more_seldom),
		TEST(no_more_than_the_bound_wait),
		TEST(a_command_that_is_too_long_is_refused),
		TEST(who_is_freed_calls_nobody),
		TEST(an_answer_may_free_the_client),
		TEST(the_end_of_a_connection_may_free_the_client),
		TEST(an_answer_may_ask_the_next_thing),
		TEST(any_bytes_make_exactly_one_command_with_the_same_bytes),
	};
	return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
