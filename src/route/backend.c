#include "route/backend.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define DEFAULT_WEIGHT 100
#define DEFAULT_GROUP "default"

/* As memcmp, then the shorter first. */
static int compare(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Where name is, or belongs. */
static size_t index_place(const struct cluster_index *x, struct span name, bool *found)
{
	size_t low = 0, high = x->n;

	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = compare(name, span_of(x->names[middle].name));

		if (order > 0)
			low = middle + 1;
		else
			high = middle;
		if (order == 0)
			*found = true;
	}
	return *found ? high : low;
}

static void *index_find(const struct cluster_index *x, struct span name)
{
	bool found = false;
	size_t at = name.n ? index_place(x, name, &found) : 0;

	return found ? x->names[at].what : NULL;
}

static void index_add(struct cluster_index *x, const char *name, void *what)
{
	bool found;
	size_t at = index_place(x, span_of(name), &found), size = sizeof(*x->names);

	assert(!found);
	x->names = mem_grow(x->names, x->n * size, (x->n + 1) * size);
	memmove(x->names + at + 1, x->names + at, (x->n - at) * size);
	x->names[at] = (struct cluster_name){ name, what };
	x->n++;
}

struct cluster *cluster_new(void)
{
	return mem_new(sizeof(struct cluster));
}

static void backend_free(struct backend *b)
{
	mem_free(&b->name);
	endpoint_fini(&b->endpoint);
	mem_free(&b->tls_ca);
	mem_free(&b->tls_name);
	mem_free(&b->tls_certificate);
	mem_free(&b->tls_key);
	mem_free(&b->master_user);
	if (b->master_password)
		mem_wipe_free(&b->master_password, strlen(b->master_password));
	mem_free(&b);
}

static void group_free(struct group *g)
{
	mem_free(&g->name);
	mem_free(&g->backends);
	mem_free(&g->nodes);
	mem_free(&g);
}

/* The group "all" is in no list. */
static bool default_is_all(const struct cluster *c)
{
	struct group *g = c->default_group;

	return g && index_find(&c->group_names, span_of(g->name)) != g;
}

void cluster_free(struct cluster **cp)
{
	struct cluster *c = *cp;

	if (!c)
		return;
	if (default_is_all(c))
		group_free(c->default_group);
	for (size_t i = 0; i < c->ngroups; i++)
		group_free(c->groups[i]);
	for (size_t i = 0; i < c->nbackends; i++)
		backend_free(c->backends[i]);
	mem_free(&c->groups);
	mem_free(&c->backends);
	mem_free(&c->group_names.names);
	mem_free(&c->backend_names.names);
	mem_free(cp);
}

struct backend *cluster_add_backend(struct cluster *c, const char *name)
{
	struct backend *b = mem_new(sizeof(*b));

	assert(name[0]);
	b->number = (unsigned)c->nbackends;
	b->name = mem_strdup(name);
	b->tls_verify = true;
	b->weight = DEFAULT_WEIGHT;
	b->trusted = true;
	b->pipelining = true;
	c->backends = mem_grow(c->backends, c->nbackends * sizeof(b), (c->nbackends + 1) * sizeof(b));
	c->backends[c->nbackends++] = b;
	index_add(&c->backend_names, b->name, b);
	return b;
}

static struct group *group_new(const char *name)
{
	struct group *g = mem_new(sizeof(*g));

	g->name = mem_strdup(name);
	g->storage = STORAGE_SHARD;
	return g;
}

struct group *cluster_add_group(struct cluster *c, const char *name)
{
	struct group *g = cluster_find_group(c, span_of(name));

	assert(name[0]);
	if (g)
		return g;
	g = group_new(name);
	c->groups = mem_grow(c->groups, c->ngroups * sizeof(g), (c->ngroups + 1) * sizeof(g));
	g->number = (unsigned)c->ngroups;
	c->groups[c->ngroups++] = g;
	index_add(&c->group_names, g->name, g);
	return g;
}

static void group_add(struct group *g, struct backend *b)
{
	g->backends = mem_grow(g->backends, g->n * sizeof(b), (g->n + 1) * sizeof(b));
	g->nodes = mem_grow(g->nodes, g->n * sizeof(*g->nodes), (g->n + 1) * sizeof(*g->nodes));
	g->backends[g->n] = b;
	g->nodes[g->n] = (struct rendezvous_node){ .name = span_of(b->name), .weight = b->weight };
	g->n++;
}

