#include "route/redis_record.h"

#include <stdio.h>
#include <string.h>
#include <hiredis/hiredis.h>

#include "base/mem.h"
#include "route/directory.h"
#include "wire/out.h"

/* ---- a record ---- */

/* A value from Redis for a sentence: printable ASCII, cut. text: cap bytes. */
static const char *printable(char *text, size_t cap, struct span s)
{
	size_t n = s.n < cap - 1 ? s.n : cap - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	text[n] = '\0';
	return text;
}

static bool say_unknown(struct directory_answer *a, const char *what, struct span value)
{
	char text[80];

	snprintf(a->why, sizeof(a->why), "the record names the %s \"%s\", which there is not", what, printable(text, sizeof(text), value));
	return false;
}

static bool take_backend(const struct cluster *c, struct span value, struct directory_answer *a)
{
	a->record.backend = cluster_find_backend(c, value);
	return a->record.backend || say_unknown(a, "backend", value);
}

static bool take_group(const struct cluster *c, struct span value, struct directory_answer *a)
{
	a->record.group = cluster_find_group(c, value);
	return a->record.group || say_unknown(a, "group", value);
}

static bool take_state(const struct cluster *c, struct span value, struct directory_answer *a)
{
	static const char *const names[] = { [USER_ACTIVE] = "active", [USER_HOLD] = "hold", [USER_CLOSED] = "closed" };

	(void)c;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (span_is(value, names[i])) {
			a->record.state = (enum user_state)i;
			return true;
		}
	}
	return say_unknown(a, "state", value);
}

/* It goes to the backend as it is written, so only the rules for a name are used, not its canonical form. */
static bool take_login_as(const struct cluster *c, struct span value, struct directory_answer *a)
{
	char scratch[USER_NAME_MAX];
	struct out o;

	(void)c;
	out_init(&o, scratch, sizeof(scratch));
	if (!user_name_canonical(&o, value, USER_NAME_KEEP)) {
		snprintf(a->why, sizeof(a->why), "the record's login-as is no user name");
		return false;
	}
	memcpy(a->record.login_as, value.p, value.n);
	a->record.login_as[value.n] = '\0';
	return true;
}

static bool take_reason(const struct cluster *c, struct span value, struct directory_answer *a)
{
	(void)c;
	printable(a->record.reason, sizeof(a->record.reason), value);
	return true;
}

static const struct {
	const char *name;
	bool (*take)(const struct cluster *c, struct span value, struct directory_answer *a);
} fields[] = {
	{ "backend", take_backend },
	{ "group", take_group },
	{ "login-as", take_login_as },
	{ "state", take_state },
	{ "reason", take_reason },
};

/* Fields with other names are the operator's own. */
static bool take_field(const struct cluster *c, struct span name, struct span value, struct directory_answer *a)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (span_is(name, fields[i].name))
			return fields[i].take(c, value, a);
	}
	return true;
}

/* ---- Redis' replies ---- */

static bool is_string(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

static struct span string_of(const redisReply *reply)
{
	return span_mem(reply->str, reply->len);
}

static bool say_wrong_type(struct directory_answer *a, const redisReply *reply)
{
	char text[100];

	if (reply->type == REDIS_REPLY_ERROR)
		snprintf(a->why, sizeof(a->why), "Redis says: %s", printable(text, sizeof(text), string_of(reply)));
	else
		snprintf(a->why, sizeof(a->why), "Redis' answer is of a wrong type (%d)", reply->type);
	return false;
}

bool redis_record_of_hash(const struct cluster *c, const redisReply *reply, struct directory_answer *a)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return say_wrong_type(a, reply);
	for (size_t i = 0; i < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];

		if (!is_string(name) || !is_string(value))
			return say_wrong_type(a, is_string(name) ? value : name);
		if (!take_field(c, string_of(name), string_of(value), a))
			return false;
	}
	a->result = reply->elements > 0 ? DIRECTORY_FOUND : DIRECTORY_UNKNOWN;
	return true;
}

bool redis_record_of_string(const struct cluster *c, const redisReply *reply, struct directory_answer *a)
{
	a->result = DIRECTORY_UNKNOWN;
	if (reply->type == REDIS_REPLY_NIL)
		return true;	/* deleted since HGETALL */
	if (!is_string(reply))
		return say_wrong_type(a, reply);
	a->result = DIRECTORY_FOUND;
	return take_backend(c, string_of(reply), a);
}
