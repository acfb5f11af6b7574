/*
 * proxied.c - the PROXY protocol on both sides of a session: who the client is, as a proxy before us says; and what we say to a backend.
 *
 * From the client's side the header comes before all else, TLS too, and exactly its bytes are taken: they are looked at first (conn_peek),
 * and what belongs to the handshake or the dialogue stays in the socket. It is asked only of who is in trusted-proxies; nobody else gets
 * that far.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "session/session_private.h"
#include "wire/out.h"
#include "wire/proxy_proto.h"

#define HEADER_SENT_MAX (4 * PROXY_TEXT_MAX + 128)	/* of ours: addresses and four texts */

_Static_assert(PROXY_HEADER_MAX < INPUT_MAX, "a whole header must fit into the client's buffer");

/* ---- from a proxy before us ---- */

static void set_text(char **to, struct span text)
{
	if (text.n > 0)
		*to = mem_span_dup(text);
}

static struct proxied *proxied_new(const struct addr *from, const struct proxy_header *h)
{
	struct proxied *p = mem_new(sizeof(*p));

	p->from = *from;
	set_text(&p->sni, h->authority);
	set_text(&p->alpn, h->alpn);
	set_text(&p->unique_id, h->unique_id);
	p->tls = h->tls;
	set_text(&p->tls_version, h->tls_version);
	set_text(&p->tls_cipher, h->tls_cipher);
	return p;
}

void proxied_free(struct proxied **at)
{
	struct proxied *p = *at;

	if (!p)
		return;
	mem_free(&p->sni);
	mem_free(&p->alpn);
	mem_free(&p->unique_id);
	mem_free(&p->tls_version);
	mem_free(&p->tls_cipher);
	mem_free(at);
}

static void take_end(struct addr *a, const struct proxy_end *e)
{
	addr_from_bytes(a, e->family == PROXY_IPV4 ? AF_INET : AF_INET6, e->ip, e->port);
}

/* LOCAL is the proxy's own word, of a client it says nothing: the peer counts as who it is. */
static void believe(struct session *s, const struct proxy_header *h)
{
	struct addr client;

	if (h->local)
		return;
	s->proxied = proxied_new(&s->peer, h);
	if (h->source.family == PROXY_NO_ADDRESS)
		return;
	take_end(&client, &h->source);
	take_end(&s->login->local, &h->destination);
	session_client_is(s, &client);
}

/* Takes n bytes that have been looked at. */
static bool take_peeked(struct session *s, size_t n)
{
	struct input *in = &s->login->in;

	if (conn_read(&s->client.conn, in->p + in->len, n) != (ssize_t)n) {
		session_close(s, SESSION_CLIENT_GONE);
		return false;
	}
	in->len += n;
	return true;
}

static void take_header(struct session *s, const struct proxy_header *h, size_t size)
{
	struct input *in = &s->login->in;

	if (!take_peeked(s, size - in->len))
		return;
	believe(s, h);
	input_consume(in, size);
	session_admit(s);
}

static void look_at(struct session *s, size_t peeked)
{
	struct input *in = &s->login->in;
	struct proxy_header h;
	const char *why;
	size_t size;

	switch (proxy_parse(in->p, in->len + peeked, &h, &size, &why)) {
	case PROXY_MORE:
		take_peeked(s, peeked);
		break;
	case PROXY_DONE:
		take_header(s, &h, size);
		break;
	case PROXY_BAD:
		snprintf(s->env->loop->failure, sizeof(s->env->loop->failure), "%s", why);
		session_close(s, SESSION_PROXY_BAD);
		break;
	}
}

void proxied_read(struct session *s)
{
	struct input *in = &s->login->in;
	ssize_t n;

	input_has_room(in);	/* always: see the assertion above */
	n = conn_peek(&s->client.conn, in->p + in->len, in->cap - in->len);
	if (n > 0)
		look_at(s, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		session_close(s, SESSION_CLIENT_GONE);
}

enum session_step proxied_start(struct session *s)
{
	if (cidr_list_has(&s->env->trusted_proxies, &s->peer))
		return STEP_PROXY;
	session_close(s, SESSION_PROXY_STRANGER);
	return STEP_GONE;
}

/* ---- to a backend ---- */

static void give_end(struct proxy_end *e, const struct addr *a)
{
	*e = (struct proxy_end){ .port = a->port };
	if (a->family == AF_INET)
		e->family = PROXY_IPV4;
	else if (a->family == AF_INET6)
		e->family = PROXY_IPV6;
	memcpy(e->ip, a->ip, sizeof(e->ip));
}

static void give_tls(struct session *s, struct proxy_header *h)
{
	struct conn_tls tls;

	h->tls = s->secure && conn_tls_facts(&s->client.conn, &tls);
	if (!h->tls)
		return;
	h->tls_version = span_of(tls.version);
	h->tls_cipher = span_of(tls.cipher);
	h->authority = span_of(tls.name);
}

bool proxied_announce(struct session *s)
{
	char bytes[HEADER_SENT_MAX], id[SESSION_ID_MAX];
	struct proxy_header h = { .unique_id = span_of(session_id_text(s, id)) };
	struct addr local = { 0 };
	struct out o;

	session_local_addr(s, &local);
	give_end(&h.source, &s->peer);
	give_end(&h.destination, &local);
	give_tls(s, &h);
	out_init(&o, bytes, sizeof(bytes));
	if (s->to->proxy == BACKEND_PROXY_V1)
		proxy_write_v1(&o, &h);
	else
		proxy_write_v2(&o, &h);
	return half_write(&s->backend, bytes, o.len);
}
