#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/user_name.h"

static void expect_canonical(const char *name, enum user_name_case local, const char *canonical)
{
	char buf[USER_NAME_MAX + 1];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	assert_true(user_name_canonical(&o, span_of(name), local));
	assert_string_equal(out_cstr(&o), canonical);
}

static void expect_refused(struct span name)
{
	char buf[2 * USER_NAME_MAX];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	assert_false(user_name_canonical(&o, name, USER_NAME_LOWER));
	assert_int_equal(o.len, 0);
}

static void expect_encoded(const char *name, const char *encoded)
{
	char buf[64];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	user_name_encode(&o, span_of(name));
	assert_true(out_ok(&o));
	assert_string_equal(out_cstr(&o), encoded);
}

static void a_domain_is_lowered_and_the_local_part_by_setting(void **s)
{
	(void)s;
	expect_canonical("John.Doe@Example.ORG", USER_NAME_LOWER, "john.doe@example.org");
	expect_canonical("John.Doe@Example.ORG", USER_NAME_KEEP, "John.Doe@example.org");
	expect_canonical("John", USER_NAME_LOWER, "john");
	expect_canonical("John", USER_NAME_KEEP, "John");
	expect_canonical("A@B@C", USER_NAME_KEEP, "A@B@c");
	expect_canonical("@Z", USER_NAME_KEEP, "@z");
	expect_canonical("Z@", USER_NAME_KEEP, "Z@");
}

static void names_that_only_look_alike_stay_apart(void **s)
{
	(void)s;
	expect_canonical("a@b.", USER_NAME_LOWER, "a@b.");
	expect_canonical("a ", USER_NAME_LOWER, "a ");
	expect_canonical("\xc4\xb0@x", USER_NAME_LOWER, "\xc4\xb0@x");
	expect_canonical("\xc3\x89@\xc3\x89X", USER_NAME_LOWER, "\xc3\x89@\xc3\x89x");
	expect_canonical("A\xef\xbc\xa0" "B", USER_NAME_KEEP, "A\xef\xbc\xa0" "B");
	expect_canonical("user*master", USER_NAME_LOWER, "user*master");
	expect_canonical("[`{@[`{", USER_NAME_LOWER, "[`{@[`{");
}

static void expect_route(const char *name, const struct user_name_rules *rules, const char *route)
{
	char buf[USER_NAME_MAX + 1];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	assert_true(user_name_route(&o, span_of(name), rules));
	assert_string_equal(out_cstr(&o), route);
}

static void a_default_domain_is_for_names_without_one(void **s)
{
	const struct user_name_rules none = { 0 }, keep = { USER_NAME_KEEP, "Example.ORG", '*' };
	char name[USER_NAME_MAX + 1], buf[2 * USER_NAME_MAX];
	struct out o;

	(void)s;
	expect_route("Joe", &none, "joe");
	expect_route("Joe", &keep, "Joe@example.org");
	expect_route("Joe@X", &keep, "Joe@x");
	expect_route("Joe@", &keep, "Joe@");
	memset(name, 'x', sizeof(name));
	out_init(&o, buf, sizeof(buf));
	assert_true(user_name_route(&o, span_mem(name, USER_NAME_MAX - 12), &keep));
	out_init(&o, buf, sizeof(buf));
	assert_false(user_name_route(&o, span_mem(name, USER_NAME_MAX - 11), &keep));
	assert_false(user_name_route(&o, span_of(""), &keep));
	assert_false(user_name_route(&o, span_of("a\nb"), &keep));
}

static void expect_cut(const char *name, char separator, const char *user, const char *master)
{
	struct span u, m;

	assert_true(user_name_cut_master(span_of(name), separator, &u, &m));
	assert_true(span_is(u, user) && span_is(m, master));
}

static void a_master_stands_behind_the_first_separator(void **s)
{
	struct span u, m;

	(void)s;
	expect_cut("joe*adm", '*', "joe", "adm");
	expect_cut("joe*a*b", '*', "joe", "a*b");
	expect_cut("joe%adm", '*', "joe%adm", "");
	expect_cut("joe*adm", '\0', "joe*adm", "");
	expect_cut("", '*', "", "");
	assert_false(user_name_cut_master(span_of("*adm"), '*', &u, &m));
	assert_false(user_name_cut_master(span_of("joe*"), '*', &u, &m));
	assert_false(user_name_cut_master(span_of("*"), '*', &u, &m));
	assert_true(user_name_cut_master((struct span){ 0 }, '*', &u, &m));
}

static void a_name_has_a_length(void **s)
{
	char name[USER_NAME_MAX + 1], buf[USER_NAME_MAX];
	struct out o;

	(void)s;
	memset(name, 'x', sizeof(name));
	expect_refused(span_of(""));
	expect_refused(span_mem(name, sizeof(name)));
	out_init(&o, buf, sizeof(buf));
	assert_true(user_name_canonical(&o, span_mem(name, USER_NAME_MAX), USER_NAME_LOWER));
	out_init(&o, buf, sizeof(buf) - 1);
	assert_false(user_name_canonical(&o, span_mem(name, USER_NAME_MAX), USER_NAME_LOWER));
	assert_int_equal(o.len, 0);
}

