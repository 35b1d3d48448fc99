/* SPDX-License-Identifier: MIT */
/*
 * hob/copy.h: by a buffer, or by splice through a pipe.
 *
 *     from ── read ──▶ buffer ── write ──▶ to
 *     from ── splice ──▶ a pipe ── splice ──▶ to      what the system can move by itself
 *
 * Each piece is read, and then written whole before the next is read. The pipe is ours, and it
 * is empty before each piece: so a splice into it that would wait, waits for `from`, and one out
 * of it for `to`. That is what the op SPLICE relies on (docs/design/0041-splice.md).
 */
#include "hob/copy.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "hob/pipe.h"
#include "hob/reader.h"
#include "hob/scope.h"
#include "hob/task.h"
#include "io/conn.h"
#include "io/file_desc.h"
#include "io/reader.h"

enum {
    PLACE_BYTES = 1024,
    BUF_BYTES = 16 * 1024,
    BUF_BYTES_FILES = 256 * 1024, /* from file to file each piece is a call on the disk: fewer   */
    PIPE_BYTES = 64 * 1024, /* what a pipe takes, if nobody changed that */
};

struct copying {
    hob_stream          *from, *to;
    const hob_copy_opts *opts;
    hob_copied          *done;
    uint64_t             left;      /* of bytes_max                                         */
    struct reader       *reader;    /* `from`, if it is one: its buffer is ours             */
    unsigned char       *buf;       /* NULL: what comes is small, and fits in the place     */
    size_t               buf_bytes;
    struct desc         *from_desc; /* to splice between; NULL: no more of that             */
    struct desc         *to_desc;
    hob_pipe            *pipe_from, *pipe_to; /* the pipe's ends: to read from, to write to */
    unsigned char        place[PLACE_BYTES];
};

/* ---- the streams ---- */

/* The descriptor behind a stream that splice can be tried with; NULL: there is none. A foreign
 * one may block, so it is left alone. */
static struct desc *desc_of(hob_stream *stream)
{
    const hob_stream_type *type = stream->type;

    if (type == &hob__tcp_kind.stream || type == &hob__unix_kind.stream ||
        type == &hob__pipe_kind.stream) {
        struct conn *conn = (struct conn *)stream;
        hob_require(conn->tag != TAG_FREED, "hob_copy" NOT_OPEN);
        return conn->is_foreign ? NULL : &conn->desc;
    }
    return hob__file_desc(stream);
}

static int failed(struct copying *c, hob_copy_side side, ssize_t error)
{
    c->done->failed = side;
    return (int)error;
}

static void delivered(struct copying *c, size_t len)
{
    c->done->undelivered -= len;
    c->done->bytes += len;
    c->left -= len;
}

static size_t at_most(const struct copying *c, size_t len)
{
    return len < c->left ? len : (size_t)c->left;
}

/* ---- by a buffer ---- */

static size_t size_now(const struct copying *c)
{
    return c->buf != NULL || c->buf_bytes < PLACE_BYTES ? c->buf_bytes : PLACE_BYTES;
}

/* After a piece of so many bytes: a buffer for what is larger than the place. So who waits for
 * little things holds nothing else meanwhile; and without memory it goes on in the place. */
static void resize(struct copying *c, size_t len)
{
    if (c->buf == NULL && len == PLACE_BYTES && c->buf_bytes > PLACE_BYTES) {
        c->buf = hob__alloc(c->buf_bytes);
    } else if (len < PLACE_BYTES) {
        hob__free(c->buf);
        c->buf = NULL;
    }
}

