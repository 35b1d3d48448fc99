/* SPDX-License-Identifier: MIT */
/* Addresses of sockets, as values: numbers and paths, no names of hosts. Nothing here waits. */
#ifndef HOB_ADDR_H
#define HOB_ADDR_H

#include "hob/error.h"

struct sockaddr;

HOB_BEGIN_DECLS

/* An IPv4, IPv6 or Unix address. All zero is "none". */
typedef struct hob_addr {
    uint16_t len; /* bytes used of `raw`, as in bind(2) */
    union {
        uint16_t family;   /* AF_INET, AF_INET6, AF_UNIX */
        uint64_t align;
        uint8_t  raw[112]; /* a sockaddr_in, sockaddr_in6 or sockaddr_un */
    } u;
} hob_addr;

enum { HOB_ADDR_TEXT_MAX = 128 }; /* enough for any hob_addr_format, with its NUL */

/* Reads "127.0.0.1:80", "[::1]:80", ":80" (all of IPv4), "unix:/run/x.sock" or
 * "unix:@abstract". Returns 0, -EINVAL when it is none of these, or
 * -ENAMETOOLONG for a path that does not fit. Never asks a name server. */
HOB_API HOB_MUST_USE int hob_addr_parse(const char *text, hob_addr *ret_addr);

/* 127.0.0.1 with this port; 0 lets the kernel choose one. */
HOB_API hob_addr hob_addr_loopback(uint16_t port);

/* Copies a sockaddr of `len` bytes. Returns 0, or -EINVAL for another family or a
 * wrong length. */
HOB_API HOB_MUST_USE int hob_addr_from_sockaddr(const struct sockaddr *sa, size_t len,
                                                hob_addr *ret_addr);

/* The address of an IP in network order: `len` is 4 (IPv4) or 16 (IPv6). No scope, no flow. */
HOB_API hob_addr hob_addr_from_ip(const void *ip, size_t len, uint16_t port);

/* Copies the IP of the address, in network order. Returns its length, 4 or 16; or 0 for an address
 * that has none, and then writes nothing. */
HOB_API size_t hob_addr_ip(const hob_addr *addr, uint8_t ret_ip[16]);

/* The port, or 0 for an address that has none. */
HOB_API uint16_t hob_addr_port(const hob_addr *addr);

/* Writes the address as hob_addr_parse reads it ("none" for none) and returns
 * `text`; it is cut when `size` is too small, and always ends in NUL. */
HOB_API const char *hob_addr_format(const hob_addr *addr, char *text, size_t size);

/* 1 when both are the same address, 0 when not. */
HOB_API int hob_addr_equal(const hob_addr *a, const hob_addr *b);

/* Is the address in a network: "10.0.0.0/8", "fd00::/8", one address ("::1"), or "unix" for every Unix
 * address? IPv4 inside of IPv6 (::ffff:10.1.2.3) counts as IPv4. Returns 1 or 0; -EINVAL for a text
 * that is no network, or has bits beyond its length ("10.0.0.1/8"): so `> 0` is yes, and an error is
 * not. */
HOB_API HOB_MUST_USE int hob_addr_in_network(const hob_addr *addr, const char *network);

HOB_END_DECLS

#endif
