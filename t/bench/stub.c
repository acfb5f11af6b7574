/*
 * stub.c - a cheap IMAP server for the benchmark: one thread, no mail, whoever logs in is let in.
 *
 *	stub ADDRESS:PORT... [--auth ADDRESS:PORT USERS-GO-TO:PORT]
 *
 *	FETCH 1 BODY[]<0.N>	a literal of N bytes		APPEND INBOX {N+}	checks the bytes; BAD if one is wrong
 *	FETCH 1:N (FLAGS)	N thousand lines of flags	ANNOUNCE		an EXISTS for all that are in IDLE
 *	CAPABILITY ID NOOP LOGIN AUTHENTICATE IDLE LOGOUT as everywhere
 *
 * At --auth it answers each HTTP request as nginx' mail module wants it: let him in, at that address.
 */
#include "bench.h"

#define CAPS "CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID IDLE"
#define EVENTS 256

enum verb { NO_VERB, CAPABILITY, ID, NOOP, LOGIN, AUTHENTICATE, FETCH, APPEND, IDLE, ANNOUNCE, LOGOUT };
static const char *const verbs[] = { "", "CAPABILITY", "ID", "NOOP", "LOGIN", "AUTHENTICATE", "FETCH", "APPEND", "IDLE", "ANNOUNCE",
				    "LOGOUT" };

struct client {
	int fd;
	bool listens, http, writes, in_idle, in_sasl, ends;
	struct client *next_idle, **link_idle;
	enum verb verb;
	char tag[32];
	struct body in_literal, out_body;	/* what is left of them */
	bool counts;				/* the literal's bytes are looked at */
	size_t in_n, out_n, out_at;
	char in[2048], out[1024];
};

static int epfd;
static struct client *idle;
static const char *users_go_to;

__attribute__((format(printf, 2, 3))) static void say(struct client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->out_n += (size_t)vsnprintf(c->out + c->out_n, sizeof(c->out) - c->out_n, fmt, ap);
	va_end(ap);
	if (c->out_n >= sizeof(c->out))
		die("too much to say");
}

static void idle_leave(struct client *c)
{
	if (!c->in_idle)
		return;
	c->in_idle = false;
	*c->link_idle = c->next_idle;
	if (c->next_idle)
		c->next_idle->link_idle = c->link_idle;
}

static void idle_enter(struct client *c)
{
	c->in_idle = true;
	c->next_idle = idle;
	c->link_idle = &idle;
	if (idle)
		idle->link_idle = &c->next_idle;
	idle = c;
}

static void client_close(struct client *c)
{
	idle_leave(c);
	close(c->fd);
	free(c);
}

static bool is_busy(const struct client *c)
{
	return c->out_at < c->out_n || c->out_body.left;
}

/* False: the connection is gone. */
static bool send_some(struct client *c)
{
	while (is_busy(c)) {
		size_t n = c->out_n - c->out_at;
		const char *p = n ? c->out + c->out_at : body_piece(&c->out_body, &n);
		ssize_t done = send(c->fd, p, n, MSG_NOSIGNAL);

		if (done < 0)
			return must_wait();
		if (c->out_at < c->out_n) {
			c->out_at += (size_t)done;
			continue;
		}
		c->out_n = c->out_at = 0;
		body_passed(&c->out_body, (size_t)done);
		if (!c->out_body.left)
			say(c, "%s%s OK done\r\n", c->out_body.period == LITERAL_PERIOD ? ")\r\n" : "", c->tag);
	}
	c->out_n = c->out_at = 0;
	return !c->ends;
}

static void announce(void)
{
	static const char news[] = "* 7 EXISTS\r\n";

	for (struct client *c = idle; c; c = c->next_idle)
		if (send(c->fd, news, sizeof(news) - 1, MSG_NOSIGNAL) != sizeof(news) - 1)
			die("a session in IDLE takes no EXISTS");
}

static void fetch(struct client *c, const char *args)
{
	unsigned long long n;

	if (sscanf(args, " 1 BODY[]<0.%llu>", &n) == 1 && n) {
		say(c, "* 1 FETCH (BODY[] {%llu}\r\n", n);
		c->out_body = literal_body(n);
	} else if (sscanf(args, " 1:%llu (FLAGS)", &n) == 1 && n) {
		c->out_body = listing_body(n * LISTING_LINES);
	} else {
		say(c, "%s BAD what?\r\n", c->tag);
	}
}

/* A command is here with all its literals; args are what follows the verb in its first line. */
static void answer(struct client *c, const char *args)
{
	switch (c->verb) {
	case CAPABILITY:
		say(c, "* " CAPS " AUTH=PLAIN\r\n%s OK done\r\n", c->tag);
		break;
	case ID:
		say(c, "* ID (\"name\" \"stub\")\r\n%s OK done\r\n", c->tag);
		break;
	case LOGIN:
	case AUTHENTICATE:
		say(c, "%s OK [" CAPS "] you are in\r\n", c->tag);
		break;
	case FETCH:
		fetch(c, args);
		break;
	case IDLE:
		say(c, "+ idling\r\n");
		idle_enter(c);
		break;
	case LOGOUT:
		say(c, "* BYE\r\n%s OK bye\r\n", c->tag);
		c->ends = true;
		break;
	case ANNOUNCE:
		announce();
		say(c, "%s OK done\r\n", c->tag);
		break;
	case NOOP:
	case APPEND:
		say(c, "%s OK done\r\n", c->tag);
		break;
	default:
		say(c, "%s BAD what?\r\n", c->tag);
	}
}

