/* SPDX-License-Identifier: MIT */
/*
 * Asking name servers.
 *
 *     exchange ── for each round, each server ──▶ ask_server ── UDP ──▶ reply? ── cut off ──▶ TCP
 *        ▲                                            │                   │
 *        └──── silent, refused, SERVFAIL, nonsense ───┴───────────────────┘
 *
 * Each try has a socket of its own, connected to the server: the kernel lets only that one's datagrams
 * in, chooses the port by chance, and tells when nobody listens there. What then comes and is not the
 * reply to this very query (its number and its question) is passed over, and counted; when that is
 * more than chance explains, somebody is guessing, and the question is asked by TCP, where he
 * would have to guess a lot more (RFC 5452).
 *
 * A server that was silent is asked after the others for a while, so that a dead first one does not
 * cost its time in every look-up.
 *
 * Threads: the resolver's worker.
 */
#include "dns/exchange.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "dns/memory.h"
#include "dns/name.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "hob/time.h"
#include "hob/udp.h"

enum {
    DATAGRAM_MAX = 4096, /* more than we say that we take; longer is as if it were cut off */
    STRANGE_MAX = 32,    /* then it goes by TCP */
};

#define SILENT_NS (30 * HOB_SEC)

struct asked {
    const struct dns_asking *asking;
    struct dns_server       *server;
    const struct dns_query  *query;
    struct dns_answer       *answer;
    uint32_t                 ttl_s;
};

/* A number that nobody guesses. In sim it comes from the seed. */
static uint64_t secret_number(void)
{
    uint64_t number = 0;
    if (strcmp(hob_backend_name(), "sim") != 0 &&
        getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = 0; // what follows is less secret, but different each time
    return number ^ hob_random();
}

static int read_reply(struct asked *a, const unsigned char *bytes, size_t len)
{
    return hob__dns_reply_read(a->query, bytes, len, &a->answer, &a->ttl_s);
}

/* ---- by UDP ---- */

static void close_udp(hob_udp **socket)
{
    hob_udp_close(*socket);
}

static int receive(struct asked *a, hob_udp *socket)
{
    unsigned char buf[DATAGRAM_MAX];
    for (int strange = 0; strange < STRANGE_MAX;) {
        ssize_t n = hob_udp_recv(socket, buf, sizeof buf, NULL);
        if (n < 0)
            return (int)n;
        bool is_cut = (size_t)n > sizeof buf;
        if (hob__dns_reply_is_to(a->query, buf, is_cut ? sizeof buf : (size_t)n))
            return is_cut ? -EOVERFLOW : read_reply(a, buf, (size_t)n);
        a->asking->stats->strange++;
        strange++;
    }
    return -EOVERFLOW;
}

static int ask_by_udp(struct asked *a)
{
    static const uint8_t any[16] = { 0 };
    int                  family = a->server->addr.u.family;
    hob_addr             local = hob__dns_addr_of(family, any, 0);

    __attribute__((cleanup(close_udp))) hob_udp *socket = NULL;
    int r = hob_udp_open(&local, &socket);
    if (r == 0)
        r = hob_udp_connect(socket, &a->server->addr);
    if (r < 0)
        return r;
    a->asking->stats->sent_udp++;
    ssize_t n = hob_udp_send(socket, a->query->bytes, a->query->len, NULL);
    return n < 0 ? (int)n : receive(a, socket);
}

/* ---- by TCP ---- */

static void close_tcp(hob_tcp **conn)
{
    hob_tcp_close(*conn);
}

/* Waits for `len` bytes: 0, or an error, which a stream that ends is too. */
static int read_all(hob_tcp *conn, unsigned char *buf, size_t len)
{
    ssize_t n = hob_stream_read_exactly(hob_tcp_stream(conn), buf, len);
    return n < 0 && n != HOB_EOF ? (int)n : (size_t)n == len ? 0 : -EBADMSG;
}

static int read_message(struct asked *a, hob_tcp *conn)
{
    unsigned char head[2];
    int           r = read_all(conn, head, sizeof head);
    size_t        len = (size_t)head[0] << 8 | head[1];
    if (r < 0)
        return r;
    if (len < a->query->question_end)
        return -EBADMSG;
    unsigned char *bytes = hob__dns_alloc(len);
    if (bytes == NULL)
        return -ENOMEM;
    r = read_all(conn, bytes, len);
    if (r == 0)
        r = hob__dns_reply_is_to(a->query, bytes, len) ? read_reply(a, bytes, len) : -EBADMSG;
    hob__dns_free(bytes);
    return r == -EOVERFLOW ? -EBADMSG : r; // nothing is cut off here
}

static int ask_by_tcp(struct asked *a)
{
    unsigned char message[2 + DNS_QUERY_MAX];
    size_t        len = a->query->len;

    __attribute__((cleanup(close_tcp))) hob_tcp *conn = NULL;
    int r = hob_tcp_connect(&a->server->addr, NULL, &conn);
    if (r < 0)
        return r;
    message[0] = (unsigned char)(len >> 8);
    message[1] = (unsigned char)len;
    memcpy(message + 2, a->query->bytes, len);
    a->asking->stats->sent_tcp++;
    ssize_t n = hob_tcp_write(conn, message, len + 2);
    return n < 0 ? (int)n : read_message(a, conn);
}

/* ---- one server ---- */

/* One try, within its time. */
static int try_for(struct asked *a, int64_t try_ns, int (*ask)(struct asked *a))
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(try_ns));
    int r = ask(a);
    (void)!hob_scope_end(&s); // the result wins
    return r;
}

