/*
 * log.c - building a line, the rings, the sink.
 *
 *	log_end --(own ring)--> ring -- log_ring_drain --> batch --+--> tap | syslog | stderr
 *	log_end --(none)-------------------------------> one line -+
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "wire/user_name.h"

#define LINE_TAIL " cut=true\n"		/* what log_end may add: kept free while the line is built */
#define PIPE_WHOLE 4096			/* PIPE_BUF: so much goes into a writable pipe at once, or not at all */
#define FILE_BATCH (64 * 1024)

_Static_assert(LOG_LINE_MAX <= PIPE_WHOLE, "a line must fit into one write to a pipe");

static const struct {
	const char *name;
	int syslog;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARN]  = { "warn", LOG_WARNING },
	[LOG_LEVEL_INFO]  = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};
_Static_assert(ARRAY_LEN(levels) == LOG_LEVEL_DEBUG + 1, "a level without its row");

static atomic_int wanted_level = LOG_LEVEL_INFO;

/* The sink. kind, stuck, rest_len, rest: whoever holds lock. lost: anyone. tap: set before there are threads. */
static struct {
	pthread_mutex_t lock;
	enum log_sink kind;
	bool stuck;			/* the last write timed out: the next one does not wait */
	size_t rest_len;
	char rest[LOG_LINE_MAX];	/* of a line whose first bytes are out: goes before anything else */
	atomic_ulong lost;		/* lines, not yet reported */
	log_tap_fn *tap;
	void *tap_arg;
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * A byte ring of records {head, text}. head and tail count bytes since the start and only grow; what is between them
 * is to be written out. The writing thread moves tail, control moves head; each looks at the other's.
 */
struct log_ring {
	atomic_size_t tail;
	atomic_ulong dropped;
	int wake_fd;
	char batch[FILE_BATCH];		/* control's; also keeps head and tail out of one cache line */
	atomic_size_t head;
	unsigned char data[LOG_RING_SIZE];
};

struct record {
	uint16_t len;
	uint16_t level;
};

static _Thread_local struct log_ring *own_ring;

/* ---- settings ---- */

void log_open(enum log_sink kind, enum log_level level)
{
	pthread_mutex_lock(&sink.lock);
	if (sink.kind == LOG_TO_SYSLOG)
		closelog();
	if (kind == LOG_TO_SYSLOG)
		openlog("sluiced", LOG_PID | LOG_NDELAY, LOG_MAIL);
	sink.kind = kind;
	sink.stuck = false;
	pthread_mutex_unlock(&sink.lock);
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&wanted_level, (int)level, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&wanted_level, memory_order_relaxed);
}

void log_set_tap(log_tap_fn *tap, void *arg)
{
	sink.tap = tap;
	sink.tap_arg = arg;
}

/* ---- writing to stderr ---- */

/* Milliseconds, rounded up so that a poll does not end just before the deadline. */
static int wait_until(double deadline)
{
	double left = deadline - clock_monotonic();

	return left > 0 ? (int)(left * 1000) + 1 : 0;
}

/*
 * Returns how many bytes went out before the deadline. Whoever reads stderr may have stopped, and the descriptor may be a
 * blocking one that is not ours alone to change: so first poll, then write no more than then fits.
 */
static size_t write_until(const char *p, size_t n, double deadline)
{
	size_t done = 0;

	do {
		struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };
		ssize_t w;

		if (poll(&fd, 1, wait_until(deadline)) <= 0)
			continue;
		w = write(STDERR_FILENO, p + done, n - done);
		if (w > 0)
			done += (size_t)w;
		else if (w == 0 || (errno != EINTR && errno != EAGAIN))
			break;
	} while (done < n && clock_monotonic() < deadline);
	return done;
}

static bool write_rest(double deadline)
{
	size_t n = write_until(sink.rest, sink.rest_len, deadline);

	sink.rest_len -= n;
	memmove(sink.rest, sink.rest + n, sink.rest_len);
	return sink.rest_len == 0;
}

/* text[done] was the first byte that did not go out. If that is within a line, the line's rest is kept for the next time. */
static size_t keep_rest(const char *text, size_t n, size_t done)
{
	const char *end;

	if (done == 0 || text[done - 1] == '\n')
		return done;
	end = memchr(text + done, '\n', n - done);
	sink.rest_len = (size_t)(end + 1 - (text + done));
	memcpy(sink.rest, text + done, sink.rest_len);
	return done + sink.rest_len;
}

