/*
 * Kernel TLS: what the probe finds, and conns whose keys the kernel has. On a kernel without, the second half has nothing to show and is
 * left out: t/vm runs it on kernels that have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include "net/ktls.h"
#include "conn_ends.h"

#define SOME (300 * 1024)	/* bytes: many records, and in a slow machine not too many */

static struct ktls there;

/* ---- the probe ---- */

static void openssl_leaves_to_the_kernel_only_what_it_can(void **s)
{
	(void)s;
	for (unsigned v = 0; v < KTLS_VERSIONS; v++)
		assert_int_equal(there.openssl[v] & ~there.kernel[v], 0);
	assert_int_equal(ktls_in_kernel(&there), there.ciphers != 0);
	if (!ktls_in_kernel(&there))
		assert_false(there.half_records);
}

static void where_a_connection_cannot_be_given_to_tls_nothing_is_found(void **s)
{
	struct ktls_pair p;
	bool can;

	(void)s;
	assert_true(ktls_pair_open(&p));
	can = setsockopt(p.fd[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0;
	ktls_pair_close(&p);
	assert_int_equal(ktls_in_kernel(&there), can);
}

static void the_probe_leaves_no_descriptor_open(void **s)
{
	struct ktls again;
	int before = dup(0), after;

	(void)s;
	ktls_probe(&again);
	assert_memory_equal(&again, &there, sizeof(there));
	close(before);
	after = dup(0);
	assert_int_equal(after, before);
	close(after);
}

static void note_nothing(int signal)
{
	(void)signal;
}

static void a_wait_is_neither_cut_short_nor_made_longer_by_signals(void **s)
{
	const struct sigaction noted = { .sa_handler = note_nothing };
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct pollfd silent = { .events = POLLIN };
	struct ktls_pair p;
	double began, took;
	bool ready;

	(void)s;
	assert_true(ktls_pair_open(&p));
	silent.fd = p.fd[0];
	sigaction(SIGALRM, &noted, NULL);
	began = clock_monotonic();
	setitimer(ITIMER_REAL, &often, NULL);
	ready = ktls_wait(&silent, 1, 200);
	setitimer(ITIMER_REAL, &never, NULL);
	took = clock_monotonic() - began;
	assert_false(ready);
	assert_true(took > 0.15);
	assert_true(took < PATIENCE);
	assert_int_equal(send(p.fd[1], "x", 1, MSG_NOSIGNAL), 1);
	assert_true(ktls_wait(&silent, 1, 1000));
	ktls_pair_close(&p);
}

/* t/vm says so. */
static void where_kernel_tls_must_be_it_is(void **s)
{
	const char *wish = getenv("KERNEL_TLS");

	(void)s;
	if (wish && strcmp(wish, "must") == 0)
		assert_true(ktls_in_openssl(&there));
}

static void ways_and_ciphers_have_words(void **s)
{
	char text[KTLS_CIPHERS_TEXT_MAX];

	(void)s;
	assert_string_equal(ktls_ways_text(0), "none");
	assert_string_equal(ktls_ways_text(KTLS_SEND), "send");
	assert_string_equal(ktls_ways_text(KTLS_RECEIVE), "receive");
	assert_string_equal(ktls_ways_text(KTLS_SEND | KTLS_RECEIVE), "both");
	assert_string_equal(ktls_ciphers_text(0, text), "none");
	assert_string_equal(ktls_ciphers_text(7, text), "aes-128-gcm,aes-256-gcm,chacha20-poly1305");
	assert_string_equal(ktls_ciphers_text(2, text), "aes-256-gcm");
}

/* ---- pairs of conns over TCP ---- */

/* So that writes are cut; what receives stays as it is, for TCP is slow with windows smaller than its segments. */
static void send_little(const int fds[2])
{
	int small = 8 * 1024;

	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
}

/* Two conns with this version between them; which of them may use the kernel is said for each. */
static void version_pair(struct end *c, struct end *s, int version, const struct ktls *of_c, const struct ktls *of_s)
{
	int fds[2];

	tcp_pair(fds);
	send_little(fds);
	end_on(c, fds[0]);
	end_on(s, fds[1]);
	loop.ktls = *of_s;
	assert_true(conn_start_tls_server(&s->c, server));
	loop.ktls = *of_c;
	assert_true(conn_start_tls_client(&c->c, client));
	loop.ktls = there;
	SSL_set_max_proto_version(s->c.ssl, version);
	TURN_UNTIL(c->seen & s->seen & CONN_SECURED);
	c->seen = s->seen = 0;
	turn_for(0.01);		/* the tickets */
}

static void expect_kernel(struct end *e, unsigned ways)
{
	struct conn_tls facts;

	assert_true(conn_tls_facts(&e->c, &facts));
	if (ways == 0) {
		assert_null(facts.kernel);
	} else {
		assert_non_null(facts.kernel);
		assert_string_equal(facts.kernel, ktls_ways_text(ways));
	}
	assert_int_equal(conn_can_splice(&e->c, CONN_READ), ways & KTLS_RECEIVE ? 1 : 0);
	assert_int_equal(conn_can_splice(&e->c, CONN_WRITE), ways & KTLS_SEND ? 1 : 0);
}

static void expect_bytes_both_ways(struct end *a, struct end *b)
{
	unsigned char *bytes = pattern(SOME);

	a->out = b->out = bytes;
	a->nout = b->nout = SOME;
	a->half_closes = b->half_closes = true;
	conn_want(&a->c, CONN_READ | CONN_WRITE);
	conn_want(&b->c, CONN_READ | CONN_WRITE);
	TURN_UNTIL((a->ended && b->ended) || a->error || b->error);
	assert_int_equal(a->error + b->error, 0);
	assert_int_equal(a->nin, SOME);
	assert_int_equal(b->nin, SOME);
	assert_memory_equal(a->in, bytes, SOME);
	assert_memory_equal(b->in, bytes, SOME);
	mem_free(&bytes);
}

static const struct ktls nothing_there;
static const int tls_versions[KTLS_VERSIONS] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void what_the_settings_forbid_stays_in_user_space(void **s)
{
	struct end a, b;

	(void)s;
	for (unsigned v = 0; v < KTLS_VERSIONS; v++) {
		version_pair(&a, &b, tls_versions[v], &nothing_there, &nothing_there);
		expect_kernel(&a, 0);
		expect_kernel(&b, 0);
		expect_bytes_both_ways(&a, &b);
		end_fini(&a);
		end_fini(&b);
	}
}

static void allow_in_openssl(struct end *e, bool allowed)
{
	SSL_CTX *ctx = SSL_get_SSL_CTX(e->c.ssl);

	if (allowed)
		SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	else
		SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_KTLS);
}

static void nor_can_openssl_s_own_configuration_allow_it(void **s)
{
	struct end a, b;

	(void)s;
	for (int round = 0; round < 2; round++) {
		version_pair(&a, &b, TLS1_2_VERSION, &nothing_there, &nothing_there);
		assert_false(SSL_get_options(a.c.ssl) & SSL_OP_ENABLE_KTLS);
		assert_false(SSL_get_options(b.c.ssl) & SSL_OP_ENABLE_KTLS);
		expect_kernel(&a, 0);
		expect_kernel(&b, 0);
		allow_in_openssl(&a, round == 0);
		allow_in_openssl(&b, round == 0);
		end_fini(&a);
		end_fini(&b);
	}
}

/* A container may forbid it to one socket and not to the next. */
static void a_kernel_that_refuses_after_all_changes_nothing(void **s)
{
	struct ktls all = { .openssl = { KTLS_SEND | KTLS_RECEIVE, KTLS_SEND | KTLS_RECEIVE }, .half_records = true };
	struct end a, b;
	int fds[2];

	(void)s;
	loop.ktls = all;
	socket_pair(fds);	/* never on Unix sockets */
	secured_pair_on(&a, &b, fds);
	expect_kernel(&a, 0);
	expect_kernel(&b, 0);
	expect_bytes_both_ways(&a, &b);
	end_fini(&a);
	end_fini(&b);
	loop.ktls = there;
}

/* ---- with kernel TLS: bytes ---- */

static void each_end_may_be_the_kernel_s_or_openssl_s(void **s)
{
	struct end a, b;

	(void)s;
	for (unsigned v = 0; v < KTLS_VERSIONS; v++) {
		for (int which = 1; which < 4; which++) {
			const struct ktls *of_a = which & 1 ? &there : &nothing_there, *of_b = which & 2 ? &there : &nothing_there;

			version_pair(&a, &b, tls_versions[v], of_a, of_b);
			expect_kernel(&a, of_a->openssl[v]);
			expect_kernel(&b, of_b->openssl[v]);
			expect_bytes_both_ways(&a, &b);
			end_fini(&a);
			end_fini(&b);
		}
	}
}

static void bytes_move_through_pipes(void **s)
{
	struct end a, b;

	(void)s;
	for (unsigned v = 0; v < KTLS_VERSIONS; v++) {
		version_pair(&a, &b, tls_versions[v], &nothing_there, &there);
		b.pipe = pipe_take(&loop.pipes);
		assert_non_null(b.pipe);
		a.out = pattern(SOME);
		a.nout = SOME;
		conn_want(&a.c, CONN_READ | CONN_WRITE);
		TURN_UNTIL(b.nin == SOME || b.error);
		assert_memory_equal(b.in, a.out, SOME);
		assert_int_equal(b.spliced_in, there.openssl[v] & KTLS_RECEIVE ? SOME : 0);
		b.out = a.out;
		b.nout = SOME;
		conn_want(&b.c, CONN_READ | CONN_WRITE);
		TURN_UNTIL(a.nin == SOME || a.error);
		assert_memory_equal(a.in, a.out, SOME);
		assert_int_equal(b.spliced_out, there.openssl[v] & KTLS_SEND ? SOME : 0);
		pipe_give(&loop.pipes, &b.pipe);
		mem_free((unsigned char **)&a.out);
		end_fini(&a);
		end_fini(&b);
	}
}

/* ---- with kernel TLS: a peer that does what it likes ---- */

/* A client of ours in OpenSSL over memory, at a conn that the kernel serves; version: the highest. */
static void raw_version(struct raw *r, struct end *s, int version)
{
	int fds[2];

	tcp_pair(fds);
	raw_init(r, fds[0], NULL);
	set_nonblocking(fds[0]);
	SSL_set_max_proto_version(r->ssl, version);
	SSL_set_cipher_list(r->ssl, "ECDHE-ECDSA-AES128-GCM-SHA256");
	end_on(s, fds[1]);
	loop.ktls = there;
	assert_true(conn_start_tls_server(&s->c, server));
	TURN_UNTIL(raw_step(r) && s->seen & CONN_SECURED);
	raw_pump(r);
}

/* The client's keys of a TLS 1.2 connection, to seal with them what OpenSSL would not. RFC 5246, 6.3; RFC 5288. */
struct sealer {
	unsigned char key[16], salt[4];
	uint64_t number;	/* of the next record; 0 was Finished */
};

static void sealer_init(struct sealer *k, const SSL *ssl)
{
	unsigned char master[48], seed[13 + 64] = "key expansion", block[40];
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof(master)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_END,
	};

	assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master)), sizeof(master));
	assert_int_equal(SSL_get_server_random(ssl, seed + 13, 32), 32);
	assert_int_equal(SSL_get_client_random(ssl, seed + 45, 32), 32);
	assert_int_equal(EVP_KDF_derive(ctx, block, sizeof(block), params), 1);
	memcpy(k->key, block, 16);
	memcpy(k->salt, block + 32, 4);
	k->number = 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static void put_number(unsigned char *p, uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		p[i] = (unsigned char)n;
}

