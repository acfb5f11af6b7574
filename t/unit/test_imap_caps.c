#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_caps.h"

static uint32_t set_of(const char *list)
{
	struct imap_caps caps;

	imap_caps_parse(&caps, span_of(list));
	assert_true(caps.known);
	return caps.set;
}

static void expect_filtered(const char *list, uint32_t drop, const char *left)
{
	char buf[256];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	imap_caps_filter(&o, span_of(list), drop);
	assert_true(out_ok(&o));
	assert_string_equal(out_cstr(&o), left);
}

static void every_word_has_its_bit(void **s)
{
	static const struct { const char *word; uint32_t set; } words[] = {
		{ "IMAP4rev1", IMAP_CAP_IMAP4REV1 }, { "SASL-IR", IMAP_CAP_SASL_IR }, { "LITERAL+", IMAP_CAP_LITERAL_PLUS },
		{ "LITERAL-", IMAP_CAP_LITERAL_MINUS }, { "ID", IMAP_CAP_ID }, { "STARTTLS", IMAP_CAP_STARTTLS },
		{ "LOGINDISABLED", IMAP_CAP_LOGINDISABLED }, { "AUTH=PLAIN", IMAP_CAP_AUTH_PLAIN },
		{ "AUTH=LOGIN", IMAP_CAP_AUTH_LOGIN }, { "AUTH=XOAUTH2", IMAP_CAP_AUTH_XOAUTH2 },
		{ "AUTH=OAUTHBEARER", IMAP_CAP_AUTH_OAUTHBEARER }, { "AUTH=EXTERNAL", IMAP_CAP_AUTH_EXTERNAL },
		{ "AUTH=SCRAM-SHA-1", IMAP_CAP_AUTH_SCRAM_SHA_1 }, { "AUTH=SCRAM-SHA-256", IMAP_CAP_AUTH_SCRAM_SHA_256 },
		{ "IDLE", IMAP_CAP_IDLE }, { "COMPRESS=DEFLATE", IMAP_CAP_COMPRESS_DEFLATE },
		{ "UNAUTHENTICATE", IMAP_CAP_UNAUTHENTICATE }, { "X-UNAUTHENTICATE", IMAP_CAP_UNAUTHENTICATE },
		{ "UTF8=ACCEPT", IMAP_CAP_UTF8_ACCEPT }, { "ENABLE", IMAP_CAP_ENABLE },
	};

	(void)s;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(set_of(words[i].word), words[i].set);
}

static void words_are_whole_and_without_case(void **s)
{
	(void)s;
	assert_int_equal(set_of("imap4REV1 auth=plain"), IMAP_CAP_IMAP4REV1 | IMAP_CAP_AUTH_PLAIN);
	assert_int_equal(set_of("IDLES XID LITERAL AUTH=PLAINS AUTH= IMAP4"), 0);
	assert_int_equal(set_of("  ID   IDLE  "), IMAP_CAP_ID | IMAP_CAP_IDLE);
}

static void an_empty_list_is_known_and_forgets_what_was_there(void **s)
{
	struct imap_caps caps = { .known = false, .set = IMAP_CAP_SASL_IR };

	(void)s;
	imap_caps_parse(&caps, (struct span){ 0 });
	assert_true(caps.known);
	assert_int_equal(caps.set, 0);
}

static void channel_binding_forms_are_no_mechanism_of_ours(void **s)
{
	(void)s;
	assert_int_equal(set_of("AUTH=SCRAM-SHA-256-PLUS"), IMAP_CAP_AUTH_ANY_PLUS);
	assert_int_equal(set_of("auth=x-plus"), IMAP_CAP_AUTH_ANY_PLUS);
	assert_int_equal(set_of("AUTH=-PLUS X-PLUS AUTH=PLUS"), 0);
}

static void imap4rev2_implies_literal_minus(void **s)
{
	(void)s;
	assert_int_equal(set_of("IMAP4rev2"), IMAP_CAP_IMAP4REV2 | IMAP_CAP_LITERAL_MINUS);
}

static void has_wants_every_bit(void **s)
{
	struct imap_caps caps;

	(void)s;
	imap_caps_parse(&caps, span_of("ID IDLE"));
	assert_true(imap_caps_has(&caps, IMAP_CAP_ID | IMAP_CAP_IDLE));
	assert_false(imap_caps_has(&caps, IMAP_CAP_ID | IMAP_CAP_ENABLE));
}

static void literals_go_unasked_only_as_far_as_the_server_allows(void **s)
{
	struct imap_caps caps;

	(void)s;
	imap_caps_parse(&caps, span_of("IMAP4rev1"));
	assert_false(imap_caps_literal_nonsync(&caps, 0));
	imap_caps_parse(&caps, span_of("LITERAL-"));
	assert_true(imap_caps_literal_nonsync(&caps, 4096));
	assert_false(imap_caps_literal_nonsync(&caps, 4097));
	imap_caps_parse(&caps, span_of("LITERAL+"));
	assert_true(imap_caps_literal_nonsync(&caps, 1000000));
}

static void filtering_drops_words_and_keeps_the_unknown(void **s)
{
	(void)s;
	expect_filtered("IMAP4rev1  X-NEW COMPRESS=DEFLATE IDLE ", IMAP_CAP_COMPRESS_DEFLATE, "IMAP4rev1 X-NEW IDLE");
	expect_filtered("compress=deflate UNAUTHENTICATE x-Unauthenticate IDLE",
			IMAP_CAP_COMPRESS_DEFLATE | IMAP_CAP_UNAUTHENTICATE, "IDLE");
	expect_filtered("AUTH=SCRAM-SHA-1 AUTH=SCRAM-SHA-1-PLUS AUTH=X-PLUS", IMAP_CAP_AUTH_ANY_PLUS, "AUTH=SCRAM-SHA-1");
	expect_filtered("IMAP4rev2", IMAP_CAP_LITERAL_MINUS, "IMAP4rev2");
	expect_filtered("ID", IMAP_CAP_ID, "");
	expect_filtered("", 0, "");
}

static void filtering_lets_no_control_byte_through(void **s)
{
	(void)s;
	expect_filtered("A\rB C\x1b[0m D \xc3\xa9 \x7f", 0, "D");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_has_its_bit),
		cmocka_unit_test(words_are_whole_and_without_case),
		cmocka_unit_test(an_empty_list_is_known_and_forgets_what_was_there),
		cmocka_unit_test(channel_binding_forms_are_no_mechanism_of_ours),
		cmocka_unit_test(imap4rev2_implies_literal_minus),
		cmocka_unit_test(has_wants_every_bit),
		cmocka_unit_test(literals_go_unasked_only_as_far_as_the_server_allows),
		cmocka_unit_test(filtering_drops_words_and_keeps_the_unknown),
		cmocka_unit_test(filtering_lets_no_control_byte_through),
	};
	return cmocka_run_group_tests_name("imap_caps", tests, NULL, NULL);
}
