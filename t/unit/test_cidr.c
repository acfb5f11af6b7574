#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "net/cidr.h"

static struct cidr network(const char *text)
{
	char err[256] = "";
	struct cidr c;

	if (!cidr_parse(&c, text, err, sizeof(err)))
		fail_msg("%s", err);
	return c;
}

static bool has(const char *text, const char *ip)
{
	struct cidr c = network(text);
	struct addr a;

	assert_true(addr_parse_ip(&a, span_of(ip)));
	a.port = 4711;
	return cidr_has(&c, &a);
}

static void expect_fault(const char *text, const char *sentence)
{
	struct cidr c;
	char err[256] = "";

	assert_false(cidr_parse(&c, text, err, sizeof(err)));
	assert_string_equal(err, sentence);
}

static void a_network_has_its_addresses_and_no_others(void **s)
{
	(void)s;
	assert_true(has("10.0.0.0/8", "10.0.0.0"));
	assert_true(has("10.0.0.0/8", "10.255.255.255"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_false(has("10.0.0.0/8", "9.255.255.255"));
	assert_true(has("192.0.2.128/25", "192.0.2.255"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("192.0.2.4/31", "192.0.2.5"));
	assert_false(has("192.0.2.4/31", "192.0.2.6"));
	assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(has("2001:db8::/32", "2001:db9::"));
	assert_true(has("2001:db8::8000/113", "2001:db8::ffff"));
	assert_false(has("2001:db8::8000/113", "2001:db8::7fff"));
}

static void a_single_address_is_a_network_of_one(void **s)
{
	(void)s;
	assert_true(has("10.0.0.1", "10.0.0.1"));
	assert_false(has("10.0.0.1", "10.0.0.2"));
	assert_true(has("10.0.0.1/32", "10.0.0.1"));
	assert_true(has("::1", "::1"));
	assert_false(has("::1", "::"));
	assert_true(has("fe80::1/128", "fe80::1%7"));
}

static void a_prefix_of_nothing_is_one_whole_family(void **s)
{
	(void)s;
	assert_true(has("0.0.0.0/0", "255.1.2.3"));
	assert_false(has("0.0.0.0/0", "::1"));
	assert_true(has("::/0", "ffff::1"));
	assert_false(has("::/0", "10.0.0.1"));
}

static void a_mapped_network_is_the_ipv4_network_it_means(void **s)
{
	(void)s;
	assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_true(has("::ffff:10.0.0.1", "10.0.0.1"));
	assert_false(has("::ffff:10.0.0.1", "10.0.0.2"));
	assert_true(has("::ffff:0:0/96", "192.0.2.1"));
	assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
	expect_fault("::ffff:0:0/95", "\"::ffff:0:0/95\": an IPv4 address in IPv6 form needs a number from 96 to 128 behind the \"/\"");
}

static void every_length_of_prefix_has_just_its_bits(void **s)
{
	(void)s;
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct cidr c = { .family = AF_INET6, .bits = (uint8_t)bits };
		struct addr a = { .family = AF_INET6 };

		assert_true(cidr_has(&c, &a));
		for (unsigned bit = 0; bit < 128; bit++) {
			memset(a.ip, 0, sizeof(a.ip));
			a.ip[bit / 8] = (unsigned char)(0x80 >> bit % 8);
			assert_int_equal(cidr_has(&c, &a), bit >= bits);
		}
	}
}

static void unix_is_whoever_comes_over_a_unix_socket(void **s)
{
	struct cidr c = network("unix");
	struct addr a = { .family = AF_UNIX }, none = { .family = AF_UNSPEC };

	(void)s;
	assert_true(cidr_has(&c, &a));
	assert_false(cidr_has(&c, &none));
	assert_false(has("unix", "127.0.0.1"));
	c = network("0.0.0.0/0");
	assert_false(cidr_has(&c, &a));
}

static void a_list_has_what_one_of_it_has(void **s)
{
	struct cidr items[] = { network("10.0.0.0/8"), network("::1") };
	struct cidr_list l = { items, ARRAY_LEN(items) }, empty = { 0 };
	struct addr a, b, c;

	(void)s;
	addr_parse_ip(&a, span_of("10.9.9.9"));
	addr_parse_ip(&b, span_of("::1"));
	addr_parse_ip(&c, span_of("::2"));
	assert_true(cidr_list_has(&l, &a));
	assert_true(cidr_list_has(&l, &b));
	assert_false(cidr_list_has(&l, &c));
	assert_false(cidr_list_has(&empty, &a));
}

static void what_is_no_network_is_refused_with_a_sentence(void **s)
{
	static const char *const bad[] = {
		"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0/8", "10/8",
		"::/129", "::/1000", "fe80::1%2/128", "fe80::1%2", "*", "any", "mail.example", "[::1]", "10.0.0.1:143", "10.0.0.0/0x8",
		"Unix", "unix:", "10.0.0.0/99999999999999999999",
	};
	char err[256];
	struct cidr c;

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err[0] = '\0';
		if (cidr_parse(&c, bad[i], err, sizeof(err)))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(err, "\": "));
	}
	expect_fault("mail.example",
		     "\"mail.example\": not a network; write one as in \"10.0.0.0/8\", \"2001:db8::/32\" or \"10.0.0.1\"");
	expect_fault("10.0.0.0/33", "\"10.0.0.0/33\": what follows the \"/\" must be a number from 0 to 32");
}

static void bits_behind_the_prefix_are_a_slip_of_the_pen(void **s)
{
	(void)s;
	expect_fault("10.1.2.3/8", "\"10.1.2.3/8\": bits are set behind the first 8; \"10.0.0.0/8\" would be right");
	expect_fault("2001:db8::1/32", "\"2001:db8::1/32\": bits are set behind the first 32; \"2001:db8::/32\" would be right");
	expect_fault("::ffff:10.1.2.3/104", "\"::ffff:10.1.2.3/104\": bits are set behind the first 8; \"10.0.0.0/8\" would be right");
}

static void a_short_buffer_gets_a_short_sentence(void **s)
{
	char err[8] = "1234567";
	struct cidr c;

	(void)s;
	assert_false(cidr_parse(&c, "nonsense", err, sizeof(err)));
	assert_string_equal(err, "\"nonsen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_has_its_addresses_and_no_others),
		cmocka_unit_test(a_single_address_is_a_network_of_one),
		cmocka_unit_test(a_prefix_of_nothing_is_one_whole_family),
		cmocka_unit_test(a_mapped_network_is_the_ipv4_network_it_means),
		cmocka_unit_test(every_length_of_prefix_has_just_its_bits),
		cmocka_unit_test(unix_is_whoever_comes_over_a_unix_socket),
		cmocka_unit_test(a_list_has_what_one_of_it_has),
		cmocka_unit_test(what_is_no_network_is_refused_with_a_sentence),
		cmocka_unit_test(bits_behind_the_prefix_are_a_slip_of_the_pen),
		cmocka_unit_test(a_short_buffer_gets_a_short_sentence),
	};

	return cmocka_run_group_tests_name("cidr", tests, NULL, NULL);
}
