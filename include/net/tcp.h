/*
 * tcp.h - how long TCP goes on without a word of the far side.
 *
 * A socket that listens hands both on to those it accepts, so they cost no system call a client.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

/* In seconds; 0: none. */
struct tcp_timeouts {
	unsigned keepalive;	/* of silence; then TCP asks whether the far side still lives */
	unsigned user_timeout;	/* for what was sent and not acknowledged, questions included: TCP_USER_TIMEOUT; none: the system's */
};

/* Best effort: what they guard against is rare. fd: a TCP socket; others stay as they are. */
void tcp_set_timeouts(int fd, const struct tcp_timeouts *t);
void tcp_set_user_timeout(int fd, unsigned seconds);

#endif
