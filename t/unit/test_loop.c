/* Turns of the loop: what runs when. Conns are fakes that only count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"

static struct net_loop loop;
static char story[64];

static void tell_story(char c)
{
	size_t n = strlen(story);

	assert_true(n + 1 < sizeof(story));
	story[n] = c;
	story[n + 1] = '\0';
}

static int with_ev(void **state)
{
	(void)state;
	story[0] = '\0';
	net_loop_init(&loop, ev_loop_new(EVFLAG_AUTO));
	return 0;
}

static int without_ev(void **state)
{
	(void)state;
	story[0] = '\0';
	net_loop_init(&loop, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct ev_loop *ev = loop.ev;

	(void)state;
	net_loop_fini(&loop);
	if (ev)
		ev_loop_destroy(ev);
	return 0;
}

/* ---- fakes ---- */

struct fake {
	struct conn c;
	char letter;
	struct fake *closes;	/* when told */
	unsigned leaves_after;	/* calls; 0: never */
	unsigned told;
};

static void fake_close(struct conn *c)
{
	conn_ready_off(c);
	c->ops = NULL;
}

static const struct conn_ops fake_ops = { .close = fake_close };

static void fake_told(struct conn *c, unsigned events)
{
	struct fake *f = CONTAINER_OF(c, struct fake, c);

	assert_int_equal(events, CONN_READ);
	f->told++;
	if (f->letter)
		tell_story(f->letter);
	if (f->closes)
		conn_close(&f->closes->c);
	if (f->told == f->leaves_after)
		conn_ready_off(c);
}

static struct fake ready_fake(char letter)
{
	struct fake f = { .c = { .ops = &fake_ops, .loop = &loop, .on_event = fake_told }, .letter = letter };

	return f;
}

/* ---- ready conns ---- */

static void each_ready_conn_is_told_once_a_turn(void **s)
{
	struct fake f[3] = { ready_fake(0), ready_fake(0), ready_fake(0) };

	(void)s;
	for (int i = 0; i < 3; i++) {
		conn_ready_on(&f[i].c);
		conn_ready_on(&f[i].c);	/* twice is once */
	}
	for (unsigned turn = 1; turn <= 5; turn++) {
		net_loop_turn_end(&loop);
		for (int i = 0; i < 3; i++)
			assert_int_equal(f[i].told, turn);
	}
	for (int i = 0; i < 3; i++)
		conn_close(&f[i].c);
	assert_null(loop.ready);
}

static void a_ready_conn_that_another_closes_is_not_told(void **s)
{
	(void)s;
	for (int order = 0; order < 2; order++) {
		struct fake a = ready_fake('a'), b = ready_fake('b');

		a.closes = &b;
		b.closes = &a;
		conn_ready_on(order ? &a.c : &b.c);
		conn_ready_on(order ? &b.c : &a.c);
		story[0] = '\0';
		net_loop_turn_end(&loop);
		assert_int_equal(strlen(story), 1);
		assert_int_equal(a.told + b.told, 1);
		conn_close(&a.c);
		conn_close(&b.c);
		assert_null(loop.ready);
	}
}

static void a_ready_conn_may_close_itself(void **s)
{
	struct fake a = ready_fake('a'), b = ready_fake('b');

	(void)s;
	a.closes = &a;
	conn_ready_on(&b.c);
	conn_ready_on(&a.c);
	net_loop_turn_end(&loop);
	net_loop_turn_end(&loop);
	assert_int_equal(a.told, 1);
	assert_int_equal(b.told, 2);
	conn_close(&b.c);
}

static void any_ready_conn_can_leave(void **s)
{
	(void)s;
	for (int leaver = 0; leaver < 3; leaver++) {
		struct fake f[3] = { ready_fake(0), ready_fake(0), ready_fake(0) };

		for (int i = 0; i < 3; i++)
			conn_ready_on(&f[i].c);
		conn_ready_off(&f[leaver].c);
		conn_ready_off(&f[leaver].c);
		net_loop_turn_end(&loop);
		for (int i = 0; i < 3; i++)
			assert_int_equal(f[i].told, i == leaver ? 0 : 1);
		for (int i = 0; i < 3; i++)
			conn_close(&f[i].c);
	}
}

static void count_turn(struct ev_loop *ev, ev_check *w, int revents)
{
	(void)ev, (void)revents;
	++*(unsigned *)w->data;
}

/* No descriptor, no timer but the far guard: only ready conns can make the loop turn. */
static void the_loop_does_not_sleep_while_a_conn_is_ready(void **s)
{
	struct fake f = ready_fake(0);
	double from = clock_monotonic();

	(void)s;
	f.leaves_after = 100;
	conn_ready_on(&f.c);
	for (int i = 0; i < 100; i++)
		ev_run(loop.ev, EVRUN_ONCE);
	assert_int_equal(f.told, 100);
	assert_true(clock_monotonic() - from < 1.0);
}

static void guard_due(struct timer *t)
{
	(void)t;
	ev_break(loop.ev, EVBREAK_ALL);
}