/* One query, and the same by TCP if that is needed. */
static int ask_once(struct asked *a, int64_t try_ns, bool has_edns, const char *name, uint16_t type)
{
    const struct dns_asking *asking = a->asking;
    struct dns_query         query;
    uint64_t                 bits[4] = { 0 };

    for (size_t i = 0; asking->mixes_case && i < 4; i++)
        bits[i] = secret_number();
    int r = hob__dns_query_make(name, type, (uint16_t)secret_number(), has_edns,
                                asking->mixes_case ? (const uint8_t *)bits : NULL, &query);
    if (r < 0)
        return r;
    a->query = &query;
    r = asking->uses_tcp ? -EOVERFLOW : try_for(a, try_ns, ask_by_udp);
    if (r == -EOVERFLOW)
        r = try_for(a, try_ns, ask_by_tcp);
    a->query = NULL;
    return r;
}

static int ask_server(struct asked *a, int64_t try_ns, const char *name, uint16_t type)
{
    bool has_edns = !a->server->has_no_edns;
    int  r = ask_once(a, try_ns, has_edns, name, type);
    if (r == -EPROTO && has_edns) {
        r = ask_once(a, try_ns, false, name, type);
        a->server->has_no_edns = r == 0 || r == -ENOENT || r == -ENODATA;
    }
    return r == -EPROTO ? -EAGAIN : r;
}

/* ---- all of them ---- */

/* An answer; or a failure of ours, which would be the same with another server. */
static bool is_settled(int r)
{
    return r == 0 || r == -ENOENT || r == -ENODATA || r == -EMSGSIZE || r == -ENOMEM ||
           r == -EINVAL || r == -EMFILE || r == -ENFILE;
}

/* What is told when all have failed: the worst that a server said, else why there was none. */
static int worse(int a, int b)
{
    static const int ORDER[] = { -EAGAIN, -EBADMSG };
    for (size_t i = 0; i < sizeof ORDER / sizeof ORDER[0]; i++)
        if (a == ORDER[i] || b == ORDER[i])
            return ORDER[i];
    return a == 0 || a == -ETIMEDOUT ? b : a;
}

static void note(struct asked *a, int r)
{
    hob_dns_stats *stats = a->asking->stats;
    a->server->silent_until_ns = 0;
    if (r == -EAGAIN)
        stats->failed++;
    else if (r == -EBADMSG)
        stats->bad++;
    else if (r == -ETIMEDOUT)
        stats->silent++;
    if (!is_settled(r) && r != -EAGAIN && r != -EBADMSG)
        a->server->silent_until_ns = hob_in(SILENT_NS);
}

/* The servers of which that is so, one after the other. True: it is over. */
static bool ask_those(struct asked *a, int64_t try_ns, const char *name, uint16_t type,
                      uint64_t which, int *result)
{
    const struct dns_asking *asking = a->asking;
    for (size_t i = 0; i < asking->count; i++) {
        size_t index = (asking->first + i) % asking->count;
        if ((which >> index & 1) == 0)
            continue;
        a->server = &asking->servers[index];
        int r = ask_server(a, try_ns, name, type);
        int cancelled = hob_cancelled();
        if (is_settled(r) || cancelled < 0) {
            *result = r == 0 || is_settled(r) ? r : cancelled;
            if (is_settled(r))
                note(a, r);
            return true;
        }
        note(a, r);
        *result = worse(*result, r);
    }
    return false;
}

/* A set of the servers that were silent lately. */
static uint64_t silent_ones(const struct dns_asking *asking)
{
    uint64_t silent = 0;
    for (size_t i = 0; i < asking->count; i++)
        if (hob_now() < asking->servers[i].silent_until_ns)
            silent |= (uint64_t)1 << i;
    return silent;
}

int hob__dns_exchange(const struct dns_asking *asking, const char *name, uint16_t type,
                      struct dns_answer **ret_answer, uint32_t *ret_ttl_s)
{
    struct asked a = { .asking = asking };
    int64_t      try_ns = asking->try_ns;
    int          r = 0;

    for (uint32_t round = 0; round < asking->rounds; round++) {
        uint64_t silent = silent_ones(asking); // as it is now: the round itself changes it
        if (ask_those(&a, try_ns, name, type, ~silent, &r) ||
            ask_those(&a, try_ns, name, type, silent, &r))
            break;
        if (asking->doubles && try_ns < HOB_MINUTE)
            try_ns *= 2;
    }
    if (r == 0)
        *ret_answer = a.answer;
    if (r == 0 || r == -ENOENT || r == -ENODATA)
        *ret_ttl_s = a.ttl_s;
    return r;
}
