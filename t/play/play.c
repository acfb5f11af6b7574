/*
 * play - gives plays, in TAP: one test a file, and one for README's table.
 *
 *	play [--table] [FILE...]	without a file: all of t/play; srcdir: the top of the source tree (automake's abs_ one goes first)
 *
 * Each play is given as it is written, then with each byte a turn of its own, then with short writes, then cut at every place.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cover.h"
#include "script.h"

/* Of a long line only so much at its begin and end is cut everywhere. */
#define CUT_EDGE 80

static void show_failure(const char *how, char *failure)
{
	char *line, *rest = failure;

	printf("# given %s:\n", how);
	while ((line = strsep(&rest, "\n")))
		printf("#   %s\n", line);
}

static bool give(struct script *s, const struct run *run, const char *how)
{
	char failure[4096];

	if (script_run(s, run, failure, sizeof(failure)))
		return true;
	show_failure(how, failure);
	return false;
}

static bool give_cut(struct script *s, size_t i, size_t at)
{
	struct run run = { .mode = RUN_CUT, .statement = i, .at = at };
	char how[64];

	snprintf(how, sizeof(how), "with line %u cut behind its byte %zu", s->statements[i].line, at);
	return give(s, &run, how);
}

static bool give_cut_everywhere(struct script *s)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t n = s->statements[i].bytes;

		for (size_t at = 1; at < n; at++) {
			if (at == CUT_EDGE && n > 2 * CUT_EDGE)
				at = n - CUT_EDGE;
			if (!give_cut(s, i, at))
				return false;
		}
	}
	return true;
}

static bool give_every_way(struct script *s)
{
	static const struct run as_written = { .mode = RUN_AS_WRITTEN }, bytes = { .mode = RUN_BYTE_BY_BYTE },
				short_writes = { .mode = RUN_SHORT_WRITES };
	bool good;

	cover_play(s->name);
	good = give(s, &as_written, "as written");
	cover_play(NULL);
	return good && give(s, &bytes, "byte by byte") && (s->whole_writes || give(s, &short_writes, "with short writes")) &&
	       give_cut_everywhere(s);
}

static bool play_file(const char *path, unsigned number)
{
	struct script s;
	char err[256];
	bool good = script_read(&s, path, err, sizeof(err));

	if (!good)
		printf("# %s\n", err);
	good = good && give_every_way(&s);
	printf("%s %u - %s: %s\n", good ? "ok" : "not ok", number, s.name, s.title ? s.title : "cannot be read");
	fflush(stdout);
	script_free(&s);
	return good;
}

static bool play_files(char **paths, size_t n)
{
	bool good = true;

	for (size_t i = 0; i < n; i++)
		good &= play_file(paths[i], (unsigned)i + 1);
	return good;
}

static bool check_readme(const char *folder, unsigned number)
{
	char path[4200];
	bool good;

	snprintf(path, sizeof(path), "%s/README", folder);
	good = cover_is_in(path);
	if (!good)
		printf("# play --table prints the one it should hold\n");
	printf("%s %u - README's table says which play reaches which reason\n", good ? "ok" : "not ok", number);
	return good;
}

static bool play_all(const char *srcdir, bool table)
{
	char folder[4096], pattern[4200];
	glob_t g = { 0 };
	bool good;

	snprintf(folder, sizeof(folder), "%s/t/play", srcdir);
	snprintf(pattern, sizeof(pattern), "%s/*.play", folder);
	if (glob(pattern, 0, NULL, &g) != 0) {
		printf("Bail out! no play in %s\n", folder);
		return false;
	}
	printf("1..%zu\n", g.gl_pathc + 1);
	good = play_files(g.gl_pathv, g.gl_pathc);
	good &= check_readme(folder, (unsigned)g.gl_pathc + 1);
	if (table)
		cover_print();
	globfree(&g);
	return good;
}

int main(int argc, char **argv)
{
	const char *top = getenv("abs_top_srcdir"), *srcdir = top ? top : getenv("srcdir");
	bool table = argc > 1 && strcmp(argv[1], "--table") == 0;
	int first = table ? 2 : 1;
	bool good;

	if (first < argc) {
		printf("1..%d\n", argc - first);
		good = play_files(argv + first, (size_t)(argc - first));
	} else {
		good = play_all(srcdir ? srcdir : ".", table);
	}
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
