/*
 * test_user_map.c - map files, good and hostile; and the directory driver that stands on them.
 *
 * The cluster: mb1 and mb2 in the group north, mb3 in the group south.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "route/directory.h"
#include "route/user_map.h"

static struct cluster *cluster;
static char err[4096];

static int make_cluster(void **s)
{
	static const char *const groups[] = { "north", "north", "south" };

	(void)s;
	cluster = cluster_new();
	cluster_add_backend(cluster, "mb1");
	cluster_add_backend(cluster, "mb2");
	cluster_add_backend(cluster, "mb3");
	return cluster_finish(cluster, groups, NULL, err, sizeof(err)) ? 0 : -1;
}

static int free_cluster(void **s)
{
	(void)s;
	cluster_free(&cluster);
	return 0;
}

static const struct user_name_rules lowered;

/* From a copy of just the right size, so that a sanitizer sees one byte too much. */
static struct user_map *parse_span(struct span text, enum user_name_case local)
{
	char *copy = malloc(text.n ? text.n : 1);
	struct user_map *m;

	assert_non_null(copy);
	if (text.n)
		memcpy(copy, text.p, text.n);
	err[0] = '\0';
	m = user_map_parse("map", span_mem(copy, text.n), cluster, &(struct user_name_rules){ .local = local }, err, sizeof(err));
	free(copy);
	assert_true(!m == !!err[0]);
	return m;
}

static struct user_map *parse(const char *text)
{
	struct user_map *m = parse_span(span_of(text), USER_NAME_LOWER);

	if (!m)
		print_error("%s\n", err);
	assert_non_null(m);
	return m;
}

static void expect_fault_span(struct span text, const char *begin)
{
	struct user_map *m = parse_span(text, USER_NAME_LOWER);

	assert_null(m);
	if (strncmp(err, begin, strlen(begin)) != 0)
		assert_string_equal(err, begin);
	assert_null(strchr(err, '\n'));
}

static void expect_fault(const char *text, const char *begin)
{
	expect_fault_span(span_of(text), begin);
}

/* What the map says of user: "backend group login-as", "-" for what is not there; "" if it has no line. */
static const char *found(const struct user_map *m, const char *user)
{
	static char text[2 * BACKEND_NAME_MAX + USER_NAME_MAX];
	struct directory_record r;

	memset(&r, 0xff, sizeof(r));
	if (!user_map_find(m, span_of(user), &r))
		return "";
	assert_int_equal(r.state, USER_ACTIVE);
	assert_string_equal(r.reason, "");
	snprintf(text, sizeof(text), "%s %s %s", r.backend ? r.backend->name : "-", r.group ? r.group->name : "-",
		 r.login_as[0] ? r.login_as : "-");
	return text;
}

static void a_line_gives_a_user_a_backend(void **s)
{
	struct user_map *m = parse("ann mb1\nben@example.com mb3\n");

	(void)s;
	assert_int_equal(user_map_users(m), 2);
	assert_string_equal(found(m, "ann"), "mb1 - -");
	assert_string_equal(found(m, "ben@example.com"), "mb3 - -");
	assert_string_equal(found(m, "an"), "");
	assert_string_equal(found(m, "annn"), "");
	assert_string_equal(found(m, "ben"), "");
	assert_string_equal(found(m, ""), "");
	user_map_unref(&m);
	assert_null(m);
	user_map_unref(&m);
}

static void options_come_in_any_order(void **s)
{
	struct user_map *m = parse("a mb1 login-as=Anna group=north\nb mb3 group=south login-as=B\nc - group=south\n");

	(void)s;
	assert_string_equal(found(m, "a"), "mb1 north Anna");
	assert_string_equal(found(m, "b"), "mb3 south B");
	assert_string_equal(found(m, "c"), "- south -");
	user_map_unref(&m);
}

static void comments_and_blank_lines_say_nothing(void **s)
{
	struct user_map *m = parse("# a comment\n\n \t \n  # another mb9\n#\nann mb1");

	(void)s;
	assert_int_equal(user_map_users(m), 1);
	user_map_unref(&m);
}

