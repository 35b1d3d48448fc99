/* SPDX-License-Identifier: MIT */
/*
 * Many who mean no good, and one who only wants an answer: it gets each of them, and as soon as if it were
 * alone. In virtual time, where waiting is all that takes time, that is exactly as soon.
 */
#include "hob/stop.h"
#include "http/server.h"
#include "http/site.h"
#include "support/tasks.h"

enum { RUNNING_MAX = 20, FOES = 3 * RUNNING_MAX };

/* A sanitizer needs a millisecond for a task that begins; and what goes with --deep is torture, hundreds of
 * times the same. */
static bool is_calm(void)
{
    return all_is_slow() || hob_test_is_deep();
}

static int questions(void)
{
    return is_calm() ? 10 : 100;
}

static int64_t pause_ns(void)
{
    return is_calm() ? HOB_SEC : 20 * HOB_MSEC;
}

static int send_much(hob_http_request *req)
{
    static const char piece[65536];
    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    for (int i = 0; i < 1000; i++)
        HOB_TRY(hob_http_write(req, piece, sizeof piece));
    return 0;
}

static int serve(hob_http_request *req, void *arg)
{
    char buf[1000];

    if (strcmp(hob_http_path(req), "/much") == 0)
        return send_much(req);
    while (HOB_TRY(hob_http_read(req, buf, sizeof buf)) > 0)
        continue;
    return hob_http_reply_text(req, 200, "hello");
}

/* ---- a user ---- */

/* Asks over its own connection, if it has one, and over a new one, each 50 ms. Returns what an answer took
 * at most. */
static int64_t ask_again_and_again(const struct site *site, hob_tcp *conn)
{
    char    got[512];
    int64_t longest = 0;

    for (int i = 0; i < questions(); i++) {
        int64_t begun = hob_now();
        if (conn != NULL) {
            check_ok(say(conn, GET("/")));
            check_ok(hear_until(conn, "hello", got, sizeof got));
            check_eq(status_in(got), 200);
        }
        check_ok(ask(site, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", got, sizeof got));
        check_eq(status_in(got), 200);
        longest = hob_now() - begun > longest ? hob_now() - begun : longest;
        check_ok(hob_sleep(50 * HOB_MSEC));
    }
    return longest;
}

/* ---- foes ---- */

struct foe {
    const struct site *site;
    const char        *first;   /* is said at once,                                              */
    bool               drips;   /* and then an x each 100 ms                                     */
    int64_t            read_ns; /* it reads a byte so often; 0: all that comes                   */
    int                status;  /* what it was told most lately                                  */
    int                turned_away;
    hob_tcp           *conn;
};

static int talk(void *arg)
{
    struct foe *foe = arg;

    HOB_TRY(say(foe->conn, foe->first));
    while (foe->drips) {
        HOB_TRY(hob_sleep(100 * HOB_MSEC));
        HOB_TRY(hob_tcp_write(foe->conn, "x", 1));
    }
    return 0;
}

static int listen_to(struct foe *foe)
{
    char    got[512];
    ssize_t n;

    while ((n = hob_tcp_read(foe->conn, got, foe->read_ns > 0 ? 1 : sizeof got - 1)) > 0) {
        got[n] = '\0';
        if (status_in(got) != 0)
            foe->status = status_in(got);
        HOB_TRY(hob_sleep(foe->read_ns));
    }
    return hob_cancelled();
}

static int harm(void *arg)
{
    struct foe *foe = arg;

    for (;;) {
        TCP(conn);
        HOB_TRY(visit(foe->site, &conn));
        foe->conn = conn;
        HOB_SCOPE(s);
        hob_scope_policy(&s, HOB_WAIT_ALL);
        hob_go(&s, talk, foe);
        HOB_TRY(listen_to(foe));
        hob_scope_cancel(&s, "turned away");
        (void)!hob_scope_end(&s);
        foe->turned_away++;
        HOB_TRY(hob_sleep(pause_ns()));
    }
}

/* As one alone, and then among foes, to which each is the like of `foe`. What they are told is in `foe`. */
static int compare_with(struct site *site, struct foe *foe, bool has_conn)
{
    struct foe foes[FOES];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, site));
    if (has_conn)
        check_ok(visit(site, &conn));
    int64_t alone = ask_again_and_again(site, conn);
    foe->site = site;
    for (int i = 0; i < FOES; i++) {
        foes[i] = *foe;
        hob_go_with(&s, harm, &foes[i], &(hob_task_opts){ .daemon = 1 });
    }
    settle();
    check_eq(ask_again_and_again(site, conn), alone);
    check_ok(hob_sleep(20 * HOB_SEC));
    check_eq(ask_again_and_again(site, conn), alone);
    check_le(site->stats.waiting, RUNNING_MAX);
    check_eq(site->stats.refused, 0);
    for (int i = 0; i < FOES; i++) {
        foe->turned_away += foes[i].turned_away;
        foe->status = foes[i].status > foe->status ? foes[i].status : foe->status;
    }
    hob_scope_cancel(&s, "seen");
    (void)!hob_scope_end(&s);
    check_eq(site->stats.connections, 0);
    check_eq(site->stats.running, 0);
    check_eq(site->stats.waiting, 0);
    return 0;
}

