/*
 * ktls_openssl.c - what OpenSSL leaves to the kernel: a handshake with ourselves, for each version of TLS.
 */
#include "net/ktls.h"

#include <poll.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/mem.h"

#define ROUNDS_MAX 20		/* a handshake takes three or four */
#define WAIT_MS 30

struct shaking {
	SSL *ssl;
	bool done;
};

/* ---- a server that needs no files ---- */

static X509 *sign_self(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1
	    && X509_gmtime_adj(X509_getm_notBefore(cert), -3600) && X509_gmtime_adj(X509_getm_notAfter(cert), 3600)
	    && X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool use_own_cert(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? sign_self(key) : NULL;
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;

	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

/* ---- the handshake ---- */

static SSL *new_end(SSL_CTX *ctx, int version, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl && SSL_set_min_proto_version(ssl, version) == 1 && SSL_set_max_proto_version(ssl, version) == 1
	    && SSL_set_fd(ssl, fd) == 1) {
		SSL_set_options(ssl, SSL_OP_ENABLE_KTLS);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

/* false: it has failed. */
static bool step(struct shaking *end)
{
	int result = SSL_do_handshake(end->ssl), error;

	end->done = result == 1;
	if (end->done)
		return true;
	error = SSL_get_error(end->ssl, result);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool shake(struct shaking *ends, const struct ktls_pair *p)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		struct pollfd fds[] = { { .fd = p->fd[0], .events = POLLIN }, { .fd = p->fd[1], .events = POLLIN } };

		if (!step(&ends[0]) || !step(&ends[1]))
			return false;
		if (ends[0].done && ends[1].done)
			return true;
		ktls_wait(fds, ARRAY_LEN(fds), WAIT_MS);
	}
	return false;
}

static unsigned ways_of(SSL *ssl)
{
	return (BIO_get_ktls_send(SSL_get_wbio(ssl)) ? KTLS_SEND : 0) | (BIO_get_ktls_recv(SSL_get_rbio(ssl)) ? KTLS_RECEIVE : 0);
}

static unsigned probe_version(SSL_CTX *ctx, int version)
{
	struct shaking ends[2] = { { 0 } };
	struct ktls_pair p;
	unsigned ways = 0;

	if (ktls_pair_open(&p)) {
		for (size_t i = 0; i < ARRAY_LEN(ends); i++)
			ends[i].ssl = new_end(ctx, version, p.fd[i]);
		if (ends[0].ssl && ends[1].ssl) {
			SSL_set_connect_state(ends[0].ssl);
			SSL_set_accept_state(ends[1].ssl);
			if (shake(ends, &p))
				ways = ways_of(ends[0].ssl) & ways_of(ends[1].ssl);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		SSL_free(ends[i].ssl);
	ktls_pair_close(&p);
	return ways;
}

void ktls_probe_openssl(struct ktls *k)
{
	static const int versions[KTLS_VERSIONS] = { [KTLS_12] = TLS1_2_VERSION, [KTLS_13] = TLS1_3_VERSION };
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	bool ready = ctx && use_own_cert(ctx);

	for (unsigned v = 0; ready && v < KTLS_VERSIONS; v++)
		if (k->kernel[v])
			k->openssl[v] = (uint8_t)probe_version(ctx, versions[v]);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}
