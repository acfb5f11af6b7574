#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/sasl.h"

static struct sasl_identity id;

#define MESSAGE(text) span_mem(text, sizeof(text) - 1)

static void mechanisms_are_found_without_case(void **s)
{
	(void)s;
	assert_int_equal(sasl_find(span_of("PLAIN")), SASL_PLAIN);
	assert_int_equal(sasl_find(span_of("plain")), SASL_PLAIN);
	assert_int_equal(sasl_find(span_of("PLAINS")), SASL_NONE);
	assert_int_equal(sasl_find(span_of("PLAI")), SASL_NONE);
	assert_int_equal(sasl_find(span_of("none")), SASL_NONE);
	assert_int_equal(sasl_find(span_of("")), SASL_NONE);
	assert_string_equal(sasl_name(SASL_PLAIN), "PLAIN");
}

static void plain_has_three_fields(void **s)
{
	(void)s;
	assert_true(sasl_plain_parse(MESSAGE("\0joe\0pw"), &id));
	assert_int_equal(id.authorize.n, 0);
	assert_true(span_is(id.authenticate, "joe"));
	assert_true(span_is(id.password, "pw"));
	assert_true(sasl_plain_parse(MESSAGE("jos\xc3\xa9\0master\0p w\r\n\x01\xff"), &id));
	assert_true(span_is(id.authorize, "jos\xc3\xa9"));
	assert_true(span_is(id.authenticate, "master"));
	assert_true(span_is(id.password, "p w\r\n\x01\xff"));
}

static void expect_refused(struct span message)
{
	id.password = span_of("of an earlier attempt");
	assert_false(sasl_plain_parse(message, &id));
	assert_int_equal(id.authorize.n + id.authenticate.n + id.password.n, 0);
}

static void plain_has_just_two_nuls(void **s)
{
	(void)s;
	expect_refused((struct span){ 0 });
	expect_refused(MESSAGE("joe"));
	expect_refused(MESSAGE("joe\0pw"));
	expect_refused(MESSAGE("\0joe\0p\0w"));
	expect_refused(MESSAGE("\0joe\0pw\0"));
	expect_refused(MESSAGE("\0\0\0"));
}

static void user_and_password_are_never_empty(void **s)
{
	(void)s;
	expect_refused(MESSAGE("\0\0pw"));
	expect_refused(MESSAGE("joe\0\0pw"));
	expect_refused(MESSAGE("\0joe\0"));
	expect_refused(MESSAGE("\0\0"));
}

static void names_hold_no_control_byte(void **s)
{
	(void)s;
	for (int c = 1; c < 128; c++) {
		char as[] = "j?e\0adm\0pw", who[] = "joe\0a?m\0pw";
		bool ok = c >= ' ' && c != 0x7f;

		as[1] = who[5] = (char)c;
		assert_int_equal(sasl_plain_parse(MESSAGE(as), &id), ok);
		assert_int_equal(sasl_plain_parse(MESSAGE(who), &id), ok);
	}
}

static void names_are_utf_8(void **s)
{
	(void)s;
	expect_refused(MESSAGE("\0j\xff\0pw"));
	expect_refused(MESSAGE("\0j\xc3\0pw"));
	expect_refused(MESSAGE("j\xc0\xaf\0adm\0pw"));
	expect_refused(MESSAGE("\0j\xed\xa0\x80\0pw"));
}

static void every_cut_of_a_message_is_refused_until_it_is_whole(void **s)
{
	static const char message[] = "joe\0master\0pw";

	(void)s;
	for (size_t n = 0; n < sizeof(message); n++) {
		char *exact = memcpy(malloc(n + 1), message, n);

		assert_int_equal(sasl_plain_parse(span_mem(exact, n), &id), n > 11);
		free(exact);
	}
}

static void what_is_written_reads_back(void **s)
{
	const struct sasl_identity in = { span_of("joe"), span_of("master"), span_of("p w") };
	char buf[64];
	struct out o;

	(void)s;
	out_init(&o, buf, sizeof(buf));
	sasl_plain_write(&o, &in);
	assert_true(out_ok(&o));
	assert_true(span_eq(out_written(&o), MESSAGE("joe\0master\0p w")));
	assert_true(sasl_plain_parse(out_written(&o), &id));
	assert_true(span_eq(id.authorize, in.authorize));
	assert_true(span_eq(id.authenticate, in.authenticate));
	assert_true(span_eq(id.password, in.password));
}

static void a_field_with_a_nul_is_not_written(void **s)
{
	const struct span nul = MESSAGE("x\0y"), good = span_of("x");
	const struct sasl_identity bad[] = { { nul, good, good }, { good, nul, good }, { good, good, nul } };

	(void)s;
	for (size_t i = 0; i < 3; i++) {
		char buf[64];
		struct out o;

		out_init(&o, buf, sizeof(buf));
		sasl_plain_write(&o, &bad[i]);
		assert_false(out_ok(&o));
		assert_int_equal(o.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mechanisms_are_found_without_case),
		cmocka_unit_test(plain_has_three_fields),
		cmocka_unit_test(plain_has_just_two_nuls),
		cmocka_unit_test(user_and_password_are_never_empty),
		cmocka_unit_test(names_hold_no_control_byte),
		cmocka_unit_test(names_are_utf_8),
		cmocka_unit_test(every_cut_of_a_message_is_refused_until_it_is_whole),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(a_field_with_a_nul_is_not_written),
	};
	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
