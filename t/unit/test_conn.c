/* Conns of all kinds on a real loop; conn_ends.h has what drives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "conn_ends.h"
#include "tls_help.h"

/* ---- plain ---- */

static void plain_bytes_go_both_ways(void **s)
{
	struct end a, b;

	(void)s;
	plain_pair(&a, &b);
	send_text(&a, "a NOOP\r\n");
	send_text(&b, "* OK hello\r\n");
	TURN_UNTIL(a.nin && b.nin);
	assert_true(has(&b, "a NOOP\r\n"));
	assert_true(has(&a, "* OK hello\r\n"));
	assert_false(conn_tls_facts(&a.c, &(struct conn_tls){ 0 }));
	end_fini(&a);
	end_fini(&b);
}

static void what_is_peeked_at_can_be_read_again(void **s)
{
	struct end a, b;
	char look[16], bytes[16];

	(void)s;
	plain_pair(&a, &b);
	errno = 0;
	assert_int_equal(conn_peek(&b.c, look, sizeof(look)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(conn_write(&a.c, "PROXY a", 7), 7);
	assert_int_equal(conn_peek(&b.c, look, sizeof(look)), 7);
	assert_int_equal(conn_peek(&b.c, look, 5), 5);
	assert_int_equal(conn_read(&b.c, bytes, 6), 6);
	assert_memory_equal(bytes, "PROXY ", 6);
	assert_int_equal(conn_peek(&b.c, look, sizeof(look)), 1);
	assert_int_equal(look[0], 'a');
	assert_int_equal(conn_read(&b.c, bytes, 6), 1);
	conn_close(&a.c);
	assert_int_equal(conn_peek(&b.c, look, sizeof(look)), 0);
	end_fini(&a);
	end_fini(&b);
}

static void nobody_peeks_into_tls(void **s)
{
	struct end c, e;
	char look[16];

	(void)s;
	secured_pair(&c, &e);
	assert_int_equal(conn_peek(&e.c, look, sizeof(look)), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	end_fini(&c);
	end_fini(&e);
}

static void after_a_half_close_the_other_half_goes_on(void **s)
{
	struct end a, b;

	(void)s;
	plain_pair(&a, &b);
	a.half_closes = true;
	send_text(&a, "last words");
	TURN_UNTIL(b.ended);
	assert_true(has(&b, "last words"));
	assert_false(a.ended);
	send_text(&b, "an answer");
	TURN_UNTIL(a.nin);
	assert_true(has(&a, "an answer"));
	end_fini(&a);
	end_fini(&b);
}

static void an_owner_is_told_only_what_it_wants(void **s)
{
	struct end a, b;

	(void)s;
	plain_pair(&a, &b);
	conn_want(&b.c, 0);
	send_text(&a, "unwanted");
	turn_for(0.05);
	assert_int_equal(b.calls, 0);
	conn_want(&b.c, CONN_READ);
	assert_int_equal(b.calls, 0);	/* never from inside a call */
	TURN_UNTIL(b.nin);
	assert_int_equal(b.seen, CONN_READ);
	end_fini(&a);
	end_fini(&b);
}

static void an_owner_may_close_inside_on_event(void **s)
{
	struct end a, b;

	(void)s;
	plain_pair(&a, &b);
	b.closes_when_told = true;
	send_text(&a, "x");
	TURN_UNTIL(a.ended || a.error);
	assert_false(conn_is_open(&b.c));
	conn_close(&b.c);
	end_fini(&a);
	end_fini(&b);
}

static void a_reset_is_told_as_an_error_with_a_phrase(void **s)
{
	struct linger none = { .l_onoff = 1 };
	struct end a;
	int fds[2];

	(void)s;
	tcp_pair(fds);
	end_on(&a, fds[0]);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fds[1]);
	TURN_UNTIL(a.error);
	assert_int_equal(a.error, ECONNRESET);
	assert_string_equal(a.failure, "Connection reset by peer");
	end_fini(&a);
}

static int number(int fd, int level, int option)
{
	int value = -1;
	socklen_t n = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, &value, &n), 0);
	return value;
}

