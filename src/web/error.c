/* SPDX-License-Identifier: MIT */
/*
 * Answers about what went wrong: for programs as a problem (RFC 9457), for people as a page. They say
 * the status, and what the handler wants to be known; never what failed inside.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "hob/log.h"
#include "web/web.h"

/* ---- words ---- */

static const struct {
    int         status;
    const char *title;
} TITLES[] = {
    { 400, "Bad Request" }, { 401, "Unauthorized" }, { 402, "Payment Required" }, { 403, "Forbidden" },
    { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
    { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
    { 412, "Precondition Failed" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" },
    { 421, "Misdirected Request" }, { 422, "Unprocessable Content" }, { 423, "Locked" },
    { 425, "Too Early" }, { 426, "Upgrade Required" }, { 428, "Precondition Required" },
    { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" }, { 500, "Internal Server Error" },
    { 501, "Not Implemented" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" }, { 507, "Insufficient Storage" },
};

static const char *title_of(int status)
{
    for (size_t i = 0; i < sizeof TITLES / sizeof TITLES[0]; i++) {
        if (TITLES[i].status == status)
            return TITLES[i].title;
    }
    return "Error";
}

/* ---- as JSON ---- */

struct problem {
    char             *type, *title, *detail;
    int               status;
    struct web_problem_error *errors;
    size_t            error_count;
    bool              has_errors;
};

static HOB_JSON_TABLE_WITH(one_error_json, struct web_problem_error, HOB_JSON_ABOUT(.called = "ProblemError"),
    HOB_JSON_FIELD(in, .about = "Where: path, query or body"),
    HOB_JSON_FIELD(path, .about = "Which field; empty: all of it"),
    HOB_JSON_FIELD(words, .about = "What is wrong with it"));

HOB_JSON_TABLE_WITH(hob__web_problem_json, struct problem,
    HOB_JSON_ABOUT(.called = "Problem", .text = "What went wrong (RFC 9457)"),
    HOB_JSON_FIELD(type),
    HOB_JSON_FIELD(title),
    HOB_JSON_FIELD(status),
    HOB_JSON_FIELD(detail, .optional = 1),
    HOB_JSON_OBJECTS(errors, error_count, one_error_json, .has = HOB_JSON_FLAG(has_errors)));

static int as_json(hob_http_request *req, struct problem *problem)
{
    char *text;

    ssize_t len = hob_json_text(hob__web_problem_json, problem,
                                &(hob_json_opts){ .memory = hob_web_memory(req) }, NULL, &text);
    if (len < 0)
        return hob_http_reply_text(req, problem->status, NULL);
    return hob_http_reply(req, problem->status, "application/problem+json", text, (size_t)len);
}

/* ---- as a page ---- */

static size_t escaped(const char *text, char *to)
{
    size_t len = 0;
    for (; *text != '\0'; text++) {
        const char *as = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;"
                       : *text == '"' ? "&quot;" : NULL;
        if (as != NULL) {
            memcpy(to + len, as, strlen(as));
            len += strlen(as);
        } else {
            to[len++] = *text;
        }
    }
    to[len] = '\0';
    return len;
}

static int as_page(hob_http_request *req, const struct problem *problem)
{
    const char *detail = problem->detail != NULL ? problem->detail : "";
    char       *safe = hob_web_alloc(req, strlen(detail) * 6 + 1);
    char       *page = NULL;

    if (safe != NULL) {
        escaped(detail, safe);
        page = hob_web_printf(req, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                              "<title>%d %s</title>\n<h1>%d %s</h1>\n%s%s%s</html>\n",
                              problem->status, problem->title, problem->status, problem->title,
                              *safe != '\0' ? "<p>" : "", safe, *safe != '\0' ? "</p>\n" : "");
    }
    if (page == NULL)
        return hob_http_reply_text(req, problem->status, NULL);
    HOB_TRY(hob_http_set_header(req, "Content-Security-Policy", "default-src 'none'"));
    return hob_http_reply(req, problem->status, "text/html; charset=utf-8", page, strlen(page));
}

static bool wants_page(const hob_http_request *req)
{
    const char *accept = hob_http_header(req, "Accept");
    return accept != NULL && strcasestr(accept, "text/html") != NULL
        && strcasestr(accept, "json") == NULL;
}

int hob__web_problem(hob_http_request *req, int status, const char *detail,
                     struct web_problem_error *errors, size_t count)
{
    struct problem problem = {
        .type = "about:blank",
        .title = (char *)(uintptr_t)title_of(status),
        .detail = (char *)(uintptr_t)detail,
        .status = status,
        .errors = errors,
        .error_count = count,
        .has_errors = count > 0,
    };
    return wants_page(req) ? as_page(req, &problem) : as_json(req, &problem);
}

int hob_web_error(hob_http_request *req, int status, const char *detail)
{
    if (status < 400 || status > 599)
        hob_mistake("hob_web_error", "this is no status of an error: 400 to 599 are");
    return hob__web_problem(req, status, detail, NULL, 0);
}

/* ---- replies by tables ---- */

int hob_web_reply_json(hob_http_request *req, int status, hob_json_table *table, const void *obj)
{
    hob_json_errors errors;
    char            words[300];
    char           *text;

    ssize_t len = hob_json_text(table, obj, &(hob_json_opts){ .side = HOB_JSON_RESPONSE,
                                .bytes_max = 64 * 1024 * 1024, .memory = hob_web_memory(req) },
                                &errors, &text);
    if (len == HOB_EJSON)
        HOB_LOG(ERROR, "an answer does not fit its table", "pattern", hob_web_pattern(req), "what",
                hob_json_error_text((int)len, &errors, words, sizeof words));
    if (len < 0)
        return (int)len;
    return hob_http_reply(req, status, "application/json", text, (size_t)len);
}
