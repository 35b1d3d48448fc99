/* SPDX-License-Identifier: MIT */
/* Names of hosts as text, and addresses that look like them. Bytes only; nothing waits. */
#ifndef HOB_DNS_NAME_H
#define HOB_DNS_NAME_H

#include <stdbool.h>

#include "hob/dns.h"

/* A name that was looked at: in small letters, without a dot at its end. */
struct dns_name {
    char     text[HOB_DNS_NAME_MAX + 1];
    size_t   len;
    unsigned dots;
    bool     is_whole; /* it had a dot at its end */
};

/* Returns 0, -EINVAL or -ENAMETOOLONG. */
int hob__dns_name_read(const char *text, struct dns_name *ret_name);

/* Whether a name that a peer sent could be one of a host. */
bool hob__dns_name_is_fine(const char *text);

/* "name.suffix", or -ENAMETOOLONG. */
int hob__dns_name_join(const struct dns_name *name, const char *suffix, struct dns_name *ret_name);

/* Whether it is `domain` or a name below it. Neither has a dot at its end. */
bool hob__dns_name_is_in(const char *name, const char *domain);

/* "10.0.0.1", "::1", "[::1]", "fe80::1%eth0": true, and the address with the port. */
bool hob__dns_literal(const char *text, uint16_t port, hob_addr *ret_addr);

/* The name under which the names of an address are kept: "1.0.0.127.in-addr.arpa". Returns 0 or
 * -EAFNOSUPPORT. */
int hob__dns_name_of_addr(const hob_addr *addr, struct dns_name *ret_name);

/* The address of an IP of that family: AF_INET or AF_INET6. */
hob_addr hob__dns_addr_of(int family, const uint8_t *ip, uint16_t port);

#endif
