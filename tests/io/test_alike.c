/* SPDX-License-Identifier: MIT */
/*
 * Whatever a task waits in, and on whatever backend: being cancelled has the same answers.
 *
 *   1. Cancelled while it waits: -ECANCELED, and again at the next call. A deadline: -ETIMEDOUT.
 *   2. In a scope that is cancelled already nothing is begun.
 *   3. It waited without effect: afterwards each of the waits is answered as if it had not been.
 *
 * What the disk is asked for has mostly been done by then: it gives its result, or is cancelled.
 */
#include "support/io.h"
#include "support/tasks.h"

enum { MUCH = 16 << 20 };

struct room {
    hob_tcp_listener *listener, *crowded;
    hob_tcp          *crowd[CROWD];
    hob_tcp          *client, *server;  /* nothing is said, so reads wait */
    hob_tcp          *talker, *deaf;    /* nothing is read, so writes wait */
    hob_pipe         *reader, *writer;
    hob_unix_listener *unix_listener;
    hob_udp          *udp;
    hob_file         *file;
    hob_promise      *promise;
    char             *much;
};

static void leave_room(struct room *room)
{
    hob_tcp_listener_close(room->listener);
    hob_tcp_listener_close(room->crowded);
    close_crowd(&room->crowd);
    hob_tcp_close(room->client);
    hob_tcp_close(room->server);
    hob_tcp_close(room->talker);
    hob_tcp_close(room->deaf);
    hob_pipe_close(room->reader);
    hob_pipe_close(room->writer);
    hob_unix_listener_close(room->unix_listener);
    hob_udp_close(room->udp);
    hob_file_close(room->file);
    if (room->promise != NULL)
        ignore(hob_promise_resolve(room->promise, NULL));
    hob_promise_free(room->promise);
    free(room->much);
}

static int enter_room(struct room *room)
{
    hob_addr here = hob_addr_loopback(0), unix_addr;
    char     path[256];

    check_ok(listen_here(&room->listener));
    check_ok(crowd_before(&room->crowded, room->crowd));
    check_ok(tcp_pair(&room->client, &room->server));
    check_ok(tcp_pair(&room->talker, &room->deaf));
    check_ok(hob_pipe_open(&room->reader, &room->writer));
    snprintf(path, sizeof path, "unix:%s/socket", hob_test_scratch());
    check_ok(hob_addr_parse(path, &unix_addr));
    check_ok(hob_unix_listen(&unix_addr, &room->unix_listener));
    check_ok(hob_udp_open(&here, &room->udp));
    snprintf(path, sizeof path, "%s/file", hob_test_scratch());
    check_ok(hob_file_open(path, O_CREAT | O_RDWR, 0600, &room->file));
    check_eq(hob_file_write(room->file, "on disk", 7), 7);
    check_ok(hob_promise_new(&room->promise));
    room->much = calloc(1, MUCH);
    check(room->much != NULL);
    return 0;
}

/* ---- the waits ---- */

static ssize_t in_sleep(struct room *room)
{
    (void)room;
    return hob_sleep(HOB_FOREVER);
}

static ssize_t in_join(struct room *room)
{
    (void)room;
    HOB_SCOPE(s);
    hob_go(&s, sleep_for_ever, NULL);
    return hob_scope_end(&s);
}

static ssize_t in_await(struct room *room)
{
    (void)room;
    HOB_SCOPE(s);
    int r = hob_await(hob_async(&s, sleep_for_ever, NULL));
    ignore(hob_scope_end(&s));
    return r;
}

static ssize_t in_promise(struct room *room)
{
    return hob_promise_await(room->promise, NULL);
}

static ssize_t in_accept(struct room *room)
{
    hob_tcp *conn;
    return hob_tcp_accept(room->listener, &conn);
}

static ssize_t in_unix_accept(struct room *room)
{
    hob_unix *conn;
    return hob_unix_accept(room->unix_listener, &conn);
}

static ssize_t in_connect(struct room *room)
{
    hob_tcp *conn;
    return connect_to(room->crowded, &conn);
}

static ssize_t in_read(struct room *room)
{
    char buf[8];
    return hob_tcp_read(room->server, buf, sizeof buf);
}

static ssize_t in_write(struct room *room)
{
    return hob_tcp_write(room->talker, room->much, MUCH);
}

static ssize_t in_pipe_read(struct room *room)
{
    char buf[8];
    return hob_pipe_read(room->reader, buf, sizeof buf);
}

static ssize_t in_pipe_write(struct room *room)
{
    return hob_pipe_write(room->writer, room->much, MUCH);
}

static ssize_t in_udp_recv(struct room *room)
{
    char buf[8];
    return hob_udp_recv(room->udp, buf, sizeof buf, NULL);
}

static ssize_t in_file_read(struct room *room)
{
    char buf[8];
    return hob_file_pread(room->file, buf, 7, 0);
}

