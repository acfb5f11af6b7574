/*
 * fuzz_proxy_proto.c - a PROXY header is found as soon as it is whole and not before, says nothing of what lies outside it, and what
 * was understood can be written and understood again.
 *
 * The input is a connection's first bytes.
 */
#include "fuzz.h"
#include "wire/proxy_proto.h"

struct parsed {
	char *bytes;
	struct proxy_header h;
	size_t size;
	enum proxy_result result;
};

static struct parsed parse(struct span in)
{
	struct parsed p = { .bytes = fuzz_copy(in) };
	const char *why = NULL;

	memset(&p.h, 0xa5, sizeof(p.h));
	p.result = proxy_parse(p.bytes, in.n, &p.h, &p.size, &why);
	MUST((p.result == PROXY_BAD) == (why && why[0]));
	return p;
}

static bool same_end(const struct proxy_end *a, const struct proxy_end *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool same_texts(const struct proxy_header *a, const struct proxy_header *b)
{
	return span_eq(a->authority, b->authority) && span_eq(a->unique_id, b->unique_id) && a->tls == b->tls &&
	       (!a->tls || (span_eq(a->tls_version, b->tls_version) && span_eq(a->tls_cipher, b->tls_cipher)));
}

static void check_header(const struct parsed *p, struct span in)
{
	const struct proxy_header *h = &p->h;
	struct span whole = span_mem(p->bytes, p->size);

	MUST(p->size > 0 && p->size <= in.n && p->size <= (h->version == 1 ? PROXY_V1_MAX : PROXY_HEADER_MAX));
	MUST(h->version == 1 || h->version == 2);
	MUST(h->source.family == h->destination.family);
	MUST(!h->local || h->source.family == PROXY_NO_ADDRESS);
	MUST(fuzz_is_inside(h->authority, whole) && fuzz_is_inside(h->alpn, whole) && fuzz_is_inside(h->unique_id, whole));
	MUST(fuzz_is_inside(h->tls_version, whole) && fuzz_is_inside(h->tls_cipher, whole));
	MUST(h->authority.n <= PROXY_TEXT_MAX && h->unique_id.n <= PROXY_TEXT_MAX && h->tls_cipher.n <= PROXY_TEXT_MAX);
}

/* What is whole is whole without what follows it; what is not yet is never bad later for what has been said. */
static void check_cut(const struct parsed *p, struct span in, size_t cut)
{
	struct parsed part = parse(span_mem(in.p, cut));

	if (p->result == PROXY_DONE)
		MUST(part.result == (cut < p->size ? PROXY_MORE : PROXY_DONE));
	else if (p->result == PROXY_MORE)
		MUST(part.result == PROXY_MORE);
	else
		MUST(part.result != PROXY_DONE);
	free(part.bytes);
}

static void check_written(const struct proxy_header *h, void (*write)(struct out *, const struct proxy_header *), size_t most)
{
	char *buf = fuzz_room(most);
	struct parsed again;
	struct out o;

	out_init(&o, buf, most);
	write(&o, h);
	MUST(out_ok(&o));
	again = parse(out_written(&o));
	MUST(again.result == PROXY_DONE && again.size == o.len);
	MUST(same_end(&again.h.source, &h->source) && same_end(&again.h.destination, &h->destination));
	MUST(again.h.version == 1 || same_texts(&again.h, h));
	free(again.bytes);
	free(buf);
}

/* Ends of two families: whatever they are, the header is one. */
static void check_mixed(struct proxy_header h)
{
	struct parsed again;
	char buf[PROXY_HEADER_MAX];
	struct out o;

	h.destination.family = h.source.family == PROXY_IPV4 ? PROXY_IPV6 : PROXY_IPV4;
	out_init(&o, buf, sizeof(buf));
	proxy_write_v2(&o, &h);
	again = parse(out_written(&o));
	MUST(again.result == PROXY_DONE && again.size == o.len);
	MUST(again.h.source.family == (h.source.family == PROXY_NO_ADDRESS ? PROXY_NO_ADDRESS : PROXY_IPV6));
	free(again.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_mem(data, size);
	struct parsed p = parse(in);

	check_cut(&p, in, fuzz_number(in) % (size + 1));
	if (p.result == PROXY_DONE) {
		check_header(&p, in);
		check_cut(&p, in, p.size);
		check_cut(&p, in, p.size - 1);
		check_written(&p.h, proxy_write_v1, PROXY_V1_MAX);
		check_written(&p.h, proxy_write_v2, PROXY_HEADER_MAX);
		check_mixed(p.h);
	}
	free(p.bytes);
	return 0;
}
