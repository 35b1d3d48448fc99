/* SPDX-License-Identifier: MIT */
/*
 * A service over TCP is gone for a minute, in the middle of the day of many clients on four workers:
 * nobody waits longer than its deadline, the service is hardly asked while it is gone, and soon
 * after it is back all is well. And the same without what is tested here, for comparison.
 */
#include "support/io.h"

#include <stdatomic.h>

#include "base/rand.h"

#define ON(number) (&(hob_task_opts){ .where = HOB_ON(number) })

enum { CLIENTS = 40, DAY_S = 150, GONE_FROM_S = 40, GONE_UNTIL_S = 100 };

#define PATIENCE  (2 * HOB_SEC)
#define OPEN_MAX  (4 * HOB_SEC)

struct town {
    bool             careful; /* with a breaker and a budget */
    hob_breaker      breaker;
    hob_retry_budget budget;
    hob_rate         rate;
    hob_addr         address;
    int64_t          begins_ns;
    atomic_long      questions, answered, refused, failed; /* all day                         */
    atomic_long      tries_while_gone, questions_while_gone;
    atomic_long      failed_outside;  /* before, and when it has been back for a while         */
    atomic_long      too_late;
};

/* ---- the service ---- */

static int echo_once(void *arg)
{
    CLOSED_BY(close_tcp) hob_tcp *conn = arg;
    char    byte;
    ssize_t n = hob_tcp_read(conn, &byte, 1);
    if (n == 1)
        ignore(hob_tcp_write(conn, &byte, 1));
    return 0;
}

static int serve_until(struct town *t, int64_t until_ns)
{
    LISTENER(listener);
    check_ok(hob_tcp_listen(&t->address, NULL, &listener));
    t->address = hob_tcp_listener_addr(listener);
    hob_ready(NULL);
    HOB_SCOPE(clients);
    hob_scope_deadline(&clients, until_ns);
    for (hob_tcp *conn; hob_tcp_accept(listener, &conn) == 0;) {
        if (hob_go(&clients, echo_once, conn) < 0)
            hob_tcp_close(conn);
    }
    ignore(hob_scope_end(&clients));
    return 0;
}

static int serve(void *arg)
{
    struct town *t = arg;
    HOB_TRY(serve_until(t, t->begins_ns + GONE_FROM_S * HOB_SEC));
    HOB_TRY(hob_sleep_until(t->begins_ns + GONE_UNTIL_S * HOB_SEC));
    return serve_until(t, HOB_FOREVER);
}

/* ---- the clients ---- */

static bool is_gone(const struct town *t)
{
    int64_t at = hob_now() - t->begins_ns;
    return at >= GONE_FROM_S * HOB_SEC && at < GONE_UNTIL_S * HOB_SEC;
}

static int ask(void *arg)
{
    struct town *t = arg;
    TCP(conn);
    char byte = 'q';
    atomic_fetch_add(&t->tries_while_gone, is_gone(t));
    HOB_TRY(hob_tcp_connect(&t->address, NULL, &conn));
    HOB_TRY(hob_tcp_write(conn, &byte, 1));
    ssize_t n = HOB_TRY(hob_tcp_read(conn, &byte, 1));
    return n == 1 ? 0 : hob_fail(-ECONNRESET);
}

static int ask_through_breaker(void *arg)
{
    struct town *t = arg;
    return hob_breaker_call(&t->breaker, ask, t);
}

static int question(struct town *t)
{
    hob_retry_opts opts = { .attempts_max = 3, .attempt_max_ns = HOB_SEC };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(PATIENCE));
    if (t->careful) {
        opts.budget = &t->budget;
        HOB_TRY(hob_rate_take(&t->rate, 1));
    }
    HOB_TRY(hob_retry(&opts, t->careful ? ask_through_breaker : ask, t));
    return hob_scope_end(&s);
}

static void note_answer(struct town *t, int r, int64_t asked_ns)
{
    int64_t at = asked_ns - t->begins_ns;
    bool    outside = at + PATIENCE < GONE_FROM_S * HOB_SEC ||
                   at > GONE_UNTIL_S * HOB_SEC + OPEN_MAX + PATIENCE;
    atomic_fetch_add(&t->questions, 1);
    atomic_fetch_add(r == 0 ? &t->answered : r == HOB_EBREAKER ? &t->refused : &t->failed, 1);
    atomic_fetch_add(&t->failed_outside, outside && r != 0);
    atomic_fetch_add(&t->too_late, hob_now() - asked_ns > PATIENCE);
}

