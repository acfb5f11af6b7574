/*
 * directory.c - the driver "none": nobody has a record, so every user is hashed over the default group.
 */
#include "route/directory.h"

#include "base/mem.h"

static bool none_find(struct directory *d, struct span user, struct directory_query *q, directory_fn *fn, struct directory_answer *a)
{
	(void)user;
	(void)fn;
	q->directory = d;
	q->driver = NULL;
	*a = (struct directory_answer){ .result = DIRECTORY_UNKNOWN };
	return true;
}

static void none_cancel(struct directory *d, struct directory_query *q)
{
	(void)d;
	q->driver = NULL;
}

static void none_free(struct directory *d)
{
	mem_free(&d);
}

struct directory *directory_none_new(void)
{
	struct directory *d = mem_new(sizeof(*d));

	*d = (struct directory){ .find = none_find, .cancel = none_cancel, .free = none_free };
	return d;
}
