/*
 * The OpenSSL kind of conn: it drives its own handshake, then reads and writes records, or leaves that to the kernel (conn_ktls.c).
 *
 * What makes it different from the plain kind:
 * - A read may need to write and a write to read (key updates): the flags say so, and watched() watches for the other thing.
 * - OpenSSL may hold bytes that no descriptor will announce: then the conn goes on loop->ready.
 * - An error is for ever. After one that OpenSSL calls fatal, no function of OpenSSL but SSL_free is called on it.
 * - SSL_MODE_AUTO_RETRY is off (tls.c): a peer that sends records without data keeps SSL_read for one record only, not for ever. There is
 *   no read-ahead, so then the rest is still in the socket and the loop comes back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"
#include "net/tls.h"

/* A peer may send records of one byte: so many are enough for one read, else a scratch full of them would hold up everybody. */
#define RECORDS_A_READ 16

#define BROKEN (CONN_READ_BROKEN | CONN_WRITE_BROKEN)

static int watched(const struct conn *c)
{
	int mask = 0;

	if (c->wants & CONN_READ && !(c->flags & CONN_RESTING))
		mask |= c->flags & CONN_READ_NEEDS_WRITE ? EV_WRITE : EV_READ;
	if (c->wants & CONN_WRITE)
		mask |= c->flags & CONN_WRITE_NEEDS_READ ? EV_READ : EV_WRITE;
	if (c->flags & CONN_HALF_CLOSING)
		mask |= EV_WRITE;
	return mask;
}

void conn_tls_update(struct conn *c)
{
	if (c->state != CONN_TLS_OPEN)
		return;
	conn_watch(c, watched(c));
	if (c->wants & CONN_READ && c->flags & CONN_MORE_INSIDE)
		conn_ready_on(c);
	else
		conn_ready_off(c);
}

/* An I/O error or a broken stream: says which in loop->failure, and makes errno fit. */
static void say_failure(struct conn *c, int ssl_error, int errnum)
{
	if (ssl_error == SSL_ERROR_SSL) {
		tls_failure(c->ssl, c->loop->failure, sizeof(c->loop->failure));
		errno = EPROTO;
	} else {
		conn_fail(c, errnum ? errnum : ECONNRESET);
	}
}

/* ---- handshake ---- */

static void securing_failed(struct conn *c, int ssl_error, int errnum)
{
	say_failure(c, ssl_error, errnum);
	if (ssl_error == SSL_ERROR_ZERO_RETURN || (ssl_error == SSL_ERROR_SYSCALL && errnum == 0))
		snprintf(c->loop->failure, sizeof(c->loop->failure), "the far side closed the connection during the TLS handshake");
	tls_handshake_failed(c->ssl);
	conn_ktls_stop_rest(c);
	c->state = CONN_TLS_FAILED;
	c->flags = BROKEN;
	c->error = EPROTO;
	conn_watch(c, 0);
}

static void secured(struct conn *c)
{
	char *client_name = SSL_is_server(c->ssl) ? tls_server_client_name(c->ssl) : NULL;

	if (client_name)
		conn_tls_more(c)->client_name = client_name;
	conn_ktls_stop_rest(c);
	c->state = CONN_TLS_OPEN;
	c->flags = SSL_has_pending(c->ssl) ? CONN_MORE_INSIDE : 0;
	conn_ktls_begin(c);
	conn_tls_update(c);
}

/* The last record of a TLS 1.2 handshake is opened by the kernel already. */
static void wait_for_peer(struct conn *c)
{
	conn_ktls_rest_if_half(c);
	conn_watch(c, c->flags & CONN_RESTING ? 0 : EV_READ);
}

/* One step of the handshake; the state says how it went. */
static void secure(struct conn *c)
{
	int result, error;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(c->ssl);
	error = SSL_get_error(c->ssl, result);
	if (result == 1)
		secured(c);
	else if (error == SSL_ERROR_WANT_READ)
		wait_for_peer(c);
	else if (error == SSL_ERROR_WANT_WRITE)
		conn_watch(c, EV_WRITE);
	else
		securing_failed(c, error, errno);
}

