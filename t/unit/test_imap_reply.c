#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_reply.h"

static struct imap_reply r;

static bool parse(const char *line)
{
	return imap_reply_parse(line, strlen(line), &r);
}

static void expect_span(struct span s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p ? s.p : "", text, s.n);
}

static void expect_status(const char *line, enum imap_reply_kind kind, enum imap_status status, const char *code,
			  const char *args, const char *text)
{
	assert_true(parse(line));
	assert_int_equal(r.kind, kind);
	assert_int_equal(r.status, status);
	expect_span(r.code, code);
	expect_span(r.code_args, args);
	expect_span(r.text, text);
}

static void tagged_lines_have_tag_status_code_and_text(void **s)
{
	(void)s;
	expect_status("L OK [CAPABILITY IMAP4rev1 IDLE] Logged in", IMAP_REPLY_TAGGED, IMAP_STATUS_OK, "CAPABILITY",
		      "IMAP4rev1 IDLE", "Logged in");
	expect_span(r.tag, "L");
	expect_span(r.rest, "[CAPABILITY IMAP4rev1 IDLE] Logged in");
	expect_status("a.1] no [AUTHENTICATIONFAILED] Authentication failed.", IMAP_REPLY_TAGGED, IMAP_STATUS_NO,
		      "AUTHENTICATIONFAILED", "", "Authentication failed.");
	expect_span(r.tag, "a.1]");
	expect_status("x BAD what", IMAP_REPLY_TAGGED, IMAP_STATUS_BAD, "", "", "what");
	expect_span(r.rest, "what");
}

static void untagged_statuses_are_told_from_data(void **s)
{
	(void)s;
	expect_status("* OK [ALERT] ready", IMAP_REPLY_UNTAGGED, IMAP_STATUS_OK, "ALERT", "", "ready");
	expect_status("* NO x", IMAP_REPLY_UNTAGGED, IMAP_STATUS_NO, "", "", "x");
	expect_status("* BAD x", IMAP_REPLY_UNTAGGED, IMAP_STATUS_BAD, "", "", "x");
	expect_status("* bye [UNAVAILABLE] x", IMAP_REPLY_UNTAGGED, IMAP_STATUS_BYE, "UNAVAILABLE", "", "x");
	expect_status("* PreAuth hello", IMAP_REPLY_UNTAGGED, IMAP_STATUS_PREAUTH, "", "", "hello");
	assert_int_equal(r.word.n + r.data.n + r.tag.n, 0);
}

static void untagged_data_has_a_word_and_the_rest(void **s)
{
	(void)s;
	assert_true(parse("* CAPABILITY IMAP4rev1 AUTH=PLAIN"));
	assert_int_equal(r.kind, IMAP_REPLY_UNTAGGED);
	assert_int_equal(r.status, IMAP_STATUS_NONE);
	expect_span(r.word, "CAPABILITY");
	expect_span(r.data, "IMAP4rev1 AUTH=PLAIN");
	assert_true(parse("* 23 EXISTS"));
	expect_span(r.word, "23");
	expect_span(r.data, "EXISTS");
	assert_true(parse("* OKAY [x] y"));
	assert_int_equal(r.status, IMAP_STATUS_NONE);
	assert_int_equal(r.code.n, 0);
	assert_true(parse("* SEARCH"));
	expect_span(r.word, "SEARCH");
	assert_int_equal(r.data.n, 0);
}

static void a_plus_continues_with_or_without_its_space(void **s)
{
	static const struct { const char *line, *text; } lines[] = {
		{ "+ cGFzcw==", "cGFzcw==" }, { "+", "" }, { "+ ", "" }, { "+cGFzcw==", "cGFzcw==" }, { "+ [x] y", "[x] y" },
	};

	(void)s;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_true(parse(lines[i].line));
		assert_int_equal(r.kind, IMAP_REPLY_CONTINUE);
		assert_int_equal(r.status, IMAP_STATUS_NONE);
		expect_span(r.text, lines[i].text);
		assert_int_equal(r.code.n, 0);
	}
}

