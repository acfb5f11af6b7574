#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/base64.h"

static void expect_decoded(const char *text, const void *bytes, size_t n)
{
	char buf[32];
	size_t len = 99;

	assert_true(base64_decode(span_of(text), buf, sizeof(buf), &len));
	assert_int_equal(len, n);
	assert_memory_equal(buf, bytes, n);
	assert_true(base64_is_valid(span_of(text)));
}

static void expect_refused(const char *text)
{
	char buf[32];
	size_t len;

	assert_false(base64_decode(span_of(text), buf, sizeof(buf), &len));
	assert_false(base64_is_valid(span_of(text)));
}

static void the_rfc_s_examples_decode(void **s)
{
	(void)s;
	expect_decoded("", "", 0);
	expect_decoded("Zg==", "f", 1);
	expect_decoded("Zm8=", "fo", 2);
	expect_decoded("Zm9v", "foo", 3);
	expect_decoded("Zm9vYg==", "foob", 4);
	expect_decoded("Zm9vYmE=", "fooba", 5);
	expect_decoded("Zm9vYmFy", "foobar", 6);
	expect_decoded("+/+/", "\xfb\xff\xbf", 3);
	expect_decoded("AAAA", "\0\0\0", 3);
}

static void all_bytes_come_back_at_every_length(void **s)
{
	unsigned char bytes[256], back[256];
	char text[BASE64_LEN(256)];

	(void)s;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 167 + 13;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		size_t len, encoded = base64_encode(span_mem(bytes, n), text);

		assert_int_equal(encoded, BASE64_LEN(n));
		assert_true(base64_decode(span_mem(text, encoded), back, n, &len));
		assert_int_equal(len, n);
		assert_memory_equal(back, bytes, n);
	}
}

static void decoding_in_place_is_allowed(void **s)
{
	char text[] = "Zm9vYmFyYmF6cQ==";
	size_t len;

	(void)s;
	assert_true(base64_decode(span_of(text), text, sizeof(text), &len));
	assert_true(span_is(span_mem(text, len), "foobarbazq"));
}

static void padding_is_needed_and_only_at_the_end(void **s)
{
	(void)s;
	expect_refused("Zg");
	expect_refused("Zg=");
	expect_refused("Zm9vYg");
	expect_refused("=");
	expect_refused("====");
	expect_refused("Z===");
	expect_refused("Zg==Zg==");
	expect_refused("Zm8=Zm8=");
	expect_refused("Z=g=");
	expect_refused("=Zg=");
	expect_refused("Zm9v====");
}

static void characters_outside_the_alphabet_are_refused(void **s)
{
	(void)s;
	for (int c = 0; c < 256; c++) {
		char text[4] = { 'Z', 'm', (char)c, 'v' }, buf[4];
		size_t len;
		bool is_ours = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", c);

		assert_int_equal(base64_decode(span_mem(text, 4), buf, sizeof(buf), &len), is_ours);
	}
	expect_refused("Zm9v\r\n");
	expect_refused("Zm9 vYg=");
	expect_refused("Zm-_");
}

static void one_run_of_bytes_has_one_spelling(void **s)
{
	(void)s;
	expect_refused("Zh==");
	expect_refused("Zv==");
	expect_refused("Zm9=");
	expect_refused("Zm+=");
}

static void nothing_is_written_beyond_the_room(void **s)
{
	char buf[4] = "---";
	size_t len;

	(void)s;
	assert_false(base64_decode(span_of("Zm9v"), buf, 2, &len));
	assert_string_equal(buf, "---");
	assert_true(base64_decode(span_of("Zm8="), buf, 2, &len));
	assert_string_equal(buf, "fo-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rfc_s_examples_decode),
		cmocka_unit_test(all_bytes_come_back_at_every_length),
		cmocka_unit_test(decoding_in_place_is_allowed),
		cmocka_unit_test(padding_is_needed_and_only_at_the_end),
		cmocka_unit_test(characters_outside_the_alphabet_are_refused),
		cmocka_unit_test(one_run_of_bytes_has_one_spelling),
		cmocka_unit_test(nothing_is_written_beyond_the_room),
	};
	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
