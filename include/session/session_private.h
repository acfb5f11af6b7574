/*
 * session_private.h - a session from inside, for the files of this layer.
 *
 *	(PROXY) -> TLS <-> COMMAND -> ROUTE -> CONNECT -> LOGIN -> RELAY -> GONE
 *	                      ^-- PENALTY <--'--------'---------'  (a login that fails: NO after a while, and the client may try again)
 *
 * session.c	the table of steps, the loop that runs it, the one function that ends a session
 * admission.c	who may come in, and log in; who must make room
 * client_dialogue.c	what the client says before login, and what it is told
 * client_id.c	what it says about itself, or about who is behind it
 * proxied.c	the PROXY header: the one that comes, and the one that goes to the backend
 * client_sasl.c	its logins: names, mechanisms, answers
 * backend_dialogue.c	what is said to the backend until it has let the user in
 * backend_login.c	how the login itself is put there
 * drain.c	their end, when the server stops
 * half.c	what one side has not taken yet
 * relay.c	the bytes afterwards
 * relay_watch.c	what must not last for ever there
 * splice.c	the bytes of large literals, inside the kernel
 * tracker.c	what they mean
 * login.c	what only login needs: buffers with bounds, credentials; wiped and freed when relaying starts
 *
 * A client's states and a backend's are two enums, never one.
 */
#ifndef SESSION_SESSION_PRIVATE_H
#define SESSION_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/reap.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/timers.h"
#include "route/limits.h"
#include "route/route.h"
#include "session/env.h"
#include "session/reasons.h"
#include "session/session.h"
#include "session/tracker.h"
#include "wire/imap_caps.h"
#include "wire/imap_command.h"
#include "wire/imap_frame.h"
#include "wire/sasl.h"

#define COMMAND_MAX (8 * 1024)		/* a whole command with its literals */
#define SASL_LINE_MAX (16 * 1024)	/* base64 of AUTHENTICATE: an answer, or an initial response */
#define PIPELINED_MAX (8 * 1024)	/* read from a client while its login is under way */
#define INPUT_MAX (SASL_LINE_MAX + IMAP_TAG_MAX + 64)	/* the longest AUTHENTICATE line: what the client's buffer may grow to */
#define BACKEND_LINE_MAX (8 * 1024)	/* of a backend, before it has let the user in */
#define INPUT_START 512			/* what both buffers start with */
#define BAD_COMMANDS_MAX 3
#define FAILED_LOGINS_MAX 5		/* the client's own fault */
#define LOGIN_ATTEMPTS_MAX 20		/* that failed, whoever's fault it was */
#define COMMANDS_MAX 100		/* before a login, good ones */
#define UNAVAILABLE_TRIES 3		/* logins again after NO [UNAVAILABLE] ... */
#define UNAVAILABLE_PAUSE 1.0		/* ... with this many seconds between them */
#define PROXY_TTL_MAX 7			/* Dovecot's: what a session starts with; each proxy takes one away */
#define CLIENT_TEXT_MAX 64		/* of each of a client's name and version that are kept */
#define CHALLENGES_MAX 8		/* of a backend, in one login */
#define REFERRALS_MAX 2			/* followed, in one login */
#define HELD_MAX (64 * 1024)		/* of a client, behind a literal that the backend has not invited yet; one read may go beyond */
#define SLOW_READ (64 * 1024)		/* so much is read at a time for a side that is slow: it is what will wait for it */
#define HALF_OPEN_SECONDS 60.0		/* one side has ended, the other neither ends nor moves */
#define STALLED_SECONDS (31 * 60.0)	/* a client takes nothing of what waits for it */
#define LIFT_SECONDS 60.0		/* the same, and TCP shall not take it for dead: conn_lift_user_timeout */

enum session_step {
	STEP_PROXY, STEP_TLS, STEP_COMMAND, STEP_ROUTE, STEP_CONNECT, STEP_LOGIN, STEP_PENALTY, STEP_RELAY, STEP_GONE, STEP_N
};

/* One side of a session; both are the same. */
struct half {
	struct conn conn;
	struct half *other;
	struct session *session;
	struct buf *waiting;	/* for this side: what it did not take at once; the other is not read meanwhile */
	struct pipe *pipe;	/* the same inside the kernel, behind what waits; NULL: none */
	uint64_t bytes;		/* read from this side while relaying */
	bool ended;		/* this side has ended its half */
	bool finished;		/* and we ours towards it */
	bool slow;		/* it did not take at once what was read last */
	bool spliced;		/* bytes of this side have gone through a pipe */
};

