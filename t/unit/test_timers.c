#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "net/timers.h"

static struct timers ts;
static struct timer a, b, c;
static char ran[64];

static void fired(struct timer *t)
{
	assert_false(timer_is_running(t));
	strcat(ran, t == &a ? "a" : t == &b ? "b" : "c");
}

static int fresh(void **s)
{
	(void)s;
	timers_init(&ts, 1000);
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	memset(&c, 0, sizeof(c));
	ran[0] = '\0';
	return 0;
}

static void expect_at(double now, const char *want)
{
	ts.now = now;
	ran[0] = '\0';
	timers_run(&ts);
	assert_string_equal(ran, want);
}

static void none_running_means_no_wait(void **s)
{
	(void)s;
	assert_true(timers_wait(&ts) == -1);
	expect_at(2000, "");
}

static void a_timer_runs_once_when_it_is_due(void **s)
{
	(void)s;
	timers_start(&ts, &a, 10, fired);
	assert_true(timer_is_running(&a));
	assert_true(timers_wait(&ts) == 10);
	expect_at(1009, "");
	assert_true(timers_wait(&ts) == 1);
	expect_at(1010, "a");
	assert_false(timer_is_running(&a));
	expect_at(1100, "");
}

static void the_due_run_in_order_of_time_across_durations(void **s)
{
	(void)s;
	timers_start(&ts, &c, 30, fired);
	timers_start(&ts, &b, 20, fired);
	ts.now = 1005;
	timers_start(&ts, &a, 10, fired);
	assert_true(timers_wait(&ts) == 10);
	ts.now = 1016;
	assert_true(timers_wait(&ts) == 0);
	expect_at(1100, "abc");
}

static void what_is_stopped_does_not_run(void **s)
{
	(void)s;
	timers_start(&ts, &a, 10, fired);
	timers_start(&ts, &b, 10, fired);
	timers_start(&ts, &c, 10, fired);
	timers_stop(&ts, &b);
	timers_stop(&ts, &b);
	assert_false(timer_is_running(&b));
	expect_at(1010, "ac");
	timers_stop(&ts, &a);
}

static void starting_anew_begins_from_now(void **s)
{
	(void)s;
	timers_start(&ts, &a, 10, fired);
	timers_start(&ts, &b, 10, fired);
	ts.now = 1005;
	timers_start(&ts, &a, 10, fired);
	expect_at(1010, "b");
	timers_start(&ts, &a, 60, fired);
	expect_at(1015, "");
	expect_at(1070, "a");
}

static void again(struct timer *t)
{
	fired(t);
	timers_start(&ts, t, 0, again);
}

static void what_a_callback_starts_waits_for_the_next_run(void **s)
{
	(void)s;
	timers_start(&ts, &a, 0, again);
	assert_true(timers_wait(&ts) == 0);
	expect_at(1000, "a");
	assert_true(timers_wait(&ts) == 0);
	expect_at(1000, "a");
	timers_stop(&ts, &a);
}

static void stops_the_others(struct timer *t)
{
	fired(t);
	timers_stop(&ts, &b);
	timers_start(&ts, &c, 5, fired);
}

static void a_callback_may_stop_and_move_what_is_due_with_it(void **s)
{
	(void)s;
	timers_start(&ts, &a, 10, stops_the_others);
	timers_start(&ts, &b, 10, fired);
	timers_start(&ts, &c, 10, fired);
	expect_at(1010, "a");
	assert_false(timer_is_running(&b));
	assert_true(timers_wait(&ts) == 5);
	expect_at(1015, "c");
}

/* ---- more durations than lists ---- */

enum { MANY = 3 * TIMERS_LISTS };

static struct timer many[MANY];
static int order[MANY], nran;

static void many_fired(struct timer *t)
{
	order[nran++] = (int)(t - many);
}

static void start_many(void)
{
	nran = 0;
	memset(many, 0, sizeof(many));
	for (int i = 0; i < MANY; i++)
		timers_start(&ts, &many[i * 31 % MANY], 1 + i * 31 % MANY, many_fired);
}

static void too_many_durations_still_run_in_order(void **s)
{
	(void)s;
	start_many();
	assert_int_equal(ts.nlists, TIMERS_LISTS);
	assert_true(timers_wait(&ts) == 1);
	ts.now += MANY;
	timers_run(&ts);
	assert_int_equal(nran, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(order[i], i);
}

static void too_many_durations_stop_anywhere(void **s)
{
	(void)s;
	start_many();
	for (int i = 0; i < MANY; i += 2)
		timers_stop(&ts, &many[i]);
	ts.now += MANY;
	timers_run(&ts);
	assert_int_equal(nran, MANY / 2);
	for (int i = 0; i < nran; i++)
		assert_int_equal(order[i], 2 * i + 1);
}

static void a_list_left_empty_serves_another_duration(void **s)
{
	(void)s;
	for (int i = 0; i < 1000; i++) {
		timers_start(&ts, &a, 1 + i * 0.001, fired);
		timers_stop(&ts, &a);
	}
	assert_int_equal(ts.nlists, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		TEST(none_running_means_no_wait),
		TEST(a_timer_runs_once_when_it_is_due),
		TEST(the_due_run_in_order_of_time_across_durations),
		TEST(what_is_stopped_does_not_run),
		TEST(starting_anew_begins_from_now),
		TEST(what_a_callback_starts_waits_for_the_next_run),
		TEST(a_callback_may_stop_and_move_what_is_due_with_it),
		TEST(too_many_durations_still_run_in_order),
		TEST(too_many_durations_stop_anywhere),
		TEST(a_list_left_empty_serves_another_duration),
	};
	return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
