/*
 * tls_tickets.h - keys for session tickets, the same for all workers: else a client that lands on another worker could not resume.
 *
 * Shared between threads: immutable, reference-counted by an atomic. Who changes keys makes a new ring. The first key seals; all open.
 *
 * A key is 80 bytes: 16 name it, 32 are for HMAC-SHA256, 32 for AES-256-CBC (as OpenSSL, nginx and HAProxy have them). Tickets are good
 * for TLS_TICKET_SECONDS, so two random keys that change as often open all that are still good.
 */
#ifndef NET_TLS_TICKETS_H
#define NET_TLS_TICKETS_H

#include <stdbool.h>
#include <stddef.h>

#define TLS_TICKET_SECONDS 43200
#define TLS_TICKET_KEY_BYTES 80
#define TLS_TICKET_KEYS_MAX 16	/* in a file */

struct tls_tickets;

/* A fresh random key and, unless old is NULL, the newest of old. NULL: no randomness. */
struct tls_tickets *tls_tickets_new(const struct tls_tickets *old);

/* From a file of 1 to TLS_TICKET_KEYS_MAX keys, which others than owner and group may not read. NULL: a sentence in err. */
struct tls_tickets *tls_tickets_load(const char *path, char *err, size_t errlen);

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets **t);

#endif
