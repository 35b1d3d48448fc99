/* SPDX-License-Identifier: MIT */
/* A service on a port: all workers, signals, numbers, and who the client is. */
#include <signal.h>

#include "support/workers.h"
#include "web/shop.h"

static int hello(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, 200, "hello");
}

static int takes_a_while(hob_http_request *req, void *arg)
{
    HOB_TRY(hob_sleep(3 * HOB_SEC));
    return hob_http_reply_text(req, 200, "done");
}

struct place {
    hob_web           *web;
    hob_web_serve_opts opts;
    hob_addr           addr;
    int                reloads, result;
    bool               has_ended;
};

static int reload(void *arg)
{
    struct place *place = arg;
    place->reloads++;
    return place->reloads == 2 ? -EIO : 0;
}

static void listening(void *arg, const hob_addr *addr)
{
    struct place *place = arg;
    place->addr = *addr;
}

static int serve(void *arg)
{
    struct place *place = arg;
    hob_addr      here = hob_addr_loopback(0);

    place->opts.listening = listening;
    place->opts.arg = place;
    place->result = hob_web_serve(place->web, &here, &place->opts);
    place->has_ended = true;
    return place->result == -ECANCELED ? 0 : place->result;
}

static int open_place(hob_scope *scope, struct place *place)
{
    return hob_go_ready(scope, serve, place, &(hob_task_opts){ .name = "place" }, NULL);
}