static int compare(struct site *site, struct foe *foe)
{
    return compare_with(site, foe, true);
}

TEST_ONCE(http_crowd, slow_heads_keep_nobody_out)
{
    struct site site = { .handler = serve, .opts.running_max = RUNNING_MAX };
    struct foe  foe = { .first = "GET / HTTP/1.1\r\nHost: a\r\nX: ", .drips = true };

    check_ok(compare(&site, &foe));
    check_eq(foe.status, 408);
    check_ge(foe.turned_away, FOES);
    check_eq(site.stats.displaced, 0); // they hold nothing that others need
    check_ge(site.stats.timed_out, (uint64_t)foe.turned_away);
    check_le(site.stats.timed_out, (uint64_t)foe.turned_away + FOES); // some may be told in this moment
}

/* Its words, but for those of chunks: a body of which nobody knows how much is to come. */
static int compare_bodies(const char *head)
{
    struct site site = { .handler = serve, .opts.running_max = RUNNING_MAX };
    struct foe  foe = { .first = head, .drips = true };

    check_ok(compare(&site, &foe));
    check_gt(foe.turned_away, FOES);
    check_gt(site.stats.displaced, 0);
    // Who was turned away gets the place of another one only when more has come of it: each 100 ms.
    int64_t seconds = 20 + 2 * questions() / 20 + 1;
    check_le(site.stats.displaced, (uint64_t)(seconds * 10 * FOES));
    return foe.status;
}

TEST_ONCE(http_crowd, slow_bodies_keep_nobody_out)
{
    check_eq(compare_bodies("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"), 408);
}

TEST_ONCE(http_crowd, slow_chunks_keep_nobody_out)
{
    check_eq(compare_bodies("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"), 408);
}

TEST_ONCE(http_crowd, slow_readers_keep_nobody_out)
{
    struct site site = { .handler = serve, .opts.running_max = RUNNING_MAX };
    struct foe  foe = { .first = GET("/much"), .read_ns = HOB_SEC };

    check_ok(compare(&site, &foe));
    check_gt(site.stats.displaced, 0);
}

/* ---- parts of requests ---- */

enum { HALVES = 200 };

/* So many clients say this, and the server hears it. */
static int say_all(const struct site *site, hob_tcp *conns[HALVES], const char *text)
{
    for (int i = 0; i < HALVES; i++) {
        check_ok(visit(site, &conns[i]));
        check_ok(say(conns[i], text));
    }
    settle();
    return 0;
}

static int end_all(hob_tcp *conns[HALVES], const char *rest)
{
    char got[512];

    for (int i = 0; i < HALVES; i++)
        check_ok(say(conns[i], rest));
    for (int i = 0; i < HALVES; i++) {
        check_ok(hear_until(conns[i], "hello", got, sizeof got));
        check_eq(status_in(got), 200);
        hob_tcp_close(conns[i]);
    }
    return 0;
}