static bool check_backends(const struct cluster *c, char *err, size_t errlen)
{
	if (c->nbackends == 0) {
		snprintf(err, errlen, "there is no backend; at least one must be given");
		return false;
	}
	if (c->nbackends > CLUSTER_BACKENDS_MAX) {
		snprintf(err, errlen, "there are %zu backends; at most %d can be", c->nbackends, CLUSTER_BACKENDS_MAX);
		return false;
	}
	for (size_t i = 0; i < c->nbackends; i++) {
		const struct backend *b = c->backends[i];

		if (b->weight <= RENDEZVOUS_WEIGHT_MAX)
			continue;
		snprintf(err, errlen, "backend %s: weight %lu is too large; at most %d would be right", b->name,
			 (unsigned long)b->weight, RENDEZVOUS_WEIGHT_MAX);
		return false;
	}
	return true;
}

static bool fill_groups(struct cluster *c, const char *const *group_name, char *err, size_t errlen)
{
	for (size_t i = 0; i < c->nbackends; i++) {
		struct backend *b = c->backends[i];

		b->group = cluster_add_group(c, group_name[i] ? group_name[i] : DEFAULT_GROUP);
		group_add(b->group, b);
	}
	for (size_t i = 0; i < c->ngroups; i++) {
		if (c->groups[i]->n > 0)
			continue;
		snprintf(err, errlen, "group %s has no backend; name it as the group of one, or leave it out", c->groups[i]->name);
		return false;
	}
	return true;
}

static struct group *group_of_all(const struct cluster *c)
{
	struct group *all;

	if (c->ngroups == 1)
		return c->groups[0];
	all = group_new("all");
	for (size_t i = 0; i < c->nbackends; i++)
		group_add(all, c->backends[i]);
	return all;
}

bool cluster_finish(struct cluster *c, const char *const *group_name, const char *default_group, char *err, size_t errlen)
{
	assert(!c->default_group);
	if (!check_backends(c, err, errlen) || !fill_groups(c, group_name, err, errlen))
		return false;
	c->default_group = default_group ? cluster_find_group(c, span_of(default_group)) : group_of_all(c);
	if (!c->default_group)
		snprintf(err, errlen, "default-group: there is no group %s; the group of a backend would be right", default_group);
	return c->default_group != NULL;
}

struct backend *cluster_find_backend(const struct cluster *c, struct span name)
{
	return index_find(&c->backend_names, name);
}

struct group *cluster_find_group(const struct cluster *c, struct span name)
{
	return index_find(&c->group_names, name);
}

static bool is_at(const struct endpoint *e, struct span host, uint16_t port)
{
	char ip[ADDR_TEXT_MAX];

	switch (e->kind) {
	case ENDPOINT_IP:
		return e->addr.port == port && span_is_nocase(host, addr_ip_text(&e->addr, ip));
	case ENDPOINT_HOST:
		return e->addr.port == port && span_is_nocase(host, e->host);
	case ENDPOINT_UNIX:
	case ENDPOINT_ANY:
		break;
	}
	return false;
}

struct backend *cluster_find_address(const struct cluster *c, struct span host, uint16_t port)
{
	for (size_t i = 0; i < c->nbackends; i++)
		if (is_at(&c->backends[i]->endpoint, host, port))
			return c->backends[i];
	return NULL;
}

static bool lists(const struct backend *b, uint32_t caps, uint32_t not)
{
	uint32_t set = atomic_load_explicit(&b->caps, memory_order_relaxed);

	return (set & BACKEND_CAPS_KNOWN) && (set & caps) == caps && !(set & not);
}

bool group_lists(const struct group *g, uint32_t caps, uint32_t not)
{
	for (size_t i = 0; i < g->n; i++)
		if (!lists(g->backends[i], caps, not))
			return false;
	return g->n > 0;
}

bool group_has_one_with(const struct group *g, uint32_t caps)
{
	for (size_t i = 0; i < g->n; i++)
		if (lists(g->backends[i], caps, 0))
			return true;
	return false;
}
