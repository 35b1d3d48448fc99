/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server on io_uring, by hand: the limit for Hob's uring backend.
 *
 *     recv CQE (a provided buffer) ──▶ send SQE of the same buffer ──▶ its CQE gives the buffer back
 *
 * One ring, SINGLE_ISSUER + DEFER_TASKRUN, one io_uring_enter a turn. Multishot accept,
 * multishot receive into a small ring of buffers, each send an entry. One send is in flight
 * for a connection; what arrives meanwhile waits in its buffers, in order.
 *
 * The flags choose the variants that bench/README.md reports; without any, the fastest runs:
 *
 *     --bufs N        provided buffers, a power of two (128)     --buf-bytes N  of each (4096)
 *     --bundle        one completion for several buffers (kernel 6.10)
 *     --fixed         connections are direct descriptors         --fixed-cap N  (4096)
 *     --oneshot       a receive entry for each message, into a buffer of the connection
 *     --one-pool      oneshot, with provided buffers
 *     --waitall       MSG_WAITALL on sends                       --poll-first   on receives
 *     --send-skip     no completion for a send that worked. A measurement, no design: the
 *                     buffer is given back when the entry was submitted.
 *     --direct-send   send(2) instead of an entry                --register-ring
 *     --entries N     submission entries (1024)                  --coop         COOP_TASKRUN only
 */
#include "bench.h"

#include <getopt.h>
#include <liburing.h>

#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif

enum { GROUP = 1, SMALL_QUEUE = 8 };

enum what { ACCEPT, RECV, SEND, CLOSE };

struct piece {
    uint16_t buf;
    uint32_t at;
    uint32_t len;
};

/* A connection is freed when it is closing and no entry of it is left in the ring. */
struct conn {
    int          fd; /* or the slot of the direct descriptor */
    int          entries;
    int          receiving;
    int          closing;
    char        *own; /* oneshot: where messages go */
    unsigned     first, count;
    struct piece queue[SMALL_QUEUE]; /* received and not yet echoed, oldest first */
};

static struct {
    unsigned bufs, buf_bytes, entries, fixed_cap;
    int      bundle, fixed, oneshot, one_pool, waitall, poll_first, send_skip, direct_send;
    int      register_ring, coop;
} opts = { .bufs = 128, .buf_bytes = 4096, .entries = 1024, .fixed_cap = 4096 };

static struct io_uring           ring;
static struct io_uring_buf_ring *pool;
static char                     *pool_memory;
static uint16_t                  given; /* buffers given back since the last advance */
static int                       listen_fd;

/* Connections whose receive ended because the pool was empty. */
static struct conn *starved[65536];
static unsigned     starved_count;

static struct io_uring_sqe *get_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
        if (sqe == NULL)
            bench_die("no submission entry");
    }
    return sqe;
}

/* Pointers to connections are aligned, so the low bits say what completed. */
static void tag(struct io_uring_sqe *sqe, struct conn *c, enum what what)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)c | what);
    if (opts.fixed && (what == RECV || what == SEND))
        sqe->flags |= IOSQE_FIXED_FILE;
    if (c != NULL)
        c->entries++;
}

static char *buf_at(unsigned i)
{
    return pool_memory + (size_t)i * opts.buf_bytes;
}

static void buf_give(unsigned i)
{
    io_uring_buf_ring_add(pool, buf_at(i), opts.buf_bytes, (unsigned short)i,
                          io_uring_buf_ring_mask(opts.bufs), given++);
}

static void submit_accept(void)
{
    struct io_uring_sqe *sqe = get_sqe();

    if (opts.fixed)
        io_uring_prep_multishot_accept_direct(sqe, listen_fd, NULL, NULL, 0);
    else
        io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
    tag(sqe, NULL, ACCEPT);
}

