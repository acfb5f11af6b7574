/*
 * tls_private.h - what the files of tls.h, tls_certs.h and tls_tickets.h share. Nobody else but their tests includes it, nor OpenSSL's
 * names.
 *
 *	tls.c		phrases, policies, what all contexts have in common
 *	tls_pem.c	files: certificate, chain, key
 *	tls_certs.c	the set of certificates, and its names
 *	tls_ocsp.c	responses to staple
 *	tls_tickets.c	ticket keys
 *	tls_server.c	a listener's context
 *	tls_peer.c	the user a client's certificate names
 *	tls_client.c	a backend's context
 */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <openssl/ssl.h>

#include "base/file.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"

#define TLS_ALPN_IMAP "\4imap"	/* RFC 7301, 3.1; the name: IANA's list of ALPN protocols */

/* ---- tls.c ---- */

void tls_say(char *err, size_t errlen, const char *what);	/* "what: OpenSSL's reason" */
SSL_CTX *tls_new_ctx(const SSL_METHOD *method, int min_version, char *err, size_t errlen);
SSL_CTX *tls_policy_ctx(const struct tls_policy *p, char *err, size_t errlen);

/* ---- tls_pem.c ---- */

/* file_read_regular, with the path in err */
bool tls_file_read(struct file *f, const char *path, size_t most, char *err, size_t errlen);

/* The path with its ".pem", if it has that, exchanged for end. On the heap. */
char *tls_file_beside(const char *path, const char *end);

struct tls_pair {
	X509 *cert;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
};

/* key_path NULL: in the file, or beside it. Checks that they belong together. After false, too, fini. */
bool tls_pair_load(struct tls_pair *p, const char *path, const char *key_path, char *err, size_t errlen);
void tls_pair_fini(struct tls_pair *p);

void tls_cert_settle(X509 *cert);	/* from now on it may be shared by threads; done for all that is loaded here */

/* All certificates of a PEM file, at least one; NULL: a sentence in err. */
STACK_OF(X509) *tls_authorities_load(const char *path, char *err, size_t errlen);

/* ---- tls_ocsp.c ---- */

struct tls_ocsp {
	unsigned char *bytes;	/* NULL: nothing to staple */
	size_t n;
	time_t until;
};

/* No file: nothing happens. One that cannot be stapled: a sentence in err; false. */
bool tls_ocsp_load(struct tls_ocsp *o, const char *path, const X509 *cert, char *err, size_t errlen);
void tls_ocsp_fini(struct tls_ocsp *o);

/* ---- tls_certs.c ---- */

enum tls_cert_kind { TLS_CERT_RSA, TLS_CERT_ECDSA, TLS_CERT_OTHER, TLS_CERT_KINDS };

struct tls_cert {
	struct tls_pair pair;
	struct tls_ocsp ocsp;
	char *path;
	enum tls_cert_kind kind;
};

/* The certificates for a name: NULL where there is none of the kind. */
struct tls_choice {
	const struct tls_cert *of_kind[TLS_CERT_KINDS];
};

/* NULL: none is for that name. sni is outside text, or NULL; nothing is allocated. */
const struct tls_choice *tls_certs_find(const struct tls_certs *c, const char *sni);
const struct tls_choice *tls_certs_first(const struct tls_certs *c);
const struct tls_cert *tls_certs_at(const struct tls_certs *c, size_t i);

#define TLS_CA_DIGEST_BYTES 32
struct tls_client_ca {
	X509_STORE *store;	/* NULL: none */
	STACK_OF(X509_NAME) *names;
	unsigned char digest[TLS_CA_DIGEST_BYTES];
};
const struct tls_client_ca *tls_certs_client_ca(const struct tls_certs *c);

/* ---- tls_tickets.c: for SSL_CTX_set_tlsext_ticket_key_evp_cb ---- */

int tls_tickets_seal(const struct tls_tickets *t, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac);
int tls_tickets_open(const struct tls_tickets *t, const unsigned char *name, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac);

/* ---- tls_peer.c ---- */

char *tls_peer_name(const X509 *cert, enum tls_user_from from);

#endif
