/*
 * main.c - sluiced's command line.
 */
#include <ares.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <libconfig.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "daemon/control.h"
#include "daemon/settings.h"
#include "daemon/version.h"

enum { STATUS_OK, STATUS_FAULTS, STATUS_USAGE };

static const char usage[] = "usage: sluiced [-c FILE] [-t] [-V] [-h]\n";
static const char help[] =
	"Runs the Sluice IMAP proxy in the foreground.\n"
	"  -c FILE  the settings (" SETTINGS_DEFAULT_PATH ")\n"
	"  -t       check the settings and the files they name, and exit\n"
	"  -V       print the versions of sluiced and its libraries, and exit\n"
	"  -h       print this, and exit\n";

static void print_fault(const char *sentence, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", sentence);
}

/* No fault: the status stays 0. */
static void print_doubt(const char *sentence, void *arg)
{
	(void)arg;
	fprintf(stderr, "warning: %s\n", sentence);
}

static int finish_stdout(void)
{
	return fflush(stdout) == 0 ? STATUS_OK : STATUS_FAULTS;
}

static int print_versions(void)
{
	printf("sluiced %s\n", PACKAGE_VERSION);
	printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	printf("libev %d.%d\n", ev_version_major(), ev_version_minor());
	printf("c-ares %s\n", ares_version(NULL));
	printf("hiredis %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
	printf("libconfig %d.%d.%d\n", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR, LIBCONFIG_VER_REVISION);
	return finish_stdout();
}

/* As the user that will read them when it runs. */
static bool check_files(const struct settings *s)
{
	char err[256];

	if (sandbox_drop_rights(s->user, err, sizeof(err)))
		return settings_check_files(s, print_fault, print_doubt, NULL);
	print_fault(err, NULL);
	return false;
}

/* NULL: told. */
static struct settings *load(const char *path)
{
	struct settings *s = settings_load(path, print_fault, NULL);

	if (s && !settings_check_user(s, print_fault, NULL))
		settings_unref(&s);
	return s;
}

static int check(const char *path)
{
	struct settings *s = load(path);
	bool good = s && check_files(s);

	if (s) {
		settings_doubts(s, print_doubt, NULL);
		settings_unref(&s);
	}
	if (!good)
		return STATUS_FAULTS;
	printf("%s: ok\n", path);
	return finish_stdout();
}

static int serve(const char *path)
{
	struct settings *s = load(path);

	return s ? control_run(s) : STATUS_FAULTS;
}

int main(int argc, char **argv)
{
	const char *path = SETTINGS_DEFAULT_PATH;
	bool check_only = false;
	int option;

	while ((option = getopt(argc, argv, "c:tVh")) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 't':
			check_only = true;
			break;
		case 'V':
			return print_versions();
		case 'h':
			printf("%s%s", usage, help);
			return finish_stdout();
		default:
			fputs(usage, stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return STATUS_USAGE;
	}
	return check_only ? check(path) : serve(path);
}
