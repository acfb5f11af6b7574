#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_command.h"

#define TAG64 "0123456789012345678901234567890123456789012345678901234567890123"

static char buf[4096];		/* the command under test: the spans point into it */
static struct imap_command c;

static bool parse_n(const char *text, size_t n)
{
	assert_in_range(n, 0, sizeof(buf));
	memcpy(buf, text, n);
	return imap_command_parse(buf, n, &c);
}

static bool parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static void expect_span(struct span s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p ? s.p : "", text, s.n);
}

static void expect_login(const char *text, const char *user, const char *password)
{
	assert_true(parse(text));
	assert_int_equal(c.verb, IMAP_LOGIN);
	assert_null(c.why);
	expect_span(c.tag, "a");
	expect_span(c.user, user);
	expect_span(c.password, password);
}

/* Refused, tag and verb known, no argument left. */
static void expect_refused_n(enum imap_verb verb, const char *text, size_t n)
{
	assert_false(parse_n(text, n));
	assert_non_null(c.why);
	expect_span(c.tag, "a");
	assert_int_equal(c.verb, verb);
	assert_int_equal(c.user.n + c.password.n + c.mechanism.n + c.initial.n + c.id.n, 0);
	assert_false(c.has_initial);
}

static void expect_refused(enum imap_verb verb, const char *text)
{
	expect_refused_n(verb, text, strlen(text));
}

static void expect_bad_tag(const char *text)
{
	assert_false(parse(text));
	assert_string_equal(c.why, "Bad tag.");
	assert_int_equal(c.tag.n, 0);
}

static void verbs_are_known_without_case(void **s)
{
	(void)s;
	assert_true(parse("a capability\r\n"));
	assert_int_equal(c.verb, IMAP_CAPABILITY);
	assert_true(parse("a NoOp\r\n"));
	assert_int_equal(c.verb, IMAP_NOOP);
	assert_true(parse("a LOGOUT\r\n"));
	assert_int_equal(c.verb, IMAP_LOGOUT);
	assert_true(parse("a STARTTLS\r\n"));
	assert_int_equal(c.verb, IMAP_STARTTLS);
	assert_string_equal(imap_verb_name(c.verb), "STARTTLS");
}

static void other_verbs_are_unknown_whatever_their_arguments(void **s)
{
	(void)s;
	assert_true(parse("a1 SELECT \"in box\r\n"));
	assert_int_equal(c.verb, IMAP_VERB_UNKNOWN);
	expect_span(c.tag, "a1");
	assert_string_equal(imap_verb_name(c.verb), "unknown");
	assert_true(parse("a unknown\r\n"));
	assert_int_equal(c.verb, IMAP_VERB_UNKNOWN);
	assert_true(parse("GET / HTTP/1.1\r\n"));
	assert_int_equal(c.verb, IMAP_VERB_UNKNOWN);
}

static void a_line_may_end_with_lf_alone(void **s)
{
	(void)s;
	assert_true(parse("a NOOP\n"));
	expect_login("a LOGIN {1}\nu {2}\npw\n", "u", "pw");
}

static void a_command_without_its_line_end_is_refused(void **s)
{
	(void)s;
	assert_false(parse("a NOOP"));
	assert_false(parse("a NOOP\r"));
	assert_false(parse(""));
	assert_int_equal(c.tag.n, 0);
}

static void one_space_behind_a_lone_verb_is_forgiven_and_no_more(void **s)
{
	(void)s;
	assert_true(parse("a NOOP \r\n"));
	assert_true(parse("a CAPABILITY \n"));
	expect_refused(IMAP_NOOP, "a NOOP  \r\n");
	expect_refused(IMAP_NOOP, "a NOOP x\r\n");
	expect_refused(IMAP_STARTTLS, "a STARTTLS {1}\r\n\n\r\n");
	expect_refused(IMAP_LOGOUT, "a LOGOUT \r\r\n");
	expect_refused_n(IMAP_NOOP, "a NOOP \0\r\n", 10);
}

