/* SPDX-License-Identifier: MIT */
/*
 * Testing: virtual time, a network in memory, and a world that misbehaves.
 *
 * fetch asks a service and tries again, later and later, when that fails. Its tests take
 * hours on the clock and milliseconds of yours. The program has no main(): the test library
 * has one.
 *
 *     build/examples/10_testing
 *     build/examples/10_testing --filter hour -v
 */
#include <errno.h>

#include <hob.h>
#include <hob/test.h>

enum { ANSWER_BYTES = 5 };

static int fetch_once(const hob_addr *service, char answer[static ANSWER_BYTES])
{
    hob_tcp *conn;
    HOB_TRY(hob_tcp_connect(service, NULL, &conn));
    ssize_t n = hob_stream_read_exactly(hob_tcp_stream(conn), answer, ANSWER_BYTES);
    hob_tcp_close(conn);
    if (n < 0)
        return (int)n;
    return n == 0 ? HOB_EOF : 0;
}

/* Tries until it has an answer; waits 1 s, 2 s, 4 s and so on, up to an hour, in between. */
static int fetch(const hob_addr *service, char answer[static ANSWER_BYTES])
{
    int64_t pause_ns = 1 * HOB_SEC;
    while (fetch_once(service, answer) < 0) {
        HOB_TRY(hob_sleep(pause_ns));
        pause_ns = pause_ns < HOB_HOUR / 2 ? 2 * pause_ns : HOB_HOUR;
    }
    return 0;
}

static int serve(void *arg)
{
    hob_tcp_listener *listener;
    hob_tcp          *conn;
    HOB_TRY(hob_tcp_listen(arg, NULL, &listener));
    hob_ready(NULL);
    while (hob_tcp_accept(listener, &conn) == 0) {
        HOB_EXPECT_NE(hob_tcp_write(conn, "42.00", ANSWER_BYTES), 0); // who missed it asks again
        hob_tcp_close(conn);
    }
    hob_tcp_listener_close(listener);
    return 0;
}

static int serve_a_day_later(void *arg)
{
    HOB_TRY(hob_sleep(24 * HOB_HOUR));
    return serve(arg);
}

static const hob_task_opts daemon_opts = { .name = "service", .daemon = 1 };

HOB_TEST(fetch, a_service_that_comes_back_after_a_day_is_found_within_an_hour)
{
    hob_addr service = hob_addr_loopback(7000);
    char     answer[ANSWER_BYTES];

    HOB_SCOPE(s);
    hob_go_with(&s, serve_a_day_later, &service, &daemon_opts);
    int64_t start_ns = hob_now();
    HOB_CHECK_OK(fetch(&service, answer));
    HOB_CHECK_GE(hob_now() - start_ns, 24 * HOB_HOUR);
    HOB_CHECK_LE(hob_now() - start_ns, 25 * HOB_HOUR);
    HOB_CHECK_OK(hob_scope_end(&s));
}

HOB_TEST(fetch, a_network_that_cuts_and_resets_only_delays_it)
{
    hob_sim_world rough = {
        .latency_min_ns = 1 * HOB_MSEC,
        .latency_max_ns = 80 * HOB_MSEC,
        .short_io_percent = 50,
        .reset_percent = 20,
    };
    HOB_CHECK_OK(hob_sim_set_world(&rough));
    hob_addr service = hob_addr_loopback(7000);
    char     answer[ANSWER_BYTES];

    HOB_SCOPE(s);
    HOB_CHECK_OK(hob_go_ready(&s, serve, &service, &daemon_opts, NULL));
    for (int i = 0; i < 20; i++) {
        HOB_CHECK_OK(fetch(&service, answer));
        HOB_CHECK_MEM(answer, "42.00", ANSWER_BYTES);
    }
    HOB_CHECK_OK(hob_scope_end(&s));
}

HOB_TEST(fetch, a_deadline_ends_the_trying)
{
    hob_addr nobody = hob_addr_loopback(7000);
    char     answer[ANSWER_BYTES];

    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(HOB_MINUTE));
    HOB_CHECK_ERR(fetch(&nobody, answer), -ETIMEDOUT);
}
