#include "daemon/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/settings.h"
#include "daemon/worker.h"
#include "net/listener.h"
#include "net/tcp.h"

/* ---- files of ours ---- */

static void file_made(struct made_file *f, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		*f = (struct made_file){ path, st.st_dev, st.st_ino };
}

/* Not what another sluiced, started while we drained, has put there. */
static void file_remove(struct made_file *f)
{
	struct stat st;

	if (f->path && lstat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino)
		unlink(f->path);
	f->path = NULL;
}

/* ---- opening ---- */

static struct bound_address *add_bound(struct sockets *k, unsigned listener, const struct addr *a)
{
	struct bound_address *b;

	k->bound = mem_grow(k->bound, k->nbound * sizeof(*b), (k->nbound + 1) * sizeof(*b));
	b = &k->bound[k->nbound++];
	b->listener = listener;
	b->addr = *a;
	return b;
}

static void add_socket(struct socket_list *l, int fd, unsigned listener, bool deals)
{
	l->items = mem_grow(l->items, l->n * sizeof(*l->items), (l->n + 1) * sizeof(*l->items));
	l->items[l->n++] = (struct worker_socket){ fd, listener, deals };
}

/* SO_REUSEPORT would let a second sluiced of the same user in unnoticed, to take half of the connections. */
static bool address_is_free(struct addr a, char *err, size_t errlen)
{
	int fd = a.port ? listener_open(&a, false, err, errlen) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0 || !a.port;
}

/* The first socket finds the port if it is 0, the others take the same. */
static bool open_address(struct sockets *k, unsigned listener, struct addr a, char *err, size_t errlen)
{
	bool reuseport = k->nlists > 1;

	if (reuseport && !address_is_free(a, err, errlen))
		return false;
	for (unsigned i = 0; i < k->nlists; i++) {
		int fd = listener_open(&a, reuseport, err, errlen);

		if (fd < 0)
			return false;
		tcp_set_timeouts(fd, &k->settings->tcp);
		add_socket(&k->lists[i], fd, listener, false);
	}
	add_bound(k, listener, &a);
	return true;
}

static bool open_unix(struct sockets *k, unsigned listener, const char *path, char *err, size_t errlen)
{
	static const struct addr nameless = { .family = AF_UNIX };
	int fd = listener_open_unix(path, err, errlen);

	if (fd < 0)
		return false;
	add_socket(&k->lists[0], fd, listener, true);
	file_made(&add_bound(k, listener, &nameless)->file, path);
	return true;
}

/* By trying it: IPv6 may be missing from the kernel, or from this container alone. */
static bool family_is_there(int family)
{
	struct addr any = { .family = (uint16_t)family };
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&any, &ss);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there;

	if (fd < 0)
		return errno != EAFNOSUPPORT;	/* out of descriptors: let opening say so */
	there = bind(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return there;
}

/* "*:port": each family that this machine has. */
static bool open_any(struct sockets *k, unsigned listener, uint16_t port, char *err, size_t errlen)
{
	static const struct {
		uint16_t family;
		const char *name;
	} families[] = { { AF_INET, "IPv4" }, { AF_INET6, "IPv6" } };
	const char *name = k->settings->listeners[listener].name;
	size_t before = k->nbound;

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct addr a = { .family = families[i].family, .port = port };

		if (!family_is_there(a.family))
			log_say(LOG_LEVEL_INFO, "family-skipped", "listener %s: this machine has no %s", name, families[i].name);
		else if (!open_address(k, listener, a, err, errlen))
			return false;
	}
	if (k->nbound > before)
		return true;
	snprintf(err, errlen, "this machine has neither IPv4 nor IPv6");
	return false;
}

static bool open_endpoint(struct sockets *k, unsigned listener, const struct endpoint *e, char *err, size_t errlen)
{
	switch (e->kind) {
	case ENDPOINT_IP:
		return open_address(k, listener, e->addr, err, errlen);
	case ENDPOINT_ANY:
		return open_any(k, listener, e->addr.port, err, errlen);
	case ENDPOINT_UNIX:
		return open_unix(k, listener, e->path, err, errlen);
	case ENDPOINT_HOST:
		break;
	}
	snprintf(err, errlen, "a host name is no place to listen; an IP address, \"*:port\" or \"unix:/path\" is");
	return false;
}

