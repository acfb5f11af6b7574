/*
 * log.h - logfmt lines: one per event an operator cares about.
 *
 *	ts=2026-01-02T03:04:05.678Z level=info event=session-end session=... user=... why="client closed the connection"
 *
 * A worker must not wait for a disk or a pipe: it writes into a ring of its own, from which the control thread writes
 * out. When the ring is full, lines are dropped and counted, never waited for; the next drain says how many. A thread that
 * has not called log_use_ring() (control, tests, tools) writes directly.
 *
 * Shared between threads: the level (atomic, written by control); each ring (one worker writes, control reads: atomics);
 * the sink (under a lock, held for at most LOG_PATIENCE a call; to syslog only control may write, whose descriptor it is). The
 * calling thread's ring is a _Thread_local pointer in log.c.
 *
 * A reader of our stderr that stops reading costs LOG_PATIENCE once; until it reads again lines are dropped and counted.
 * What does not fit into a line is left out field by field, and the line then ends in cut=true.
 *
 * Every field that came from outside goes through the one escaping function in log_field: quotes where needed; control bytes,
 * quotes, backslashes and what is not valid UTF-8 as \xXX; at most LOG_VALUE_MAX bytes of value, cut with "...".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/out.h"
#include "wire/span.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };	/* someone must act, look, story, ours */

#define LOG_LINE_MAX 4096
#define LOG_VALUE_MAX 512
#define LOG_RING_SIZE (256 * 1024)
#define LOG_DRAIN_MAX (4 * LOG_RING_SIZE)	/* written out in one drain; what a flood brings beyond it is dropped and counted */
#define LOG_PATIENCE 0.2			/* seconds */

enum log_sink { LOG_TO_STDERR, LOG_TO_SYSLOG };

void log_open(enum log_sink sink, enum log_level level);
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* A line under construction, on the caller's stack. */
struct log_line {
	struct out out;
	bool wanted;
	enum log_level level;
	char text[LOG_LINE_MAX];
};

void log_begin(struct log_line *l, enum log_level level, const char *event);	/* event: words-with-dashes */
void log_field(struct log_line *l, const char *key, struct span value);	/* anything from anywhere */
void log_str(struct log_line *l, const char *key, const char *value);		/* NULL: the field is left out */
void log_num(struct log_line *l, const char *key, uint64_t value);
void log_seconds(struct log_line *l, const char *key, double value);		/* 3 decimals */
void log_end(struct log_line *l);						/* writes the line out */

/* The short form: event and a sentence as msg="...". */
void log_say(enum log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Rings. wake_fd: log_end writes one byte to it (never waits) when the ring was empty, so that control comes to drain; -1: none.
 * It must be non-blocking, and valid in the writing thread's descriptor table. */
struct log_ring;
struct log_ring *log_ring_new(int wake_fd);
void log_ring_free(struct log_ring **ring);
void log_use_ring(struct log_ring *ring);	/* for the calling thread; NULL: write directly again */

/* Empties it into the sink; control only. If lines were dropped, by the ring or by the sink, a last one says so:
 * event=log-dropped count=N (so does the next line written directly, for the sink). */
void log_ring_drain(struct log_ring *ring);

/* Where lines go instead of the sink, written directly or drained; for tests, before there are threads. NULL: to the sink.
 * line is without its line end. */
typedef void log_tap_fn(enum log_level level, struct span line, void *arg);
void log_set_tap(log_tap_fn *tap, void *arg);

#endif