static void an_empty_map_is_a_map(void **s)
{
	struct user_map *m = parse("");

	(void)s;
	assert_int_equal(user_map_users(m), 0);
	assert_string_equal(found(m, "ann"), "");
	user_map_unref(&m);
}

static void spaces_and_tabs_separate_words(void **s)
{
	struct user_map *m = parse("\t ann \t\t mb1   login-as=x \t\n");

	(void)s;
	assert_string_equal(found(m, "ann"), "mb1 - x");
	user_map_unref(&m);
}

static void lines_may_end_with_crlf_or_not_at_all(void **s)
{
	struct user_map *m = parse("ann mb1\r\n\r\n# x\r\nben mb2 login-as=b\r\ncat mb3\r");

	(void)s;
	assert_string_equal(found(m, "ann"), "mb1 - -");
	assert_string_equal(found(m, "ben"), "mb2 - b");
	assert_string_equal(found(m, "cat"), "mb3 - -");
	user_map_unref(&m);
}

static void a_carriage_return_inside_a_line_is_no_line_end(void **s)
{
	(void)s;
	expect_fault("ann mb1\rben mb2\n", "map:1: there is no backend mb1?ben;");
	expect_fault("ann mb1\r\r\n", "map:1: there is no backend mb1?;");
}

static void a_byte_order_mark_is_no_part_of_the_first_name(void **s)
{
	struct user_map *m = parse("\xef\xbb\xbf" "ann mb1\n\xef\xbb\xbf" "ben mb2\n");

	(void)s;
	assert_string_equal(found(m, "ann"), "mb1 - -");
	assert_string_equal(found(m, "ben"), "");
	user_map_unref(&m);
}

static void names_are_found_in_canonical_form(void **s)
{
	struct user_map *m = parse("Ann@Example.COM mb1 login-as=Ann@Example.COM\n");

	(void)s;
	assert_string_equal(found(m, "ann@example.com"), "mb1 - Ann@Example.COM");
	assert_string_equal(found(m, "Ann@Example.COM"), "");
	user_map_unref(&m);
}

static void the_local_part_may_keep_its_case(void **s)
{
	struct user_map *m = parse_span(span_of("Ann@Example.COM mb1\nann@example.com mb2\n"), USER_NAME_KEEP);

	(void)s;
	assert_non_null(m);
	assert_string_equal(found(m, "Ann@example.com"), "mb1 - -");
	assert_string_equal(found(m, "ann@example.com"), "mb2 - -");
	user_map_unref(&m);
}

static void names_are_percent_encoded(void **s)
{
	struct user_map *m = parse("%23ann%20x mb1 login-as=a%25b%3D%c3%a4\nj\xc3\xbcrgen mb2\n%6d%42 mb3\n");

	(void)s;
	assert_string_equal(found(m, "#ann x"), "mb1 - a%b=\xc3\xa4");
	assert_string_equal(found(m, "j\xc3\xbcrgen"), "mb2 - -");
	assert_string_equal(found(m, "mb"), "mb3 - -");
	user_map_unref(&m);
}

static void a_bad_percent_is_a_fault(void **s)
{
	(void)s;
	expect_fault("a% mb1", "map:1: \"a%\" has a % without two hex digits;");
	expect_fault("a%4 mb1", "map:1: \"a%4\" has a %");
	expect_fault("\na%4g mb1", "map:2: \"a%4g\" has a %");
	expect_fault("a mb1 login-as=%x1", "map:1: \"%x1\" has a %");
}

static void what_is_not_a_name_is_a_fault(void **s)
{
	(void)s;
	expect_fault("a%00 mb1", "map:1: \"a%00\" is not a name;");
	expect_fault("a%0Ab mb1", "map:1: \"a%0Ab\" is not a name;");
	expect_fault("%ff mb1", "map:1: \"%ff\" is not a name;");
	expect_fault("\xc3 mb1", "map:1: \"?\" is not a name;");
	expect_fault("a mb1 login-as=%0d", "map:1: \"%0d\" is not a name;");
	expect_fault("a mb1 login-as=", "map:1: \"\" is not a name;");
}

