/* The set of certificates: which is shown to whom; files, folders, OCSP responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <openssl/ocsp.h>

#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_private.h"
#include "net/tls_tickets.h"
#include "tls_help.h"
#include "tls_shake.h"

static struct tls_tickets *keys;
static struct test_cert ca, mail, mail_rsa, wild, only_cn, cn_beside_san;
static char err[512];
static char doubts[2048];

static int set_up(void **state)
{
	(void)state;
	scratch_init();
	keys = tls_tickets_new(NULL);
	ca = make_cert((struct cert_wish){ .cn = "Test CA", .days = 100, .is_ca = true });
	mail = make_cert((struct cert_wish){ .cn = "x", .san = "DNS:mail.example,DNS:IMAP.example", .days = 30, .issuer = &ca });
	mail_rsa = make_cert((struct cert_wish){ .cn = "x", .san = "DNS:mail.example,DNS:imap.example", .days = 20, .issuer = &ca,
						.rsa = true });
	wild = make_cert((struct cert_wish){ .cn = "x", .san = "DNS:*.example,DNS:*.deep.example", .days = 30, .issuer = &ca });
	only_cn = make_cert((struct cert_wish){ .cn = "old.other", .days = 30, .issuer = &ca });
	cn_beside_san = make_cert((struct cert_wish){ .cn = "cn.other", .san = "DNS:san.other", .days = 30, .issuer = &ca });
	write_pem("mail.pem", mail.cert, NULL, mail.key);
	write_pem("mail-rsa.pem", mail_rsa.cert, NULL, mail_rsa.key);
	write_pem("wild.pem", wild.cert, NULL, wild.key);
	write_pem("only-cn.pem", only_cn.cert, NULL, only_cn.key);
	write_pem("cn-beside-san.pem", cn_beside_san.cert, NULL, cn_beside_san.key);
	write_pem("ca.pem", ca.cert, NULL, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct test_cert *all[] = { &ca, &mail, &mail_rsa, &wild, &only_cn, &cn_beside_san };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		free_cert(all[i]);
	tls_tickets_unref(&keys);
	scratch_fini();
	return 0;
}

static void note_doubt(const char *sentence, void *arg)
{
	(void)arg;
	strncat(doubts, sentence, sizeof(doubts) - strlen(doubts) - 2);
	strcat(doubts, "\n");
}

static struct tls_certs *load_with_key(const char *const *files, size_t n, const char *key)
{
	const char *paths[8];
	struct tls_certs_conf conf = { .paths = paths, .npaths = n, .key = key ? scratch_path(key) : NULL };

	assert(n <= ARRAY_LEN(paths));
	for (size_t i = 0; i < n; i++)
		paths[i] = scratch_path(files[i]);
	doubts[0] = err[0] = '\0';
	return tls_certs_load(&conf, note_doubt, NULL, err, sizeof(err));
}

#define LOAD(...) load_with_key((const char *const []){ __VA_ARGS__ }, ARRAY_LEN(((const char *const []){ __VA_ARGS__ })), NULL)

static struct tls_server *serve(struct tls_certs *certs, bool strict)
{
	struct tls_policy policy = { .min_version = TLS1_2_VERSION, .strict_sni = strict };
	struct tls_server *ts;

	if (!certs)
		fail_msg("%s", err);
	ts = tls_server_new(&policy, certs, keys, err, sizeof(err));
	if (!ts)
		fail_msg("%s", err);
	tls_certs_unref(&certs);
	return ts;
}

/* A client that believes everybody, asks for sni (NULL: no name) and can verify sigalgs (NULL: all). */
static struct pair ask(struct tls_server *ts, const char *sni, const char *sigalgs)
{
	struct tls_client *tc = tls_client_new(&(struct tls_client_conf){ .min_version = TLS1_2_VERSION }, err, sizeof(err));
	SSL *c = tls_client_ssl(tc);
	struct pair p;

	if (sni)
		assert_int_equal(SSL_set_tlsext_host_name(c, sni), 1);
	if (sigalgs)
		assert_int_equal(SSL_set1_sigalgs_list(c, sigalgs), 1);
	SSL_set_tlsext_status_type(c, TLSEXT_STATUSTYPE_ocsp);
	p = connect_ssl(c, tls_server_ssl(ts));
	tls_client_free(&tc);
	return p;
}