static void a_tag_has_the_rfc_s_characters(void **s)
{
	(void)s;
	assert_true(parse("a]b.1-<>'/:;=!#$&,?@[^_`|}~ NOOP\r\n"));
	assert_true(parse(TAG64 " NOOP\r\n"));
	expect_bad_tag(TAG64 "4 NOOP\r\n");
	expect_bad_tag("a+ NOOP\r\n");
	expect_bad_tag("+ NOOP\r\n");
	expect_bad_tag("* NOOP\r\n");
	expect_bad_tag("%n NOOP\r\n");
	expect_bad_tag("a\x1b[0m NOOP\r\n");
	expect_bad_tag("a\rb NOOP\r\n");
	expect_bad_tag("a\tNOOP\r\n");
	expect_bad_tag("\xc3\xa9 NOOP\r\n");
	expect_bad_tag("\"a\" NOOP\r\n");
	expect_bad_tag("{5}\r\nhello NOOP\r\n");
	expect_bad_tag(" NOOP\r\n");
	expect_bad_tag("\r\n");
	expect_bad_tag("\n");
	assert_false(parse_n("a\0b NOOP\r\n", 10));
	assert_int_equal(c.tag.n, 0);
}

static void legal_tags_can_be_asked_for_alone(void **s)
{
	(void)s;
	assert_true(imap_tag_is_legal(span_of("A001")));
	assert_true(imap_tag_is_legal(span_of(TAG64)));
	assert_false(imap_tag_is_legal(span_of(TAG64 "4")));
	assert_false(imap_tag_is_legal(span_of("")));
	assert_false(imap_tag_is_legal(span_of("a b")));
	assert_false(imap_tag_is_legal(span_mem("a\0", 2)));
	assert_false(imap_tag_is_legal(span_of("a\x7f")));
	assert_false(imap_tag_is_legal(span_of("a\x80")));
}

static void a_tag_alone_is_no_command(void **s)
{
	(void)s;
	expect_refused(IMAP_VERB_UNKNOWN, "a\r\n");
	expect_refused(IMAP_VERB_UNKNOWN, "a \r\n");
	expect_refused(IMAP_VERB_UNKNOWN, "a\n");
	expect_refused(IMAP_VERB_UNKNOWN, "a  NOOP\r\n");
	expect_refused(IMAP_VERB_UNKNOWN, "a NO\rOP\r\n");
	expect_refused(IMAP_VERB_UNKNOWN, "a {4}\r\nNOOP\r\n");
}

static void login_takes_atoms(void **s)
{
	(void)s;
	expect_login("a LOGIN joe@example.org p]w+1}\r\n", "joe@example.org", "p]w+1}");
	expect_login("a login NIL nil\r\n", "NIL", "nil");
}

static void login_takes_quoted_strings(void **s)
{
	(void)s;
	expect_login("a LOGIN \"joe doe\" \"p w\"\r\n", "joe doe", "p w");
	expect_login("a LOGIN \"j\\\"o\\\\e\" \"\\\\\\\"\"\r\n", "j\"o\\e", "\\\"");
	expect_login("a LOGIN \"\" \"\"\r\n", "", "");
	expect_login("a LOGIN \"jos\xc3\xa9\" \"{5}\x01\"\r\n", "jos\xc3\xa9", "{5}\x01");
}

static void login_takes_literals(void **s)
{
	(void)s;
	expect_login("a LOGIN {3}\r\njoe {2}\r\npw\r\n", "joe", "pw");
	expect_login("a LOGIN {3+}\r\njoe {2-}\r\npw\r\n", "joe", "pw");
	expect_login("a LOGIN {03}\r\njoe \"pw\"\r\n", "joe", "pw");
	expect_login("a LOGIN joe {4}\r\n\r\n\"\\\r\n", "joe", "\r\n\"\\");
	expect_login("a LOGIN joe {1}\r\n\r\r\n", "joe", "\r");
	expect_login("a LOGIN {0}\r\n {0}\r\n\r\n", "", "");
	expect_login("a LOGIN {2}\r\n\xc3\xa9 {1}\n\xff\n", "\xc3\xa9", "\xff");
}

