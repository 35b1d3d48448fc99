/* SPDX-License-Identifier: MIT */
/*
 * The framework's inside: what its files share.
 *
 *     service.c  puts a service together: groups, middleware, handlers
 *     path.c     patterns and paths; bytes only         route.c   finds the handler of a path
 *     answer.c   a request on its way: middleware, the handler, what has none
 *     typed.c    what an operation takes and gives      error.c   what goes wrong
 *     openapi.c, docs.c   the documentation             numbers.c, health.c   how it is
 *     log.c, limit.c, cors.c, auth.c, etag.c, gzip.c    middleware
 *     call.c     a client without a socket              serve.c   listens, drains, reloads
 *
 *     hob_http_serve ─▶ hob_web_answer ─▶ middleware ─▶ ... ─▶ the handler
 *                             │                 each by hob_web_next
 *                             └ a struct web_ctx on its stack: found again by a note of the request
 *
 * A service does not change while it serves, so workers share it without locks; numbers are atomic.
 */
#ifndef HOB_WEB_WEB_H
#define HOB_WEB_WEB_H

#include <stdbool.h>

#include "hob/task.h"
#include "hob/time.h"
#include "hob/web.h"
#include "web/path.h"

/* ---- memory.c ---- */

extern long hob__web_fail_at; /* for tests: the allocation of that number from now on fails; 0 */

void *hob__web_alloc(size_t size); /* NULL when there is none; all zero */
void *hob__web_grow(void *old, size_t size);
char *hob__web_copy(const char *text);
void  hob__web_free(void *ptr);

enum { ARENA_FIRST = 1024, ARENA_BLOCK = 4096 };

/* Bytes that are freed together. The first of them lie in the arena itself. */
struct web_arena {
    struct web_block *blocks;
    char             *at;
    size_t            left, taken, max;
    _Alignas(16) char first[ARENA_FIRST];
};

void  hob__web_arena_begin(struct web_arena *arena, size_t max);
void *hob__web_arena_alloc(struct web_arena *arena, size_t size);
void  hob__web_arena_end(struct web_arena *arena);

/* ---- numbers.c ---- */

enum { TIMES = 12 }; /* bounds of times, and one more for what is over the last */

/* Of a route, by all workers. */
struct web_numbers {
    uint64_t by_class[6]; /* 1xx to 5xx; 0: no answer was sent */
    uint64_t by_time[TIMES + 1];
    uint64_t time_ns; /* in all */
};

struct hob_web;
struct web_ctx;

/* ---- service.c ---- */

struct web_step {
    hob_http_handler *fn;
    void             *arg;
};

struct web_param {
    const char *name;
    size_t      segment;
    bool        is_tail;
};

/* A method of a path, and who answers it. */
struct web_endpoint {
    struct web_endpoint *next_of_path, *next;
    hob_web             *group;
    const char          *method; /* "": any other */
    const char          *pattern;
    hob_http_handler    *handler;
    void                *arg;
    const hob_web_op    *op; /* NULL: it is not described */
    struct web_param    *params;
    size_t               param_count;
    struct web_numbers   numbers;
};

/* A node of the tree of routes: route.c. */
struct web_node {
    const char          *text;
    size_t               len;
    struct web_node    **children; /* by length and bytes */
    size_t               child_count;
    struct web_node     *param, *tail;
    struct web_endpoint *endpoints; /* of the path that ends here */
};

struct hob_web {
    struct web_service *service;
    hob_web            *parent, *next; /* next: all groups of the service */
    char               *prefix;
    struct web_pattern  below;         /* the prefix; its texts lie in `prefix` */
    struct web_step    *own, *chain;   /* chain: those of the groups around it first */
    size_t              own_count, chain_count;
};

struct web_question;
struct web_shard;

enum { SPARES = 8 };

struct web_service {
    hob_web              root;
    hob_web_opts         opts;
    hob_web             *last_group;
    struct web_node     *tree;
    struct web_endpoint *endpoints, *last_endpoint; /* in the order in which they came */
    struct web_question *questions;
    struct web_numbers   unrouted;
    struct web_shard    *shards; /* while hob_web_serve runs */
    uint32_t             shard_count;
    void                *spares[SPARES]; /* of gzip.c: taken and given by exchange */
    int64_t              running;
    int                  error;
    bool                 is_serving, drains;
};

/* An option of the service's, or its default. */
#define OR_ELSE(value, normal) ((value) != 0 ? (value) : (normal))

/* ---- route.c ---- */

/* The node of a pattern, made if it is not there. NULL: out of memory. */
struct web_node *hob__web_node(struct web_service *service, const struct web_pattern *pattern);

/* The node of a path that has an endpoint; NULL: there is none. */
const struct web_node *hob__web_find(const struct web_node *tree, const struct web_path *path);
void hob__web_tree_free(struct web_node *node);

/* ---- answer.c ---- */

struct web_ctx {
    hob_http_note              note;
    hob_http_request          *req;
    struct web_service        *service;
    const struct web_node     *node;     /* NULL: nothing fits, or the path is none */
    const struct web_endpoint *endpoint; /* NULL: as above, or it lacks the method  */
    struct web_endpoint       *counted;  /* whose numbers these are                 */
    const hob_web             *group;
    size_t                     step;
    int                        path_status; /* of a path that is none: 400 */
    int                        logged;      /* the failure that is in the log; 0: none */
    hob_scope                 *scope;
    void                      *in_path, *in_query, *in_body;
    hob_json_memory            memory;
    struct web_path            path;
    struct web_arena           arena;
};

struct web_ctx *hob__web_ctx(const hob_http_request *req, const char *function);

/* The methods of a path, as in Allow. NULL: out of memory. */
const char *hob__web_allow(struct web_ctx *ctx);

/* ---- error.c ---- */

struct web_problem_error {
    char *in, *path, *words;
};

/* As hob_web_error, with a list of what is wrong. */
int hob__web_problem(hob_http_request *req, int status, const char *detail,
                     struct web_problem_error *errors, size_t count);
extern hob_json_table hob__web_problem_json;

/* ---- typed.c ---- */

/* Stops the program unless the operation's tables are fit for its pattern. */
void hob__web_check_op(const struct web_endpoint *endpoint);

/* Parses what came. 1: all is there; 0: it was answered that it is not; or a negative error. */
int hob__web_take_in(struct web_ctx *ctx);
void hob__web_let_go(struct web_ctx *ctx); /* frees what is not in the arena */

/* ---- numbers.c ---- */

void hob__web_count(struct web_numbers *numbers, int status, int64_t took_ns);

/* ---- gzip.c ---- */

void hob__web_spares_free(struct web_service *service);

/* ---- serve.c ---- */

/* Sums up what the servers of all workers have counted. Waits. */
int hob__web_server_stats(struct web_service *service, hob_http_stats *ret_stats);

/* ---- health.c ---- */

void hob__web_questions_free(struct web_service *service);

#endif