/* A record of that type; its length. */
static size_t seal(struct sealer *k, unsigned char type, const void *text, size_t n, unsigned char *record)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char nonce[12], aad[13] = { [8] = type, 3, 3, (unsigned char)(n >> 8), (unsigned char)n };
	unsigned char *body = record + 5 + 8;
	int len;

	put_number(aad, k->number);
	memcpy(nonce, k->salt, 4);
	put_number(nonce + 4, k->number++);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, k->key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &len, aad, sizeof(aad)), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, body, &len, text, (int)n), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, body + n, &len), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, body + n), 1);
	EVP_CIPHER_CTX_free(ctx);
	record[0] = type;
	record[1] = record[2] = 3;
	record[3] = (unsigned char)((n + 24) >> 8);
	record[4] = (unsigned char)(n + 24);
	memcpy(record + 5, nonce + 4, 8);
	return n + 29;
}

struct sealed_peer {
	struct raw raw;
	struct sealer keys;
	struct end end;
};

static void sealed_peer(struct sealed_peer *p, bool spliced)
{
	raw_version(&p->raw, &p->end, TLS1_2_VERSION);
	assert_int_equal(conn_ktls_ways(&p->end.c), KTLS_SEND | KTLS_RECEIVE);
	sealer_init(&p->keys, p->raw.ssl);
	p->end.pipe = spliced ? pipe_take(&loop.pipes) : NULL;
}