static unsigned long count_lines(const char *text, size_t n)
{
	unsigned long lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Whole lines; returns how many of them are lost. */
static unsigned long write_lines(const char *text, size_t n, double deadline)
{
	size_t done = 0;

	if (sink.stuck)
		deadline = 0;
	if (sink.rest_len == 0 || write_rest(deadline))
		done = write_until(text, n, deadline);
	sink.stuck = done < n;
	if (done < n)
		done = keep_rest(text, n, done);
	return count_lines(text + done, n - done);
}

/* ---- the sink ---- */

/* How many bytes of lines are best given to the sink at once; 0: a line at a time. */
static size_t sink_batch(void)
{
	struct stat st;
	enum log_sink kind;

	pthread_mutex_lock(&sink.lock);
	kind = sink.kind;
	pthread_mutex_unlock(&sink.lock);
	if (sink.tap || kind == LOG_TO_SYSLOG)
		return 0;
	return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? FILE_BATCH : PIPE_WHOLE;
}

/* text: one line, or several if sink_batch() says so; each with its line end. Returns how many lines are lost. */
static unsigned long sink_write(enum log_level level, const char *text, size_t n, double deadline)
{
	unsigned long lost = 0;

	if (sink.tap) {
		sink.tap(level, span_mem(text, n - 1), sink.tap_arg);
		return 0;
	}
	pthread_mutex_lock(&sink.lock);
	if (sink.kind == LOG_TO_SYSLOG)
		syslog(levels[level].syslog, "%.*s", (int)n - 1, text);
	else
		lost = write_lines(text, n, deadline);
	pthread_mutex_unlock(&sink.lock);
	return lost;
}

/* ---- rings ---- */

struct log_ring *log_ring_new(int wake_fd)
{
	struct log_ring *ring = mem_new(sizeof(*ring));

	ring->wake_fd = wake_fd;
	return ring;
}

void log_ring_free(struct log_ring **ring)
{
	mem_free(ring);
}

void log_use_ring(struct log_ring *ring)
{
	own_ring = ring;
}

/* at counts since the start, like head and tail. */
static void ring_copy_in(struct log_ring *ring, size_t at, const void *p, size_t n)
{
	size_t from = at % LOG_RING_SIZE;
	size_t first = n < LOG_RING_SIZE - from ? n : LOG_RING_SIZE - from;

	memcpy(ring->data + from, p, first);
	memcpy(ring->data, (const char *)p + first, n - first);
}

static void ring_copy_out(const struct log_ring *ring, size_t at, void *p, size_t n)
{
	size_t from = at % LOG_RING_SIZE;
	size_t first = n < LOG_RING_SIZE - from ? n : LOG_RING_SIZE - from;

	memcpy(p, ring->data + from, first);
	memcpy((char *)p + first, ring->data, n - first);
}

static void wake(int fd)
{
	ssize_t ignored = fd >= 0 ? write(fd, "", 1) : 0;

	(void)ignored;		/* full: control will come anyway */
}

/*
 * Was the ring empty? Asked only after the new tail is out: control stores its head and then looks at tail, we store tail
 * and then look at head, all in one total order, so one of us sees the other and no line is left without a waker.
 */
static void ring_put(struct log_ring *ring, enum log_level level, const char *text, size_t n)
{
	struct record r = { .len = (uint16_t)n, .level = (uint16_t)level };
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (LOG_RING_SIZE - (tail - head) < sizeof(r) + n) {
		atomic_fetch_add(&ring->dropped, 1);
		return;
	}
	ring_copy_in(ring, tail, &r, sizeof(r));
	ring_copy_in(ring, tail + sizeof(r), text, n);
	atomic_store(&ring->tail, tail + sizeof(r) + n);
	if (atomic_load(&ring->head) == tail)
		wake(ring->wake_fd);
}

/* What one turn of a drain takes: whole lines, of one level if it is one line. */
struct batch {
	size_t len;
	unsigned long lines;
	enum log_level level;
};

/* Fills ring->batch with as many lines as fit into max, at least one if there is one. */
static bool ring_take(struct log_ring *ring, struct batch *b, size_t max)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t tail = atomic_load(&ring->tail);
	struct record r;

	*b = (struct batch){ .len = 0 };
	while (head < tail) {
		ring_copy_out(ring, head, &r, sizeof(r));
		if (b->lines > 0 && b->len + r.len > max)
			break;
		ring_copy_out(ring, head + sizeof(r), ring->batch + b->len, r.len);
		head += sizeof(r) + r.len;
		b->len += r.len;
		b->lines++;
		b->level = (enum log_level)r.level;
	}
	atomic_store(&ring->head, head);
	return b->lines > 0;
}

/* ---- a line ---- */

static void put_time(struct out *o)
{
	struct timespec now;
	struct tm tm;
	char text[sizeof("2026-01-02T03:04:05")];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	if (strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	out_str(o, text);
	snprintf(text, sizeof(text), ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
	out_str(o, text);
}

void log_begin(struct log_line *l, enum log_level level, const char *event)
{
	l->level = level;
	l->wanted = log_wants(level);
	if (!l->wanted)
		return;
	out_init(&l->out, l->text, sizeof(l->text) - (sizeof(LINE_TAIL) - 1));
	out_str(&l->out, "ts=");
	put_time(&l->out);
	out_str(&l->out, " level=");
	out_str(&l->out, levels[level].name);
	out_str(&l->out, " event=");
	out_str(&l->out, event);
}

/* Begins " key="; what is written until end_field stays only if all of it fits. */
static size_t begin_field(struct log_line *l, const char *key)
{
	size_t at = l->out.len;

	out_chr(&l->out, ' ');
	out_str(&l->out, key);
	out_chr(&l->out, '=');
	return at;
}

static void end_field(struct log_line *l, size_t at)
{
	if (!out_ok(&l->out))
		l->out.len = at;	/* and nothing more: the flag stays */
}

/* How many bytes a UTF-8 character has that begins with c; 0: none begins so. */
static size_t char_length(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* U+0080 to U+009F: some terminals obey them as they obey ESC. */
static bool is_control(struct span c)
{
	unsigned char first = (unsigned char)c.p[0];

	return first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)c.p[1] < 0xa0);
}

/* Length of the character at s.p if it may stand in the log as it is; 0: its first byte is to be escaped. */
static size_t plain_char(struct span s)
{
	size_t n = char_length((unsigned char)s.p[0]);
	struct span c = span_mem(s.p, n);

	if (n == 0 || n > s.n || !utf8_is_valid(c) || is_control(c) || *s.p == '"' || *s.p == '\\')
		return 0;
	return n;
}

static bool needs_quotes(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return true;
	}
	return s.n == 0;
}

