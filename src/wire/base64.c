#include "wire/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits c stands for, or -1. */
static int value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Reads the first digits characters of a group of four into its 24 bits, the missing ones being zero. */
static bool read_group(const char *p, size_t digits, uint32_t *bits)
{
	*bits = 0;
	for (size_t i = 0; i < 4; i++) {
		int v = i < digits ? value(p[i]) : 0;

		if (v < 0)
			return false;
		*bits = *bits << 6 | (uint32_t)v;
	}
	return true;
}

/* How many '=' end the text: 0 to 2. */
static size_t padding(struct span in)
{
	if (in.n == 0 || in.p[in.n - 1] != '=')
		return 0;
	return in.p[in.n - 2] == '=' ? 2 : 1;
}

/* A group is read whole before its bytes are written: to may be where in is. NULL: they are not wanted. */
static bool decode(struct span in, unsigned char *to, size_t cap, size_t *len)
{
	size_t total, done = 0;

	*len = 0;
	if (in.n % 4 != 0)
		return false;
	total = in.n / 4 * 3 - padding(in);
	if (total > cap)
		return false;
	for (size_t at = 0; at < in.n; at += 4) {
		size_t bytes = total - done < 3 ? total - done : 3;
		uint32_t bits;

		if (!read_group(in.p + at, bytes + 1, &bits))
			return false;
		if (bits & 0xffffffu >> (8 * bytes))	/* two spellings of the same bytes: not allowed */
			return false;
		for (size_t i = 0; to && i < bytes; i++)
			to[done + i] = bits >> (16 - 8 * i) & 0xff;
		done += bytes;
	}
	*len = done;
	return true;
}

bool base64_decode(struct span in, void *out, size_t cap, size_t *len)
{
	return decode(in, out, cap, len);
}

bool base64_is_valid(struct span in)
{
	size_t len;

	return decode(in, NULL, SIZE_MAX, &len);
}

/* One group: the n bytes at p (1 to 3) as four characters. */
static void write_group(const unsigned char *p, size_t n, char *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 3; i++)
		bits = bits << 8 | (i < n ? p[i] : 0);
	for (size_t i = 0; i < 4; i++)
		out[i] = i <= n ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
}

size_t base64_encode(struct span in, char *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t len = 0;

	for (size_t at = 0; at < in.n; at += 3) {
		write_group(p + at, in.n - at < 3 ? in.n - at : 3, out + len);
		len += 4;
	}
	return len;
}
