/* SPDX-License-Identifier: MIT */
/*
 * One WebSocket's stream of HTTP/2: an extended CONNECT (RFC 8441), and the bytes both ways behind it.
 *
 * What comes lies in s->in, at most the window of the stream. What goes is lent to nghttp2 for as long as the call
 * waits: a frame of DATA is made of it at once, with all of its bytes, or not at all. So who is cancelled takes
 * back what did not go.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wsopen/link.h"

enum { FIELDS_MAX = 64, PATH_BYTES = 8192, TEXTS_BYTES = 24576, KEPT_BYTES = 4096 };

static struct link_stream *below(hob_stream *stream)
{
    return (struct link_stream *)stream;
}

/* Why nothing more goes or comes; 0: it does. */
static int broken(const struct link_stream *s)
{
    if (s->error != 0)
        return s->error;
    if (s->is_closed)
        return -ECONNRESET;
    return s->link->error;
}

/* ---- reading ---- */

static bool can_read(void *arg)
{
    const struct link_stream *s = arg;
    return s->in_begin < s->in_end || s->has_ended || broken(s) != 0;
}

static size_t take(struct link_stream *s, void *buf, size_t len)
{
    size_t n = s->in_end - s->in_begin < len ? s->in_end - s->in_begin : len;

    memcpy(buf, s->in + s->in_begin, n);
    s->in_begin += n;
    if (s->in_begin == s->in_end) {
        s->in_begin = s->in_end = 0;
        if (s->in_cap > KEPT_BYTES) {
            free(s->in);
            s->in = NULL;
            s->in_cap = 0;
        }
    }
    if (broken(s) == 0 && !s->has_ended) {
        (void)!nghttp2_session_consume_stream(s->link->session, s->id, n); // if it is gone it is no matter
        hob__link_flush(s->link);
    }
    return n;
}

static ssize_t link_read(hob_stream *stream, void *buf, size_t len)
{
    struct link_stream *s = below(stream);

    HOB_TRY(hob_cancelled());
    if (len == 0)
        return 0;
    if (s->hearer != NULL)
        hob_mistake("hob_stream_read", "another task reads from this stream; one at a time");
    if (!can_read(s))
        HOB_TRY(hob__link_wait(s->link, &s->link->hearers, &s->hearer, can_read, s));
    if (s->in_begin < s->in_end)
        return (ssize_t)take(s, buf, len);
    return s->has_ended ? 0 : broken(s);
}

/* As much as may lie here; before our settings have come it is what HTTP/2 begins with. */
static size_t window_of(const hob_ws_link *link)
{
    return link->window_bytes < 65535 ? 65535 : link->window_bytes;
}

/* What is on its way for it comes all the same, and nghttp2 tells of none of it. */
static void reset(struct link_stream *s, uint32_t code)
{
    (void)!nghttp2_submit_rst_stream(s->link->session, NGHTTP2_FLAG_NONE, s->id, code);
    s->link->strange -= 2 * (int64_t)window_of(s->link); // with the heads of its frames
}

static void fail(struct link_stream *s, int error, uint32_t code)
{
    s->error = error;
    reset(s, code);
    hob__link_stream_ended(s);
}

static bool make_room(struct link_stream *s, size_t len)
{
    if (s->in_begin > 0) {
        memmove(s->in, s->in + s->in_begin, s->in_end - s->in_begin);
        s->in_end -= s->in_begin;
        s->in_begin = 0;
    }
    if (s->in_cap - s->in_end >= len)
        return true;
    size_t cap = s->in_cap < 512 ? 512 : s->in_cap * 2;
    if (cap < s->in_end + len)
        cap = s->in_end + len;
    char *in = hob__link_fails() ? NULL : realloc(s->in, cap);
    if (in == NULL)
        return false;
    s->in = in;
    s->in_cap = cap;
    return true;
}