static void timeouts_are_set_where_there_is_tcp(void **s)
{
	struct end a, b;
	int fds[2];

	(void)s;
	tcp_pair(fds);
	end_on(&a, fds[0]);
	tcp_set_timeouts(fds[0], &(struct tcp_timeouts){ 0 });
	assert_int_equal(number(fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	tcp_set_timeouts(fds[0], &(struct tcp_timeouts){ 300, 900 });
	assert_int_equal(number(fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_KEEPIDLE), 300);
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 900000);
	end_fini(&a);
	close(fds[1]);
	plain_pair(&a, &b);
	tcp_set_timeouts(a.c.io.fd, &(struct tcp_timeouts){ 300, 900 });
	conn_lift_user_timeout(&a.c, true);
	end_fini(&a);
	end_fini(&b);
}

static void the_user_timeout_is_lifted_and_comes_back(void **s)
{
	struct end a, b;
	int fds[2];

	(void)s;
	tcp_pair(fds);
	end_on(&a, fds[0]);
	end_on(&b, fds[1]);
	conn_lift_user_timeout(&a.c, true);	/* there is none */
	conn_lift_user_timeout(&a.c, false);
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	loop.tcp.user_timeout = 900;
	tcp_set_timeouts(fds[0], &loop.tcp);
	conn_lift_user_timeout(&a.c, true);
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	conn_lift_user_timeout(&a.c, false);
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 900000);
	tcp_set_user_timeout(fds[0], 7);
	conn_lift_user_timeout(&a.c, false);	/* it is not lifted: nothing to give back */
	assert_int_equal(number(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
	loop.tcp.user_timeout = 0;
	end_fini(&a);
	end_fini(&b);
}

static void a_conn_knows_both_addresses(void **s)
{
	struct addr here, there;
	struct end a, b;
	int fds[2];

	(void)s;
	tcp_pair(fds);
	end_on(&a, fds[0]);
	end_on(&b, fds[1]);
	assert_true(conn_local_addr(&a.c, &here));
	assert_true(conn_peer_addr(&b.c, &there));
	assert_memory_equal(&here, &there, sizeof(here));
	assert_true(addr_is_loopback(&here));
	end_fini(&a);
	end_fini(&b);
}

/* ---- handshakes ---- */

static void two_conns_secure_each_other(void **s)
{
	struct conn_tls at_c, at_s;
	struct end c, e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&c, fds[0]);
	end_on(&e, fds[1]);
	assert_false(conn_tls_facts(&c.c, &at_c));
	assert_true(conn_start_tls_server(&e.c, server));
	assert_true(conn_start_tls_client(&c.c, client));
	assert_int_equal(c.calls + e.calls, 0);
	TURN_UNTIL(c.seen & e.seen & CONN_SECURED);
	assert_true(conn_tls_facts(&c.c, &at_c));
	assert_true(conn_tls_facts(&e.c, &at_s));
	assert_string_equal(at_c.version, "TLSv1.3");
	assert_string_equal(at_s.version, "TLSv1.3");
	assert_string_equal(at_c.cipher, at_s.cipher);
	assert_string_equal(at_s.name, "mail.example");
	assert_int_equal(at_s.resumed, at_c.resumed);
	assert_false(conn_start_tls_client(&c.c, client));
	send_text(&c, "a NOOP\r\n");
	send_text(&e, "* OK hello\r\n");
	TURN_UNTIL(c.nin && e.nin);
	assert_true(has(&e, "a NOOP\r\n"));
	assert_true(has(&c, "* OK hello\r\n"));
	end_fini(&c);
	end_fini(&e);
}

/* Else a fast peer could end the handshake inside the call, and nobody would be told. */
static void no_handshake_goes_on_before_the_loop_runs(void **s)
{
	struct end c;
	char byte;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&c, fds[0]);
	assert_true(conn_start_tls_client(&c.c, client));
	assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
	TURN_UNTIL(recv(fds[1], &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1);
	end_fini(&c);
	close(fds[1]);
}

static void what_was_wanted_before_is_told_after_the_handshake(void **s)
{
	struct end c, e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&c, fds[0]);
	end_on(&e, fds[1]);
	assert_true(conn_start_tls_server(&e.c, server));
	assert_true(conn_start_tls_client(&c.c, client));
	send_text(&c, "early");
	assert_int_equal(conn_write(&c.c, "x", 1), -1);
	assert_int_equal(errno, EAGAIN);
	TURN_UNTIL(e.nin);
	assert_true(has(&e, "early"));
	end_fini(&c);
	end_fini(&e);
}

static void a_failed_verification_is_told_to_both(void **s)
{
	struct end c, e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&c, fds[0]);
	end_on(&e, fds[1]);
	assert_true(conn_start_tls_server(&e.c, server));
	assert_true(conn_start_tls_client(&c.c, wrong_client));
	TURN_UNTIL(c.seen & CONN_FAILED);
	assert_string_equal(c.failure, "certificate verify failed: hostname mismatch");
	conn_close(&c.c);
	TURN_UNTIL(e.error || e.seen & CONN_FAILED);	/* TLS 1.3: the server may be done already */
	assert_non_null(strstr(e.failure, "TLS alert: "));
	end_fini(&c);
	end_fini(&e);
}

/* Hands the server's flight on but for its last bytes, so that the client has seen the certificate and no end. */
static void hand_on_most(int from, int to)
{
	char bytes[16384];
	ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

	assert_true(n > 200);
	assert_int_equal(send(to, bytes, (size_t)n - 40, 0), n - 40);
}