/* {n} or {n+} at the end of a line: the bytes that follow. */
static bool announces(struct client *c, const char *line, size_t n)
{
	unsigned long long size;
	char end[3] = "";
	const char *open = n && line[n - 1] == '}' ? memrchr(line, '{', n) : NULL;

	if (!open || sscanf(open, "{%llu%2[+}]", &size, end) != 2)
		return false;
	if (end[0] == '}')
		say(c, "+ go on\r\n");
	c->counts = c->verb == APPEND;
	c->in_literal = literal_body(size);
	return true;
}

static enum verb verb_of(const char *word)
{
	for (enum verb v = CAPABILITY; v <= LOGOUT; v++)
		if (!strcasecmp(word, verbs[v]))
			return v;
	return NO_VERB;
}

static void take_line(struct client *c, const char *line, size_t n)
{
	char word[16] = "";
	int args = 0;

	if (c->in_idle) {
		idle_leave(c);
		say(c, "%s OK done\r\n", c->tag);
		return;
	}
	if (c->in_sasl) {
		c->in_sasl = false;
		answer(c, "");
		c->verb = NO_VERB;
		return;
	}
	/* What follows a literal ends a command, or announces the next one. */
	if (c->verb == NO_VERB) {
		if (sscanf(line, "%31s %15s%n", c->tag, word, &args) != 2)
			return;
		c->verb = verb_of(word);
	}
	if (announces(c, line, n))
		return;
	if (c->verb == AUTHENTICATE && !memchr(line + args + 1, ' ', n - (size_t)args - 1)) {
		say(c, "+ \r\n");
		c->in_sasl = true;
		return;
	}
	answer(c, line + args);
	c->verb = NO_VERB;
}

static void answer_http(struct client *c)
{
	char host[32];
	int port;

	c->in[c->in_n] = '\0';
	if (!strstr(c->in, "\r\n\r\n"))
		return;
	sscanf(users_go_to, "%31[0-9.]:%d", host, &port);
	say(c, "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: %s\r\nAuth-Port: %d\r\nContent-Length: 0\r\n\r\n", host, port);
	c->ends = true;
	c->in_n = 0;
}

/* How many of the bytes that are in were used. */
static size_t take_piece(struct client *c, char *p, size_t n)
{
	char *lf;

	if (c->in_literal.left) {
		size_t used = c->in_literal.left < n ? c->in_literal.left : n;

		if (c->counts)
			return body_check(&c->in_literal, p, n);
		body_passed(&c->in_literal, used);
		return used;
	}
	lf = memchr(p, '\n', n);
	if (!lf)
		return 0;
	n = (size_t)(lf + 1 - p);
	if (lf > p && lf[-1] == '\r')
		lf--;
	*lf = '\0';
	take_line(c, p, (size_t)(lf - p));
	return n;
}

static void take_all(struct client *c)
{
	size_t used = 0;

	if (c->http) {
		answer_http(c);
		return;
	}
	while (used < c->in_n && !is_busy(c)) {
		size_t n = take_piece(c, c->in + used, c->in_n - used);

		if (!n)
			break;
		used += n;
	}
	c->in_n -= used;
	memmove(c->in, c->in + used, c->in_n);
}

/* A long literal comes in past the small buffer. False: the connection is gone. */
static bool receive_some(struct client *c)
{
	static char large[65536];
	bool passing = c->in_literal.left && !c->in_n;
	ssize_t n = passing ? recv(c->fd, large, c->in_literal.left < sizeof(large) ? c->in_literal.left : sizeof(large), 0) :
			      recv(c->fd, c->in + c->in_n, sizeof(c->in) - 1 - c->in_n, 0);

	if (n <= 0)
		return n < 0 && must_wait();
	if (passing)
		take_piece(c, large, (size_t)n);
	else
		c->in_n += (size_t)n;
	return true;
}

static void client_event(struct client *c, uint32_t events)
{
	bool alive = true;

	if (events & EPOLLIN)
		alive = receive_some(c);
	else if (events & (EPOLLERR | EPOLLHUP))
		alive = false;
	/* Answers first: what came in behind them waits. */
	while (alive && (alive = send_some(c)) && !is_busy(c)) {
		take_all(c);
		if (!is_busy(c))
			break;
	}
	if (!alive) {
		client_close(c);
		return;
	}
	if (is_busy(c) != c->writes) {
		c->writes = !c->writes;
		watch(epfd, EPOLL_CTL_MOD, c->fd, c->writes ? EPOLLOUT : EPOLLIN, c);
	}
}

static struct client *client_new(int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		die("no memory");
	c->fd = fd;
	watch(epfd, EPOLL_CTL_ADD, fd, EPOLLIN, c);
	return c;
}

static void accept_all(struct client *l)
{
	int fd;

	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *c = client_new(fd);

		set_nodelay(fd);
		c->http = l->http;
		if (!c->http)
			say(c, "* OK [" CAPS " AUTH=PLAIN] stub\r\n");
		client_event(c, 0);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 1; i < argc; i++) {
		bool http = !strcmp(argv[i], "--auth");
		struct client *l;

		if (http && i + 2 >= argc)
			die("--auth ADDRESS:PORT USERS-GO-TO:PORT");
		l = client_new(listen_at(argv[http ? i + 1 : i]));
		l->listens = true;
		l->http = http;
		if (http) {
			users_go_to = argv[i + 2];
			i += 2;
		}
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epfd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (c->listens)
				accept_all(c);
			else
				client_event(c, events[i].events);
		}
	}
}
