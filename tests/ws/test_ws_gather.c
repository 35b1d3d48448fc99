/* SPDX-License-Identifier: MIT */
/*
 * Small answers to messages that came together go together, in order, and none of them is held back by
 * who waits.
 */
#include "ws/wire.h"

/* ---- a server's stream that counts what is written to it ---- */

struct counting {
    hob_stream  stream; /* first */
    hob_stream *below;
};

static int writes;

static hob_stream *below(hob_stream *stream)
{
    return ((struct counting *)stream)->below;
}

static ssize_t count_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_stream_read(below(stream), buf, len);
}

static ssize_t count_write(hob_stream *stream, const void *buf, size_t len)
{
    writes++;
    return hob_stream_write_some(below(stream), buf, len);
}

static ssize_t count_writev(hob_stream *stream, const struct iovec *pieces, int count)
{
    writes++;
    return hob_stream_writev_some(below(stream), pieces, count);
}

static int count_shutdown(hob_stream *stream)
{
    return hob_stream_shutdown(below(stream));
}

static int count_ready(hob_stream *stream, hob_op *op)
{
    return hob_stream_ready_prep(op, below(stream));
}

static void count_close(hob_stream *stream)
{
    hob_stream_close(below(stream));
    free(stream);
}

static const hob_stream_type COUNTING = {
    .name = "counted",
    .read = count_read,
    .write_some = count_write,
    .writev_some = count_writev,
    .shutdown = count_shutdown,
    .ready_prep = count_ready,
    .close = count_close,
};

static int count(void *arg, hob_stream *under, hob_stream **ret_stream)
{
    struct counting *counting = calloc(1, sizeof *counting);
    check(counting != NULL);
    counting->stream.type = &COUNTING;
    counting->below = under;
    *ret_stream = &counting->stream;
    return 0;
}

/* ---- together ---- */

TEST_ON_ALL(ws_gather, answers_to_what_came_together_are_one_write)
{
    struct seen seen = { 0 };
    struct site site = { .handler = serve_echo, .arg = &seen, .opts.wrap = count };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int kept = 0; kept < 2; kept++) {
        TCP(conn);
        struct bytes batch = { .len = 0 };
        seen.kept = kept;
        check_ok(upgrade(&site, &conn));
        if (kept)
            WAIT_FOR(site.stats.running == 0);
        for (int i = 0; i < 20; i++)
            add_frame(&batch, 0x81, "hello", 5);
        writes = 0;
        check_ok(say_bytes(conn, &batch));
        for (int i = 0; i < 20; i++)
            check_ok(hears_frame(conn, 0x81, "hello"));
        check_ge(writes, 1);
        if (strcmp(hob_backend_name(), "sim") != 0) // where they come in pieces, by the seed
            check_le(writes, 4);
    }
}

/* ---- not held back ---- */

/* Answers, and then waits for long, though there is more to receive. */
static int answer_and_sleep(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    int r = hob_ws_send(ws, kind, data, len);
    return r == 0 ? hob_sleep(HOB_HOUR) : r;
}

static int talk_and_sleep(hob_ws *ws, void *arg)
{
    hob_ws_kind kind;
    const char *data;
    ssize_t     len = hob_ws_recv(ws, &kind, &data);
    return len < 0 ? (int)len : answer_and_sleep(ws, arg, kind, data, (size_t)len);
}

static int keep_and_sleep(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { .message = answer_and_sleep };
    return hob_ws_keep(ws, &CALLS, arg);
}

static int serve_sleepers(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, *(bool *)arg ? keep_and_sleep : talk_and_sleep, NULL);
}

HOB_TEST(ws_gather, who_waits_for_something_else_holds_no_answer_back)
{
    bool        is_kept = false;
    struct site site = { .handler = serve_sleepers, .arg = &is_kept };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int kept = 0; kept < 2; kept++) {
        TCP(conn);
        struct bytes two = { .len = 0 };
        is_kept = kept;
        check_ok(upgrade(&site, &conn));
        int64_t began_ns = hob_now();
        add_frame(&two, 0x81, "one", 3);
        add_frame(&two, 0x81, "two", 3);
        check_ok(say_bytes(conn, &two));
        check_ok(hears_frame(conn, 0x81, "one"));
        check_lt(hob_now() - began_ns, HOB_SEC);
    }
}