/* Something that came from the other side has not gone to this one yet. */
static inline bool half_is_behind(const struct half *h)
{
	return h->waiting || h->pipe;
}

/* For the log. Texts are NULL where they were not given. */
struct proxied {
	struct addr from;	/* whom we accepted */
	bool tls;		/* the client has TLS with it */
	char *sni, *alpn, *unique_id, *tls_version, *tls_cipher;
};

struct session {
	struct half client, backend;
	struct session_env *env;
	const struct session_listener *listener;
	struct session *next, *prev;
	struct timer deadline;	/* of the phase; while relaying relay_watch.c's */
	struct reap_item reap;
	struct login *login;	/* NULL from relaying on */
	struct relay *relay;	/* NULL until then */
	struct backend *to;	/* where the user goes; NULL: not known yet */
	const char *routed_by;
	const char *mechanism;	/* of the login under way or done: "LOGIN", "PLAIN" */
	char *user;		/* canonical; NULL before the first login */
	char *auth;		/* the authentication identity, where it differs */
	char *client_name, *client_version;	/* as it said in ID, cut; for the log */
	uint64_t id;
	double began;
	struct addr peer;	/* the client, as far as we know: whom we accepted, or whom a trusted ID names */
	struct addr via;	/* who gave us the client in its ID; AF_UNSPEC: nobody */
	struct proxied *proxied;	/* what a PROXY header said besides the addresses; NULL: there was none */
	char *given_id;		/* the session's name, if a trusted proxy gave it one; NULL: ours */
	uint8_t ttl;		/* how many more proxies this session may go through, ourselves included */
	bool id_taken;		/* the first ID has been; later ones tell nothing */
	uint8_t step;		/* enum session_step */
	uint8_t why;		/* enum session_reason */
	uint8_t counted;	/* enum limits_login: as what it is counted from login on */
	bool secure;		/* the client's side has TLS */
};

/* ---- login.c ---- */

/* Bytes that grow up to a bound and are wiped when they go. */
struct input {
	char *p;
	size_t len, cap, max;
};

bool input_has_room(struct input *in);			/* makes some, if the bound allows */
void input_consume(struct input *in, size_t n);		/* the first n bytes are done with */
void input_free(struct input *in);

/* In order of passage. */
enum backend_state {
	BACKEND_IDLE,		/* no connection, or not yet connected */
	BACKEND_ANNOUNCE,	/* the PROXY header goes out */
	BACKEND_TLS,		/* implicit TLS: handshake */
	BACKEND_GREETING,
	BACKEND_STARTTLS,	/* S STARTTLS is out */
	BACKEND_SECURING,	/* its handshake */
	BACKEND_CAPABILITY,	/* C CAPABILITY is out */
	BACKEND_ID,		/* I ID is out alone: no pipelining */
	BACKEND_LOGIN,		/* L is out, its pieces go one by one as the backend asks */
	BACKEND_LATE_ID,	/* logged in; I ID is still unanswered */
	BACKEND_AFTER,		/* logged in; A CAPABILITY is out */
};

/* What the next line of the client is, if it is no command. */
enum sasl_state {
	SASL_STATE_NONE,
	SASL_STATE_FIRST,	/* the mechanism's first message: it gave no initial response */
	SASL_STATE_PASSWORD,	/* LOGIN's second */
	SASL_STATE_RELAYED,	/* its answer to the backend's challenge: STEP_LOGIN goes on meanwhile */
};

/* How a login is put at the backend. */
enum login_way {
	WAY_CANNOT,
	WAY_LOGIN,		/* the command */
	WAY_PLAIN,
	WAY_SASL_LOGIN,
	WAY_PASS,		/* the client's own message, by its own mechanism */
};

/* The login's own bytes towards the backend; a piece goes out at once, each further one when the backend says "+". */
#define LOGIN_PIECES_MAX 3

struct login {
	struct session *session;

	/* admission */
	struct login *older, *newer;
	struct limits_ticket ticket;
	bool admitted;			/* on the list of those that are not logged in */

	struct addr local;		/* where the client connected to, if somebody said; AF_UNSPEC: ask the conn */

	/* what ID has changed, to be put back if it was said before STARTTLS */
	struct addr peer_before_id, local_before_id;

