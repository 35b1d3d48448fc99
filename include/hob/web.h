/* SPDX-License-Identifier: MIT */
/*
 * A framework for web services: routes, middleware, typed handlers that document themselves.
 *
 *     static int show_item(hob_http_request *req, void *arg)
 *     {
 *         struct shop *shop = arg;
 *         struct item_key *key = hob_web_path(req);          // "/items/7": { .id = 7 }, checked
 *         struct item *item = shop_find(shop, key->id);
 *
 *         if (item == NULL)
 *             return hob_web_error(req, 404, "no such item");
 *         return hob_web_reply(req, 200, item);               // as JSON, by the table item_json
 *     }
 *
 *     static int serve(void *arg)
 *     {
 *         hob_addr here = hob_addr_loopback(8080);
 *         hob_web *web;
 *
 *         HOB_TRY(hob_web_new(&(hob_web_opts){ .title = "Shop" }, &web));
 *         HOB_DEFER(free_web, web);
 *         hob_web_use(web, hob_web_log, NULL);
 *         hob_web_operation(web, "GET /items/{id}", &(hob_web_op){ .path = item_key_json,
 *                           .reply = item_json, .summary = "Shows an item" }, show_item, &shop);
 *         hob_web_add_docs(web);                               // /openapi.json and /docs
 *         return hob_web_serve(web, &here, NULL);
 *     }
 *
 * A library of its own: not part of hob.h; link libhob-web (pkg-config). It stands on hob/http.h and
 * hob/json.h.
 *
 * Handlers and middleware are those of hob/http.h: any of its functions can be called in them. A
 * middleware is a handler that calls hob_web_next.
 *
 * A service is put together first, by one thread, and does not change when requests come; then any
 * number of workers answer with it. So what an `arg` points to is used by several threads, unless
 * HOB_WORKERS or hob_run_opts.workers is 1: of Hob's things, those fit for it are said to be so (a
 * hob_static, sessions, rates, topics, feeds, locks, pools), and others belong to one worker:
 * hob_web_serve_opts.begin makes one for each. What is said while it is put together (an `arg`, options, texts in
 * them) is lent until hob_web_free; patterns, prefixes and hob_web_op are copied. A mistake in it (two
 * handlers for one route, a pattern that is none) stops the program with a sentence. If memory runs out
 * meanwhile the functions go on, and hob_web_check says so, as hob_web_serve does.
 *
 * A handler that returns an error gets an answer that says no more than its status: 500 Internal
 * Server Error, say; what it was goes to the log.
 */
#ifndef HOB_WEB_H
#define HOB_WEB_H

#include "hob/http.h"
#include "hob/json.h"
#include "hob/rate.h"

HOB_BEGIN_DECLS

typedef struct hob_web hob_web; /* a service, or a group of its routes */

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_web_opts {
    const char *title, *version, *about; /* for the documentation; NULL: "Service", "0", none   */
    size_t      request_bytes_max; /* of memory by hob_web_alloc, for a request; 0: 4 MiB       */
    size_t      body_bytes_max;    /* of a typed body; 0: 1 MiB; then 413                       */
} hob_web_opts;

/* Makes a service, without routes. Does not wait. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_web_new(const hob_web_opts *opts, hob_web **ret_web);

/* Frees it with its groups, when it no longer serves; NULL is fine. Does not wait. */
HOB_API void hob_web_free(hob_web *web);

/* ---- routes: none of these waits ---- */

/* Has the handler answer what fits the pattern: a method, a blank, and a path of
 *     items       a segment with just this text
 *     {id}        a segment that is not empty: hob_web_param(req, "id")
 *     {rest...}   at the end: all that follows, also nothing, also several segments
 * Without a method it takes all that have no handler of their own. GET is HEAD, too. Of several
 * patterns that fit a path the one wins whose first difference is a text, then a {segment}, then
 * {rest...}; only then is the method looked at.
 *
 * Segments are compared when they are decoded: "/a%2Fb" is one segment, "a/b". A path that is not
 * well-formed gets 400: bad escapes, what decodes to control characters, to no UTF-8, or to "." or
 * ".."; and, in {rest...}, escaped slashes and segments that are empty, so that what comes is a
 * relative path that leads down. A path without a handler gets 404; a method without one, 405 with
 * Allow; OPTIONS, 204 with Allow. "/items" and "/items/" are two paths. */
HOB_API void hob_web_handle(hob_web *web, const char *pattern, hob_http_handler *handler, void *arg);

