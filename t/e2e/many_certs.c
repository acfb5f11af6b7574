/* many_certs FOLDER N - N self-signed certificates nI.pem for nI.many.example, each with the same key: made in seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static X509 *make(EVP_PKEY *key, long number)
{
	X509 *x = X509_new();
	X509_EXTENSION *san;
	char name[64];

	snprintf(name, sizeof(name), "DNS:n%ld.many.example", number);
	san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), number + 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 60 * 86400L);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"throw-away", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	if (!san || !X509_add_ext(x, san, -1) || !X509_sign(x, key, EVP_sha256()))
		exit(1);
	X509_EXTENSION_free(san);
	return x;
}

static void write_pem(const char *folder, long number, EVP_PKEY *key)
{
	char path[4096];
	X509 *x = make(key, number);
	FILE *f;

	snprintf(path, sizeof(path), "%s/n%ld.pem", folder, number);
	f = fopen(path, "w");
	if (!f || !PEM_write_X509(f, x) || !PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) || fclose(f) != 0)
		exit(1);
	X509_free(x);
}

int main(int argc, char **argv)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (argc != 3 || !key)
		return 2;
	for (long i = 0; i < atol(argv[2]); i++)
		write_pem(argv[1], i, key);
	EVP_PKEY_free(key);
	return 0;
}
