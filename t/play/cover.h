/*
 * cover.h - which play has reached which reason in which step: README's table, made from the log lines of the plays themselves.
 *
 * One table for the whole program.
 */
#ifndef PLAY_COVER_H
#define PLAY_COVER_H

#include <stdbool.h>

/* What is logged from now on is this play's; its number is the two digits its name begins with. NULL: nobody's. */
void cover_play(const char *name);
void cover_log_line(const char *line);

void cover_print(void);

/* Whether the file holds the table as it is now. */
bool cover_is_in(const char *path);

#endif
