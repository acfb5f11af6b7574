#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "route/backend.h"

static char err[256];

/* A cluster of the named backends, groups beside them; NULL ends both. Finished, or NULL and err. */
static struct cluster *make(const char *const *names, const char *const *groups, const char *default_group)
{
	struct cluster *c = cluster_new();

	for (; *names; names++)
		cluster_add_backend(c, *names);
	err[0] = '\0';
	if (!cluster_finish(c, groups, default_group, err, sizeof(err)))
		cluster_free(&c);
	return c;
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void a_new_backend_has_the_defaults(void **s)
{
	struct cluster *c = cluster_new();
	struct backend *b = cluster_add_backend(c, "mb1");

	(void)s;
	assert_string_equal(b->name, "mb1");
	assert_int_equal(b->number, 0);
	assert_int_equal(b->tls, TLS_NONE);
	assert_true(b->tls_verify);
	assert_null(b->tls_ca);
	assert_null(b->tls_name);
	assert_int_equal(b->weight, 100);
	assert_true(b->trusted);
	assert_true(b->pipelining);
	assert_int_equal(b->auth, BACKEND_AUTH_FORWARD);
	assert_int_equal(b->method, BACKEND_METHOD_AUTO);
	assert_int_equal(b->sessions, 0);
	cluster_free(&c);
	assert_null(c);
	cluster_free(&c);
}

static void a_backend_is_found_by_its_whole_name_only(void **s)
{
	static const char *const names[] = { "m", "z9", "mb1", "a", "mb10", "MB1", "mb", "b_2", NULL };
	struct cluster *c = cluster_new();

	(void)s;
	assert_null(cluster_find_backend(c, span_of("m")));
	for (size_t i = 0; names[i]; i++) {
		cluster_add_backend(c, names[i]);
		for (size_t j = 0; names[j]; j++) {
			struct backend *b = cluster_find_backend(c, span_of(names[j]));

			assert_true(j <= i ? b && b == c->backends[j] && b->number == j : !b);
		}
	}
	assert_null(cluster_find_backend(c, span_of("")));
	assert_null(cluster_find_backend(c, span_mem(NULL, 0)));
	assert_null(cluster_find_backend(c, span_of("mb100")));
	assert_null(cluster_find_backend(c, span_mem("mb1\0", 4)));
	assert_ptr_equal(cluster_find_backend(c, span_mem("mb10", 3)), c->backends[2]);
	cluster_free(&c);
}

static void a_group_is_added_once_and_shards(void **s)
{
	struct cluster *c = cluster_new();
	struct group *g = cluster_add_group(c, "pool");

	(void)s;
	assert_int_equal(g->storage, STORAGE_SHARD);
	g->storage = STORAGE_SHARED;
	assert_ptr_equal(cluster_add_group(c, "pool"), g);
	assert_ptr_not_equal(cluster_add_group(c, "poo"), g);
	assert_int_equal(c->ngroups, 2);
	assert_ptr_equal(cluster_find_group(c, span_of("pool")), g);
	assert_null(cluster_find_group(c, span_of("pools")));
	cluster_free(&c);
}

static void a_groups_lists_keep_the_order_of_the_settings(void **s)
{
	struct cluster *c = cluster_new();
	struct group *g;

	(void)s;
	cluster_add_group(c, "south")->storage = STORAGE_SHARED;
	cluster_add_backend(c, "z")->weight = 7;
	cluster_add_backend(c, "y");
	cluster_add_backend(c, "x")->weight = 0;
	assert_true(cluster_finish(c, LIST("south", "north", "south"), NULL, err, sizeof(err)));
	g = cluster_find_group(c, span_of("south"));
	assert_int_equal(g->storage, STORAGE_SHARED);
	assert_int_equal(g->n, 2);
	assert_ptr_equal(g->backends[0], c->backends[0]);
	assert_ptr_equal(g->backends[1], c->backends[2]);
	assert_true(span_is(g->nodes[0].name, "z") && g->nodes[0].weight == 7);
	assert_true(span_is(g->nodes[1].name, "x") && g->nodes[1].weight == 0);
	assert_ptr_equal(c->backends[2]->group, g);
	assert_string_equal(c->backends[1]->group->name, "north");
	for (size_t i = 0; i < c->ngroups; i++)
		assert_int_equal(c->groups[i]->number, i);
	cluster_free(&c);
}

static void a_backend_without_a_group_is_in_the_one_named_default(void **s)
{
	struct cluster *c = make(LIST("a", "b"), (const char *const[]){ NULL, NULL }, NULL);

	(void)s;
	assert_non_null(c);
	assert_int_equal(c->ngroups, 1);
	assert_string_equal(c->backends[1]->group->name, "default");
	cluster_free(&c);
}

static void one_group_is_the_default_group(void **s)
{
	struct cluster *c = make(LIST("a", "b"), LIST("pool", "pool"), NULL);

	(void)s;
	assert_non_null(c);
	assert_ptr_equal(c->default_group, cluster_find_group(c, span_of("pool")));
	cluster_free(&c);
}

static void of_several_groups_the_default_is_all_backends(void **s)
{
	struct cluster *c = make(LIST("a", "b", "c"), LIST("north", "south", "north"), NULL);

	(void)s;
	assert_non_null(c);
	assert_string_equal(c->default_group->name, "all");
	assert_int_equal(c->default_group->n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(c->default_group->backends[i], c->backends[i]);
	assert_null(cluster_find_group(c, span_of("all")));
	assert_string_equal(c->backends[2]->group->name, "north");
	cluster_free(&c);
}

static void the_group_of_all_shards_even_if_its_groups_are_shared(void **s)
{
	struct cluster *c = cluster_new();

	(void)s;
	cluster_add_backend(c, "a");
	cluster_add_backend(c, "b");
	cluster_add_group(c, "north")->storage = STORAGE_SHARED;
	cluster_add_group(c, "south")->storage = STORAGE_SHARED;
	assert_true(cluster_finish(c, LIST("north", "south"), NULL, err, sizeof(err)));
	assert_int_equal(c->default_group->storage, STORAGE_SHARD);
	cluster_free(&c);
}

static void a_group_of_the_settings_may_be_called_all(void **s)
{
	struct cluster *c = make(LIST("a", "b"), LIST("all", "south"), NULL);

	(void)s;
	assert_non_null(c);
	assert_int_equal(cluster_find_group(c, span_of("all"))->n, 1);
	assert_int_equal(c->default_group->n, 2);
	cluster_free(&c);
}

static void the_default_group_can_be_named(void **s)
{
	struct cluster *c = make(LIST("a", "b"), LIST("north", "south"), "south");

	(void)s;
	assert_non_null(c);
	assert_ptr_equal(c->default_group, c->backends[1]->group);
	cluster_free(&c);
}

static void an_unknown_default_group_is_refused(void **s)
{
	(void)s;
	assert_null(make(LIST("a", "b"), LIST("north", "south"), "east"));
	assert_non_null(strstr(err, "no group east"));
	assert_null(make(LIST("a", "b"), LIST("north", "south"), "all"));
	assert_non_null(strstr(err, "no group all"));
}

static void a_group_without_a_backend_is_refused(void **s)
{
	struct cluster *c = cluster_new();

	(void)s;
	cluster_add_backend(c, "a");
	cluster_add_group(c, "south");
	assert_false(cluster_finish(c, LIST("north"), NULL, err, sizeof(err)));
	assert_non_null(strstr(err, "group south has no backend"));
	cluster_free(&c);
}

static void no_backend_is_refused(void **s)
{
	(void)s;
	assert_null(make((const char *const[]){ NULL }, (const char *const[]){ NULL }, NULL));
	assert_non_null(strstr(err, "no backend"));
}

static void a_weight_that_hashing_cannot_take_is_refused(void **s)
{
	struct cluster *c = cluster_new();

	(void)s;
	cluster_add_backend(c, "a")->weight = RENDEZVOUS_WEIGHT_MAX;
	cluster_add_backend(c, "b")->weight = RENDEZVOUS_WEIGHT_MAX + 1;
	assert_false(cluster_finish(c, LIST("north", "north"), NULL, err, sizeof(err)));
	assert_non_null(strstr(err, "backend b: weight 1000001"));
	cluster_free(&c);
}

/* Of n backends b0, b1, ... all in the group "default". */
static bool finish_many(size_t n)
{
	const char **groups = mem_new_array(n, sizeof(*groups));
	struct cluster *c = cluster_new();
	char name[BACKEND_NAME_MAX];
	bool ok;

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "b%zu", i);
		cluster_add_backend(c, name);
	}
	ok = cluster_finish(c, groups, NULL, err, sizeof(err));
	if (ok) {
		snprintf(name, sizeof(name), "b%zu", n - 1);
		assert_ptr_equal(cluster_find_backend(c, span_of(name)), c->backends[n - 1]);
	}
	cluster_free(&c);
	mem_free(&groups);
	return ok;
}