/* Where nobody wants to verify, OpenSSL still notes what it would have found. */
static bool is_untrusted(const struct conn *c)
{
	return SSL_get_verify_mode(c->ssl) & SSL_VERIFY_PEER && SSL_get_verify_result(c->ssl) != X509_V_OK;
}

static void go_on_securing(struct conn *c)
{
	secure(c);
	if (c->state == CONN_TLS_OPEN)
		c->on_event(c, CONN_SECURED);
	else if (c->state == CONN_TLS_FAILED)
		c->on_event(c, CONN_FAILED | (is_untrusted(c) ? CONN_UNTRUSTED : 0));
}

/* ---- the open stream ---- */

static void say_goodbye(struct conn *c)
{
	int result;

	ERR_clear_error();
	result = SSL_shutdown(c->ssl);
	if (result < 0 && SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_WRITE) {
		c->flags |= CONN_HALF_CLOSING;
		return;
	}
	c->flags &= (uint16_t)~CONN_HALF_CLOSING;
	shutdown(c->io.fd, SHUT_WR);
}

static void tls_half_close(struct conn *c)
{
	if (c->state != CONN_TLS_OPEN || c->flags & CONN_WRITE_BROKEN)
		shutdown(c->io.fd, SHUT_WR);
	else if (!(SSL_get_shutdown(c->ssl) & SSL_SENT_SHUTDOWN))
		say_goodbye(c);
	conn_tls_update(c);
}

static void tell(struct conn *c, int revents)
{
	unsigned events = 0;

	if (revents & (c->flags & CONN_READ_NEEDS_WRITE ? EV_WRITE : EV_READ))
		events |= CONN_READ;
	if (revents & (c->flags & CONN_WRITE_NEEDS_READ ? EV_READ : EV_WRITE))
		events |= CONN_WRITE;
	events &= c->wants;
	if (events)
		c->on_event(c, events);	/* c may be closed now */
}

static void tls_io(struct ev_loop *ev, ev_io *io, int revents)
{
	struct conn *c = CONTAINER_OF(io, struct conn, io);

	(void)ev;
	if (c->state == CONN_TLS_SECURING) {
		go_on_securing(c);
		return;
	}
	if (c->flags & CONN_HALF_CLOSING && revents & EV_WRITE) {
		say_goodbye(c);
		conn_tls_update(c);
	}
	tell(c, revents);
}

/* Why SSL_read or SSL_write stopped. true: it may be asked again later. */
static bool stopped(struct conn *c, int ssl_error, int errnum, bool reading)
{
	switch (ssl_error) {
	case SSL_ERROR_WANT_READ:
		if (!reading)
			c->flags |= CONN_WRITE_NEEDS_READ;
		return true;
	case SSL_ERROR_WANT_WRITE:
		if (reading)
			c->flags |= CONN_READ_NEEDS_WRITE;
		return true;
	case SSL_ERROR_SYSCALL:
		/* When sending fails (EPIPE), what the far side said before it left can still be read. */
		c->flags |= reading ? BROKEN : CONN_WRITE_BROKEN;
		break;
	default:
		c->flags |= BROKEN;
	}
	say_failure(c, ssl_error, errnum);
	c->error = (uint8_t)errno;	/* all of Linux' are below 134 */
	return false;
}

/* The far side wants us to change the key we seal with (RFC 8446, 4.6.3), or has changed its own: the kernel can do neither. Every byte
 * up to here was right and is kept; it is told that nothing more comes. */
static void refuse_new_keys(struct conn *c)
{
	say_goodbye(c);
	c->flags |= BROKEN | CONN_MORE_INSIDE;
	c->error = CONN_NEW_KEYS;
}

static bool wants_new_keys(const struct conn *c)
{
	return c->flags & CONN_KERNEL_SEALS && SSL_get_key_update_type(c->ssl) != SSL_KEY_UPDATE_NONE;
}

/* -1: a call that must not be made, for the handshake still runs or an error has been before it. */
static int refused(struct conn *c, unsigned broken)
{
	if (c->state == CONN_TLS_SECURING) {
		errno = EAGAIN;
		return -1;
	}
	return c->flags & broken ? conn_ktls_fail(c, c->error) : 0;
}

