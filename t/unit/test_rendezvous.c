#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "wire/rendezvous.h"

#define NKEYS 20000
#define NODE(text, w) { { text, sizeof(text) - 1 }, w }

static struct span user(char *buf, size_t cap, int i)
{
	return span_mem(buf, snprintf(buf, cap, "user%d@example.org", i));
}

/* Counts how many of the keys each of the n nodes gets. */
static void count_shares(const struct rendezvous_node *nodes, size_t n, int *shares)
{
	char buf[64];

	memset(shares, 0, n * sizeof(*shares));
	for (int i = 0; i < NKEYS; i++) {
		size_t at = rendezvous_pick(user(buf, sizeof(buf), i), nodes, n);

		assert_in_range(at, 0, n - 1);
		shares[at]++;
	}
}

static void the_hash_is_the_one_of_the_storage_format(void **s)
{
	(void)s;
	assert_true(rendezvous_hash(span_of(""), span_of("")) == UINT64_C(0xb9034ad37056f5fb));
	assert_true(rendezvous_hash(span_of("alice@example.org"), span_of("mb1")) == UINT64_C(0x877eaf89aaa22de2));
	assert_true(rendezvous_hash(span_of("alice@example.org"), span_of("mb2")) == UINT64_C(0xb8630fb1a1ec03ad));
	assert_true(rendezvous_hash(span_of("ab"), span_of("c")) == UINT64_C(0xc87d91e7dc16f99d));
	assert_true(rendezvous_hash(span_of("a"), span_of("bc")) == UINT64_C(0xdf52f2b01fb62dc7));
	assert_true(rendezvous_hash(span_of("jos\xc3\xa9@example.org"), span_of("mb1")) == UINT64_C(0xeef256e4e6a9934b));
}

static void the_picks_are_those_of_the_storage_format(void **s)
{
	static const struct rendezvous_node even[] = { NODE("mb1", 100), NODE("mb2", 100), NODE("mb3", 100) };
	static const struct rendezvous_node uneven[] = { NODE("mb1", 100), NODE("mb2", 300), NODE("mb3", 50) };
	static const struct { const char *key; size_t even, uneven; } pinned[] = {
		{ "alice@example.org", 2, 2 }, { "bob@example.org", 0, 1 }, { "carol@example.org", 0, 0 },
		{ "dave@example.org", 0, 0 }, { "erin@example.org", 1, 1 }, { "frank@example.org", 0, 0 },
		{ "grace@example.org", 0, 1 }, { "heidi@example.org", 2, 2 },
	};

	(void)s;
	for (size_t i = 0; i < sizeof(pinned) / sizeof(pinned[0]); i++) {
		assert_int_equal(rendezvous_pick(span_of(pinned[i].key), even, 3), pinned[i].even);
		assert_int_equal(rendezvous_pick(span_of(pinned[i].key), uneven, 3), pinned[i].uneven);
	}
}

/* The sum over all picks was worked out with floating-point logarithms in another language. */
static void every_pick_agrees_with_floating_point(void **s)
{
	static const struct rendezvous_node nodes[] = { NODE("mb1", 100), NODE("mb2", 300), NODE("mb3", 50) };
	uint64_t sum = 0;
	char buf[64];

	(void)s;
	for (int i = 0; i < NKEYS; i++)
		sum = sum * 31 + rendezvous_pick(user(buf, sizeof(buf), i), nodes, 3) + 1;
	assert_true(sum == UINT64_C(0x9a1388adef689ce3));
}

static void shares_follow_the_weights(void **s)
{
	static const struct rendezvous_node nodes[] = {
		NODE("mb1", 100), NODE("mb2", 200), NODE("mb3", 300), NODE("imap-4.example.net", 400), NODE("e", 1000),
	};
	int shares[5];

	(void)s;
	count_shares(nodes, 5, shares);
	for (size_t i = 0; i < 5; i++) {
		int due = NKEYS / 2000 * (int)nodes[i].weight;

		assert_in_range(shares[i], due * 94 / 100, due * 106 / 100);
	}
}

