/*
 * settings_table.c - which settings there are. doc/sluice.conf.5 and etc/sluice.conf must name each of them: t/lint/settings.sh looks.
 */
#include "daemon/settings_private.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "session/env.h"
#include "wire/rendezvous.h"
#include "wire/user_name.h"

#define DAY 86400.0
#define PREFIX_MAX 64		/* of keys in Redis */
#define DOMAIN_MAX 253
#define LIMIT_MAX 10000000.0
#define TCP_KEEPALIVE_MAX 32767.0	/* Linux takes no more */

static const char *const case_words[] = { [USER_NAME_LOWER] = "lower", [USER_NAME_KEEP] = "keep", NULL };
static const char *const compress_words[] = { [false] = "pass", [true] = "hide", NULL };
static const char *const relay_words[] = {
	[RELAY_AUTO] = "auto", [RELAY_COPY] = "copy", [RELAY_SPLICE] = "splice", [RELAY_KERNEL_TLS] = "kernel-tls", NULL
};
static const char *const sink_words[] = { [LOG_TO_STDERR] = "stderr", [LOG_TO_SYSLOG] = "syslog", NULL };
static const char *const level_words[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warn", [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug", NULL
};
static const char *const tls_words[] = { [TLS_NONE] = "none", [TLS_STARTTLS] = "starttls", [TLS_IMPLICIT] = "implicit", NULL };
static const char *const all_version_words[] = { "1.0", "1.1", "1.2", "1.3", NULL };
static const char *const client_cert_words[] = {
	[TLS_CLIENT_CERT_OFF] = "off", [TLS_CLIENT_CERT_OPTIONAL] = "optional", [TLS_CLIENT_CERT_REQUIRED] = "required", NULL
};
static const char *const user_from_words[] = { [TLS_USER_FROM_CN] = "cn", [TLS_USER_FROM_EMAIL_SAN] = "email-san", NULL };
static const char *const auth_words[] = { [BACKEND_AUTH_FORWARD] = "forward", [BACKEND_AUTH_MASTER] = "master", NULL };
static const char *const method_words[] = {
	[BACKEND_METHOD_AUTO] = "auto", [BACKEND_METHOD_LOGIN] = "login", [BACKEND_METHOD_PLAIN] = "plain", NULL
};
static const char *const proxy_words[] = {
	[BACKEND_PROXY_NONE] = "none", [BACKEND_PROXY_V1] = "v1", [BACKEND_PROXY_V2] = "v2", NULL
};
static const char *const storage_words[] = { [STORAGE_SHARD] = "shard", [STORAGE_SHARED] = "shared", NULL };
static const char *const driver_words[] = {
	[DIRECTORY_NONE] = "none", [DIRECTORY_FILE] = "file", [DIRECTORY_REDIS] = "redis", NULL
};
static const char *const outage_words[] = {
	[OUTAGE_REFUSE] = "refuse", [OUTAGE_LAST_KNOWN] = "last-known", [OUTAGE_HASH] = "hash", NULL
};

#define AT(section, field) .at = offsetof(struct draft_##section, field)

static const struct setting_spec top_settings[] = {
	{ "workers", SETTING_WORKERS, AT(top, workers), .high = SETTINGS_WORKERS_MAX, .number = WORKERS_AUTO },
	{ "user", SETTING_TEXT, AT(top, user), .high = 256, .text = "sluice" },
	{ "ready-file", SETTING_PATH, AT(top, ready_file) },
	{ "default-group", SETTING_TEXT, AT(top, default_group), .high = SETTINGS_NAME_MAX },
	{ "drain-timeout", SETTING_SECONDS, AT(top, drain_timeout), .low = 0, .high = DAY, .number = 30 },
	{ "idle-timeout", SETTING_SECONDS, AT(top, idle_timeout), .low = 0, .high = DAY, .number = SETTINGS_IDLE_LEAST },
	{ "literal-timeout", SETTING_SECONDS, AT(top, literal_timeout), .low = 1, .high = DAY, .number = 300 },
	{ "command-timeout", SETTING_SECONDS, AT(top, command_timeout), .low = 0, .high = DAY, .number = 0 },
	{ "slow-command", SETTING_SECONDS, AT(top, slow_command), .low = 0, .high = DAY, .number = 0 },
	{ "tcp-keepalive", SETTING_SECONDS, AT(top, tcp_keepalive), .low = 0, .high = TCP_KEEPALIVE_MAX, .number = 300 },
	{ "tcp-user-timeout", SETTING_SECONDS, AT(top, tcp_user_timeout), .low = 0, .high = DAY, .number = SETTINGS_USER_TIMEOUT_LEAST },
	{ "trusted-proxies", SETTING_NETWORKS, AT(top, trusted_proxies) },
	{ "trusted-networks", SETTING_NETWORKS, AT(top, trusted_networks) },
	{ "auth-failure-delay", SETTING_SECONDS, AT(top, auth_failure_delay), .low = 0, .high = 30, .number = 2 },
	{ "limit-exempt", SETTING_NETWORKS, AT(top, limit_exempt), .text = "127.0.0.0/8 ::1 unix" },
	{ "username-case", SETTING_WORD, AT(top, username_case), .words = case_words, .number = USER_NAME_LOWER },
	{ "default-domain", SETTING_TEXT, AT(top, default_domain), .high = DOMAIN_MAX },
	{ "master-separator", SETTING_TEXT, AT(top, master_separator), .high = 1 },
	{ "capabilities", SETTING_TEXT, AT(top, capabilities), .high = SESSION_CAPABILITIES_MAX },
	{ "compress", SETTING_WORD, AT(top, compress), .words = compress_words, .number = false },
	{ "relay-mode", SETTING_WORD, AT(top, relay_mode), .words = relay_words, .number = RELAY_AUTO },
};