void hob__link_stream_data(struct link_stream *s, const uint8_t *data, size_t len)
{
    if (s->is_parting || s->error != 0)
        return; // nobody will read it: the window stays as it is
    if (s->in_end - s->in_begin + len > window_of(s->link)) { // nghttp2 shows it, and resets the stream when it can
        fail(s, -EPROTO, NGHTTP2_FLOW_CONTROL_ERROR);
        return;
    }
    if (!make_room(s, len)) {
        fail(s, -ENOMEM, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    memcpy(s->in + s->in_end, data, len);
    s->in_end += len;
    hob__link_wake(s->hearer);
}

/* ---- writing ---- */

struct loan {
    struct link_stream *s;
    size_t              len;
};

/* Some of it was taken, and all that was is sent. */
static bool has_gone(void *arg)
{
    const struct loan *loan = arg;
    return (loan->s->lent_len < loan->len && loan->s->sent_at <= loan->s->link->sent) || broken(loan->s) != 0;
}

static ssize_t link_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    struct link_stream *s = below(stream);
    struct loan         loan = { s, 0 };

    HOB_TRY(hob_cancelled());
    if (broken(s) != 0 || s->is_ending)
        return broken(s) != 0 ? broken(s) : -EPIPE;
    if (s->sender != NULL)
        hob_mistake("hob_stream_write", "another task writes to this stream; one at a time");
    for (int i = 0; i < count; i++)
        loan.len += pieces[i].iov_len;
    if (loan.len == 0)
        return 0;
    s->lent = pieces;
    s->lent_at = 0;
    s->lent_len = loan.len;
    (void)!nghttp2_session_resume_data(s->link->session, s->id); // fails if it does not wait for that
    int    r = hob__link_wait(s->link, &s->link->senders, &s->sender, has_gone, &loan);
    size_t gone = loan.len - s->lent_len;
    s->lent = NULL;
    s->lent_len = 0;
    return gone > 0 ? (ssize_t)gone : r < 0 ? r : broken(s);
}

static ssize_t link_write_some(hob_stream *stream, const void *buf, size_t len)
{
    struct iovec piece = { (void *)(uintptr_t)buf, len };
    return link_writev_some(stream, &piece, 1);
}

static ssize_t link_write(hob_stream *stream, const void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = link_write_some(stream, (const char *)buf + done, len - done);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)len;
}

/* ---- its end ---- */

void hob__link_stream_ended(struct link_stream *s)
{
    if (s->is_parting && s->is_closed) {
        hob__link_stream_free(s);
        return;
    }
    hob__link_wake(s->hearer);
    hob__link_wake(s->sender);
}

/* Does not wait: the end needs no window. */
static int link_shutdown(hob_stream *stream)
{
    struct link_stream *s = below(stream);

    if (broken(s) != 0 || s->is_ending)
        return broken(s);
    s->is_ending = true;
    (void)!nghttp2_session_resume_data(s->link->session, s->id);
    hob__link_kick(s->link);
    return 0;
}

static void free_in(struct link_stream *s)
{
    free(s->in);
    s->in = NULL;
    s->in_begin = s->in_end = s->in_cap = 0;
}

/* In good order it stays until the server has let go of it; else it is reset. */
static void link_close(hob_stream *stream)
{
    struct link_stream *s = below(stream);
    hob_ws_link        *link = s->link;

    if (broken(s) == 0 && s->is_ending) {
        s->is_parting = true;
        link->parting++;
        free_in(s);
        hob__link_kick(link);
        hob__link_call_next(link);
    } else {
        hob__link_stream_free(s);
    }
    hob__link_free_if_done(link);
}

void hob__link_stream_free(struct link_stream *s)
{
    hob_ws_link *link = s->link;

    if (!s->is_closed && link->error == 0) {
        (void)!nghttp2_session_set_stream_user_data(link->session, s->id, NULL);
        reset(s, NGHTTP2_CANCEL);
    }
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        link->first = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    else
        link->last = s->prev;
    link->open--;
    link->parting -= s->is_parting;
    free_in(s);
    free(s);
    hob__link_call_next(link);
    hob__link_kick(link);
}