/* What nobody wanted verified cannot have failed for want of trust. */
static void a_handshake_that_breaks_off_is_no_want_of_trust(void **s)
{
	struct tls_client_conf conf = { .verify = false };
	struct tls_client *careless = tls_client_new(&conf, loop.failure, sizeof(loop.failure));
	struct end c, e;
	char hello[4096], byte;
	ssize_t n;
	int at_c[2], at_s[2];

	(void)s;
	assert_non_null(careless);
	socket_pair(at_c);
	socket_pair(at_s);
	end_on(&c, at_c[0]);
	end_on(&e, at_s[0]);
	assert_true(conn_start_tls_server(&e.c, server));
	assert_true(conn_start_tls_client(&c.c, careless));
	TURN_UNTIL((n = recv(at_c[1], hello, sizeof(hello), MSG_DONTWAIT)) > 0);
	assert_int_equal(send(at_s[1], hello, (size_t)n, 0), n);
	TURN_UNTIL(recv(at_s[1], &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0);
	hand_on_most(at_s[1], at_c[1]);
	close(at_c[1]);
	TURN_UNTIL(c.seen);
	assert_int_equal(c.seen, CONN_FAILED);
	end_fini(&c);
	end_fini(&e);
	close(at_s[1]);
	tls_client_free(&careless);
}

static void a_client_without_imap_in_alpn_is_refused(void **s)
{
	struct raw r;
	struct end e;
	char failure[128];
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_init(&r, fds[0], "\10http/1.1");
	end_on(&e, fds[1]);
	assert_true(conn_start_tls_server(&e.c, server));
	TURN_UNTIL(!raw_step(&r) && e.seen & CONN_FAILED);
	assert_string_equal(e.failure, "the client asked for other protocols than imap (ALPN)");
	raw_pump(&r);
	assert_false(SSL_do_handshake(r.ssl) == 1);
	tls_failure(r.ssl, failure, sizeof(failure));
	assert_string_equal(failure, "the far side refused with a TLS alert: no application protocol");
	raw_fini(&r);
	end_fini(&e);
}

static void expect_garbage(const char *text, const char *phrase)
{
	struct end e;
	char answer;
	int fds[2];

	tcp_pair(fds);
	end_on(&e, fds[1]);
	assert_true(conn_start_tls_server(&e.c, server));
	assert_int_equal(send(fds[0], text, strlen(text), 0), strlen(text));
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_FAILED);
	assert_string_equal(e.failure, phrase);
	conn_linger(&e.c, NULL);
	assert_false(conn_is_open(&e.c));
	assert_int_equal(loop.lingering, 1);
	assert_int_equal(recv(fds[0], &answer, 1, MSG_DONTWAIT), 0);	/* an end, not a reset */
	close(fds[0]);
	TURN_UNTIL(loop.lingering == 0);
	end_fini(&e);
}

static void plain_text_to_a_tls_port_is_told_in_plain_words(void **s)
{
	(void)s;
	expect_garbage("a1 LOGIN joe secret\r\n", "the far side does not speak TLS");
	expect_garbage("GET / HTTP/1.0\r\n\r\n", "the far side does not speak TLS, but HTTP");
}

static void a_peer_that_leaves_the_handshake_is_told_as_such(void **s)
{
	struct end e;
	int fds[2];

	(void)s;
	for (int hello = 0; hello < 2; hello++) {
		socket_pair(fds);
		end_on(&e, fds[1]);
		assert_true(conn_start_tls_server(&e.c, server));
		if (hello)
			assert_int_equal(send(fds[0], "\x16\x03\x01\x02\x00", 5, 0), 5);
		close(fds[0]);
		TURN_UNTIL(e.seen);
		assert_int_equal(e.seen, CONN_FAILED);
		assert_string_equal(e.failure, "the far side closed the connection during the TLS handshake");
		end_fini(&e);
	}
}

static void a_conn_may_be_closed_while_securing(void **s)
{
	struct end c, e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&c, fds[0]);
	end_on(&e, fds[1]);
	assert_true(conn_start_tls_server(&e.c, server));
	assert_true(conn_start_tls_client(&c.c, client));
	conn_close(&e.c);
	TURN_UNTIL(c.seen & CONN_FAILED);
	assert_int_equal(e.calls, 0);
	conn_linger(&c.c, NULL);
	TURN_UNTIL(loop.lingering == 0);
	end_fini(&c);
	end_fini(&e);
}

/* ---- TLS streams ---- */

/* Both at once, through a socket that holds little: every write is cut, some wait. */
static void expect_megabytes_both_ways(struct end *a, struct end *b, size_t chunk)
{
	size_t n = 3 * 1024 * 1024;
	unsigned char *bytes = pattern(n);

	a->chunk = b->chunk = chunk;
	a->out = b->out = bytes;
	a->nout = b->nout = n;
	a->half_closes = b->half_closes = true;
	conn_want(&a->c, CONN_READ | CONN_WRITE);
	conn_want(&b->c, CONN_READ | CONN_WRITE);
	TURN_UNTIL((a->ended && b->ended) || a->error || b->error);
	assert_int_equal(a->error + b->error, 0);
	assert_int_equal(a->nin, n);
	assert_int_equal(b->nin, n);
	assert_memory_equal(a->in, bytes, n);
	assert_memory_equal(b->in, bytes, n);
	end_fini(a);
	end_fini(b);
	mem_free(&bytes);
}

static void megabytes_pass_unharmed_both_ways(void **s)
{
	struct end a, b;
	int fds[2];

	(void)s;
	socket_pair(fds);
	small_buffers(fds);
	secured_pair_on(&a, &b, fds);
	expect_megabytes_both_ways(&a, &b, 0);
	tcp_pair(fds);
	secured_pair_on(&a, &b, fds);
	expect_megabytes_both_ways(&a, &b, 5000);
	plain_pair(&a, &b);
	expect_megabytes_both_ways(&a, &b, 0);
}

