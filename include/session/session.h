/*
 * session.h - one client connection and, after login, its one backend connection.
 *
 *	      client half                                        backend half
 *	   conn, waiting bytes  <-------- other -------->     conn, waiting bytes
 *
 * For whoever owns sessions (the worker, t/play): open them, end them. Everything else is inside (session/session_private.h).
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "net/addr.h"
#include "session/reasons.h"

struct conn;
struct net_loop;
struct session;
struct session_env;
struct session_listener;

/* Starts a session on an accepted descriptor. The env keeps it on its list until it is gone. */
struct session *session_open(struct session_env *env, const struct session_listener *listener, int fd, const struct addr *peer);

/* The same in two steps, for who brings a conn of another kind: session_new, set up *session_client_conn(s), session_start. */
struct session *session_new(struct session_env *env, const struct session_listener *listener, const struct addr *peer);
struct conn *session_client_conn(struct session *s);
void session_client_event(struct conn *c, unsigned events);	/* the conn's on_event */
void session_start(struct session *s);

/* Ends it with a reason: its reply (if it has one), its log line, its counter. Twice is fine. Memory goes at the end of the turn. */
void session_close(struct session *s, enum session_reason why);

/* Once env's own fields are filled in. */
void session_env_init(struct session_env *env);

/* Before env goes: no session is left, and what is not yet said about refused ones is said. */
void session_env_fini(struct session_env *env);

/* Drains: env->draining is set, new logins are refused. Sessions end with BYE: those that are not logged in now, the others
 * each at its next safe point. */
void session_drain_all(struct session_env *env);

/* Ends every session with this reason. */
void session_close_all(struct session_env *env, enum session_reason why);

#endif
