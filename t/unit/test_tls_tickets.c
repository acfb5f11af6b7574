/* Ticket keys, and what resumes where: the same keys, the same policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "tls_help.h"
#include "tls_shake.h"

#define HOUR 3600

static struct test_cert ca, other_ca, mail, user;
static struct tls_certs *certs, *certs_of_other_ca;
static struct tls_client_files *shown;
static char err[512];

/* The clock of this program, and of the libraries in it. */
static time_t ahead;

time_t time(time_t *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead;
	if (t)
		*t = now.tv_sec;
	return now.tv_sec;
}

static struct tls_certs *load(const char *client_ca)
{
	const char *path = scratch_path("mail.pem");
	struct tls_certs_conf conf = { .paths = &path, .npaths = 1, .client_ca = scratch_path(client_ca) };

	return tls_certs_load(&conf, NULL, NULL, err, sizeof(err));
}

static int set_up(void **state)
{
	struct tls_client_files_conf files = { 0 };

	(void)state;
	scratch_init();
	ca = make_cert((struct cert_wish){ .cn = "CA of clients", .days = 100, .is_ca = true });
	other_ca = make_cert((struct cert_wish){ .cn = "another", .days = 100, .is_ca = true });
	mail = make_cert((struct cert_wish){ .cn = "mail.example", .days = 30 });
	user = make_cert((struct cert_wish){ .cn = "anna", .days = 30, .issuer = &ca });
	write_pem("mail.pem", mail.cert, NULL, mail.key);
	write_pem("ca.pem", ca.cert, NULL, NULL);
	write_pem("other-ca.pem", other_ca.cert, ca.cert, NULL);
	files.certificate = write_pem("user.pem", user.cert, NULL, user.key);
	shown = tls_client_files_load(&files, err, sizeof(err));
	certs = load("ca.pem");
	certs_of_other_ca = load("other-ca.pem");
	if (!shown || !certs || !certs_of_other_ca)
		fail_msg("%s", err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_certs_unref(&certs);
	tls_certs_unref(&certs_of_other_ca);
	tls_client_files_free(&shown);
	free_cert(&ca);
	free_cert(&other_ca);
	free_cert(&mail);
	free_cert(&user);
	scratch_fini();
	return 0;
}

static struct tls_server *server(struct tls_policy policy, struct tls_certs *c, struct tls_tickets *keys)
{
	struct tls_server *ts;

	if (!policy.min_version)
		policy.min_version = TLS1_2_VERSION;
	ts = tls_server_new(&policy, c, keys, err, sizeof(err));
	if (!ts)
		fail_msg("%s", err);
	return ts;
}

static struct tls_server *plain_server(struct tls_tickets *keys)
{
	return server((struct tls_policy){ 0 }, certs, keys);
}

/* A client with a certificate calls with *session (NULL: none), and takes the newest. true: resumed. */
static bool call_with(const struct tls_client_files *files, struct tls_server *ts, int version, SSL_SESSION **session)
{
	struct tls_client *tc = tls_client_new(&(struct tls_client_conf){ .files = files, .min_version = TLS1_2_VERSION }, err,
					       sizeof(err));
	SSL *c = tls_client_ssl(tc);
	struct pair p;
	bool resumed;

	SSL_set_max_proto_version(c, version);
	if (*session)
		SSL_set_session(c, *session);
	p = connect_ssl(c, tls_server_ssl(ts));
	expect_secured(&p);
	take_tickets(&p);
	resumed = SSL_session_reused(p.s);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(c);
	SSL_shutdown(p.c);
	done(&p);
	tls_client_free(&tc);
	return resumed;
}

static bool call(struct tls_server *ts, int version, SSL_SESSION **session)
{
	return call_with(shown, ts, version, session);
}

static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

/* ---- keys that change ---- */

static void expect_old_keys_to_open(int version)
{
	struct tls_tickets *first = tls_tickets_new(NULL), *second = tls_tickets_new(first), *third = tls_tickets_new(second);
	struct tls_server *ts = plain_server(first);
	SSL_SESSION *old = NULL, *fresh = NULL;

	assert_false(call(ts, version, &old));
	SSL_SESSION_up_ref(old);
	fresh = old;
	tls_server_set_tickets(ts, second);
	assert_true(call(ts, version, &fresh));		/* and gets a ticket of the second key */
	tls_server_set_tickets(ts, third);
	assert_true(call(ts, version, &fresh));
	assert_false(call(ts, version, &old));
	SSL_SESSION_free(old);
	SSL_SESSION_free(fresh);
	tls_server_free(&ts);
	tls_tickets_unref(&first);
	tls_tickets_unref(&second);
	tls_tickets_unref(&third);
}

static void the_key_before_still_opens_and_the_one_before_that_does_not(void **s)
{
	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		expect_old_keys_to_open(versions[i]);
}

static void new_certificates_do_not_end_sessions_that_resume(void **s)
{
	struct tls_tickets *keys = tls_tickets_new(NULL);
	struct tls_certs *again = load("ca.pem");
	struct tls_server *ts = plain_server(keys);
	SSL_SESSION *session = NULL;

	(void)s;
	assert_false(call(ts, TLS1_3_VERSION, &session));
	tls_server_set_certs(ts, again);
	assert_true(call(ts, TLS1_3_VERSION, &session));
	SSL_SESSION_free(session);
	tls_server_free(&ts);
	tls_certs_unref(&again);
	tls_tickets_unref(&keys);
}

/* ---- policies ---- */

static void expect_apart(struct tls_policy a, struct tls_certs *ca_of_a, struct tls_policy b, struct tls_certs *ca_of_b)
{
	struct tls_tickets *keys = tls_tickets_new(NULL);
	struct tls_server *first = server(a, ca_of_a, keys), *second = server(b, ca_of_b, keys), *like_first = server(a, ca_of_a, keys);

	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_SESSION *session = NULL;

		assert_false(call(first, versions[i], &session));
		assert_true(call(like_first, versions[i], &session));
		assert_false(call(second, versions[i], &session));
		SSL_SESSION_free(session);
	}
	tls_server_free(&first);
	tls_server_free(&second);
	tls_server_free(&like_first);
	tls_tickets_unref(&keys);
}