static void a_nul_byte_is_a_fault_wherever_it_stands(void **s)
{
	static const char line[] = "ann mb1 login-as=a group=north";

	(void)s;
	for (size_t at = 0; at < sizeof(line); at++) {
		char text[sizeof(line) + 1];

		memcpy(text, line, at);
		text[at] = '\0';
		memcpy(text + at + 1, line + at, sizeof(line) - at);
		expect_fault_span(span_mem(text, sizeof(line)), "map:1: ");
	}
}

static void a_second_line_for_a_user_is_a_fault(void **s)
{
	(void)s;
	expect_fault("ann mb1\nben mb1\nann mb1\n", "map:3: ann has line 1 already;");
	expect_fault("\nAnn@X mb1\n%61nn@x mb2", "map:3: ann@x has line 2 already;");
}

static void an_unknown_backend_or_group_is_a_fault(void **s)
{
	(void)s;
	expect_fault("ann mb4", "map:1: there is no backend mb4;");
	expect_fault("ann MB1", "map:1: there is no backend MB1;");
	expect_fault("ann mb1 group=", "map:1: there is no group ;");
	expect_fault("ann - group=all", "map:1: there is no group all;");
}

static void a_backend_must_be_in_the_group_beside_it(void **s)
{
	(void)s;
	expect_fault("ann mb1 group=south", "map:1: backend mb1 is not in group south; it is in group north");
}

static void a_line_without_a_place_is_a_fault(void **s)
{
	(void)s;
	expect_fault("ann", "map:1: a user without a backend;");
	expect_fault("ann -", "map:1: neither a backend nor a group;");
	expect_fault("ann - login-as=x", "map:1: neither a backend nor a group;");
}

static void an_unknown_option_is_a_fault(void **s)
{
	(void)s;
	expect_fault("ann mb1 mb2", "map:1: there is no option mb2;");
	expect_fault("ann mb1 # new", "map:1: there is no option #;");
	expect_fault("ann mb1 login-as", "map:1: there is no option login-as;");
	expect_fault("ann mb1 LOGIN-AS=x", "map:1: there is no option LOGIN-AS=x;");
	expect_fault("ann mb1 login-as=x login-as=x", "map:1: login-as stands twice;");
	expect_fault("ann mb1 group=north group=north", "map:1: group stands twice;");
}

/* "user backend" and blanks: n bytes in all, and a line end. */
static struct span padded(char *text, size_t n, const char *end)
{
	memset(text, ' ', n);
	memcpy(text, "ann mb1", 7);
	strcpy(text + n, end);
	return span_of(text);
}

static void a_line_has_a_greatest_length(void **s)
{
	static char text[3 * USER_MAP_LINE_MAX];
	struct user_map *m;

	(void)s;
	for (size_t i = 0; i < 2; i++) {
		const char *end = i ? "\n" : "";

		m = parse_span(padded(text, USER_MAP_LINE_MAX, end), USER_NAME_LOWER);
		assert_non_null(m);
		user_map_unref(&m);
		expect_fault_span(padded(text, USER_MAP_LINE_MAX + 1, end), "map:1: the line is too long;");
		expect_fault_span(padded(text, 2 * USER_MAP_LINE_MAX, end), "map:1: the line is too long;");
	}
	assert_null(parse_span(padded(text, USER_MAP_LINE_MAX + 1, "\nben\n"), USER_NAME_LOWER));
	assert_non_null(strstr(err, "\nmap:2: a user without"));
}

static void a_name_has_a_greatest_length(void **s)
{
	char text[USER_NAME_MAX + 8];
	struct user_map *m;

	(void)s;
	memset(text, 'a', sizeof(text));
	strcpy(text + USER_NAME_MAX, " mb1");
	m = parse(text);
	text[USER_NAME_MAX] = '\0';
	assert_string_equal(found(m, text), "mb1 - -");
	user_map_unref(&m);
	strcpy(text + USER_NAME_MAX, "a mb1");
	expect_fault(text, "map:1: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is not a name;");
}

