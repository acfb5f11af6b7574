/*
 * Numbers in comments are the rules of doc/TRACKER. imap_frame says where lines and literals end, imap_line what a first line begins with;
 * here is what follows from it.
 *
 * The client's flow:
 *
 *	UP_COMMAND	a line -> UP_COMMAND, of an IDLE -> UP_IDLE; it announces: synchronising -> UP_HELD, else -> UP_MORE
 *	UP_MORE		a line -> UP_COMMAND; it announces: as above
 *	UP_HELD		"+" -> UP_MORE; refused -> UP_COMMAND
 *	UP_IDLE		a line, or the IDLE is over -> UP_COMMAND; it announces, and the IDLE has no "+" yet -> UP_HELD_IDLE
 *	UP_HELD_IDLE	"+" -> UP_COMMAND; the IDLE is refused -> UP_HELD
 */
#include "session/tracker.h"

#include <assert.h>

#include "base/pool.h"

/* The client's flow. */
enum {
	UP_COMMAND,	/* at the first line of a command, or in it */
	UP_MORE,	/* behind an announcement: in the literal, or a line that follows one */
	UP_IDLE,	/* at the line that ends the IDLE remembered last, or in it */
	UP_HELD,	/* a synchronising literal waits for the server's word */
	UP_HELD_IDLE,	/* the line that ends an IDLE announced one, and the IDLE waits for its "+": 13 */
};

/* What the command under way counts as, while it is in flight. */
enum {
	AS_NOTHING,	/* it does not count, or has had its tagged line */
	AS_LAST,	/* the one remembered last */
	AS_REST,
};

/* A command's IDLE. */
enum {
	IDLE_NO,
	IDLE_ASKED,			/* its end was not seen */
	IDLE_ASKED_THEN_NOTHING,	/* its end was seen, and would count for nothing as a command */
	IDLE_ASKED_THEN_COMMAND,	/* ... would count */
	IDLE_GRANTED,
	IDLE_OVER,			/* granted, and its end was seen */
};

struct tracker_block {
	struct tracker_command c[TRACKER_REMEMBERED - 1];
};

const size_t tracker_block_size = sizeof(struct tracker_block);

/* ---- the commands that are remembered ---- */

static struct tracker_command *command_at(const struct tracker *t, size_t i)
{
	return i == 0 ? (struct tracker_command *)&t->first : &t->more->c[i - 1];
}

static struct tracker_command *last_command(const struct tracker *t)
{
	return command_at(t, t->remembered - 1u);
}

static void remember(struct tracker *t, struct tracker_command c)
{
	if (t->remembered > 0 && !t->more)
		t->more = pool_take(t->pool);
	t->remembered++;
	*last_command(t) = c;
}

static void forget(struct tracker *t, size_t i)
{
	for (; i + 1 < t->remembered; i++)
		*command_at(t, i) = *command_at(t, i + 1);
	t->remembered--;
	if (t->remembered <= 1)
		pool_give(t->pool, &t->more);
}

/* 7: the oldest of the tag that the server's line has; t->remembered: none. */
static size_t find_tagged(const struct tracker *t)
{
	size_t i = 0;

	if (!imap_line_has_tag(&t->down_line))
		return t->remembered;
	while (i < t->remembered && command_at(t, i)->tag != t->down_line.hash)
		i++;
	return i;
}

static bool waits_for_plus(const struct tracker_command *c)
{
	return c->idle >= IDLE_ASKED && c->idle <= IDLE_ASKED_THEN_COMMAND;
}

size_t tracker_in_flight(const struct tracker *t)
{
	return t->remembered + t->rest;
}

/* ---- opaque ---- */

/* 20 */
static void become_opaque(struct tracker *t, enum tracker_opaque why)
{
	t->opaque = (uint8_t)why;
	t->state = UP_COMMAND;
	t->remembered = 0;
	t->rest = 0;
	pool_give(t->pool, &t->more);
}

/* 21: where UNAUTHENTICATE is known. A broken size of the server's does not come here. */
static bool must_end(const struct tracker *t)
{
	return t->strict && t->opaque != TRACKER_CLEAR;
}

/* ---- the client's lines ---- */

/* 4 */
static void owe_bad(struct tracker *t)
{
	t->bads_owed += t->bads_owed < UINT8_MAX;
}

/* 9, 19: those that must not be forgotten. */
static bool must_be_remembered(enum imap_line_verb verb, bool asks_idle)
{
	return asks_idle || verb == IMAP_LINE_COMPRESS || verb == IMAP_LINE_STARTTLS;
}