/* A group of routes below a prefix, such as "/api/v1" ("": none), with middleware of its own. It
 * belongs to `web`, and may have groups, too. */
HOB_API hob_web *hob_web_group(hob_web *web, const char *prefix);

/* Puts a middleware before all handlers of the service or the group, whenever they are added: those
 * of the service first, then those of the group, each in the order in which they were added. It
 * calls hob_web_next, or answers itself. Those of the service also see what has no route; those of a
 * group, what is below its prefix. */
HOB_API void hob_web_use(hob_web *web, hob_http_handler *middleware, void *arg);

/* Whether it could be put together: 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_web_check(const hob_web *web);

/* ---- serving ---- */

/* Answers a request: the handler for hob_http_serve and its kin; `web` is a hob_web *. */
HOB_API HOB_MUST_USE int hob_web_answer(hob_http_request *req, void *web);

typedef struct hob_web_serve_opts {
    const hob_http_opts       *http;   /* `stats` is the service's                              */
    const hob_tcp_listen_opts *listen;
    int64_t drain_ns; /* after SIGTERM or SIGINT: how long it is served on while hob_web_is_ready is
                         0, so that those who balance load go elsewhere first; 0: not at all    */

    /* Called once, when all listen, with the address; must not wait. NULL: nobody asks. */
    void (*listening)(void *arg, const hob_addr *addr);

    /* Called for each SIGHUP; may wait. Its failure is logged, and all stays as it was. NULL: SIGHUP
     * is left alone. */
    int (*reload)(void *arg);

    /* Called on each worker before it serves, and when it serves no longer and all it had is answered: for
     * what belongs to one worker (a hob_fetch client, a hob_cache, a connection to a database), which
     * handlers find by hob_worker_number(). `scope` is for what it starts: a failure in it ends
     * hob_web_serve, and it is cancelled after `end`. May wait; `end` in a HOB_SHIELD, as the run may
     * stop. A failure of `begin` ends hob_web_serve; `end` is called where `begin` gave 0. NULL: neither. */
    int (*begin)(void *arg, hob_scope *scope);
    void (*end)(void *arg);
    void *arg; /* of all of them */
} hob_web_serve_opts;

/* Serves on `addr`, with a listener on each worker (hob_tcp_serve_sharded). When all listen and
 * have begun it calls hob_ready with the address. Waits. Returns 0 when the run stops (hob/stop.h) and what had begun is
 * answered, or as hob_tcp_serve_sharded and hob_web_check. */
HOB_API HOB_MUST_USE int hob_web_serve(hob_web *web, const hob_addr *addr,
                                       const hob_web_serve_opts *opts);

/* ---- in handlers and middleware: none of these waits but hob_web_next ---- */

/* In a middleware: lets the next one, at last the handler, answer. What was set of headers
 * by then is in the answer also when that fails. Returns what that returned. A handler's failure was
 * answered by then, unless something of an answer was sent already: then the error comes through, and
 * is to be returned. */
HOB_API HOB_MUST_USE int hob_web_next(hob_http_request *req);

/* A parameter of the pattern, decoded; NULL: there is none of that name. */
HOB_API const char *hob_web_param(hob_http_request *req, const char *name);

/* The pattern, without a method; "" when no route fits. */
HOB_API const char *hob_web_pattern(const hob_http_request *req);

/* The service that answers. */
HOB_API hob_web *hob_web_of(const hob_http_request *req);

/* A scope around the handler alone: what is started in it is waited for before the middleware goes
 * on, and its failure is the handler's. (What is in hob_http_scope may live longer, and must use
 * neither the answer nor what is below.) NULL in a middleware. */
HOB_API hob_scope *hob_web_scope(const hob_http_request *req);

/* Memory that is freed with the request. NULL when there is no more, or too much was taken: a
 * handler returns -ENOMEM then. Aligned for anything, not cleared. */
HOB_API void *hob_web_alloc(hob_http_request *req, size_t size);
HOB_API char *hob_web_printf(hob_http_request *req, const char *format, ...) HOB_PRINTF(2, 3);
HOB_API const hob_json_memory *hob_web_memory(hob_http_request *req); /* the same, for hob/json.h */

/* An answer about something that went wrong: `status` of 400 and up, and `detail` in words for
 * people, or NULL. As a page if the client asks for HTML, else as "application/problem+json"
 * (RFC 9457). Returns as hob_http_reply, or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_web_error(hob_http_request *req, int status, const char *detail);

/* An object as JSON, by a table. Returns as hob_http_reply; -ENOMEM; or HOB_EJSON: it does not fit its
 * table, which is logged. */
