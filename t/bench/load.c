/*
 * load.c - the clients of the benchmark: logs in, downloads, uploads or idles, in one thread, and checks every byte it gets.
 *
 *	load --to ADDRESS:PORT [--tls | --resume] --work WORK [--sessions N] [--count N] [--size N] [--stub ADDRESS:PORT] [--first N]
 *
 *	--work login		N sessions at a time, --count in all: login, NOOP, logout; with --resume each but a slot's first resumes
 *	--work download		N sessions fetch --count literals of --size bytes
 *	--work listing		N sessions list the flags of --size thousand messages, --count times in all
 *	--work upload		N sessions append --count literals of --size bytes
 *	--work idle		N sessions in IDLE, and one beside them
 *
 * It says "ready" when all sessions are logged in, and then does what standard input says, one line of result each: "go" the work, and with
 * idle "ping N" (round trips of NOOP, of the one session) and "fanout" (one EXISTS from the stub to all). The end of standard input
 * ends it; so does anything that is not as it should be, with a sentence and exit status 1. Clients have many addresses of 127.0.0.0/8.
 */
#include "bench.h"

#include <getopt.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <time.h>

#define EVENTS 256
#define LINE_MAX_BYTES 512
#define SECONDS_MAX 600		/* no work takes that long */
#define ADDRESSES 200		/* 127.1.0.1 and on */
#define CIPHER "TLS_AES_128_GCM_SHA256"

enum state { FREE, CONNECT, SHAKE, GREETING, LOGIN, READY, WORK, LOGOUT, IDLE_ASKED, IDLING };

struct session {
	int fd;
	unsigned slot;
	enum state state;
	uint32_t events;
	SSL *ssl;
	SSL_SESSION *ticket;
	bool heard;			/* the EXISTS of this fan-out */
	double asked_at;		/* the NOOP */
	struct body in_body, out_body;
	size_t line_n, out_n, out_at;
	char line[LINE_MAX_BYTES], out[LINE_MAX_BYTES];
};

static const char *work = "login";
static unsigned long sessions_n = 1, count = 1, size = 1, first;
static bool tls, resume;
static struct sockaddr_in to, stub;

static int epfd;
static SSL_CTX *ctx;
static struct session *sessions;
static struct session control;		/* asks the stub for the EXISTS */
static unsigned long started, done, logged_in, idling, resumed, heard, addresses_used;
static bool going;
static double go_at;
static double *pings;
static size_t pings_n, pings_asked;
static char scratch[256 * 1024];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool does(const char *what)
{
	return !strcmp(work, what);
}

static unsigned long all_sessions(void)
{
	return sessions_n + does("idle");
}

static void watch_for(struct session *s, uint32_t events)
{
	if (s->events != events)
		watch(epfd, s->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, events, s);
	s->events = events;
}

/* Bytes that were taken; 0: not now. */
static size_t put(struct session *s, const char *p, size_t n)
{
	ssize_t sent;
	int ret;

	if (!s->ssl) {
		sent = send(s->fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && !must_wait())
			die("cannot send: %s", strerror(errno));
		return sent < 0 ? 0 : (size_t)sent;
	}
	ERR_clear_error();
	ret = SSL_write(s->ssl, p, n < sizeof(scratch) ? (int)n : (int)sizeof(scratch));
	if (ret > 0)
		return (size_t)ret;
	if (SSL_get_error(s->ssl, ret) != SSL_ERROR_WANT_WRITE)
		die("SSL_write fails");
	return 0;
}

