/*
 * tls.h - TLS contexts: one for each worker and listener policy, one for each worker and backend.
 *
 *	control loads					workers share, by reference
 *	tls_certs.h	what servers show		tls_server_set_certs: handshakes from then on use them, nobody else notices
 *	tls_tickets.h	keys for session tickets	tls_server_set_tickets: likewise
 *	tls_client_files	whom to trust and what to show at a backend
 *
 * Common to all contexts: no renegotiation, no compression, release of idle buffers, partial writes, plaintext wiped
 * after use until conn_no_secrets (SSL_OP_CLEANSE_PLAINTEXT), no session cache (tickets only). A client that offers ALPN must offer "imap"
 * (ALPACA). TLS 1.2 is the least, unless a policy says otherwise: OpenSSL can do 1.0 and 1.1 only at its security level 0.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;
struct tls_certs;
struct tls_client;
struct tls_client_files;
struct tls_server;
struct tls_tickets;

enum tls_client_cert { TLS_CLIENT_CERT_OFF, TLS_CLIENT_CERT_OPTIONAL, TLS_CLIENT_CERT_REQUIRED };
enum tls_user_from { TLS_USER_FROM_CN, TLS_USER_FROM_EMAIL_SAN };

/* Of a listener. A ticket from one policy does not resume under another: it would bring with it what that one
 * would not have let through. */
struct tls_policy {
	int min_version;	/* TLS1_VERSION to TLS1_3_VERSION */
	/* OpenSSL's lists: names that start with TLS_ are for 1.3, the others for older; NULL: OpenSSL's own choice */
	const char *ciphers;
	bool strict_sni;	/* refuse clients that ask for no name, or one no certificate is for */
	enum tls_client_cert client_cert;
	enum tls_user_from user_from;	/* which field of a client's certificate names the user */
};

bool tls_policy_check(const struct tls_policy *p, char *err, size_t errlen);	/* for sluiced -t */
bool tls_policy_is(const struct tls_policy *a, const struct tls_policy *b);
bool tls_policy_is_old(int min_version);	/* lets TLS 1.0 or 1.1 in: worth a warning */

/* The policy's texts must outlive the server. Takes its own references. */
struct tls_server *tls_server_new(const struct tls_policy *p, struct tls_certs *certs, struct tls_tickets *tickets, char *err,
				  size_t errlen);
void tls_server_set_certs(struct tls_server *ts, struct tls_certs *certs);
void tls_server_set_tickets(struct tls_server *ts, struct tls_tickets *tickets);
void tls_server_free(struct tls_server **ts);

/* Would handshakes under this policy work with each of these certificates (key too small, digest too weak)? */
bool tls_server_try(const struct tls_policy *p, const struct tls_certs *certs, char *err, size_t errlen);

struct tls_client_files_conf {
	bool verify;
	const char *ca;			/* PEM file of trusted authorities; NULL: the system's */
	const char *certificate, *key;	/* what to show when asked; NULL: nothing; key NULL: as tls_certs.h says */
};

/* Immutable; made and freed by control, which outlives the workers. NULL: a sentence in err. */
struct tls_client_files *tls_client_files_load(const struct tls_client_files_conf *conf, char *err, size_t errlen);
void tls_client_files_free(struct tls_client_files **f);

struct tls_client_conf {
	bool verify;		/* chain and name */
	const struct tls_client_files *files;	/* loaded with the same verify */
	const char *name;	/* host name or IP to verify and, if a host name, to send as SNI; NULL only without verify */
	int min_version;	/* as in tls_policy */
};

/* It keeps the last sessions, TLS_CLIENT_SESSIONS at most, and resumes them. */
#define TLS_CLIENT_SESSIONS 2
struct tls_client *tls_client_new(const struct tls_client_conf *conf, char *err, size_t errlen);
void tls_client_free(struct tls_client **tc);

/* For conn.c: a fresh SSL object, in accept or connect state. */
struct ssl_st *tls_server_ssl(struct tls_server *ts);
struct ssl_st *tls_client_ssl(struct tls_client *tc);

/* Likewise, when a handshake is done: the user a verified client certificate names. On the heap. NULL: no certificate; or the field is not
 * there, there twice, or no name of a user (NUL and control bytes, UTF-8 that is none). */
char *tls_server_client_name(struct ssl_st *ssl);

/* Likewise, when one has failed: what was resumed is not tried again. Either side. */
void tls_handshake_failed(struct ssl_st *ssl);

/* Turns what OpenSSL has queued (and the verify result) into a phrase; empties the queue. */
void tls_failure(struct ssl_st *ssl, char *text, size_t n);

#endif
