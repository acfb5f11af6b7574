/*
 * timers.h - many timers, few durations: an ordered list per duration, so starting and stopping are O(1) and an idle
 * timer costs nothing until it is due.
 *
 * Pure but for callbacks: it is told the time. All timers of one list run equally long, so each new one is the last to
 * end. At most TIMERS_LISTS durations that are in use have a list of their own; further ones share the last, which is searched
 * from its end.
 */
#ifndef NET_TIMERS_H
#define NET_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

#define TIMERS_LISTS 32

struct timer;
typedef void timer_fn(struct timer *t);

struct timer {
	struct timer *next, *prev;	/* neighbours in a ring, so that stopping needs no list */
	double due;			/* in the clock of timers->now */
	timer_fn *fn;			/* NULL: not running */
};

struct timer_list {
	double seconds;
	struct timer ends;		/* never runs: ends.next is the first to end, ends.prev the last */
};

/* Stays where it is once set up: the rings point into it. */
struct timers {
	double now;			/* set by the owner before anything else each turn */
	unsigned nlists;
	struct timer_list lists[TIMERS_LISTS];
};

void timers_init(struct timers *ts, double now);

/* Starts t, or starts it anew: fn runs once, seconds from ts->now. */
void timers_start(struct timers *ts, struct timer *t, double seconds, timer_fn *fn);
void timers_stop(struct timers *ts, struct timer *t);	/* not running: fine */

static inline bool timer_is_running(const struct timer *t)
{
	return t->fn != NULL;
}

/* Seconds until the first is due (0 if it is overdue), -1 if none runs. */
double timers_wait(const struct timers *ts);

/* Runs all that are due at ts->now, in order of time; a callback may start and stop any timer. What it starts waits for the
 * next call, even if it is due at once. */
void timers_run(struct timers *ts);

#endif
