/*
 * login.c - what only login needs. One owner (the session), bounds for each part, everything wiped when it goes.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "session/session_private.h"

/* Like realloc, but the old bytes are wiped: they may hold a password. */
static void input_grow(struct input *in, size_t cap)
{
	char *p = mem_new(cap);

	if (in->len > 0)
		memcpy(p, in->p, in->len);
	mem_wipe_free(&in->p, in->cap);
	in->p = p;
	in->cap = cap;
}

bool input_has_room(struct input *in)
{
	size_t cap = in->cap ? in->cap * 2 : INPUT_START;

	if (in->len < in->cap)
		return true;
	if (in->cap >= in->max)
		return false;
	input_grow(in, cap < in->max ? cap : in->max);
	return true;
}

void input_consume(struct input *in, size_t n)
{
	assert(n <= in->len);
	if (n == 0)
		return;
	memmove(in->p, in->p + n, in->len - n);
	mem_wipe(in->p + in->len - n, n);
	in->len -= n;
}

void input_free(struct input *in)
{
	mem_wipe_free(&in->p, in->cap);
	in->len = in->cap = 0;
}

struct login *login_new(void)
{
	struct login *l = mem_new(sizeof(*l));

	l->in.max = INPUT_MAX;
	l->back.max = BACKEND_LINE_MAX;
	imap_frame_init(&l->frame, IMAP_FRAME_CLIENT);
	return l;
}

void login_free(struct login **lp)
{
	struct login *l = *lp;

	if (!l)
		return;
	login_forget(l);
	login_forget_failure(l);
	input_free(&l->in);
	input_free(&l->back);
	mem_free(&l->login_as);
	mem_free(&l->caps_after);
	mem_free(&l->ok_text);
	mem_wipe_free(lp, sizeof(*l));
}

static struct span keep(char **at, struct span from)
{
	char *to = *at;

	if (from.n > 0)
		memcpy(to, from.p, from.n);
	*at += from.n;
	return span_mem(to, from.n);
}

void login_keep(struct login *l, const struct sasl_identity *who)
{
	size_t n = who->authorize.n + who->authenticate.n + who->secret.n;
	char *secret = mem_new(n + 1), *at = secret;
	struct sasl_identity kept;

	kept.authorize = keep(&at, who->authorize);
	kept.authenticate = keep(&at, who->authenticate);
	kept.secret = keep(&at, who->secret);
	login_forget(l);
	l->secret = secret;
	l->secret_len = n;
	l->who = kept;
}

void login_forget(struct login *l)
{
	mem_wipe_free(&l->secret, l->secret_len);
	mem_wipe_free(&l->pieces, l->pieces_len);
	l->secret_len = l->pieces_len = 0;
	l->npieces = l->piece = 0;
	memset(&l->who, 0, sizeof(l->who));
}

void login_keep_failure(struct login *l, struct span reply)
{
	login_forget_failure(l);
	l->failure = mem_span_dup(reply);
	l->failure_len = reply.n;
}

/* A backend's own words may hold the password. */
void login_forget_failure(struct login *l)
{
	mem_wipe_free(&l->failure, l->failure_len);
	l->failure_len = 0;
}
