/* SPDX-License-Identifier: MIT */
/* Pipes, and the user's own descriptors that are like pipes: terminals, devices, stdin. */
#include "io/pipe.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/worker.h"
#include "io/conn.h"

struct hob_pipe {
    struct conn conn;
};

static bool is_open(const hob_pipe *pipe)
{
    return pipe != NULL && conn_is_open(&pipe->conn, TAG_PIPE);
}

/* ---- reading and writing ---- */

enum { AT_POSITION = -1 };

static struct op rw_op(enum op_kind kind, struct conn *conn, const void *buf, size_t len)
{
    return (struct op){
        .kind = kind,
        .desc = &conn->desc,
        .rw = { .buf = (void *)(uintptr_t)buf, .len = len, .offset = AT_POSITION },
    };
}

static struct op *rw_prep(hob_op *place, enum op_kind kind, struct conn *conn, const void *buf,
                          size_t len)
{
    struct op *op = hob__op_prep(place, kind, &conn->desc);
    op->rw.buf = (void *)(uintptr_t)buf;
    op->rw.len = len;
    op->rw.offset = AT_POSITION;
    op->rw.so_far = 0;
    return op;
}

ssize_t hob_pipe_read(hob_pipe *pipe, void *buf, size_t len)
{
    hob_require(is_open(pipe), "hob_pipe_read" NOT_OPEN);
    hob_require(conn_can_read(&pipe->conn, OP_READ), "hob_pipe_read" TWO_READERS);
    if (len == 0)
        return hob_cancelled();

    struct op op = rw_op(OP_READ, &pipe->conn, buf, io_len(len));
    hob__op_await(&op);
    return op.result;
}

ssize_t hob_pipe_write(hob_pipe *pipe, const void *buf, size_t len)
{
    hob_require(is_open(pipe), "hob_pipe_write" NOT_OPEN);
    hob_require(conn_can_write(&pipe->conn, OP_WRITE), "hob_pipe_write" TWO_WRITERS);
    if (len == 0)
        return hob_cancelled();

    struct op op = rw_op(OP_WRITE, &pipe->conn, buf, len);
    op.finish = hob__conn_wrote;
    pipe->conn.writes++;
    hob__op_await(&op);
    return op.result;
}

ssize_t hob_pipe_write_some(hob_pipe *pipe, const void *buf, size_t len)
{
    hob_require(is_open(pipe), "hob_pipe_write_some" NOT_OPEN);
    hob_require(conn_can_write(&pipe->conn, OP_WRITE), "hob_pipe_write_some" TWO_WRITERS);
    if (len == 0)
        return hob_cancelled();

    struct op op = rw_op(OP_WRITE, &pipe->conn, buf, io_len(len));
    hob__op_await(&op);
    return op.result;
}

void hob_pipe_read_prep(hob_op *place, hob_pipe *pipe, void *buf, size_t len)
{
    hob_require(is_open(pipe), "hob_pipe_read_prep" NOT_OPEN);
    hob_require(conn_can_read(&pipe->conn, OP_READ), "hob_pipe_read_prep" TWO_READERS);
    if (len == 0)
        prep_nothing(place);
    else
        rw_prep(place, OP_READ, &pipe->conn, buf, io_len(len));
}

void hob_pipe_write_prep(hob_op *place, hob_pipe *pipe, const void *buf, size_t len)
{
    hob_require(is_open(pipe), "hob_pipe_write_prep" NOT_OPEN);
    hob_require(conn_can_write(&pipe->conn, OP_WRITE), "hob_pipe_write_prep" TWO_WRITERS);
    if (len == 0) {
        prep_nothing(place);
        return;
    }
    rw_prep(place, OP_WRITE, &pipe->conn, buf, len)->finish = hob__conn_wrote;
    pipe->conn.writes++;
}