static int write_piece(struct copying *c, const unsigned char *bytes, size_t len)
{
    c->done->undelivered += len;
    while (len > 0) {
        ssize_t n = hob_stream_write_some(c->to, bytes, len);
        if (n < 0)
            return failed(c, HOB_COPY_WRITING, n);
        hob_require(n > 0, "hob_copy: the stream's write_some wrote nothing; it must wait until "
                           "there is room, or fail");
        delivered(c, (size_t)n);
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Returns 1, 0 at the end of `from`, or an error. `*ret_full`: there may be much more. */
static int move_by_buffer(struct copying *c, bool *ret_full)
{
    unsigned char *bytes = c->buf != NULL ? c->buf : c->place;

    ssize_t n = hob_stream_read(c->from, bytes, at_most(c, size_now(c)));
    if (n <= 0)
        return n < 0 ? failed(c, HOB_COPY_READING, n) : 0;
    *ret_full = (size_t)n == c->buf_bytes;
    int r = write_piece(c, bytes, (size_t)n);
    resize(c, (size_t)n);
    return r < 0 ? r : 1;
}

/* The same out of the buffer of the reader that `from` is: what is not delivered stays there. */
static int move_from_reader(struct copying *c, bool *ret_full)
{
    hob_reader *reader = (hob_reader *)c->reader;
    const void *bytes;

    ssize_t n = hob_reader_peek(reader, 1, &bytes);
    if (n <= 0)
        return n < 0 ? failed(c, HOB_COPY_READING, n) : 0;
    *ret_full = (size_t)n == c->reader->cap;
    size_t len = at_most(c, (size_t)n);

    uint64_t before = c->done->bytes;
    int      r = write_piece(c, bytes, len);
    c->done->undelivered = 0;
    hob_reader_consume(reader, (size_t)(c->done->bytes - before));
    return r < 0 ? r : 1;
}

/* ---- by splice ---- */

static ssize_t splice(struct desc *desc, hob_pipe *pipe, bool inward, size_t len)
{
    struct op op = {
        .kind = OP_SPLICE,
        .desc = desc,
        .splice = { .pipe_fd = ((struct conn *)pipe)->desc.fd, .inward = inward, .len = len },
    };
    hob__op_await(&op);
    return op.result;
}

static void close_pipe(struct copying *c)
{
    hob_pipe_close(c->pipe_from);
    hob_pipe_close(c->pipe_to);
    c->pipe_from = c->pipe_to = NULL;
}

static void no_splice(struct copying *c)
{
    c->from_desc = c->to_desc = NULL;
    close_pipe(c);
}

/* `to` takes nothing from a pipe: what is in there comes through the program after all. */
static int empty_pipe(struct copying *c)
{
    int r = 0;

    while (r == 0 && c->done->undelivered > 0) {
        ssize_t n = hob_pipe_read(c->pipe_from, c->place, sizeof c->place);
        if (n <= 0)
            return failed(c, HOB_COPY_WRITING, n < 0 ? n : -EIO);
        c->done->undelivered -= (size_t)n; // write_piece counts them again
        uint64_t others = c->done->undelivered;
        c->done->undelivered = 0;
        r = write_piece(c, c->place, (size_t)n);
        c->done->undelivered += others;
    }
    return r;
}

static int pipe_to_target(struct copying *c)
{
    while (c->done->undelivered > 0) {
        ssize_t n = splice(c->to_desc, c->pipe_from, false, (size_t)c->done->undelivered);
        if (n == -EINVAL) {
            int r = empty_pipe(c);
            no_splice(c);
            return r;
        }
        if (n <= 0)
            return failed(c, HOB_COPY_WRITING, n < 0 ? n : -EIO);
        delivered(c, (size_t)n);
        c->done->spliced += (size_t)n;
    }
    return 0;
}

/* As move_by_buffer. */
static int move_by_splice(struct copying *c)
{
    ssize_t n = splice(c->from_desc, c->pipe_to, true, at_most(c, PIPE_BYTES));
    if (n == -EINVAL) {
        no_splice(c);
        return 1; // nothing was moved: the buffer goes on
    }
    if (n <= 0)
        return n < 0 ? failed(c, HOB_COPY_READING, n) : 0;
    c->done->undelivered = (uint64_t)n;
    int r = pipe_to_target(c);
    return r < 0 ? r : 1;
}

/* Whether it goes by splice from here on. Without a pipe to be had, it does not. */
static bool begin_splice(struct copying *c)
{
    if (c->from_desc == NULL || (c->reader != NULL && reader_len(c->reader) > 0))
        return false;
    if (hob_pipe_open(&c->pipe_from, &c->pipe_to) < 0) {
        no_splice(c);
        return false;
    }
    hob__free(c->buf);
    c->buf = NULL;
    return true;
}

/* ---- all of it ---- */

static int move(struct copying *c)
{
    bool full = c->opts->way == HOB_COPY_SPLICE;

    if (c->pipe_to != NULL || (full && begin_splice(c)))
        return move_by_splice(c);
    int r = c->reader != NULL ? move_from_reader(c, &full) : move_by_buffer(c, &full);
    if (r > 0 && full)
        begin_splice(c);
    return r;
}

static int copy(struct copying *c)
{
    while (c->left > 0) {
        int r = move(c);
        if (r < 0)
            return r;
        if (r == 0) {
            c->done->ended = 1;
            return c->opts->all ? failed(c, HOB_COPY_READING, HOB_EOF) : 0;
        }
        r = c->opts->progress != NULL ? c->opts->progress(c->opts->progress_arg, c->done) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* Whether the bytes may go past the program, and how many at a time come through it. Between two
 * files, splice takes twice as long as a large buffer: docs/design/0061-files-at-speed.md. */
static void choose_way(struct copying *c)
{
    struct desc *from = desc_of(c->reader != NULL ? c->reader->from : c->from);
    struct desc *to = desc_of(c->to);
    bool         can_splice = from != NULL && to != NULL;
    bool         is_of_files = can_splice && from->kind == DESC_FILE && to->kind == DESC_FILE;

    c->buf_bytes = c->opts->buf_bytes > 0 ? c->opts->buf_bytes
                 : is_of_files            ? BUF_BYTES_FILES
                                          : BUF_BYTES;
    if (!can_splice || c->opts->way == HOB_COPY_BUFFER ||
        (is_of_files && c->opts->way == HOB_COPY_AUTO))
        return;
    c->from_desc = from;
    c->to_desc = to;
}

int hob_copy(hob_stream *from, hob_stream *to, const hob_copy_opts *opts, hob_copied *copied)
{
    static const hob_copy_opts defaults;
    hob_copied                 unseen;

    if (opts == NULL)
        opts = &defaults;
    hob_require(!opts->all || opts->bytes_max > 0, "hob_copy: `all` needs bytes_max");
    struct copying c = {
        .from = from,
        .to = to,
        .opts = opts,
        .done = copied != NULL ? copied : &unseen,
        .left = opts->bytes_max > 0 ? opts->bytes_max : UINT64_MAX,
        .reader = hob__reader_of(from),
    };
    *c.done = (hob_copied){ 0 };
    choose_way(&c);
    int r = copy(&c);
    hob__free(c.buf);
    close_pipe(&c);
    return r;
}

/* ---- both ways ---- */

struct both {
    hob_scope *scope;
    bool       over; /* the end of one side could not be told to the other: all ends */
};

struct direction {
    hob_stream          *from, *to;
    const hob_copy_opts *opts;
    hob_copied          *copied;
    struct both         *both;
};

static int copy_direction(void *arg)
{
    struct direction *way = arg;

    HOB_TRY(hob_copy(way->from, way->to, way->opts, way->copied));
    int r = hob_stream_shutdown(way->to);
    if (r == -ENOTSUP) {
        way->both->over = true;
        hob_scope_cancel(way->both->scope, "the other direction has ended");
        return 0;
    }
    return r == -ENOTCONN ? 0 : r; // it has gone; the other direction is told how
}

int hob_copy_both(hob_stream *a, hob_stream *b, const hob_copy_opts *opts, hob_copied *there,
                  hob_copied *back)
{
    HOB_SCOPE(s);
    struct both      both = { .scope = &s };
    struct direction ways[2] = { { a, b, opts, there, &both }, { b, a, opts, back, &both } };

    HOB_TRY(hob_go(&s, copy_direction, &ways[0]));
    HOB_TRY(hob_go(&s, copy_direction, &ways[1]));
    int r = hob_scope_end(&s);
    return both.over && r == -ECANCELED ? hob_cancelled() : r;
}
