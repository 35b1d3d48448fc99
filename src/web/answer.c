/* SPDX-License-Identifier: MIT */
/*
 * A request on its way: its path is looked up, middleware is called one in the other, at last the
 * handler, or what is to be said when there is none.
 *
 * A failure is answered as soon as it comes out of a handler, so that middleware sees the answer; and
 * once more at the end, for middleware that fails itself.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hob/log.h"
#include "web/web.h"

static const char OUR_NOTE;

struct web_ctx *hob__web_ctx(const hob_http_request *req, const char *function)
{
    struct web_ctx *ctx = hob_http_attached(req, &OUR_NOTE);
    if (ctx == NULL)
        hob_mistake(function, "this request was not given by a service: hob_web_answer");
    return ctx;
}

/* ---- which handler ---- */

static const struct web_endpoint *with_method(const struct web_node *node, const char *method)
{
    for (const struct web_endpoint *endpoint = node->endpoints; endpoint != NULL;
         endpoint = endpoint->next_of_path) {
        if (strcmp(endpoint->method, method) == 0)
            return endpoint;
    }
    return NULL;
}

static const struct web_endpoint *endpoint_for(const struct web_node *node, const char *method)
{
    const struct web_endpoint *endpoint = with_method(node, method);
    if (endpoint == NULL && strcmp(method, "HEAD") == 0)
        endpoint = with_method(node, "GET");
    return endpoint != NULL ? endpoint : with_method(node, "");
}

static bool is_below(const struct web_pattern *prefix, const struct web_path *path)
{
    if (prefix->count > path->count)
        return false;
    for (size_t i = 0; i < prefix->count; i++) {
        const struct web_segment *segment = &prefix->at[i];
        size_t len = web_path_len(path, i);
        if (segment->kind == WEB_PARAM ? len == 0
                                       : len != segment->len
                                             || memcmp(web_path_segment(path, i), segment->text, len) != 0)
            return false;
    }
    return true;
}

/* Whose middleware sees a path that has no route: the group with the longest prefix. */
static const hob_web *group_of(const struct web_service *service, const struct web_path *path)
{
    const hob_web *found = &service->root;
    for (const hob_web *group = service->root.next; group != NULL; group = group->next) {
        if (group->below.count > found->below.count && is_below(&group->below, path))
            found = group;
    }
    return found;
}

static bool has_bad_tail(const struct web_ctx *ctx)
{
    const struct web_endpoint *any = ctx->node->endpoints;
    if (any->param_count == 0)
        return false;
    const struct web_param *last = &any->params[any->param_count - 1];
    return last->is_tail && !hob__web_is_tail(&ctx->path, last->segment);
}

static void look_up(struct web_ctx *ctx, const char *method)
{
    struct web_service *service = ctx->service;
    const char         *text = hob_http_path(ctx->req);

    ctx->group = &service->root;
    if (strcmp(text, "*") == 0) // OPTIONS *, and no other can have it
        return;
    char *room = hob__web_arena_alloc(&ctx->arena, strlen(text) + 1);
    if (room == NULL) {
        ctx->path_status = 414;
        return;
    }
    if (hob__web_path(text, room, &ctx->path) < 0) {
        ctx->path_status = 400;
        return;
    }
    ctx->node = hob__web_find(service->tree, &ctx->path);
    if (ctx->node != NULL && has_bad_tail(ctx)) {
        ctx->path_status = 400;
        ctx->group = ctx->node->endpoints->group;
        ctx->node = NULL;
        return;
    }
    if (ctx->node == NULL) {
        ctx->group = group_of(service, &ctx->path);
        return;
    }
    ctx->endpoint = endpoint_for(ctx->node, method);
    ctx->counted = (struct web_endpoint *)(uintptr_t)ctx->endpoint; // its numbers are all that changes
    ctx->group = (ctx->endpoint != NULL ? ctx->endpoint : ctx->node->endpoints)->group;
}

/* ---- without one ---- */

