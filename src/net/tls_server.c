/*
 * tls_server.c - the context of a listener's policy: what it asks its certificates and ticket keys in each handshake.
 *
 * Before a certificate is shown, OpenSSL asks, in this order: check_name, choose_certs, choose_protocol, staple. Certificates and ticket
 * keys are looked up in each handshake, so new ones are in force at once and no context is made anew for them.
 */
#include "net/tls_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <openssl/err.h>

#include "base/mem.h"

#define CLIENT_CHAIN_MAX (32 * 1024)	/* bytes of certificates that a client may send */
#define CLIENT_CHAIN_DEPTH 8
#define CLIENT_CERT_TICKET_SECONDS 3600	/* a ticket stands for the certificate that was shown, however often it is renewed */

struct tls_server {
	SSL_CTX *ctx;
	struct tls_policy policy;
	struct tls_certs *certs;
	struct tls_tickets *tickets;
};

static struct tls_server *server_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* ---- in a handshake ---- */

static const struct tls_choice *choice_for(const struct tls_server *ts, const SSL *ssl)
{
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_choice *found = tls_certs_find(ts->certs, sni);

	return found || ts->policy.strict_sni ? found : tls_certs_first(ts->certs);
}

/* Asked also where the client gave no name, and when it resumes. Without a callback OpenSSL forgets the name in resumed sessions. */
static int check_name(SSL *ssl, int *alert, void *arg)
{
	(void)arg;
	if (choice_for(server_of(ssl), ssl))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool use_cert(SSL *ssl, const struct tls_cert *cert)
{
	return SSL_use_cert_and_key(ssl, cert->pair.cert, cert->pair.key, cert->pair.chain, 1) == 1;
}

/* All kinds there are: OpenSSL takes the one the client can verify. */
static int choose_certs(SSL *ssl, void *arg)
{
	const struct tls_choice *choice = choice_for(arg, ssl);
	bool some = false;

	for (int i = 0; choice && i < TLS_CERT_KINDS; i++)
		if (choice->of_kind[i] && use_cert(ssl, choice->of_kind[i]))
			some = true;
	return some;
}

/* A client that asks for names must ask for ours, or it is being used against another protocol's server (ALPACA; RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
			   void *arg)
{
	unsigned at = 0;

	(void)ssl, (void)arg;
	for (; at < inlen; at += 1u + in[at])	/* OpenSSL has checked the lengths */
		if (in[at] == TLS_ALPN_IMAP[0] && memcmp(in + at, TLS_ALPN_IMAP, strlen(TLS_ALPN_IMAP)) == 0) {
			*out = in + at + 1;
			*outlen = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The response of the certificate that was chosen, if it is still good. */
static const struct tls_ocsp *response_for(const struct tls_server *ts, const SSL *ssl)
{
	const struct tls_choice *choice = choice_for(ts, ssl);
	const X509 *shown = SSL_get_certificate(ssl);

	for (int i = 0; choice && i < TLS_CERT_KINDS; i++) {
		const struct tls_cert *cert = choice->of_kind[i];

		if (cert && cert->pair.cert == shown && cert->ocsp.bytes && cert->ocsp.until > time(NULL))
			return &cert->ocsp;
	}
	return NULL;
}

/* Asked when the client has asked for it (RFC 6066, 8). */
static int staple(SSL *ssl, void *arg)
{
	const struct tls_ocsp *o = response_for(arg, ssl);
	unsigned char *copy = o ? OPENSSL_memdup(o->bytes, o->n) : NULL;	/* OpenSSL's to free */

	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)o->n);
	return SSL_TLSEXT_ERR_OK;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	const struct tls_tickets *t = server_of(ssl)->tickets;
	int opened;

	if (sealing)
		return tls_tickets_seal(t, name, iv, cipher, mac);
	opened = tls_tickets_open(t, name, iv, cipher, mac);
	return opened == 1 && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : opened;	/* there a ticket is used once, so a new one is due */
}

