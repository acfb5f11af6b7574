#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_line.h"

/* The line at once, byte by byte, or in two pieces: the same is known of it. */
static struct imap_line read_line(const char *line)
{
	struct imap_line whole, cut;
	size_t n = strlen(line);

	imap_line_start(&whole);
	imap_line_feed(&whole, line, n);
	for (size_t at = 0; at <= n; at++) {
		imap_line_start(&cut);
		imap_line_feed(&cut, line, at);
		imap_line_feed(&cut, line + at, 0);
		imap_line_feed(&cut, line + at, n - at);
		assert_memory_equal(&cut, &whole, sizeof(cut));
	}
	imap_line_start(&cut);
	for (size_t at = 0; at < n; at++)
		imap_line_feed(&cut, line + at, 1);
	assert_memory_equal(&cut, &whole, sizeof(cut));
	return whole;
}

static bool is_command(const char *line)
{
	struct imap_line l = read_line(line);

	return imap_line_is_command(&l);
}

static enum imap_line_verb verb_of(const char *line)
{
	struct imap_line l = read_line(line);

	return imap_line_verb(&l);
}

static uint32_t hash_of(const char *line)
{
	return read_line(line).hash;
}

static void a_tag_one_space_and_a_verb_are_a_command(void **s)
{
	(void)s;
	assert_true(is_command("a NOOP\r"));
	assert_true(is_command("a NOOP"));
	assert_true(is_command("A1]}~!/& \"odd\xff{"));
	assert_true(is_command("a b c d e"));
	assert_true(is_command("a X "));
	assert_true(is_command("a \rX\r\r"));
}

