/* SPDX-License-Identifier: MIT */
/* Middleware that bounds: how long a handler may take, and how often a client may come. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "web/web.h"

struct limit {
    hob_http_begun begun; /* first */
    hob_scope      scope;
};

/* In time. What it takes from now on is bounded by the server: its client's pace, and the request's time. */
static void has_begun(hob_http_begun *begun, hob_http_request *req, int status)
{
    (void)req, (void)status;
    hob_scope_deadline(&((struct limit *)begun)->scope, HOB_FOREVER);
}

int hob_web_timeout(hob_http_request *req, void *arg)
{
    const int64_t *limit_ns = arg;
    struct limit   limit = { .begun = { .fn = has_begun } };

    if (limit_ns == NULL || *limit_ns <= 0)
        hob_mistake("hob_web_timeout", "its argument is a time in nanoseconds, more than 0");
    hob_scope_begin(&limit.scope);
    hob_scope_deadline(&limit.scope, hob_in(*limit_ns));
    hob_http_begun_push(req, &limit.begun);
    int r = hob_web_next(req);
    hob_http_begun_pop(req, &limit.begun);
    (void)!hob_scope_end(&limit.scope); // what came in time is good, too
    return r;
}

/* ---- how often ---- */

/* Who has one address of IPv6 has 2^64 of them. */
static size_t key_of_peer(const hob_http_request *req, char *key, size_t size)
{
    hob_addr addr = hob_http_peer_addr(req);

    switch (addr.u.family) {
    case AF_INET:
        memcpy(key, addr.u.raw + offsetof(struct sockaddr_in, sin_addr), 4);
        return 4;
    case AF_INET6:
        memcpy(key, addr.u.raw + offsetof(struct sockaddr_in6, sin6_addr), 8);
        return 8;
    default: // one client: it has a stream of its own
        (void)size;
        key[0] = '\0';
        return 1;
    }
}

static int refuse(hob_http_request *req, int64_t wait_ns)
{
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)((wait_ns + HOB_SEC - 1) / HOB_SEC));
    HOB_TRY(hob_http_set_header(req, "Retry-After", seconds));
    return hob_web_error(req, 429, NULL);
}

int hob_web_limit(hob_http_request *req, void *arg)
{
    const hob_web_limit_opts *opts = arg;
    char                      key[256];

    if (opts == NULL || opts->rates == NULL)
        hob_mistake("hob_web_limit", "there are no rates: hob_rates_new makes them");
    size_t len = opts->client != NULL ? opts->client(req, key, sizeof key) : key_of_peer(req, key, sizeof key);
    if (len > sizeof key)
        hob_mistake("hob_web_limit", "`client` says that a key is longer than its room");
    int r = hob_rates_try_take(opts->rates, key, len, 1);
    if (r == -EAGAIN) {
        int64_t wait_ns = hob_rates_wait_ns(opts->rates, key, len, 1);
        return refuse(req, wait_ns > 0 ? wait_ns : HOB_SEC);
    }
    return r < 0 ? r : hob_web_next(req);
}