static void control_bytes_are_refused(void **s)
{
	(void)s;
	for (int c = 0; c < ' '; c++)
		expect_refused(span_mem((char[]){ 'a', (char)c, 'b' }, 3));
	expect_refused(span_of("a\x7f" "b"));
	expect_refused(span_of("a\r\nset x"));
	expect_refused(span_of("a\xff"));
}

static void valid_utf_8_is_known(void **s)
{
	static const char *const good[] = {
		"", "abc", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xec\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf3\xbf\xbf\xbf", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z\xe2\x82\xac",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(utf8_is_valid(span_of(good[i])));
	assert_true(utf8_is_valid((struct span){ 0 }));
	assert_true(utf8_is_valid(span_mem("a\0", 2)));
}

static void invalid_utf_8_is_known(void **s)
{
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3z", "\xc3\xc3", "\xe0\x9f\xbf", "\xe0\x80\x80", "\xe2\x82",
		"\xe2\x82z",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff",
		"ab\xc3", "\xc3\xa9\xa9",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *exact = memcpy(malloc(strlen(bad[i])), bad[i], strlen(bad[i]));

		assert_false(utf8_is_valid(span_mem(exact, strlen(bad[i]))));
		free(exact);
	}
}

static void bytes_that_mean_something_to_a_key_are_encoded(void **s)
{
	(void)s;
	expect_encoded("joe.doe_9+x-Y@example.org", "joe.doe_9+x-Y@example.org");
	expect_encoded("a b{c}%:*/\\\"", "a%20b%7Bc%7D%25%3A%2A%2F%5C%22");
	expect_encoded("\xc3\xa9\x01\x7f\xff", "%C3%A9%01%7F%FF");
	expect_encoded("", "");
}

static void an_encoded_name_is_written_whole_or_not_at_all(void **s)
{
	char buf[8];

	(void)s;
	for (size_t cap = 0; cap <= sizeof(buf); cap++) {
		struct out o;

		out_init(&o, buf, cap);
		user_name_encode(&o, span_of("ab c"));
		assert_int_equal(out_ok(&o), cap >= 6);
		assert_int_equal(o.len, cap >= 6 ? 6 : 0);
	}
}

static void every_byte_comes_back(void **s)
{
	char all[256], coded[3 * 256], back[256];
	size_t len;
	struct out o;

	(void)s;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	out_init(&o, coded, sizeof(coded));
	user_name_encode(&o, span_mem(all, sizeof(all)));
	assert_true(out_ok(&o));
	assert_true(user_name_decode(out_written(&o), back, sizeof(back), &len));
	assert_int_equal(len, sizeof(all));
	assert_memory_equal(back, all, sizeof(all));
}

static void decoding_works_in_place_and_with_small_digits(void **s)
{
	char text[] = "a%20b%c3%A9%25";
	size_t len;

	(void)s;
	assert_true(user_name_decode(span_of(text), text, sizeof(text), &len));
	assert_true(span_is(span_mem(text, len), "a b\xc3\xa9%"));
}

static void a_percent_sign_wants_two_digits_and_bytes_want_room(void **s)
{
	static const char *const bad[] = { "%", "a%", "%4", "a%4", "%4g", "%g4", "%%41", "% 4", "%-1" };
	char buf[16];
	size_t len;

	(void)s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(user_name_decode(span_of(bad[i]), buf, sizeof(buf), &len));
	assert_false(user_name_decode(span_of("abc"), buf, 2, &len));
	assert_true(user_name_decode(span_of("%41%42"), buf, 2, &len));
	assert_true(user_name_decode(span_of(""), buf, 0, &len));
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_is_lowered_and_the_local_part_by_setting),
		cmocka_unit_test(names_that_only_look_alike_stay_apart),
		cmocka_unit_test(a_name_has_a_length),
		cmocka_unit_test(a_default_domain_is_for_names_without_one),
		cmocka_unit_test(a_master_stands_behind_the_first_separator),
		cmocka_unit_test(control_bytes_are_refused),
		cmocka_unit_test(valid_utf_8_is_known),
		cmocka_unit_test(invalid_utf_8_is_known),
		cmocka_unit_test(bytes_that_mean_something_to_a_key_are_encoded),
		cmocka_unit_test(an_encoded_name_is_written_whole_or_not_at_all),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(decoding_works_in_place_and_with_small_digits),
		cmocka_unit_test(a_percent_sign_wants_two_digits_and_bytes_want_room),
	};
	return cmocka_run_group_tests_name("user_name", tests, NULL, NULL);
}
