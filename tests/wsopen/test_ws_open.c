/* SPDX-License-Identifier: MIT */
/* WebSockets by URL: what a URL says, the steps, and the sentence on the one that fails. */
#include <hob/sim.h>
#include <hob/ws_open.h>

#include "tls/peers.h"
#include "ws/wire.h"
#include "wsopen/url.h"

/* ---- URLs ---- */

TEST_BARE(ws_open, a_url_says_where_and_how)
{
    static const struct { const char *url, *host, *host_port; } GOOD[] = {
        { "ws://a", "a", "a:80" },
        { "wss://a", "a", "a:443" },
        { "WSS://Example.com:8443/live?x=1", "Example.com", "Example.com:8443" },
        { "ws://a:/b", "a", "a:80" },
        { "ws://a?b:c@d", "a", "a:80" },
        { "ws://127.0.0.1:1", "127.0.0.1", "127.0.0.1:1" },
        { "ws://[::1]", "::1", "[::1]:80" },
        { "wss://[2001:db8::1]:65535/", "2001:db8::1", "[2001:db8::1]:65535" },
    };
    static const char *const BAD[] = {
        "", "a", "//a", "http://a", "ws:/a", "ws://", "ws:///a", "ws://:80", "ws://a:0", "ws://a:65536", "ws://a:000080",
        "ws://a:8o", "ws://a:80:80", "ws://a b", "ws://a/b c", "ws://a/#b", "ws://u@a", "ws://u:p@a/", "ws://[", "ws://[]",
        "ws://[::1", "ws://[::1]x", "ws://[::1]80", "ws://a/\x01", "ws://a/\xff", "wss://a\r\nb", "ws://a:-1", "ws://a:+1",
    };
    struct ws_url url;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        check_ok(hob__ws_url_parse(GOOD[i].url, &url));
        check_str(url.host, GOOD[i].host);
        check_str(url.host_port, GOOD[i].host_port);
        check_eq(url.is_secure, strncasecmp(GOOD[i].url, "wss", 3) == 0);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (hob__ws_url_parse(BAD[i], &url) != -EINVAL)
            fail("%s is taken for a URL", BAD[i]);
    }
    char text[400] = "ws://";
    memset(text + 5, 'a', WS_HOST_MAX);
    check_ok(hob__ws_url_parse(text, &url));
    check_eq(strlen(url.host_port), WS_HOST_MAX + 3);
    text[5 + WS_HOST_MAX] = 'a';
    check_err(hob__ws_url_parse(text, &url), -EINVAL);
}

/* ---- steps ---- */

struct text {
    char at[200];
};

static struct text url_of(const struct site *site, const char *scheme, const char *host, const char *path)
{
    struct text url;
    snprintf(url.at, sizeof url.at, "%s://%s:%u%s", scheme, host, hob_addr_port(&site->addr), path);
    return url;
}

static int talk(hob_ws *ws)
{
    check_ok(hob_ws_send_text(ws, "hello"));
    check_ok(hears_message(ws, HOB_WS_TEXT, "hello", 5));
    check_ok(hob_ws_shutdown(ws, 1000, NULL));
    return 0;
}

TEST_ON_ALL(ws_open, it_opens_by_name_and_by_address)
{
    static const char *const HOSTS[] = { "127.0.0.1", "localhost" };
    WS_SITE(site, seen);
    for (int i = 0; i < 2; i++) {
        WS(ws);
        check_ok(hob_ws_open(url_of(&site, "ws", HOSTS[i], "/chat").at, &ws));
        check_ok(talk(ws));
    }
    WAIT_FOR(site.stats.connections == 0);
}

static int refuse(hob_http_request *req, void *arg)
{
    return hob_http_reply_text(req, *(int *)arg, NULL);
}

TEST_ON_ALL(ws_open, the_sentence_tells_the_step_and_the_reason)
{
    int         status = 404, got = 0;
    struct site site = { .handler = refuse, .arg = &status };
    hob_ws     *ws;
    HOB_SCOPE(s);
    check_ok(open_site(&s, &site));

    hob_ws_open_words words = { "" };
    hob_ws_open_opts  opts = { .ws.ret_status = &got };
    struct text       url = url_of(&site, "ws", "127.0.0.1", "/");
    char              expected[300];
    check_err(hob_ws_open_with(url.at, &opts, &words, &ws), HOB_EWS);
    snprintf(expected, sizeof expected, "no WebSocket: 127.0.0.1:%u answered 404", hob_addr_port(&site.addr));
    check_str(words.text, expected);
    check_eq(got, 404);

    check_err(hob_ws_open_with("http://a/", NULL, &words, &ws), -EINVAL);
    check_str(words.text, "this is no URL of a WebSocket: http://a/");

    static const char *const BAD[] = { "a b", NULL };
    opts = (hob_ws_open_opts){ .ws.protocols = BAD };
    check_err(hob_ws_open_with(url.at, &opts, &words, &ws), -EINVAL);
    check_has(words.text, "the URL, a protocol or a header is none");

    check_err(hob_ws_open_with("ws://nowhere.invalid/", NULL, &words, &ws), -ENOENT);
    check_has(words.text, "nowhere.invalid");
}

TEST_ON_ALL(ws_open, nobody_there_is_told_as_hob_connect_does)
{
    hob_ws_open_words words = { "" };
    hob_ws           *ws;
    hob_addr          addr;
    {
        LISTENER(listener);
        check_ok(listen_here(&listener));
        addr = hob_tcp_listener_addr(listener);
    }
    char url[60];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", hob_addr_port(&addr));
    check_err(hob_ws_open_with(url, NULL, &words, &ws), -ECONNREFUSED);
    check_has(words.text, "127.0.0.1");
}

