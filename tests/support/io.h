/* SPDX-License-Identifier: MIT */
/*
 * What the tests of io have in common: variables that close what they hold at the
 * end of their block (so that a failed check leaves nothing open), pairs of
 * connected ends, bytes that can be checked, and tasks that read or write.
 */
#ifndef HOB_TESTS_SUPPORT_IO_H
#define HOB_TESTS_SUPPORT_IO_H

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

#define CLOSED_BY(fn) __attribute__((cleanup(fn), unused))

#define CLOSER(name, type, close)                  \
    static inline void name(type **thing)          \
    {                                              \
        close(*thing);                             \
        *thing = NULL;                             \
    }

CLOSER(close_tcp, hob_tcp, hob_tcp_close)
CLOSER(close_listener, hob_tcp_listener, hob_tcp_listener_close)
CLOSER(close_udp, hob_udp, hob_udp_close)
CLOSER(close_unix, hob_unix, hob_unix_close)
CLOSER(close_unix_listener, hob_unix_listener, hob_unix_listener_close)
CLOSER(close_dgram, hob_unix_dgram, hob_unix_dgram_close)
CLOSER(close_pipe, hob_pipe, hob_pipe_close)
CLOSER(close_file, hob_file, hob_file_close)
CLOSER(close_stream, hob_stream, hob_stream_close)
CLOSER(close_dir, hob_dir, hob_dir_close)
CLOSER(close_watch, hob_watch, hob_watch_close)
CLOSER(close_walk, hob_walk, hob_walk_close)

#define TCP(name)           CLOSED_BY(close_tcp) hob_tcp *name = NULL
#define LISTENER(name)      CLOSED_BY(close_listener) hob_tcp_listener *name = NULL
#define UDP(name)           CLOSED_BY(close_udp) hob_udp *name = NULL
#define UNIX(name)          CLOSED_BY(close_unix) hob_unix *name = NULL
#define UNIX_LISTENER(name) CLOSED_BY(close_unix_listener) hob_unix_listener *name = NULL
#define DGRAM(name)         CLOSED_BY(close_dgram) hob_unix_dgram *name = NULL
#define PIPE(name)          CLOSED_BY(close_pipe) hob_pipe *name = NULL
#define FILE_(name)         CLOSED_BY(close_file) hob_file *name = NULL
#define DIR_(name)          CLOSED_BY(close_dir) hob_dir *name = NULL
#define WATCH(name)         CLOSED_BY(close_watch) hob_watch *name = NULL
#define WALK(name)          CLOSED_BY(close_walk) hob_walk *name = NULL
#define STREAM(name)        CLOSED_BY(close_stream) hob_stream *name
#define BYTES(name, size)   CLOSED_BY(free_bytes) unsigned char *name = malloc(size)

static inline void free_bytes(unsigned char **bytes)
{
    free(*bytes);
}

static inline bool in_sim(void)
{
    return strcmp(hob_test_backend(), "sim") == 0;
}

/* A path in the scratch folder of the test; lasts until the next but seven. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][512];
    static int  next;
    char       *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", hob_test_scratch(), name);
    return path;
}

static inline int put_text(const char *path, const char *text)
{
    return hob_path_write(path, text, strlen(text), 0600);
}

/* ---- connected ends ---- */

static inline int listen_here(hob_tcp_listener **ret_listener)
{
    hob_addr any = hob_addr_loopback(0);
    return hob_tcp_listen(&any, NULL, ret_listener);
}

static inline int connect_to(hob_tcp_listener *listener, hob_tcp **ret_conn)
{
    hob_addr addr = hob_tcp_listener_addr(listener);
    return hob_tcp_connect(&addr, NULL, ret_conn);
}

static inline int tcp_pair(hob_tcp **ret_client, hob_tcp **ret_server)
{
    LISTENER(listener);

    check_ok(listen_here(&listener));
    check_ok(connect_to(listener, ret_client));
    check_ok(hob_tcp_accept(listener, ret_server));
    return 0;
}

enum { CROWD = 8 };

/* Fills the queue of a listener that nobody serves, so that the next connect waits. */
static inline int crowd_before(hob_tcp_listener **listener, hob_tcp *crowd[CROWD])
{
    hob_tcp_listen_opts opts = { .backlog = 1 };
    hob_addr            addr = hob_addr_loopback(0);

    check_ok(hob_tcp_listen(&addr, &opts, listener));
    for (int i = 0; i < CROWD; i++) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(100 * HOB_MSEC));
        int r = connect_to(*listener, &crowd[i]);
        (void)!hob_scope_end(&s);
        if (r == -ETIMEDOUT)
            return 0;
        check_ok(r);
    }
    fail("the queue of one took %d", CROWD);
    return HOB_ECHECK;
}

