#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "net/resolver.h"
#include "redis_server.h"
#include "route/directory.h"
#include "route/last_known.h"

/* ---- what every test has: a cluster, a loop, the scripted server, a driver made when needed ---- */

static struct test_loop loop;
static struct fake_redis fake;
static struct redis_server server;
static struct redis_conf conf;
static struct cluster *cluster;
static struct last_known *last;
static struct directory *directory;

static int set_up(void **s)
{
	char err[200];

	(void)s;
	test_loop_init(&loop);
	fake_start(&fake, &loop);
	conf = (struct redis_conf){ .timeout = 5 };
	cluster = cluster_new();
	cluster_add_backend(cluster, "mb1");
	cluster_add_backend(cluster, "mb2");
	assert_true(cluster_finish(cluster, (const char *const[]){ "blue", "green" }, NULL, err, sizeof(err)));
	last = last_known_new();
	return 0;
}

static int tear_down(void **s)
{
	(void)s;
	directory_free(&directory);
	ev_run(loop.ev, EVRUN_NOWAIT);
	endpoint_fini(&conf.endpoint);
	fake_stop(&fake);
	redis_server_stop(&server);
	server = (struct redis_server){ 0 };
	last_known_free(&last);
	cluster_free(&cluster);
	test_loop_fini(&loop);
	return 0;
}

static void open_directory(uint16_t port, enum directory_outage outage)
{
	char url[64], err[200];

	directory_free(&directory);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%u", (unsigned)port);
	assert_true(redis_url_parse(&conf, url, err, sizeof(err)));
	directory = directory_redis_new(&loop.net, NULL, &conf, "sluice:", cluster, outage, last);
}

/* ---- an asker ---- */

struct asker {
	struct directory_query query;
	unsigned times;
	struct directory_answer answer;
};

static void on_answer(struct directory_query *q, const struct directory_answer *a)
{
	struct asker *k = CONTAINER_OF(q, struct asker, query);

	assert_null(q->driver);
	k->times++;
	k->answer = *a;
}

static bool start(struct asker *k, const char *user)
{
	struct directory_answer a;

	*k = (struct asker){ 0 };
	if (!directory_find(directory, span_of(user), &k->query, on_answer, &a))
		return true;
	on_answer(&k->query, &a);
	return false;
}

static void find(struct asker *k, const char *user)
{
	start(k, user);
	wait_until(&loop, k->times > 0);
	assert_int_equal(k->times, 1);
}

/* What the fake says to HGETALL. */
static void find_fake(struct asker *k, const char *answer)
{
	if (!directory)
		open_directory(fake.port, OUTAGE_REFUSE);
	fake.answer = span_of(answer);
	find(k, "ada@example.org");
}

static void expect_broken(const char *answer, const char *why)
{
	struct asker k;

	find_fake(&k, answer);
	assert_int_equal(k.answer.result, DIRECTORY_BROKEN);
	if (!strstr(k.answer.why, why))
		fail_msg("\"%s\" is not in \"%s\"", why, k.answer.why);
	assert_null(k.answer.record.backend);
	assert_null(k.answer.record.group);
	assert_false(k.answer.stale);
}

#define BULK(n, text) "$" #n "\r\n" text "\r\n"

/* ---- a real server ---- */

struct command {
	struct redis_call call;
	bool done;
};

static void on_done(struct redis_call *call, const struct redisReply *reply, const char *why)
{
	(void)why;
	assert_non_null(reply);
	CONTAINER_OF(call, struct command, call)->done = true;
}

static void command(struct redis *redis, unsigned argc, const struct span *argv)
{
	struct command c = { .done = false };

	assert_true(redis_call(redis, &c.call, on_done, argc, argv));
	wait_until(&loop, c.done);
}