static void all_else_is_no_command(void **s)
{
	static const char *const lines[] = {
		"", "\r", "DONE", "DONE\r", "a ", "a \r", "a  NOOP", " a NOOP", " ", "a\rb NOOP", "\ra NOOP",
		"a\tb X", "a\xff X", "a\x7f X", "(a X", "a) X",
		"a{ X", "a% X", "* X", "a\" X", "a\\ X", "+ X", "a+ X", "a\x01 X",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(is_command(lines[i]));
}

static void a_tag_has_64_bytes_at_most(void **s)
{
	char line[600];

	(void)s;
	for (size_t n = 1; n < 590; n++) {
		struct imap_line l;

		memset(line, 'x', n);
		strcpy(line + n, " NOOP");
		assert_int_equal(is_command(line), n <= IMAP_LINE_TAG);
		l = read_line(line);
		assert_int_equal(imap_line_has_tag(&l), n <= IMAP_LINE_TAG);
	}
}

static void each_verb_is_found_by_its_name_in_any_case(void **s)
{
	(void)s;
	assert_string_equal(imap_line_verb_name(IMAP_LINE_UNKNOWN), "unknown");
	for (int v = IMAP_LINE_UNKNOWN + 1; v < IMAP_LINE_NVERBS; v++) {
		const char *name = imap_line_verb_name((enum imap_line_verb)v);
		char line[64] = "a ";

		assert_string_not_equal(name, "unknown");
		strcat(line, name);
		assert_int_equal(verb_of(line), v);
		strcat(line, "\r");
		assert_int_equal(verb_of(line), v);
		for (char *c = line + 2; *c; c += 2)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
		assert_int_equal(verb_of(line), v);
		strcat(line, " (X)");
		assert_int_equal(verb_of(line), v);	/* the CR was none of the line's end, and ended the verb all the same */
	}
}

static void what_is_almost_a_verb_is_unknown(void **s)
{
	static const char *const lines[] = {
		"a NOO", "a NOOPS", "a NOOP\t", "a N00P", "a OK", "a BAD", "a UID", "a UID ", "a UID  FETCH", "a UID NOOP",
		"a UID UID FETCH", "a UIDFETCH", "a UID FETC", "a UID FETCHES", "a DELETEA", "a DELETEACLS", "a GETQUOTAROOTS",
		"a IDL", "a I", "a {5}", "a FETCH{5}", "a AAAA", "a ZZZZ", "a \xc3", "a NOOP\x80", "a @", "a [",
	};
	struct imap_line l;

	(void)s;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(verb_of(lines[i]), IMAP_LINE_UNKNOWN);
	imap_line_start(&l);
	imap_line_feed(&l, "a NOOP\0", 7);
	assert_int_equal(imap_line_verb(&l), IMAP_LINE_UNKNOWN);
	imap_line_start(&l);
	imap_line_feed(&l, "a \0", 3);
	assert_true(imap_line_is_command(&l));
	assert_int_equal(imap_line_verb(&l), IMAP_LINE_UNKNOWN);
}

static void a_verb_ends_at_its_space(void **s)
{
	(void)s;
	assert_int_equal(verb_of("a DELETE ACL"), IMAP_LINE_DELETE);
	assert_int_equal(verb_of("a ID (\"name\" \"x\")\r"), IMAP_LINE_ID);
	assert_int_equal(verb_of("a uid fetch 1:* FLAGS\r"), IMAP_LINE_UID_FETCH);
	assert_int_equal(verb_of("a UID SEARCH {3}\r"), IMAP_LINE_UID_SEARCH);
}

static void a_verb_ends_at_a_cr_too(void **s)
{
	(void)s;
	assert_int_equal(verb_of("a IDLE\rx"), IMAP_LINE_IDLE);
	assert_int_equal(verb_of("a IDLE\r\r x\r"), IMAP_LINE_IDLE);
	assert_int_equal(verb_of("a uid fetch\rx"), IMAP_LINE_UID_FETCH);
	assert_int_equal(verb_of("a \rIDLE"), IMAP_LINE_UNKNOWN);
	assert_int_equal(verb_of("a UID\r FETCH"), IMAP_LINE_UNKNOWN);
	assert_int_equal(verb_of("a UID\rFETCH"), IMAP_LINE_UNKNOWN);
	assert_int_equal(verb_of("a UID \rFETCH"), IMAP_LINE_UNKNOWN);
	assert_int_equal(verb_of("a ID\rLE"), IMAP_LINE_ID);
}

static void verbs_with_arguments_take_literals(void **s)
{
	(void)s;
	for (int v = 0; v < IMAP_LINE_NVERBS; v++) {
		static const char none[] = " unknown CAPABILITY NOOP LOGOUT STARTTLS CHECK CLOSE EXPUNGE IDLE "
			"COMPRESS UNAUTHENTICATE NAMESPACE UNSELECT ";
		char word[40] = " ";

		strcat(word, imap_line_verb_name((enum imap_line_verb)v));
		strcat(word, " ");
		assert_int_equal(imap_line_verb_takes_literals((enum imap_line_verb)v), strstr(none, word) == NULL);
	}
}

static void equal_tags_have_equal_hashes_and_others_have_others(void **s)
{
	(void)s;
	assert_int_equal(hash_of("a1 NOOP\r"), hash_of("a1 OK done"));
	assert_int_equal(hash_of("a1 NOOP\r"), hash_of("a1"));
	assert_int_not_equal(hash_of("a1 NOOP"), hash_of("A1 NOOP"));
	assert_int_not_equal(hash_of("a1 X"), hash_of("a2 X"));
	assert_int_not_equal(hash_of("a X"), hash_of("aa X"));
}

static bool has_status(const char *line, const char *status)
{
	struct imap_line l = read_line(line);

	return imap_line_status_is(&l, status);
}

static void a_server_s_status_stands_behind_one_space(void **s)
{
	(void)s;
	assert_true(has_status("a OK\r", "OK"));
	assert_true(has_status("a ok [COPYUID 1 2 3] done", "OK"));
	assert_true(has_status("* BAD what", "BAD"));
	assert_true(has_status("* bye", "BYE"));
	assert_false(has_status("* BAD what", "BYE"));
	assert_false(has_status("*  BAD", "BAD"));
	assert_false(has_status(" * BAD", "BAD"));
	assert_false(has_status("* BADLY", "BAD"));
	assert_false(has_status("* BA", "BAD"));
	assert_false(has_status("* BAD\rx", "BAD"));
	assert_false(has_status("* BAD\r\r", "BAD"));
	assert_false(has_status("OK", "OK"));
}

typedef size_t hunt_fn(struct imap_line_hunt *h, const char *p, size_t n);

static size_t hunt_lines(struct imap_line_hunt *h, const char *p, size_t n)
{
	return imap_line_hunt_any(h, p, n, false);
}

static size_t hunt_blind(struct imap_line_hunt *h, const char *p, size_t n)
{
	return imap_line_hunt_any(h, p, n, true);
}

/* Where it is found in the n bytes, in two pieces at each place and byte by byte, too; n: nowhere. */
static size_t find_in(hunt_fn *hunt, const char *p, size_t n)
{
	struct imap_line_hunt h = { 0 };
	size_t found = hunt(&h, p, n), at = 0;

	for (size_t cut = 0; cut <= n; cut++) {
		h = (struct imap_line_hunt){ 0 };
		at = hunt(&h, p, cut);
		if (at == cut)
			at += hunt(&h, p + cut, n - cut);
		assert_int_equal(at, found);
	}
	h = (struct imap_line_hunt){ 0 };
	for (at = 0; at < n && hunt(&h, p + at, 1) == 1; at++)
		;
	assert_int_equal(at, found);
	return found;
}

/* The byte that ends it is marked with ^ before it; without a mark, it is not found. */
static void expect_hunt(hunt_fn *hunt, const char *marked)
{
	char line[200];
	const char *mark = strchr(marked, '^');
	size_t n = strlen(marked), where = mark ? (size_t)(mark - marked) : n;

	memcpy(line, marked, where);
	memcpy(line + where, marked + where + 1, n - where);
	n -= mark != NULL;
	for (size_t i = 0; i < n; i++)
		line[i] = line[i] == '0' ? '\0' : line[i];
	assert_int_equal(find_in(hunt, line, n), where);
}

static void unauthenticate_is_found_as_a_second_word(void **s)
{
	static const char *const lines[] = {
		"a UNAUTHENTICATE^\r\n", "  \"+  unauthenticate^ x\n", "\r\r a unAuthenticate^ \r\n",
		"\r\r unAuthenticate \r\n", "a UNAUTHENTICATE^\rx y\n", "a\tUNAUTHENTICATE^\n",
		"a \rUNAUTHENTICATE^\r\n", "0a0UNAUTHENTICATE^0", "a UNAUTHENTICATE^\x1f", "\xe4 UNAUTHENTICATE^\n",
		"a UID UNAUTHENTICATE^\n", "a\ruid\t 0unauthenticate^ ", "UID UNAUTHENTICATE^\n",
		"UNAUTHENTICATE UNAUTHENTICATE^\n", "UNAUTHENTICATE\r\n", "a UNAUTHENTICATE",
		"a UNAUTHENTICATED\r\r\n", "a UNAUTH\rENTICATE\n", "a b UNAUTHENTICATE\n", "a\x7fUNAUTHENTICATE\n",
		"a UID x UNAUTHENTICATE\n", "UID a UNAUTHENTICATE\n", "a UI UNAUTHENTICATE\n",
		"a UIDD UNAUTHENTICATE\n", "a UNID UNAUTHENTICATE\n", "a XUNAUTHENTICATE\n",
		"a UNAUTHENTICATEUNAUTHENTICATE\n", "a UID UID UNAUTHENTICATE\n", "a UIDNAUTHENTICATE\n", "\r\n",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_hunt(imap_line_hunt_second, lines[i]);
}

static void unauthenticate_is_found_as_any_word(void **s)
{
	(void)s;
	expect_hunt(hunt_lines, "UNAUTHENTICATE^\n");
	expect_hunt(hunt_lines, "a b\nc d e unauthenticate^ x");
	expect_hunt(hunt_lines, "a UNAUTHENTICAT E\nUNAUTHENTICATE\x7f \"UNAUTHENTICATE\" UN AUTHENTICATE UUNAUTHENTICATE ");
	expect_hunt(hunt_lines, "0UNAUTHENTICATE^0");
	expect_hunt(hunt_lines, "UID UIDUNAUTHENTICATE ");
}

static void in_what_may_be_no_line_it_is_found_at_the_line_s_end(void **s)
{
	(void)s;
	expect_hunt(hunt_blind, "UNAUTHENTICATE^\n");
	expect_hunt(hunt_blind, "x UNAUTHENTICATE \t\r0\x1f^\n");
	expect_hunt(hunt_blind, "UNAUTHENTICATE x\nUNAUTHENTICATED\nUNAUTHENTICATE \r\x7f\n");
	expect_hunt(hunt_blind, "UNAUTHENTICATE UNAUTHENTICATE^\n");
	expect_hunt(hunt_blind, "UNAUTHENTICATE  NAUTHENTICATE\n");
}

static char first_of(const char *line)
{
	return read_line(line).first;
}

static void the_first_byte_of_a_line_is_kept(void **s)
{
	(void)s;
	assert_int_equal(first_of("+ go"), '+');
	assert_int_equal(first_of("*"), '*');
	assert_int_equal(first_of("\r* x"), '\r');
	assert_int_equal(first_of(" * x"), ' ');
	assert_int_equal(first_of(""), '\0');
}

/* ---- runs of server lines ---- */

/* The same, a byte at a time. */
static size_t skip_slowly(const char *p, size_t n)
{
	size_t whole = 0;

	for (;;) {
		size_t i = whole, end;

		if (n - i < 3 || p[i] != '*' || p[i + 1] != ' ')
			return whole;
		while (i < n && p[i] != '\n')
			i++;
		if (i == n)
			return whole;
		end = i - (p[i - 1] == '\r');
		if (p[end - 1] == '}')
			return whole;
		whole = i + 1;
	}
}

/* In memory of just its size, at every alignment, so that a sanitizer sees what is read too far. */
static void expect_skip(const char *p, size_t n)
{
	size_t want = skip_slowly(p, n);

	for (size_t align = 0; align < 16; align++) {
		char *room = malloc(n + align + 1);

		assert_non_null(room);
		memset(room, align % 2 ? '}' : '\n', n + align + 1);
		memcpy(room + align, p, n);
		assert_int_equal(imap_line_skip_untagged(room + align, n), want);
		free(room);
		room = malloc(n + align);
		if (n > 0)
			memcpy(room + align, p, n);
		assert_int_equal(imap_line_skip_untagged(room + align, n), want);
		free(room);
	}
}

static void runs_of_untagged_lines_are_skipped(void **s)
{
	static const char text[] =
		"* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (UID 3)\n* x\n* {3} \r\n* 5 EXISTS\r\n* }x\r\n"
		"* 7 FETCH (UID 456 FLAGS (\\Seen))\r\n"
		"* 8 FETCH (UID 457 FLAGS (\\Seen \\Answered))\r\n* OK fine\r\n* BYE\r\n";

	(void)s;
	assert_int_equal(imap_line_skip_untagged(text, strlen(text)), strlen(text));
	for (size_t n = 0; n <= strlen(text); n++)
		expect_skip(text, n);
}

static void what_is_no_untagged_line_stops_a_run(void **s)
{
	static const char *const stops[] = {
		"a OK done\r\n", "+ go\r\n", "\r\n", "\n", "*\r\n", "*x\r\n", " * x\r\n", "* 1 FETCH {3}\r\n", "* 1 FETCH {3}\n",
		"* }\r\n", "* }\n", "*", "* ", "* 1",
	};
	char text[400];

	(void)s;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		for (size_t lines = 0; lines < 12; lines++) {
			text[0] = '\0';
			for (size_t k = 0; k < lines; k++)
				strcat(text, k % 3 ? "* 23 FETCH (FLAGS ())\r\n" : "* 4\n");
			size_t n = strlen(text);
			strcat(text, stops[i]);
			assert_int_equal(imap_line_skip_untagged(text, strlen(text)), n);
			strcat(text, "* 23 FETCH (FLAGS ())\r\n* 24 FETCH (FLAGS ())\r\n"
			       "* 25 FETCH (FLAGS ())\r\n* 26 FETCH (FLAGS ())\r\n");
			expect_skip(text, strlen(text));
		}
	}
}

static uint64_t chance = 1;

static size_t draw(size_t below)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(chance >> 33) % below;
}

