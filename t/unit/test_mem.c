#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static bool all_zero(const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		if (c[i] != 0)
			return false;
	return true;
}

static void memory_comes_zeroed(void **s)
{
	char *p = mem_new(1000);
	uint64_t *q = mem_new_array(100, sizeof(*q));

	(void)s;
	assert_true(all_zero(p, 1000));
	assert_true(all_zero(q, 100 * sizeof(*q)));
	mem_free(&p);
	mem_free(&q);
}

static void nothing_is_a_size_too(void **s)
{
	void *p = mem_new(0), *q = mem_new_array(0, 8), *r = mem_grow(NULL, 0, 0);

	(void)s;
	assert_non_null(p);
	assert_non_null(q);
	assert_non_null(r);
	mem_free(&p);
	mem_free(&q);
	mem_free(&r);
}

static void free_clears_the_pointer_and_takes_null(void **s)
{
	struct span *p = mem_new(sizeof(*p));

	(void)s;
	mem_free(&p);
	assert_null(p);
	mem_free(&p);
	mem_wipe_free(&p, 10);
	assert_null(p);
}

static void what_grows_keeps_the_old_and_zeroes_the_new(void **s)
{
	char *p = mem_grow(NULL, 0, 4);

	(void)s;
	assert_true(all_zero(p, 4));
	memcpy(p, "abcd", 4);
	p = mem_grow(p, 4, 4096);
	assert_memory_equal(p, "abcd", 4);
	assert_true(all_zero(p + 4, 4092));
	p = mem_grow(p, 4096, 2);
	assert_memory_equal(p, "ab", 2);
	mem_free(&p);
}

static void copies_are_c_strings(void **s)
{
	char *a = mem_strdup("mb1"), *b = mem_span_dup(span_mem("abcdef", 3)), *c = mem_span_dup(span_of(NULL));

	(void)s;
	assert_string_equal(a, "mb1");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "");
	mem_free(&a);
	mem_free(&b);
	mem_free(&c);
}

static void an_aligned_piece_is_where_it_should_be_and_zeroed(void **s)
{
	(void)s;
	for (int i = 0; i < 10; i++) {
		char *p = mem_new_aligned(4096, 1000);

		assert_int_equal((uintptr_t)p % 4096, 0);
		assert_true(all_zero(p, 1000));
		memset(p, 1, 1000);
		mem_free(&p);
	}
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 1
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef OWN_MALLOC
#endif
#endif
#endif

/* The sanitizers' malloc has its own ways. */
#ifdef OWN_MALLOC
static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all = 0, resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
	fclose(f);
	return resident;
}

static void what_is_free_between_what_is_not_goes_back(void **s)
{
	static char *pieces[20000];	/* 20 MB */
	long full;

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		pieces[i] = memset(mem_new(1000), 1, 1000);
	full = resident_pages();
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		if (i % 100 != 99)
			mem_free(&pieces[i]);
	mem_give_back();
	assert_true(resident_pages() < full - 2500);	/* half of them */
	for (size_t i = 99; i < ARRAY_LEN(pieces); i += 100)
		mem_free(&pieces[i]);
}
#endif

static void a_wipe_leaves_zeroes(void **s)
{
	char secret[16] = "hunter2";

	(void)s;
	mem_wipe(secret, sizeof(secret));
	assert_true(all_zero(secret, sizeof(secret)));
	mem_wipe(NULL, 0);
}

/* In a child, its stderr in a pipe. too_much is volatile so that the compiler does not warn of what we want. */
static void ask_for_too_much(int err)
{
	volatile size_t too_much = SIZE_MAX / 4;

	dup2(err, STDERR_FILENO);
	signal(SIGABRT, SIG_DFL);
	mem_new_array(too_much, 16);
	_exit(0);
}

static void running_out_says_so_and_aborts(void **s)
{
	char text[200] = "";
	int p[2], status;
	pid_t child;

	(void)s;
	assert_int_equal(pipe(p), 0);
	child = fork();
	if (child == 0)
		ask_for_too_much(p[1]);
	close(p[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "event=no-memory"));
	close(p[0]);
}

/* The sanitizers end the program themselves unless told that malloc may fail. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_comes_zeroed),
		cmocka_unit_test(nothing_is_a_size_too),
		cmocka_unit_test(free_clears_the_pointer_and_takes_null),
		cmocka_unit_test(what_grows_keeps_the_old_and_zeroes_the_new),
		cmocka_unit_test(copies_are_c_strings),
		cmocka_unit_test(an_aligned_piece_is_where_it_should_be_and_zeroed),
#ifdef OWN_MALLOC
		cmocka_unit_test(what_is_free_between_what_is_not_goes_back),
#endif
		cmocka_unit_test(a_wipe_leaves_zeroes),
		cmocka_unit_test(running_out_says_so_and_aborts),
	};
	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