/* login-as of the greatest length fills the record to its last byte but one. */
static void a_login_name_has_a_greatest_length(void **s)
{
	char text[USER_NAME_MAX + 32] = "a mb1 login-as=";
	size_t at = strlen(text);
	struct directory_record r;
	struct user_map *m;

	(void)s;
	memset(text + at, 'X', USER_NAME_MAX);
	m = parse(text);
	memset(&r, 0xff, sizeof(r));
	assert_true(user_map_find(m, span_of("a"), &r));
	assert_string_equal(r.login_as, text + at);
	user_map_unref(&m);
	text[at + USER_NAME_MAX] = 'X';
	expect_fault(text, "map:1: \"XXXXX");
}

static void several_faults_are_told_and_the_rest_counted(void **s)
{
	static char text[8 * 1000];
	const char *last;

	(void)s;
	for (unsigned i = 0; i < 1000; i++)
		memcpy(text + 8 * i, "u mb999\n", 8);
	assert_null(parse_span(span_mem(text, 8 * USER_MAP_FAULTS_MAX), USER_NAME_LOWER));
	assert_non_null(strstr(err, "\nmap:10: "));
	assert_null(strstr(err, "more"));
	assert_null(parse_span(span_mem(text, sizeof(text)), USER_NAME_LOWER));
	last = strrchr(err, '\n');
	assert_non_null(last);
	assert_string_equal(last, "\nand 990 more");
	assert_null(strstr(err, "map:11:"));
}

/* Whatever the room, err is a C string of whole lines, and it counts what it leaves out. */
static void a_small_buffer_gets_whole_messages_only(void **s)
{
	static const char text[] = "a\nb\nc\n";

	(void)s;
	for (size_t room = 1; room < 400; room++) {
		char *small = malloc(room);
		unsigned told = 0, more = 0;

		assert_non_null(small);
		memset(small, 'x', room);
		assert_null(user_map_parse("map", span_of(text), cluster, &lowered, small, room));
		assert_true(memchr(small, '\0', room) != NULL);
		for (char *p = small; (p = strstr(p, "would be right")); p++)
			told++;
		if (strstr(small, "and "))
			assert_int_equal(sscanf(strstr(small, "and "), "and %u more", &more), 1);
		assert_true(small[0] == '\0' ? room < 12 : told + more == 3);
		free(small);
	}
}

static void any_part_of_a_file_loads_or_names_its_fault(void **s)
{
	static const char text[] = "# x\nann mb1 login-as=A%20b\r\nben - group=south\n\xef\xbb\xbf%c3%a4 mb3 group=south\n\0 \r\r\n";

	(void)s;
	for (size_t from = 0; from < sizeof(text); from++) {
		for (size_t to = from; to <= sizeof(text); to++) {
			struct user_map *m = parse_span(span_mem(text + from, to - from), USER_NAME_LOWER);

			assert_true(m || strncmp(err, "map:", 4) == 0);
			user_map_unref(&m);
		}
	}
}

#define MANY 60000u

/* The table grows several times, and many names share a slot's neighbourhood. */
static void many_users_each_keep_their_own_line(void **s)
{
	static char text[MANY * 32];
	struct user_map *m;
	char user[32];
	size_t n = 0;

	(void)s;
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)sprintf(text + n, "user%u@x mb%u login-as=u%u\n", i, i % 3 + 1, i);
	m = parse_span(span_mem(text, n), USER_NAME_LOWER);
	assert_non_null(m);
	assert_int_equal(user_map_users(m), MANY);
	for (unsigned i = 0; i < MANY; i++) {
		char expect[32];

		snprintf(user, sizeof(user), "user%u@x", i);
		snprintf(expect, sizeof(expect), "mb%u - u%u", i % 3 + 1, i);
		assert_string_equal(found(m, user), expect);
	}
	for (unsigned i = MANY; i < 2 * MANY; i++) {
		snprintf(user, sizeof(user), "user%u@x", i);
		assert_string_equal(found(m, user), "");
	}
	user_map_unref(&m);
}

