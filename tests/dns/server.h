/* SPDX-License-Identifier: MIT */
/*
 * A name server that is a task of the test's. It knows a few names, and does what it is told to do
 * wrong. It writes its messages byte by byte, and shares nothing with what it tests.
 */
#ifndef HOB_TESTS_DNS_SERVER_H
#define HOB_TESTS_DNS_SERVER_H

#include <arpa/inet.h>

#include <hob/dns.h>

#include "support/io.h"

enum { A = 1, CNAME = 5, SOA = 6, PTR = 12, TXT = 16, AAAA = 28, SRV = 33 };
enum { SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5, REPLY_MAX = 65535 };

/* A record. The data is as text: an address, a name, "priority weight port name", any text. */
struct rr {
    const char *name;
    int         type;
    uint32_t    ttl_s;
    const char *data;
};

struct server {
    const struct rr *zone;    /* ends with a NULL name                                    */
    uint32_t         no_ttl_s; /* in the SOA of a no; 0: there is no SOA                  */

    /* What it does wrong. */
    bool     is_silent;
    unsigned silent_for;      /* type: silent only for questions of that one               */
    unsigned drops;           /* so many of the next datagrams get no answer              */
    unsigned loss_percent;    /* and so many of all others                                */
    unsigned rcode;           /* says this to everything                                  */
    bool     is_cut;          /* says by UDP that the answer is longer                    */
    bool     no_edns;         /* does not understand EDNS                                 */
    int64_t  delay_ns;        /* before each answer                                       */
    bool     no_tcp;
    /* Changes the reply: its new length; or sends something first. */
    size_t (*twist)(struct server *server, unsigned char *reply, size_t len);
    void (*before)(struct server *server, const unsigned char *query, size_t len,
                   const hob_addr *from);
    uint64_t random;

    /* What came. */
    unsigned  asked_udp, asked_tcp;
    unsigned  asked_types[64];
    uint16_t  last_port;
    char      last_name[256]; /* as it was written */
    hob_addr  addr;
    char      addr_text[HOB_ADDR_TEXT_MAX];
    hob_udp          *udp;
    hob_tcp_listener *tcp;
};

static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* ---- bytes ---- */

struct bytes {
    unsigned char *at, *end;
};

static inline void put(struct bytes *b, const void *from, size_t len)
{
    if ((size_t)(b->end - b->at) < len)
        abort();
    memcpy(b->at, from, len);
    b->at += len;
}

static inline void put8(struct bytes *b, unsigned value)
{
    unsigned char byte = (unsigned char)value;
    put(b, &byte, 1);
}

static inline void put16(struct bytes *b, unsigned value)
{
    put8(b, value >> 8 & 255);
    put8(b, value & 255);
}

static inline void put32(struct bytes *b, uint32_t value)
{
    put16(b, value >> 16);
    put16(b, value & 0xFFFF);
}

static inline void put_name(struct bytes *b, const char *name)
{
    while (*name != '\0') {
        size_t len = strcspn(name, ".");
        put8(b, (unsigned)len);
        put(b, name, len);
        name += len + (name[len] == '.');
    }
    put8(b, 0);
}

static inline void put_data(struct bytes *b, const struct rr *rr)
{
    unsigned char ip[16];
    unsigned      priority, weight, port;
    char          host[256] = "";
    switch (rr->type) {
    case A:
    case AAAA:
        if (inet_pton(rr->type == A ? AF_INET : AF_INET6, rr->data, ip) != 1)
            abort();
        put(b, ip, rr->type == A ? 4 : 16);
        break;
    case SRV:
        if (sscanf(rr->data, "%u %u %u %255s", &priority, &weight, &port, host) < 3)
            abort();
        put16(b, priority);
        put16(b, weight);
        put16(b, port);
        put_name(b, host);
        break;
    case TXT: // in pieces of 100
        for (const char *text = rr->data;;) {
            size_t len = strlen(text) < 100 ? strlen(text) : 100;
            put8(b, (unsigned)len);
            put(b, text, len);
            text += len;
            if (*text == '\0')
                break;
        }
        break;
    default:
        put_name(b, rr->data);
    }
}

static inline void put_rr(struct bytes *b, const struct rr *rr)
{
    put_name(b, rr->name);
    put16(b, (unsigned)rr->type);
    put16(b, 1);
    put32(b, rr->ttl_s);
    unsigned char *len_at = b->at;
    put16(b, 0);
    put_data(b, rr);
    size_t len = (size_t)(b->at - len_at - 2);
    len_at[0] = (unsigned char)(len >> 8);
    len_at[1] = (unsigned char)len;
}