static const struct setting_spec log_settings[] = {
	{ "to", SETTING_WORD, AT(log, to), .words = sink_words, .number = LOG_TO_STDERR },
	{ "level", SETTING_WORD, AT(log, level), .words = level_words, .number = LOG_LEVEL_INFO },
};

static const struct setting_spec limits_settings[] = {
	{ "not-logged-in", SETTING_NUMBER, AT(limits, not_logged_in), .high = LIMIT_MAX, .number = 10000 },
	{ "not-logged-in-per-address", SETTING_NUMBER, AT(limits, per_address), .high = LIMIT_MAX, .number = 500 },
	{ "not-logged-in-per-64", SETTING_NUMBER, AT(limits, per_64), .high = LIMIT_MAX, .number = 500 },
	{ "connections-per-second", SETTING_NUMBER, AT(limits, connections), .high = LIMIT_MAX, .number = 200 },
	{ "sessions-per-user", SETTING_NUMBER, AT(limits, per_user), .high = LIMIT_MAX, .number = 0 },
	{ "sessions-per-user-address", SETTING_NUMBER, AT(limits, per_user_address), .high = LIMIT_MAX, .number = 0 },
};

static const struct setting_spec listener_settings[] = {
	{ "address", SETTING_ADDRESSES, AT(listener, addresses) },
	{ "tls", SETTING_WORD, AT(listener, tls), .words = tls_words, .number = TLS_IMPLICIT },
	{ "min-version", SETTING_WORD, AT(listener, min_version), .words = all_version_words, .number = SETTING_INHERITED },
	{ "ciphers", SETTING_TEXT, AT(listener, ciphers) },
	{ "client-cert", SETTING_WORD, AT(listener, client_cert), .words = client_cert_words, .number = SETTING_INHERITED },
	{ "cleartext-login", SETTING_BOOL, AT(listener, cleartext_login), .number = false },
	{ "proxy-protocol", SETTING_BOOL, AT(listener, proxy_protocol), .number = false },
	{ "unchecked-passwords", SETTING_BOOL, AT(listener, unchecked_passwords), .number = false },
};

static const struct setting_spec tls_settings[] = {
	{ "certificate", SETTING_PATHS, AT(tls, certificates), .high = SETTINGS_CERTIFICATES_MAX },
	{ "key", SETTING_PATH, AT(tls, key) },
	{ "min-version", SETTING_WORD, AT(tls, min_version), .words = all_version_words + SETTINGS_TLS_1_2, .number = 0 },
	{ "ciphers", SETTING_TEXT, AT(tls, ciphers) },
	{ "strict-sni", SETTING_BOOL, AT(tls, strict_sni), .number = false },
	{ "client-ca", SETTING_PATH, AT(tls, client_ca) },
	{ "client-cert", SETTING_WORD, AT(tls, client_cert), .words = client_cert_words, .number = TLS_CLIENT_CERT_OFF },
	{ "user-from", SETTING_WORD, AT(tls, user_from), .words = user_from_words, .number = TLS_USER_FROM_CN },
	{ "ticket-key-file", SETTING_PATH, AT(tls, ticket_key_file) },
};

