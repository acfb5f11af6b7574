/*
 * reap.h - frees things at the end of the loop's turn, so that nothing a callback can still reach is freed under it.
 */
#ifndef BASE_REAP_H
#define BASE_REAP_H

struct reap_item {
	struct reap_item *next;
	void (*free_fn)(struct reap_item *);	/* NULL: not on a list */
};

struct reap {
	struct reap_item *first;
};

/* item is embedded in the dying thing; free_fn gets it back. Asking twice is a bug (asserted). */
void reap_later(struct reap *r, struct reap_item *item, void (*free_fn)(struct reap_item *));

/* Frees all, also what the frees themselves put on the list. */
void reap_run(struct reap *r);

#endif
