/* SPDX-License-Identifier: MIT */
/* The same server behind TLS. */
#include <hob/tls.h>

#include "http/site.h"
#include "support/tasks.h"
#include "tls/peers.h"

static int over_tls(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    hob_tls *tls;
    HOB_TRY(hob_tls_server(arg, below, &tls));
    *ret_stream = hob_tls_stream(tls);
    return 0;
}

static int tell(hob_http_request *req, void *arg)
{
    char *data;
    size_t len;
    HOB_TRY(hob_http_read_all(req, 100000, &data, &len));
    int r = hob_http_reply(req, 200, NULL, data, len);
    free(data);
    return r;
}

static ssize_t hear_tls(hob_tls *tls, const char *last, char *buf, size_t size)
{
    size_t len = 0, last_len = strlen(last);
    buf[0] = '\0';
    while (len < size - 1 && (len < last_len || memcmp(buf + len - last_len, last, last_len) != 0)) {
        ssize_t n = check_ok(hob_tls_read(tls, buf + len, size - 1 - len));
        if (n == 0)
            break;
        len += (size_t)n;
        buf[len] = '\0';
    }
    return (ssize_t)len;
}

TEST_ON_ALL(http_tls, requests_over_tls_are_answered_and_idle_connections_end_with_the_server)
{
    WORLD(w);
    struct site site = { .handler = tell };
    hob_tcp    *tcp;
    char        got[4096];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, NULL, NULL));
    site.opts.wrap = over_tls;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &tcp));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(tcp), "a.example", &tls));
    for (int i = 0; i < 3; i++) {
        static const char TEXT[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        check_ok(hob_tls_write(tls, TEXT, strlen(TEXT)));
        check_ok(hear_tls(tls, "hello", got, sizeof got));
        check_eq(status_in(got), 200);
    }
    settle();
    check_eq(site.stats.running, 0);
    check_eq(site.stats.connections, 1);
    hob_scope_cancel(&s, "seen");
    (void)!hob_scope_end(&s);
    check_eq(site.stats.connections, 0);
}

TEST_ON_ALL(http_tls, a_refusal_arrives_over_tls_with_a_goodbye)
{
    WORLD(w);
    struct site site = { .handler = tell };
    hob_tcp    *tcp;
    char        got[4096];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(make_world(&w, NULL, NULL));
    site.opts.wrap = over_tls;
    site.opts.wrap_arg = w.server_config;
    check_ok(open_site(&s, &site));
    check_ok(visit(&site, &tcp));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(tcp), "a.example", &tls));
    check_ok(hob_tls_write(tls, "GET / HTTP/9.9\r\n\r\n", 18));
    check_ok(hear_tls(tls, "no such end", got, sizeof got)); // 0, and no HOB_ETLSTRUNCATED
    check_eq(status_in(got), 505);
    close_tls(&tls);
    WAIT_FOR(site.stats.connections == 0);
}

/* ---- without a task ---- */

enum { IDLERS = 50 };

static int open_secure_site(hob_scope *scope, struct world *w, struct site *site)
{
    check_ok(make_world(w, NULL, NULL));
    site->opts.wrap = over_tls;
    site->opts.wrap_arg = w->server_config;
    return open_site(scope, site);
}

static int visit_securely(const struct world *w, const struct site *site, hob_tls **ret_tls)
{
    hob_tcp *tcp;
    check_ok(visit(site, &tcp));
    return hob_tls_client(w->client_config, hob_tcp_stream(tcp), "a.example", ret_tls);
}

