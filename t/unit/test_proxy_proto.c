#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>

#include "base/mem.h"
#include "wire/proxy_proto.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\x41\x03\xe1"	/* 192.0.2.7:40001 to 198.51.100.1:993 */
#define LIT(text) text, sizeof(text) - 1

static struct proxy_header h;
static size_t size;
static const char *why;

/* From memory of just that size, for a sanitizer to guard its end. What the header's spans point into is kept until the next call. */
static enum proxy_result parse(const void *p, size_t n)
{
	static char *copy;

	free(copy);
	copy = malloc(n ? n : 1);
	memcpy(copy, p, n);
	return proxy_parse(copy, n, &h, &size, &why);
}

/* Every cut wants more, all of it is a header, and what follows is not part of it. */
static void expect_header(const char *p, size_t n)
{
	char *longer = malloc(n + 5);

	for (size_t cut = 0; cut < n; cut++)
		if (parse(p, cut) != PROXY_MORE)
			fail_msg("%zu of %zu bytes are taken for more than a beginning: %s", cut, n, why);
	memcpy(longer, p, n);
	memcpy(longer + n, "\n\0PRO", 5);
	assert_int_equal(parse(longer, n + 5), PROXY_DONE);
	assert_int_equal(size, n);
	free(longer);
	assert_int_equal(parse(p, n), PROXY_DONE);
	assert_int_equal(size, n);
}

static void expect_line(const char *line)
{
	expect_header(line, strlen(line));
	assert_int_equal(h.version, 1);
	assert_false(h.local);
}

/* Bad, and no cut of it is taken for a header. */
static void expect_bad(const char *p, size_t n, const char *phrase)
{
	for (size_t cut = 0; cut < n; cut++)
		assert_int_not_equal(parse(p, cut), PROXY_DONE);
	assert_int_equal(parse(p, n), PROXY_BAD);
	assert_string_equal(why, phrase);
}

static void expect_bad_line(const char *line, const char *phrase)
{
	expect_bad(line, strlen(line), phrase);
}

static void expect_end(const struct proxy_end *e, const char *ip, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	assert_int_not_equal(e->family, PROXY_NO_ADDRESS);
	inet_ntop(e->family == PROXY_IPV4 ? AF_INET : AF_INET6, e->ip, text, sizeof(text));
	assert_string_equal(text, ip);
	assert_int_equal(e->port, port);
}

static void expect_text(struct span s, const char *text)
{
	if (!span_is(s, text))
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p, text);
}

static void expect_no_address(void)
{
	assert_int_equal(h.source.family, PROXY_NO_ADDRESS);
	assert_int_equal(h.destination.family, PROXY_NO_ADDRESS);
}

/* ---- v1 ---- */

