/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events: HTML, 9.2.
 *
 *     publish ─▶ ring (feed.c) ─▶ each handler's task: as many as there are, in one write
 *
 * An id is the number of the feed and that of the event, "5f3a-17": so a feed knows which ids are its
 * own. Lines end with LF; a text's CR LF and CR are line ends to a browser, too, and become ours.
 */
#include "hob/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hob/frame.h"
#include "hob/lock.h"
#include "hob/runtime.h"
#include "hob/select.h"
#include "hob/stop.h"
#include "hob/task.h"
#include "hob/time.h"
#include "ws/feed.h"
#include "ws/ws.h"

enum { BATCH = 32, BATCH_BYTES = 64 * 1024, ID_MAX = 48 };

struct hob_sse_feed {
    struct feed  feed;
    uint64_t     number;
    atomic_ulong watchers;
};

/* ---- events as bytes ---- */

static bool is_line(const char *text)
{
    return text == NULL || (strpbrk(text, "\r\n") == NULL && hob_utf8_is_valid(text, strlen(text)));
}

/* Writes to `out`, if it is not NULL; returns how many bytes that is. */
static size_t put(char *out, const char *text, size_t len)
{
    if (out != NULL)
        memcpy(out, text, len);
    return len;
}

static size_t put_field(char *out, const char *name, const char *value, size_t value_len)
{
    size_t at = put(out, name, strlen(name));
    at += put(out != NULL ? out + at : NULL, ": ", 2);
    at += put(out != NULL ? out + at : NULL, value, value_len);
    return at + put(out != NULL ? out + at : NULL, "\n", 1);
}

static size_t put_event(char *out, const char *event, const char *id, const char *data)
{
    size_t at = 0;

    if (id != NULL)
        at += put_field(out, "id", id, strlen(id));
    if (event != NULL)
        at += put_field(out != NULL ? out + at : NULL, "event", event, strlen(event));
    for (bool more = true; more;) {
        size_t len = strcspn(data, "\r\n");
        at += put_field(out != NULL ? out + at : NULL, "data", data, len);
        data += len;
        more = *data != '\0';
        data += more ? 1 + (data[0] == '\r' && data[1] == '\n') : 0;
    }
    return at + put(out != NULL ? out + at : NULL, "\n", 1);
}

static struct blob *event_blob(const char *event, const char *id, const char *data)
{
    struct blob *blob = hob__blob_new(put_event(NULL, event, id, data));
    if (blob != NULL)
        put_event(blob->bytes, event, id, data);
    return blob;
}

/* ---- feeds ---- */

int hob_sse_feed_new(const hob_sse_feed_opts *opts, hob_sse_feed **ret_feed)
{
    static const hob_sse_feed_opts NONE;
    hob_sse_feed *feed = hob__ws_alloc(sizeof *feed);

    if (opts == NULL)
        opts = &NONE;
    if (feed == NULL)
        return -ENOMEM;
    int r = hob__feed_init(&feed->feed, opts->events_max != 0 ? opts->events_max : 256,
                           opts->bytes_max != 0 ? opts->bytes_max : 1048576,
                           opts->name != NULL ? opts->name : "a feed of events");
    if (r < 0) {
        free(feed);
        return r;
    }
    feed->number = hob_random();
    atomic_init(&feed->watchers, 0);
    *ret_feed = feed;
    return 0;
}

void hob_sse_feed_free(hob_sse_feed *feed)
{
    if (feed == NULL)
        return;
    if (atomic_load(&feed->watchers) > 0)
        hob_mistake("hob_sse_feed_free", "somebody is served from this feed");
    hob__feed_fini(&feed->feed);
    free(feed);
}

uint64_t hob_sse_feed_watchers(const hob_sse_feed *feed)
{
    return atomic_load(&feed->watchers);
}

/* The id has the number that it gets, so both are made with the lock; there are no others to wait for. */
struct making {
    const hob_sse_feed *feed;
    const char         *event, *data;
};

static void write_id(const hob_sse_feed *feed, uint64_t number, char out[static ID_MAX])
{
    snprintf(out, ID_MAX, "%llx-%llu", (unsigned long long)feed->number, (unsigned long long)number);
}

static struct blob *make_event(void *arg, uint64_t number)
{
    const struct making *m = arg;
    char                 id[ID_MAX];
    write_id(m->feed, number, id);
    return event_blob(m->event, id, m->data);
}

static void check_feed(const hob_sse_feed *feed, const char *function)
{
    if (feed == NULL)
        hob_mistake(function, "there is no feed: it is NULL");
}