/* ---- TLS ---- */

struct secure {
    struct world w;
    struct site  site;
    struct seen  seen;
};

static void free_secure(struct secure *secure)
{
    free_world(&secure->w);
}

#define SECURE(name) __attribute__((cleanup(free_secure))) struct secure name = { 0 }

static int over_tls(void *arg, hob_stream *below, hob_stream **ret_stream)
{
    struct secure *secure = arg;
    hob_tls       *tls;
    HOB_TRY(hob_tls_server(secure->w.server_config, below, &tls));
    *ret_stream = hob_tls_stream(tls);
    return 0;
}

static int open_secure(hob_scope *scope, struct secure *secure, const hob_tls_opts *server)
{
    HOB_TRY(make_world(&secure->w, NULL, server));
    secure->site.handler = serve_echo;
    secure->site.arg = &secure->seen;
    secure->site.opts.wrap = over_tls;
    secure->site.opts.wrap_arg = secure;
    return open_site(scope, &secure->site);
}

static int trust(const struct secure *secure, const char *const *alpn, hob_tls_config **ret_config)
{
    hob_tls_opts opts = { .ca = secure->w.ca.pem, .ca_len = strlen(secure->w.ca.pem), .alpn = alpn };
    return hob_tls_config_new(&opts, NULL, ret_config);
}

TEST_ON_ALL(ws_open, wss_is_over_tls_with_whom_we_trust)
{
    static const char *const HTTP[] = { "http/1.1", NULL };
    SECURE(secure);
    HOB_SCOPE(s);
    CONFIG(config);
    check_ok(open_secure(&s, &secure, NULL));
    check_ok(trust(&secure, HTTP, &config));
    for (int i = 0; i < 3; i++) {
        WS(ws);
        hob_ws_open_opts opts = { .tls = config, .ws.deflate = i == 1 };
        secure.seen.kept = i == 2;
        check_ok(hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/chat").at, &opts, NULL, &ws));
        check_ok(talk(ws));
    }
}

TEST_ON_ALL(ws_open, wss_with_whom_we_do_not_trust_fails_and_says_why)
{
    SECURE(secure);
    HOB_SCOPE(s);
    hob_ws           *ws;
    hob_ws_open_words words = { "" };
    check_ok(open_secure(&s, &secure, NULL));
    int r = hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/chat").at, NULL, &words, &ws);
    check_eq(r, HOB_ETLSCERT); // the system does not know the test's authority
    check_has(words.text, "no TLS with 127.0.0.1:");
    WAIT_FOR(secure.site.stats.connections == 0);
    check_eq(secure.seen.ends, 0);
}

TEST_ON_ALL(ws_open, a_server_that_speaks_something_else_is_told_apart)
{
    static const char *const H2[] = { "h2", NULL }, *const BOTH[] = { "h2", "http/1.1", NULL };
    SECURE(secure);
    HOB_SCOPE(s);
    CONFIG(config);
    hob_ws           *ws;
    hob_ws_open_words words = { "" };
    hob_tls_opts      server = { .alpn = H2 };
    check_ok(open_secure(&s, &secure, &server));
    check_ok(trust(&secure, BOTH, &config));
    hob_ws_open_opts opts = { .tls = config };
    check_err(hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/").at, &opts, &words, &ws), -EPROTONOSUPPORT);
    check_has(words.text, "agreed upon h2, not http/1.1");
    WAIT_FOR(secure.site.stats.connections == 0);
}

/* ---- time, and being cancelled ---- */

static int never_answer(void *arg)
{
    hob_tcp_listener *listener = arg;
    TCP(conn);
    HOB_TRY(hob_tcp_accept(listener, &conn));
    return hob_sleep(HOB_FOREVER);
}

TEST_ONCE(ws_open, all_of_it_has_its_time)
{
    LISTENER(listener);
    HOB_SCOPE(s);
    hob_ws           *ws;
    hob_ws_open_words words = { "" };
    char              url[60];
    check_ok(listen_here(&listener));
    hob_addr addr = hob_tcp_listener_addr(listener);
    hob_go_with(&s, never_answer, listener, &(hob_task_opts){ .daemon = 1 });
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", hob_addr_port(&addr));
    hob_ws_open_opts opts = { .limit_ns = 3 * HOB_SEC };
    int64_t          begun_ns = hob_now();
    check_err(hob_ws_open_with(url, &opts, &words, &ws), -ETIMEDOUT);
    check_eq(hob_now() - begun_ns, 3 * HOB_SEC);
    check_has(words.text, "no WebSocket with 127.0.0.1");
}

/* It ends early at each moment of all its steps: it was opened, or nothing is left of it. */
TEST_ONCE(ws_open, ended_at_any_moment_it_leaves_nothing)
{
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 30 };
    SECURE(secure);
    HOB_SCOPE(s);
    CONFIG(config);
    int opened = 0, ended = 0;
    check_ok(hob_sim_set_world(&world));
    check_ok(open_secure(&s, &secure, NULL));
    check_ok(trust(&secure, NULL, &config));
    for (int i = 0; i < 120; i++) {
        WS(ws);
        hob_ws_open_opts opts = { .tls = config, .limit_ns = 1 + i * HOB_MSEC / 4 };
        int              r = hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/chat").at, &opts, NULL, &ws);
        check(r == 0 || r == -ETIMEDOUT);
        opened += r == 0;
        ended += r == -ETIMEDOUT;
    }
    check_gt(opened, 5);
    check_gt(ended, 5);
    WAIT_FOR(secure.site.stats.connections == 0);
}