	/* client */
	struct input in;
	struct imap_frame frame;
	size_t scanned;			/* bytes of in that the frame has seen: the command under way */
	bool greeted;
	enum sasl_state sasl_state;
	enum sasl_mechanism sasl;	/* of the attempt; SASL_LOGIN also for the command LOGIN */
	unsigned commands, bad_commands, attempts, failed_logins;
	size_t tag_len;
	char tag[IMAP_TAG_MAX];
	char *failure;			/* what it will be told when its penalty is over */
	size_t failure_len;

	/* credentials of the attempt under way; spans into secret */
	char *secret;
	size_t secret_len;
	struct sasl_identity who;
	bool domain_added;		/* s->user is not as the client said it */

	/* route */
	struct route_query query;
	char *login_as;			/* the name at the backend, maybe with a master behind it; NULL: as the client says */

	/* backend */
	enum backend_state state;
	bool id_out;			/* I ID is out and unanswered */
	enum login_way way;
	unsigned unavailable;		/* times it said so */
	unsigned challenges, referrals;	/* passed on; followed */
	struct timer retry;
	struct input back;
	struct imap_frame back_frame;
	size_t back_scanned;
	struct imap_caps caps;		/* of the TLS layer now in use, before login */
	char *pieces;			/* wiped like secret */
	size_t pieces_len, piece_end[LOGIN_PIECES_MAX];
	unsigned npieces, piece;	/* how many; which goes next */
	char *caps_after;		/* the list after login, filtered; NULL: not heard yet */
	bool lists_unauthenticate;	/* it was in there */
	char *ok_text;			/* what its tagged OK said behind the code */
};

struct login *login_new(void);
void login_free(struct login **l);	/* wipes */

/* Copies the three into secret; what they pointed at, which may be there, may go. */
void login_keep(struct login *l, const struct sasl_identity *who);
void login_forget(struct login *l);	/* wipes the credentials and their copies in pieces; the client's input stays */

void login_keep_failure(struct login *l, struct span reply);
void login_forget_failure(struct login *l);

/* ---- admission.c ---- */
bool admission_ask(struct session *s);			/* false: it is closed */
void admission_leave(struct session *s);		/* it is logged in, or ends; twice is fine */
enum login_reason admission_log_in(struct session *s);	/* LOGIN_OK: it is counted until admission_log_out */
void admission_log_out(struct session *s);		/* not counted: fine */
void admission_refused(struct session *s);		/* counts it for the next line about refusals */

void admission_fini(struct session_env *env);

/* ---- session.c ---- */
void session_admit(struct session *s);	/* who the client is, is known: lets it in, or closes */
void session_go(struct session *s, enum session_step step);
void session_settle(struct session *s);	/* ends every event: goes on with what waits, sets what is wanted of the conns */
const char *session_doing(const struct session *s);
/* The reason to close with after a read or write on the client's conn has failed with errnum: did its connection break, or TLS? */
enum session_reason session_client_lost(int errnum);

void session_client_is(struct session *s, const struct addr *client);	/* another than who connected: somebody trusted says so */
bool session_local_addr(struct session *s, struct addr *a);	/* ... as far as we know; before relaying */

/* Ends the attempt: log line, NO to the client, backend closed. backend_says: passed on instead of the reason's own reply (n = 0: none);
 * detail: a phrase for the log, may be NULL. Returns the step to go to. */
enum session_step session_login_failed(struct session *s, enum login_reason why, struct span backend_says, const char *detail);

/* ---- half.c ---- */

/* Writes to one side; what it does not take waits. false: more than BUF_MAX would wait, or the conn is broken. */
bool half_write(struct half *h, const void *p, size_t n);
bool half_flush(struct half *h);	/* what waits, then what is in the pipe. false: the conn is broken */
bool half_drain(struct half *h);	/* the pipe, where nothing waits before it. false: the conn is broken */
bool half_unpipe(struct half *h);	/* from the pipe to what waits. false: more than BUF_MAX */
bool session_keep(struct session *s, struct buf **at, const char *p, size_t n);	/* behind what is there; false: more than BUF_MAX */

/* ---- client_dialogue.c ---- */
void client_greet(struct session *s);
void client_dialogue_read(struct session *s);
void client_dialogue_run(struct session *s);	/* takes the commands that are there, one by one */
void client_login_answer(struct session *s, struct span reply);	/* tag, space, reply, CRLF */
void client_say(struct session *s, const char *line);		/* a whole line of ours, without CRLF */
void client_next_command(struct login *l);	/* the first l->scanned bytes are done with */

