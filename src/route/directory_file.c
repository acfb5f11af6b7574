/*
 * directory_file.c - the driver "file": a map file that is in memory (user_map), so it always answers at once and is never down.
 */
#include "route/directory.h"

#include "base/mem.h"
#include "route/user_map.h"

struct directory_file {
	struct directory directory;
	struct user_map *map;
};

static bool file_find(struct directory *d, struct span user, struct directory_query *q, directory_fn *fn, struct directory_answer *a)
{
	struct directory_file *f = CONTAINER_OF(d, struct directory_file, directory);

	(void)fn;
	q->directory = d;
	q->driver = NULL;
	*a = (struct directory_answer){ .result = DIRECTORY_UNKNOWN };
	if (user_map_find(f->map, user, &a->record))
		a->result = DIRECTORY_FOUND;
	return true;
}

static void file_cancel(struct directory *d, struct directory_query *q)
{
	(void)d;
	q->driver = NULL;
}

static void file_free(struct directory *d)
{
	struct directory_file *f = CONTAINER_OF(d, struct directory_file, directory);

	user_map_unref(&f->map);
	mem_free(&f);
}

struct directory *directory_file_new(struct user_map *map)
{
	struct directory_file *f = mem_new(sizeof(*f));

	f->directory = (struct directory){ .find = file_find, .cancel = file_cancel, .free = file_free };
	f->map = user_map_ref(map);
	return &f->directory;
}

void directory_file_set_map(struct directory *d, struct user_map *map)
{
	struct directory_file *f = CONTAINER_OF(d, struct directory_file, directory);
	struct user_map *old = f->map;

	f->map = user_map_ref(map);	/* before the old one goes: they may be the same */
	user_map_unref(&old);
}
