/*
 * tls.c - what all TLS contexts have in common: phrases, policies. tls_private.h says where the rest is.
 */
#include "net/tls_private.h"

#include <stdio.h>
#include <string.h>
#include <openssl/err.h>

#include "base/mem.h"

#define CIPHER_NAME_MAX 128

/* ---- phrases ---- */

static const struct {
	int reason;
	const char *phrase;
} phrases[] = {
	{ SSL_R_WRONG_VERSION_NUMBER,		"the far side does not speak TLS" },
	{ SSL_R_HTTP_REQUEST,			"the far side does not speak TLS, but HTTP" },
	{ SSL_R_HTTPS_PROXY_REQUEST,		"the far side does not speak TLS, but HTTP" },
	{ SSL_R_UNSUPPORTED_PROTOCOL,		"no TLS version in common" },
	{ SSL_R_NO_PROTOCOLS_AVAILABLE,		"no TLS version in common" },
	{ SSL_R_NO_SHARED_CIPHER,		"no cipher in common" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,	"no cipher in common that our certificate can be used with" },
	{ SSL_R_NO_APPLICATION_PROTOCOL,	"the client asked for other protocols than imap (ALPN)" },
#ifdef SSL_R_NO_SUITABLE_RECORD_LAYER	/* OpenSSL 3.2: it has been given new keys, and the kernel has not taken them */
	{ SSL_R_NO_SUITABLE_RECORD_LAYER,	"the far side wants new keys (TLS 1.3 KeyUpdate), which kernel TLS cannot have" },
#endif
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING,	"the far side closed the connection" },
};

static const char *find_phrase(int reason)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].reason == reason)
			return phrases[i].phrase;
	return NULL;
}

/* "tlsv1 alert unknown ca", "tlsv1 unrecognized name" are OpenSSL's; the version in them is not the connection's. */
static void alert_phrase(const char *reason, char *text, size_t n)
{
	static const char *const before[] = { "tlsv13 ", "tlsv1 ", "sslv3 ", "alert " };

	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		if (strncmp(reason, before[i], strlen(before[i])) == 0)
			reason += strlen(before[i]);
	snprintf(text, n, "the far side refused with a TLS alert: %s", reason);
}

static void reason_phrase(unsigned long error, char *text, size_t n)
{
	int reason = ERR_GET_REASON(error);
	const char *given = ERR_reason_error_string(error);
	const char *ours = ERR_GET_LIB(error) == ERR_LIB_SSL ? find_phrase(reason) : NULL;

	if (ours)
		snprintf(text, n, "%s", ours);
	else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET && given)
		alert_phrase(given, text, n);
	else
		snprintf(text, n, "%s", given ? given : "TLS failed");
}

void tls_failure(struct ssl_st *ssl, char *text, size_t n)
{
	unsigned long error = ERR_get_error();	/* the first is the nearest to the cause */
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (verify != X509_V_OK && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(text, n, "certificate verify failed: %s", X509_verify_cert_error_string(verify));
	else
		reason_phrase(error, text, n);
	ERR_clear_error();
}

void tls_say(char *err, size_t errlen, const char *what)
{
	char why[160];

	tls_failure(NULL, why, sizeof(why));
	snprintf(err, errlen, "%s: %s", what, why);
}

/* ---- what all contexts have in common ---- */

/* AUTO_RETRY is off for the reason given in conn_tls.c; it would be on by default. */
SSL_CTX *tls_new_ctx(const SSL_METHOD *method, int min_version, char *err, size_t errlen)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx) {
		tls_say(err, errlen, "cannot make a TLS context");
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT |
				 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (tls_policy_is_old(min_version))
		SSL_CTX_set_security_level(ctx, 0);	/* their handshakes are signed with SHA-1 and MD5 */
	if (SSL_CTX_set_min_proto_version(ctx, min_version) != 1) {
		tls_say(err, errlen, "cannot make a TLS context");
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* ---- policy ---- */

static bool is_for_13(const char *name)
{
	return strncmp(name, "TLS_", 4) == 0;
}

static bool has_cipher(SSL_CTX *ctx, const char *name)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++)
		if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)), name) == 0)
			return true;
	return false;
}

