/*
 * fuzz_user_map.c - a map file is taken whole, each of its users found, or not at all, with every fault told.
 *
 * The input is the file. The cluster: mb1 and mb2 in the group north, mb3 in the group south.
 */
#include "fuzz.h"
#include "route/directory.h"
#include "route/user_map.h"
#include "wire/out.h"

#define ERR_MAX 4096

static struct cluster *cluster;		/* made once: it is never written to */

static void make_cluster(void)
{
	static const char *const groups[] = { "north", "north", "south" };
	char err[256];

	if (cluster)
		return;
	cluster = cluster_new();
	cluster_add_backend(cluster, "mb1");
	cluster_add_backend(cluster, "mb2");
	cluster_add_backend(cluster, "mb3");
	MUST(cluster_finish(cluster, groups, NULL, err, sizeof(err)));
}

static size_t count_byte(struct span s, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

/* ---- a file that was refused ---- */

/* "map:LINE: what is wrong" or, as the last, "and N more". */
static void check_message(const char *line, size_t lines)
{
	unsigned long number = 0;
	int begin = 0;

	if (sscanf(line, "and %lu more", &number) == 1) {
		MUST(number > 0 && number <= lines && !strchr(line, '\n'));
		return;
	}
	MUST(sscanf(line, "map:%lu: %n", &number, &begin) == 1 && begin > 0);
	MUST(number >= 1 && number <= lines);
}

static void check_messages(const char *err, size_t lines)
{
	size_t told = 0;

	for (const char *line = err; line; told++) {
		check_message(line, lines);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	MUST(told <= USER_MAP_FAULTS_MAX + 1);
	for (const char *p = err; *p; p++)
		MUST((*p >= ' ' && *p <= '~') || *p == '\n');
}

/* With little room for messages the answer is the same, and they end within it. */
static void check_small_room(struct span text, bool ok)
{
	size_t room = 1 + fuzz_number(text) % 300;
	char *err = fuzz_room(room);
	struct user_map *m;

	memset(err, 'x', room);
	m = user_map_parse("map", text, cluster, &(struct user_name_rules){ 0 }, err, room);
	MUST(!m == !ok);
	MUST(m || memchr(err, '\0', room));
	user_map_unref(&m);
	free(err);
}

/* ---- a file that was taken ---- */

/* The next line of *rest, without its line end; false: there are no more. */
static bool next_line(struct span *rest, struct span *line)
{
	const char *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n = lf ? (size_t)(lf - rest->p) : rest->n;

	if (rest->n == 0)
		return false;
	*line = span_mem(rest->p, n > 0 && rest->p[n - 1] == '\r' ? n - 1 : n);
	*rest = span_mem(rest->p + n + (lf != NULL), rest->n - n - (lf != NULL));
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span next_word(struct span *line)
{
	size_t from = 0, to;
	struct span word;

	while (from < line->n && is_blank(line->p[from]))
		from++;
	for (to = from; to < line->n && !is_blank(line->p[to]); to++)
		;
	word = span_mem(line->p + from, to - from);
	*line = span_mem(line->p + to, line->n - to);
	return word;
}

static struct span without_mark(struct span text)
{
	bool mark = text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0;

	return mark ? span_mem(text.p + 3, text.n - 3) : text;
}

static void check_record(const struct directory_record *r)
{
	struct span login = span_of(r->login_as);

	MUST(r->state == USER_ACTIVE && r->reason[0] == '\0');
	MUST(r->backend || r->group);
	MUST(!r->backend || !r->group || r->backend->group == r->group);
	MUST(login.n <= USER_NAME_MAX && !span_has_control(login) && utf8_is_valid(login));
}

static void check_option(struct span word, const struct directory_record *r)
{
	char decoded[USER_NAME_MAX];
	size_t n;

	if (r->group && span_starts_nocase(word, "group=")) {
		MUST(span_is(span_mem(word.p + 6, word.n - 6), r->group->name));
		return;
	}
	MUST(span_starts_nocase(word, "login-as="));
	MUST(user_name_decode(span_mem(word.p + 9, word.n - 9), decoded, sizeof(decoded), &n));
	MUST(span_is(span_mem(decoded, n), r->login_as));
}

/* rest: of the line, behind the user. */
static void check_words(struct span rest, const struct directory_record *r)
{
	struct span word = next_word(&rest);

	MUST(span_is(word, r->backend ? r->backend->name : "-"));
	while ((word = next_word(&rest)).n > 0)
		check_option(word, r);
}

static void write_line(struct out *o, struct span user, const struct directory_record *r)
{
	user_name_encode(o, user);
	out_chr(o, ' ');
	out_str(o, r->backend ? r->backend->name : "-");
	if (r->login_as[0]) {
		out_str(o, " login-as=");
		user_name_encode(o, span_of(r->login_as));
	}
	if (r->group) {
		out_str(o, " group=");
		out_str(o, r->group->name);
	}
	out_chr(o, '\n');
}

static void canonical(struct span word, enum user_name_case local, struct out *o, char *decoded)
{
	size_t n;

	MUST(user_name_decode(word, decoded, USER_NAME_MAX, &n));
	MUST(user_name_canonical(o, span_mem(decoded, n), local));
}

/* Looks each user of the file up and writes what was found as a file of the plainest form; returns how many there are. */
static size_t check_users(const struct user_map *m, struct span text, enum user_name_case local, struct out *plain)
{
	struct span line, word, rest = without_mark(text);
	size_t users = 0;

	while (next_line(&rest, &line)) {
		char decoded[USER_NAME_MAX], name[USER_NAME_MAX];
		struct directory_record r;
		struct out user;

		word = next_word(&line);
		if (word.n == 0 || word.p[0] == '#')
			continue;
		out_init(&user, name, sizeof(name));
		canonical(word, local, &user, decoded);
		memset(&r, 0xa5, sizeof(r));
		MUST(user_map_find(m, out_written(&user), &r));
		check_record(&r);
		check_words(line, &r);
		write_line(plain, out_written(&user), &r);
		users++;
	}
	return users;
}

static char *new_plain(struct out *o, struct span text)
{
	size_t cap = 4 * text.n + 64;	/* 3 for a byte that is to be encoded */
	char *buf = fuzz_room(cap);

	out_init(o, buf, cap);
	return buf;
}

/* The plainest form of the plainest form is itself: nothing was lost on the way. */
static void check_plain(struct span plain, size_t users, enum user_name_case local)
{
	char err[ERR_MAX] = "", *buf;
	struct user_map *m = user_map_parse("plain", plain, cluster, &(struct user_name_rules){ .local = local }, err, sizeof(err));
	struct out again;

	MUST(m && user_map_users(m) == users);
	buf = new_plain(&again, plain);
	MUST(check_users(m, plain, local, &again) == users);
	MUST(out_ok(&again) && span_eq(out_written(&again), plain));
	free(buf);
	user_map_unref(&m);
}

static void check_twice(struct span plain, enum user_name_case local)
{
	char err[ERR_MAX] = "", *buf = fuzz_room(2 * plain.n);

	memcpy(buf, plain.p, plain.n);
	memcpy(buf + plain.n, plain.p, plain.n);
	MUST(!user_map_parse("map", span_mem(buf, 2 * plain.n), cluster, &(struct user_name_rules){ .local = local }, err, sizeof(err)));
	MUST(strstr(err, " already; ") != NULL);
	free(buf);
}

static void check_map(const struct user_map *m, struct span text, enum user_name_case local)
{
	struct directory_record r;
	struct out plain;
	char *buf = new_plain(&plain, text);
	size_t users = check_users(m, text, local, &plain);

	MUST(out_ok(&plain));
	MUST(user_map_users(m) == users);
	MUST(!user_map_find(m, span_mem("", 0), &r));
	MUST(!user_map_find(m, span_of("no\nbody"), &r));
	check_plain(out_written(&plain), users, local);
	if (users > 0)
		check_twice(out_written(&plain), local);
	free(buf);
}

static bool check_file(struct span text, enum user_name_case local)
{
	char err[ERR_MAX] = "";
	struct user_map *m = user_map_parse("map", text, cluster, &(struct user_name_rules){ .local = local }, err, sizeof(err));
	bool ok = m != NULL;

	MUST(ok == (err[0] == '\0'));
	if (ok)
		check_map(m, text, local);
	else
		check_messages(err, count_byte(text, '\n') + 1);
	user_map_unref(&m);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_mem(data, size);
	char *exact = fuzz_copy(text);

	text.p = exact;
	make_cluster();
	check_small_room(text, check_file(text, USER_NAME_LOWER));
	check_file(text, USER_NAME_KEEP);
	free(exact);
	return 0;
}
