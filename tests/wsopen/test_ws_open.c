/* SPDX-License-Identifier: MIT */
/* WebSockets by URL: what a URL says, the steps, and the sentence on the one that fails. */
#include <hob/sim.h>

#include "wsopen/secure.h"
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
    const char   *why = NULL;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        check_ok(hob__ws_url_parse(GOOD[i].url, &url, &why));
        check_str(url.host, GOOD[i].host);
        check_str(url.host_port, GOOD[i].host_port);
        check_eq(url.is_secure, strncasecmp(GOOD[i].url, "wss", 3) == 0);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (hob__ws_url_parse(BAD[i], &url, &why) != -EINVAL)
            fail("%s is taken for a URL", BAD[i]);
    }
    char text[400] = "ws://";
    memset(text + 5, 'a', WS_HOST_MAX);
    check_ok(hob__ws_url_parse(text, &url, &why));
    check_eq(strlen(url.host_port), WS_HOST_MAX + 3);
    text[5 + WS_HOST_MAX] = 'a';
    check_err(hob__ws_url_parse(text, &url, &why), -EINVAL);
}

TEST(ws_open, what_is_wrong_with_a_url_is_told)
{
    static const struct { const char *url, *why; } BAD[] = {
        { "http://a/", "it begins with ws:// or wss://" },
        { "ws://u:p@a/", "names and passwords belong into a header, not before an @" },
        { "ws://a:0/", "the port is a number from 1 to 65535" },
        { "ws://a:99999/", "the port is a number from 1 to 65535" },
        { "ws://a/#top", "a fragment (#) means nothing to a server" },
        { "ws://a/b c", "blanks and bytes beyond ASCII are written as %XX" },
        { "ws:///", "there is no host in it" },
        { "ws://:80/", "there is no host in it" },
        { "ws://[::1/", "an address of IPv6 is [between brackets]" },
        { "ws://[::1]80/", "behind the bracket comes a colon and the port" },
    };
    hob_ws *ws;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        hob_ws_open_words words = { "" };
        char              expected[200];
        snprintf(expected, sizeof expected, "this is no URL of a WebSocket: %s: %s", BAD[i].url, BAD[i].why);
        check_err(hob_ws_open_with(BAD[i].url, NULL, &words, &ws), -EINVAL);
        check_str(words.text, expected);
    }
    hob_ws_open_words words = { "" };
    check_err(hob_ws_open_with("ws://a/\x1b[2J\r\n", NULL, &words, &ws), -EINVAL);
    check_has(words.text, "ws://a/?[2J??: ");
}

/* ---- steps ---- */

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

    static const char *const BAD[] = { "a b", NULL };
    opts = (hob_ws_open_opts){ .ws.protocols = BAD };
    check_err(hob_ws_open_with(url.at, &opts, &words, &ws), -EINVAL);
    check_has(words.text, "a protocol or a header is none");

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
    char expected[100];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", hob_addr_port(&addr));
    snprintf(expected, sizeof expected, "127.0.0.1:%u: Connection refused", hob_addr_port(&addr));
    check_err(hob_ws_open_with(url, NULL, &words, &ws), -ECONNREFUSED);
    check_str(words.text, expected);
}

/* ---- TLS ---- */

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

/* What is offered follows from the versions that are wanted, whatever the config says. */
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
    check_err(hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/").at, &opts, &words, &ws), HOB_ETLS);
    check_has(words.text, "no TLS with 127.0.0.1:");
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
static int end_at_each_moment(hob_ws_http http)
{
    static const char *const BOTH[] = { "h2", "http/1.1", NULL };
    hob_tls_opts  server = { .alpn = BOTH };
    hob_sim_world world = { .latency_max_ns = 2 * HOB_MSEC, .short_io_percent = 30 };
    SECURE(secure);
    HOB_SCOPE(s);
    CONFIG(config);
    int opened = 0, ended = 0;
    check_ok(hob_sim_set_world(&world));
    check_ok(open_secure(&s, &secure, &server));
    check_ok(trust(&secure, NULL, &config));
    for (int i = 0; i < 120; i++) {
        WS(ws);
        hob_ws_open_opts opts = { .tls = config, .limit_ns = 1 + i * HOB_MSEC / 4, .http = http };
        int              r = hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/chat").at, &opts, NULL, &ws);
        check(r == 0 || r == -ETIMEDOUT);
        opened += r == 0;
        ended += r == -ETIMEDOUT;
    }
    check_gt(opened, 5);
    check_gt(ended, 5);
    WAIT_FOR(secure.site.stats.connections == 0);
    return 0;
}

TEST_ONCE(ws_open, ended_at_any_moment_it_leaves_nothing)
{
    check_ok(end_at_each_moment(HOB_WS_HTTP_1));
    check_ok(end_at_each_moment(HOB_WS_HTTP_ANY));
}
