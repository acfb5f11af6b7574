/* Which user a client's certificate names: in doubt, nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "net/tls_private.h"
#include "tls_help.h"
#include "wire/user_name.h"

/* A subject of CNs, each {type, bytes}; NULL at the end. Not signed: whoever asks for the name has verified that. */
struct field {
	int type;
	const char *bytes;
	int n;
};

static X509 *with_cns(const struct field *fields, size_t n)
{
	X509 *x = X509_new();

	for (size_t i = 0; i < n; i++)
		assert_int_equal(X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, fields[i].type,
							    (const unsigned char *)fields[i].bytes, fields[i].n, -1, 0), 1);
	return x;
}

static void expect_name(X509 *x, enum tls_user_from from, const char *name)
{
	char *found = tls_peer_name(x, from);

	if (name)
		assert_string_equal(found, name);
	else
		assert_null(found);
	mem_free(&found);
	X509_free(x);
}

#define EXPECT_CN(name, ...) \
	expect_name(with_cns((const struct field []){ __VA_ARGS__ }, ARRAY_LEN(((const struct field []){ __VA_ARGS__ }))), \
		    TLS_USER_FROM_CN, name)

static void the_common_name_is_the_user(void **s)
{
	(void)s;
	EXPECT_CN("anna", { V_ASN1_UTF8STRING, "anna", 4 });
	EXPECT_CN("anna@example.org", { V_ASN1_PRINTABLESTRING, "anna@example.org", 16 });
	EXPECT_CN("j\xc3\xbcrgen", { V_ASN1_UTF8STRING, "j\xc3\xbcrgen", 7 });
}

static void no_common_name_or_two_name_nobody(void **s)
{
	(void)s;
	expect_name(X509_new(), TLS_USER_FROM_CN, NULL);
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "anna", 4 }, { V_ASN1_UTF8STRING, "anna", 4 });
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "anna", 4 }, { V_ASN1_UTF8STRING, "berta", 5 });
}

static void bytes_that_have_no_business_in_a_name_name_nobody(void **s)
{
	static char longest[USER_NAME_MAX + 1];

	(void)s;
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "admin\0.evil", 11 });
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "admin\0", 6 });
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "\0", 1 });
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "an\r\nna", 6 });
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "an\x7f", 3 });
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, "\xc3(", 2 });
	EXPECT_CN(NULL, { V_ASN1_T61STRING, "anna", 4 });
	EXPECT_CN(NULL, { V_ASN1_BMPSTRING, "\0a\0n", 4 });
	memset(longest, 'a', sizeof(longest));
	EXPECT_CN(NULL, { V_ASN1_UTF8STRING, longest, sizeof(longest) });
}

static X509 *with_san(const char *san)
{
	X509 *x = X509_new();
	struct field cn = { V_ASN1_UTF8STRING, "the.common.name", 15 };

	X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, cn.type, (const unsigned char *)cn.bytes, cn.n, -1, 0);
	if (san)
		add_extension(x, NID_subject_alt_name, san);
	return x;
}

static void the_only_email_of_the_san_is_the_user(void **s)
{
	(void)s;
	expect_name(with_san("email:anna@example.org"), TLS_USER_FROM_EMAIL_SAN, "anna@example.org");
	expect_name(with_san("DNS:x.example,email:anna@example.org,URI:mailto:berta@example.org"), TLS_USER_FROM_EMAIL_SAN,
		    "anna@example.org");
}

static void no_email_or_two_name_nobody(void **s)
{
	X509 *twice = with_san("email:anna@example.org");

	(void)s;
	expect_name(with_san(NULL), TLS_USER_FROM_EMAIL_SAN, NULL);
	expect_name(with_san("DNS:x.example"), TLS_USER_FROM_EMAIL_SAN, NULL);
	expect_name(with_san("email:anna@example.org,email:berta@example.org"), TLS_USER_FROM_EMAIL_SAN, NULL);
	add_extension(twice, NID_subject_alt_name, "email:berta@example.org");
	expect_name(twice, TLS_USER_FROM_EMAIL_SAN, NULL);
}

static void an_email_with_a_nul_names_nobody(void **s)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509 *x = X509_new();

	(void)s;
	ASN1_STRING_set(text, "anna@example.org\0.evil", 22);
	GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
	sk_GENERAL_NAME_push(names, name);
	assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), 1);
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	expect_name(x, TLS_USER_FROM_EMAIL_SAN, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_common_name_is_the_user),
		cmocka_unit_test(no_common_name_or_two_name_nobody),
		cmocka_unit_test(bytes_that_have_no_business_in_a_name_name_nobody),
		cmocka_unit_test(the_only_email_of_the_san_is_the_user),
		cmocka_unit_test(no_email_or_two_name_nobody),
		cmocka_unit_test(an_email_with_a_nul_names_nobody),
	};

	return cmocka_run_group_tests_name("tls_peer", tests, NULL, NULL);
}
