#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/mem.h"
#include "route/limits.h"

static struct limits *limits;
static struct limits_conf conf;
static double now;

static int set_up(void **s)
{
	(void)s;
	limits = limits_new();
	conf = (struct limits_conf){ 0 };
	now = 1000;
	return 0;
}

static int tear_down(void **s)
{
	(void)s;
	limits_free(&limits);
	assert_null(limits);
	return 0;
}

static struct addr an_addr(const char *ip)
{
	struct addr a;

	assert_true(addr_parse_ip(&a, span_of(ip)));
	return a;
}

static enum limits_verdict arrive(const char *ip, struct limits_ticket *t)
{
	struct addr a = an_addr(ip);

	return limits_arrive(limits, &conf, &a, now, t);
}

static void leave(struct limits_ticket *t)
{
	limits_leave(limits, t, now);
}

static enum limits_verdict log_in(const char *user, const char *ip, unsigned *counted)
{
	struct addr a = an_addr(ip);

	return limits_log_in(limits, &conf, span_of(user), &a, counted);
}

static void log_out(const char *user, const char *ip, unsigned counted)
{
	struct addr a = an_addr(ip);

	limits_log_out(limits, span_of(user), &a, counted);
}

static void without_limits_all_may_come(void **s)
{
	struct limits_ticket t[100];
	unsigned counted;

	(void)s;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(arrive("192.0.2.1", &t[i]), LIMITS_OK);
		assert_int_equal(log_in("anna", "192.0.2.1", &counted), LIMITS_OK);
		assert_int_equal(counted, 0);
	}
	assert_int_equal(limits_not_logged_in(limits), 100);
	for (unsigned i = 0; i < 100; i++)
		leave(&t[i]);
	assert_int_equal(limits_not_logged_in(limits), 0);
	assert_int_equal(limits_entries(limits), 0);
}

static void an_address_has_as_many_as_it_may_and_others_have_theirs(void **s)
{
	struct limits_ticket t[4];

	(void)s;
	conf.not_logged_in_per_address = 2;
	assert_int_equal(arrive("192.0.2.1", &t[0]), LIMITS_OK);
	assert_int_equal(arrive("192.0.2.1", &t[1]), LIMITS_OK);
	assert_int_equal(arrive("192.0.2.1", &t[2]), LIMITS_ADDRESS_FULL);
	assert_int_equal(arrive("192.0.2.2", &t[3]), LIMITS_OK);
	assert_int_equal(limits_not_logged_in(limits), 3);
	leave(&t[2]);			/* was not counted: nothing happens */
	assert_int_equal(limits_not_logged_in(limits), 3);
	leave(&t[0]);
	leave(&t[0]);
	assert_int_equal(arrive("192.0.2.1", &t[0]), LIMITS_OK);
	assert_int_equal(arrive("192.0.2.1", &t[2]), LIMITS_ADDRESS_FULL);
	leave(&t[0]);
	leave(&t[1]);
	leave(&t[3]);
	assert_int_equal(limits_entries(limits), 0);
}

static void ports_do_not_make_addresses_different(void **s)
{
	struct limits_ticket t[2];
	struct addr a = an_addr("192.0.2.1"), b = a;

	(void)s;
	conf.not_logged_in_per_address = 1;
	a.port = 1;
	b.port = 2;
	assert_int_equal(limits_arrive(limits, &conf, &a, now, &t[0]), LIMITS_OK);
	assert_int_equal(limits_arrive(limits, &conf, &b, now, &t[1]), LIMITS_ADDRESS_FULL);
	leave(&t[0]);
}

