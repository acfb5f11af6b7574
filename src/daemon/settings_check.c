/*
 * settings_check.c - rules across settings: what is missing, what contradicts what, what would have no effect, what would not be safe.
 */
#include "daemon/settings_private.h"

#include <stdio.h>
#include <string.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "wire/imap_caps.h"

/* ---- listeners ---- */

static void check_kind(struct draft *d, struct draft_addresses *a, size_t i)
{
	if (!a->good[i] || a->endpoints[i].kind != ENDPOINT_HOST)
		return;
	draft_fault_at(d, a->at[i], "a host name; a listener needs an IP address, as in \"10.0.0.1:993\", or \"*:993\" or \"unix:/path\"");
	a->good[i] = false;
}

/* 0.0.0.0, :: or, of both families, "*". */
static bool is_every(const struct endpoint *e)
{
	static const unsigned char zeros[16];

	return e->kind == ENDPOINT_ANY || memcmp(e->addr.ip, zeros, sizeof(zeros)) == 0;
}

/* IPv6 sockets are v6only, so the families keep out of each other's way. */
static bool same_ip(const struct endpoint *a, const struct endpoint *b)
{
	if (a->kind != ENDPOINT_ANY && b->kind != ENDPOINT_ANY && a->addr.family != b->addr.family)
		return false;
	if (is_every(a) || is_every(b))
		return true;
	return a->addr.scope == b->addr.scope && memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip)) == 0;
}

static bool collide(const struct endpoint *a, const struct endpoint *b)
{
	if (a->kind == ENDPOINT_UNIX || b->kind == ENDPOINT_UNIX)
		return a->kind == b->kind && strcmp(a->path, b->path) == 0;
	return a->addr.port != 0 && a->addr.port == b->addr.port && same_ip(a, b);
}

/* Whether a listener before this one, or an address before this one in the same listener, is the same. */
static const struct draft_listener *earlier(const struct draft *d, size_t listener, size_t address)
{
	const struct endpoint *e = &draft_listener(d, listener)->addresses.endpoints[address];

	for (size_t i = 0; i <= listener; i++) {
		const struct draft_listener *l = draft_listener(d, i);
		size_t n = i == listener ? address : l->addresses.n;

		for (size_t k = 0; k < n; k++)
			if (l->addresses.good[k] && collide(&l->addresses.endpoints[k], e))
				return l;
	}
	return NULL;
}

static void check_addresses(struct draft *d, size_t listener)
{
	struct draft_listener *l = draft_listener(d, listener);
	struct draft_addresses *a = &l->addresses;

	if (l->section.at && !draft_has(&l->section, "address"))
		draft_fault_at(d, l->section.at, "address is missing; as in address = \"*:993\"");
	for (size_t i = 0; i < a->n; i++) {
		const struct draft_listener *other;

		check_kind(d, a, i);
		other = a->good[i] ? earlier(d, listener, i) : NULL;
		if (!other)
			continue;
		draft_fault_at(d, a->at[i], "listener.%.64s listens there already; give another address or port",
			       config_setting_name(other->section.at));
		a->good[i] = false;
	}
}

static const char *tls_word(enum tls_mode mode)
{
	return mode == TLS_STARTTLS ? "starttls" : "implicit";
}

static void check_proxy_protocol(struct draft *d, const struct draft_listener *l)
{
	if (l->proxy_protocol && !draft_has(&d->top.section, "trusted-proxies"))
		draft_fault_at(d, draft_where(d, &l->section, "proxy-protocol"),
			       "nobody may send a PROXY header; set trusted-proxies at the top, as in trusted-proxies = [ "
			       "\"10.0.0.0/8\" ]");
}

/* Who trusts proxies and listens to none has forgotten something, and clients would speak for themselves. */
static void check_trusted_proxies(struct draft *d)
{
	for (size_t i = 0; i < d->listeners.n; i++)
		if (draft_listener(d, i)->proxy_protocol)
			return;
	if (draft_has(&d->top.section, "trusted-proxies"))
		draft_fault_at(d, draft_where(d, NULL, "trusted-proxies"),
			       "has no effect without a listener that has proxy-protocol = true; set that, or leave this out");
}

static void check_listeners(struct draft *d)
{
	if (d->listeners.n == 0)
		draft_fault_at(d, draft_where(d, NULL, "listener"),
			       "there is no listener; at least one is needed, as in listener: { imaps: { address = \"*:993\"; } }");
	for (size_t i = 0; i < d->listeners.n; i++) {
		struct draft_listener *l = draft_listener(d, i);

		check_addresses(d, i);
		check_proxy_protocol(d, l);
		if (l->section.at && l->tls != TLS_NONE && !draft_has(&d->tls.section, "certificate"))
			draft_fault_at(d, draft_where(d, &l->section, "tls"),
				       "tls is \"%s\", which needs a certificate; set tls.certificate, or tls = \"none\" here",
				       tls_word(l->tls));
	}
}

