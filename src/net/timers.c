#include "net/timers.h"

static void ring_init(struct timer *ends)
{
	ends->next = ends->prev = ends;
}

static bool ring_is_empty(const struct timer *ends)
{
	return ends->next == ends;
}

static void link_after(struct timer *place, struct timer *t)
{
	t->prev = place;
	t->next = place->next;
	place->next->prev = t;
	place->next = t;
}

static void unlink_timer(struct timer *t)
{
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->next = t->prev = NULL;
}

void timers_init(struct timers *ts, double now)
{
	*ts = (struct timers){ .now = now };
}

static struct timer_list *add_list(struct timers *ts)
{
	struct timer_list *list = &ts->lists[ts->nlists++];

	ring_init(&list->ends);
	return list;
}

/* Durations may be computed (backoff, jitter), so a list that has become empty serves the next new duration. */
static struct timer_list *pick_list(struct timers *ts, double seconds)
{
	struct timer_list *empty = NULL;

	for (unsigned i = 0; i < ts->nlists; i++) {
		if (ts->lists[i].seconds == seconds)
			return &ts->lists[i];
		if (ring_is_empty(&ts->lists[i].ends))
			empty = &ts->lists[i];
	}
	if (!empty && ts->nlists == TIMERS_LISTS)
		return &ts->lists[TIMERS_LISTS - 1];
	if (!empty)
		empty = add_list(ts);
	empty->seconds = seconds;
	return empty;
}

void timers_start(struct timers *ts, struct timer *t, double seconds, timer_fn *fn)
{
	struct timer_list *list;
	struct timer *place;

	timers_stop(ts, t);
	list = pick_list(ts, seconds);
	t->due = ts->now + seconds;
	t->fn = fn;
	for (place = list->ends.prev; place != &list->ends && place->due > t->due; place = place->prev)
		;
	link_after(place, t);
}

void timers_stop(struct timers *ts, struct timer *t)
{
	(void)ts;
	if (!timer_is_running(t))
		return;
	unlink_timer(t);
	t->fn = NULL;
}

/* NULL: none runs. */
static struct timer *first_due(const struct timers *ts)
{
	struct timer *first = NULL;

	for (unsigned i = 0; i < ts->nlists; i++) {
		const struct timer_list *list = &ts->lists[i];

		if (!ring_is_empty(&list->ends) && (!first || list->ends.next->due < first->due))
			first = list->ends.next;
	}
	return first;
}

double timers_wait(const struct timers *ts)
{
	const struct timer *first = first_due(ts);

	if (!first)
		return -1;
	return first->due > ts->now ? first->due - ts->now : 0;
}

/* The due ones are set apart first: a callback that starts a timer of no length again and again must not keep us here. */
void timers_run(struct timers *ts)
{
	struct timer due, *t;

	ring_init(&due);
	while ((t = first_due(ts)) && t->due <= ts->now) {
		unlink_timer(t);
		link_after(due.prev, t);
	}
	while (!ring_is_empty(&due)) {
		timer_fn *fn = due.next->fn;

		t = due.next;
		timers_stop(ts, t);
		fn(t);
	}
}
