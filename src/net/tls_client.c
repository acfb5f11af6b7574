/*
 * tls_client.c - the context for a backend: whom to trust, what to show, and the last sessions, to be resumed.
 */
#include "net/tls_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

/* Shared between threads: immutable. */
struct tls_client_files {
	X509_STORE *store;	/* NULL: nothing is verified */
	struct tls_pair own;	/* cert NULL: none */
};

struct tls_client {
	SSL_CTX *ctx;
	char *sni;		/* NULL: an IP address, or no name */
	SSL_SESSION *sessions[TLS_CLIENT_SESSIONS];	/* newest first */
};

/* ---- files ---- */

static void settle_store(X509_STORE *store)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (cert)	/* else a list of revoked ones */
			tls_cert_settle(cert);
	}
}

static bool load_trust(X509_STORE *store, const char *ca, char *err, size_t errlen)
{
	STACK_OF(X509) *all;
	bool ok = true;

	if (!ca) {
		X509_STORE_set_default_paths(store);
		ERR_clear_error();	/* a system without any: then nobody is trusted */
		settle_store(store);
		return true;
	}
	all = tls_authorities_load(ca, err, errlen);
	if (!all)
		return false;
	for (int i = 0; ok && i < sk_X509_num(all); i++)
		ok = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1;
	if (!ok)
		tls_say(err, errlen, ca);
	sk_X509_pop_free(all, X509_free);
	return ok;
}

struct tls_client_files *tls_client_files_load(const struct tls_client_files_conf *conf, char *err, size_t errlen)
{
	struct tls_client_files *f = mem_new(sizeof(*f));
	bool ok = true;

	if (conf->verify) {
		f->store = X509_STORE_new();
		ok = f->store && load_trust(f->store, conf->ca, err, errlen);
	}
	if (ok && conf->certificate)
		ok = tls_pair_load(&f->own, conf->certificate, conf->key, err, errlen);
	if (!ok)
		tls_client_files_free(&f);
	return f;
}

void tls_client_files_free(struct tls_client_files **fp)
{
	struct tls_client_files *f = *fp;

	if (!f)
		return;
	X509_STORE_free(f->store);
	tls_pair_fini(&f->own);
	mem_free(fp);
}

/* ---- sessions ---- */

static void drop(struct tls_client *tc, unsigned at)
{
	SSL_SESSION_free(tc->sessions[at]);
	memmove(tc->sessions + at, tc->sessions + at + 1, (TLS_CLIENT_SESSIONS - at - 1) * sizeof(*tc->sessions));
	tc->sessions[TLS_CLIENT_SESSIONS - 1] = NULL;
}

static void forget(struct tls_client *tc)
{
	while (tc->sessions[0])
		drop(tc, 0);
}

/* The backend has sent a ticket. We keep a copy: OpenSSL spoils its own when the connection ends without close_notify. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *tc = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	if (!copy)
		return 0;
	drop(tc, TLS_CLIENT_SESSIONS - 1);
	memmove(tc->sessions + 1, tc->sessions, (TLS_CLIENT_SESSIONS - 1) * sizeof(*tc->sessions));
	tc->sessions[0] = copy;
	return 0;	/* session stays OpenSSL's */
}

static bool is_stale(const SSL_SESSION *s)
{
	return !SSL_SESSION_is_resumable(s) || SSL_SESSION_get_time(s) + SSL_SESSION_get_timeout(s) <= time(NULL);
}

/* A TLS 1.3 ticket is used once, or those who look on could tell that two connections are of one client (RFC 8446, C.4). */
static void resume(struct tls_client *tc, SSL *ssl)
{
	SSL_SESSION *copy;

	while (tc->sessions[0] && is_stale(tc->sessions[0]))
		drop(tc, 0);
	if (!tc->sessions[0])
		return;
	copy = SSL_SESSION_dup(tc->sessions[0]);	/* see on_session */
	if (copy)
		SSL_set_session(ssl, copy);
	SSL_SESSION_free(copy);
	if (SSL_SESSION_get_protocol_version(tc->sessions[0]) >= TLS1_3_VERSION)
		drop(tc, 0);
}

/* ---- making ---- */

static bool is_ip(const char *name)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);

	ASN1_OCTET_STRING_free(ip);
	ERR_clear_error();
	return ip != NULL;
}

/* "mail.example." is the same host, but neither certificates nor SNI have the dot (RFC 6066, 3). */
static char *without_last_dot(const char *name)
{
	char *copy = mem_strdup(name);
	size_t n = strlen(copy);

	if (n > 1 && copy[n - 1] == '.')
		copy[n - 1] = '\0';
	return copy;
}

/* name: NULL for an IP address, which is in ip then. */
static bool demand_proof(SSL_CTX *ctx, X509_STORE *trusted, const char *name, const char *ip, char *err, size_t errlen)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	int ok;

	SSL_CTX_set1_cert_store(ctx, trusted);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	ok = name ? X509_VERIFY_PARAM_set1_host(param, name, 0) : X509_VERIFY_PARAM_set1_ip_asc(param, ip);
	if (ok != 1)
		tls_say(err, errlen, name ? name : ip);
	return ok == 1;
}

static bool show(SSL_CTX *ctx, const struct tls_pair *own, char *err, size_t errlen)
{
	if (!own->cert || SSL_CTX_use_cert_and_key(ctx, own->cert, own->key, own->chain, 1) == 1)
		return true;
	tls_say(err, errlen, "the certificate for the backend cannot be used");
	return false;
}

static bool set_up(struct tls_client *tc, char *err, size_t errlen)
{
	SSL_CTX_set_app_data(tc->ctx, tc);
	SSL_CTX_set_session_cache_mode(tc->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(tc->ctx, on_session);
	if (SSL_CTX_set_alpn_protos(tc->ctx, (const unsigned char *)TLS_ALPN_IMAP, strlen(TLS_ALPN_IMAP)) == 0)
		return true;
	tls_say(err, errlen, "cannot make a TLS context");
	return false;
}

struct tls_client *tls_client_new(const struct tls_client_conf *conf, char *err, size_t errlen)
{
	struct tls_client *tc = mem_new(sizeof(*tc));
	const struct tls_client_files *f = conf->files;

	assert(!conf->verify || (conf->name && f && f->store));
	tc->ctx = tls_new_ctx(TLS_client_method(), conf->min_version, err, errlen);
	if (!tc->ctx || !set_up(tc, err, errlen))
		goto fail;
	if (conf->name && !is_ip(conf->name))
		tc->sni = without_last_dot(conf->name);
	if (conf->verify && !demand_proof(tc->ctx, f->store, tc->sni, conf->name, err, errlen))
		goto fail;
	if (f && !show(tc->ctx, &f->own, err, errlen))
		goto fail;
	return tc;
fail:
	tls_client_free(&tc);
	return NULL;
}

void tls_client_free(struct tls_client **tcp)
{
	struct tls_client *tc = *tcp;

	*tcp = NULL;
	if (!tc)
		return;
	forget(tc);
	SSL_CTX_free(tc->ctx);
	mem_free(&tc->sni);
	mem_free(&tc);
}

struct ssl_st *tls_client_ssl(struct tls_client *tc)
{
	SSL *ssl = SSL_new(tc->ctx);

	if (!ssl)
		return NULL;
	if (tc->sni && SSL_set_tlsext_host_name(ssl, tc->sni) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	resume(tc, ssl);
	return ssl;
}

void tls_handshake_failed(struct ssl_st *ssl)
{
	if (!SSL_is_server(ssl))
		forget(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}