static void expect_shown(struct tls_server *ts, const char *sni, const struct test_cert *wanted)
{
	struct pair p = ask(ts, sni, NULL);

	expect_secured(&p);
	if (X509_cmp(SSL_get0_peer_certificate(p.c), wanted->cert) != 0)
		fail_msg("another certificate is shown for %s", sni ? sni : "no name");
	done(&p);
}

/* ---- by name ---- */

static void an_exact_name_goes_before_a_wildcard(void **s)
{
	struct tls_server *ts = serve(LOAD("wild.pem", "mail.pem"), false);

	(void)s;
	expect_shown(ts, "mail.example", &mail);
	expect_shown(ts, "imap.example", &mail);
	expect_shown(ts, "other.example", &wild);
	tls_server_free(&ts);
}

static void a_wildcard_stands_for_one_label(void **s)
{
	struct tls_server *ts = serve(LOAD("only-cn.pem", "wild.pem"), false);

	(void)s;
	expect_shown(ts, "a.example", &wild);
	expect_shown(ts, "a.b.example", &only_cn);
	expect_shown(ts, "a.deep.example", &wild);
	expect_shown(ts, "example", &only_cn);
	tls_server_free(&ts);
}

static void case_and_a_last_dot_mean_nothing(void **s)
{
	struct tls_server *ts = serve(LOAD("wild.pem", "mail.pem"), false);

	(void)s;
	expect_shown(ts, "MAIL.Example", &mail);
	expect_shown(ts, "mail.example.", &mail);
	expect_shown(ts, "IMAP.EXAMPLE", &mail);
	tls_server_free(&ts);
}

static void the_common_name_counts_only_without_a_san(void **s)
{
	struct tls_server *ts = serve(LOAD("mail.pem", "only-cn.pem", "cn-beside-san.pem"), false);

	(void)s;
	expect_shown(ts, "old.other", &only_cn);
	expect_shown(ts, "san.other", &cn_beside_san);
	expect_shown(ts, "cn.other", &mail);
	tls_server_free(&ts);
}

static void no_name_or_an_unknown_one_gets_the_first(void **s)
{
	struct tls_server *a = serve(LOAD("mail.pem", "wild.pem"), false), *b = serve(LOAD("wild.pem", "mail.pem"), false);

	(void)s;
	expect_shown(a, NULL, &mail);
	expect_shown(a, "nobody.knows", &mail);
	expect_shown(b, NULL, &wild);
	expect_shown(b, "nobody.knows", &wild);
	tls_server_free(&a);
	tls_server_free(&b);
}

static void strict_refuses_no_name_and_an_unknown_one(void **s)
{
	static const char *const names[] = { NULL, "nobody.knows", "a.b.example", "*.example" };
	struct tls_server *ts = serve(LOAD("wild.pem"), true);

	(void)s;
	expect_shown(ts, "known.example", &wild);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct pair p = ask(ts, names[i], NULL);

		assert_string_equal(p.client_failure, "the far side refused with a TLS alert: unrecognized name");
		assert_true(p.server_failure[0] != '\0');
		done(&p);
	}
	tls_server_free(&ts);
}

static void names_that_are_none_find_nothing(void **s)
{
	char longest[300];
	struct tls_server *ts = serve(LOAD("mail.pem", "wild.pem"), false);

	(void)s;
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 240, ".example", sizeof(".example"));
	expect_shown(ts, longest, &wild);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 246, ".example", sizeof(".example"));	/* 254 bytes */
	expect_shown(ts, longest, &mail);
	expect_shown(ts, ".example", &mail);
	expect_shown(ts, "*.example", &mail);
	expect_shown(ts, "a b.example", &mail);
	expect_shown(ts, "\x01.example", &mail);
	expect_shown(ts, "..", &mail);
	expect_shown(ts, "\xff\xfe.example", &mail);
	tls_server_free(&ts);
}

