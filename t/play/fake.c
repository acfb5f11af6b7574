#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/loop.h"

/* How often it may be told the same without doing anything about it. */
#define IDLE_TURNS_MAX 3

const char *const fake_mark_names[MARK_N] = {
	[MARK_STARTS_TLS]  = "starts TLS",
	[MARK_HALF_CLOSED] = "is half closed",
	[MARK_LET_GO]	   = "is let go",
	[MARK_CUT]	   = "is cut",
};

/* The first fault is the one that tells. */
static void broke(struct fake *f, const char *how)
{
	if (!f->broken[0])
		snprintf(f->broken, sizeof(f->broken), "%s: %s", f->side, how);
}

static void mark(struct fake *f, enum fake_mark m)
{
	if (f->nmarks == FAKE_MARKS_MAX) {
		broke(f, "too much is done to it");
		return;
	}
	f->marks[f->nmarks].at = f->out.n;
	f->marks[f->nmarks++].mark = m;
}

/* ---- as a conn ---- */

static int failed(struct conn *c, const char *phrase, int errnum)
{
	snprintf(c->loop->failure, sizeof(c->loop->failure), "%s", phrase);
	errno = errnum;
	return -1;
}

static ssize_t is_reset(const struct fake *f, struct conn *c)
{
	return f->garbled ? failed(c, f->phrase, EPROTO) : failed(c, "Connection reset by peer", ECONNRESET);
}