/* Nothing more came: the end, nothing now, or an error; what it is when bytes came before it is told by the next call. */
static ssize_t read_stopped(struct conn *c, int ssl_error, int errnum, size_t got)
{
	bool ended = ssl_error == SSL_ERROR_ZERO_RETURN;
	bool again = !ended && stopped(c, ssl_error, errnum, true);
	int why = again ? EAGAIN : errno;

	if (again && wants_new_keys(c))
		refuse_new_keys(c);
	else if (!again)
		c->flags |= CONN_MORE_INSIDE;
	conn_tls_update(c);
	errno = why;
	return got ? (ssize_t)got : ended ? 0 : -1;
}

/* Takes records until the buffer is full, no more is there, or it is somebody else's turn. There is no read-ahead: what is left is in the
 * socket, and announced by it. */
static ssize_t read_records(struct conn *c, void *p, size_t n)
{
	size_t total = 0;

	for (int records = 0; total < n && records < RECORDS_A_READ; records++) {
		size_t got = 0;

		ERR_clear_error();
		errno = 0;
		if (SSL_read_ex(c->ssl, (char *)p + total, n - total, &got) != 1)
			return read_stopped(c, SSL_get_error(c->ssl, 0), errno, total);
		total += got;
	}
	if (SSL_has_pending(c->ssl))
		c->flags |= CONN_MORE_INSIDE;
	conn_tls_update(c);
	return (ssize_t)total;
}

/* The kernel has the bytes; OpenSSL takes what comes between them. */
static ssize_t read_kernel(struct conn *c, void *p, size_t n)
{
	ssize_t got = conn_ktls_read(c, p, n);
	int why = errno;

	if (got < 0 && why == EIO) {
		got = read_records(c, p, n);
		why = errno;
		if (!(c->flags & BROKEN))
			conn_ktls_free_buffers(c);
	} else {
		conn_tls_update(c);
	}
	errno = why;
	return got;
}

static ssize_t tls_read(struct conn *c, void *p, size_t n)
{
	if (refused(c, CONN_READ_BROKEN) < 0)
		return -1;
	c->flags &= (uint16_t)~(CONN_READ_NEEDS_WRITE | CONN_MORE_INSIDE);
	if (c->flags & CONN_KERNEL_OPENS && !SSL_has_pending(c->ssl))
		return read_kernel(c, p, n);
	return read_records(c, p, n);
}

/* Gives records of up to 16 KiB each (SSL_MODE_ENABLE_PARTIAL_WRITE) until all is taken or the socket is full. */
static ssize_t write_records(struct conn *c, const void *p, size_t n)
{
	size_t total = 0;
	bool again = true;
	int why = 0;

	while (total < n) {
		size_t put = 0;

		ERR_clear_error();
		errno = 0;
		if (SSL_write_ex(c->ssl, (const char *)p + total, n - total, &put) != 1) {
			again = stopped(c, SSL_get_error(c->ssl, 0), errno, false);
			why = again ? EAGAIN : errno;
			break;
		}
		total += put;
	}
	conn_tls_update(c);
	errno = why;
	return total == 0 && n > 0 ? -1 : (ssize_t)total;
}

static ssize_t tls_write(struct conn *c, const void *p, size_t n)
{
	if (refused(c, CONN_WRITE_BROKEN) < 0)
		return -1;
	if (c->flags & CONN_KERNEL_SEALS)
		return conn_ktls_write(c, p, n);
	c->flags &= (uint16_t)~CONN_WRITE_NEEDS_READ;
	return write_records(c, p, n);
}

static bool tls_can_splice(struct conn *c, unsigned way)
{
	return c->state == CONN_TLS_OPEN && conn_ktls_can_splice(c, way);
}

static void tls_want(struct conn *c, unsigned events)
{
	c->wants = events;
	conn_tls_update(c);
}