static void bytes_inside_openssl_are_told_of_one_by_one(void **s)
{
	struct end c, e;

	(void)s;
	secured_pair(&c, &e);
	e.chunk = 1;
	send_text(&c, "forty bytes in one record, read in forty");
	TURN_UNTIL(e.nin == 40);
	assert_true(has(&e, "forty bytes in one record, read in forty"));
	assert_true(e.calls >= 40);
	assert_null(loop.ready);
	end_fini(&c);
	end_fini(&e);
}

static void bytes_inside_openssl_wait_until_they_are_wanted(void **s)
{
	struct end c, e;
	unsigned calls;

	(void)s;
	secured_pair(&c, &e);
	e.chunk = 1;
	send_text(&c, "0123456789");
	TURN_UNTIL(e.nin >= 1);
	conn_want(&e.c, 0);
	calls = e.calls;
	turn_for(0.05);
	assert_int_equal(e.calls, calls);
	assert_null(loop.ready);
	conn_want(&e.c, CONN_READ);
	TURN_UNTIL(e.nin == 10);
	end_fini(&c);
	end_fini(&e);
}

static void one_read_takes_several_records(void **s)
{
	struct end c, e;

	(void)s;
	secured_pair(&c, &e);
	conn_want(&e.c, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(conn_write(&c.c, "record ", 7), 7);
	conn_want(&e.c, CONN_READ);
	TURN_UNTIL(e.nin);
	assert_int_equal(e.nin, 35);
	end_fini(&c);
	end_fini(&e);
}

static void half_a_record_makes_nobody_spin(void **s)
{
	unsigned char sealed[256];
	struct raw r;
	struct end e;
	size_t n;
	unsigned calls;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	n = raw_seal(&r, "in two pieces", sealed, sizeof(sealed));
	for (size_t cut = 1; cut < n; cut += 3) {
		assert_int_equal(send(r.fd, sealed, cut, 0), cut);
		turn_for(0.005);
		calls = e.calls;
		turn_for(0.01);
		assert_int_equal(e.calls, calls);
		assert_null(loop.ready);
		assert_int_equal(e.nin, 0);
		assert_int_equal(send(r.fd, sealed + cut, n - cut, 0), n - cut);
		TURN_UNTIL(e.nin);
		assert_true(has(&e, "in two pieces"));
		e.nin = 0;
		n = raw_seal(&r, "in two pieces", sealed, sizeof(sealed));
	}
	raw_fini(&r);
	end_fini(&e);
}

static void a_flood_of_key_updates_does_not_stop_the_data_nor_hold_the_loop(void **s)
{
	struct raw r;
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	e.calls = 0;
	for (int i = 0; i < 40; i++) {
		assert_int_equal(SSL_key_update(r.ssl, i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(r.ssl), 1);
	}
	raw_say(&r, "after all that");
	TURN_UNTIL(e.nin || e.error);
	assert_true(has(&e, "after all that"));
	assert_true(e.calls >= 40);	/* one record a call */
	send_text(&e, "heard");
	TURN_UNTIL(raw_hears(&r, "heard"));
	raw_fini(&r);
	end_fini(&e);
}

static void a_close_notify_ends_one_half_only(void **s)
{
	struct end c, e;

	(void)s;
	secured_pair(&c, &e);
	c.half_closes = true;
	send_text(&c, "last words");
	TURN_UNTIL(e.ended);
	assert_true(has(&e, "last words"));
	conn_half_close(&c.c);	/* twice is once */
	send_text(&e, "an answer");
	TURN_UNTIL(c.nin);
	assert_true(has(&c, "an answer"));
	assert_false(c.ended);
	conn_half_close(&e.c);
	TURN_UNTIL(c.ended);
	assert_int_equal(c.error + e.error, 0);
	end_fini(&c);
	end_fini(&e);
}

static void an_end_without_close_notify_is_an_end_and_writing_goes_on(void **s)
{
	struct raw r;
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	raw_say(&r, "a LOGOUT\r\n");
	shutdown(fds[0], SHUT_WR);
	TURN_UNTIL(e.ended || e.error);
	assert_int_equal(e.error, 0);
	assert_true(has(&e, "a LOGOUT\r\n"));
	send_text(&e, "* BYE\r\n");
	TURN_UNTIL(raw_hears(&r, "* BYE\r\n"));
	raw_fini(&r);
	end_fini(&e);
}

static void a_read_takes_no_more_than_some_records(void **s)
{
	unsigned char sealed[64];
	struct raw r;
	struct end e;
	char bytes[256];
	ssize_t n;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	conn_want(&e.c, 0);
	for (int i = 0; i < 100; i++) {
		size_t len = raw_seal(&r, "x", sealed, sizeof(sealed));

		assert_int_equal(send(r.fd, sealed, len, 0), len);
	}
	n = conn_read(&e.c, bytes, sizeof(bytes));
	assert_in_range(n, 1, 16);
	conn_want(&e.c, CONN_READ);
	TURN_UNTIL(e.nin == 100 - (size_t)n);
	raw_fini(&r);
	end_fini(&e);
}

static void a_spoilt_record_is_an_error_that_lasts(void **s)
{
	unsigned char sealed[256];
	struct raw r;
	struct end e;
	char byte;
	size_t n;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	n = raw_seal(&r, "good", sealed, sizeof(sealed));
	assert_int_equal(send(r.fd, sealed, n, 0), n);
	n = raw_seal(&r, "bad", sealed, sizeof(sealed));
	sealed[n - 1] ^= 1;
	assert_int_equal(send(r.fd, sealed, n, 0), n);
	TURN_UNTIL(e.error);
	assert_true(has(&e, "good"));
	assert_int_equal(e.error, EPROTO);
	assert_int_equal(conn_read(&e.c, &byte, 1), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(conn_write(&e.c, "x", 1), -1);
	assert_int_equal(errno, EPROTO);
	conn_half_close(&e.c);
	conn_linger(&e.c, NULL);
	raw_fini(&r);
	TURN_UNTIL(loop.lingering == 0);
	end_fini(&e);
}

static void a_write_to_a_gone_peer_fails_but_its_last_words_are_read(void **s)
{
	struct raw r;
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	conn_want(&e.c, 0);
	raw_say(&r, "* BYE\r\n");
	raw_fini(&r);
	assert_int_equal(conn_write(&e.c, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_string_equal(loop.failure, "Broken pipe");
	assert_int_equal(conn_write(&e.c, "x", 1), -1);
	conn_half_close(&e.c);
	conn_want(&e.c, CONN_READ);
	TURN_UNTIL(e.nin);
	assert_true(has(&e, "* BYE\r\n"));
	end_fini(&e);
}

/* Bytes until one waits inside OpenSSL; then exactly that one gets its place, so that nothing is left for the close_notify. */
static void fill(struct end *e)
{
	while (conn_write(&e->c, "x", 1) == 1)
		;
	assert_int_equal(errno, EAGAIN);
}

static void a_close_notify_that_finds_no_room_is_sent_later(void **s)
{
	unsigned char record[23];
	char moved = 'x';	/* the same byte elsewhere: waiting bytes may have been copied to a buffer */
	struct raw r;
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	raw_secure(&r, &e, fds);
	raw_pump(&r);
	conn_want(&e.c, 0);
	fill(&e);
	assert_int_equal(recv(r.fd, record, 23, MSG_DONTWAIT), 23);	/* header 5, byte, its type, tag 16 */
	assert_int_equal(BIO_write(r.in, record, 23), 23);
	assert_int_equal(conn_write(&e.c, &moved, 1), 1);
	conn_half_close(&e.c);
	assert_true(e.c.flags & CONN_HALF_CLOSING);
	TURN_UNTIL(raw_hears_close_notify(&r));
	assert_false(e.c.flags & CONN_HALF_CLOSING);
	assert_int_equal(e.calls, 1);	/* that it was secured; the rest was the conn's own business */
	raw_fini(&r);
	end_fini(&e);
}

/* ---- lingering ---- */

static struct buf *line(const char *text)
{
	struct buf *b = buf_take(&loop.bufs, strlen(text));

	assert_int_equal(buf_append(b, text, strlen(text)), strlen(text));
	return b;
}

static size_t receive_all(int fd, char *text, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, text + n, cap - 1 - n, MSG_DONTWAIT)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	return got == 0 ? n : 0;	/* 0 also for a reset */
}

static void the_last_line_arrives_though_the_peer_still_sends(void **s)
{
	struct buf *b = line("* BYE\r\n");
	static char chatter[16 * 1024], text[64];
	struct end e;
	int fds[2];

	(void)s;
	tcp_pair(fds);
	end_on(&e, fds[1]);
	conn_want(&e.c, 0);
	assert_int_equal(send(fds[0], chatter, sizeof(chatter), 0), sizeof(chatter));
	conn_linger(&e.c, &b);
	assert_null(b);
	assert_false(conn_is_open(&e.c));
	turn_for(0.02);
	assert_int_equal(send(fds[0], chatter, sizeof(chatter), MSG_NOSIGNAL), sizeof(chatter));
	turn_for(0.02);
	assert_int_equal(receive_all(fds[0], text, sizeof(text)), 7);
	assert_string_equal(text, "* BYE\r\n");
	assert_int_equal(loop.lingering, 1);
	close(fds[0]);
	TURN_UNTIL(loop.lingering == 0);
	assert_int_equal(e.calls, 0);
	end_fini(&e);
}

static void lingering_over_tls_says_the_line_and_close_notify(void **s)
{
	struct buf *b = line("* BYE\r\n");
	struct raw r;
	struct end e;
	int fds[2];

	(void)s;
	tcp_pair(fds);
	raw_secure(&r, &e, fds);
	raw_say(&r, "noise");
	conn_linger(&e.c, &b);
	assert_int_equal(loop.lingering, 1);
	turn_for(0.02);
	raw_say(&r, "more noise");
	TURN_UNTIL(raw_hears(&r, "* BYE\r\n"));
	TURN_UNTIL(raw_hears_close_notify(&r));
	SSL_shutdown(r.ssl);
	raw_pump(&r);
	TURN_UNTIL(loop.lingering == 0);
	raw_fini(&r);
	end_fini(&e);
}

static void what_does_not_fit_at_once_is_written_while_lingering(void **s)
{
	static char big[BUF_MAX], seen[BUF_MAX];
	struct buf *b = buf_take(&loop.bufs, BUF_MAX);
	struct end e, peer;
	int fds[2];

	(void)s;
	memset(big, 'b', sizeof(big));
	assert_int_equal(buf_append(b, big, sizeof(big)), sizeof(big));
	socket_pair(fds);
	small_buffers(fds);
	secured_pair_on(&peer, &e, fds);
	conn_want(&peer.c, 0);
	conn_linger(&e.c, &b);
	turn_for(0.02);
	assert_int_equal(loop.lingering, 1);
	conn_want(&peer.c, CONN_READ);
	TURN_UNTIL(peer.ended);
	assert_int_equal(peer.nin, sizeof(big));
	memcpy(seen, peer.in, sizeof(seen));
	assert_memory_equal(seen, big, sizeof(big));
	conn_close(&peer.c);
	TURN_UNTIL(loop.lingering == 0);
	assert_int_equal(loop.bufs.in_use, 0);
	end_fini(&peer);
	end_fini(&e);
}

static void a_peer_that_never_stops_is_left_after_64_kib(void **s)
{
	static char chatter[4096];
	double from = clock_monotonic();
	size_t sent = 0;
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&e, fds[1]);
	conn_linger(&e.c, NULL);
	while (loop.lingering && clock_monotonic() < from + PATIENCE) {
		ssize_t put = send(fds[0], chatter, sizeof(chatter), MSG_NOSIGNAL);

		sent += put > 0 ? (size_t)put : 0;
		turn(0.01);
	}
	assert_int_equal(loop.lingering, 0);
	assert_true(sent >= LINGER_BYTES && sent < 2 * LINGER_BYTES);
	assert_true(clock_monotonic() - from < LINGER_SECONDS);
	close(fds[0]);
	end_fini(&e);
}

static void a_peer_that_never_leaves_is_left_after_two_seconds(void **s)
{
	double from = clock_monotonic();
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&e, fds[1]);
	conn_linger(&e.c, NULL);
	TURN_UNTIL(loop.lingering == 0);
	assert_true(clock_monotonic() - from >= LINGER_SECONDS - 0.01);
	assert_int_equal(send(fds[0], "x", 1, MSG_NOSIGNAL), -1);
	close(fds[0]);
	end_fini(&e);
}

static void where_too_many_linger_a_conn_is_closed_after_one_try(void **s)
{
	struct buf *b = line("* BYE\r\n");
	char text[64];
	struct end e;
	int fds[2];

	(void)s;
	socket_pair(fds);
	end_on(&e, fds[1]);
	loop.lingering = LINGER_MAX;
	conn_linger(&e.c, &b);
	assert_int_equal(loop.lingering, LINGER_MAX);
	loop.lingering = 0;
	assert_null(loop.lingers);
	assert_int_equal(receive_all(fds[0], text, sizeof(text)), 7);
	close(fds[0]);
	end_fini(&e);
}

static void a_loop_that_ends_closes_what_lingers(void **s)
{
	struct ev_loop *ev = loop.ev;
	char text[8];
	struct end e[3];
	int fds[3][2];

	(void)s;
	for (int i = 0; i < 3; i++) {
		socket_pair(fds[i]);
		end_on(&e[i], fds[i][1]);
		conn_linger(&e[i].c, NULL);
	}
	net_loop_fini(&loop);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(fds[i][0], "x", 1, MSG_NOSIGNAL), -1);
		assert_int_equal(receive_all(fds[i][0], text, sizeof(text)), 0);
		close(fds[i][0]);
	}
	net_loop_init(&loop, ev);
}