static void the_number_of_backends_is_bounded(void **s)
{
	(void)s;
	assert_true(finish_many(CLUSTER_BACKENDS_MAX));
	assert_false(finish_many(CLUSTER_BACKENDS_MAX + 1));
	assert_non_null(strstr(err, "4097 backends"));
}

static void everything_a_backend_owns_is_freed_with_the_cluster(void **s)
{
	struct cluster *c = cluster_new();
	struct backend *b = cluster_add_backend(c, "a");

	(void)s;
	assert_true(endpoint_parse(&b->endpoint, "mail.example:143", 0, err, sizeof(err)));
	b->tls_ca = mem_strdup("/etc/ca.pem");
	b->tls_name = mem_strdup("mail.example");
	b->master_user = mem_strdup("master");
	b->master_password = mem_strdup("secret");
	cluster_free(&c);	/* the leak checker of a sanitizer build says the rest */
	assert_null(c);
}

static void a_backend_is_found_by_the_address_the_settings_give(void **s)
{
	static const char *const addresses[] = { "10.0.0.1", "mb2.example.org:1143", "[2001:db8::1]:143", "unix:/run/imap" };
	struct cluster *c = cluster_new();
	char name[] = "b0";

	(void)s;
	for (size_t i = 0; i < 4; i++) {
		name[1] = (char)('0' + i);
		assert_true(endpoint_parse(&cluster_add_backend(c, name)->endpoint, addresses[i], 143, err, sizeof(err)));
	}
	assert_ptr_equal(cluster_find_address(c, span_of("10.0.0.1"), 143), c->backends[0]);
	assert_ptr_equal(cluster_find_address(c, span_of("MB2.Example.org"), 1143), c->backends[1]);
	assert_ptr_equal(cluster_find_address(c, span_of("2001:db8::1"), 143), c->backends[2]);
	assert_null(cluster_find_address(c, span_of("10.0.0.1"), 1143));
	assert_null(cluster_find_address(c, span_of("10.0.0.10"), 143));
	assert_null(cluster_find_address(c, span_of("mb2.example.org"), 143));
	assert_null(cluster_find_address(c, span_of("mb2.example.org."), 1143));
	assert_null(cluster_find_address(c, span_of("/run/imap"), 0));
	assert_null(cluster_find_address(c, span_of(""), 143));
	cluster_free(&c);
}

