/* SPDX-License-Identifier: MIT */
/*
 * hob/writer.h.
 *
 * All comes in by put(): as long as what is left of the pieces does not fit, buffer and pieces
 * go out by one writev, and what fits is copied at the end. So what is smaller than the buffer
 * is taken whole or not at all: when a write takes any of it, the buffer has become empty and
 * the rest fits.
 *
 * What holds: buf[begin, end) was taken and not sent; `error` is the stream's, and final.
 */
#include "hob/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "hob/scope.h"

enum {
    BUF_BYTES = 4096,
    PIECES_MAX = 16, /* in one call of the stream */
};

struct writer {
    hob_stream    *to;
    unsigned char *buf; /* NULL: none is needed now */
    size_t         begin, end, cap;
    int            error;
    unsigned       corks;
    bool           flush_each;
    bool           give_back;
    bool           busy; /* a call is in it, and waits */
};

static_assert(sizeof(struct writer) <= sizeof(hob_writer), "a writer fits in its place");

/* ---- beginning and ending ---- */

static struct writer *enter(const hob_writer *place, const char *caller)
{
    struct writer *w = (struct writer *)(uintptr_t)place;

    if (hob_unlikely(w->to == NULL))
        hob__misuse_of(caller, "this is no writer; was it ended already?");
    if (hob_unlikely(w->busy))
        hob__misuse_of(caller, "another task is writing by this writer; one at a time");
    return w;
}

void hob_writer_init(hob_writer *place, hob_stream *stream, const hob_writer_opts *opts)
{
    static const hob_writer_opts defaults;
    struct writer               *w = (struct writer *)place;

    if (opts == NULL)
        opts = &defaults;
    *w = (struct writer){
        .to = stream,
        .cap = opts->buf_bytes != 0 ? opts->buf_bytes : BUF_BYTES,
        .flush_each = opts->flush_each,
        .give_back = opts->give_back,
    };
}

void hob_writer_fini(hob_writer *place)
{
    struct writer *w = enter(place, "hob_writer_fini");

    hob__free(w->buf);
    w->buf = NULL;
    w->to = NULL;
}

/* ---- the buffer ---- */

static size_t used(const struct writer *w)
{
    return w->end - w->begin;
}

static size_t room(const struct writer *w)
{
    return w->cap - used(w);
}

static int need_buffer(struct writer *w)
{
    if (w->buf == NULL)
        w->buf = hob__alloc(w->cap);
    return w->buf != NULL ? 0 : -ENOMEM;
}

static void sent(struct writer *w, size_t len)
{
    w->begin += len;
    if (w->begin == w->end)
        w->begin = w->end = 0;
}

/* At the end of a call, and not before: then nothing of it can fail for want of memory. */
static void give_back_if_empty(struct writer *w)
{
    if (!w->give_back || used(w) > 0)
        return;
    hob__free(w->buf);
    w->buf = NULL;
}

static void make_one_room(struct writer *w)
{
    memmove(w->buf, w->buf + w->begin, used(w));
    w->end -= w->begin;
    w->begin = 0;
}

/* There is room for it. */
static void append(struct writer *w, const void *bytes, size_t len)
{
    if (w->cap - w->end < len)
        make_one_room(w);
    if (len > 0)
        memcpy(w->buf + w->end, bytes, len);
    w->end += len;
}

/* ---- sending ---- */

/* What the stream said. Being cancelled is of the task, not of the stream. */
static ssize_t note(struct writer *w, ssize_t n)
{
    if (n < 0 && n != hob_cancelled())
        w->error = (int)n;
    return n;
}

static ssize_t send_pieces(struct writer *w, const struct iovec *pieces, int count)
{
    w->busy = true;
    ssize_t n = count == 1
        ? hob_stream_write_some(w->to, pieces[0].iov_base, pieces[0].iov_len)
        : hob_stream_writev_some(w->to, pieces, count);
    w->busy = false;
    hob_require(n != 0, "hob_writer: the stream's write_some wrote nothing; it must wait until "
                        "there is room, or fail");
    return note(w, n);
}

static int flush(struct writer *w)
{
    if (w->error < 0)
        return w->error;
    while (used(w) > 0) {
        struct iovec piece = { w->buf + w->begin, used(w) };
        ssize_t      n = send_pieces(w, &piece, 1);
        if (n < 0)
            return (int)n;
        sent(w, (size_t)n);
    }
    give_back_if_empty(w);
    return 0;
}

/* ---- pieces ---- */

/* The caller's pieces, and how far they are taken. */
struct rest {
    const struct iovec *pieces;
    int                 count;
    size_t              offset; /* into the first */
    size_t              len;    /* of all that is left */
};

static void rest_take(struct rest *rest, size_t len)
{
    hob_assert(len <= rest->len);
    rest->len -= len;
    len += rest->offset;
    while (rest->count > 0 && len >= rest->pieces->iov_len) {
        len -= rest->pieces->iov_len;
        rest->pieces++;
        rest->count--;
    }
    rest->offset = len;
}

static struct iovec rest_at(const struct rest *rest, int index)
{
    struct iovec piece = rest->pieces[index];

    if (index == 0) {
        piece.iov_base = (char *)piece.iov_base + rest->offset;
        piece.iov_len -= rest->offset;
    }
    return piece;
}