static void the_addresses_of_a_64_share_its_limit(void **s)
{
	struct limits_ticket t[4];

	(void)s;
	conf.not_logged_in_per_address = 2;
	conf.not_logged_in_per_64 = 3;
	assert_int_equal(arrive("2001:db8::1", &t[0]), LIMITS_OK);
	assert_int_equal(arrive("2001:db8::1", &t[1]), LIMITS_OK);
	assert_int_equal(arrive("2001:db8::1", &t[2]), LIMITS_ADDRESS_FULL);
	assert_int_equal(arrive("2001:db8::ffff:2", &t[2]), LIMITS_OK);
	assert_int_equal(arrive("2001:db8::3", &t[3]), LIMITS_NETWORK_FULL);
	assert_int_equal(arrive("2001:db8:0:1::3", &t[3]), LIMITS_OK);
	for (unsigned i = 0; i < 4; i++)
		leave(&t[i]);
	assert_int_equal(limits_entries(limits), 0);
}

static void an_ipv4_address_is_no_part_of_a_64(void **s)
{
	struct limits_ticket t[3];

	(void)s;
	conf.not_logged_in_per_64 = 1;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(arrive("192.0.2.1", &t[i]), LIMITS_OK);
	for (unsigned i = 0; i < 3; i++)
		leave(&t[i]);
}

static void one_too_many_in_all_is_counted_and_told(void **s)
{
	struct limits_ticket t[3];

	(void)s;
	conf.not_logged_in = 2;
	assert_int_equal(arrive("192.0.2.1", &t[0]), LIMITS_OK);
	assert_int_equal(arrive("192.0.2.2", &t[1]), LIMITS_OK);
	assert_int_equal(arrive("192.0.2.3", &t[2]), LIMITS_CROWDED);
	assert_int_equal(limits_not_logged_in(limits), 3);
	leave(&t[0]);
	assert_int_equal(limits_not_logged_in(limits), 2);
	assert_int_equal(arrive("192.0.2.3", &t[0]), LIMITS_CROWDED);
	for (unsigned i = 0; i < 3; i++)
		leave(&t[i]);
	assert_int_equal(limits_not_logged_in(limits), 0);
}

static void as_many_connections_a_second_come_in_as_may(void **s)
{
	struct limits_ticket t;
	unsigned came = 0;

	(void)s;
	conf.connections_per_second = 10;
	for (unsigned i = 0; i < 50; i++) {
		if (arrive("192.0.2.1", &t) == LIMITS_OK)
			came++;
		leave(&t);
	}
	assert_int_equal(came, 10);
	assert_int_equal(arrive("192.0.2.1", &t), LIMITS_TOO_FAST);
	now += 0.1;
	assert_int_equal(arrive("192.0.2.1", &t), LIMITS_OK);
	leave(&t);
	assert_int_equal(arrive("192.0.2.1", &t), LIMITS_TOO_FAST);
	assert_int_equal(arrive("192.0.2.2", &t), LIMITS_OK);
	leave(&t);
}

static void over_ten_seconds_no_more_than_the_rate_and_one_burst_come_in(void **s)
{
	struct limits_ticket t;
	unsigned came = 0;

	(void)s;
	conf.connections_per_second = 7;
	for (unsigned i = 0; i < 1000; i++) {
		if (arrive("2001:db8::1", &t) == LIMITS_OK)
			came++;
		leave(&t);
		now += 0.01;
	}
	assert_in_range(came, 70, 77);
}

static void connections_of_a_64_are_counted_together(void **s)
{
	struct limits_ticket t;

	(void)s;
	conf.connections_per_second = 1;
	assert_int_equal(arrive("2001:db8::1", &t), LIMITS_OK);
	leave(&t);
	assert_int_equal(arrive("2001:db8::2", &t), LIMITS_TOO_FAST);
	assert_int_equal(arrive("2001:db8:0:1::1", &t), LIMITS_OK);
	leave(&t);
}

static void who_came_and_went_is_forgotten(void **s)
{
	struct limits_ticket t;
	char ip[32];

	(void)s;
	conf.connections_per_second = 5;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(arrive(ip, &t), LIMITS_OK);
		leave(&t);
		now += 0.001;
	}
	assert_in_range(limits_entries(limits), 1, 25000);
	now += LIMITS_SWEEP + 1;
	for (unsigned i = 0; i < 20000; i++) {		/* each shard is looked at */
		snprintf(ip, sizeof(ip), "10.99.%u.%u", i >> 8, i & 255);
		arrive(ip, &t);
		leave(&t);
		now += 1;
	}
	assert_in_range(limits_entries(limits), 1, 2000);
}

