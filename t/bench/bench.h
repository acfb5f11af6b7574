/*
 * bench.h - what the programs of the benchmark share: addresses, sockets, and the bytes that literals and listings are made of.
 *
 * Both ends of a relay know these bytes, so that whoever receives them can check each one. A body repeats its bytes again and again;
 * of a literal they repeat after a prime number, so that nothing lost, doubled or misplaced by a round number goes unnoticed.
 */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LITERAL_PERIOD 65521
#define LISTING_LINE "* 1000 FETCH (FLAGS (\\Seen))\r\n"
#define LISTING_LINES 1000	/* numbered 1000 to 1999, then again */
#define LISTING_PERIOD (LISTING_LINES * (sizeof(LISTING_LINE) - 1))
#define LITERAL_PIECE 65520	/* at most this is written at a time; below the period */
#define LISTING_PIECE 4096	/* as servers do that write line by line into a small buffer */

/* What is still to be sent or received of a body. */
struct body {
	const char *bytes;	/* twice the period, so that any piece is in one place */
	size_t period, piece;
	uint64_t left, at;
};

__attribute__((format(printf, 1, 2), noreturn)) static inline void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static inline const char *literal_bytes(void)
{
	static char bytes[2 * LITERAL_PERIOD];
	uint32_t x = 1;

	for (size_t i = 0; !bytes[LITERAL_PERIOD] && i < LITERAL_PERIOD; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)(1 + (x >> 24) % 255);
	}
	if (!bytes[LITERAL_PERIOD])
		memcpy(bytes + LITERAL_PERIOD, bytes, LITERAL_PERIOD);
	return bytes;
}

static inline const char *listing_bytes(void)
{
	static char bytes[2 * LISTING_PERIOD + 1];

	for (int i = 0; !bytes[2 * LISTING_PERIOD - 1] && i < 2 * LISTING_LINES; i++)
		sprintf(bytes + (size_t)i * (sizeof(LISTING_LINE) - 1), "* %d FETCH (FLAGS (\\Seen))\r\n", 1000 + i % LISTING_LINES);
	return bytes;
}

static inline struct body literal_body(uint64_t n)
{
	return (struct body){ literal_bytes(), LITERAL_PERIOD, LITERAL_PIECE, n, 0 };
}

static inline struct body listing_body(uint64_t lines)
{
	return (struct body){ listing_bytes(), LISTING_PERIOD, LISTING_PIECE, lines * (sizeof(LISTING_LINE) - 1), 0 };
}

static inline const char *body_piece(const struct body *b, size_t *n)
{
	*n = b->left < b->piece ? b->left : b->piece;
	return b->bytes + b->at % b->period;
}

static inline void body_passed(struct body *b, size_t n)
{
	b->left -= n;
	b->at += n;
}

/* Takes what belongs to the body from the n bytes at p and returns how many that were; bytes that are wrong end the program. */
static inline size_t body_check(struct body *b, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n && b->left) {
		size_t piece;
		const char *right = body_piece(b, &piece);

		if (piece > n - done)
			piece = n - done;
		if (memcmp(right, p + done, piece))
			die("wrong bytes in a body, between %ju and %ju", (uintmax_t)b->at, (uintmax_t)(b->at + piece));
		body_passed(b, piece);
		done += piece;
	}
	return done;
}

static inline struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char host[32];
	int port;

	if (sscanf(text, "%31[0-9.]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die("%s: not an address such as 127.0.0.1:143", text);
	a.sin_port = htons((uint16_t)port);
	return a;
}

static inline void set_nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static inline int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	set_nodelay(fd);
	return fd;
}

static inline int listen_at(const char *text)
{
	struct sockaddr_in a = address_of(text);
	int fd = tcp_socket();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (void *)&a, sizeof(a)) || listen(fd, 4096))
		die("%s: %s", text, strerror(errno));
	return fd;
}

static inline void watch(int epfd, int op, int fd, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	if (epoll_ctl(epfd, op, fd, &ev))
		die("epoll_ctl: %s", strerror(errno));
}

static inline bool must_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

#endif
