#include "wire/sasl.h"

#include "wire/user_name.h"

static const char *const mechanisms[] = {
	[SASL_NONE]  = "none",
	[SASL_PLAIN] = "PLAIN",
};

#define NMECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

enum sasl_mechanism sasl_find(struct span name)
{
	for (size_t m = SASL_NONE + 1; m < NMECHANISMS; m++) {
		if (span_is_nocase(name, mechanisms[m]))
			return m;
	}
	return SASL_NONE;
}

const char *sasl_name(enum sasl_mechanism m)
{
	return mechanisms[m];
}

static bool is_clean_name(struct span name)
{
	return !span_has_control(name) && utf8_is_valid(name);
}

/* Cuts what is before the next NUL off the message. */
static bool take_field(struct span *message, struct span *field)
{
	const char *nul = message->n > 0 ? memchr(message->p, '\0', message->n) : NULL;

	if (!nul)
		return false;
	*field = span_mem(message->p, nul - message->p);
	message->p += field->n + 1;
	message->n -= field->n + 1;
	return true;
}

bool sasl_plain_parse(struct span message, struct sasl_identity *id)
{
	struct sasl_identity got = { 0 };

	*id = got;
	if (!take_field(&message, &got.authorize) || !take_field(&message, &got.authenticate))
		return false;
	got.password = message;
	if (got.authenticate.n == 0 || got.password.n == 0 || span_has_nul(got.password))
		return false;
	if (!is_clean_name(got.authorize) || !is_clean_name(got.authenticate))
		return false;
	*id = got;
	return true;
}

void sasl_plain_write(struct out *o, const struct sasl_identity *id)
{
	if (span_has_nul(id->authorize) || span_has_nul(id->authenticate) || span_has_nul(id->password))
		o->full = true;		/* it would be read as another user's name or password */
	out_span(o, id->authorize);
	out_chr(o, '\0');
	out_span(o, id->authenticate);
	out_chr(o, '\0');
	out_span(o, id->password);
}