static void login_wants_two_strings_and_one_space_before_each(void **s)
{
	(void)s;
	expect_refused(IMAP_LOGIN, "a LOGIN\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN \r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe pw \r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe pw x\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN  joe pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe  pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN \"joe\"\"pw\"\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN \"joe\"x pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN (joe) pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN j\xc3\xa9 pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe p\\w\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe\tx pw\r\n");
}

static void broken_quoted_strings_are_refused(void **s)
{
	(void)s;
	expect_refused(IMAP_LOGIN, "a LOGIN \"joe pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \"\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \"\\\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \"\\\"\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \"p\\w\"\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \"p\rw\"\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe \"p\nw\"\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN \"joe {2}\r\nxx\" pw\r\n");
	expect_refused_n(IMAP_LOGIN, "a LOGIN joe \"p\0w\"\r\n", 19);
}

static void broken_literals_are_refused(void **s)
{
	(void)s;
	expect_refused(IMAP_LOGIN, "a LOGIN joe {3}\r\npw\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {9}\r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {18446744073709551618}\r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {4294967298}\r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {}\r\n\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {+}\r\n\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {2+-}\r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {2\r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {2}pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {2} \r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe ~{2}\r\npw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN joe {1}\r\npw\r\n");
	expect_refused_n(IMAP_LOGIN, "a LOGIN joe {3}\r\np\0w\r\n", 22);
	expect_refused_n(IMAP_LOGIN, "a LOGIN {3}\r\nj\0e pw\r\n", 21);
}

static void no_control_byte_gets_into_a_user_name(void **s)
{
	(void)s;
	for (int byte = 0; byte < 256; byte++) {
		char text[] = "a LOGIN {3}\r\nj?e pw\r\n";

		text[14] = (char)byte;
		assert_int_equal(parse_n(text, sizeof(text) - 1), byte >= ' ' && byte != 0x7f);
	}
	expect_refused(IMAP_LOGIN, "a LOGIN \"j\x01\" pw\r\n");
	expect_refused(IMAP_LOGIN, "a LOGIN \"j\x7f\" pw\r\n");
}

static void authenticate_takes_a_mechanism_and_perhaps_a_response(void **s)
{
	(void)s;
	assert_true(parse("a AUTHENTICATE PLAIN\r\n"));
	assert_int_equal(c.verb, IMAP_AUTHENTICATE);
	expect_span(c.mechanism, "PLAIN");
	assert_false(c.has_initial);
	assert_true(parse("a authenticate SCRAM-SHA-256 AGEAYg==\n"));
	expect_span(c.mechanism, "SCRAM-SHA-256");
	assert_true(c.has_initial);
	expect_span(c.initial, "AGEAYg==");
}

static void an_equals_sign_is_the_empty_response(void **s)
{
	(void)s;
	assert_true(parse("a AUTHENTICATE EXTERNAL =\r\n"));
	assert_true(c.has_initial);
	assert_int_equal(c.initial.n, 0);
}

static void what_follows_a_mechanism_must_be_base64(void **s)
{
	(void)s;
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE\r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE \r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE PLAIN \r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE PLAIN AGEA Yg==\r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE PLAIN AGEAYg== \r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE PLAIN AGEA*\r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE PLAIN {4}\r\nAGEA\r\n");
	expect_refused(IMAP_AUTHENTICATE, "a AUTHENTICATE \"PLAIN\"\r\n");
	expect_refused_n(IMAP_AUTHENTICATE, "a AUTHENTICATE PLAIN A\0\r\n", 25);
}