/* ---- dialling ---- */

static struct {
	struct resolver_answer answer;
	bool at_once;
	struct resolver_query *query;
	resolver_fn *fn;
	unsigned cancelled;
} names;

/* Stands in for net/resolver.c: what it answers and when is the test's. */
bool resolver_find(struct resolver *r, const char *host, struct resolver_query *q, resolver_fn *fn, struct resolver_answer *a)
{
	(void)r;
	assert_string_equal(host, "mail.example");
	if (names.at_once) {
		*a = names.answer;
		return true;
	}
	names.query = q;
	names.fn = fn;
	return false;
}

void resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	(void)r;
	if (names.query == q) {
		names.query = NULL;
		names.cancelled++;
	}
}

static void answer_query(void)
{
	struct resolver_query *q = names.query;

	assert_non_null(q);
	names.query = NULL;
	names.fn(q, &names.answer);
}

static struct resolver *fake_resolver(void)
{
	memset(&names, 0, sizeof(names));
	return (struct resolver *)&names;
}

static struct endpoint host_endpoint(uint16_t port)
{
	struct endpoint e = { .kind = ENDPOINT_HOST, .addr.port = port, .host = (char *)"mail.example" };

	return e;
}

static struct addr ip(const char *text)
{
	struct addr a = { 0 };