static void hundreds_of_names_are_all_found(void **s)
{
	struct test_cert many;
	struct tls_server *ts;
	char san[8000], name[32];
	size_t n = 0;

	(void)s;
	for (int i = 0; i < 400; i++)
		n += (size_t)snprintf(san + n, sizeof(san) - n, "%sDNS:n%d.many", i ? "," : "", i);
	many = make_cert((struct cert_wish){ .cn = "x", .san = san, .days = 30 });
	write_pem("many.pem", many.cert, NULL, many.key);
	ts = serve(LOAD("mail.pem", "many.pem"), false);
	for (int i = 0; i < 400; i += 13) {
		snprintf(name, sizeof(name), "n%d.many", i);
		expect_shown(ts, name, &many);
	}
	expect_shown(ts, "n400.many", &mail);
	free_cert(&many);
	tls_server_free(&ts);
}

/* ---- by kind ---- */

static void expect_kind(struct tls_server *ts, const char *sni, const char *sigalgs, const struct test_cert *wanted)
{
	struct pair p = ask(ts, sni, sigalgs);

	expect_secured(&p);
	assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.c), wanted->cert), 0);
	done(&p);
}

static void rsa_and_ecdsa_stand_side_by_side(void **s)
{
	struct tls_server *ts = serve(LOAD("mail.pem", "mail-rsa.pem", "only-cn.pem"), false);
	struct pair p;

	(void)s;
	expect_kind(ts, "mail.example", "ECDSA+SHA256", &mail);
	expect_kind(ts, "mail.example", "RSA-PSS+SHA256:RSA+SHA256", &mail_rsa);
	expect_kind(ts, NULL, "RSA-PSS+SHA256:RSA+SHA256", &mail_rsa);
	expect_kind(ts, "old.other", "ECDSA+SHA256", &only_cn);
	p = ask(ts, "old.other", "RSA-PSS+SHA256");
	assert_string_equal(p.server_failure, "no cipher in common that our certificate can be used with");
	done(&p);
	tls_server_free(&ts);
}

static void of_two_of_a_kind_the_first_holds(void **s)
{
	struct test_cert again = make_cert((struct cert_wish){ .cn = "x", .san = "DNS:mail.example,DNS:more.example", .days = 9 });
	struct tls_server *ts;

	(void)s;
	write_pem("again.pem", again.cert, NULL, again.key);
	ts = serve(LOAD("mail.pem", "again.pem"), false);
	expect_shown(ts, "mail.example", &mail);
	expect_shown(ts, "more.example", &again);
	tls_server_free(&ts);
	free_cert(&again);
}

/* ---- files ---- */

static void make_folder(const char *name)
{
	assert_int_equal(mkdir(scratch_path(name), 0700), 0);
}

static void a_folder_gives_every_pem_in_it_in_order(void **s)
{
	struct tls_certs *certs;
	struct tls_server *ts;

	(void)s;
	make_folder("all");
	write_pem("all/b.pem", mail.cert, NULL, mail.key);
	write_pem("all/a.pem", wild.cert, NULL, NULL);
	write_pem("all/a.key", NULL, NULL, wild.key);
	write_pem("all/c.crt", only_cn.cert, NULL, NULL);
	write_pem("all/.hidden.pem", only_cn.cert, NULL, NULL);
	certs = LOAD("all");
	assert_non_null(certs);
	assert_int_equal(tls_certs_count(certs), 2);
	ts = serve(certs, false);
	expect_shown(ts, NULL, &wild);
	expect_shown(ts, "mail.example", &mail);
	tls_server_free(&ts);
}

static void a_broken_file_in_a_folder_is_named(void **s)
{
	(void)s;
	make_folder("broken");
	write_pem("broken/a.pem", mail.cert, NULL, mail.key);
	write_pem("broken/b.pem", wild.cert, NULL, NULL);
	assert_null(LOAD("broken"));
	assert_non_null(strstr(err, "broken/b.pem: no private key in it"));
	write_pem("broken/b.key", NULL, NULL, mail.key);
	assert_null(LOAD("broken"));
	assert_non_null(strstr(err, "broken/b.pem: the key does not belong"));
	fclose(scratch_open("broken/b.key"));
	assert_null(LOAD("broken"));
	assert_non_null(strstr(err, "broken/b.key: no private key in it"));
}

