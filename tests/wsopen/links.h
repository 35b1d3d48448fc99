/* SPDX-License-Identifier: MIT */
/* Links to a site of a test. */
#ifndef HOB_TESTS_WSOPEN_LINKS_H
#define HOB_TESTS_WSOPEN_LINKS_H

#include <hob/ws_link.h>

#include "ws/wire.h"

static inline void close_link(hob_ws_link **link)
{
    hob_ws_link_close(*link);
}

#define LINK(name) CLOSED_BY(close_link) hob_ws_link *name = NULL

static inline int link_to(const struct site *site, const hob_ws_link_opts *opts, hob_ws_link **ret_link)
{
    char url[60];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", hob_addr_port(&site->addr));
    return hob_ws_link_open(url, opts, NULL, ret_link);
}

static inline int says_and_hears(hob_ws *ws, const char *text)
{
    check_ok(hob_ws_send_text(ws, text));
    return hears_message(ws, HOB_WS_TEXT, text, strlen(text));
}

static inline hob_ws_link_facts facts_of(const hob_ws_link *link)
{
    hob_ws_link_facts facts;
    hob_ws_link_about(link, &facts);
    return facts;
}

#endif
