#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_frame.h"

#define CLIENT IMAP_FRAME_CLIENT
#define SERVER IMAP_FRAME_SERVER

static const char event_names[] = {
	[IMAP_FRAME_LINE] = 'L', [IMAP_FRAME_LITERAL] = '{', [IMAP_FRAME_BAD] = '!',
};

/* Scans [from, to), adding the events to seen; false behind BAD. */
static bool scan_piece(struct imap_frame *f, const char *from, const char *to, char *seen)
{
	while (from < to) {
		enum imap_frame_event ev;
		size_t took = imap_frame_scan(f, from, to - from, &ev);

		assert_in_range(took, 1, to - from);
		from += took;
		if (ev == IMAP_FRAME_MORE) {
			assert_ptr_equal(from, to);
			continue;
		}
		assert_int_equal(from[-1], '\n');
		assert_int_equal(imap_frame_at_start(f), ev == IMAP_FRAME_LINE);
		strncat(seen, &event_names[ev], 1);
		if (ev == IMAP_FRAME_BAD)
			return false;
	}
	return true;
}

/* The events must be the same at once, cut at every two places, and byte by byte. */
static void expect_events_n(enum imap_frame_side side, const char *text, size_t n, const char *events)
{
	struct imap_frame f;
	char seen[32] = "";

	for (size_t a = 0; a <= n; a++) {
		for (size_t b = a; b <= n; b++) {
			seen[0] = '\0';
			imap_frame_init(&f, side);
			(void)(scan_piece(&f, text, text + a, seen) && scan_piece(&f, text + a, text + b, seen) &&
			       scan_piece(&f, text + b, text + n, seen));
			assert_string_equal(seen, events);
		}
	}
	seen[0] = '\0';
	imap_frame_init(&f, side);
	for (size_t i = 0; i < n && scan_piece(&f, text + i, text + i + 1, seen); i++)
		;
	assert_string_equal(seen, events);
}

static void expect_events(enum imap_frame_side side, const char *text, const char *events)
{
	expect_events_n(side, text, strlen(text), events);
}

/* The literal that the client's line announces. */
static void expect_literal(const char *line, uint64_t size, bool nonsync)
{
	for (size_t cut = 0; cut < strlen(line); cut++) {
		struct imap_frame f;
		enum imap_frame_event ev;

		imap_frame_init(&f, CLIENT);
		assert_int_equal(imap_frame_scan(&f, line, cut, &ev), cut);
		assert_int_equal(ev, IMAP_FRAME_MORE);
		assert_int_equal(imap_frame_scan(&f, line + cut, strlen(line) - cut, &ev), strlen(line) - cut);
		assert_int_equal(ev, IMAP_FRAME_LITERAL);
		assert_true(f.left == size);
		assert_int_equal(f.nonsync, nonsync);
		assert_int_equal(f.minus, strstr(line, "-}") != NULL);
	}
}

static void a_line_ends_at_lf_with_or_without_cr(void **s)
{
	(void)s;
	expect_events(CLIENT, "a NOOP\r\nb NOOP\nc NOOP\r\n", "LLL");
	expect_events(SERVER, "* 1 EXISTS\n* 2 EXISTS\r\n", "LL");
}

static void an_empty_line_is_a_line(void **s) { (void)s; expect_events(CLIENT, "\r\n\n\r\n", "LLL"); }
static void other_crs_are_text(void **s) { (void)s; expect_events(CLIENT, "a \r X\r\r\n\rb {1}\r\r\n", "LL"); }

static void a_literal_is_skipped_unread(void **s)
{
	(void)s;
	expect_events(CLIENT, "a LOGIN {5}\r\n\r\n\"{( {3+}\r\nabc\r\n", "{{L");
	expect_events(CLIENT, "a LOGIN {4}\r\n{9}\n\r\nb X\r\n", "{LL");
	expect_events_n(CLIENT, "a X {3}\r\n\0\0\0 {2}\r\n\n\n\r\n", 23, "{{L");
}

static void lf_alone_announces_a_literal_too(void **s) { (void)s; expect_events(CLIENT, "a LOGIN {5}\n\n\n\n\n\n {1}\n\n\n", "{{L"); }

