#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- what the log wrote ---- */

static char last[LOG_LINE_MAX + 1];
static int lines_seen;

static void keep_line(enum log_level level, struct span line, void *arg)
{
	(void)level;
	(void)arg;
	assert_true(line.n < sizeof(last));
	memcpy(last, line.p, line.n);
	last[line.n] = '\0';
	lines_seen++;
}

static int tapped(void **s)
{
	(void)s;
	lines_seen = 0;
	last[0] = '\0';
	log_open(LOG_TO_STDERR, LOG_LEVEL_INFO);
	log_set_tap(keep_line, NULL);
	return 0;
}

static int untapped(void **s)
{
	(void)s;
	log_use_ring(NULL);
	log_set_tap(NULL, NULL);
	log_open(LOG_TO_STDERR, LOG_LEVEL_INFO);
	return 0;
}

static void expect_logged(struct span value, const char *want)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "x");
	log_field(&l, "v", value);
	log_end(&l);
	assert_string_equal(strstr(last, " v=") + 3, want);
}

/* ---- lines ---- */

static void a_line_has_time_level_event_and_fields(void **s)
{
	struct log_line l;
	int year, month, day, hour, minute, second, ms, end = 0;

	(void)s;
	log_begin(&l, LOG_LEVEL_WARN, "session-end");
	log_str(&l, "user", "ann@example.com");
	log_str(&l, "none", NULL);
	log_num(&l, "bytes", UINT64_MAX);
	log_seconds(&l, "time", 1.0625);
	log_str(&l, "why", "client closed");
	log_end(&l);
	assert_int_equal(sscanf(last, "ts=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second, &ms, &end), 7);
	assert_in_range(year, 2020, 9999);
	assert_string_equal(last + end, " level=warn event=session-end user=ann@example.com bytes=18446744073709551615"
					" time=1.063 why=\"client closed\"");
}

static void what_is_not_wanted_is_not_written(void **s)
{
	struct log_line l;

	(void)s;
	log_begin(&l, LOG_LEVEL_DEBUG, "x");
	log_str(&l, "a", "b");
	log_num(&l, "n", 1);
	log_end(&l);
	log_say(LOG_LEVEL_DEBUG, "x", "y");
	assert_int_equal(lines_seen, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_say(LOG_LEVEL_DEBUG, "x", "y");
	assert_int_equal(lines_seen, 1);
	log_set_level(LOG_LEVEL_ERROR);
	log_say(LOG_LEVEL_WARN, "x", "y");
	assert_int_equal(lines_seen, 1);
}

static void values_are_quoted_where_needed(void **s)
{
	(void)s;
	expect_logged(span_of("plain"), "plain");
	expect_logged(span_of(""), "\"\"");
	expect_logged(span_of(NULL), "\"\"");
	expect_logged(span_of("a b"), "\"a b\"");
	expect_logged(span_of("a=b"), "\"a=b\"");
	expect_logged(span_of("J\xc3\xbcrgen"), "\"J\xc3\xbcrgen\"");
}

static void what_could_forge_a_line_is_escaped(void **s)
{
	(void)s;
	expect_logged(span_of("a\r\nts=1"), "\"a\\x0d\\x0ats=1\"");
	expect_logged(span_mem("a\0b", 3), "\"a\\x00b\"");
	expect_logged(span_of("a\" user=\"root"), "\"a\\x22 user=\\x22root\"");
	expect_logged(span_of("a\\b"), "\"a\\x5cb\"");
	expect_logged(span_of("\x1b[2J\x7f"), "\"\\x1b[2J\\x7f\"");
	expect_logged(span_of("\xc2\x9b" "2J"), "\"\\xc2\\x9b2J\"");
}

static void what_is_not_utf8_is_escaped(void **s)
{
	(void)s;
	expect_logged(span_of("a\xff"), "\"a\\xff\"");
	expect_logged(span_of("\xc0\xaf"), "\"\\xc0\\xaf\"");
	expect_logged(span_of("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
	expect_logged(span_of("\xe2\x82"), "\"\\xe2\\x82\"");
	expect_logged(span_of("\xe2\x82\xac"), "\"\xe2\x82\xac\"");
	expect_logged(span_of("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\"");
}

static void a_long_value_is_cut_between_characters(void **s)
{
	char value[LOG_VALUE_MAX + 10], want[LOG_VALUE_MAX + 10];

	(void)s;
	memset(value, 'a', sizeof(value));
	snprintf(want, sizeof(want), "%.*s...", LOG_VALUE_MAX, value);
	expect_logged(span_mem(value, LOG_VALUE_MAX + 1), want);
	want[LOG_VALUE_MAX] = '\0';
	expect_logged(span_mem(value, LOG_VALUE_MAX), want);
	memcpy(value + LOG_VALUE_MAX - 2, "\xe2\x82\xac", 3);
	snprintf(want, sizeof(want), "%.*s...", LOG_VALUE_MAX - 2, value);
	expect_logged(span_mem(value, sizeof(value)), want);
}

static void a_line_that_is_full_leaves_out_whole_fields_and_says_so(void **s)
{
	char value[LOG_VALUE_MAX];
	struct log_line l;

	(void)s;
	memset(value, '\n', sizeof(value));
	log_begin(&l, LOG_LEVEL_INFO, "x");
	for (int i = 0; i < 10; i++)
		log_field(&l, "v", span_mem(value, sizeof(value)));
	log_str(&l, "after", "x");
	log_end(&l);
	assert_null(strstr(last, "after="));
	assert_string_equal(last + strlen(last) - 14, "\\x0a\" cut=true");
}

static void a_sentence_is_one_field(void **s)
{
	char big[3 * LOG_VALUE_MAX];

	(void)s;
	log_say(LOG_LEVEL_ERROR, "settings", "%s:%d: bad", "a.conf", 3);
	assert_string_equal(strstr(last, " level="), " level=error event=settings msg=\"a.conf:3: bad\"");
	memset(big, 'b', sizeof(big));
	log_say(LOG_LEVEL_INFO, "x", "%.*s", (int)sizeof(big), big);
	assert_string_equal(last + strlen(last) - 4, "b...");
}

static void odd_numbers_of_seconds_are_written_too(void **s)
{
	struct log_line l;

	(void)s;
	log_begin(&l, LOG_LEVEL_INFO, "x");
	log_seconds(&l, "a", -1);
	log_seconds(&l, "b", 59.9996);
	log_seconds(&l, "c", 1e300);
	log_end(&l);
	assert_string_equal(strstr(last, " a="), " a=0.000 b=60.000 c=1000000000000000.000");
}

/* ---- rings ---- */

static void a_ring_holds_lines_until_it_is_drained(void **s)
{
	struct log_ring *ring = log_ring_new(-1);

	(void)s;
	log_use_ring(ring);
	log_say(LOG_LEVEL_INFO, "a", "1");
	log_say(LOG_LEVEL_INFO, "b", "2");
	assert_int_equal(lines_seen, 0);
	log_ring_drain(ring);
	assert_int_equal(lines_seen, 2);
	assert_non_null(strstr(last, "event=b msg=2"));
	log_use_ring(NULL);
	log_say(LOG_LEVEL_INFO, "c", "3");
	assert_int_equal(lines_seen, 3);
	log_ring_free(&ring);
	assert_null(ring);
}

static void a_full_ring_drops_and_the_drain_says_how_many(void **s)
{
	struct log_ring *ring = log_ring_new(-1);
	int sent = 10000;
	char want[64];

	(void)s;
	log_use_ring(ring);
	for (int i = 0; i < sent; i++)
		log_say(LOG_LEVEL_INFO, "x", "%d", i);
	log_ring_drain(ring);
	assert_in_range(lines_seen, 1000, sent - 1);
	snprintf(want, sizeof(want), " level=warn event=log-dropped count=%d", sent - (lines_seen - 1));
	assert_string_equal(strstr(last, " level="), want);
	lines_seen = 0;
	log_ring_drain(ring);
	assert_int_equal(lines_seen, 0);
	log_use_ring(NULL);
	log_ring_free(&ring);
}

static void control_is_woken_once_for_many_lines(void **s)
{
	struct log_ring *ring;
	char bytes[10];
	int p[2];

	(void)s;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	ring = log_ring_new(p[1]);
	log_use_ring(ring);
	for (int turn = 0; turn < 3; turn++) {
		log_say(LOG_LEVEL_INFO, "x", "1");
		log_say(LOG_LEVEL_INFO, "x", "2");
		assert_int_equal(read(p[0], bytes, sizeof(bytes)), 1);
		log_ring_drain(ring);
	}
	log_use_ring(NULL);
	log_ring_free(&ring);
	close(p[0]);
	close(p[1]);
}

/* Two threads: lines come in order, and each is either there or counted; every wait ends by a wake. */
enum { FLOOD = 20000 };

static struct flood {
	struct log_ring *ring;
	atomic_bool done;
	long next;			/* the least number the next line may have */
	long seen, dropped;
	bool order_broken;
} flood;

static void check_flood(enum log_level level, struct span line, void *arg)
{
	char text[LOG_LINE_MAX];
	const char *msg, *count;

	(void)level;
	(void)arg;
	snprintf(text, sizeof(text), "%.*s", (int)line.n, line.p);
	count = strstr(text, " count=");
	msg = strstr(text, " msg=");
	if (count) {
		flood.dropped += atol(count + 7);
	} else {
		flood.order_broken |= !msg || atol(msg + 5) < flood.next;
		flood.next = msg ? atol(msg + 5) + 1 : 0;
		flood.seen++;
	}
}

static void *write_flood(void *arg)
{
	log_use_ring(flood.ring);
	for (int i = 0; i < FLOOD; i++)
		log_say(LOG_LEVEL_INFO, "x", "%d", i);
	atomic_store(&flood.done, true);
	return arg;
}

static void two_threads_lose_no_line_uncounted(void **s)
{
	struct pollfd wait = { .events = POLLIN };
	pthread_t writer;
	char bytes[100];
	int p[2];

	(void)s;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	wait.fd = p[0];
	flood = (struct flood){ .ring = log_ring_new(p[1]) };
	log_set_tap(check_flood, NULL);
	assert_int_equal(pthread_create(&writer, NULL, write_flood, NULL), 0);
	while (flood.seen + flood.dropped < FLOOD && (poll(&wait, 1, 2000) > 0 || !atomic_load(&flood.done))) {
		(void)!read(p[0], bytes, sizeof(bytes));
		log_ring_drain(flood.ring);
	}
	pthread_join(writer, NULL);
	assert_int_equal(flood.seen + flood.dropped, FLOOD);
	assert_false(flood.order_broken);
	log_ring_free(&flood.ring);
	close(p[0]);
	close(p[1]);
}

/* ---- stderr ---- */

static int real_stderr;

static void stderr_becomes(int fd)
{
	real_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
}

static void stderr_is_back(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
}

/* Reads what is there; text must be whole lines. Returns how many. */
static int read_lines(int fd, char *text, size_t cap)
{
	ssize_t n = read(fd, text, cap - 1);
	int lines = 0;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	assert_int_equal(text[n - 1], '\n');
	for (char *p = text; *p; p = strchr(p, '\n') + 1) {
		assert_int_equal(strncmp(p, "ts=20", 5), 0);
		lines++;
	}
	return lines;
}

static void put_many(struct log_ring *ring, int n)
{
	log_use_ring(ring);
	for (int i = 0; i < n; i++)
		log_say(LOG_LEVEL_INFO, "x", "%d", i);
	log_use_ring(NULL);
}

static void a_drain_writes_many_lines_at_once(void **s)
{
	struct log_ring *ring = log_ring_new(-1);
	char text[8192];
	int packets[2];

	(void)s;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packets), 0);
	stderr_becomes(packets[0]);
	put_many(ring, 50);
	log_ring_drain(ring);
	stderr_is_back();
	assert_true(read_lines(packets[1], text, sizeof(text)) >= 40);
	log_ring_free(&ring);
	close(packets[0]);
	close(packets[1]);
}

/* The pipe is a blocking one: a careless write would hang here. */
static void a_reader_that_stopped_costs_its_lines_but_holds_nobody(void **s)
{
	struct log_ring *ring = log_ring_new(-1);
	static char text[70000];
	double before = clock_monotonic();
	int p[2], got;

	(void)s;
	assert_int_equal(pipe(p), 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	stderr_becomes(p[1]);
	for (int turn = 0; turn < 20; turn++) {
		put_many(ring, 500);
		log_ring_drain(ring);
	}
	assert_true(clock_monotonic() - before < 20 * LOG_PATIENCE);
	got = read_lines(p[0], text, sizeof(text));
	assert_in_range(got, 500, 2000);
	put_many(ring, 1);
	log_ring_drain(ring);
	stderr_is_back();
	assert_int_equal(read_lines(p[0], text, sizeof(text)), 2);
	assert_int_equal(atoi(strstr(text, "event=log-dropped count=") + 24), 20 * 500 - got);
	log_ring_free(&ring);
	close(p[0]);
	close(p[1]);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that may not grow takes a part of what is written, as a full disk does. */
static void no_line_is_torn_where_writes_are_short(void **s)
{
	static char text[200000];
	struct log_ring *ring = log_ring_new(-1);
	FILE *file = tmpfile();
	int lines, fd = fileno(file);

	(void)s;
	signal(SIGXFSZ, SIG_IGN);
	stderr_becomes(fd);
	limit_files(1000);
	put_many(ring, 100);
	log_ring_drain(ring);
	assert_int_equal(lseek(fd, 0, SEEK_END), 1000);
	limit_files(RLIM_INFINITY);
	put_many(ring, 3);
	log_ring_drain(ring);
	stderr_is_back();
	lseek(fd, 0, SEEK_SET);
	lines = read_lines(fd, text, sizeof(text));
	assert_in_range(lines, 10, 30);
	assert_int_equal(atoi(strstr(text, "event=log-dropped count=") + 24), 100 - (lines - 4));
	log_ring_free(&ring);
	fclose(file);
}

static void *say_much(void *arg)
{
	for (int i = 0; i < 100; i++)
		log_say(LOG_LEVEL_INFO, "x", "%0*d", 300, i);
	return arg;
}

static void threads_that_write_directly_do_not_mix_their_lines(void **s)
{
	static char text[200000];
	FILE *file = tmpfile();
	pthread_t t[2];

	(void)s;
	stderr_becomes(fileno(file));
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, say_much, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	stderr_is_back();
	lseek(fileno(file), 0, SEEK_SET);
	assert_int_equal(read_lines(fileno(file), text, sizeof(text)), 200);
	fclose(file);
}

/* ---- syslog: these take the place of libc's ---- */

#undef syslog	/* with _FORTIFY_SOURCE and clang it is a macro */

static int syslog_priority;
static char syslog_text[LOG_LINE_MAX];

void openlog(const char *ident, int option, int facility)
{
	(void)option;
	assert_string_equal(ident, "sluiced");
	assert_int_equal(facility, LOG_MAIL);
}

static void __attribute__((format(printf, 2, 0))) catch_syslog(int priority, const char *fmt, va_list ap)
{
	syslog_priority = priority;
	vsnprintf(syslog_text, sizeof(syslog_text), fmt, ap);
}

void __attribute__((format(printf, 2, 3))) syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	catch_syslog(priority, fmt, ap);
	va_end(ap);
}

void __attribute__((format(printf, 3, 4))) __syslog_chk(int priority, int flag, const char *fmt, ...);
void __syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	catch_syslog(priority, fmt, ap);
	va_end(ap);
}

static void syslog_gets_each_line_with_its_level(void **s)
{
	struct log_ring *ring = log_ring_new(-1);

	(void)s;
	log_open(LOG_TO_SYSLOG, LOG_LEVEL_INFO);
	log_use_ring(ring);
	log_say(LOG_LEVEL_INFO, "a", "1");
	log_say(LOG_LEVEL_ERROR, "b", "%s", "100%n");
	log_use_ring(NULL);
	log_ring_drain(ring);
	assert_int_equal(syslog_priority, LOG_ERR);
	assert_string_equal(strstr(syslog_text, " level="), " level=error event=b msg=100%n");
	log_say(LOG_LEVEL_WARN, "c", "3");
	assert_int_equal(syslog_priority, LOG_WARNING);
	log_ring_free(&ring);
}

int main(void)
{
#define TAPPED(f) cmocka_unit_test_setup_teardown(f, tapped, untapped)
	const struct CMUnitTest tests[] = {
		TAPPED(a_line_has_time_level_event_and_fields),
		TAPPED(what_is_not_wanted_is_not_written),
		TAPPED(values_are_quoted_where_needed),
		TAPPED(what_could_forge_a_line_is_escaped),
		TAPPED(what_is_not_utf8_is_escaped),
		TAPPED(a_long_value_is_cut_between_characters),
		TAPPED(a_line_that_is_full_leaves_out_whole_fields_and_says_so),
		TAPPED(a_sentence_is_one_field),
		TAPPED(odd_numbers_of_seconds_are_written_too),
		TAPPED(a_ring_holds_lines_until_it_is_drained),
		TAPPED(a_full_ring_drops_and_the_drain_says_how_many),
		TAPPED(control_is_woken_once_for_many_lines),
		TAPPED(two_threads_lose_no_line_uncounted),
		cmocka_unit_test_teardown(a_drain_writes_many_lines_at_once, untapped),
		cmocka_unit_test_teardown(a_reader_that_stopped_costs_its_lines_but_holds_nobody, untapped),
		cmocka_unit_test_teardown(no_line_is_torn_where_writes_are_short, untapped),
		cmocka_unit_test_teardown(threads_that_write_directly_do_not_mix_their_lines, untapped),
		cmocka_unit_test_teardown(syslog_gets_each_line_with_its_level, untapped),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
