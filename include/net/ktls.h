/*
 * ktls.h - TLS in the kernel: what there is of it here.
 *
 * After a handshake OpenSSL can give the keys of a TCP connection to the kernel, which then seals what is sent, opens what is received, or
 * both. What is possible depends on the kernel, on OpenSSL and on the version of TLS; it is found out by doing it, once, on connections of
 * this process with itself.
 */
#ifndef NET_KTLS_H
#define NET_KTLS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ktls_ways { KTLS_SEND = 1, KTLS_RECEIVE = 2 };
enum ktls_version { KTLS_12, KTLS_13, KTLS_VERSIONS };

struct ktls {
	uint8_t kernel[KTLS_VERSIONS];	/* ways the kernel has, with any of the ciphers */
	uint8_t openssl[KTLS_VERSIONS];	/* ways OpenSSL leaves to it, on both a server's and a client's side */
	uint8_t ciphers;		/* a bit each that the kernel knows; ktls_cipher_names tells which */
	bool half_records;		/* a socket counts as readable when only part of a record is there */
};

/* All false where something is missing, which is not told. It waits a tenth of a second at most for each connection and each answer, and
 * for a whole handshake of OpenSSL's six: in all less than three seconds. As root this loads the kernel's module. */
void ktls_probe(struct ktls *k);

/* "none", "send", "receive", "both" */
const char *ktls_ways_text(unsigned ways);

#define KTLS_CIPHERS_TEXT_MAX 64
const char *ktls_ciphers_text(unsigned ciphers, char text[KTLS_CIPHERS_TEXT_MAX]);	/* "aes-128-gcm,aes-256-gcm"; "none" */

static inline bool ktls_in_kernel(const struct ktls *k)
{
	return k->kernel[KTLS_12] || k->kernel[KTLS_13];
}

static inline bool ktls_in_openssl(const struct ktls *k)
{
	return k->openssl[KTLS_12] || k->openssl[KTLS_13];
}

/* ---- for the files of this and tests ---- */

#define KTLS_SOL_TLS 282	/* of setsockopt and control messages; libc's headers may not have it */
#define KTLS_SET_RECORD_TYPE 1

/* Two ends of a TCP connection over loopback, non-blocking: a Unix socket cannot have TLS. */
struct ktls_pair {
	int fd[2];
};

bool ktls_pair_open(struct ktls_pair *p);
void ktls_pair_close(struct ktls_pair *p);	/* also after open has failed */

void ktls_probe_openssl(struct ktls *k);

/* poll, for so long at most in all; true: something is ready. */
bool ktls_wait(struct pollfd *fds, size_t n, int ms);

#endif
