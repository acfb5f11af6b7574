/*
 * settings_fault.c - says what is wrong, and where: "sluice.conf:3: backend.mb1.weight: not a ...; write ...". For names that are not known
 * it looks for one that was meant.
 */
#include "daemon/settings_private.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PATH_TEXT_MAX 256	/* of "backend.NAME.setting" in a sentence */
#define NEAR_NAME_MAX 63	/* longer names are near nothing */

/* ---- faults ---- */

/* A newline in a text of the file must not make two lines of one fault. */
static void make_printable(char *p)
{
	for (; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

static void __attribute__((format(printf, 3, 0))) tell(struct draft *d, const char *head, const char *fmt, va_list ap)
{
	char sentence[SETTINGS_FAULT_MAX];
	int n = snprintf(sentence, sizeof(sentence), "%s", head);

	d->faults++;
	if (d->faults > SETTINGS_FAULTS_MAX + 1)
		return;
	if (d->faults == SETTINGS_FAULTS_MAX + 1)
		snprintf(sentence, sizeof(sentence), "%s: and more", d->path);
	else if (n >= 0 && (size_t)n < sizeof(sentence))
		vsnprintf(sentence + n, sizeof(sentence) - (size_t)n, fmt, ap);
	make_printable(sentence);
	d->fault(sentence, d->arg);
}

void draft_fault(struct draft *d, const char *file, unsigned line, const char *fmt, ...)
{
	char head[SETTINGS_FAULT_MAX / 2];
	va_list ap;

	if (line)
		snprintf(head, sizeof(head), "%.400s:%u: ", file, line);
	else
		snprintf(head, sizeof(head), "%.400s: ", file);
	va_start(ap, fmt);
	tell(d, head, fmt, ap);
	va_end(ap);
}

/* What stands in a list has the list's name. */
void settings_full_name(const config_setting_t *at, char *text, size_t size)
{
	text[0] = '\0';
	for (; at && !config_setting_is_root(at); at = config_setting_parent(at)) {
		char rest[PATH_TEXT_MAX];

		if (!config_setting_name(at))
			continue;
		snprintf(rest, sizeof(rest), "%s%.180s", *text ? "." : "", text);
		snprintf(text, size, "%.64s%.180s", config_setting_name(at), rest);
	}
}

void draft_fault_at(struct draft *d, const config_setting_t *at, const char *fmt, ...)
{
	char name[PATH_TEXT_MAX], head[SETTINGS_FAULT_MAX / 2 + PATH_TEXT_MAX];
	va_list ap;

	settings_full_name(at, name, sizeof(name));
	snprintf(head, sizeof(head), "%.400s:%u: %s%s", draft_file(d, at), draft_line(at), name, *name ? ": " : "");
	va_start(ap, fmt);
	tell(d, head, fmt, ap);
	va_end(ap);
}

const char *draft_file(const struct draft *d, const config_setting_t *at)
{
	const char *file = at ? config_setting_source_file(at) : NULL;

	return file ? file : d->path;
}

/* What the file lacks as a whole is said to be wrong in its first line. */
unsigned draft_line(const config_setting_t *at)
{
	unsigned line = at ? config_setting_source_line(at) : 0;

	return line ? line : 1;
}

const config_setting_t *draft_where(const struct draft *d, const struct draft_section *section, const char *name)
{
	const config_setting_t *in = section && section->at ? section->at : config_root_setting(&d->conf);
	const config_setting_t *m = config_setting_get_member(in, name);

	return m ? m : in;
}

bool draft_has(const struct draft_section *section, const char *name)
{
	return section->at && config_setting_get_member(section->at, name);
}

/* ---- unknown names ---- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters to add, leave out or change to make b of a (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_NAME_MAX + 1], na = strlen(a), nb = strlen(b);

	if (na > NEAR_NAME_MAX || nb > NEAR_NAME_MAX)
		return SIZE_MAX;
	for (size_t k = 0; k <= nb; k++)
		row[k] = k;
	for (size_t i = 1; i <= na; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= nb; k++) {
			size_t above = row[k];

			row[k] = least(least(above, row[k - 1]) + 1, corner + (a[i - 1] != b[k - 1]));
			corner = above;
		}
	}
	return row[nb];
}

struct nearest {
	const char *to;
	const char *name;	/* NULL: none is near */
	size_t distance;
};

static void is_it(struct nearest *n, const char *name)
{
	size_t far = distance(n->to, name);

	if (far <= 1 + (strlen(name) + 1) / 4 && (!n->name || far < n->distance)) {
		n->name = name;
		n->distance = far;
	}
}

static const char *nearest_name(const struct section_spec *s, const char *to)
{
	struct nearest n = { .to = to };

	for (size_t i = 0; i < s->n; i++)
		is_it(&n, s->settings[i].name);
	for (size_t i = 0; section_is_top(s) && i < settings_nsections; i++)
		is_it(&n, settings_sections[i].name);
	return n.name;
}

static const struct section_spec *section_that_knows(const char *name)
{
	for (size_t i = 1; i < settings_nsections; i++)
		if (section_find(&settings_sections[i], name))
			return &settings_sections[i];
	return NULL;
}

void draft_unknown_name(struct draft *d, const struct section_spec *s, const config_setting_t *m)
{
	const char *name = config_setting_name(m), *file = draft_file(d, m), *near = nearest_name(s, name);
	const struct section_spec *other = near ? NULL : section_that_knows(name);
	unsigned line = draft_line(m);

	if (near)
		draft_fault(d, file, line, "no such setting: %.64s; did you mean %s?", name, near);
	else if (other)
		draft_fault(d, file, line, "no such setting: %.64s; did you mean %s%s.%s?", name, other->name,
			    other->named_max ? ".NAME" : "", name);
	else
		draft_fault(d, file, line, "no such setting: %.64s; sluice.conf(5) lists those %s%s%s", name,
			    section_is_top(s) ? "that there are" : "of a ", s->name, section_is_top(s) ? "" : " section");
}