/* Of pieces that matter, so that every boundary comes about at every place in a block. */
static void random_runs_are_skipped_as_byte_by_byte(void **s)
{
	static const char *const pieces[] = {
		"* ", "\r\n* ", "\n* ", "\n", "\r", "}", "*", " ", "x", "1234567", "}\r\n* ", "}\n* ", "\r\n*", "}\r",
	};
	char text[512];

	(void)s;
	for (int round = 0; round < 20000; round++) {
		size_t most = draw(400), n = 0, kinds = 1 + draw(14);

		strcpy(text, draw(8) ? "* " : "");
		while ((n = strlen(text)) < most)
			strcat(text, draw(4) ? pieces[draw(3)] : pieces[draw(kinds)]);
		expect_skip(text, n);
	}
}

static void long_lines_are_skipped_too(void **s)
{
	static char text[70000];

	(void)s;
	for (size_t n = 60000; n < 60200; n += 7) {
		memset(text, 'x', sizeof(text));
		memcpy(text, "* 1\r\n* ", 7);
		memcpy(text + n, "\r\n* 3 ", 6);
		assert_int_equal(imap_line_skip_untagged(text, sizeof(text)), n + 2);
		text[n - 1] = '}';
		assert_int_equal(imap_line_skip_untagged(text, sizeof(text)), 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_one_space_and_a_verb_are_a_command),
		cmocka_unit_test(all_else_is_no_command),
		cmocka_unit_test(a_tag_has_64_bytes_at_most),
		cmocka_unit_test(each_verb_is_found_by_its_name_in_any_case),
		cmocka_unit_test(what_is_almost_a_verb_is_unknown),
		cmocka_unit_test(a_verb_ends_at_its_space),
		cmocka_unit_test(a_verb_ends_at_a_cr_too),
		cmocka_unit_test(verbs_with_arguments_take_literals),
		cmocka_unit_test(equal_tags_have_equal_hashes_and_others_have_others),
		cmocka_unit_test(a_server_s_status_stands_behind_one_space),
		cmocka_unit_test(unauthenticate_is_found_as_a_second_word),
		cmocka_unit_test(unauthenticate_is_found_as_any_word),
		cmocka_unit_test(in_what_may_be_no_line_it_is_found_at_the_line_s_end),
		cmocka_unit_test(the_first_byte_of_a_line_is_kept),
		cmocka_unit_test(runs_of_untagged_lines_are_skipped),
		cmocka_unit_test(what_is_no_untagged_line_stops_a_run),
		cmocka_unit_test(random_runs_are_skipped_as_byte_by_byte),
		cmocka_unit_test(long_lines_are_skipped_too),
	};

	return cmocka_run_group_tests_name("imap_line", tests, NULL, NULL);
}
