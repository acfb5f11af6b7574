/* TLS contexts and certificates. The only file but conn_tls.c that knows OpenSSL's names. */
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

#define PEM_FILE_MAX (1024 * 1024)
#define CHAIN_MAX 16
#define CIPHER_NAME_MAX 128

static const unsigned char alpn_imap[] = { 4, 'i', 'm', 'a', 'p' };	/* RFC 7301, 3.1; the name: IANA's list of ALPN protocols */

/* Shared between threads: immutable but for refs. */
struct tls_certs {
	atomic_uint refs;
	X509 *cert;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
};

struct tls_server {
	SSL_CTX *ctx;
	struct tls_certs *certs;
};

struct tls_client {
	SSL_CTX *ctx;
	char *sni;		/* NULL: an IP address, or no name */
};

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
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING,	"the far side closed the connection" },
};

static const char *find_phrase(int reason)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].reason == reason)
			return phrases[i].phrase;
	return NULL;
}

/* "tlsv1 alert unknown ca" is OpenSSL's; the version in it is not the connection's. */
static void alert_phrase(const char *reason, char *text, size_t n)
{
	const char *alert = strstr(reason, "alert ");

	snprintf(text, n, "the far side refused with a TLS alert: %s", alert ? alert + strlen("alert ") : reason);
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

/* "what: OpenSSL's reason" */
static void say(char *err, size_t errlen, const char *what)
{
	char why[160];

	tls_failure(NULL, why, sizeof(why));
	snprintf(err, errlen, "%s: %s", what, why);
}

/* ---- certificates ---- */

static bool say_unreadable(char *err, size_t errlen, const char *path)
{
	if (errno == EACCES)
		snprintf(err, errlen, "%s: this user (uid %u) may not read it", path, (unsigned)geteuid());
	else
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
	return false;
}

struct pem_file {
	const char *path;
	char *bytes;
	size_t n;
};

static void pem_file_fini(struct pem_file *f)
{
	if (f->bytes)
		mem_wipe_free(&f->bytes, PEM_FILE_MAX);	/* it may hold a key */
}

/* In one piece and without stdio, whose buffers nobody wipes. */
static bool pem_file_read(struct pem_file *f, const char *path, char *err, size_t errlen)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	*f = (struct pem_file){ .path = path };
	if (fd < 0)
		return say_unreadable(err, errlen, path);
	f->bytes = mem_new(PEM_FILE_MAX);
	do {
		f->n += (size_t)got;
		got = read(fd, f->bytes + f->n, PEM_FILE_MAX - f->n);
	} while (got > 0);
	if (got < 0)
		say_unreadable(err, errlen, path);
	else if (f->n == PEM_FILE_MAX)
		snprintf(err, errlen, "%s: too large for a file of certificates (at most 1 MiB)", path);
	close(fd);
	return got == 0 && f->n < PEM_FILE_MAX;
}

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

static bool read_chain(struct tls_certs *c, BIO *bio, const char *path, char *err, size_t errlen)
{
	X509 *next;

	ERR_clear_error();
	c->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!c->cert && is_pem_end()) {
		snprintf(err, errlen, "%s: no certificate in it", path);
		return false;
	}
	while (c->cert && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (!sk_X509_push(c->chain, next) || sk_X509_num(c->chain) > CHAIN_MAX) {
			snprintf(err, errlen, "%s: more than %d certificates after the first", path, CHAIN_MAX);
			return false;
		}
	if (is_pem_end())
		return true;
	say(err, errlen, path);
	return false;
}

static bool read_key(struct tls_certs *c, BIO *bio, const char *path, char *err, size_t errlen)
{
	bool asked = false;

	ERR_clear_error();
	c->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (c->key)
		return true;
	if (asked)
		snprintf(err, errlen, "%s: the key has a passphrase, and nobody to ask for it; store it without", path);
	else
		snprintf(err, errlen, "%s: no private key in it", path);
	ERR_clear_error();
	return false;
}

typedef bool pem_fn(struct tls_certs *c, BIO *bio, const char *path, char *err, size_t errlen);

static bool from_pem(struct tls_certs *c, const struct pem_file *f, pem_fn *fn, char *err, size_t errlen)
{
	BIO *bio = BIO_new_mem_buf(f->bytes, (int)f->n);
	bool ok = bio && fn(c, bio, f->path, err, errlen);

	BIO_free(bio);
	return ok;
}

