/* SPDX-License-Identifier: MIT */
/*
 * A connection's bytes, in and out, each with its time.
 *
 * Answers are gathered in work->out; what fills it, what is too large for it, and whoever is about to
 * wait for the client sends it. What could not be written breaks the connection for good.
 */
#include <errno.h>
#include <string.h>

#include "http/server.h"

ssize_t hob__http_read_until(struct http_conn *conn, void *buf, size_t len, int64_t deadline_ns,
                             bool *ret_is_late)
{
    ssize_t   n;
    hob_scope s;

    *ret_is_late = false;
    hob_scope_begin(&s);
    hob_scope_deadline(&s, deadline_ns);
    n = hob_stream_read(conn->stream, buf, len);
    (void)!hob_scope_end(&s); // the result wins
    if (n == -ETIMEDOUT && hob_cancelled() == 0 && hob_now() >= deadline_ns)
        *ret_is_late = true;
    return n;
}

ssize_t hob__http_read_slow(struct http_conn *conn, void *buf, size_t len, int64_t deadline_ns,
                            int64_t since_ns, uint64_t bytes, bool *ret_is_late)
{
    struct http_slow slow = { .scope = NULL };
    hob_scope        s;

    hob_scope_begin(&s);
    if (conn->is_counted)
        hob__http_slow_begin(conn, &slow, conn->work->req.scope == NULL ? SLOW_HEAD : SLOW_REQUEST, &s, since_ns,
                             bytes);
    ssize_t n = hob__http_read_until(conn, buf, len, deadline_ns, ret_is_late);
    hob__http_slow_end(conn->server, &slow);
    (void)!hob_scope_end(&s);
    if (slow.is_displaced)
        hob__http_stays(conn);
    if (n == -ECANCELED && slow.is_displaced && hob_cancelled() == 0) {
        *ret_is_late = true;
        return -ETIMEDOUT;
    }
    return n;
}

int64_t hob__http_rate_deadline(const struct http_server *server, uint64_t len)
{
    uint64_t rate = server->opts.bytes_per_s_min;
    uint64_t seconds = len / rate;
    return hob_in(seconds > 1000000000 ? HOB_FOREVER
                                       : GRACE_NS + (int64_t)seconds * HOB_SEC
                                             + (int64_t)(len % rate * HOB_SEC / rate));
}

/* A handler may have a task that reads the body, which sends what its client may wait for, beside one
 * that writes the answer: they take turns. */
static int await_turn(struct http_work *work)
{
    while (work->is_writing) {
        work->has_waiter = true;
        hob_event_reset(&work->written);
        HOB_TRY(hob_event_wait(&work->written));
    }
    return 0;
}

static void end_turn(struct http_work *work)
{
    work->is_writing = false;
    if (work->has_waiter) {
        work->has_waiter = false;
        hob_event_set(&work->written);
    }
}

/* Returns all of `len`, or an error, and tells how many had gone before it. */
static ssize_t write_pieces(hob_stream *stream, struct iovec *pieces, int count, uint64_t len, uint64_t *ret_gone)
{
    uint64_t gone = 0;
    ssize_t  n = 0;

    while (gone < len) {
        n = hob_stream_writev_some(stream, pieces, count);
        if (n < 0)
            break;
        gone += (uint64_t)n;
        for (size_t left = (size_t)n; left > 0;) {
            size_t here = pieces->iov_len < left ? pieces->iov_len : left;
            *pieces = (struct iovec){ (char *)pieces->iov_base + here, pieces->iov_len - here };
            left -= here;
            if (left > 0) {
                pieces++;
                count--;
            }
        }
    }
    *ret_gone = gone;
    return n < 0 ? n : (ssize_t)len;
}

int hob__http_send(struct http_conn *conn, const struct iovec *pieces, int count)
{
    struct http_work *work = conn->work;
    hob_scope         s;

    if (work->is_writing)
        HOB_TRY(await_turn(work));
    struct iovec all[8] = { { work->out, work->out_len } };
    uint64_t     len = work->out_len, gone = 0;
    if (conn->broken != 0)
        return conn->broken;
    for (int i = 0; i < count; i++) {
        all[1 + i] = pieces[i];
        len += pieces[i].iov_len;
    }
    if (len == 0)
        return 0;

    work->is_writing = true;
    hob_scope_begin(&s);
    hob__http_sending_begin(conn, &s, len);
    ssize_t n = count == 0 ? hob_stream_write(conn->stream, work->out, work->out_len)
                           : write_pieces(conn->stream, all, 1 + count, len, &gone);
    hob__http_sending_end(conn);
    (void)!hob_scope_end(&s);
    if (work->slow.is_displaced)
        hob__http_stays(conn);
    if (n == -ECANCELED && work->slow.is_displaced && hob_cancelled() == 0)
        n = -ETIMEDOUT;

    size_t before = work->out_len;
    conn->server->stats->writes++;
    work->out_len = 0;
    end_turn(work);
    if (work->req.state != ANSWER_NONE)
        work->req.is_sent = true;
    if (n < 0) {
        conn->broken = (int)n;
        work->req.part_bytes = gone > before ? (size_t)(gone - before) : 0;
        if (n == -ETIMEDOUT && hob_cancelled() == 0)
            conn->server->stats->timed_out++;
        return (int)n;
    }
    return 0;
}

int hob__http_flush_out(struct http_conn *conn)
{
    return hob__http_send(conn, NULL, 0);
}

int hob__http_room(struct http_conn *conn, size_t len)
{
    if (conn->broken != 0)
        return conn->broken;
    return hob__http_fits(conn, len) ? 0 : hob__http_flush_out(conn);
}
