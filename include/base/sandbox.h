/*
 * sandbox.h - gives up what the process does not need.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Before there are threads. If root: becomes user (its uid, gid, groups), keeping only CAP_NET_BIND_SERVICE, which goes into the
 * effective set; the bounding set shrinks to it where permitted. Not root: nothing to drop, true. false: a
 * sentence in err ("no such user: sluice"). */
bool sandbox_drop_rights(const char *user, char *err, size_t errlen);

/* Drops every capability of the calling thread. For workers. */
void sandbox_drop_capabilities(void);

/* No core dump, no ptrace by equals, no new privileges by exec (PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS). After
 * sandbox_drop_rights (changing the user resets the first), before there are threads (each has its own of the second). */
void sandbox_harden(void);

/* Raises the soft limit of open files to the hard one; returns what now holds. */
unsigned long sandbox_raise_files(void);

/* Gives the calling thread its own copy of the descriptor table (unshare(CLONE_FILES)) and closes in it every descriptor >= 3
 * but those in keep[n], which must be sorted; what is below 3 need not be named. false: errno. */
bool sandbox_own_files(const int *keep, size_t n);

#endif
