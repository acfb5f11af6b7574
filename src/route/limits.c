/*
 * A shard is a mutex and a hash table of counters. A key is a byte that says what is counted, then the address, then the name.
 *
 * Connections a second are a token bucket kept as one time (the "generic cell rate algorithm"): each connection pushes it 1/rate seconds
 * into the future, and one that would push it more than a second away is too fast.
 */
#include "route/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "wire/rendezvous.h"
#include "wire/user_name.h"

#define BUCKETS_MIN 16		/* of a shard */
#define NETWORK_BYTES 8		/* of an IPv6 /64 */
#define KEY_MAX (2 + 16 + USER_NAME_MAX)

enum key_kind { KEY_ADDRESS = 1, KEY_NETWORK, KEY_USER, KEY_USER_ADDRESS };

struct key {
	size_t n;
	char bytes[KEY_MAX];
};

struct entry {
	struct entry *next;	/* in its bucket */
	uint64_t hash;
	double busy_until;	/* connections a second: see above; 0: none counted */
	unsigned count;
	unsigned n;		/* bytes of the key */
	char key[];
};

struct shard {
	pthread_mutex_t mutex;
	size_t entries, nbuckets;
	double sweep_at;
	struct entry **buckets;
};

/* Shared by all workers: each shard's fields only under its mutex; seed never changes. */
struct limits {
	uint64_t seed;			/* so that nobody can choose keys that meet in one bucket */
	atomic_uint not_logged_in;
	struct shard shards[LIMITS_SHARDS];
};

struct limits *limits_new(void)
{
	struct limits *l = mem_new(sizeof(*l));

	if (getrandom(&l->seed, sizeof(l->seed), GRND_NONBLOCK) != sizeof(l->seed))
		l->seed = (uintptr_t)l;
	for (size_t i = 0; i < LIMITS_SHARDS; i++)
		pthread_mutex_init(&l->shards[i].mutex, NULL);
	return l;
}

/* ---- keys ---- */

static bool has_address(const struct addr *a)
{
	return a->family == AF_INET || a->family == AF_INET6;
}

static void key_add(struct key *k, const void *p, size_t n)
{
	assert(n <= KEY_MAX - k->n);
	if (n > 0)
		memcpy(k->bytes + k->n, p, n);
	k->n += n;
}

static void key_start(struct key *k, enum key_kind kind)
{
	k->bytes[0] = (char)kind;
	k->n = 1;
}

static void key_address(struct key *k, const struct addr *a)
{
	char family = a->family == AF_INET ? 4 : 6;

	key_add(k, &family, 1);
	key_add(k, a->ip, a->family == AF_INET ? 4 : 16);
}

static void address_key(struct key *k, const struct addr *a)
{
	key_start(k, KEY_ADDRESS);
	key_address(k, a);
}

static void network_key(struct key *k, const struct addr *a)
{
	key_start(k, KEY_NETWORK);
	key_add(k, a->ip, NETWORK_BYTES);
}

static void user_key(struct key *k, struct span user)
{
	key_start(k, KEY_USER);
	key_add(k, user.p, user.n);
}

static void user_address_key(struct key *k, struct span user, const struct addr *a)
{
	key_start(k, KEY_USER_ADDRESS);
	key_address(k, a);
	key_add(k, user.p, user.n);
}

/* ---- one shard, its mutex held ---- */

/* The low bits chose the shard. */
static struct entry **bucket_of(const struct shard *s, uint64_t hash)
{
	return &s->buckets[hash / LIMITS_SHARDS % s->nbuckets];
}

static struct entry **find(const struct shard *s, uint64_t hash, const struct key *k)
{
	struct entry **at = s->buckets ? bucket_of(s, hash) : NULL;

	while (at && *at && ((*at)->hash != hash || (*at)->n != k->n || memcmp((*at)->key, k->bytes, k->n) != 0))
		at = &(*at)->next;
	return at && *at ? at : NULL;
}

static bool is_over(const struct entry *e, double now)
{
	return e->count == 0 && e->busy_until <= now;
}

static void drop(struct shard *s, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	s->entries--;
	mem_free(&e);
}

static void drop_if_over(struct shard *s, struct entry **at, double now)
{
	if (is_over(*at, now))
		drop(s, at);
}

