#include "base/reap.h"

#include <assert.h>
#include <stddef.h>

void reap_later(struct reap *r, struct reap_item *item, void (*free_fn)(struct reap_item *))
{
	assert(free_fn && !item->free_fn);
	item->free_fn = free_fn;
	item->next = r->first;
	r->first = item;
}

void reap_run(struct reap *r)
{
	while (r->first) {
		struct reap_item *item = r->first;
		void (*free_fn)(struct reap_item *) = item->free_fn;

		r->first = item->next;
		item->next = NULL;
		item->free_fn = NULL;
		free_fn(item);
	}
}