static void one_key_is_not_for_a_folder(void **s)
{
	static const char *const folder[] = { "folder" };

	(void)s;
	make_folder("folder");
	assert_null(load_with_key(folder, 1, "mail.pem"));
	assert_non_null(strstr(err, "FILE.key beside it"));
}

static void the_first_that_expires_is_told(void **s)
{
	struct tls_certs *certs = LOAD("mail.pem", "mail-rsa.pem", "wild.pem");
	const char *path = NULL;
	double days;

	(void)s;
	assert_non_null(certs);
	days = tls_certs_days_left(certs, &path);
	assert_true(days > 19 && days < 21);
	assert_non_null(strstr(path, "mail-rsa.pem"));
	tls_certs_unref(&certs);
}

/* ---- what threads share ---- */

static atomic_ulong allocations;

static void *count_alloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	atomic_fetch_add(&allocations, 1);
	return malloc(n);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	atomic_fetch_add(&allocations, 1);
	return realloc(p, n);
}

static void count_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

/* Who asks for its extensions first makes OpenSSL keep them in the certificate: that takes memory. */
static void expect_settled(X509 *cert)
{
	unsigned long before = atomic_load(&allocations);

	X509_check_purpose(cert, -1, 0);
	assert_true(atomic_load(&allocations) == before);
}

static void expect_settled_store(X509_STORE *store)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);

	assert_true(sk_X509_OBJECT_num(all) > 0);
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++)
		expect_settled(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i)));
}

static void what_is_loaded_is_not_written_to_when_it_is_used(void **s)
{
	const char *path = write_pem("chained.pem", mail.cert, ca.cert, mail.key);
	struct tls_certs_conf conf = { .paths = &path, .npaths = 1, .client_ca = scratch_path("ca.pem") };
	struct tls_certs *certs = tls_certs_load(&conf, NULL, NULL, err, sizeof(err));

	(void)s;
	assert_non_null(certs);
	expect_settled(tls_certs_at(certs, 0)->pair.cert);
	assert_int_equal(sk_X509_num(tls_certs_at(certs, 0)->pair.chain), 1);
	expect_settled(sk_X509_value(tls_certs_at(certs, 0)->pair.chain, 0));
	expect_settled_store(tls_certs_client_ca(certs)->store);
	tls_certs_unref(&certs);
}

/* file NULL: the system's, which are in the file that SSL_CERT_FILE names. */
static void expect_settled_trust(const char *file)
{
	struct tls_client_files_conf conf = { .verify = true, .ca = file };
	struct tls_client_files *files = tls_client_files_load(&conf, err, sizeof(err));
	struct tls_client_conf shown = { .verify = true, .files = files, .name = "mail.example", .min_version = TLS1_2_VERSION };
	struct tls_client *tc;
	SSL *c;

	assert_non_null(files);
	tc = tls_client_new(&shown, err, sizeof(err));
	assert_non_null(tc);
	c = tls_client_ssl(tc);
	expect_settled_store(SSL_CTX_get_cert_store(SSL_get_SSL_CTX(c)));
	SSL_free(c);
	tls_client_free(&tc);
	tls_client_files_free(&files);
}

static void what_backends_are_trusted_by_is_not_written_to_either(void **s)
{
	(void)s;
	expect_settled_trust(scratch_path("ca.pem"));
	setenv("SSL_CERT_FILE", scratch_path("ca.pem"), 1);
	expect_settled_trust(NULL);
	unsetenv("SSL_CERT_FILE");
}

/* ---- stamps ---- */

static uint64_t stamp(const char *file)
{
	const char *path = scratch_path(file);

	return tls_certs_stamp(&(struct tls_certs_conf){ .paths = &path, .npaths = 1 });
}

