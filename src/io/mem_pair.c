/* SPDX-License-Identifier: MIT */
/*
 * hob/mem_pair.h.
 *
 *     ends[0] ── write ──▶ ways[0]: a ring of bytes ── read ──▶ ends[1]
 *     ends[0] ◀── read ── ways[1]: a ring of bytes ◀── write ── ends[1]
 *
 * Whoever finds nothing, or no room, waits for the event of its side of the way; whatever
 * changes a way sets it. After the wait everything is looked at anew.
 *
 * Memory: one block for both ends, and one for each ring. It stays until both ends are closed
 * and nobody waits in it (`users`), so that who waits can be told that his end was closed.
 */
#include "hob/mem_pair.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "hob/scope.h"
#include "hob/sem.h"
#include "hob/task.h"

enum { BUF_BYTES = 64 * 1024 };

/* An error on purpose. */
struct fault {
    int      error; /* 0: none */
    uint64_t after; /* so many bytes */
};

struct way {
    unsigned char *ring;
    size_t         begin, len;
    bool           ended;     /* nothing more will be written */
    bool           unread;    /* the end that reads is closed */
    struct fault   read_fault, write_fault;
    hob_event      to_read, to_write;
};

struct end {
    hob_stream       stream; /* first */
    struct mem_pair *pair;
    bool             closed, reading, writing;
};

struct mem_pair {
    struct end ends[2];
    struct way ways[2]; /* by the end that writes */
    size_t     cap, piece;
    unsigned   users;
};

static const hob_stream_type mem_type;

/* ---- who is who ---- */

static struct end *end_from(hob_stream *stream, const char *caller)
{
    struct end *end = (struct end *)stream;

    if (hob_unlikely(stream->type != &mem_type))
        hob__misuse_of(caller, "this is no end of a hob_mem_pair");
    if (hob_unlikely(end->closed))
        hob__misuse_of(caller, "this is not open; was it closed already?");
    return end;
}

static int side_of(const struct end *end)
{
    return end == &end->pair->ends[1];
}

static struct way *way_out(const struct end *end)
{
    return &end->pair->ways[side_of(end)];
}

static struct way *way_in(const struct end *end)
{
    return &end->pair->ways[!side_of(end)];
}

static void free_if_unused(struct mem_pair *pair)
{
    if (!pair->ends[0].closed || !pair->ends[1].closed || pair->users > 0)
        return;
    hob__free(pair->ways[0].ring);
    hob__free(pair->ways[1].ring);
    hob__free(pair);
}

static void wake(struct way *way)
{
    hob_event_set(&way->to_read);
    hob_event_set(&way->to_write);
}

/* ---- what can be done now ---- */

static size_t limit(const struct mem_pair *pair, const struct fault *fault, size_t len)
{
    if (pair->piece > 0 && len > pair->piece)
        len = pair->piece;
    return fault->error != 0 && len > fault->after ? (size_t)fault->after : len;
}

static void count(struct fault *fault, size_t len)
{
    if (fault->error != 0)
        fault->after -= len;
}

/* How much is moved, 0 at the end, -EAGAIN: nothing now, or another error. */
static ssize_t read_now(struct mem_pair *pair, struct way *way, unsigned char *buf, size_t len)
{
    if (way->read_fault.error != 0 && way->read_fault.after == 0)
        return way->read_fault.error;
    len = limit(pair, &way->read_fault, len < way->len ? len : way->len);
    if (len == 0)
        return way->ended ? 0 : -EAGAIN;

    size_t first = pair->cap - way->begin < len ? pair->cap - way->begin : len;
    memcpy(buf, way->ring + way->begin, first);
    memcpy(buf + first, way->ring, len - first);
    way->begin = (way->begin + len) % pair->cap;
    way->len -= len;
    count(&way->read_fault, len);
    return (ssize_t)len;
}

static ssize_t write_now(struct mem_pair *pair, struct way *way, const unsigned char *buf,
                         size_t len)
{
    if (way->write_fault.error != 0 && way->write_fault.after == 0)
        return way->write_fault.error;
    if (way->unread || way->ended)
        return -EPIPE;
    size_t room = pair->cap - way->len;
    len = limit(pair, &way->write_fault, len < room ? len : room);
    if (len == 0)
        return -EAGAIN;

    size_t at = (way->begin + way->len) % pair->cap;
    size_t first = pair->cap - at < len ? pair->cap - at : len;
    memcpy(way->ring + at, buf, first);
    memcpy(way->ring, buf + first, len - first);
    way->len += len;
    count(&way->write_fault, len);
    return (ssize_t)len;
}