HOB_API HOB_MUST_USE int hob_web_reply_json(hob_http_request *req, int status, hob_json_table *table,
                                            const void *obj);

/* ---- typed handlers ---- */

/* Another answer than the usual one, for the documentation. */
typedef struct hob_web_other {
    int             status;
    const char     *about;
    hob_json_table *table; /* NULL: a problem, as by hob_web_error */
} hob_web_other;

/* What an operation takes and gives, by tables of hob/json.h. All zero means: nothing. */
typedef struct hob_web_op {
    hob_json_table *path;  /* one field for each parameter of the pattern      */
    hob_json_table *query; /* fields of texts, numbers, enums, and arrays of them */
    hob_json_table *body;  /* of JSON                                          */
    hob_json_table *reply; /* what hob_web_reply takes                         */
    int             status; /* of the usual answer; 0: 200, or 204 without a reply */
    const hob_web_other *others;
    size_t               other_count;

    const char *id;      /* operationId; NULL: made from the pattern */
    const char *summary, *about, *tag;
    const char *auth;    /* "basic" or "bearer", for the documentation; NULL: none */
    unsigned    deprecated : 1;
    unsigned    hidden : 1; /* not in the documentation */
} hob_web_op;

/* As hob_web_handle, for an operation: its pattern has a method. When the handler is called, all that
 * `op` describes was parsed and is within its limits; else the client gets an answer that names each
 * field and what is wrong with it (422), or says that it is no JSON (400), too long or too deep (413), or of
 * another type or compressed (415). */
HOB_API void hob_web_operation(hob_web *web, const char *pattern, const hob_web_op *op,
                               hob_http_handler *handler, void *arg);

/* What came: structs of the tables, which live as long as the request. NULL: there is no table. */
HOB_API void *hob_web_path(const hob_http_request *req);
HOB_API void *hob_web_query(const hob_http_request *req);
HOB_API void *hob_web_body(const hob_http_request *req);

/* An answer by the table `reply` of the operation. As hob_web_reply_json. */
HOB_API HOB_MUST_USE int hob_web_reply(hob_http_request *req, int status, const void *obj);

/* Adds GET /openapi.json (OpenAPI 3.1), made from the operations of the whole service, and GET /docs: a
 * page that shows them and calls them, and needs nothing from elsewhere. */
HOB_API void hob_web_add_docs(hob_web *web);

/* The same document. May be called when all routes are there. Returns 0; -ENOMEM; and the caller has
 * to json_decref it. Does not wait. */
HOB_API HOB_MUST_USE int hob_web_openapi(const hob_web *web, struct json_t **ret_document);

/* ---- middleware: functions for hob_web_use; their options are lent ---- */

/* Logs each answer (hob/log.h): method, path, status (0: it was cut off), bytes, time, client. Where there are more than 1000
 * a second, hob_log_opts.site_per_s lets more of them through. */
HOB_API HOB_MUST_USE int hob_web_log(hob_http_request *req, void *none);

/* Gives each request an id, of 32 hexadecimal digits: the header X-Request-Id of the answer, a
 * task-local that goes with each line of the log, and hob_web_request_id(). With `arg` not NULL, what
 * the client sent is taken if it is up to 64 letters, digits and -_. characters. */
HOB_API HOB_MUST_USE int hob_web_id(hob_http_request *req, void *arg);
HOB_API const char      *hob_web_request_id(void); /* of this task's request; NULL: none */

/* Cancels the handler with -ETIMEDOUT when the time is over and it has not begun to answer: 503. An answer that
 * has begun is bounded by hob_http_opts alone (request_ns, bytes_per_s_min), and events and WebSockets go on
 * for as long as they like. Reading the request's body counts, so uploads have a group without it. `arg` is a
 * const int64_t *, the time in nanoseconds. */
HOB_API HOB_MUST_USE int hob_web_timeout(hob_http_request *req, void *arg);

/* Which pages of other origins may read the answers (the CORS protocol of the Fetch standard). */
typedef struct hob_web_cors_opts {
    const char *const *origins; /* "https://example.org", ..., NULL; NULL: all, without credentials */
    const char *methods; /* for a preflight; NULL: those that the path has                    */
    const char *headers; /* that may be sent; NULL: "Content-Type, Authorization"             */
    const char *exposed; /* headers of the answer that may be read; NULL: only the usual      */
    int         max_age_s;       /* how long a preflight is good; 0: 600                      */
    unsigned    credentials : 1; /* cookies and so on; only with `origins`                    */
} hob_web_cors_opts;

