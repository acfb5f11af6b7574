/*
 * user_map.c - a map file in memory: a million users in about a second and under 150 MB.
 *
 *	slots  | 0 |171| 0 | 1 |...	32-bit offsets into the arena, 0: free; probed one after the other from the name's hash
 *	arena  |.|head user login-as|head user login-as|...	packed, in the file's order; offset 0 is left free
 *
 * The file is read in pieces and never is in memory as a whole. A slot holds no hash: what it points to is compared byte by byte.
 */
#include "route/user_map.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "route/directory.h"
#include "wire/out.h"

#define NO_NUMBER UINT16_MAX		/* no backend, no group */
#define SLOTS_FIRST 1024		/* a power of two, as every size after it */
#define ARENA_FIRST 65536
#define ARENA_MAX UINT32_MAX
#define READ_SIZE 65536
#define SHOWN_MAX 60			/* bytes of a word that a message quotes */
#define FAULTS_TAIL 40			/* room kept for "and N more" */

_Static_assert(CLUSTER_BACKENDS_MAX < NO_NUMBER, "a backend's number must fit the head, and so a group's: no group is empty");
_Static_assert(READ_SIZE > 2 * USER_MAP_LINE_MAX, "a line must fit behind the rest of another");

struct head {
	uint32_t line;			/* where in the file, for messages */
	uint16_t backend, group;	/* numbers in the cluster, or NO_NUMBER */
	uint16_t user_len, login_len;
};

struct user_map {
	atomic_uint refs;
	const struct cluster *cluster;
	uint64_t seed;
	unsigned char *arena;
	size_t arena_len, arena_cap;
	uint32_t *slots;
	size_t nslots, users;
};

/* What one line says. */
struct entry {
	struct head head;
	char user[USER_NAME_MAX];
	char login[USER_NAME_MAX];
};

struct loader {
	struct user_map *map;
	const char *name;
	const struct user_name_rules *rules;
	unsigned long line;
	bool skipping;			/* inside a line that is too long */
	struct entry entry;
	char decoded[USER_MAP_LINE_MAX], canonical[USER_NAME_MAX];
	char *err;
	size_t errlen, err_at;
	unsigned long faults, told;	/* all, and those in err */
};

/* ---- the table ---- */

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9fb21c651e98df25u;
	h ^= h >> 31;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

/* Seeded by chance: users who choose their names must not be able to line them up behind each other. */
static uint64_t hash(const struct user_map *m, struct span user)
{
	uint64_t h = mix(m->seed, user.n), word;

	for (; user.n >= sizeof(word); user.p += sizeof(word), user.n -= sizeof(word)) {
		memcpy(&word, user.p, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	if (user.n > 0)
		memcpy(&word, user.p, user.n);
	return mix(h, word);
}

static struct head head_at(const struct user_map *m, uint32_t offset)
{
	struct head h;

	memcpy(&h, m->arena + offset, sizeof(h));
	return h;
}

static struct span user_at(const struct user_map *m, uint32_t offset)
{
	return span_mem(m->arena + offset + sizeof(struct head), head_at(m, offset).user_len);
}

/* The slot that holds user, or the free one where it belongs. There always is a free one. */
static uint32_t *find_slot(const struct user_map *m, struct span user)
{
	size_t i = hash(m, user) & (m->nslots - 1);

	while (m->slots[i] && !span_eq(user_at(m, m->slots[i]), user))
		i = (i + 1) & (m->nslots - 1);
	return &m->slots[i];
}

/* Walks the arena instead of the old slots: in the order of memory, and the old ones can go first. */
static void resize_slots(struct user_map *m, size_t nslots)
{
	uint32_t offset = 1;

	mem_free(&m->slots);
	m->slots = mem_new_array(nslots, sizeof(*m->slots));
	m->nslots = nslots;
	for (size_t i = 0; i < m->users; i++) {
		struct head h = head_at(m, offset);

		*find_slot(m, user_at(m, offset)) = offset;
		offset += sizeof(h) + h.user_len + h.login_len;
	}
}

/* mem_grow zeroes what is new, and so touches it: by half, not by the double. */
static bool arena_reserve(struct user_map *m, size_t n)
{
	size_t cap = m->arena_cap;

	if (n > ARENA_MAX - m->arena_len)
		return false;
	while (cap < m->arena_len + n)
		cap += cap / 2;
	if (cap > m->arena_cap)
		m->arena = mem_grow(m->arena, m->arena_cap, cap);
	m->arena_cap = cap;
	return true;
}

static void arena_trim(struct user_map *m)
{
	m->arena = mem_grow(m->arena, m->arena_cap, m->arena_len);
	m->arena_cap = m->arena_len;
}

static void arena_add(struct user_map *m, const void *p, size_t n)
{
	memcpy(m->arena + m->arena_len, p, n);
	m->arena_len += n;
}

static struct user_map *map_new(const struct cluster *c)
{
	struct user_map *m = mem_new(sizeof(*m));

	atomic_init(&m->refs, 1);
	m->cluster = c;
	if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) < 0)
		m->seed = (uintptr_t)m;		/* so early at boot that there is no chance yet */
	m->arena = mem_new(ARENA_FIRST);
	m->arena_cap = ARENA_FIRST;
	m->arena_len = 1;
	resize_slots(m, SLOTS_FIRST);
	return m;
}