/* ---- a backend that is ourselves: each login would come back ---- */

static bool is_here(const struct endpoint *e)
{
	return addr_is_loopback(&e->addr) || is_every(e);
}

static bool leads_to(const struct endpoint *backend, const struct endpoint *listener)
{
	if (backend->kind == ENDPOINT_UNIX || listener->kind == ENDPOINT_UNIX)
		return backend->kind == listener->kind && strcmp(backend->path, listener->path) == 0;
	if (backend->kind != ENDPOINT_IP || backend->addr.family == AF_UNSPEC || backend->addr.port == 0)
		return false;
	if (backend->addr.port != listener->addr.port)
		return false;
	if (listener->kind != ENDPOINT_ANY && listener->addr.family != backend->addr.family)
		return false;
	if (is_every(listener))
		return is_here(backend);
	return memcmp(backend->addr.ip, listener->addr.ip, sizeof(listener->addr.ip)) == 0;
}

/* NULL: none. */
static const struct draft_listener *listener_at(const struct draft *d, const struct endpoint *backend)
{
	for (size_t i = 0; i < d->listeners.n; i++) {
		const struct draft_listener *l = draft_listener(d, i);

		for (size_t k = 0; k < l->addresses.n; k++)
			if (l->addresses.good[k] && leads_to(backend, &l->addresses.endpoints[k]))
				return l;
	}
	return NULL;
}

static void check_loop(struct draft *d, const struct draft_backend *b)
{
	const struct draft_listener *l = listener_at(d, &b->endpoint);

	if (l)
		draft_fault_at(d, draft_where(d, &b->section, "address"),
			       "listener.%.64s listens there: each login would come back for ever; the address of an IMAP server "
			       "would be right",
			       config_setting_name(l->section.at));
}

/* ---- auth = "master": nobody asks clients for their own password ---- */

static bool others_reach(const struct draft_listener *l)
{
	for (size_t i = 0; i < l->addresses.n; i++) {
		const struct endpoint *e = &l->addresses.endpoints[i];

		if (e->kind == ENDPOINT_ANY || (e->kind == ENDPOINT_IP && !addr_is_loopback(&e->addr)))
			return true;
	}
	return false;
}

static const struct draft_backend *first_with_master(const struct draft *d)
{
	for (size_t i = 0; i < d->backends.n; i++)
		if (draft_backend(d, i)->auth == BACKEND_AUTH_MASTER)
			return draft_backend(d, i);
	return NULL;
}

static void check_unchecked_passwords(struct draft *d)
{
	const struct draft_backend *b = first_with_master(d);

	for (size_t i = 0; b && i < d->listeners.n; i++) {
		const struct draft_listener *l = draft_listener(d, i);

		if (!l->section.at || l->unchecked_passwords || !others_reach(l))
			continue;
		draft_fault_at(d, draft_where(d, &l->section, "address"),
			       "other hosts reach this, and backend.%.64s has auth = \"master\": nobody would check their passwords; "
			       "listen on loopback or unix:, or say unchecked-passwords = true if something before Sluice checks them",
			       config_setting_name(b->section.at));
	}
}

/* ---- backends ---- */

static void parse_address(struct draft *d, struct draft_backend *b)
{
	const config_setting_t *at = draft_where(d, &b->section, "address");
	char err[512];

	if (!draft_has(&b->section, "address"))
		draft_fault_at(d, b->section.at, "address is missing; as in address = \"10.0.0.1:143\"");
	if (!b->address)
		return;
	if (!endpoint_parse(&b->endpoint, b->address, b->tls == TLS_IMPLICIT ? IMAPS_PORT : IMAP_PORT, err, sizeof(err)))
		draft_fault_at(d, at, "%s", err);
	else if (b->endpoint.kind == ENDPOINT_ANY)
		draft_fault_at(d, at, "\"*\" is for listeners; a backend needs one host, as in \"10.0.0.1:143\"");
	else if (b->endpoint.kind != ENDPOINT_UNIX && b->endpoint.addr.port == 0)
		draft_fault_at(d, at, "port 0 is for listeners; a backend needs the port it listens on, 1 to 65535");
}