static void a_ticket_does_not_resume_under_another_policy(void **s)
{
	const struct tls_policy lax = { 0 }, optional = { .client_cert = TLS_CLIENT_CERT_OPTIONAL };
	const struct tls_policy required = { .client_cert = TLS_CLIENT_CERT_REQUIRED }, old = { .min_version = TLS1_VERSION };
	const struct tls_policy by_email = { .client_cert = TLS_CLIENT_CERT_REQUIRED, .user_from = TLS_USER_FROM_EMAIL_SAN };
	const struct tls_policy few = { .ciphers = "HIGH" };

	(void)s;
	expect_apart(lax, certs, required, certs);
	expect_apart(optional, certs, required, certs);
	expect_apart(required, certs, lax, certs);
	expect_apart(required, certs, by_email, certs);
	expect_apart(old, certs, lax, certs);
	expect_apart(few, certs, lax, certs);
}

static void a_ticket_does_not_outlive_the_authority_it_was_given_under(void **s)
{
	const struct tls_policy required = { .client_cert = TLS_CLIENT_CERT_REQUIRED };

	(void)s;
	expect_apart(required, certs, required, certs_of_other_ca);
}

static void a_resumed_session_still_has_its_clients_name(void **s)
{
	const struct tls_policy required = { .client_cert = TLS_CLIENT_CERT_REQUIRED, .min_version = TLS1_2_VERSION };
	struct tls_tickets *keys = tls_tickets_new(NULL);
	struct tls_server *ts = server(required, certs, keys);

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct tls_client *tc = tls_client_new(&(struct tls_client_conf){ .files = shown, .min_version = TLS1_2_VERSION }, err,
						       sizeof(err));

		for (int k = 0; k < 3; k++) {
			SSL *c = tls_client_ssl(tc);
			struct pair p;
			char *name;

			SSL_set_max_proto_version(c, versions[i]);
			p = connect_ssl(c, tls_server_ssl(ts));
			expect_secured(&p);
			take_tickets(&p);
			assert_int_equal(SSL_session_reused(p.s), k > 0);
			name = tls_server_client_name(p.s);
			assert_string_equal(name, "anna");
			mem_free(&name);
			done(&p);
		}
		tls_client_free(&tc);
	}
	tls_server_free(&ts);
	tls_tickets_unref(&keys);
}

static void expect_to_end_after_an_hour(int version)
{
	const struct tls_policy required = { .client_cert = TLS_CLIENT_CERT_REQUIRED };
	struct tls_tickets *keys = tls_tickets_new(NULL), *newer = tls_tickets_new(keys);
	struct tls_server *ts = server(required, certs, keys);
	SSL_SESSION *session = NULL;

	assert_false(call(ts, version, &session));
	ahead += HOUR / 2;
	tls_server_set_tickets(ts, newer);		/* in TLS 1.2, too, a new ticket takes its place */
	assert_true(call(ts, version, &session));
	ahead += HOUR / 4;
	assert_true(call(ts, version, &session));
	ahead += HOUR / 2;
	assert_false(call(ts, version, &session));	/* and shows its certificate */
	ahead += HOUR / 2;
	assert_true(call(ts, version, &session));
	ahead = 0;
	SSL_SESSION_free(session);
	tls_server_free(&ts);
	tls_tickets_unref(&keys);
	tls_tickets_unref(&newer);
}

