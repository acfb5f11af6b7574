/*
 * list_settings.c - prints the name of each setting, one a line, for t/lint/settings.sh.
 */
#include <stdio.h>

#include "daemon/settings.h"

static void print(const char *name, void *arg)
{
	(void)arg;
	puts(name);
}

int main(void)
{
	settings_each_name(print, NULL);
	return fflush(stdout) == 0 ? 0 : 1;
}
