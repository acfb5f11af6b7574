/* Contexts and certificates; handshakes run in memory, between two SSL objects over a pair of BIOs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "tls_help.h"
#include "tls_shake.h"

static struct test_cert ca, good, other, expired;
static struct tls_tickets *keys;
static const struct tls_policy plain_policy = { .min_version = TLS1_2_VERSION };
static struct tls_client_files *trust;
static char err[512];

static int set_up(void **state)
{
	(void)state;
	scratch_init();
	ca = make_cert((struct cert_wish){ .cn = "Test CA", .days = 100, .is_ca = true });
	good = make_cert((struct cert_wish){ .cn = "mail.example", .san = "DNS:mail.example,IP:127.0.0.1", .days = 30, .issuer = &ca });
	other = make_cert((struct cert_wish){ .cn = "other.example", .san = "DNS:other.example", .days = 30, .issuer = &ca });
	expired = make_cert((struct cert_wish){ .cn = "mail.example", .san = "DNS:mail.example", .days = -3, .issuer = &ca });
	write_pem("ca.pem", ca.cert, NULL, NULL);
	write_pem("good.pem", good.cert, NULL, good.key);
	write_pem("chained.pem", good.cert, ca.cert, good.key);
	write_pem("other.pem", other.cert, NULL, other.key);
	write_pem("expired.pem", expired.cert, NULL, expired.key);
	trust = tls_client_files_load(&(struct tls_client_files_conf){ .verify = true, .ca = scratch_path("ca.pem") }, err, sizeof(err));
	assert_non_null(trust);
	keys = tls_tickets_new(NULL);
	assert_non_null(keys);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free_cert(&ca);
	free_cert(&good);
	free_cert(&other);
	free_cert(&expired);
	tls_tickets_unref(&keys);
	tls_client_files_free(&trust);
	scratch_fini();
	return 0;
}

static struct tls_certs *load_pair(const char *path, const char *key_path)
{
	struct tls_certs_conf conf = { .paths = &path, .npaths = 1, .key = key_path };

	return tls_certs_load(&conf, NULL, NULL, err, sizeof(err));
}

static struct tls_certs *load(const char *file)
{
	struct tls_certs *c = load_pair(scratch_path(file), NULL);

	if (!c)
		fail_msg("%s", err);
	return c;
}

static struct tls_server *server_with(const struct tls_policy *policy, const char *file, struct tls_tickets *k)
{
	struct tls_certs *c = load(file);
	struct tls_server *ts = tls_server_new(policy, c, k, err, sizeof(err));

	if (!ts)
		fail_msg("%s", err);
	tls_certs_unref(&c);
	return ts;
}

static struct tls_server *server(const char *file)
{
	return server_with(&plain_policy, file, keys);
}

static struct tls_client *client(const char *name)
{
	struct tls_client_conf conf = { .verify = true, .files = trust, .name = name, .min_version = TLS1_2_VERSION };
	struct tls_client *tc = tls_client_new(&conf, err, sizeof(err));

	if (!tc)
		fail_msg("%s", err);
	return tc;
}

static void expect_verify_failure(const char *file, const char *name, const char *phrase)
{
	struct tls_server *ts = server(file);
	struct tls_client *tc = client(name);
	struct pair p = shake(tc, ts);

	assert_string_equal(p.client_failure, phrase);
	done(&p);
	tls_client_free(&tc);
	tls_server_free(&ts);
}

/* ---- certificates ---- */

