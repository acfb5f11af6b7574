#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "daemon/settings.h"

#define SECRET "hunter2-is-a-secret"

/* Enough to be accepted; a test puts what it is about around it. */
#define LISTENER "listener: { imap: { address = \"127.0.0.1:0\"; tls = \"none\"; } }\n"
#define BACKEND "backend: { mb1: { address = \"10.0.0.1\"; } }\n"
#define MINIMAL LISTENER BACKEND

static char folder[] = "/tmp/test_settings.XXXXXX";
static char faults[64 * 1024];	/* of the last load, each with a newline; the folder's name is written as "F" */
static unsigned nfaults;

static void note_fault(const char *sentence, void *arg)
{
	char *end = faults + strlen(faults);
	size_t n = strlen(folder);

	(void)arg;
	nfaults++;
	for (const char *p = sentence; *p; p++) {
		if (strncmp(p, folder, n) == 0) {
			*end++ = 'F';
			p += n - 1;
		} else {
			*end++ = *p;
		}
		assert_true(end < faults + sizeof(faults) - 2);
	}
	strcpy(end, "\n");
}

static void note_doubt(const char *sentence, void *arg)
{
	char text[1024];

	snprintf(text, sizeof(text), "doubt: %s", sentence);
	note_fault(text, arg);
}

static const char *in_folder(const char *name)
{
	static char path[8][256];
	static unsigned turn;
	char *p = path[turn++ % 8];

	snprintf(p, 256, "%s/%s", folder, name);
	return p;
}

static const char *put_bytes(const char *name, const void *p, size_t n, mode_t mode)
{
	const char *path = in_folder(name);
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static const char *put(const char *name, const char *text)
{
	return put_bytes(name, text, strlen(text), 0600);
}

static struct settings *load_file(const char *path)
{
	faults[0] = '\0';
	nfaults = 0;
	return settings_load(path, note_fault, NULL);
}

/* "$" in the text stands for the folder. */
static struct settings *load(const char *text)
{
	static char whole[64 * 1024];
	size_t n = 0;

	for (; *text; text++)
		n += (size_t)snprintf(whole + n, sizeof(whole) - n, "%.*s", *text == '$' ? (int)strlen(folder) : 1,
				      *text == '$' ? folder : text);
	whole[n] = '\0';
	return load_file(put("c", whole));
}

static struct settings *accepted(const char *text)
{
	struct settings *s = load(text);

	assert_string_equal(faults, "");
	assert_non_null(s);
	return s;
}

static void allow(const char *text)
{
	struct settings *s = accepted(text);

	settings_unref(&s);
}

/* Exactly these faults, in this order. */
static void refuse(const char *text, const char *expected)
{
	assert_null(load(text));
	assert_string_equal(faults, expected);
}

static void expect_timeout(const char *value, double seconds)
{
	char text[256];
	struct settings *s;

	snprintf(text, sizeof(text), MINIMAL "drain-timeout = %s;", value);
	s = accepted(text);
	assert_true(s->drain_timeout == seconds);
	settings_unref(&s);
}

/* ---- what is accepted ---- */

static void the_least_settings_stand_as_they_are_and_the_rest_is_default(void **state)
{
	struct settings *s = accepted("listener: { imaps: { address = \"*:993\"; tls = \"implicit\"; } }\n"
				      "tls:      { certificate = \"/etc/sluice/tls/mail.pem\"; }\n"
				      "backend:  { mb1: { address = \"10.0.0.1:143\"; } }\n");
	const struct backend *b = s->cluster->backends[0];

	(void)state;
	assert_in_range(s->workers, 1, SETTINGS_WORKERS_MAX);
	assert_string_equal(s->user, "sluice");
	assert_null(s->ready_file);
	assert_true(s->drain_timeout == 30);
	assert_true(s->idle_timeout == 31 * 60);
	assert_true(s->literal_timeout == 300);
	assert_true(s->command_timeout == 0);
	assert_true(s->slow_command == 0);
	assert_int_equal(s->tcp.keepalive, 300);
	assert_int_equal(s->tcp.user_timeout, 900);
	assert_int_equal(s->log_to, LOG_TO_STDERR);
	assert_int_equal(s->log_level, LOG_LEVEL_INFO);
	assert_int_equal(s->nlisteners, 1);
	assert_string_equal(s->listeners[0].name, "imaps");
	assert_int_equal(s->listeners[0].naddresses, 1);
	assert_int_equal(s->listeners[0].addresses[0].kind, ENDPOINT_ANY);
	assert_int_equal(s->listeners[0].addresses[0].addr.port, 993);
	assert_int_equal(s->listeners[0].tls, TLS_IMPLICIT);
	assert_false(s->listeners[0].cleartext_login);
	assert_false(s->listeners[0].proxy_protocol);
	assert_int_equal(s->trusted_proxies.n, 0);
	assert_int_equal(s->trusted_networks.n, 0);
	assert_false(s->listeners[0].unchecked_passwords);
	assert_int_equal(s->certs.npaths, 1);
	assert_string_equal(s->certs.paths[0], "/etc/sluice/tls/mail.pem");
	assert_null(s->certs.key);
	assert_null(s->certs.client_ca);
	assert_null(s->ticket_key_file);
	assert_int_equal(s->listeners[0].tls_policy.min_version, TLS1_2_VERSION);
	assert_null(s->listeners[0].tls_policy.ciphers);
	assert_false(s->listeners[0].tls_policy.strict_sni);
	assert_int_equal(s->listeners[0].tls_policy.client_cert, TLS_CLIENT_CERT_OFF);
	assert_int_equal(s->listeners[0].tls_policy.user_from, TLS_USER_FROM_CN);
	assert_int_equal(b->tls_min_version, TLS1_2_VERSION);
	assert_null(b->tls_certificate);
	assert_int_equal(s->cluster->nbackends, 1);
	assert_string_equal(b->name, "mb1");
	assert_int_equal(b->endpoint.addr.port, 143);
	assert_int_equal(b->tls, TLS_NONE);
	assert_true(b->tls_verify);
	assert_null(b->tls_ca);
	assert_null(b->tls_name);
	assert_int_equal(b->weight, 100);
	assert_string_equal(b->group->name, "default");
	assert_int_equal(b->group->storage, STORAGE_SHARD);
	assert_true(b->trusted);
	assert_true(b->pipelining);
	assert_int_equal(b->proxy, BACKEND_PROXY_NONE);
	assert_int_equal(b->auth, BACKEND_AUTH_FORWARD);
	assert_int_equal(b->method, BACKEND_METHOD_AUTO);
	assert_ptr_equal(s->cluster->default_group, b->group);
	assert_int_equal(s->directory, DIRECTORY_NONE);
	assert_int_equal(s->on_outage, OUTAGE_REFUSE);
	settings_unref(&s);
	assert_null(s);
}

static void every_setting_can_be_set(void **state)
{
	struct settings *s;
	const struct settings_listener *l;
	const struct backend *b;

	(void)state;
	put("master", SECRET "\n");
	put("redis", SECRET "-too\r\nand a second line\n");
	s = accepted("workers = 3; user = \"mail\"; ready-file = \"/run/ready\"; default-group = \"g\"; drain-timeout = \"2m\";\n"
		     "idle-timeout = \"1h\"; literal-timeout = \"90s\"; command-timeout = \"2h\"; slow-command = \"500ms\";\n"
		     "tcp-keepalive = 100; tcp-user-timeout = \"20m\";\n"
		     "trusted-proxies = \"unix\"; trusted-networks = [ \"10.0.0.0/8\", \"::1\" ];\n"
		     "log: { to = \"syslog\"; level = \"debug\"; }\n"
		     "listener: { l: { address = [ \"127.0.0.1:143\", \"[::1]:143\", \"unix:/run/imap\" ]; tls = \"starttls\";\n"
		     "  cleartext-login = true; unchecked-passwords = true; proxy-protocol = true; } }\n"
		     "tls: { certificate = \"/c\"; key = \"/k\"; min-version = \"1.3\"; ciphers = \"TLS_AES_128_GCM_SHA256\"; }\n"
		     "backend: { b: { address = \"mail.example\"; tls = \"implicit\"; tls-verify = false; tls-ca = \"/ca\"; tls-name = "
		     "\"n.example\";\n"
		     "  weight = 7; group = \"g\"; trusted = false; proxy-protocol = \"v2\"; pipelining = false; auth = \"master\"; "
		     "master-user = \"proxy\";\n"
		     "  master-password-file = \"$/master\"; auth-method = \"plain\"; } }\n"
		     "group: { g: { storage = \"shared\"; } }\n"
		     "directory: { driver = \"redis\"; redis = \"redis://10.0.0.9:6380/3\"; user = \"u\"; password-file = \"$/redis\";\n"
		     "  prefix = \"imap:\"; timeout = \"500ms\"; on-outage = \"hash\"; }\n");
	l = &s->listeners[0];
	b = s->cluster->backends[0];
	assert_int_equal(s->workers, 3);
	assert_string_equal(s->user, "mail");
	assert_string_equal(s->ready_file, "/run/ready");
	assert_true(s->drain_timeout == 120);
	assert_true(s->idle_timeout == 3600);
	assert_true(s->literal_timeout == 90);
	assert_true(s->command_timeout == 7200);
	assert_true(s->slow_command == 0.5);
	assert_int_equal(s->tcp.keepalive, 100);
	assert_int_equal(s->tcp.user_timeout, 1200);
	assert_int_equal(s->log_to, LOG_TO_SYSLOG);
	assert_int_equal(s->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(l->naddresses, 3);
	assert_string_equal(l->addresses[2].path, "/run/imap");
	assert_int_equal(l->tls, TLS_STARTTLS);
	assert_true(l->cleartext_login && l->unchecked_passwords && l->proxy_protocol);
	assert_int_equal(s->trusted_proxies.n, 1);
	assert_int_equal(s->trusted_proxies.items[0].family, AF_UNIX);
	assert_int_equal(s->trusted_networks.n, 2);
	assert_int_equal(s->trusted_networks.items[0].bits, 8);
	assert_int_equal(s->trusted_networks.items[1].family, AF_INET6);
	assert_string_equal(s->certs.key, "/k");
	assert_int_equal(l->tls_policy.min_version, TLS1_3_VERSION);
	assert_string_equal(l->tls_policy.ciphers, "TLS_AES_128_GCM_SHA256");
	assert_int_equal(b->endpoint.kind, ENDPOINT_HOST);
	assert_int_equal(b->endpoint.addr.port, 993);
	assert_int_equal(b->tls, TLS_IMPLICIT);
	assert_false(b->tls_verify || b->trusted || b->pipelining);
	assert_string_equal(b->tls_ca, "/ca");
	assert_string_equal(b->tls_name, "n.example");
	assert_int_equal(b->weight, 7);
	assert_int_equal(b->proxy, BACKEND_PROXY_V2);
	assert_int_equal(b->auth, BACKEND_AUTH_MASTER);
	assert_int_equal(b->method, BACKEND_METHOD_PLAIN);
	assert_string_equal(b->master_user, "proxy");
	assert_string_equal(b->master_password, SECRET);
	assert_string_equal(b->group->name, "g");
	assert_int_equal(b->group->storage, STORAGE_SHARED);
	assert_int_equal(s->redis.endpoint.addr.port, 6380);
	assert_int_equal(s->redis.database, 3);
	assert_string_equal(s->redis.user, "u");
	assert_string_equal(s->redis.password, SECRET "-too");
	assert_true(s->redis.timeout == 0.5);
	assert_string_equal(s->redis_prefix, "imap:");
	assert_int_equal(s->on_outage, OUTAGE_HASH);
	settings_unref(&s);
}

static char *read_sample(void)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];
	char *text = mem_new(65536);
	FILE *f;

	snprintf(path, sizeof(path), "%s/etc/sluice.conf", srcdir ? srcdir : ".");
	f = fopen(path, "r");
	assert_non_null(f);
	assert_in_range(fread(text, 1, 65535, f), 1, 65534);
	fclose(f);
	return text;
}

