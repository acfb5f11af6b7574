#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_caps.h"
#include "wire/sasl.h"

static struct sasl_identity id;

#define MESSAGE(text) span_mem(text, sizeof(text) - 1)

static char room[4096];

static bool parse_plain(struct span message, struct sasl_identity *to)
{
	return sasl_parse(SASL_PLAIN, message, room, to);
}

static void expect(enum sasl_mechanism m, struct span message, const char *authorize, const char *authenticate)
{
	assert_true(sasl_parse(m, message, room, &id));
	assert_true(span_is(id.authorize, authorize));
	assert_true(span_is(id.authenticate, authenticate));
	if (sasl_kind(m) == SASL_TOKEN || sasl_kind(m) == SASL_CHALLENGE)
		assert_true(span_eq(id.secret, message));
}

static void expect_none(enum sasl_mechanism m, struct span message)
{
	id.secret = span_of("of an earlier attempt");
	assert_false(sasl_parse(m, message, room, &id));
	assert_int_equal(id.authorize.n + id.authenticate.n + id.secret.n, 0);
}

/* From memory of just that size; from behind good bytes on it is a message. */
static void expect_whole(enum sasl_mechanism m, struct span message, size_t good)
{
	for (size_t n = 0; n <= message.n; n++) {
		char *exact = malloc(n + 1), *names = malloc(n + 1);

		assert_non_null(exact);
		assert_non_null(names);
		memcpy(exact, message.p, n);
		assert_int_equal(sasl_parse(m, span_mem(exact, n), names, &id), n >= good);
		free(exact);
		free(names);
	}
}

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
	for (enum sasl_mechanism m = SASL_NONE + 1; m < SASL_N; m++)
		assert_int_equal(sasl_find(span_of(sasl_name(m))), m);
	assert_int_equal(sasl_find(span_of("SCRAM-SHA-256-PLUS")), SASL_NONE);
}

static void plain_has_three_fields(void **s)
{
	(void)s;
	assert_true(parse_plain(MESSAGE("\0joe\0pw"), &id));
	assert_int_equal(id.authorize.n, 0);
	assert_true(span_is(id.authenticate, "joe"));
	assert_true(span_is(id.secret, "pw"));
	assert_true(parse_plain(MESSAGE("jos\xc3\xa9\0master\0p w\r\n\x01\xff"), &id));
	assert_true(span_is(id.authorize, "jos\xc3\xa9"));
	assert_true(span_is(id.authenticate, "master"));
	assert_true(span_is(id.secret, "p w\r\n\x01\xff"));
}

