#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "session/session_private.h"

static char master[] = "proxy";

/* The backend's auth-method, whether it has a master and uses it for all, what it lists; the client's mechanism; and the way. */
static const struct row {
	enum backend_auth_method method;
	bool has_master, master_for_all;
	const char *lists;
	enum sasl_mechanism used;
	enum login_way way;
} rows[] = {
	/* passwords: PLAIN where it is listed, else LOGIN, whichever the client used */
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=PLAIN",			SASL_PLAIN,		WAY_PLAIN },
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=PLAIN AUTH=LOGIN",		SASL_LOGIN,		WAY_PLAIN },
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=LOGIN",			SASL_LOGIN,		WAY_LOGIN },
	{ BACKEND_METHOD_AUTO,	0, 0, "",				SASL_PLAIN,		WAY_LOGIN },
	{ BACKEND_METHOD_AUTO,	0, 0, "LOGINDISABLED AUTH=LOGIN",	SASL_PLAIN,		WAY_SASL_LOGIN },
	{ BACKEND_METHOD_AUTO,	0, 0, "LOGINDISABLED",			SASL_PLAIN,		WAY_LOGIN },
	{ BACKEND_METHOD_LOGIN,	0, 0, "AUTH=PLAIN",			SASL_PLAIN,		WAY_LOGIN },
	{ BACKEND_METHOD_PLAIN,	0, 0, "",				SASL_LOGIN,		WAY_PLAIN },

	/* a master needs two names */
	{ BACKEND_METHOD_AUTO,	1, 1, "",				SASL_LOGIN,		WAY_PLAIN },
	{ BACKEND_METHOD_AUTO,	1, 0, "",				SASL_LOGIN,		WAY_LOGIN },

	/* tokens and SCRAM: as they came, or not at all */
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=XOAUTH2",			SASL_XOAUTH2,		WAY_PASS },
	{ BACKEND_METHOD_LOGIN,	0, 0, "AUTH=XOAUTH2",			SASL_XOAUTH2,		WAY_PASS },
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=OAUTHBEARER",		SASL_XOAUTH2,		WAY_CANNOT },
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=XOAUTH2 AUTH=PLAIN",	SASL_OAUTHBEARER,	WAY_CANNOT },
	{ BACKEND_METHOD_AUTO,	1, 1, "AUTH=XOAUTH2",			SASL_XOAUTH2,		WAY_CANNOT },
	{ BACKEND_METHOD_AUTO,	1, 0, "AUTH=XOAUTH2",			SASL_XOAUTH2,		WAY_PASS },
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=SCRAM-SHA-1",		SASL_SCRAM_SHA_1,	WAY_PASS },
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=SCRAM-SHA-1",		SASL_SCRAM_SHA_256,	WAY_CANNOT },
	{ BACKEND_METHOD_AUTO,	1, 1, "AUTH=SCRAM-SHA-1",		SASL_SCRAM_SHA_1,	WAY_CANNOT },

	/* a certificate stays here */
	{ BACKEND_METHOD_AUTO,	0, 0, "AUTH=EXTERNAL AUTH=PLAIN",	SASL_EXTERNAL,		WAY_CANNOT },
	{ BACKEND_METHOD_AUTO,	1, 0, "",				SASL_EXTERNAL,		WAY_PLAIN },
	{ BACKEND_METHOD_LOGIN,	1, 0, "",				SASL_EXTERNAL,		WAY_PLAIN },
	{ BACKEND_METHOD_AUTO,	1, 1, "AUTH=EXTERNAL",			SASL_EXTERNAL,		WAY_PLAIN },
};

static void the_way_follows_from_mechanism_capabilities_and_settings(void **s)
{
	(void)s;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct backend b = {
			.method = r->method, .master_user = r->has_master ? master : NULL,
			.auth = r->master_for_all ? BACKEND_AUTH_MASTER : BACKEND_AUTH_FORWARD,
		};
		struct imap_caps caps;

		imap_caps_parse(&caps, span_of(r->lists));
		if (login_way_pick(r->used, &caps, &b) != r->way)
			fail_msg("row %zu: %s at one that lists \"%s\"", i, sasl_name(r->used), r->lists);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_way_follows_from_mechanism_capabilities_and_settings),
	};
	return cmocka_run_group_tests_name("backend_login", tests, NULL, NULL);
}