static void the_sample_is_accepted(void **state)
{
	char *text = read_sample();

	(void)state;
	allow(text);
	mem_free(&text);
}

/* The place of the next "#" that stands before a setting. */
static char *next_commented(char *p)
{
	for (p = strchr(p, '#'); p; p = strchr(p + 1, '#')) {
		size_t n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz-");

		if (n > 0 && strncmp(p + 1 + n, " = ", 3) == 0)
			return p;
	}
	return NULL;
}

static void each_line_of_the_sample_may_be_uncommented(void **state)
{
	char *text = read_sample();
	unsigned n = 0;

	(void)state;
	for (char *p = text; (p = next_commented(p)); p++) {
		struct settings *s;

		*p = ' ';
		s = load(text);
		*p = '#';
		if (!s && (nfaults != 1 || !strstr(faults, "has no effect without ")))
			fail_msg("%s", faults);
		settings_unref(&s);
		n++;
	}
	assert_in_range(n, 25, 100);
	mem_free(&text);
}

static void a_time_is_seconds_or_a_number_with_a_unit(void **state)
{
	(void)state;
	expect_timeout("0", 0);
	expect_timeout("10", 10);
	expect_timeout("10L", 10);
	expect_timeout("1.5", 1.5);
	expect_timeout("\"500ms\"", 0.5);
	expect_timeout("\"10s\"", 10);
	expect_timeout("\"10m\"", 600);
	expect_timeout("\"2h\"", 7200);
	expect_timeout("\"1d\"", 86400);
}

static void no_tls_listener_means_no_certificate_to_load(void **state)
{
	struct settings *s = accepted(MINIMAL "tls: { certificate = \"/gone\"; }");

	(void)state;
	assert_int_equal(s->certs.npaths, 0);
	settings_unref(&s);
}

static void workers_may_be_none(void **state)
{
	struct settings *s = accepted(MINIMAL "workers = 0;");

	(void)state;
	assert_int_equal(s->workers, 0);
	settings_unref(&s);
}

static void settings_stay_while_somebody_holds_a_reference(void **state)
{
	struct settings *s = accepted(MINIMAL), *mine = settings_ref(s);

	(void)state;
	settings_unref(&s);
	assert_null(s);
	assert_string_equal(mine->listeners[0].name, "imap");
	settings_unref(&mine);
}

/* ---- who is believed ---- */

static void a_network_that_is_none_is_told_with_its_line(void **state)
{
	(void)state;
	refuse(MINIMAL "trusted-networks = (\n\"10.0.0.0/8\",\n\"10.0.0.1/8\",\n\"mail.example\", 7 );",
	       "F/c:5: trusted-networks: \"10.0.0.1/8\": bits are set behind the first 8; \"10.0.0.0/8\" would be right\n"
	       "F/c:6: trusted-networks: \"mail.example\": not a network; write one as in \"10.0.0.0/8\", \"2001:db8::/32\" or "
	       "\"10.0.0.1\"\n"
	       "F/c:6: trusted-networks: not a text; write it in double quotes\n");
	refuse(MINIMAL "trusted-networks = { };",
	       "F/c:3: trusted-networks: not a network; write \"10.0.0.0/8\", or several in brackets: [ \"10.0.0.0/8\", "
	       "\"2001:db8::/32\" ]\n");
	refuse(MINIMAL "trusted-networks = [ ];", "F/c:3: trusted-networks: 0 networks; 1 to 256 would be right\n");
}

static void a_listener_with_proxy_protocol_needs_trusted_proxies(void **state)
{
	static const char listener[] = "listener: { l: {\naddress = \"*:143\"; tls = \"none\";\nproxy-protocol = true; } }\n" BACKEND;
	char text[1024];

	(void)state;
	refuse(listener, "F/c:3: listener.l.proxy-protocol: nobody may send a PROXY header; set trusted-proxies at the top, as in "
			 "trusted-proxies = [ \"10.0.0.0/8\" ]\n");
	snprintf(text, sizeof(text), "%strusted-proxies = \"10.0.0.0/8\";", listener);
	allow(text);
	refuse(MINIMAL "trusted-proxies = \"10.0.0.0/8\";",
	       "F/c:3: trusted-proxies: has no effect without a listener that has proxy-protocol = true; set that, or leave this out\n");
}

/* ---- loops ---- */

static void expect_loop(const char *listener, const char *backend, bool is)
{
	static const char form[] = "listener: { l: { address = \"%s\"; tls = \"none\"; } }\nbackend: { b: { address = \"%s\"; } }\n";
	char text[1024];

	snprintf(text, sizeof(text), form, listener, backend);
	if (is)
		refuse(text, "F/c:2: backend.b.address: listener.l listens there: each login would come back for ever; the address of an "
			     "IMAP server would be right\n");
	else
		allow(text);
}

static void a_backend_is_not_one_of_our_listeners(void **state)
{
	(void)state;
	expect_loop("10.0.0.1:143", "10.0.0.1:143", true);
	expect_loop("10.0.0.1:143", "10.0.0.1", true);
	expect_loop("10.0.0.1:143", "10.0.0.1:144", false);
	expect_loop("10.0.0.1:143", "10.0.0.2:143", false);
	expect_loop("[2001:db8::1]:143", "[2001:db8::1]:143", true);
	expect_loop("*:143", "127.0.0.1:143", true);
	expect_loop("*:143", "127.9.9.9:143", true);
	expect_loop("*:143", "[::1]:143", true);
	expect_loop("*:143", "0.0.0.0:143", true);
	expect_loop("*:143", "10.0.0.1:143", false);	/* another host, or this one: only its interfaces know */
	expect_loop("0.0.0.0:143", "127.0.0.1:143", true);
	expect_loop("[::]:143", "127.0.0.1:143", false);	/* IPv6 sockets are v6only */
	expect_loop("[::]:143", "[::1]:143", true);
	expect_loop("127.0.0.1:143", "127.0.0.2:143", false);
	expect_loop("unix:/run/imap", "unix:/run/imap", true);
	expect_loop("unix:/run/imap", "unix:/run/dovecot", false);
	expect_loop("*:0", "127.0.0.1:143", false);
}

