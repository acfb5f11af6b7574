/*
 * fuzz_user_name.c - canonical names stay as they are, and an encoded name is safe in a key and comes back byte for byte.
 *
 * The input is a name as a client sent it, and also an encoded one as it may stand in a map file.
 */
#include "fuzz.h"
#include "wire/user_name.h"

struct name {
	size_t n;
	char bytes[USER_NAME_MAX];
};

static bool canonical(struct span name, enum user_name_case local, struct name *to)
{
	struct out o;
	bool ok;

	out_init(&o, to->bytes, sizeof(to->bytes));
	ok = user_name_canonical(&o, name, local);
	to->n = o.len;
	MUST(ok || o.len == 0);
	return ok;
}

static struct span span_of_name(const struct name *n)
{
	return span_mem(n->bytes, n->n);
}

static bool has_capital(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 'A' && s.p[i] <= 'Z')
			return true;
	}
	return false;
}

static struct span domain(struct span name)
{
	const char *at = memrchr(name.p, '@', name.n);

	return at ? span_mem(at, name.p + name.n - at) : span_mem(NULL, 0);
}

static void check_canonical(struct span name)
{
	struct name low, keep, again;
	bool legal = name.n > 0 && name.n <= USER_NAME_MAX && !span_has_control(name) && utf8_is_valid(name);

	MUST(canonical(name, USER_NAME_LOWER, &low) == legal);
	MUST(canonical(name, USER_NAME_KEEP, &keep) == legal);
	if (!legal)
		return;
	MUST(low.n == name.n && keep.n == name.n);
	MUST(strncasecmp(low.bytes, name.p, name.n) == 0);
	MUST(!has_capital(span_of_name(&low)) && !has_capital(domain(span_of_name(&keep))));
	MUST(memcmp(keep.bytes, name.p, name.n - domain(name).n) == 0 || domain(name).n == 0);

	MUST(canonical(span_of_name(&low), USER_NAME_LOWER, &again) && span_eq(span_of_name(&again), span_of_name(&low)));
	MUST(canonical(span_of_name(&keep), USER_NAME_KEEP, &again) && span_eq(span_of_name(&again), span_of_name(&keep)));
	MUST(canonical(span_of_name(&keep), USER_NAME_LOWER, &again) && span_eq(span_of_name(&again), span_of_name(&low)));
}

/* Nothing in it can end a word, a line or a key, or be taken for a Redis Cluster's hash tag. */
static bool is_safe(struct span s)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-%";

	for (size_t i = 0; i < s.n; i++) {
		if (!memchr(safe, s.p[i], sizeof(safe) - 1))
			return false;
	}
	return true;
}

static void check_small_room(struct span name, size_t encoded)
{
	size_t room = fuzz_number(name) % (encoded + 1);
	char *buf = fuzz_room(room);
	struct out o;

	out_init(&o, buf, room);
	user_name_encode(&o, name);
	MUST(out_ok(&o) == (room == encoded));
	MUST(o.len == (out_ok(&o) ? encoded : 0));
	free(buf);
}

static void check_encode(struct span name)
{
	char *text = fuzz_room(3 * name.n), *back = fuzz_room(name.n);
	struct out o;
	size_t len;

	out_init(&o, text, 3 * name.n);
	user_name_encode(&o, name);
	MUST(out_ok(&o) && o.len >= name.n && is_safe(out_written(&o)));
	MUST(user_name_decode(out_written(&o), back, name.n, &len));
	MUST(span_eq(span_mem(back, len), name));
	if (name.n > 0)
		MUST(!user_name_decode(out_written(&o), back, name.n - 1, &len));
	check_small_room(name, o.len);
	free(text);
	free(back);
}

static void check_decode(struct span text)
{
	char *bytes = fuzz_room(text.n), *place = fuzz_copy(text);
	size_t len, len_in_place;
	bool ok = user_name_decode(text, bytes, text.n, &len);

	MUST(user_name_decode(span_mem(place, text.n), place, text.n, &len_in_place) == ok);
	MUST(len == len_in_place && len <= text.n);
	MUST(ok || len == 0);
	MUST(span_eq(span_mem(bytes, len), span_mem(place, len)));
	if (ok)
		check_encode(span_mem(bytes, len));
	free(bytes);
	free(place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span name = span_mem(data, size);
	char *exact = fuzz_copy(name);

	name.p = exact;
	check_canonical(name);
	check_encode(name);
	check_decode(name);
	free(exact);
	return 0;
}
