#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/reap.h"

struct thing {
	struct reap_item item;
	struct reap *reap;
	struct thing *takes_along;
	int *freed;
};

static void free_thing(struct reap_item *item)
{
	struct thing *t = CONTAINER_OF(item, struct thing, item);

	if (t->takes_along)
		reap_later(t->reap, &t->takes_along->item, free_thing);
	++*t->freed;
	mem_free(&t);
}

static struct thing *thing_new(struct reap *r, int *freed, struct thing *takes_along)
{
	struct thing *t = mem_new(sizeof(*t));

	*t = (struct thing){ .reap = r, .freed = freed, .takes_along = takes_along };
	return t;
}

static void nothing_is_freed_before_the_run(void **s)
{
	struct reap r = { 0 };
	int freed = 0;

	(void)s;
	for (int i = 0; i < 3; i++)
		reap_later(&r, &thing_new(&r, &freed, NULL)->item, free_thing);
	assert_int_equal(freed, 0);
	reap_run(&r);
	assert_int_equal(freed, 3);
	reap_run(&r);
	assert_int_equal(freed, 3);
}

static void what_a_free_adds_is_freed_in_the_same_run(void **s)
{
	struct reap r = { 0 };
	int freed = 0;
	struct thing *last = thing_new(&r, &freed, NULL);
	struct thing *middle = thing_new(&r, &freed, last);

	(void)s;
	reap_later(&r, &thing_new(&r, &freed, middle)->item, free_thing);
	reap_run(&r);
	assert_int_equal(freed, 3);
	assert_null(r.first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_freed_before_the_run),
		cmocka_unit_test(what_a_free_adds_is_freed_in_the_same_run),
	};
	return cmocka_run_group_tests_name("reap", tests, NULL, NULL);
}
