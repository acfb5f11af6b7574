/*
 * relay_watch.c - what a session that relays is watched for: silence, literals that do not come, commands without end, readers that do not
 * read, one side that has ended.
 *
 * One timer a session, and bytes that move do not start it anew: relay.c notes when they did, and the timer looks what is still missing
 * when it runs. It goes in few steps, for each has a list in net/timers: the longest that does not go too far, of 1024, 256, 64, 16, 4 and
 * 1 seconds. So nothing comes a second too late, and a session in IDLE is looked at six times in the 31 minutes of idle-timeout.
 */
#include "base/mem.h"
#include "session/session_private.h"

#define NEVER 1e9	/* seconds */
#define STEP_LONGEST 1024.0
#define STEP_SHORTEST 1.0
#define STEPS_APART 4.0

/* ---- how many seconds are left ---- */

static double left(double seconds, uint32_t now, uint32_t since)
{
	return seconds - (now - since) / 1000.0;
}

/* The later of two times, both in the past. */
static uint32_t later(uint32_t now, uint32_t a, uint32_t b)
{
	return now - a < now - b ? a : b;
}

static uint32_t last_taken(const struct session *s, uint32_t now)
{
	return later(now, s->relay->client.took, s->relay->backend.took);
}

static double left_of_silence(const struct session *s, uint32_t now)
{
	uint32_t said = later(now, s->relay->client.said, s->relay->backend.said);

	return s->env->times.idle > 0 ? left(s->env->times.idle, now, later(now, said, last_taken(s, now))) : NEVER;
}

static bool is_half_open(const struct session *s)
{
	return s->client.ended || s->backend.ended || s->client.finished || s->backend.finished;
}

/* What a client says to a backend that has gone moves nothing. */
static double left_half_open(const struct session *s, uint32_t now)
{
	uint32_t moved = later(now, s->relay->backend.said, last_taken(s, now));

	return is_half_open(s) ? left(HALF_OPEN_SECONDS, now, moved) : NEVER;
}

static double left_of_stall(const struct session *s, uint32_t now)
{
	return half_is_behind(&s->client) ? left(STALLED_SECONDS, now, s->relay->client.took) : NEVER;
}

/* Nobody can send what is not taken, or was not invited. */
static double left_of_literal(const struct session *s, uint32_t now)
{
	const struct relay *r = s->relay;

	if (!tracker_client_owes(&r->tracker) || half_is_behind(&s->backend))
		return NEVER;
	return left(s->env->times.literal, now, later(now, r->hold_changed, later(now, r->client.said, r->backend.took)));
}

static double left_of_answer(const struct session *s, uint32_t now)
{
	const struct relay *r = s->relay;

	if (!tracker_is_holding(&r->tracker) || half_is_behind(&s->backend))
		return NEVER;
	return left(s->env->times.literal, now, later(now, r->hold_changed, r->backend.took));
}

static double left_of_command(const struct session *s, uint32_t now)
{
	const struct tracker_command *c = s->env->times.command > 0 ? tracker_oldest(&s->relay->tracker) : NULL;

	return c ? left(s->env->times.command, now, c->since) : NEVER;
}

static double left_of_patience(const struct session *s, uint32_t now)
{
	return half_is_behind(&s->client) && !s->client.conn.lifted ? left(LIFT_SECONDS, now, s->relay->client.took) : NEVER;
}

/* Nor shall a slow reader keep a pipe that others could use. */
static void lift(struct session *s)
{
	conn_lift_user_timeout(&s->client.conn, true);
	if (!half_unpipe(&s->client))
		session_close(s, SESSION_CLIENT_STALLED);
}

/* ---- watching ---- */

static const struct {
	double (*left)(const struct session *s, uint32_t now);	/* NEVER: nothing of the kind is to be watched for now */
	enum session_reason why;
	void (*act)(struct session *s);		/* not NULL: instead of ending the session */
} watches[] = {
	{ left_half_open, SESSION_HALF_OPEN, NULL },
	{ left_of_stall, SESSION_CLIENT_STALLED, NULL },
	{ left_of_silence, SESSION_IDLE_TIMEOUT, NULL },
	{ left_of_literal, SESSION_CLIENT_SLOW_LITERAL, NULL },
	{ left_of_command, SESSION_COMMAND_TIMEOUT, NULL },
	{ left_of_answer, SESSION_ALIVE, relay_give_up },
	{ left_of_patience, SESSION_ALIVE, lift },
};

static double step_within(double seconds)
{
	double step = STEP_LONGEST;

	while (step > seconds && step > STEP_SHORTEST)
		step /= STEPS_APART;
	return step;
}

static void on_timer(struct timer *t)
{
	struct session *s = CONTAINER_OF(t, struct session, deadline);
	uint32_t now = relay_now(s);

	for (size_t i = 0; i < ARRAY_LEN(watches) && s->step == STEP_RELAY; i++) {
		if (watches[i].left(s, now) > 0)
			continue;
		if (watches[i].act)
			watches[i].act(s);
		else
			session_close(s, watches[i].why);
	}
	session_settle(s);
}

/* A timer that runs for too short a time looks, and goes on. */
void relay_watch(struct session *s)
{
	struct timers *timers = &s->env->loop->timers;
	uint32_t now = relay_now(s);
	double first = NEVER, seconds;

	for (size_t i = 0; i < ARRAY_LEN(watches); i++) {
		seconds = watches[i].left(s, now);
		first = seconds < first ? seconds : first;
	}
	if (first < NEVER && (!timer_is_running(&s->deadline) || s->deadline.due > timers->now + first))
		timers_start(timers, &s->deadline, step_within(first), on_timer);
}
