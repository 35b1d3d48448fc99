/* SPDX-License-Identifier: MIT */
/*
 * What an operation takes: its path, query and body become structs by their tables before the handler is
 * called; or the client hears, field by field, why not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/web.h"

enum { PAIRS_MAX = 256 };

/* ---- when the service is put together ---- */

static const char *name_of(const hob_json_field *field)
{
    return field->as != NULL ? field->as : field->member;
}

static bool has_field(const hob_json_shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        if (strcmp(name_of(&shape->fields[i]), name) == 0)
            return true;
    }
    return false;
}

static __attribute__((noreturn)) void unfit(const struct web_endpoint *endpoint, const char *what,
                                            const char *name)
{
    char sentence[500];
    snprintf(sentence, sizeof sentence, "\"%s %.200s\": %s%.100s", endpoint->method, endpoint->pattern,
             what, name);
    hob_mistake("hob_web_operation", sentence);
}

void hob__web_check_op(const struct web_endpoint *endpoint)
{
    const hob_web_op     *op = endpoint->op;
    const hob_json_shape *path = op->path != NULL ? op->path() : NULL;

    for (size_t i = 0; path != NULL && i < endpoint->param_count; i++) {
        if (!has_field(path, endpoint->params[i].name))
            unfit(endpoint, "the table of its path has no field for the parameter ", endpoint->params[i].name);
    }
    for (size_t i = 0; path != NULL && i < path->field_count; i++) {
        const char *name = name_of(&path->fields[i]);
        size_t      j = 0;
        while (j < endpoint->param_count && strcmp(endpoint->params[j].name, name) != 0)
            j++;
        if (j == endpoint->param_count)
            unfit(endpoint, "the path has no parameter for the field ", name);
    }
    if (op->body != NULL && (strcmp(endpoint->method, "GET") == 0 || strcmp(endpoint->method, "HEAD") == 0))
        unfit(endpoint, "a request of this method has no body: ", endpoint->method);
    if (op->auth != NULL && strcmp(op->auth, "basic") != 0 && strcmp(op->auth, "bearer") != 0)
        unfit(endpoint, "`auth` is basic or bearer, not ", op->auth);
    if (op->status != 0 && (op->status < 200 || op->status > 599))
        unfit(endpoint, "`status` is from 200 to 599", "");
}

/* ---- what is wrong ---- */

/* All that a table said. */
static int refuse(struct web_ctx *ctx, const char *in, int error, const hob_json_errors *errors)
{
    struct web_problem_error list[HOB_JSON_ERRORS_MAX];
    bool is_no_json = errors->count > 0 && errors->at[0].line > 0;

    for (unsigned i = 0; i < errors->count; i++) {
        list[i] = (struct web_problem_error){ (char *)(uintptr_t)in, (char *)(uintptr_t)errors->at[i].path,
                                              (char *)(uintptr_t)errors->at[i].words };
        if (!is_no_json)
            continue;
        list[i].words = hob_web_printf(ctx->req, "line %u, column %u: %s", errors->at[i].line,
                                       errors->at[i].column, errors->at[i].words);
        if (list[i].words == NULL)
            return -ENOMEM;
    }
    int status = error == HOB_EJSON ? 422 : error == -EMSGSIZE ? 413 : 400;
    const char *detail = error == -EMSGSIZE ? "this is more than is taken"
                       : errors->more       ? "there is more that is wrong"
                       : is_no_json         ? "this is no JSON"
                                            : NULL;
    return hob__web_problem(ctx->req, status, detail, list, errors->count);
}

/* Room for a struct of the table. */
static void *room_for(struct web_ctx *ctx, hob_json_table *table)
{
    size_t bytes = table()->bytes;
    void  *obj = hob__web_arena_alloc(&ctx->arena, bytes);
    if (obj != NULL)
        memset(obj, 0, bytes);
    return obj;
}

static int take_pairs(struct web_ctx *ctx, const char *in, hob_json_table *table,
                      const hob_json_pair *pairs, size_t count, void **ret_obj)
{
    hob_json_opts   opts = { .side = HOB_JSON_REQUEST, .memory = &ctx->memory };
    hob_json_errors errors;
    void           *obj = room_for(ctx, table);

    if (obj == NULL)
        return -ENOMEM;
    int r = hob_json_from_pairs(table, pairs, count, &opts, &errors, obj);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        r = refuse(ctx, in, r, &errors);
        return r < 0 ? r : 0;
    }
    *ret_obj = obj;
    return 1;
}

/* ---- the path and the query ---- */

static int take_path(struct web_ctx *ctx)
{
    const struct web_endpoint *endpoint = ctx->endpoint;
    hob_json_pair              pairs[SEGMENTS_MAX];

    for (size_t i = 0; i < endpoint->param_count; i++) {
        const char *name = endpoint->params[i].name, *text = hob_web_param(ctx->req, name);
        pairs[i] = (hob_json_pair){ name, text, strlen(text) };
    }
    return take_pairs(ctx, "path", endpoint->op->path, pairs, endpoint->param_count, &ctx->in_path);
}

