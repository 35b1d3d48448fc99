/* SPDX-License-Identifier: MIT */
/*
 * hob_tcp_serve_sharded: all workers listen, each gets its share, and a failure of one is a failure of all.
 */
#include "support/io.h"

enum { WORKERS = 4, CONNS = 200 };

static int with_workers(uint32_t workers, hob_task_fn *fn)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    return hob_run_with(&opts, fn, NULL);
}

/* Declares a test whose body runs as the main task of a run with that many workers. */
#define SHARD_TEST(claim, workers)                                                \
    static int claim(void *arg);                                                  \
    TEST_AS(shards, claim, HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND, NULL)     \
    {                                                                             \
        check_ok(with_workers(workers, claim));                                   \
    }                                                                             \
    static int claim(void *arg)

static int say_where(hob_tcp_listener *listener, void *arg)
{
    for (;;) {
        TCP(conn);
        HOB_TRY(hob_tcp_accept(listener, &conn));
        uint8_t here = (uint8_t)hob_worker_number();
        HOB_TRY(hob_tcp_write(conn, &here, 1));
    }
}

/* `arg`: the address, or NULL. */
static int serve(void *arg)
{
    hob_addr any = hob_addr_loopback(0);
    return hob_tcp_serve_sharded(arg != NULL ? arg : &any, NULL, say_where, NULL);
}

static int serve_and_share(void *arg)
{
    hob_addr            any = hob_addr_loopback(0);
    hob_tcp_listen_opts opts = { .reuse_port = 1 };
    return hob_tcp_serve_sharded(arg != NULL ? arg : &any, &opts, say_where, NULL);
}

static const hob_task_opts as_daemon = { .daemon = 1 };

static int ask_where(const hob_addr *addr, uint8_t *ret_worker)
{
    TCP(conn);
    HOB_TRY(hob_tcp_connect(addr, NULL, &conn));
    return hob_tcp_read(conn, ret_worker, 1) == 1 ? 0 : -EIO;
}

SHARD_TEST(each_worker_gets_its_share, WORKERS)
{
    int   served[WORKERS] = { 0 };
    void *addr;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, serve, NULL, &as_daemon, &addr));
    for (int i = 0; i < CONNS; i++) {
        uint8_t worker = 0;
        check_ok(ask_where(addr, &worker));
        check_lt(worker, WORKERS);
        served[worker]++;
    }
    for (int i = 0; i < WORKERS; i++)
        check_gt(served[i], CONNS / WORKERS / 5 * 2); // a hash: about as even as dice
    return hob_scope_end(&s);
}

SHARD_TEST(one_worker_is_enough, 1)
{
    uint8_t worker = 9;
    void   *addr;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, serve, NULL, &as_daemon, &addr));
    check_ok(ask_where(addr, &worker));
    check_eq(worker, 0);
    return hob_scope_end(&s);
}

/* On worker 1, with the server and its guests. */
static int serve_from_here(void *arg)
{
    bool    seen[2] = { false, false };
    uint8_t worker = 9;
    void   *addr;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, serve, NULL, &as_daemon, &addr));
    for (int i = 0; i < 100 && !(seen[0] && seen[1]); i++) {
        check_ok(ask_where(addr, &worker));
        seen[worker & 1] = true;
    }
    check(seen[0] && seen[1]);
    return hob_scope_end(&s);
}

SHARD_TEST(it_can_be_called_on_any_worker, 2)
{
    return hob_on(1, serve_from_here, NULL);
}

SHARD_TEST(a_second_server_is_refused_the_port, 2)
{
    uint8_t worker;
    void   *addr;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, serve, NULL, &as_daemon, &addr));
    check_err(serve(addr), -EADDRINUSE);
    check_ok(ask_where(addr, &worker));
    return hob_scope_end(&s);
}

SHARD_TEST(two_servers_that_agree_share_the_port, 2)
{
    uint8_t worker;
    void   *addr, *second;
    HOB_SCOPE(s);
    check_ok(hob_go_ready(&s, serve_and_share, NULL, &as_daemon, &addr));
    check_ok(hob_go_ready(&s, serve_and_share, addr, &as_daemon, &second));
    check(hob_addr_port(addr) == hob_addr_port(second));
    check_ok(ask_where(addr, &worker));
    return hob_scope_end(&s);
}

struct squat {
    hob_event left, tried;
    hob_addr  addr;
    int       result;
};

static int leave_at_once(hob_tcp_listener *listener, void *arg)
{
    struct squat *squat = arg;
    if (hob_worker_number() != 0)
        return hob_event_wait(&squat->tried);
    squat->addr = hob_tcp_listener_addr(listener);
    hob_event_set(&squat->left);
    return 0;
}

/* The first has closed its listener by then. */
static int take_the_port(void *arg)
{
    struct squat *squat = arg;
    LISTENER(listener);
    HOB_TRY(hob_event_wait(&squat->left));
    squat->result = hob_tcp_listen(&squat->addr, NULL, &listener);
    hob_event_set(&squat->tried);
    return 0;
}

/* When it was chosen by the kernel, and whoever asked for it first is gone. */
SHARD_TEST(the_port_is_theirs_until_the_last_has_left, WORKERS)
{
    hob_addr     any = hob_addr_loopback(0);
    struct squat squat = { .result = 1 };
    HOB_SCOPE(s);
    hob_go(&s, take_the_port, &squat);
    check_ok(hob_tcp_serve_sharded(&any, NULL, leave_at_once, &squat));
    check_ok(hob_scope_end(&s));
    check_eq(squat.result, -EADDRINUSE);
    return 0;
}

static int fail_on_worker_1(hob_tcp_listener *listener, void *arg)
{
    if (hob_worker_number() == 1)
        return -EDOM;
    return say_where(listener, arg);
}

SHARD_TEST(a_failure_on_one_worker_ends_all, WORKERS)
{
    hob_addr any = hob_addr_loopback(0);
    check_err(hob_tcp_serve_sharded(&any, NULL, fail_on_worker_1, NULL), -EDOM);
    return 0;
}

SHARD_TEST(a_deadline_ends_it, 2)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(2 * HOB_MSEC));
    check_err(serve(NULL), -ETIMEDOUT);
    ignore(hob_scope_end(&s));
    return 0;
}

SHARD_TEST(what_is_no_ip_address_is_refused, 2)
{
    hob_addr unix_addr;
    check_ok(hob_addr_parse("unix:@x", &unix_addr));
    check_err(serve(&unix_addr), -EAFNOSUPPORT);
    return 0;
}