static void exempt_ones_are_held_to_the_total_only(void **s)
{
	struct cidr net;
	struct limits_ticket t[4];
	unsigned counted;
	char err[200];

	(void)s;
	assert_true(cidr_parse(&net, "192.0.2.0/24", err, sizeof(err)));
	conf = (struct limits_conf){ 3, 1, 1, 1, 1, 1, { &net, 1 } };
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(arrive("192.0.2.1", &t[i]), LIMITS_OK);
	assert_int_equal(arrive("192.0.2.1", &t[3]), LIMITS_CROWDED);
	assert_int_equal(limits_entries(limits), 0);
	for (unsigned i = 0; i < 4; i++)
		leave(&t[i]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(log_in("anna", "192.0.2.1", &counted), LIMITS_OK);
		assert_int_equal(counted, 0);
	}
	assert_int_equal(arrive("198.51.100.1", &t[0]), LIMITS_OK);
	assert_int_equal(arrive("198.51.100.1", &t[1]), LIMITS_TOO_FAST);
	leave(&t[0]);
}

static void who_comes_over_a_unix_socket_has_no_address(void **s)
{
	struct addr nameless = { .family = AF_UNIX };
	struct limits_ticket t[3];
	unsigned counted[2];

	(void)s;
	conf = (struct limits_conf){ 0, 1, 1, 1, 1, 1, { NULL, 0 } };
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(limits_arrive(limits, &conf, &nameless, now, &t[i]), LIMITS_OK);
	assert_int_equal(limits_log_in(limits, &conf, span_of("anna"), &nameless, &counted[0]), LIMITS_OK);
	assert_int_equal(limits_log_in(limits, &conf, span_of("anna"), &nameless, &counted[1]), LIMITS_USER_FULL);
	limits_log_out(limits, span_of("anna"), &nameless, counted[0]);
	for (unsigned i = 0; i < 3; i++)
		leave(&t[i]);
	assert_int_equal(limits_entries(limits), 0);
}

static void a_user_has_as_many_sessions_as_may_be(void **s)
{
	unsigned counted[4];

	(void)s;
	conf.sessions_per_user = 3;
	conf.sessions_per_user_address = 2;
	assert_int_equal(log_in("anna", "192.0.2.1", &counted[0]), LIMITS_OK);
	assert_int_equal(log_in("anna", "192.0.2.1", &counted[1]), LIMITS_OK);
	assert_int_equal(log_in("anna", "192.0.2.1", &counted[2]), LIMITS_USER_ADDRESS_FULL);
	assert_int_equal(counted[2], 0);
	assert_int_equal(log_in("anna", "192.0.2.2", &counted[2]), LIMITS_OK);
	assert_int_equal(log_in("anna", "192.0.2.3", &counted[3]), LIMITS_USER_FULL);
	assert_int_equal(log_in("ann", "192.0.2.3", &counted[3]), LIMITS_OK);
	log_out("ann", "192.0.2.3", counted[3]);
	log_out("anna", "192.0.2.1", counted[0]);
	assert_int_equal(log_in("anna", "192.0.2.3", &counted[3]), LIMITS_OK);
	log_out("anna", "192.0.2.1", counted[1]);
	log_out("anna", "192.0.2.2", counted[2]);
	log_out("anna", "192.0.2.3", counted[3]);
	assert_int_equal(limits_entries(limits), 0);
}