/* 5, 6 */
static void count_command(struct tracker *t, struct tracker_command c)
{
	t->commands++;
	if (t->remembered < TRACKER_REMEMBERED && t->rest == 0) {
		remember(t, c);
		t->idles_asked += c.idle == IDLE_ASKED;
		t->counted_as = AS_LAST;
		return;
	}
	t->rest++;
	t->counted_as = AS_REST;
	if (must_be_remembered(c.verb, c.idle == IDLE_ASKED))
		become_opaque(t, TRACKER_TOO_MANY);
}

/* 4, 9: up_line is whole, and the first of a command. */
static void begin_command(struct tracker *t, bool announces, uint32_t now)
{
	enum imap_line_verb verb = imap_line_verb(&t->up_line);
	bool asks_idle = verb == IMAP_LINE_IDLE && !announces;

	if (!imap_line_is_command(&t->up_line)) {
		owe_bad(t);
		return;
	}
	count_command(t, (struct tracker_command){ .tag = t->up_line.hash, .since = now, .verb = (uint8_t)verb,
						   .idle = asks_idle ? IDLE_ASKED : IDLE_NO });
}

/* The command under way, or the line that was nothing, is whole. */
static void at_command(struct tracker *t)
{
	t->counted_as = AS_NOTHING;
	t->state = UP_COMMAND;
}

/* The same, and the literal that its last line announced will not come. */
static void at_command_without_literal(struct tracker *t)
{
	imap_frame_init(&t->up, IMAP_FRAME_CLIENT);
	at_command(t);
}

/* 17 */
static bool takes_literals(const struct imap_line *first)
{
	return imap_line_is_command(first) && imap_line_verb_takes_literals(imap_line_verb(first));
}

/* 18: what a server may answer with a "+" that is not the literal's. */
static bool is_idle_line(const struct imap_line *first)
{
	return imap_line_is_command(first) && imap_line_verb(first) == IMAP_LINE_IDLE;
}

/* 14, 17, 18 */
static void announced(struct tracker *t)
{
	if (is_idle_line(&t->up_line))
		become_opaque(t, TRACKER_UNSURE);
	else if (!t->up.nonsync)
		t->state = UP_HELD;
	else if (takes_literals(&t->up_line) && !t->up.minus)
		t->state = UP_MORE;
	else
		become_opaque(t, TRACKER_UNSURE);
}

/* A line of a command is whole. */
static void end_line(struct tracker *t, enum imap_frame_event ev)
{
	if (ev == IMAP_FRAME_BAD)
		become_opaque(t, TRACKER_BROKEN_SIZE);
	else if (ev == IMAP_FRAME_LITERAL)
		announced(t);
	else
		at_command(t);
}

static void first_line(struct tracker *t, enum imap_frame_event ev, uint32_t now)
{
	bool idle;

	begin_command(t, ev != IMAP_FRAME_LINE, now);
	if (t->opaque)
		return;
	idle = t->counted_as == AS_LAST && last_command(t)->idle == IDLE_ASKED;
	end_line(t, ev);
	if (idle)
		t->state = UP_IDLE;
}

/* 10, 13: of an IDLE that the server has granted. */
static void end_of_granted(struct tracker *t, struct tracker_command *idle, uint32_t now)
{
	idle->idle = IDLE_OVER;
	idle->since = now;
	at_command_without_literal(t);
}

/* 12, 13: of one of which the server has not said whether it is one. */
static void end_of_asked(struct tracker *t, struct tracker_command *idle, enum imap_frame_event ev, uint32_t now)
{
	idle->since = now;
	if (ev == IMAP_FRAME_BAD) {
		become_opaque(t, TRACKER_BROKEN_SIZE);
	} else if (ev == IMAP_FRAME_LITERAL && t->up.nonsync) {
		become_opaque(t, TRACKER_UNSURE);
	} else if (ev == IMAP_FRAME_LITERAL) {
		t->state = UP_HELD_IDLE;
	} else {
		idle->idle = imap_line_is_command(&t->up_line) ? IDLE_ASKED_THEN_COMMAND : IDLE_ASKED_THEN_NOTHING;
		at_command(t);
	}
}

static void idle_line(struct tracker *t, enum imap_frame_event ev, uint32_t now)
{
	struct tracker_command *idle = last_command(t);

	if (idle->idle == IDLE_GRANTED)
		end_of_granted(t, idle, now);
	else
		end_of_asked(t, idle, ev, now);
}

/* A line of the client's is whole. False: the session must end. */
static bool client_line(struct tracker *t, enum imap_frame_event ev, uint32_t now)
{
	if (t->state == UP_COMMAND)
		first_line(t, ev, now);
	else if (t->state == UP_IDLE)
		idle_line(t, ev, now);
	else
		end_line(t, ev);
	return !must_end(t);
}

