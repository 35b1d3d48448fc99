/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server on io_uring, by hand: the limit for Hob's on that backend.
 *
 *     recv CQE (a provided buffer) ──▶ answers to all requests in it ──▶ one send SQE ──▶ its CQE
 *
 * As raw_uring.c, with its fastest settings: SINGLE_ISSUER + DEFER_TASKRUN, multishot accept and
 * receive, 128 buffers of 4096 bytes, one io_uring_enter a turn. One send is in flight for a
 * connection; answers that come meanwhile are gathered for the next, and who does not read them is
 * closed. A request cut in two is kept.
 */
#include "http_answer.h"

#include <liburing.h>

enum { GROUP = 1, ENTRIES = 1024, BUFS = 128, BUF_BYTES = 4096, OUT_BYTES = 8192 };

enum what { ACCEPT, RECV, SEND, CANCEL };

struct out {
    struct out *next_free;
    size_t      at, len;
    char        bytes[OUT_BYTES];
};

/* A connection is freed when it is closing and no entry of it is left in the ring. */
struct conn {
    int         fd;
    int         entries;
    int         receiving, closing;
    struct out *sending, *gathered;
    size_t      kept_len;
    char       *kept;
};

static struct io_uring           ring;
static struct io_uring_buf_ring *pool;
static char                     *pool_memory;
static uint16_t                  given; /* buffers given back since the last advance */
static int                       listen_fd;
static struct out               *free_outs;

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
    if (c != NULL)
        c->entries++;
}

static struct out *out_take(void)
{
    struct out *out = free_outs;

    if (out != NULL)
        free_outs = out->next_free;
    else if ((out = malloc(sizeof *out)) == NULL)
        bench_die("malloc");
    out->at = out->len = 0;
    return out;
}

static void out_give(struct out *out)
{
    if (out == NULL)
        return;
    out->next_free = free_outs;
    free_outs = out;
}

static void buf_give(unsigned i)
{
    io_uring_buf_ring_add(pool, pool_memory + (size_t)i * BUF_BYTES, BUF_BYTES, (unsigned short)i,
                          io_uring_buf_ring_mask(BUFS), given++);
}

static void submit_accept(void)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
    tag(sqe, NULL, ACCEPT);
}

static void submit_recv(struct conn *c)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    tag(sqe, c, RECV);
    c->receiving = 1;
}

static void submit_send(struct conn *c)
{
    struct out          *out = c->sending;
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_send(sqe, c->fd, out->bytes + out->at, out->len - out->at, MSG_NOSIGNAL);
    tag(sqe, c, SEND);
}

static void conn_free_if_done(struct conn *c)
{
    if (!c->closing || c->entries > 0)
        return;
    out_give(c->sending);
    out_give(c->gathered);
    close(c->fd);
    free(c->kept);
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
        tag(sqe, NULL, CANCEL);
    }
}

static void keep(struct conn *c, const char *bytes, size_t len)
{
    if (c->kept == NULL && (c->kept = malloc(PARTIAL_MAX)) == NULL)
        bench_die("malloc");
    memmove(c->kept, bytes, len);
    c->kept_len = len;
}

/* What came joins what was kept of a request before. Only when clients cut them. */
static size_t answer_joined(struct conn *c, struct out *out, const char *bytes, size_t len)
{
    size_t had = c->kept_len, part = PARTIAL_MAX - had < len ? PARTIAL_MAX - had : len;

    memcpy(c->kept + had, bytes, part);
    c->kept_len = had + part;
    size_t used = http_answer(c->kept, c->kept_len, out->bytes, OUT_BYTES, &out->len);
    c->kept_len = 0;
    return used > had ? used - had : 0;
}

static void on_bytes(struct conn *c, const char *bytes, size_t len)
{
    struct out *out = c->gathered != NULL ? c->gathered : out_take();
    size_t      used = c->kept_len > 0 ? answer_joined(c, out, bytes, len) : 0;

    c->gathered = out;
    used += http_answer(bytes + used, len - used, out->bytes, OUT_BYTES, &out->len);
    if (len - used > PARTIAL_MAX || OUT_BYTES - out->len < ANSWER_MAX)
        conn_close(c); // too long, or nobody reads the answers
    else if (used < len)
        keep(c, bytes + used, len - used);
    if (c->sending == NULL && out->len > 0) {
        c->sending = out;
        c->gathered = NULL;
        submit_send(c);
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

        if (!c->closing)
            on_bytes(c, pool_memory + (size_t)buf * BUF_BYTES, (size_t)cqe->res);
        buf_give(buf);
        if (!c->receiving && !c->closing)
            submit_recv(c);
    }
    conn_free_if_done(c);
}

static void on_send(struct conn *c, const struct io_uring_cqe *cqe)
{
    c->entries--;
    if (cqe->res < 0) {
        conn_close(c);
    } else {
        c->sending->at += (size_t)cqe->res;
        if (c->sending->at == c->sending->len) {
            out_give(c->sending);
            c->sending = c->gathered;
            c->gathered = NULL;
        }
        if (c->sending != NULL && !c->closing)
            submit_send(c);
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
    http_tick();
    io_uring_for_each_cqe(&ring, head, cqe) {
        struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~UINT64_C(7));

        switch ((enum what)(cqe->user_data & 7)) {
        case ACCEPT: on_accept(cqe); break;
        case RECV: on_recv(c, cqe); break;
        case SEND: on_send(c, cqe); break;
        case CANCEL: break;
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
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        .cq_entries = ENTRIES * 8,
    };
    int r = io_uring_queue_init_params(ENTRIES, &ring, &params);

    if (r < 0) {
        errno = -r;
        bench_die("io_uring");
    }
}

static void open_pool(void)
{
    struct io_uring_buf_reg reg = { .ring_entries = BUFS, .bgid = GROUP };

    if (posix_memalign((void **)&pool, 4096, BUFS * sizeof(struct io_uring_buf)) != 0 ||
        posix_memalign((void **)&pool_memory, 4096, (size_t)BUFS * BUF_BYTES) != 0)
        bench_die("posix_memalign");
    reg.ring_addr = (uint64_t)(uintptr_t)pool;
    if (io_uring_register_buf_ring(&ring, &reg, 0) < 0)
        bench_die("io_uring_register_buf_ring");
    io_uring_buf_ring_init(pool);
    for (unsigned i = 0; i < BUFS; i++)
        buf_give(i);
    io_uring_buf_ring_advance(pool, given);
    given = 0;
}

int main(void)
{
    unsigned port;

    open_ring();
    open_pool();
    listen_fd = bench_listen(0, &port);
    bench_no_delay(listen_fd);  // connections inherit it
    submit_accept();
    bench_serving(port);
    for (;;)
        turn();
}
