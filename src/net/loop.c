/*
 * Hangs our ends of a turn onto libev's. Of its callbacks, after_poll comes first (highest priority) and end_of_turn last (lowest);
 * before_poll calls nobody, so what it arms is right when libev goes to sleep.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_private.h"

static void nothing_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

static void nothing_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)ev, (void)w, (void)revents;
}

static void after_poll(struct ev_loop *ev, ev_check *w, int revents)
{
	struct net_loop *loop = CONTAINER_OF(w, struct net_loop, after_poll);

	(void)ev, (void)revents;
	loop->timers.now = clock_monotonic();
}

static void end_of_turn(struct ev_loop *ev, ev_check *w, int revents)
{
	struct net_loop *loop = CONTAINER_OF(w, struct net_loop, end_of_turn);

	(void)ev, (void)revents;
	timers_run(&loop->timers);
	net_loop_turn_end(loop);
}

static void before_poll(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct net_loop *loop = CONTAINER_OF(w, struct net_loop, before_poll);
	double wait = timers_wait(&loop->timers);

	(void)revents;
	if (loop->ready || wait == 0)
		ev_idle_start(ev, &loop->ready_idle);
	else
		ev_idle_stop(ev, &loop->ready_idle);
	loop->tick.repeat = wait > 0 ? wait : 0;
	ev_timer_again(ev, &loop->tick);	/* stops it when repeat is 0 */
}

void net_loop_init(struct net_loop *loop, struct ev_loop *ev)
{
	*loop = (struct net_loop){ .ev = ev };
	timers_init(&loop->timers, ev ? clock_monotonic() : 0);
	buf_pool_init(&loop->bufs);
	pipe_pool_init(&loop->pipes);
	loop->scratch = mem_new(NET_SCRATCH);
	if (!ev)
		return;
	ev_init(&loop->tick, nothing_timer);
	ev_idle_init(&loop->ready_idle, nothing_idle);
	ev_check_init(&loop->after_poll, after_poll);
	ev_set_priority(&loop->after_poll, EV_MAXPRI);
	ev_check_init(&loop->end_of_turn, end_of_turn);
	ev_set_priority(&loop->end_of_turn, EV_MINPRI);
	ev_prepare_init(&loop->before_poll, before_poll);
	ev_set_priority(&loop->before_poll, EV_MINPRI);
	ev_check_start(ev, &loop->after_poll);
	ev_check_start(ev, &loop->end_of_turn);
	ev_prepare_start(ev, &loop->before_poll);
}

void net_loop_fini(struct net_loop *loop)
{
	while (loop->lingers)
		loop->lingers->conn.on_event(&loop->lingers->conn, CONN_FAILED);
	reap_run(&loop->reap);
	buf_pool_fini(&loop->bufs);
	pipe_pool_fini(&loop->pipes);
	mem_wipe(loop->scratch, NET_SCRATCH);
	mem_free(&loop->scratch);
	if (!loop->ev)
		return;
	ev_timer_stop(loop->ev, &loop->tick);
	ev_idle_stop(loop->ev, &loop->ready_idle);
	ev_check_stop(loop->ev, &loop->after_poll);
	ev_check_stop(loop->ev, &loop->end_of_turn);
	ev_prepare_stop(loop->ev, &loop->before_poll);
}

/* Each conn that is ready now once. It is put back before it is told: if its owner reads nothing, it is told again next turn. A conn may
 * leave the list, or come onto the new one, while others are served. */
static void serve_ready(struct net_loop *loop)
{
	struct conn *list = loop->ready;

	loop->ready = NULL;
	if (list)
		list->ready_at = &list;
	while (list) {
		struct conn *c = list;

		conn_ready_off(c);
		conn_ready_on(c);
		c->on_event(c, CONN_READ);
	}
}

void net_loop_turn_end(struct net_loop *loop)
{
	serve_ready(loop);
	reap_run(&loop->reap);
}