static void a_stamp_changes_with_the_files_and_only_with_them(void **s)
{
	uint64_t before, after;

	(void)s;
	make_folder("stamped");
	write_pem("stamped/a.pem", mail.cert, NULL, mail.key);
	before = stamp("stamped");
	assert_true(before == stamp("stamped"));
	fclose(scratch_open("stamped/notes.txt"));
	assert_true(before == stamp("stamped"));
	write_pem("stamped/new.tmp", mail.cert, NULL, mail.key);
	assert_int_equal(rename(scratch_path("stamped/new.tmp"), scratch_path("stamped/a.pem")), 0);
	after = stamp("stamped");
	assert_true(before != after);
	fclose(scratch_open("stamped/a.ocsp"));
	assert_true(after != stamp("stamped"));
	unlink(scratch_path("stamped/a.ocsp"));
	assert_true(after == stamp("stamped"));
	unlink(scratch_path("stamped/a.pem"));
	assert_true(after != stamp("stamped"));
	assert_true(stamp("nowhere") == stamp("nowhere"));
}

static void authorities_for_clients_must_be_readable(void **s)
{
	const char *path = scratch_path("mail.pem");
	struct tls_certs_conf conf = { .paths = &path, .npaths = 1, .client_ca = scratch_path("nowhere.pem") };

	(void)s;
	assert_null(tls_certs_load(&conf, NULL, NULL, err, sizeof(err)));
	assert_non_null(strstr(err, "nowhere.pem: No such file"));
	write_pem("keyonly.pem", NULL, NULL, mail.key);
	conf.client_ca = scratch_path("keyonly.pem");
	assert_null(tls_certs_load(&conf, NULL, NULL, err, sizeof(err)));
	assert_non_null(strstr(err, "keyonly.pem: no certificate in it"));
}

/* ---- OCSP ---- */

static void write_ocsp(const char *file, const X509 *about, int status, long from, long until)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, about, ca.cert);
	ASN1_TIME *this = X509_gmtime_adj(NULL, from), *next = X509_gmtime_adj(NULL, until);
	FILE *f = scratch_open(file);
	unsigned char *der = NULL;
	OCSP_RESPONSE *r;
	int n;

	OCSP_basic_add1_status(basic, id, status, 0, NULL, this, next);
	OCSP_CERTID_free(id);
	assert_int_equal(OCSP_basic_sign(basic, ca.cert, ca.key, EVP_sha256(), NULL, 0), 1);
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	n = i2d_OCSP_RESPONSE(r, &der);
	assert_int_equal(fwrite(der, 1, (size_t)n, f), n);
	fclose(f);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	ASN1_TIME_free(this);
	ASN1_TIME_free(next);
}

static void expect_stapled(struct tls_server *ts, const char *sni, const char *sigalgs, bool stapled)
{
	struct pair p = ask(ts, sni, sigalgs);
	const unsigned char *bytes = NULL;
	long n = SSL_get_tlsext_status_ocsp_resp(p.c, &bytes);

	expect_secured(&p);
	assert_int_equal(n > 0, stapled);
	done(&p);
}

