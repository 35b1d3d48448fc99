/* SPDX-License-Identifier: MIT */
/*
 * CORS, as the Fetch standard has it: which pages of other origins may read the answers. A preflight is
 * OPTIONS with Access-Control-Request-Method; it is answered here, and never reaches a handler. An
 * origin that is not allowed gets the answer without a word about it: its browser keeps that back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "web/web.h"

static bool is_allowed(const hob_web_cors_opts *opts, const char *origin)
{
    if (opts->origins == NULL)
        return true;
    for (size_t i = 0; opts->origins[i] != NULL; i++) {
        if (strcmp(opts->origins[i], origin) == 0) // bytes: browsers send them in one form
            return true;
    }
    return false;
}

static int tell_origin(hob_http_request *req, const hob_web_cors_opts *opts, const char *origin)
{
    HOB_TRY(hob_http_set_header(req, "Access-Control-Allow-Origin", opts->origins != NULL ? origin : "*"));
    if (opts->credentials)
        HOB_TRY(hob_http_set_header(req, "Access-Control-Allow-Credentials", "true"));
    return 0;
}

static int answer_preflight(hob_http_request *req, const hob_web_cors_opts *opts)
{
    const char *methods = opts->methods != NULL ? opts->methods
                                                : hob__web_allow(hob__web_ctx(req, "hob_web_cors"));
    char        age[24];

    if (methods == NULL)
        return -ENOMEM;
    snprintf(age, sizeof age, "%d", OR_ELSE(opts->max_age_s, 600));
    HOB_TRY(hob_http_set_header(req, "Access-Control-Allow-Methods", methods));
    HOB_TRY(hob_http_set_header(req, "Access-Control-Allow-Headers",
                                opts->headers != NULL ? opts->headers : "Content-Type, Authorization"));
    HOB_TRY(hob_http_set_header(req, "Access-Control-Max-Age", age));
    return hob_http_reply(req, 204, NULL, NULL, 0);
}

int hob_web_cors(hob_http_request *req, void *arg)
{
    static const hob_web_cors_opts defaults = { .origins = NULL };
    const hob_web_cors_opts       *opts = arg != NULL ? arg : &defaults;
    const char                    *origin = hob_http_header(req, "Origin");
    bool is_preflight = origin != NULL && strcmp(hob_http_method(req), "OPTIONS") == 0
                     && hob_http_header(req, "Access-Control-Request-Method") != NULL;

    if (opts->credentials && opts->origins == NULL)
        hob_mistake("hob_web_cors", "with `credentials` the origins are named: `origins`");
    if (opts->origins != NULL)
        HOB_TRY(hob_http_vary(req, "Origin"));
    bool allowed = origin != NULL && is_allowed(opts, origin);
    if (allowed)
        HOB_TRY(tell_origin(req, opts, origin));
    if (is_preflight)
        return allowed ? answer_preflight(req, opts) : hob_web_error(req, 403, "this origin is not allowed");
    if (allowed && opts->exposed != NULL)
        HOB_TRY(hob_http_set_header(req, "Access-Control-Expose-Headers", opts->exposed));
    return hob_web_next(req);
}
