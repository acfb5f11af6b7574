/* What happens to the machine: what comes from clients and backends, time, and the end of the server. */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "words.h"

void client_connects(struct scene *sc, struct span args)
{
	struct span word, sni = { "", 0 }, cert = { "", 0 };

	while (words_next(&args, &word))
		if (!words_value(word, "sni", &sni) && !words_value(word, "cert", &cert))
			scene_bad_word(sc, word);
	stage_open_client(sc->stage, sni, cert);
}

static void send_piece(struct scene *sc, struct fake *f, const char *p, size_t n)
{
	if (sc->stage->failure[0])
		return;
	fake_send(f, p, n);
	stage_settle(sc->stage);
}

static void send_in_pieces(struct scene *sc, struct fake *f, const struct bytes *b)
{
	const struct run *run = sc->run;
	size_t first = b->n;

	if (run->mode == RUN_BYTE_BY_BYTE)
		first = 0;
	else if (run->mode == RUN_CUT && run->statement == sc->number)
		first = run->at;
	if (first > 0)
		send_piece(sc, f, b->p, first);
	if (run->mode == RUN_CUT && first < b->n)
		send_piece(sc, f, b->p + first, b->n - first);
	for (size_t i = first; run->mode == RUN_BYTE_BY_BYTE && i < b->n; i++)
		send_piece(sc, f, b->p + i, 1);
}

static bool read_bytes(struct scene *sc, struct span args, struct bytes *b)
{
	if (bytes_unescape(b, args))
		return true;
	stage_fail(sc->stage, "these bytes cannot be read");
	return false;
}

void says(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);
	struct bytes b = { 0 };

	if (f && read_bytes(sc, args, &b)) {
		sc->statement->bytes = b.n;
		send_in_pieces(sc, f, &b);
	}
	bytes_free(&b);
}

void says_at_once(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);
	struct bytes b = { 0 };

	if (f && read_bytes(sc, args, &b))
		send_piece(sc, f, b.p, b.n);
	bytes_free(&b);
}

void closes(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	(void)args;
	if (f)
		f->in_end = true;
}

void resets(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	(void)args;
	if (f)
		f->reset = true;
}

void breaks_tls(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	if (!f)
		return;
	f->reset = f->garbled = true;
	snprintf(f->phrase, sizeof(f->phrase), "%.*s", (int)args.n, args.p);
}

void takes(struct scene *sc, struct span args)
{
	struct fake *f = scene_side(sc);

	if (!f)
		return;
	if (span_is(args, "all"))
		fake_takes(f, SIZE_MAX);
	else
		fake_takes(f, span_is(args, "nothing") ? 0 : strtoul(args.p, NULL, 10));
}

void splices(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	if (!f)
		return;
	if (span_is(args, "no more"))
		f->splices = SPLICES_NOT;
	else if (span_is(args, "wrongly"))
		f->splices = SPLICES_WRONGLY;
	else if (span_is(args, "again"))
		f->splices = SPLICES;
	else
		scene_bad_word(sc, args);
}

void shakes_hands(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	(void)args;
	if (f && f->securing)
		fake_secured(f);
	else
		stage_fail(sc->stage, "there is no handshake");
}

void breaks_handshake(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	if (f && f->securing)
		fake_fails(f, args);
	else
		stage_fail(sc->stage, "there is no handshake");
}

/* A certificate that does not verify. */
void forges(struct scene *sc, struct span args)
{
	breaks_handshake(sc, args);
	if (!sc->stage->failure[0])
		scene_side(sc)->tell |= CONN_UNTRUSTED;
}

void accepts(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	(void)args;
	if (f && f->dialling)
		f->tell = CONN_CONNECTED;
	else
		stage_fail(sc->stage, "nobody dials");
}

void refuses(struct scene *sc, struct span args)
{
	struct fake *f = scene_open_side(sc);

	if (f && f->dialling)
		fake_fails(f, args);
	else
		stage_fail(sc->stage, "nobody dials");
}

void time_passes(struct scene *sc, struct span args)
{
	stage_wait(sc->stage, strtod(args.p, NULL));
}

void directory_speaks(struct scene *sc, struct span args)
{
	(void)args;
	sc->stage->mood = DIRECTORY_ANSWERS;
	stage_directory_speaks(sc->stage);
}

void directory_fails(struct scene *sc, struct span args)
{
	(void)args;
	sc->stage->mood = DIRECTORY_IS_DOWN;
	stage_directory_speaks(sc->stage);
}

void drain(struct scene *sc, struct span args)
{
	(void)args;
	session_drain_all(&sc->stage->env);
}

void end_all(struct scene *sc, struct span args)
{
	for (unsigned why = SESSION_ALIVE + 1; why < SESSION_NREASONS; why++) {
		if (span_is(args, session_reasons[why].name)) {
			session_close_all(&sc->stage->env, why);
			return;
		}
	}
	scene_bad_word(sc, args);
}
