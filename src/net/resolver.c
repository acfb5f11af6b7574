#include "net/resolver.h"

#include <ares.h>
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/loop.h"
#include "wire/rendezvous.h"

#define RESOLVER_BUCKETS 256
#define RESOLVER_TICK 0.1	/* seconds: how often c-ares looks at its own clock while a look-up is under way */
#define RESOLVER_TRY_MS 1000	/* the first try's; c-ares doubles it for each round over the servers: 7 s for a dead one */
#define RESOLVER_TRIES 3

enum name_state { NAME_ASKING, NAME_KNOWN, NAME_STALE, NAME_FAILED };

struct resolver_name {
	struct resolver_name *next;	/* in its bucket */
	struct resolver *resolver;
	char *host;
	enum name_state state;		/* ASKING: there is nothing to serve yet, or only an answer whose time is over */
	bool asking, answering;		/* a look-up is under way; the queries are being told */
	double until;			/* the state holds until then */
	struct resolver_query *first;	/* waiting */
	struct resolver_answer answer;
	char why[NET_FAILURE_MAX];
};

/* One of c-ares' sockets. */
struct resolver_socket {
	struct resolver_socket *next;
	struct resolver *resolver;
	ev_io io;
};

struct resolver {
	struct net_loop *loop;
	ares_channel channel;
	struct resolver_socket *sockets;
	struct timer tick;
	unsigned asking;
	unsigned nnames;
	struct resolver_name *names[RESOLVER_BUCKETS];
};

static void on_tick(struct timer *t)
{
	struct resolver *r = CONTAINER_OF(t, struct resolver, tick);

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (r->asking > 0)
		timers_start(&r->loop->timers, &r->tick, RESOLVER_TICK, on_tick);
}

static void on_socket(struct ev_loop *ev, ev_io *io, int events)
{
	struct resolver_socket *s = CONTAINER_OF(io, struct resolver_socket, io);

	(void)ev;
	/* s may be gone after this */
	ares_process_fd(s->resolver->channel, events & EV_READ ? io->fd : ARES_SOCKET_BAD,
			events & EV_WRITE ? io->fd : ARES_SOCKET_BAD);
}

static struct resolver_socket **find_socket(struct resolver *r, int fd)
{
	struct resolver_socket **at = &r->sockets;

	while (*at && (*at)->io.fd != fd)
		at = &(*at)->next;
	return at;
}

static struct resolver_socket *add_socket(struct resolver *r, int fd)
{
	struct resolver_socket *s = mem_new(sizeof(*s));

	s->resolver = r;
	s->next = r->sockets;
	ev_io_init(&s->io, on_socket, fd, 0);
	r->sockets = s;
	return s;
}

/* c-ares says what it wants to know of a socket; nothing any more: it is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = data;
	struct resolver_socket **at = find_socket(r, fd), *s = *at;

	if (!s)
		s = readable || writable ? add_socket(r, fd) : NULL;
	if (!s)
		return;
	ev_io_stop(r->loop->ev, &s->io);
	if (readable || writable) {
		ev_io_set(&s->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
		ev_io_start(r->loop->ev, &s->io);
		return;
	}
	*at = s->next;
	mem_free(&s);
}

struct resolver *resolver_new(struct net_loop *loop)
{
	struct resolver *r = mem_new(sizeof(*r));
	struct ares_options options = {
		.timeout = RESOLVER_TRY_MS,
		.tries = RESOLVER_TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = r,
	};
	int status;

	assert(loop->ev);
	r->loop = loop;
	status = ares_init_options(&r->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS) {
		/* Names then cannot be looked up, and each query is told why; addresses go on working. */
		snprintf(loop->failure, sizeof(loop->failure), "c-ares: %s", ares_strerror(status));
		r->channel = NULL;
	}
	return r;
}

static void free_name(struct resolver_name *n)
{
	assert(!n->first);
	mem_free(&n->host);
	mem_free(&n);
}

void resolver_free(struct resolver **rp)
{
	struct resolver *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	timers_stop(&r->loop->timers, &r->tick);
	if (r->channel)
		ares_destroy(r->channel);	/* calls back what is under way with ARES_EDESTRUCTION, and on_socket_state */
	for (size_t i = 0; i < RESOLVER_BUCKETS; i++) {
		for (struct resolver_name *n = r->names[i], *next; n; n = next) {
			next = n->next;
			free_name(n);
		}
	}
	assert(!r->sockets);
	mem_free(&r);
}

bool resolver_set_servers(struct resolver *r, const char *servers)
{
	return r->channel && ares_set_servers_ports_csv(r->channel, servers) == ARES_SUCCESS;
}

static struct resolver_name **bucket_of(struct resolver *r, const char *host)
{
	return &r->names[rendezvous_hash(span_of(host), span_of("")) % RESOLVER_BUCKETS];
}

static void forget_name(struct resolver *r, struct resolver_name *n)
{
	struct resolver_name **at = bucket_of(r, n->host);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	r->nnames--;
	free_name(n);
}

/* The one whose answer ends first; nobody waits for it. NULL: all are in use. */
static struct resolver_name *find_oldest(struct resolver *r)
{
	struct resolver_name *oldest = NULL;

	for (size_t i = 0; i < RESOLVER_BUCKETS; i++) {
		for (struct resolver_name *n = r->names[i]; n; n = n->next) {
			if (!n->asking && !n->answering && (!oldest || n->until < oldest->until))
				oldest = n;
		}
	}
	return oldest;
}