static const struct wait {
    const char *name;
    ssize_t   (*fn)(struct room *room);
    ssize_t     or_result; /* may have this instead, when it was begun */
} waits[] = {
    { "sleep", in_sleep, 0 },
    { "join", in_join, 0 },
    { "await", in_await, 0 },
    { "promise", in_promise, 0 },
    { "accept", in_accept, 0 },
    { "accept of a Unix socket", in_unix_accept, 0 },
    { "connect", in_connect, 0 },
    { "read", in_read, 0 },
    { "write", in_write, 0 },
    { "read of a pipe", in_pipe_read, 0 },
    { "receive of a datagram", in_udp_recv, 0 },
    { "file read", in_file_read, 7 },
    { "write of a pipe", in_pipe_write, 0 }, // last: what it wrote before stays in the pipe
};
enum { WAITS = sizeof waits / sizeof waits[0] };

/* ---- being cancelled in each ---- */

struct waiter {
    struct room       *room;
    const struct wait *wait;
    ssize_t            first, again;
    bool               began, ended;
};

static int wait_twice(void *arg)
{
    struct waiter *w = arg;
    w->began = true;
    w->first = w->wait->fn(w->room);
    w->again = w->wait->fn(w->room);
    w->ended = true;
    return 0;
}

enum way { BY_SCOPE, BY_DEADLINE, BEFORE };

static int be_cancelled(struct room *room, const struct wait *wait, enum way way)
{
    struct waiter w = { .room = room, .wait = wait };
    int           error = way == BY_DEADLINE ? -ETIMEDOUT : -ECANCELED;

    HOB_SCOPE(s);
    if (way == BEFORE)
        hob_scope_cancel(&s, "test");
    hob_go(&s, wait_twice, &w);
    settle();
    check(w.began);
    if (way != BEFORE && wait->or_result == 0)
        check(!w.ended);
    if (way == BY_SCOPE)
        hob_scope_cancel(&s, "test");
    if (way == BY_DEADLINE)
        hob_scope_deadline(&s, hob_in(2 * HOB_MSEC));
    int r = hob_scope_end(&s);
    check(r == error || (wait->or_result != 0 && r == 0));
    if (way == BEFORE || wait->or_result == 0 || w.first != wait->or_result)
        check_err(w.first, error);
    if (way == BEFORE || wait->or_result == 0 || w.again != wait->or_result)
        check_err(w.again, error);
    return 0;
}

static int be_cancelled_in_all(enum way way)
{
    CLOSED_BY(leave_room) struct room room = { 0 };
    HOB_TRY(enter_room(&room));
    for (int i = 0; i < WAITS; i++) {
        hob_task_set_name(waits[i].name); // a failure says so
        HOB_TRY(be_cancelled(&room, &waits[i], way));
    }
    return 0;
}

TEST_ON_ALL(alike, whoever_is_cancelled_while_it_waits)
{
    check_ok(be_cancelled_in_all(BY_SCOPE));
}

TEST_ON_ALL(alike, whoever_meets_its_deadline_while_it_waits)
{
    check_ok(be_cancelled_in_all(BY_DEADLINE));
}

TEST_ON_ALL(alike, whoever_is_cancelled_before_it_waits)
{
    check_ok(be_cancelled_in_all(BEFORE));
}

/* ---- and nothing is lost by it ---- */

TEST_ON_ALL(alike, what_was_cancelled_had_no_effect)
{
    CLOSED_BY(leave_room) struct room room = { 0 };
    TCP(client);
    TCP(server);
    char     buf[8];
    hob_addr from, here;

    check_ok(enter_room(&room));
    for (int i = 0; i < WAITS - 1; i++) {
        hob_task_set_name(waits[i].name);
        check_ok(be_cancelled(&room, &waits[i], BY_SCOPE));
    }
    check_ok(connect_to(room.listener, &client));
    check_ok(hob_tcp_accept(room.listener, &server));
    check_eq(hob_tcp_write(room.client, "word", 4), 4);
    check_eq(hob_tcp_read(room.server, buf, sizeof buf), 4);
    check_mem(buf, "word", 4);
    check_eq(hob_pipe_write(room.writer, "pipe", 4), 4);
    check_eq(hob_pipe_read(room.reader, buf, sizeof buf), 4);
    check_mem(buf, "pipe", 4);
    here = hob_udp_local_addr(room.udp);
    check_eq(hob_udp_send(room.udp, "gram", 4, &here), 4);
    check_eq(hob_udp_recv(room.udp, buf, sizeof buf, &from), 4);
    check_mem(buf, "gram", 4);
    check_eq(hob_file_pread(room.file, buf, 7, 0), 7);
    check_mem(buf, "on disk", 7);
    check_ok(hob_promise_resolve(room.promise, &room));
    void *value;
    check_ok(hob_promise_await(room.promise, &value));
    check_eq(value, &room);
}