static void sealed_peer_fini(struct sealed_peer *p)
{
	pipe_give(&loop.pipes, &p->end.pipe);
	raw_fini(&p->raw);
	end_fini(&p->end);
}

static void say(struct sealed_peer *p, unsigned char type, const char *text, size_t n)
{
	unsigned char record[512];
	size_t len = seal(&p->keys, type, text, n, record);

	assert_int_equal(send(p->raw.fd, record, len, MSG_NOSIGNAL), len);
}

static void say_data(struct sealed_peer *p, const char *text)
{
	say(p, SSL3_RT_APPLICATION_DATA, text, strlen(text));
}

static void empty_records_are_no_end(void **s)
{
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		say_data(&p, "");
		say_data(&p, "a literal, ");
		for (int i = 0; i < 20; i++)
			say_data(&p, "");
		say_data(&p, "whole");
		TURN_UNTIL(p.end.nin == strlen("a literal, whole") || p.end.ended || p.end.error);
		assert_true(has(&p.end, "a literal, whole"));
		say_data(&p, "");
		turn_for(0.05);
		assert_false(p.end.ended);
		assert_int_equal(p.end.error, 0);
		assert_true(conn_can_splice(&p.end.c, CONN_READ));
		sealed_peer_fini(&p);
	}
}

/* The client asks for a renegotiation, which is refused with an alert: a record in, a record out, both between data. */
static void a_control_record_between_data_harms_nothing(void **s)
{
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		raw_say(&p.raw, "before, ");
		assert_int_equal(SSL_renegotiate(p.raw.ssl), 1);
		SSL_do_handshake(p.raw.ssl);
		raw_pump(&p.raw);
		TURN_UNTIL(p.end.nin == strlen("before, "));
		turn_for(0.02);
		assert_int_equal(p.end.error, 0);
		assert_false(p.end.ended);
		p.keys.number = 3;	/* Finished, data, ClientHello */
		say_data(&p, "behind");
		TURN_UNTIL(p.end.nin == strlen("before, behind") || p.end.error);
		assert_true(has(&p.end, "before, behind"));
		send_text(&p.end, "an answer");
		TURN_UNTIL(p.end.sent == p.end.nout);
		sealed_peer_fini(&p);
	}
}