/* NULL: too many look-ups at a time. */
static struct resolver_name *take_name(struct resolver *r, const char *host)
{
	struct resolver_name **bucket = bucket_of(r, host), *n, *oldest;

	for (n = *bucket; n; n = n->next) {
		if (!strcmp(n->host, host))
			return n;
	}
	if (r->nnames == RESOLVER_NAMES_MAX) {
		oldest = find_oldest(r);
		if (!oldest)
			return NULL;
		forget_name(r, oldest);
	}
	n = mem_new(sizeof(*n));
	n->resolver = r;
	n->host = mem_strdup(host);
	n->next = *bucket;
	*bucket = n;
	r->nnames++;
	return n;
}

static double ttl_of(const struct ares_addrinfo *found)
{
	int ttl = RESOLVER_TTL_MAX;

	for (const struct ares_addrinfo_node *a = found->nodes; a; a = a->ai_next)
		ttl = a->ai_ttl < ttl ? a->ai_ttl : ttl;
	for (const struct ares_addrinfo_cname *c = found->cnames; c; c = c->next)
		ttl = c->ttl < ttl ? c->ttl : ttl;
	return ttl > RESOLVER_TTL_MIN ? ttl : RESOLVER_TTL_MIN;
}

/* false: no address among what was found; the old answer stays. */
static bool take_addresses(struct resolver_name *n, const struct ares_addrinfo *found)
{
	struct resolver_answer answer = { 0 };

	for (const struct ares_addrinfo_node *a = found->nodes; a && answer.n < RESOLVER_ADDRS_MAX; a = a->ai_next) {
		if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
			addr_from_sockaddr(&answer.addrs[answer.n++], a->ai_addr);
	}
	if (answer.n == 0)
		return false;
	n->answer = answer;
	n->until = n->resolver->loop->timers.now + ttl_of(found);
	n->state = NAME_KNOWN;
	return true;
}

static void take_failure(struct resolver_name *n, int status)
{
	snprintf(n->why, sizeof(n->why), "no address of %.100s: %s", n->host, ares_strerror(status));
	n->until = n->resolver->loop->timers.now + RESOLVER_RETRY;
	n->state = n->answer.n > 0 ? NAME_STALE : NAME_FAILED;
}

static void give_answer(struct resolver_name *n, struct resolver_answer *a)
{
	struct net_loop *loop = n->resolver->loop;

	*a = n->answer;
	if (a->n == 0)
		snprintf(loop->failure, sizeof(loop->failure), "%s", n->why);
}

static void unlink_query(struct resolver_query *q)
{
	if (q->prev)
		q->prev->next = q->next;
	else
		q->name->first = q->next;
	if (q->next)
		q->next->prev = q->prev;
	q->next = q->prev = NULL;
	q->name = NULL;
}

/* A query's function may ask and cancel whatever it likes, also for this name. */
static void tell_all(struct resolver_name *n)
{
	n->answering = true;
	while (n->first) {
		struct resolver_query *q = n->first;
		struct resolver_answer a;

		unlink_query(q);
		give_answer(n, &a);
		q->fn(q, &a);
	}
	n->answering = false;
}

static void on_found(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct resolver_name *n = arg;

	(void)timeouts;
	n->asking = false;
	n->resolver->asking--;
	if (status != ARES_EDESTRUCTION) {
		if (status != ARES_SUCCESS || !found || !take_addresses(n, found))
			take_failure(n, status == ARES_SUCCESS ? ARES_ENODATA : status);
		tell_all(n);
	}
	if (found)
		ares_freeaddrinfo(found);
}

/* May come back with the look-up already over: what is in /etc/hosts needs no asking. */
static void start_asking(struct resolver_name *n)
{
	struct resolver *r = n->resolver;
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

	if (!r->channel) {
		take_failure(n, ARES_ENOTINITIALIZED);
		return;
	}
	n->asking = true;
	r->asking++;
	if (!timer_is_running(&r->tick))
		timers_start(&r->loop->timers, &r->tick, RESOLVER_TICK, on_tick);
	ares_getaddrinfo(r->channel, n->host, NULL, &hints, on_found, n);
}

static void wait_for(struct resolver_name *n, struct resolver_query *q)
{
	q->name = n;
	q->prev = NULL;
	q->next = n->first;
	if (q->next)
		q->next->prev = q;
	n->first = q;
}

bool resolver_find(struct resolver *r, const char *host, struct resolver_query *q, resolver_fn *fn, struct resolver_answer *a)
{
	struct resolver_name *n;

	q->fn = fn;
	q->name = NULL;
	*a = (struct resolver_answer){ .n = 1 };
	if (addr_parse_ip(&a->addrs[0], span_of(host)))
		return true;	/* c-ares 1.18 would ask the servers for some of these */
	n = take_name(r, host);
	if (!n) {
		*a = (struct resolver_answer){ 0 };
		snprintf(r->loop->failure, sizeof(r->loop->failure), "too many look-ups at a time");
		return true;
	}
	if (!n->asking && (n->state == NAME_ASKING || r->loop->timers.now >= n->until)) {
		if (n->state != NAME_STALE)
			n->state = NAME_ASKING;
		start_asking(n);
	}
	if (n->state == NAME_ASKING) {
		wait_for(n, q);
		return false;
	}
	give_answer(n, a);
	return true;
}

void resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	(void)r;
	if (q->name)
		unlink_query(q);
}