/* 21: where in these n bytes the session must end; n: nowhere. */
static size_t hunt(struct tracker *t, const char *p, size_t n, bool in_literal, bool in_first)
{
	if (t->strict)
		return imap_line_hunt_any(&t->hunt, p, n, in_literal);
	return in_first ? imap_line_hunt_second(&t->hunt, p, n) : n;
}

static void start_line(struct tracker *t)
{
	imap_line_start(&t->up_line);
	if (!t->strict)
		t->hunt = (struct imap_line_hunt){ 0 };
}

/* Up to the end of a literal, of a line, or all. end: where the session must end; all that was taken: nowhere. */
static size_t scan_client(struct tracker *t, const char *p, size_t n, enum imap_frame_event *ev, size_t *end)
{
	bool in_literal = t->up.left > 0, in_first = imap_frame_in_first_line(&t->up);
	size_t took;

	if (imap_frame_at_start(&t->up))
		start_line(t);
	took = imap_frame_scan(&t->up, p, in_literal && t->up.left < n ? (size_t)t->up.left : n, ev);
	*end = hunt(t, p, took, in_literal, in_first);
	if (*end < took && !in_literal)
		*end = 0;	/* if a part of the line went on before, it is no line to the server without its LF */
	if (in_first)
		imap_line_feed(&t->up_line, p, took - (*ev != IMAP_FRAME_MORE));
	return took;
}

/* 20, 21: what is behind that in which the session became opaque. Returns how much of it goes on. */
static size_t hunt_in_opaque(struct tracker *t, const char *p, size_t n, enum tracker_verdict *verdict)
{
	size_t go = t->strict ? imap_line_hunt_any(&t->hunt, p, n, true) : n;

	if (go < n)
		*verdict = TRACKER_END;
	return go;
}

size_t tracker_client(struct tracker *t, const void *data, size_t n, uint32_t now, enum tracker_verdict *verdict)
{
	const char *p = data;
	size_t at = 0, took, end;
	enum imap_frame_event ev;

	assert(!tracker_is_holding(t));
	*verdict = TRACKER_PASS;
	for (; at < n && !t->opaque; at += took) {
		took = scan_client(t, p + at, n - at, &ev, &end);
		if (end == took && ev == IMAP_FRAME_MORE)
			continue;
		if (end < took || !client_line(t, ev, now)) {
			*verdict = TRACKER_END;
			return end < took ? at + end : at;
		}
		if (tracker_is_holding(t)) {
			*verdict = TRACKER_HOLD;
			return at + took;
		}
	}
	return at + hunt_in_opaque(t, p + at, n - at, verdict);
}

/* ---- the server's lines ---- */

/* 15, 11, 13 */
static void grant_idle(struct tracker *t, struct tracker_command *c, uint32_t now)
{
	bool was_last = c == last_command(t);

	t->idles_granted++;
	c->idle = c->idle == IDLE_ASKED ? IDLE_GRANTED : IDLE_OVER;
	if (was_last && t->state == UP_HELD_IDLE)
		end_of_granted(t, c, now);
}

/* 15 */
static void plus_line(struct tracker *t, uint32_t now)
{
	for (size_t i = 0; i < t->remembered; i++) {
		if (waits_for_plus(command_at(t, i))) {
			grant_idle(t, command_at(t, i), now);
			return;
		}
	}
	if (t->state == UP_HELD)
		t->state = UP_MORE;
}

/* 14: "* BAD" and "* BYE". */
static void untagged_line(struct tracker *t)
{
	bool bad = imap_line_status_is(&t->down_line, "BAD");
	bool counts = imap_line_is_command(&t->up_line);

	if (t->down_line.first_len != 1 || (!bad && !imap_line_status_is(&t->down_line, "BYE")))
		return;
	if (t->state == UP_HELD && (!bad || !counts || t->bads_owed == 0))
		at_command_without_literal(t);
	else if (bad && t->bads_owed > 0)
		t->bads_owed--;
}

/* 14, 16: the command under way has got its tagged line. */
static void end_command_under_way(struct tracker *t)
{
	t->counted_as = AS_NOTHING;
	if (t->state == UP_HELD)
		at_command_without_literal(t);
}

/* 12, 13: an IDLE that was not granted has got its tagged line. What is the line now that would have been its end? */
static void idle_refused(struct tracker *t, unsigned idle, uint32_t now)
{
	if (idle == IDLE_ASKED_THEN_COMMAND) {
		become_opaque(t, TRACKER_UNSURE);
	} else if (idle == IDLE_ASKED_THEN_NOTHING) {
		owe_bad(t);
	} else if (t->state == UP_HELD_IDLE) {
		begin_command(t, true, now);
		if (!t->opaque)
			announced(t);
	}
}

