/* SPDX-License-Identifier: MIT */
/* Middleware that tells: a line of the log for each answer, and an id for each request. */
#include <errno.h>
#include <string.h>

#include "hob/log.h"
#include "hob/runtime.h"
#include "web/web.h"

int hob_web_log(hob_http_request *req, void *none)
{
    int64_t begun_ns = hob_now();
    int     r = hob_web_next(req);
    int     status = r < 0 ? 0 : hob_http_status(req); // 0: it was cut off
    bool    has_failed = r < 0 ? hob_http_failure_status(req, r) != 0 : status >= 500; // clients may leave
    int     level = has_failed ? HOB_LOG_WARNING : HOB_LOG_INFO;

    (void)none;
    if (!HOB_LOG_IS_ON(level))
        return r;
    hob_addr client = hob_http_peer_addr(req);
    HOB_LOG_AT(level, "answered", "method", hob_http_method(req), "path", hob_http_path(req), "status", status,
               "bytes", hob_http_answer_bytes(req), "us", (hob_now() - begun_ns) / HOB_USEC,
               "client", &client);
    return r;
}

/* ---- an id ---- */

enum { ID_MAX = 64 };

static const hob_local_key id_key = { .name = "request", .is_text = 1, .is_logged = 1 };

const char *hob_web_request_id(void)
{
    return hob_local_get(&id_key);
}

static bool is_id(const char *text)
{
    size_t len = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.");
    return len > 0 && len <= ID_MAX && text[len] == '\0';
}

int hob_web_id(hob_http_request *req, void *arg)
{
    const char *sent = arg != NULL ? hob_http_header(req, "X-Request-Id") : NULL;
    char        id[ID_MAX + 1];

    if (sent != NULL && is_id(sent)) {
        strcpy(id, sent);
    } else {
        hob__web_hex(hob_random(), id);
        hob__web_hex(hob_random(), id + 16);
        id[32] = '\0';
    }
    HOB_TRY(hob_http_set_header(req, "X-Request-Id", id));
    HOB_LOCAL(&id_key, id);
    return hob_web_next(req);
}
