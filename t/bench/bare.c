/*
 * bare.c - the floor of the benchmark: a relay in one thread that knows no IMAP and looks nobody up.
 *
 *	bare splice|copy|tls LISTEN:PORT BACKEND:PORT [PEM]
 *
 *	splice	through a pipe, taken from a pool while there are bytes in it
 *	copy	through one buffer of 256 KB; what the far side does not take at once is held, and the near side not read meanwhile
 *	tls	the same, the client's side by OpenSSL as it is best for a relay; the backend is dialled after the handshake
 */
#include "bench.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#define EVENTS 256
#define BUFFER (256 * 1024)
#define PIPE_BYTES 65536
#define TURNS 4			/* reads of one end before others have their turn */
#define PIPES_KEPT 64

struct pair;

/* What is held, or in the pipe, is on its way to this end. */
struct end {
	int fd;
	struct pair *pair;
	struct end *far;
	SSL *ssl;
	uint32_t events;
	bool watched;
	bool over;			/* no more will be read from here */
	char *held;
	size_t held_n, held_at;
	int pipe[2];
	size_t in_pipe;
};

struct pair {
	struct end client, backend;
	bool shaking, dead;
	struct pair *next_dead;
};

static int epfd;
static bool splices;
static SSL_CTX *ctx;
static struct sockaddr_in backend;
static struct pair *dead;
static char buffer[BUFFER];
static int pipes[PIPES_KEPT][2];
static int pipes_n;

static void watch_for(struct end *e, uint32_t events)
{
	if (!e->watched || e->events != events)
		watch(epfd, e->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, e->fd, events, e);
	e->watched = true;
	e->events = events;
}

/* The other end may have an event in this same turn: freed after it. */
static void pair_close(struct pair *p)
{
	if (p->dead)
		return;
	p->dead = true;
	p->next_dead = dead;
	dead = p;
}

static void end_fini(struct end *e)
{
	if (e->ssl && !e->pair->shaking) {
		ERR_clear_error();
		SSL_shutdown(e->ssl);
	}
	SSL_free(e->ssl);
	if (e->fd >= 0)
		close(e->fd);
	if (e->in_pipe) {
		close(e->pipe[0]);
		close(e->pipe[1]);
	}
	free(e->held);
}

static void bury(void)
{
	while (dead) {
		struct pair *p = dead;

		dead = p->next_dead;
		end_fini(&p->client);
		end_fini(&p->backend);
		free(p);
	}
}

