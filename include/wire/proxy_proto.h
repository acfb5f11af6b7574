/*
 * proxy_proto.h - the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): a proxy's first bytes say who its client is.
 *
 *	v1	PROXY TCP4 192.0.2.7 198.51.100.1 40001 993\r\n		at most 107 bytes
 *	v2	12 bytes of signature, version and command, family, length; two addresses, two ports; TLVs
 *
 * Pure. Strict: whatever leaves a doubt is no header. Not looked at: the CRC32C, for TCP has a checksum and who sends this is trusted;
 * the client's certificate, for nobody here acts on it.
 */
#ifndef WIRE_PROXY_PROTO_H
#define WIRE_PROXY_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/out.h"
#include "wire/span.h"

#define PROXY_V1_MAX 107	/* bytes of the line, with its CRLF */
#define PROXY_HEADER_MAX 4096	/* of a whole v2 header that is taken; the protocol would allow 65551 */
#define PROXY_TEXT_MAX 255	/* of a TLV's text; one that is longer is left out, both ways */

enum proxy_family { PROXY_NO_ADDRESS, PROXY_IPV4, PROXY_IPV6 };

/* One end of the connection between the client and the first proxy. */
struct proxy_end {
	enum proxy_family family;
	uint16_t port;
	unsigned char ip[16];		/* 4 or 16 of them, network order */
};

struct proxy_header {
	unsigned version;		/* 1 or 2 */
	bool local;			/* v2: the proxy itself wants to know whether we live; it has no client */
	struct proxy_end source;	/* the client; without an address (UNKNOWN, UNSPEC, LOCAL): the real peer counts */
	struct proxy_end destination;	/* where it connected to; has an address if source has one */

	/* From v2's TLVs; n = 0: not given. They point into what was parsed. */
	struct span authority, alpn, unique_id;
	bool tls;			/* the client's connection to the proxy has TLS; then perhaps: */
	struct span tls_version, tls_cipher;
};

enum proxy_result {
	PROXY_MORE,		/* not whole yet: all n bytes belong to it */
	PROXY_DONE,		/* *size bytes are the header */
	PROXY_BAD,		/* is none, and will be none: *why says so in a phrase */
};

/* p: all bytes there are from the connection's first on. Each time from the start: a header is short. */
enum proxy_result proxy_parse(const void *p, size_t n, struct proxy_header *h, size_t *size, const char **why);

/* Each looks at source, destination and (v2) authority, unique_id, tls, tls_version and tls_cipher. Ends of two families become IPv6, the
 * IPv4 one mapped (::ffff:0:0/96); where only the source has an address the destination is all zeros; where it has none, the
 * header says so (UNKNOWN, UNSPEC). */
void proxy_write_v1(struct out *o, const struct proxy_header *h);
void proxy_write_v2(struct out *o, const struct proxy_header *h);

#endif