static void enable_wants_words(void **s)
{
	(void)s;
	assert_true(parse("a ENABLE CONDSTORE\r\n"));
	assert_int_equal(c.verb, IMAP_ENABLE);
	assert_true(parse("a ENABLE IMAP4rev2 UTF8=ACCEPT X\r\n"));
	expect_refused(IMAP_ENABLE, "a ENABLE\r\n");
	expect_refused(IMAP_ENABLE, "a ENABLE \r\n");
	expect_refused(IMAP_ENABLE, "a ENABLE X \r\n");
	expect_refused(IMAP_ENABLE, "a ENABLE X  Y\r\n");
	expect_refused(IMAP_ENABLE, "a ENABLE \"X\"\r\n");
}

static void expect_pair(struct span *rest, const char *key, const char *value)
{
	struct span k, v;

	assert_true(imap_id_next(rest, &k, &v));
	expect_span(k, key);
	assert_int_equal(v.p == NULL, value == NULL);
	expect_span(v, value ? value : "");
}

static void expect_no_pair(struct span rest)
{
	struct span k, v;

	assert_false(imap_id_next(&rest, &k, &v));
}

static void id_may_say_nothing(void **s)
{
	(void)s;
	assert_true(parse("a ID NIL\r\n"));
	assert_int_equal(c.verb, IMAP_ID);
	assert_int_equal(c.id.n, 0);
	expect_no_pair(c.id);
	assert_true(parse("a ID nil\n"));
	assert_true(parse("a ID ()\r\n"));
	assert_int_equal(c.id.n, 0);
	expect_no_pair(c.id);
}

static void id_s_pairs_are_walked_in_order(void **s)
{
	(void)s;
	assert_true(parse("a ID (\"name\" \"T\\\"x\\\\\" {2}\r\nos NIL \"nil\" \"\" \"v\" {5+}\r\n1) \"2 \"w\" nil)\r\n"));
	expect_pair(&c.id, "name", "T\"x\\");
	expect_pair(&c.id, "os", NULL);
	expect_pair(&c.id, "nil", "");
	expect_pair(&c.id, "v", "1) \"2");
	expect_pair(&c.id, "w", NULL);
	expect_no_pair(c.id);
}

