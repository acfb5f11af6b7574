#include "wire/imap_caps.h"

static const struct {
	const char *word;
	uint32_t cap;
} words[] = {
	{ "IMAP4rev1",			IMAP_CAP_IMAP4REV1 },
	{ "IMAP4rev2",			IMAP_CAP_IMAP4REV2 },
	{ "SASL-IR",			IMAP_CAP_SASL_IR },
	{ "LITERAL+",			IMAP_CAP_LITERAL_PLUS },
	{ "LITERAL-",			IMAP_CAP_LITERAL_MINUS },
	{ "ID",				IMAP_CAP_ID },
	{ "STARTTLS",			IMAP_CAP_STARTTLS },
	{ "LOGINDISABLED",		IMAP_CAP_LOGINDISABLED },
	{ "AUTH=PLAIN",			IMAP_CAP_AUTH_PLAIN },
	{ "AUTH=LOGIN",			IMAP_CAP_AUTH_LOGIN },
	{ "AUTH=XOAUTH2",		IMAP_CAP_AUTH_XOAUTH2 },
	{ "AUTH=OAUTHBEARER",		IMAP_CAP_AUTH_OAUTHBEARER },
	{ "AUTH=EXTERNAL",		IMAP_CAP_AUTH_EXTERNAL },
	{ "AUTH=SCRAM-SHA-1",		IMAP_CAP_AUTH_SCRAM_SHA_1 },
	{ "AUTH=SCRAM-SHA-256",		IMAP_CAP_AUTH_SCRAM_SHA_256 },
	{ "IDLE",			IMAP_CAP_IDLE },
	{ "COMPRESS=DEFLATE",		IMAP_CAP_COMPRESS_DEFLATE },
	{ "UNAUTHENTICATE",		IMAP_CAP_UNAUTHENTICATE },
	{ "X-UNAUTHENTICATE",		IMAP_CAP_UNAUTHENTICATE },
	{ "UTF8=ACCEPT",		IMAP_CAP_UTF8_ACCEPT },
	{ "ENABLE",			IMAP_CAP_ENABLE },
};

bool imap_caps_next(struct span *list, struct span *word)
{
	size_t from = 0, to;

	while (from < list->n && list->p[from] == ' ')
		from++;
	for (to = from; to < list->n && list->p[to] != ' '; to++)
		;
	if (from == to)
		return false;
	*word = span_mem(list->p + from, to - from);
	*list = span_mem(list->p + to, list->n - to);
	return true;
}

static bool is_plus_mechanism(struct span word)
{
	return span_starts_nocase(word, "AUTH=") && word.n > 10 &&
	       span_is_nocase(span_mem(word.p + word.n - 5, 5), "-PLUS");
}

/* The word's bit; 0 for one that Sluice does not act on. */
static uint32_t find_cap(struct span word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (span_is_nocase(word, words[i].word))
			return words[i].cap;
	}
	return is_plus_mechanism(word) ? IMAP_CAP_AUTH_ANY_PLUS : 0;
}

void imap_caps_parse(struct imap_caps *caps, struct span list)
{
	struct span word;

	*caps = (struct imap_caps){ .known = true };
	while (imap_caps_next(&list, &word))
		caps->set |= find_cap(word);
	if (caps->set & IMAP_CAP_IMAP4REV2)
		caps->set |= IMAP_CAP_LITERAL_MINUS;
}

static bool is_printable(struct span word)
{
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] < 0x21 || word.p[i] > 0x7e)
			return false;
	}
	return true;
}

bool imap_caps_is_word(struct span word)
{
	return word.n > 0 && is_printable(word) && !memchr(word.p, ']', word.n) && !memchr(word.p, '"', word.n);
}

void imap_caps_filter(struct out *o, struct span list, uint32_t drop)
{
	const char *between = "";
	struct span word;

	while (imap_caps_next(&list, &word)) {
		if (find_cap(word) & drop || !is_printable(word))
			continue;
		out_str(o, between);
		out_span(o, word);
		between = " ";
	}
}