static void a_close_notify_ends_the_half_behind_the_last_byte(void **s)
{
	static const char close_notify[] = { 1, 0 };
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		say_data(&p, "{100}\r\nhalf of it");
		say(&p, SSL3_RT_ALERT, close_notify, sizeof(close_notify));
		TURN_UNTIL(p.end.ended || p.end.error);
		assert_int_equal(p.end.error, 0);
		assert_true(has(&p.end, "{100}\r\nhalf of it"));
		assert_false(conn_can_splice(&p.end.c, CONN_READ));
		assert_int_equal(conn_read(&p.end.c, loop.scratch, 10), 0);	/* it stays so */
		p.end.half_closes = true;
		send_text(&p.end, "an answer");
		TURN_UNTIL(p.end.sent == p.end.nout);
		TURN_UNTIL(raw_hears(&p.raw, "an answer"));
		TURN_UNTIL(raw_hears_close_notify(&p.raw));
		sealed_peer_fini(&p);
	}
}

static void a_fatal_alert_is_told_as_such(void **s)
{
	static const char alert[] = { 2, SSL_AD_INTERNAL_ERROR };
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		say(&p, SSL3_RT_ALERT, alert, sizeof(alert));
		TURN_UNTIL(p.end.ended || p.end.error);
		assert_int_equal(p.end.error, EPROTO);
		assert_string_equal(p.end.failure, "the far side refused with a TLS alert: internal error");
		sealed_peer_fini(&p);
	}
}

