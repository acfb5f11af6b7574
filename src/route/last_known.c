/*
 * A shard is a mutex, a hash table and two lists in order of use: users with a record, and users without.
 */
#include "route/last_known.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "route/directory.h"
#include "wire/rendezvous.h"

#define SHARD_USERS (LAST_KNOWN_USERS / LAST_KNOWN_SHARDS)
#define SHARD_BUCKETS 16384	/* about one user each when the shard is full */

/* The user and what is recorded, each string copied to its size, one behind the other in text; no NULs. */
struct entry {
	struct entry *next;		/* in its bucket */
	struct entry *newer, *older;
	uint64_t hash;
	uint16_t user, login_as, reason;	/* lengths */
	uint8_t backend, group;		/* lengths of the names; 0: none recorded */
	uint8_t state;			/* enum user_state */
	bool has_record;
	char text[];
};

_Static_assert(USER_NAME_MAX <= UINT16_MAX && DIRECTORY_REASON_MAX <= UINT16_MAX && BACKEND_NAME_MAX <= UINT8_MAX,
	       "lengths that do not fit struct entry");

struct use_list {
	struct entry *newest, *oldest;
};

struct shard {
	pthread_mutex_t mutex;
	unsigned users;
	struct use_list lists[2];	/* [has_record] */
	struct entry **buckets;		/* NULL until the first user */
};

/* Shared by all workers: each shard's fields only under its mutex, seed never changes. */
struct last_known {
	uint64_t seed;			/* so that nobody can choose names that meet in one bucket */
	struct shard shards[LAST_KNOWN_SHARDS];
};

struct last_known *last_known_new(void)
{
	struct last_known *l = mem_new(sizeof(*l));

	if (getrandom(&l->seed, sizeof(l->seed), GRND_NONBLOCK) != sizeof(l->seed))
		l->seed = (uintptr_t)l;
	for (size_t i = 0; i < LAST_KNOWN_SHARDS; i++)
		pthread_mutex_init(&l->shards[i].mutex, NULL);
	return l;
}

/* ---- one shard, its mutex held ---- */

static void list_remove(struct shard *s, struct entry *e)
{
	struct use_list *list = &s->lists[e->has_record];

	if (e->newer)
		e->newer->older = e->older;
	else
		list->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		list->oldest = e->newer;
}

static void list_add(struct shard *s, struct entry *e)
{
	struct use_list *list = &s->lists[e->has_record];

	e->newer = NULL;
	e->older = list->newest;
	if (e->older)
		e->older->newer = e;
	else
		list->oldest = e;
	list->newest = e;
}

/* The low bits chose the shard. */
static struct entry **bucket_of(struct shard *s, uint64_t hash)
{
	return &s->buckets[hash / LAST_KNOWN_SHARDS % SHARD_BUCKETS];
}

static struct entry *find_entry(struct shard *s, uint64_t hash, struct span user)
{
	struct entry *e = s->buckets ? *bucket_of(s, hash) : NULL;

	while (e && (e->hash != hash || !span_eq(span_mem(e->text, e->user), user)))
		e = e->next;
	return e;
}

static void add_entry(struct shard *s, struct entry *e)
{
	struct entry **bucket;

	if (!s->buckets)
		s->buckets = mem_new_array(SHARD_BUCKETS, sizeof(struct entry *));
	bucket = bucket_of(s, e->hash);
	e->next = *bucket;
	*bucket = e;
	list_add(s, e);
	s->users++;
}