/* Neither a task nor a place among the running: ten times as many as may run are there at once. */
TEST_ONCE(http_crowd, part_of_a_head_takes_its_bytes_and_nothing_else)
{
    struct site site = { .handler = serve, .opts.running_max = RUNNING_MAX };
    hob_tcp    *conns[HALVES];
    hob_stats   stats;
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(say_all(&site, conns, "GET / HTTP/1.1\r\nHo"));
    hob_stats_get(&stats);
    check_le(stats.tasks_alive, 10);
    check_eq(site.stats.idle, HALVES);
    check_eq(site.stats.running, 0);
    check_ok(end_all(conns, "st: a\r\n\r\n"));
    check_eq(site.stats.displaced, 0);
    hob_scope_cancel(&s, "seen");
}

/* There is a bound to what is kept: as many heads as may run, as long as they may be. The others wait as requests
 * do whose body is slow; all are answered, since there are no more of those than may be. */
TEST_ONCE(http_crowd, what_is_kept_of_heads_has_a_bound)
{
    struct site site = { .handler = serve, .opts = { .running_max = HALVES, .head_bytes_max = 600 } };
    hob_tcp    *conns[HALVES];
    char        head[580];
    HOB_SCOPE(s);

    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\nX: %0520d", 0); // of 768 bytes that are kept
    check_ok(open_site(&s, &site));
    check_ok(say_all(&site, conns, head));
    check_eq(site.stats.idle, HALVES * 600 / 768);
    check_eq(site.stats.waiting, HALVES - HALVES * 600 / 768);
    check_ok(end_all(conns, "\r\n\r\n"));
    check_eq(site.stats.displaced, 0);
    hob_scope_cancel(&s, "seen");
}

/* They are cut off in the end, and the connection is told why; the others go on. */
TEST_ONCE(http_crowd, each_part_of_a_head_has_its_own_time)
{
    struct site site = { .handler = serve };
    hob_tcp    *conns[HALVES];
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < HALVES; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(say(conns[i], "GET / HTTP/1.1\r\nHo"));
        check_ok(hob_sleep(100 * HOB_MSEC)); // all of them in 20 s, which is twice as long as a head may take
    }
    for (int i = HALVES / 2 + 2; i < HALVES; i++) {
        check_ok(say(conns[i], "st: a\r\n\r\n"));
        check_ok(hear_until(conns[i], "hello", got, sizeof got));
        check_eq(status_in(got), 200);
        hob_tcp_close(conns[i]);
    }
    check_ok(hob_sleep(HOB_SEC));
    for (int i = 0; i < HALVES / 2 + 2; i++) {
        check_ok(hear(conns[i], got, sizeof got));
        check_eq(status_in(got), 408);
        hob_tcp_close(conns[i]);
    }
    check_eq(site.stats.timed_out, HALVES / 2 + 2);
    hob_scope_cancel(&s, "seen");
}

/* So many connections as requests: the slow ones hold all of them, and those that have been told are still
 * there, to hear it. Half a head is no request: who has asked once and is silent stays. */
TEST_ONCE(http_crowd, slow_heads_keep_nobody_out_where_connections_are_few)
{
    struct site site = { .handler = serve, .opts = { .running_max = RUNNING_MAX, .connections_max = RUNNING_MAX } };
    struct foe  foe = { .first = "GET / HTTP/1.1\r\nHost: a\r\nX: ", .drips = true };

    check_ok(compare(&site, &foe));
    check_gt(site.stats.displaced, 0);
    check_gt(foe.turned_away, FOES);
}

TEST_ONCE(http_crowd, slow_bodies_keep_nobody_out_where_connections_are_few)
{
    struct site site = { .handler = serve, .opts = { .running_max = RUNNING_MAX, .connections_max = RUNNING_MAX } };
    struct foe  foe = { .first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
                        .drips = true };

    check_ok(compare_with(&site, &foe, false));
    check_eq(foe.status, 408);
    check_gt(foe.turned_away, FOES);
}

