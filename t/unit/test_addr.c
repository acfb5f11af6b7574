#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <sys/un.h>

#include "net/addr.h"

/* ---- addresses ---- */

static void expect_ip(const char *text, const char *want)
{
	struct addr a;
	char out[ADDR_TEXT_MAX];

	assert_true(addr_parse_ip(&a, span_of(text)));
	assert_string_equal(addr_ip_text(&a, out), want);
}

static void expect_no_ip(struct span text)
{
	struct addr a;

	assert_false(addr_parse_ip(&a, text));
	assert_int_equal(a.family, AF_UNSPEC);
}

static void ip_addresses_are_read_and_written(void **s)
{
	(void)s;
	expect_ip("10.0.0.1", "10.0.0.1");
	expect_ip("255.255.255.255", "255.255.255.255");
	expect_ip("::1", "::1");
	expect_ip("2001:DB8:0:0:0:0:0:1", "2001:db8::1");
	expect_ip("fe80::1%4294967295", "fe80::1%4294967295");
	expect_ip("::ffff:10.1.2.3", "10.1.2.3");
}

static void what_is_no_ip_address_is_refused(void **s)
{
	static const char *const bad[] = {
		"", ".", "10.0.0", "10.0.0.1.1", "256.0.0.1", "010.0.0.1", " 10.0.0.1", "10.0.0.1 ", "10.0.0.1:143", "[::1]", ":", ":::",
		"::g", "10.0.0.1%1", "fe80::1%", "fe80::1%eth0", "fe80::1%4294967296", "fe80::1%-1", "mb1",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
	};

	(void)s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_no_ip(span_of(bad[i]));
	expect_no_ip(span_mem("10.0.0.1\0", 9));
	expect_no_ip(span_of(NULL));
}

static void no_cut_of_an_address_reads_past_it(void **s)
{
	static const char text[] = "fe80:1111:2222:3333:4444:5555:6666:7777%12";
	struct addr a;

	(void)s;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + 1);	/* for a sanitizer to guard the end of */

		memcpy(copy, text, n);
		copy = realloc(copy, n > 0 ? n : 1);
		addr_parse_ip(&a, span_mem(copy, n));
		free(copy);
	}
	assert_true(addr_parse_ip(&a, span_of(text)));
}

static void socket_addresses_come_back_the_same(void **s)
{
	static const char *const ips[] = { "10.0.0.1", "2001:db8::1", "fe80::1%7" };
	struct sockaddr_storage ss;
	struct addr a, again;

	(void)s;
	for (size_t i = 0; i < 3; i++) {
		assert_true(addr_parse_ip(&a, span_of(ips[i])));
		a.port = 993;
		assert_int_equal(addr_to_sockaddr(&a, &ss), i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		addr_from_sockaddr(&again, (struct sockaddr *)&ss);
		assert_memory_equal(&a, &again, sizeof(a));
	}
}

static void bytes_are_an_address_and_mapped_ones_an_ipv4_address(void **s)
{
	static const unsigned char four[4] = { 192, 0, 2, 7 }, six[16] = { 0x20, 1, 0xd, 0xb8, [15] = 7 };
	static const unsigned char mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 7 };
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)s;
	addr_from_bytes(&a, AF_INET, four, 993);
	assert_string_equal(addr_text(&a, text), "192.0.2.7:993");
	addr_from_bytes(&a, AF_INET6, six, 993);
	assert_string_equal(addr_text(&a, text), "[2001:db8::7]:993");
	addr_from_bytes(&a, AF_INET6, mapped, 993);
	assert_string_equal(addr_text(&a, text), "192.0.2.7:993");
}

static void a_mapped_peer_is_an_ipv4_peer(void **s)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(40000) };
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)s;
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &sa.sin6_addr);
	addr_from_sockaddr(&a, (struct sockaddr *)&sa);
	assert_int_equal(a.family, AF_INET);
	assert_string_equal(addr_text(&a, text), "192.0.2.1:40000");
}

static void what_has_no_ip_has_a_word(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage ss;
	char text[ADDR_TEXT_MAX];
	struct addr a = { 0 };

	(void)s;
	assert_string_equal(addr_text(&a, text), "-");
	assert_int_equal(addr_to_sockaddr(&a, &ss), 0);
	addr_from_sockaddr(&a, (struct sockaddr *)&un);
	assert_string_equal(addr_text(&a, text), "unix");
	assert_string_equal(addr_ip_text(&a, text), "unix");
	assert_int_equal(addr_to_sockaddr(&a, &ss), 0);
}

