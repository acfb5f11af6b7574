/*
 * tls.h - TLS contexts: one for each worker and listener policy, one for each worker and backend.
 *
 * Shared between threads: struct tls_certs (certificate, chain and key: immutable once loaded, reference-counted by an atomic), loaded in the
 * control thread; and struct tls_ticket_keys (immutable). A worker's tls_server holds a reference to the certs in force and takes new
 * ones with tls_server_set_certs: handshakes from then on use them, nobody else notices.
 *
 * Common to all contexts: TLS 1.2 and 1.3 only, no renegotiation, no compression, release of idle buffers, partial writes, plaintext wiped
 * after use (SSL_OP_CLEANSE_PLAINTEXT), no session cache (tickets only). A client that offers ALPN must offer "imap" (ALPACA).
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;
struct tls_certs;
struct tls_server;
struct tls_client;

/* Reads a PEM file: certificate first, then its chain; the key from key_path, or from the same file if key_path is NULL. Checks that
 * the key belongs to the certificate. NULL: a sentence in err, with the file's name. */
struct tls_certs *tls_certs_load(const char *path, const char *key_path, char *err, size_t errlen);
struct tls_certs *tls_certs_ref(struct tls_certs *c);
void tls_certs_unref(struct tls_certs **c);
double tls_certs_days_left(const struct tls_certs *c);	/* until the certificate expires; negative when it has */

/* Keys for session tickets, random, one set for all workers: else a client that lands on another worker cannot resume. */
struct tls_ticket_keys {
	unsigned char bytes[80];	/* what SSL_CTX_set_tlsext_ticket_keys wants */
};
bool tls_ticket_keys_make(struct tls_ticket_keys *k);

struct tls_policy {
	int min_version;	/* TLS1_2_VERSION or TLS1_3_VERSION */
	const char *ciphers;	/* OpenSSL's lists: names that start with TLS_ are for 1.3, the others for 1.2; NULL: OpenSSL's own choice */
};

bool tls_policy_check(const struct tls_policy *p, char *err, size_t errlen);	/* for sluiced -t */

struct tls_server *tls_server_new(const struct tls_policy *p, struct tls_certs *certs, const struct tls_ticket_keys *keys,
				  char *err, size_t errlen);
void tls_server_set_certs(struct tls_server *ts, struct tls_certs *certs);	/* takes its own reference */
void tls_server_free(struct tls_server **ts);

struct tls_client_conf {
	bool verify;		/* chain and name */
	const char *ca;		/* PEM file of trusted CAs; NULL: the system's */
	const char *name;	/* host name or IP to verify and, if a host name, to send as SNI; NULL only without verify */
};

struct tls_client *tls_client_new(const struct tls_client_conf *conf, char *err, size_t errlen);
void tls_client_free(struct tls_client **tc);

/* For conn.c: a fresh SSL object, in accept or connect state. */
struct ssl_st *tls_server_ssl(struct tls_server *ts);
struct ssl_st *tls_client_ssl(struct tls_client *tc);

/* Turns what OpenSSL has queued (and, for a client, the verify result) into a phrase; empties the queue. */
void tls_failure(struct ssl_st *ssl, char *text, size_t n);

#endif
