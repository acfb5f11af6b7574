#include "cover.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "session/reasons.h"
#include "wire/out.h"
#include "words.h"

#define TABLE_MAX 16384
#define CELL_MAX 320
#define CELL_SHOWN 8	/* "01 02 03"; then how many more */

/* As the log's while="..." has them; a session that ends without one was relaying, a login that fails without one was at its start, and
 * so was who is refused at the door. */
static const struct {
	const char *name, *doing;
} steps[] = {
	{ "PROXY",	"waiting for a PROXY header" },
	{ "TLS",	"securing the client's connection" },
	{ "COMMAND",	"waiting for a login" },
	{ "ROUTE",	"finding the backend" },
	{ "CONNECT",	"connecting to the backend" },
	{ "LOGIN",	"logging in to the backend" },
	{ "PENALTY",	"waiting to say that the login failed" },
	{ "RELAY",	"relaying" },
};

#define NSTEPS (sizeof(steps) / sizeof(steps[0]))

static struct {
	char play[4];		/* two digits */
	char sessions[SESSION_NREASONS][NSTEPS][CELL_MAX];
	char logins[LOGIN_NREASONS][NSTEPS][CELL_MAX];
} cover;

void cover_play(const char *name)
{
	snprintf(cover.play, sizeof(cover.play), "%.2s", name ? name : "");
}

static size_t find_step(struct span words, const char *otherwise)
{
	struct span word, v, doing = span_of(otherwise);

	while (words_next(&words, &word))
		if (words_value(word, "while", &v))
			doing = v;
	for (size_t i = 0; i < NSTEPS; i++)
		if (span_is(doing, steps[i].doing))
			return i;
	abort();	/* a step that is not in the table */
}

static void add(char *cell)
{
	size_t n = strlen(cell);

	if (!words_have(span_of(cell), span_of(cover.play)) && n + 4 < CELL_MAX)
		snprintf(cell + n, CELL_MAX - n, "%s%s", n ? " " : "", cover.play);
}

static void add_session(struct span words, struct span why, const char *otherwise)
{
	for (unsigned i = 0; i < SESSION_NREASONS; i++)
		if (span_is(why, session_reasons[i].log))
			add(cover.sessions[i][find_step(words, otherwise)]);
}

static void add_login(struct span words, struct span reason)
{
	for (unsigned i = 0; i < LOGIN_NREASONS; i++)
		if (span_is(reason, login_reasons[i].name))
			add(cover.logins[i][find_step(words, "waiting for a login")]);
}

void cover_log_line(const char *line)
{
	struct span words = span_of(line), rest = words, word, v;
	bool session = words_have(words, span_of("event=session-end"));
	bool refused = words_have(words, span_of("event=connections-refused"));
	bool login = words_have(words, span_of("event=login-failed"));

	if (!cover.play[0])
		return;
	while (words_next(&rest, &word)) {
		if ((session || refused) && words_value(word, "why", &v))
			add_session(words, v, refused ? "waiting for a login" : "relaying");
		if (login && words_value(word, "reason", &v))
			add_login(words, v);
	}
}

/* The first plays of a cell, and how many there are besides: "01 02 03 +4". */
static const char *show_cell(const char *cell, char *text, size_t cap)
{
	size_t n = strlen(cell);

	if (n <= CELL_SHOWN)
		snprintf(text, cap, "%s", n ? cell : "-");
	else
		snprintf(text, cap, "%.*s +%zu", CELL_SHOWN, cell, (n - CELL_SHOWN) / 3);
	return text;
}

static void write_row(struct out *o, const char *name, char cells[NSTEPS][CELL_MAX])
{
	char text[512], cell[CELL_SHOWN + 24];
	size_t n = (size_t)snprintf(text, sizeof(text), "%-21s", name);

	for (size_t i = 0; i < NSTEPS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " | %-11s", show_cell(cells[i], cell, sizeof(cell)));
	while (n > 0 && text[n - 1] == ' ')
		n--;
	out_str(o, "    ");
	out_mem(o, text, n);
	out_chr(o, '\n');
}

static void write_head(struct out *o, const char *what)
{
	char cells[NSTEPS][CELL_MAX];

	for (size_t i = 0; i < NSTEPS; i++)
		snprintf(cells[i], CELL_MAX, "%s", steps[i].name);
	write_row(o, what, cells);
}

static char *write_table(void)
{
	char *text = mem_new(TABLE_MAX);
	struct out o;

	out_init(&o, text, TABLE_MAX);
	write_head(&o, "a session ends");
	for (unsigned i = SESSION_ALIVE + 1; i < SESSION_NREASONS; i++)
		write_row(&o, session_reasons[i].name, cover.sessions[i]);
	out_chr(&o, '\n');
	write_head(&o, "a login fails");
	for (unsigned i = LOGIN_OK + 1; i < LOGIN_NREASONS; i++)
		write_row(&o, login_reasons[i].name, cover.logins[i]);
	out_cstr(&o);
	return text;
}

void cover_print(void)
{
	char *table = write_table();

	fputs(table, stdout);
	mem_free(&table);
}

bool cover_is_in(const char *path)
{
	char *table = write_table(), *text = mem_new(4 * TABLE_MAX);
	FILE *f = fopen(path, "re");
	bool is = false;

	if (f && fread(text, 1, 4 * TABLE_MAX - 1, f) > 0)
		is = strstr(text, table) != NULL;
	if (f)
		fclose(f);
	mem_free(&table);
	mem_free(&text);
	return is;
}