/* ---- faults ---- */

/* text for a message: printable, and not too much of it. buf: SHOWN_MAX + 4. */
static const char *shown(struct span text, char *buf)
{
	size_t n = text.n < SHOWN_MAX ? text.n : SHOWN_MAX;

	for (size_t i = 0; i < n; i++)
		buf[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? text.p[i] : '?';
	strcpy(buf + n, text.n > n ? "..." : "");
	return buf;
}

static void err_cut(struct loader *l, size_t at)
{
	l->err_at = at;
	if (l->errlen > at)
		l->err[at] = '\0';
}

/* Adds to err if all of it fits. */
static bool __attribute__((format(printf, 3, 0))) err_add(struct loader *l, size_t keep_free, const char *fmt, va_list ap)
{
	size_t used = l->err_at + keep_free, room = l->errlen > used ? l->errlen - used : 0;
	int n = room ? vsnprintf(l->err + l->err_at, room, fmt, ap) : -1;

	if (n < 0 || (size_t)n >= room) {
		err_cut(l, l->err_at);
		return false;
	}
	l->err_at += (size_t)n;
	return true;
}

static bool __attribute__((format(printf, 3, 4))) err_addf(struct loader *l, size_t keep_free, const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = err_add(l, keep_free, fmt, ap);
	va_end(ap);
	return ok;
}

/* false, always: so that a check can return it. */
static bool __attribute__((format(printf, 2, 3))) fault(struct loader *l, const char *fmt, ...)
{
	size_t before = l->err_at;
	va_list ap;

	if (l->faults++ > l->told || l->told == USER_MAP_FAULTS_MAX)
		return false;
	va_start(ap, fmt);
	if (err_addf(l, FAULTS_TAIL, "%s%s:%lu: ", before ? "\n" : "", l->name, l->line) && err_add(l, FAULTS_TAIL, fmt, ap))
		l->told++;
	else
		err_cut(l, before);
	va_end(ap);
	return false;
}

/* ---- one line ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of *rest; empty: there is none. */
static struct span next_word(struct span *rest)
{
	struct span word;

	while (rest->n > 0 && is_blank(rest->p[0])) {
		rest->p++;
		rest->n--;
	}
	word = span_mem(rest->p, 0);
	while (word.n < rest->n && !is_blank(word.p[word.n]))
		word.n++;
	rest->p += word.n;
	rest->n -= word.n;
	return word;
}

/* Gives both forms of the name: *plain in l->decoded, *canonical in l->canonical. */
static bool read_name(struct loader *l, struct span word, struct span *plain, struct span *canonical)
{
	char text[SHOWN_MAX + 4];
	struct out o;
	size_t n;

	if (!user_name_decode(word, l->decoded, sizeof(l->decoded), &n))
		return fault(l, "\"%s\" has a %% without two hex digits; a %% itself is written %%25", shown(word, text));
	out_init(&o, l->canonical, sizeof(l->canonical));
	*plain = span_mem(l->decoded, n);
	if (!user_name_route(&o, *plain, l->rules))
		return fault(l, "\"%s\" is not a name; 1 to %d bytes of UTF-8 without control characters would be right",
			     shown(word, text), USER_NAME_MAX);
	*canonical = out_written(&o);
	return true;
}

static bool read_user(struct loader *l, struct span word)
{
	struct entry *e = &l->entry;
	struct span plain, canonical;

	if (!read_name(l, word, &plain, &canonical))
		return false;
	memcpy(e->user, canonical.p, canonical.n);
	e->head.user_len = (uint16_t)canonical.n;
	return true;
}

static bool read_backend(struct loader *l, struct span word)
{
	const struct backend *b;
	char text[SHOWN_MAX + 4];

	if (word.n == 0)
		return fault(l, "a user without a backend; \"user backend\" would be right");
	if (span_is(word, "-"))
		return true;
	b = cluster_find_backend(l->map->cluster, word);
	if (!b)
		return fault(l, "there is no backend %s; one of the settings would be right", shown(word, text));
	l->entry.head.backend = (uint16_t)b->number;
	return true;
}

/* Stays as it is written: the backend gets what the operator said. */
static bool read_login_as(struct loader *l, struct span value)
{
	struct entry *e = &l->entry;
	struct span plain, canonical;

	if (e->head.login_len)
		return fault(l, "login-as stands twice; once would be right");
	if (!read_name(l, value, &plain, &canonical))
		return false;
	memcpy(e->login, plain.p, plain.n);
	e->head.login_len = (uint16_t)plain.n;
	return true;
}

static bool read_group(struct loader *l, struct span value)
{
	const struct group *g = cluster_find_group(l->map->cluster, value);
	char text[SHOWN_MAX + 4];

	if (l->entry.head.group != NO_NUMBER)
		return fault(l, "group stands twice; once would be right");
	if (!g)
		return fault(l, "there is no group %s; one of the settings would be right", shown(value, text));
	l->entry.head.group = (uint16_t)g->number;
	return true;
}

static bool read_option(struct loader *l, struct span word)
{
	static const struct {
		const char *name;
		bool (*read)(struct loader *l, struct span value);
	} options[] = {
		{ "login-as=", read_login_as },
		{ "group=", read_group },
	};
	char text[SHOWN_MAX + 4];

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		size_t n = strlen(options[i].name);

		if (word.n >= n && memcmp(word.p, options[i].name, n) == 0)
			return options[i].read(l, span_mem(word.p + n, word.n - n));
	}
	return fault(l, "there is no option %s; login-as=NAME or group=NAME would be right", shown(word, text));
}