static void a_valid_response_is_stapled_with_its_certificate(void **s)
{
	struct tls_server *ts;

	(void)s;
	write_ocsp("mail.ocsp", mail.cert, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	ts = serve(LOAD("mail.pem", "mail-rsa.pem", "wild.pem"), false);
	assert_string_equal(doubts, "");
	expect_stapled(ts, "mail.example", "ECDSA+SHA256", true);
	expect_stapled(ts, "mail.example", "RSA-PSS+SHA256", false);
	expect_stapled(ts, NULL, "ECDSA+SHA256", true);
	expect_stapled(ts, "a.example", NULL, false);
	tls_server_free(&ts);
	unlink(scratch_path("mail.ocsp"));
}

static void a_response_that_runs_out_is_stapled_no_longer(void **s)
{
	struct tls_server *ts;
	time_t end;

	(void)s;
	write_ocsp("mail.ocsp", mail.cert, V_OCSP_CERTSTATUS_GOOD, -60, 2);
	ts = serve(LOAD("mail.pem"), false);
	end = time(NULL) + 3;
	expect_stapled(ts, NULL, NULL, true);
	while (time(NULL) < end)
		usleep(50000);
	expect_stapled(ts, NULL, NULL, false);
	tls_server_free(&ts);
	unlink(scratch_path("mail.ocsp"));
}

static void expect_doubt(const char *text)
{
	struct tls_server *ts = serve(LOAD("mail.pem"), false);

	if (!strstr(doubts, "mail.ocsp: not stapled: ") || !strstr(doubts, text) || strchr(doubts, '\n') != doubts + strlen(doubts) - 1)
		fail_msg("not one line that says \"%s\": %s", text, doubts);
	expect_stapled(ts, NULL, NULL, false);
	tls_server_free(&ts);
}

static void what_cannot_be_stapled_is_told_once(void **s)
{
	FILE *f;

	(void)s;
	write_ocsp("mail.ocsp", mail.cert, V_OCSP_CERTSTATUS_GOOD, -7200, -3600);
	expect_doubt("it has expired");
	write_ocsp("mail.ocsp", mail.cert, V_OCSP_CERTSTATUS_GOOD, 3600, 7200);
	expect_doubt("it is not valid yet");
	write_ocsp("mail.ocsp", wild.cert, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	expect_doubt("it is about another certificate");
	write_ocsp("mail.ocsp", mail.cert, V_OCSP_CERTSTATUS_UNKNOWN, -60, 3600);
	expect_doubt("the certificate is not good");
	f = scratch_open("mail.ocsp");
	fputs("HTTP/1.1 404 Not Found\r\n", f);
	fclose(f);
	expect_doubt("not an OCSP response");
	fclose(scratch_open("mail.ocsp"));
	expect_doubt("not an OCSP response");
	unlink(scratch_path("mail.ocsp"));
}

static void every_cut_of_a_response_is_refused(void **s)
{
	char bytes[4096], *path;
	struct tls_certs *certs;
	size_t n;
	FILE *f;

	(void)s;
	write_ocsp("mail.ocsp", mail.cert, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
	path = mem_strdup(scratch_path("mail.ocsp"));
	f = fopen(path, "r");
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_true(n > 100 && n < sizeof(bytes));
	while (n-- > 0) {
		assert_int_equal(truncate(path, (off_t)n), 0);
		certs = LOAD("mail.pem");
		assert_non_null(certs);
		assert_non_null(strstr(doubts, "not stapled"));
		tls_certs_unref(&certs);
	}
	unlink(path);
	mem_free(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exact_name_goes_before_a_wildcard),
		cmocka_unit_test(a_wildcard_stands_for_one_label),
		cmocka_unit_test(case_and_a_last_dot_mean_nothing),
		cmocka_unit_test(the_common_name_counts_only_without_a_san),
		cmocka_unit_test(no_name_or_an_unknown_one_gets_the_first),
		cmocka_unit_test(strict_refuses_no_name_and_an_unknown_one),
		cmocka_unit_test(names_that_are_none_find_nothing),
		cmocka_unit_test(hundreds_of_names_are_all_found),
		cmocka_unit_test(rsa_and_ecdsa_stand_side_by_side),
		cmocka_unit_test(of_two_of_a_kind_the_first_holds),
		cmocka_unit_test(a_folder_gives_every_pem_in_it_in_order),
		cmocka_unit_test(a_broken_file_in_a_folder_is_named),
		cmocka_unit_test(one_key_is_not_for_a_folder),
		cmocka_unit_test(the_first_that_expires_is_told),
		cmocka_unit_test(what_is_loaded_is_not_written_to_when_it_is_used),
		cmocka_unit_test(what_backends_are_trusted_by_is_not_written_to_either),
		cmocka_unit_test(a_stamp_changes_with_the_files_and_only_with_them),
		cmocka_unit_test(authorities_for_clients_must_be_readable),
		cmocka_unit_test(a_valid_response_is_stapled_with_its_certificate),
		cmocka_unit_test(a_response_that_runs_out_is_stapled_no_longer),
		cmocka_unit_test(what_cannot_be_stapled_is_told_once),
		cmocka_unit_test(every_cut_of_a_response_is_refused),
	};

	if (CRYPTO_set_mem_functions(count_alloc, count_realloc, count_free) != 1)	/* OpenSSL has not allocated anything yet */
		return 1;
	return cmocka_run_group_tests_name("tls_certs", tests, set_up, tear_down);
}