/* Bytes; 0: not now; -1: over. */
static ssize_t get(struct end *e)
{
	ssize_t n;
	int ret = 0, error;

	if (!e->ssl) {
		n = recv(e->fd, buffer, sizeof(buffer), 0);
		return n > 0 ? n : n < 0 && must_wait() ? 0 : -1;
	}
	/* One record at a time: what is in the library goes on together. */
	for (n = 0; sizeof(buffer) - (size_t)n >= 16384; n += ret) {
		ERR_clear_error();
		ret = SSL_read(e->ssl, buffer + n, (int)(sizeof(buffer) - (size_t)n));
		if (ret <= 0)
			break;
	}
	if (n)
		return n;
	error = SSL_get_error(e->ssl, ret);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t put(struct end *e, const char *p, size_t n)
{
	size_t done = 0;
	ssize_t sent;

	while (done < n) {
		if (e->ssl) {
			ERR_clear_error();
			sent = SSL_write(e->ssl, p + done, (int)(n - done));
			if (sent <= 0)
				return SSL_get_error(e->ssl, (int)sent) == SSL_ERROR_WANT_WRITE ? (ssize_t)done : -1;
		} else {
			sent = send(e->fd, p + done, n - done, MSG_NOSIGNAL);
			if (sent < 0)
				return must_wait() ? (ssize_t)done : -1;
		}
		done += (size_t)sent;
	}
	return (ssize_t)done;
}

static void hold(struct end *e, const char *p, size_t n)
{
	e->held = malloc(n);
	if (!e->held)
		die("no memory");
	memcpy(e->held, p, n);
	e->held_n = n;
	e->held_at = 0;
}

static void pipe_take(struct end *e)
{
	if (pipes_n) {
		pipes_n--;
		e->pipe[0] = pipes[pipes_n][0];
		e->pipe[1] = pipes[pipes_n][1];
	} else if (pipe2(e->pipe, O_NONBLOCK | O_CLOEXEC)) {
		die("pipe: %s", strerror(errno));
	}
}

static void pipe_give(struct end *e)
{
	if (pipes_n < PIPES_KEPT) {
		pipes[pipes_n][0] = e->pipe[0];
		pipes[pipes_n][1] = e->pipe[1];
		pipes_n++;
	} else {
		close(e->pipe[0]);
		close(e->pipe[1]);
	}
}

/* False: the far side is gone. */
static bool drain_pipe(struct end *e)
{
	while (e->in_pipe) {
		ssize_t n = splice(e->pipe[0], NULL, e->fd, NULL, e->in_pipe, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

		if (n <= 0)
			return n < 0 && must_wait();
		e->in_pipe -= (size_t)n;
	}
	pipe_give(e);
	return true;
}

static bool drain(struct end *e)
{
	ssize_t n;

	if (e->in_pipe)
		return drain_pipe(e);
	if (!e->held)
		return true;
	n = put(e, e->held + e->held_at, e->held_n - e->held_at);
	if (n < 0)
		return false;
	e->held_at += (size_t)n;
	if (e->held_at == e->held_n) {
		free(e->held);
		e->held = NULL;
	}
	return true;
}

static bool is_full(const struct end *e)
{
	return e->held || e->in_pipe;
}

/* As get and put together: bytes moved or on their way, 0, -1. */
static ssize_t move_spliced(struct end *from, struct end *to)
{
	ssize_t n;

	pipe_take(to);
	n = splice(from->fd, NULL, to->pipe[1], NULL, PIPE_BYTES, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n <= 0) {
		pipe_give(to);
		return n < 0 && must_wait() ? 0 : -1;
	}
	to->in_pipe = (size_t)n;
	return drain_pipe(to) ? n : -1;
}

static ssize_t move_copied(struct end *from, struct end *to)
{
	ssize_t n = get(from), sent;

	if (n <= 0)
		return n;
	sent = put(to, buffer, (size_t)n);
	if (sent >= 0 && sent < n)
		hold(to, buffer + sent, (size_t)(n - sent));
	return sent < 0 ? -1 : n;
}

static void move_some(struct end *from)
{
	struct end *to = from->far;

	for (int turn = 0; turn < TURNS && !is_full(to) && !from->over; turn++) {
		ssize_t n = splices ? move_spliced(from, to) : move_copied(from, to);

		if (n < 0)
			from->over = true;
		/* A read that did not fill the buffer has emptied the socket; the library may hold bytes that no event will tell of. */
		if (n == 0 || (!from->ssl && n < PIPE_BYTES))
			break;
		if (from->ssl)
			turn = 0;
	}
}

static void rearm(struct end *e)
{
	uint32_t reads = is_full(e->far) || e->over ? 0 : EPOLLIN, writes = is_full(e) ? EPOLLOUT : 0;

	watch_for(e, reads | writes | EPOLLRDHUP * !!reads);
}

static void dial(struct pair *p)
{
	p->backend.fd = tcp_socket();
	if (connect(p->backend.fd, (void *)&backend, sizeof(backend)) && errno != EINPROGRESS)
		pair_close(p);
	else
		watch_for(&p->backend, EPOLLIN);
}

static void shake(struct pair *p)
{
	int ret, error;

	ERR_clear_error();
	ret = SSL_accept(p->client.ssl);
	if (ret == 1) {
		p->shaking = false;
		dial(p);
		return;
	}
	error = SSL_get_error(p->client.ssl, ret);
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		pair_close(p);
}

static void end_event(struct end *e, uint32_t events)
{
	struct pair *p = e->pair;

	if (p->dead)
		return;
	if (p->shaking) {
		shake(p);
		return;
	}
	if (p->backend.fd < 0)
		return;
	if (events & EPOLLOUT) {
		if (!drain(e))
			e->over = true;
		move_some(e->far);
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		move_some(e);
	if ((p->client.over && !is_full(&p->backend)) || (p->backend.over && !is_full(&p->client)) || (p->client.over && p->backend.over)) {
		pair_close(p);
		return;
	}
	rearm(&p->client);
	rearm(&p->backend);
}

static void pair_open(int fd)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		die("no memory");
	set_nodelay(fd);
	p->client.fd = fd;
	p->backend.fd = -1;
	p->client.pair = p->backend.pair = p;
	p->client.far = &p->backend;
	p->backend.far = &p->client;
	watch_for(&p->client, EPOLLIN);
	if (!ctx) {
		dial(p);
		return;
	}
	p->client.ssl = SSL_new(ctx);
	SSL_set_fd(p->client.ssl, fd);
	p->shaking = true;
}

static void tls_setup(const char *pem)
{
	ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(ctx, pem) != 1 || SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) != 1)
		die("%s: no certificate and key", pem);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bare", 4);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 65536);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener, fd;

	if (argc < 4 || (!strcmp(argv[1], "tls") && argc < 5))
		die("bare splice|copy|tls LISTEN:PORT BACKEND:PORT [PEM]");
	epfd = epoll_create1(EPOLL_CLOEXEC);
	splices = !strcmp(argv[1], "splice");
	listener = listen_at(argv[2]);
	backend = address_of(argv[3]);
	if (!strcmp(argv[1], "tls"))
		tls_setup(argv[4]);
	watch(epfd, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epfd, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				end_event(events[i].data.ptr, events[i].events);
			else
				while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
					pair_open(fd);
		bury();
	}
}