static void drop_entry(struct shard *s, struct entry *e)
{
	struct entry **at = bucket_of(s, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_remove(s, e);
	s->users--;
	mem_free(&e);
}

static void make_room(struct shard *s)
{
	if (s->users < SHARD_USERS)
		return;
	drop_entry(s, s->lists[false].oldest ? s->lists[false].oldest : s->lists[true].oldest);
}

/* ---- entries and records ---- */

static size_t append(struct entry *e, size_t at, struct span s)
{
	if (s.n > 0)
		memcpy(e->text + at, s.p, s.n);
	return s.n;
}

static struct entry *entry_new(uint64_t hash, struct span user, const struct directory_record *record)
{
	static const struct directory_record none;
	const struct directory_record *r = record ? record : &none;
	struct span backend = span_of(r->backend ? r->backend->name : NULL), group = span_of(r->group ? r->group->name : NULL);
	struct span login_as = span_of(r->login_as), reason = span_of(r->reason);
	struct entry *e = mem_new(sizeof(*e) + user.n + backend.n + group.n + login_as.n + reason.n);
	size_t at = 0;

	assert(user.n <= USER_NAME_MAX && backend.n <= BACKEND_NAME_MAX && group.n <= BACKEND_NAME_MAX);
	e->hash = hash;
	e->has_record = record != NULL;
	e->state = (uint8_t)r->state;
	at += e->user = (uint16_t)append(e, at, user);
	at += e->backend = (uint8_t)append(e, at, backend);
	at += e->group = (uint8_t)append(e, at, group);
	at += e->login_as = (uint16_t)append(e, at, login_as);
	e->reason = (uint16_t)append(e, at, reason);
	return e;
}

/* The next n bytes of text. */
static struct span piece(const char **at, size_t n)
{
	struct span s = span_mem(*at, n);

	*at += n;
	return s;
}

static void copy_string(char *to, struct span s)
{
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

static bool fill_record(const struct entry *e, const struct cluster *c, struct directory_record *record)
{
	const char *at = e->text + e->user;
	struct span backend = piece(&at, e->backend), group = piece(&at, e->group);

	record->backend = backend.n > 0 ? cluster_find_backend(c, backend) : NULL;
	record->group = group.n > 0 ? cluster_find_group(c, group) : NULL;
	record->state = (enum user_state)e->state;
	copy_string(record->login_as, piece(&at, e->login_as));
	copy_string(record->reason, piece(&at, e->reason));
	return (backend.n == 0 || record->backend) && (group.n == 0 || record->group);
}

/* ---- what the header promises ---- */

static uint64_t hash_of(const struct last_known *l, struct span user)
{
	return rendezvous_hash(span_mem(&l->seed, sizeof(l->seed)), user);
}

void last_known_put(struct last_known *l, struct span user, const struct directory_record *record)
{
	uint64_t hash = hash_of(l, user);
	struct shard *s = &l->shards[hash % LAST_KNOWN_SHARDS];
	struct entry *e = entry_new(hash, user, record), *old;

	pthread_mutex_lock(&s->mutex);
	old = find_entry(s, hash, user);
	if (old)
		drop_entry(s, old);
	else
		make_room(s);
	add_entry(s, e);
	pthread_mutex_unlock(&s->mutex);
}

bool last_known_find(struct last_known *l, const struct cluster *c, struct span user, struct directory_record *record, bool *has_record)
{
	uint64_t hash = hash_of(l, user);
	struct shard *s = &l->shards[hash % LAST_KNOWN_SHARDS];
	struct entry *e;
	bool known;

	*record = (struct directory_record){ 0 };
	*has_record = false;
	pthread_mutex_lock(&s->mutex);
	e = find_entry(s, hash, user);
	known = e && fill_record(e, c, record);
	if (known) {
		*has_record = e->has_record;
		list_remove(s, e);
		list_add(s, e);
	}
	pthread_mutex_unlock(&s->mutex);
	if (!known)
		*record = (struct directory_record){ 0 };
	return known;
}

void last_known_free(struct last_known **lp)
{
	struct last_known *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	for (size_t i = 0; i < LAST_KNOWN_SHARDS; i++) {
		struct shard *s = &l->shards[i];

		for (unsigned list = 0; list < ARRAY_LEN(s->lists); list++) {
			while (s->lists[list].oldest)
				drop_entry(s, s->lists[list].oldest);
		}
		mem_free(&s->buckets);
		pthread_mutex_destroy(&s->mutex);
	}
	mem_free(&l);
}
