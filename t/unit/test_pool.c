#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/pool.h"

#define SIZE 100
#define MANY 2000	/* more than three chunks of them */

static struct pool pool;

static int pool_up(void **s)
{
	(void)s;
	pool_init(&pool, SIZE);
	return 0;
}

static int pool_down(void **s)
{
	(void)s;
	pool_fini(&pool);
	return 0;
}

static void take_many(unsigned char **objects)
{
	for (size_t i = 0; i < MANY; i++) {
		objects[i] = pool_take(&pool);
		memset(objects[i], (int)(i % 251), SIZE);
	}
}

static void objects_come_zeroed_even_when_they_were_used_before(void **s)
{
	static const unsigned char zeroes[SIZE];
	unsigned char *o;

	(void)s;
	for (int i = 0; i < 3; i++) {
		o = pool_take(&pool);
		assert_memory_equal(o, zeroes, SIZE);
		memset(o, 0xff, SIZE);
		pool_give(&pool, &o);
		assert_null(o);
	}
}

static void objects_do_not_overlap_and_are_aligned(void **s)
{
	static unsigned char *objects[MANY];

	(void)s;
	take_many(objects);
	assert_int_equal(pool.in_use, MANY);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal((uintptr_t)objects[i] % 16, 0);
		for (size_t k = 0; k < SIZE; k++)
			assert_int_equal(objects[i][k], i % 251);
		pool_give(&pool, &objects[i]);
	}
	assert_int_equal(pool.in_use, 0);
}

static void of_the_chunks_that_are_empty_one_at_most_is_kept(void **s)
{
	static unsigned char *objects[MANY];

	(void)s;
	take_many(objects);
	for (size_t i = 0; i < MANY; i += 2)	/* holes in each chunk first */
		pool_give(&pool, &objects[i]);
	for (size_t i = 1; i < MANY; i += 2)
		pool_give(&pool, &objects[i]);
	assert_true(pool.chunks <= 1);
}

static void a_hole_is_filled_before_a_chunk_is_added(void **s)
{
	static unsigned char *objects[MANY];
	size_t chunks;

	(void)s;
	take_many(objects);
	chunks = pool.chunks;
	for (size_t i = 0; i < MANY; i += 3)
		pool_give(&pool, &objects[i]);
	for (size_t i = 0; i < MANY; i += 3)
		objects[i] = pool_take(&pool);
	assert_int_equal(pool.chunks, chunks);
	for (size_t i = 0; i < MANY; i++)
		pool_give(&pool, &objects[i]);
}

static void giving_nothing_is_fine(void **s)
{
	void *nothing = NULL;

	(void)s;
	pool_give(&pool, &nothing);
	assert_int_equal(pool.in_use, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_come_zeroed_even_when_they_were_used_before, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(objects_do_not_overlap_and_are_aligned, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(of_the_chunks_that_are_empty_one_at_most_is_kept, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(a_hole_is_filled_before_a_chunk_is_added, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(giving_nothing_is_fine, pool_up, pool_down),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
