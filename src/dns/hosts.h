/* SPDX-License-Identifier: MIT */
/* What hosts(5) says. Bytes only. */
#ifndef HOB_DNS_HOSTS_H
#define HOB_DNS_HOSTS_H

#include "dns/name.h"

enum { HOSTS_NAMES_MAX = 262144 };

struct dns_hosts {
    char             *text; /* the file's, with a NUL behind each name */
    struct host_name *names;
    struct host_addr *addrs;
    size_t            name_count, addr_count;
};

struct host_name {
    uint32_t at;   /* in the text */
    uint32_t addr; /* which one   */
};

struct host_addr {
    uint8_t  family; /* AF_INET, AF_INET6 */
    uint8_t  ip[16];
    uint32_t name; /* where its first name is in the text */
};

/* Reads a text of `len` bytes and a NUL. It is the hosts' from then on (to free by free(3)), also
 * when it fails: -EFBIG (too many names), -ENOMEM. */
int  hob__dns_hosts_read(struct dns_hosts *hosts, char *text, size_t len);
void hob__dns_hosts_free(struct dns_hosts *hosts);

/* The names' places, of which there may be none: the first, and how many. */
const struct host_name *hob__dns_hosts_find(const struct dns_hosts *hosts, const char *name,
                                            size_t *ret_count);

/* The first name of an address: from its entry number *at on; NULL: there is no more. Moves *at. */
const char *hob__dns_hosts_name_of(const struct dns_hosts *hosts, const hob_addr *addr, size_t *at);

#endif