static void only_the_proportion_of_weights_counts(void **s)
{
	static const struct rendezvous_node small[] = { NODE("a", 1), NODE("b", 2) };
	static const struct rendezvous_node large[] = {
		NODE("a", RENDEZVOUS_WEIGHT_MAX / 2), NODE("b", RENDEZVOUS_WEIGHT_MAX),
	};
	char buf[64];

	(void)s;
	for (int i = 0; i < 1000; i++) {
		struct span key = user(buf, sizeof(buf), i);

		assert_int_equal(rendezvous_pick(key, small, 2), rendezvous_pick(key, large, 2));
	}
}

static void removing_a_node_moves_only_its_users(void **s)
{
	static const struct rendezvous_node before[] = { NODE("a", 50), NODE("b", 100), NODE("c", 200), NODE("d", 100) };
	static const struct rendezvous_node after[] = { NODE("a", 50), NODE("b", 100), NODE("d", 100) };
	char buf[64];
	int moved = 0;

	(void)s;
	for (int i = 0; i < NKEYS; i++) {
		struct span key = user(buf, sizeof(buf), i);
		struct span was = before[rendezvous_pick(key, before, 4)].name;
		struct span is = after[rendezvous_pick(key, after, 3)].name;

		if (span_is(was, "c"))
			moved++;
		else
			assert_true(span_eq(was, is));
	}
	assert_in_range(moved, NKEYS * 4 / 9 * 95 / 100, NKEYS * 4 / 9 * 105 / 100);
}

static void more_weight_only_draws_users_in(void **s)
{
	static const struct rendezvous_node before[] = { NODE("a", 100), NODE("b", 100), NODE("c", 100) };
	static const struct rendezvous_node after[] = { NODE("a", 100), NODE("b", 150), NODE("c", 100) };
	char buf[64];

	(void)s;
	for (int i = 0; i < NKEYS; i++) {
		struct span key = user(buf, sizeof(buf), i);
		size_t was = rendezvous_pick(key, before, 3), is = rendezvous_pick(key, after, 3);

		assert_true(is == was || is == 1);
	}
}

static void the_order_of_the_nodes_does_not_matter(void **s)
{
	static const struct rendezvous_node one[] = { NODE("a", 100), NODE("b", 70), NODE("c", 100) };
	static const struct rendezvous_node other[] = { NODE("c", 100), NODE("a", 100), NODE("b", 70) };
	char buf[64];

	(void)s;
	for (int i = 0; i < 1000; i++) {
		struct span key = user(buf, sizeof(buf), i);

		assert_true(span_eq(one[rendezvous_pick(key, one, 3)].name, other[rendezvous_pick(key, other, 3)].name));
	}
}

static void a_node_without_weight_is_never_picked(void **s)
{
	static const struct rendezvous_node nodes[] = { NODE("a", 0), NODE("b", 1), NODE("c", 0) };
	char buf[64];

	(void)s;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rendezvous_pick(user(buf, sizeof(buf), i), nodes, 3), 1);
}

static void without_any_weight_there_is_no_pick(void **s)
{
	static const struct rendezvous_node nodes[] = { NODE("a", 0), NODE("b", 0) };

	(void)s;
	assert_int_equal(rendezvous_pick(span_of("x"), nodes, 2), 2);
	assert_int_equal(rendezvous_pick(span_of("x"), NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_the_one_of_the_storage_format),
		cmocka_unit_test(the_picks_are_those_of_the_storage_format),
		cmocka_unit_test(every_pick_agrees_with_floating_point),
		cmocka_unit_test(shares_follow_the_weights),
		cmocka_unit_test(only_the_proportion_of_weights_counts),
		cmocka_unit_test(removing_a_node_moves_only_its_users),
		cmocka_unit_test(more_weight_only_draws_users_in),
		cmocka_unit_test(the_order_of_the_nodes_does_not_matter),
		cmocka_unit_test(a_node_without_weight_is_never_picked),
		cmocka_unit_test(without_any_weight_there_is_no_pick),
	};
	return cmocka_run_group_tests_name("rendezvous", tests, NULL, NULL);
}