TEST_ONCE(http_crowd, slow_readers_keep_nobody_out_where_connections_are_few)
{
    struct site site = { .handler = serve, .opts = { .running_max = RUNNING_MAX, .connections_max = RUNNING_MAX } };
    struct foe  foe = { .first = GET("/much"), .read_ns = HOB_SEC };

    check_ok(compare_with(&site, &foe, false));
}

/* Each is told that his request is none, which takes no time, and then stays for as long as he may. */
TEST_ONCE(http_crowd, those_who_were_told_keep_nobody_out)
{
    struct site site = { .handler = serve, .opts = { .running_max = RUNNING_MAX, .connections_max = RUNNING_MAX } };
    hob_tcp    *conns[FOES];
    char        got[512];
    TCP(kept);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &kept));
    check_ok(say(kept, GET("/")));
    check_ok(hear_until(kept, "hello", got, sizeof got));
    for (int i = 0; i < FOES; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(say(conns[i], "no request\r\n\r\n"));
        settle();
        check_le(site.stats.connections, RUNNING_MAX + 1);
    }
    check_eq(site.stats.bad, FOES);
    check_eq(site.stats.refused + site.stats.displaced, 0);
    check_ok(say(kept, GET("/")));
    check_ok(hear_until(kept, "hello", got, sizeof got));
    for (int i = 0; i < FOES; i++) {
        check_ok(hear(conns[i], got, sizeof got));
        check_eq(status_in(got), 400);
        hob_tcp_close(conns[i]);
    }
    hob_scope_cancel(&s, "seen");
}

