/* SPDX-License-Identifier: MIT */
/* hob/wrap.h: streams around a stream. Nothing here allocates. */
#include "hob/wrap.h"

#include <assert.h>
#include <errno.h>

#include "base/check.h"
#include "hob/scope.h"
#include "hob/task.h"
#include "hob/time.h"

/* What all wrappers begin with. */
struct wrapper {
    hob_stream  stream;
    hob_stream *below;
};

static hob_stream *below_of(hob_stream *stream)
{
    return ((struct wrapper *)stream)->below;
}

static ssize_t pass_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_stream_read(below_of(stream), buf, len);
}

static ssize_t pass_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_stream_write_some(below_of(stream), buf, len);
}

static ssize_t pass_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    return hob_stream_writev_some(below_of(stream), pieces, count);
}

static int pass_shutdown(hob_stream *stream)
{
    return hob_stream_shutdown(below_of(stream));
}

static void pass_close(hob_stream *stream)
{
    hob_stream_close(below_of(stream));
}

/* ---- at most so many bytes ---- */

static ssize_t limited_read(hob_stream *stream, void *buf, size_t len)
{
    hob_limited *limited = (hob_limited *)stream;

    if (limited->left == 0)
        return hob_cancelled();
    ssize_t n = pass_read(stream, buf, len < limited->left ? len : (size_t)limited->left);
    if (n > 0)
        limited->left -= (uint64_t)n;
    return n;
}

static const hob_stream_type limited_type = {
    .name = "limited",
    .read = limited_read,
    .write_some = pass_write_some,
    .writev_some = pass_writev_some,
    .shutdown = pass_shutdown,
    .close = pass_close,
};

hob_stream *hob_limited_init(hob_limited *limited, hob_stream *below, uint64_t bytes)
{
    *limited = (hob_limited){ .stream = { &limited_type }, .below = below, .left = bytes };
    return &limited->stream;
}

/* ---- counted ---- */

static ssize_t counted_read(hob_stream *stream, void *buf, size_t len)
{
    hob_counted *counted = (hob_counted *)stream;
    ssize_t      n = pass_read(stream, buf, len);

    if (n > 0) {
        counted->bytes_read += (uint64_t)n;
        counted->reads++;
    }
    return n;
}

static ssize_t count_written(hob_stream *stream, ssize_t n)
{
    hob_counted *counted = (hob_counted *)stream;

    if (n > 0) {
        counted->bytes_written += (uint64_t)n;
        counted->writes++;
    }
    return n;
}

static ssize_t counted_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return count_written(stream, pass_write_some(stream, buf, len));
}

static ssize_t counted_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    return count_written(stream, pass_writev_some(stream, pieces, count));
}

static const hob_stream_type counted_type = {
    .name = "counted",
    .read = counted_read,
    .write_some = counted_write_some,
    .writev_some = counted_writev_some,
    .shutdown = pass_shutdown,
    .close = pass_close,
};

hob_stream *hob_counted_init(hob_counted *counted, hob_stream *below)
{
    *counted = (hob_counted){ .stream = { &counted_type }, .below = below };
    return &counted->stream;
}

/* ---- copied aside ---- */

static void copy_aside(hob_tee *tee, hob_stream *to, const void *bytes, ssize_t len)
{
    if (to == NULL || len <= 0 || tee->error < 0)
        return;
    ssize_t n = hob_stream_write(to, bytes, (size_t)len);
    if (n < 0)
        tee->error = (int)n;
}

static ssize_t tee_read(hob_stream *stream, void *buf, size_t len)
{
    hob_tee *tee = (hob_tee *)stream;
    ssize_t  n = pass_read(stream, buf, len);

    copy_aside(tee, tee->read_copy, buf, n);
    return n;
}

static ssize_t tee_write_some(hob_stream *stream, const void *buf, size_t len)
{
    hob_tee *tee = (hob_tee *)stream;
    ssize_t  n = pass_write_some(stream, buf, len);

    copy_aside(tee, tee->write_copy, buf, n);
    return n;
}

static const hob_stream_type tee_type = {
    .name = "tee",
    .read = tee_read,
    .write_some = tee_write_some,
    .shutdown = pass_shutdown,
    .close = pass_close,
};