/* ---- files ---- */

static char path[] = "/tmp/test_user_map.XXXXXX";

static void write_file(const char *name, const char *text, size_t n)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int make_folder(void **s)
{
	(void)s;
	strcpy(path, "/tmp/test_user_map.XXXXXX");
	return mkdtemp(path) ? 0 : -1;
}

/* A test that failed has left its file. */
static int remove_folder(void **s)
{
	static const char *const left[] = { "map", "fifo" };
	char name[64];

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, left[i]);
		unlink(name);
	}
	return rmdir(path);
}

/* The file is read 64 KiB at a time: wherever that cuts, the lines are the same. */
static void a_file_is_the_same_wherever_reading_cuts_it(void **s)
{
	static const char lines[] = "ann mb1 login-as=A%20b\r\nben - group=south\n\ncat mb2";
	static char text[65536 + sizeof(lines)];
	char name[64];

	(void)s;
	snprintf(name, sizeof(name), "%s/map", path);
	for (size_t before = 65536 - sizeof(lines); before <= 65536; before++) {
		struct user_map *m;

		memset(text, '#', before);
		for (size_t i = 79; i < before; i += 80)
			text[i] = '\n';
		text[before - 1] = '\n';
		memcpy(text + before, lines, sizeof(lines));
		write_file(name, text, before + sizeof(lines) - 1);
		m = user_map_load(name, cluster, &lowered, err, sizeof(err));
		assert_non_null(m);
		assert_string_equal(found(m, "ann"), "mb1 - A b");
		assert_string_equal(found(m, "ben"), "- south -");
		assert_string_equal(found(m, "cat"), "mb2 - -");
		assert_int_equal(user_map_users(m), 3);
		user_map_unref(&m);
	}
}

static void a_line_longer_than_a_read_is_one_fault(void **s)
{
	static char text[3 * 65536];
	char name[64], expect[128];

	(void)s;
	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 6, "\nann -", 6);
	snprintf(name, sizeof(name), "%s/map", path);
	for (size_t n = sizeof(text); n >= sizeof(text) - 6; n -= 6) {
		write_file(name, text, n);
		assert_null(user_map_load(name, cluster, &lowered, err, sizeof(err)));
		snprintf(expect, sizeof(expect), "%s:1: the line is too long; at most 8192 bytes would be right", name);
		assert_memory_equal(err, expect, strlen(expect));
		assert_true(n == sizeof(text) ? strstr(err, "map:2: neither") != NULL : err[strlen(expect)] == '\0');
	}
}

static void what_is_not_a_file_is_refused_at_once(void **s)
{
	char name[64];

	(void)s;
	snprintf(name, sizeof(name), "%s/nothing", path);
	assert_null(user_map_load(name, cluster, &lowered, err, sizeof(err)));
	assert_non_null(strstr(err, "/nothing: No such file"));
	assert_null(user_map_load(path, cluster, &lowered, err, sizeof(err)));
	assert_non_null(strstr(err, "not a regular file"));
	snprintf(name, sizeof(name), "%s/fifo", path);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_null(user_map_load(name, cluster, &lowered, err, sizeof(err)));
	assert_non_null(strstr(err, "/fifo: not a regular file"));
}

/* ---- the driver ---- */

static void no_answer(struct directory_query *q, const struct directory_answer *a)
{
	(void)q;
	(void)a;
	fail();
}

static struct directory_answer ask(struct directory *d, const char *user)
{
	struct directory_query q = { 0 };
	struct directory_answer a;

	memset(&a, 0xff, sizeof(a));
	assert_true(directory_find(d, span_of(user), &q, no_answer, &a));
	assert_null(q.driver);
	directory_cancel(d, &q);
	return a;
}

