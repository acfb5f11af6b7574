/*
 * tls_pem.c - PEM files: a certificate, its chain, its key; authorities. In one piece and without stdio, whose buffers nobody wipes.
 */
#include "net/tls_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

#define PEM_FILE_MAX (1024 * 1024)
#define CHAIN_MAX 16
#define KEY_WORDS "PRIVATE KEY-----"	/* of the line that begins any kind of key */
#define AUTHORITIES_MAX 10000
#define AUTHORITIES_FILE_MAX (16 * 1024 * 1024)

/* ---- files ---- */

bool tls_file_read(struct file *f, const char *path, size_t most, char *err, size_t errlen)
{
	size_t n = (size_t)snprintf(err, errlen, "%s: ", path);

	n = n < errlen ? n : errlen - 1;
	return file_read_regular(f, path, most, err + n, errlen - n);
}

char *tls_file_beside(const char *path, const char *end)
{
	size_t n = strlen(path), size;
	char *beside;

	if (n > 4 && strcmp(path + n - 4, ".pem") == 0)
		n -= 4;
	size = n + strlen(end) + 1;
	beside = mem_new(size);
	snprintf(beside, size, "%.*s%s", (int)n, path, end);
	return beside;
}

/* ---- what is in them ---- */

/* Called when a key wants a passphrase. Nobody is there to be asked. */
static int no_passphrase(char *text, int n, int writing, void *asked)
{
	(void)text, (void)n, (void)writing;
	*(bool *)asked = true;
	return -1;
}

/* true: that was the last. Leaves the error queue empty. */
static bool is_pem_end(void)
{
	unsigned long error = ERR_peek_last_error();
	bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;

	if (end)
		ERR_clear_error();
	return end;
}

static bool read_chain(struct tls_pair *p, BIO *bio, const char *path, char *err, size_t errlen)
{
	X509 *next;

	ERR_clear_error();
	p->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!p->cert && is_pem_end()) {
		snprintf(err, errlen, "%s: no certificate in it", path);
		return false;
	}
	while (p->cert && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (!sk_X509_push(p->chain, next) || sk_X509_num(p->chain) > CHAIN_MAX) {
			snprintf(err, errlen, "%s: more than %d certificates after the first", path, CHAIN_MAX);
			return false;
		}
	if (is_pem_end())
		return true;
	tls_say(err, errlen, path);
	return false;
}

enum key_result { KEY_READ, KEY_NONE, KEY_UNUSABLE };

static enum key_result read_key(struct tls_pair *p, BIO *bio, const char *path, char *err, size_t errlen)
{
	bool asked = false;

	ERR_clear_error();
	p->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (asked)
		snprintf(err, errlen, "%s: the key has a passphrase, and nobody to ask for it; store it without", path);
	else
		snprintf(err, errlen, "%s: the private key in it cannot be read", path);
	ERR_clear_error();
	return p->key ? KEY_READ : KEY_UNUSABLE;
}

static BIO *bio_of(const struct file *f)
{
	return BIO_new_mem_buf(f->bytes, (int)f->n);
}

static enum key_result key_from(struct tls_pair *p, const struct file *f, char *err, size_t errlen)
{
	enum key_result result;
	BIO *bio;

	if (!memmem(f->bytes, f->n, KEY_WORDS, strlen(KEY_WORDS))) {	/* what OpenSSL says of it does not tell it from a bad one */
		snprintf(err, errlen, "%s: no private key in it", f->path);
		return KEY_NONE;
	}
	bio = bio_of(f);
	result = bio ? read_key(p, bio, f->path, err, errlen) : KEY_UNUSABLE;
	BIO_free(bio);
	return result;
}

static bool key_from_path(struct tls_pair *p, const char *path, char *err, size_t errlen)
{
	struct file f;
	bool ok = tls_file_read(&f, path, PEM_FILE_MAX, err, errlen) && key_from(p, &f, err, errlen) == KEY_READ;

	file_fini(&f);
	return ok;
}

/* In mail.pem, else in mail.key; where that is not, it is mail.pem that lacks it. */
static bool find_key(struct tls_pair *p, const struct file *f, char *err, size_t errlen)
{
	enum key_result result = key_from(p, f, err, errlen);
	char *beside;
	bool ok;

	if (result != KEY_NONE)
		return result == KEY_READ;
	beside = tls_file_beside(f->path, ".key");
	ok = access(beside, F_OK) == 0 && key_from_path(p, beside, err, errlen);
	mem_free(&beside);
	return ok;
}

static bool chain_from(struct tls_pair *p, const struct file *f, char *err, size_t errlen)
{
	BIO *bio = bio_of(f);
	bool ok = bio && read_chain(p, bio, f->path, err, errlen);

	BIO_free(bio);
	return ok;
}

/* OpenSSL looks through a certificate's extensions when they are first asked for, and keeps what it found in it. Before it is shared by
 * threads, that must be done. */
void tls_cert_settle(X509 *cert)
{
	X509_check_purpose(cert, -1, 0);	/* -1: for no purpose */
	ERR_clear_error();	/* what is wrong with it, is found out when it is used */
}

static void settle_all(STACK_OF(X509) *all)
{
	for (int i = 0; i < sk_X509_num(all); i++)
		tls_cert_settle(sk_X509_value(all, i));
}

bool tls_pair_load(struct tls_pair *p, const char *path, const char *key_path, char *err, size_t errlen)
{
	struct file f;
	bool ok;

	*p = (struct tls_pair){ .chain = sk_X509_new_null() };
	ok = tls_file_read(&f, path, PEM_FILE_MAX, err, errlen) && chain_from(p, &f, err, errlen)
		&& (key_path ? key_from_path(p, key_path, err, errlen) : find_key(p, &f, err, errlen));
	file_fini(&f);
	if (!ok)
		return false;
	tls_cert_settle(p->cert);
	settle_all(p->chain);
	if (X509_check_private_key(p->cert, p->key) == 1)
		return true;
	snprintf(err, errlen, "%s: the key does not belong to the certificate in %s", key_path ? key_path : path, path);
	ERR_clear_error();
	return false;
}

void tls_pair_fini(struct tls_pair *p)
{
	X509_free(p->cert);
	sk_X509_pop_free(p->chain, X509_free);
	EVP_PKEY_free(p->key);
	*p = (struct tls_pair){ 0 };
}

/* ---- authorities ---- */

static bool read_authorities(STACK_OF(X509) *all, BIO *bio, const char *path, char *err, size_t errlen)
{
	X509 *next;

	ERR_clear_error();
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (!sk_X509_push(all, next) || sk_X509_num(all) > AUTHORITIES_MAX) {
			snprintf(err, errlen, "%s: more than %d certificates", path, AUTHORITIES_MAX);
			return false;
		}
	if (!is_pem_end())
		tls_say(err, errlen, path);
	else if (sk_X509_num(all) == 0)
		snprintf(err, errlen, "%s: no certificate in it", path);
	else
		return true;
	return false;
}

STACK_OF(X509) *tls_authorities_load(const char *path, char *err, size_t errlen)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	struct file f;
	BIO *bio = tls_file_read(&f, path, AUTHORITIES_FILE_MAX, err, errlen) ? bio_of(&f) : NULL;

	if (!bio || !read_authorities(all, bio, path, err, errlen)) {
		sk_X509_pop_free(all, X509_free);
		all = NULL;
	}
	settle_all(all);
	BIO_free(bio);
	file_fini(&f);
	return all;
}