static void the_longest_text_fits(void **s)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)s;
	assert_true(addr_parse_ip(&a, span_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295")));
	a.port = 65535;
	assert_string_equal(addr_text(&a, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static void loopback_is_known(void **s)
{
	struct addr a;

	(void)s;
	assert_true(addr_parse_ip(&a, span_of("127.9.9.9")) && addr_is_loopback(&a));
	assert_true(addr_parse_ip(&a, span_of("::1")) && addr_is_loopback(&a));
	assert_true(addr_parse_ip(&a, span_of("::ffff:127.0.0.1")) && addr_is_loopback(&a));
	assert_true(addr_parse_ip(&a, span_of("128.0.0.1")) && !addr_is_loopback(&a));
	assert_true(addr_parse_ip(&a, span_of("::2")) && !addr_is_loopback(&a));
	a = (struct addr){ .family = AF_UNIX };
	assert_true(addr_is_loopback(&a));
	a = (struct addr){ .family = AF_UNSPEC };
	assert_false(addr_is_loopback(&a));
}

/* ---- endpoints ---- */

static char err[200];

static void expect_endpoint(const char *text, uint16_t default_port, enum endpoint_kind kind, const char *name, uint16_t port)
{
	struct endpoint e;
	char ip[ADDR_TEXT_MAX];

	assert_true(endpoint_parse(&e, text, default_port, err, sizeof(err)));
	assert_int_equal(e.kind, kind);
	assert_int_equal(e.addr.port, port);
	if (kind == ENDPOINT_IP)
		assert_string_equal(addr_ip_text(&e.addr, ip), name);
	if (kind == ENDPOINT_HOST)
		assert_string_equal(e.host, name);
	if (kind == ENDPOINT_UNIX)
		assert_string_equal(e.path, name);
	endpoint_fini(&e);
	assert_true(!e.host && !e.path);
}

/* The sentence must name the text (or how it begins), the fault and the remedy. */
static void expect_wrong(const char *text, const char *fault, const char *remedy)
{
	struct endpoint e;
	char begins[65] = "";

	strncat(begins, text, sizeof(begins) - 1);
	err[0] = '\0';
	assert_false(endpoint_parse(&e, text, 0, err, sizeof(err)));
	assert_true(!e.host && !e.path);
	assert_non_null(strstr(err, begins));
	assert_non_null(strstr(err, fault));
	assert_non_null(strstr(err, remedy));
}

static void every_kind_of_place_is_read(void **s)
{
	(void)s;
	expect_endpoint("10.0.0.1:143", 0, ENDPOINT_IP, "10.0.0.1", 143);
	expect_endpoint("[::1]:143", 0, ENDPOINT_IP, "::1", 143);
	expect_endpoint("[fe80::1%2]:143", 0, ENDPOINT_IP, "fe80::1%2", 143);
	expect_endpoint("[::ffff:10.0.0.1]:143", 0, ENDPOINT_IP, "10.0.0.1", 143);
	expect_endpoint("mail.example:143", 0, ENDPOINT_HOST, "mail.example", 143);
	expect_endpoint("Mail_1-a.example.:65535", 0, ENDPOINT_HOST, "Mail_1-a.example.", 65535);
	expect_endpoint("1and1.example:1", 0, ENDPOINT_HOST, "1and1.example", 1);
	expect_endpoint("*:993", 0, ENDPOINT_ANY, "", 993);
	expect_endpoint("unix:/run/sluice/imap", 0, ENDPOINT_UNIX, "/run/sluice/imap", 0);
	expect_endpoint("unix:/run/a b:1", 0, ENDPOINT_UNIX, "/run/a b:1", 0);
}

static void port_zero_is_any_free_port(void **s)
{
	(void)s;
	expect_endpoint("127.0.0.1:0", 0, ENDPOINT_IP, "127.0.0.1", 0);
	expect_endpoint("*:0", 143, ENDPOINT_ANY, "", 0);
}

static void a_default_port_serves_where_none_is_given(void **s)
{
	(void)s;
	expect_endpoint("10.0.0.1", 143, ENDPOINT_IP, "10.0.0.1", 143);
	expect_endpoint("[::1]", 143, ENDPOINT_IP, "::1", 143);
	expect_endpoint("mb1", 143, ENDPOINT_HOST, "mb1", 143);
	expect_endpoint("mb1:144", 143, ENDPOINT_HOST, "mb1", 144);
}

static void faults_are_told_with_what_would_be_right(void **s)
{
	(void)s;
	expect_wrong("", "port is missing", ":143");
	expect_wrong("mb1", "port is missing", "write \"mb1:143\"");
	expect_wrong("mb1:", "not a port", "0 to 65535");
	expect_wrong("mb1:65536", "not a port", "0 to 65535");
	expect_wrong("mb1:+143", "not a port", "0 to 65535");
	expect_wrong("mb1:143 ", "not a port", "0 to 65535");
	expect_wrong("mb1:99999999999999999999", "not a port", "0 to 65535");
	expect_wrong(":143", "host is missing", "mail.example:143");
	expect_wrong("::1:143", "too many colons", "[::1]:143");
	expect_wrong("[::1:143", "closing \"]\" is missing", "[::1]:143");
	expect_wrong("[::1]143", "only a port may follow", "[::1]:143");
	expect_wrong("[10.0.0.1]:143", "no IPv6 address", "[::1]:143");
	expect_wrong("[mb1]:143", "no IPv6 address", "[::1]:143");
	expect_wrong("[]:143", "no IPv6 address", "[::1]:143");
	expect_wrong("10.0.0.300:143", "not an IPv4 address", "0 to 255");
	expect_wrong("10.0.1:143", "not an IPv4 address", "0 to 255");
	expect_wrong("mb 1:143", "only letters", "mail.example:143");
	expect_wrong("m\xc3\xbc.example:143", "only letters", "mail.example:143");
	expect_wrong("a..b:143", "parts of 1 to 63", "253");
	expect_wrong(".a:143", "parts of 1 to 63", "253");
	expect_wrong("unix:run/x", "whole path", "unix:/run");
	expect_wrong("unix:", "whole path", "unix:/run");
}

static void a_host_name_has_its_bounds(void **s)
{
	char host[300];
	struct endpoint e;

	(void)s;
	for (int i = 0; i < 253; i++)
		host[i] = i % 50 == 49 ? '.' : 'a';
	strcpy(host + 253, ":143");
	host[252] = 'a';
	assert_true(endpoint_parse(&e, host, 0, err, sizeof(err)));
	assert_int_equal(strlen(e.host), 253);
	endpoint_fini(&e);
	memmove(host + 1, host, 258);
	expect_wrong(host, "253", "parts");
	memset(host, 'a', 64);
	strcpy(host + 64, ":143");
	expect_wrong(host, "253", "parts of 1 to 63");
}

static void a_path_has_what_a_socket_address_holds(void **s)
{
	char text[200] = "unix:/";
	struct endpoint e;

	(void)s;
	memset(text + 6, 'p', 107);
	text[5 + 107] = '\0';
	assert_true(endpoint_parse(&e, text, 0, err, sizeof(err)));
	assert_int_equal(strlen(e.path), 107);
	endpoint_fini(&e);
	strcat(text, "p");
	expect_wrong(text, "108 bytes", "107");
}

static void a_small_room_for_the_sentence_is_kept_to(void **s)
{
	struct endpoint e;
	char small[9] = "12345678";

	(void)s;
	for (size_t n = 0; n < 8; n++) {
		assert_false(endpoint_parse(&e, "mb1:x", 0, small, n));
		assert_int_equal(small[7], '8');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_addresses_are_read_and_written),
		cmocka_unit_test(what_is_no_ip_address_is_refused),
		cmocka_unit_test(no_cut_of_an_address_reads_past_it),
		cmocka_unit_test(socket_addresses_come_back_the_same),
		cmocka_unit_test(bytes_are_an_address_and_mapped_ones_an_ipv4_address),
		cmocka_unit_test(a_mapped_peer_is_an_ipv4_peer),
		cmocka_unit_test(what_has_no_ip_has_a_word),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(loopback_is_known),
		cmocka_unit_test(every_kind_of_place_is_read),
		cmocka_unit_test(port_zero_is_any_free_port),
		cmocka_unit_test(a_default_port_serves_where_none_is_given),
		cmocka_unit_test(faults_are_told_with_what_would_be_right),
		cmocka_unit_test(a_host_name_has_its_bounds),
		cmocka_unit_test(a_path_has_what_a_socket_address_holds),
		cmocka_unit_test(a_small_room_for_the_sentence_is_kept_to),
	};
	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
