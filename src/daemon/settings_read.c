/*
 * settings_read.c - libconfig's tree into the draft, by the table: types, bounds, words.
 */
#include "daemon/settings_private.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- values ---- */

static void read_bool(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	(void)spec;
	if (config_setting_type(m) == CONFIG_TYPE_BOOL)
		*(bool *)field = config_setting_get_bool(m);
	else
		draft_fault_at(d, m, "not a truth value; write true or false, without quotes");
}

static bool is_integer(const config_setting_t *m)
{
	return config_setting_type(m) == CONFIG_TYPE_INT || config_setting_type(m) == CONFIG_TYPE_INT64;
}

static void read_number(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	long long n = is_integer(m) ? config_setting_get_int64(m) : -1;

	if (!is_integer(m) || n < (long long)spec->low || n > (long long)spec->high)
		draft_fault_at(d, m, "not a whole number in its bounds; write one from %.0f to %.0f", spec->low, spec->high);
	else
		*(unsigned *)field = (unsigned)n;
}

static void read_workers(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	const char *text = config_setting_get_string(m);
	long long n = is_integer(m) ? config_setting_get_int64(m) : -1;

	if (text && strcmp(text, "auto") == 0)
		*(int *)field = WORKERS_AUTO;
	else if (n >= 0 && n <= (long long)spec->high)
		*(int *)field = (int)n;
	else
		draft_fault_at(d, m, "not a number of workers; write \"auto\" or a whole number from 0 to %.0f", spec->high);
}

/* "500ms", "10s", "10m", "2h", "1d". */
static bool parse_time(const char *text, double *seconds)
{
	static const struct { const char *name; double seconds; } units[] = {
		{ "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }
	};
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 12)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text + digits, units[i].name) == 0) {
			*seconds = (double)strtoll(text, NULL, 10) * units[i].seconds;
			return true;
		}
	}
	return false;
}

static bool get_seconds(const config_setting_t *m, double *seconds)
{
	switch (config_setting_type(m)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		*seconds = (double)config_setting_get_int64(m);
		return true;
	case CONFIG_TYPE_FLOAT:
		*seconds = config_setting_get_float(m);
		return isfinite(*seconds);
	case CONFIG_TYPE_STRING:
		return parse_time(config_setting_get_string(m), seconds);
	default:
		return false;
	}
}

static void read_seconds(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	double seconds;

	if (!get_seconds(m, &seconds))
		draft_fault_at(d, m, "not a time; write seconds as a number, or as \"500ms\", \"10s\", \"10m\", \"2h\" or \"1d\"");
	else if (seconds < spec->low || seconds > spec->high)
		draft_fault_at(d, m, "%g seconds are out of bounds; %g to %g would be right", seconds, spec->low, spec->high);
	else
		*(double *)field = seconds;
}

static bool has_control_bytes(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* NULL: told. */
static const char *get_text(struct draft *d, const struct setting_spec *spec, const config_setting_t *m)
{
	const char *text = config_setting_get_string(m);
	size_t most = spec->high > 0 ? (size_t)spec->high : SETTINGS_TEXT_MAX;

	if (!text)
		draft_fault_at(d, m, "not a text; write it in double quotes");
	else if (!*text)
		draft_fault_at(d, m, "an empty text; fill it in, or leave the setting out");
	else if (strlen(text) > most)
		draft_fault_at(d, m, "a text of %zu bytes is too long; %zu would be right at most", strlen(text), most);
	else if (has_control_bytes(text))
		draft_fault_at(d, m, "the text holds control bytes; it must have none");
	else
		return text;
	return NULL;
}

static void read_text(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	const char *text = get_text(d, spec, m);

	if (text)
		*(const char **)field = text;
}

/* NULL: told. One rule for all: where a program was started says nothing about where its files are. */
static const char *get_path(struct draft *d, const struct setting_spec *spec, const config_setting_t *m)
{
	const char *path = get_text(d, spec, m);

	if (path && path[0] != '/') {
		draft_fault_at(d, m, "not a whole path; it must begin with \"/\"");
		return NULL;
	}
	if (path)
		draft_place(d, m, path);
	return path;
}

static void read_path(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	const char *path = get_path(d, spec, m);

	if (path)
		*(const char **)field = path;
}

/* "a", "b" or "c" */
static void list_words(const char *const *words, char *text, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; words[i] && len < size; i++) {
		const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";

		len += (size_t)snprintf(text + len, size - len, "%s\"%s\"", before, words[i]);
	}
}