/* ---- syntax and names ---- */

static void a_syntax_error_is_told_alone_with_its_line(void **state)
{
	(void)state;
	refuse("nonsense = 1;\nlistener: {\n  imap: { address = ; }\n};\n",
	       "F/c:3: syntax error; look here or before for a missing quote, brace or \";\", or for a name that does not begin "
	       "with a letter\n");
}

static void a_name_twice_is_refused(void **state)
{
	(void)state;
	refuse("workers = 1;\nworkers = 2;\n", "F/c:2: duplicate setting name; a name may stand once in its section\n");
}

static void a_mistyped_name_is_answered_with_the_right_one(void **state)
{
	(void)state;
	refuse(LISTENER "backend: { mb1: {\n  adress = \"10.0.0.1\";\n  address = \"10.0.0.1\";\n} }\n",
	       "F/c:3: no such setting: adress; did you mean address?\n");
	refuse(MINIMAL "worker = 1;", "F/c:3: no such setting: worker; did you mean workers?\n");
	refuse(MINIMAL "tsl: { };", "F/c:3: no such setting: tsl; did you mean tls?\n");
	refuse(MINIMAL "certificate = \"/x\";", "F/c:3: no such setting: certificate; did you mean tls.certificate?\n");
	refuse(MINIMAL "master-user = \"x\";", "F/c:3: no such setting: master-user; did you mean backend.NAME.master-user?\n");
	refuse(MINIMAL "xyzzy = 1;", "F/c:3: no such setting: xyzzy; sluice.conf(5) lists those that there are\n");
	refuse(MINIMAL "log: { xyzzy = 1; }", "F/c:3: no such setting: xyzzy; sluice.conf(5) lists those of a log section\n");
}

static void a_very_long_unknown_name_is_cut_not_compared(void **state)
{
	char text[3000] = MINIMAL;

	(void)state;
	memset(text + strlen(MINIMAL), 'a', 2000);
	strcpy(text + strlen(MINIMAL) + 2000, " = 1;");
	assert_null(load(text));
	assert_int_equal(nfaults, 1);
	assert_true(strlen(faults) < 200);
}

static void every_fault_is_told_at_once_with_its_line(void **state)
{
	(void)state;
	refuse("workers = -1;\ndrain-timeout = \"soon\";\nlisten: { };\nlog: { level = 7; }\n",
	       "F/c:1: workers: not a number of workers; write \"auto\" or a whole number from 0 to 256\n"
	       "F/c:2: drain-timeout: not a time; write seconds as a number, or as \"500ms\", \"10s\", \"10m\", \"2h\" or \"1d\"\n"
	       "F/c:3: no such setting: listen; did you mean listener?\n"
	       "F/c:4: log.level: not a text; write \"error\", \"warn\", \"info\" or \"debug\"\n"
	       "F/c:1: there is no listener; at least one is needed, as in listener: { imaps: { address = \"*:993\"; } }\n"
	       "F/c:1: there is no backend; at least one is needed, as in backend: { mb1: { address = \"10.0.0.1:143\"; } }\n");
}

static void faults_without_end_are_cut_short(void **state)
{
	char text[8192] = MINIMAL;

	(void)state;
	for (int i = 0; i < 300; i++)
		sprintf(text + strlen(text), "zz%d = 1;\n", i);
	assert_null(load(text));
	assert_int_equal(nfaults, SETTINGS_FAULTS_MAX + 1);
	assert_non_null(strstr(faults, "\nF/c: and more\n"));
}

static void a_newline_in_a_text_makes_no_second_line(void **state)
{
	(void)state;
	refuse(MINIMAL "log: { to = \"a\\nb\"; }", "F/c:3: log.to: there is no \"a?b\"; write \"stderr\" or \"syslog\"\n");
}

static void a_section_is_a_group_of_settings(void **state)
{
	(void)state;
	refuse(MINIMAL "tls = \"starttls\";", "F/c:3: tls: not a section; write tls: { ... }\n");
	refuse(LISTENER "backend: { mb1 = \"10.0.0.1\"; }", "F/c:2: backend.mb1: not a section; write backend: { NAME: { ... } }\n");
	assert_null(load(LISTENER "backend: ( { address = \"10.0.0.1\"; } )"));
	assert_non_null(strstr(faults, "F/c:2: backend: not a section; write backend: { ... }\n"));
}

static void names_are_letters_digits_dashes_and_underscores_64_at_most(void **state)
{
	char text[1024];

	(void)state;
	allow(LISTENER "backend: { Mb-1_x: { address = \"10.0.0.1\"; } }");
	refuse(LISTENER "backend: { mb*: { address = \"10.0.0.1\"; } }",
	       "F/c:2: backend.mb*: not a name; it may have 64 letters, digits, \"-\" and \"_\"\n");
	snprintf(text, sizeof(text), LISTENER "backend: { a%064d: { address = \"10.0.0.1\"; } }", 0);
	assert_null(load(text));
	assert_non_null(strstr(faults, "not a name"));
	refuse(LISTENER "backend: { mb: { address = \"10.0.0.1\"; group = \"a b\"; } }",
	       "F/c:2: backend.mb.group: not a name; it may have 64 letters, digits, \"-\" and \"_\"\n");
}

/* ---- values ---- */

static void a_truth_value_is_true_or_false_only(void **state)
{
	static const char *const not[] = { "1", "0", "\"true\"", "\"yes\"" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(not); i++) {
		snprintf(text, sizeof(text), LISTENER "backend: { b: { address = \"10.0.0.1\"; trusted = %s; } }", not[i]);
		refuse(text, "F/c:2: backend.b.trusted: not a truth value; write true or false, without quotes\n");
	}
}

static void an_unknown_word_is_answered_with_the_known_ones(void **state)
{
	(void)state;
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; tls = \"Implicit\"; } }",
	       "F/c:2: backend.b.tls: there is no \"Implicit\"; write \"none\", \"starttls\" or \"implicit\"\n");
	refuse(MINIMAL "tls: { min-version = 1.2; }", "F/c:3: tls.min-version: not a text; write \"1.2\" or \"1.3\"\n");
	refuse(MINIMAL "tls: { min-version = \"1.1\"; }", "F/c:3: tls.min-version: there is no \"1.1\"; write \"1.2\" or \"1.3\"\n");
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const not[] = {
		"\"10\"", "\"s\"", "\"\"", "\"-1s\"", "\"10 s\"", "\"10S\"", "\"1h30m\"", "\"9999999999999s\"", "true", "1e999", "[ 1 ]"
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(not); i++) {
		snprintf(text, sizeof(text), MINIMAL "drain-timeout = %s;", not[i]);
		refuse(text, "F/c:3: drain-timeout: not a time; write seconds as a number, or as \"500ms\", \"10s\", \"10m\", "
			     "\"2h\" or \"1d\"\n");
	}
}

static void times_and_numbers_have_bounds(void **state)
{
	(void)state;
	refuse(MINIMAL "drain-timeout = -1;", "F/c:3: drain-timeout: -1 seconds are out of bounds; 0 to 86400 would be right\n");
	refuse(MINIMAL "drain-timeout = \"2d\";", "F/c:3: drain-timeout: 172800 seconds are out of bounds; 0 to 86400 would be right\n");
	refuse(MINIMAL "workers = 257;",
	       "F/c:3: workers: not a number of workers; write \"auto\" or a whole number from 0 to 256\n");
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; weight = 1000001; } }",
	       "F/c:2: backend.b.weight: not a whole number in its bounds; write one from 0 to 1000000\n");
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; weight = 1.5; } }",
	       "F/c:2: backend.b.weight: not a whole number in its bounds; write one from 0 to 1000000\n");
}

static void timeouts_that_would_end_sessions_that_are_well_are_refused(void **state)
{
	(void)state;
	refuse(MINIMAL "idle-timeout = \"30m\";", "F/c:3: idle-timeout: clients in IDLE may be silent for 29 minutes; \"31m\" or more "
						  "would be right, or 0 for no such timeout\n");
	refuse(MINIMAL "tcp-user-timeout = 899;", "F/c:3: tcp-user-timeout: phones are out of reach for minutes and come back; \"15m\" "
						 "or more would be right, or 0 for the system's own\n");
	refuse(MINIMAL "literal-timeout = 0;", "F/c:3: literal-timeout: 0 seconds are out of bounds; 1 to 86400 would be right\n");
	refuse(MINIMAL "tcp-keepalive = 32768;", "F/c:3: tcp-keepalive: 32768 seconds are out of bounds; 0 to 32767 would be right\n");
}

static void timeouts_can_be_none_and_tcp_has_whole_seconds(void **state)
{
	struct settings *s = accepted(MINIMAL "idle-timeout = 0; tcp-user-timeout = 0; tcp-keepalive = \"500ms\";");

	(void)state;
	assert_true(s->idle_timeout == 0);
	assert_int_equal(s->tcp.user_timeout, 0);
	assert_int_equal(s->tcp.keepalive, 1);
	settings_unref(&s);
}