static void submit_recv(struct conn *c)
{
    struct io_uring_sqe *sqe = get_sqe();

    if (opts.oneshot && !opts.one_pool) {
        io_uring_prep_recv(sqe, c->fd, c->own, opts.buf_bytes, 0);
    } else {
        io_uring_prep_recv(sqe, c->fd, NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = GROUP;
        if (!opts.oneshot)
            sqe->ioprio |= IORING_RECV_MULTISHOT;
        if (opts.bundle)
            sqe->ioprio |= IORING_RECVSEND_BUNDLE;
    }
    if (opts.poll_first)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    tag(sqe, c, RECV);
    c->receiving = 1;
}

static void submit_send(struct conn *c)
{
    struct piece        *p = &c->queue[c->first];
    struct io_uring_sqe *sqe;
    char                *data = c->own != NULL ? c->own : buf_at(p->buf);

    sqe = get_sqe();
    io_uring_prep_send(sqe, c->fd, data + p->at, p->len, MSG_NOSIGNAL | (opts.waitall ? MSG_WAITALL : 0));
    if (opts.send_skip)
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(sqe, c, SEND);
}

static void queue_pop(struct conn *c)
{
    if (c->own == NULL)
        buf_give(c->queue[c->first].buf);
    c->first = (c->first + 1) % SMALL_QUEUE;
    c->count--;
}

static void conn_free_if_done(struct conn *c)
{
    if (!c->closing || c->entries > 0)
        return;
    while (c->count > 0)
        queue_pop(c);
    if (opts.fixed) {
        struct io_uring_sqe *sqe = get_sqe();
        io_uring_prep_close_direct(sqe, (unsigned)c->fd);
        tag(sqe, NULL, CLOSE);
    } else {
        close(c->fd);
    }
    free(c->own);
    free(c);
}

/* Takes the receive back, and lets what is in flight end. */
static void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = 1;
    if (c->receiving) {
        struct io_uring_sqe *sqe = get_sqe();
        io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)c | RECV, 0);
        tag(sqe, NULL, CLOSE);
    }
}

static void echo(struct conn *c, uint16_t buf, uint32_t len)
{
    if (opts.direct_send) {
        const char *data = c->own != NULL ? c->own : buf_at(buf);

        if (send(c->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
            conn_close(c);
        if (c->own == NULL)
            buf_give(buf);
        return;
    }
    if (c->count == SMALL_QUEUE) {  // the peer does not read its answers
        if (c->own == NULL)
            buf_give(buf);
        conn_close(c);
        return;
    }
    c->queue[(c->first + c->count) % SMALL_QUEUE] = (struct piece){ buf, 0, len };
    if (c->count++ == 0) {
        submit_send(c);
        if (opts.send_skip) {
            c->entries--;
            queue_pop(c);
        }
    }
}

static void on_accept(const struct io_uring_cqe *cqe)
{
    struct conn *c;

    if (cqe->res >= 0) {
        c = calloc(1, sizeof *c);
        if (c == NULL)
            bench_die("calloc");
        c->fd = cqe->res;
        if (opts.oneshot && !opts.one_pool && (c->own = malloc(opts.buf_bytes)) == NULL)
            bench_die("malloc");
        submit_recv(c);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        submit_accept();
}

static void on_recv(struct conn *c, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        c->entries--;
        c->receiving = 0;
    }
    if (cqe->res == -ENOBUFS) {
        starved[starved_count++] = c;
    } else if (cqe->res <= 0) {
        conn_close(c);
    } else {
        unsigned buf = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        uint32_t left = (uint32_t)cqe->res;

        while (left > 0) {  // more than once only with a bundle
            uint32_t len = c->own == NULL && left > opts.buf_bytes ? opts.buf_bytes : left;

            echo(c, (uint16_t)buf, len);
            buf = (buf + 1) & (opts.bufs - 1);
            left -= len;
        }
        if (!c->receiving && !c->closing && (!opts.oneshot || opts.direct_send))
            submit_recv(c);
        else if (opts.oneshot && opts.send_skip && !c->closing)
            submit_recv(c);
    }
    conn_free_if_done(c);
}

static void on_send(struct conn *c, const struct io_uring_cqe *cqe)
{
    struct piece *p = &c->queue[c->first];

    c->entries--;
    if (cqe->res < 0) {
        conn_close(c);
    } else if ((uint32_t)cqe->res < p->len) {
        p->at += (uint32_t)cqe->res;
        p->len -= (uint32_t)cqe->res;
        if (!c->closing)
            submit_send(c);
    } else {
        queue_pop(c);
        if (c->count > 0 && !c->closing)
            submit_send(c);
        else if (opts.oneshot && !c->closing)
            submit_recv(c);
    }
    conn_free_if_done(c);
}

static void feed_starved(void)
{
    unsigned n = starved_count;

    starved_count = 0;
    for (unsigned i = 0; i < n; i++)
        if (!starved[i]->closing)
            submit_recv(starved[i]);
}

static void turn(void)
{
    struct io_uring_cqe *cqe;
    unsigned             head, seen = 0;

    if (io_uring_submit_and_wait(&ring, 1) < 0 && errno != EINTR)
        bench_die("io_uring_submit_and_wait");
    io_uring_for_each_cqe(&ring, head, cqe) {
        struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~UINT64_C(7));

        switch ((enum what)(cqe->user_data & 7)) {
        case ACCEPT: on_accept(cqe); break;
        case RECV: on_recv(c, cqe); break;
        case SEND: on_send(c, cqe); break;
        case CLOSE: break;
        }
        seen++;
    }
    io_uring_cq_advance(&ring, seen);
    if (given > 0) {
        io_uring_buf_ring_advance(pool, given);
        given = 0;
    }
    if (starved_count > 0)
        feed_starved();
}

static void open_ring(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                 (opts.coop ? IORING_SETUP_COOP_TASKRUN : IORING_SETUP_DEFER_TASKRUN),
        .cq_entries = opts.entries * 8,
    };
    int r = io_uring_queue_init_params(opts.entries, &ring, &params);

    if (r < 0) {
        errno = -r;
        bench_die("io_uring");
    }
    if (opts.register_ring && io_uring_register_ring_fd(&ring) < 0)
        bench_die("io_uring_register_ring_fd");
    if (opts.fixed && io_uring_register_files_sparse(&ring, opts.fixed_cap) < 0)
        bench_die("io_uring_register_files_sparse");
}