/* 11, 12: an IDLE has got its tagged line. */
static void end_idle(struct tracker *t, unsigned idle, uint32_t now)
{
	t->idles_ended++;
	if (t->state == UP_IDLE && (idle == IDLE_ASKED || idle == IDLE_GRANTED))	/* it is that one: its end is to come */
		t->state = UP_COMMAND;
	if (idle < IDLE_GRANTED)
		idle_refused(t, idle, now);
}

/* 4: behind a tagged line. */
static void settle_bads(struct tracker *t)
{
	if (tracker_in_flight(t) == 0)
		t->bads_owed = 0;
}

/* 7 */
static void end_remembered(struct tracker *t, size_t i, uint32_t now, tracker_done_fn *done)
{
	struct tracker_command c = *command_at(t, i);
	bool ok = imap_line_status_is(&t->down_line, "OK");

	if (t->counted_as == AS_LAST && i + 1u == t->remembered)
		end_command_under_way(t);
	forget(t, i);
	t->answered++;
	settle_bads(t);
	if (done)
		done(t, c.verb, now - c.since);
	t->logged_out |= ok && c.verb == IMAP_LINE_LOGOUT;
	if (c.idle != IDLE_NO)
		end_idle(t, c.idle, now);
	else if (ok && c.verb == IMAP_LINE_COMPRESS)	/* 19 */
		become_opaque(t, TRACKER_COMPRESS);
	else if (ok && c.verb == IMAP_LINE_STARTTLS)
		become_opaque(t, TRACKER_STARTTLS);
}

/* 14: the line that is held counts for nothing, and this is its answer all the same. */
static bool answers_uncounted(const struct tracker *t)
{
	const struct imap_line *up = &t->up_line, *down = &t->down_line;

	if (t->state != UP_HELD || imap_line_is_command(up))
		return false;
	return up->first == ' ' || (down->first_len > 0 && down->first != ' ' && down->hash == up->hash);
}

/* 7, 14: the command under way is one of the rest, and this is its tagged line. */
static bool answers_rest_under_way(const struct tracker *t)
{
	return t->counted_as == AS_REST && imap_line_has_tag(&t->down_line) && t->down_line.hash == t->up_line.hash;
}

/* 7: a line that counted for nothing was answered with a tag. */
static bool pays_bad(const struct tracker *t)
{
	return t->bads_owed > 0 && imap_line_status_is(&t->down_line, "BAD");
}

/* 7, 14: a tagged line that is of none remembered. False: it ends nothing. */
static bool end_unremembered(struct tracker *t)
{
	if (answers_uncounted(t)) {
		at_command_without_literal(t);
		t->bads_owed -= t->bads_owed > 0;
		return false;
	}
	if (answers_rest_under_way(t)) {
		end_command_under_way(t);
	} else if (pays_bad(t)) {
		t->bads_owed--;
		return false;
	}
	if (t->rest == 0)
		return false;
	t->rest--;
	t->answered++;
	return true;
}

/* The same. False: the session must end, 21. */
static bool end_rest(struct tracker *t)
{
	bool ended = end_unremembered(t);

	settle_bads(t);
	return ended || !t->strict || !imap_line_status_is(&t->down_line, "OK");
}

/* False: the session must end. */
static bool server_line(struct tracker *t, uint32_t now, tracker_done_fn *done)
{
	size_t i;

	if (t->down_line.first == '+') {
		plus_line(t, now);
		return true;
	}
	if (t->down_line.first == '*') {
		untagged_line(t);
		return true;
	}
	i = find_tagged(t);
	if (i == t->remembered)
		return end_rest(t);
	end_remembered(t, i, now, done);
	return !must_end(t);
}

/* Runs of untagged lines, when none of them can mean anything. */
static size_t skip_server(const struct tracker *t, const char *p, size_t n)
{
	if (t->bads_owed > 0 || tracker_is_holding(t) || !imap_frame_at_start(&t->down))
		return 0;
	return imap_line_skip_untagged(p, n);
}

/* Up to the end of a line, or all. */
static size_t scan_server(struct tracker *t, const char *p, size_t n, enum imap_frame_event *ev, bool *in_first)
{
	size_t took;

	*in_first = imap_frame_in_first_line(&t->down);
	if (imap_frame_at_start(&t->down))
		imap_line_start(&t->down_line);
	took = imap_frame_scan(&t->down, p, n, ev);
	if (*in_first)
		imap_line_feed(&t->down_line, p, took - (*ev != IMAP_FRAME_MORE));
	return took;
}

