/* SPDX-License-Identifier: MIT */
/*
 * Putting a service together: groups, middleware, handlers. What cannot be meant stops the program here,
 * before the first request; a lack of memory is remembered in service->error.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "web/web.h"

/* ---- making and freeing ---- */

int hob_web_new(const hob_web_opts *opts, hob_web **ret_web)
{
    struct web_service *service = hob__web_alloc(sizeof *service);
    if (service == NULL)
        return -ENOMEM;
    if (opts != NULL)
        service->opts = *opts;
    service->opts.request_bytes_max = OR_ELSE(service->opts.request_bytes_max, 4 * 1024 * 1024);
    service->opts.body_bytes_max = OR_ELSE(service->opts.body_bytes_max, 1024 * 1024);
    service->root.service = service;
    service->last_group = &service->root;
    service->root.prefix = hob__web_copy("");
    service->tree = hob__web_alloc(sizeof *service->tree);
    if (service->root.prefix == NULL || service->tree == NULL) {
        hob_web_free(&service->root);
        return -ENOMEM;
    }
    *ret_web = &service->root;
    return 0;
}

static void endpoint_free(struct web_endpoint *endpoint)
{
    hob__web_free((void *)(uintptr_t)endpoint->method);
    hob__web_free((void *)(uintptr_t)endpoint->pattern);
    hob__web_free((void *)(uintptr_t)endpoint->op);
    for (size_t i = 0; i < endpoint->param_count; i++)
        hob__web_free((void *)(uintptr_t)endpoint->params[i].name);
    hob__web_free(endpoint->params);
    hob__web_free(endpoint);
}

static void group_fini(hob_web *group)
{
    hob__web_free(group->prefix);
    hob__web_free(group->own);
    hob__web_free(group->chain);
}

void hob_web_free(hob_web *web)
{
    if (web == NULL)
        return;
    struct web_service *service = web->service;
    if (web != &service->root)
        hob_mistake("hob_web_free", "a group is freed with its service");
    if (__atomic_load_n(&service->running, __ATOMIC_RELAXED) > 0)
        hob_mistake("hob_web_free", "it still answers a request");

    hob__web_tree_free(service->tree);
    for (struct web_endpoint *endpoint = service->endpoints, *next; endpoint != NULL; endpoint = next) {
        next = endpoint->next;
        endpoint_free(endpoint);
    }
    for (hob_web *group = service->root.next, *next; group != NULL; group = next) {
        next = group->next;
        group_fini(group);
        hob__web_free(group);
    }
    group_fini(&service->root);
    hob__web_questions_free(service);
    hob__web_spares_free(service);
    hob__web_free(service);
}

int hob_web_check(const hob_web *web)
{
    return web->service->error;
}

static void ran_out(hob_web *web)
{
    web->service->error = -ENOMEM;
}

static void must_be_open(const hob_web *web, const char *function)
{
    if (web == NULL)
        hob_mistake(function, "there is no service: it is NULL");
    if (__atomic_load_n(&web->service->is_serving, __ATOMIC_RELAXED))
        hob_mistake(function, "the service answers requests already, and does not change any more");
}

/* Stops the program with a sentence that has the pattern in it. */
static __attribute__((noreturn)) void wrong_pattern(const char *function, const char *pattern,
                                                    const char *why)
{
    char sentence[400];
    snprintf(sentence, sizeof sentence, "\"%.200s\": %s", pattern, why);
    hob_mistake(function, sentence);
}

/* ---- groups ---- */