static void the_directory_answers_from_the_map_at_once(void **s)
{
	struct user_map *m = parse("ann mb2 login-as=x\n");
	struct directory *d = directory_file_new(m);
	struct directory_answer a;

	(void)s;
	user_map_unref(&m);
	a = ask(d, "ann");
	assert_int_equal(a.result, DIRECTORY_FOUND);
	assert_false(a.stale);
	assert_ptr_equal(a.record.backend, cluster->backends[1]);
	assert_string_equal(a.record.login_as, "x");
	a = ask(d, "ben");
	assert_int_equal(a.result, DIRECTORY_UNKNOWN);
	assert_false(a.stale);
	directory_free(&d);
	assert_null(d);
	directory_free(&d);
}

static void the_directory_can_change_its_map(void **s)
{
	struct user_map *one = parse("ann mb1\n"), *two = parse("ann mb2\n");
	struct directory *d = directory_file_new(one);

	(void)s;
	directory_file_set_map(d, two);
	assert_ptr_equal(ask(d, "ann").record.backend, cluster->backends[1]);
	assert_string_equal(found(one, "ann"), "mb1 - -");
	user_map_unref(&one);
	user_map_unref(&two);
	assert_ptr_equal(ask(d, "ann").record.backend, cluster->backends[1]);
	directory_free(&d);
}

static void the_directory_may_be_given_the_map_it_has(void **s)
{
	struct user_map *m = parse("ann mb1\n");
	struct directory *d = directory_file_new(m);

	(void)s;
	directory_file_set_map(d, m);
	user_map_unref(&m);
	assert_ptr_equal(ask(d, "ann").record.backend, cluster->backends[0]);
	directory_free(&d);
}

static void no_directory_knows_nobody(void **s)
{
	struct directory *d = directory_none_new();

	(void)s;
	assert_int_equal(ask(d, "ann").result, DIRECTORY_UNKNOWN);
	directory_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_gives_a_user_a_backend),
		cmocka_unit_test(options_come_in_any_order),
		cmocka_unit_test(comments_and_blank_lines_say_nothing),
		cmocka_unit_test(an_empty_map_is_a_map),
		cmocka_unit_test(spaces_and_tabs_separate_words),
		cmocka_unit_test(lines_may_end_with_crlf_or_not_at_all),
		cmocka_unit_test(a_carriage_return_inside_a_line_is_no_line_end),
		cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_name),
		cmocka_unit_test(names_are_found_in_canonical_form),
		cmocka_unit_test(the_local_part_may_keep_its_case),
		cmocka_unit_test(names_are_percent_encoded),
		cmocka_unit_test(a_bad_percent_is_a_fault),
		cmocka_unit_test(what_is_not_a_name_is_a_fault),
		cmocka_unit_test(a_nul_byte_is_a_fault_wherever_it_stands),
		cmocka_unit_test(a_second_line_for_a_user_is_a_fault),
		cmocka_unit_test(an_unknown_backend_or_group_is_a_fault),
		cmocka_unit_test(a_backend_must_be_in_the_group_beside_it),
		cmocka_unit_test(a_line_without_a_place_is_a_fault),
		cmocka_unit_test(an_unknown_option_is_a_fault),
		cmocka_unit_test(a_line_has_a_greatest_length),
		cmocka_unit_test(a_name_has_a_greatest_length),
		cmocka_unit_test(a_login_name_has_a_greatest_length),
		cmocka_unit_test(several_faults_are_told_and_the_rest_counted),
		cmocka_unit_test(a_small_buffer_gets_whole_messages_only),
		cmocka_unit_test(any_part_of_a_file_loads_or_names_its_fault),
		cmocka_unit_test(many_users_each_keep_their_own_line),
		cmocka_unit_test_setup_teardown(a_file_is_the_same_wherever_reading_cuts_it, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_line_longer_than_a_read_is_one_fault, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_not_a_file_is_refused_at_once, make_folder, remove_folder),
		cmocka_unit_test(the_directory_answers_from_the_map_at_once),
		cmocka_unit_test(the_directory_can_change_its_map),
		cmocka_unit_test(the_directory_may_be_given_the_map_it_has),
		cmocka_unit_test(no_directory_knows_nobody),
	};
	return cmocka_run_group_tests_name("user_map", tests, make_cluster, free_cluster);
}