/* Who waits for a word from us would not send more. */
TEST_ONCE(http_crowd, whoever_expects_to_be_told_is_told_in_a_crowd_too)
{
    struct site site = { .handler = serve, .opts.running_max = 2 };
    hob_tcp    *slow[2];
    char        got[512];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < 2; i++) {
        check_ok(visit(&site, &slow[i]));
        check_ok(say(slow[i], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"));
    }
    WAIT_FOR(site.stats.waiting == 2);
    check_ok(visit(&site, &conn));
    int64_t begun = hob_now();
    check_ok(say(conn, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    check_ok(hear_until(conn, "100 Continue\r\n\r\n", got, sizeof got));
    check_ok(say(conn, "hi"));
    check_ok(hear_until(conn, "hello", got, sizeof got));
    check_eq(status_in(got), 200);
    check_le(hob_now() - begun, HOB_SEC);
    for (int i = 0; i < 2; i++)
        hob_tcp_close(slow[i]);
    hob_scope_cancel(&s, "seen");
}

static int stop_soon(void *arg)
{
    (void)arg;
    HOB_TRY(hob_sleep(HOB_SEC));
    hob_stop("seen");
    return 0;
}

/* Half a head is no request yet: it has as long as whoever has not asked. */
TEST_ONCE(http_crowd, part_of_a_head_does_not_hold_up_a_stop)
{
    struct site site = { .handler = serve };
    char        got[512];
    TCP(half);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &half));
    check_ok(hob_sleep(500 * HOB_MSEC));
    check_ok(say(half, "GET / HT"));
    settle();
    check_ok(hob_go(&s, stop_soon, NULL));
    int64_t begun = hob_now();
    check_ok(hear(half, got, sizeof got));
    check_eq(status_in(got), 408);
    check_le(hob_now() - begun, 2 * HOB_SEC + 100 * HOB_MSEC);
}

/* What has come of a body counts: the slow ones go, and not the one that is busy. */
TEST_ONCE(http_crowd, whoever_sends_as_fast_as_he_can_is_not_the_slowest)
{
    struct site site = { .handler = serve, .opts.running_max = RUNNING_MAX };
    struct foe  foe = { .site = &site, .first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
                        .drips = true }, foes[FOES];
    char        piece[1000], got[512];
    TCP(conn);
    HOB_SCOPE(s);

    memset(piece, 'x', sizeof piece);
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &conn));
    check_ok(say(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"));
    for (int i = 0; i < 1000; i++) {
        check_eq(hob_tcp_write(conn, piece, sizeof piece), (ssize_t)sizeof piece);
        if (i == 10)
            for (int k = 0; k < FOES; k++) {
                foes[k] = foe;
                hob_go_with(&s, harm, &foes[k], &(hob_task_opts){ .daemon = 1 });
            }
        check_ok(hob_sleep(10 * HOB_MSEC));
    }
    check_ok(hear_until(conn, "hello", got, sizeof got));
    check_eq(status_in(got), 200);
    check_gt(site.stats.displaced, 0);
    hob_scope_cancel(&s, "seen");
}

/* ---- connections ---- */

enum { CONNECTIONS_MAX = 20, MANY = 600 };

/* All that there is room for, and more, say these words: nothing, part of a request, or all of one. */
static int crowd_out(struct site *site, const char *words)
{
    static hob_tcp *conns[MANY];
    char            got[512];
    TCP(kept);
    HOB_SCOPE(s);

    site->handler = serve;
    site->opts.connections_max = CONNECTIONS_MAX;
    check_ok(open_site(&s, site));
    check_ok(visit(site, &kept));
    for (int i = 0; i < MANY; i++) {
        if (i % 10 == 0) { // it is never without a request for long
            check_ok(say(kept, GET("/")));
            check_ok(hear_until(kept, "hello", got, sizeof got));
        }
        check_ok(visit(site, &conns[i]));
        if (words != NULL)
            check_ok(say(conns[i], words));
        if (words != NULL && strstr(words, "\r\n\r\n") != NULL) {
            check_ok(hear_until(conns[i], "hello", got, sizeof got));
            check_eq(status_in(got), 200);
        }
        settle();
        check_le(site->stats.connections, CONNECTIONS_MAX + 1);
    }
    check_ok(say(kept, GET("/")));
    check_ok(hear_until(kept, "hello", got, sizeof got));
    check_ok(ask(site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 200);
    check_eq(site->stats.refused, 0);
    check_ge(site->stats.displaced, MANY - CONNECTIONS_MAX);
    for (int i = 0; i < MANY - CONNECTIONS_MAX; i++)
        check_eq(check_ok(hear(conns[i], got, sizeof got)), 0); // closed, without a word
    for (int i = 0; i < MANY; i++)
        hob_tcp_close(conns[i]);
    hob_scope_cancel(&s, "seen");
    return 0;
}

TEST_ONCE(http_crowd, silent_connections_make_room)
{
    struct site site = { .handler = serve };
    check_ok(crowd_out(&site, NULL));
}

TEST_ONCE(http_crowd, connections_with_part_of_a_request_make_room)
{
    struct site site = { .handler = serve };
    check_ok(crowd_out(&site, "GET / HTTP/1.1\r\nHo"));
}

TEST_ONCE(http_crowd, connections_that_have_asked_once_make_room)
{
    struct site site = { .handler = serve };
    check_ok(crowd_out(&site, GET("/")));
}

static int same_stream(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    static hob_counted counted[MANY + 100];
    int               *n = arg;
    *ret_stream = hob_counted_init(&counted[(*n)++], below); // cannot tell when it is ready: as TLS
    return 0;
}

TEST_ONCE(http_crowd, silent_connections_with_a_task_make_room)
{
    int         n = 0;
    struct site site = { .handler = serve, .opts = { .wrap = same_stream, .wrap_arg = &n } };
    check_ok(crowd_out(&site, GET("/")));
}

/* As a handshake that the client does not go on with: only the first is made. */
static int wait_for_handshake(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    int *n = arg;
    if (*n > 0)
        HOB_TRY(hob_sleep(HOB_HOUR));
    return same_stream(arg, below, ret_stream);
}

TEST_ONCE(http_crowd, handshakes_that_do_not_go_on_make_room)
{
    int         n = 0;
    struct site site = { .handler = serve, .opts = { .wrap = wait_for_handshake, .wrap_arg = &n,
                                                     .connections_max = CONNECTIONS_MAX } };
    hob_tcp    *conns[MANY];
    char        got[512];
    TCP(kept);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &kept));
    check_ok(say(kept, GET("/")));
    check_ok(hear_until(kept, "hello", got, sizeof got));
    for (int i = 0; i < MANY; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(say(conns[i], "hello?"));
        settle();
    }
    check_eq(site.stats.refused, 0);
    check_eq(site.stats.connections, CONNECTIONS_MAX);
    check_ok(say(kept, GET("/")));
    check_ok(hear_until(kept, "hello", got, sizeof got));
    for (int i = 0; i < MANY; i++)
        hob_tcp_close(conns[i]);
    hob_scope_cancel(&s, "seen");
}