static void a_text_is_in_quotes_not_empty_not_too_long_and_without_control_bytes(void **state)
{
	char text[512];

	(void)state;
	refuse(MINIMAL "user = 5;", "F/c:3: user: not a text; write it in double quotes\n");
	refuse(MINIMAL "user = \"\";", "F/c:3: user: an empty text; fill it in, or leave the setting out\n");
	refuse(MINIMAL "user = \"a\\nb\";", "F/c:3: user: the text holds control bytes; it must have none\n");
	snprintf(text, sizeof(text), MINIMAL "user = \"%0257d\";", 0);
	refuse(text, "F/c:3: user: a text of 257 bytes is too long; 256 would be right at most\n");
}

static void the_ready_file_is_a_whole_path(void **state)
{
	(void)state;
	refuse(MINIMAL "ready-file = \"ready\";", "F/c:3: ready-file: not a whole path; it must begin with \"/\"\n");
}

/* ---- listeners ---- */

static void a_listener_needs_an_address_with_a_port(void **state)
{
	(void)state;
	refuse(BACKEND "listener: { l: { tls = \"none\"; } }",
	       "F/c:2: listener.l: address is missing; as in address = \"*:993\"\n");
	refuse(BACKEND "listener: { l: { tls = \"none\"; address = [ ]; } }",
	       "F/c:2: listener.l.address: 0 addresses; 1 to 16 would be right\n");
	assert_null(load(BACKEND "listener: { l: { tls = \"none\"; address = \"127.0.0.1\"; } }"));
	assert_non_null(strstr(faults, "F/c:2: listener.l.address: \"127.0.0.1\": the port is missing"));
	assert_null(load(BACKEND "listener: { l: { tls = \"none\"; address = \"localhost:143\"; } }"));
	assert_non_null(strstr(faults, "F/c:2: listener.l.address: a host name; a listener needs an IP address"));
}

static void two_listeners_cannot_have_the_same_address_and_port(void **state)
{
	static const char *const same[][2] = {
		{ "127.0.0.1:143", "127.0.0.1:143" }, { "*:143", "*:143" }, { "*:143", "0.0.0.0:143" }, { "[::]:143", "*:143" },
		{ "*:143", "127.0.0.1:143" }, { "[::1]:143", "[::]:143" }, { "unix:/a", "unix:/a" },
	};
	static const char *const different[][2] = {
		{ "127.0.0.1:143", "127.0.0.1:144" }, { "127.0.0.1:0", "127.0.0.1:0" }, { "*:0", "*:0" },
		{ "0.0.0.0:143", "[::]:143" }, { "0.0.0.0:143", "[::1]:143" }, { "127.0.0.1:143", "127.0.0.2:143" },
		{ "unix:/a", "unix:/b" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		snprintf(text, sizeof(text), BACKEND "listener: { a: { tls = \"none\"; address = \"%s\"; }\n b: { tls = \"none\"; "
						     "address = \"%s\"; } }",
			 same[i][0], same[i][1]);
		refuse(text, "F/c:3: listener.b.address: listener.a listens there already; give another address or port\n");
	}
	for (size_t i = 0; i < ARRAY_LEN(different); i++) {
		snprintf(text, sizeof(text), BACKEND "listener: { a: { tls = \"none\"; address = [ \"%s\", \"%s\" ]; } }",
			 different[i][0], different[i][1]);
		allow(text);
	}
}

static void a_tls_listener_needs_a_certificate(void **state)
{
	(void)state;
	refuse(BACKEND "listener: { l: { address = \"*:993\"; } }",
	       "F/c:2: listener.l: tls is \"implicit\", which needs a certificate; set tls.certificate, or tls = \"none\" here\n");
	refuse(BACKEND "listener: { l: { address = \"*:143\";\n tls = \"starttls\"; } }",
	       "F/c:3: listener.l.tls: tls is \"starttls\", which needs a certificate; set tls.certificate, or tls = \"none\" here\n");
	refuse(MINIMAL "tls: { key = \"/k\"; }", "F/c:3: tls.key: a key without a certificate; set tls.certificate too\n");
}

static void unknown_ciphers_are_refused(void **state)
{
	(void)state;
	assert_null(load(MINIMAL "tls: { ciphers = \"TLS_NOT_A_CIPHER\"; }"));
	assert_non_null(strstr(faults, "F/c:3: tls.ciphers: "));
}

/* ---- TLS ---- */

#define TLS_LISTENER(more) "listener: { l: { address = \"*:993\"; " more " } }\n"

static void certificates_may_be_one_or_several(void **state)
{
	struct settings *s = accepted(TLS_LISTENER("") BACKEND "tls: { certificate = [ \"/a.pem\", \"/all\", \"/b.pem\" ]; }");

	(void)state;
	assert_int_equal(s->certs.npaths, 3);
	assert_string_equal(s->certs.paths[0], "/a.pem");
	assert_string_equal(s->certs.paths[1], "/all");
	assert_string_equal(s->certs.paths[2], "/b.pem");
	settings_unref(&s);
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = [ ]; }", "F/c:3: tls.certificate: 0 paths; 1 to 1024 would be right\n");
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = [ \"/a\", \"\" ]; }",
	       "F/c:3: tls.certificate: an empty text; fill it in, or leave the setting out\n");
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = 1; }", "F/c:3: tls.certificate: not a text; write it in double quotes\n");
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = { a = 1; }; }",
	       "F/c:3: tls.certificate: not a path; write one in double quotes, or several in brackets: [ \"/a\", \"/b\" ]\n");
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = [ \"/a\", \"/b\" ]; key = \"/k\"; }",
	       "F/c:3: tls.key: one key, but several certificates; leave it out: each key is in FILE.pem, or in FILE.key beside it\n");
}

static void a_listener_has_the_policy_of_the_section_unless_it_says_otherwise(void **state)
{
	struct settings *s = accepted(
		"listener: { a: { address = \"*:1\"; }\n"
		"b: { address = \"*:2\"; min-version = \"1.0\"; ciphers = \"DEFAULT\"; client-cert = \"required\"; } }\n" BACKEND
		"tls: { certificate = \"/c\"; min-version = \"1.3\"; ciphers = \"HIGH\"; strict-sni = true; client-ca = \"/ca\"; "
		"client-cert = \"optional\";\n"
		"user-from = \"email-san\"; ticket-key-file = \"/t\"; }");
	const struct tls_policy *a = &s->listeners[0].tls_policy, *b = &s->listeners[1].tls_policy;

	(void)state;
	assert_int_equal(a->min_version, TLS1_3_VERSION);
	assert_string_equal(a->ciphers, "HIGH");
	assert_int_equal(a->client_cert, TLS_CLIENT_CERT_OPTIONAL);
	assert_int_equal(b->min_version, TLS1_VERSION);
	assert_string_equal(b->ciphers, "DEFAULT");
	assert_int_equal(b->client_cert, TLS_CLIENT_CERT_REQUIRED);
	assert_true(a->strict_sni && b->strict_sni);
	assert_true(a->user_from == TLS_USER_FROM_EMAIL_SAN && b->user_from == TLS_USER_FROM_EMAIL_SAN);
	assert_string_equal(s->certs.client_ca, "/ca");
	assert_string_equal(s->ticket_key_file, "/t");
	settings_unref(&s);
}

static void a_policy_of_a_listener_is_checked_where_it_stands(void **state)
{
	(void)state;
	assert_null(load(TLS_LISTENER("\nciphers = \"TLS_NOT_A_CIPHER\";") BACKEND "tls: { certificate = \"/c\"; }"));
	assert_non_null(strstr(faults, "F/c:2: listener.l.ciphers: no such cipher: TLS_NOT_A_CIPHER\n"));
	refuse("listener: { l: { address = \"*:143\"; tls = \"none\"; min-version = \"1.0\"; } }" BACKEND,
	       "F/c:1: listener.l.min-version: has no effect without TLS; leave it out\n");
	refuse(TLS_LISTENER("min-version = \"1.4\";") BACKEND "tls: { certificate = \"/c\"; }",
	       "F/c:1: listener.l.min-version: there is no \"1.4\"; write \"1.0\", \"1.1\", \"1.2\" or \"1.3\"\n");
}

static void certificates_of_clients_need_an_authority_and_the_other_way_round(void **state)
{
	(void)state;
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = \"/c\"; client-cert = \"optional\"; }",
	       "F/c:3: tls.client-cert: certificates of clients need authorities to verify them; set tls.client-ca, or "
	       "client-cert = \"off\"\n");
	refuse(TLS_LISTENER("client-cert = \"required\";") BACKEND "tls: { certificate = \"/c\"; }",
	       "F/c:3: tls: certificates of clients need authorities to verify them; set tls.client-ca, or client-cert = \"off\"\n");
	refuse(TLS_LISTENER("") BACKEND "tls: { certificate = \"/c\"; client-ca = \"/ca\"; }",
	       "F/c:3: tls.client-ca: has no effect without client-cert; set that, here or in a listener, or leave this out\n");
	allow(TLS_LISTENER("client-cert = \"required\";") BACKEND "tls: { certificate = \"/c\"; client-ca = \"/ca\"; "
								  "user-from = \"cn\"; }");
}