/* OpenSSL would go on to wipe each record, and with each read the buffer that it gives back. */
static void tls_no_secrets(struct conn *c)
{
	SSL_clear_options(c->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

static bool tls_facts(struct conn *c, struct conn_tls *facts)
{
	const struct conn_tls_more *more = SSL_get_app_data(c->ssl);
	unsigned ways = conn_ktls_ways(c);

	if (c->state != CONN_TLS_OPEN)
		return false;
	facts->version = SSL_get_version(c->ssl);
	facts->cipher = SSL_get_cipher_name(c->ssl);
	facts->name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
	facts->client_name = more ? more->client_name : NULL;
	facts->kernel = ways ? ktls_ways_text(ways) : NULL;
	facts->resumed = SSL_session_reused(c->ssl);
	return true;
}

static void drop_ssl(struct conn *c)
{
	struct conn_tls_more *more = SSL_get_app_data(c->ssl);

	conn_ready_off(c);
	conn_ktls_stop_rest(c);
	if (more)
		mem_free(&more->client_name);
	mem_free(&more);
	SSL_free(c->ssl);
	c->ssl = NULL;
	c->flags = 0;
}

static void tls_close(struct conn *c)
{
	drop_ssl(c);
	conn_shut(c);
}

/* Where nothing can be sealed any more, what lingers is the descriptor: so that at least the alert arrives. If the kernel opens what comes
 * there, it may be readable for ever and yet say nothing. */
static void tls_linger(struct conn *c, struct buf **rest)
{
	bool deaf = false;

	conn_ktls_stop_rest(c);		/* the conn moves; the next read that finds half a record starts it anew */
	if (c->state != CONN_TLS_OPEN || c->flags & BROKEN) {
		deaf = BIO_get_ktls_recv(SSL_get_rbio(c->ssl));
		drop_ssl(c);
		c->wants = 0;
		conn_become_plain(c);
		if (rest)
			buf_give(&c->loop->bufs, rest);
	}
	if (deaf)
		conn_linger_deaf(c);
	else
		conn_linger_start(c, rest);
}

static bool tls_start_server(struct conn *c, struct tls_server *ts)
{
	(void)ts;
	conn_fail(c, EISCONN);
	return false;
}

static bool tls_start_client(struct conn *c, struct tls_client *tc)
{
	(void)tc;
	conn_fail(c, EISCONN);
	return false;
}

static const struct conn_ops conn_tls_ops = {
	.read = tls_read,
	.write = tls_write,
	.can_splice = tls_can_splice,
	.splice = conn_ktls_splice,
	.want = tls_want,
	.no_secrets = tls_no_secrets,
	.start_tls_server = tls_start_server,
	.start_tls_client = tls_start_client,
	.tls_facts = tls_facts,
	.local_addr = conn_sock_local_addr,
	.peer_addr = conn_sock_peer_addr,
	.half_close = tls_half_close,
	.linger = tls_linger,
	.close = tls_close,
};

static bool become_tls(struct conn *c, SSL *ssl)
{
	if (!ssl || SSL_set_fd(ssl, c->io.fd) != 1) {
		tls_failure(ssl, c->loop->failure, sizeof(c->loop->failure));
		SSL_free(ssl);
		return false;
	}
	if (ktls_in_openssl(&c->loop->ktls))
		SSL_set_options(ssl, SSL_OP_ENABLE_KTLS);
	else
		SSL_clear_options(ssl, SSL_OP_ENABLE_KTLS);	/* OpenSSL's own configuration may have set it */
	c->ssl = ssl;
	c->ops = &conn_tls_ops;
	c->state = CONN_TLS_SECURING;
	c->flags = 0;
	ev_set_cb(&c->io, tls_io);
	return true;
}

bool conn_tls_start_server(struct conn *c, struct tls_server *ts)
{
	if (!become_tls(c, tls_server_ssl(ts)))
		return false;
	conn_watch(c, EV_READ);	/* the client speaks first */
	return true;
}

bool conn_tls_start_client(struct conn *c, struct tls_client *tc)
{
	if (!become_tls(c, tls_client_ssl(tc)))
		return false;
	conn_watch(c, EV_WRITE);	/* we speak first, but from the loop: a fast peer could finish the handshake inside this call */
	return true;
}
