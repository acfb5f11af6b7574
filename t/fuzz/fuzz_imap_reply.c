/*
 * fuzz_imap_reply.c - whatever a backend says, what is taken out of its line lies in it, and means the same when written again.
 *
 * The input is lines, each parsed alone, without its line end as the session does it. What is a status, a continuation or a tagged
 * line is text to the frame as well: it never announces a literal.
 */
#include "fuzz.h"
#include "wire/imap_command.h"
#include "wire/imap_frame.h"
#include "wire/imap_reply.h"
#include "wire/out.h"

static bool has_byte(struct span s, char c)
{
	return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

static void check_spans(const struct imap_reply *r, struct span line)
{
	const struct span spans[] = { r->tag, r->word, r->data, r->code, r->code_args, r->text, r->rest };

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		MUST(fuzz_is_inside(spans[i], line) && !span_has_nul(spans[i]));
	MUST(fuzz_is_inside(r->text, r->rest) || r->kind == IMAP_REPLY_CONTINUE);
	MUST(fuzz_is_inside(r->code, r->rest) && fuzz_is_inside(r->code_args, r->rest));
	MUST(!has_byte(r->code, ' ') && !has_byte(r->code, ']') && !has_byte(r->code_args, ']'));
	MUST(r->code.n > 0 || r->code_args.n == 0);
}

static void check_kind(const struct imap_reply *r, struct span line)
{
	MUST((line.p[0] == '+') == (r->kind == IMAP_REPLY_CONTINUE));
	MUST((line.p[0] == '*') == (r->kind == IMAP_REPLY_UNTAGGED));
	MUST((r->kind == IMAP_REPLY_TAGGED) == (r->tag.n > 0));
	if (r->kind == IMAP_REPLY_TAGGED)
		MUST(imap_tag_is_legal(r->tag) && r->status >= IMAP_STATUS_OK && r->status <= IMAP_STATUS_BAD);
	if (r->kind == IMAP_REPLY_CONTINUE)
		MUST(r->status == IMAP_STATUS_NONE && r->rest.n == 0);
	if (r->kind == IMAP_REPLY_UNTAGGED && r->status == IMAP_STATUS_NONE)
		MUST(r->word.n > 0 && !has_byte(r->word, ' ') && r->rest.n == 0);
	else
		MUST(r->word.n + r->data.n == 0);
	MUST((r->status == IMAP_STATUS_NONE) == (imap_status_name(r->status)[0] == '\0'));
}

static void write_reply(struct out *o, const struct imap_reply *r)
{
	if (r->kind == IMAP_REPLY_CONTINUE) {
		out_str(o, "+ ");
		out_span(o, r->text);
		return;
	}
	out_span(o, r->tag.n ? r->tag : span_of("*"));
	out_chr(o, ' ');
	out_str(o, imap_status_name(r->status));
	out_span(o, r->word);
	out_chr(o, ' ');
	out_span(o, r->status == IMAP_STATUS_NONE ? r->data : r->rest);
}

static void check_written_again(const struct imap_reply *r, struct span line)
{
	size_t cap = line.n + 16;
	char *buf = fuzz_room(cap);
	struct imap_reply again;
	struct out o;

	out_init(&o, buf, cap);
	write_reply(&o, r);
	MUST(out_ok(&o));
	MUST(imap_reply_parse(buf, o.len, &again));
	MUST(again.kind == r->kind && again.status == r->status && span_eq(again.tag, r->tag));
	MUST(span_eq(again.word, r->word) && span_eq(again.data, r->data));
	MUST(span_eq(again.code, r->code) && span_eq(again.code_args, r->code_args));
	MUST(span_eq(again.text, r->text) && span_eq(again.rest, r->rest));
	free(buf);
}

/* line: with its LF. */
static void check_frame(struct span line)
{
	enum imap_frame_event ev;
	struct imap_frame f;

	imap_frame_init(&f, IMAP_FRAME_SERVER);
	MUST(imap_frame_scan(&f, line.p, line.n, &ev) == line.n);
	MUST(ev == IMAP_FRAME_LINE);
}

static bool is_text(const struct imap_reply *r)
{
	return r->kind != IMAP_REPLY_UNTAGGED || r->status != IMAP_STATUS_NONE;
}

static void check_line(struct span line, bool ended)
{
	size_t n = line.n - ended;
	struct imap_reply r;
	char *exact;

	if (n > 0 && line.p[n - 1] == '\r')
		n--;
	exact = fuzz_copy(span_mem(line.p, n));
	memset(&r, 0xa5, sizeof(r));
	if (imap_reply_parse(exact, n, &r)) {
		check_spans(&r, span_mem(exact, n));
		check_kind(&r, span_mem(exact, n));
		check_written_again(&r, span_mem(exact, n));
		if (ended && is_text(&r))
			check_frame(line);
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_mem(data, size);

	while (rest.n > 0) {
		const char *lf = memchr(rest.p, '\n', rest.n);
		size_t n = lf ? (size_t)(lf - rest.p) + 1 : rest.n;

		check_line(span_mem(rest.p, n), lf != NULL);
		rest = span_mem(rest.p + n, rest.n - n);
	}
	return 0;
}