int hob_sse_publish(hob_sse_feed *feed, const char *event, const char *data)
{
    struct making making = { feed, event, data };

    check_feed(feed, "hob_sse_publish");
    if (data == NULL)
        hob_mistake("hob_sse_publish", "there are no data: it is NULL (\"\" is an empty text)");
    if (!is_line(event) || !hob_utf8_is_valid(data, strlen(data)))
        return -EINVAL;
    if (put_event(NULL, event, NULL, data) + ID_MAX + 5 > feed->feed.bytes_max)
        return -EMSGSIZE;
    int r = hob_cancelled();
    return r < 0 ? r : hob__feed_make(&feed->feed, make_event, &making);
}

/* Where a client goes on that had this one last. False: the id is none of this feed. */
static bool behind(hob_sse_feed *feed, const char *id, uint64_t *ret_pos)
{
    char *end;
    if (id[0] < '0' || strtoull(id, &end, 16) != feed->number || end == id || *end != '-'
        || end[1] < '0' || end[1] > '9')
        return false;
    unsigned long long number = strtoull(end + 1, &end, 10);
    if (*end != '\0' || number >= hob__feed_next(&feed->feed))
        return false;
    *ret_pos = number + 1;
    return true;
}

/* ---- the answer ---- */

struct hob_sse {
    hob_http_request *req;
    hob_mutex         lock; /* a whole event, or a comment */
    int64_t           heartbeat_ns, spoken_ns;
};

/* HEAD: nothing is written, so that nobody would ever find out that the client has left. */
static bool wants_head_only(const hob_http_request *req)
{
    return strcmp(hob_http_method(req), "HEAD") == 0;
}

static int begin_answer(hob_http_request *req, const hob_sse_opts *opts)
{
    char retry[40];

    HOB_TRY(hob_http_set_header(req, "Cache-Control", "no-store"));
    HOB_TRY(hob_http_set_header(req, "X-Accel-Buffering", "no")); // nginx in front passes it on at once
    HOB_TRY(hob_http_begin(req, 200, "text/event-stream", -1));
    hob_scope_deadline(hob_http_scope(req), HOB_FOREVER);
    if (opts->retry_ns > 0) {
        int len = snprintf(retry, sizeof retry, "retry: %lld\n\n", (long long)(opts->retry_ns / HOB_MSEC));
        HOB_TRY(hob_http_write(req, retry, (size_t)len));
    }
    return 0;
}

static int64_t heartbeat_of(const hob_sse_opts *opts)
{
    if (opts->heartbeat_ns < 0 || opts->retry_ns < 0)
        hob_mistake("hob_sse_begin", "a time is negative");
    return opts->heartbeat_ns != 0 ? opts->heartbeat_ns : 15 * HOB_SEC;
}

/* ---- serving a feed ---- */

struct watch {
    hob_http_request *req;
    hob_sse_feed     *feed;
    hob_subscriber    reader;
    uint64_t          pos;
    int64_t           heartbeat_ns;
};

static int say_missed(hob_http_request *req)
{
    static const char MISSED[] = "event: missed\ndata: \n\n";
    ssize_t n = hob_http_write(req, MISSED, sizeof MISSED - 1);
    return n < 0 ? (int)n : 0;
}

/* What there is, as it comes. */
static int send_news(struct watch *w)
{
    struct blob *blobs[BATCH];
    uint64_t     lost;
    size_t       n;
    ssize_t      r = 0;

    while (r >= 0 && (n = hob__feed_take(&w->feed->feed, &w->pos, blobs, BATCH, BATCH_BYTES, &lost)) > 0) {
        if (lost > 0)
            r = say_missed(w->req);
        for (size_t i = 0; i < n; i++) {
            if (r >= 0)
                r = hob_http_write(w->req, blobs[i]->bytes, blobs[i]->len);
            hob__blob_unref(blobs[i]);
        }
    }
    return r < 0 ? (int)r : hob_http_flush(w->req);
}

/* Until there is something, for so long; or the run stops. Returns 1: something; 0: nothing. */
static int wait_for_news(struct watch *w)
{
    char something;
    int  which = HOB_SELECT_ORDERED(NULL, HOB_EVENT_WAIT(hob_stopping()), HOB_PUBLISHED(&w->reader),
                                    HOB_AFTER(w->heartbeat_ns));
    if (which == 0)
        return HOB_ESTOPPING;
    while (which == 1 && hob_subscriber_try_recv(&w->reader, &something, NULL) == 0)
        ;
    return which == 2 ? 0 : which;
}