static ssize_t fake_look(struct conn *c, void *p, size_t n, bool take)
{
	struct fake *f = c->fake;
	size_t there = f->in.n - f->in_at;

	if (f->dialling || f->securing)
		broke(f, "read while it dials or shakes hands");
	if (f->reset && there == 0)	/* as in Linux: what had come before the reset can be read */
		return is_reset(f, c);
	if (there == 0 && f->in_end) {
		f->moved += !f->end_seen;
		f->end_seen = true;
		return 0;
	}
	if (there == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = n < there ? n : there;
	memcpy(p, f->in.p + f->in_at, n);
	if (take) {
		f->in_at += n;
		f->moved += n;
	}
	return (ssize_t)n;
}

static ssize_t fake_read(struct conn *c, void *p, size_t n)
{
	return fake_look(c, p, n, true);
}

static ssize_t fake_peek(struct conn *c, void *p, size_t n)
{
	return fake_look(c, p, n, false);
}

static size_t room(const struct fake *f)
{
	return f->room < f->room_now ? f->room : f->room_now;
}

static void took(struct fake *f, size_t n)
{
	f->moved += n;
	if (f->room != SIZE_MAX)
		f->room -= n;
	if (f->room_now != SIZE_MAX)
		f->room_now -= n;
}

static ssize_t fake_write(struct conn *c, const void *p, size_t n)
{
	struct fake *f = c->fake;

	if (f->dialling || f->securing || f->half_closed)
		broke(f, "written to while it dials or shakes hands, or after its half was closed");
	if (f->reset)
		return is_reset(f, c);
	if (room(f) == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = n < room(f) ? n : room(f);
	bytes_add(&f->out, p, n);
	took(f, n);
	return (ssize_t)n;
}

static bool fake_can_splice(struct conn *c, unsigned way)
{
	struct fake *f = c->fake;

	(void)way;
	return f->splices != SPLICES_NOT && !f->dialling && !f->securing;
}

/* The pipe is a real one. */
static ssize_t splice_out(struct fake *f, int pipe, size_t n)
{
	size_t there = f->in.n - f->in_at;
	ssize_t put;

	if (there == 0 && (f->in_end || f->reset))
		return 0;
	if (there == 0) {
		errno = EAGAIN;
		return -1;
	}
	put = write(pipe, f->in.p + f->in_at, n < there ? n : there);
	if (put > 0) {
		f->in_at += (size_t)put;
		f->moved += (size_t)put;
	} else {
		broke(f, "its bytes are spliced into a pipe that is full");
	}
	return put;
}

static ssize_t splice_in(struct fake *f, int pipe, size_t n)
{
	char bytes[4096];
	ssize_t got;

	if (f->reset) {
		errno = EPIPE;
		return -1;
	}
	n = n < room(f) ? n : room(f);
	n = n < sizeof(bytes) ? n : sizeof(bytes);
	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	got = read(pipe, bytes, n);
	if (got <= 0) {
		broke(f, "bytes are spliced to it from a pipe that is empty");
		return got;
	}
	bytes_add(&f->out, bytes, (size_t)got);
	took(f, (size_t)got);
	return got;
}

static ssize_t fake_splice(struct conn *c, unsigned way, int pipe, size_t n)
{
	struct fake *f = c->fake;

	if (!fake_can_splice(c, way) || (way == CONN_WRITE && f->half_closed))
		broke(f, "spliced where that is not possible");
	if (f->splices == SPLICES_WRONGLY && way == CONN_READ)
		return 0;
	if (f->splices == SPLICES_WRONGLY)
		return failed(c, "Invalid argument", EINVAL);
	return way == CONN_READ ? splice_out(f, pipe, n) : splice_in(f, pipe, n);
}

static void fake_want(struct conn *c, unsigned events)
{
	c->wants = (uint8_t)events;
}

/* What the peer has sent already becomes part of the handshake. */
static bool start_tls(struct conn *c)
{
	struct fake *f = c->fake;

	if (f->securing || f->secure)
		broke(f, "TLS over TLS");
	mark(f, MARK_STARTS_TLS);
	f->securing = true;
	return true;
}

static bool start_tls_server(struct conn *c, struct tls_server *ts)
{
	(void)ts;
	return start_tls(c);
}

static bool start_tls_client(struct conn *c, struct tls_client *tc)
{
	(void)tc;
	return start_tls(c);
}

static bool tls_facts(struct conn *c, struct conn_tls *facts)
{
	struct fake *f = c->fake;

	if (!f->secure)
		return false;
	*facts = (struct conn_tls){
		.version = "TLSv1.3", .cipher = "TLS_AES_128_GCM_SHA256", .name = f->sni[0] ? f->sni : NULL,
		.client_name = f->cert[0] ? f->cert : NULL,
	};
	return true;
}

static bool fixed_addr(struct addr *a, const char *ip, uint16_t port)
{
	*a = (struct addr){ 0 };
	if (!addr_parse_ip(a, span_of(ip)))
		return false;
	a->port = port;
	return true;
}

static bool local_addr(struct conn *c, struct addr *a)
{
	(void)c;
	return fixed_addr(a, "198.51.100.1", 143);
}

static bool peer_addr(struct conn *c, struct addr *a)
{
	(void)c;
	return fixed_addr(a, "192.0.2.7", 40001);
}

static void half_close(struct conn *c)
{
	struct fake *f = c->fake;

	if (f->half_closed)
		broke(f, "half closed twice");
	mark(f, MARK_HALF_CLOSED);
	f->half_closed = true;
}

/* The owner is done with it. */
static void leave(struct conn *c)
{
	struct fake *f = c->fake;

	c->ops = NULL;
	f->conn = NULL;
}

static void say_late(struct fake *f)
{
	size_t n = f->late.n < f->room ? f->late.n : f->room;

	bytes_add(&f->out, f->late.p, n);
	if (f->room != SIZE_MAX)
		f->room -= n;
	f->late.n -= n;
	if (f->late.n > 0)
		memmove(f->late.p, f->late.p + n, f->late.n);
	else
		mark(f, MARK_LET_GO);
}

static void fake_linger(struct conn *c, struct buf **rest)
{
	struct fake *f = c->fake;

	if (rest && *rest)
		bytes_add(&f->late, (*rest)->data + (*rest)->head, buf_waiting(*rest));
	if (rest)
		buf_give(&c->loop->bufs, rest);
	leave(c);
	say_late(f);
}

static void fake_close(struct conn *c)
{
	mark(c->fake, MARK_CUT);
	leave(c);
}

static const struct conn_ops fake_ops = {
	.read = fake_read,
	.peek = fake_peek,
	.write = fake_write,
	.can_splice = fake_can_splice,
	.splice = fake_splice,
	.want = fake_want,
	.start_tls_server = start_tls_server,
	.start_tls_client = start_tls_client,
	.tls_facts = tls_facts,
	.local_addr = local_addr,
	.peer_addr = peer_addr,
	.half_close = half_close,
	.linger = fake_linger,
	.close = fake_close,
};

/* ---- life ---- */

struct fake *fake_new(const char *side)
{
	struct fake *f = mem_new(sizeof(*f));

	f->side = side;
	f->room = f->room_a_turn = f->room_now = SIZE_MAX;
	return f;
}

void fake_free(struct fake **f)
{
	bytes_free(&(*f)->in);
	bytes_free(&(*f)->out);
	bytes_free(&(*f)->late);
	mem_free(f);
}

void fake_open(struct fake *f, struct conn *c, struct net_loop *loop, conn_event_fn *on_event)
{
	*c = (struct conn){ .ops = &fake_ops, .loop = loop, .on_event = on_event, .fake = f };
	f->conn = c;
}

/* ---- the far side ---- */

void fake_send(struct fake *f, const void *p, size_t n)
{
	bytes_add(&f->in, p, n);
}

void fake_takes(struct fake *f, size_t n)
{
	f->room = n;
	if (!f->conn && f->late.n > 0)
		say_late(f);
}

/* Whatever came in clear went into the handshake. */
void fake_secured(struct fake *f)
{
	f->in_at = f->in.n;
	f->tell = CONN_SECURED;
}

void fake_fails(struct fake *f, struct span phrase)
{
	snprintf(f->phrase, sizeof(f->phrase), "%.*s", (int)phrase.n, phrase.p);
	f->tell = CONN_FAILED;
}

static unsigned tell_once(struct fake *f)
{
	unsigned events = f->tell;

	f->tell = 0;
	f->dialling = false;
	if (events & CONN_SECURED)
		f->secure = true;
	if (events & (CONN_SECURED | CONN_CONNECTED))
		f->securing = false;
	if (events & CONN_FAILED)
		snprintf(f->conn->loop->failure, sizeof(f->conn->loop->failure), "%s", f->phrase);
	return events;
}

static unsigned what_holds(const struct fake *f)
{
	bool readable = f->in_at < f->in.n || f->in_end || f->reset;
	bool writable = room(f) > 0 || f->reset;

	if (f->dialling || f->securing)
		return 0;
	return f->conn->wants & ((readable ? CONN_READ : 0) | (writable ? CONN_WRITE : 0));
}

bool fake_tell(struct fake *f)
{
	uint64_t before = f->moved;
	unsigned events, wanted;

	if (!f->conn)
		return false;
	f->room_now = f->room_a_turn;
	events = f->tell ? tell_once(f) : what_holds(f);
	if (!events)
		return false;
	wanted = f->conn->wants;
	f->conn->on_event(f->conn, events);
	if (f->moved != before || !f->conn || f->conn->wants != wanted || !(events & (CONN_READ | CONN_WRITE)))
		f->idle_turns = 0;
	else if (++f->idle_turns > IDLE_TURNS_MAX)
		broke(f, "the session is told again and again, and does nothing about it: it would spin");
	return true;
}

/* ---- what a play sees ---- */

bool fake_mark_is_next(const struct fake *f)
{
	return f->marks_seen < f->nmarks && f->marks[f->marks_seen].at == f->out_at;
}

struct span fake_unseen(const struct fake *f)
{
	size_t end = f->marks_seen < f->nmarks ? f->marks[f->marks_seen].at : f->out.n;

	return end > f->out_at ? span_mem(f->out.p + f->out_at, end - f->out_at) : span_of("");
}

bool fake_see_mark(struct fake *f, enum fake_mark m)
{
	if (!fake_mark_is_next(f) || f->marks[f->marks_seen].mark != m)
		return false;
	f->marks_seen++;
	return true;
}