static void an_end_without_close_notify_is_an_end(void **s)
{
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		say_data(&p, "last words");
		shutdown(p.raw.fd, SHUT_WR);
		TURN_UNTIL(p.end.ended || p.end.error);
		assert_int_equal(p.end.error, 0);
		assert_true(has(&p.end, "last words"));
		send_text(&p.end, "an answer");
		TURN_UNTIL(raw_hears(&p.raw, "an answer"));
		sealed_peer_fini(&p);
	}
}

/* What is wrong with the stream is told as OpenSSL would tell it, stays so, and the peer gets its alert. */
static void expect_broken(struct sealed_peer *p, const char *phrase, const char *alert)
{
	const char *reason;
	char bytes[64];

	TURN_UNTIL(p->end.error || p->end.ended);
	assert_int_equal(p->end.error, EPROTO);
	assert_string_equal(p->end.failure, phrase);
	assert_int_equal(conn_read(&p->end.c, loop.scratch, 10), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(conn_write(&p->end.c, "x", 1), -1);
	assert_false(conn_can_splice(&p->end.c, CONN_READ));
	assert_false(conn_can_splice(&p->end.c, CONN_WRITE));
	raw_pump(&p->raw);
	ERR_clear_error();
	assert_true(SSL_read(p->raw.ssl, bytes, sizeof(bytes)) <= 0);
	reason = ERR_reason_error_string(ERR_get_error());
	assert_string_equal(reason ? reason : "no alert", alert);
}

static void garbage_is_told_as_such(void **s)
{
	static const char garbage[] = "\x17nn\0\x20 and a few bytes that are no record of any kind";
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		say_data(&p, "one that is right");
		assert_int_equal(send(p.raw.fd, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
		expect_broken(&p, "the far side does not speak TLS", "tlsv1 alert protocol version");
		assert_true(has(&p.end, "one that is right"));
		sealed_peer_fini(&p);
	}
}

static void a_spoilt_record_is_told_as_such(void **s)
{
	unsigned char record[64];
	struct sealed_peer p;
	size_t n;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		n = seal(&p.keys, SSL3_RT_APPLICATION_DATA, "hello", 5, record);
		record[n - 1] ^= 1;
		assert_int_equal(send(p.raw.fd, record, n, MSG_NOSIGNAL), n);
		expect_broken(&p, "decryption failed or bad record mac", "sslv3 alert bad record mac");
		sealed_peer_fini(&p);
	}
}

static void a_record_without_end_is_told_as_such(void **s)
{
	static const unsigned char head[20] = { 23, 3, 3, 0xff, 0xff };	/* the kernel looks when it has 13 bytes */
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		sealed_peer(&p, spliced);
		assert_int_equal(send(p.raw.fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
		expect_broken(&p, "a TLS record is too long", "tlsv1 alert record overflow");
		sealed_peer_fini(&p);
	}
}

/* Nobody reads: it is the kernel's answer to a write that tells. */
static void garbage_is_told_to_one_who_writes(void **s)
{
	static const char garbage[] = "\x17nn\0\x20 and a few bytes that are no record of any kind";
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		struct pollfd told = { 0 };

		sealed_peer(&p, spliced);
		conn_want(&p.end.c, 0);
		assert_int_equal(send(p.raw.fd, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
		told.fd = p.end.c.io.fd;
		TURN_UNTIL(poll(&told, 1, 0) == 1 && told.revents & POLLERR);
		p.end.out = (const unsigned char *)"an answer";
		p.end.nout = strlen("an answer");
		conn_want(&p.end.c, CONN_WRITE);
		expect_broken(&p, "the far side does not speak TLS", "tlsv1 alert protocol version");
		assert_int_equal(p.end.sent, 0);
		sealed_peer_fini(&p);
	}
}

/* ---- with kernel TLS: half a record ---- */

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* A whole record and five bytes of the next: epoll is not woken by five bytes alone, but once awake it goes on. Returns how many bytes of
 * the second are still to be sent; they are at *rest. */
static size_t say_one_and_a_bit(struct sealed_peer *p, unsigned char *record, const unsigned char **rest)
{
	size_t one = seal(&p->keys, SSL3_RT_APPLICATION_DATA, "hello", 5, record);
	size_t two = seal(&p->keys, SSL3_RT_APPLICATION_DATA, " there", 6, record + one);

	assert_int_equal(send(p->raw.fd, record, one + 5, MSG_NOSIGNAL), one + 5);
	TURN_UNTIL(p->end.nin == 5);
	*rest = record + one + 5;
	return two - 5;
}

static void half_a_record_spins_nobody(void **s)
{
	const unsigned char *rest;
	unsigned char record[128];
	struct sealed_peer p;
	size_t n;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		unsigned calls;
		double cpu;

		sealed_peer(&p, spliced);
		n = say_one_and_a_bit(&p, record, &rest);
		turn_for(0.3);
		assert_int_equal(!!(p.end.c.flags & CONN_HAS_RESTED), there.half_records);
		calls = p.end.calls;
		cpu = cpu_seconds();
		turn_for(1.0);
		assert_true(p.end.calls - calls <= 8);		/* every 200 ms, and some slack */
		assert_true(cpu_seconds() - cpu < 0.5);
		assert_int_equal(send(p.raw.fd, rest, n, MSG_NOSIGNAL), n);
		TURN_UNTIL(p.end.nin == strlen("hello there") || p.end.error);
		assert_true(has(&p.end, "hello there"));
		say_data(&p, ", again");
		TURN_UNTIL(p.end.nin == strlen("hello there, again"));
		assert_int_equal(p.end.c.flags & (CONN_RESTING | CONN_HAS_RESTED), 0);
		sealed_peer_fini(&p);
	}
}

/* A second of the loop, in which the processor has better things to do. */
static void expect_no_spinning(void)
{
	double cpu = cpu_seconds();

	turn_for(1.0);
	assert_true(cpu_seconds() - cpu < 0.5);
}

/* After our FIN every kernel calls the socket readable. */
static void nor_does_it_when_we_have_said_all(void **s)
{
	const unsigned char *rest;
	unsigned char record[128];
	struct sealed_peer p;
	double seconds;
	size_t n;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		unsigned calls;

		sealed_peer(&p, spliced);
		conn_half_close(&p.end.c);
		TURN_UNTIL(raw_hears_close_notify(&p.raw));
		n = say_one_and_a_bit(&p, record, &rest);
		TURN_UNTIL(p.end.c.flags & CONN_RESTING);
		seconds = conn_tls_more(&p.end.c)->seconds;
		assert_int_equal(conn_read(&p.end.c, loop.scratch, 10), -1);
		assert_int_equal(errno, EAGAIN);
		assert_true(conn_tls_more(&p.end.c)->seconds <= seconds);	/* who rests rests */
		turn_for(0.3);
		calls = p.end.calls;
		expect_no_spinning();
		assert_true(p.end.calls - calls <= 8);
		assert_int_equal(send(p.raw.fd, rest, n, MSG_NOSIGNAL), n);
		TURN_UNTIL(p.end.nin == strlen("hello there") || p.end.error);
		assert_true(has(&p.end, "hello there"));
		sealed_peer_fini(&p);
	}
}

/* Then recv finds nothing for ever, and the socket stays readable. */
static void a_broken_conn_that_lingers_spins_nobody(void **s)
{
	static const char garbage[] = "\x17nn\0\x20 and a few bytes that are no record of any kind";
	struct sealed_peer p;

	(void)s;
	for (int spliced = 0; spliced < 2; spliced++) {
		const char *reason;
		char bytes[64];

		sealed_peer(&p, spliced);
		assert_int_equal(send(p.raw.fd, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
		TURN_UNTIL(p.end.error);
		conn_linger(&p.end.c, NULL);
		assert_int_equal(loop.lingering, 1);
		expect_no_spinning();
		raw_pump(&p.raw);
		ERR_clear_error();
		assert_true(SSL_read(p.raw.ssl, bytes, sizeof(bytes)) <= 0);
		reason = ERR_reason_error_string(ERR_get_error());
		assert_string_equal(reason ? reason : "no alert", "tlsv1 alert protocol version");
		TURN_UNTIL(loop.lingering == 0);
		sealed_peer_fini(&p);
	}
}

/* The kernel opens the client's Finished already, before the handshake is done. */
static void half_of_the_last_handshake_record_spins_nobody(void **s)
{
	static unsigned char bytes[4096];
	struct raw r;
	struct end e;
	int fds[2], n;
	double cpu;

	(void)s;
	tcp_pair(fds);
	set_nonblocking(fds[0]);
	raw_init(&r, fds[0], NULL);
	SSL_set_max_proto_version(r.ssl, TLS1_2_VERSION);
	end_on(&e, fds[1]);
	assert_true(conn_start_tls_server(&e.c, server));
	SSL_do_handshake(r.ssl);
	raw_pump(&r);
	TURN_UNTIL((raw_pump(&r), BIO_ctrl_pending(r.in) > 0));
	turn_for(0.02);
	raw_pump(&r);
	SSL_do_handshake(r.ssl);	/* ClientKeyExchange, ChangeCipherSpec, Finished */
	n = BIO_read(r.out, bytes, sizeof(bytes));
	assert_true(n > 40);
	assert_int_equal(send(r.fd, bytes, (size_t)n - 20, MSG_NOSIGNAL), n - 20);
	turn_for(0.1);
	assert_false(e.seen & CONN_SECURED);
	cpu = cpu_seconds();
	turn_for(1.0);
	assert_true(cpu_seconds() - cpu < 0.5);
	assert_int_equal(send(r.fd, bytes + n - 20, 20, MSG_NOSIGNAL), 20);
	TURN_UNTIL(e.seen & CONN_SECURED);
	TURN_UNTIL(raw_step(&r));
	raw_say(&r, "hello");
	TURN_UNTIL(e.nin);
	assert_true(has(&e, "hello"));
	raw_fini(&r);
	end_fini(&e);
}

static void a_conn_may_be_closed_or_linger_while_it_rests(void **s)
{
	const unsigned char *rest;
	unsigned char record[128];

	(void)s;
	for (int lingers = 0; lingers < 2; lingers++) {
		struct sealed_peer p;

		sealed_peer(&p, false);
		say_one_and_a_bit(&p, record, &rest);
		if (there.half_records)
			TURN_UNTIL(p.end.c.flags & CONN_RESTING);
		if (lingers)
			conn_linger(&p.end.c, NULL);
		else
			conn_close(&p.end.c);
		expect_no_spinning();
		if (lingers)
			TURN_UNTIL(raw_hears_close_notify(&p.raw));
		close(p.raw.fd);
		p.raw.fd = -1;
		TURN_UNTIL(loop.lingering == 0);
		sealed_peer_fini(&p);
	}
}

/* ---- with kernel TLS: new keys ---- */

static void new_keys_that_need_no_answer_are_taken_where_openssl_opens(void **s)
{
	struct raw r;
	struct end e;

	(void)s;
	raw_version(&r, &e, TLS1_3_VERSION);
	if (conn_ktls_ways(&e.c) == KTLS_SEND) {
		raw_say(&r, "one, ");
		assert_int_equal(SSL_key_update(r.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		raw_say(&r, "two");
		TURN_UNTIL(e.nin == strlen("one, two") || e.error);
		assert_true(has(&e, "one, two"));
		send_text(&e, "an answer");
		TURN_UNTIL(raw_hears(&r, "an answer"));
	}
	raw_fini(&r);
	end_fini(&e);
}

static void new_keys_that_the_kernel_cannot_have_end_the_stream_cleanly(void **s)
{
	struct raw r;
	struct end e;

	(void)s;
	raw_version(&r, &e, TLS1_3_VERSION);
	raw_say(&r, "before");
	TURN_UNTIL(e.nin);
	send_text(&e, "sealed with the first key");
	TURN_UNTIL(raw_hears(&r, "sealed with the first key"));
	assert_int_equal(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	raw_say(&r, "behind");
	TURN_UNTIL(e.error || e.ended);
	assert_int_equal(e.error, EPROTO);
	assert_non_null(strstr(e.failure, "new keys (TLS 1.3 KeyUpdate)"));
	assert_int_equal(conn_write(&e.c, "x", 1), -1);
	if (conn_ktls_ways(&e.c) == KTLS_SEND)
		TURN_UNTIL(raw_hears_close_notify(&r));
	raw_fini(&r);
	end_fini(&e);
}

/* ---- with kernel TLS: memory ---- */

static void nothing_of_openssl_s_buffers_stays(void **s)
{
	struct end a, b;

	(void)s;
	version_pair(&a, &b, TLS1_2_VERSION, &there, &there);
	assert_int_equal(SSL_has_pending(b.c.ssl), 0);
	assert_null(SSL_get_app_data(b.c.ssl));
	assert_null(SSL_get_app_data(a.c.ssl));
	end_fini(&a);
	end_fini(&b);
}

/* ---- */

static int set_up(void **state)
{
	int result = ends_set_up(state);

	ktls_probe(&there);
	return result;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_leaves_to_the_kernel_only_what_it_can),
		cmocka_unit_test(where_a_connection_cannot_be_given_to_tls_nothing_is_found),
		cmocka_unit_test(the_probe_leaves_no_descriptor_open),
		cmocka_unit_test(a_wait_is_neither_cut_short_nor_made_longer_by_signals),
		cmocka_unit_test(where_kernel_tls_must_be_it_is),
		cmocka_unit_test(ways_and_ciphers_have_words),
		cmocka_unit_test(what_the_settings_forbid_stays_in_user_space),
		cmocka_unit_test(nor_can_openssl_s_own_configuration_allow_it),
		cmocka_unit_test(a_kernel_that_refuses_after_all_changes_nothing),

		/* with kernel TLS only */
		cmocka_unit_test(each_end_may_be_the_kernel_s_or_openssl_s),
		cmocka_unit_test(bytes_move_through_pipes),
		cmocka_unit_test(empty_records_are_no_end),
		cmocka_unit_test(a_control_record_between_data_harms_nothing),
		cmocka_unit_test(a_close_notify_ends_the_half_behind_the_last_byte),
		cmocka_unit_test(a_fatal_alert_is_told_as_such),
		cmocka_unit_test(an_end_without_close_notify_is_an_end),
		cmocka_unit_test(garbage_is_told_as_such),
		cmocka_unit_test(a_spoilt_record_is_told_as_such),
		cmocka_unit_test(a_record_without_end_is_told_as_such),
		cmocka_unit_test(garbage_is_told_to_one_who_writes),
		cmocka_unit_test(half_a_record_spins_nobody),
		cmocka_unit_test(nor_does_it_when_we_have_said_all),
		cmocka_unit_test(a_broken_conn_that_lingers_spins_nobody),
		cmocka_unit_test(half_of_the_last_handshake_record_spins_nobody),
		cmocka_unit_test(a_conn_may_be_closed_or_linger_while_it_rests),
		cmocka_unit_test(new_keys_that_need_no_answer_are_taken_where_openssl_opens),
		cmocka_unit_test(new_keys_that_the_kernel_cannot_have_end_the_stream_cleanly),
		cmocka_unit_test(nothing_of_openssl_s_buffers_stays),
	};
	size_t everywhere = 9;

	signal(SIGPIPE, SIG_IGN);
	ktls_probe(&there);
	return _cmocka_run_group_tests("ktls", tests, ktls_in_openssl(&there) ? ARRAY_LEN(tests) : everywhere, set_up, ends_tear_down);
}