void hob_pipe_write_some_prep(hob_op *place, hob_pipe *pipe, const void *buf, size_t len)
{
    hob_require(is_open(pipe), "hob_pipe_write_some_prep" NOT_OPEN);
    hob_require(conn_can_write(&pipe->conn, OP_WRITE), "hob_pipe_write_some_prep" TWO_WRITERS);
    if (len == 0)
        prep_nothing(place);
    else
        rw_prep(place, OP_WRITE, &pipe->conn, buf, io_len(len));
}

void hob_pipe_close(hob_pipe *pipe)
{
    if (pipe == NULL)
        return;
    hob_require(is_open(pipe), "hob_pipe_close" NOT_OPEN);
    hob__conn_close(&pipe->conn);
}

/* ---- as a stream ---- */

static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_pipe_read((hob_pipe *)stream, buf, len);
}

static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len)
{
    return hob_pipe_write((hob_pipe *)stream, buf, len);
}

static ssize_t stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_pipe_write_some((hob_pipe *)stream, buf, len);
}

static void stream_close(hob_stream *stream)
{
    hob_pipe_close((hob_pipe *)stream);
}

const struct conn_kind hob__pipe_kind = {
    .stream = {
        .name = "pipe",
        .read = stream_read,
        .write_some = stream_write_some,
        .write = stream_write,
        .shutdown = NULL, // a pipe has one direction: closing it says the same
        .close = stream_close,
    },
    .tag = TAG_PIPE,
    .desc_kind = DESC_PIPE,
    .what = "pipe",
};

hob_stream *hob_pipe_stream(hob_pipe *pipe)
{
    hob_require(is_open(pipe), "hob_pipe_stream" NOT_OPEN);
    return &pipe->conn.stream;
}

/* ---- making them ---- */

hob_pipe *hob__pipe_new(void)
{
    return (hob_pipe *)hob__conn_new(&hob__pipe_kind);
}

void hob__pipe_free(hob_pipe *pipe)
{
    hob__conn_free(&pipe->conn);
}

void hob__pipe_adopt(hob_pipe *pipe, int fd, const void *made_at)
{
    hob__conn_open(&pipe->conn, fd, made_at);
}

int hob__pipe_fd(const hob_pipe *pipe)
{
    return pipe->conn.desc.fd;
}

int hob__pipe_open(const void *made_at, hob_pipe **ret_reader, hob_pipe **ret_writer)
{
    struct conn *ends[2];

    int r = hob__conn_open_pair(&hob__pipe_kind, OP_PIPE, made_at, ends);
    if (r < 0)
        return r;

    *ret_reader = (hob_pipe *)ends[0];
    *ret_writer = (hob_pipe *)ends[1];
    return 0;
}

int hob_pipe_open(hob_pipe **ret_reader, hob_pipe **ret_writer)
{
    return hob__pipe_open(__builtin_return_address(0), ret_reader, ret_writer);
}

/* What the descriptor is, as the backend sees it; -EBADF: it is none. */
static int look_at(int fd, struct stat *ret_stat)
{
    struct desc desc = { .fd = fd, .kind = DESC_PIPE, .worker = hob__worker };
    struct op   op = { .kind = OP_STAT, .desc = &desc, .stat = { .out = ret_stat } };

    list_init(&desc.ops);
    hob__op_await(&op);
    return (int)op.result;
}

int hob_pipe_from_fd(int fd, hob_pipe **ret_pipe)
{
    struct stat st;

    if (fd < 0)
        return -EBADF;
    struct conn *conn = hob__conn_new(&hob__pipe_kind);
    if (conn == NULL)
        return -ENOMEM;
    int r = look_at(fd, &st);
    if (r < 0) {
        hob__conn_free(conn);
        return r;
    }

    hob__conn_open(conn, fd, __builtin_return_address(0));
    conn->is_foreign = true;
    conn->desc.keep_open = fd <= 2;
    if (S_ISREG(st.st_mode)) // as in `program < file`: its bytes come from the disk
        conn->desc.kind = DESC_FILE;
    *ret_pipe = (hob_pipe *)conn;
    return 0;
}
