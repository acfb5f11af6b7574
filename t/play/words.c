#include "words.h"

bool words_next(struct span *text, struct span *word)
{
	bool quoted = false;
	size_t n = 0;

	while (text->n > 0 && *text->p == ' ') {
		text->p++;
		text->n--;
	}
	while (n < text->n && (quoted || text->p[n] != ' ')) {
		if (text->p[n] == '"')
			quoted = !quoted;
		n++;
	}
	*word = span_mem(text->p, n);
	text->p += n;
	text->n -= n;
	return n > 0;
}

bool words_value(struct span word, const char *key, struct span *value)
{
	size_t n = strlen(key);

	if (word.n <= n || memcmp(word.p, key, n) != 0 || word.p[n] != '=')
		return false;
	*value = span_mem(word.p + n + 1, word.n - n - 1);
	if (value->n >= 2 && value->p[0] == '"' && value->p[value->n - 1] == '"')
		*value = span_mem(value->p + 1, value->n - 2);
	return true;
}

bool words_have(struct span text, struct span word)
{
	struct span w;

	while (words_next(&text, &w))
		if (span_eq(w, word))
			return true;
	return false;
}

bool words_have_key(struct span text, struct span key)
{
	struct span w;

	while (words_next(&text, &w))
		if (w.n > key.n && memcmp(w.p, key.p, key.n) == 0 && w.p[key.n] == '=')
			return true;
	return false;
}