static int watch_on(struct watch *w)
{
    for (;;) {
        HOB_TRY(send_news(w));
        if (HOB_TRY(wait_for_news(w)) == 0)
            HOB_TRY(hob_http_write(w->req, ":\n\n", 3));
    }
}

/* Who left, or was sent away at the end of the run, was served. */
static int result_of(int error)
{
    return error == -EPIPE || error == -ECONNRESET || error == HOB_ESTOPPING ? 0 : error;
}

int hob_sse_serve(hob_http_request *req, const hob_sse_opts *opts, hob_sse_feed *feed)
{
    static const hob_sse_opts NONE;
    const char *last = hob_http_header(req, "Last-Event-ID");

    check_feed(feed, "hob_sse_serve");
    if (opts == NULL)
        opts = &NONE;
    struct watch w = { .req = req, .feed = feed, .heartbeat_ns = heartbeat_of(opts) };
    hob_subscribe(feed->feed.news, &w.reader);
    w.pos = opts->replay ? 0 : hob__feed_next(&feed->feed);
    HOB_TRY(begin_answer(req, opts));
    if (wants_head_only(req))
        return 0;
    if (last != NULL && last[0] != '\0' && !behind(feed, last, &w.pos)) {
        w.pos = hob__feed_first(&feed->feed); // of another run: all that there is
        HOB_TRY(say_missed(req));
    } else if (last == NULL && opts->replay) {
        w.pos = hob__feed_first(&feed->feed);
    }
    atomic_fetch_add(&feed->watchers, 1);
    int r = watch_on(&w);
    atomic_fetch_sub(&feed->watchers, 1);
    return result_of(r);
}

/* ---- by hand ---- */

static void free_sse(void *sse)
{
    free(sse);
}

static int send_bytes(hob_sse *sse, const char *bytes, size_t len)
{
    HOB_TRY(hob_mutex_lock(&sse->lock));
    ssize_t r = wants_head_only(sse->req) ? -EPIPE : hob_http_write(sse->req, bytes, len);
    if (r >= 0)
        r = hob_http_flush(sse->req);
    sse->spoken_ns = hob_now();
    hob_mutex_unlock(&sse->lock);
    return r < 0 ? (int)r : 0;
}

/* A task beside the handler's: comments in silence, and the end of the run. */
static int beside(void *arg)
{
    hob_sse *sse = arg;

    for (;;) {
        int64_t at_ns = sse->heartbeat_ns < HOB_FOREVER - sse->spoken_ns
                            ? sse->spoken_ns + sse->heartbeat_ns : HOB_FOREVER;
        int which = HOB_SELECT_ORDERED(NULL, HOB_EVENT_WAIT(hob_stopping()), HOB_AT(at_ns));
        if (which < 0)
            return 0; // the handler has returned
        if (which == 0) {
            hob_scope_cancel(hob_http_scope(sse->req), "the run stops");
            return 0;
        }
        if (hob_now() >= sse->spoken_ns + sse->heartbeat_ns && send_bytes(sse, ":\n\n", 3) < 0)
            return 0; // the handler's next event finds out
    }
}

int hob_sse_begin(hob_http_request *req, const hob_sse_opts *opts, hob_sse **ret_sse)
{
    static const hob_sse_opts NONE;
    hob_task_opts task = { .name = "events: heartbeat", .daemon = 1 };

    if (opts == NULL)
        opts = &NONE;
    hob_sse *sse = hob__ws_alloc(sizeof *sse);
    if (sse == NULL)
        return -ENOMEM;
    memset(sse, 0, sizeof *sse);
    sse->req = req;
    sse->lock.name = "a stream of events";
    sse->heartbeat_ns = heartbeat_of(opts);
    sse->spoken_ns = hob_now();
    int r = hob_scope_defer(hob_http_scope(req), free_sse, sse);
    if (r < 0)
        return r; // and it was freed
    r = begin_answer(req, opts);
    if (r == 0)
        r = hob_http_flush(req);
    if (r == 0)
        r = hob_go_with(hob_http_scope(req), beside, sse, &task);
    if (r < 0)
        return r;
    *ret_sse = sse;
    return 0;
}

const char *hob_sse_last_id(const hob_sse *sse)
{
    return hob_http_header(sse->req, "Last-Event-ID");
}

int hob_sse_send(hob_sse *sse, const char *event, const char *id, const char *data)
{
    if (!is_line(event) || !is_line(id) || !hob_utf8_is_valid(data, strlen(data)))
        return -EINVAL;
    struct blob *blob = event_blob(event, id, data);
    if (blob == NULL)
        return -ENOMEM;
    int r = send_bytes(sse, blob->bytes, blob->len);
    hob__blob_unref(blob);
    return r;
}
