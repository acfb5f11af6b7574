/*
 * replay.c - runs a harness over its corpus without a fuzzer: fuzz_NAME FOLDER, one TAP result for each seed in it.
 *
 * Each seed is run as it is, and with one thing changed at a time: cut behind each byte, each byte left out, doubled, each of its bits
 * turned, and in its place each byte that means something in IMAP or breaks UTF-8. Nothing is left to chance, so what fails once fails
 * again. A seed has a child process of its own: one that crashes is one result, and the parent tells with which input.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED_MAX 65536
#define PLACES_MAX 512		/* of a longer seed, that many places are changed */
#define SECONDS_MAX 120		/* a child that takes longer hangs */
#define TOLD_MAX 400		/* bytes of a failing input that are shown */

/* The input of the run that is under way; shared with the parent. */
struct run {
	size_t n;
	char how[64];
	uint8_t bytes[SEED_MAX + 1];
};

static struct run *run;

static const char odd_bytes[] = "\0\t\n\r \"%*+{}\\]09=@A\x7f\x80\xc3\xff";

static void run_input(void)
{
	char *exact = fuzz_copy(span_mem(run->bytes, run->n));

	LLVMFuzzerTestOneInput((const uint8_t *)exact, run->n);
	free(exact);
}

/* seed with the n bytes at p in the place of the byte at. */
static void run_changed(struct span seed, size_t at, const void *p, size_t n)
{
	memcpy(run->bytes, seed.p, at);
	memcpy(run->bytes + at, p, n);
	memcpy(run->bytes + at + n, seed.p + at + 1, seed.n - at - 1);
	run->n = seed.n - 1 + n;
	run_input();
}

static void run_cut(struct span seed, size_t n)
{
	snprintf(run->how, sizeof(run->how), "cut to %zu bytes", n);
	memcpy(run->bytes, seed.p, n);
	run->n = n;
	run_input();
}

static void run_place(struct span seed, size_t at)
{
	char twice[] = { seed.p[at], seed.p[at] };

	run_cut(seed, at);
	snprintf(run->how, sizeof(run->how), "without byte %zu", at);
	run_changed(seed, at, "", 0);
	snprintf(run->how, sizeof(run->how), "with byte %zu doubled", at);
	run_changed(seed, at, twice, 2);
	for (unsigned bit = 0; bit < 8; bit++) {
		char turned = (char)(seed.p[at] ^ 1 << bit);

		snprintf(run->how, sizeof(run->how), "with bit %u of byte %zu turned", bit, at);
		run_changed(seed, at, &turned, 1);
	}
	for (size_t i = 0; i < sizeof(odd_bytes) - 1; i++) {
		snprintf(run->how, sizeof(run->how), "with byte %zu made 0x%02x", at, (unsigned char)odd_bytes[i]);
		run_changed(seed, at, &odd_bytes[i], 1);
	}
}

/* In the child. exit(), not _exit(): a leak checker looks at the end. */
static _Noreturn void run_seed(struct span seed)
{
	size_t step = seed.n / PLACES_MAX + 1;

	alarm(SECONDS_MAX);
	strcpy(run->how, "as it is");
	run->n = seed.n;
	memcpy(run->bytes, seed.p, seed.n);
	run_input();
	for (size_t at = 0; at < seed.n; at += step)
		run_place(seed, at);
	exit(0);
}

static void tell_input(void)
{
	size_t n = run->n < TOLD_MAX ? run->n : TOLD_MAX;

	printf("# %s, %zu bytes: \"", run->how, run->n);
	for (size_t i = 0; i < n; i++) {
		if (run->bytes[i] >= ' ' && run->bytes[i] < 0x7f && !strchr("\"\\", run->bytes[i]))
			putchar(run->bytes[i]);
		else
			printf("\\x%02x", run->bytes[i]);
	}
	printf("\"%s\n", n < run->n ? "..." : "");
}

static bool seed_holds(struct span seed)
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0)
		run_seed(seed);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child > 0 && status != 0)
		tell_input();
	if (child > 0 && WIFSIGNALED(status))
		printf("# %s\n", strsignal(WTERMSIG(status)));
	return child > 0 && status == 0;
}

static bool read_seed(int folder, const char *name, char *buf, size_t *n)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, buf, SEED_MAX + 1);

	if (fd >= 0)
		close(fd);
	*n = got > 0 ? (size_t)got : 0;
	return got >= 0 && got <= SEED_MAX;
}

static int is_seed(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static bool replay(const char *harness, int folder, struct dirent **seeds, int count)
{
	static char buf[SEED_MAX + 1];
	bool all = true;

	for (int i = 0; i < count; i++) {
		size_t n;
		bool ok = read_seed(folder, seeds[i]->d_name, buf, &n) && seed_holds(span_mem(buf, n));

		printf("%sok %d - %s: %s\n", ok ? "" : "not ", i + 1, harness, seeds[i]->d_name);
		all = all && ok;
	}
	return all;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void free_seeds(struct dirent **seeds, int count)
{
	while (count > 0)
		free(seeds[--count]);
	free(seeds);
}

int main(int argc, char **argv)
{
	int folder = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct dirent **seeds = NULL;
	int count = folder < 0 ? -1 : scandir(argv[1], &seeds, is_seed, alphasort);
	bool ok;

	if (count <= 0) {
		printf("Bail out! %s FOLDER: there must be seeds in it\n", argv[0]);
		return 2;
	}
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(run != MAP_FAILED);
	printf("1..%d\n", count);
	ok = replay(base_name(argv[1]), folder, seeds, count);
	free_seeds(seeds, count);
	close(folder);
	return ok ? 0 : 1;
}