/* ---- waiting ---- */

/* Waits until the way has changed; the end may be closed meanwhile. Returns 0 or an error. */
static int wait_for(struct end *end, hob_event *event, bool *is_in)
{
    struct mem_pair *pair = end->pair;

    hob_event_reset(event);
    *is_in = true;
    pair->users++;
    int r = hob_event_wait(event);
    pair->users--;
    *is_in = false;
    if (end->closed)
        r = -ECANCELED;
    return r;
}

static ssize_t mem_read(hob_stream *stream, void *buf, size_t len)
{
    struct end      *end = end_from(stream, "hob_stream_read");
    struct mem_pair *pair = end->pair;
    struct way      *way = way_in(end);

    hob_require(!end->reading, "hob_stream_read: another task is reading this end of a "
                               "hob_mem_pair already; one at a time");
    for (;;) {
        int r = hob_checkpoint();
        if (r < 0 || len == 0)
            return r;
        ssize_t n = read_now(pair, way, buf, len);
        if (n != -EAGAIN) {
            hob_event_set(&way->to_write);
            return n;
        }
        r = wait_for(end, &way->to_read, &end->reading);
        if (end->closed)
            free_if_unused(pair);
        if (r < 0)
            return r;
    }
}

static ssize_t mem_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct end      *end = end_from(stream, "hob_stream_write");
    struct mem_pair *pair = end->pair;
    struct way      *way = way_out(end);

    hob_require(!end->writing, "hob_stream_write: another task is writing this end of a "
                               "hob_mem_pair already; one at a time");
    for (;;) {
        int r = hob_checkpoint();
        if (r < 0 || len == 0)
            return r;
        ssize_t n = write_now(pair, way, buf, len);
        if (n != -EAGAIN) {
            hob_event_set(&way->to_read);
            return n;
        }
        r = wait_for(end, &way->to_write, &end->writing);
        if (end->closed)
            free_if_unused(pair);
        if (r < 0)
            return r;
    }
}

/* ---- ends ---- */

static int mem_shutdown(hob_stream *stream)
{
    struct way *way = way_out(end_from(stream, "hob_stream_shutdown"));

    way->ended = true;
    wake(way);
    return 0;
}

static void mem_close(hob_stream *stream)
{
    struct end      *end = end_from(stream, "hob_stream_close");
    struct mem_pair *pair = end->pair;

    end->closed = true;
    way_out(end)->ended = true;
    way_in(end)->unread = true;
    wake(&pair->ways[0]);
    wake(&pair->ways[1]);
    free_if_unused(pair);
}

static const hob_stream_type mem_type = {
    .name = "memory",
    .read = mem_read,
    .write_some = mem_write_some,
    .shutdown = mem_shutdown,
    .close = mem_close,
};

int hob_mem_pair(const hob_mem_pair_opts *opts, hob_stream **ret_a, hob_stream **ret_b)
{
    static const hob_mem_pair_opts defaults;

    if (opts == NULL)
        opts = &defaults;
    struct mem_pair *pair = hob__alloc_zero(sizeof *pair);
    if (pair == NULL)
        return -ENOMEM;
    pair->cap = opts->buf_bytes > 0 ? opts->buf_bytes : BUF_BYTES;
    pair->piece = opts->piece_bytes;
    for (int i = 0; i < 2; i++) {
        pair->ends[i] = (struct end){ .stream = { &mem_type }, .pair = pair };
        pair->ways[i].to_read.name = "bytes in memory";
        pair->ways[i].to_write.name = "room in memory";
        pair->ways[i].ring = hob__alloc(pair->cap);
    }
    if (pair->ways[0].ring == NULL || pair->ways[1].ring == NULL) {
        pair->ends[0].closed = pair->ends[1].closed = true;
        free_if_unused(pair);
        return -ENOMEM;
    }

    *ret_a = &pair->ends[0].stream;
    *ret_b = &pair->ends[1].stream;
    return 0;
}

void hob_mem_fail_reads(hob_stream *stream, int error, uint64_t after_bytes)
{
    struct way *way = way_in(end_from(stream, "hob_mem_fail_reads"));

    hob_require(error <= 0, "hob_mem_fail_reads: an error is negative");
    way->read_fault = (struct fault){ error, after_bytes };
    wake(way);
}

void hob_mem_fail_writes(hob_stream *stream, int error, uint64_t after_bytes)
{
    struct way *way = way_out(end_from(stream, "hob_mem_fail_writes"));

    hob_require(error <= 0, "hob_mem_fail_writes: an error is negative");
    way->write_fault = (struct fault){ error, after_bytes };
    wake(way);
}
