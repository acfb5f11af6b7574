/*
 * conn_ends.h - conns on a real loop, for tests. An `end` is an owner: it sends what it is given, collects what comes, and notes what it is
 * told. A `raw` is a peer without a conn: an SSL object between memory BIOs, so that a test can cut, spoil or hold back its records.
 */
#ifndef T_UNIT_CONN_ENDS_H
#define T_UNIT_CONN_ENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_certs.h"
#include "net/tls_tickets.h"
#include "tls_help.h"

#define PATIENCE 10.0	/* seconds before a test counts as stuck */

static struct net_loop loop;
static struct tls_server *server;
static struct tls_client *client, *wrong_client;
static struct test_cert cert;
static struct tls_client_files *trust;

/* ---- ends ---- */

struct end {
	struct conn c;
	unsigned seen, calls;	/* events so far; how often told */
	unsigned char *in;
	size_t nin, cap;
	size_t chunk;		/* read so much a call; 0: a scratch full */
	size_t spliced_in, spliced_out;	/* of the bytes, through pipe */
	struct pipe *pipe;	/* NULL: nothing is spliced */
	const unsigned char *out;
	size_t nout, sent;
	bool ended, half_closes;	/* when all is sent */
	int error;		/* errno of a failed read or write */
	char failure[NET_FAILURE_MAX];
	bool closes_when_told;
};

static inline void collect(struct end *e, const void *p, size_t n)
{
	if (e->nin + n > e->cap) {
		size_t cap = (e->nin + n) * 2;

		e->in = mem_grow(e->in, e->cap, cap);
		e->cap = cap;
	}
	memcpy(e->in + e->nin, p, n);
	e->nin += n;
}

static inline void note_error(struct end *e)
{
	e->error = errno;
	snprintf(e->failure, sizeof(e->failure), "%s", loop.failure);
	conn_want(&e->c, 0);
}

/* As the relay does: what is neither bytes nor "nothing now" is for an ordinary read to explain. */
static inline bool hear_spliced(struct end *e)
{
	ssize_t got;

	if (!e->pipe || !conn_can_splice(&e->c, CONN_READ))
		return false;
	got = pipe_fill(e->pipe, &e->c, PIPE_BYTES);
	if (got > 0) {
		e->spliced_in += (size_t)got;
		collect(e, loop.scratch, pipe_empty(e->pipe, loop.scratch));
	}
	return got > 0 || (got < 0 && errno == EAGAIN);
}

static inline void hear(struct end *e)
{
	ssize_t got;

	if (hear_spliced(e))
		return;
	got = conn_read(&e->c, loop.scratch, e->chunk ? e->chunk : NET_SCRATCH);

	if (got > 0) {
		collect(e, loop.scratch, (size_t)got);
	} else if (got == 0) {
		e->ended = true;
		conn_want(&e->c, e->c.wants & CONN_WRITE);
	} else if (errno != EAGAIN) {
		note_error(e);
	}
}

/* From the scratch, in which nothing stays: whoever keeps its address would send other bytes later. */
static inline ssize_t speak_from_scratch(struct end *e)
{
	size_t n = e->nout - e->sent < NET_SCRATCH ? e->nout - e->sent : NET_SCRATCH;
	ssize_t put;
	int why;

	memcpy(loop.scratch, e->out + e->sent, n);
	put = conn_write(&e->c, loop.scratch, n);
	why = errno;
	memset(loop.scratch, '?', n);
	errno = why;
	return put;
}

static inline ssize_t speak_spliced(struct end *e)
{
	size_t n = e->nout - e->sent < PIPE_BYTES ? e->nout - e->sent : PIPE_BYTES;
	ssize_t put;

	if (e->pipe->held == 0) {
		put = write(e->pipe->in, e->out + e->sent, n);
		assert_true(put > 0);
		e->pipe->held = (size_t)put;
	}
	put = pipe_drain(e->pipe, &e->c);
	if (put > 0)
		e->spliced_out += (size_t)put;
	return put;
}

static inline void speak(struct end *e)
{
	ssize_t put = e->pipe && conn_can_splice(&e->c, CONN_WRITE) ? speak_spliced(e) : speak_from_scratch(e);

	if (put < 0) {
		if (errno != EAGAIN)
			note_error(e);
		return;
	}
	e->sent += (size_t)put;
	if (e->sent == e->nout) {
		conn_want(&e->c, e->c.wants & CONN_READ);
		if (e->half_closes)
			conn_half_close(&e->c);
	}
}