static const struct setting_spec backend_settings[] = {
	{ "address", SETTING_TEXT, AT(backend, address) },
	{ "tls", SETTING_WORD, AT(backend, tls), .words = tls_words, .number = TLS_NONE },
	{ "tls-verify", SETTING_BOOL, AT(backend, tls_verify), .number = true },
	{ "tls-ca", SETTING_PATH, AT(backend, tls_ca) },
	{ "tls-name", SETTING_TEXT, AT(backend, tls_name), .high = DOMAIN_MAX },
	{ "tls-certificate", SETTING_PATH, AT(backend, tls_certificate) },
	{ "tls-key", SETTING_PATH, AT(backend, tls_key) },
	{ "tls-min-version", SETTING_WORD, AT(backend, tls_min_version), .words = all_version_words, .number = SETTINGS_TLS_1_2 },
	{ "weight", SETTING_NUMBER, AT(backend, weight), .low = 0, .high = RENDEZVOUS_WEIGHT_MAX, .number = 100 },
	{ "group", SETTING_TEXT, AT(backend, group), .high = SETTINGS_NAME_MAX, .text = "default" },
	{ "proxy-protocol", SETTING_WORD, AT(backend, proxy), .words = proxy_words, .number = BACKEND_PROXY_NONE },
	{ "trusted", SETTING_BOOL, AT(backend, trusted), .number = true },
	{ "pipelining", SETTING_BOOL, AT(backend, pipelining), .number = true },
	{ "auth", SETTING_WORD, AT(backend, auth), .words = auth_words, .number = BACKEND_AUTH_FORWARD },
	{ "master-user", SETTING_TEXT, AT(backend, master_user), .high = USER_NAME_MAX },
	{ "master-password-file", SETTING_PATH, AT(backend, master_password_file) },
	{ "auth-method", SETTING_WORD, AT(backend, method), .words = method_words, .number = BACKEND_METHOD_AUTO },
};

static const struct setting_spec group_settings[] = {
	{ "storage", SETTING_WORD, AT(group, storage), .words = storage_words, .number = STORAGE_SHARD },
};

static const struct setting_spec directory_settings[] = {
	{ "driver", SETTING_WORD, AT(directory, driver), .words = driver_words, .number = DIRECTORY_NONE },
	{ "file", SETTING_PATH, AT(directory, file) },
	{ "redis", SETTING_TEXT, AT(directory, redis), .text = "redis://127.0.0.1:6379/0" },
	{ "user", SETTING_TEXT, AT(directory, user), .high = 256 },
	{ "password-file", SETTING_PATH, AT(directory, password_file) },
	{ "prefix", SETTING_TEXT, AT(directory, prefix), .high = PREFIX_MAX, .text = "sluice:" },
	{ "timeout", SETTING_SECONDS, AT(directory, timeout), .low = 0.01, .high = 60, .number = 2 },
	{ "on-outage", SETTING_WORD, AT(directory, on_outage), .words = outage_words, .number = OUTAGE_REFUSE },
};

#define SECTION(text, field, list, most) \
	{ .name = (text), .named_max = (most), .at = offsetof(struct draft, list), .size = sizeof(struct draft_##field), \
	  .settings = field##_settings, .n = ARRAY_LEN(field##_settings) }

const struct section_spec settings_sections[] = {
	SECTION("", top, top, 0),
	SECTION("log", log, log, 0),
	SECTION("limits", limits, limits, 0),
	SECTION("listener", listener, listeners, SETTINGS_LISTENERS_MAX),
	SECTION("tls", tls, tls, 0),
	SECTION("backend", backend, backends, CLUSTER_BACKENDS_MAX),
	SECTION("group", group, groups, CLUSTER_BACKENDS_MAX),
	SECTION("directory", directory, directory, 0),
};

const size_t settings_nsections = ARRAY_LEN(settings_sections);

const char *settings_relay_mode_text(const struct settings *s)
{
	return relay_words[s->relay_mode];
}

const struct setting_spec *section_find(const struct section_spec *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->settings[i].name, name) == 0)
			return &s->settings[i];
	return NULL;
}

const struct section_spec *settings_find_section(const char *name)
{
	for (size_t i = 0; i < settings_nsections; i++)
		if (*name && strcmp(settings_sections[i].name, name) == 0)
			return &settings_sections[i];
	return NULL;
}

void settings_each_name(void (*fn)(const char *name, void *arg), void *arg)
{
	for (size_t i = 0; i < settings_nsections; i++) {
		const struct section_spec *s = &settings_sections[i];

		for (size_t k = 0; k < s->n; k++) {
			char name[128];

			snprintf(name, sizeof(name), "%s%s%s%s", s->name, s->named_max ? ".NAME" : "", *s->name ? "." : "",
				 s->settings[k].name);
			fn(name, arg);
		}
	}
}