static void a_ticket_stands_for_a_certificate_for_an_hour_however_often_it_is_renewed(void **s)
{
	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		expect_to_end_after_an_hour(versions[i]);
}

static void a_ticket_does_not_outlive_the_certificate_it_was_given_for(void **s)
{
	const struct tls_policy optional = { .client_cert = TLS_CLIENT_CERT_OPTIONAL };
	struct test_cert soon = make_cert((struct cert_wish){ .cn = "anna", .days = 1, .issuer = &ca });
	struct tls_client_files_conf conf = { .certificate = write_pem("soon.pem", soon.cert, NULL, soon.key) };
	struct tls_client_files *files = tls_client_files_load(&conf, err, sizeof(err));
	struct tls_tickets *keys = tls_tickets_new(NULL);
	struct tls_server *ts = server(optional, certs, keys);

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_SESSION *session = NULL;

		ahead = 23 * HOUR + HOUR / 2;
		assert_false(call_with(files, ts, versions[i], &session));
		ahead += HOUR / 4;
		assert_true(call_with(files, ts, versions[i], &session));
		ahead += HOUR / 2;
		assert_false(call_with(NULL, ts, versions[i], &session));
		ahead = 0;
		SSL_SESSION_free(session);
	}
	tls_server_free(&ts);
	tls_tickets_unref(&keys);
	tls_client_files_free(&files);
	free_cert(&soon);
}

/* ---- clients' certificates ---- */

static void expect_verdict(enum tls_client_cert mode, struct tls_certs *c, const struct tls_client_files *files, const char *name,
			   bool good)
{
	struct tls_tickets *keys = tls_tickets_new(NULL);
	struct tls_server *ts = server((struct tls_policy){ .client_cert = mode }, c, keys);
	struct tls_client *tc = tls_client_new(&(struct tls_client_conf){ .files = files, .min_version = TLS1_2_VERSION }, err,
					       sizeof(err));
	SSL *ssl = tls_client_ssl(tc);
	struct pair p;
	char *found;

	SSL_set_max_proto_version(ssl, TLS1_2_VERSION);		/* there the client hears of a refusal in the handshake */
	p = connect_ssl(ssl, tls_server_ssl(ts));
	assert_int_equal(p.server_failure[0] == '\0', good);
	found = good ? tls_server_client_name(p.s) : NULL;
	if (name)
		assert_string_equal(found, name);
	else
		assert_null(found);
	mem_free(&found);
	done(&p);
	tls_client_free(&tc);
	tls_server_free(&ts);
	tls_tickets_unref(&keys);
}

static void certificates_of_clients_are_asked_for_as_the_policy_says(void **s)
{
	struct test_cert self = make_cert((struct cert_wish){ .cn = "anna", .days = 9 });
	struct test_cert late = make_cert((struct cert_wish){ .cn = "anna", .days = -1, .issuer = &ca });
	struct tls_client_files *stranger, *expired;
	struct tls_certs *strange_ca;

	(void)s;
	stranger = tls_client_files_load(&(struct tls_client_files_conf){ .certificate = write_pem("s.pem", self.cert, NULL, self.key) },
					 err, 512);
	expired = tls_client_files_load(&(struct tls_client_files_conf){ .certificate = write_pem("e.pem", late.cert, NULL, late.key) },
					err, 512);
	write_pem("strange-ca.pem", other_ca.cert, NULL, NULL);
	strange_ca = load("strange-ca.pem");
	assert_true(stranger && expired && strange_ca);
	expect_verdict(TLS_CLIENT_CERT_OFF, certs, shown, NULL, true);
	expect_verdict(TLS_CLIENT_CERT_OPTIONAL, certs, NULL, NULL, true);
	expect_verdict(TLS_CLIENT_CERT_OPTIONAL, certs, shown, "anna", true);
	expect_verdict(TLS_CLIENT_CERT_OPTIONAL, certs, stranger, NULL, false);
	expect_verdict(TLS_CLIENT_CERT_REQUIRED, certs, shown, "anna", true);
	expect_verdict(TLS_CLIENT_CERT_REQUIRED, certs, NULL, NULL, false);
	expect_verdict(TLS_CLIENT_CERT_REQUIRED, certs, stranger, NULL, false);
	expect_verdict(TLS_CLIENT_CERT_REQUIRED, certs, expired, NULL, false);
	expect_verdict(TLS_CLIENT_CERT_REQUIRED, strange_ca, shown, NULL, false);
	expect_verdict(TLS_CLIENT_CERT_REQUIRED, certs_of_other_ca, shown, "anna", true);
	tls_client_files_free(&stranger);
	tls_client_files_free(&expired);
	tls_certs_unref(&strange_ca);
	free_cert(&self);
	free_cert(&late);
}

