#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/imap_url.h"

static struct imap_url url;

static void expect(const char *text, const char *host, uint16_t port)
{
	assert_true(imap_url_parse(span_of(text), &url));
	assert_true(span_is(url.host, host));
	assert_int_equal(url.port, port);
}

static void host_and_port_are_found_whatever_stands_around_them(void **s)
{
	(void)s;
	expect("imap://mb2", "mb2", 143);
	expect("IMAP://mb2.example.org/", "mb2.example.org", 143);
	expect("imap://joe@mb2:1143/INBOX;UIDVALIDITY=1", "mb2", 1143);
	expect("imap://joe;AUTH=*@10.0.0.1:65535/", "10.0.0.1", 65535);
	expect("imap://;AUTH=PLAIN@mb-2_a", "mb-2_a", 143);
	expect("imap://joe@example.org@mb2:1", "mb2", 1);
	expect("imap://[2001:db8::1]", "2001:db8::1", 143);
	expect("imap://joe@[::ffff:10.0.0.1]:993/x@y", "::ffff:10.0.0.1", 993);
}

static void what_is_no_imap_url_is_refused(void **s)
{
	static const char *const bad[] = {
		"", "mb2", "imap:", "imap:/mb2", "imaps://mb2", "http://mb2", "imap://", "imap:///", "imap://joe@", "imap://joe@/",
		"imap://:143",
		"imap://mb2:", "imap://mb2:0", "imap://mb2:65536", "imap://mb2:123456", "imap://mb2:1x", "imap://mb2:-1", "imap://m b2",
		"imap://mb2\r\n", "imap://m%62", "imap://[", "imap://[]", "imap://[::1", "imap://[::1]x", "imap://[::1]143", "imap://[mb2]",
		"imap://[::1]:", " imap://mb2",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (imap_url_parse(span_of(bad[i]), &url))
			fail_msg("taken: %s", bad[i]);
	}
	assert_false(imap_url_parse(span_mem("imap://mb\0", 10), &url));
	assert_false(imap_url_parse((struct span){ 0 }, &url));
}

static void every_cut_is_read_within_its_bounds(void **s)
{
	static const char text[] = "imap://joe;AUTH=*@[2001:db8::1]:1143/x";

	(void)s;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *exact = malloc(n + 1);
		bool good;

		assert_non_null(exact);
		memcpy(exact, text, n);
		good = imap_url_parse(span_mem(exact, n), &url);
		if (n < 10)
			assert_false(good && n < 8);
		if (n >= 36)
			assert_true(good && url.port == 1143);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_port_are_found_whatever_stands_around_them),
		cmocka_unit_test(what_is_no_imap_url_is_refused),
		cmocka_unit_test(every_cut_is_read_within_its_bounds),
	};
	return cmocka_run_group_tests_name("imap_url", tests, NULL, NULL);
}