static void id_takes_nothing_but_pairs(void **s)
{
	static const char *const bad[] = {
		"a ID\r\n", "a ID \r\n", "a ID (\r\n", "a ID ) \r\n", "a ID () \r\n", "a ID ( )\r\n", "a ID NILS\r\n", "a ID NI\r\n",
		"a ID (\"a\")\r\n", "a ID (\"a\" )\r\n", "a ID (\"a\" \"b\"\r\n", "a ID (\"a\" \"b\" )\r\n",
		"a ID (\"a\" \"b\" \"c\")\r\n", "a ID (\"a\"  \"b\")\r\n", "a ID (\"a\" \"b\"\"c\" \"d\")\r\n",
		"a ID (\"a\" (\"b\" \"c\"))\r\n", "a ID ((\"a\" \"b\"))\r\n", "a ID (((((((((((((((\r\n",
		"a ID (NIL \"b\")\r\n", "a ID (a b)\r\n", "a ID (\"a\" NILx)\r\n", "a ID (\"a\" \"b\") x\r\n",
		"a ID (\"a\" {9}\r\nb)\r\n", "a ID \"a\" \"b\"\r\n",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(IMAP_ID, bad[i]);
}

/* "a ID (...)" with so many pairs, whose keys and values are that long. */
static bool parse_id_of(size_t pairs, size_t key, size_t value)
{
	size_t n = 0;

	memcpy(buf, "a ID ", 5);
	n = 5;
	for (size_t i = 0; i < pairs; i++) {
		buf[n++] = i == 0 ? '(' : ' ';
		buf[n++] = '"';
		memset(buf + n, 'k', key);
		n += key;
		memcpy(buf + n, "\" \"", 3);
		n += 3;
		memset(buf + n, 'v', value);
		n += value;
		buf[n++] = '"';
	}
	memcpy(buf + n, ")\r\n", 3);
	return imap_command_parse(buf, n + 3, &c);
}

static void id_is_bounded_as_the_rfc_says(void **s)
{
	(void)s;
	assert_true(parse_id_of(30, 30, 50));
	assert_false(parse_id_of(31, 3, 5));
	assert_false(parse_id_of(1, 31, 5));
	assert_true(parse_id_of(2, 30, 1024));
	assert_false(parse_id_of(1, 30, 1025));
	assert_true(parse("a ID (\"0123456789012345678901234567\\\\\\\"\" NIL)\r\n"));
	expect_pair(&c.id, "0123456789012345678901234567\\\"", NULL);
}

static void walking_garbage_ends(void **s)
{
	char text[] = "\"a\" \"b\" \"c";
	struct span rest = span_mem(text, sizeof(text) - 1);

	(void)s;
	expect_pair(&rest, "a", "b");
	expect_no_pair(rest);
	expect_no_pair((struct span){ 0 });
}

/* Each prefix alone and with a line end, each in memory of just its size, so that a sanitizer sees a byte too many. */
static void nothing_is_read_beyond_the_command_wherever_it_is_cut(void **s)
{
	static const char *const whole[] = {
		"a LOGIN \"j\\\"e\" {4+}\r\npass\r\n", "a LOGIN {3}\r\njoe \"p\\\\w\"\r\n", "a AUTHENTICATE PLAIN AGEAYg==\r\n",
		"a ID (\"name\" \"x\" {2}\r\nos NIL)\r\n", "a ENABLE X Y\r\n", "a NOOP \r\n",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		for (size_t cut = 0; cut <= strlen(whole[i]); cut++) {
			char *exact = malloc(cut + 1);
			struct imap_command cmd;
			bool at_line_end = cut > 0 && whole[i][cut - 1] == '\n';

			memcpy(exact, whole[i], cut);
			exact[cut] = '\n';
			(void)imap_command_parse(exact, cut + 1, &cmd);
			free(exact);
			exact = malloc(cut ? cut : 1);
			memcpy(exact, whole[i], cut);
			assert_int_equal(imap_command_parse(exact, cut, &cmd), cut == strlen(whole[i]));
			assert_true(cmd.why == NULL || !at_line_end || strcmp(cmd.why, "The line has no end."));
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_are_known_without_case),
		cmocka_unit_test(other_verbs_are_unknown_whatever_their_arguments),
		cmocka_unit_test(a_line_may_end_with_lf_alone),
		cmocka_unit_test(a_command_without_its_line_end_is_refused),
		cmocka_unit_test(one_space_behind_a_lone_verb_is_forgiven_and_no_more),
		cmocka_unit_test(a_tag_has_the_rfc_s_characters),
		cmocka_unit_test(legal_tags_can_be_asked_for_alone),
		cmocka_unit_test(a_tag_alone_is_no_command),
		cmocka_unit_test(login_takes_atoms),
		cmocka_unit_test(login_takes_quoted_strings),
		cmocka_unit_test(login_takes_literals),
		cmocka_unit_test(login_wants_two_strings_and_one_space_before_each),
		cmocka_unit_test(broken_quoted_strings_are_refused),
		cmocka_unit_test(broken_literals_are_refused),
		cmocka_unit_test(no_control_byte_gets_into_a_user_name),
		cmocka_unit_test(authenticate_takes_a_mechanism_and_perhaps_a_response),
		cmocka_unit_test(an_equals_sign_is_the_empty_response),
		cmocka_unit_test(what_follows_a_mechanism_must_be_base64),
		cmocka_unit_test(enable_wants_words),
		cmocka_unit_test(id_may_say_nothing),
		cmocka_unit_test(id_s_pairs_are_walked_in_order),
		cmocka_unit_test(id_takes_nothing_but_pairs),
		cmocka_unit_test(id_is_bounded_as_the_rfc_says),
		cmocka_unit_test(walking_garbage_ends),
		cmocka_unit_test(nothing_is_read_beyond_the_command_wherever_it_is_cut),
	};
	return cmocka_run_group_tests_name("imap_command", tests, NULL, NULL);
}