static int live(void *arg)
{
    struct town *t = arg;
    struct rand  dice = { hob_random() };
    while (hob_now() < t->begins_ns + DAY_S * HOB_SEC) {
        HOB_TRY(hob_sleep(rand_between(&dice, 0, 2 * HOB_SEC)));
        int64_t asked_ns = hob_now();
        atomic_fetch_add(&t->questions_while_gone, is_gone(t));
        note_answer(t, question(t), asked_ns);
    }
    return 0;
}

static int live_all(struct town *t)
{
    HOB_SCOPE(service);
    t->begins_ns = hob_now();
    t->address = hob_addr_loopback(0);
    check_ok(hob_go_ready(&service, serve, t, &(hob_task_opts){ .daemon = 1 }, NULL));
    HOB_SCOPE(clients);
    for (uint32_t i = 0; i < CLIENTS; i++)
        check_ok(hob_go_with(&clients, live, t, ON(i % hob_workers())));
    check_ok(hob_scope_end(&clients));
    return 0;
}

TEST_ONCE(outage, a_service_that_is_gone_is_hardly_asked_and_found_again_when_it_is_back)
{
    hob_test_timeout(60);
    check_ok(hob_sim_set_world(&(hob_sim_world){ .latency_min_ns = HOB_MSEC,
                                                 .latency_max_ns = 20 * HOB_MSEC }));
    struct town with = { .careful = true,
                         .breaker = { .open_ns = HOB_SEC, .open_max_ns = OPEN_MAX },
                         .rate = { .count = 100, .burst = 20 } };
    check_ok(live_all(&with));
    check_gt(with.questions, CLIENTS * DAY_S / 2);
    check_eq(with.too_late, 0);
    check_eq(with.failed_outside, 0);
    check_gt(with.questions_while_gone, 1500);
    check_lt(with.tries_while_gone, 60); // to find out, and then a probe every few seconds
    check_gt(with.refused, 1500);

    struct town without = { .careful = false };
    check_ok(live_all(&without));
    check_eq(without.too_late, 0);
    check_eq(without.failed_outside, 0);
    check_gt(without.tries_while_gone, 4000);
}

/* ---- behind a cache ---- */

struct household {
    struct town *town;
    hob_cache   *cache;
    atomic_long  gets, stale, empty;
};

static int load(void *arg, hob_cache_load *load, void *ret_value)
{
    HOB_TRY(question(arg));
    *(int64_t *)ret_value = hob_now();
    return 0;
}

static int read_news(void *arg)
{
    struct household *h = arg;
    struct rand       dice = { hob_random() };
    while (hob_now() < h->town->begins_ns + DAY_S * HOB_SEC) {
        int64_t news;
        char    key = (char)rand_below(&dice, 10);
        HOB_TRY(hob_sleep(rand_between(&dice, 0, 2 * HOB_SEC)));
        int r = hob_cache_get(h->cache, &key, 1, &news);
        h->gets++;
        h->empty += r < 0;
        h->stale += r == HOB_CACHE_STALE;
    }
    return 0;
}

static void free_cache(void *cache)
{
    hob_cache_free(cache);
}

TEST_ONCE(outage, behind_a_cache_nobody_notices)
{
    hob_test_timeout(60);
    struct town t = { .careful = true, .breaker = { .open_ns = HOB_SEC, .open_max_ns = OPEN_MAX },
                      .rate = { .count = 100, .burst = 20 }, .address = hob_addr_loopback(0),
                      .begins_ns = hob_now() };
    struct household h = { .town = &t };
    HOB_SCOPE(service);
    check_ok(hob_go_ready(&service, serve, &t, &(hob_task_opts){ .daemon = 1 }, NULL));
    check_ok(hob_cache_new(&service, load, &t, &(hob_cache_opts){
                           .value_bytes = sizeof(int64_t), .ttl_ns = 5 * HOB_SEC,
                           .stale_error_ns = HOB_HOUR, .refresh_percent = 80 }, &h.cache));
    HOB_DEFER(free_cache, h.cache);
    HOB_SCOPE(readers);
    for (int i = 0; i < CLIENTS; i++)
        check_ok(hob_go(&readers, read_news, &h));
    check_ok(hob_scope_end(&readers));
    check_eq(h.empty, 0);
    check_gt(h.gets, CLIENTS * DAY_S / 2);
    check_gt(h.stale, CLIENTS * 30);
    hob_cache_stats stats;
    hob_cache_stats_get(h.cache, &stats);
    check_lt(stats.loads, h.gets / 4);
    check_lt(t.tries_while_gone, 60);
}