static void open_pool(void)
{
    struct io_uring_buf_reg reg = { .ring_entries = opts.bufs, .bgid = GROUP };

    if (posix_memalign((void **)&pool, 4096, opts.bufs * sizeof(struct io_uring_buf)) != 0 ||
        posix_memalign((void **)&pool_memory, 4096, (size_t)opts.bufs * opts.buf_bytes) != 0)
        bench_die("posix_memalign");
    reg.ring_addr = (uint64_t)(uintptr_t)pool;
    if (io_uring_register_buf_ring(&ring, &reg, 0) < 0)
        bench_die("io_uring_register_buf_ring");
    io_uring_buf_ring_init(pool);
    for (unsigned i = 0; i < opts.bufs; i++)
        buf_give(i);
    io_uring_buf_ring_advance(pool, given);
    given = 0;
}

static void read_args(int argc, char **argv)
{
    static const struct option names[] = {
        { "bufs", 1, NULL, 'b' },       { "buf-bytes", 1, NULL, 's' },
        { "entries", 1, NULL, 'e' },    { "fixed-cap", 1, NULL, 'x' },
        { "bundle", 0, &opts.bundle, 1 },             { "fixed", 0, &opts.fixed, 1 },
        { "oneshot", 0, &opts.oneshot, 1 },           { "one-pool", 0, &opts.one_pool, 1 },
        { "waitall", 0, &opts.waitall, 1 },           { "poll-first", 0, &opts.poll_first, 1 },
        { "send-skip", 0, &opts.send_skip, 1 },       { "direct-send", 0, &opts.direct_send, 1 },
        { "register-ring", 0, &opts.register_ring, 1 }, { "coop", 0, &opts.coop, 1 },
        { NULL, 0, NULL, 0 },
    };
    int ch;

    while ((ch = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (ch) {
        case 'b': opts.bufs = (unsigned)atoi(optarg); break;
        case 's': opts.buf_bytes = (unsigned)atoi(optarg); break;
        case 'e': opts.entries = (unsigned)atoi(optarg); break;
        case 'x': opts.fixed_cap = (unsigned)atoi(optarg); break;
        case 0: break;
        default: exit(2);
        }
    }
    opts.oneshot |= opts.one_pool;
}

int main(int argc, char **argv)
{
    unsigned port;

    read_args(argc, argv);
    open_ring();
    open_pool();
    listen_fd = bench_listen(0, &port);
    bench_no_delay(listen_fd);  // connections inherit it
    submit_accept();
    bench_serving(port);
    for (;;)
        turn();
}
