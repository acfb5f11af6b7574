/*
 * words.h - words of a statement, and fields of a log line: KEY=VALUE or KEY="VALUE WITH SPACES", one space between them.
 */
#ifndef PLAY_WORDS_H
#define PLAY_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/span.h"

/* Takes the next word off *text; a quoted part with spaces belongs to it. false: no more. */
bool words_next(struct span *text, struct span *word);

/* "key=value": what is behind the '=', without quotes around it. false: another key. */
bool words_value(struct span word, const char *key, struct span *value);

/* Whether text has this word. */
bool words_have(struct span text, struct span word);

/* Whether text has a word that begins with key and '='. */
bool words_have_key(struct span text, struct span key);

#endif