static void expect_refused(struct span message)
{
	id.secret = span_of("of an earlier attempt");
	assert_false(parse_plain(message, &id));
	assert_int_equal(id.authorize.n + id.authenticate.n + id.secret.n, 0);
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
		assert_int_equal(parse_plain(MESSAGE(as), &id), ok);
		assert_int_equal(parse_plain(MESSAGE(who), &id), ok);
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

		assert_int_equal(parse_plain(span_mem(exact, n), &id), n > 11);
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
	assert_true(parse_plain(out_written(&o), &id));
	assert_true(span_eq(id.authorize, in.authorize));
	assert_true(span_eq(id.authenticate, in.authenticate));
	assert_true(span_eq(id.secret, in.secret));
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

static void each_mechanism_has_its_capability(void **s)
{
	(void)s;
	for (enum sasl_mechanism m = SASL_NONE + 1; m < SASL_N; m++) {
		struct imap_caps caps;
		char word[64];

		snprintf(word, sizeof(word), "AUTH=%s", sasl_name(m));
		imap_caps_parse(&caps, span_of(word));
		assert_int_equal(caps.set, sasl_cap(m));
	}
}

static void login_says_who_and_then_the_password(void **s)
{
	(void)s;
	expect(SASL_LOGIN, span_of("joe"), "", "joe");
	assert_int_equal(id.secret.n, 0);
	expect_none(SASL_LOGIN, span_of(""));
	expect_none(SASL_LOGIN, span_of("j\r\noe"));
	expect_none(SASL_LOGIN, MESSAGE("j\0e"));
	expect_none(SASL_LOGIN, span_of("j\xff"));
	expect(SASL_LOGIN, span_of("joe"), "", "joe");
	assert_true(sasl_login_password(span_of("p w\r\n"), &id));
	assert_true(span_is(id.secret, "p w\r\n"));
	assert_false(sasl_login_password(span_of(""), &id));
	assert_false(sasl_login_password(MESSAGE("p\0w"), &id));
}

#define XOAUTH2 "user=joe@example.org\1auth=Bearer t0k=en\1\1"

static void xoauth2_has_a_user_and_one_token(void **s)
{
	(void)s;
	expect(SASL_XOAUTH2, span_of(XOAUTH2), "", "joe@example.org");
	expect(SASL_XOAUTH2, span_of("user=joe\1x=y\1auth=Bearer t\1\1"), "", "joe");
	expect_whole(SASL_XOAUTH2, span_of(XOAUTH2), sizeof(XOAUTH2) - 1);
	expect_none(SASL_XOAUTH2, span_of(XOAUTH2 "\1"));
	expect_none(SASL_XOAUTH2, span_of("user=\1auth=Bearer t\1\1"));
	expect_none(SASL_XOAUTH2, span_of("USER=joe\1auth=Bearer t\1\1"));
	expect_none(SASL_XOAUTH2, span_of("auth=Bearer t\1user=joe\1\1"));
	expect_none(SASL_XOAUTH2, span_of("user=joe\1\1"));
	expect_none(SASL_XOAUTH2, span_of("user=joe\1auth=Bearer t\1auth=Bearer u\1\1"));
	expect_none(SASL_XOAUTH2, span_of("user=joe\1auth=Bearer t\1User=ann\1\1"));
	expect_none(SASL_XOAUTH2, span_of("user=joe\1auth=Bearer t\1nothing\1\1"));
	expect_none(SASL_XOAUTH2, span_of("user=j\noe\1auth=Bearer t\1\1"));
	expect_none(SASL_XOAUTH2, MESSAGE("user=joe\1auth=Bearer \0t\1\1"));
}

#define OAUTHBEARER "n,a=j=2Coe=3D@example.org,\1host=x\1port=143\1auth=Bearer t\1\1"

static void oauthbearer_has_its_user_in_the_gs2_header(void **s)
{
	(void)s;
	expect(SASL_OAUTHBEARER, span_of(OAUTHBEARER), "", "j,oe=@example.org");
	expect(SASL_OAUTHBEARER, span_of("y,a=joe,\1auth=Bearer t\1\1"), "", "joe");
	expect_whole(SASL_OAUTHBEARER, span_of(OAUTHBEARER), sizeof(OAUTHBEARER) - 1);
	expect_none(SASL_OAUTHBEARER, span_of("p=tls-unique,a=joe,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,a=,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,n=joe,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,a=joe\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,a=j=2Doe,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,a=joe=2,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,a=joe=2c,\1auth=Bearer t\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("n,a=joe,\1\1"));
	expect_none(SASL_OAUTHBEARER, span_of("\1"));
}

static void external_says_as_whom_or_nothing(void **s)
{
	(void)s;
	expect(SASL_EXTERNAL, span_of(""), "", "");
	expect(SASL_EXTERNAL, span_of("joe"), "joe", "");
	expect_none(SASL_EXTERNAL, span_of("j\toe"));
	expect_none(SASL_EXTERNAL, MESSAGE("joe\0"));
}

#define SCRAM "n,a=j=2Coe,n=adm=3Din,r=fyko+d2lbbFgONRv9qkxdawL,x=more"

static void scram_has_its_names_in_the_first_message(void **s)
{
	(void)s;
	expect(SASL_SCRAM_SHA_1, span_of(SCRAM), "j,oe", "adm=in");
	expect(SASL_SCRAM_SHA_256, span_of("n,,n=joe,r=x"), "", "joe");
	expect(SASL_SCRAM_SHA_256, span_of("y,,n=jos\xc3\xa9,r=x"), "", "jos\xc3\xa9");
	expect_whole(SASL_SCRAM_SHA_256, span_of("n,,n=joe,r=x"), 12);
	expect_none(SASL_SCRAM_SHA_1, span_of("p=tls-exporter,,n=joe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("x,,n=joe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,joe,n=joe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,a=,n=joe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,m=ext,n=joe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=j=oe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=joe=,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=joe"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=joe,r="));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=joe,r=,x=y"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=joe,r=a b"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=j\noe,r=x"));
	expect_none(SASL_SCRAM_SHA_1, span_of("n,,n=j\xff,r=x"));
	expect_none(SASL_SCRAM_SHA_1, MESSAGE("n,,n=joe,r=x,y=\0"));
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
		cmocka_unit_test(each_mechanism_has_its_capability),
		cmocka_unit_test(login_says_who_and_then_the_password),
		cmocka_unit_test(xoauth2_has_a_user_and_one_token),
		cmocka_unit_test(oauthbearer_has_its_user_in_the_gs2_header),
		cmocka_unit_test(external_says_as_whom_or_nothing),
		cmocka_unit_test(scram_has_its_names_in_the_first_message),
	};
	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
