/*
 * imap_url.h - where an IMAP URL points (RFC 5092), as in a referral (RFC 2221): imap://[user[;AUTH=type]@]host[:port][/...].
 *
 * Pure. Only host and port are read; the rest is somebody else's affair.
 */
#ifndef WIRE_IMAP_URL_H
#define WIRE_IMAP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/span.h"

struct imap_url {
	struct span host;	/* of letters, digits, '.', '-', '_'; of an IPv6 address what is between the brackets */
	uint16_t port;		/* 143 where there is none */
};

bool imap_url_parse(struct span text, struct imap_url *url);

#endif
