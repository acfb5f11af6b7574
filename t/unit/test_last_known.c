#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "route/directory.h"
#include "route/last_known.h"

static struct cluster *cluster;
static struct last_known *known;

/* Backends mb1 and mb2 in the groups blue and green, or only mb2. */
static struct cluster *make_cluster(bool with_mb1)
{
	struct cluster *c = cluster_new();
	const char *groups[2] = { "blue", "green" };
	char err[200];

	if (with_mb1)
		cluster_add_backend(c, "mb1");
	cluster_add_backend(c, "mb2");
	assert_true(cluster_finish(c, with_mb1 ? groups : groups + 1, NULL, err, sizeof(err)));
	return c;
}

static int set_up(void **s)
{
	(void)s;
	cluster = make_cluster(true);
	known = last_known_new();
	return 0;
}

static int tear_down(void **s)
{
	(void)s;
	last_known_free(&known);
	cluster_free(&cluster);
	return 0;
}

static struct directory_record a_record(const char *backend, const char *group)
{
	struct directory_record r = { .state = USER_CLOSED };

	r.backend = backend ? cluster_find_backend(cluster, span_of(backend)) : NULL;
	r.group = group ? cluster_find_group(cluster, span_of(group)) : NULL;
	snprintf(r.login_as, sizeof(r.login_as), "Somebody@Example.ORG");
	snprintf(r.reason, sizeof(r.reason), "moved away");
	return r;
}

static void put(const char *user, const struct directory_record *r)
{
	last_known_put(known, span_of(user), r);
}

static bool find(const char *user, struct directory_record *r, bool *has_record)
{
	memset(r, 'x', sizeof(*r));
	return last_known_find(known, cluster, span_of(user), r, has_record);
}

static bool is_known(const char *user)
{
	struct directory_record r;
	bool has_record;

	return find(user, &r, &has_record);
}

static void what_was_put_is_found(void **s)
{
	struct directory_record r = a_record("mb1", "green"), got;
	bool has_record;

	(void)s;
	put("ada@example.org", &r);
	assert_true(find("ada@example.org", &got, &has_record));
	assert_true(has_record);
	assert_ptr_equal(got.backend, r.backend);
	assert_ptr_equal(got.group, r.group);
	assert_int_equal(got.state, USER_CLOSED);
	assert_string_equal(got.login_as, "Somebody@Example.ORG");
	assert_string_equal(got.reason, "moved away");
}

static void a_record_of_nothing_is_a_record(void **s)
{
	struct directory_record r = { 0 }, got;
	bool has_record;

	(void)s;
	put("ada", &r);
	assert_true(find("ada", &got, &has_record));
	assert_true(has_record);
	assert_null(got.backend);
	assert_null(got.group);
	assert_int_equal(got.state, USER_ACTIVE);
	assert_string_equal(got.login_as, "");
	assert_string_equal(got.reason, "");
}

static void the_longest_strings_come_back_whole(void **s)
{
	struct directory_record r = a_record("mb2", NULL), got;
	char user[USER_NAME_MAX + 1];
	bool has_record;

	(void)s;
	memset(user, 'u', USER_NAME_MAX);
	user[USER_NAME_MAX] = '\0';
	memset(r.login_as, 'l', USER_NAME_MAX);
	memset(r.reason, 'r', DIRECTORY_REASON_MAX);
	put(user, &r);
	assert_true(find(user, &got, &has_record));
	assert_string_equal(got.login_as, r.login_as);
	assert_string_equal(got.reason, r.reason);
	user[USER_NAME_MAX - 1] = '\0';
	assert_false(is_known(user));
}

static void that_there_is_no_record_is_remembered_too(void **s)
{
	struct directory_record got;
	bool has_record = true;

	(void)s;
	put("ada", NULL);
	assert_true(find("ada", &got, &has_record));
	assert_false(has_record);
	assert_null(got.backend);
	assert_string_equal(got.login_as, "");
}