static void a_line_names_both_ends(void **s)
{
	(void)s;
	expect_line("PROXY TCP4 192.0.2.7 198.51.100.1 40001 993\r\n");
	expect_end(&h.source, "192.0.2.7", 40001);
	expect_end(&h.destination, "198.51.100.1", 993);
	expect_line("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n");
	expect_end(&h.destination, "255.255.255.255", 65535);
	expect_line("PROXY TCP6 2001:db8::7 ::1 40001 993\r\n");
	expect_end(&h.source, "2001:db8::7", 40001);
	expect_end(&h.destination, "::1", 993);
	expect_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
	expect_end(&h.source, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
}

static void unknown_has_no_address_whatever_follows_it(void **s)
{
	char line[PROXY_V1_MAX + 1] = "PROXY UNKNOWN ";

	(void)s;
	expect_line("PROXY UNKNOWN\r\n");
	expect_no_address();
	expect_line("PROXY UNKNOWN ffff::1 not an address 1 2\r\n");
	expect_no_address();
	memset(line + 14, 'x', PROXY_V1_MAX - 16);
	memcpy(line + PROXY_V1_MAX - 2, "\r\n", 3);
	expect_line(line);
	expect_no_address();
}

static void a_line_of_more_than_107_bytes_is_none(void **s)
{
	char line[PROXY_V1_MAX + 2] = "PROXY UNKNOWN ";

	(void)s;
	memset(line + 14, 'x', PROXY_V1_MAX - 14);
	expect_bad(line, PROXY_V1_MAX, "a line too long");
	assert_int_equal(parse(line, PROXY_V1_MAX - 1), PROXY_MORE);
	memcpy(line + PROXY_V1_MAX - 1, "\r\n", 2);
	expect_bad(line, PROXY_V1_MAX + 1, "a line too long");
}

static void a_line_with_a_doubt_is_none(void **s)
{
	static const char *const addresses[] = {
		"PROXY TCP4 192.0.2.7\r\n", "PROXY TCP4\r\n", "PROXY TCP4 \r\n", "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
		"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n", "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
		"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n", "PROXY TCP4 192.0.2.7 ::2 1 2\r\n",
		"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", "PROXY TCP6 ::1%1 ::2 1 2\r\n", "PROXY TCP6 [::1] ::2 1 2\r\n",
		"PROXY TCP6 ::1\t::2 1 2\r\n", "PROXY TCP4 192.0.2.7. 198.51.100.1 1 2\r\n",
	};
	static const char *const ports[] = {
		"PROXY TCP4 192.0.2.7 198.51.100.1\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 1  2\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1 99999999999999999999\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1 a\r\n",
	};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
		expect_bad_line(addresses[i], "an address that is none");
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		expect_bad_line(ports[i], "a port that is none");
	expect_bad_line("PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	expect_bad_line("PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	expect_bad_line("PROXY \r\n", "neither TCP4, TCP6 nor UNKNOWN");
	expect_bad_line("PROXY UNKNOWNX\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	expect_bad_line("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n", "a line that does not end in CRLF");
	expect_bad_line("PROXY \n", "a line that does not end in CRLF");
	expect_bad(LIT("PROXY TCP4 192.0.2.7\0 198.51.100.1 1 2\r\n"), "an address that is none");
}

static void what_is_no_header_is_seen_at_its_first_wrong_byte(void **s)
{
	static const char *const others[] = { "a LOGIN x y\r\n", "proxy TCP4", "P ", "PROXY\tTCP4", "\x16\x03\x01", "\n", "\r\r",
					     "\r\n\r\nQ" };

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		bool told = false;

		for (size_t n = 0; n <= strlen(others[i]) && !told; n++)
			told = parse(others[i], n) == PROXY_BAD;
		assert_true(told);
		assert_string_equal(why, "no PROXY header");
	}
	assert_int_equal(parse("X", 1), PROXY_BAD);
}

/* The C library says what an address is; where it and we differ, we are wrong. */
static void expect_as_the_library(const char *ip)
{
	unsigned char right[16] = { 0 };
	bool is = inet_pton(AF_INET6, ip, right) == 1;
	char line[256];
	int n = snprintf(line, sizeof(line), "PROXY TCP6 %s ::1 1 2\r\n", ip);

	if ((parse(line, (size_t)n) == PROXY_DONE) != is)
		fail_msg("%s is %san address", ip, is ? "" : "not ");
	if (is)
		assert_memory_equal(h.source.ip, right, 16);
}

static void ipv6_addresses_are_what_the_library_says(void **s)
{
	static const char *const some[] = {
		"::", "::1", "1::", "1::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::8", "1:2:3::4:5:6:7:8",
		"1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", ":", ":::", "::1::", "1::2::3", ":1", "1:", ":1::", "::1:", "12345::", "g::",
		"FFFF::abCD",
		"::1.2.3.4", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:1.2.3.4", "1.2.3.4::", "1.2.3.4",
		"::1.2.3.4:5", "::1:2:3:4:5:1.2.3.4", "::1:2:3:4:5:6:1.2.3.4", "::1.2.3", "::1.2.3.256", "::01.2.3.4", "1::1.2.3.4::",
		"0::0:0",
		"0000:0000:0000:0000:0000:ffff:c000:0207", "00000::", "::.", "1.2::",
	};

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		expect_as_the_library(some[i]);
}

static void random_addresses_are_what_the_library_says(void **s)
{
	static const char letters[] = "::::....0123af";
	uint64_t x = 88172645463325252u;
	char ip[24];

	(void)s;
	for (int i = 0; i < 200000; i++) {
		size_t n;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		n = 2 + x % (sizeof(ip) - 3);
		for (size_t k = 0; k < n; k++)
			ip[k] = letters[(x >> (k % 14 * 4) & 15) % (sizeof(letters) - 1)];
		ip[n] = '\0';
		expect_as_the_library(ip);
	}
}

/* ---- v2 ---- */

static void v2_names_both_ends(void **s)
{
	(void)s;
	expect_header(LIT(SIGNATURE "\x21\x11\x00\x0c" TCP4));
	assert_int_equal(h.version, 2);
	assert_false(h.local);
	expect_end(&h.source, "192.0.2.7", 40001);
	expect_end(&h.destination, "198.51.100.1", 993);
	expect_header(LIT(SIGNATURE "\x21\x21\x00\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
		      "\x9c\x41\x03\xe1"));
	expect_end(&h.source, "2001:db8::7", 40001);
	expect_end(&h.destination, "::1", 993);
	assert_int_equal(h.authority.n, 0);
	assert_false(h.tls);
}

static void local_unspec_and_unix_have_no_address(void **s)
{
	char unix_header[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/a/path";

	(void)s;
	expect_header(LIT(SIGNATURE "\x20\x00\x00\x00"));
	assert_true(h.local);
	expect_no_address();
	expect_header(LIT(SIGNATURE "\x20\x11\x00\x0c" TCP4));
	assert_true(h.local);
	expect_no_address();
	expect_header(LIT(SIGNATURE "\x20\xff\x00\x03\x02\xff\xff"));
	assert_true(h.local);
	expect_header(LIT(SIGNATURE "\x21\x00\x00\x00"));
	assert_false(h.local);
	expect_no_address();
	expect_header(unix_header, sizeof(unix_header));
	expect_no_address();
}

static void behind_unspec_anything_may_stand(void **s)
{
	(void)s;
	expect_header(LIT(SIGNATURE "\x21\x00\x00\x07\x02\x00\x01x\x05\xff\xff"));
	assert_int_equal(h.authority.n, 0);
	expect_header(LIT(SIGNATURE "\x21\x00\x00\x06\x05\x00\x03" "abc"));
	expect_text(h.unique_id, "abc");
}

static void tlvs_tell_of_the_client_s_connection(void **s)
{
	(void)s;
	expect_header(LIT(SIGNATURE "\x21\x11\x00\x4b" TCP4 "\x01\x00\x04imap" "\x02\x00\x0cmail.example" "\x05\x00\x02id" "\x04\x00\x01\0"
			  "\x20\x00\x1d\x01\0\0\0\0" "\x21\x00\x07TLSv1.3" "\x23\x00\x06" "CIPHER" "\x22\x00\x02" "cn"));
	expect_text(h.alpn, "imap");
	expect_text(h.authority, "mail.example");
	expect_text(h.unique_id, "id");
	assert_true(h.tls);
	expect_text(h.tls_version, "TLSv1.3");
	expect_text(h.tls_cipher, "CIPHER");
}

static void without_its_flag_the_ssl_tlv_is_no_tls(void **s)
{
	(void)s;
	expect_header(LIT(SIGNATURE "\x21\x11\x00\x14" TCP4 "\x20\x00\x05\x06\0\0\0\0"));
	assert_false(h.tls);
}

static void the_first_of_a_kind_counts(void **s)
{
	(void)s;
	expect_header(LIT(SIGNATURE "\x21\x11\x00\x17" TCP4 "\x02\x00\x01" "a" "\x02\x00\x04" "evil"));
	expect_text(h.authority, "a");
}

static void unknown_tlvs_are_skipped(void **s)
{
	(void)s;
	expect_header(LIT(SIGNATURE "\x21\x11\x00\x1b" TCP4 "\xe0\x00\x02xx" "\x30\x00\x00" "\xff\x00\x00" "\x02\x00\x01" "a"));
	expect_text(h.authority, "a");
}

static void a_text_too_long_is_left_out(void **s)
{
	char longest[16 + 12 + 3 + PROXY_TEXT_MAX] = SIGNATURE "\x21\x11\x01\x0e" TCP4 "\x02\x00\xff";
	char longer[16 + 12 + 3 + PROXY_TEXT_MAX + 1] = SIGNATURE "\x21\x11\x01\x0f" TCP4 "\x02\x01\x00";

	(void)s;
	expect_header(longest, sizeof(longest));
	assert_int_equal(h.authority.n, PROXY_TEXT_MAX);
	expect_header(longer, sizeof(longer));
	assert_int_equal(h.authority.n, 0);
}

static void a_tlv_that_leads_out_of_the_header_makes_it_none(void **s)
{
	static const char phrase[] = "a TLV that leads out of the header";

	(void)s;
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x0d" TCP4 "\x02"), phrase);
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x0e" TCP4 "\x02\x00"), phrase);
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x0f" TCP4 "\x02\x00\x01"), phrase);
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x10" TCP4 "\x02\xff\xffx"), phrase);
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x13" TCP4 "\x20\x00\x04\x01\0\0\0"), phrase);
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x16" TCP4 "\x20\x00\x07\x01\0\0\0\0\x21\x00"), phrase);
	expect_bad(LIT(SIGNATURE "\x21\x11\x00\x18" TCP4 "\x20\x00\x08\x01\0\0\0\0\x21\x00\x01" "x"), phrase);
}

static void lengths_are_checked(void **s)
{
	char largest[PROXY_HEADER_MAX] = SIGNATURE "\x20\x00\x0f\xf0";
	char larger[PROXY_HEADER_MAX + 1] = SIGNATURE "\x20\x00\x0f\xf1";

	(void)s;
	for (char n = 0; n < 12; n++) {
		char header[] = SIGNATURE "\x21\x11\x00\x00" TCP4;

		header[15] = n;
		expect_bad(header, 16 + (size_t)n, "a length too short for its addresses");
	}
	expect_bad(LIT(SIGNATURE "\x21\x21\x00\x0c" TCP4), "a length too short for its addresses");
	expect_bad(LIT(SIGNATURE "\x21\x31\x00\x0c" TCP4), "a length too short for its addresses");
	expect_header(largest, sizeof(largest));
	expect_bad(larger, 16, "a length too large");
	expect_bad(LIT(SIGNATURE "\x21\x11\xff\xff"), "a length too large");
}

static void versions_commands_and_families_that_are_not_known_make_it_none(void **s)
{
	(void)s;
	for (unsigned i = 0; i < 256; i++) {
		char header[] = SIGNATURE "\x21\x11\x00\x0c" TCP4;

		header[12] = (char)i;
		assert_int_equal(parse(header, sizeof(header) - 1), i == 0x20 || i == 0x21 ? PROXY_DONE : PROXY_BAD);
		assert_int_equal(parse(header, 13), i == 0x20 || i == 0x21 ? PROXY_MORE : PROXY_BAD);
		header[12] = '\x21';
		header[13] = (char)i;
		assert_int_equal(parse(header, sizeof(header) - 1), i == 0x00 || i == 0x11 ? PROXY_DONE : PROXY_BAD);
	}
}

/* ---- writing ---- */

static struct proxy_end end(const char *ip, uint16_t port)
{
	struct proxy_end e = { .family = strchr(ip, ':') ? PROXY_IPV6 : PROXY_IPV4, .port = port };

	assert_int_equal(inet_pton(e.family == PROXY_IPV4 ? AF_INET : AF_INET6, ip, e.ip), 1);
	return e;
}

static void expect_v1(const struct proxy_header *from, const char *line)
{
	char buf[PROXY_V1_MAX];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	proxy_write_v1(&o, from);
	assert_true(out_ok(&o));
	expect_text(out_written(&o), line);
	expect_line(line);
}

static void expect_v2(const struct proxy_header *from, const char *p, size_t n)
{
	char buf[PROXY_HEADER_MAX];
	struct out o;

	out_init(&o, buf, sizeof(buf));
	proxy_write_v2(&o, from);
	assert_true(out_ok(&o));
	assert_int_equal(o.len, n);
	assert_memory_equal(buf, p, n);
	expect_header(p, n);
}

static void what_is_written_is_a_header(void **s)
{
	struct proxy_header four = { .source = end("192.0.2.7", 40001), .destination = end("198.51.100.1", 993) };
	struct proxy_header six = { .source = end("2001:db8::7", 1), .destination = end("::1", 65535) };

	(void)s;
	expect_v1(&four, "PROXY TCP4 192.0.2.7 198.51.100.1 40001 993\r\n");
	expect_v1(&six, "PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0007 0000:0000:0000:0000:0000:0000:0000:0001 1 65535\r\n");
	expect_v2(&four, LIT(SIGNATURE "\x21\x11\x00\x0c" TCP4));
	expect_v2(&six,
		  LIT(SIGNATURE "\x21\x21\x00\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
				"\0\x01\xff\xff"));
}

static void families_are_never_mixed(void **s)
{
	struct proxy_header a = { .source = end("192.0.2.7", 40001), .destination = end("2001:db8::1", 993) };
	struct proxy_header b = { .source = end("2001:db8::1", 993), .destination = end("192.0.2.7", 40001) };

	(void)s;
	expect_v1(&a, "PROXY TCP6 0000:0000:0000:0000:0000:ffff:c000:0207 2001:0db8:0000:0000:0000:0000:0000:0001 40001 993\r\n");
	expect_end(&h.source, "::ffff:192.0.2.7", 40001);
	expect_v1(&b, "PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0001 0000:0000:0000:0000:0000:ffff:c000:0207 993 40001\r\n");
	expect_v2(&a,
		  LIT(SIGNATURE "\x21\x21\x00\x24" "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"
				"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\x9c\x41\x03\xe1"));
	expect_end(&h.source, "::ffff:192.0.2.7", 40001);
	expect_end(&h.destination, "2001:db8::1", 993);
}

static void without_a_client_s_address_the_header_says_so(void **s)
{
	struct proxy_header none = { 0 }, half = { .destination = end("198.51.100.1", 993) };

	(void)s;
	expect_v1(&none, "PROXY UNKNOWN\r\n");
	expect_v2(&none, LIT(SIGNATURE "\x21\x00\x00\x00"));
	expect_v1(&half, "PROXY UNKNOWN\r\n");
	expect_v2(&half, LIT(SIGNATURE "\x21\x00\x00\x00"));
}

static void without_a_destination_it_is_all_zeros(void **s)
{
	struct proxy_header four = { .source = end("192.0.2.7", 40001) }, six = { .source = end("2001:db8::7", 1) };

	(void)s;
	expect_v1(&four, "PROXY TCP4 192.0.2.7 0.0.0.0 40001 0\r\n");
	expect_v2(&four, LIT(SIGNATURE "\x21\x11\x00\x0c" "\xc0\x00\x02\x07\0\0\0\0\x9c\x41\0\0"));
	expect_v1(&six, "PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0007 0000:0000:0000:0000:0000:0000:0000:0000 1 0\r\n");
}

static void tlvs_are_written_as_they_are_read(void **s)
{
	struct proxy_header from = {
		.source = end("192.0.2.7", 40001), .destination = end("198.51.100.1", 993), .authority = span_of("mail.example"),
		.unique_id = span_of("id"), .tls = true, .tls_version = span_of("TLSv1.3"), .tls_cipher = span_of("CIPHER"),
	};

	(void)s;
	expect_v2(&from, LIT(SIGNATURE "\x21\x11\x00\x3b" TCP4 "\x02\x00\x0cmail.example" "\x05\x00\x02id"
			     "\x20\x00\x18\x01\0\0\0\x01" "\x21\x00\x07TLSv1.3" "\x23\x00\x06" "CIPHER"));
	expect_text(h.authority, "mail.example");
	expect_text(h.unique_id, "id");
	assert_true(h.tls);
	expect_text(h.tls_version, "TLSv1.3");
	expect_text(h.tls_cipher, "CIPHER");
	from.tls = false;	/* then its version and cipher mean nothing */
	expect_v2(&from, LIT(SIGNATURE "\x21\x11\x00\x20" TCP4 "\x02\x00\x0cmail.example" "\x05\x00\x02id"));
}

static void a_text_too_long_is_not_written(void **s)
{
	static const char text[PROXY_TEXT_MAX + 1];
	struct proxy_header from = { .authority = span_mem(text, sizeof(text)), .tls = true, .tls_cipher = span_mem(text, sizeof(text)) };

	(void)s;
	expect_v2(&from, LIT(SIGNATURE "\x21\x00\x00\x08" "\x20\x00\x05\x01\0\0\0\x01"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_names_both_ends),
		cmocka_unit_test(unknown_has_no_address_whatever_follows_it),
		cmocka_unit_test(a_line_of_more_than_107_bytes_is_none),
		cmocka_unit_test(a_line_with_a_doubt_is_none),
		cmocka_unit_test(what_is_no_header_is_seen_at_its_first_wrong_byte),
		cmocka_unit_test(ipv6_addresses_are_what_the_library_says),
		cmocka_unit_test(random_addresses_are_what_the_library_says),
		cmocka_unit_test(v2_names_both_ends),
		cmocka_unit_test(local_unspec_and_unix_have_no_address),
		cmocka_unit_test(behind_unspec_anything_may_stand),
		cmocka_unit_test(tlvs_tell_of_the_client_s_connection),
		cmocka_unit_test(without_its_flag_the_ssl_tlv_is_no_tls),
		cmocka_unit_test(the_first_of_a_kind_counts),
		cmocka_unit_test(unknown_tlvs_are_skipped),
		cmocka_unit_test(a_text_too_long_is_left_out),
		cmocka_unit_test(a_tlv_that_leads_out_of_the_header_makes_it_none),
		cmocka_unit_test(lengths_are_checked),
		cmocka_unit_test(versions_commands_and_families_that_are_not_known_make_it_none),
		cmocka_unit_test(what_is_written_is_a_header),
		cmocka_unit_test(families_are_never_mixed),
		cmocka_unit_test(without_a_client_s_address_the_header_says_so),
		cmocka_unit_test(without_a_destination_it_is_all_zeros),
		cmocka_unit_test(tlvs_are_written_as_they_are_read),
		cmocka_unit_test(a_text_too_long_is_not_written),
	};

	return cmocka_run_group_tests_name("proxy_proto", tests, NULL, NULL);
}