static void a_backend_may_have_a_certificate_for_it_and_an_old_version(void **state)
{
	struct settings *s = accepted(LISTENER "backend: { b: { address = \"h.example\"; tls = \"implicit\"; tls-certificate "
					       "= \"/p.pem\";\n"
				      "tls-key = \"/p.key\"; tls-min-version = \"1.1\"; } }");
	const struct backend *b = s->cluster->backends[0];

	(void)state;
	assert_string_equal(b->tls_certificate, "/p.pem");
	assert_string_equal(b->tls_key, "/p.key");
	assert_int_equal(b->tls_min_version, TLS1_1_VERSION);
	settings_unref(&s);
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; tls-min-version = \"1.0\"; } }",
	       "F/c:2: backend.b.tls-min-version: has no effect without TLS; set tls = \"starttls\" or \"implicit\", or leave it out\n");
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; tls = \"starttls\"; tls-key = \"/k\"; } }",
	       "F/c:2: backend.b.tls-key: a key without a certificate; set tls-certificate too\n");
}

/* ---- backends and groups ---- */

static void a_backend_needs_one_address(void **state)
{
	(void)state;
	refuse(LISTENER "backend: { b: { } }", "F/c:2: backend.b: address is missing; as in address = \"10.0.0.1:143\"\n");
	refuse(LISTENER "backend: { b: { address = \"*:143\"; } }",
	       "F/c:2: backend.b.address: \"*\" is for listeners; a backend needs one host, as in \"10.0.0.1:143\"\n");
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1:0\"; } }",
	       "F/c:2: backend.b.address: port 0 is for listeners; a backend needs the port it listens on, 1 to 65535\n");
	assert_null(load(LISTENER "backend: { b: { address = \"10.0.0.256:143\"; } }"));
	assert_non_null(strstr(faults, "F/c:2: backend.b.address: \"10.0.0.256:143\": "));
}

static void a_unix_backend_with_verified_tls_needs_a_name(void **state)
{
	(void)state;
	refuse(LISTENER "backend: { b: { address = \"unix:/b\"; tls = \"starttls\"; } }",
	       "F/c:2: backend.b.address: a unix: address has no name to verify; set tls-name to the one in the certificate, or "
	       "tls-verify = false\n");
	allow(LISTENER "backend: { b: { address = \"unix:/b\"; tls = \"starttls\"; tls-name = \"b.example\"; } }");
	allow(LISTENER "backend: { b: { address = \"unix:/b\"; tls = \"starttls\"; tls-verify = false; } }");
	allow(LISTENER "backend: { b: { address = \"unix:/b\"; } }");
}

static void a_ca_or_a_name_without_tls_would_be_a_false_comfort(void **state)
{
	(void)state;
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; tls-ca = \"/ca\";\n tls-name = \"n\"; } }",
	       "F/c:2: backend.b.tls-ca: has no effect without TLS; set tls = \"starttls\" or \"implicit\", or leave it out\n"
	       "F/c:3: backend.b.tls-name: has no effect without TLS; set tls = \"starttls\" or \"implicit\", or leave it out\n");
}

static void a_master_login_needs_user_and_password(void **state)
{
	(void)state;
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; auth = \"master\"; } }",
	       "F/c:2: backend.b.auth: auth = \"master\" needs master-user; set it, or auth = \"forward\"\n"
	       "F/c:2: backend.b.auth: auth = \"master\" needs master-password-file; set it, or auth = \"forward\"\n");
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; master-user = \"m\"; } }",
	       "F/c:2: backend.b.master-user: has no effect without master-password-file; set both, or neither\n");
}

static void a_master_for_certificates_alone_is_no_fault(void **state)
{
	struct settings *s;

	(void)state;
	put("master", SECRET "\n");
	s = load(LISTENER "backend: { b: { address = \"10.0.0.1\"; master-user = \"m\"; master-password-file = \"$/master\"; } }");
	assert_non_null(s);
	assert_int_equal(s->cluster->backends[0]->auth, BACKEND_AUTH_FORWARD);
	assert_string_equal(s->cluster->backends[0]->master_password, SECRET);
	settings_unref(&s);
}

static void names_and_capabilities_are_settings(void **state)
{
	struct settings *s = load(MINIMAL "username-case = \"keep\"; default-domain = \"example.org\"; master-separator = \"*\";"
				  "capabilities = \"IMAP4rev1 ID\"; compress = \"hide\";");

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->names.local, USER_NAME_KEEP);
	assert_string_equal(s->names.default_domain, "example.org");
	assert_int_equal(s->names.master_separator, '*');
	assert_string_equal(s->capabilities, "IMAP4rev1 ID");
	assert_true(s->hide_compress);
	settings_unref(&s);
	s = load(MINIMAL);
	assert_non_null(s);
	assert_int_equal(s->names.local, USER_NAME_LOWER);
	assert_null(s->names.default_domain);
	assert_int_equal(s->names.master_separator, '\0');
	assert_null(s->capabilities);
	assert_false(s->hide_compress);
	settings_unref(&s);
	refuse(MINIMAL "default-domain = \"exa mple\";", "F/c:3: default-domain: not a domain; one like \"example.org\" would be right\n");
	refuse(MINIMAL "master-separator = \".\";",
	       "F/c:3: master-separator: not one character that can stand between two names; \"*\" would be right\n");
	refuse(MINIMAL "capabilities = \"IMAP4rev1 STARTTLS auth=PLAIN\";",
	       "F/c:3: capabilities: STARTTLS is said where it applies; leave it out\n"
	       "F/c:3: capabilities: auth=PLAIN is said where it applies; leave it out\n");
	refuse(MINIMAL "capabilities = \"ID\";",
	       "F/c:3: capabilities: clients look for IMAP4rev1 or IMAP4rev2; one of them must be among the words\n");
	refuse(MINIMAL "capabilities = \"IMAP4rev1 X]Y\";",
	       "F/c:3: capabilities: a word that no capability can be; letters, digits and such as \"-\" \"=\" \"+\" would be right\n");
}

