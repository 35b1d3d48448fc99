/* SPDX-License-Identifier: MIT */
/* Links where there is no nghttp2: there are none. */
#include <errno.h>

#include "hob/error.h"
#include "wsopen/link.h"

bool hob__ws_has_links(void)
{
    return false;
}

int hob_ws_link_open(const char *url, const hob_ws_link_opts *opts, hob_ws_open_words *ret_words,
                     hob_ws_link **ret_link)
{
    hob_ws_open_words words;

    (void)url, (void)opts, (void)ret_link;
    int r = hob__ws_say(&words, -EPROTONOSUPPORT, "Hob was built without nghttp2: there is no HTTP/2");
    if (ret_words != NULL)
        *ret_words = words;
    return r;
}

static void no_link(const char *function)
{
    hob_mistake(function, "Hob was built without nghttp2, and so this cannot be a link");
}

int hob__ws_link_over(hob_stream *stream, const struct ws_url *url, const hob_ws_link_opts *opts,
                      hob_ws_open_words *words, hob_ws_link **ret_link)
{
    (void)opts, (void)ret_link;
    hob_stream_close(stream);
    return hob__ws_say(words, -EPROTONOSUPPORT, "%s speaks HTTP/2, and Hob was built without nghttp2", url->host_port);
}

void hob__ws_link_release(hob_ws_link *link)
{
    (void)link;
    no_link("hob_ws_open");
}

int hob_ws_open_on(hob_ws_link *link, const char *target, const hob_ws_opts *opts, hob_ws_open_words *ret_words,
                   hob_ws **ret_ws)
{
    (void)link, (void)target, (void)opts, (void)ret_words, (void)ret_ws;
    no_link("hob_ws_open_on");
    return -EPROTONOSUPPORT;
}

int hob_ws_link_shutdown(hob_ws_link *link)
{
    (void)link;
    no_link("hob_ws_link_shutdown");
    return -EPROTONOSUPPORT;
}

void hob_ws_link_close(hob_ws_link *link)
{
    if (link != NULL)
        no_link("hob_ws_link_close");
}

void hob_ws_link_about(const hob_ws_link *link, hob_ws_link_facts *ret_facts)
{
    (void)link, (void)ret_facts;
    no_link("hob_ws_link_about");
}