static void nothing_is_known_of_who_was_never_asked_for(void **s)
{
	struct directory_record r = a_record("mb1", NULL), got;
	bool has_record = true;

	(void)s;
	assert_false(find("ada", &got, &has_record));
	put("ada", &r);
	assert_false(find("ad", &got, &has_record));
	assert_false(find("adaa", &got, &has_record));
	assert_false(has_record);
	assert_null(got.backend);
}

static void the_last_word_counts(void **s)
{
	struct directory_record r = a_record("mb1", NULL), got;
	bool has_record;

	(void)s;
	put("ada", &r);
	put("ada", NULL);
	assert_true(find("ada", &got, &has_record));
	assert_false(has_record);
	r = a_record("mb2", NULL);
	put("ada", &r);
	assert_true(find("ada", &got, &has_record));
	assert_true(has_record);
	assert_ptr_equal(got.backend, r.backend);
}

static void records_outlive_the_settings_but_not_their_backends(void **s)
{
	struct directory_record one = a_record("mb1", NULL), two = a_record("mb2", "green"), three = a_record(NULL, "blue"), got;
	bool has_record;

	(void)s;
	put("one", &one);
	put("two", &two);
	put("three", &three);
	cluster_free(&cluster);
	cluster = make_cluster(false);
	assert_false(find("one", &got, &has_record));
	assert_null(got.backend);
	assert_string_equal(got.login_as, "");
	assert_false(find("three", &got, &has_record));
	assert_true(find("two", &got, &has_record));
	assert_ptr_equal(got.backend, cluster->backends[0]);
	assert_string_equal(got.group->name, "green");
}

/* Enough to fill every shard, however unevenly the names fall. */
static void flood(const char *kind, const struct directory_record *r)
{
	char user[32];

	for (unsigned i = 0; i < LAST_KNOWN_USERS / 100 * 110; i++) {
		snprintf(user, sizeof(user), "%s%u", kind, i);
		put(user, r);
		if (i % 1000 == 0)
			is_known("asked-for");
	}
}

static unsigned count_known(const char *kind)
{
	char user[32];
	unsigned n = 0;

	for (unsigned i = 0; i < LAST_KNOWN_USERS / 100 * 110; i++) {
		snprintf(user, sizeof(user), "%s%u", kind, i);
		n += is_known(user);
	}
	return n;
}

static void the_one_asked_for_longest_ago_goes_first_and_who_has_no_record_before_all(void **s)
{
	struct directory_record r = { .state = USER_HOLD };

	(void)s;
	put("asked-for", &r);
	put("never-asked-for", &r);
	flood("x", NULL);
	assert_true(is_known("asked-for"));
	assert_true(is_known("never-asked-for"));	/* it has a record */
	put("never-asked-for", &r);
	flood("r", &r);
	assert_true(is_known("asked-for"));
	assert_false(is_known("never-asked-for"));
	assert_in_range(count_known("r"), LAST_KNOWN_USERS * 0.95, LAST_KNOWN_USERS);
	assert_int_equal(count_known("x"), 0);
}

static void *put_and_find(void *arg)
{
	struct directory_record r = a_record("mb1", "blue"), got;
	char user[32];
	bool has_record;

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(user, sizeof(user), "user%u", i % 100);
		if (i % 3 == 0)
			put(user, i % 2 ? &r : NULL);
		if (find(user, &got, &has_record) && has_record && strcmp(got.reason, "moved away") != 0)
			*(bool *)arg = false;
	}
	return NULL;
}

static void workers_may_use_it_at_the_same_time(void **s)
{
	pthread_t threads[4];
	bool fine[4] = { true, true, true, true };

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_and_find, &fine[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_true(fine[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_found),
		TEST(a_record_of_nothing_is_a_record),
		TEST(the_longest_strings_come_back_whole),
		TEST(that_there_is_no_record_is_remembered_too),
		TEST(nothing_is_known_of_who_was_never_asked_for),
		TEST(the_last_word_counts),
		TEST(records_outlive_the_settings_but_not_their_backends),
		TEST(the_one_asked_for_longest_ago_goes_first_and_who_has_no_record_before_all),
		TEST(workers_may_use_it_at_the_same_time),
	};
	return cmocka_run_group_tests_name("last_known", tests, NULL, NULL);
}