hob_stream *hob_tee_init(hob_tee *tee, hob_stream *below, hob_stream *read_copy,
                         hob_stream *write_copy)
{
    *tee = (hob_tee){
        .stream = { &tee_type },
        .below = below,
        .read_copy = read_copy,
        .write_copy = write_copy,
    };
    return &tee->stream;
}

/* ---- so many bytes a second ---- */

/* A bucket: it fills at `rate` bytes a second up to `burst`, exactly: the part of a byte that
 * has come is kept in billionths. */
struct book {
    uint64_t rate; /* 0: no limit */
    uint64_t burst;
    uint64_t bytes;
    uint64_t billionths;
    int64_t  filled_at_ns;
};

static_assert(sizeof(struct book) <= sizeof(hob_throttle), "a book fits in its place");

static const uint64_t BILLION = 1000000000;

static struct book *book_of(hob_throttle *throttle)
{
    return (struct book *)throttle;
}

static void book_fill(struct book *book)
{
    int64_t           now_ns = hob_now();
    unsigned __int128 parts = (unsigned __int128)(now_ns - book->filled_at_ns) * book->rate;
    unsigned __int128 bytes;

    parts += book->billionths;
    bytes = parts / BILLION + book->bytes;
    book->filled_at_ns = now_ns;
    book->billionths = bytes <= book->burst ? (uint64_t)(parts % BILLION) : 0;
    book->bytes = bytes <= book->burst ? (uint64_t)bytes : book->burst;
}

/* Waits until as many bytes are there as make a call worth while: a hundredth of a second's,
 * or all that is wanted. Returns how many may go, or an error. */
static ssize_t book_wait(struct book *book, size_t len)
{
    uint64_t share = book->rate / 100 > 0 ? book->rate / 100 : 1;
    uint64_t want = share < book->burst ? share : book->burst;

    if (want > len)
        want = len;
    for (book_fill(book); book->bytes < want; book_fill(book)) {
        unsigned __int128 parts =
            (unsigned __int128)(want - book->bytes) * BILLION - book->billionths;
        int r = hob_sleep((int64_t)((parts + book->rate - 1) / book->rate));
        if (r < 0)
            return r;
    }
    return (ssize_t)(len < book->bytes ? len : book->bytes);
}

static ssize_t book_take(struct book *book, ssize_t n)
{
    if (n > 0)
        book->bytes -= (uint64_t)n; // no more than there were when it was asked
    return n;
}

static ssize_t throttled_read(hob_stream *stream, void *buf, size_t len)
{
    struct book *book = book_of(&((hob_throttled *)stream)->read);

    if (book->rate == 0 || len == 0)
        return pass_read(stream, buf, len);
    ssize_t n = book_wait(book, len);
    return n < 0 ? n : book_take(book, pass_read(stream, buf, (size_t)n));
}

static ssize_t throttled_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct book *book = book_of(&((hob_throttled *)stream)->write);

    if (book->rate == 0 || len == 0)
        return pass_write_some(stream, buf, len);
    ssize_t n = book_wait(book, len);
    return n < 0 ? n : book_take(book, pass_write_some(stream, buf, (size_t)n));
}

static const hob_stream_type throttled_type = {
    .name = "throttled",
    .read = throttled_read,
    .write_some = throttled_write_some,
    .shutdown = pass_shutdown,
    .close = pass_close,
};

static void book_open(hob_throttle *throttle, uint64_t rate, uint64_t burst)
{
    if (burst == 0)
        burst = rate / 10 > 0 ? rate / 10 : 1;
    if (burst > UINT32_MAX)
        burst = UINT32_MAX;
    *book_of(throttle) = (struct book){
        .rate = rate,
        .burst = burst,
        .bytes = burst,
        .filled_at_ns = hob_now(),
    };
}

hob_stream *hob_throttled_init(hob_throttled *throttled, hob_stream *below,
                               const hob_throttle_opts *opts)
{
    static const hob_throttle_opts defaults;

    if (opts == NULL)
        opts = &defaults;
    *throttled = (hob_throttled){ .stream = { &throttled_type }, .below = below };
    book_open(&throttled->read, opts->read_bytes_per_s, opts->burst_bytes);
    book_open(&throttled->write, opts->write_bytes_per_s, opts->burst_bytes);
    return &throttled->stream;
}