	assert_true(addr_parse_ip(&a, span_of(text)));
	return a;
}

static struct endpoint ip_endpoint(const struct sockaddr_in *sin)
{
	struct endpoint e = { .kind = ENDPOINT_IP };

	addr_from_sockaddr(&e.addr, (const struct sockaddr *)sin);
	return e;
}

static void dial(struct end *e, struct resolver *r, const struct endpoint *where, double seconds)
{
	*e = (struct end){ 0 };
	conn_dial(&e->c, &loop, r, where, seconds, told);
	conn_want(&e->c, CONN_READ);
	assert_int_equal(e->calls, 0);
}

static void dialling_connects(void **s)
{
	struct sockaddr_in sin;
	int l = listening(&sin, 5), fd;
	struct endpoint where = ip_endpoint(&sin);
	struct addr peer;
	struct end e;
	char byte;

	(void)s;
	loop.tcp = (struct tcp_timeouts){ 77, 78 };
	dial(&e, NULL, &where, 5);
	assert_int_equal(conn_read(&e.c, &byte, 1), -1);
	assert_int_equal(errno, ENOTCONN);
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_CONNECTED);
	assert_int_equal(number(e.c.io.fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(number(e.c.io.fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	assert_int_equal(number(e.c.io.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 78000);
	loop.tcp = (struct tcp_timeouts){ 0 };
	assert_true(conn_peer_addr(&e.c, &peer));
	assert_memory_equal(&peer, &where.addr, sizeof(peer));
	fd = accept(l, NULL, NULL);
	assert_int_equal(send(fd, "* OK\r\n", 6, 0), 6);
	TURN_UNTIL(e.nin);		/* wanted since before it was connected */
	assert_true(has(&e, "* OK\r\n"));
	close(fd);
	close(l);
	end_fini(&e);
}

static struct endpoint refusing(void)
{
	struct sockaddr_in sin;

	close(listening(&sin, 1));
	return ip_endpoint(&sin);
}

static void a_refusal_names_address_and_reason(void **s)
{
	struct endpoint where = refusing();
	char text[ADDR_TEXT_MAX], expected[128];
	struct end e;

	(void)s;
	dial(&e, NULL, &where, 5);
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_FAILED);
	snprintf(expected, sizeof(expected), "%s: Connection refused", addr_text(&where.addr, text));
	assert_string_equal(e.failure, expected);
	conn_close(&e.c);
	assert_false(conn_is_open(&e.c));
	end_fini(&e);
}

static void the_next_address_is_tried_when_one_refuses(void **s)
{
	struct resolver *r = fake_resolver();
	struct sockaddr_in sin;
	int l = listening(&sin, 5);
	struct endpoint where = host_endpoint(ntohs(sin.sin_port));
	struct addr peer;
	struct end e;

	(void)s;
	for (int at_once = 0; at_once < 2; at_once++) {
		names.answer = (struct resolver_answer){ 3, { ip("127.0.0.9"), ip("127.0.0.8"), ip("127.0.0.1") } };
		names.at_once = at_once;
		dial(&e, r, &where, 5);
		turn(0.01);
		if (!at_once)
			answer_query();
		TURN_UNTIL(e.seen);
		assert_int_equal(e.seen, CONN_CONNECTED);
		assert_true(conn_peer_addr(&e.c, &peer));
		assert_memory_equal(peer.ip, "\x7f\0\0\1", 4);
		end_fini(&e);
	}
	close(l);
}

static void a_name_without_address_says_why(void **s)
{
	struct resolver *r = fake_resolver();
	struct endpoint where = host_endpoint(143);
	struct end e;

	(void)s;
	dial(&e, r, &where, 5);
	turn(0.01);
	strcpy(loop.failure, "no address of mail.example: Domain name not found");
	answer_query();
	assert_int_equal(e.seen, CONN_FAILED);
	assert_string_equal(e.failure, "no address of mail.example: Domain name not found");
	end_fini(&e);
}

static void a_look_up_without_answer_ends_in_time(void **s)
{
	struct resolver *r = fake_resolver();
	struct endpoint where = host_endpoint(143);
	struct end e;

	(void)s;
	dial(&e, r, &where, 0.05);
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_FAILED);
	assert_string_equal(e.failure, "mail.example: no answer from the name servers in time");
	assert_int_equal(names.cancelled, 1);
	end_fini(&e);
}

/* A listening socket whose queue is full does not answer. */
static int deaf(struct sockaddr_in *sin, int fds[8])
{
	int l = listening(sin, 0);

	for (int i = 0; i < 8; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)sin, sizeof(*sin));
	}
	turn_for(0.02);
	return l;
}

