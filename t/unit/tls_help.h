/* tls_help.h - certificates for tests, made with OpenSSL's API, in one scratch folder that fini removes. */
#ifndef T_UNIT_TLS_HELP_H
#define T_UNIT_TLS_HELP_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct test_cert {
	X509 *cert;
	EVP_PKEY *key;
};

struct cert_wish {
	const char *cn;
	const char *san;		/* "DNS:mail.example,IP:127.0.0.1" or NULL */
	int days;			/* from now; negative: expired */
	const struct test_cert *issuer;	/* NULL: signs itself */
	bool is_ca;
	bool rsa;			/* instead of ECDSA */
};

static inline void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static inline struct test_cert make_cert(struct cert_wish w)
{
	static long serial = 1;
	struct test_cert c = { X509_new(), w.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256") };
	X509_NAME *name;

	assert(c.cert && c.key);
	X509_set_version(c.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c.cert), -100L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(c.cert), w.days * 86400L);
	X509_set_pubkey(c.cert, c.key);
	name = X509_get_subject_name(c.cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)w.cn, -1, -1, 0);
	X509_set_issuer_name(c.cert, w.issuer ? X509_get_subject_name(w.issuer->cert) : name);
	if (w.is_ca)
		add_extension(c.cert, NID_basic_constraints, "critical,CA:TRUE");
	if (w.san)
		add_extension(c.cert, NID_subject_alt_name, w.san);
	assert(X509_sign(c.cert, w.issuer ? w.issuer->key : c.key, EVP_sha256()) > 0);
	return c;
}

static inline void free_cert(struct test_cert *c)
{
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
}

static char scratch_dir[64];

static inline void scratch_init(void)
{
	snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/sluice-test-XXXXXX");
	assert(mkdtemp(scratch_dir));
}

/* In a ring of a few buffers: good for one call's arguments. */
static inline const char *scratch_path(const char *file)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir, file);
	return path;
}

static inline FILE *scratch_open(const char *file)
{
	FILE *f = fopen(scratch_path(file), "w");

	assert(f);
	return f;
}

/* cert, then chain if given, then key if given. */
static inline const char *write_pem(const char *file, X509 *cert, X509 *chain, EVP_PKEY *key)
{
	FILE *f = scratch_open(file);

	if (cert)
		PEM_write_X509(f, cert);
	if (chain)
		PEM_write_X509(f, chain);
	if (key)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	return scratch_path(file);
}

static inline void scratch_fini(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", scratch_dir);
	if (system(command) != 0)
		fprintf(stderr, "%s is left behind\n", scratch_dir);
}

#endif