/* Bytes that came; 0: none now; -1: the end. */
static ssize_t get(struct session *s)
{
	ssize_t n;
	int ret, error;

	if (!s->ssl) {
		n = recv(s->fd, scratch, sizeof(scratch), 0);
		return n > 0 ? n : n < 0 && must_wait() ? 0 : -1;
	}
	ERR_clear_error();
	ret = SSL_read(s->ssl, scratch, sizeof(scratch));
	if (ret > 0)
		return ret;
	error = SSL_get_error(s->ssl, ret);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void flush(struct session *s)
{
	while (s->out_at < s->out_n || s->out_body.left) {
		size_t n = s->out_n - s->out_at;
		const char *p = n ? s->out + s->out_at : body_piece(&s->out_body, &n);
		size_t sent = put(s, p, n);

		if (!sent)
			break;
		if (s->out_at < s->out_n) {
			s->out_at += sent;
			continue;
		}
		body_passed(&s->out_body, sent);
		if (!s->out_body.left) {
			s->out_at = 0;
			s->out_n = (size_t)sprintf(s->out, "\r\n");
		}
	}
	if (s->out_at == s->out_n)
		s->out_at = s->out_n = 0;
	watch_for(s, s->out_n || s->out_body.left ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

__attribute__((format(printf, 2, 3))) static void say(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s->out_n += (size_t)vsnprintf(s->out + s->out_n, sizeof(s->out) - s->out_n, fmt, ap);
	va_end(ap);
	flush(s);
}

static void session_start(struct session *s)
{
	struct sockaddr_in from = { .sin_family = AF_INET };

	/* The port is chosen at connect, so that each address has all ports for each destination. */
	from.sin_addr.s_addr = htonl(0x7f010001 + (uint32_t)(addresses_used++ % ADDRESSES) + (uint32_t)first);
	s->fd = tcp_socket();
	setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
	if (bind(s->fd, (void *)&from, sizeof(from)))
		die("bind: %s", strerror(errno));
	if (connect(s->fd, (void *)(s == &control ? &stub : &to), sizeof(to)) && errno != EINPROGRESS)
		die("connect: %s", strerror(errno));
	s->events = 0;
	s->state = CONNECT;
	watch_for(s, EPOLLOUT);
}

static void session_end(struct session *s)
{
	/* Without a word: but the library would no longer resume what was not closed politely. */
	if (s->ssl)
		SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(s->ssl);
	s->ssl = NULL;
	close(s->fd);
	s->state = FREE;
	s->line_n = 0;
}

static void work_is_done(void)
{
	if (going && done == count) {
		printf("seconds=%.6f count=%lu resumed=%lu\n", now() - go_at, done, resumed);
		fflush(stdout);
		going = false;
	}
}

static void next_login(struct session *s)
{
	if (going && started < count) {
		started++;
		session_start(s);
	}
}

static void next_work(struct session *s)
{
	s->state = READY;
	if (!going || started == count)
		return;
	started++;
	s->state = WORK;
	if (does("download")) {
		say(s, "w FETCH 1 BODY[]<0.%lu>\r\n", size);
	} else if (does("listing")) {
		s->in_body = listing_body(size * LISTING_LINES);
		say(s, "w FETCH 1:%lu (FLAGS)\r\n", size);
	} else {
		s->out_n = (size_t)sprintf(s->out, "w APPEND INBOX {%lu+}\r\n", size);
		s->out_body = literal_body(size);
		flush(s);
	}
}

static void ready_when_all_are(void)
{
	if (logged_in == all_sessions() && (!does("idle") || idling == sessions_n)) {
		printf("ready resumed=%lu\n", resumed);
		fflush(stdout);
		logged_in = 0;
		resumed = 0;
	}
}

static void is_logged_in(struct session *s)
{
	s->state = READY;
	if (s == &control)
		return;
	if (does("login")) {
		s->state = WORK;
		say(s, "n NOOP\r\n");
		return;
	}
	logged_in++;
	if (does("idle") && s->slot < sessions_n) {
		s->state = IDLE_ASKED;
		say(s, "i IDLE\r\n");
	}
	ready_when_all_are();
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void pong(struct session *s)
{
	pings[pings_n++] = now() - s->asked_at;
	if (pings_n < pings_asked) {
		s->asked_at = now();
		say(s, "n NOOP\r\n");
		return;
	}
	s->state = READY;
	qsort(pings, pings_n, sizeof(*pings), by_size);
	printf("p50=%.1f p99=%.1f p999=%.1f\n", 1e6 * pings[pings_n / 2], 1e6 * pings[pings_n * 99 / 100],
	       1e6 * pings[pings_n * 999 / 1000]);
	fflush(stdout);
}

static void exists(struct session *s)
{
	if (s->heard)
		die("a session hears of one message twice");
	s->heard = true;
	if (++heard < sessions_n)
		return;
	printf("seconds=%.6f count=%lu\n", now() - go_at, heard);
	fflush(stdout);
	heard = 0;
	for (unsigned long i = 0; i < sessions_n; i++)
		sessions[i].heard = false;
}

static void work_answered(struct session *s)
{
	if (does("login")) {
		s->state = LOGOUT;
		say(s, "o LOGOUT\r\n");
	} else if (does("idle")) {
		pong(s);
	} else {
		done++;
		next_work(s);
		work_is_done();
	}
}

/* A whole line, without its end. */
static void take_line(struct session *s, char *line)
{
	unsigned long long n;

	if (s->state == WORK && sscanf(line, "* 1 FETCH (BODY[] {%llu}", &n) == 1) {
		if (n != size)
			die("a literal of %llu bytes came, not of %lu", n, size);
		s->in_body = literal_body(n);
	} else if (s->state == GREETING && !strncmp(line, "* OK", 4)) {
		s->state = LOGIN;
		say(s, "l LOGIN user%lu secret\r\n", first + s->slot);
	} else if (s->state == LOGIN && !strncmp(line, "l OK", 4)) {
		is_logged_in(s);
	} else if (s->state == WORK && (!strncmp(line, "w OK", 4) || !strncmp(line, "n OK", 4))) {
		work_answered(s);
	} else if (s->state == IDLE_ASKED && line[0] == '+') {
		s->state = IDLING;
		idling++;
		ready_when_all_are();
	} else if (s->state == IDLING && !strcmp(line, "* 7 EXISTS")) {
		exists(s);
	} else if (strncmp(line, "* ", 2) && strcmp(line, ")") && strncmp(line, "o OK", 4) && !(s == &control && s->state == READY)) {
		die("state %d: what does it mean: %s", (int)s->state, line);
	}
}

static void take_text(struct session *s, const char *p, size_t n)
{
	if (s->line_n + n >= sizeof(s->line))
		die("a line is too long");
	memcpy(s->line + s->line_n, p, n);
	s->line_n += n;
	if (p[n - 1] != '\n')
		return;
	s->line[s->line_n - 1] = '\0';
	if (s->line_n > 1 && s->line[s->line_n - 2] == '\r')
		s->line[s->line_n - 2] = '\0';
	s->line_n = 0;
	take_line(s, s->line);
}

static void take(struct session *s, const char *p, size_t n)
{
	while (n) {
		size_t used = body_check(&s->in_body, p, n);

		if (!used) {
			const char *lf = memchr(p, '\n', n);

			used = lf ? (size_t)(lf + 1 - p) : n;
			take_text(s, p, used);
		}
		p += used;
		n -= used;
	}
}

static void is_over(struct session *s)
{
	if (s->state != LOGOUT)
		die("slot %u: closed in state %d after %lu done", s->slot, (int)s->state, done);
	session_end(s);
	if (!going) {
		/* The handshake that is there for its ticket. */
		logged_in++;
		ready_when_all_are();
		return;
	}
	done++;
	next_login(s);
	work_is_done();
}

static void read_all(struct session *s)
{
	ssize_t n = get(s);

	/* TLS: what the library holds already, no event will tell. */
	for (; n > 0; n = s->ssl ? get(s) : 0)
		take(s, scratch, (size_t)n);
	if (n < 0)
		is_over(s);
}

static void shake(struct session *s)
{
	int ret, error;

	ERR_clear_error();
	ret = SSL_connect(s->ssl);
	if (ret == 1) {
		s->state = GREETING;
		resumed += SSL_session_reused(s->ssl) == 1;
		watch_for(s, EPOLLIN);
		return;
	}
	error = SSL_get_error(s->ssl, ret);
	if (error == SSL_ERROR_WANT_READ)
		watch_for(s, EPOLLIN);
	else if (error != SSL_ERROR_WANT_WRITE)
		die("TLS handshake: %s", ERR_reason_error_string(ERR_get_error()));
}

static void is_connected(struct session *s)
{
	int error = 0;

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) });
	if (error)
		die("connect: %s", strerror(error));
	s->state = GREETING;
	watch_for(s, EPOLLIN);
	if (!tls || s == &control)
		return;
	s->ssl = SSL_new(ctx);
	SSL_set_fd(s->ssl, s->fd);
	SSL_set_app_data(s->ssl, s);
	if (s->ticket)
		SSL_set_session(s->ssl, s->ticket);
	s->state = SHAKE;
}

static void session_event(struct session *s, uint32_t events)
{
	if (s->state == CONNECT)
		is_connected(s);
	if (s->state == SHAKE)
		shake(s);
	else if (events & EPOLLOUT)
		flush(s);
	if (s->state > SHAKE && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_all(s);
}

static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct session *s = SSL_get_app_data(ssl);

	SSL_SESSION_free(s->ticket);
	s->ticket = ticket;
	return 1;
}

static void tls_setup(void)
{
	ctx = SSL_CTX_new(TLS_client_method());
	/* Proxies that end without close_notify are still to be resumed. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(ctx, CIPHER);
	SSL_CTX_set1_groups_list(ctx, "X25519");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_read_buffer_len(ctx, 65536);
	if (resume) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
	}
}

static void go(void)
{
	going = true;
	for (unsigned long i = 0; i < sessions_n; i++)
		if (does("login"))
			next_login(&sessions[i]);
		else
			next_work(&sessions[i]);
}

static void ping(size_t n)
{
	struct session *s = &sessions[sessions_n];

	pings = reallocarray(pings, n, sizeof(*pings));
	if (!pings)
		die("no memory");
	pings_asked = n;
	pings_n = 0;
	s->state = WORK;
	s->asked_at = now();
	say(s, "n NOOP\r\n");
}

/* Commands come one at a time, each after the result of the one before. */
static void take_order(void)
{
	char line[64];
	size_t n;
	ssize_t got = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (got <= 0)
		exit(0);
	line[got] = '\0';
	go_at = now();
	if (!strcmp(line, "go\n") && !does("idle"))
		go();
	else if (sscanf(line, "ping %zu", &n) == 1 && n && does("idle"))
		ping(n);
	else if (!strcmp(line, "fanout\n") && does("idle") && control.state == READY)
		say(&control, "x ANNOUNCE\r\n");
	else
		die("no such order: %s", line);
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "to", 1, NULL, 't' },	  { "tls", 0, NULL, 'T' },  { "resume", 0, NULL, 'R' }, { "work", 1, NULL, 'w' },
		{ "sessions", 1, NULL, 'n' },
		{ "count", 1, NULL, 'c' }, { "size", 1, NULL, 's' }, { "stub", 1, NULL, 'S' },	{ "first", 1, NULL, 'f' }, { 0 },
	};
	unsigned long n;
	int o;

	while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
		n = optarg ? strtoul(optarg, NULL, 10) : 0;
		switch (o) {
		case 't': to = address_of(optarg); break;
		case 'T': tls = true; break;
		case 'R': tls = resume = true; break;
		case 'w': work = optarg; break;
		case 'n': sessions_n = n; break;
		case 'c': count = n; break;
		case 's': size = n; break;
		case 'S': stub = address_of(optarg); break;
		case 'f': first = n; break;
		default: exit(1);
		}
	}
	if (!to.sin_port || !count || !size || (!sessions_n && !does("idle")))
		die("what to do? see the top of load.c");
}

/* Not all at once: a queue of connections has an end. */
static void start_more(void)
{
	static unsigned long next;
	unsigned long busy = next - logged_in;

	for (; next < all_sessions() && busy < 100; busy++)
		session_start(&sessions[next++]);
}

int main(int argc, char **argv)
{
	static struct session orders;		/* stands for standard input */
	struct epoll_event events[EVENTS];
	bool prepares;

	options(argc, argv);
	alarm(SECONDS_MAX);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (tls)
		tls_setup();
	sessions = calloc(all_sessions(), sizeof(*sessions));
	if (!sessions)
		die("no memory");
	for (unsigned long i = 0; i < all_sessions(); i++)
		sessions[i].slot = (unsigned)i;
	watch(epfd, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &orders);
	if (stub.sin_port)
		session_start(&control);
	prepares = !does("login") || resume;
	if (!prepares) {
		logged_in = all_sessions();
		ready_when_all_are();
	}
	for (;;) {
		int n;

		if (prepares)
			start_more();
		n = epoll_wait(epfd, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			struct session *s = events[i].data.ptr;

			if (s == &orders) {
				prepares = false;
				take_order();
			} else {
				session_event(s, events[i].events);
			}
		}
	}
}