static bool read_files(struct tls_certs *c, const char *path, const char *key_path, char *err, size_t errlen)
{
	struct pem_file certs = { 0 }, key = { 0 };
	bool ok;

	ok = pem_file_read(&certs, path, err, errlen) && from_pem(c, &certs, read_chain, err, errlen);
	if (ok && key_path)
		ok = pem_file_read(&key, key_path, err, errlen);
	if (ok)
		ok = from_pem(c, key_path ? &key : &certs, read_key, err, errlen);
	pem_file_fini(&certs);
	pem_file_fini(&key);
	return ok;
}

struct tls_certs *tls_certs_load(const char *path, const char *key_path, char *err, size_t errlen)
{
	struct tls_certs *c = mem_new(sizeof(*c));

	atomic_init(&c->refs, 1);
	c->chain = sk_X509_new_null();
	if (!read_files(c, path, key_path, err, errlen))
		goto fail;
	if (X509_check_private_key(c->cert, c->key) != 1) {
		snprintf(err, errlen, "%s: the key does not belong to the certificate in %s", key_path ? key_path : path, path);
		ERR_clear_error();
		goto fail;
	}
	return c;
fail:
	tls_certs_unref(&c);
	return NULL;
}

struct tls_certs *tls_certs_ref(struct tls_certs *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void tls_certs_unref(struct tls_certs **cp)
{
	struct tls_certs *c = *cp;

	*cp = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	X509_free(c->cert);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	mem_free(&c);
}

double tls_certs_days_left(const struct tls_certs *c)
{
	int days = 0, seconds = 0;

	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(c->cert)))
		return 0;
	return days + seconds / 86400.0;
}

bool tls_ticket_keys_make(struct tls_ticket_keys *k)
{
	return RAND_priv_bytes(k->bytes, sizeof(k->bytes)) == 1;
}

/* ---- what all contexts have in common ---- */