/* The session ends, but for what goes on to the client: does it end within a response? */
static void frame_server(struct tracker *t, const char *p, const char *end)
{
	enum imap_frame_event ev = IMAP_FRAME_MORE;

	while (p < end && ev != IMAP_FRAME_BAD)
		p += imap_frame_scan(&t->down, p, (size_t)(end - p), &ev);
}

enum tracker_verdict tracker_server(struct tracker *t, const void *data, size_t n, uint32_t now, tracker_done_fn *done)
{
	const char *p = data, *end = p + n;
	enum imap_frame_event ev;
	bool in_first;

	if (t->opaque)
		return TRACKER_PASS;
	while (p < end && !t->opaque) {
		p += skip_server(t, p, (size_t)(end - p));
		if (p == end)
			break;
		p += scan_server(t, p, (size_t)(end - p), &ev, &in_first);
		if (ev == IMAP_FRAME_BAD) {
			become_opaque(t, TRACKER_BROKEN_SIZE);
		} else if (ev == IMAP_FRAME_LINE && in_first && !server_line(t, now, done)) {
			frame_server(t, p, end);
			return TRACKER_END;
		}
	}
	return TRACKER_PASS;
}

/* ---- what else is asked of it ---- */

void tracker_init(struct tracker *t, struct pool *pool, bool strict)
{
	*t = (struct tracker){ .pool = pool, .strict = strict };
	imap_frame_init(&t->up, IMAP_FRAME_CLIENT);
	imap_frame_init(&t->down, IMAP_FRAME_SERVER);
}

void tracker_fini(struct tracker *t)
{
	if (t->more)
		pool_give(t->pool, &t->more);
}

/* Of the client's literal, when that is not held. */
static uint64_t left_of_client(const struct tracker *t)
{
	return t->state == UP_MORE ? t->up.left : 0;
}

uint64_t tracker_literal_left(const struct tracker *t, enum tracker_side side)
{
	if (t->opaque)
		return 0;
	if (side == TRACKER_SERVER)
		return t->down.left;
	return t->strict ? 0 : left_of_client(t);
}

void tracker_skip(struct tracker *t, enum tracker_side side, uint64_t n)
{
	struct imap_frame *f = side == TRACKER_CLIENT ? &t->up : &t->down;

	assert(n <= tracker_literal_left(t, side));
	f->left -= n;
}

/* 14 */
enum tracker_verdict tracker_give_up(struct tracker *t)
{
	if (!tracker_is_holding(t))
		return TRACKER_PASS;
	become_opaque(t, TRACKER_NO_ANSWER);
	return must_end(t) ? TRACKER_END : TRACKER_PASS;
}

bool tracker_is_holding(const struct tracker *t)
{
	return t->state == UP_HELD || t->state == UP_HELD_IDLE;
}

bool tracker_is_idle(const struct tracker *t)
{
	return t->state == UP_IDLE && imap_frame_at_start(&t->up) && last_command(t)->idle == IDLE_GRANTED;
}

/* 22 */
bool tracker_is_safe(const struct tracker *t)
{
	if (t->opaque || tracker_is_holding(t) || !imap_frame_at_start(&t->up) || !imap_frame_at_start(&t->down))
		return false;
	return tracker_in_flight(t) == 0 || (tracker_in_flight(t) == 1 && tracker_is_idle(t));
}

bool tracker_server_rests(const struct tracker *t)
{
	return imap_frame_at_start(&t->down) && t->opaque != TRACKER_COMPRESS && t->opaque != TRACKER_STARTTLS;
}

bool tracker_client_owes(const struct tracker *t)
{
	return left_of_client(t) > 0;
}

const struct tracker_command *tracker_oldest(const struct tracker *t)
{
	for (size_t i = 0; i < t->remembered; i++) {
		if (command_at(t, i)->idle != IDLE_GRANTED)
			return command_at(t, i);
	}
	return NULL;
}

const char *tracker_opaque_name(enum tracker_opaque why)
{
	static const char *const names[TRACKER_NOPAQUE] = {
		[TRACKER_CLEAR] = "-", [TRACKER_COMPRESS] = "compress", [TRACKER_STARTTLS] = "starttls",
		[TRACKER_BROKEN_SIZE] = "broken-size", [TRACKER_TOO_MANY] = "too-many", [TRACKER_UNSURE] = "unsure",
		[TRACKER_NO_ANSWER] = "no-answer",
	};

	return names[why];
}
