/* The file: lines to statements, and running them one by one. What each does is in verbs.c. */
#include "script.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "verbs.h"

static char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = mem_strdup(slash ? slash + 1 : path);
	char *dot = strrchr(name, '.');

	if (dot)
		*dot = '\0';
	return name;
}

static bool add_statement(struct script *s, unsigned line, char *text)
{
	const char *args;
	const struct verb *v = verb_find(text, &args);
	size_t size = sizeof(*s->statements);

	if (!v)
		return false;
	s->statements = mem_grow(s->statements, s->n * size, (s->n + 1) * size);
	s->statements[s->n++] = (struct statement){ .line = line, .verb = v, .args = mem_strdup(args) };
	return true;
}

static bool read_line(struct script *s, unsigned line, char *text)
{
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '#' && !s->title)
		s->title = mem_strdup(text + 1 + strspn(text + 1, " "));
	if (text[0] == '#' || text[0] == '\0')
		return true;
	if (strcmp(text, "given whole writes") == 0) {
		s->whole_writes = true;
		return true;
	}
	return add_statement(s, line, text);
}

bool script_read(struct script *s, const char *path, char *err, size_t errlen)
{
	char text[1024];
	unsigned line = 0;
	bool good = true;
	FILE *f = fopen(path, "re");

	*s = (struct script){ .name = file_name(path) };
	if (!f) {
		snprintf(err, errlen, "%s: cannot be opened", path);
		return false;
	}
	while (good && fgets(text, sizeof(text), f)) {
		line++;
		good = strchr(text, '\n') && read_line(s, line, text);
	}
	fclose(f);
	if (!good)
		snprintf(err, errlen, "%s:%u: not a statement of a play", path, line);
	else if (!s->title || s->n == 0)
		snprintf(err, errlen, "%s: a play begins with a comment that says what it is about, and has statements", path);
	return good && s->title && s->n > 0;
}

void script_free(struct script *s)
{
	for (size_t i = 0; i < s->n; i++)
		mem_free(&s->statements[i].args);
	mem_free(&s->statements);
	mem_free(&s->name);
	mem_free(&s->title);
}

static void explain(struct stage *st, const struct script *s, const struct statement *at, char *failure, size_t n)
{
	if (at)
		snprintf(failure, n, "%s.play:%u: %s %s\n%s", s->name, at->line, verb_name(at->verb), at->args, st->failure);
	else
		snprintf(failure, n, "%s.play, at its end:\n%s", s->name, st->failure);
}

bool script_run(struct script *s, const struct run *run, char *failure, size_t n)
{
	struct stage *st = stage_new(run->mode == RUN_SHORT_WRITES ? 1 : SIZE_MAX);
	const struct statement *at = NULL;
	bool good;

	for (size_t i = 0; i < s->n && !st->failure[0]; i++) {
		struct scene scene = { .stage = st, .run = run, .number = i, .statement = &s->statements[i] };

		at = &s->statements[i];
		verb_run(&scene);
	}
	if (!st->failure[0]) {
		at = NULL;
		scene_ends(st);
	}
	good = !st->failure[0];
	if (!good)
		explain(st, s, at, failure, n);
	stage_free(&st);
	return good;
}