/* OpenSSL skips names it does not know as long as one is left; a misspelt one would never be noticed. */
static bool knows_cipher(SSL_CTX *ctx, const char *name)
{
	bool known;

	if (is_for_13(name))
		known = SSL_CTX_set_ciphersuites(ctx, name) == 1 && has_cipher(ctx, name);
	else if (strchr("!-+@", name[0]))
		known = true;
	else
		known = SSL_CTX_set_cipher_list(ctx, name) == 1;
	ERR_clear_error();
	return known;
}

static bool check_ciphers(const char *list, char *err, size_t errlen)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	char name[CIPHER_NAME_MAX];
	bool ok = ctx != NULL;

	for (const char *p = list; ok && *p; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");

		size_t kept = n < sizeof(name) ? n : sizeof(name) - 1;

		memcpy(name, p, kept);
		name[kept] = '\0';
		if (n > 0)
			ok = n == kept && knows_cipher(ctx, name);
		if (!ok)
			snprintf(err, errlen, "no such cipher: %s", name);
		p += n;
	}
	SSL_CTX_free(ctx);
	return ok;
}

/* Whatever the list says, at whatever security level: there is a certificate, and what is said is a secret. */
#define NEVER "!aNULL:!eNULL"

/* The names of list that are for TLS 1.3, or the others, with colons between them; the caller frees it. */
static char *pick_ciphers(const char *list, bool for_13)
{
	char *picked = mem_new(strlen(list) + sizeof(":" NEVER));
	size_t len = 0;

	for (const char *p = list; *p; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");

		if (n > 0 && is_for_13(p) == for_13) {
			if (len > 0)
				picked[len++] = ':';
			memcpy(picked + len, p, n);
			len += n;
		}
		p += n;
	}
	if (len > 0 && !for_13)
		memcpy(picked + len, ":" NEVER, sizeof(":" NEVER));
	return picked;
}

static bool use_ciphers(SSL_CTX *ctx, const char *list, char *err, size_t errlen)
{
	char *new = pick_ciphers(list, true), *old = pick_ciphers(list, false);
	bool ok = true;

	if (*new)
		ok = SSL_CTX_set_ciphersuites(ctx, new) == 1;
	if (ok && *old)
		ok = SSL_CTX_set_cipher_list(ctx, old) == 1;
	if (!ok)
		tls_say(err, errlen, list);
	mem_free(&new);
	mem_free(&old);
	return ok;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool tls_policy_is(const struct tls_policy *a, const struct tls_policy *b)
{
	return a->min_version == b->min_version && same_text(a->ciphers, b->ciphers) && a->strict_sni == b->strict_sni
		&& a->client_cert == b->client_cert && a->user_from == b->user_from;
}

bool tls_policy_is_old(int min_version)
{
	return min_version < TLS1_2_VERSION;
}

SSL_CTX *tls_policy_ctx(const struct tls_policy *p, char *err, size_t errlen)
{
	SSL_CTX *ctx;

	if (p->min_version < TLS1_VERSION || p->min_version > TLS1_3_VERSION) {
		snprintf(err, errlen, "the lowest TLS version must be 1.0, 1.1, 1.2 or 1.3");
		return NULL;
	}
	if (p->ciphers && !check_ciphers(p->ciphers, err, errlen))
		return NULL;
	ctx = tls_new_ctx(TLS_server_method(), p->min_version, err, errlen);
	if (ctx && p->ciphers && !use_ciphers(ctx, p->ciphers, err, errlen)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

bool tls_policy_check(const struct tls_policy *p, char *err, size_t errlen)
{
	SSL_CTX *ctx = tls_policy_ctx(p, err, errlen);

	SSL_CTX_free(ctx);
	return ctx != NULL;
}