static void the_loop_sleeps_when_none_is_ready(void **s)
{
	struct fake f = ready_fake(0);
	struct timer guard = { 0 };
	unsigned turns = 0;
	ev_check counter;

	(void)s;
	ev_check_init(&counter, count_turn);
	counter.data = &turns;
	ev_check_start(loop.ev, &counter);
	f.leaves_after = 3;
	conn_ready_on(&f.c);
	timers_start(&loop.timers, &guard, 0.1, guard_due);
	ev_run(loop.ev, 0);
	assert_int_equal(f.told, 3);
	assert_true(turns < 12);	/* 3, and the timer's, which the kernel may end a little early */
	ev_check_stop(loop.ev, &counter);
}

/* ---- the order of a turn ---- */

struct late {
	struct reap_item item;
	struct timer timer, break_timer;
	struct fake fake;
};

static void late_freed(struct reap_item *item)
{
	(void)item;
	tell_story('f');
}

static void late_timer(struct timer *t)
{
	struct late *l = CONTAINER_OF(t, struct late, timer);

	tell_story('t');
	reap_later(&loop.reap, &l->item, late_freed);
	conn_ready_on(&l->fake.c);
	timers_start(&loop.timers, &l->break_timer, 0.001, guard_due);
}

static void a_turn_runs_callbacks_then_timers_then_ready_conns_then_frees(void **s)
{
	struct late l = { .fake = ready_fake('r') };

	(void)s;
	l.fake.leaves_after = 1;
	timers_start(&loop.timers, &l.timer, 0.001, late_timer);
	ev_run(loop.ev, 0);
	assert_string_equal(story, "trf");
}

static void fed(struct ev_loop *ev, ev_io *w, int revents)
{
	(void)ev, (void)revents;
	tell_story('e');
	timers_start(&loop.timers, w->data, 0.01, guard_due);
}

/* What is fed at the end of a turn still runs before the loop sleeps, and a timer it starts wakes the loop. */
static void feed_later(struct timer *t);
static ev_io fed_watcher;
static void feed_later(struct timer *t)
{
	(void)t;
	ev_feed_event(loop.ev, &fed_watcher, EV_CUSTOM);
}

static void a_timer_started_by_a_late_event_is_not_slept_over(void **s)
{
	struct timer first = { 0 }, second = { 0 }, far = { 0 };
	double from = clock_monotonic();

	(void)s;
	ev_io_init(&fed_watcher, fed, -1, 0);
	fed_watcher.data = &second;
	timers_start(&loop.timers, &far, 5, guard_due);
	timers_start(&loop.timers, &first, 0.001, feed_later);
	ev_run(loop.ev, 0);
	assert_string_equal(story, "e");
	assert_true(clock_monotonic() - from < 2);
	timers_stop(&loop.timers, &far);
}

static void timers_are_neither_early_nor_lost(void **s)
{
	struct timer t = { 0 };
	double from;

	(void)s;
	for (int i = 0; i < 5; i++) {
		from = loop.timers.now;
		timers_start(&loop.timers, &t, 0.02, guard_due);
		ev_run(loop.ev, 0);
		assert_true(loop.timers.now - from >= 0.02);
		assert_true(loop.timers.now - from < 2);
	}
}

static void frees_still_waiting_run_when_the_loop_ends(void **s)
{
	static struct late l;

	(void)s;
	reap_later(&loop.reap, &l.item, late_freed);
	tear_down(NULL);
	assert_string_equal(story, "f");
	without_ev(NULL);
}

static void without_libev_the_owner_turns_the_loop(void **s)
{
	struct late l = { .fake = ready_fake('r') };

	(void)s;
	timers_start(&loop.timers, &l.timer, 60, late_timer);
	loop.timers.now = 61;
	timers_run(&loop.timers);
	net_loop_turn_end(&loop);
	assert_string_equal(story, "trf");
	conn_close(&l.fake.c);
	timers_stop(&loop.timers, &l.break_timer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_ready_conn_is_told_once_a_turn, without_ev, tear_down),
		cmocka_unit_test_setup_teardown(a_ready_conn_that_another_closes_is_not_told, without_ev, tear_down),
		cmocka_unit_test_setup_teardown(a_ready_conn_may_close_itself, without_ev, tear_down),
		cmocka_unit_test_setup_teardown(any_ready_conn_can_leave, without_ev, tear_down),
		cmocka_unit_test_setup_teardown(the_loop_does_not_sleep_while_a_conn_is_ready, with_ev, tear_down),
		cmocka_unit_test_setup_teardown(the_loop_sleeps_when_none_is_ready, with_ev, tear_down),
		cmocka_unit_test_setup_teardown(a_turn_runs_callbacks_then_timers_then_ready_conns_then_frees, with_ev, tear_down),
		cmocka_unit_test_setup_teardown(a_timer_started_by_a_late_event_is_not_slept_over, with_ev, tear_down),
		cmocka_unit_test_setup_teardown(timers_are_neither_early_nor_lost, with_ev, tear_down),
		cmocka_unit_test_setup_teardown(frees_still_waiting_run_when_the_loop_ends, without_ev, tear_down),
		cmocka_unit_test_setup_teardown(without_libev_the_owner_turns_the_loop, without_ev, tear_down),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
