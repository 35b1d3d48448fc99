/* SPDX-License-Identifier: MIT */
/* Options by name: which of the kernel's they are, and for which sockets. */
#ifndef HOB_IO_SOCKOPT_H
#define HOB_IO_SOCKOPT_H

#include "hob/sockopt.h"
#include "io/conn.h"

enum sockopt_for {
    FOR_TCP = 1,
    FOR_LISTENER = 2,
    FOR_UDP = 4,
    FOR_UNIX = 8,
};

int hob__sockopt_set(struct desc *desc, enum sockopt_for kind, hob_sockopt what, int value);
int hob__sockopt_get(struct desc *desc, enum sockopt_for kind, hob_sockopt what, int *ret_value);

/* What TCP and UDP have in common in the options of their opening: 0 and NULL change nothing. */
int hob__sockopt_set_buffers(struct desc *desc, int recv_bytes, int send_bytes);
int hob__sockopt_set_path(struct desc *desc, enum sockopt_for kind, int ttl, int traffic_class,
                          const char *device);

#endif
