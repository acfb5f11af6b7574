/*
 * fake.h - a conn without a descriptor, and the far side of it: what it has sent, what it was told, what it takes.
 *
 * Level-triggered as the real kinds: fake_tell says what is wanted and holds, once. A fake outlives its conn, so that a play may still
 * look at what was said last.
 */
#ifndef PLAY_FAKE_H
#define PLAY_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "net/conn.h"

#define FAKE_MARKS_MAX 8
#define FAKE_PHRASE_MAX 128

/* What is done to a conn besides writing, in its place among the bytes. */
enum fake_mark {
	MARK_STARTS_TLS,
	MARK_HALF_CLOSED,	/* conn_half_close */
	MARK_LET_GO,		/* conn_linger */
	MARK_CUT,		/* conn_close */
	MARK_N,
};

extern const char *const fake_mark_names[MARK_N];

struct fake {
	struct fake *next;
	struct conn *conn;		/* NULL: closed by its owner */
	const char *side;		/* "client", "backend" */
	struct bytes in, out;		/* from the far side; to it */
	size_t in_at, out_at;		/* how much of it was read; how much of it a play has seen */
	size_t room;			/* what the far side takes; SIZE_MAX: all */
	size_t room_a_turn, room_now;	/* short writes: so much at a time */
	struct bytes late;		/* said last, and not taken yet */
	struct {
		size_t at;
		enum fake_mark mark;
	} marks[FAKE_MARKS_MAX];
	unsigned nmarks, marks_seen;
	unsigned tell;			/* once: CONN_CONNECTED, CONN_SECURED, CONN_FAILED */
	char phrase[FAKE_PHRASE_MAX];	/* why it failed */
	char sni[FAKE_PHRASE_MAX], cert[FAKE_PHRASE_MAX];	/* what the client asks for; whom its certificate names */
	bool dialling, securing, secure;
	enum { SPLICES_NOT, SPLICES, SPLICES_WRONGLY } splices;	/* wrongly: says that it can, and then neither moves bytes nor EAGAIN */
	bool in_end, end_seen, reset, half_closed;
	bool garbled;			/* reset, and by a fault of TLS: phrase tells of it */
	uint64_t moved;			/* grows with whatever is read or written */
	unsigned idle_turns;
	char broken[FAKE_PHRASE_MAX];	/* how the session broke conn.h's rules; "": not */
};

struct fake *fake_new(const char *side);
void fake_free(struct fake **f);

/* Makes c an open conn (or one that dials) whose far side is f. */
void fake_open(struct fake *f, struct conn *c, struct net_loop *loop, conn_event_fn *on_event);

/* The far side. */
void fake_send(struct fake *f, const void *p, size_t n);
void fake_takes(struct fake *f, size_t room);
void fake_secured(struct fake *f);
void fake_fails(struct fake *f, struct span phrase);	/* dialling or the handshake */

/* Tells the owner what there is to tell. false: nothing. */
bool fake_tell(struct fake *f);

/* What no play has seen yet. */
struct span fake_unseen(const struct fake *f);
bool fake_see_mark(struct fake *f, enum fake_mark mark);	/* false: it is not the next */
bool fake_mark_is_next(const struct fake *f);

#endif
