/*
 * clock.h - seconds that never go back (CLOCK_MONOTONIC). Only base, the daemon layer, the probe of kernel TLS (before there is a loop) and
 * tests ask; whatever has a net_loop reads its now, which a test may set.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

double clock_monotonic(void);

#endif
