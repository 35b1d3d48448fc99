/* SPDX-License-Identifier: MIT */
/*
 * Messages of the domain name system (RFC 1035): queries made, replies read. Bytes only: no task, no
 * socket, no clock. Names in messages are c-ares' to make and to expand; what a reply says may be
 * anything.
 */
#ifndef HOB_DNS_MESSAGE_H
#define HOB_DNS_MESSAGE_H

#include <stdbool.h>

#include "hob/dns.h"

enum dns_type {
    DNS_A     = 1,
    DNS_CNAME = 5,
    DNS_SOA   = 6,
    DNS_PTR   = 12,
    DNS_TXT   = 16,
    DNS_AAAA  = 28,
    DNS_SRV   = 33,
};

enum {
    DNS_UDP_BYTES   = 1232, /* what we say that we take by UDP: fits into every packet */
    DNS_QUERY_MAX   = 320,
    DNS_MESSAGE_MAX = 65535,
};

/* ---- queries ---- */

struct dns_query {
    const char   *name;    /* the asker's */
    uint16_t      id, type;
    bool          has_edns;
    bool          mixed_case;
    size_t        len, question_end;
    unsigned char bytes[DNS_QUERY_MAX];
};

/* Makes the query for a name that was looked at. `case_bits`, 32 bytes, or NULL: which letters are
 * capitals. Returns 0, -EINVAL, -ENOMEM. */
int hob__dns_query_make(const char *name, uint16_t type, uint16_t id, bool has_edns,
                        const uint8_t *case_bits, struct dns_query *ret_query);

/* ---- answers ---- */

/* The records of one name and kind. What holds one is counted. */
struct dns_answer {
    unsigned refs;
    uint16_t type;
    uint32_t count;
    size_t   bytes; /* of all of this */
    size_t   used;  /* TXT: of the data */
    _Alignas(8) unsigned char data[];
};

/* A: the first four bytes of each; AAAA. */
static inline uint8_t *hob__dns_ip(struct dns_answer *answer, size_t index)
{
    return answer->data + 16 * index;
}

static inline hob_dns_service *hob__dns_services(struct dns_answer *answer)
{
    return (hob_dns_service *)(void *)answer->data;
}

static inline hob_dns_name *hob__dns_names(struct dns_answer *answer)
{
    return (hob_dns_name *)(void *)answer->data;
}

/* The text at *at, with *ret_len bytes, and moves *at to the next one. */
const unsigned char *hob__dns_text(struct dns_answer *answer, size_t *at, uint32_t *ret_len);

struct dns_answer *hob__dns_answer_ref(struct dns_answer *answer);
void               hob__dns_answer_unref(struct dns_answer *answer); /* NULL is fine */

/* ---- replies ---- */

/* Whether it is a reply to that query: its number, and its question. */
bool hob__dns_reply_is_to(const struct dns_query *query, const unsigned char *bytes, size_t len);

/* Reads a reply that is one to the query. Returns
 *   0                   *ret_answer is the caller's
 *   -ENOENT, -ENODATA   there is no such name, or nothing of the kind
 *   -EAGAIN             the server cannot: SERVFAIL, REFUSED and so on
 *   -EPROTO             it does not understand the query: perhaps without EDNS
 *   -EOVERFLOW          it is cut off: by TCP it would be whole
 *   -EBADMSG, -EMSGSIZE, -ENOMEM
 * and with the first three in *ret_ttl_s for how long that holds; 0: it is not to be kept. */
int hob__dns_reply_read(const struct dns_query *query, const unsigned char *bytes, size_t len,
                        struct dns_answer **ret_answer, uint32_t *ret_ttl_s);

#endif