const char *hob__web_allow(struct web_ctx *ctx)
{
    if (ctx->node == NULL)
        return "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    size_t size = 32;
    for (const struct web_endpoint *e = ctx->node->endpoints; e != NULL; e = e->next_of_path)
        size += strlen(e->method) + 2;
    char *list = hob__web_arena_alloc(&ctx->arena, size);
    if (list == NULL)
        return NULL;
    size_t at = 0;
    for (const struct web_endpoint *e = ctx->node->endpoints; e != NULL; e = e->next_of_path) {
        if (*e->method != '\0')
            at += (size_t)sprintf(list + at, "%s, ", e->method);
    }
    if (with_method(ctx->node, "GET") != NULL && with_method(ctx->node, "HEAD") == NULL)
        at += (size_t)sprintf(list + at, "HEAD, ");
    sprintf(list + at, with_method(ctx->node, "OPTIONS") == NULL ? "OPTIONS" : "");
    if (with_method(ctx->node, "OPTIONS") != NULL)
        list[at - 2] = '\0';
    return list;
}

static int answer_without(struct web_ctx *ctx)
{
    hob_http_request *req = ctx->req;
    bool              asks = strcmp(hob_http_method(req), "OPTIONS") == 0;

    if (ctx->path_status != 0)
        return hob_web_error(req, ctx->path_status, ctx->path_status == 400 ? "this is no path" : NULL);
    if (ctx->node == NULL && !(asks && strcmp(hob_http_path(req), "*") == 0))
        return hob_web_error(req, 404, NULL);
    const char *allow = hob__web_allow(ctx);
    if (allow == NULL)
        return -ENOMEM;
    HOB_TRY(hob_http_set_header(req, "Allow", allow));
    return asks ? hob_http_reply(req, 204, NULL, NULL, 0) : hob_web_error(req, 405, NULL);
}

/* ---- the handler ---- */

/* A filter lies on the stack of who pushed it, and the next answer would go through it. */
static void check_filters(const hob_http_request *req, const hob_http_filter *before, const char *function)
{
    if (hob_http_filter_top(req) != before)
        hob_mistake(function, "a handler or middleware returned, and its filter is still there: "
                              "hob_http_filter_pop takes it off, also when something failed");
}

static int call_handler(struct web_ctx *ctx)
{
    const struct web_endpoint *endpoint = ctx->endpoint;
    hob_scope                  scope;

    if (endpoint == NULL)
        return answer_without(ctx);
    int r = endpoint->op != NULL ? hob__web_take_in(ctx) : 1;
    if (r <= 0)
        return r;
    const hob_http_filter *filter = hob_http_filter_top(ctx->req);
    hob_scope_begin(&scope);
    ctx->scope = &scope;
    r = endpoint->handler(ctx->req, endpoint->arg);
    check_filters(ctx->req, filter, "hob_web_handle");
    if (r < 0)
        hob_scope_cancel(&scope, "the handler failed");
    int ended = hob_scope_end(&scope);
    ctx->scope = NULL;
    if (r >= 0 && hob_scope_failures(&scope) > 0)
        r = ended;
    if (r >= 0 && hob_http_status(ctx->req) == 0) {
        HOB_LOG(ERROR, "a handler gave no answer", "pattern", endpoint->pattern);
        return hob_web_error(ctx->req, 500, NULL);
    }
    return r;
}

static int say_failure(hob_http_request *req, int status)
{
    if (status == 503)
        HOB_TRY(hob_http_set_header(req, "Retry-After", "1"));
    return hob_web_error(req, status, NULL);
}

/* A failure becomes an answer, unless nobody is there to get it, or a part of another was sent. */
static int settle(struct web_ctx *ctx, int r)
{
    hob_http_request *req = ctx->req;

    if (r >= 0)
        return 0;
    if (hob_scope_cancelled(hob_http_scope(req)) != 0)
        return r; // the client went away, or its time is over
    int status = hob_http_failure_status(req, r);
    if (status == 0)
        return r; // that it went away is not seen by who only writes
    if (status >= 500 && r != ctx->logged)
        HOB_LOG(ERROR, "a request failed", "error", hob_log_error(r), "method", hob_http_method(req),
                "pattern", hob_web_pattern(req));
    ctx->logged = r; // it comes by again when it could not be answered
    if (hob_http_take_back(req) < 0)
        return r;
    HOB_SHIELD(5 * HOB_SEC) // the scope of a timeout may be cancelled, and its client is still there
        r = say_failure(req, status);
    return r;
}

