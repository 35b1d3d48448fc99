/* SPDX-License-Identifier: MIT */
/*
 * Numbers of a service, and their text for Prometheus (exposition format 0.0.4). Their labels are the
 * routes of the service, so there are never more of them than were put in.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "web/web.h"

static const int64_t BOUNDS_NS[TIMES] = {
    HOB_MSEC / 2, HOB_MSEC, 5 * HOB_MSEC / 2, 5 * HOB_MSEC, 10 * HOB_MSEC, 25 * HOB_MSEC,
    50 * HOB_MSEC, 100 * HOB_MSEC, 250 * HOB_MSEC, HOB_SEC, 5 * HOB_SEC, 30 * HOB_SEC,
};

static uint64_t get(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static void add(uint64_t *number, uint64_t more)
{
    __atomic_add_fetch(number, more, __ATOMIC_RELAXED);
}

void hob__web_count(struct web_numbers *numbers, int status, int64_t took_ns)
{
    size_t i = 0;
    while (i < TIMES && took_ns > BOUNDS_NS[i])
        i++;
    add(&numbers->by_class[status >= 100 && status < 600 ? status / 100 : 0], 1);
    add(&numbers->by_time[i], 1);
    add(&numbers->time_ns, (uint64_t)took_ns);
}

/* ---- as text ---- */

/* Lines are written as they are made; the first failure stays. */
struct page {
    hob_http_request *req;
    int               result;
    char              line[700];
};

static __attribute__((format(printf, 2, 3))) void put(struct page *page, const char *format, ...)
{
    va_list args;
    if (page->result < 0)
        return;
    va_start(args, format);
    int len = vsnprintf(page->line, sizeof page->line, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof page->line) {
        page->result = -EMSGSIZE;
        return;
    }
    ssize_t n = hob_http_write(page->req, page->line, (size_t)len);
    page->result = n < 0 ? (int)n : 0;
}

/* A value of a label: \, " and newlines escaped. Cut where it is too long. */
static const char *label(const char *text, char *to, size_t size)
{
    size_t at = 0;
    for (; *text != '\0' && at + 3 < size; text++) {
        if (*text == '\\' || *text == '"')
            to[at++] = '\\';
        to[at++] = *text;
    }
    to[at] = '\0';
    return to;
}

static void put_head(struct page *page, const char *name, const char *type, const char *help)
{
    put(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void labels_of(const struct web_endpoint *endpoint, char *to, size_t size)
{
    char pattern[300];
    snprintf(to, size, "method=\"%s\",route=\"%s\"", endpoint != NULL ? endpoint->method : "",
             label(endpoint != NULL ? endpoint->pattern : "", pattern, sizeof pattern));
}

static void put_requests(struct page *page, const char *labels, const struct web_numbers *numbers)
{
    for (int i = 1; i < 6; i++) {
        uint64_t n = get(&numbers->by_class[i]);
        if (n > 0)
            put(page, "hob_web_requests_total{%s,status=\"%dxx\"} %" PRIu64 "\n", labels, i, n);
    }
    if (get(&numbers->by_class[0]) > 0)
        put(page, "hob_web_requests_total{%s,status=\"none\"} %" PRIu64 "\n", labels,
            get(&numbers->by_class[0]));
}

static void put_times(struct page *page, const char *labels, const struct web_numbers *numbers)
{
    uint64_t sum = 0;
    for (int i = 0; i <= TIMES; i++)
        sum += get(&numbers->by_time[i]);
    if (sum == 0)
        return;
    sum = 0;
    for (int i = 0; i < TIMES; i++) {
        sum += get(&numbers->by_time[i]);
        put(page, "hob_web_request_seconds_bucket{%s,le=\"%g\"} %" PRIu64 "\n", labels,
            (double)BOUNDS_NS[i] / HOB_SEC, sum);
    }
    sum += get(&numbers->by_time[TIMES]);
    put(page, "hob_web_request_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", labels, sum);
    put(page, "hob_web_request_seconds_sum{%s} %.9f\n", labels, (double)get(&numbers->time_ns) / HOB_SEC);
    put(page, "hob_web_request_seconds_count{%s} %" PRIu64 "\n", labels, sum);
}

/* For each route, and for what has none. */
static void put_each(struct page *page, struct web_service *service,
                     void (*put_one)(struct page *, const char *, const struct web_numbers *))
{
    char labels[400];
    for (const struct web_endpoint *e = service->endpoints; e != NULL; e = e->next) {
        labels_of(e, labels, sizeof labels);
        put_one(page, labels, &e->numbers);
    }
    labels_of(NULL, labels, sizeof labels);
    put_one(page, labels, &service->unrouted);
}

static void put_server(struct page *page, const hob_http_stats *stats)
{
    const struct {
        const char *name, *type, *help;
        uint64_t    value;
    } all[] = {
        { "hob_http_connections", "gauge", "Connections open now.", stats->connections },
        { "hob_http_connections_idle", "gauge", "Of these, waiting for a request.", stats->idle },
        { "hob_http_requests_running", "gauge", "Requests with a task now.", stats->running },
        { "hob_http_requests_waiting", "gauge", "Of these, waiting for their clients.", stats->waiting },
        { "hob_http_connections_total", "counter", "Connections accepted.", stats->accepted },
        { "hob_http_requests_total", "counter", "Requests handed to a handler.", stats->requests },
        { "hob_http_refused_total", "counter", "Connections and requests that were too many.", stats->refused },
        { "hob_http_displaced_total", "counter", "Connections and requests that made room.", stats->displaced },
        { "hob_http_bad_total", "counter", "Requests that were none.", stats->bad },
        { "hob_http_timeouts_total", "counter", "Connections closed by a limit of time.", stats->timed_out },
        { "hob_http_failed_total", "counter", "Handlers that failed.", stats->failed },
        { "hob_http_gone_total", "counter", "Clients that went away meanwhile.", stats->gone },
        { "hob_http_writes_total", "counter", "Writes to connections.", stats->writes },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        put_head(page, all[i].name, all[i].type, all[i].help);
        put(page, "%s %" PRIu64 "\n", all[i].name, all[i].value);
    }
}

static int show_metrics(hob_http_request *req, void *arg)
{
    struct web_service *service = arg;
    struct page         page = { .req = req };
    hob_http_stats      stats = { 0 };

    HOB_TRY(hob__web_server_stats(service, &stats));
    HOB_TRY(hob_http_begin(req, 200, "text/plain; version=0.0.4; charset=utf-8", -1));
    put_head(&page, "hob_web_requests_total", "counter", "Requests answered, by route.");
    put_each(&page, service, put_requests);
    put_head(&page, "hob_web_request_seconds", "histogram", "Their times, by route.");
    put_each(&page, service, put_times);
    put_head(&page, "hob_web_requests_running", "gauge", "Requests on their way now.");
    put(&page, "hob_web_requests_running %" PRId64 "\n", __atomic_load_n(&service->running, __ATOMIC_RELAXED));
    if (service->shard_count > 0)
        put_server(&page, &stats);
    return page.result;
}

void hob_web_add_metrics(hob_web *web)
{
    hob_web_handle(web, "GET /metrics", show_metrics, web->service);
}
