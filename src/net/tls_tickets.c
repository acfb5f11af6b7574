#include "net/tls_private.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/mem.h"

#define NAME_BYTES 16
#define HALF_BYTES 32

struct ticket_key {
	unsigned char name[NAME_BYTES], hmac[HALF_BYTES], aes[HALF_BYTES];
};

_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_BYTES, "a key in a file is a key in memory");

/* Shared between threads: immutable but for refs. */
struct tls_tickets {
	atomic_uint refs;
	unsigned n;
	struct ticket_key keys[TLS_TICKET_KEYS_MAX];
};

static struct tls_tickets *ring_new(void)
{
	struct tls_tickets *t = mem_new(sizeof(*t));

	atomic_init(&t->refs, 1);
	return t;
}

struct tls_tickets *tls_tickets_new(const struct tls_tickets *old)
{
	struct tls_tickets *t = ring_new();

	if (RAND_priv_bytes((unsigned char *)&t->keys[0], sizeof(t->keys[0])) != 1) {
		ERR_clear_error();
		tls_tickets_unref(&t);
		return NULL;
	}
	t->n = 1;
	if (old)
		t->keys[t->n++] = old->keys[0];
	return t;
}

/* ---- from a file ---- */

static bool keys_are_right(const struct file *f, char *err, size_t errlen)
{
	if (f->mode & S_IRWXO)
		snprintf(err, errlen, "%s: others than its owner and group may read or write it; chmod o= would be right", f->path);
	else if (f->n == 0 || f->n % TLS_TICKET_KEY_BYTES != 0)
		snprintf(err, errlen, "%s: it has %zu bytes; 1 to %d keys of %d bytes each would be right", f->path, f->n,
			 TLS_TICKET_KEYS_MAX, TLS_TICKET_KEY_BYTES);
	else
		return true;
	return false;
}

struct tls_tickets *tls_tickets_load(const char *path, char *err, size_t errlen)
{
	struct tls_tickets *t = NULL;
	struct file f;

	if (!tls_file_read(&f, path, sizeof(t->keys), err, errlen))
		return NULL;
	if (keys_are_right(&f, err, errlen)) {
		t = ring_new();
		t->n = (unsigned)(f.n / sizeof(t->keys[0]));
		memcpy(t->keys, f.bytes, f.n);
	}
	file_fini(&f);
	return t;
}

/* ---- references ---- */

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void tls_tickets_unref(struct tls_tickets **tp)
{
	struct tls_tickets *t = *tp;

	*tp = NULL;
	if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
		mem_wipe_free(&t, sizeof(*t));
}

/* ---- sealing and opening ---- */

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *k)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)k->hmac, sizeof(k->hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int tls_tickets_seal(const struct tls_tickets *t, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	const struct ticket_key *k = &t->keys[0];

	assert(t->n > 0);
	memcpy(name, k->name, sizeof(k->name));
	if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1
	    || EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) != 1 || !set_mac(mac, k))
		return -1;
	return 1;
}

/* 0: no key of that name; 1: opened; 2: opened, and a ticket of the newest key shall take its place. */
int tls_tickets_open(const struct tls_tickets *t, const unsigned char *name, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct ticket_key *k = &t->keys[i];

		if (memcmp(name, k->name, sizeof(k->name)) != 0)
			continue;
		if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) != 1 || !set_mac(mac, k))
			return -1;
		return i == 0 ? 1 : 2;
	}
	return 0;
}