static void the_end_of_a_literal_and_what_follows_make_no_announcement(void **s)
{
	(void)s;
	expect_events(CLIENT, "a X {2}\r\n{5}\r\n", "{L");
	expect_events(CLIENT, "a X {3}\r\n{5}\r\nb X\r\n", "{LL");
	expect_events(CLIENT, "a X {1}\r\n{5}\r\nb X\r\n", "{LL");
}

static void an_empty_literal_leaves_the_command_open(void **s)
{
	(void)s;
	expect_events(CLIENT, "a LOGIN {0}\r\n {0+}\r\n\r\nb X\r\n", "{{LL");
}

static void all_forms_of_a_literal_count(void **s)
{
	(void)s;
	expect_literal("a X {5}\r\n", 5, false);
	expect_literal("a X {5+}\r\n", 5, true);
	expect_literal("a X {5-}\r\n", 5, true);
	expect_literal("a X ~{5}\r\n", 5, false);
	expect_literal("a X ~{5+}\n", 5, true);
	expect_literal("a X {01}\r\n", 1, false);
	expect_literal("a X {{7}\n", 7, false);
	expect_literal("a X {1}{8}\r\n", 8, false);
	expect_literal("{9}\r\n", 9, false);
}

static void sizes_go_up_to_64_bits(void **s)
{
	(void)s;
	expect_literal("a X {2147483648}\r\n", UINT64_C(2147483648), false);
	expect_literal("a X {4294967296}\r\n", UINT64_C(4294967296), false);
	expect_literal("a X ~{18446744073709551615+}\r\n", UINT64_MAX, true);
	expect_literal("a X {00000000000000000000000000012}\n", 12, false);
}

static void a_size_that_cannot_be_held_is_bad(void **s)
{
	(void)s;
	expect_events(CLIENT, "a X {18446744073709551616}\r\n", "!");
	expect_events(CLIENT, "a X {99999999999999999999+}\n", "!");
	expect_events(CLIENT, "a X {184467440737095516150}\n", "!");
	expect_events(CLIENT, "a X {000000000000000000000000000000000000001}\r\n", "!");
	expect_events(CLIENT, "a X {00000000000000000000000000000000000000000000000000000000000000000001-}\n", "!");
	expect_events(SERVER, "* 1 FETCH (BODY[] {18446744073709551616}\r\n", "!");
}

static void what_only_looks_like_a_literal_is_text(void **s)
{
	(void)s;
	expect_events(CLIENT, "a X {}\r\na X {+}\r\na X {-}\r\na X {5} \r\n", "LLLL");
	expect_events(CLIENT, "a {1}x {b} 5}\r\n}\r\n+}\r\n{5\r\n5}\r\n", "LLLLL");
	expect_events(CLIENT, "a X {5++}\r\na X {5+-}\na X {+5}\na X { 5}\na X {5x}\n", "LLLLL");
	expect_events(CLIENT, "a X {-1}\r\na X {0x1}\r\na X (5}\r\n", "LLL");
}

static void an_announcement_is_found_behind_a_long_line(void **s)
{
	char line[96];

	(void)s;
	for (size_t n = 20; n < 60; n++) {
		memset(line, 'x', sizeof(line));
		memcpy(line + n, " {3}\r\nabc\r\n", sizeof(" {3}\r\nabc\r\n"));
		expect_events(CLIENT, line, "{L");
		memcpy(line + n, " {3} \r\n", sizeof(" {3} \r\n"));
		expect_events(CLIENT, line, "L");
	}
}

static void server_data_announces_literals(void **s)
{
	(void)s;
	expect_events(SERVER, "* 1 FETCH (BODY[] {3}\r\nabc UID 1)\r\n* 2 EXISTS\r\n", "{LL");
	expect_events(SERVER, "* 1 FETCH (BINARY[1] ~{2}\r\n\r\n)\r\n", "{L");
	expect_events(SERVER, "* LIST () \"/\" {2}\r\nab\r\n", "{L");
	expect_events(SERVER, "* ESEARCH {1}\nx\n", "{L");
}

static void server_text_announces_none(void **s)
{
	(void)s;
	expect_events(SERVER, "* OK see {3}\r\n* NO {3}\r\n* BAD x {3+}\r\n* BYE {3}\r\n* PREAUTH hi {3}\r\n", "LLLLL");
	expect_events(SERVER, "* ok see {3}\r\n* preAuth {3}\n", "LL");
	expect_events(SERVER, "a1 OK done {3}\r\n+ {3}\r\n+{3}\r\n+ idling {3}\n", "LLLL");
	expect_events(SERVER, "a1 OK {18446744073709551616}\r\n* OK {99999999999999999999999999999999999999999}\r\n", "LL");
}