/* ---- client_sasl.c ---- */
bool client_login_is_allowed(const struct session *s);	/* here, as far as TLS goes */
bool client_mechanism_is_offered(struct session *s, enum sasl_mechanism m);
void client_login(struct session *s, const struct imap_command *cmd);
void client_authenticate(struct session *s, const struct imap_command *cmd);
void client_refuse_login(struct session *s, struct span tag);	/* no TLS; before its literals were invited */
bool client_owes_answer(const struct session *s);	/* to the backend's challenge */
void client_challenge(struct session *s, struct span base64);
bool client_sasl_line(struct session *s);	/* takes the line that is no command; false: more bytes are needed first */

/* ---- client_id.c ---- */
void client_id_forget(struct session *s);	/* what was said in clear does not count under TLS */
bool client_id_take(struct session *s, struct span pairs);	/* pairs: imap_command's id; decoded in place. true: it is trusted */

/* ---- proxied.c ---- */
enum session_step proxied_start(struct session *s);
void proxied_read(struct session *s);
bool proxied_announce(struct session *s);	/* writes the header for s->to; false: the connection is lost */
void proxied_free(struct proxied **p);

/* ---- backend_dialogue.c ---- */
enum session_step backend_dialogue_start(struct session *s);
void backend_dialogue_event(struct session *s, unsigned events);
void backend_dialogue_stop(struct session *s);	/* closes the connection, forgets what it said */

void backend_answer(struct session *s, struct span line);	/* the client's, to a challenge; line: with its end */

/* ---- backend_login.c ---- */
enum login_way login_way_pick(enum sasl_mechanism used, const struct imap_caps *caps, const struct backend *b);
void backend_login_as(struct session *s, const char *login_as);	/* what the record says; "": nothing */
bool backend_login_write(struct session *s, const char **why);	/* the pieces; false: the way cannot carry it */
struct span backend_login_next(struct login *l);		/* piece */

/* ---- relay.c ---- */

/* What only relaying needs. */
struct relay {
	struct tracker tracker;
	struct session *session;
	struct buf *held;	/* the client's bytes behind a literal that the backend has not invited yet */
	uint64_t commands;	/* of the tracker's, those that the backend counts */
	bool idle, opaque;	/* and it counts us as such */

	/* For relay_watch, in relay_now's milliseconds. */
	struct moved {
		uint32_t said;	/* when it last said something */
		uint32_t took;	/* ... and took something of what waits for it, or something began to wait */
	} client, backend;
	uint32_t hold_changed;	/* when the tracker last began to hold, or ceased to */
};

enum session_step relay_start(struct session *s);
void relay_event(struct half *h, unsigned events);
void relay_settle(struct session *s);	/* ends every event: counts, watches, sets what is wanted of both conns; may end the session */
void relay_give_up(struct session *s);	/* no answer comes to a synchronising literal */
bool relay_is_safe(const struct session *s);	/* nothing would be torn: a safe point, and all is said */
bool relay_may_speak(const struct session *s);	/* a line of ours to the client would be one */
void relay_end(struct session *s);	/* the session ends: nobody counts it any more */
void relay_free(struct session *s);	/* none: fine */

static inline uint32_t relay_now(const struct session *s)
{
	return (uint32_t)(uint64_t)(s->env->loop->timers.now * 1000);
}

/* ---- relay_watch.c ---- */
void relay_watch(struct session *s);	/* at the end of an event */

/* ---- splice.c ---- */
enum spliced {
	SPLICED_ALL,		/* that is there now, or that one turn may move */
	SPLICED_TILL_HERE,	/* reading is the way to go on */
	SPLICED_TO_NOBODY,	/* the other side takes nothing any more */
};

/* From a side whose other is not behind. *moved: bytes. */
enum spliced half_splice(struct half *from, size_t *moved);

/* ---- session_log.c ---- */
void session_log_slow(const struct session *s, enum imap_line_verb verb, uint32_t ms);
void session_log_refused(const struct session_env *env, enum session_reason why);
void session_log_end(struct session *s, const char *detail);
void session_log_login(const struct session *s);
void session_log_login_failed(struct session *s, enum login_reason why, const char *detail);
void session_log_backend_id(struct session *s);
const char *session_id_text(const struct session *s, char *text);	/* SESSION_ID_MAX bytes; returns text */
#define SESSION_ID_MAX 65	/* Dovecot's bound of x-session-id, and a NUL */

#endif