/* A handshake of a line, read byte by byte, and answered. */
static int shake_hands(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    char c = 0;

    ++*(int *)arg;
    while (c != '\n')
        HOB_TRY(hob_stream_read_exactly(below, &c, 1) == 1 ? 0 : -EPROTO);
    HOB_TRY(hob_stream_write(below, "\n", 1));
    hob_counted *counted = malloc(sizeof *counted); // cannot tell when it is ready: as TLS
    *ret_stream = hob_counted_init(counted, below);
    return 0;
}

static hob_stream_type freed_with_it;

static void close_and_free(hob_stream *stream)
{
    hob_stream_close(((hob_counted *)stream)->below);
    free(stream);
}

/* As shake_hands, and each has its own memory. */
static int shake_hands_freed(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    HOB_TRY(shake_hands(arg, below, ret_stream));
    freed_with_it = *(*ret_stream)->type;
    freed_with_it.close = close_and_free;
    (*ret_stream)->type = &freed_with_it;
    return 0;
}

static int ask_after_handshake(const struct site *site, char *got, size_t size)
{
    TCP(conn);

    HOB_TRY(visit(site, &conn));
    HOB_TRY(say(conn, "hello\n"));
    check_eq(hob_tcp_read(conn, got, 1), 1);
    HOB_TRY(say(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    HOB_TRY(hear(conn, got, size));
    return status_in(got);
}

/* Whose handshake comes in crumbs, or not at all: a user's is made at once, there are never many, and those
 * who say nothing have not even a task. */
static int crowd_of_handshakes(const char *first, bool drips, uint32_t connections_max)
{
    int         n = 0;
    struct site site = { .handler = serve, .opts = { .wrap = shake_hands_freed, .wrap_arg = &n,
                                                     .running_max = RUNNING_MAX, .head_ns = HOB_HOUR,
                                                     .connections_max = connections_max } };
    struct foe  foe = { .site = &site, .first = first, .drips = drips }, foes[FOES];
    hob_stats   before, during;
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    hob_stats_get(&before);
    for (int i = 0; i < FOES; i++) {
        foes[i] = foe;
        hob_go_with(&s, harm, &foes[i], &(hob_task_opts){ .daemon = 1 });
    }
    settle();
    for (int i = 0; i < questions(); i++) {
        int64_t begun = hob_now();
        check_eq(ask_after_handshake(&site, got, sizeof got), 200);
        check_eq(hob_now(), begun);
        check_ok(hob_sleep(50 * HOB_MSEC));
        hob_stats_get(&during);
        // A foe has a task, and one more if it drips; and a few are the user's.
        check_le(during.tasks_alive, before.tasks_alive + (drips ? 2 * FOES + RUNNING_MAX : FOES) + 10);
    }
    check_eq(site.stats.running + site.stats.waiting, 0);
    check_eq(site.stats.refused, 0);
    if (*first != '\0')
        check_gt(site.stats.displaced, 0);
    hob_scope_cancel(&s, "seen");
    (void)!hob_scope_end(&s);
    check_eq(site.stats.connections, 0);
    return 0;
}

TEST_ONCE(http_crowd, handshakes_in_crumbs_keep_nobody_out)
{
    check_ok(crowd_of_handshakes("hel", true, 0));
}

TEST_ONCE(http_crowd, handshakes_in_crumbs_keep_nobody_out_where_connections_are_few)
{
    check_ok(crowd_of_handshakes("hel", true, CONNECTIONS_MAX));
}

TEST_ONCE(http_crowd, handshakes_that_never_begin_cost_no_task)
{
    check_ok(crowd_of_handshakes("", false, 0));
}

TEST_ONCE(http_crowd, handshakes_have_their_time)
{
    int         n = 0;
    struct site site = { .handler = serve, .opts = { .wrap = shake_hands_freed, .wrap_arg = &n } };
    char        got[512];
    TCP(conn);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    int64_t begun = hob_now();
    check_ok(visit(&site, &conn));
    check_ok(say(conn, "hel"));
    check_eq(check_ok(hear(conn, got, sizeof got)), 0);
    check_eq((hob_now() - begun) / HOB_SEC, 10);
    check_eq(site.stats.timed_out, 1);
    hob_scope_cancel(&s, "seen");
}

/* Those that are told to go may say something in the same moment: then they are answered, and stay. After
 * thousands of such, room is still made. */
static int come_and_ask(void *arg)
{
    const struct site *site = arg;
    char               got[512];
    TCP(conn);

    HOB_TRY(visit(site, &conn));
    HOB_TRY(hob_sleep((int64_t)(hob_random() % 3) * HOB_USEC));
    if (say(conn, GET("/")) < 0 || hear_until(conn, "hello", got, sizeof got) <= 0)
        return 0; // it had to make room
    check_eq(status_in(got), 200);
    return 0;
}

TEST_ONCE(http_crowd, whoever_says_something_in_time_stays)
{
    struct site site = { .handler = serve, .opts.connections_max = CONNECTIONS_MAX };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int round = 0; round < 20; round++) {
        HOB_SCOPE(crowd);
        for (int i = 0; i < 100; i++) {
            hob_go(&crowd, come_and_ask, &site);
            if (hob_random() % 2 == 0)
                settle();
        }
        check_ok(hob_scope_end(&crowd));
    }
    settle();
    check_eq(site.stats.connections, 0);
    check_gt(site.stats.displaced, 0);

    uint64_t refused = site.stats.refused;
    hob_tcp *conns[100];
    for (int i = 0; i < 100; i++) {
        check_ok(visit(&site, &conns[i]));
        settle();
    }
    check_eq(site.stats.refused, refused);
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_eq(status_in(got), 200);
    for (int i = 0; i < 100; i++)
        hob_tcp_close(conns[i]);
    hob_scope_cancel(&s, "seen");
}

/* ---- turns ---- */

struct order {
    int served;     /* in all           */
    int users_turn; /* when it was its  */
};

static int serve_in_order(hob_http_request *req, void *arg)
{
    struct order *order = arg;
    order->served++;
    if (strcmp(hob_http_path(req), "/user") == 0)
        order->users_turn = order->served;
    return hob_http_reply_text(req, 200, "hello");
}

static int hear_all(void *arg)
{
    char buf[4096];
    while (HOB_TRY(hob_tcp_read(arg, buf, sizeof buf)) > 0)
        continue;
    return 0;
}

TEST_ON_ALL(http_crowd, a_flood_of_requests_leaves_the_others_their_turn)
{
    enum { FLOOD = 3000 };
    struct order order = { 0 };
    struct site  site = { .handler = serve_in_order, .arg = &order };
    static char  flood[FLOOD * 32];
    char         got[512];
    size_t       len = 0;
    TCP(foe);
    TCP(user);
    HOB_SCOPE(s);

    for (int i = 0; i < FLOOD; i++)
        len += (size_t)snprintf(flood + len, sizeof flood - len, GET("/"));
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &foe));
    check_ok(visit(&site, &user));
    WAIT_FOR(site.stats.idle == 2);
    hob_go_with(&s, hear_all, foe, &(hob_task_opts){ .daemon = 1 });
    check_eq(hob_tcp_write(foe, flood, len), (ssize_t)len);
    check_ok(say(user, GET("/user")));
    check_ok(hear_until(user, "hello", got, sizeof got));
    // Its first requests, and those of the turns that it takes for a request to be seen.
    check_le(order.users_turn, 10 * IN_A_ROW_MAX);
    WAIT_FOR(order.served == FLOOD + 1);
    hob_scope_cancel(&s, "seen");
}