static void check_backend_tls(struct draft *d, const struct draft_backend *b)
{
	static const char *const names[] = { "tls-ca", "tls-name", "tls-certificate", "tls-key", "tls-min-version" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (b->tls == TLS_NONE && draft_has(&b->section, names[i]))
			draft_fault_at(d, draft_where(d, &b->section, names[i]),
				       "has no effect without TLS; set tls = \"starttls\" or \"implicit\", or leave it out");
	if (b->tls != TLS_NONE && b->tls_key && !b->tls_certificate)
		draft_fault_at(d, draft_where(d, &b->section, "tls-key"), "a key without a certificate; set tls-certificate too");
	if (b->tls != TLS_NONE && b->tls_verify && b->endpoint.kind == ENDPOINT_UNIX && !draft_has(&b->section, "tls-name"))
		draft_fault_at(d, draft_where(d, &b->section, "address"),
			       "a unix: address has no name to verify; set tls-name to the one in the certificate, or tls-verify = false");
}

/* With auth = "forward" the master is for EXTERNAL alone: a certificate has no password that could go on. */
static void check_master(struct draft *d, const struct draft_backend *b)
{
	static const char *const names[] = { "master-user", "master-password-file" };
	bool master = b->auth == BACKEND_AUTH_MASTER;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bool given = draft_has(&b->section, names[i]), other = draft_has(&b->section, names[!i]);

		if (master && !given)
			draft_fault_at(d, draft_where(d, &b->section, "auth"),
				       "auth = \"master\" needs %s; set it, or auth = \"forward\"", names[i]);
		if (!master && given && !other)
			draft_fault_at(d, draft_where(d, &b->section, names[i]),
				       "has no effect without %s; set both, or neither", names[!i]);
	}
	if (master && b->method == BACKEND_METHOD_LOGIN)
		draft_fault_at(d, draft_where(d, &b->section, "auth-method"),
			       "LOGIN has no room for two names, as auth = \"master\" needs; \"plain\" or \"auto\" would be right");
}

static void load_password(struct draft *d, const struct draft_section *section, const char *name, const char *path, char **password)
{
	char err[SETTINGS_FAULT_MAX];

	if (!path)
		return;
	*password = settings_secret_load(path, err, sizeof(err));
	if (!*password)
		draft_fault_at(d, draft_where(d, section, name), "%s", err);
}

static void check_backends(struct draft *d)
{
	if (d->backends.n == 0)
		draft_fault_at(d, draft_where(d, NULL, "backend"),
			       "there is no backend; at least one is needed, as in backend: { mb1: { address = \"10.0.0.1:143\"; } }");
	for (size_t i = 0; i < d->backends.n; i++) {
		struct draft_backend *b = draft_backend(d, i);

		if (!b->section.at)
			continue;	/* told: not a section at all */
		parse_address(d, b);
		check_loop(d, b);
		check_backend_tls(d, b);
		check_master(d, b);
		if (b->auth == BACKEND_AUTH_MASTER || draft_has(&b->section, "master-user"))
			load_password(d, &b->section, "master-password-file", b->master_password_file, &b->master_password);
	}
}

/* ---- groups ---- */

static bool group_is_used(const struct draft *d, const char *name)
{
	for (size_t i = 0; i < d->backends.n; i++)
		if (strcmp(draft_backend(d, i)->group, name) == 0)
			return true;
	return false;
}

/* A group without a section of its own has the default. */
static bool group_is_shared(const struct draft *d, const char *name)
{
	for (size_t i = 0; i < d->groups.n; i++) {
		const struct draft_group *g = draft_group(d, i);

		if (g->section.at && strcmp(config_setting_name(g->section.at), name) == 0)
			return g->storage == STORAGE_SHARED;
	}
	return false;
}

static void check_group_names(struct draft *d)
{
	for (size_t i = 0; i < d->backends.n; i++) {
		const struct draft_backend *b = draft_backend(d, i);

		if (!settings_name_is_right(b->group))
			draft_fault_at(d, draft_where(d, &b->section, "group"),
				       "not a name; it may have %d letters, digits, \"-\" and \"_\"", SETTINGS_NAME_MAX);
	}
}

static void check_groups(struct draft *d)
{
	check_group_names(d);
	for (size_t i = 0; i < d->groups.n; i++) {
		const config_setting_t *at = draft_group(d, i)->section.at;

		if (at && !group_is_used(d, config_setting_name(at)))
			draft_fault_at(d, at, "no backend is in this group; set group = \"%.64s\" in one, or leave the section out",
				       config_setting_name(at));
	}
	if (d->top.default_group && !group_is_used(d, d->top.default_group))
		draft_fault_at(d, draft_where(d, NULL, "default-group"),
			       "no backend is in the group \"%.64s\"; the group of one would be right", d->top.default_group);
}