static bool check_places(struct loader *l)
{
	const struct cluster *c = l->map->cluster;
	const struct head *h = &l->entry.head;

	if (h->backend == NO_NUMBER && h->group == NO_NUMBER)
		return fault(l, "neither a backend nor a group; \"user backend\" or \"user - group=NAME\" would be right");
	if (h->backend == NO_NUMBER || h->group == NO_NUMBER || c->backends[h->backend]->group == c->groups[h->group])
		return true;
	return fault(l, "backend %s is not in group %s; it is in group %s", c->backends[h->backend]->name, c->groups[h->group]->name,
		     c->backends[h->backend]->group->name);
}

static bool read_entry(struct loader *l, struct span user, struct span rest)
{
	struct span word;

	l->entry.head = (struct head){ .line = (uint32_t)l->line, .backend = NO_NUMBER, .group = NO_NUMBER };
	if (!read_user(l, user) || !read_backend(l, next_word(&rest)))
		return false;
	while ((word = next_word(&rest)).n > 0)
		if (!read_option(l, word))
			return false;
	return check_places(l);
}

static void add_entry(struct loader *l)
{
	struct user_map *m = l->map;
	const struct entry *e = &l->entry;
	struct span user = span_mem(e->user, e->head.user_len);
	uint32_t *slot = find_slot(m, user);
	char text[SHOWN_MAX + 4];

	if (*slot) {
		fault(l, "%s has line %lu already; one line would be right", shown(user, text),
		      (unsigned long)head_at(m, *slot).line);
		return;
	}
	if (!arena_reserve(m, sizeof(e->head) + e->head.user_len + e->head.login_len)) {
		fault(l, "the map is too large; at most 4 GiB of names would be right");
		return;
	}
	*slot = (uint32_t)m->arena_len;
	arena_add(m, &e->head, sizeof(e->head));
	arena_add(m, e->user, e->head.user_len);
	arena_add(m, e->login, e->head.login_len);
	if (++m->users > m->nslots / 4 * 3)
		resize_slots(m, m->nslots * 2);
}