static inline void put_soa(struct bytes *b, uint32_t ttl_s)
{
    put_name(b, "");
    put16(b, SOA);
    put16(b, 1);
    put32(b, 3600);
    put16(b, 2 + 20);
    put_name(b, "");
    put_name(b, "");
    for (int i = 0; i < 4; i++)
        put32(b, 1);
    put32(b, ttl_s);
}

/* ---- answering ---- */

/* The question of a query: its name as text, its type, and where it ends. */
static inline size_t read_question(const unsigned char *query, size_t len, char name[256], int *type)
{
    size_t at = 12, out = 0;
    while (at < len && query[at] != 0) {
        size_t n = query[at++];
        if (n > 63 || at + n >= len || out + n + 2 > 256)
            return 0;
        if (out > 0)
            name[out++] = '.';
        memcpy(name + out, query + at, n);
        out += n;
        at += n;
    }
    name[out] = '\0';
    if (at + 5 > len)
        return 0;
    *type = query[at + 1] << 8 | query[at + 2];
    return at + 5;
}

static inline bool has_name(const struct rr *zone, const char *name)
{
    for (; zone->name != NULL; zone++)
        if (strcasecmp(zone->name, name) == 0)
            return true;
    return false;
}

static inline unsigned put_answers(const struct server *s, struct bytes *b, const char *name, int type)
{
    unsigned count = 0;
    for (const struct rr *rr = s->zone; rr->name != NULL; rr++) {
        if (strcasecmp(rr->name, name) != 0 || (rr->type != type && rr->type != CNAME))
            continue;
        put_rr(b, rr);
        count++;
        if (rr->type == CNAME && type != CNAME)
            count += put_answers(s, b, rr->data, type);
    }
    return count;
}

/* Returns the length of the reply, or 0 for none. */
static inline size_t answer_to(struct server *s, const unsigned char *query, size_t len, bool is_udp,
                               unsigned char reply[REPLY_MAX])
{
    char   name[256] = "";
    int    type = 0;
    size_t end = read_question(query, len, name, &type);
    if (end == 0)
        return 0;
    s->asked_types[type & 63]++;
    strcpy(s->last_name, name);
    if (s->is_silent || s->silent_for == (unsigned)type)
        return 0;
    if (s->drops > 0 && is_udp) {
        s->drops--;
        return 0;
    }
    if (is_udp && s->loss_percent > 0 && next_random(&s->random) % 100 < s->loss_percent)
        return 0;

    struct bytes b = { reply, reply + REPLY_MAX };
    put(&b, query, end);
    unsigned count = 0, rcode = s->rcode, more = 0;
    if (s->no_edns && query[11] != 0)
        rcode = 1;
    bool is_cut = s->is_cut && is_udp;
    if (rcode == 0 && !is_cut)
        count = put_answers(s, &b, name, type);
    if (rcode == 0 && !has_name(s->zone, name))
        rcode = NXDOMAIN;
    if (count == 0 && s->no_ttl_s > 0 && !is_cut && (rcode == 0 || rcode == NXDOMAIN)) {
        put_soa(&b, s->no_ttl_s);
        more = 1;
    }
    reply[2] = (unsigned char)(0x85 | (is_cut ? 2 : 0)); // a reply, authoritative
    reply[3] = (unsigned char)(0x80 | rcode);
    reply[6] = (unsigned char)(count >> 8);
    reply[7] = (unsigned char)count;
    reply[8] = 0;
    reply[9] = (unsigned char)more;
    reply[10] = reply[11] = 0;
    len = (size_t)(b.at - reply);
    return s->twist != NULL ? s->twist(s, reply, len) : len;
}

/* ---- its tasks ---- */

struct datagram {
    struct server *server;
    hob_addr       from;
    size_t         len;
    unsigned char  query[512];
};

/* Each in a task of its own, so that one which is late does not delay the others. */
static inline int answer_datagram(void *arg)
{
    struct datagram *d = (struct datagram *)arg;
    struct server   *s = d->server;
    BYTES(reply, REPLY_MAX);
    HOB_DEFER(free, d);
    if (s->before != NULL)
        s->before(s, d->query, d->len, &d->from);
    size_t len = answer_to(s, d->query, d->len, true, reply);
    if (len == 0)
        return 0;
    if (s->delay_ns > 0)
        HOB_TRY(hob_sleep(s->delay_ns));
    ignore(hob_udp_send(s->udp, reply, len == SIZE_MAX ? 0 : len, &d->from));
    return 0;
}