/* When the certificate was shown goes into the first ticket, and from there into those that take its place. */
static int stamp_ticket(SSL *ssl, void *arg)
{
	int64_t shown = time(NULL);

	(void)arg;
	return SSL_session_reused(ssl) || SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &shown, sizeof(shown)) == 1;
}

static bool stands_for_certificate(SSL_SESSION *session)
{
	X509 *cert = SSL_SESSION_get0_peer(session);
	int64_t shown, age;
	void *stamp;
	size_t n;

	if (SSL_SESSION_get0_ticket_appdata(session, &stamp, &n) != 1 || n != sizeof(shown))
		return false;
	memcpy(&shown, stamp, sizeof(shown));
	age = time(NULL) - shown;
	if (age >= CLIENT_CERT_TICKET_SECONDS || age <= -CLIENT_CERT_TICKET_SECONDS)
		return false;
	return !cert || X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

/* OpenSSL would go by the age of the last ticket alone, and nobody would ask again for a certificate that has expired. */
static SSL_TICKET_RETURN check_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *key, size_t keylen, SSL_TICKET_STATUS status,
				      void *arg)
{
	(void)ssl, (void)key, (void)keylen, (void)arg;
	if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) || !stands_for_certificate(session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- making ---- */

struct feed {
	EVP_MD_CTX *md;
	bool ok;
};

static void feed(struct feed *f, const void *p, size_t n)
{
	f->ok = f->ok && EVP_DigestUpdate(f->md, p, n) == 1;
}

/* What a ticket may resume under: this policy, with these authorities. Made of nothing else, for other hosts with the same settings. */
static bool name_policy(struct tls_server *ts)
{
	const struct tls_policy *p = &ts->policy;
	uint32_t numbers[] = { (uint32_t)p->min_version, p->client_cert, p->user_from };
	unsigned char digest[SSL_MAX_SID_CTX_LENGTH];
	struct feed f = { .md = EVP_MD_CTX_new() };

	_Static_assert(sizeof(digest) == 32, "a SHA-256 fits");
	f.ok = f.md && EVP_DigestInit_ex(f.md, EVP_sha256(), NULL) == 1;
	feed(&f, numbers, sizeof(numbers));
	if (p->client_cert != TLS_CLIENT_CERT_OFF)
		feed(&f, tls_certs_client_ca(ts->certs)->digest, TLS_CA_DIGEST_BYTES);
	if (p->ciphers)
		feed(&f, p->ciphers, strlen(p->ciphers));
	f.ok = f.ok && EVP_DigestFinal_ex(f.md, digest, NULL) == 1
		&& SSL_CTX_set_session_id_context(ts->ctx, digest, sizeof(digest)) == 1;
	EVP_MD_CTX_free(f.md);
	return f.ok;
}

/* Only the settings' authorities count; their names are told to clients, which choose a certificate by them. */
static bool trust_clients(struct tls_server *ts)
{
	const struct tls_client_ca *ca = tls_certs_client_ca(ts->certs);
	STACK_OF(X509_NAME) *names;

	if (ts->policy.client_cert == TLS_CLIENT_CERT_OFF)
		return true;
	assert(ca->store);
	names = SSL_dup_CA_list(ca->names);
	if (!names || SSL_CTX_set1_verify_cert_store(ts->ctx, ca->store) != 1)
		return false;
	SSL_CTX_set_client_CA_list(ts->ctx, names);
	return true;
}

static void ask_for_certificates(struct tls_server *ts)
{
	int mode = SSL_VERIFY_PEER;

	if (ts->policy.client_cert == TLS_CLIENT_CERT_OFF)
		return;
	if (ts->policy.client_cert == TLS_CLIENT_CERT_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ts->ctx, mode, NULL);
	SSL_CTX_set_verify_depth(ts->ctx, CLIENT_CHAIN_DEPTH);
	SSL_CTX_set_max_cert_list(ts->ctx, CLIENT_CHAIN_MAX);
	SSL_CTX_set_timeout(ts->ctx, CLIENT_CERT_TICKET_SECONDS);
	SSL_CTX_set_session_ticket_cb(ts->ctx, stamp_ticket, check_ticket, NULL);
}

static bool set_callbacks(struct tls_server *ts)
{
	SSL_CTX_set_app_data(ts->ctx, ts);
	SSL_CTX_set_cert_cb(ts->ctx, choose_certs, ts);
	SSL_CTX_set_alpn_select_cb(ts->ctx, choose_protocol, NULL);
	SSL_CTX_set_tlsext_servername_callback(ts->ctx, check_name);
	SSL_CTX_set_timeout(ts->ctx, TLS_TICKET_SECONDS);
	return SSL_CTX_set_tlsext_status_cb(ts->ctx, staple) == 1 && SSL_CTX_set_tlsext_status_arg(ts->ctx, ts) == 1
		&& SSL_CTX_set_tlsext_ticket_key_evp_cb(ts->ctx, on_ticket) == 1;
}

struct tls_server *tls_server_new(const struct tls_policy *p, struct tls_certs *certs, struct tls_tickets *tickets, char *err,
				  size_t errlen)
{
	struct tls_server *ts = mem_new(sizeof(*ts));

	ts->policy = *p;
	ts->certs = tls_certs_ref(certs);
	ts->tickets = tls_tickets_ref(tickets);
	ts->ctx = tls_policy_ctx(p, err, errlen);
	if (!ts->ctx)
		goto fail;
	if (!set_callbacks(ts) || !trust_clients(ts) || !name_policy(ts)) {
		tls_say(err, errlen, "cannot make a TLS context");
		goto fail;
	}
	ask_for_certificates(ts);
	return ts;
fail:
	tls_server_free(&ts);
	return NULL;
}

void tls_server_free(struct tls_server **tsp)
{
	struct tls_server *ts = *tsp;

	*tsp = NULL;
	if (!ts)
		return;
	SSL_CTX_free(ts->ctx);
	tls_certs_unref(&ts->certs);
	tls_tickets_unref(&ts->tickets);
	mem_free(&ts);
}

/* ---- using ---- */

void tls_server_set_certs(struct tls_server *ts, struct tls_certs *certs)
{
	struct tls_certs *old = ts->certs;

	ts->certs = tls_certs_ref(certs);
	if (!trust_clients(ts) || !name_policy(ts)) {
		ERR_clear_error();	/* out of memory: with the authorities from before */
		tls_certs_unref(&ts->certs);
		ts->certs = old;
		return;
	}
	tls_certs_unref(&old);
}

void tls_server_set_tickets(struct tls_server *ts, struct tls_tickets *tickets)
{
	struct tls_tickets *old = ts->tickets;

	ts->tickets = tls_tickets_ref(tickets);
	tls_tickets_unref(&old);
}

struct ssl_st *tls_server_ssl(struct tls_server *ts)
{
	SSL *ssl = SSL_new(ts->ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

char *tls_server_client_name(struct ssl_st *ssl)
{
	const struct tls_policy *p = &server_of(ssl)->policy;
	const X509 *cert = p->client_cert == TLS_CLIENT_CERT_OFF ? NULL : SSL_get0_peer_certificate(ssl);

	return cert && SSL_get_verify_result(ssl) == X509_V_OK ? tls_peer_name(cert, p->user_from) : NULL;
}

/* ---- trying ---- */

static bool try_each(SSL *ssl, const struct tls_certs *certs, char *err, size_t errlen)
{
	for (size_t i = 0; i < tls_certs_count(certs); i++) {
		const struct tls_cert *cert = tls_certs_at(certs, i);
		char why[256];

		if (use_cert(ssl, cert))
			continue;
		tls_say(why, sizeof(why), "the certificate cannot be used");
		snprintf(err, errlen, "%s: %s", cert->path, why);
		return false;
	}
	return true;
}

bool tls_server_try(const struct tls_policy *p, const struct tls_certs *certs, char *err, size_t errlen)
{
	SSL_CTX *ctx = tls_policy_ctx(p, err, errlen);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	bool ok = ssl && try_each(ssl, certs, err, errlen);

	if (ctx && !ssl)
		tls_say(err, errlen, "cannot make a TLS context");
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return ok;
}