static struct span without_mark(struct span line)
{
	if (line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		return span_mem(line.p + 3, line.n - 3);
	return line;
}

static void take_line(struct loader *l, struct span line)
{
	bool too_long = l->skipping || line.n > USER_MAP_LINE_MAX;
	struct span user;

	l->skipping = false;
	if (++l->line == 1)
		line = without_mark(line);
	if (too_long) {
		fault(l, "the line is too long; at most %d bytes would be right", USER_MAP_LINE_MAX);
		return;
	}
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	user = next_word(&line);
	if (user.n > 0 && user.p[0] != '#' && read_entry(l, user, line))
		add_entry(l);
}

/* ---- the file ---- */

/* Takes all whole lines; returns how many bytes that were. What is left is the start of a line, USER_MAP_LINE_MAX at most. */
static size_t take_lines(struct loader *l, const char *p, size_t n)
{
	const char *end;
	size_t at = 0;

	while ((end = memchr(p + at, '\n', n - at))) {
		take_line(l, span_mem(p + at, (size_t)(end - p) - at));
		at = (size_t)(end - p) + 1;
	}
	if (l->skipping || n - at > USER_MAP_LINE_MAX) {
		l->skipping = true;
		at = n;
	}
	return at;
}

static void take_last_line(struct loader *l, const char *p, size_t n)
{
	if (n > 0 || l->skipping)
		take_line(l, span_mem(p, n));
}

static bool read_lines(struct loader *l, int fd, char *buf)
{
	size_t have = 0, used;
	ssize_t n;

	while ((n = read(fd, buf + have, READ_SIZE - have)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		have += (size_t)n;
		used = take_lines(l, buf, have);
		have -= used;
		memmove(buf, buf + used, have);
	}
	take_last_line(l, buf, have);
	return true;
}

static bool read_file(struct loader *l, int fd)
{
	char *buf = mem_new(READ_SIZE);
	bool ok = read_lines(l, fd, buf);

	if (!ok)
		snprintf(l->err, l->errlen, "%s: cannot read: %s", l->name, strerror(errno));
	mem_free(&buf);
	return ok;
}

static struct loader *loader_new(const char *name, const struct cluster *c, const struct user_name_rules *rules, char *err, size_t errlen)
{
	struct loader *l = mem_new(sizeof(*l));

	l->map = map_new(c);
	l->name = name;
	l->rules = rules;
	l->err = err;
	l->errlen = errlen;
	return l;
}

/* The map if all went well. Frees the loader. */
static struct user_map *loader_end(struct loader **lp, bool ok)
{
	struct loader *l = *lp;
	struct user_map *m = l->map;

	if (ok && l->faults > l->told)
		err_addf(l, 0, "%sand %lu more", l->told ? "\n" : "", l->faults - l->told);
	if (!ok || l->faults > 0)
		user_map_unref(&m);
	else
		arena_trim(m);
	mem_free(lp);
	return m;
}

struct user_map *user_map_load(const char *path, const struct cluster *c, const struct user_name_rules *rules, char *err, size_t errlen)
{
	size_t n = (size_t)snprintf(err, errlen, "%s: ", path);
	int fd = n < errlen ? file_open_regular(path, NULL, err + n, errlen - n) : -1;
	struct loader *l;
	bool ok;

	if (fd < 0)
		return NULL;
	l = loader_new(path, c, rules, err, errlen);
	ok = read_file(l, fd);
	close(fd);
	return loader_end(&l, ok);
}

struct user_map *user_map_parse(const char *name, struct span text, const struct cluster *c, const struct user_name_rules *rules,
				char *err, size_t errlen)
{
	struct loader *l = loader_new(name, c, rules, err, errlen);
	size_t used = text.n ? take_lines(l, text.p, text.n) : 0;

	take_last_line(l, text.p + used, text.n - used);
	return loader_end(&l, true);
}

/* ---- the loaded map ---- */

struct user_map *user_map_ref(struct user_map *m)
{
	atomic_fetch_add(&m->refs, 1);
	return m;
}

void user_map_unref(struct user_map **mp)
{
	struct user_map *m = *mp;

	*mp = NULL;
	if (!m || atomic_fetch_sub(&m->refs, 1) > 1)
		return;
	mem_free(&m->arena);
	mem_free(&m->slots);
	mem_free(&m);
}

size_t user_map_users(const struct user_map *m)
{
	return m->users;
}

bool user_map_find(const struct user_map *m, struct span user, struct directory_record *r)
{
	uint32_t offset = *find_slot(m, user);
	const unsigned char *login;
	struct head h;

	if (!offset)
		return false;
	h = head_at(m, offset);
	login = m->arena + offset + sizeof(h) + h.user_len;
	*r = (struct directory_record){ .state = USER_ACTIVE };
	r->backend = h.backend == NO_NUMBER ? NULL : m->cluster->backends[h.backend];
	r->group = h.group == NO_NUMBER ? NULL : m->cluster->groups[h.group];
	memcpy(r->login_as, login, h.login_len);
	return true;
}
