/*
 * drain.c - the end of all sessions, each where nothing is torn.
 *
 * Those that may end now, end in batches: each writes a line into the log's ring, which has room for some hundreds, and each client will
 * be back at once at another proxy. Those that relay and may not, end with the event that brings them to a safe point (relay_settle).
 */
#include "base/mem.h"
#include "session/session_private.h"

#define DRAIN_BATCH 200		/* sessions ... */
#define DRAIN_PAUSE 0.01	/* ... and seconds until the next: 20,000 a second */

static bool may_end(const struct session *s)
{
	return s->step < STEP_RELAY || relay_is_safe(s);
}

static void drain_some(struct timer *t)
{
	struct session_env *env = CONTAINER_OF(t, struct session_env, drain_tick);
	unsigned ended = 0;

	while (env->drain_next && ended < DRAIN_BATCH) {
		struct session *s = env->drain_next;

		env->drain_next = s->next;
		if (!may_end(s))
			continue;
		session_close(s, SESSION_DRAINED);
		ended++;
	}
	if (env->drain_next)
		timers_start(&env->loop->timers, &env->drain_tick, DRAIN_PAUSE, drain_some);
}

void session_drain_all(struct session_env *env)
{
	env->draining = true;
	env->drain_next = env->first;
	drain_some(&env->drain_tick);
}
