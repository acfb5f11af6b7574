/* The table of statements, what they have in common, and running one. */
#include "verbs.h"

#include "base/mem.h"

struct fake *scene_side(struct scene *sc)
{
	struct fake *f = *(struct fake **)((char *)sc->stage + sc->statement->verb->side);

	if (!f)
		stage_fail(sc->stage, "there is no such connection yet");
	return f;
}

/* For expectations: the oldest of its side that holds something unseen, for a next one may be dialled in the same turn; else the last. */
struct fake *scene_unseen_side(struct scene *sc)
{
	struct fake *found = scene_side(sc);

	for (struct fake *f = found ? found->next : NULL; f; f = f->next)
		if (strcmp(f->side, found->side) == 0 && (fake_unseen(f).n > 0 || fake_mark_is_next(f)))
			found = f;
	return found;
}

struct fake *scene_open_side(struct scene *sc)
{
	struct fake *f = scene_side(sc);

	if (f && !f->conn) {
		stage_fail(sc->stage, "this connection is closed");
		return NULL;
	}
	return f;
}

void scene_bad_word(struct scene *sc, struct span word)
{
	stage_fail(sc->stage, "what is \"%.*s\"?", (int)word.n, word.p);
}

/* ---- the table ---- */

#define CLIENT offsetof(struct stage, client)
#define BACKEND offsetof(struct stage, backend)

#define BOTH_SIDES(who, WHO) \
	{ who ">!",			INPUT,   says_at_once,	   WHO, 0 }, \
	{ who ">",			INPUT,   says,		   WHO, 0 }, \
	{ who "<",			EXPECTS, hears,		   WHO, 0 }, \
	{ who " closes",		INPUT,   closes,	   WHO, 0 }, \
	{ who " resets",		INPUT,   resets,	   WHO, 0 }, \
	{ who " breaks TLS:",		INPUT,   breaks_tls,	   WHO, 0 }, \
	{ who " takes",			INPUT,   takes,		   WHO, 0 }, \
	{ who " splices",		INPUT,   splices,	   WHO, 0 }, \
	{ who " shakes hands",		INPUT,   shakes_hands,	   WHO, 0 }, \
	{ who " breaks the handshake:",	INPUT,   breaks_handshake, WHO, 0 }, \
	{ who " starts TLS",		EXPECTS, is_marked,	   WHO, MARK_STARTS_TLS }, \
	{ who " is half closed",	EXPECTS, is_marked,	   WHO, MARK_HALF_CLOSED }, \
	{ who " is let go",		EXPECTS, is_marked,	   WHO, MARK_LET_GO }, \
	{ who " is cut",		EXPECTS, is_marked,	   WHO, MARK_CUT }, \
	{ who " is read",		EXPECTS, is_read,	   WHO, 0 }, \
	{ who " is not read",		EXPECTS, is_not_read,	   WHO, 0 }

static const struct verb verbs[] = {
	{ "given listener",		SETS,	 given_listener,   0, 0 },
	{ "given backend",		SETS,	 given_backend,	   0, 0 },
	{ "given user",			SETS,	 given_user,	   0, 0 },
	{ "given settings",		SETS,	 given_settings,   0, 0 },
	{ "given secret",		SETS,	 given_secret,	   0, 0 },
	{ "given directory",		SETS,	 given_directory,  0, 0 },
	{ "given trusted proxies",	SETS,	 given_trusted_proxies, 0, 0 },
	{ "given trusted networks",	SETS,	 given_trusted_networks, 0, 0 },
	{ "given limits",		SETS,	 given_limits,	   0, 0 },
	{ "given auth-failure-delay",	SETS,	 given_auth_failure_delay, 0, 0 },
	{ "given times",		SETS,	 given_times,	   0, 0 },
	{ "given clients from",		SETS,	 given_clients_from, 0, 0 },
	{ "given splice",		SETS,	 given_splice,	   0, 0 },
	{ "given pipes",		SETS,	 given_pipes,	   0, 0 },
	{ "given no TLS context",	SETS,	 given_no_tls_context, 0, 0 },
	BOTH_SIDES("client", CLIENT),
	BOTH_SIDES("backend", BACKEND),
	{ "client may be slow",		EXPECTS, is_lifted,	   CLIENT, 0 },
	{ "client may not be slow",	EXPECTS, is_not_lifted,	   CLIENT, 0 },
	{ "client connects",		INPUT,	 client_connects,  0, 0 },
	{ "backend accepts",		INPUT,	 accepts,	   BACKEND, 0 },
	{ "backend refuses:",		INPUT,	 refuses,	   BACKEND, 0 },
	{ "backend has a bad certificate:", INPUT, forges,	   BACKEND, 0 },
	{ "directory speaks",		INPUT,	 directory_speaks, 0, 0 },
	{ "directory fails",		INPUT,	 directory_fails,  0, 0 },
	{ "wait",			INPUT,	 time_passes,	   0, 0 },
	{ "drain",			INPUT,	 drain,		   0, 0 },
	{ "end all",			INPUT,	 end_all,	   0, 0 },
	{ "counts",			EXPECTS, counts,	   0, 0 },
	{ "dials",			EXPECTS, dials,		   0, 0 },
	{ "buffers",			EXPECTS, buffers,	   0, 0 },
	{ "pipes",			EXPECTS, pipes,		   0, 0 },
	{ "log",			EXPECTS, logs,		   0, 0 },
	{ "ends",			EXPECTS, ends,		   0, 0 },
};

const struct verb *verb_find(const char *text, const char **args)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		size_t n = strlen(verbs[i].name);

		if (strncmp(text, verbs[i].name, n) != 0 || (text[n] != ' ' && text[n] != '\0'))
			continue;
		*args = text[n] ? text + n + 1 : text + n;
		return &verbs[i];
	}
	return NULL;
}

const char *verb_name(const struct verb *v)
{
	return v->name;
}

void verb_run(struct scene *sc)
{
	const struct verb *v = sc->statement->verb;

	if (v->kind == INPUT)
		scene_nothing_unseen(sc->stage);
	if (!sc->stage->failure[0])
		v->run(sc, span_of(sc->statement->args));
	if (v->kind == INPUT)
		stage_settle(sc->stage);
}