static inline void told(struct conn *c, unsigned events)
{
	struct end *e = CONTAINER_OF(c, struct end, c);

	e->seen |= events;
	e->calls++;
	if (events & CONN_FAILED)
		snprintf(e->failure, sizeof(e->failure), "%s", loop.failure);
	if (e->closes_when_told) {
		conn_close(c);
		return;
	}
	if (events & CONN_READ)
		hear(e);
	if (events & CONN_WRITE && conn_is_open(c))
		speak(e);
}

static inline void send_text(struct end *e, const char *text)
{
	e->out = (const unsigned char *)text;
	e->nout = strlen(text);
	e->sent = 0;
	conn_want(&e->c, e->c.wants | CONN_WRITE);
}

static inline void end_fini(struct end *e)
{
	conn_close(&e->c);
	mem_free(&e->in);
}

static inline bool has(const struct end *e, const char *text)
{
	return e->nin == strlen(text) && memcmp(e->in, text, e->nin) == 0;
}

/* ---- turning the loop ---- */

static inline void nothing(struct timer *t)
{
	(void)t;
}

static inline void turn(double seconds)
{
	struct timer guard = { 0 };

	timers_start(&loop.timers, &guard, seconds, nothing);
	ev_run(loop.ev, EVRUN_ONCE);
	timers_stop(&loop.timers, &guard);
}

static inline void turn_for(double seconds)
{
	double until = clock_monotonic() + seconds, now;

	while ((now = clock_monotonic()) < until)
		turn(until - now);
}

#define TURN_UNTIL(condition) do { \
		double until_ = clock_monotonic() + PATIENCE; \
		while (!(condition)) { \
			if (clock_monotonic() > until_) \
				fail_msg("stuck: %s", #condition); \
			turn(0.05); \
		} \
	} while (0)

/* ---- sockets ---- */

static inline void set_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static inline void socket_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* A listening socket on 127.0.0.1. */
static inline int listening(struct sockaddr_in *sin, int backlog)
{
	socklen_t n = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)sin, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &n), 0);
	return fd;
}

static inline void tcp_pair(int fds[2])
{
	struct sockaddr_in sin;
	int l = listening(&sin, 1);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&sin, sizeof(sin)), 0);
	fds[1] = accept(l, NULL, NULL);
	assert_true(fds[1] >= 0);
	set_nonblocking(fds[0]);
	set_nonblocking(fds[1]);
	close(l);
}

static inline void end_on(struct end *e, int fd)
{
	*e = (struct end){ 0 };
	conn_accepted(&e->c, &loop, fd, told);
	conn_want(&e->c, CONN_READ);
}

static inline void plain_pair(struct end *a, struct end *b)
{
	int fds[2];

	socket_pair(fds);
	end_on(a, fds[0]);
	end_on(b, fds[1]);
}

static inline void secured_pair_on(struct end *c, struct end *s, const int fds[2])
{
	end_on(c, fds[0]);
	end_on(s, fds[1]);
	assert_true(conn_start_tls_server(&s->c, server));
	assert_true(conn_start_tls_client(&c->c, client));
	TURN_UNTIL(c->seen & s->seen & CONN_SECURED);
	c->seen = s->seen = 0;
	turn_for(0.01);		/* the tickets */
}

static inline void secured_pair(struct end *c, struct end *s)
{
	int fds[2];

	socket_pair(fds);
	secured_pair_on(c, s, fds);
}

/* ---- raw TLS peers ---- */

struct raw {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	int fd;
};