static void rehash(struct shard *s, size_t nbuckets)
{
	struct entry **old = s->buckets;
	size_t nold = s->nbuckets;

	s->buckets = mem_new_array(nbuckets, sizeof(struct entry *));
	s->nbuckets = nbuckets;
	for (size_t i = 0; i < nold; i++) {
		struct entry *e, *next;

		for (e = old[i]; e; e = next) {
			struct entry **to = bucket_of(s, e->hash);

			next = e->next;
			e->next = *to;
			*to = e;
		}
	}
	mem_free(&old);
}

/* Forgets whom it has only seen a while ago, and is as large as it then needs to be. */
static void sweep(struct shard *s, double now)
{
	for (size_t i = 0; i < s->nbuckets; i++) {
		struct entry **at = &s->buckets[i];

		while (*at) {
			if (is_over(*at, now))
				drop(s, at);
			else
				at = &(*at)->next;
		}
	}
	s->sweep_at = now + LIMITS_SWEEP;
	if (s->entries * 2 > s->nbuckets)
		rehash(s, s->nbuckets * 2);
	else if (s->entries * 8 < s->nbuckets && s->nbuckets > BUCKETS_MIN)
		rehash(s, s->nbuckets / 2);
}

static void make_room(struct shard *s, double now)
{
	if (!s->buckets)
		rehash(s, BUCKETS_MIN);
	if (s->entries >= s->nbuckets || now >= s->sweep_at)
		sweep(s, now);
}

static struct entry **add(struct shard *s, uint64_t hash, const struct key *k)
{
	struct entry *e = mem_new(sizeof(*e) + k->n);
	struct entry **at = bucket_of(s, hash);

	e->hash = hash;
	e->n = (unsigned)k->n;
	memcpy(e->key, k->bytes, k->n);
	e->next = *at;
	*at = e;
	s->entries++;
	return at;
}

/* ---- counting ---- */

static uint64_t hash_of(const struct limits *l, const struct key *k)
{
	return rendezvous_hash(span_mem(&l->seed, sizeof(l->seed)), span_mem(k->bytes, k->n));
}

/* One more connection, if that many a second may be. */
static bool is_too_fast(struct entry *e, unsigned rate, double now)
{
	double from = e->busy_until > now ? e->busy_until : now;

	if (rate == 0)
		return false;
	if (from - now > 1 - 1.0 / rate + 1e-6)
		return true;
	e->busy_until = from + 1.0 / rate;
	return false;
}

/* One more of k, unless there are max already (full is then the answer) or they come too fast. */
static enum limits_verdict claim(struct limits *l, const struct key *k, unsigned max, enum limits_verdict full, unsigned rate, double now)
{
	uint64_t hash = hash_of(l, k);
	struct shard *s = &l->shards[hash % LIMITS_SHARDS];
	enum limits_verdict verdict = LIMITS_OK;
	struct entry **at;

	pthread_mutex_lock(&s->mutex);
	make_room(s, now);
	at = find(s, hash, k);
	if (!at)
		at = add(s, hash, k);
	if (is_too_fast(*at, rate, now))
		verdict = LIMITS_TOO_FAST;
	else if (max > 0 && (*at)->count >= max)
		verdict = full;
	else
		(*at)->count++;
	drop_if_over(s, at, now);
	pthread_mutex_unlock(&s->mutex);
	return verdict;
}

static void release(struct limits *l, const struct key *k, double now)
{
	uint64_t hash = hash_of(l, k);
	struct shard *s = &l->shards[hash % LIMITS_SHARDS];
	struct entry **at;

	pthread_mutex_lock(&s->mutex);
	at = find(s, hash, k);
	assert(at && (*at)->count > 0);
	(*at)->count--;
	drop_if_over(s, at, now);
	pthread_mutex_unlock(&s->mutex);
}

/* ---- not logged in ---- */

/* IPv6: the network first, for its rate; nobody runs out of addresses there. */
static enum limits_verdict claim_address(struct limits *l, const struct limits_conf *conf, const struct addr *a, double now)
{
	bool v6 = a->family == AF_INET6;
	struct key network, address;
	enum limits_verdict verdict = LIMITS_OK;

