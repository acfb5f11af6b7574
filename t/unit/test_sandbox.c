#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sandbox.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* What changes the process is tried in a child, which answers with its exit status: 0 or the number of what was wrong. */
static void expect_in_child(int (*fn)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(fn());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static uint64_t caps(bool effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &head, d) < 0)
		return ~UINT64_C(0);
	return effective ? (uint64_t)d[1].effective << 32 | d[0].effective : (uint64_t)d[1].permitted << 32 | d[0].permitted;
}

/* ---- descriptors ---- */

enum { PIPES = 8 };

struct files {
	int pipes[PIPES][2];
	bool own_worked;
	bool wrong_open, wrong_closed;	/* in the thread's table */
	bool without_close_range;
};

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* From here on this thread's close_range says ENOSYS, as an old kernel does. */
static bool forget_close_range(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0 &&
	       syscall(SYS_close_range, ~0U, ~0U, 0) < 0 && errno == ENOSYS;
}

/* Keeps the reading ends of every second pipe. */
static void *own_files(void *arg)
{
	struct files *f = arg;
	int keep[PIPES / 2 + 2] = { 0, 2 };
	size_t n = 2;

	for (int i = 0; i < PIPES; i += 2)
		keep[n++] = f->pipes[i][0];
	if (f->without_close_range && !forget_close_range())
		return NULL;
	f->own_worked = sandbox_own_files(keep, n);
	for (int i = 0; i < PIPES; i++) {
		f->wrong_closed |= i % 2 == 0 && !is_open(f->pipes[i][0]);
		f->wrong_open |= i % 2 == 1 && is_open(f->pipes[i][0]);
		f->wrong_open |= is_open(f->pipes[i][1]);
	}
	f->wrong_closed |= !is_open(0) || !is_open(1) || !is_open(2);
	return NULL;
}

static void expect_own_files(bool without_close_range)
{
	struct files f = { .without_close_range = without_close_range };
	pthread_t t;

	for (int i = 0; i < PIPES; i++) {
		assert_int_equal(pipe(f.pipes[i]), 0);
		assert_true(f.pipes[i][0] < f.pipes[i][1]);
	}
	assert_int_equal(pthread_create(&t, NULL, own_files, &f), 0);
	pthread_join(t, NULL);
	assert_true(f.own_worked);
	assert_false(f.wrong_open);
	assert_false(f.wrong_closed);
	for (int i = 0; i < PIPES; i++) {
		assert_int_equal(close(f.pipes[i][0]), 0);
		assert_int_equal(close(f.pipes[i][1]), 0);
	}
}

static void a_thread_closes_its_own_copies_and_the_others_stay_open(void **s)
{
	(void)s;
	expect_own_files(false);
}

static void a_kernel_without_close_range_does_it_too(void **s)
{
	(void)s;
	expect_own_files(true);
}

/* The raised limit must be real, not just a number. */
static int raises(void)
{
	struct rlimit low;

	if (getrlimit(RLIMIT_NOFILE, &low) < 0)
		return 1;
	low.rlim_cur = 20;
	if (setrlimit(RLIMIT_NOFILE, &low) < 0)
		return 2;
	if (sandbox_raise_files() != low.rlim_max)
		return 3;
	return dup2(0, 50) == 50 ? 0 : 4;
}

static void the_limit_of_open_files_is_raised_to_the_hard_one(void **s)
{
	(void)s;
	expect_in_child(raises);
}

/* ---- rights ---- */

static int drops_all(void)
{
	sandbox_drop_capabilities();
	return caps(true) == 0 && caps(false) == 0 ? 0 : 1;
}

static void no_capability_is_left_to_a_worker(void **s)
{
	(void)s;
	expect_in_child(drops_all);
}

static int hardens(void)
{
	sandbox_harden();
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 1;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
}

static void no_core_dump_and_no_new_privileges(void **s)
{
	(void)s;
	expect_in_child(hardens);
}

static int names_nobody(void)
{
	char err[100] = "";

	if (geteuid() != 0)
		return sandbox_drop_rights("no-such-user-here", err, sizeof(err)) ? 0 : 1;
	if (sandbox_drop_rights("no-such-user-here", err, sizeof(err)))
		return 2;
	return strcmp(err, "no such user: no-such-user-here") == 0 ? 0 : 3;
}

static void an_unknown_user_is_told_and_to_others_than_root_does_not_matter(void **s)
{
	(void)s;
	expect_in_child(names_nobody);
}

static bool can_bind(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool bound = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EADDRINUSE;

	close(fd);
	return bound;
}

/* Run by root it becomes nobody; by others it must change nothing. */
static int drops_to_nobody(void)
{
	uint64_t before = caps(false), bind_only = before & UINT64_C(1) << CAP_NET_BIND_SERVICE;
	const struct passwd *pw = getpwnam("nobody");
	bool was_root = geteuid() == 0;
	uid_t uid = was_root && pw ? pw->pw_uid : geteuid();
	char err[100] = "";

	if (was_root && !pw)
		return 1;
	if (!sandbox_drop_rights("nobody", err, sizeof(err)))
		return 2;
	if (getuid() != uid || geteuid() != uid || (was_root && getegid() != pw->pw_gid))
		return 3;
	if (caps(false) != (was_root ? bind_only : before) || (was_root && caps(true) != bind_only))
		return 4;
	if (was_root && setuid(0) == 0)
		return 5;
	return bind_only && !can_bind(877) ? 6 : 0;
}

static void root_becomes_the_user_and_keeps_low_ports_only(void **s)
{
	(void)s;
	expect_in_child(drops_to_nobody);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_closes_its_own_copies_and_the_others_stay_open),
		cmocka_unit_test(a_kernel_without_close_range_does_it_too),
		cmocka_unit_test(the_limit_of_open_files_is_raised_to_the_hard_one),
		cmocka_unit_test(no_capability_is_left_to_a_worker),
		cmocka_unit_test(no_core_dump_and_no_new_privileges),
		cmocka_unit_test(an_unknown_user_is_told_and_to_others_than_root_does_not_matter),
		cmocka_unit_test(root_becomes_the_user_and_keeps_low_ports_only),
	};
	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