static void expect_load_error(const char *file, const char *key_file, const char *text)
{
	struct tls_certs *c = load_pair(scratch_path(file), key_file ? scratch_path(key_file) : NULL);

	assert_null(c);
	if (!strstr(err, text) || !strstr(err, key_file ? key_file : file))
		fail_msg("\"%s\" has not \"%s\" or not the file's name", err, text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_missing_file_is_named(void **s)
{
	(void)s;
	expect_load_error("none.pem", NULL, "No such file");
	write_pem("certonly.pem", good.cert, NULL, NULL);
	expect_load_error("certonly.pem", "nokey.pem", "No such file");
}

static void a_file_without_certificate_is_told(void **s)
{
	(void)s;
	write_pem("keyonly.pem", NULL, NULL, good.key);
	expect_load_error("keyonly.pem", NULL, "no certificate in it");
	fclose(scratch_open("empty.pem"));
	expect_load_error("empty.pem", NULL, "no certificate in it");
}

static void a_file_without_key_is_told(void **s)
{
	(void)s;
	write_pem("certonly.pem", good.cert, NULL, NULL);
	expect_load_error("certonly.pem", NULL, "no private key in it");
}

static void a_damaged_certificate_is_told(void **s)
{
	FILE *f = scratch_open("damaged.pem");

	(void)s;
	fputs("-----BEGIN CERTIFICATE-----\nMIIBhzCC!!!!\n-----END CERTIFICATE-----\n", f);
	fclose(f);
	expect_load_error("damaged.pem", NULL, "damaged.pem: ");
}

static void a_key_of_another_certificate_is_refused(void **s)
{
	(void)s;
	write_pem("mixed.pem", good.cert, NULL, other.key);
	expect_load_error("mixed.pem", NULL, "the key does not belong to the certificate");
	write_pem("certonly.pem", good.cert, NULL, NULL);
	write_pem("otherkey.pem", NULL, NULL, other.key);
	expect_load_error("certonly.pem", "otherkey.pem", "the key does not belong to the certificate");
}

static void a_key_with_a_passphrase_is_refused_and_nobody_asked(void **s)
{
	FILE *f = scratch_open("locked.pem");
	BIO *bio;

	(void)s;
	PEM_write_X509(f, good.cert);
	PEM_write_PKCS8PrivateKey(f, good.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
	fclose(f);
	expect_load_error("locked.pem", NULL, "passphrase");
	bio = BIO_new_file(scratch_path("locked2.pem"), "w");
	PEM_write_bio_X509(bio, good.cert);
	PEM_write_bio_PrivateKey_traditional(bio, good.key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
	BIO_free(bio);
	expect_load_error("locked2.pem", NULL, "passphrase");
}

static void an_empty_folder_or_a_file_too_large_is_refused(void **s)
{
	(void)s;
	mkdir(scratch_path("folder.pem"), 0700);
	expect_load_error("folder.pem", NULL, "no file *.pem in this folder");
	fclose(scratch_open("huge.pem"));
	assert_int_equal(truncate(scratch_path("huge.pem"), 2 * 1024 * 1024), 0);
	expect_load_error("huge.pem", NULL, "too large");
}

/* Root may read everything: then the test becomes somebody else for a moment. */
static void a_file_that_this_user_may_not_read_is_told(void **s)
{
	bool root = geteuid() == 0;

	(void)s;
	write_pem("private.pem", good.cert, NULL, good.key);
	assert_int_equal(chmod(scratch_path("private.pem"), 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	expect_load_error("private.pem", NULL, "may not read it");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void an_endless_chain_is_refused(void **s)
{
	FILE *f = scratch_open("endless.pem");

	(void)s;
	for (int i = 0; i < 30; i++)
		PEM_write_X509(f, good.cert);
	PEM_write_PrivateKey(f, good.key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	expect_load_error("endless.pem", NULL, "more than 16");
}

static void key_and_certificate_may_be_two_files_in_any_order(void **s)
{
	struct tls_certs *c;
	FILE *f;

	(void)s;
	write_pem("certonly.pem", good.cert, ca.cert, NULL);
	write_pem("keyonly.pem", NULL, NULL, good.key);
	c = load_pair(scratch_path("certonly.pem"), scratch_path("keyonly.pem"));
	assert_non_null(c);
	tls_certs_unref(&c);
	f = scratch_open("keyfirst.pem");
	PEM_write_PrivateKey(f, good.key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(f, good.cert);
	fclose(f);
	c = load("keyfirst.pem");
	tls_certs_unref(&c);
	assert_null(c);
}

static void days_left_are_counted(void **s)
{
	struct tls_certs *c = load("good.pem"), *old = load("expired.pem");

	(void)s;
	assert_true(tls_certs_days_left(c, NULL) > 29.9 && tls_certs_days_left(c, NULL) < 30.1);
	assert_true(tls_certs_days_left(old, NULL) < -2.9 && tls_certs_days_left(old, NULL) > -3.1);
	tls_certs_unref(&c);
	tls_certs_unref(&old);
}

/* ---- policy ---- */

static void expect_policy_error(int version, const char *ciphers, const char *text)
{
	struct tls_policy p = { .min_version = version, .ciphers = ciphers };

	err[0] = '\0';
	assert_false(tls_policy_check(&p, err, sizeof(err)));
	if (!strstr(err, text))
		fail_msg("\"%s\" has not \"%s\"", err, text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_policy_is_checked_name_by_name(void **s)
{
	struct tls_policy p = { .min_version = TLS1_2_VERSION,
			       .ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:HIGH:!aNULL:@SECLEVEL=2" };

	(void)s;
	assert_true(tls_policy_check(&p, err, sizeof(err)));
	assert_true(tls_policy_check(&plain_policy, err, sizeof(err)));
	expect_policy_error(0x0300, NULL, "1.0, 1.1, 1.2 or 1.3");
	expect_policy_error(TLS1_2_VERSION, "HIGH:ECDHE-ECDSA-AES129-GCM-SHA256", "no such cipher: ECDHE-ECDSA-AES129-GCM-SHA256");
	expect_policy_error(TLS1_2_VERSION, "TLS_AES_128_GCM_SHA256:TLS_AES_999_GCM_SHA256", "no such cipher: TLS_AES_999_GCM_SHA256");
}

static void expect_agreed(const struct tls_policy *policy, int max_version, const char *version, const char *cipher)
{
	struct tls_server *ts = server_with(policy, "good.pem", keys);
	struct tls_client *tc = client("mail.example");
	SSL *c = tls_client_ssl(tc);
	struct pair p;

	SSL_set_max_proto_version(c, max_version);
	p = connect_ssl(c, tls_server_ssl(ts));
	if (version) {
		expect_secured(&p);
		assert_string_equal(SSL_get_version(p.s), version);
		assert_string_equal(SSL_get_cipher_name(p.s), cipher);
	} else {
		assert_string_equal(p.server_failure, "no TLS version in common");
		assert_string_equal(p.client_failure, "the far side refused with a TLS alert: protocol version");
	}
	done(&p);
	tls_client_free(&tc);
	tls_server_free(&ts);
}

static void the_policy_holds_in_handshakes(void **s)
{
	struct tls_policy p = { .min_version = TLS1_2_VERSION, .ciphers = "TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256" };
	struct tls_policy new_only = { .min_version = TLS1_3_VERSION };

	(void)s;
	expect_agreed(&p, TLS1_3_VERSION, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256");
	expect_agreed(&p, TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256");
	expect_agreed(&new_only, TLS1_2_VERSION, NULL, NULL);
}

/* ---- handshakes ---- */

static void a_good_certificate_is_accepted_by_name_and_by_address(void **s)
{
	const char *names[] = { "mail.example", "MAIL.example", "mail.example.", "127.0.0.1" };
	struct tls_server *ts = server("chained.pem");

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct tls_client *tc = client(names[i]);
		struct pair p = shake(tc, ts);
		const char *sni = SSL_get_servername(p.s, TLSEXT_NAMETYPE_host_name);
		const unsigned char *alpn;
		unsigned n;

		expect_secured(&p);
		if (i == 3)
			assert_null(sni);
		else
			assert_true(strcasecmp(sni, "mail.example") == 0);
		SSL_get0_alpn_selected(p.c, &alpn, &n);
		assert_int_equal(n, 4);
		assert_memory_equal(alpn, "imap", 4);
		done(&p);
		tls_client_free(&tc);
	}
	tls_server_free(&ts);
}

static void an_expired_certificate_is_told_as_such(void **s)
{
	(void)s;
	expect_verify_failure("expired.pem", "mail.example", "certificate verify failed: certificate has expired");
}

static void another_name_is_told_as_such(void **s)
{
	(void)s;
	expect_verify_failure("other.pem", "mail.example", "certificate verify failed: hostname mismatch");
	expect_verify_failure("other.pem", "127.0.0.1", "certificate verify failed: IP address mismatch");
}

static void an_unknown_authority_is_told_as_such_to_both(void **s)
{
	struct test_cert self = make_cert((struct cert_wish){ .cn = "mail.example", .san = "DNS:mail.example", .days = 9 });
	struct tls_server *ts;
	struct tls_client *tc = client("mail.example");
	struct pair p;

	(void)s;
	write_pem("self.pem", self.cert, NULL, self.key);
	ts = server("self.pem");
	p = shake(tc, ts);
	assert_string_equal(p.client_failure, "certificate verify failed: self-signed certificate");
	assert_string_equal(p.server_failure, "the far side refused with a TLS alert: unknown ca");
	done(&p);
	tls_client_free(&tc);
	tls_server_free(&ts);
	free_cert(&self);
}

static void without_verify_any_certificate_will_do(void **s)
{
	struct tls_server *ts = server("expired.pem");
	struct tls_client *tc = tls_client_new(&(struct tls_client_conf){ .min_version = TLS1_2_VERSION }, err, sizeof(err));
	struct pair p;

	(void)s;
	assert_non_null(tc);
	p = shake(tc, ts);
	expect_secured(&p);
	done(&p);
	tls_client_free(&tc);
	tls_server_free(&ts);
}

static void a_client_needs_readable_authorities(void **s)
{
	struct tls_client_files_conf conf = { .verify = true, .ca = scratch_path("nowhere.pem") };

	(void)s;
	assert_null(tls_client_files_load(&conf, err, sizeof(err)));
	assert_non_null(strstr(err, "nowhere.pem: No such file"));
	fclose(scratch_open("empty.pem"));
	conf.ca = scratch_path("empty.pem");
	assert_null(tls_client_files_load(&conf, err, sizeof(err)));
	assert_non_null(strstr(err, "empty.pem: no certificate in it"));
}

static struct pair shake_alpn(struct tls_server *ts, const char *protos)
{
	struct tls_client *tc = client("mail.example");
	SSL *c = tls_client_ssl(tc);

	SSL_set_alpn_protos(c, (const unsigned char *)protos, (unsigned)strlen(protos));
	tls_client_free(&tc);	/* the SSL object holds what it needs */
	return connect_ssl(c, tls_server_ssl(ts));
}

static void alpn_must_have_imap_or_be_absent(void **s)
{
	static const struct { const char *offer; bool good; } offers[] = {
		{ "\4imap", true }, { "\2h2\4imap", true }, { "\4pop3\4imap\2h2", true }, { "", true },
		{ "\2h2", false }, { "\10http/1.1", false }, { "\5imapx", false }, { "\3ima", false }, { "\4pop3", false },
	};
	struct tls_server *ts = server("good.pem");

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
		struct pair p = shake_alpn(ts, offers[i].offer);

		if (offers[i].good) {
			expect_secured(&p);
		} else {
			assert_string_equal(p.client_failure, "the far side refused with a TLS alert: no application protocol");
			assert_string_equal(p.server_failure, "the client asked for other protocols than imap (ALPN)");
		}
		done(&p);
	}
	tls_server_free(&ts);
}

static void expect_subject(struct tls_server *ts, const char *name)
{
	struct tls_client *tc = client(name);
	struct pair p = shake(tc, ts);

	expect_secured(&p);
	done(&p);
	tls_client_free(&tc);
}

static void new_certificates_serve_the_next_handshake(void **s)
{
	struct tls_server *ts = server("good.pem");
	struct tls_certs *c = load("other.pem");

	(void)s;
	expect_subject(ts, "mail.example");
	tls_server_set_certs(ts, c);
	tls_certs_unref(&c);
	expect_subject(ts, "other.example");
	tls_server_free(&ts);
}

static void a_handshake_under_way_survives_new_certificates(void **s)
{
	struct tls_server *ts = server("good.pem");
	struct tls_client *tc = client("mail.example");
	struct tls_certs *c = load("good.pem");
	struct pair p = shake(tc, ts);
	char byte;

	(void)s;
	tls_server_set_certs(ts, c);
	tls_certs_unref(&c);
	assert_int_equal(SSL_write(p.s, "x", 1), 1);
	while (SSL_read(p.c, &byte, 1) != 1)
		assert_int_equal(SSL_get_error(p.c, -1), SSL_ERROR_WANT_READ);	/* tickets come first, one a call */
	assert_int_equal(byte, 'x');
	done(&p);
	tls_client_free(&tc);
	tls_server_free(&ts);
}

/* Connects with session (NULL: none), lets the tickets in; *session is the newest then. true: resumed. */
static bool visit(struct tls_server *ts, struct tls_client *tc, int version, SSL_SESSION **session)
{
	SSL *c = tls_client_ssl(tc);
	struct pair p;
	bool resumed;
	char byte;

	SSL_set_max_proto_version(c, version);
	if (*session)
		assert_int_equal(SSL_set_session(c, *session), 1);
	p = connect_ssl(c, tls_server_ssl(ts));
	expect_secured(&p);
	for (int i = 0; i < 4; i++)
		SSL_read(c, &byte, 1);
	resumed = SSL_session_reused(p.s);
	assert_string_equal(SSL_get_servername(p.s, TLSEXT_NAMETYPE_host_name), "mail.example");
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(c);
	SSL_shutdown(p.c);
	SSL_shutdown(p.s);
	done(&p);
	return resumed;
}

static void expect_resumption(int version)
{
	struct tls_server *a = server("good.pem"), *b = server("good.pem");
	struct tls_tickets *strange = tls_tickets_new(NULL);
	struct tls_server *stranger;
	struct tls_client *tc = client("mail.example");
	SSL_SESSION *session = NULL;

	stranger = server_with(&plain_policy, "good.pem", strange);
	tls_tickets_unref(&strange);
	assert_false(visit(a, tc, version, &session));
	assert_true(visit(b, tc, version, &session));
	assert_true(visit(a, tc, version, &session));
	assert_false(visit(stranger, tc, version, &session));
	SSL_SESSION_free(session);
	tls_client_free(&tc);
	tls_server_free(&a);
	tls_server_free(&b);
	tls_server_free(&stranger);
}

static void sessions_resume_at_another_server_with_the_same_ticket_keys(void **s)
{
	(void)s;
	expect_resumption(TLS1_3_VERSION);
	expect_resumption(TLS1_2_VERSION);
}

static void a_weak_certificate_is_refused_before_any_handshake(void **s)
{
	struct tls_policy strict = { .min_version = TLS1_2_VERSION, .ciphers = "HIGH:@SECLEVEL=5" };	/* P-256 is level 3 */
	struct tls_certs *c = load("good.pem");

	(void)s;
	assert_false(tls_server_try(&strict, c, err, sizeof(err)));
	assert_non_null(strstr(err, "good.pem: the certificate cannot be used: "));
	tls_certs_unref(&c);
}

/* The client brings its own session. true: it was resumed. */
static bool call_again(struct tls_client *tc, struct tls_server *ts, int version)
{
	SSL *c = tls_client_ssl(tc);
	struct pair p;
	bool resumed;

	SSL_set_max_proto_version(c, version);
	p = connect_ssl(c, tls_server_ssl(ts));
	expect_secured(&p);
	take_tickets(&p);
	resumed = SSL_session_reused(p.c);
	done(&p);	/* without close_notify */
	return resumed;
}

static void a_client_resumes_by_itself(void **s)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct tls_server *ts = server("good.pem");
		struct tls_client *tc = client("mail.example");

		assert_false(call_again(tc, ts, versions[i]));
		for (int k = 0; k < 5; k++)
			assert_true(call_again(tc, ts, versions[i]));
		tls_client_free(&tc);
		tls_server_free(&ts);
	}
}

static void a_ticket_of_tls_1_3_is_used_once(void **s)
{
	struct tls_server *ts = server("good.pem");
	struct tls_client *tc = client("mail.example");
	struct pair p[TLS_CLIENT_SESSIONS + 1];

	(void)s;
	assert_false(call_again(tc, ts, TLS1_3_VERSION));
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {	/* none of them lets new tickets in */
		p[i] = shake(tc, ts);
		expect_secured(&p[i]);
		assert_int_equal(SSL_session_reused(p[i].c), i < TLS_CLIENT_SESSIONS);
	}
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		done(&p[i]);
	tls_client_free(&tc);
	tls_server_free(&ts);
}

static void after_a_handshake_that_failed_nothing_is_resumed(void **s)
{
	struct tls_server *ts = server("good.pem");
	struct tls_client *tc = client("mail.example");
	SSL *failed;

	(void)s;
	assert_false(call_again(tc, ts, TLS1_2_VERSION));
	failed = tls_client_ssl(tc);
	tls_handshake_failed(failed);
	SSL_free(failed);
	assert_false(call_again(tc, ts, TLS1_2_VERSION));
	assert_true(call_again(tc, ts, TLS1_2_VERSION));
	tls_client_free(&tc);
	tls_server_free(&ts);
}

static void a_client_shows_its_certificate_when_asked(void **s)
{
	struct tls_client_files_conf files = { .certificate = scratch_path("other.pem") };
	struct tls_client_files *own = tls_client_files_load(&files, err, sizeof(err));
	struct tls_client *tc;
	const char *good_file = scratch_path("good.pem");
	struct tls_certs_conf conf = { .paths = &good_file, .npaths = 1, .client_ca = scratch_path("ca.pem") };
	struct tls_certs *certs = tls_certs_load(&conf, NULL, NULL, err, sizeof(err));
	struct tls_policy policy = { .min_version = TLS1_2_VERSION, .client_cert = TLS_CLIENT_CERT_REQUIRED };
	struct tls_server *ts = tls_server_new(&policy, certs, keys, err, sizeof(err));
	struct pair p;
	char *name;

	(void)s;
	assert_non_null(own);
	tc = tls_client_new(&(struct tls_client_conf){ .files = own, .min_version = TLS1_2_VERSION }, err, sizeof(err));
	p = shake(tc, ts);
	expect_secured(&p);
	name = tls_server_client_name(p.s);
	assert_string_equal(name, "other.example");
	mem_free(&name);
	done(&p);
	tls_client_free(&tc);
	tls_client_files_free(&own);
	tls_certs_unref(&certs);
	tls_server_free(&ts);
}

static void a_broken_certificate_for_a_backend_is_told(void **s)
{
	struct tls_client_files_conf files = { .certificate = scratch_path("nowhere.pem") };

	(void)s;
	assert_null(tls_client_files_load(&files, err, sizeof(err)));
	assert_non_null(strstr(err, "nowhere.pem: No such file"));
	write_pem("mixed.pem", good.cert, NULL, other.key);
	files.certificate = scratch_path("mixed.pem");
	assert_null(tls_client_files_load(&files, err, sizeof(err)));
	assert_non_null(strstr(err, "the key does not belong"));
}

static void old_versions_are_spoken_where_a_policy_says_so(void **s)
{
	struct tls_policy old = { .min_version = TLS1_VERSION };
	struct tls_server *ts = server_with(&old, "good.pem", keys), *new = server("good.pem");
	struct tls_client *tc = tls_client_new(&(struct tls_client_conf){ .min_version = TLS1_VERSION }, err, sizeof(err));

	(void)s;
	assert_true(tls_policy_is_old(TLS1_1_VERSION) && !tls_policy_is_old(TLS1_2_VERSION));
	for (int version = TLS1_VERSION; version <= TLS1_1_VERSION; version++) {
		SSL *c = tls_client_ssl(tc);
		struct pair p;

		SSL_set_max_proto_version(c, version);
		p = connect_ssl(c, tls_server_ssl(ts));
		expect_secured(&p);
		assert_int_equal(SSL_version(p.s), version);
		done(&p);
		c = tls_client_ssl(tc);
		SSL_set_max_proto_version(c, version);
		p = connect_ssl(c, tls_server_ssl(new));
		assert_string_equal(p.server_failure, "no TLS version in common");
		done(&p);
	}
	tls_client_free(&tc);
	tls_server_free(&ts);
	tls_server_free(&new);
}

static void nobody_is_served_without_certificate_or_cipher_whatever_the_list_says(void **s)
{
	struct tls_policy all = { .min_version = TLS1_VERSION, .ciphers = "ALL:eNULL:aNULL:@SECLEVEL=0" };
	struct tls_server *ts = server_with(&all, "good.pem", keys);
	SSL *ssl = tls_server_ssl(ts);
	STACK_OF(SSL_CIPHER) *ciphers = SSL_get_ciphers(ssl);

	(void)s;
	assert_true(sk_SSL_CIPHER_num(ciphers) > 10);
	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(ciphers, i);

		assert_int_not_equal(SSL_CIPHER_get_auth_nid(c), NID_auth_null);
		assert_int_not_equal(SSL_CIPHER_get_cipher_nid(c), NID_undef);
	}
	SSL_free(ssl);
	tls_server_free(&ts);
}

static void *refer_and_release(void *arg)
{
	struct tls_certs *c = arg;

	for (int i = 0; i < 10000; i++) {
		struct tls_certs *mine = tls_certs_ref(c);

		tls_certs_unref(&mine);
	}
	return NULL;
}

static void references_may_be_counted_by_two_threads(void **s)
{
	struct tls_certs *c = load("good.pem");
	pthread_t thread;

	(void)s;
	assert_int_equal(pthread_create(&thread, NULL, refer_and_release, c), 0);
	refer_and_release(c);
	pthread_join(thread, NULL);
	assert_true(tls_certs_days_left(c, NULL) > 0);
	tls_certs_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_file_without_certificate_is_told),
		cmocka_unit_test(a_file_without_key_is_told),
		cmocka_unit_test(a_damaged_certificate_is_told),
		cmocka_unit_test(a_key_of_another_certificate_is_refused),
		cmocka_unit_test(a_key_with_a_passphrase_is_refused_and_nobody_asked),
		cmocka_unit_test(an_empty_folder_or_a_file_too_large_is_refused),
		cmocka_unit_test(a_file_that_this_user_may_not_read_is_told),
		cmocka_unit_test(an_endless_chain_is_refused),
		cmocka_unit_test(key_and_certificate_may_be_two_files_in_any_order),
		cmocka_unit_test(days_left_are_counted),
		cmocka_unit_test(a_policy_is_checked_name_by_name),
		cmocka_unit_test(the_policy_holds_in_handshakes),
		cmocka_unit_test(a_good_certificate_is_accepted_by_name_and_by_address),
		cmocka_unit_test(an_expired_certificate_is_told_as_such),
		cmocka_unit_test(another_name_is_told_as_such),
		cmocka_unit_test(an_unknown_authority_is_told_as_such_to_both),
		cmocka_unit_test(without_verify_any_certificate_will_do),
		cmocka_unit_test(a_client_needs_readable_authorities),
		cmocka_unit_test(alpn_must_have_imap_or_be_absent),
		cmocka_unit_test(new_certificates_serve_the_next_handshake),
		cmocka_unit_test(a_handshake_under_way_survives_new_certificates),
		cmocka_unit_test(sessions_resume_at_another_server_with_the_same_ticket_keys),
		cmocka_unit_test(a_weak_certificate_is_refused_before_any_handshake),
		cmocka_unit_test(a_client_resumes_by_itself),
		cmocka_unit_test(a_ticket_of_tls_1_3_is_used_once),
		cmocka_unit_test(after_a_handshake_that_failed_nothing_is_resumed),
		cmocka_unit_test(a_client_shows_its_certificate_when_asked),
		cmocka_unit_test(a_broken_certificate_for_a_backend_is_told),
		cmocka_unit_test(old_versions_are_spoken_where_a_policy_says_so),
		cmocka_unit_test(nobody_is_served_without_certificate_or_cipher_whatever_the_list_says),
		cmocka_unit_test(references_may_be_counted_by_two_threads),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
