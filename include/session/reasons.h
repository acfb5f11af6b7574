/*
 * reasons.h - the closed list of why a session ends, and of why a login fails while the client stays.
 *
 * Each has one log sentence, one reply (or none) and one counter. t/play/README's table says which play reaches which.
 */
#ifndef SESSION_REASONS_H
#define SESSION_REASONS_H

#include <stdbool.h>

enum session_reason {
	SESSION_ALIVE,			/* not ended */

	/* the client's doing, or that of a proxy before it */
	SESSION_CLIENT_GONE,		/* closed or reset the connection */
	SESSION_CLIENT_LOGOUT,		/* LOGOUT before login */
	SESSION_CLIENT_TLS_FAILED,	/* handshake */
	SESSION_CLIENT_TLS_BROKEN,	/* its TLS stream could not be followed any more */
	SESSION_CLIENT_INJECTED,	/* bytes behind STARTTLS in clear */
	SESSION_CLIENT_LITERAL,		/* a literal too large to go on */
	SESSION_CLIENT_LINE,		/* a line too long to go on */
	SESSION_CLIENT_BROKEN,		/* a stream that cannot be followed */
	SESSION_CLIENT_COMMANDS,	/* too many bad commands */
	SESSION_CLIENT_CHATTER,		/* too many commands without a login */
	SESSION_CLIENT_LOGINS,		/* too many failed logins */
	SESSION_CLIENT_SLOW_TLS,	/* handshake timed out */
	SESSION_CLIENT_SLOW_LOGIN,	/* did not log in in time */
	SESSION_PROXY_STRANGER,		/* not in trusted-proxies, where only those may come */
	SESSION_PROXY_BAD,		/* it sent no valid PROXY header */
	SESSION_PROXY_SLOW,		/* or did not come in time */

	/* too many: the first three are refused at the door, see session_is_refused */
	SESSION_TOO_FAST,		/* too many new connections a second from its address */
	SESSION_ADDRESS_FULL,		/* too many that are not logged in from its address */
	SESSION_NETWORK_FULL,		/* ... from its IPv6 /64 */
	SESSION_CROWDED_OUT,		/* the oldest not logged in, when there were too many in all */

	/* the backend's, after login */
	SESSION_BACKEND_GONE,		/* ended the session (after a LOGOUT this is how all is well) */
	SESSION_BACKEND_RESET,		/* connection lost with an error */
	SESSION_UNAUTHENTICATED,	/* the client asked to become another user, or what it sent could hide that */
	SESSION_HALF_OPEN,		/* one side has ended, the other did not follow */

	/* whoever's, after login */
	SESSION_IDLE_TIMEOUT,		/* neither side said anything */
	SESSION_COMMAND_TIMEOUT,	/* a command was not answered */
	SESSION_CLIENT_SLOW_LITERAL,	/* it owed bytes of a literal */
	SESSION_CLIENT_STALLED,		/* it took nothing of what waited for it */

	/* ours */
	SESSION_DRAINED,		/* the server stops: not logged in, at a safe point, or time is up */
	SESSION_STOPPED,		/* at once, by a second SIGTERM */
	SESSION_NREASONS,
};

struct session_reason_text {
	const char *name;	/* the counter's */
	const char *log;	/* why="..." */
	const char *reply;	/* without CRLF; NULL: none. Said only before login, or where the tracker knows it is safe */
};

/* Never was a session: no session-end line, no polite end. */
static inline bool session_is_refused(enum session_reason why)
{
	return why == SESSION_PROXY_STRANGER || (why >= SESSION_TOO_FAST && why <= SESSION_NETWORK_FULL);
}

extern const struct session_reason_text session_reasons[SESSION_NREASONS];

/* Why a login fails while the client stays connected and may try again. */
enum login_reason {
	LOGIN_OK,
	LOGIN_BAD_PASSWORD,		/* the backend said so */
	LOGIN_REFUSED,			/* the backend said NO with a code of its own: passed on */
	LOGIN_NO_TLS,			/* PRIVACYREQUIRED */
	LOGIN_BAD_NAME,			/* not a user name */
	LOGIN_BAD_BASE64,
	LOGIN_BAD_SASL,
	LOGIN_NOT_AS,			/* the certificate's user may not act as the one asked for */
	LOGIN_ABORTED,			/* "*" */
	LOGIN_MECHANISM,		/* no such mechanism */
	LOGIN_USER_FULL,		/* the user has too many sessions */
	LOGIN_USER_ADDRESS_FULL,	/* ... from this address */
	LOGIN_CANNOT,			/* the backend has no way to take this login */
	LOGIN_ACCOUNT_CLOSED,		/* record says closed */
	LOGIN_DIRECTORY_DOWN,
	LOGIN_MISCONFIGURED,		/* record names what the settings do not know */
	LOGIN_BACKEND_DOWN,		/* cannot connect */
	LOGIN_BACKEND_SLOW,		/* no answer in time */
	LOGIN_BACKEND_BROKEN,		/* nonsense, PREAUTH, BYE, or closed in mid login */
	LOGIN_BACKEND_UNAVAILABLE,	/* the backend said NO [UNAVAILABLE] until time was up */
	LOGIN_BACKEND_TLS,		/* no STARTTLS, bad certificate, handshake */
	LOGIN_BACKEND_LOGINDISABLED,	/* and no TLS there: no credential was sent */
	LOGIN_BACKEND_SERVERBUG,	/* the backend said SERVERBUG */
	LOGIN_LOOP,			/* through too many proxies: some send it round in a circle */
	LOGIN_BACKEND_REFERRAL,		/* the backend referred the user to where we do not go */
	LOGIN_DRAINING,			/* the server is about to stop */
	LOGIN_NREASONS,
};

/* Whose fault it is. The client's are counted (FAILED_LOGINS_MAX) and answered late; the log's level follows from it. */
enum login_fault {
	FAULT_CLIENT,		/* info */
	FAULT_NOBODY,		/* info: as an operator or a backend wants it */
	FAULT_OUTAGE,		/* warn */
	FAULT_SETTINGS,		/* error: trying again will not mend it */
};

struct login_reason_text {
	enum login_fault fault;
	const char *name;
	const char *log;
	const char *reply;	/* behind the tag and a space: "NO [UNAVAILABLE] ..." */
};

extern const struct login_reason_text login_reasons[LOGIN_NREASONS];

#endif
