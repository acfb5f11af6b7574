/* What is expected to have happened; and that nothing has that no line expects. */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "words.h"

static void show_expected(struct scene *sc, struct fake *f, struct span args)
{
	char got[1024];

	bytes_show(fake_unseen(f), got, sizeof(got));
	if (!got[0])
		snprintf(got, sizeof(got), "(nothing%s%s)", fake_mark_is_next(f) ? "; it " : "",
			 fake_mark_is_next(f) ? fake_mark_names[f->marks[f->marks_seen].mark] : "");
	stage_fail(sc->stage, "  expected: %.*s\n  got:      %s", (int)args.n, args.p, got);
}

void hears(struct scene *sc, struct span args)
{
	struct fake *f = scene_unseen_side(sc);
	size_t n;

	if (!f)
		return;
	if (bytes_match(args, fake_unseen(f), &n))
		f->out_at += n;
	else
		show_expected(sc, f, args);
}

void is_marked(struct scene *sc, struct span args)
{
	struct fake *f = scene_unseen_side(sc);
	enum fake_mark mark = (enum fake_mark)sc->statement->verb->mark;

	(void)args;
	if (f && !fake_see_mark(f, mark))
		show_expected(sc, f, span_of(fake_mark_names[mark]));
}

static bool wants_read(struct scene *sc)
{
	struct fake *f = scene_open_side(sc);

	return f && f->conn->wants & CONN_READ;
}

void is_read(struct scene *sc, struct span args)
{
	(void)args;
	if (!wants_read(sc))
		stage_fail(sc->stage, "it is not read");
}

void is_not_read(struct scene *sc, struct span args)
{
	(void)args;
	if (wants_read(sc))
		stage_fail(sc->stage, "it is read");
}

static bool lifted(struct scene *sc)
{
	struct fake *f = scene_open_side(sc);

	return f && f->conn->lifted;
}

void is_lifted(struct scene *sc, struct span args)
{
	(void)args;
	if (!lifted(sc))
		stage_fail(sc->stage, "TCP would give it up");
}

void is_not_lifted(struct scene *sc, struct span args)
{
	(void)args;
	if (lifted(sc))
		stage_fail(sc->stage, "TCP would not give it up");
}

/* What a backend counts. */
void counts(struct scene *sc, struct span args)
{
	struct span word, v;
	struct backend *b = words_next(&args, &word) ? cluster_find_backend(sc->stage->cluster, word) : NULL;
	const struct {
		const char *name;
		uint64_t is;
	} all[] = {
		{ "sessions", b ? atomic_load(&b->sessions) : 0 }, { "idle", b ? atomic_load(&b->idle) : 0 },
		{ "opaque", b ? atomic_load(&b->opaque) : 0 }, { "commands", b ? atomic_load(&b->commands) : 0 },
	};

	if (!b)
		scene_bad_word(sc, args);
	while (words_next(&args, &word)) {
		size_t i = 0;

		while (i < ARRAY_LEN(all) && !words_value(word, all[i].name, &v))
			i++;
		if (i == ARRAY_LEN(all))
			scene_bad_word(sc, word);
		else if (strtoull(v.p, NULL, 10) != all[i].is)
			stage_fail(sc->stage, "%s are %llu", all[i].name, (unsigned long long)all[i].is);
	}
}

void dials(struct scene *sc, struct span args)
{
	struct stage *st = sc->stage;

	if (!st->dialled || !span_is(args, st->dialled->name))
		stage_fail(st, "  expected: %.*s is dialled\n  got:      %s", (int)args.n, args.p,
			   st->dialled ? st->dialled->name : "nobody");
	st->dialled = NULL;
}

void buffers(struct scene *sc, struct span args)
{
	size_t expected = strtoul(args.p, NULL, 10);

	if (sc->stage->loop.bufs.in_use != expected)
		stage_fail(sc->stage, "%zu buffers are in use", sc->stage->loop.bufs.in_use);
}

void pipes(struct scene *sc, struct span args)
{
	unsigned long expected = strtoul(args.p, NULL, 10);

	if (sc->stage->loop.pipes.in_use != expected)
		stage_fail(sc->stage, "%u pipes are in use", sc->stage->loop.pipes.in_use);
}

static bool log_line_fits(const char *line, struct span words)
{
	char event[80];
	struct span word, all = span_of(line);

	if (!words_next(&words, &word))
		return false;
	snprintf(event, sizeof(event), "event=%.*s", (int)word.n, word.p);
	if (!words_have(all, span_of(event)))
		return false;
	while (words_next(&words, &word)) {
		if (*word.p == '!' ? words_have_key(all, span_mem(word.p + 1, word.n - 1)) : !words_have(all, word))
			return false;
	}
	return true;
}

/* Every session that relays has such a line: only a play that is about them has to speak of them. */
static unsigned behind_logins(const struct stage *st)
{
	unsigned i = st->log_seen;

	while (i < st->nlog && words_have(span_of(st->log[i]), span_of("event=login")))
		i++;
	return i;
}

void logs(struct scene *sc, struct span args)
{
	struct stage *st = sc->stage;
	struct span rest = args, event;

	if (!words_next(&rest, &event) || !span_is(event, "login"))
		st->log_seen = behind_logins(st);
	if (st->log_seen == st->nlog)
		stage_fail(st, "no line came into the log");
	else if (!log_line_fits(st->log[st->log_seen], args))
		stage_fail(st, "  expected: %.*s\n  got:      %s", (int)args.n, args.p, st->log[st->log_seen]);
	else
		st->log_seen++;
}

void ends(struct scene *sc, struct span args)
{
	struct stage *st = sc->stage;

	for (unsigned why = SESSION_ALIVE + 1; why < SESSION_NREASONS; why++) {
		if (!span_is(args, session_reasons[why].name))
			continue;
		if (st->ends_seen[why]++ == st->env.reasons[why])
			stage_fail(st, "no session has ended so");
		return;
	}
	scene_bad_word(sc, args);
}

/* ---- nothing unseen ---- */

static void check_seen(struct stage *st, const struct fake *f)
{
	char text[1024];

	bytes_show(fake_unseen(f), text, sizeof(text));
	if (text[0])
		stage_fail(st, "before this, no line of the play expects what the %s got: %s", f->side, text);
	if (fake_mark_is_next(f))
		stage_fail(st, "before this, no line of the play expects that the %s %s", f->side,
			   fake_mark_names[f->marks[f->marks_seen].mark]);
}

void scene_nothing_unseen(struct stage *st)
{
	for (const struct fake *f = st->fakes; f; f = f->next)
		check_seen(st, f);
	if (st->dialled)
		stage_fail(st, "before this, no line of the play expects that %s is dialled", st->dialled->name);
	if (behind_logins(st) < st->nlog)
		stage_fail(st, "before this, no line of the play expects in the log: %s", st->log[behind_logins(st)]);
	for (unsigned why = 0; why < SESSION_NREASONS; why++)
		if (st->env.reasons[why] != st->ends_seen[why])
			stage_fail(st, "before this, no line of the play expects that a session ends: %s", session_reasons[why].name);
}

void scene_ends(struct stage *st)
{
	scene_nothing_unseen(st);
	stage_check_empty(st);
}
