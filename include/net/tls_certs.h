/*
 * tls_certs.h - the certificates of all names, found by the name a client asks for; and whom clients' own certificates must come from.
 *
 * Shared between threads: immutable once loaded, reference-counted by an atomic; loaded in control, one copy for all workers.
 *
 *	mail.pem	the certificate, then the chain to a known authority; the key in it, or in
 *	mail.key	beside it
 *	mail.ocsp	its OCSP response (DER), if there is one: stapled as long as it is valid
 *
 * For a name there may be several, one of a kind (RSA, ECDSA, other): what the client can verify decides. Two of the same kind: the
 * first holds. Names are those of the SAN, or the CN where the SAN has none; "*.example.org" stands for one label.
 */
#ifndef NET_TLS_CERTS_H
#define NET_TLS_CERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_CERTS_MAX 100000	/* files */
#define TLS_CERT_NAMES_MAX 4096	/* of one certificate */
#define TLS_NAME_MAX 253	/* bytes of a host name (RFC 1035, 2.3.4) */

struct tls_certs;

struct tls_certs_conf {
	const char *const *paths;	/* files, and folders: every *.pem in them, in the order of their names */
	size_t npaths;
	const char *key;		/* the key's file, if paths is one file; NULL: as above */
	const char *client_ca;		/* PEM file of authorities for clients' certificates; NULL: none */
};

/* What is wrong, but no reason not to serve: an OCSP response that cannot be stapled. */
typedef void tls_certs_doubt_fn(const char *sentence, void *arg);

/* NULL: a sentence in err, with the file's name. doubt may be NULL. */
struct tls_certs *tls_certs_load(const struct tls_certs_conf *conf, tls_certs_doubt_fn *doubt, void *arg, char *err, size_t errlen);
struct tls_certs *tls_certs_ref(struct tls_certs *c);
void tls_certs_unref(struct tls_certs **c);

size_t tls_certs_count(const struct tls_certs *c);

/* Until the first of them expires; negative when it has. *path: which (NULL: nobody asks). */
double tls_certs_days_left(const struct tls_certs *c, const char **path);

/* Changes when one of the files does, comes or goes. It looks at names, sizes and times only. */
uint64_t tls_certs_stamp(const struct tls_certs_conf *conf);

#endif