static void write_records(void)
{
	struct redis *redis = redis_new(&loop.net, NULL, &conf);

	command(redis, 8, (struct span[]){ span_of("HSET"), span_of("sluice:user:{ada@example.org}"), span_of("backend"), span_of("mb2"),
					   span_of("login-as"), span_of("Ada"), span_of("colour"), span_of("red") });
	command(redis, 3, (struct span[]){ span_of("SET"), span_of("sluice:user:{b%7Db%25%C3%BC}"), span_of("mb1") });
	command(redis, 3, (struct span[]){ span_of("LPUSH"), span_of("sluice:user:{list}"), span_of("mb1") });
	redis_free(&redis);
}

static void records_of_a_real_server_are_found(void **s)
{
	struct asker k;

	(void)s;
	if (!redis_server_is_here())
		return;
	redis_server_start(&server, NULL);
	open_directory(server.port, OUTAGE_REFUSE);
	write_records();
	find(&k, "ada@example.org");
	assert_int_equal(k.answer.result, DIRECTORY_FOUND);
	assert_ptr_equal(k.answer.record.backend, cluster->backends[1]);
	assert_string_equal(k.answer.record.login_as, "Ada");
	find(&k, "nobody");
	assert_int_equal(k.answer.result, DIRECTORY_UNKNOWN);
	find(&k, "b}b%\303\274");	/* a string, under an encoded name */
	assert_int_equal(k.answer.result, DIRECTORY_FOUND);
	assert_ptr_equal(k.answer.record.backend, cluster->backends[0]);
	find(&k, "list");
	assert_int_equal(k.answer.result, DIRECTORY_BROKEN);
	assert_non_null(strstr(k.answer.why, "WRONGTYPE"));
}

/* ---- records ---- */

static void every_field_is_taken_and_unknown_ones_are_ignored(void **s)
{
	struct asker k;

	(void)s;
	find_fake(&k, "*12\r\n" BULK(7, "backend") BULK(3, "mb1") BULK(5, "group") BULK(5, "green") BULK(8, "login-as") BULK(3, "A@B")
			      BULK(5, "state") BULK(6, "closed") BULK(6, "reason") BULK(4, "gone") BULK(0, "") BULK(1, "\377"));
	assert_int_equal(k.answer.result, DIRECTORY_FOUND);
	assert_false(k.answer.stale);
	assert_ptr_equal(k.answer.record.backend, cluster->backends[0]);
	assert_string_equal(k.answer.record.group->name, "green");
	assert_int_equal(k.answer.record.state, USER_CLOSED);
	assert_string_equal(k.answer.record.login_as, "A@B");
	assert_string_equal(k.answer.record.reason, "gone");
}

static void a_record_without_a_backend_is_a_record(void **s)
{
	struct asker k;

	(void)s;
	find_fake(&k, "*2\r\n" BULK(5, "state") BULK(4, "hold"));
	assert_int_equal(k.answer.result, DIRECTORY_FOUND);
	assert_null(k.answer.record.backend);
	assert_int_equal(k.answer.record.state, USER_HOLD);
}

static void an_empty_hash_is_no_record(void **s)
{
	struct asker k;

	(void)s;
	find_fake(&k, "*0\r\n");
	assert_int_equal(k.answer.result, DIRECTORY_UNKNOWN);
}

static void names_the_settings_do_not_know_are_broken(void **s)
{
	(void)s;
	expect_broken("*2\r\n" BULK(7, "backend") BULK(3, "mb9"), "the backend \"mb9\"");
	expect_broken("*2\r\n" BULK(7, "backend") BULK(0, ""), "the backend \"\"");
	expect_broken("*2\r\n" BULK(7, "backend") BULK(11, "10.0.0.1:14"), "the backend \"10.0.0.1:14\"");
	expect_broken("*4\r\n" BULK(7, "backend") BULK(3, "mb1") BULK(5, "group") BULK(4, "teal"), "the group \"teal\"");
	expect_broken("*2\r\n" BULK(5, "state") BULK(6, "Active"), "the state \"Active\"");
	expect_broken("*2\r\n" BULK(7, "backend") BULK(4, "m\r\n\033"), "the backend \"m???\"");
}

