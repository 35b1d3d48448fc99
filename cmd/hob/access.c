/* SPDX-License-Identifier: MIT */
/*
 * hob serve: a line for each answer, as Apache and nginx write them, or as JSON.
 *
 * What clients send is anybody's: bytes that are not printable ASCII, quotation marks and backslashes are
 * escaped, so that a line is a line, and a field a field.
 */
#include "cmd.h"
#include "serve.h"

#include <hob.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINE = 4096, FIELD = 1500 };

/* A line that grows as far as there is room; what does not fit is left out. */
struct line {
    char   at[LINE];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->at + line->len, LINE - line->len, format, args);
    va_end(args);
    if (n > 0)
        line->len = line->len + (size_t)n < LINE ? line->len + (size_t)n : LINE - 1;
}

/* The escapes differ: \xE4 in logs, \u00e4 in JSON. */
static void put_text(struct line *line, const char *text, bool is_json)
{
    size_t end = line->len + FIELD;
    for (; *text != '\0' && line->len < end; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            put(line, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            put(line, is_json ? "\\u%04x" : "\\x%02X", c);
        else
            put(line, "%c", c);
    }
}

struct answer {
    const char *client, *method, *target, *referer, *agent; /* NULL: not known */
    int         status, error, version;
    uint64_t    bytes;
    int64_t     took_ns;
};

static void put_json_field(struct line *line, const char *name, const char *value)
{
    if (value == NULL)
        return;
    put(line, ",\"%s\":\"", name);
    put_text(line, value, true);
    put(line, "\"");
}

static void put_json(struct line *line, const struct answer *a)
{
    int64_t   now = hob_wall_now();
    time_t    seconds = (time_t)(now / HOB_SEC);
    struct tm tm;
    char      date[32];

    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    put(line, "{\"time\":\"%s.%03dZ\"", date, (int)(now / HOB_MSEC % 1000));
    put_json_field(line, "client", a->client);
    put_json_field(line, "method", a->method);
    put_json_field(line, "target", a->target);
    put(line, ",\"status\":%d,\"bytes\":%llu,\"ms\":%.3f", a->status, (unsigned long long)a->bytes,
        (double)a->took_ns / 1e6);
    put_json_field(line, "referer", a->referer);
    put_json_field(line, "agent", a->agent);
    put_json_field(line, "error", a->error < 0 ? hob_strerror(a->error) : NULL);
    put(line, "}\n");
}

static void put_quoted(struct line *line, const char *text)
{
    put(line, " \"");
    put_text(line, text != NULL ? text : "-", false);
    put(line, "\"");
}

static void put_common(struct line *line, const struct answer *a, bool is_combined)
{
    time_t    seconds = (time_t)(hob_wall_now() / HOB_SEC);
    struct tm tm;
    char      date[48];

    localtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%d/%b/%Y:%H:%M:%S %z", &tm);
    put(line, "%s - - [%s] \"", a->client != NULL ? a->client : "-", date);
    if (a->method != NULL) {
        put_text(line, a->method, false);
        put(line, " ");
        put_text(line, a->target, false);
        put(line, " HTTP/%d.%d", a->version / 10, a->version % 10);
    } else {
        put(line, "-");
    }
    put(line, "\" %d %llu", a->status, (unsigned long long)a->bytes);
    if (is_combined) {
        put_quoted(line, a->referer);
        put_quoted(line, a->agent);
    }
    put(line, "\n");
}

static void write_line(enum log_format format, const struct answer *a)
{
    struct line line = { .len = 0 };
    if (format == LOG_JSON)
        put_json(&line, a);
    else
        put_common(&line, a, format == LOG_COMBINED);
    line.at[line.len - 1] = '\n'; // also of one that was cut
    fwrite(line.at, 1, line.len, stdout);
}

/* Its address without the port. */
static const char *client_of(const hob_http_request *req, char text[static HOB_ADDR_TEXT_MAX])
{
    hob_addr addr = hob_http_peer_addr(req);
    if (addr.len == 0)
        return NULL;
    hob_addr_format(&addr, text, HOB_ADDR_TEXT_MAX);
    char *port = strrchr(text, ':');
    if (port != NULL)
        *port = '\0';
    if (text[0] != '[')
        return text;
    text[strlen(text) - 1] = '\0';
    return text + 1;
}

/* What was told. Of who went away before it was, nginx says 499, and so do those who read logs. */
enum { WENT_AWAY = 499 };

static int status_of(const hob_http_request *req, int error)
{
    int status = hob_http_status(req);
    if (status == 0)
        status = hob_http_failure_status(req, error);
    return status != 0 ? status : WENT_AWAY;
}

void access_log(enum log_format format, const hob_http_request *req, int error, int64_t took_ns)
{
    char text[HOB_ADDR_TEXT_MAX];

    if (format == LOG_NONE)
        return;
    struct answer a = {
        .client = client_of(req, text),
        .method = hob_http_method(req),
        .target = hob_http_target(req),
        .referer = hob_http_header(req, "Referer"),
        .agent = hob_http_header(req, "User-Agent"),
        .status = status_of(req, error),
        .error = error,
        .version = hob_http_version(req),
        .bytes = hob_http_answer_bytes(req),
        .took_ns = took_ns,
    };
    write_line(format, &a);
}

void access_log_bad(enum log_format format, const hob_http_record *record)
{
    if (format == LOG_NONE)
        return;
    struct answer a = { .status = record->status, .error = record->error, .bytes = record->answer_bytes,
                        .took_ns = record->took_ns };
    write_line(format, &a);
}
