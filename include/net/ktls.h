/*
 * ktls.h - TLS in the kernel: what there is of it here.
 */
#ifndef NET_KTLS_H
#define NET_KTLS_H

#include <stdbool.h>

/* Whether a TCP connection can be given to the kernel's TLS. As root this loads the module. */
bool ktls_is_there(void);

#endif