static void a_relay_mode_is_one_of_four_words(void **state)
{
	static const struct { const char *text; enum relay_mode mode; } cases[] = {
		{ MINIMAL, RELAY_AUTO },
		{ MINIMAL "relay-mode = \"auto\";", RELAY_AUTO },
		{ MINIMAL "relay-mode = \"copy\";", RELAY_COPY },
		{ MINIMAL "relay-mode = \"splice\";", RELAY_SPLICE },
		{ MINIMAL "relay-mode = \"kernel-tls\";", RELAY_KERNEL_TLS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct settings *s = load(cases[i].text);

		assert_non_null(s);
		assert_int_equal(s->relay_mode, cases[i].mode);
		settings_unref(&s);
	}
	refuse(MINIMAL "relay-mode = \"ktls\";",
	       "F/c:3: relay-mode: there is no \"ktls\"; write \"auto\", \"copy\", \"splice\" or \"kernel-tls\"\n");
}

#define MASTER "auth = \"master\"; master-user = \"m\"; master-password-file = \"$/master\"; "

static void a_master_login_cannot_use_login(void **state)
{
	(void)state;
	put("master", SECRET);
	refuse(LISTENER "backend: { b: { address = \"10.0.0.1\"; " MASTER "auth-method = \"login\"; } }",
	       "F/c:2: backend.b.auth-method: LOGIN has no room for two names, as auth = \"master\" needs; \"plain\" or \"auto\" "
	       "would be right\n");
}

#define BEFORE_MASTER(address, more) \
	"listener: { l: { address = " address "; tls = \"none\"; " more " } }\nbackend: { b: { address = \"10.0.0.1\"; " MASTER " } }"

static void with_a_master_login_other_hosts_are_let_in_only_if_the_listener_says_so(void **state)
{
	static const char *const open[] = {
		BEFORE_MASTER("\"*:143\"", ""), BEFORE_MASTER("\"10.0.0.9:143\"", ""), BEFORE_MASTER("\"[::]:143\"", ""),
		BEFORE_MASTER("[ \"127.0.0.1:143\", \"10.0.0.9:143\" ]", ""), BEFORE_MASTER("\"*:143\"", "unchecked-passwords = false;"),
	};

	(void)state;
	put("master", SECRET);
	for (size_t i = 0; i < ARRAY_LEN(open); i++)
		refuse(open[i], "F/c:1: listener.l.address: other hosts reach this, and backend.b has auth = \"master\": "
				"nobody would check "
		       "their passwords; listen on loopback or unix:, or say unchecked-passwords = true if something before Sluice "
		       "checks them\n");
	allow(BEFORE_MASTER("\"*:143\"", "unchecked-passwords = true;"));
	allow(BEFORE_MASTER("[ \"127.0.0.1:143\", \"[::1]:143\", \"unix:/run/imap\" ]", ""));
}

static void a_group_section_needs_a_backend(void **state)
{
	(void)state;
	refuse(MINIMAL "group: { g: { storage = \"shared\"; } }",
	       "F/c:3: group.g: no backend is in this group; set group = \"g\" in one, or leave the section out\n");
	refuse(MINIMAL "default-group = \"g\";",
	       "F/c:3: default-group: no backend is in the group \"g\"; the group of one would be right\n");
	allow(MINIMAL "default-group = \"default\"; group: { default: { storage = \"shared\"; } }");
}

/* ---- directory ---- */

static void a_file_directory_needs_its_file(void **state)
{
	(void)state;
	refuse(MINIMAL "directory: { driver = \"file\"; }",
	       "F/c:3: directory.driver: driver = \"file\" needs file; as in file = \"/etc/sluice/users\"\n");
	refuse(MINIMAL "directory: { file = \"/users\"; }",
	       "F/c:3: directory.file: has no effect without driver = \"file\"; set that, or leave this out\n");
}

static void settings_of_redis_need_redis(void **state)
{
	static const char *const of_redis[][2] = {
		{ "redis", "\"unix:/r\"" }, { "user", "\"u\"" }, { "password-file", "\"/p\"" }, { "prefix", "\"p:\"" }, { "timeout", "1" },
		{ "on-outage", "\"refuse\"" },
	};
	char text[512], fault[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(of_redis); i++) {
		snprintf(text, sizeof(text), MINIMAL "directory: { driver = \"file\"; file = \"/u\"; %s = %s; }", of_redis[i][0],
			 of_redis[i][1]);
		snprintf(fault, sizeof(fault), "F/c:3: directory.%s: has no effect without driver = \"redis\"; set that, or "
					       "leave this out\n",
			 of_redis[i][0]);
		refuse(text, fault);
	}
}

static void a_wrong_redis_address_user_or_prefix_is_refused(void **state)
{
	(void)state;
	allow(MINIMAL "directory: { driver = \"redis\"; }");
	assert_null(load(MINIMAL "directory: { driver = \"redis\"; redis = \"http://x\"; }"));
	assert_non_null(strstr(faults, "F/c:3: directory.redis: "));
	assert_null(load(MINIMAL "directory: { driver = \"redis\"; redis = \"redis://u:" SECRET "@10.0.0.1\"; }"));
	assert_non_null(strstr(faults, "F/c:3: directory.redis: "));
	assert_null(strstr(faults, SECRET));
	refuse(MINIMAL "directory: { driver = \"redis\"; user = \"u\"; }",
	       "F/c:3: directory.user: a user without a password; set password-file too\n");
	refuse(MINIMAL "directory: { driver = \"redis\"; prefix = \"{x}:\"; }",
	       "F/c:3: directory.prefix: braces or spaces in the prefix; one like \"sluice:\" would be right\n");
}

static void hashing_without_the_directory_needs_one_group_of_shared_storage(void **state)
{
	(void)state;
	refuse(MINIMAL "directory: { driver = \"redis\"; on-outage = \"hash\"; }",
	       "F/c:3: directory.on-outage: \"hash\" is for shared storage, which group \"default\" has not; \"refuse\" or \"last-known\" "
	       "would be right\n");
	allow(MINIMAL "group: { default: { storage = \"shared\"; } } directory: { driver = \"redis\"; on-outage = \"hash\"; }");
	refuse(LISTENER "backend: { a: { address = \"10.0.0.1\"; group = \"x\"; } b: { address = \"10.0.0.2\"; group = \"y\"; } }\n"
	       "group: { x: { storage = \"shared\"; } y: { storage = \"shared\"; } }\ndirectory: { driver = \"redis\"; on-outage "
	       "= \"hash\"; }",
	       "F/c:4: directory.on-outage: \"hash\" cannot know which group a user is in, \"x\" or \"y\"; \"refuse\" or \"last-known\" "
	       "would be right\n");
}

/* ---- password files ---- */

#define WITH_PASSWORD MINIMAL "directory: { driver = \"redis\"; password-file = \"$/p\"; }"

static void expect_bad_password_file(const char *why)
{
	char fault[512];

	snprintf(fault, sizeof(fault), "F/c:3: directory.password-file: \"F/p\": %s\n", why);
	refuse(WITH_PASSWORD, fault);
}

static void a_password_file_must_be_there_and_be_a_file(void **state)
{
	(void)state;
	unlink(in_folder("p"));
	expect_bad_password_file("No such file or directory");
	assert_int_equal(mkdir(in_folder("p"), 0700), 0);
	expect_bad_password_file("not a regular file; one would be right");
	rmdir(in_folder("p"));
	assert_int_equal(mkfifo(in_folder("p"), 0600), 0);
	expect_bad_password_file("not a regular file; one would be right");
}

static void a_password_file_is_kept_from_others(void **state)
{
	static const mode_t open[] = { 0604, 0602 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		put_bytes("p", SECRET, strlen(SECRET), open[i]);
		expect_bad_password_file("others than its owner and group may read or write it; chmod o= would be right");
	}
	put_bytes("p", SECRET, strlen(SECRET), 0640);
	allow(WITH_PASSWORD);
}

static void a_password_is_1_to_1024_bytes_of_the_first_line(void **state)
{
	static const char *const ends[] = { "", "\n", "\r\n", "\nmore" };
	char text[1100];

	(void)state;
	put("p", "");
	expect_bad_password_file("its first line is empty; it must hold the password");
	put("p", "\n" SECRET);
	expect_bad_password_file("its first line is empty; it must hold the password");
	put_bytes("p", "a\0b", 3, 0600);
	expect_bad_password_file("its first line holds a zero byte; a password is text");
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct settings *s;

		strcpy(text + 1024, ends[i]);
		put("p", text);
		s = accepted(WITH_PASSWORD);
		assert_int_equal(strlen(s->redis.password), 1024);
		settings_unref(&s);
		text[1024] = 'x';
		strcpy(text + 1025, ends[i]);
		put("p", text);
		expect_bad_password_file("its first line is too long; a password may have 1024 bytes");
		memset(text, 'x', sizeof(text));
	}
}

/* ---- files that cannot be read, or not to an end ---- */

static void a_file_that_is_none_is_refused(void **state)
{
	(void)state;
	assert_null(load_file(in_folder("gone")));
	assert_string_equal(faults, "F/gone: cannot be read: No such file or directory\n");
	assert_null(load_file(folder));
	assert_string_equal(faults, "F: cannot be read: not a regular file; one would be right\n");
	mkfifo(in_folder("pipe"), 0600);
	assert_null(load_file(in_folder("pipe")));
	assert_string_equal(faults, "F/pipe: cannot be read: not a regular file; one would be right\n");
}

static void an_included_file_is_read_and_its_faults_name_it(void **state)
{
	(void)state;
	put("more", "\n" BACKEND);
	allow(LISTENER "@include \"$/more\"\n");
	put("more", "\nbackend: { mb1: {\n adress = \"10.0.0.1\"; address = \"10.0.0.1\"; } }\n");
	refuse(LISTENER "@include \"$/more\"\n", "F/more:3: no such setting: adress; did you mean address?\n");
	put("more", "\n\n=");
	refuse(LISTENER "@include \"$/more\"\n", "F/more:3: syntax error; look here or before for a missing quote, brace or \";\", or "
						 "for a name that does not begin with a letter\n");
}

static void what_is_not_a_file_with_a_whole_path_is_not_included(void **state)
{
	(void)state;
	refuse(MINIMAL "@include \"more\"\n", "F/c:3: cannot include \"more\": not a whole path; it must begin with \"/\"\n");
	refuse(MINIMAL "\t@include\t \"$\"\n", "F/c:3: cannot include \"F\": not a regular file; one would be right\n");
	refuse(MINIMAL "@include \"$/gone\"\n", "F/c:3: cannot include \"F/gone\": No such file or directory\n");
	refuse(MINIMAL "@include \"/a\\\"b\"\n", "F/c:3: cannot include \"/a\\\": a path with a backslash; it must have none\n");
	mkfifo(in_folder("pipe"), 0600);
	refuse(MINIMAL "@include \"$/pipe\"\n", "F/c:3: cannot include \"F/pipe\": not a regular file; one would be right\n");
}

static void including_comes_to_an_end(void **state)
{
	char line[300], text[3300] = "";

	(void)state;
	snprintf(line, sizeof(line), "@include \"%s/self\"\n", folder);
	put("self", line);
	refuse(MINIMAL "@include \"$/self\"\n", "F/self:1: include file nesting too deep; files may include others ten deep\n");
	for (int i = 0; i < 10; i++)
		strcat(text, line);
	put("self", text);
	assert_null(load(MINIMAL "@include \"$/self\"\n"));
	assert_int_equal(nfaults, 1);
	assert_non_null(strstr(faults, "too many files; settings may have 100 in all"));
}

