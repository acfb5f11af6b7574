/*
 * tls_ocsp.c - OCSP responses (RFC 6960) to staple: read when certificates are loaded, and good only until they say.
 *
 * Something else fetches them from the authority and writes the file. The signature is the client's to check.
 */
#include "net/tls_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/mem.h"

#define OCSP_FILE_MAX (64 * 1024)
#define OCSP_SKEW 300	/* seconds that the authority's clock may be ahead of ours */

/* The answer about the certificate of that serial number; NULL: none. */
static OCSP_SINGLERESP *answer_about(OCSP_BASICRESP *basic, const ASN1_INTEGER *serial)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);
		ASN1_INTEGER *number = NULL;

		if (OCSP_id_get0_info(NULL, NULL, NULL, &number, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(one)) == 1
		    && ASN1_INTEGER_cmp(number, serial) == 0)
			return one;
	}
	return NULL;
}

/* What keeps it from being stapled; NULL: nothing. */
static const char *judge(OCSP_BASICRESP *basic, const X509 *cert, time_t *until)
{
	OCSP_SINGLERESP *one = answer_about(basic, X509_get0_serialNumber(cert));
	ASN1_GENERALIZEDTIME *from = NULL, *next = NULL;
	struct tm tm;

	if (!one)
		return "it is about another certificate";
	if (OCSP_single_get0_status(one, NULL, NULL, &from, &next) != V_OCSP_CERTSTATUS_GOOD)
		return "it says that the certificate is not good";
	if (!next || ASN1_TIME_to_tm(next, &tm) != 1)
		return "it does not say until when it is good";
	*until = timegm(&tm);
	if (OCSP_check_validity(from, next, OCSP_SKEW, -1) == 1)
		return NULL;
	return *until < time(NULL) ? "it has expired" : "it is not valid yet";
}

static const char *parse(const struct file *f, const X509 *cert, time_t *until)
{
	const unsigned char *p = (const unsigned char *)f->bytes;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)f->n);
	OCSP_BASICRESP *basic = NULL;
	const char *why = "not an OCSP response in DER";

	if (response && p == (const unsigned char *)f->bytes + f->n) {
		if (OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
			basic = OCSP_response_get1_basic(response);
		why = basic ? judge(basic, cert, until) : "it holds no answer, only an error";
	}
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return why;
}

bool tls_ocsp_load(struct tls_ocsp *o, const char *path, const X509 *cert, char *err, size_t errlen)
{
	struct file f = { 0 };
	const char *why = NULL;
	bool ok;

	*o = (struct tls_ocsp){ 0 };
	if (access(path, F_OK) != 0)
		return true;
	ok = tls_file_read(&f, path, OCSP_FILE_MAX, err, errlen);
	if (ok)
		why = parse(&f, cert, &o->until);
	if (ok && !why) {
		o->n = f.n;
		o->bytes = mem_new(f.n);
		memcpy(o->bytes, f.bytes, f.n);
	}
	if (why)
		snprintf(err, errlen, "%s: not stapled: %s", path, why);
	file_fini(&f);
	return ok && !why;
}

void tls_ocsp_fini(struct tls_ocsp *o)
{
	mem_free(&o->bytes);
}
