#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Room for one descriptor, aligned as the kernel wants it. */
union rights {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

bool mailbox_open(int box[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, box) == 0;
}

static void attach(struct msghdr *msg, union rights *rights, int fd)
{
	struct cmsghdr *c;

	memset(rights, 0, sizeof(*rights));
	msg->msg_control = rights;
	msg->msg_controllen = sizeof(*rights);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

bool mailbox_send(int box, const struct mail *m, int fd)
{
	struct mail copy = *m;
	struct iovec iov = { &copy, sizeof(copy) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union rights rights;
	ssize_t n;

	if (fd >= 0)
		attach(&msg, &rights, fd);
	do {
		n = sendmsg(box, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n >= 0;
}

bool mailbox_send_wait(int box, const struct mail *m, int fd, double seconds)
{
	double deadline = clock_monotonic() + seconds;

	while (!mailbox_send(box, m, fd)) {
		struct pollfd p = { .fd = box, .events = POLLOUT };
		double left = deadline - clock_monotonic();

		if (errno != EAGAIN)
			return false;
		if (left <= 0) {
			errno = EAGAIN;
			return false;
		}
		poll(&p, 1, (int)((left < 60 ? left : 60) * 1000) + 1);
	}
	return true;
}

/* -1 also when the far side sent one but our table was full: the kernel has then closed it. */
static int detach(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

enum mailbox_result mailbox_receive(int box, struct mail *m, int *fd)
{
	struct iovec iov = { m, sizeof(*m) };
	union rights rights;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof(rights),
	};
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(box, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS ? MAILBOX_EMPTY : MAILBOX_CLOSED;
	if (n == 0)
		return MAILBOX_CLOSED;
	assert(n == sizeof(*m));
	*fd = detach(&msg);
	return MAILBOX_GOT;
}