static void what_was_counted_is_given_back_after_a_reload_without_limits(void **s)
{
	struct limits_ticket t;
	unsigned counted;

	(void)s;
	conf = (struct limits_conf){ 5, 5, 5, 0, 5, 5, { NULL, 0 } };
	assert_int_equal(arrive("2001:db8::1", &t), LIMITS_OK);
	assert_int_equal(log_in("anna", "2001:db8::1", &counted), LIMITS_OK);
	conf = (struct limits_conf){ 0 };
	leave(&t);
	log_out("anna", "2001:db8::1", counted);
	assert_int_equal(limits_entries(limits), 0);
}

static void the_longest_name_fits(void **s)
{
	char name[1025];
	unsigned counted;

	(void)s;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	conf.sessions_per_user = conf.sessions_per_user_address = 1;
	assert_int_equal(log_in(name, "2001:db8::1", &counted), LIMITS_OK);
	log_out(name, "2001:db8::1", counted);
	assert_int_equal(limits_entries(limits), 0);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS 3000

static atomic_uint inside, most_inside, logins, crowded;

static void note_most(unsigned n)
{
	unsigned most = atomic_load(&most_inside);

	while (n > most && !atomic_compare_exchange_weak(&most_inside, &most, n))
		;
}

static void *come_and_go(void *arg)
{
	struct addr a = an_addr("2001:db8::1");
	struct limits_ticket t;

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		a.ip[7] = (unsigned char)(i % 3);
		a.ip[15] = (unsigned char)(i % 5);
		switch (limits_arrive(limits, &conf, &a, now + i * 0.001, &t)) {
		case LIMITS_CROWDED:
			atomic_fetch_add(&crowded, 1);
			/* fall through */
		case LIMITS_OK:
			if (a.ip[7] == 0) {
				note_most(atomic_fetch_add(&inside, 1) + 1);
				atomic_fetch_sub(&inside, 1);
			}
			break;
		default:
			break;
		}
		limits_leave(limits, &t, now + i * 0.001);
	}
	return NULL;
}

static void *log_in_often(void *arg)
{
	struct addr a = an_addr("192.0.2.1");
	unsigned counted;

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++)
		if (limits_log_in(limits, &conf, span_of("anna"), &a, &counted) == LIMITS_OK)
			atomic_fetch_add(&logins, 1);
	return NULL;
}

static void in_threads(void *(*fn)(void *))
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void with_many_threads_exactly_as_many_get_in_as_may(void **s)
{
	(void)s;
	conf.sessions_per_user = 777;
	atomic_store(&logins, 0);
	in_threads(log_in_often);
	assert_int_equal(atomic_load(&logins), 777);
	assert_int_equal(limits_entries(limits), 1);
	for (unsigned i = 0; i < 777; i++)
		log_out("anna", "192.0.2.1", LIMITS_BY_USER);
	assert_int_equal(limits_entries(limits), 0);
}

static void with_many_threads_nothing_stays_counted(void **s)
{
	(void)s;
	conf.not_logged_in = 4;
	conf.not_logged_in_per_address = 4;
	conf.not_logged_in_per_64 = 3;
	atomic_store(&most_inside, 0);
	in_threads(come_and_go);
	assert_in_range(atomic_load(&most_inside), 1, 3);
	assert_int_equal(limits_not_logged_in(limits), 0);
	assert_int_equal(limits_entries(limits), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_limits_all_may_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_address_has_as_many_as_it_may_and_others_have_theirs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ports_do_not_make_addresses_different, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_addresses_of_a_64_share_its_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_ipv4_address_is_no_part_of_a_64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_too_many_in_all_is_counted_and_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_many_connections_a_second_come_in_as_may, set_up, tear_down),
		cmocka_unit_test_setup_teardown(over_ten_seconds_no_more_than_the_rate_and_one_burst_come_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_of_a_64_are_counted_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_came_and_went_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(exempt_ones_are_held_to_the_total_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_comes_over_a_unix_socket_has_no_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_user_has_as_many_sessions_as_may_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_counted_is_given_back_after_a_reload_without_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_name_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(with_many_threads_exactly_as_many_get_in_as_may, set_up, tear_down),
		cmocka_unit_test_setup_teardown(with_many_threads_nothing_stays_counted, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
