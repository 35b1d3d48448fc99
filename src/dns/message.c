/* SPDX-License-Identifier: MIT */
/*
 * Messages of the domain name system.
 *
 *      0       2       4       6       8       10      12
 *      ┌───────┬───────┬───────┬───────┬───────┬───────┬──────────┬─────────┬───────────┬────────────┐
 *      │ id    │ flags │ qd    │ an    │ ns    │ ar    │ question │ answers │ authority │ additional │
 *      └───────┴───────┴───────┴───────┴───────┴───────┴──────────┴─────────┴───────────┴────────────┘
 *
 * c-ares makes the query and expands each name, within the bounds of the message, and gives up on
 * loops (RFC 9267 tells what went wrong elsewhere). The walk over the records is ours, because the
 * parsers of c-ares 1.18 tell no time to live but of addresses, and nothing of the authority. At most
 * HOB_DNS_RECORDS_MAX records of a section are looked at, so that a reply costs little whatever is
 * in it.
 */
#include "dns/message.h"

#include <ares.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "dns/memory.h"
#include "dns/name.h"

enum {
    HEAD = 12,
    CLASS_IN = 1,
    FLAG_REPLY = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RA = 0x0080,
    MASK_OPCODE = 0x7800, MASK_RCODE = 0x000F,
    NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4,
    LINKS_MAX = 16, /* from name to name, by CNAME */
    JUMPS_MAX = 64, /* in one name, by compression */
};

static uint16_t read16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const unsigned char *at)
{
    return (uint32_t)read16(at) << 16 | read16(at + 2);
}

/* ---- queries ---- */

static void mix_case(struct dns_query *query, const uint8_t *case_bits)
{
    for (size_t i = HEAD; i + 4 < query->question_end; i++) {
        unsigned char *c = &query->bytes[i];
        size_t         bit = i - HEAD;
        if (*c >= 'a' && *c <= 'z' && (case_bits[bit / 8] >> bit % 8 & 1) != 0)
            *c = (unsigned char)(*c - 'a' + 'A');
    }
    query->mixed_case = true;
}

int hob__dns_query_make(const char *name, uint16_t type, uint16_t id, bool has_edns,
                        const uint8_t *case_bits, struct dns_query *ret_query)
{
    unsigned char *bytes = NULL;
    int            len = 0;
    int status = ares_create_query(name, CLASS_IN, type, id, 1, &bytes, &len,
                                   has_edns ? DNS_UDP_BYTES : 0);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    if (len > DNS_QUERY_MAX) {
        ares_free_string(bytes);
        return -EINVAL;
    }
    *ret_query = (struct dns_query){ .name = name, .id = id, .type = type, .has_edns = has_edns,
                                     .len = (size_t)len, .question_end = (size_t)len };
    memcpy(ret_query->bytes, bytes, (size_t)len);
    ares_free_string(bytes);
    if (has_edns)
        ret_query->question_end -= 11; // an OPT record without options
    if (case_bits != NULL)
        mix_case(ret_query, case_bits);
    return 0;
}

/* ---- answers ---- */

struct dns_answer *hob__dns_answer_ref(struct dns_answer *answer)
{
    answer->refs++;
    return answer;
}

void hob__dns_answer_unref(struct dns_answer *answer)
{
    if (answer != NULL && --answer->refs == 0)
        hob__dns_free(answer);
}

const unsigned char *hob__dns_text(struct dns_answer *answer, size_t *at, uint32_t *ret_len)
{
    memcpy(ret_len, answer->data + *at, sizeof *ret_len);
    const unsigned char *text = answer->data + *at + sizeof *ret_len;
    *at += sizeof *ret_len + *ret_len;
    return text;
}

/* ---- records ---- */

struct record {
    char                *owner; /* c-ares'; NULL: nothing is here */
    uint16_t             type, class;
    uint32_t             ttl_s;
    const unsigned char *data;
    size_t               len;
};

struct reply {
    const unsigned char    *bytes;
    size_t                  len, at;
    const struct dns_query *query;
    struct record          *records; /* of the answer section */
    size_t                  count;
    char                    alias_of[HOB_DNS_NAME_MAX + 1]; /* where the last CNAME led */
};

/* c-ares follows as many jumps as the message has bytes. In a message that is full of them, with a
 * few hundred names, that would keep the worker for long. */