static void close_it(void *arg, ssize_t result)
{
    hob_tcp **conn = arg;
    if (result >= 0)
        hob_tcp_close(*conn);
}

/* Who accepts steps aside, too. */
TEST_ONCE(http_crowd, a_flood_of_connections_leaves_the_others_their_turn)
{
    struct order order = { 0 };
    struct site  site = { .handler = serve_in_order, .arg = &order };
    hob_tcp     *conns[MANY];
    hob_op       ops[MANY];
    char         got[512];
    TCP(user);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &user));
    settle();
    for (int i = 0; i < MANY; i++) { // none of them is waited for: they come in one moment
        check_ok(hob_tcp_connect_prep(&ops[i], &site.addr, NULL, &conns[i]));
        hob_op_call(&s, &ops[i], close_it, &conns[i]);
    }
    check_ok(say(user, GET("/user")));
    check_ok(hear_until(user, "hello", got, sizeof got));
    check_le(site.stats.accepted, 3 * ACCEPTED_IN_A_ROW_MAX);
    hob_scope_cancel(&s, "seen");
}

/* A crowd that asks for the first time comes after whoever has asked before, however early it was. */
TEST(http_crowd, newcomers_leave_those_who_are_served_already_their_turn)
{
    enum { CROWD = 200 };
    struct order order = { 0 };
    struct site  site = { .handler = serve_in_order, .arg = &order };
    hob_tcp     *conns[CROWD];
    char         got[512];
    TCP(user);
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &user));
    check_ok(say(user, GET("/")));
    check_ok(hear_until(user, "hello", got, sizeof got));
    for (int i = 0; i < CROWD; i++)
        check_ok(visit(&site, &conns[i]));
    WAIT_FOR(site.stats.idle == CROWD + 1);
    for (int i = 0; i < CROWD; i++)
        check_ok(say(conns[i], GET("/")));
    int before = order.served;
    check_ok(say(user, GET("/user")));
    check_ok(hear_until(user, "hello", got, sizeof got));
    check_lt(before, CROWD / 2);
    check_le(order.users_turn - before, 3 * NEWCOMERS_MAX);
    for (int i = 0; i < CROWD; i++) {
        check_ok(hear_until(conns[i], "hello", got, sizeof got));
        hob_tcp_close(conns[i]);
    }
    hob_scope_cancel(&s, "seen");
}

