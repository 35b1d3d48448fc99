/* SPDX-License-Identifier: MIT */
/* What resolv.conf(5) says. Bytes only. */
#ifndef HOB_DNS_RESOLV_H
#define HOB_DNS_RESOLV_H

#include "dns/name.h"

enum { RESOLV_SERVERS_MAX = 3, RESOLV_SEARCH_MAX = 16 };

struct dns_resolv {
    hob_addr        servers[HOB_DNS_SERVERS_MAX];
    size_t          server_count;
    struct dns_name search[RESOLV_SEARCH_MAX];
    size_t          search_count;
    unsigned        ndots;     /* names with as many dots are first asked for as they are */
    unsigned        timeout_s; /* 0: it does not say */
    unsigned        attempts;  /* 0: it does not say */
    bool            rotates, uses_tcp;
};

/* Without a file: this machine, and nothing to search. */
void hob__dns_resolv_default(struct dns_resolv *resolv);

/* Reads the text, into what is the default. What it does not know it passes over, as the C library
 * does. The text is changed. */
void hob__dns_resolv_read(struct dns_resolv *resolv, char *text);

/* "10.0.0.1", "10.0.0.1:53", "::1", "[::1]:53". Returns 0 or -EINVAL. */
int hob__dns_server_read(const char *text, hob_addr *ret_addr);

#endif