static inline int take_datagram(struct server *s, hob_scope *answers, struct datagram *d)
{
    ssize_t n = HOB_TRY(hob_udp_recv(s->udp, d->query, sizeof d->query, &d->from));
    d->server = s;
    d->len = (size_t)n;
    s->asked_udp++;
    s->last_port = hob_addr_port(&d->from);
    return hob_go(answers, answer_datagram, d);
}

static inline int serve_udp(void *arg)
{
    HOB_SCOPE(answers);
    for (;;) {
        struct datagram *d = (struct datagram *)malloc(sizeof *d);
        int              r = take_datagram((struct server *)arg, &answers, d);
        if (r < 0) {
            free(d); // it was not taken over
            return hob_fail(r);
        }
    }
}

static inline int serve_tcp(void *arg)
{
    struct server *s = (struct server *)arg;
    BYTES(reply, REPLY_MAX + 2);
    for (;;) {
        TCP(conn);
        unsigned char query[514];
        HOB_TRY(hob_tcp_accept(s->tcp, &conn));
        ssize_t n = hob_tcp_read(conn, query, sizeof query);
        if (n < 14)
            continue;
        s->asked_tcp++;
        size_t len = answer_to(s, query + 2, (size_t)n - 2, false, reply + 2);
        if (len == 0) {
            HOB_TRY(hob_sleep(s->is_silent ? HOB_FOREVER : 0));
            continue;
        }
        if (s->delay_ns > 0)
            HOB_TRY(hob_sleep(s->delay_ns));
        reply[0] = (unsigned char)(len >> 8);
        reply[1] = (unsigned char)len;
        ignore(hob_tcp_write(conn, reply, len + 2));
        ignore(hob_tcp_shutdown(conn));
        ignore(hob_tcp_read(conn, query, sizeof query)); // until the other has it
    }
}

static inline void close_server(struct server *s)
{
    hob_udp_close(s->udp);
    hob_tcp_listener_close(s->tcp);
}

#define SERVER(var) CLOSED_BY(close_server) struct server var

/* At that address, or at one with a port for both that the kernel chooses; its tasks are daemons
 * of the scope. */
static inline int start_server_at(hob_scope *scope, struct server *s, const hob_addr *addr)
{
    for (int tries = 0; s->udp == NULL; tries++) {
        s->addr = *addr;
        if (!s->no_tcp) {
            check_ok(hob_tcp_listen(&s->addr, NULL, &s->tcp));
            s->addr = hob_tcp_listener_addr(s->tcp);
        }
        int r = hob_udp_open(&s->addr, &s->udp);
        if (r == -EADDRINUSE && tries < 20) {
            hob_tcp_listener_close(s->tcp);
            s->tcp = NULL;
            continue;
        }
        check_ok(r);
    }
    s->addr = hob_udp_local_addr(s->udp);
    hob_addr_format(&s->addr, s->addr_text, sizeof s->addr_text);
    hob_task_opts udp = { .name = "name server", .daemon = 1, .stack_bytes = 65536 };
    hob_task_opts tcp = { .name = "name server, TCP", .daemon = 1 };
    check_ok(hob_go_with(scope, serve_udp, s, &udp));
    if (!s->no_tcp)
        check_ok(hob_go_with(scope, serve_tcp, s, &tcp));
    return 0;
}

static inline int start_server(hob_scope *scope, struct server *s)
{
    hob_addr any = hob_addr_loopback(0);
    return start_server_at(scope, s, &any);
}

/* ---- resolvers ---- */

CLOSER(close_dns, hob_dns, hob_dns_free)
#define DNS(name) CLOSED_BY(close_dns) hob_dns *name = NULL

/* One that asks this server alone, and looks at no file, with what else is in the options. */
static inline int make_dns(hob_scope *scope, const struct server *s, const hob_dns_opts *opts,
                           hob_dns **ret_dns)
{
    const char  *servers[] = { s->addr_text, NULL };
    hob_dns_opts all = { .hosts_file = "" };
    if (opts != NULL)
        all = *opts;
    if (all.hosts_file == NULL)
        all.hosts_file = "";
    if (all.servers == NULL)
        all.servers = servers;
    return hob_dns_new(scope, &all, ret_dns);
}

/* The address as text, for comparing. */
static inline const char *addr_text(const hob_addr *addr)
{
    static char texts[4][HOB_ADDR_TEXT_MAX];
    static int  next;
    char       *text = texts[next++ % 4];
    hob_addr_format(addr, text, sizeof texts[0]);
    return text;
}

#endif