/* "a=b&c": the pairs, decoded in place. Returns how many, or -EINVAL. */
static int cut_query(char *query, hob_json_pair *pairs)
{
    int count = 0;

    for (char *at = query, *next; at != NULL; at = next) {
        next = strchr(at, '&');
        if (next != NULL)
            *next++ = '\0';
        if (*at == '\0')
            continue;
        char *value = strchr(at, '=');
        if (value != NULL)
            *value++ = '\0';
        else
            value = at + strlen(at);
        int64_t name_len = hob__web_decode(at, strlen(at), true);
        int64_t len = hob__web_decode(value, strlen(value), true);
        if (name_len < 0 || len < 0 || count == PAIRS_MAX || strlen(at) != (size_t)name_len)
            return -EINVAL;
        pairs[count++] = (hob_json_pair){ at, value, (size_t)len };
    }
    return count;
}

static int take_query(struct web_ctx *ctx)
{
    const char    *text = hob_http_query(ctx->req);
    size_t         size = strlen(text) + 1;
    char          *query = hob__web_arena_alloc(&ctx->arena, size);
    hob_json_pair *pairs = hob__web_arena_alloc(&ctx->arena, PAIRS_MAX * sizeof *pairs);

    if (query == NULL || pairs == NULL)
        return -ENOMEM;
    memcpy(query, text, size);
    int count = cut_query(query, pairs);
    if (count < 0) {
        int r = hob_web_error(ctx->req, 400, "the query is not well-formed, or has more than 256 parts");
        return r < 0 ? r : 0;
    }
    return take_pairs(ctx, "query", ctx->endpoint->op->query, pairs, (size_t)count, &ctx->in_query);
}

/* ---- the body ---- */

/* application/json, or anything that ends with +json; parameters are of no account (RFC 8259 11). */
static bool is_json_type(const char *type)
{
    size_t len = strcspn(type, "; \t");
    return (len == 16 && strncasecmp(type, "application/json", len) == 0)
        || (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

static int refuse_type(hob_http_request *req)
{
    HOB_TRY(hob_http_set_header(req, "Accept", "application/json"));
    int r = hob_web_error(req, 415, "the body is to be application/json");
    return r < 0 ? r : 0;
}

/* One that has to be unpacked first, which is not done: who is small would become large. */
static bool is_packed(const hob_http_request *req)
{
    const char *coding = hob_http_header(req, "Content-Encoding");
    return coding != NULL && *coding != '\0' && strcasecmp(coding, "identity") != 0;
}

static int refuse_coding(hob_http_request *req)
{
    HOB_TRY(hob_http_set_header(req, "Accept-Encoding", "identity")); // RFC 9110 15.5.16
    int r = hob_web_error(req, 415, "the body is to be sent without a Content-Encoding");
    return r < 0 ? r : 0;
}

static int take_body(struct web_ctx *ctx)
{
    hob_http_request *req = ctx->req;
    hob_json_table   *table = ctx->endpoint->op->body;
    const char       *type = hob_http_header(req, "Content-Type");
    hob_json_opts     opts = { .side = HOB_JSON_REQUEST, .bytes_max = ctx->service->opts.body_bytes_max,
                               .memory = &ctx->memory };
    hob_json_errors   errors;
    char             *bytes;
    size_t            len;

    if (type != NULL ? !is_json_type(type) : hob_http_body_length(req) != 0)
        return refuse_type(req);
    if (is_packed(req))
        return refuse_coding(req);
    void *obj = room_for(ctx, table);
    if (obj == NULL)
        return -ENOMEM;
    int r = hob_http_read_all(req, ctx->service->opts.body_bytes_max, &bytes, &len);
    if (r < 0)
        return r;
    r = hob_json_parse(table, bytes, len, &opts, &errors, obj);
    free(bytes);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        r = refuse(ctx, "body", r, &errors);
        return r < 0 ? r : 0;
    }
    ctx->in_body = obj;
    return 1;
}

int hob__web_take_in(struct web_ctx *ctx)
{
    const hob_web_op *op = ctx->endpoint->op;
    int r = op->path != NULL ? take_path(ctx) : 1;
    if (r == 1 && op->query != NULL)
        r = take_query(ctx);
    if (r == 1 && op->body != NULL)
        r = take_body(ctx);
    return r;
}

void hob__web_let_go(struct web_ctx *ctx)
{
    const hob_web_op *op = ctx->endpoint != NULL ? ctx->endpoint->op : NULL;
    if (ctx->in_body != NULL) // members that are values of jansson's are not the arena's
        hob_json_free(op->body, &ctx->memory, ctx->in_body);
}

/* ---- what handlers ask ---- */

void *hob_web_path(const hob_http_request *req)
{
    return hob__web_ctx(req, "hob_web_path")->in_path;
}

void *hob_web_query(const hob_http_request *req)
{
    return hob__web_ctx(req, "hob_web_query")->in_query;
}

void *hob_web_body(const hob_http_request *req)
{
    return hob__web_ctx(req, "hob_web_body")->in_body;
}

int hob_web_reply(hob_http_request *req, int status, const void *obj)
{
    const struct web_ctx *ctx = hob__web_ctx(req, "hob_web_reply");
    const hob_web_op     *op = ctx->endpoint != NULL ? ctx->endpoint->op : NULL;
    if (op == NULL || op->reply == NULL)
        hob_mistake("hob_web_reply", "this route has no table for its reply: hob_web_op.reply");
    return hob_web_reply_json(req, status, op->reply, obj);
}