static void a_huge_file_is_refused_unread(void **state)
{
	(void)state;
	put("huge", "");
	assert_int_equal(truncate(in_folder("huge"), 17 * 1024 * 1024), 0);
	assert_null(load_file(in_folder("huge")));
	assert_string_equal(faults, "F/huge: cannot be read: too large; at most 16777216 bytes are read\n");
	unlink(in_folder("huge"));
}

static void a_file_cut_anywhere_is_taken_or_told_of(void **state)
{
	static const char text[] = LISTENER "backend: { a: { address = [ \"unix:/b\", 1, ( {} ) ]; weight = 0x10L; group = "
					    "\"g\\x41\"; } }\n"
		"/* c */ group: { g: { } } // x\ndirectory: { driver = \"redis\"; timeout = 1.5e0; }\n@include \"/dev/null\"\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct settings *s;

		put_bytes("cut", text, n, 0600);
		s = load_file(in_folder("cut"));
		assert_true((s != NULL) == (nfaults == 0));
		settings_unref(&s);
	}
}

/* ---- the rest ---- */

static void checking_files_tells_of_each_that_cannot_be_loaded(void **state)
{
	struct settings *s = accepted("listener: { l: { address = \"*:993\"; } } tls: { certificate = \"$/none.pem\"; }\n"
				      "backend: { a: { address = \"10.0.0.1\"; tls = \"starttls\"; tls-ca = \"$/none.ca\"; }\n"
				      "b: { address = \"10.0.0.2\"; tls = \"starttls\"; tls-ca = \"$/none.ca\"; } }\n"
				      "directory: { driver = \"file\"; file = \"$/none.map\"; }");

	(void)state;
	assert_false(settings_check_files(s, note_fault, note_doubt, NULL));
	assert_int_equal(nfaults, 3);
	assert_string_equal(faults, "F/c:1: tls.certificate: F/none.pem: No such file or directory\n"
				    "F/c:2: backend.a.tls-ca: F/none.ca: No such file or directory\n"
				    "F/c:4: directory.file: F/none.map: No such file or directory\n");
	settings_unref(&s);
}

static void expect_where(const struct settings *s, const char *of, const char *said, const char *expected)
{
	char err[512];

	snprintf(err, sizeof(err), "%s", said);
	settings_say_where(s, of, err, sizeof(err));
	faults[0] = '\0';
	note_fault(err, NULL);
	assert_string_equal(faults, expected);
}

static void a_fault_found_later_has_the_line_of_the_setting_whose_file_it_is_about(void **state)
{
	struct settings *s;

	(void)state;
	put("more", "backend: { a: { address = \"10.0.0.1\"; tls = \"starttls\";\n tls-ca = \"/ca\"; }\n"
		    "ab: { address = \"10.0.0.2\"; tls = \"starttls\";\n tls-ca = \"/ca\"; tls-certificate = \"/c\"; } }\n");
	s = accepted("listener: { l: { address = \"*:993\"; } }\ntls: {\n certificate = [ \"/c\",\n \"/folder\" ];\n client-ca = \"/ca\";\n"
		     "client-cert = \"optional\"; }\n@include \"$/more\"\ndirectory: { driver = \"file\"; file = \"/map\"; }");
	expect_where(s, "tls.", "/c: gone", "F/c:3: tls.certificate: /c: gone\n");
	expect_where(s, "tls.", "/folder/x.pem: gone", "F/c:4: tls.certificate: /folder/x.pem: gone\n");
	expect_where(s, "tls.", "/ca: gone", "F/c:5: tls.client-ca: /ca: gone\n");
	expect_where(s, "tls.", "/c.key: gone", "F/c:3: tls.certificate: /c.key: gone\n");
	expect_where(s, "backend.a.", "/ca: gone", "F/more:2: backend.a.tls-ca: /ca: gone\n");
	expect_where(s, "backend.ab.", "/c: gone", "F/more:4: backend.ab.tls-certificate: /c: gone\n");
	expect_where(s, "directory.file", "/map: gone", "F/c:8: directory.file: /map: gone\n");
	expect_where(s, "directory.file", "/map:7: a fault", "/map:7: a fault\n");
	expect_where(s, "listener.l", "port taken", "F/c:1: listener.l: port taken\n");
	expect_where(s, "user", "no such user", "F/c:1: user: no such user\n");
	settings_unref(&s);
	s = accepted(MINIMAL "user = \"joe\";");
	expect_where(s, "user", "no such user", "F/c:3: user: no such user\n");
	settings_unref(&s);
}

static void every_path_must_be_whole(void **state)
{
	static const char *const settings[] = {
		"ready-file = \"p\"", "tls: { certificate = \"p\"; }", "tls: { certificate = \"/c\"; key = \"p\"; }",
		"tls: { ticket-key-file = \"p\"; }", "directory: { driver = \"file\"; file = \"p\"; }",
		"directory: { driver = \"redis\"; password-file = \"p\"; }",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		char text[1024];

		snprintf(text, sizeof(text), MINIMAL "%s;\n", settings[i]);
		assert_null(load(text));
		assert_non_null(strstr(faults, ": not a whole path; it must begin with \"/\"\n"));
		assert_int_equal(nfaults, 1);
	}
}

static void a_port_that_is_missing_is_told_with_the_usual_one(void **state)
{
	(void)state;
	refuse("listener: { l: { address = \"10.0.0.1\"; tls = \"none\"; } }\n" BACKEND,
	       "F/c:1: listener.l.address: \"10.0.0.1\": the port is missing; write \"10.0.0.1:143\"\n");
	refuse("listener: { l: { address = [ \"10.0.0.1\" ]; } }\n" BACKEND "tls: { certificate = \"/c\"; }",
	       "F/c:1: listener.l.address: \"10.0.0.1\": the port is missing; write \"10.0.0.1:993\"\n");
}

static void a_listener_where_nobody_can_log_in_is_a_doubt_and_no_fault(void **state)
{
	struct settings *s = accepted("listener: { a: { address = \"*:143\"; tls = \"none\"; cleartext-login = true; }\n"
				      "b: { address = \"*:144\"; tls = \"starttls\"; }\nc: { address = \"*:145\"; tls = \"none\"; } }\n"
				      BACKEND "tls: { certificate = \"/c\"; }");

	(void)state;
	settings_doubts(s, note_doubt, NULL);
	assert_string_equal(faults, "doubt: F/c:3: listener.c: nobody can log in here, without TLS and with cleartext-login = false; "
				    "set one of them\n");
	settings_unref(&s);
}

static void a_map_without_users_is_a_doubt(void **state)
{
	struct settings *s = accepted(MINIMAL "directory: { driver = \"file\"; file = \"$/map\"; }");

	(void)state;
	put("map", "# none yet\n");
	assert_true(settings_check_files(s, note_fault, note_doubt, NULL));
	assert_string_equal(faults, "doubt: F/c:3: directory.file: F/map: no user in it; a line \"user backend\" for each "
				    "would be right\n");
	settings_unref(&s);
}

static void as_root_the_user_must_be_there(void **state)
{
	struct settings *s = accepted(MINIMAL "user = \"no-such-user-here\";");
	bool root = geteuid() == 0;

	(void)state;
	assert_true(settings_check_user(s, note_fault, NULL) == !root);
	assert_string_equal(faults, root ? "F/c:3: user: no such user: no-such-user-here; make it (adduser --system --group "
					   "no-such-user-here) "
					   "or set user\n" : "");
	settings_unref(&s);
	s = accepted(MINIMAL "user = \"root\";");
	assert_true(settings_check_user(s, note_fault, NULL));
	settings_unref(&s);
}

static void a_map_with_faults_is_told_line_by_line(void **state)
{
	struct settings *s;

	(void)state;
	put("map", "alice mb1\nbob nowhere\ncarol nowhere\n");
	s = accepted(MINIMAL "directory: { driver = \"file\"; file = \"$/map\"; }");
	assert_false(settings_check_files(s, note_fault, note_doubt, NULL));
	assert_int_equal(nfaults, 2);
	assert_non_null(strstr(faults, "F/map:2: "));
	assert_non_null(strstr(faults, "F/map:3: "));
	put("map", "alice mb1\n");
	assert_true(settings_check_files(s, note_fault, note_doubt, NULL));
	settings_unref(&s);
}

static void limits_have_defaults_that_large_gateways_can_live_with(void **state)
{
	struct settings *s = accepted(MINIMAL);
	struct addr a = { 0 };

	(void)state;
	assert_true(s->auth_failure_delay == 2);
	assert_int_equal(s->limits.not_logged_in, 10000);
	assert_int_equal(s->limits.not_logged_in_per_address, 500);
	assert_int_equal(s->limits.not_logged_in_per_64, 500);
	assert_int_equal(s->limits.connections_per_second, 200);
	assert_int_equal(s->limits.sessions_per_user, 0);
	assert_int_equal(s->limits.sessions_per_user_address, 0);
	assert_int_equal(s->limits.exempt.n, 3);
	assert_true(addr_parse_ip(&a, span_of("127.3.4.5")));
	assert_true(cidr_list_has(&s->limits.exempt, &a));
	assert_true(addr_parse_ip(&a, span_of("192.0.2.1")));
	assert_false(cidr_list_has(&s->limits.exempt, &a));
	settings_unref(&s);
}

