/*
 * test_route.c - decisions over a directory that says what the test tells it to, at once or later, and a clock that the test moves.
 *
 * The cluster: a1 and a2 in the group pool (shared storage), b1 and b2 in the group box (shard); no weight in the group rest (r1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "net/loop.h"
#include "route/route.h"

/* ---- the fake directory ---- */

static struct {
	struct directory directory;
	struct directory_answer says;
	bool later;
	struct directory_query *waiting;
	char user[64];
	unsigned asked, cancelled, freed;
} dir;

static bool dir_find(struct directory *d, struct span user, struct directory_query *q, directory_fn *fn, struct directory_answer *a)
{
	assert_ptr_equal(d, &dir.directory);
	assert_null(dir.waiting);
	dir.asked++;
	snprintf(dir.user, sizeof(dir.user), "%.*s", (int)user.n, user.p);
	if (dir.later) {
		*q = (struct directory_query){ .fn = fn, .driver = &dir, .directory = d };
		dir.waiting = q;
		return false;
	}
	*a = dir.says;
	return true;
}

static void dir_cancel(struct directory *d, struct directory_query *q)
{
	(void)d;
	if (!q->driver)
		return;
	assert_ptr_equal(q, dir.waiting);
	q->driver = NULL;
	dir.waiting = NULL;
	dir.cancelled++;
}

static void dir_free(struct directory *d)
{
	(void)d;
	dir.freed++;
}

static void dir_answers(void)
{
	struct directory_query *q = dir.waiting;

	assert_non_null(q);
	dir.waiting = NULL;
	q->driver = NULL;
	q->fn(q, &dir.says);
}

/* ---- who asks ---- */

static struct cluster *cluster;
static struct net_loop loop;	/* of it, a route uses the timers only */
static struct route *route;
static struct route_query *query;
static struct route_answer answer;
static unsigned answers;

static struct backend *backend(const char *name)
{
	return cluster_find_backend(cluster, span_of(name));
}

static struct group *group(const char *name)
{
	return cluster_find_group(cluster, span_of(name));
}

static void start(const char *default_group, enum directory_outage outage)
{
	static const char *const groups[] = { "pool", "pool", "box", "box", "rest" };
	char err[128];

	cluster = cluster_new();
	cluster_add_backend(cluster, "a1");
	cluster_add_backend(cluster, "a2");
	cluster_add_backend(cluster, "b1");
	cluster_add_backend(cluster, "b2");
	cluster_add_backend(cluster, "r1")->weight = 0;
	cluster_add_group(cluster, "pool")->storage = STORAGE_SHARED;
	assert_true(cluster_finish(cluster, groups, default_group, err, sizeof(err)));
	memset(&dir, 0, sizeof(dir));
	dir.directory = (struct directory){ .find = dir_find, .cancel = dir_cancel, .free = dir_free };
	timers_init(&loop.timers, 1000);
	route = route_new(&loop, cluster, &dir.directory, outage);
	query = mem_new(sizeof(*query));
	answers = 0;
}

static void end(void)
{
	mem_free(&query);
	assert_int_equal(dir.freed, 0);
	route_free(&route);
	assert_null(route);
	assert_int_equal(dir.freed, 1);
	assert_true(timers_wait(&loop.timers) < 0);
	cluster_free(&cluster);
}

/* The asker may go away while it is told: nothing may look at the query afterwards. */
static void answered(struct route_query *q, const struct route_answer *a)
{
	assert_ptr_equal(q, query);
	assert_null(q->route);
	answer = *a;
	answers++;
	mem_free(&query);
	query = mem_new(sizeof(*query));
}

static bool find(const char *user)
{
	memset(&answer, 0xff, sizeof(answer));
	return route_find(route, span_of(user), query, answered, &answer);
}

static void find_now(const char *user)
{
	assert_true(find(user));
	assert_null(query->route);
	assert_int_equal(answers, 0);
}

static void pass(double seconds)
{
	loop.timers.now += seconds;
	timers_run(&loop.timers);
}

static void says_record(const char *backend_name, const char *group_name)
{
	dir.says = (struct directory_answer){ .result = DIRECTORY_FOUND };
	dir.says.record.backend = backend_name ? backend(backend_name) : NULL;
	dir.says.record.group = group_name ? group(group_name) : NULL;
	assert_true(!backend_name == !dir.says.record.backend && !group_name == !dir.says.record.group);
}

static void says(enum directory_result result, const char *why)
{
	dir.says = (struct directory_answer){ .result = result };
	snprintf(dir.says.why, sizeof(dir.says.why), "%s", why);
}