/* ---- TLS ---- */

static void check_policy(struct draft *d, const struct draft_section *section, struct tls_policy policy)
{
	char err[512];

	if (!tls_policy_check(&policy, err, sizeof(err)))
		draft_fault_at(d, draft_where(d, section, "ciphers"), "%s", err);
}

/* What a listener says itself. The section's own is checked once, not for each listener. */
static void check_listener_tls(struct draft *d, const struct draft_listener *l)
{
	static const char *const names[] = { "min-version", "ciphers", "client-cert" };

	for (size_t i = 0; l->tls == TLS_NONE && i < ARRAY_LEN(names); i++)
		if (draft_has(&l->section, names[i]))
			draft_fault_at(d, draft_where(d, &l->section, names[i]), "has no effect without TLS; leave it out");
	if (l->ciphers)
		check_policy(d, &l->section, settings_policy(&d->tls, l));
}

static bool asks_for_certificates(const struct draft *d, size_t listener)
{
	const struct draft_listener *l = draft_listener(d, listener);

	return l->section.at && l->tls != TLS_NONE && settings_policy(&d->tls, l).client_cert != TLS_CLIENT_CERT_OFF;
}

static void check_client_certs(struct draft *d)
{
	static const char *const names[] = { "client-ca", "user-from" };
	const struct draft_section *section = &d->tls.section;
	bool some = d->tls.client_cert != TLS_CLIENT_CERT_OFF;

	for (size_t i = 0; i < d->listeners.n; i++)
		some = some || asks_for_certificates(d, i);
	if (some && !d->tls.client_ca)
		draft_fault_at(d, draft_where(d, section, "client-cert"),
			       "certificates of clients need authorities to verify them; set tls.client-ca, or client-cert = \"off\"");
	for (size_t i = 0; !some && i < ARRAY_LEN(names); i++)
		if (draft_has(section, names[i]))
			draft_fault_at(d, draft_where(d, section, names[i]),
				       "has no effect without client-cert; set that, here or in a listener, or leave this out");
}

static void check_tls(struct draft *d)
{
	const struct draft_tls *t = &d->tls;

	if (t->key && !draft_has(&t->section, "certificate"))
		draft_fault_at(d, draft_where(d, &t->section, "key"), "a key without a certificate; set tls.certificate too");
	if (t->key && t->certificates.n > 1)
		draft_fault_at(d, draft_where(d, &t->section, "key"),
			       "one key, but several certificates; leave it out: each key is in FILE.pem, or in FILE.key beside it");
	check_policy(d, &t->section, settings_policy(t, NULL));
	for (size_t i = 0; i < d->listeners.n; i++)
		check_listener_tls(d, draft_listener(d, i));
	check_client_certs(d);
}

/* ---- directory ---- */

static void check_driver(struct draft *d)
{
	static const char *const of_redis[] = { "redis", "user", "password-file", "prefix", "timeout", "on-outage" };
	const struct draft_section *s = &d->directory.section;
	int driver = d->directory.driver;

	for (size_t i = 0; driver != DIRECTORY_REDIS && i < ARRAY_LEN(of_redis); i++)
		if (draft_has(s, of_redis[i]))
			draft_fault_at(d, draft_where(d, s, of_redis[i]),
				       "has no effect without driver = \"redis\"; set that, or leave this out");
	if (driver != DIRECTORY_FILE && draft_has(s, "file"))
		draft_fault_at(d, draft_where(d, s, "file"), "has no effect without driver = \"file\"; set that, or leave this out");
	if (driver == DIRECTORY_FILE && !draft_has(s, "file"))
		draft_fault_at(d, draft_where(d, s, "driver"), "driver = \"file\" needs file; as in file = \"/etc/sluice/users\"");
}

/* Braces in the prefix would take the place of the user's, which keep all keys of a user in one slot of a cluster. */
static void check_prefix(struct draft *d)
{
	const struct draft_directory *r = &d->directory;

	if (strpbrk(r->prefix, "{} "))
		draft_fault_at(d, draft_where(d, &r->section, "prefix"), "braces or spaces in the prefix; one like \"sluice:\" "
									 "would be right");
}

static void check_redis(struct draft *d)
{
	struct draft_directory *r = &d->directory;
	char err[512];

	if (!redis_url_parse(&r->conf, r->redis, err, sizeof(err)))
		draft_fault_at(d, draft_where(d, &r->section, "redis"), "%s", err);
	if (r->user && !draft_has(&r->section, "password-file"))
		draft_fault_at(d, draft_where(d, &r->section, "user"), "a user without a password; set password-file too");
	load_password(d, &r->section, "password-file", r->password_file, &r->password);
	check_prefix(d);
}