hob_web *hob_web_group(hob_web *web, const char *prefix)
{
    must_be_open(web, "hob_web_group");
    if (prefix == NULL)
        hob_mistake("hob_web_group", "there is no prefix: it is NULL (\"\" is none)");
    struct web_service *service = web->service;
    size_t              len = strlen(prefix);
    if (service->error != 0)
        return web;
    if (len > 0 && (prefix[0] != '/' || prefix[len - 1] == '/'))
        wrong_pattern("hob_web_group", prefix, "a prefix begins with / and does not end with it");
    hob_web *group = hob__web_alloc(sizeof *group);
    char    *whole = group != NULL ? hob__web_alloc(strlen(web->prefix) + len + 1) : NULL;
    if (whole == NULL) {
        hob__web_free(group);
        ran_out(web);
        return web; // what is added to it now is never served
    }
    sprintf(whole, "%s%s", web->prefix, prefix);
    const char *wrong = *whole != '\0' ? hob__web_pattern(whole, &group->below) : NULL;
    if (wrong == NULL && group->below.count > 0 && group->below.at[group->below.count - 1].kind == WEB_TAIL)
        wrong = "a prefix has no {name...}";
    if (wrong != NULL)
        wrong_pattern("hob_web_group", whole, wrong);
    group->service = service;
    group->parent = web;
    group->prefix = whole;
    service->last_group->next = group;
    service->last_group = group;
    if (web->chain_count > 0) { // what is around it already
        group->chain = hob__web_alloc(web->chain_count * sizeof group->chain[0]);
        if (group->chain == NULL) {
            ran_out(web);
            return group;
        }
        memcpy(group->chain, web->chain, web->chain_count * sizeof group->chain[0]);
        group->chain_count = web->chain_count;
    }
    return group;
}

/* ---- middleware ---- */

/* Groups come after those around them in the list, so one walk puts all chains together. */
static int rebuild(hob_web *group)
{
    size_t above = group->parent != NULL ? group->parent->chain_count : 0;
    size_t count = above + group->own_count;

    if (count == 0)
        return 0;
    struct web_step *chain = hob__web_grow(group->chain, count * sizeof chain[0]);
    if (chain == NULL)
        return -ENOMEM;
    if (above > 0)
        memcpy(chain, group->parent->chain, above * sizeof chain[0]);
    if (group->own_count > 0)
        memcpy(chain + above, group->own, group->own_count * sizeof chain[0]);
    group->chain = chain;
    group->chain_count = count;
    return 0;
}

void hob_web_use(hob_web *web, hob_http_handler *middleware, void *arg)
{
    must_be_open(web, "hob_web_use");
    if (middleware == NULL)
        hob_mistake("hob_web_use", "there is no middleware: it is NULL");
    struct web_step *own = hob__web_grow(web->own, (web->own_count + 1) * sizeof own[0]);
    if (own == NULL) {
        ran_out(web);
        return;
    }
    web->own = own;
    own[web->own_count++] = (struct web_step){ middleware, arg };
    for (hob_web *group = &web->service->root; group != NULL; group = group->next) {
        if (rebuild(group) < 0) {
            ran_out(web);
            return;
        }
    }
}

/* ---- handlers ---- */

static bool is_method(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!((text[i] >= 'A' && text[i] <= 'Z') || text[i] == '-' || text[i] == '_'))
            return false;
    }
    return true;
}

/* "GET /items": its parts. In a group with a prefix the path may be missing. */
static const char *cut_method(const char *pattern, size_t *ret_method_len)
{
    size_t len = strcspn(pattern, "/");
    size_t method_len = len > 0 && pattern[len - 1] == ' ' ? len - 1 : len;

    if (!is_method(pattern, method_len) || (pattern[len] != '\0' && method_len == len && len > 0))
        return NULL;
    *ret_method_len = method_len;
    return pattern + len;
}

static struct web_endpoint *new_endpoint(hob_web *web, const char *method, size_t method_len,
                                         const char *path)
{
    struct web_endpoint *endpoint = hob__web_alloc(sizeof *endpoint);
    char                *its_method = hob__web_alloc(method_len + 1);
    char                *whole = hob__web_alloc(strlen(web->prefix) + strlen(path) + 1);

    if (endpoint == NULL || its_method == NULL || whole == NULL) {
        hob__web_free(endpoint);
        hob__web_free(its_method);
        hob__web_free(whole);
        return NULL;
    }
    memcpy(its_method, method, method_len);
    sprintf(whole, "%s%s", web->prefix, path);
    endpoint->group = web;
    endpoint->method = its_method;
    endpoint->pattern = whole;
    return endpoint;
}

