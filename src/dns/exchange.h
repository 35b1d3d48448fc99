/* SPDX-License-Identifier: MIT */
/* Asking name servers: one question, until one of them has answered or all have failed. */
#ifndef HOB_DNS_EXCHANGE_H
#define HOB_DNS_EXCHANGE_H

#include "dns/message.h"

struct dns_server {
    hob_addr addr;
    int64_t  silent_until_ns; /* it did not answer lately: the others are asked first */
    bool     has_no_edns;
};

/* Whom to ask, and how. */
struct dns_asking {
    struct dns_server *servers;
    size_t             count;
    size_t             first;  /* where to begin */
    int64_t            try_ns; /* in the first round */
    bool               doubles; /* the time, in each further round */
    uint32_t           rounds;
    bool               mixes_case, uses_tcp;
    hob_dns_stats     *stats;
};

/* Asks for the records of `type` of a whole name. Waits. Returns, and gives, what
 * hob__dns_reply_read does, but not -EPROTO and -EOVERFLOW; or why nobody could be asked:
 * -ETIMEDOUT (all were silent), -ECONNREFUSED and so on; or -ECANCELED, -ETIMEDOUT of the scope. */
int hob__dns_exchange(const struct dns_asking *asking, const char *name, uint16_t type,
                      struct dns_answer **ret_answer, uint32_t *ret_ttl_s);

#endif
