#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/out.h"

static void expect(struct out *o, const char *text)
{
	assert_true(out_ok(o));
	assert_string_equal(out_cstr(o), text);
}

static void pieces_follow_each_other(void **s)
{
	char buf[64];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_str(&o, "a");
	out_chr(&o, ' ');
	out_span(&o, span_mem("bcd", 2));
	out_mem(&o, "", 0);
	out_span(&o, (struct span){ 0 });
	expect(&o, "a bc");
}

static void numbers_are_decimal_from_zero_to_the_largest(void **s)
{
	char buf[64];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_num(&o, 0);
	out_chr(&o, ' ');
	out_num(&o, 1090);
	out_chr(&o, ' ');
	out_num(&o, UINT64_MAX);
	expect(&o, "0 1090 18446744073709551615");
}

static void what_fits_exactly_is_written(void **s)
{
	char buf[4];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_str(&o, "abcd");
	assert_true(out_ok(&o));
	assert_true(span_is(out_written(&o), "abcd"));
}

static void a_piece_that_does_not_fit_is_left_out_whole_with_all_behind_it(void **s)
{
	char buf[8] = "-------";
	struct out o;

	(void)s;
	out_init(&o, buf, 5);
	out_str(&o, "abc");
	out_str(&o, "def");
	out_chr(&o, 'g');
	assert_false(out_ok(&o));
	assert_true(span_is(out_written(&o), "abc"));
	assert_string_equal(buf, "abc----");
}

static void every_kind_of_piece_is_all_or_nothing(void **s)
{
	(void)s;
	for (int kind = 0; kind < 4; kind++) {
		static const size_t size[] = { 5, 8, 6, 8 };

		for (size_t cap = 0; cap <= 8; cap++) {
			char buf[9];
			struct out o;

			out_init(&o, buf, cap);
			if (kind == 0)
				out_num(&o, 12345);
			else if (kind == 1)
				out_quoted(&o, span_of("a\"b\\"));
			else if (kind == 2)
				out_literal_head(&o, 42, false);
			else
				out_base64(&o, span_of("abcd"));
			assert_int_equal(o.len, cap < size[kind] ? 0 : size[kind]);
			assert_int_equal(out_ok(&o), o.len > 0);
		}
	}
}

static void quotes_and_backslashes_are_escaped(void **s)
{
	char buf[64];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_quoted(&o, span_of("p\"a\\s {5}%n"));
	out_quoted(&o, span_of(""));
	expect(&o, "\"p\\\"a\\\\s {5}%n\"\"\"");
}

static void what_no_quoted_string_can_hold_is_refused(void **s)
{
	static const char bad[] = { '\0', '\r', '\n', '\x7f', '\x80', '\xff' };

	(void)s;
	for (size_t i = 0; i < sizeof(bad); i++) {
		char text[3] = { 'a', bad[i], 'b' }, buf[16];
		struct out o;

		out_init(&o, buf, sizeof(buf));
		out_quoted(&o, span_mem(text, 3));
		out_chr(&o, 'x');
		assert_false(out_ok(&o));
		assert_int_equal(o.len, 0);
	}
}

static void literal_heads_tell_whether_they_wait(void **s)
{
	char buf[64];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_literal_head(&o, 0, false);
	out_literal_head(&o, 310, true);
	expect(&o, "{0}\r\n{310+}\r\n");
}

static void base64_is_padded(void **s)
{
	char buf[64];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_base64(&o, span_mem("\0a\0b", 4));
	out_base64(&o, span_of(""));
	expect(&o, "AGEAYg==");
}

static void the_last_byte_makes_room_for_the_nul(void **s)
{
	char buf[3];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	out_str(&o, "abc");
	assert_string_equal(out_cstr(&o), "ab");
	assert_false(out_ok(&o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_follow_each_other),
		cmocka_unit_test(numbers_are_decimal_from_zero_to_the_largest),
		cmocka_unit_test(what_fits_exactly_is_written),
		cmocka_unit_test(a_piece_that_does_not_fit_is_left_out_whole_with_all_behind_it),
		cmocka_unit_test(every_kind_of_piece_is_all_or_nothing),
		cmocka_unit_test(quotes_and_backslashes_are_escaped),
		cmocka_unit_test(what_no_quoted_string_can_hold_is_refused),
		cmocka_unit_test(literal_heads_tell_whether_they_wait),
		cmocka_unit_test(base64_is_padded),
		cmocka_unit_test(the_last_byte_makes_room_for_the_nul),
	};
	return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
