/*
 * fuzz_sasl.c - SASL messages and base64: what is read of PLAIN writes back to the same bytes, what is written reads back to the same
 * meaning; of no mechanism comes a name that is none, or a secret other than the message.
 *
 * The input is taken as a message of each mechanism, as base64 of one, and, cut in three, as the fields of one.
 */
#include "fuzz.h"
#include "wire/base64.h"
#include "wire/sasl.h"
#include "wire/user_name.h"

static bool is_clean_name(struct span name)
{
	return !span_has_control(name) && utf8_is_valid(name);
}

static bool parse_plain(struct span message, struct sasl_identity *id)
{
	return sasl_parse(SASL_PLAIN, message, NULL, id);
}

static void check_mechanism(struct span name)
{
	enum sasl_mechanism m = sasl_find(name);

	MUST(m == SASL_NONE || span_is_nocase(name, sasl_name(m)));
}

/* In just the room it takes, and in a byte less. */
static void check_write(const struct sasl_identity *id, struct span message)
{
	char *buf = fuzz_room(message.n);
	struct out o;

	out_init(&o, buf, message.n);
	sasl_plain_write(&o, id);
	MUST(out_ok(&o) && span_eq(out_written(&o), message));
	out_init(&o, buf, message.n - 1);
	sasl_plain_write(&o, id);
	MUST(!out_ok(&o) && o.len < message.n);
	free(buf);
}

static void check_message(struct span message)
{
	struct sasl_identity id;

	memset(&id, 0xa5, sizeof(id));
	if (!parse_plain(message, &id)) {
		MUST(id.authorize.n + id.authenticate.n + id.secret.n == 0);
		return;
	}
	MUST(fuzz_is_inside(id.authorize, message) && fuzz_is_inside(id.authenticate, message) && fuzz_is_inside(id.secret, message));
	MUST(id.authenticate.n > 0 && id.secret.n > 0 && !span_has_nul(id.secret));
	MUST(is_clean_name(id.authorize) && is_clean_name(id.authenticate));
	check_write(&id, message);
}

/* Names point into the message or into room; nothing points anywhere else. */
static void check_spans(enum sasl_mechanism m, const struct sasl_identity *id, struct span message, struct span room)
{
	MUST(fuzz_is_inside(id->authorize, message) || fuzz_is_inside(id->authorize, room));
	MUST(fuzz_is_inside(id->authenticate, message) || fuzz_is_inside(id->authenticate, room));
	MUST(is_clean_name(id->authorize) && is_clean_name(id->authenticate));
	MUST((id->authenticate.n > 0) == (m != SASL_EXTERNAL));
	if (sasl_kind(m) == SASL_TOKEN || sasl_kind(m) == SASL_CHALLENGE)
		MUST(id->secret.p == message.p && id->secret.n == message.n && !span_has_nul(message));
	if (sasl_kind(m) == SASL_CHALLENGE)
		MUST(message.p[0] == 'n' || message.p[0] == 'y');	/* no channel binding */
}

static void check_each_mechanism(struct span message)
{
	char *room = fuzz_room(message.n);
	struct sasl_identity id;

	for (enum sasl_mechanism m = SASL_NONE; m < SASL_N; m++) {
		memset(&id, 0xa5, sizeof(id));
		if (sasl_parse(m, message, room, &id))
			check_spans(m, &id, message, span_mem(room, message.n));
		else
			MUST(id.authorize.n + id.authenticate.n + id.secret.n == 0);
	}
	MUST(!sasl_parse(SASL_NONE, message, room, &id));
	free(room);
}

static void check_fields(struct span input)
{
	size_t a = fuzz_number(input) % (input.n + 1), b = a + (fuzz_number(input) >> 20) % (input.n - a + 1);
	const struct sasl_identity in = {
		span_mem(input.p, a), span_mem(input.p + a, b - a), span_mem(input.p + b, input.n - b)
	};
	bool good = in.authenticate.n > 0 && in.secret.n > 0 && is_clean_name(in.authorize) && is_clean_name(in.authenticate);
	char *buf = fuzz_room(input.n + 2);
	struct sasl_identity id;
	struct out o;

	out_init(&o, buf, input.n + 2);
	sasl_plain_write(&o, &in);
	MUST(out_ok(&o) == !span_has_nul(input));
	if (out_ok(&o)) {
		MUST(parse_plain(out_written(&o), &id) == good);
		MUST(!good || (span_eq(id.authorize, in.authorize) && span_eq(id.authenticate, in.authenticate) &&
			       span_eq(id.secret, in.secret)));
	}
	free(buf);
}

static void check_encode(struct span bytes)
{
	size_t n = BASE64_LEN(bytes.n), len;
	char *text = fuzz_room(n), *back = fuzz_room(bytes.n);

	MUST(base64_encode(bytes, text) == n);
	MUST(base64_decode(span_mem(text, n), back, bytes.n, &len));
	MUST(span_eq(span_mem(back, len), bytes));
	if (bytes.n > 0)
		MUST(!base64_decode(span_mem(text, n), back, bytes.n - 1, &len));
	MUST(base64_decode(span_mem(text, n), text, n, &len));		/* in place */
	MUST(span_eq(span_mem(text, len), bytes));
	free(text);
	free(back);
}

/* No two texts mean the same bytes. */
static void check_decode(struct span text)
{
	char *bytes = fuzz_room(text.n / 4 * 3), *again = fuzz_room(text.n + 4);
	size_t len;

	if (base64_decode(text, bytes, text.n / 4 * 3, &len)) {
		MUST(BASE64_LEN(len) == text.n);
		MUST(base64_encode(span_mem(bytes, len), again) == text.n);
		MUST(span_eq(span_mem(again, text.n), text));
		MUST(base64_is_valid(text));
		check_message(span_mem(bytes, len));
		check_each_mechanism(span_mem(bytes, len));
	} else {
		MUST(!base64_is_valid(text));
		MUST(len == 0);
	}
	free(bytes);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_mem(data, size);
	char *exact = fuzz_copy(input);

	input.p = exact;
	check_mechanism(input);
	check_message(input);
	check_each_mechanism(input);
	check_fields(input);
	check_encode(input);
	check_decode(input);
	free(exact);
	return 0;
}