static void put_escaped(struct out *o, struct span s)
{
	static const char hex[] = "0123456789abcdef";

	while (s.n > 0) {
		unsigned char c = (unsigned char)s.p[0];
		const char escape[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
		size_t n = plain_char(s);

		if (n > 0)
			out_mem(o, s.p, n);
		else
			out_mem(o, escape, sizeof(escape));
		n = n > 0 ? n : 1;
		s = span_mem(s.p + n, s.n - n);
	}
}

/* At most LOG_VALUE_MAX bytes of s, not cut within a character. */
static struct span shortened(struct span s)
{
	size_t n = LOG_VALUE_MAX;

	if (s.n <= n)
		return s;
	while (n > LOG_VALUE_MAX - 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return span_mem(s.p, n);
}

void log_field(struct log_line *l, const char *key, struct span value)
{
	struct span s = shortened(value);
	bool quotes = needs_quotes(s);
	size_t at;

	if (!l->wanted)
		return;
	at = begin_field(l, key);
	if (quotes)
		out_chr(&l->out, '"');
	put_escaped(&l->out, s);
	if (s.n < value.n)
		out_str(&l->out, "...");
	if (quotes)
		out_chr(&l->out, '"');
	end_field(l, at);
}

void log_str(struct log_line *l, const char *key, const char *value)
{
	if (value)
		log_field(l, key, span_of(value));
}

void log_num(struct log_line *l, const char *key, uint64_t value)
{
	size_t at;

	if (!l->wanted)
		return;
	at = begin_field(l, key);
	out_num(&l->out, value);
	end_field(l, at);
}

/* In whole milliseconds: printf would write the locale's decimal sign. */
void log_seconds(struct log_line *l, const char *key, double value)
{
	uint64_t ms = value > 0 ? (uint64_t)((value < 1e15 ? value : 1e15) * 1000 + 0.5) : 0;
	char text[32];

	snprintf(text, sizeof(text), "%llu.%03u", (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
	log_str(l, key, text);
}

/* ---- out with it ---- */

static void finish(struct log_line *l)
{
	bool cut = !out_ok(&l->out);

	l->out.cap = sizeof(l->text);
	l->out.full = false;
	out_str(&l->out, cut ? LINE_TAIL : "\n");
}

/* If this line is lost too, those it speaks of are still to be reported. */
static void report_dropped(unsigned long count, double deadline)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_WARN, "log-dropped");
	if (!l.wanted)
		return;
	log_num(&l, "count", count);
	finish(&l);
	if (sink_write(l.level, l.text, l.out.len, deadline) > 0)
		atomic_fetch_add(&sink.lost, count);
}

void log_ring_drain(struct log_ring *ring)
{
	double deadline = clock_monotonic() + LOG_PATIENCE;
	size_t max = sink_batch(), written = 0;
	unsigned long dropped = 0;
	struct batch b;

	while (ring_take(ring, &b, max)) {
		if (written <= LOG_DRAIN_MAX)
			dropped += sink_write(b.level, ring->batch, b.len, deadline);
		else
			dropped += b.lines;
		written += b.len;
	}
	dropped += atomic_exchange(&ring->dropped, 0) + atomic_exchange(&sink.lost, 0);
	if (dropped > 0)
		report_dropped(dropped, deadline);
}

static void write_directly(const struct log_line *l)
{
	double deadline = clock_monotonic() + LOG_PATIENCE;
	unsigned long dropped = sink_write(l->level, l->text, l->out.len, deadline) + atomic_exchange(&sink.lost, 0);

	if (dropped > 0)
		report_dropped(dropped, deadline);
}

void log_end(struct log_line *l)
{
	if (!l->wanted)
		return;
	finish(l);
	if (own_ring)
		ring_put(own_ring, l->level, l->text, l->out.len);
	else
		write_directly(l);
}

void log_say(enum log_level level, const char *event, const char *fmt, ...)
{
	char msg[LOG_VALUE_MAX + 2];	/* one byte more than fits, so that log_field sees the cut */
	struct log_line l;
	va_list ap;

	log_begin(&l, level, event);
	if (!l.wanted)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log_str(&l, "msg", msg);
	log_end(&l);
}