static bool is_short_way(const struct reply *reply, size_t at)
{
    for (int jumps = 0; at < reply->len && reply->bytes[at] != 0;) {
        if (reply->bytes[at] < 0xC0) {
            at += 1 + (size_t)reply->bytes[at];
        } else if (++jumps > JUMPS_MAX || at + 1 >= reply->len) {
            return false;
        } else {
            at = read16(reply->bytes + at) & 0x3FFF;
        }
    }
    return at < reply->len;
}

/* Expands the name at `at`. On success *ret_name is c-ares', and *ret_len how far it goes there. */
static int expand(const struct reply *reply, size_t at, char **ret_name, size_t *ret_len)
{
    long len = 0;
    if (!is_short_way(reply, at))
        return -EBADMSG;
    int status = ares_expand_name(reply->bytes + at, reply->bytes, (int)reply->len, ret_name, &len);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? -ENOMEM : -EBADMSG;
    *ret_len = (size_t)len;
    if (*ret_len <= reply->len - at)
        return 0;
    ares_free_string(*ret_name);
    return -EBADMSG;
}

static int read_record(struct reply *reply, struct record *ret_record)
{
    char  *owner;
    size_t len;
    int    r = expand(reply, reply->at, &owner, &len);
    if (r < 0)
        return r;
    size_t               at = reply->at + len;
    const unsigned char *head = reply->bytes + at;
    if (reply->len - at < 10 || reply->len - at - 10 < read16(head + 8)) {
        ares_free_string(owner);
        return -EBADMSG;
    }
    uint32_t ttl = read32(head + 4);
    *ret_record = (struct record){
        .owner = owner, .type = read16(head), .class = read16(head + 2),
        .ttl_s = ttl > INT32_MAX ? 0 : ttl, // RFC 2181, 8
        .data = head + 10, .len = read16(head + 8),
    };
    reply->at = at + 10 + ret_record->len;
    return 0;
}

static bool is_of(const struct record *record, const char *name, uint16_t type)
{
    return record->type == type && record->class == CLASS_IN && strcasecmp(record->owner, name) == 0;
}

static int read_answers(struct reply *reply)
{
    size_t count = read16(reply->bytes + 6);
    if (count > HOB_DNS_RECORDS_MAX)
        return -EMSGSIZE;
    if (count == 0)
        return 0;
    reply->records = hob__dns_alloc_zero(count * sizeof *reply->records);
    if (reply->records == NULL)
        return -ENOMEM;
    for (; reply->count < count; reply->count++) {
        int r = read_record(reply, &reply->records[reply->count]);
        if (r < 0)
            return r;
    }
    return 0;
}

static void free_answers(struct reply *reply)
{
    for (size_t i = 0; i < reply->count; i++)
        ares_free_string(reply->records[i].owner);
    hob__dns_free(reply->records);
}

static const struct record *find(const struct reply *reply, const char *name, uint16_t type)
{
    for (size_t i = 0; i < reply->count; i++)
        if (is_of(&reply->records[i], name, type))
            return &reply->records[i];
    return NULL;
}

/* ---- what is in a record ---- */

static int put_address(const struct reply *reply, const struct record *record,
                       struct dns_answer *answer)
{
    (void)reply;
    if (record->len != (record->type == DNS_A ? 4u : 16u))
        return -EBADMSG;
    memcpy(hob__dns_ip(answer, answer->count++), record->data, record->len);
    return 0;
}

/* A name that is good for people and for queries, and ends with the record. */
static int put_name(const struct reply *reply, const struct record *record, size_t from,
                    char ret_name[HOB_DNS_NAME_MAX + 1])
{
    char  *name;
    size_t len, at = (size_t)(record->data - reply->bytes) + from;
    int    r = expand(reply, at, &name, &len);
    if (r < 0)
        return r;
    if (len != record->len - from)
        r = -EBADMSG;
    else if (name[0] == '\0')
        r = -ENODATA; // "not offered here" (RFC 2782)
    else if (!hob__dns_name_is_fine(name) || strlen(name) > HOB_DNS_NAME_MAX)
        r = -EBADMSG;
    else
        strcpy(ret_name, name);
    ares_free_string(name);
    return r;
}

static int put_pointer(const struct reply *reply, const struct record *record,
                       struct dns_answer *answer)
{
    int r = record->len < 1 ? -EBADMSG
                            : put_name(reply, record, 0, hob__dns_names(answer)[answer->count].text);
    answer->count += r == 0;
    return r;
}