HOB_API HOB_MUST_USE int hob_web_cors(hob_http_request *req, void *opts); /* NULL: the defaults */

/* Lets through so many requests of each client: others get 429 with Retry-After. */
typedef struct hob_web_limit_opts {
    hob_rates *rates; /* of hob/rate.h: how many, in how long, of how many clients at a time */
    /* Writes who it is into `key` and returns the length. NULL: the address of the connection, of
     * IPv6 its first 64 bits; those that have no address (hob_http_serve_stream) are one client. */
    size_t (*client)(hob_http_request *req, char *key, size_t size);
} hob_web_limit_opts;

HOB_API HOB_MUST_USE int hob_web_limit(hob_http_request *req, void *opts);

/* Lets through who can say who they are: others get 401. */
typedef struct hob_web_auth_opts {
    const char *realm; /* NULL: "service" */
    /* One of these; may wait. 1: it is them; 0: it is not; or a negative error. To compare what is
     * secret, hob_web_same. */
    int (*basic)(hob_http_request *req, void *arg, const char *user, const char *password);
    int (*bearer)(hob_http_request *req, void *arg, const char *token);
    void *arg;
} hob_web_auth_opts;

HOB_API HOB_MUST_USE int hob_web_auth(hob_http_request *req, void *opts);

/* Whether two texts are equal: 1 or 0. How long it takes depends on the length of `given` alone. */
HOB_API int hob_web_same(const char *secret, const char *given);

/* Gives answers to GET an ETag, made from their bytes, and 304 to who has them. Not those that have one,
 * that are longer than 1 MiB, or of unknown length. */
HOB_API HOB_MUST_USE int hob_web_etag(hob_http_request *req, void *none);

typedef struct hob_web_gzip_opts {
    int      level;     /* 1 to 9; 0: 4                         */
    uint32_t bytes_min; /* of an answer whose length is known; 0: 1000 */
} hob_web_gzip_opts;

/* Compresses answers of text (HTML, JSON, XML, JavaScript, SVG and so on) for who takes gzip; also
 * those that go on for long: hob_http_flush sends all. Below hob_web_etag, if both are used: added
 * before it. Not for pages that have a secret beside what a client can choose (BREACH). */
HOB_API HOB_MUST_USE int hob_web_gzip(hob_http_request *req, void *opts); /* NULL: the defaults */

/* ---- health and numbers ---- */

/* Adds GET /healthz, which is 200 while requests are answered at all, and GET /readyz, which is 503
 * when the service drains or one of the questions below is answered by an error. */
HOB_API void hob_web_add_health(hob_web *web);

/* A question for /readyz: 0 means ready. Asked in a task of its own with 2 s to answer. */
HOB_API void hob_web_ready_when(hob_web *web, const char *name, int (*ready)(void *arg), void *arg);

/* Whether it takes requests, and is not about to stop. Does not wait. */
HOB_API int hob_web_is_ready(const hob_web *web);

/* Adds GET /metrics, in the text format of Prometheus: requests and their times by route, those that
 * run, and what hob_http_stats counts on each worker of hob_web_serve. */
HOB_API void hob_web_add_metrics(hob_web *web);

/* ---- tests ---- */

/* What came back. */
typedef struct hob_web_got {
    int    status;
    char  *head;     /* "Name: value" lines, as they came, with CRLF */
    char  *body;     /* with a NUL behind it                          */
    size_t body_len;
} hob_web_got;

typedef struct hob_web_call_opts {
    const char *headers; /* more of them, each with its CRLF                             */
    const char *type;    /* of the body; NULL: "application/json"                       */
    const char *body;    /* NULL: none                                                  */
    size_t      body_len; /* 0: up to its NUL                                           */
    const hob_http_opts *http;
} hob_web_call_opts;

/* Asks the service, without a socket: over a pair of streams in memory. Waits. Returns 0, and the
 * answer is to be freed; or -ENOMEM, -ECANCELED, -ETIMEDOUT; HOB_EOF: the answer was cut off;
 * HOB_EHTTP: it is none. */
HOB_API HOB_MUST_USE int hob_web_call(hob_web *web, const char *method, const char *target,
                                      const hob_web_call_opts *opts, hob_web_got *ret_got);

/* A header of it, into `buf`; which it gives back, or NULL: there is none, or no room. */
HOB_API const char *hob_web_got_header(const hob_web_got *got, const char *name, char *buf,
                                       size_t size);
HOB_API void hob_web_got_free(hob_web_got *got); /* zeroes it; for zero it does nothing */

HOB_END_DECLS

#endif
