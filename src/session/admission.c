/*
 * admission.c - who may come in and who may log in, as the limits say; and who must make room.
 *
 *	refused at the door	BYE [LIMIT] where nothing but TLS stands before it, then closed at once: it is to cost nothing
 *	crowded out		BYE [UNAVAILABLE] for the oldest that is not logged in; a client that means it logs in long before that
 *	not let in		NO [LIMIT] once the backend has taken the password: who does not know it learns nothing of the user
 *
 * The total of all workers is exact, but each makes room among its own sessions only: where a worker has none but the new one, that
 * one goes.
 */
#include "base/mem.h"
#include "session/session_private.h"

#define REFUSALS_PAUSE 1.0	/* seconds between two log lines about them */

/* ---- the list of those that are not logged in ---- */

static void join(struct session *s)
{
	struct session_env *env = s->env;
	struct login *l = s->login;

	l->admitted = true;
	l->older = env->newest;
	if (l->older)
		l->older->newer = l;
	else
		env->oldest = l;
	env->newest = l;
}

void admission_leave(struct session *s)
{
	struct session_env *env = s->env;
	struct login *l = s->login;

	if (!l->admitted)
		return;
	l->admitted = false;
	if (l->older)
		l->older->newer = l->newer;
	else
		env->oldest = l->newer;
	if (l->newer)
		l->newer->older = l->older;
	else
		env->newest = l->older;
	l->older = l->newer = NULL;
	limits_leave(env->limits, &l->ticket, env->loop->timers.now);
}

/* ---- at the door ---- */

static enum session_reason reason_of(enum limits_verdict verdict)
{
	switch (verdict) {
	case LIMITS_TOO_FAST:
		return SESSION_TOO_FAST;
	case LIMITS_NETWORK_FULL:
		return SESSION_NETWORK_FULL;
	default:
		return SESSION_ADDRESS_FULL;
	}
}

bool admission_ask(struct session *s)
{
	struct session_env *env = s->env;
	enum limits_verdict verdict;

	if (!env->limits)
		return true;
	verdict = limits_arrive(env->limits, env->limits_conf, &s->peer, env->loop->timers.now, &s->login->ticket);
	if (verdict != LIMITS_OK && verdict != LIMITS_CROWDED) {
		session_close(s, reason_of(verdict));
		return false;
	}
	join(s);
	if (verdict == LIMITS_CROWDED)
		session_close(env->oldest->session, SESSION_CROWDED_OUT);
	return s->step != STEP_GONE;
}

/* ---- what the log says of those refused ---- */

static void say_refusals(struct session_env *env)
{
	for (unsigned why = 0; why < SESSION_NREASONS; why++) {
		if (env->refusals.counts[why] > 0)
			session_log_refused(env, (enum session_reason)why);
		env->refusals.counts[why] = 0;
	}
}

static bool any_refused(const struct session_env *env)
{
	for (unsigned why = 0; why < SESSION_NREASONS; why++)
		if (env->refusals.counts[why] > 0)
			return true;
	return false;
}

static void on_tick(struct timer *t)
{
	struct session_env *env = CONTAINER_OF(t, struct session_env, refusals.tick);

	if (!any_refused(env))
		return;
	say_refusals(env);
	timers_start(&env->loop->timers, t, REFUSALS_PAUSE, on_tick);
}

/* The first is told at once, and then, each second, how many more they were. */
void admission_refused(struct session *s)
{
	struct session_refusals *r = &s->env->refusals;

	r->counts[s->why]++;
	r->last = s->peer;
	r->listener = s->listener->name;
	if (timer_is_running(&r->tick))
		return;
	say_refusals(s->env);
	timers_start(&s->env->loop->timers, &r->tick, REFUSALS_PAUSE, on_tick);
}

void admission_fini(struct session_env *env)
{
	timers_stop(&env->loop->timers, &env->refusals.tick);
	say_refusals(env);
}

/* ---- logging in ---- */

enum login_reason admission_log_in(struct session *s)
{
	struct session_env *env = s->env;
	unsigned counted = 0;
	enum limits_verdict verdict = LIMITS_OK;

	if (env->limits)
		verdict = limits_log_in(env->limits, env->limits_conf, span_of(s->user), &s->peer, &counted);
	s->counted = (uint8_t)counted;
	if (verdict == LIMITS_OK)
		return LOGIN_OK;
	return verdict == LIMITS_USER_FULL ? LOGIN_USER_FULL : LOGIN_USER_ADDRESS_FULL;
}

void admission_log_out(struct session *s)
{
	if (s->counted)
		limits_log_out(s->env->limits, span_of(s->user), &s->peer, s->counted);
	s->counted = 0;
}