static int put_service(const struct reply *reply, const struct record *record,
                       struct dns_answer *answer)
{
    hob_dns_service *service = &hob__dns_services(answer)[answer->count];
    if (record->len < 7)
        return -EBADMSG;
    service->priority = read16(record->data);
    service->weight = read16(record->data + 2);
    service->port = read16(record->data + 4);
    int r = put_name(reply, record, 6, service->host);
    answer->count += r == 0;
    return r;
}

/* Puts the pieces together. */
static int put_text(const struct reply *reply, const struct record *record,
                    struct dns_answer *answer)
{
    (void)reply;
    unsigned char *begin = answer->data + answer->used;
    uint32_t       len = 0;
    for (size_t at = 0; at < record->len;) {
        size_t n = record->data[at++];
        if (n > record->len - at)
            return -EBADMSG;
        memcpy(begin + sizeof len + len, record->data + at, n);
        len += (uint32_t)n;
        at += n;
    }
    if (record->len == 0)
        return -EBADMSG;
    memcpy(begin, &len, sizeof len);
    answer->used += sizeof len + len;
    answer->count++;
    return 0;
}

static const struct kind {
    uint16_t type;
    size_t   each; /* bytes of memory for each record ... */
    size_t   more; /* ... and for each byte in it         */
    int (*put)(const struct reply *reply, const struct record *record, struct dns_answer *answer);
} KINDS[] = {
    { DNS_A, 16, 0, put_address },
    { DNS_AAAA, 16, 0, put_address },
    { DNS_PTR, sizeof(hob_dns_name), 0, put_pointer },
    { DNS_SRV, sizeof(hob_dns_service), 0, put_service },
    { DNS_TXT, sizeof(uint32_t), 1, put_text },
};

static const struct kind *kind_of(uint16_t type)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (KINDS[i].type == type)
            return &KINDS[i];
    return NULL;
}

/* All records of the name. What cannot be used is left out, as long as there is another; else
 * the error is the last one's. */
static int gather(const struct reply *reply, const char *name, uint32_t *ttl_s,
                  struct dns_answer **ret_answer)
{
    const struct kind *kind = kind_of(reply->query->type);
    size_t             bytes = sizeof(struct dns_answer);
    for (size_t i = 0; kind != NULL && i < reply->count; i++)
        if (is_of(&reply->records[i], name, kind->type))
            bytes += kind->each + kind->more * reply->records[i].len;
    struct dns_answer *answer = hob__dns_alloc_zero(bytes);
    if (answer == NULL)
        return -ENOMEM;
    answer->refs = 1;
    answer->type = reply->query->type;
    answer->bytes = bytes;
    int r = -EBADMSG;
    for (size_t i = 0; kind != NULL && i < reply->count; i++) {
        if (!is_of(&reply->records[i], name, kind->type))
            continue;
        r = kind->put(reply, &reply->records[i], answer);
        if (r == -ENOMEM)
            break;
        if (reply->records[i].ttl_s < *ttl_s)
            *ttl_s = reply->records[i].ttl_s;
    }
    if (answer->count > 0 && r != -ENOMEM) {
        *ret_answer = answer;
        return 0;
    }
    hob__dns_answer_unref(answer);
    return r;
}

/* ---- when it says no (RFC 2308) ---- */

/* The two names at the beginning of an SOA, and its last number. */
static int read_minimum(const struct reply *reply, const struct record *soa, uint32_t *ret_minimum)
{
    size_t at = (size_t)(soa->data - reply->bytes), end = at + soa->len;
    for (int i = 0; i < 2; i++) {
        char  *name;
        size_t len;
        int    r = expand(reply, at, &name, &len);
        if (r < 0)
            return r;
        ares_free_string(name);
        at += len;
    }
    if (at > end || end - at != 20)
        return -EBADMSG;
    *ret_minimum = read32(reply->bytes + at + 16);
    return 0;
}

