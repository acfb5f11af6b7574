#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mailbox.h"

static int box[2];

static int open_box(void **s)
{
	(void)s;
	return mailbox_open(box) ? 0 : -1;
}

static int close_box(void **s)
{
	(void)s;
	close(box[0]);
	close(box[1]);
	return 0;
}

static void fill(int from)
{
	struct mail m = { .kind = 7 };

	while (mailbox_send(from, &m, -1))
		;
	assert_int_equal(errno, EAGAIN);
}

static void mails_arrive_whole_and_in_order(void **s)
{
	struct mail m;
	int fd;

	for (uint32_t i = 0; i < 10; i++)
		assert_true(mailbox_send(box[0], &(struct mail){ .kind = i, .number = i * 2, .what = s }, -1));
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(mailbox_receive(box[1], &m, &fd), MAILBOX_GOT);
		assert_int_equal(m.kind, i);
		assert_int_equal(m.number, i * 2);
		assert_ptr_equal(m.what, s);
		assert_int_equal(fd, -1);
	}
	assert_int_equal(mailbox_receive(box[1], &m, &fd), MAILBOX_EMPTY);
}

static void both_ends_send(void **s)
{
	struct mail m;
	int fd;

	(void)s;
	assert_true(mailbox_send(box[1], &(struct mail){ .kind = 5 }, -1));
	assert_int_equal(mailbox_receive(box[0], &m, &fd), MAILBOX_GOT);
	assert_int_equal(m.kind, 5);
}

static void a_descriptor_travels_along(void **s)
{
	struct mail m;
	char c = 0;
	int p[2], fd;

	(void)s;
	assert_int_equal(pipe(p), 0);
	assert_true(mailbox_send(box[0], &(struct mail){ .kind = 1 }, p[1]));
	close(p[1]);
	assert_int_equal(mailbox_receive(box[1], &m, &fd), MAILBOX_GOT);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(fd);
	close(p[0]);
}

static void a_far_side_that_does_not_read_is_not_waited_for(void **s)
{
	(void)s;
	fill(box[0]);
}

static void waiting_for_room_ends(void **s)
{
	double before = clock_monotonic();

	(void)s;
	fill(box[0]);
	assert_false(mailbox_send_wait(box[0], &(struct mail){ .kind = 1 }, -1, 0.02));
	assert_int_equal(errno, EAGAIN);
	assert_true(clock_monotonic() - before >= 0.02);
}

/* What the reader saw is looked at by the main thread: cmocka's asserts are for it alone. */
static void *read_until_nine(void *seen)
{
	struct mail m = { 0 };
	int fd, *count = seen;
	double deadline = clock_monotonic() + 10;

	while (m.kind != 9 && clock_monotonic() < deadline)
		*count += mailbox_receive(box[1], &m, &fd) == MAILBOX_GOT;
	return seen;
}

static void room_that_comes_is_used(void **s)
{
	pthread_t reader;
	int seen = 0;

	(void)s;
	fill(box[0]);
	assert_int_equal(pthread_create(&reader, NULL, read_until_nine, &seen), 0);
	assert_true(mailbox_send_wait(box[0], &(struct mail){ .kind = 9 }, -1, 10));
	pthread_join(reader, NULL);
	assert_true(seen > 1);
}

static void a_closed_far_side_is_told(void **s)
{
	struct mail m;
	int fd, lone[2];

	(void)s;
	assert_true(mailbox_open(lone));
	assert_true(mailbox_send(lone[0], &(struct mail){ .kind = 3 }, -1));
	close(lone[0]);
	assert_int_equal(mailbox_receive(lone[1], &m, &fd), MAILBOX_GOT);
	assert_int_equal(mailbox_receive(lone[1], &m, &fd), MAILBOX_CLOSED);
	assert_false(mailbox_send(lone[1], &m, -1));
	assert_int_equal(errno, EPIPE);
	close(lone[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_box, close_box)
	const struct CMUnitTest tests[] = {
		TEST(mails_arrive_whole_and_in_order),
		TEST(both_ends_send),
		TEST(a_descriptor_travels_along),
		TEST(a_far_side_that_does_not_read_is_not_waited_for),
		TEST(waiting_for_room_ends),
		TEST(room_that_comes_is_used),
		TEST(a_closed_far_side_is_told),
	};
	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
