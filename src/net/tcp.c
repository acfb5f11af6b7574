#include "net/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void set_number(int fd, int level, int option, unsigned value)
{
	int number = (int)value;

	setsockopt(fd, level, option, &number, sizeof(number));
}

void tcp_set_user_timeout(int fd, unsigned seconds)
{
	set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, seconds * 1000);
}

/* The system's interval between questions will do: with a user timeout that is what ends them. */
void tcp_set_timeouts(int fd, const struct tcp_timeouts *t)
{
	if (t->keepalive) {
		set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, t->keepalive);
	}
	if (t->user_timeout)
		tcp_set_user_timeout(fd, t->user_timeout);
}