/* One write of the buffer and as many pieces as go along. Returns 0 or an error. */
static int send_with(struct writer *w, struct rest *rest)
{
    struct iovec out[PIECES_MAX];
    int          n = 0;

    if (used(w) > 0)
        out[n++] = (struct iovec){ w->buf + w->begin, used(w) };
    for (int i = 0; i < rest->count && n < PIECES_MAX; i++) {
        struct iovec piece = rest_at(rest, i);
        if (piece.iov_len > 0)
            out[n++] = piece;
    }
    ssize_t done = send_pieces(w, out, n);
    if (done < 0)
        return (int)done;

    size_t of_buffer = (size_t)done < used(w) ? (size_t)done : used(w);
    if (of_buffer > 0)
        sent(w, of_buffer);
    rest_take(rest, (size_t)done - of_buffer);
    return 0;
}

/* Returns how many bytes of the pieces were taken, or an error when none were. */
static ssize_t put(struct writer *w, struct rest rest)
{
    size_t all = rest.len;
    int    r = w->error;

    if (r == 0 && all > 0)
        r = need_buffer(w);
    while (r == 0 && rest.len > room(w))
        r = send_with(w, &rest);
    while (r == 0 && rest.len > 0) {
        struct iovec piece = rest_at(&rest, 0);
        append(w, piece.iov_base, piece.iov_len);
        rest_take(&rest, piece.iov_len);
    }
    give_back_if_empty(w);
    return r < 0 && rest.len == all ? r : (ssize_t)(all - rest.len);
}

/* Only a part of something that nobody can go on with is out: that is the end of this writer. */
static ssize_t torn(struct writer *w)
{
    if (w->error == 0)
        w->error = hob_cancelled() < 0 ? hob_cancelled() : -ECANCELED;
    return w->error;
}

/* The end of a call that took `n` bytes. They are taken, so an error now is for the next one. */
static ssize_t after(struct writer *w, ssize_t n)
{
    if (n >= 0 && w->flush_each && w->corks == 0)
        (void)flush(w);
    return n;
}

/* ---- what the user calls ---- */

static size_t len_of(const struct iovec *pieces, int count)
{
    size_t len = 0;

    for (int i = 0; i < count; i++)
        hob_require(!__builtin_add_overflow(len, pieces[i].iov_len, &len) && len <= PTRDIFF_MAX,
                    "hob_writer_writev: the pieces are longer than all memory");
    return len;
}

ssize_t hob_writer_writev(hob_writer *writer, const struct iovec *pieces, int count)
{
    struct writer *w = enter(writer, "hob_writer_writev");
    struct rest    rest = { pieces, count, 0, len_of(pieces, count) };

    return after(w, put(w, rest));
}

ssize_t hob_writer_write(hob_writer *writer, const void *buf, size_t len)
{
    struct writer *w = enter(writer, "hob_writer_write");
    struct iovec   piece = { (void *)(uintptr_t)buf, len };

    return after(w, put(w, (struct rest){ &piece, 1, 0, len }));
}

/* Into the room behind what is there, if that is enough. Returns how long it is. */
static int print_into(struct writer *w, const char *format, va_list args)
{
    size_t  free_bytes = w->cap - w->end;
    va_list again;

    va_copy(again, args);
    int len = vsnprintf((char *)w->buf + w->end, free_bytes, format, again);
    va_end(again);
    return len;
}

static ssize_t print_aside(struct writer *w, int len, const char *format, va_list args)
{
    char *text = hob__alloc((size_t)len + 1);

    if (text == NULL)
        return -ENOMEM;
    vsnprintf(text, (size_t)len + 1, format, args);
    struct iovec piece = { text, (size_t)len };
    ssize_t      n = put(w, (struct rest){ &piece, 1, 0, (size_t)len });
    hob__free(text);
    return n < 0 || n == len ? n : torn(w);
}

ssize_t hob_writer_vprintf(hob_writer *writer, const char *format, va_list args)
{
    struct writer *w = enter(writer, "hob_writer_printf");

    if (w->error < 0)
        return w->error;
    int rc = need_buffer(w);
    if (rc < 0)
        return rc;
    if (w->begin > 0)
        make_one_room(w);
    int len = print_into(w, format, args);
    if (len < 0)
        return -EINVAL;
    if ((size_t)len >= w->cap - w->end) // with the NUL it did not fit
        return after(w, print_aside(w, len, format, args));
    w->end += (size_t)len;
    return after(w, len);
}

ssize_t hob_writer_printf(hob_writer *writer, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    ssize_t n = hob_writer_vprintf(writer, format, args);
    va_end(args);
    return n;
}

ssize_t hob_writer_frame(hob_writer *writer, const hob_frame_format *format, const void *buf,
                         size_t len)
{
    struct writer *w = enter(writer, "hob_writer_frame");
    unsigned char  prefix[HOB_FRAME_PREFIX_MAX];

    int n = hob_frame_prefix(format, len, prefix);
    if (n < 0)
        return n;
    struct iovec pieces[2] = { { prefix, (size_t)n }, { (void *)(uintptr_t)buf, len } };
    ssize_t      taken = after(w, put(w, (struct rest){ pieces, 2, 0, (size_t)n + len }));
    if (taken < 0)
        return taken;
    return (size_t)taken == (size_t)n + len ? (ssize_t)len : torn(w);
}

int hob_writer_flush(hob_writer *writer)
{
    return flush(enter(writer, "hob_writer_flush"));
}

void hob_writer_cork(hob_writer *writer)
{
    enter(writer, "hob_writer_cork")->corks++;
}

int hob_writer_uncork(hob_writer *writer)
{
    struct writer *w = enter(writer, "hob_writer_uncork");

    hob_require(w->corks > 0, "hob_writer_uncork: it was not corked");
    return --w->corks == 0 && w->flush_each ? flush(w) : 0;
}

size_t hob_writer_buffered(const hob_writer *writer)
{
    return used((const struct writer *)writer);
}

int hob_writer_error(const hob_writer *writer)
{
    return ((const struct writer *)writer)->error;
}
