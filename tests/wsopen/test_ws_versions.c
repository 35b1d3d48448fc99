/* SPDX-License-Identifier: MIT */
/* WebSockets by URL over HTTP/1.1 and HTTP/2: what is asked for, what a server has, and what comes of it. */
#include "wsopen/secure.h"

/* What a server offers and has, what is asked for, and what comes of it: connections, of these of HTTP/2. */
TEST_ON_ALL(ws_versions, the_version_is_what_both_want)
{
    static const char *const NEW[] = { "h2", NULL }, *const OLD[] = { "http/1.1", NULL };
    static const char *const BOTH[] = { "h2", "http/1.1", NULL };
    static const struct {
        const char *const *alpn;
        bool               no_tunnels;
        hob_ws_http        http;
        int                result;
        uint64_t           accepted, http2;
    } CASES[] = {
        { BOTH, false, HOB_WS_HTTP_1, 0, 1, 0 },
        { BOTH, false, HOB_WS_HTTP_ANY, 0, 1, 1 },
        { BOTH, false, HOB_WS_HTTP_2, 0, 1, 1 },
        { BOTH, true, HOB_WS_HTTP_ANY, 0, 2, 1 }, // it has none there, and is asked again
        { BOTH, true, HOB_WS_HTTP_2, -EPROTONOSUPPORT, 1, 1 },
        { OLD, false, HOB_WS_HTTP_ANY, 0, 1, 0 },
        { OLD, false, HOB_WS_HTTP_2, HOB_ETLS, 1, 0 },
        { NEW, false, HOB_WS_HTTP_ANY, 0, 1, 1 },
        { NULL, false, HOB_WS_HTTP_ANY, 0, 1, 0 },
        { NULL, false, HOB_WS_HTTP_2, -EPROTONOSUPPORT, 1, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        SECURE(secure);
        HOB_SCOPE(s);
        CONFIG(config);
        hob_tls_opts      server = { .alpn = CASES[i].alpn };
        hob_ws_open_words words = { "" };
        WS(ws);
        secure.site.opts.no_tunnels = CASES[i].no_tunnels;
        check_ok(open_secure(&s, &secure, &server));
        check_ok(trust(&secure, NULL, &config));
        hob_ws_open_opts opts = { .tls = config, .http = CASES[i].http };
        int r = hob_ws_open_with(url_of(&secure.site, "wss", "127.0.0.1", "/chat?x").at, &opts, &words, &ws);
        if (r == 0)
            r = talk(ws);
        if (r != CASES[i].result)
            fail("case %zu: %d: %s", i, r, words.text);
        check_eq(secure.site.stats.accepted, CASES[i].accepted);
        check_eq(secure.site.stats.http2, CASES[i].http2);
        hob_ws_close(ws);
        ws = NULL;
        WAIT_FOR(secure.site.stats.connections == 0); // its connection went with it
        check_eq(secure.seen.ends, r == 0);
    }
}

TEST_ON_ALL(ws_versions, without_tls_http2_is_for_who_knows)
{
    WS_SITE(site, seen);
    for (int http = HOB_WS_HTTP_1; http <= HOB_WS_HTTP_2; http++) {
        hob_ws_open_opts opts = { .http = (hob_ws_http)http };
        WS(ws);
        check_ok(hob_ws_open_with(url_of(&site, "ws", "127.0.0.1", "/chat").at, &opts, NULL, &ws));
        check_ok(talk(ws));
        check_eq(site.stats.http2, http == HOB_WS_HTTP_2);
    }
    WAIT_FOR(site.stats.connections == 0);
    check_eq(seen.ends, 3);
    check_eq(seen.last, HOB_EOF);
}

TEST_ON_ALL(ws_versions, a_link_goes_over_tls)
{
    static const char *const BOTH[] = { "h2", "http/1.1", NULL };
    SECURE(secure);
    HOB_SCOPE(s);
    CONFIG(config);
    hob_tls_opts server = { .alpn = BOTH };
    check_ok(open_secure(&s, &secure, &server));
    check_ok(trust(&secure, NULL, &config));
    hob_ws_link     *link;
    hob_ws_link_opts opts = { .tls = config };
    check_ok(hob_ws_link_open(url_of(&secure.site, "wss", "127.0.0.1", "").at, &opts, NULL, &link));
    for (int i = 0; i < 3; i++) {
        WS(ws);
        check_ok(hob_ws_open_on(link, "/chat", NULL, NULL, &ws));
        check_ok(talk(ws));
    }
    check_ok(hob_ws_link_shutdown(link));
    hob_ws_link_close(link);
    WAIT_FOR(secure.site.stats.connections == 0);
    check_eq(secure.site.stats.accepted, 1);
}