	address_key(&address, a);
	if (v6) {
		network_key(&network, a);
		verdict = claim(l, &network, conf->not_logged_in_per_64, LIMITS_NETWORK_FULL, conf->connections_per_second, now);
		if (verdict != LIMITS_OK)
			return verdict;
	}
	verdict = claim(l, &address, conf->not_logged_in_per_address, LIMITS_ADDRESS_FULL, v6 ? 0 : conf->connections_per_second, now);
	if (verdict != LIMITS_OK && v6)
		release(l, &network, now);
	return verdict;
}

static void release_address(struct limits *l, const struct addr *a, double now)
{
	struct key k;

	address_key(&k, a);
	release(l, &k, now);
	if (a->family != AF_INET6)
		return;
	network_key(&k, a);
	release(l, &k, now);
}

enum limits_verdict limits_arrive(struct limits *l, const struct limits_conf *conf, const struct addr *peer, double now,
				  struct limits_ticket *t)
{
	enum limits_verdict verdict = LIMITS_OK;

	*t = (struct limits_ticket){ .addr = *peer };
	t->by_address = has_address(peer) && !cidr_list_has(&conf->exempt, peer);
	if (t->by_address)
		verdict = claim_address(l, conf, peer, now);
	if (verdict != LIMITS_OK) {
		t->by_address = false;
		return verdict;
	}
	t->in_total = true;
	if (atomic_fetch_add(&l->not_logged_in, 1) >= conf->not_logged_in && conf->not_logged_in > 0)
		return LIMITS_CROWDED;
	return LIMITS_OK;
}

void limits_leave(struct limits *l, struct limits_ticket *t, double now)
{
	if (t->in_total)
		atomic_fetch_sub(&l->not_logged_in, 1);
	if (t->by_address)
		release_address(l, &t->addr, now);
	*t = (struct limits_ticket){ 0 };
}

unsigned limits_not_logged_in(const struct limits *l)
{
	return atomic_load(&l->not_logged_in);
}

/* ---- logged in ---- */

enum limits_verdict limits_log_in(struct limits *l, const struct limits_conf *conf, struct span user, const struct addr *peer,
				  unsigned *counted)
{
	bool exempt = cidr_list_has(&conf->exempt, peer);
	bool by_user = !exempt && conf->sessions_per_user > 0;
	bool by_both = !exempt && conf->sessions_per_user_address > 0 && has_address(peer);
	enum limits_verdict verdict = LIMITS_OK;
	struct key k;

	*counted = 0;
	if (by_user) {
		user_key(&k, user);
		verdict = claim(l, &k, conf->sessions_per_user, LIMITS_USER_FULL, 0, 0);
		if (verdict != LIMITS_OK)
			return verdict;
		*counted |= LIMITS_BY_USER;
	}
	if (by_both) {
		user_address_key(&k, user, peer);
		verdict = claim(l, &k, conf->sessions_per_user_address, LIMITS_USER_ADDRESS_FULL, 0, 0);
		if (verdict == LIMITS_OK) {
			*counted |= LIMITS_BY_USER_ADDRESS;
		} else {
			limits_log_out(l, user, peer, *counted);
			*counted = 0;
		}
	}
	return verdict;
}

void limits_log_out(struct limits *l, struct span user, const struct addr *peer, unsigned counted)
{
	struct key k;

	if (counted & LIMITS_BY_USER) {
		user_key(&k, user);
		release(l, &k, 0);
	}
	if (counted & LIMITS_BY_USER_ADDRESS) {
		user_address_key(&k, user, peer);
		release(l, &k, 0);
	}
}

/* ---- the whole ---- */

size_t limits_entries(struct limits *l)
{
	size_t n = 0;

	for (size_t i = 0; i < LIMITS_SHARDS; i++) {
		struct shard *s = &l->shards[i];

		pthread_mutex_lock(&s->mutex);
		n += s->entries;
		pthread_mutex_unlock(&s->mutex);
	}
	return n;
}

void limits_free(struct limits **lp)
{
	struct limits *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	for (size_t i = 0; i < LIMITS_SHARDS; i++) {
		struct shard *s = &l->shards[i];

		for (size_t b = 0; b < s->nbuckets; b++)
			while (s->buckets[b])
				drop(s, &s->buckets[b]);
		mem_free(&s->buckets);
		pthread_mutex_destroy(&s->mutex);
	}
	mem_free(&l);
}