static void read_word(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	const char *text = config_setting_get_string(m);
	char words[128];

	for (int i = 0; text && spec->words[i]; i++) {
		if (strcmp(text, spec->words[i]) == 0) {
			*(int *)field = i;
			return;
		}
	}
	list_words(spec->words, words, sizeof(words));
	if (text)
		draft_fault_at(d, m, "there is no \"%.64s\"; write %s", text, words);
	else
		draft_fault_at(d, m, "not a text; write %s", words);
}

/* Of the listener whose address this is; its tls may stand behind it and be unread yet. */
static uint16_t usual_port(const config_setting_t *address)
{
	const config_setting_t *listener = config_setting_parent(address);
	const char *tls = NULL;

	if (!config_setting_is_group(listener))
		listener = config_setting_parent(listener);
	config_setting_lookup_string(listener, "tls", &tls);
	return !tls || strcmp(tls, "implicit") == 0 ? IMAPS_PORT : IMAP_PORT;
}

static void read_address(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, struct draft_addresses *a)
{
	char err[512];

	if (!get_text(d, spec, m))
		return;
	a->at[a->n] = m;
	a->good[a->n] = endpoint_parse_listener(&a->endpoints[a->n], config_setting_get_string(m), usual_port(m), err, sizeof(err));
	if (!a->good[a->n])
		draft_fault_at(d, m, "%s", err);
	a->n++;
}

static void read_addresses(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	bool one = config_setting_is_scalar(m);
	int n = one ? 1 : config_setting_length(m);

	if (config_setting_is_group(m))
		draft_fault_at(d, m, "not an address; write \"*:993\", or several in brackets: [ \"10.0.0.1:993\", \"[::1]:993\" ]");
	else if (n < 1 || n > SETTINGS_ADDRESSES_MAX)
		draft_fault_at(d, m, "%d addresses; 1 to %d would be right", n, SETTINGS_ADDRESSES_MAX);
	else
		for (int i = 0; i < n; i++)
			read_address(d, spec, one ? m : config_setting_get_elem(m, (unsigned)i), field);
}

static void read_network(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, struct draft_networks *list)
{
	char err[512];

	if (!get_text(d, spec, m))
		return;
	if (cidr_parse(&list->items[list->n], config_setting_get_string(m), err, sizeof(err)))
		list->n++;
	else
		draft_fault_at(d, m, "%s", err);
}

/* An empty list takes the place of a default: nobody. Where that is the default it says nothing. */
static void read_networks(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	bool one = config_setting_is_scalar(m);
	int n = one ? 1 : config_setting_length(m), least = spec->text ? 0 : 1;
	struct draft_networks *list = field;

	list->n = 0;
	if (config_setting_is_group(m))
		draft_fault_at(d, m, "not a network; write \"10.0.0.0/8\", or several in brackets: [ \"10.0.0.0/8\", \"2001:db8::/32\" ]");
	else if (n < least || n > SETTINGS_NETWORKS_MAX)
		draft_fault_at(d, m, "%d networks; %d to %d would be right", n, least, SETTINGS_NETWORKS_MAX);
	else
		for (int i = 0; i < n; i++)
			read_network(d, spec, one ? m : config_setting_get_elem(m, (unsigned)i), list);
}

static void default_networks(const struct setting_spec *spec, struct draft_networks *list)
{
	char text[256], err[512], *rest = text, *word;
	bool right = true;

	snprintf(text, sizeof(text), "%s", spec->text ? spec->text : "");
	while ((word = strsep(&rest, " ")))
		if (*word)
			right &= cidr_parse(&list->items[list->n++], word, err, sizeof(err));
	assert(right);
}

static void read_paths(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	static const struct setting_spec one_path = { 0 };	/* of any length that a text may have */
	bool one = config_setting_is_scalar(m);
	int n = one ? 1 : config_setting_length(m), most = (int)spec->high;
	struct draft_paths *p = field;

	if (config_setting_is_group(m))
		draft_fault_at(d, m, "not a path; write one in double quotes, or several in brackets: [ \"/a\", \"/b\" ]");
	else if (n < 1 || n > most)
		draft_fault_at(d, m, "%d paths; 1 to %d would be right", n, most);
	for (int i = 0; !config_setting_is_group(m) && i < n && i < most; i++) {
		const char *path = get_path(d, &one_path, one ? m : config_setting_get_elem(m, (unsigned)i));

		if (path)
			p->paths[p->n++] = path;
	}
}

