#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define MOST 100

static char folder[] = "/tmp/test_file.XXXXXX";
static char path[64];

static void put(size_t n)
{
	char *bytes = mem_new(n + 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	memset(bytes, 'x', n);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
	mem_free(&bytes);
}

static void expect_refused(const char *of, const char *why)
{
	char err[256] = "";
	struct file f;

	assert_false(file_read_regular(&f, of, MOST, err, sizeof(err)));
	assert_string_equal(err, why);
	assert_null(f.bytes);
	file_fini(&f);
}

static void a_file_is_read_whole_whatever_its_size(void **state)
{
	char err[256];
	struct file f;

	(void)state;
	for (size_t n = 0; n <= MOST; n++) {
		put(n);
		assert_true(file_read_regular(&f, path, MOST, err, sizeof(err)));
		assert_int_equal(f.n, n);
		assert_int_equal(strlen(f.bytes), n);
		assert_int_equal(strspn(f.bytes, "x"), n);
		assert_int_equal(f.mode & 0777, 0640);
		file_fini(&f);
		assert_null(f.bytes);
	}
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	(void)state;
	for (size_t n = MOST + 1; n < MOST + 3; n++) {
		put(n);
		expect_refused(path, "too large; at most 100 bytes are read");
	}
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
	char fifo[80];

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	expect_refused(fifo, "not a regular file; one would be right");
	expect_refused(folder, "not a regular file; one would be right");
	expect_refused("/dev/zero", "not a regular file; one would be right");
	unlink(fifo);
}

static void a_file_that_is_not_there_is_said_not_to_be(void **state)
{
	(void)state;
	expect_refused("/nonexistent/file", "No such file or directory");
}

/* By errno: root may read everything. */
static void of_a_file_that_may_not_be_read_it_is_said_who_may_not_and_what_would_help(void **state)
{
	char err[256];

	(void)state;
	errno = EACCES;
	file_say_unreadable("/k.pem", err, sizeof(err));
	assert_memory_equal(err, "user ", 5);
	assert_non_null(strstr(err, " may not read it; chgrp "));
	assert_non_null(strstr(err, " /k.pem, chmod 640 /k.pem"));
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/f", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_whole_whatever_its_size),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
		cmocka_unit_test(what_is_no_regular_file_is_refused_without_waiting),
		cmocka_unit_test(a_file_that_is_not_there_is_said_not_to_be),
		cmocka_unit_test(of_a_file_that_may_not_be_read_it_is_said_who_may_not_and_what_would_help),
	};

	return cmocka_run_group_tests_name("file", tests, make_folder, remove_folder);
}
