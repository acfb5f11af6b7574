/*
 * ktls.c - asks the kernel by doing it: fixed keys, a few bytes from one end of a connection to the other.
 */
#include "net/ktls.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define WAIT_MS 100	/* for bytes that loopback delivers at once */

/* Signals do not cut it short, nor make it longer. */
bool ktls_wait(struct pollfd *fds, size_t n, int ms)
{
	double until = clock_monotonic() + ms / 1e3, left = ms / 1e3;
	int ready;

	do {
		ready = poll(fds, n, (int)(left * 1e3));
		left = until - clock_monotonic();
	} while (ready < 0 && errno == EINTR && left > 0);
	return ready > 0;
}

static const char said[] = "* OK sealed by the kernel";

/* ---- a connection with ourselves ---- */

static int listen_on(struct sockaddr_in *sin)
{
	socklen_t n = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd >= 0 && bind(fd, (struct sockaddr *)sin, sizeof(*sin)) == 0 && listen(fd, 1) == 0
	    && getsockname(fd, (struct sockaddr *)sin, &n) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Somebody else on this host may have been faster. */
static bool are_ends_of_one(const struct ktls_pair *p)
{
	struct sockaddr_in name = { 0 }, peer = { 0 };
	socklen_t n = sizeof(name), m = sizeof(peer);

	return getsockname(p->fd[0], (struct sockaddr *)&name, &n) == 0 && getpeername(p->fd[1], (struct sockaddr *)&peer, &m) == 0
		&& name.sin_port == peer.sin_port;
}

static bool connect_both(struct ktls_pair *p, int listener, const struct sockaddr_in *sin)
{
	struct pollfd incoming = { .fd = listener, .events = POLLIN };

	p->fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd[0] < 0)
		return false;
	connect(p->fd[0], (const struct sockaddr *)sin, sizeof(*sin));	/* under way, or done: accept tells */
	if (!ktls_wait(&incoming, 1, WAIT_MS))
		return false;
	p->fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return p->fd[1] >= 0 && are_ends_of_one(p);
}

bool ktls_pair_open(struct ktls_pair *p)
{
	struct sockaddr_in sin;
	int listener = listen_on(&sin);
	bool opened;

	*p = (struct ktls_pair){ { -1, -1 } };
	if (listener < 0)
		return false;
	opened = connect_both(p, listener, &sin);
	close(listener);
	return opened;
}

void ktls_pair_close(struct ktls_pair *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->fd); i++) {
		if (p->fd[i] >= 0)
			close(p->fd[i]);
		p->fd[i] = -1;
	}
}

/* ---- the kernel ---- */

static const struct {
	uint16_t type;
	size_t size;
	const char *name;
} ciphers[] = {
	{ TLS_CIPHER_AES_GCM_128, sizeof(struct tls12_crypto_info_aes_gcm_128), "aes-128-gcm" },
	{ TLS_CIPHER_AES_GCM_256, sizeof(struct tls12_crypto_info_aes_gcm_256), "aes-256-gcm" },
	{ TLS_CIPHER_CHACHA20_POLY1305, sizeof(struct tls12_crypto_info_chacha20_poly1305), "chacha20-poly1305" },
};

static const uint16_t versions[KTLS_VERSIONS] = { [KTLS_12] = TLS_1_2_VERSION, [KTLS_13] = TLS_1_3_VERSION };

#define KEYS_MAX 64
#define SEQUENCE_SIZE 8		/* the record's number, the last of what the kernel wants to know */

/* way: TLS_TX or TLS_RX. A key that everybody knows. */
static bool set_keys(int fd, int way, unsigned version, size_t cipher)
{
	union {
		struct tls_crypto_info info;
		unsigned char bytes[KEYS_MAX];
	} keys = { .bytes = { 0 } };
	size_t size = ciphers[cipher].size;

	_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) <= KEYS_MAX, "the longest key fits");
	memset(keys.bytes, 0x5a, size - SEQUENCE_SIZE);
	keys.info = (struct tls_crypto_info){ .version = versions[version], .cipher_type = ciphers[cipher].type };
	return setsockopt(fd, KTLS_SOL_TLS, way, &keys, (socklen_t)size) == 0;
}