/* ---- key files ---- */

static const char *write_keys(const char *file, size_t n, char first)
{
	FILE *f = scratch_open(file);

	for (size_t i = 0; i < n; i++)
		fputc(first + (int)(i / TLS_TICKET_KEY_BYTES), f);
	fclose(f);
	chmod(scratch_path(file), 0600);
	return scratch_path(file);
}

static void a_file_holds_whole_keys_and_not_too_many(void **s)
{
	(void)s;
	for (size_t n = 0; n <= 3 * TLS_TICKET_KEY_BYTES; n++) {
		struct tls_tickets *t = tls_tickets_load(write_keys("keys", n, 'a'), err, sizeof(err));

		assert_int_equal(t != NULL, n > 0 && n % TLS_TICKET_KEY_BYTES == 0);
		if (!t)
			assert_non_null(strstr(err, "keys of 80 bytes each would be right"));
		tls_tickets_unref(&t);
	}
	assert_null(tls_tickets_load(write_keys("keys", (TLS_TICKET_KEYS_MAX + 1) * TLS_TICKET_KEY_BYTES, 'a'), err, sizeof(err)));
	assert_non_null(strstr(err, "too large"));
	assert_null(tls_tickets_load(scratch_path("nowhere"), err, sizeof(err)));
	assert_null(tls_tickets_load("/dev/zero", err, sizeof(err)));
	assert_non_null(strstr(err, "not a regular file"));
}

static void a_file_that_others_may_read_is_refused(void **s)
{
	static const mode_t modes[] = { 0604, 0602, 0601, 0644, 0666 };
	const char *path = write_keys("open", TLS_TICKET_KEY_BYTES, 'a');
	struct tls_tickets *t;

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		chmod(path, modes[i]);
		assert_null(tls_tickets_load(path, err, sizeof(err)));
		assert_non_null(strstr(err, "chmod o="));
	}
	chmod(path, 0640);
	t = tls_tickets_load(path, err, sizeof(err));
	assert_non_null(t);
	tls_tickets_unref(&t);
}

static void hosts_with_the_same_file_resume_each_others_sessions(void **s)
{
	struct tls_tickets *here = tls_tickets_load(write_keys("here", TLS_TICKET_KEY_BYTES, 'k'), err, sizeof(err));
	struct tls_tickets *there = tls_tickets_load(write_keys("there", 2 * TLS_TICKET_KEY_BYTES, 'j'), err, sizeof(err));	/* j, k */
	struct tls_server *a = plain_server(here), *b = plain_server(there);
	SSL_SESSION *session = NULL;

	(void)s;
	assert_false(call(a, TLS1_3_VERSION, &session));
	assert_true(call(b, TLS1_3_VERSION, &session));	/* and is sealed with j */
	assert_false(call(a, TLS1_3_VERSION, &session));
	SSL_SESSION_free(session);
	tls_server_free(&a);
	tls_server_free(&b);
	tls_tickets_unref(&here);
	tls_tickets_unref(&there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_before_still_opens_and_the_one_before_that_does_not),
		cmocka_unit_test(new_certificates_do_not_end_sessions_that_resume),
		cmocka_unit_test(a_ticket_does_not_resume_under_another_policy),
		cmocka_unit_test(a_ticket_does_not_outlive_the_authority_it_was_given_under),
		cmocka_unit_test(a_resumed_session_still_has_its_clients_name),
		cmocka_unit_test(a_ticket_stands_for_a_certificate_for_an_hour_however_often_it_is_renewed),
		cmocka_unit_test(a_ticket_does_not_outlive_the_certificate_it_was_given_for),
		cmocka_unit_test(certificates_of_clients_are_asked_for_as_the_policy_says),
		cmocka_unit_test(a_file_holds_whole_keys_and_not_too_many),
		cmocka_unit_test(a_file_that_others_may_read_is_refused),
		cmocka_unit_test(hosts_with_the_same_file_resume_each_others_sessions),
	};

	return cmocka_run_group_tests_name("tls_tickets", tests, set_up, tear_down);
}
