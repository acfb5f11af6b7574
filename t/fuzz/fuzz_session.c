/*
 * fuzz_session.c - a whole session between a hostile client and a hostile backend, on the stage of t/play: no rule of net/conn.h is broken,
 * nothing spins, and at the end no session, buffer, timer or byte of memory is left.
 *
 * The input is lines; the first letter of each says what happens, the rest is text for it:
 *
 *	c b	the client, the backend sends the text with CRLF; "\" makes the byte after it CR, LF or NUL if it is r, n or 0
 *	C B	the same without CRLF
 *	a r	the backend's connection is made, is refused
 *	s S	the client's, the backend's handshake is done
 *	f F	it fails
 *	e E	the client, the backend ends its half
 *	x X	it resets the connection
 *	t T	it takes as many more bytes as the text is long
 *	p P	it splices no more if the text begins with "n", wrongly if with "w", else again: as all do at first
 *	n	another client; the text is the user that its certificate names
 *	w W	1 second, 30 seconds pass
 *	d	the server is drained
 *	l	another listener from now on: "i" implicit TLS, "s" STARTTLS, anything else cleartext logins
 */
#include "../play/stage.h"
#include "base/log.h"
#include "base/mem.h"
#include "fuzz.h"
#include "wire/imap_caps.h"

#define STEPS_MAX 256
#define CLIENTS_MAX 16		/* a stage keeps so many log lines and no more */

static const char *const settings[][2] = {
	{ "plain", "10.0.0.1" }, { "by-starttls", "10.0.0.2" }, { "by-tls", "10.0.0.3" }, { "master", "10.0.0.4" },
};

static void add_user(struct stage *st, const char *name, const char *backend, const char *login_as)
{
	struct stage_user *u = stage_user(st, name);

	MUST(u != NULL);
	u->backend = mem_strdup(backend);
	u->login_as = login_as ? mem_strdup(login_as) : NULL;
}

static struct stage *set_up(void)
{
	struct stage *st = stage_new(SIZE_MAX);
	char err[128];

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		struct backend *b = cluster_add_backend(st->cluster, settings[i][0]);

		MUST(endpoint_parse(&b->endpoint, settings[i][1], 143, err, sizeof(err)));
		b->tls = i == 1 ? TLS_STARTTLS : i == 2 ? TLS_IMPLICIT : TLS_NONE;
		b->master_user = i >= 2 ? mem_strdup("proxy") : NULL;
		b->master_password = i >= 2 ? mem_strdup("m4ster") : NULL;
		b->auth = i == 3 ? BACKEND_AUTH_MASTER : BACKEND_AUTH_FORWARD;
		b->caps = BACKEND_CAPS_KNOWN | IMAP_CAP_AUTH_SCRAM_SHA_1;
		add_user(st, settings[i][0], settings[i][0], NULL);
	}
	add_user(st, "renamed", "plain", "another");
	st->env.names.master_separator = '*';
	st->unscripted = true;
	st->splices = true;
	st->listener.cleartext_login = true;
	return st;
}

/* What a play would have to speak of. */
static void forget_what_happened(struct stage *st)
{
	st->dialled = NULL;
	while (st->nlog > 0)
		mem_free(&st->log[--st->nlog]);
}

static void says(struct fake *f, struct span text, bool line)
{
	char *p = fuzz_room(text.n + 2);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		bool escaped = text.p[i] == '\\' && i + 1 < text.n;
		char c = text.p[escaped ? ++i : i];

		p[n++] = !escaped ? c : c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
	}
	if (line) {
		p[n++] = '\r';
		p[n++] = '\n';
	}
	fake_send(f, p, n);
	free(p);
}

static void new_client(struct stage *st, struct span cert)
{
	char *clean;

	if (st->opened == CLIENTS_MAX)
		return;
	clean = fuzz_copy(cert);
	for (size_t i = 0; i < cert.n; i++)
		clean[i] = clean[i] ? clean[i] : ' ';
	stage_open_client(st, span_of(""), span_mem(clean, cert.n < 64 ? cert.n : 64));
	free(clean);
}

static void set_listener(struct stage *st, struct span text)
{
	char c = text.n > 0 ? text.p[0] : ' ';

	st->listener.tls = c == 'i' ? TLS_IMPLICIT : c == 's' ? TLS_STARTTLS : TLS_NONE;
	st->listener.cleartext_login = st->listener.tls == TLS_NONE;
}

/* What happens to one side; op is the client's letter. */
static void happens_to(struct fake *f, char op, struct span text)
{
	if (!f || !f->conn)
		return;
	if (op == 'c' || op == 'C')
		says(f, text, op == 'c');
	else if (op == 's' && f->securing)
		fake_secured(f);
	else if (op == 'f' && f->securing)
		fake_fails(f, span_of("no handshake"));
	else if (op == 'e')
		f->in_end = true;
	else if (op == 'x' && !f->dialling && !f->securing)
		f->reset = true;
	else if (op == 't')
		fake_takes(f, text.n);
	else if (op == 'p')
		f->splices = span_starts_nocase(text, "n") ? SPLICES_NOT : span_starts_nocase(text, "w") ? SPLICES_WRONGLY : SPLICES;
}

static void dialled(struct fake *f, bool good)
{
	if (!f || !f->conn || !f->dialling)
		return;
	if (good)
		f->tell = CONN_CONNECTED;
	else
		fake_fails(f, span_of("connection refused"));
}

static void step(struct stage *st, char op, struct span text)
{
	switch (op) {
	case 'c': case 'C': case 's': case 'f': case 'e': case 'x': case 't': case 'p':
		happens_to(st->client, op, text);
		break;
	case 'S': case 'F': case 'E': case 'X': case 'T': case 'P':
		happens_to(st->backend, (char)(op - 'A' + 'a'), text);
		break;
	case 'b': case 'B':
		happens_to(st->backend, (char)(op + 1), text);
		break;
	case 'a': case 'r':
		dialled(st->backend, op == 'a');
		break;
	case 'n':
		new_client(st, text);
		break;
	case 'w': case 'W':
		stage_wait(st, op == 'w' ? 1 : 30);
		break;
	case 'd':
		session_drain_all(&st->env);
		break;
	case 'l':
		set_listener(st, text);
		break;
	}
	stage_settle(st);
	forget_what_happened(st);
}

static void run_lines(struct stage *st, struct span input)
{
	for (unsigned n = 0; input.n > 0 && n < STEPS_MAX && !st->failure[0]; n++) {
		const char *lf = memchr(input.p, '\n', input.n);
		size_t len = lf ? (size_t)(lf - input.p) : input.n;

		if (len > 0)
			step(st, input.p[0], span_mem(input.p + 1, len - 1));
		input.p += lf ? len + 1 : len;
		input.n -= lf ? len + 1 : len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_mem(data, size);
	char *exact = fuzz_copy(input);
	struct stage *st = set_up();

	input.p = exact;
	new_client(st, span_of("renamed"));
	stage_settle(st);
	run_lines(st, input);
	session_close_all(&st->env, SESSION_STOPPED);
	stage_settle(st);
	if (!st->failure[0])
		stage_check_empty(st);
	if (st->failure[0])
		fprintf(stderr, "%s\n", st->failure);
	MUST(st->failure[0] == '\0');
	stage_free(&st);
	free(exact);
	return 0;
}
