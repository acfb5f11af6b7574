/*
 * version.h - which Sluice this is: what configure found, where there was one.
 */
#ifndef DAEMON_VERSION_H
#define DAEMON_VERSION_H

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unreleased"
#endif

#endif
