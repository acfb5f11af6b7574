/*
 * The kernel's part in a TLS conn: where it has the keys, bytes go to and from the descriptor as on a plain one, and OpenSSL sees control
 * records only (tickets, alerts, key updates).
 *
 * - OpenSSL's own way to write, SSL_write, is never used where the kernel seals: what it could not write at once it would write from the
 *   first call's address later, whatever is in that memory then (it has no copy; openssl issue 21202). We write from the scratch first.
 * - A control record is no bytes: recv says EIO, splice EINVAL, until OpenSSL has taken it. But EINVAL is said of garbage, too, once, and
 *   nothing more is heard then: so after a splice that failed a read that finds nothing means a broken stream (CONN_SPLICE_ODD).
 * - A socket may count as readable when only part of a record is there (some kernels: always; all of them: once we have sent our FIN): then
 *   it is not watched for a while, 5 to 200 ms.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"
#include "net/loop.h"

#define REST_FIRST 0.005	/* seconds */
#define REST_MOST 0.2

struct conn_tls_more *conn_tls_more(struct conn *c)
{
	struct conn_tls_more *m = SSL_get_app_data(c->ssl);

	if (!m) {
		m = mem_new(sizeof(*m));
		SSL_set_app_data(c->ssl, m);
	}
	m->conn = c;
	return m;
}

/* ---- a rest, after half a record ---- */

static void rested(struct timer *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn_tls_more, rest)->conn;

	c->flags &= (uint16_t)~CONN_RESTING;
	if (c->state == CONN_TLS_SECURING)
		conn_watch(c, EV_READ);
	else
		conn_tls_update(c);
}

/* Asked each time, for it depends on more than the kernel. Where it waits for the whole record a rest would only cost time. */
static bool half_wakes(const struct conn *c)
{
	struct pollfd readable = { .fd = c->io.fd, .events = POLLIN };
	int n = 0;

	return ioctl(c->io.fd, FIONREAD, &n) == 0 && n > 0 && poll(&readable, 1, 0) == 1;
}

void conn_ktls_rest_if_half(struct conn *c)
{
	struct conn_tls_more *m;

	if (c->flags & CONN_RESTING || !BIO_get_ktls_recv(SSL_get_rbio(c->ssl)) || !half_wakes(c))
		return;
	m = conn_tls_more(c);
	m->seconds = m->seconds * 2 < REST_FIRST ? REST_FIRST : m->seconds * 2 > REST_MOST ? REST_MOST : m->seconds * 2;
	c->flags |= CONN_RESTING | CONN_HAS_RESTED;
	timers_start(&c->loop->timers, &m->rest, m->seconds, rested);
}

void conn_ktls_stop_rest(struct conn *c)
{
	struct conn_tls_more *m = SSL_get_app_data(c->ssl);

	if (c->flags & CONN_RESTING)
		timers_stop(&c->loop->timers, &m->rest);
	if (c->flags & CONN_HAS_RESTED)
		m->seconds = 0;
	c->flags &= (uint16_t)~(CONN_RESTING | CONN_HAS_RESTED);
}

/* ---- the stream ---- */

void conn_ktls_begin(struct conn *c)
{
	if (BIO_get_ktls_send(SSL_get_wbio(c->ssl)))
		c->flags |= CONN_KERNEL_SEALS;
	if (BIO_get_ktls_recv(SSL_get_rbio(c->ssl)))
		c->flags |= CONN_KERNEL_OPENS;
	if (c->flags & (CONN_KERNEL_SEALS | CONN_KERNEL_OPENS))
		conn_ktls_free_buffers(c);	/* nobody reads with OpenSSL, after which it would free them itself */
}

/* Old versions of OpenSSL free them even while bytes are in them (CVE-2024-4741). */
void conn_ktls_free_buffers(struct conn *c)
{
	if (!SSL_has_pending(c->ssl))
		SSL_free_buffers(c->ssl);
}

unsigned conn_ktls_ways(const struct conn *c)
{
	return (c->flags & CONN_KERNEL_SEALS ? KTLS_SEND : 0) | (c->flags & CONN_KERNEL_OPENS ? KTLS_RECEIVE : 0);
}

/* An alert, fatal, as OpenSSL would have sent it; best effort. RFC 8446, 6.2. The kernel remembers the fault, and would not send before
 * it has told of it. */