/* AUTO_RETRY is off for the reason given in conn_tls.c; it would be on by default. */
static SSL_CTX *new_ctx(const SSL_METHOD *method, int min_version)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT |
				 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, min_version) != 1) {
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

/* The names of list that are for TLS 1.3, or the others, with colons between them; the caller frees it. */
static char *pick_ciphers(const char *list, bool for_13)
{
	char *picked = mem_new(strlen(list) + 1);
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
		say(err, errlen, list);
	mem_free(&new);
	mem_free(&old);
	return ok;
}

/* NULL: a sentence in err. */
static SSL_CTX *policy_ctx(const struct tls_policy *p, char *err, size_t errlen)
{
	SSL_CTX *ctx;

	if (p->min_version != TLS1_2_VERSION && p->min_version != TLS1_3_VERSION) {
		snprintf(err, errlen, "the lowest TLS version must be 1.2 or 1.3");
		return NULL;
	}
	if (p->ciphers && !check_ciphers(p->ciphers, err, errlen))
		return NULL;
	ctx = new_ctx(TLS_server_method(), p->min_version);
	if (!ctx) {
		say(err, errlen, "cannot make a TLS context");
		return NULL;
	}
	if (p->ciphers && !use_ciphers(ctx, p->ciphers, err, errlen)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

bool tls_policy_check(const struct tls_policy *p, char *err, size_t errlen)
{
	SSL_CTX *ctx = policy_ctx(p, err, errlen);

	SSL_CTX_free(ctx);
	return ctx != NULL;
}

/* ---- server ---- */

static bool use_certs(SSL *ssl, struct tls_certs *c)
{
	return SSL_use_cert_and_key(ssl, c->cert, c->key, c->chain, 1) == 1;
}

/* Before each handshake: so a new certificate is in force at once, and no context is made anew for it. */
static int choose_certs(SSL *ssl, void *arg)
{
	struct tls_server *ts = arg;

	return use_certs(ssl, ts->certs);
}

/* A client that asks for names must ask for ours, or it is being used against another protocol's server (ALPACA; RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
			   void *arg)
{
	unsigned at = 0;

	(void)ssl, (void)arg;
	for (; at < inlen; at += 1u + in[at])	/* OpenSSL has checked the lengths */
		if (in[at] == alpn_imap[0] && memcmp(in + at, alpn_imap, sizeof(alpn_imap)) == 0) {
			*out = in + at + 1;
			*outlen = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Any name will do; but without a callback OpenSSL forgets it in resumed sessions. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* Would handshakes with these certs work (key too small, digest too weak)? */
static bool try_certs(struct tls_server *ts, char *err, size_t errlen)
{
	SSL *ssl = SSL_new(ts->ctx);
	bool ok = ssl && use_certs(ssl, ts->certs);

	if (!ok)
		say(err, errlen, "the certificate cannot be used");
	SSL_free(ssl);
	return ok;
}

struct tls_server *tls_server_new(const struct tls_policy *p, struct tls_certs *certs, const struct tls_ticket_keys *keys,
				  char *err, size_t errlen)
{
	struct tls_server *ts = mem_new(sizeof(*ts));
	unsigned char ticket_keys[sizeof(keys->bytes)];

	ts->certs = tls_certs_ref(certs);
	ts->ctx = policy_ctx(p, err, errlen);
	if (!ts->ctx || !try_certs(ts, err, errlen))
		goto fail;
	SSL_CTX_set_cert_cb(ts->ctx, choose_certs, ts);
	SSL_CTX_set_alpn_select_cb(ts->ctx, choose_protocol, NULL);
	SSL_CTX_set_tlsext_servername_callback(ts->ctx, accept_name);
	memcpy(ticket_keys, keys->bytes, sizeof(ticket_keys));
	if (SSL_CTX_set_tlsext_ticket_keys(ts->ctx, ticket_keys, sizeof(ticket_keys)) != 1 ||
	    SSL_CTX_set_session_id_context(ts->ctx, alpn_imap, sizeof(alpn_imap)) != 1) {
		say(err, errlen, "cannot make a TLS context");
		goto fail;
	}
	mem_wipe(ticket_keys, sizeof(ticket_keys));
	return ts;
fail:
	tls_server_free(&ts);
	return NULL;
}

void tls_server_set_certs(struct tls_server *ts, struct tls_certs *certs)
{
	struct tls_certs *old = ts->certs;

	ts->certs = tls_certs_ref(certs);
	tls_certs_unref(&old);
}

void tls_server_free(struct tls_server **tsp)
{
	struct tls_server *ts = *tsp;

	*tsp = NULL;
	if (!ts)
		return;
	SSL_CTX_free(ts->ctx);
	tls_certs_unref(&ts->certs);
	mem_free(&ts);
}

struct ssl_st *tls_server_ssl(struct tls_server *ts)
{
	SSL *ssl = SSL_new(ts->ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

/* ---- client ---- */

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

static bool trust(SSL_CTX *ctx, const char *ca, char *err, size_t errlen)
{
	if (!ca) {
		SSL_CTX_set_default_verify_paths(ctx);
		return true;
	}
	if (access(ca, R_OK) != 0)
		return say_unreadable(err, errlen, ca);
	if (SSL_CTX_load_verify_locations(ctx, ca, NULL) == 1)
		return true;
	snprintf(err, errlen, "%s: no certificate in it", ca);
	ERR_clear_error();
	return false;
}

/* name: NULL for an IP address, which is in ip then. */
static bool demand_proof(SSL_CTX *ctx, const char *name, const char *ip, char *err, size_t errlen)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	int ok;

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	ok = name ? X509_VERIFY_PARAM_set1_host(param, name, 0) : X509_VERIFY_PARAM_set1_ip_asc(param, ip);
	if (ok != 1)
		say(err, errlen, name ? name : ip);
	return ok == 1;
}

struct tls_client *tls_client_new(const struct tls_client_conf *conf, char *err, size_t errlen)
{
	struct tls_client *tc = mem_new(sizeof(*tc));

	assert(conf->name || !conf->verify);
	tc->ctx = new_ctx(TLS_client_method(), TLS1_2_VERSION);
	if (!tc->ctx || SSL_CTX_set_alpn_protos(tc->ctx, alpn_imap, sizeof(alpn_imap)) != 0) {
		say(err, errlen, "cannot make a TLS context");
		goto fail;
	}
	if (conf->name && !is_ip(conf->name))
		tc->sni = without_last_dot(conf->name);
	if (conf->verify && !(trust(tc->ctx, conf->ca, err, errlen) && demand_proof(tc->ctx, tc->sni, conf->name, err, errlen)))
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
	return ssl;
}