/* ---- what they cost ---- */

/* Who was told that his request is none is read for a while, so that he hears it; but not as many as like. */
TEST_ONCE(http_crowd, bad_requests_that_stay_have_few_tasks)
{
    struct site site = { .handler = serve };
    hob_tcp    *conns[MANY];
    hob_stats   stats;
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    for (int i = 0; i < MANY; i++) {
        check_ok(visit(&site, &conns[i]));
        check_ok(say(conns[i], "no request\r\n\r\n"));
    }
    settle();
    check_eq(site.stats.bad, MANY);
    hob_stats_get(&stats);
    check_le(stats.tasks_alive, LINGERERS_MAX + 10u);
    for (int i = 0; i < MANY; i++) {
        check_ok(hear(conns[i], got, sizeof got));
        check_eq(status_in(got), 400);
        hob_tcp_close(conns[i]);
    }
    hob_scope_cancel(&s, "seen");
}

static int tell_unsent(hob_http_request *req, void *arg)
{
    char text[32];
    int  bytes;
    HOB_TRY(hob_tcp_get_option(hob_tcp_of_stream(hob_http_connection(req)), HOB_OPT_NOT_SENT_LOW_BYTES,
                               &bytes));
    snprintf(text, sizeof text, "%d unsent", bytes);
    return hob_http_reply_text(req, 200, text);
}

/* Else a client that does not read has the kernel keep megabytes for it. */
TEST_ON_ALL(http_crowd, little_is_left_in_the_kernel_that_is_not_sent)
{
    struct site site = { .handler = tell_unsent };
    char        got[512];
    HOB_SCOPE(s);

    check_ok(open_site(&s, &site));
    check_ok(ask(&site, GET("/"), got, sizeof got));
    check_has(got, "\r\n\r\n131072 unsent");
    hob_scope_cancel(&s, "seen");
}
