/*
 * account.c - the tracker's account of a recorded session, to be compared with another reader's.
 *
 *	account [--strict] [--cut SEED] < RECORDING
 *
 * A recording is records: "> N" (the client's) or "< N" (the server's), LF, N raw bytes, LF; or "! 0", LF, LF: literal-timeout, if it is
 * waited for. Behind each record a line is printed;
 * when the session must end "end", and nothing after it. What is held waits, later bytes of the client's behind it. It is given again
 * behind a record of the server's, once that was read whole, if the hold is over then; so a cut changes nothing.
 *
 * --strict: the backend lists UNAUTHENTICATE. --cut: each record comes in pieces, drawn by chance from SEED.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "session/tracker.h"

#define RECORD_MAX (64u << 20)

struct account {
	struct tracker t;
	struct pool pool;
	char *held;
	size_t nheld;
	uint64_t passed;
	bool cut, over;
	uint64_t chance;
};

static _Noreturn void die(const char *why)
{
	fprintf(stderr, "account: %s\n", why);
	exit(2);
}

static size_t next_piece(struct account *a, size_t left)
{
	size_t n;

	if (!a->cut)
		return left;
	a->chance = a->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	n = 1 + (a->chance >> 33) % (a->chance >> 60 ? 24 : 4096);
	return n < left ? n : left;
}

static void hold(struct account *a, const char *p, size_t n)
{
	char *more = realloc(a->held, a->nheld + n + 1);

	if (!more)
		die("no memory");
	a->held = more;
	memcpy(a->held + a->nheld, p, n);
	a->nheld += n;
}

/* What the tracker lets through goes on, the rest is held. */
static void client_says(struct account *a, const char *p, size_t n)
{
	enum tracker_verdict verdict;
	size_t piece, took;

	for (size_t at = 0; at < n && !a->over; at += piece) {
		piece = next_piece(a, n - at);
		took = 0;
		if (a->nheld == 0 && !tracker_is_holding(&a->t)) {
			took = tracker_client(&a->t, p + at, piece, 0, &verdict);
			a->over = verdict == TRACKER_END;
		}
		a->passed += took;
		hold(a, p + at + took, piece - took);
	}
}

static void give_held_again(struct account *a)
{
	char *held = a->held;
	size_t n = a->nheld;

	if (n == 0 || tracker_is_holding(&a->t))
		return;
	a->held = NULL;
	a->nheld = 0;
	client_says(a, held, n);
	free(held);
}

static void server_says(struct account *a, const char *p, size_t n)
{
	size_t piece;

	for (size_t at = 0; at < n && !a->over; at += piece) {
		piece = next_piece(a, n - at);
		a->over = tracker_server(&a->t, p + at, piece, 0, NULL) == TRACKER_END;
	}
	if (!a->over)
		give_held_again(a);
}

static void print_account(const struct account *a)
{
	const struct tracker *t = &a->t;

	if (a->over) {
		puts("end");
		return;
	}
	printf("commands=%llu answered=%llu inflight=%zu idle=%d asked=%u granted=%u ended=%u holding=%d passed=%llu safe=%d opaque=%s\n",
	       (unsigned long long)t->commands, (unsigned long long)t->answered, tracker_in_flight(t), tracker_is_idle(t), t->idles_asked,
	       t->idles_granted, t->idles_ended, tracker_is_holding(t), (unsigned long long)a->passed, tracker_is_safe(t),
	       tracker_opaque_name(t->opaque));
}

static void time_is_up(struct account *a)
{
	if (!tracker_is_holding(&a->t))
		return;
	a->over = tracker_give_up(&a->t) == TRACKER_END;
	if (!a->over)
		give_held_again(a);
}

/* False: the recording is at its end. */
static bool read_record(char *side, char **bytes, size_t *n)
{
	unsigned long long size;
	char head[32];

	if (!fgets(head, sizeof(head), stdin))
		return false;
	if (sscanf(head, "%c %llu", side, &size) != 2 || (*side != '>' && *side != '<' && *side != '!') || size > RECORD_MAX)
		die("no record begins so");
	*n = size;
	*bytes = mem_new(*n + 1);
	if (fread(*bytes, 1, *n + 1, stdin) != *n + 1 || (*bytes)[*n] != '\n')
		die("a record is not whole");
	return true;
}

static void read_arguments(struct account *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--strict") == 0) {
			a->t.strict = true;
		} else if (strcmp(argv[i], "--cut") == 0 && i + 1 < argc) {
			a->cut = true;
			a->chance = strtoull(argv[++i], NULL, 10);
		} else {
			die("usage: account [--strict] [--cut SEED] < RECORDING");
		}
	}
}

int main(int argc, char **argv)
{
	static struct account a;
	char side, *bytes;
	size_t n;

	pool_init(&a.pool, tracker_block_size);
	tracker_init(&a.t, &a.pool, false);
	read_arguments(&a, argc, argv);
	while (!a.over && read_record(&side, &bytes, &n)) {
		if (side == '>')
			client_says(&a, bytes, n);
		else if (side == '<')
			server_says(&a, bytes, n);
		else
			time_is_up(&a);
		mem_free(&bytes);
		print_account(&a);
	}
	free(a.held);
	tracker_fini(&a.t);
	pool_fini(&a.pool);
	return 0;
}