static void expect_found(const char *backend_name, const char *by)
{
	assert_int_equal(answer.result, ROUTE_FOUND);
	assert_string_equal(answer.backend->name, backend_name);
	assert_string_equal(answer.by, by);
	assert_string_equal(answer.why, "");
}

/* By hashing over g, whichever of it. */
static void expect_hashed(const char *user, const struct group *g)
{
	assert_int_equal(answer.result, ROUTE_FOUND);
	assert_string_equal(answer.by, "hash");
	assert_ptr_equal(answer.backend, g->backends[rendezvous_pick(span_of(user), g->nodes, g->n)]);
}

static void expect_refused(enum route_result result, const char *why)
{
	assert_int_equal(answer.result, result);
	assert_null(answer.backend);
	assert_string_equal(answer.why, why);
}

/* ---- records ---- */

static void a_recorded_backend_is_the_one(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	assert_ptr_equal(route_directory(route), &dir.directory);
	for (size_t i = 0; i < cluster->nbackends; i++) {
		says_record(cluster->backends[i]->name, NULL);
		find_now("ann");
		expect_found(cluster->backends[i]->name, "directory");
		assert_string_equal(answer.login_as, "");
	}
	assert_string_equal(dir.user, "ann");
	end();
}

static void a_recorded_backend_wins_over_its_group(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_record("b2", "box");
	find_now("ann");
	expect_found("b2", "directory");
	end();
}

static void a_backend_outside_the_recorded_group_is_no_route(void **s)
{
	(void)s;
	start(NULL, OUTAGE_HASH);
	says_record("b2", "pool");
	find_now("ann");
	expect_refused(ROUTE_MISCONFIGURED, "the record names backend b2, which is not in the record's group pool");
	end();
}

static void a_recorded_group_is_hashed_over(void **s)
{
	unsigned seen[2] = { 0 };
	char user[16];

	(void)s;
	start("pool", OUTAGE_REFUSE);
	says_record(NULL, "box");
	for (unsigned i = 0; i < 64; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		find_now(user);
		expect_hashed(user, group("box"));
		seen[answer.backend == backend("b2")]++;
	}
	assert_true(seen[0] > 0 && seen[1] > 0);
	end();
}

static void a_record_without_a_place_is_hashed_over_the_default_group(void **s)
{
	(void)s;
	start("pool", OUTAGE_REFUSE);
	says_record(NULL, NULL);
	strcpy(dir.says.record.login_as, "other");
	find_now("ann");
	expect_hashed("ann", group("pool"));
	assert_string_equal(answer.login_as, "other");
	end();
}

static void a_user_without_a_record_is_hashed_over_the_default_group(void **s)
{
	char user[16];

	(void)s;
	start("box", OUTAGE_REFUSE);
	says(DIRECTORY_UNKNOWN, "");
	strcpy(dir.says.record.login_as, "not looked at");
	for (unsigned i = 0; i < 64; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		find_now(user);
		expect_hashed(user, group("box"));
		assert_string_equal(answer.login_as, "");
	}
	end();
}

static void without_a_default_group_all_backends_are_hashed_over(void **s)
{
	unsigned seen[5] = { 0 };
	char user[16];

	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says(DIRECTORY_UNKNOWN, "");
	for (unsigned i = 0; i < 200; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		find_now(user);
		expect_hashed(user, cluster->default_group);
		seen[answer.backend->number]++;
	}
	assert_true(seen[0] && seen[1] && seen[2] && seen[3] && !seen[4]);
	end();
}

static void a_group_without_weight_is_no_route(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_record(NULL, "rest");
	find_now("ann");
	expect_refused(ROUTE_MISCONFIGURED, "every backend of group rest has weight 0");
	end();
}

static void a_login_name_comes_along_whole(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_record("a1", NULL);
	memset(dir.says.record.login_as, 'x', USER_NAME_MAX);
	find_now("ann");
	expect_found("a1", "directory");
	assert_int_equal(strlen(answer.login_as), USER_NAME_MAX);
	end();
}

static void a_closed_account_gives_the_operators_reason(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_record("a1", NULL);
	dir.says.record.state = USER_CLOSED;
	find_now("ann");
	expect_refused(ROUTE_CLOSED, "");
	memset(dir.says.record.reason, 'r', DIRECTORY_REASON_MAX);
	find_now("ann");
	expect_refused(ROUTE_CLOSED, dir.says.record.reason);
	end();
}

static void an_answer_without_sense_is_never_another_backend(void **s)
{
	(void)s;
	for (enum directory_outage o = OUTAGE_REFUSE; o <= OUTAGE_HASH; o++) {
		start("pool", o);
		says(DIRECTORY_BROKEN, "no such backend: mb9");
		find_now("ann");
		expect_refused(ROUTE_MISCONFIGURED, "no such backend: mb9");
		end();
	}
}