static void a_login_as_that_is_no_user_name_is_broken(void **s)
{
	static char huge[USER_NAME_MAX + 64];
	int n = snprintf(huge, sizeof(huge), "*2\r\n" BULK(8, "login-as") "$%d\r\n", USER_NAME_MAX + 1);

	(void)s;
	memset(huge + n, 'x', USER_NAME_MAX + 1);
	memcpy(huge + n + USER_NAME_MAX + 1, "\r\n", 3);
	expect_broken(huge, "login-as");
	expect_broken("*2\r\n" BULK(8, "login-as") BULK(4, "a\r\nb"), "login-as");
	expect_broken("*2\r\n" BULK(8, "login-as") BULK(2, "\300\200"), "login-as");
	expect_broken("*2\r\n" BULK(8, "login-as") BULK(0, ""), "login-as");
}

static void a_reason_is_made_printable_and_cut(void **s)
{
	static char huge[DIRECTORY_REASON_MAX + 200];
	struct asker k;
	int n;

	(void)s;
	find_fake(&k, "*2\r\n" BULK(6, "reason") BULK(9, "a\r\nb \303\274 ]"));
	assert_string_equal(k.answer.record.reason, "a??b ?? ]");
	n = snprintf(huge, sizeof(huge), "*2\r\n" BULK(6, "reason") "$%d\r\n", DIRECTORY_REASON_MAX + 100);
	memset(huge + n, 'r', DIRECTORY_REASON_MAX + 100);
	memcpy(huge + n + DIRECTORY_REASON_MAX + 100, "\r\n", 3);
	find_fake(&k, huge);
	assert_int_equal(strlen(k.answer.record.reason), DIRECTORY_REASON_MAX);
}

static void a_reply_of_a_wrong_type_is_broken(void **s)
{
	(void)s;
	expect_broken("$3\r\nmb1\r\n", "wrong type");
	expect_broken(":1\r\n", "wrong type");
	expect_broken("+OK\r\n", "wrong type");
	expect_broken("$-1\r\n", "wrong type");
	expect_broken("*-1\r\n", "wrong type");
	expect_broken("*1\r\n" BULK(7, "backend"), "wrong type");
	expect_broken("*2\r\n" BULK(7, "backend") ":1\r\n", "wrong type");
	expect_broken("*2\r\n" BULK(7, "backend") "$-1\r\n", "wrong type");
	expect_broken("*2\r\n+backend\r\n" BULK(3, "mb1"), "wrong type");
	expect_broken("*2\r\n" BULK(7, "backend") "*1\r\n" BULK(3, "mb1"), "wrong type");
	expect_broken("-MOVED 1 10.0.0.1:6379\r\n", "Redis says: MOVED 1 10.0.0.1:6379");
}

static void the_key_holds_the_encoded_name_in_braces(void **s)
{
	struct asker k;
	char user[USER_NAME_MAX + 1];

	(void)s;
	open_directory(fake.port, OUTAGE_REFUSE);
	fake.answer = span_of("*0\r\n");
	find(&k, "a}b{ \303\274/@x");
	assert_true(span_is(fake.argv[0], "HGETALL"));
	assert_int_equal(fake.argc, 2);
	assert_true(span_is(fake.argv[1], "sluice:user:{a%7Db%7B%20%C3%BC%2F@x}"));
	memset(user, '*', USER_NAME_MAX);
	user[USER_NAME_MAX] = '\0';
	find(&k, user);
	assert_int_equal(fake.argv[1].n, strlen("sluice:user:{}") + 3 * USER_NAME_MAX);
}

