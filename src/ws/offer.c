/* SPDX-License-Identifier: MIT */
/*
 * What a client asks for and a server agrees to, field by field: the same in a request of HTTP/1.1 (connect.c) and
 * in an extended CONNECT (RFC 8441 5), which others make, and then have a stream that is the WebSocket's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ws/ws.h"

enum { PROTOCOLS_MAX = 2048 };

/* ---- asking ---- */

static bool is_token(const char *text)
{
    static const char CHARS[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return text[0] != '\0' && text[strspn(text, CHARS)] == '\0';
}

static bool is_value(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' && *text != '\t')
            return false;
        if (*text == 127)
            return false;
    }
    return true;
}

static int offer_protocols(const char *const *protocols, hob_ws_field_fn *field, void *arg)
{
    char   list[PROTOCOLS_MAX];
    size_t len = 0;

    if (protocols == NULL || *protocols == NULL)
        return 0;
    for (const char *const *at = protocols; *at != NULL; at++) {
        if (!is_token(*at) || strlen(*at) > sizeof list - len - 3)
            return -EINVAL;
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len > 0 ? ", " : "", *at);
    }
    return field(arg, "Sec-WebSocket-Protocol", list);
}

int hob_ws_offer(const hob_ws_opts *opts, hob_ws_field_fn *field, void *arg)
{
    static const hob_ws_opts NONE;
    char                     offer[WS_EXTENSION_MAX];

    hob__ws_check_opts(opts, "hob_ws_offer");
    if (opts == NULL)
        opts = &NONE;
    HOB_TRY(field(arg, "Sec-WebSocket-Version", "13"));
    HOB_TRY(offer_protocols(opts->protocols, field, arg));
    if (opts->deflate) {
        struct ws_extension wanted = hob__ws_wanted(opts);
        hob__ws_extension_offer(&wanted, offer);
        HOB_TRY(field(arg, "Sec-WebSocket-Extensions", offer));
    }
    for (const char *const *at = opts->headers; at != NULL && at[0] != NULL; at += 2) {
        if (at[1] == NULL || !is_token(at[0]) || !is_value(at[1]))
            return -EINVAL;
        HOB_TRY(field(arg, at[0], at[1]));
    }
    return 0;
}

/* ---- being answered ---- */

static int take_protocol(hob_ws *ws, const char *value, const hob_ws_opts *opts)
{
    for (const char *const *at = opts->protocols; at != NULL && *at != NULL; at++) {
        if (strcmp(*at, value) != 0)
            continue;
        ws->protocol = hob__ws_alloc(strlen(value) + 1);
        if (ws->protocol == NULL)
            return -ENOMEM;
        strcpy(ws->protocol, value);
        return 0;
    }
    return HOB_EWS; // none of those that were offered
}

static int take_extension(hob_ws *ws, const char *value, const hob_ws_opts *opts)
{
    struct ws_extension wanted = hob__ws_wanted(opts), agreed;
    if (!opts->deflate || !hob__ws_extension_agree(value, &wanted, &agreed))
        return HOB_EWS;
    return hob__ws_use_deflate(ws, &agreed, opts);
}

int hob__ws_agree_field(hob_ws *ws, struct ws_agreed *agreed, const char *name, const char *value,
                        const hob_ws_opts *opts)
{
    if (strcasecmp(name, "Sec-WebSocket-Protocol") == 0)
        return agreed->protocols++ > 0 ? HOB_EWS : take_protocol(ws, value, opts);
    if (strcasecmp(name, "Sec-WebSocket-Extensions") == 0)
        return agreed->extensions++ > 0 ? HOB_EWS : take_extension(ws, value, opts);
    return 0;
}

int hob_ws_agree(hob_stream *stream, const char *const *answer, const hob_ws_opts *opts, hob_ws **ret_ws)
{
    static const hob_ws_opts NONE;
    struct ws_agreed         agreed = { 0 };
    int                      r = 0;

    hob__ws_check_opts(opts, "hob_ws_agree");
    if (opts == NULL)
        opts = &NONE;
    hob_ws *ws = hob__ws_new(opts, true);
    if (ws == NULL)
        return -ENOMEM;
    for (const char *const *at = answer; r == 0 && at != NULL && at[0] != NULL; at += 2)
        r = hob__ws_agree_field(ws, &agreed, at[0], at[1], opts);
    if (r < 0) {
        hob__ws_free(ws);
        return r;
    }
    ws->stream = stream;
    ws->ends_stream = true;
    *ret_ws = ws;
    return 0;
}