/* On a connection of its own, to the end. */
static int ask_place(const struct place *place, const char *path, char *got, size_t size)
{
    char    text[300];
    TCP(conn);
    size_t  len = 0;
    ssize_t n;

    HOB_TRY(hob_tcp_connect(&place->addr, NULL, &conn));
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    HOB_TRY(hob_tcp_write(conn, text, strlen(text)));
    while ((n = hob_tcp_read(conn, got + len, size - 1 - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    return n < 0 ? (int)n : atoi(got + 9);
}

TEST_ON_ALL(web_serve, a_service_answers_on_its_port_and_counts_what_its_servers_do)
{
    struct place place = { .result = 1 };
    char         got[20000];
    HOB_SCOPE(s);
    WEB(web);

    place.web = web;
    hob_web_handle(web, "GET /", hello, NULL);
    hob_web_add_metrics(web);
    hob_web_use(web, hob_web_log, NULL);
    check_ok(open_place(&s, &place));
    for (int i = 0; i < 5; i++)
        check_eq(ask_place(&place, "/", got, sizeof got), 200);
    check_has(hob_test_log_text(), "INFO  answered method=GET path=/ status=200 bytes=5 us=");
    check_has(hob_test_log_text(), " client=127.0.0.1:");
    check_eq(ask_place(&place, "/metrics", got, sizeof got), 200);
    check_has(got, "\nhob_http_connections_total 6\n");
    check_has(got, "\nhob_http_requests_total 6\n");
    check_has(got, "\nhob_web_requests_total{method=\"GET\",route=\"/\",status=\"2xx\"} 5\n");
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    check_eq(place.result, -ECANCELED);
}

struct visit {
    const struct place *place;
    const char         *path;
    int                 status;
    char                got[4000];
};

static int visit(void *arg)
{
    struct visit *visit = arg;
    visit->status = ask_place(visit->place, visit->path, visit->got, sizeof visit->got);
    return 0;
}

/* In sim, with one worker: a run of several that stops may end later than its main task. */
static int run_alone(hob_task_fn *fn)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = 1;
    opts.backend = "sim";
    return hob_run_with(&opts, fn, NULL);
}

#define TEST_ALONE(claim)                                                           \
    static int alone_##claim(void *arg);                                            \
    TEST_BARE(web_serve, claim) { check_ok(run_alone(alone_##claim)); }             \
    static int alone_##claim(void *arg)

/* SIGTERM: not ready, but serving; then what had begun is finished, and nobody else is served. */
TEST_ALONE(who_is_told_to_stop_is_not_ready_first_and_finishes_what_it_began)
{
    struct place place = { .opts.drain_ns = 5 * HOB_SEC };
    struct visit slow = { .place = &place, .path = "/slow" };
    char         got[2000];
    HOB_SCOPE(s);
    WEB(web);

    place.web = web;
    hob_web_handle(web, "GET /", hello, NULL);
    hob_web_handle(web, "GET /slow", takes_a_while, NULL);
    hob_web_add_health(web);
    check_ok(open_place(&s, &place));
    check_eq(ask_place(&place, "/readyz", got, sizeof got), 200);

    check_ok(hob_sim_raise(SIGTERM));
    settle();
    check_eq(ask_place(&place, "/readyz", got, sizeof got), 503);
    check_eq(ask_place(&place, "/healthz", got, sizeof got), 200);
    check_eq(ask_place(&place, "/", got, sizeof got), 200);
    check_eq(hob_event_is_set(hob_stopping()), 0);

    check_ok(hob_sleep(4 * HOB_SEC));
    hob_go(&s, visit, &slow); // begun before the end, ended after it
    check_ok(hob_sleep(2 * HOB_SEC));
    check_ne(hob_event_is_set(hob_stopping()), 0);
    check_eq(place.has_ended, false);
    check_ok(hob_scope_end(&s));
    check_eq(slow.status, 200);
    check_has(slow.got, "done");
    check_eq(place.result, 0);
    check_has(hob_test_log_text(), "not ready any more, stopping soon signal=15");
    return 0;
}

TEST_ALONE(a_second_signal_makes_it_stop_at_once)
{
    struct place place = { .opts.drain_ns = HOB_HOUR };
    int64_t      begun_ns = hob_now();
    HOB_SCOPE(s);
    WEB(web);

    place.web = web;
    check_ok(open_place(&s, &place));
    check_ok(hob_sim_raise(SIGINT));
    check_ok(hob_sleep(HOB_SEC));
    check_eq(place.has_ended, false);
    check_ok(hob_sim_raise(SIGTERM));
    check_ok(hob_scope_end(&s));
    check_eq(place.result, 0);
    check_lt(hob_now() - begun_ns, 10 * HOB_SEC);
    return 0;
}

TEST_ALONE(without_a_time_to_drain_it_stops_as_every_server_does)
{
    struct place place = { .result = 1 };
    char         got[2000];
    HOB_SCOPE(s);
    WEB(web);

    place.web = web;
    hob_web_add_health(web);
    check_ok(open_place(&s, &place));
    check_eq(ask_place(&place, "/readyz", got, sizeof got), 200);
    hob_stop("enough");
    settle();
    check_eq(hob_web_is_ready(web), 0);
    check_ok(hob_scope_end(&s));
    check_eq(place.result, 0);
    return 0;
}

TEST(web_serve, each_sighup_reloads_and_a_failure_changes_nothing)
{
    struct place place = { .opts.reload = reload };
    char         got[2000];
    HOB_SCOPE(s);
    WEB(web);

    place.web = web;
    hob_web_handle(web, "GET /", hello, NULL);
    check_ok(open_place(&s, &place));
    for (int i = 1; i <= 3; i++) {
        check_ok(hob_sim_raise(SIGHUP));
        settle();
        check_eq(place.reloads, i);
    }
    check_has(hob_test_log_text(), "ERROR not reloaded error=EIO");
    check_eq(ask_place(&place, "/", got, sizeof got), 200);
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* The address is the key, so one client's haste is not another's. */
TEST_ON_ALL(web_serve, clients_are_told_apart_by_their_address)
{
    struct place place = { .result = 1 };
    RATES(rates);
    char         got[2000];
    HOB_SCOPE(s);
    WEB(web);

    check_ok(hob_rates_new(&(hob_rates_opts){ .count = 2, .period_ns = HOB_HOUR }, &rates));
    hob_web_limit_opts opts = { .rates = rates };
    place.web = web;
    hob_web_use(web, hob_web_limit, &opts);
    hob_web_handle(web, "GET /", hello, NULL);
    check_ok(open_place(&s, &place));
    for (int i = 0; i < 3; i++)
        check_eq(ask_place(&place, "/", got, sizeof got), i < 2 ? 200 : 429);
    check_has(got, "\r\nRetry-After: ");
    hob_rates_stats stats;
    hob_rates_stats_get(rates, &stats);
    check_eq(stats.keys, 1);
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* ---- what belongs to a worker ---- */

enum { DESKS = 4 };

struct desks {
    struct place place; /* first: `arg` is both */
    int          begun[DESKS], ended[DESKS], used[DESKS], left[DESKS];
    uint32_t     fails;    /* on this one; DESKS: on none      */
    int64_t      stays_ns; /* then it fails; 0: for ever       */
};

/* What it started goes on while it serves, and no longer. */
static int stay_at_desk(void *arg)
{
    struct desks *desks = arg;
    int           r = hob_sleep(desks->stays_ns > 0 ? desks->stays_ns : HOB_HOUR);
    desks->left[hob_worker_number()]++;
    return r == 0 ? -EPIPE : r;
}

static int open_desk(void *arg, hob_scope *scope)
{
    struct desks *desks = arg;
    if (hob_worker_number() == desks->fails)
        return -EIO;
    HOB_TRY(hob_sleep(10 * HOB_MSEC));
    hob_go(scope, stay_at_desk, desks);
    desks->begun[hob_worker_number()]++;
    return 0;
}

static void close_desk(void *arg)
{
    struct desks *desks = arg;
    desks->ended[hob_worker_number()]++;
}

static int use_desk(hob_http_request *req, void *arg)
{
    struct desks *desks = arg;
    uint32_t      here = hob_worker_number();
    check_eq(desks->begun[here], 1);
    check_eq(desks->ended[here], 0);
    desks->used[here]++;
    return hob_http_reply_text(req, 200, "hello");
}

TEST_WITH_WORKERS(web_serve, each_worker_makes_what_it_needs_and_ends_it, DESKS)
{
    struct desks desks = { .fails = DESKS };
    char         got[2000];
    HOB_SCOPE(s);
    WEB(web);

    desks.place.opts = (hob_web_serve_opts){ .begin = open_desk, .end = close_desk };
    desks.place.web = web;
    hob_web_handle(web, "GET /", use_desk, &desks);
    check_ok(open_place(&s, &desks.place));
    for (int i = 0; i < DESKS; i++)
        check_eq(desks.begun[i], 1); // it is ready when all of them are
    for (int i = 0; i < 20; i++)
        check_eq(ask_place(&desks.place, "/", got, sizeof got), 200);
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
    int used = 0;
    for (int i = 0; i < DESKS; i++) {
        check_eq(desks.begun[i], desks.ended[i]);
        check_eq(desks.begun[i], desks.left[i]);
        used += desks.used[i];
    }
    check_eq(used, 20);
    return 0;
}

TEST_WITH_WORKERS(web_serve, a_worker_that_cannot_begin_ends_the_service, DESKS)
{
    struct desks       desks = { .fails = 2 };
    hob_web_serve_opts opts = { .begin = open_desk, .end = close_desk, .arg = &desks };
    hob_addr           here = hob_addr_loopback(0);
    WEB(web);

    hob_web_handle(web, "GET /", use_desk, &desks);
    check_err(hob_web_serve(web, &here, &opts), -EIO);
    for (int i = 0; i < DESKS; i++)
        check_eq(desks.begun[i], desks.ended[i]);
    check_eq(desks.begun[2], 0);
    return 0;
}

TEST_WITH_WORKERS(web_serve, what_fails_beside_a_worker_ends_the_service, DESKS)
{
    struct desks       desks = { .fails = DESKS, .stays_ns = 50 * HOB_MSEC };
    hob_web_serve_opts opts = { .begin = open_desk, .end = close_desk, .arg = &desks };
    hob_addr           here = hob_addr_loopback(0);
    WEB(web);

    hob_web_handle(web, "GET /", use_desk, &desks);
    check_err(hob_web_serve(web, &here, &opts), -EPIPE);
    for (int i = 0; i < DESKS; i++)
        check_eq(desks.begun[i], desks.ended[i]);
    return 0;
}

TEST(web_serve, a_service_that_could_not_be_put_together_is_not_served)
{
    hob_addr here = hob_addr_loopback(0);
    WEB(web);
    hob__web_fail_at = 1;
    hob_web_handle(web, "GET /", hello, NULL);
    hob__web_fail_at = 0;
    check_err(hob_web_check(web), -ENOMEM);
    check_err(hob_web_serve(web, &here, NULL), -ENOMEM);
}

TEST(web_serve, a_port_that_is_taken_is_told)
{
    struct place place = { .result = 1 };
    HOB_SCOPE(s);
    WEB(web);
    WEB(other);
    place.web = web;
    check_ok(open_place(&s, &place));
    check_err(hob_web_serve(other, &place.addr, &(hob_web_serve_opts){ .drain_ns = HOB_SEC }), -EADDRINUSE);
    hob_scope_cancel(&s, "enough");
    check_err(hob_scope_end(&s), -ECANCELED);
}

/* ---- who leaves ---- */

static int takes_a_body(hob_http_request *req, void *arg)
{
    int   *ended = arg;
    char  *data;
    size_t len;

    int r = hob_http_read_all(req, 1000, &data, &len);
    if (r == 0)
        free(data);
    __atomic_add_fetch(ended, 1, __ATOMIC_RELAXED); // on any worker
    return r;
}

static int gives_without_end(hob_http_request *req, void *arg)
{
    static const char much[5000];
    int              *ended = arg;

    int r = hob_http_begin(req, 200, "text/plain", -1);
    while (r >= 0)
        r = (int)hob_http_write(req, much, sizeof much);
    __atomic_add_fetch(ended, 1, __ATOMIC_RELAXED); // on any worker
    return r;
}

/* Says it, reads a little of the answer, and leaves. */
static int say_and_leave(const struct place *place, const char *text)
{
    char got[100];
    TCP(conn);
    check_ok(hob_tcp_connect(&place->addr, NULL, &conn));
    check_ok(hob_tcp_write(conn, text, strlen(text)));
    if (text[0] == 'G')
        check_ok(hob_tcp_read(conn, got, sizeof got));
    return 0;
}

TEST_ON_ALL(web_serve, a_client_that_leaves_is_no_failure_of_ours)
{
    int          ended = 0;
    struct place place = { 0 };
    WEB(web);
    HOB_SCOPE(s);

    place.web = web;
    hob_web_use(web, hob_web_log, NULL);
    hob_web_handle(web, "POST /take", takes_a_body, &ended);
    hob_web_handle(web, "GET /much", gives_without_end, &ended);
    check_ok(open_place(&s, &place));
    check_ok(say_and_leave(&place, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"));
    check_ok(say_and_leave(&place, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (int i = 0; __atomic_load_n(&ended, __ATOMIC_RELAXED) < 2 || strstr(hob_test_log_text(), "path=/much") == NULL
                    || strstr(hob_test_log_text(), "path=/take") == NULL; i++) {
        check(i < 20000);
        check_ok(hob_sleep(HOB_MSEC));
    }
    check_eq(strstr(hob_test_log_text(), "ERROR"), NULL);
    check_eq(strstr(hob_test_log_text(), "WARN"), NULL);
    hob_scope_cancel(&s, "that is all");
    check_err(hob_scope_end(&s), -ECANCELED);
}