static void no_user_can_reach_anothers_key(void **s)
{
	uint32_t dice = 1;

	(void)s;
	open_directory(fake.port, OUTAGE_REFUSE);
	fake.answer = span_of("*0\r\n");
	for (unsigned round = 0; round < 300; round++) {
		char user[64] = "", back[64];
		struct asker k;
		struct span name;
		size_t n, len = 1 + round % 60;

		for (size_t i = 0; i < len; i++) {
			dice = dice * 1664525 + 1013904223;
			user[i] = (char)(' ' + (dice >> 8) % 95);
		}
		find(&k, user);
		assert_int_equal(fake.argc, 2);
		assert_memory_equal(fake.argv[1].p, "sluice:user:{", 13);
		assert_int_equal(fake.argv[1].p[fake.argv[1].n - 1], '}');
		name = span_mem(fake.argv[1].p + 13, fake.argv[1].n - 14);
		assert_null(memchr(name.p, '}', name.n));
		assert_true(user_name_decode(name, back, sizeof(back), &n));
		assert_true(span_eq(span_mem(back, n), span_of(user)));
	}
}

/* ---- WRONGTYPE, then GET ---- */

static void find_string(struct asker *k, const char *answer)
{
	open_directory(fake.port, OUTAGE_REFUSE);
	fake.answer = span_of("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
	fake.commands = 0;
	start(k, "ada");
	wait_until(&loop, fake.commands == 1);
	fake.answer = span_of(answer);
	wait_until(&loop, k->times > 0);
	assert_true(span_is(fake.argv[0], "GET"));
	assert_true(span_is(fake.argv[1], "sluice:user:{ada}"));
}

static void a_string_is_the_backends_name(void **s)
{
	struct asker k;

	(void)s;
	find_string(&k, BULK(3, "mb2"));
	assert_int_equal(k.answer.result, DIRECTORY_FOUND);
	assert_ptr_equal(k.answer.record.backend, cluster->backends[1]);
	find_string(&k, BULK(3, "mb3"));
	assert_int_equal(k.answer.result, DIRECTORY_BROKEN);
	find_string(&k, "$-1\r\n");
	assert_int_equal(k.answer.result, DIRECTORY_UNKNOWN);
	find_string(&k, ":3\r\n");
	assert_int_equal(k.answer.result, DIRECTORY_BROKEN);
	find_string(&k, "-WRONGTYPE again\r\n");
	assert_int_equal(k.answer.result, DIRECTORY_BROKEN);
}

/* ---- outages ---- */

#define MB1 "*2\r\n" BULK(7, "backend") BULK(3, "mb1")

static void no_answer_is_down_with_a_reason(void **s)
{
	struct asker k;

	(void)s;
	open_directory(fake.port, OUTAGE_REFUSE);
	fake.cut = true;
	find(&k, "ada");
	assert_int_equal(k.answer.result, DIRECTORY_DOWN);
	assert_true(strlen(k.answer.why) > 0);
	assert_false(start(&k, "ada"));		/* not connected: at once */
	assert_int_equal(k.answer.result, DIRECTORY_DOWN);
	assert_non_null(strstr(k.answer.why, "not connected"));
	assert_null(k.query.driver);
}

static void teach_then_cut(enum directory_outage outage)
{
	struct asker k;

	open_directory(fake.port, outage);
	fake.answer = span_of(MB1);
	find(&k, "ada");
	fake.answer = span_of("*0\r\n");
	find(&k, "bob");
	fake.answer = span_of("*2\r\n" BULK(7, "backend") BULK(3, "mb9"));
	find(&k, "cyd");
	assert_int_equal(k.answer.result, DIRECTORY_BROKEN);
	fake.answer = span_of("");
	fake.cut = true;
}

static void what_was_known_last_serves_when_there_is_no_answer(void **s)
{
	struct asker k;

	(void)s;
	teach_then_cut(OUTAGE_LAST_KNOWN);
	find(&k, "ada");
	assert_int_equal(k.answer.result, DIRECTORY_FOUND);
	assert_true(k.answer.stale);
	assert_ptr_equal(k.answer.record.backend, cluster->backends[0]);
	assert_false(start(&k, "bob"));
	assert_int_equal(k.answer.result, DIRECTORY_UNKNOWN);
	assert_true(k.answer.stale);
	find(&k, "cyd");
	assert_int_equal(k.answer.result, DIRECTORY_DOWN);
	assert_false(k.answer.stale);
	find(&k, "dan");
	assert_int_equal(k.answer.result, DIRECTORY_DOWN);
}

static void nothing_known_serves_where_the_settings_refuse(void **s)
{
	struct asker k;

	(void)s;
	teach_then_cut(OUTAGE_REFUSE);
	find(&k, "ada");
	assert_int_equal(k.answer.result, DIRECTORY_DOWN);
	assert_false(k.answer.stale);
	open_directory(fake.port, OUTAGE_LAST_KNOWN);	/* and nothing was remembered */
	find(&k, "ada");
	assert_int_equal(k.answer.result, DIRECTORY_DOWN);
}

static void a_broken_record_is_broken_even_if_a_good_one_is_remembered(void **s)
{
	struct asker k;

	(void)s;
	open_directory(fake.port, OUTAGE_LAST_KNOWN);
	fake.answer = span_of(MB1);
	find(&k, "ada@example.org");
	expect_broken("*2\r\n" BULK(7, "backend") BULK(3, "mb9"), "mb9");
}

/* ---- owners ---- */

static void a_cancelled_query_is_not_told(void **s)
{
	struct asker k[3];

	(void)s;
	open_directory(fake.port, OUTAGE_REFUSE);
	fake.answer = span_of("*0\r\n");
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		start(&k[i], "ada");
	directory_cancel(directory, &k[1].query);
	directory_cancel(directory, &k[1].query);
	wait_until(&loop, k[0].times && k[2].times);
	run_for(&loop, 0.05);
	assert_int_equal(k[1].times, 0);
}

static void the_driver_may_go_while_queries_wait(void **s)
{
	struct asker k[2];

	(void)s;
	open_directory(fake.port, OUTAGE_REFUSE);
	start(&k[0], "ada");
	start(&k[1], "bob");
	directory_free(&directory);
	run_for(&loop, 0.05);
	assert_int_equal(k[0].times + k[1].times, 0);
	assert_null(k[0].query.driver);
}

static void on_answer_free(struct directory_query *q, const struct directory_answer *a)
{
	on_answer(q, a);
	directory_free(&directory);
}

static void an_answer_may_free_the_driver(void **s)
{
	struct asker k = { 0 };
	struct directory_answer a;

	(void)s;
	open_directory(fake.port, OUTAGE_REFUSE);
	fake.answer = span_of("*0\r\n");
	assert_false(directory_find(directory, span_of("ada"), &k.query, on_answer_free, &a));
	wait_until(&loop, k.times);
	run_for(&loop, 0.05);
	assert_int_equal(k.times, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_of_a_real_server_are_found),
		TEST(every_field_is_taken_and_unknown_ones_are_ignored),
		TEST(a_record_without_a_backend_is_a_record),
		TEST(an_empty_hash_is_no_record),
		TEST(names_the_settings_do_not_know_are_broken),
		TEST(a_login_as_that_is_no_user_name_is_broken),
		TEST(a_reason_is_made_printable_and_cut),
		TEST(a_reply_of_a_wrong_type_is_broken),
		TEST(the_key_holds_the_encoded_name_in_braces),
		TEST(no_user_can_reach_anothers_key),
		TEST(a_string_is_the_backends_name),
		TEST(no_answer_is_down_with_a_reason),
		TEST(what_was_known_last_serves_when_there_is_no_answer),
		TEST(nothing_known_serves_where_the_settings_refuse),
		TEST(a_broken_record_is_broken_even_if_a_good_one_is_remembered),
		TEST(a_cancelled_query_is_not_told),
		TEST(the_driver_may_go_while_queries_wait),
		TEST(an_answer_may_free_the_driver),
	};
	return cmocka_run_group_tests_name("directory_redis", tests, NULL, NULL);
}