/* ---- outages ---- */

static void without_the_directory_logins_are_refused(void **s)
{
	(void)s;
	for (enum directory_outage o = OUTAGE_REFUSE; o <= OUTAGE_LAST_KNOWN; o++) {
		start("pool", o);
		says(DIRECTORY_DOWN, "connection refused");
		find_now("ann");
		expect_refused(ROUTE_UNAVAILABLE, "connection refused");
		end();
	}
}

static void without_the_directory_hashing_serves_shared_storage(void **s)
{
	(void)s;
	start("pool", OUTAGE_HASH);
	says(DIRECTORY_DOWN, "connection refused");
	find_now("ann");
	expect_hashed("ann", group("pool"));
	assert_string_equal(answer.why, "");
	end();
}

static void without_the_directory_shards_are_never_guessed(void **s)
{
	static const char *const groups[] = { "box", NULL };

	(void)s;
	for (size_t i = 0; i < 2; i++) {
		start(groups[i], OUTAGE_HASH);
		says(DIRECTORY_DOWN, "timeout");
		find_now("ann");
		expect_refused(ROUTE_UNAVAILABLE, "timeout");
		end();
	}
}

static void an_old_record_is_called_last_known(void **s)
{
	(void)s;
	start(NULL, OUTAGE_LAST_KNOWN);
	says_record("b1", NULL);
	dir.says.stale = true;
	find_now("ann");
	expect_found("b1", "last-known");
	end();
}

static void who_had_no_record_before_the_outage_is_hashed(void **s)
{
	(void)s;
	start("box", OUTAGE_LAST_KNOWN);
	says(DIRECTORY_UNKNOWN, "");
	dir.says.stale = true;
	find_now("ann");
	expect_hashed("ann", group("box"));
	end();
}

/* ---- answers that come later ---- */

static void an_answer_may_come_later(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	dir.later = true;
	assert_false(find("ann"));
	assert_ptr_equal(query->route, route);
	says_record("a2", NULL);
	strcpy(dir.says.record.login_as, "anna");
	assert_int_equal(answers, 0);
	dir_answers();
	assert_int_equal(answers, 1);
	expect_found("a2", "directory");
	assert_string_equal(answer.login_as, "anna");
	end();
}

static void a_query_can_be_used_again(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_record("a1", NULL);
	find_now("ann");
	find_now("ann");
	dir.later = true;
	assert_false(find("ann"));
	dir_answers();
	assert_int_equal(answers, 1);
	end();
}

static void a_cancelled_query_is_not_answered(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	route_cancel(query);
	assert_int_equal(dir.cancelled, 0);
	dir.later = true;
	assert_false(find("ann"));
	route_cancel(query);
	assert_int_equal(dir.cancelled, 1);
	assert_null(query->route);
	route_cancel(query);
	assert_int_equal(dir.cancelled, 1);
	assert_int_equal(answers, 0);
	end();
}

/* ---- hold ---- */

static void says_hold(void)
{
	says_record("a1", NULL);
	dir.says.record.state = USER_HOLD;
}

static void a_user_on_hold_waits_until_released(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_hold();
	assert_false(find("ann"));
	for (unsigned i = 1; i <= 5; i++) {
		pass(ROUTE_HOLD_PAUSE);
		assert_int_equal(dir.asked, i + 1);
		assert_int_equal(answers, 0);
	}
	says_record("b1", NULL);
	pass(ROUTE_HOLD_PAUSE / 2);
	assert_int_equal(answers, 0);
	pass(ROUTE_HOLD_PAUSE / 2);
	assert_int_equal(answers, 1);
	expect_found("b1", "directory");
	end();
}

static void a_hold_has_an_end(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_hold();
	assert_false(find("ann"));
	for (unsigned i = 1; i < ROUTE_HOLD_SECONDS / ROUTE_HOLD_PAUSE; i++)
		pass(ROUTE_HOLD_PAUSE);
	assert_int_equal(answers, 0);
	pass(ROUTE_HOLD_PAUSE);
	assert_int_equal(answers, 1);
	expect_refused(ROUTE_UNAVAILABLE, "the user was on hold for too long");
	assert_int_equal(dir.asked, 31);
	end();
}

static void a_late_clock_makes_no_hold_longer(void **s)
{
	double began;

	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_hold();
	began = loop.timers.now;
	assert_false(find("ann"));
	while (answers == 0)
		pass(ROUTE_HOLD_PAUSE + 0.07);
	expect_refused(ROUTE_UNAVAILABLE, "the user was on hold for too long");
	assert_true(loop.timers.now - began <= ROUTE_HOLD_SECONDS);
	end();
}