static int ask_securely(hob_tls *tls, char *got, size_t size)
{
    static const char TEXT[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    check_ok(hob_tls_write(tls, TEXT, strlen(TEXT)));
    check_ok(hear_tls(tls, "hello", got, size));
    check_eq(status_in(got), 200);
    return 0;
}

TEST_ON_ALL(http_tls, idle_connections_have_no_task)
{
    WORLD(w);
    struct site site = { .handler = tell };
    hob_tls    *conns[IDLERS];
    hob_stats   before, after;
    char        got[4096];
    HOB_SCOPE(s);

    check_ok(open_secure_site(&s, &w, &site));
    settle();
    hob_stats_get(&before);
    for (int i = 0; i < IDLERS; i++) {
        check_ok(visit_securely(&w, &site, &conns[i]));
        check_ok(ask_securely(conns[i], got, sizeof got));
    }
    WAIT_FOR(site.stats.idle == IDLERS);
    hob_stats_get(&after);
    check_eq(after.tasks_alive, before.tasks_alive);
    for (int i = 0; i < IDLERS; i++) {
        check_ok(ask_securely(conns[i], got, sizeof got));
        hob_tls_close(conns[i]);
    }
    WAIT_FOR(site.stats.connections == 0);
    hob_scope_cancel(&s, "seen");
}

/* Several requests in several records, and each record in pieces: what TLS has already is heard, and what is
 * only a part is waited for. */
TEST_ON_ALL(http_tls, requests_in_any_records_are_answered)
{
    static const char ONE[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    WORLD(w);
    struct site site = { .handler = tell };
    char        all[3 * sizeof ONE];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(open_secure_site(&s, &w, &site));
    check_ok(visit_securely(&w, &site, &tls));
    snprintf(all, sizeof all, "%s%s%s", ONE, ONE, ONE);
    for (int round = 0; round < (all_is_slow() ? 3 : 10); round++) {
        size_t len = strlen(all), heard;
        for (size_t at = 0; at < len;) {
            size_t n = 1 + hob_random() % 60;
            n = n < len - at ? n : len - at;
            check_ok(hob_tls_write(tls, all + at, n));
            at += n;
            if (hob_random() % 2 == 0)
                settle();
        }
        for (int i = 0; i < 3; i++) {
            char answer[4096];
            // Byte by byte: the answers may come together.
            for (heard = 0; heard < 5 || memcmp(answer + heard - 5, "hello", 5) != 0;)
                check_eq(hob_tls_read(tls, answer + heard++, 1), 1);
        }
    }
    check_eq(site.stats.requests, (all_is_slow() ? 3u : 10u) * 3);
    close_tls(&tls);
    WAIT_FOR(site.stats.connections == 0);
    hob_scope_cancel(&s, "seen");
}

/* A head that drips waits without a task, too, and is told when it is late. */
TEST(http_tls, part_of_a_head_has_no_task_and_its_time)
{
    WORLD(w);
    struct site site = { .handler = tell };
    hob_stats   before, after;
    char        got[4096];
    TLS(slow);
    TLS(late);
    HOB_SCOPE(s);

    check_ok(open_secure_site(&s, &w, &site));
    settle();
    hob_stats_get(&before);
    check_ok(visit_securely(&w, &site, &slow));
    check_ok(visit_securely(&w, &site, &late));
    check_ok(hob_tls_write(late, "POST / HT", 9));
    for (const char *c = "POST / HTTP/1.1\r\nHost: a\r\n"; *c != '\0'; c++) {
        check_ok(hob_tls_write(slow, c, 1));
        check_ok(hob_sleep(100 * HOB_MSEC));
    }
    WAIT_FOR(site.stats.idle == 2);
    hob_stats_get(&after);
    check_eq(after.tasks_alive, before.tasks_alive);
    check_ok(hob_tls_write(slow, "Content-Length: 5\r\n\r\nhello", 26));
    check_ok(hear_tls(slow, "hello", got, sizeof got));
    check_eq(status_in(got), 200);
    check_ok(hear_tls(late, "no such end", got, sizeof got));
    check_eq(status_in(got), 408);
    close_tls(&slow);
    close_tls(&late);
    WAIT_FOR(site.stats.connections == 0);
    hob_scope_cancel(&s, "seen");
}

/* What is no record, or only a part of one, has a task for as long as an idle connection may be idle. */
TEST(http_tls, part_of_a_record_has_its_time)
{
    WORLD(w);
    struct site site = { .handler = tell, .opts.idle_ns = 5 * HOB_SEC };
    hob_tcp    *tcp;
    char        got[4096];
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(open_secure_site(&s, &w, &site));
    check_ok(visit(&site, &tcp));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(tcp), "a.example", &tls));
    check_ok(ask_securely(tls, got, sizeof got));
    int64_t begun = hob_now();
    check_eq(hob_tcp_write(tcp, "\x17\x03\x03", 3), 3);
    WAIT_FOR(site.stats.connections == 0);
    check_le(hob_now() - begun, 6 * HOB_SEC);
    check_eq(site.stats.running, 0);
    hob_scope_cancel(&s, "seen");
}

static int wait_for_cancel(hob_http_request *req, void *arg)
{
    int *result = arg;
    *result = hob_sleep(HOB_FOREVER);
    return *result;
}

/* Now that TLS tells when it is ready, a client that goes away is noticed over it, too. */
TEST_ON_ALL(http_tls, a_client_that_goes_away_ends_its_handler)
{
    WORLD(w);
    int         result = 0;
    struct site site = { .handler = wait_for_cancel, .arg = &result, .opts.end_is_gone = 1 };
    hob_tcp    *tcp;
    TLS(tls);
    HOB_SCOPE(s);

    check_ok(open_secure_site(&s, &w, &site));
    check_ok(visit(&site, &tcp));
    check_ok(hob_tls_client(w.client_config, hob_tcp_stream(tcp), "a.example", &tls));
    check_ok(hob_tls_write(tls, GET("/"), strlen(GET("/"))));
    WAIT_FOR(site.stats.running == 1);
    check_ok(hob_sleep(20 * HOB_MSEC));
    check_ok(hob_tcp_shutdown(tcp));
    WAIT_FOR(result != 0);
    check_eq(result, -ECANCELED);
    check_eq(site.stats.gone, 1);
    hob_scope_cancel(&s, "seen");
}

/* On a full server, too, only who asks is told that it is. */
TEST_ON_ALL(http_tls, who_says_goodbye_is_not_refused)
{
    WORLD(w);
    int         result = 0;
    struct site site = { .handler = wait_for_cancel, .arg = &result, .opts.running_max = 1 };
    char        got[4096];
    TLS(busy);
    TLS(polite);
    TLS(asks);
    HOB_SCOPE(s);

    check_ok(open_secure_site(&s, &w, &site));
    check_ok(visit_securely(&w, &site, &busy));
    check_ok(visit_securely(&w, &site, &polite));
    check_ok(visit_securely(&w, &site, &asks));
    check_ok(hob_tls_handshake(polite));
    check_ok(hob_tls_write(busy, GET("/"), strlen(GET("/"))));
    WAIT_FOR(site.stats.running == 1);
    check_ok(hob_tls_shutdown(polite));
    close_tls(&polite);
    WAIT_FOR(site.stats.connections == 2);
    check_eq(site.stats.refused, 0);
    check_ok(hob_tls_write(asks, GET("/"), strlen(GET("/"))));
    check_ok(hear_tls(asks, "no such end", got, sizeof got));
    check_eq(status_in(got), 503);
    check_eq(site.stats.refused, 1);
    hob_scope_cancel(&s, "seen");
}
