/* SPDX-License-Identifier: MIT */
/* What is said where Hob was built without nghttp2. */
#include "wsopen/secure.h"

TEST_ON_ALL(ws_no_links, without_nghttp2_there_is_http1_alone)
{
    WS_SITE(site, seen);
    hob_ws_link      *link;
    hob_ws           *none;
    hob_ws_open_words words = { "" };
    check_err(hob_ws_link_open(url_of(&site, "ws", "127.0.0.1", "").at, NULL, &words, &link), -EPROTONOSUPPORT);
    check_has(words.text, "without nghttp2");
    hob_ws_open_opts opts = { .http = HOB_WS_HTTP_2 };
    check_err(hob_ws_open_with(url_of(&site, "ws", "127.0.0.1", "/").at, &opts, &words, &none), -EPROTONOSUPPORT);
    check_has(words.text, "without nghttp2");
    opts.http = HOB_WS_HTTP_ANY;
    WS(ws);
    check_ok(hob_ws_open_with(url_of(&site, "ws", "127.0.0.1", "/chat").at, &opts, &words, &ws));
    check_ok(talk(ws));
    hob_ws_link_close(NULL);
}
