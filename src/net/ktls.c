/* ktls.c - asks the kernel by doing it, on a connection to ourselves. */
#include "net/ktls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int from, to;
};

static int listen_on_loopback(struct sockaddr_in *sin)
{
	socklen_t n = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd >= 0 && bind(fd, (struct sockaddr *)sin, sizeof(*sin)) == 0 && listen(fd, 1) == 0
	    && getsockname(fd, (struct sockaddr *)sin, &n) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Of Internet sockets, for others cannot have TLS. */
static bool pair_open(struct pair *p)
{
	struct sockaddr_in sin;
	int listener = listen_on_loopback(&sin);

	p->from = p->to = -1;
	if (listener < 0)
		return false;
	p->from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->from >= 0 && connect(p->from, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		p->to = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return p->to >= 0;
}

static void pair_close(struct pair *p)
{
	if (p->from >= 0)
		close(p->from);
	if (p->to >= 0)
		close(p->to);
}

bool ktls_is_there(void)
{
	struct pair p;
	bool there = pair_open(&p) && setsockopt(p.from, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0;

	pair_close(&p);
	return there;
}