static bool use_tls(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0;
}

static ssize_t receive(int fd, void *p, size_t n)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	return ktls_wait(&readable, 1, WAIT_MS) ? recv(fd, p, n, 0) : -1;
}

/* Does what went in at one end come out at the other: as it was, or, where that end has no keys, as a record? */
static bool arrives(const struct ktls_pair *p, bool opened)
{
	static const unsigned char record[] = { 23, 3, 3 };	/* application data; TLS 1.3 calls itself 1.2 here */
	unsigned char got[sizeof(said)] = { 0 };

	if (send(p->fd[0], said, sizeof(said), MSG_NOSIGNAL) != sizeof(said))
		return false;
	if (receive(p->fd[1], got, sizeof(got)) != sizeof(got))
		return false;
	return opened ? memcmp(got, said, sizeof(said)) == 0 : memcmp(got, record, sizeof(record)) == 0;
}

static unsigned probe_cipher(unsigned version, size_t cipher)
{
	struct ktls_pair p;
	unsigned ways = 0;

	if (ktls_pair_open(&p) && use_tls(p.fd[0]) && use_tls(p.fd[1]) && set_keys(p.fd[0], TLS_TX, version, cipher)) {
		bool opens = set_keys(p.fd[1], TLS_RX, version, cipher);

		if (arrives(&p, opens))
			ways = KTLS_SEND | (opens ? KTLS_RECEIVE : 0);
	}
	ktls_pair_close(&p);
	return ways;
}

/* ---- half a record ---- */

static bool has_bytes(int fd)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	double until = clock_monotonic() + WAIT_MS / 1e3;
	int n = 0;

	while (ioctl(fd, FIONREAD, &n) < 0 || n <= 0) {
		if (clock_monotonic() >= until)
			return false;
		nanosleep(&ms, NULL);
	}
	return true;
}

static bool half_is_readable(const struct ktls_pair *p)
{
	static const unsigned char head[] = { 23, 3, 3, 0, 100 };
	struct pollfd readable = { .fd = p->fd[1], .events = POLLIN };

	return send(p->fd[0], head, sizeof(head), MSG_NOSIGNAL) == sizeof(head) && has_bytes(p->fd[1]) && ktls_wait(&readable, 1, 0);
}

static bool probe_half_records(void)
{
	struct ktls_pair p;
	bool readable = ktls_pair_open(&p) && use_tls(p.fd[1]) && set_keys(p.fd[1], TLS_RX, KTLS_12, 0) && half_is_readable(&p);

	ktls_pair_close(&p);
	return readable;
}

/* ---- all of it ---- */

void ktls_probe(struct ktls *k)
{
	*k = (struct ktls){ 0 };
	for (unsigned v = 0; v < KTLS_VERSIONS; v++) {
		for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
			unsigned ways = probe_cipher(v, i);

			k->kernel[v] |= (uint8_t)ways;
			k->ciphers |= (uint8_t)(ways ? 1u << i : 0);
		}
	}
	if (!ktls_in_kernel(k))
		return;
	k->half_records = probe_half_records();
	ktls_probe_openssl(k);
}

const char *ktls_ways_text(unsigned ways)
{
	static const char *const texts[] = { "none", "send", "receive", "both" };

	return texts[ways & (KTLS_SEND | KTLS_RECEIVE)];
}

const char *ktls_ciphers_text(unsigned known, char text[KTLS_CIPHERS_TEXT_MAX])
{
	size_t len = 0;

	snprintf(text, KTLS_CIPHERS_TEXT_MAX, "none");
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++)
		if (known & 1u << i)
			len += (size_t)snprintf(text + len, KTLS_CIPHERS_TEXT_MAX - len, "%s%s", len ? "," : "", ciphers[i].name);
	return text;
}