static inline void raw_init(struct raw *r, int fd, const char *alpn)
{
	*r = (struct raw){ .ctx = SSL_CTX_new(TLS_client_method()), .fd = fd };
	r->ssl = SSL_new(r->ctx);
	r->in = BIO_new(BIO_s_mem());
	r->out = BIO_new(BIO_s_mem());
	SSL_set_bio(r->ssl, r->in, r->out);
	SSL_set_connect_state(r->ssl);
	if (alpn)
		SSL_set_alpn_protos(r->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
}

static inline void raw_fini(struct raw *r)
{
	SSL_free(r->ssl);
	SSL_CTX_free(r->ctx);
	close(r->fd);
}

/* What OpenSSL has sealed goes out, what has come goes in. */
static inline void raw_pump(struct raw *r)
{
	static unsigned char bytes[64 * 1024];
	int n = BIO_read(r->out, bytes, sizeof(bytes));
	ssize_t got;

	if (n > 0)
		assert_int_equal(send(r->fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
	while ((got = recv(r->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		assert_int_equal(BIO_write(r->in, bytes, (int)got), got);
}

/* true: secured. */
static inline bool raw_step(struct raw *r)
{
	bool done;

	ERR_clear_error();
	done = SSL_do_handshake(r->ssl) == 1;
	raw_pump(r);
	return done;
}

static inline void raw_secure(struct raw *r, struct end *s, const int fds[2])
{
	raw_init(r, fds[0], NULL);
	end_on(s, fds[1]);
	assert_true(conn_start_tls_server(&s->c, server));
	TURN_UNTIL(raw_step(r) && s->seen & CONN_SECURED);
}

/* Seals text; the sealed bytes are the test's. */
static inline size_t raw_seal(struct raw *r, const char *text, unsigned char *sealed, size_t cap)
{
	int n;

	assert_int_equal(SSL_write(r->ssl, text, (int)strlen(text)), strlen(text));
	n = BIO_read(r->out, sealed, (int)cap);
	assert_true(n > 0);
	return (size_t)n;
}

static inline void raw_say(struct raw *r, const char *text)
{
	assert_int_equal(SSL_write(r->ssl, text, (int)strlen(text)), strlen(text));
	raw_pump(r);
}

/* true: text has come (and nothing else). */
static inline bool raw_hears(struct raw *r, const char *text)
{
	char bytes[256];
	int n;

	raw_pump(r);
	ERR_clear_error();
	n = SSL_read(r->ssl, bytes, sizeof(bytes));
	return n == (int)strlen(text) && memcmp(bytes, text, (size_t)n) == 0;
}

static inline bool raw_hears_close_notify(struct raw *r)
{
	char bytes[256];

	raw_pump(r);
	do {
		ERR_clear_error();
	} while (SSL_read(r->ssl, bytes, sizeof(bytes)) > 0);
	return SSL_get_shutdown(r->ssl) & SSL_RECEIVED_SHUTDOWN;
}

/* ---- bytes ---- */

static inline unsigned char *pattern(size_t n)
{
	unsigned char *p = mem_new(n);
	uint32_t x = 12345;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (unsigned char)(x >> 24);
	}
	return p;
}

static inline void small_buffers(const int fds[2])
{
	int small = 8 * 1024;

	for (int i = 0; i < 2; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	}
}

/* ---- TLS contexts for all ---- */

static inline int ends_set_up(void **state)
{
	struct tls_client_conf conf = { .verify = true, .name = "mail.example", .min_version = 0x0303 };
	struct tls_client_files_conf files = { .verify = true };
	struct tls_certs_conf pem = { .npaths = 1 };
	struct tls_policy policy = { .min_version = 0x0303 };
	struct tls_tickets *keys = tls_tickets_new(NULL);
	struct tls_certs *certs;
	const char *path;
	char err[256] = "";

	(void)state;
	scratch_init();
	cert = make_cert((struct cert_wish){ .cn = "mail.example", .san = "DNS:mail.example", .days = 9 });
	path = write_pem("mail.pem", cert.cert, NULL, cert.key);
	pem.paths = &path;
	certs = tls_certs_load(&pem, NULL, NULL, err, sizeof(err));
	files.ca = path;
	trust = tls_client_files_load(&files, err, sizeof(err));
	assert_non_null(trust);
	server = certs ? tls_server_new(&policy, certs, keys, err, sizeof(err)) : NULL;
	conf.files = trust;
	client = tls_client_new(&conf, err, sizeof(err));
	conf.name = "wrong.example";
	wrong_client = tls_client_new(&conf, err, sizeof(err));
	tls_certs_unref(&certs);
	tls_tickets_unref(&keys);
	if (!server || !client || !wrong_client)
		fail_msg("%s", err);
	net_loop_init(&loop, ev_loop_new(EVFLAG_AUTO));
	return 0;
}

static inline int ends_tear_down(void **state)
{
	struct ev_loop *ev = loop.ev;

	(void)state;
	net_loop_fini(&loop);
	ev_loop_destroy(ev);
	tls_server_free(&server);
	tls_client_free(&client);
	tls_client_free(&wrong_client);
	tls_client_files_free(&trust);
	free_cert(&cert);
	scratch_fini();
	return 0;
}

#endif