static inline void close_crowd(hob_tcp *(*crowd)[CROWD])
{
    for (int i = 0; i < CROWD; i++)
        hob_tcp_close((*crowd)[i]);
}

/* ---- bytes that show when one is lost, doubled or moved ---- */

static inline unsigned char byte_at(uint64_t position, unsigned salt)
{
    return (unsigned char)((position * 2654435761u) >> 11) ^ (unsigned char)salt;
}

static inline void fill(unsigned char *buf, size_t len, uint64_t position, unsigned salt)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = byte_at(position + i, salt);
}

static inline bool is_filled(const unsigned char *buf, size_t len, uint64_t position, unsigned salt)
{
    for (size_t i = 0; i < len; i++) {
        if (buf[i] != byte_at(position + i, salt))
            return false;
    }
    return true;
}

/* ---- tasks that do one thing and note how it ended ---- */

struct io {
    hob_stream *stream;
    void       *buf;
    size_t      len;
    ssize_t     result;
    char        room[16]; /* the buffer, if there is no other */
};

static inline int read_once(void *arg)
{
    struct io *io = (struct io *)arg;
    io->result = hob_stream_read(io->stream, io->buf != NULL ? io->buf : io->room,
                                 io->buf != NULL ? io->len : sizeof io->room);
    return 0;
}

static inline int write_all(void *arg)
{
    struct io *io = (struct io *)arg;
    io->result = hob_stream_write(io->stream, io->buf, io->len);
    return 0;
}

/* ---- many bytes ---- */

struct traffic {
    hob_stream *stream;
    uint64_t    bytes;      /* to send, or to receive until the end */
    size_t      piece;      /* at most so many in one call          */
    unsigned    salt;
    uint64_t    done;
};

/* Writes that many bytes, and says that it was all if the stream can. */
static inline int send_traffic(void *arg)
{
    struct traffic *t = (struct traffic *)arg;
    BYTES(buf, t->piece);

    while (t->done < t->bytes) {
        size_t len = t->bytes - t->done < t->piece ? (size_t)(t->bytes - t->done) : t->piece;
        fill(buf, len, t->done, t->salt);
        ssize_t n = HOB_TRY(hob_stream_write(t->stream, buf, len));
        check_eq(n, len);
        t->done += len;
    }
    int r = hob_stream_shutdown(t->stream);
    return r == -ENOTSUP ? 0 : r;
}

/* Reads to the end, and checks every byte. */
static inline int receive_traffic(void *arg)
{
    struct traffic *t = (struct traffic *)arg;
    BYTES(buf, t->piece);

    for (;;) {
        ssize_t n = HOB_TRY(hob_stream_read(t->stream, buf, t->piece));
        if (n == 0)
            break;
        check(is_filled(buf, (size_t)n, t->done, t->salt));
        t->done += (uint64_t)n;
    }
    check_eq(t->done, t->bytes);
    return 0;
}

/* ---- the three styles ---- */

struct answer {
    ssize_t result;
    int     calls;
};

static inline void on_answer(void *arg, ssize_t result)
{
    struct answer *answer = (struct answer *)arg;
    answer->result = result;
    answer->calls++;
}

static inline ssize_t by_callback(hob_op *op)
{
    struct answer answer = { 0, 0 };
    HOB_SCOPE(s);

    hob_op_call(&s, op, on_answer, &answer);
    int r = hob_scope_end(&s);
    if (r < 0)
        return r;
    return answer.calls == 1 ? answer.result : HOB_EBROKEN;
}

static inline ssize_t by_promise(hob_op *op)
{
    hob_promise *promise;
    void        *value = NULL;
    if (hob_promise_new(&promise) < 0)
        return hob_op_await(op); // what was prepared must be started
    HOB_SCOPE(s);

    hob_op_settle(&s, op, promise);
    int r = hob_promise_await(promise, &value);
    int ended = hob_scope_end(&s);
    hob_promise_free(promise);
    if (r < 0)
        return r;
    return ended < 0 ? ended : (ssize_t)(intptr_t)value;
}

static inline ssize_t by_await(hob_op *op)
{
    return hob_op_await(op);
}

static ssize_t (*const STYLES[])(hob_op *op) __attribute__((unused)) = {
    by_await,
    by_callback,
    by_promise,
};

#define FOR_EACH_STYLE(wait) \
    for (size_t style_ = 0, wait##_ok_ = 1; style_ < 3 && wait##_ok_; style_++) \
        for (ssize_t (*wait)(hob_op *op) = STYLES[style_]; wait != NULL; wait = NULL)

#endif