static void limits_are_as_the_file_says(void **state)
{
	struct settings *s = accepted(MINIMAL "auth-failure-delay = \"500ms\"; limit-exempt = [ \"10.0.0.0/8\" ];\n"
				      "limits: { not-logged-in = 1; not-logged-in-per-address = 2; not-logged-in-per-64 = 3;\n"
				      "connections-per-second = 4; sessions-per-user = 5; sessions-per-user-address = 6; }");

	(void)state;
	assert_true(s->auth_failure_delay == 0.5);
	assert_int_equal(s->limits.not_logged_in, 1);
	assert_int_equal(s->limits.not_logged_in_per_address, 2);
	assert_int_equal(s->limits.not_logged_in_per_64, 3);
	assert_int_equal(s->limits.connections_per_second, 4);
	assert_int_equal(s->limits.sessions_per_user, 5);
	assert_int_equal(s->limits.sessions_per_user_address, 6);
	assert_int_equal(s->limits.exempt.n, 1);
	settings_unref(&s);
	s = accepted(MINIMAL "limit-exempt = [];");
	assert_int_equal(s->limits.exempt.n, 0);
	settings_unref(&s);
	s = accepted(MINIMAL "limit-exempt = \"unix\";");
	assert_int_equal(s->limits.exempt.n, 1);
	settings_unref(&s);
}

static void networks_that_are_none_are_told(void **state)
{
	(void)state;
	refuse(MINIMAL "limit-exempt = [ \"10.0.0.0/8\",\n\"10.0.0.1/8\" ];",
	       "F/c:4: limit-exempt: \"10.0.0.1/8\": bits are set behind the first 8; \"10.0.0.0/8\" would be right\n");
	refuse(MINIMAL "limit-exempt = 10;", "F/c:3: limit-exempt: not a text; write it in double quotes\n");
	refuse(MINIMAL "limit-exempt: { };",
	       "F/c:3: limit-exempt: not a network; write \"10.0.0.0/8\", or several in brackets: [ \"10.0.0.0/8\", \"2001:db8::/32\" ]\n");
	refuse(MINIMAL "auth-failure-delay = 31;", "F/c:3: auth-failure-delay: 31 seconds are out of bounds; 0 to 30 would be right\n");
	refuse(MINIMAL "limits: { sessions-per-user = -1; }",
	       "F/c:3: limits.sessions-per-user: not a whole number in its bounds; write one from 0 to 10000000\n");
}

static void note_name(const char *name, void *arg)
{
	strcat(strcat(arg, name), "\n");
}

static void each_name_is_told_in_full(void **state)
{
	char names[4096] = "\n";

	(void)state;
	settings_each_name(note_name, names);
	assert_non_null(strstr(names, "\nworkers\n"));
	assert_non_null(strstr(names, "\nlog.level\n"));
	assert_non_null(strstr(names, "\nlistener.NAME.unchecked-passwords\n"));
	assert_non_null(strstr(names, "\ntls.certificate\n"));
	assert_non_null(strstr(names, "\nbackend.NAME.master-password-file\n"));
	assert_non_null(strstr(names, "\ngroup.NAME.storage\n"));
	assert_non_null(strstr(names, "\ndirectory.on-outage\n"));
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "c", "cut", "master", "redis", "p", "pipe", "more", "self", "map" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_settings_stand_as_they_are_and_the_rest_is_default),
		cmocka_unit_test(every_setting_can_be_set),
		cmocka_unit_test(the_sample_is_accepted),
		cmocka_unit_test(each_line_of_the_sample_may_be_uncommented),
		cmocka_unit_test(a_time_is_seconds_or_a_number_with_a_unit),
		cmocka_unit_test(no_tls_listener_means_no_certificate_to_load),
		cmocka_unit_test(workers_may_be_none),
		cmocka_unit_test(settings_stay_while_somebody_holds_a_reference),
		cmocka_unit_test(a_network_that_is_none_is_told_with_its_line),
		cmocka_unit_test(a_listener_with_proxy_protocol_needs_trusted_proxies),
		cmocka_unit_test(a_backend_is_not_one_of_our_listeners),
		cmocka_unit_test(a_syntax_error_is_told_alone_with_its_line),
		cmocka_unit_test(a_name_twice_is_refused),
		cmocka_unit_test(a_mistyped_name_is_answered_with_the_right_one),
		cmocka_unit_test(a_very_long_unknown_name_is_cut_not_compared),
		cmocka_unit_test(every_fault_is_told_at_once_with_its_line),
		cmocka_unit_test(faults_without_end_are_cut_short),
		cmocka_unit_test(a_newline_in_a_text_makes_no_second_line),
		cmocka_unit_test(a_section_is_a_group_of_settings),
		cmocka_unit_test(names_are_letters_digits_dashes_and_underscores_64_at_most),
		cmocka_unit_test(a_truth_value_is_true_or_false_only),
		cmocka_unit_test(an_unknown_word_is_answered_with_the_known_ones),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(times_and_numbers_have_bounds),
		cmocka_unit_test(timeouts_that_would_end_sessions_that_are_well_are_refused),
		cmocka_unit_test(timeouts_can_be_none_and_tcp_has_whole_seconds),
		cmocka_unit_test(a_text_is_in_quotes_not_empty_not_too_long_and_without_control_bytes),
		cmocka_unit_test(the_ready_file_is_a_whole_path),
		cmocka_unit_test(a_listener_needs_an_address_with_a_port),
		cmocka_unit_test(two_listeners_cannot_have_the_same_address_and_port),
		cmocka_unit_test(a_tls_listener_needs_a_certificate),
		cmocka_unit_test(certificates_may_be_one_or_several),
		cmocka_unit_test(a_listener_has_the_policy_of_the_section_unless_it_says_otherwise),
		cmocka_unit_test(a_policy_of_a_listener_is_checked_where_it_stands),
		cmocka_unit_test(certificates_of_clients_need_an_authority_and_the_other_way_round),
		cmocka_unit_test(a_backend_may_have_a_certificate_for_it_and_an_old_version),
		cmocka_unit_test(unknown_ciphers_are_refused),
		cmocka_unit_test(a_backend_needs_one_address),
		cmocka_unit_test(a_unix_backend_with_verified_tls_needs_a_name),
		cmocka_unit_test(a_ca_or_a_name_without_tls_would_be_a_false_comfort),
		cmocka_unit_test(a_master_login_needs_user_and_password),
		cmocka_unit_test(a_master_for_certificates_alone_is_no_fault),
		cmocka_unit_test(names_and_capabilities_are_settings),
		cmocka_unit_test(a_relay_mode_is_one_of_four_words),
		cmocka_unit_test(a_master_login_cannot_use_login),
		cmocka_unit_test(with_a_master_login_other_hosts_are_let_in_only_if_the_listener_says_so),
		cmocka_unit_test(a_group_section_needs_a_backend),
		cmocka_unit_test(a_file_directory_needs_its_file),
		cmocka_unit_test(settings_of_redis_need_redis),
		cmocka_unit_test(a_wrong_redis_address_user_or_prefix_is_refused),
		cmocka_unit_test(hashing_without_the_directory_needs_one_group_of_shared_storage),
		cmocka_unit_test(a_password_file_must_be_there_and_be_a_file),
		cmocka_unit_test(a_password_file_is_kept_from_others),
		cmocka_unit_test(a_password_is_1_to_1024_bytes_of_the_first_line),
		cmocka_unit_test(a_file_that_is_none_is_refused),
		cmocka_unit_test(an_included_file_is_read_and_its_faults_name_it),
		cmocka_unit_test(what_is_not_a_file_with_a_whole_path_is_not_included),
		cmocka_unit_test(including_comes_to_an_end),
		cmocka_unit_test(a_huge_file_is_refused_unread),
		cmocka_unit_test(a_file_cut_anywhere_is_taken_or_told_of),
		cmocka_unit_test(checking_files_tells_of_each_that_cannot_be_loaded),
		cmocka_unit_test(a_fault_found_later_has_the_line_of_the_setting_whose_file_it_is_about),
		cmocka_unit_test(every_path_must_be_whole),
		cmocka_unit_test(a_port_that_is_missing_is_told_with_the_usual_one),
		cmocka_unit_test(a_listener_where_nobody_can_log_in_is_a_doubt_and_no_fault),
		cmocka_unit_test(a_map_without_users_is_a_doubt),
		cmocka_unit_test(as_root_the_user_must_be_there),
		cmocka_unit_test(a_map_with_faults_is_told_line_by_line),
		cmocka_unit_test(limits_have_defaults_that_large_gateways_can_live_with),
		cmocka_unit_test(limits_are_as_the_file_says),
		cmocka_unit_test(networks_that_are_none_are_told),
		cmocka_unit_test(each_name_is_told_in_full),
	};
	return cmocka_run_group_tests_name("settings", tests, make_folder, remove_folder);
}
