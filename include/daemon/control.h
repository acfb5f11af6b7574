/*
 * control.h - the thread that runs everything but sessions: opens sockets and keys, starts the workers, answers signals, writes the log.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

struct settings;

/* Runs until told to stop; the process's exit status. Takes the reference. SIGTERM and SIGINT drain, a second one stops at once,
 * SIGHUP reads certificate and map file again. */
int control_run(struct settings *s);

#endif
