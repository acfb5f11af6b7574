/*
 * verbs.h - what the statements of a play do: a table of them (verbs.c), what is given (given.c), what happens (happen.c), what is
 * expected (expect.c).
 *
 * An input may not come before the play has spoken of all that happened so far: what it leaves out did not happen.
 */
#ifndef PLAY_VERBS_H
#define PLAY_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "script.h"
#include "stage.h"

/* A statement while it runs. */
struct scene {
	struct stage *stage;
	const struct run *run;
	size_t number;			/* of the statement */
	struct statement *statement;
};

typedef void verb_fn(struct scene *sc, struct span args);

enum verb_kind {
	SETS,		/* before anything happens, or changes what the next answer is */
	INPUT,		/* something happens; the machine then runs until it rests */
	EXPECTS,
};

struct verb {
	const char *name;
	enum verb_kind kind;
	verb_fn *run;
	size_t side;	/* offset in struct stage of the fake it is about; 0: none */
	int mark;	/* enum fake_mark that is expected */
};

/* NULL: none. *args: what stands behind it. */
const struct verb *verb_find(const char *text, const char **args);
const char *verb_name(const struct verb *v);
void verb_run(struct scene *sc);

/* The connection it is about. NULL: it has failed. */
struct fake *scene_side(struct scene *sc);
struct fake *scene_open_side(struct scene *sc);		/* that is not closed */
struct fake *scene_unseen_side(struct scene *sc);	/* the oldest that holds something unseen, else the last */
void scene_bad_word(struct scene *sc, struct span word);

/* Nothing has happened that the play has not spoken of. */
void scene_nothing_unseen(struct stage *st);
void scene_ends(struct stage *st);			/* the same, and nobody is there any more */

/* given.c */
verb_fn given_listener;
verb_fn given_backend;
verb_fn given_user;
verb_fn given_settings;
verb_fn given_secret;
verb_fn given_directory;
verb_fn given_trusted_proxies;
verb_fn given_trusted_networks;
verb_fn given_limits;
verb_fn given_auth_failure_delay;
verb_fn given_times;
verb_fn given_clients_from;
verb_fn given_splice;
verb_fn given_pipes;
verb_fn given_no_tls_context;

/* happen.c */
verb_fn says_at_once;
verb_fn says;
verb_fn closes;
verb_fn resets;
verb_fn breaks_tls;
verb_fn takes;
verb_fn splices;
verb_fn shakes_hands;
verb_fn breaks_handshake;
verb_fn client_connects;
verb_fn accepts;
verb_fn refuses;
verb_fn forges;
verb_fn directory_speaks;
verb_fn directory_fails;
verb_fn time_passes;
verb_fn drain;
verb_fn end_all;

/* expect.c */
verb_fn hears;
verb_fn is_marked;
verb_fn is_read;
verb_fn is_not_read;
verb_fn is_lifted;
verb_fn is_not_lifted;
verb_fn counts;
verb_fn dials;
verb_fn buffers;
verb_fn pipes;
verb_fn logs;
verb_fn ends;

#endif