/*
 * Hashing without asking finds the right storage only where any storage is: in one group, and a shared one. With several groups a
 * user whose group only the directory knows would be sent to another's.
 */
static void check_outage(struct draft *d)
{
	const config_setting_t *at = draft_where(d, &d->directory.section, "on-outage");
	const char *first = d->backends.n ? draft_backend(d, 0)->group : NULL;

	if (d->directory.on_outage != OUTAGE_HASH)
		return;
	for (size_t i = 0; i < d->backends.n; i++) {
		const char *group = draft_backend(d, i)->group;

		if (!group_is_shared(d, group)) {
			draft_fault_at(d, at, "\"hash\" is for shared storage, which group \"%.64s\" has not; \"refuse\" or \"last-known\" "
				       "would be right", group);
			return;
		}
		if (strcmp(group, first) != 0) {
			draft_fault_at(d, at, "\"hash\" cannot know which group a user is in, \"%.64s\" or \"%.64s\"; \"refuse\" or "
				       "\"last-known\" would be right", first, group);
			return;
		}
	}
}

static void check_directory(struct draft *d)
{
	check_driver(d);
	if (d->directory.driver != DIRECTORY_REDIS)
		return;
	check_redis(d);
	check_outage(d);
}

/* ---- times ---- */

/* Shorter ones would end sessions that are well. */
static void check_times(struct draft *d)
{
	const struct draft_top *t = &d->top;

	if (t->idle_timeout > 0 && t->idle_timeout < SETTINGS_IDLE_LEAST)
		draft_fault_at(d, draft_where(d, NULL, "idle-timeout"),
			       "clients in IDLE may be silent for 29 minutes; \"31m\" or more would be right, or 0 for no such timeout");
	if (t->tcp_user_timeout > 0 && t->tcp_user_timeout < SETTINGS_USER_TIMEOUT_LEAST)
		draft_fault_at(d, draft_where(d, NULL, "tcp-user-timeout"),
			       "phones are out of reach for minutes and come back; \"15m\" or more would be right, or 0 for the "
			       "system's own");
}

/* ---- names, and what is told of before login ---- */

static bool is_domain(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");

	return n > 0 && text[n] == '\0';
}

/* It must part names, so it is none of the characters they are made of. */
static bool is_separator(const char *text)
{
	return strlen(text) == 1 && strchr("*%!#$&/=?^`{|}~:;,<>", text[0]);
}

static void check_names(struct draft *d)
{
	const struct draft_top *t = &d->top;

	if (t->default_domain && !is_domain(t->default_domain))
		draft_fault_at(d, draft_where(d, NULL, "default-domain"), "not a domain; one like \"example.org\" would be right");
	if (t->master_separator && !is_separator(t->master_separator))
		draft_fault_at(d, draft_where(d, NULL, "master-separator"),
			       "not one character that can stand between two names; \"*\" would be right");
}

/* What depends on the connection and on the backends, Sluice puts in itself. */
static bool is_own_word(struct span word)
{
	return span_starts_nocase(word, "AUTH=") || span_is_nocase(word, "STARTTLS") || span_is_nocase(word, "LOGINDISABLED");
}

static void check_capabilities(struct draft *d)
{
	const config_setting_t *at = draft_where(d, NULL, "capabilities");
	struct span list = span_of(d->top.capabilities), word;
	struct imap_caps caps;

	if (!d->top.capabilities)
		return;
	imap_caps_parse(&caps, list);
	if (!(caps.set & (IMAP_CAP_IMAP4REV1 | IMAP_CAP_IMAP4REV2)))
		draft_fault_at(d, at, "clients look for IMAP4rev1 or IMAP4rev2; one of them must be among the words");
	while (imap_caps_next(&list, &word)) {
		if (is_own_word(word))
			draft_fault_at(d, at, "%.*s is said where it applies; leave it out", (int)word.n, word.p);
		else if (!imap_caps_is_word(word))
			draft_fault_at(d, at, "a word that no capability can be; letters, digits and such as \"-\" \"=\" \"+\" "
					      "would be right");
	}
}

void settings_check(struct draft *d)
{
	check_listeners(d);
	check_trusted_proxies(d);
	check_times(d);
	check_names(d);
	check_capabilities(d);
	check_tls(d);
	check_backends(d);
	check_unchecked_passwords(d);
	check_groups(d);
	check_directory(d);
}