bool sockets_open(struct sockets *k, const struct settings *s, unsigned nworkers, char *err, size_t errlen)
{
	char name[BACKEND_NAME_MAX + 32];

	*k = (struct sockets){ .settings = s, .nlists = nworkers };
	k->lists = mem_new_array(nworkers, sizeof(*k->lists));
	for (unsigned i = 0; i < s->nlisteners; i++) {
		const struct settings_listener *l = &s->listeners[i];

		for (size_t j = 0; j < l->naddresses; j++) {
			if (open_endpoint(k, i, &l->addresses[j], err, errlen))
				continue;
			snprintf(name, sizeof(name), "listener.%s", l->name);
			settings_say_where(s, name, err, errlen);
			return false;
		}
	}
	return true;
}

void sockets_handed_over(struct sockets *k, unsigned worker, bool copied)
{
	struct socket_list *l = &k->lists[worker];

	for (size_t i = 0; copied && i < l->n; i++)
		close(l->items[i].fd);
	mem_free(&l->items);
	l->n = 0;
}

/* ---- telling ---- */

static const char *bound_text(const struct bound_address *b, char *text, size_t n)
{
	char ip[ADDR_TEXT_MAX];

	if (b->file.path)
		snprintf(text, n, "unix:%s", b->file.path);
	else
		snprintf(text, n, "%s", addr_text(&b->addr, ip));
	return text;
}

void sockets_log(const struct sockets *k)
{
	static const char *const modes[] = { [TLS_NONE] = "none", [TLS_STARTTLS] = "starttls", [TLS_IMPLICIT] = "implicit" };

	for (size_t i = 0; i < k->nbound; i++) {
		const struct settings_listener *listener = &k->settings->listeners[k->bound[i].listener];
		char text[PATH_MAX];
		struct log_line l;

		log_begin(&l, LOG_LEVEL_INFO, "listening");
		log_str(&l, "listener", listener->name);
		log_str(&l, "address", bound_text(&k->bound[i], text, sizeof(text)));
		log_str(&l, "tls", modes[listener->tls]);
		log_end(&l);
	}
}

static bool write_lines(const struct sockets *k, FILE *f)
{
	char text[PATH_MAX];

	for (size_t i = 0; i < k->nbound; i++)
		fprintf(f, "%s %s\n", k->settings->listeners[k->bound[i].listener].name,
			bound_text(&k->bound[i], text, sizeof(text)));
	return !ferror(f);
}

/* Whatever was at path.new is ours to replace, but it is not followed elsewhere. */
static FILE *open_new(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f && fd >= 0)
		close(fd);
	return f;
}

bool sockets_write_ready(struct sockets *k, const char *path, char *err, size_t errlen)
{
	char temporary[PATH_MAX];
	bool written = false;
	FILE *f = NULL;

	errno = ENAMETOOLONG;
	if (snprintf(temporary, sizeof(temporary), "%s.new", path) < (int)sizeof(temporary))
		f = open_new(temporary);
	if (f) {
		written = write_lines(k, f);
		written = fclose(f) == 0 && written;
	}
	if (written && rename(temporary, path) == 0) {
		file_made(&k->ready, path);
		return true;
	}
	snprintf(err, errlen, "%s: cannot be written: %s", path, strerror(errno));
	if (f)
		unlink(temporary);
	return false;
}

void sockets_fini(struct sockets *k)
{
	for (unsigned i = 0; i < k->nlists; i++)
		sockets_handed_over(k, i, true);
	mem_free(&k->lists);
	for (size_t i = 0; i < k->nbound; i++)
		file_remove(&k->bound[i].file);
	mem_free(&k->bound);
	file_remove(&k->ready);
	*k = (struct sockets){ 0 };
}