/* For how long a no holds. False: nobody with a say in it has said so. */
static int read_authority(struct reply *reply, const char *name, bool *ret_is_told,
                          uint32_t *ttl_s)
{
    size_t count = read16(reply->bytes + 8);
    if (count > HOB_DNS_RECORDS_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < count; i++) {
        struct record record;
        uint32_t      minimum;
        int           r = read_record(reply, &record);
        if (r < 0)
            return r;
        bool is_soa = record.type == DNS_SOA && record.class == CLASS_IN &&
                      hob__dns_name_is_in(name, record.owner);
        ares_free_string(record.owner);
        if (!is_soa)
            continue;
        r = read_minimum(reply, &record, &minimum);
        if (r < 0)
            return r;
        *ret_is_told = true;
        if (record.ttl_s < *ttl_s)
            *ttl_s = record.ttl_s;
        if (minimum < *ttl_s)
            *ttl_s = minimum;
    }
    return 0;
}

static int read_no(struct reply *reply, const char *name, uint32_t *ttl_s)
{
    uint16_t flags = read16(reply->bytes + 2);
    bool     is_told = false;
    int      r = read_authority(reply, name, &is_told, ttl_s);
    if (r < 0)
        return r;
    if (!is_told)
        *ttl_s = 0;
    if ((flags & MASK_RCODE) == NXDOMAIN)
        return -ENOENT;
    // It sends us on to others: it has no answer, and will not look for one.
    if (!is_told && (flags & (FLAG_AA | FLAG_RA)) == 0)
        return -EAGAIN;
    return -ENODATA;
}

/* ---- replies ---- */

bool hob__dns_reply_is_to(const struct dns_query *query, const unsigned char *bytes, size_t len)
{
    if (len < query->question_end || len > DNS_MESSAGE_MAX)
        return false;
    uint16_t flags = read16(bytes + 2);
    if (read16(bytes) != query->id || (flags & FLAG_REPLY) == 0 || (flags & MASK_OPCODE) != 0 ||
        read16(bytes + 4) != 1)
        return false;
    // The lengths of labels are below the letters: they are compared as they are.
    size_t n = query->question_end - HEAD;
    if (query->mixed_case)
        return memcmp(bytes + HEAD, query->bytes + HEAD, n) == 0;
    for (size_t i = HEAD; i < query->question_end; i++) {
        unsigned char a = bytes[i], b = query->bytes[i];
        if (a >= 'A' && a <= 'Z')
            a = (unsigned char)(a - 'A' + 'a');
        if (a != b)
            return false;
    }
    return true;
}

/* From the name that was asked for to the one that has the records, by CNAME. */
static int follow(struct reply *reply, const char **name, uint32_t *ttl_s)
{
    for (int links = 0; find(reply, *name, reply->query->type) == NULL; links++) {
        const struct record *link = find(reply, *name, DNS_CNAME);
        size_t               len;
        char                *target;
        if (link == NULL)
            return 0;
        if (links == LINKS_MAX)
            return -EBADMSG;
        if (link->ttl_s < *ttl_s)
            *ttl_s = link->ttl_s;
        int r = expand(reply, (size_t)(link->data - reply->bytes), &target, &len);
        if (r < 0)
            return r;
        if (len != link->len || strlen(target) > HOB_DNS_NAME_MAX)
            r = -EBADMSG;
        else
            *name = strcpy(reply->alias_of, target);
        ares_free_string(target);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_reply(struct reply *reply, struct dns_answer **ret_answer, uint32_t *ttl_s)
{
    uint16_t    rcode = read16(reply->bytes + 2) & MASK_RCODE;
    const char *name = reply->query->name;

    if (rcode == FORMERR || rcode == NOTIMP)
        return -EPROTO;
    if (rcode != NOERROR && rcode != NXDOMAIN)
        return -EAGAIN;
    int r = read_answers(reply);
    if (r == 0)
        r = follow(reply, &name, ttl_s);
    if (r < 0)
        return r;
    if (find(reply, name, reply->query->type) != NULL)
        return gather(reply, name, ttl_s, ret_answer);
    return read_no(reply, name, ttl_s);
}

int hob__dns_reply_read(const struct dns_query *query, const unsigned char *bytes, size_t len,
                        struct dns_answer **ret_answer, uint32_t *ret_ttl_s)
{
    struct reply reply = { .bytes = bytes, .len = len, .at = query->question_end, .query = query };
    uint32_t     ttl_s = INT32_MAX;

    if ((read16(bytes + 2) & FLAG_TC) != 0)
        return -EOVERFLOW;
    int r = read_reply(&reply, ret_answer, &ttl_s);
    free_answers(&reply);
    if (r == 0 || r == -ENOENT || r == -ENODATA)
        *ret_ttl_s = ttl_s;
    return r;
}