static void text_may_be_missing_and_spaces_may_follow(void **s)
{
	(void)s;
	expect_status("a OK", IMAP_REPLY_TAGGED, IMAP_STATUS_OK, "", "", "");
	expect_status("a OK ", IMAP_REPLY_TAGGED, IMAP_STATUS_OK, "", "", "");
	expect_status("* OK", IMAP_REPLY_UNTAGGED, IMAP_STATUS_OK, "", "", "");
	expect_status("a NO [LIMIT]", IMAP_REPLY_TAGGED, IMAP_STATUS_NO, "LIMIT", "", "");
	expect_status("a NO [LIMIT]x  ", IMAP_REPLY_TAGGED, IMAP_STATUS_NO, "LIMIT", "", "x");
}

static void a_code_that_is_none_is_text(void **s)
{
	(void)s;
	expect_status("a NO [LIMIT x", IMAP_REPLY_TAGGED, IMAP_STATUS_NO, "", "", "[LIMIT x");
	expect_status("a NO x [LIMIT] y", IMAP_REPLY_TAGGED, IMAP_STATUS_NO, "", "", "x [LIMIT] y");
	expect_status("a NO [] y", IMAP_REPLY_TAGGED, IMAP_STATUS_NO, "", "", "[] y");
	expect_status("a NO [ x] y", IMAP_REPLY_TAGGED, IMAP_STATUS_NO, "", "", "[ x] y");
}

static void what_is_no_reply_is_refused(void **s)
{
	static const char *const bad[] = {
		"", " ", "*", "* ", "*  OK x", "a", "a ", "a OKAY x", "a BYE x", "a PREAUTH x", "a  OK", " OK x", "*OK x", "a* OK x",
		"(a OK x", "HTTP/1.1 400 Bad Request", "220 smtp.example.org ESMTP", "\x15\x03\x01", "a\tOK x",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse(bad[i]));
	assert_false(imap_reply_parse("a OK x\0y", 8, &r));
	assert_false(imap_reply_parse("* OK\0", 5, &r));
}

static void statuses_have_names(void **s)
{
	(void)s;
	assert_string_equal(imap_status_name(IMAP_STATUS_NONE), "");
	assert_string_equal(imap_status_name(IMAP_STATUS_OK), "OK");
	assert_string_equal(imap_status_name(IMAP_STATUS_PREAUTH), "PREAUTH");
}

/* Each prefix in memory of just its size, so that a sanitizer sees a byte too many; the spans stay inside. */
static void nothing_is_read_beyond_the_line_wherever_it_is_cut(void **s)
{
	static const char *const whole[] = { "tag OK [CAPABILITY IMAP4rev1] hello there", "* BYE [X Y] z", "+ abc", "* 1 FETCH (X)" };

	(void)s;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		for (size_t cut = 1; cut <= strlen(whole[i]); cut++) {
			char *exact = memcpy(malloc(cut), whole[i], cut);

			if (imap_reply_parse(exact, cut, &r)) {
				const struct span spans[] = { r.tag, r.word, r.data, r.code, r.code_args, r.text, r.rest };

				for (size_t k = 0; k < sizeof(spans) / sizeof(spans[0]); k++)
					assert_true(spans[k].n == 0 ||
						    (spans[k].p >= exact && spans[k].p + spans[k].n <= exact + cut));
			}
			free(exact);
		}
	}
}

static void only_codes_of_the_rfcs_have_a_name_for_the_log(void **s)
{
	(void)s;
	assert_string_equal(imap_code_name(span_of("limit")), "LIMIT");
	assert_string_equal(imap_code_name(span_of("CONTACTADMIN")), "CONTACTADMIN");
	assert_null(imap_code_name(span_of("hunter2")));
	assert_null(imap_code_name(span_of("")));
	assert_null(imap_code_name(span_of("LIMIT hunter2")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_codes_of_the_rfcs_have_a_name_for_the_log),
		cmocka_unit_test(tagged_lines_have_tag_status_code_and_text),
		cmocka_unit_test(untagged_statuses_are_told_from_data),
		cmocka_unit_test(untagged_data_has_a_word_and_the_rest),
		cmocka_unit_test(a_plus_continues_with_or_without_its_space),
		cmocka_unit_test(text_may_be_missing_and_spaces_may_follow),
		cmocka_unit_test(a_code_that_is_none_is_text),
		cmocka_unit_test(what_is_no_reply_is_refused),
		cmocka_unit_test(statuses_have_names),
		cmocka_unit_test(nothing_is_read_beyond_the_line_wherever_it_is_cut),
	};
	return cmocka_run_group_tests_name("imap_reply", tests, NULL, NULL);
}
