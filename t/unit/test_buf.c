#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static struct buf_pool pool;

static int pool_up(void **s)
{
	(void)s;
	buf_pool_init(&pool);
	return 0;
}

static int pool_down(void **s)
{
	(void)s;
	buf_pool_fini(&pool);
	return 0;
}

static void the_smallest_size_that_fits_is_taken(void **s)
{
	static const struct { size_t ask, get; } rows[] = {
		{ 0, 4096 }, { 1, 4096 }, { 4096, 4096 }, { 4097, 16384 }, { 16384, 16384 }, { 16385, 65536 },
		{ 65536, 65536 }, { 65537, BUF_MAX }, { BUF_MAX, BUF_MAX },
	};

	(void)s;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf *b = buf_take(&pool, rows[i].ask);

		assert_int_equal(b->cap, rows[i].get);
		assert_int_equal(buf_waiting(b), 0);
		buf_give(&pool, &b);
	}
}

static void the_gauges_follow_take_and_give(void **s)
{
	struct buf *a = buf_take(&pool, 1), *b = buf_take(&pool, BUF_MAX), *none = NULL;

	(void)s;
	assert_int_equal(pool.in_use, 2);
	assert_int_equal(pool.in_use_bytes, 4096 + BUF_MAX);
	buf_give(&pool, &a);
	assert_null(a);
	buf_give(&pool, &none);
	assert_int_equal(pool.in_use, 1);
	buf_give_wiped(&pool, &b);
	buf_give_wiped(&pool, &none);
	assert_null(b);
	assert_int_equal(pool.in_use, 0);
	assert_int_equal(pool.in_use_bytes, 0);
}

static void a_spare_is_used_again_and_comes_empty(void **s)
{
	struct buf *a = buf_take(&pool, 10), *first = a;

	(void)s;
	buf_append(a, "hello", 5);
	buf_give(&pool, &a);
	a = buf_take(&pool, 10);
	assert_ptr_equal(a, first);
	assert_int_equal(buf_waiting(a), 0);
	buf_give(&pool, &a);
}

static void the_pool_keeps_only_a_few_spares(void **s)
{
	struct buf *b[100];

	(void)s;
	for (int i = 0; i < 100; i++)
		b[i] = buf_take(&pool, BUF_MAX);
	for (int i = 0; i < 100; i++)
		buf_give(&pool, &b[i]);
	assert_in_range(pool.spares[BUF_NSIZES - 1], 1, 8);
}

static void bytes_come_out_as_they_went_in(void **s)
{
	struct buf *b = buf_take(&pool, 1);
	unsigned char in = 0, out = 0;

	(void)s;
	for (int turn = 0; turn < 1000; turn++) {
		unsigned char some[97];
		size_t n = (size_t)(turn * 31 % 97), waiting;

		for (size_t i = 0; i < n; i++)
			some[i] = (unsigned char)(in + i);
		in = (unsigned char)(in + buf_append(b, some, n));
		waiting = buf_waiting(b) / 2;
		for (size_t i = 0; i < waiting; i++)
			assert_int_equal(b->data[b->head + i], out++);
		buf_taken(b, waiting);
	}
	buf_give(&pool, &b);
}

static void appending_makes_room_by_moving(void **s)
{
	static char big[4096];
	struct buf *b = buf_take(&pool, 1);

	(void)s;
	memset(big, 'x', sizeof(big));
	assert_int_equal(buf_append(b, big, 4096), 4096);
	buf_taken(b, 4000);
	assert_int_equal(buf_append(b, "end", 3), 3);
	assert_int_equal(b->head, 0);
	assert_int_equal(buf_waiting(b), 99);
	assert_memory_equal(b->data + 95, "xend", 4);
	buf_give(&pool, &b);
}

static void what_does_not_fit_is_left_out(void **s)
{
	static char big[5000];
	struct buf *b = buf_take(&pool, 1);

	(void)s;
	assert_int_equal(buf_append(b, big, sizeof(big)), 4096);
	assert_int_equal(buf_append(b, big, 1), 0);
	buf_taken(b, 4096);
	assert_int_equal(b->tail, 0);
	assert_int_equal(buf_append(b, NULL, 0), 0);
	buf_give(&pool, &b);
}

static void a_wiped_buffer_holds_nothing_even_behind_its_tail(void **s)
{
	struct buf *b = buf_take(&pool, 1), *same = b;

	(void)s;
	buf_append(b, "secret", 6);
	buf_taken(b, 6);
	buf_give_wiped(&pool, &b);
	for (size_t i = 0; i < same->cap; i++)
		assert_int_equal(same->data[i], 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, pool_up, pool_down)
	const struct CMUnitTest tests[] = {
		TEST(the_smallest_size_that_fits_is_taken),
		TEST(the_gauges_follow_take_and_give),
		TEST(a_spare_is_used_again_and_comes_empty),
		TEST(the_pool_keeps_only_a_few_spares),
		TEST(bytes_come_out_as_they_went_in),
		TEST(appending_makes_room_by_moving),
		TEST(what_does_not_fit_is_left_out),
		TEST(a_wiped_buffer_holds_nothing_even_behind_its_tail),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