static const hob_stream_type TYPE = {
    .name = "a WebSocket's of a link",
    .read = link_read,
    .write_some = link_write_some,
    .write = link_write,
    .writev_some = link_writev_some,
    .shutdown = link_shutdown,
    .close = link_close,
};

/* ---- asking ---- */

struct request {
    nghttp2_nv fields[FIELDS_MAX];
    size_t     count;
    char       path[PATH_BYTES], texts[TEXTS_BYTES];
    size_t     len;
};

static char *copy(struct request *request, const char *text)
{
    size_t len = strlen(text) + 1;
    if (len > sizeof request->texts - request->len)
        return NULL;
    char *at = memcpy(request->texts + request->len, text, len);
    request->len += len;
    return at;
}

/* What HTTP/2 has no use for, or says in its own way: RFC 9113 8.2.2, 8.3.1. */
static bool is_of_http1(const char *name)
{
    static const char *const NAMES[] = { "connection", "host", "keep-alive", "proxy-connection", "te",
                                         "transfer-encoding", "upgrade", "content-length" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(name, NAMES[i]) == 0)
            return true;
    }
    return false;
}

/* A hob_ws_field_fn, and for pseudo-headers. */
static int put_field(void *arg, const char *name, const char *value)
{
    struct request *request = arg;
    char           *lower = copy(request, name), *its = copy(request, value);

    if (lower == NULL || its == NULL || request->count == FIELDS_MAX)
        return -EINVAL;
    for (char *c = lower; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    its += strspn(its, " \t");
    size_t len = strlen(its);
    while (len > 0 && (its[len - 1] == ' ' || its[len - 1] == '\t'))
        len--; // RFC 9113 8.2.1
    if (is_of_http1(lower))
        return -EINVAL;
    request->fields[request->count++] = (nghttp2_nv){ (uint8_t *)lower, (uint8_t *)its, strlen(lower), len,
                                                      NGHTTP2_NV_FLAG_NONE };
    return 0;
}

static int write_request(struct request *request, const hob_ws_link *link, const char *target,
                         const hob_ws_opts *opts)
{
    if (!hob__ws_target_is_fine(target) || strlen(target) > PATH_BYTES - 2)
        return -EINVAL;
    request->path[0] = '/';
    strcpy(request->path + (target[0] != '/'), target);
    HOB_TRY(put_field(request, ":method", "CONNECT"));
    HOB_TRY(put_field(request, ":protocol", "websocket"));
    HOB_TRY(put_field(request, ":scheme", link->is_secure ? "https" : "http"));
    HOB_TRY(put_field(request, ":path", request->path));
    HOB_TRY(put_field(request, ":authority", link->authority));
    return hob_ws_offer(opts, put_field, request);
}

static int submit(struct link_stream *s, const struct request *request)
{
    int32_t id = nghttp2_submit_request(s->link->session, NULL, request->fields, request->count, &hob__link_lent, s);
    if (id == NGHTTP2_ERR_NOMEM)
        return -ENOMEM;
    if (id < 0)
        return -EAGAIN; // there are no more numbers
    s->id = id;
    return 0;
}

static void add(struct link_stream *s)
{
    hob_ws_link *link = s->link;

    s->prev = link->last;
    if (s->prev != NULL)
        s->prev->next = s;
    else
        link->first = s;
    link->last = s;
    link->open++;
}

int hob__link_ask(hob_ws_link *link, const char *target, const hob_ws_opts *opts, struct link_answer *answer,
                  struct link_stream **ret_stream)
{
    struct request     *request = hob__link_alloc(sizeof *request);
    struct link_stream *s = hob__link_alloc(sizeof *s);
    int                 r = -ENOMEM;

    if (request != NULL && s != NULL) {
        s->stream.type = &TYPE;
        s->link = link;
        s->answer = answer;
        r = write_request(request, link, target, opts);
        if (r == 0)
            r = submit(s, request);
    }
    free(request);
    if (r < 0) {
        free(s);
        return r;
    }
    add(s);
    *ret_stream = s;
    return 0;
}