static void an_address_that_never_answers_gets_its_share_of_the_time(void **s)
{
	struct resolver *r = fake_resolver();
	double from = clock_monotonic();
	struct sockaddr_in sin;
	int fds[8], l = deaf(&sin, fds);
	struct endpoint where = host_endpoint(ntohs(sin.sin_port));
	struct end e;

	(void)s;
	names.at_once = true;
	names.answer = (struct resolver_answer){ 2, { ip("127.0.0.1"), ip("127.0.0.1") } };
	dial(&e, r, &where, 0.8);
	turn_for(0.5);
	assert_int_equal(e.seen, 0);	/* one share is over, the other runs */
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_FAILED);
	assert_non_null(strstr(e.failure, ": Connection timed out"));
	assert_true(clock_monotonic() - from >= 0.8);
	assert_true(clock_monotonic() - from < 3);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(l);
	end_fini(&e);
}

static void a_dial_can_be_cancelled_at_any_moment(void **s)
{
	struct resolver *r = fake_resolver();
	struct sockaddr_in sin;
	int fds[8], l = deaf(&sin, fds);
	struct endpoint host = host_endpoint(143), where = ip_endpoint(&sin), refused = refusing();
	struct end e;

	(void)s;
	dial(&e, r, &host, 5);		/* before it has begun */
	conn_close(&e.c);
	turn_for(0.01);
	assert_null(names.query);
	dial(&e, r, &host, 5);		/* while looking up */
	turn(0.01);
	assert_non_null(names.query);
	conn_close(&e.c);
	assert_null(names.query);
	dial(&e, NULL, &where, 5);	/* while connecting */
	turn_for(0.02);
	conn_linger(&e.c, NULL);
	assert_false(conn_is_open(&e.c));
	turn_for(0.02);
	assert_int_equal(e.calls, 0);
	dial(&e, NULL, &refused, 5);	/* in the callback itself */
	e.closes_when_told = true;
	TURN_UNTIL(e.seen);
	assert_false(conn_is_open(&e.c));
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(l);
	end_fini(&e);
}