static void words_that_begin_like_a_status_are_data(void **s)
{
	(void)s;
	expect_events(SERVER, "* OKAY {1}\r\nx\r\n* NOTES {1}\r\nx\r\n* BYES {1}\r\nx\r\n", "{L{L{L");
	expect_events(SERVER, "* PREAUTHS {1}\r\nx\r\n* B {1}\r\nx\r\n*OK {1}\r\nx\r\n", "{L{L{L");
}

static void behind_a_literal_a_response_stays_data(void **s)
{
	(void)s;
	expect_events(SERVER, "* 1 FETCH (A {1}\r\nxa OK B {2}\r\nyy)\r\n", "{{L");
	expect_events(SERVER, "* 1 FETCH (A {0}\r\n* OK {1}\r\nx)\r\n", "{{L");
	expect_events(SERVER, "* 1 FETCH (A {1}\r\nx)\r\n* OK {2}\r\n", "{LL");
}

static void a_client_s_lines_have_no_class(void **s)
{
	(void)s;
	expect_events(CLIENT, "* OK {1}\r\nx\r\n+ {1}\r\nx\r\n", "{L{L");
}

static void it_is_at_the_start_only_between_commands(void **s)
{
	static const char text[] = "a X {2}\r\nbc {0}\r\n\r\nb\n";
	struct imap_frame f;
	enum imap_frame_event ev;

	(void)s;
	imap_frame_init(&f, CLIENT);
	assert_true(imap_frame_at_start(&f));
	assert_int_equal(imap_frame_scan(&f, text, 0, &ev), 0);
	assert_true(imap_frame_at_start(&f));
	for (size_t i = 0; i < strlen(text); i++) {
		imap_frame_scan(&f, text + i, 1, &ev);
		assert_int_equal(imap_frame_at_start(&f), i == 18 || i == 20);
	}
}

static void bytes_behind_a_literal_s_announcement_are_not_taken(void **s)
{
	struct imap_frame f;
	enum imap_frame_event ev;

	(void)s;
	imap_frame_init(&f, SERVER);
	assert_int_equal(imap_frame_scan(&f, "* 1 FETCH (X {4}\r\nab", 20, &ev), 18);
	assert_true(f.left == 4);
	assert_int_equal(imap_frame_scan(&f, "ab", 2, &ev), 2);
	assert_int_equal(ev, IMAP_FRAME_MORE);
	assert_true(f.left == 2);
	f.left -= 2;	/* as one does who moves them by splice */
	assert_int_equal(imap_frame_scan(&f, ")\r\n* X", 6, &ev), 3);
	assert_int_equal(ev, IMAP_FRAME_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_ends_at_lf_with_or_without_cr),
		cmocka_unit_test(an_empty_line_is_a_line),
		cmocka_unit_test(other_crs_are_text),
		cmocka_unit_test(a_literal_is_skipped_unread),
		cmocka_unit_test(lf_alone_announces_a_literal_too),
		cmocka_unit_test(the_end_of_a_literal_and_what_follows_make_no_announcement),
		cmocka_unit_test(an_empty_literal_leaves_the_command_open),
		cmocka_unit_test(all_forms_of_a_literal_count),
		cmocka_unit_test(sizes_go_up_to_64_bits),
		cmocka_unit_test(a_size_that_cannot_be_held_is_bad),
		cmocka_unit_test(what_only_looks_like_a_literal_is_text),
		cmocka_unit_test(an_announcement_is_found_behind_a_long_line),
		cmocka_unit_test(server_data_announces_literals),
		cmocka_unit_test(server_text_announces_none),
		cmocka_unit_test(words_that_begin_like_a_status_are_data),
		cmocka_unit_test(behind_a_literal_a_response_stays_data),
		cmocka_unit_test(a_client_s_lines_have_no_class),
		cmocka_unit_test(it_is_at_the_start_only_between_commands),
		cmocka_unit_test(bytes_behind_a_literal_s_announcement_are_not_taken),
	};
	return cmocka_run_group_tests_name("imap_frame", tests, NULL, NULL);
}
