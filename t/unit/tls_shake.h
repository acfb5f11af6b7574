/* tls_shake.h - TLS handshakes in memory, between two SSL objects over a pair of BIOs. cmocka's headers go before it. */
#ifndef T_UNIT_TLS_SHAKE_H
#define T_UNIT_TLS_SHAKE_H

#include <string.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls.h"

enum step { STEP_BLOCKED, STEP_DONE, STEP_FAILED };

static inline enum step step(SSL *ssl)
{
	int result, error;

	ERR_clear_error();
	result = SSL_do_handshake(ssl);
	error = SSL_get_error(ssl, result);
	if (result == 1)
		return STEP_DONE;
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? STEP_BLOCKED : STEP_FAILED;
}

struct pair {
	SSL *c, *s;
	char client_failure[192], server_failure[192];	/* empty: none */
};

static inline struct pair connect_ssl(SSL *c, SSL *s)
{
	struct pair p = { .c = c, .s = s };
	BIO *near = NULL, *far = NULL;
	enum step cs = STEP_BLOCKED, ss = STEP_BLOCKED;

	assert_non_null(c);
	assert_non_null(s);
	assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
	SSL_set_bio(c, near, near);
	SSL_set_bio(s, far, far);
	for (int i = 0; i < 40; i++) {
		if (cs == STEP_BLOCKED && (cs = step(c)) == STEP_FAILED)
			tls_failure(c, p.client_failure, sizeof(p.client_failure));
		if (ss == STEP_BLOCKED && (ss = step(s)) == STEP_FAILED)
			tls_failure(s, p.server_failure, sizeof(p.server_failure));
	}
	if (cs == STEP_BLOCKED)
		strcpy(p.client_failure, "stuck");
	if (ss == STEP_BLOCKED)
		strcpy(p.server_failure, "stuck");
	return p;
}

static inline struct pair shake(struct tls_client *tc, struct tls_server *ts)
{
	return connect_ssl(tls_client_ssl(tc), tls_server_ssl(ts));
}

static inline void done(struct pair *p)
{
	SSL_free(p->c);
	SSL_free(p->s);
}

static inline void expect_secured(const struct pair *p)
{
	assert_string_equal(p->client_failure, "");
	assert_string_equal(p->server_failure, "");
}

/* Those of TLS 1.3 come after the handshake, one a read. */
static inline void take_tickets(struct pair *p)
{
	char byte;

	for (int i = 0; i < 4; i++)
		SSL_read(p->c, &byte, 1);
}

#endif