static void a_hold_by_a_slow_directory_goes_on_and_ends(void **s)
{
	double began;

	(void)s;
	start(NULL, OUTAGE_REFUSE);
	dir.later = true;
	says_hold();
	began = loop.timers.now;
	assert_false(find("ann"));
	dir_answers();
	while (answers == 0) {
		pass(ROUTE_HOLD_PAUSE);
		loop.timers.now += 0.5;
		dir_answers();
	}
	expect_refused(ROUTE_UNAVAILABLE, "the user was on hold for too long");
	assert_true(loop.timers.now - began > ROUTE_HOLD_SECONDS - ROUTE_HOLD_PAUSE);
	assert_true(loop.timers.now - began <= ROUTE_HOLD_SECONDS + 0.5);
	end();
}

static void a_user_on_hold_can_be_closed_or_lost(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_hold();
	assert_false(find("ann"));
	dir.says.record.state = USER_CLOSED;
	strcpy(dir.says.record.reason, "gone");
	pass(ROUTE_HOLD_PAUSE);
	expect_refused(ROUTE_CLOSED, "gone");
	says_hold();
	assert_false(find("ann"));
	says(DIRECTORY_DOWN, "timeout");
	pass(ROUTE_HOLD_PAUSE);
	expect_refused(ROUTE_UNAVAILABLE, "timeout");
	assert_int_equal(answers, 2);
	end();
}

static void the_next_login_has_its_own_hold(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_hold();
	assert_false(find("ann"));
	pass(ROUTE_HOLD_PAUSE);
	route_cancel(query);
	pass(ROUTE_HOLD_SECONDS);
	assert_int_equal(answers, 0);
	assert_int_equal(dir.asked, 2);
	assert_false(find("ann"));
	pass(ROUTE_HOLD_PAUSE);
	assert_int_equal(answers, 0);
	route_cancel(query);
	end();
}

static void a_hold_can_be_cancelled_at_any_time(void **s)
{
	(void)s;
	start(NULL, OUTAGE_REFUSE);
	says_hold();
	assert_false(find("ann"));		/* while the pause runs */
	route_cancel(query);
	assert_int_equal(dir.cancelled, 0);
	assert_true(timers_wait(&loop.timers) < 0);
	assert_false(find("ann"));
	dir.later = true;
	pass(ROUTE_HOLD_PAUSE);			/* while the directory is asked again */
	route_cancel(query);
	assert_int_equal(dir.cancelled, 1);
	pass(ROUTE_HOLD_SECONDS);
	assert_int_equal(answers, 0);
	assert_int_equal(dir.asked, 3);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_backend_is_the_one),
		cmocka_unit_test(a_recorded_backend_wins_over_its_group),
		cmocka_unit_test(a_backend_outside_the_recorded_group_is_no_route),
		cmocka_unit_test(a_recorded_group_is_hashed_over),
		cmocka_unit_test(a_record_without_a_place_is_hashed_over_the_default_group),
		cmocka_unit_test(a_user_without_a_record_is_hashed_over_the_default_group),
		cmocka_unit_test(without_a_default_group_all_backends_are_hashed_over),
		cmocka_unit_test(a_group_without_weight_is_no_route),
		cmocka_unit_test(a_login_name_comes_along_whole),
		cmocka_unit_test(a_closed_account_gives_the_operators_reason),
		cmocka_unit_test(an_answer_without_sense_is_never_another_backend),
		cmocka_unit_test(without_the_directory_logins_are_refused),
		cmocka_unit_test(without_the_directory_hashing_serves_shared_storage),
		cmocka_unit_test(without_the_directory_shards_are_never_guessed),
		cmocka_unit_test(an_old_record_is_called_last_known),
		cmocka_unit_test(who_had_no_record_before_the_outage_is_hashed),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(a_query_can_be_used_again),
		cmocka_unit_test(a_cancelled_query_is_not_answered),
		cmocka_unit_test(a_user_on_hold_waits_until_released),
		cmocka_unit_test(a_hold_has_an_end),
		cmocka_unit_test(a_late_clock_makes_no_hold_longer),
		cmocka_unit_test(a_hold_by_a_slow_directory_goes_on_and_ends),
		cmocka_unit_test(a_user_on_hold_can_be_closed_or_lost),
		cmocka_unit_test(the_next_login_has_its_own_hold),
		cmocka_unit_test(a_hold_can_be_cancelled_at_any_time),
	};
	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