static void unix_sockets_are_dialled_too(void **s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct endpoint where = { .kind = ENDPOINT_UNIX };
	char path[100], expected[160];
	struct end e;
	int l = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)s;
	snprintf(path, sizeof(path), "%s/imap", scratch_dir);
	where.path = path;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	dial(&e, NULL, &where, 5);
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_FAILED);
	snprintf(expected, sizeof(expected), "unix:%s: No such file or directory", path);
	assert_string_equal(e.failure, expected);
	end_fini(&e);
	assert_int_equal(bind(l, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(l, 5), 0);
	dial(&e, NULL, &where, 5);
	TURN_UNTIL(e.seen);
	assert_int_equal(e.seen, CONN_CONNECTED);
	close(l);
	end_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_bytes_go_both_ways),
		cmocka_unit_test(what_is_peeked_at_can_be_read_again),
		cmocka_unit_test(nobody_peeks_into_tls),
		cmocka_unit_test(after_a_half_close_the_other_half_goes_on),
		cmocka_unit_test(an_owner_is_told_only_what_it_wants),
		cmocka_unit_test(an_owner_may_close_inside_on_event),
		cmocka_unit_test(a_reset_is_told_as_an_error_with_a_phrase),
		cmocka_unit_test(timeouts_are_set_where_there_is_tcp),
		cmocka_unit_test(the_user_timeout_is_lifted_and_comes_back),
		cmocka_unit_test(a_conn_knows_both_addresses),
		cmocka_unit_test(two_conns_secure_each_other),
		cmocka_unit_test(no_handshake_goes_on_before_the_loop_runs),
		cmocka_unit_test(what_was_wanted_before_is_told_after_the_handshake),
		cmocka_unit_test(a_failed_verification_is_told_to_both),
		cmocka_unit_test(a_handshake_that_breaks_off_is_no_want_of_trust),
		cmocka_unit_test(a_client_without_imap_in_alpn_is_refused),
		cmocka_unit_test(plain_text_to_a_tls_port_is_told_in_plain_words),
		cmocka_unit_test(a_peer_that_leaves_the_handshake_is_told_as_such),
		cmocka_unit_test(a_conn_may_be_closed_while_securing),
		cmocka_unit_test(megabytes_pass_unharmed_both_ways),
		cmocka_unit_test(bytes_inside_openssl_are_told_of_one_by_one),
		cmocka_unit_test(bytes_inside_openssl_wait_until_they_are_wanted),
		cmocka_unit_test(one_read_takes_several_records),
		cmocka_unit_test(half_a_record_makes_nobody_spin),
		cmocka_unit_test(a_flood_of_key_updates_does_not_stop_the_data_nor_hold_the_loop),
		cmocka_unit_test(a_close_notify_ends_one_half_only),
		cmocka_unit_test(an_end_without_close_notify_is_an_end_and_writing_goes_on),
		cmocka_unit_test(a_read_takes_no_more_than_some_records),
		cmocka_unit_test(a_spoilt_record_is_an_error_that_lasts),
		cmocka_unit_test(a_write_to_a_gone_peer_fails_but_its_last_words_are_read),
		cmocka_unit_test(a_close_notify_that_finds_no_room_is_sent_later),
		cmocka_unit_test(the_last_line_arrives_though_the_peer_still_sends),
		cmocka_unit_test(lingering_over_tls_says_the_line_and_close_notify),
		cmocka_unit_test(what_does_not_fit_at_once_is_written_while_lingering),
		cmocka_unit_test(a_peer_that_never_stops_is_left_after_64_kib),
		cmocka_unit_test(a_peer_that_never_leaves_is_left_after_two_seconds),
		cmocka_unit_test(where_too_many_linger_a_conn_is_closed_after_one_try),
		cmocka_unit_test(a_loop_that_ends_closes_what_lingers),
		cmocka_unit_test(dialling_connects),
		cmocka_unit_test(a_refusal_names_address_and_reason),
		cmocka_unit_test(the_next_address_is_tried_when_one_refuses),
		cmocka_unit_test(a_name_without_address_says_why),
		cmocka_unit_test(a_look_up_without_answer_ends_in_time),
		cmocka_unit_test(an_address_that_never_answers_gets_its_share_of_the_time),
		cmocka_unit_test(a_dial_can_be_cancelled_at_any_moment),
		cmocka_unit_test(unix_sockets_are_dialled_too),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("conn", tests, ends_set_up, ends_tear_down);
}
