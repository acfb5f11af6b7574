/*
 * sandbox.c - by prctl(2) and the raw capset(2): libcap would be a dependency for four calls.
 *
 * capset and prctl act on the calling thread alone, setresuid of libc on all: the dropping is done before there are threads.
 */
#include "base/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436	/* the same number on every architecture; Linux 5.9 */
#endif

enum { FIRST_FILE = 3 };	/* 0, 1, 2 stay */

static bool __attribute__((format(printf, 3, 4))) fail(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- capabilities ---- */

static uint64_t permitted_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

/* Nothing inheritable; the kernel then empties the ambient set too. */
static bool set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &head, data) == 0;
}

/* What no exec may bring back. Needs CAP_SETPCAP: where that is missing, the set stays as it is. */
static void shrink_bounding_set(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return;		/* not permitted, or past the last one the kernel knows */
	}
}

void sandbox_drop_capabilities(void)
{
	if (!set_caps(0))
		abort();		/* giving up is always permitted */
}

/* ---- the user ---- */

static bool become(const struct passwd *pw, char *err, size_t errlen)
{
	if (initgroups(pw->pw_name, pw->pw_gid) < 0)
		return fail(err, errlen, "cannot take the groups of user %s: %s", pw->pw_name, strerror(errno));
	if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0)
		return fail(err, errlen, "cannot take the group of user %s: %s", pw->pw_name, strerror(errno));
	if (setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return fail(err, errlen, "cannot become user %s: %s", pw->pw_name, strerror(errno));
	return true;
}

bool sandbox_drop_rights(const char *user, char *err, size_t errlen)
{
	/* in a container even root may lack it; what is not there cannot be kept */
	uint64_t keep = permitted_caps() & UINT64_C(1) << CAP_NET_BIND_SERVICE;
	const struct passwd *pw;

	if (geteuid() != 0)
		return true;
	pw = getpwnam(user);
	if (!pw)
		return fail(err, errlen, "no such user: %s", user);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail(err, errlen, "cannot keep capabilities: %s", strerror(errno));
	shrink_bounding_set(keep);
	if (!become(pw, err, errlen))
		return false;
	if (!set_caps(keep))
		return fail(err, errlen, "cannot set capabilities: %s", strerror(errno));
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (pw->pw_uid != 0 && setresuid(0, 0, 0) == 0)
		return fail(err, errlen, "user %s can become root again", user);
	return true;
}

void sandbox_harden(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- descriptors ---- */

unsigned long sandbox_raise_files(void)
{
	struct rlimit limit, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

/* For kernels without close_range. thread-self, for self is the first thread's table, which is no longer ours. */
static bool close_listed(unsigned from, unsigned to)
{
	DIR *dir = opendir("/proc/thread-self/fd");
	const struct dirent *d;

	if (!dir)
		return false;
	while ((d = readdir(dir))) {
		unsigned long fd = strtoul(d->d_name, NULL, 10);

		if (d->d_name[0] != '.' && fd >= from && fd <= to && fd != (unsigned long)dirfd(dir))
			close((int)fd);
	}
	return closedir(dir) == 0;
}

static bool close_between(unsigned from, unsigned to)
{
	if (from > to || syscall(SYS_close_range, from, to, 0) == 0)
		return true;
	/* EPERM: a container's filter that does not know the call */
	return (errno == ENOSYS || errno == EPERM) && close_listed(from, to);
}

bool sandbox_own_files(const int *keep, size_t n)
{
	unsigned from = FIRST_FILE;

	if (unshare(CLONE_FILES) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (!close_between(from, (unsigned)keep[i] - 1))
			return false;
		from = (unsigned)keep[i] + 1;
	}
	return close_between(from, ~0U);
}