int hob_web_next(hob_http_request *req)
{
    struct web_ctx *ctx = hob__web_ctx(req, "hob_web_next");

    if (ctx->scope != NULL)
        hob_mistake("hob_web_next", "a handler has nobody behind it: this is for middleware");
    hob_http_keep_headers(req); // what middleware says is said of failures, too
    if (ctx->step == ctx->group->chain_count)
        return settle(ctx, call_handler(ctx));
    const struct web_step *step = &ctx->group->chain[ctx->step++];
    const hob_http_filter *filter = hob_http_filter_top(req);
    int r = step->fn(req, step->arg);
    check_filters(req, filter, "hob_web_use");
    ctx->step--;
    return r;
}

static void *memory_alloc(void *arg, size_t size)
{
    return hob__web_arena_alloc(arg, size);
}

static void begin(struct web_ctx *ctx, hob_http_request *req, struct web_service *service)
{
    // Not all of it is cleared: the path and the arena are large.
    memset(ctx, 0, offsetof(struct web_ctx, path));
    ctx->req = req;
    ctx->service = service;
    ctx->note = (hob_http_note){ .key = &OUR_NOTE, .value = ctx };
    ctx->memory = (hob_json_memory){ .alloc = memory_alloc, .arg = &ctx->arena };
    hob__web_arena_begin(&ctx->arena, service->opts.request_bytes_max);
    hob_http_attach(req, &ctx->note);
}

int hob_web_answer(hob_http_request *req, void *arg)
{
    hob_web *web = arg;
    if (web == NULL)
        hob_mistake("hob_web_answer", "there is no service: its argument is NULL");
    struct web_service *service = web->service;
    struct web_ctx      ctx;
    int64_t             begun_ns = hob_now();

    if (service->error != 0)
        return service->error;
    if (!__atomic_load_n(&service->is_serving, __ATOMIC_RELAXED))
        __atomic_store_n(&service->is_serving, true, __ATOMIC_RELAXED);
    __atomic_add_fetch(&service->running, 1, __ATOMIC_RELAXED);
    begin(&ctx, req, service);
    look_up(&ctx, hob_http_method(req));
    int r = settle(&ctx, hob_web_next(req));
    hob__web_count(ctx.counted != NULL ? &ctx.counted->numbers : &service->unrouted,
                   r < 0 && hob_http_status(req) == 0 ? 500 : hob_http_status(req), hob_now() - begun_ns);
    __atomic_sub_fetch(&service->running, 1, __ATOMIC_RELAXED);
    hob__web_let_go(&ctx);
    hob__web_arena_end(&ctx.arena);
    return r;
}

/* ---- what handlers ask ---- */

const char *hob_web_param(hob_http_request *req, const char *name)
{
    struct web_ctx            *ctx = hob__web_ctx(req, "hob_web_param");
    const struct web_endpoint *endpoint = ctx->endpoint;

    for (size_t i = 0; endpoint != NULL && i < endpoint->param_count; i++) {
        const struct web_param *param = &endpoint->params[i];
        if (strcmp(param->name, name) != 0)
            continue;
        char *text = ctx->path.bytes + ctx->path.at[param->segment];
        if (param->is_tail) { // its slashes come back, at the first call
            for (size_t j = param->segment + 1; j < ctx->path.count; j++)
                ctx->path.bytes[ctx->path.at[j] - 1] = '/';
        }
        return text;
    }
    return NULL;
}

const char *hob_web_pattern(const hob_http_request *req)
{
    const struct web_ctx *ctx = hob__web_ctx(req, "hob_web_pattern");
    return ctx->endpoint != NULL ? ctx->endpoint->pattern
           : ctx->node != NULL   ? ctx->node->endpoints->pattern
                                 : "";
}

hob_web *hob_web_of(const hob_http_request *req)
{
    return &hob__web_ctx(req, "hob_web_of")->service->root;
}

hob_scope *hob_web_scope(const hob_http_request *req)
{
    return hob__web_ctx(req, "hob_web_scope")->scope;
}

void *hob_web_alloc(hob_http_request *req, size_t size)
{
    return hob__web_arena_alloc(&hob__web_ctx(req, "hob_web_alloc")->arena, size);
}

const hob_json_memory *hob_web_memory(hob_http_request *req)
{
    return &hob__web_ctx(req, "hob_web_memory")->memory;
}

char *hob_web_printf(hob_http_request *req, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len >= 0 ? hob_web_alloc(req, (size_t)len + 1) : NULL;
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}