static int set_params(struct web_endpoint *endpoint, const struct web_pattern *pattern)
{
    size_t count = 0;
    for (size_t i = 0; i < pattern->count; i++)
        count += pattern->at[i].kind != WEB_TEXT;
    if (count == 0)
        return 0;
    endpoint->params = hob__web_alloc(count * sizeof endpoint->params[0]);
    if (endpoint->params == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct web_segment *segment = &pattern->at[i];
        if (segment->kind == WEB_TEXT)
            continue;
        char *name = hob__web_alloc(segment->len + 1);
        if (name == NULL)
            return -ENOMEM;
        memcpy(name, segment->text, segment->len);
        endpoint->params[endpoint->param_count++] =
            (struct web_param){ name, i, segment->kind == WEB_TAIL };
    }
    return 0;
}

static void must_be_free(const struct web_node *node, const struct web_endpoint *endpoint,
                         const char *function)
{
    char sentence[500];
    for (const struct web_endpoint *other = node->endpoints; other != NULL; other = other->next_of_path) {
        if (strcmp(other->method, endpoint->method) != 0)
            continue;
        snprintf(sentence, sizeof sentence, "\"%s%s%.200s\" has a handler already, by the pattern \"%.200s\"",
                 endpoint->method, *endpoint->method != '\0' ? " " : "", endpoint->pattern, other->pattern);
        hob_mistake(function, sentence);
    }
}

static void put_in(struct web_service *service, struct web_node *node, struct web_endpoint *endpoint)
{
    struct web_endpoint **last = &node->endpoints;
    while (*last != NULL)
        last = &(*last)->next_of_path;
    *last = endpoint;
    if (service->last_endpoint != NULL)
        service->last_endpoint->next = endpoint;
    else
        service->endpoints = endpoint;
    service->last_endpoint = endpoint;
}

static struct web_endpoint *add(hob_web *web, const char *pattern, hob_http_handler *handler, void *arg,
                                const char *function)
{
    struct web_pattern parts;
    size_t             method_len = 0;

    must_be_open(web, function);
    if (web->service->error != 0)
        return NULL; // and `web` may not be the group that was meant
    if (handler == NULL)
        hob_mistake(function, "there is no handler: it is NULL");
    if (pattern == NULL)
        hob_mistake(function, "there is no pattern: it is NULL");
    const char *path = cut_method(pattern, &method_len);
    if (path == NULL)
        wrong_pattern(function, pattern, "a pattern is a method in capitals, a blank, and a path; or a path");
    struct web_endpoint *endpoint = new_endpoint(web, pattern, method_len, path);
    if (endpoint == NULL) {
        ran_out(web);
        return NULL;
    }
    const char *wrong = hob__web_pattern(endpoint->pattern, &parts);
    if (wrong != NULL)
        wrong_pattern(function, pattern, wrong);

    endpoint->handler = handler;
    endpoint->arg = arg;
    struct web_node *node = hob__web_node(web->service, &parts);
    if (node != NULL)
        must_be_free(node, endpoint, function);
    if (node == NULL || set_params(endpoint, &parts) < 0) {
        endpoint_free(endpoint);
        ran_out(web);
        return NULL;
    }
    put_in(web->service, node, endpoint);
    return endpoint;
}

void hob_web_handle(hob_web *web, const char *pattern, hob_http_handler *handler, void *arg)
{
    (void)add(web, pattern, handler, arg, "hob_web_handle");
}

void hob_web_operation(hob_web *web, const char *pattern, const hob_web_op *op, hob_http_handler *handler,
                       void *arg)
{
    if (op == NULL)
        hob_mistake("hob_web_operation", "it is not told what it takes and gives: `op` is NULL "
                                         "(hob_web_handle is for handlers without that)");
    struct web_endpoint *endpoint = add(web, pattern, handler, arg, "hob_web_operation");
    hob_web_op          *copy = endpoint != NULL ? hob__web_alloc(sizeof *copy) : NULL;

    if (copy == NULL) {
        ran_out(web);
        return;
    }
    if (*endpoint->method == '\0')
        wrong_pattern("hob_web_operation", pattern, "an operation has a method");
    *copy = *op;
    endpoint->op = copy;
    hob__web_check_op(endpoint);
}