static void a_group_lists_what_each_of_its_backends_is_known_to_list(void **s)
{
	struct cluster *c = cluster_new();
	struct backend *a = cluster_add_backend(c, "a"), *b = cluster_add_backend(c, "b");
	const char *const groups[] = { NULL, NULL };

	(void)s;
	assert_true(cluster_finish(c, groups, NULL, err, sizeof(err)));
	assert_false(group_lists(c->default_group, 1, 0));
	assert_false(group_has_one_with(c->default_group, 1));
	a->caps = BACKEND_CAPS_KNOWN | 5;
	assert_false(group_lists(c->default_group, 1, 0));
	assert_true(group_has_one_with(c->default_group, 1));
	assert_false(group_has_one_with(c->default_group, 2));
	b->caps = BACKEND_CAPS_KNOWN | 3;
	assert_true(group_lists(c->default_group, 1, 0));
	assert_false(group_lists(c->default_group, 3, 0));
	assert_false(group_lists(c->default_group, 1, 4));
	assert_true(group_lists(c->default_group, 1, 8));
	cluster_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_backend_has_the_defaults),
		cmocka_unit_test(a_backend_is_found_by_its_whole_name_only),
		cmocka_unit_test(a_group_is_added_once_and_shards),
		cmocka_unit_test(a_groups_lists_keep_the_order_of_the_settings),
		cmocka_unit_test(a_backend_without_a_group_is_in_the_one_named_default),
		cmocka_unit_test(one_group_is_the_default_group),
		cmocka_unit_test(of_several_groups_the_default_is_all_backends),
		cmocka_unit_test(the_group_of_all_shards_even_if_its_groups_are_shared),
		cmocka_unit_test(a_group_of_the_settings_may_be_called_all),
		cmocka_unit_test(the_default_group_can_be_named),
		cmocka_unit_test(an_unknown_default_group_is_refused),
		cmocka_unit_test(a_group_without_a_backend_is_refused),
		cmocka_unit_test(no_backend_is_refused),
		cmocka_unit_test(a_weight_that_hashing_cannot_take_is_refused),
		cmocka_unit_test(the_number_of_backends_is_bounded),
		cmocka_unit_test(a_backend_is_found_by_the_address_the_settings_give),
		cmocka_unit_test(a_group_lists_what_each_of_its_backends_is_known_to_list),
		cmocka_unit_test(everything_a_backend_owns_is_freed_with_the_cluster),
	};
	return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