static int answer_once(hob_ws *ws, void *arg)
{
    hob_ws_kind kind;
    const char *data;
    ssize_t     len = hob_ws_recv(ws, &kind, &data);
    int         r = len < 0 ? (int)len : hob_ws_send(ws, kind, data, (size_t)len);
    return r < 0 ? r : *(int *)arg;
}

static int serve_once(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, answer_once, arg);
}

TEST_ON_ALL(ws_gather, what_was_said_comes_before_the_goodbye)
{
    int         result = 0;
    struct site site = { .handler = serve_once, .arg = &result };
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));
    for (int i = 0; i < 2; i++) {
        TCP(conn);
        struct bytes two = { .len = 0 };
        result = i == 0 ? 0 : -EIO;
        check_ok(upgrade(&site, &conn));
        add_frame(&two, 0x81, "one", 3);
        add_frame(&two, 0x81, "two", 3);
        check_ok(say_bytes(conn, &two));
        check_ok(hears_frame(conn, 0x81, "one"));
        check_ok(hears_close(conn, i == 0 ? HOB_WS_NORMAL : HOB_WS_FAILED));
    }
}

/* Behind the first message lies what is against the protocol: the answer is heard, and then why. */
TEST_ON_ALL(ws_gather, what_was_said_comes_before_the_end_of_who_breaks_the_rules)
{
    WS_SITE(site, seen);
    for (int kept = 0; kept < 2; kept++) {
        TCP(conn);
        struct bytes bad = { .len = 0 };
        seen.kept = kept;
        check_ok(upgrade(&site, &conn));
        add_frame(&bad, 0x81, "one", 3);
        add_frame(&bad, 0x81, "two", 3);
        add_frame(&bad, 0x83, "?", 1);
        check_ok(say_bytes(conn, &bad));
        check_ok(hears_frame(conn, 0x81, "one"));
        check_ok(hears_frame(conn, 0x81, "two"));
        check_ok(hears_close(conn, HOB_WS_PROTOCOL_ERROR));
    }
}

/* ---- in order ---- */

/* Messages of any size, pings among them, many at once: what comes back is what was sent. By the seed. */
static int send_many(void *arg)
{
    hob_ws *ws = arg;
    BYTES(data, 4096);
    for (int i = 0; i < 400; i++) {
        size_t len = hob_random() % 8 == 0 ? hob_random() % 4096 : hob_random() % 100;
        memset(data, i % 251, len);
        check_ok(hob_ws_send(ws, HOB_WS_BINARY, data, len));
        if (hob_random() % 16 == 0)
            check_ok(hob_ws_ping(ws, "?", 1));
        if (hob_random() % 64 == 0)
            check_ok(hob_sleep((int64_t)(hob_random() % 3) * HOB_MSEC));
    }
    return 0;
}

TEST_ON_ALL(ws_gather, order_is_kept_whatever_is_gathered)
{
    WS_SITE(site, seen);
    for (int kept = 0; kept < 2; kept++) {
        WS(ws);
        seen.kept = kept;
        check_ok(join(&site, &ws));
        HOB_SCOPE(sender);
        hob_go(&sender, send_many, ws);
        for (int i = 0; i < 400; i++) {
            hob_ws_kind kind;
            const char *data;
            ssize_t     len = hob_ws_recv(ws, &kind, &data);
            check_ok(len);
            for (ssize_t k = 0; k < len; k++)
                check_eq((unsigned char)data[k], i % 251);
        }
        check_ok(hob_scope_end(&sender));
        check_ok(hob_ws_shutdown(ws, HOB_WS_NORMAL, NULL));
    }
}