static void send_alert(struct conn *c, unsigned char what)
{
	unsigned char alert[] = { 2, what };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(1)];
	} control = { .room = { 0 } };
	struct iovec bytes = { alert, sizeof(alert) };
	struct msghdr msg = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	int told;
	socklen_t n = sizeof(told);

	if (!(c->flags & CONN_KERNEL_SEALS))
		return;
	getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &told, &n);
	control.head = (struct cmsghdr){ .cmsg_level = KTLS_SOL_TLS, .cmsg_type = KTLS_SET_RECORD_TYPE, .cmsg_len = CMSG_LEN(1) };
	*CMSG_DATA(&control.head) = SSL3_RT_ALERT;
	sendmsg(c->io.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const struct {
	int error;
	unsigned char alert;
	const char *phrase;
} faults[] = {
	{ EBADMSG,	 SSL_AD_BAD_RECORD_MAC,   "decryption failed or bad record mac" },
	{ EMSGSIZE,	 SSL_AD_RECORD_OVERFLOW,  "a TLS record is too long" },
	{ EINVAL,	 SSL_AD_PROTOCOL_VERSION, "the far side does not speak TLS" },
	{ CONN_NEW_KEYS, SSL_AD_CLOSE_NOTIFY,	  "the far side wants new keys (TLS 1.3 KeyUpdate), which kernel TLS cannot have" },
};

int conn_ktls_fail(struct conn *c, int errnum)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		if (faults[i].error != errnum)
			continue;
		snprintf(c->loop->failure, sizeof(c->loop->failure), "%s", faults[i].phrase);
		errno = EPROTO;
		return -1;
	}
	return conn_fail(c, errnum);
}

/* A stream that the kernel could not follow, or a connection that broke. */
static void broke(struct conn *c, int errnum)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		if (faults[i].error == errnum)
			send_alert(c, faults[i].alert);
	c->flags |= CONN_READ_BROKEN | CONN_WRITE_BROKEN;
	c->error = (uint8_t)errnum;
}

ssize_t conn_ktls_read(struct conn *c, void *p, size_t n)
{
	ssize_t got;
	int why;

	if (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN)
		return 0;
	got = recv(c->io.fd, p, n, 0);
	why = got < 0 ? errno : 0;
	if (why == EAGAIN && c->flags & CONN_SPLICE_ODD)
		why = EINVAL;
	if (why == EAGAIN) {
		conn_ktls_rest_if_half(c);
	} else {
		conn_ktls_stop_rest(c);
		c->flags &= (uint16_t)~CONN_SPLICE_ODD;
	}
	if (why && why != EAGAIN && why != EIO) {
		broke(c, why);
		return conn_ktls_fail(c, why);
	}
	errno = why;
	return got;
}

/* What is wrong with what came is told to whoever asks first, also to one who writes. */
static int write_failed(struct conn *c, int errnum)
{
	if (errnum == EINVAL || errnum == EBADMSG || errnum == EMSGSIZE) {
		broke(c, errnum);
		return conn_ktls_fail(c, errnum);
	}
	/* what the far side said before it left can still be read */
	c->flags |= CONN_WRITE_BROKEN;
	c->error = (uint8_t)errnum;
	return conn_fail(c, errnum);
}

ssize_t conn_ktls_write(struct conn *c, const void *p, size_t n)
{
	ssize_t put = send(c->io.fd, p, n, MSG_NOSIGNAL);

	return put >= 0 || errno == EAGAIN ? put : write_failed(c, errno);
}

/* OpenSSL must be out of the way: it holds nothing that came before, and nothing of it is on its way out. */
bool conn_ktls_can_splice(struct conn *c, unsigned way)
{
	if (way == CONN_READ)
		return c->flags & CONN_KERNEL_OPENS && !(c->flags & (CONN_READ_BROKEN | CONN_SPLICE_ODD | CONN_MORE_INSIDE))
			&& !SSL_has_pending(c->ssl) && !(SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN);
	return c->flags & CONN_KERNEL_SEALS
		&& !(c->flags & (CONN_WRITE_BROKEN | CONN_HALF_CLOSING | CONN_READ_NEEDS_WRITE | CONN_WRITE_NEEDS_READ));
}

static ssize_t splice_out(struct conn *c, int pipe, size_t n)
{
	ssize_t got = splice(c->io.fd, NULL, pipe, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	int why = got < 0 ? errno : 0;

	if (why == EAGAIN)
		conn_ktls_rest_if_half(c);
	else
		conn_ktls_stop_rest(c);
	if (why == EINVAL)
		c->flags |= CONN_SPLICE_ODD;
	else if (why && why != EAGAIN)
		broke(c, why);
	conn_tls_update(c);
	errno = why;
	return got;
}

/*
 * Never SPLICE_F_MORE: the kernel would keep a record open, and lose it at the end. But splice itself says "more follows" of each page but
 * the last, and Linux 6.1, when the socket is full before that one, leaves the end of what it has unsent. If that is all that is in the
 * socket, no acknowledgement comes, the socket stays full, and all stands still. Setting TCP_NODELAY, which is set, sends it.
 */
static ssize_t splice_in(struct conn *c, int pipe, size_t n)
{
	ssize_t put = splice(pipe, NULL, c->io.fd, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	int why = errno, one = 1;

	if (put < (ssize_t)n && (put > 0 || why == EAGAIN))
		setsockopt(c->io.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	errno = why;
	return put >= 0 || why == EAGAIN ? put : write_failed(c, why);
}

ssize_t conn_ktls_splice(struct conn *c, unsigned way, int pipe, size_t n)
{
	return way == CONN_READ ? splice_out(c, pipe, n) : splice_in(c, pipe, n);
}