static void read_setting(struct draft *d, const struct setting_spec *spec, const config_setting_t *m, void *field)
{
	static void (*const readers[])(struct draft *, const struct setting_spec *, const config_setting_t *, void *) = {
		[SETTING_BOOL] = read_bool,
		[SETTING_NUMBER] = read_number,
		[SETTING_SECONDS] = read_seconds,
		[SETTING_TEXT] = read_text,
		[SETTING_PATH] = read_path,
		[SETTING_WORD] = read_word,
		[SETTING_WORKERS] = read_workers,
		[SETTING_ADDRESSES] = read_addresses,
		[SETTING_NETWORKS] = read_networks,
		[SETTING_PATHS] = read_paths,
	};

	readers[spec->kind](d, spec, m, field);
}

/* ---- sections ---- */

static void set_default(const struct setting_spec *spec, void *field)
{
	switch (spec->kind) {
	case SETTING_BOOL:
		*(bool *)field = spec->number != 0;
		break;
	case SETTING_NUMBER:
		*(unsigned *)field = (unsigned)spec->number;
		break;
	case SETTING_SECONDS:
		*(double *)field = spec->number;
		break;
	case SETTING_TEXT:
	case SETTING_PATH:
		*(const char **)field = spec->text;
		break;
	case SETTING_WORD:
	case SETTING_WORKERS:
		*(int *)field = (int)spec->number;
		break;
	case SETTING_ADDRESSES:
	case SETTING_PATHS:
		break;		/* none, and so it comes */
	case SETTING_NETWORKS:
		default_networks(spec, field);
		break;
	}
}

/* at NULL: it is not in the file. */
static void read_section(struct draft *d, const struct section_spec *s, const config_setting_t *at, char *draft)
{
	int n = at ? config_setting_length(at) : 0;

	((struct draft_section *)draft)->at = at;
	for (size_t i = 0; i < s->n; i++)
		set_default(&s->settings[i], draft + s->settings[i].at);
	for (int i = 0; i < n; i++) {
		const config_setting_t *m = config_setting_get_elem(at, (unsigned)i);
		const struct setting_spec *spec = section_find(s, config_setting_name(m));

		if (spec)
			read_setting(d, spec, m, draft + spec->at);
		else if (!section_is_top(s) || !settings_find_section(config_setting_name(m)))
			draft_unknown_name(d, s, m);
	}
}

bool settings_name_is_right(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= SETTINGS_NAME_MAX
		&& strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

static void read_named(struct draft *d, const struct section_spec *s, const config_setting_t *m, char *draft)
{
	if (!config_setting_is_group(m)) {
		draft_fault_at(d, m, "not a section; write %s: { NAME: { ... } }", s->name);
		m = NULL;
	} else if (!settings_name_is_right(config_setting_name(m))) {
		draft_fault_at(d, m, "not a name; it may have %d letters, digits, \"-\" and \"_\"", SETTINGS_NAME_MAX);
	}
	read_section(d, s, m, draft);
}

static void read_list(struct draft *d, const struct section_spec *s, const config_setting_t *at, struct draft_list *list)
{
	size_t n = at ? (size_t)config_setting_length(at) : 0;

	if (n > s->named_max) {
		draft_fault_at(d, at, "%zu are too many; at most %zu would be right", n, s->named_max);
		return;
	}
	list->items = mem_new_array(n, s->size);
	list->n = n;
	for (size_t i = 0; i < n; i++)
		read_named(d, s, config_setting_get_elem(at, (unsigned)i), (char *)list->items + i * s->size);
}

void settings_read(struct draft *d)
{
	const config_setting_t *root = config_root_setting(&d->conf);

	for (size_t i = 0; i < settings_nsections; i++) {
		const struct section_spec *s = &settings_sections[i];
		const config_setting_t *at = section_is_top(s) ? root : config_setting_get_member(root, s->name);

		if (at && !config_setting_is_group(at)) {
			draft_fault_at(d, at, "not a section; write %s: { ... }", s->name);
			at = NULL;
		}
		if (s->named_max)
			read_list(d, s, at, (struct draft_list *)((char *)d + s->at));
		else
			read_section(d, s, at, (char *)d + s->at);
	}
}
