/*
 * tls_peer.c - the user that a client's certificate names.
 *
 * Whoever verified it has said only that the authority signed it. A field that is missing, that is there twice, or that is no name of a
 * user names nobody (CVE-2019-3814: a certificate without the field was taken for anybody's).
 */
#include "net/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "wire/span.h"
#include "wire/user_name.h"

/* Only kinds of string that are ASCII or UTF-8 as they stand. */
static char *name_of(const ASN1_STRING *text)
{
	int type = ASN1_STRING_type(text);
	struct span name = span_mem(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));

	if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING && type != V_ASN1_IA5STRING)
		return NULL;
	if (name.n == 0 || name.n > USER_NAME_MAX || span_has_control(name) || !utf8_is_valid(name))
		return NULL;
	return mem_span_dup(name);
}

static char *common_name(const X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return NULL;
	return name_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static char *only_email(const GENERAL_NAMES *names)
{
	const ASN1_STRING *email = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_EMAIL)
			continue;
		if (email)
			return NULL;
		email = name->d.rfc822Name;
	}
	return email ? name_of(email) : NULL;
}

static char *email_san(const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);	/* NULL, too, if it is there twice */
	char *email = names ? only_email(names) : NULL;

	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return email;
}

char *tls_peer_name(const X509 *cert, enum tls_user_from from)
{
	return from == TLS_USER_FROM_EMAIL_SAN ? email_san(cert) : common_name(cert);
}
