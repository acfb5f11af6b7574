/*
 * redis_url.c - how the settings write a Redis server: "redis://host:port/database", "unix:/path".
 */
#include "net/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIS_DATABASE_MAX 1000000
#define REDIS_PORT 6379

static bool parse_database(struct redis_conf *conf, const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (text[n] != '\0' || n > 7)
		return false;
	conf->database = n > 0 ? (unsigned)strtoul(text, NULL, 10) : 0;
	return conf->database <= REDIS_DATABASE_MAX;
}

static bool parse_place(struct redis_conf *conf, const char *text, char *err, size_t errlen)
{
	if (!endpoint_parse(&conf->endpoint, text, REDIS_PORT, err, errlen))
		return false;
	if (conf->endpoint.kind != ENDPOINT_ANY)
		return true;
	endpoint_fini(&conf->endpoint);
	snprintf(err, errlen, "\"*\" is no server to connect to; write redis://host:port/database");
	return false;
}

bool redis_url_parse(struct redis_conf *conf, const char *url, char *err, size_t errlen)
{
	static const char scheme[] = "redis://";
	char place[320];
	size_t n;

	conf->database = 0;
	if (!strncmp(url, "unix:", 5))
		return parse_place(conf, url, err, errlen);
	if (strncmp(url, scheme, strlen(scheme)) != 0) {
		snprintf(err, errlen, "no address of a Redis server; write redis://host:port/database or unix:/path");
		return false;
	}
	url += strlen(scheme);
	if (strchr(url, '@')) {
		snprintf(err, errlen, "credentials do not belong in the address; use the settings user and password-file");
		return false;
	}
	n = strcspn(url, "/");
	if (n == 0 || n >= sizeof(place) || !strncmp(url, "unix:", 5)) {
		snprintf(err, errlen, "no host in the address; write redis://host:port/database or unix:/path");
		return false;
	}
	if (url[n] == '/' && !parse_database(conf, url + n + 1)) {
		snprintf(err, errlen, "the database is not a number; write redis://host:port/0");
		return false;
	}
	snprintf(place, sizeof(place), "%.*s", (int)n, url);
	return parse_place(conf, place, err, errlen);
}
