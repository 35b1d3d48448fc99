/* SPDX-License-Identifier: MIT */
/*
 * Bytes in and out.
 *
 * A body that is read in pieces, or written, goes through a window of 64 KiB. When it is full, or
 * empty, libcurl is told to pause, and by whoever reads or writes next to go on.
 */
#include <errno.h>
#include <string.h>

#include "fetch/exchange.h"
#include "fetch/memory.h"

/* ---- bytes ---- */

bool hob__fetch_bytes_room(struct fetch_bytes *bytes, size_t more)
{
    size_t held = bytes->end - bytes->begin;
    if (bytes->cap - bytes->end >= more)
        return true;
    if (bytes->begin > 0 && bytes->cap - held >= more && bytes->begin >= held) {
        memcpy(bytes->data, bytes->data + bytes->begin, held);
        bytes->begin = 0;
        bytes->end = held;
        return true;
    }
    size_t cap = bytes->cap > 0 ? bytes->cap : 1024;
    while (cap - bytes->end < more) {
        if (cap > SIZE_MAX / 4)
            return false;
        cap *= 2;
    }
    char *data = hob__fetch_realloc(bytes->data, cap);
    if (data == NULL)
        return false;
    bytes->data = data;
    bytes->cap = cap;
    return true;
}

static size_t held(const struct fetch_bytes *bytes)
{
    return bytes->end - bytes->begin;
}

static void append(struct fetch_bytes *bytes, const void *data, size_t len)
{
    if (len > 0)
        memcpy(bytes->data + bytes->end, data, len);
    bytes->end += len;
}

static size_t take(struct fetch_bytes *bytes, void *to, size_t len)
{
    size_t n = held(bytes) < len ? held(bytes) : len;
    if (n > 0)
        memcpy(to, bytes->data + bytes->begin, n);
    bytes->begin += n;
    if (bytes->begin == bytes->end)
        bytes->begin = bytes->end = 0;
    return n;
}

/* ---- in: a callback of libcurl ---- */

static size_t refuse(hob_fetch_answer *a, int error, const char *words)
{
    a->own_error = error;
    a->own_words = words;
    return CURL_WRITEFUNC_ERROR;
}

size_t hob__fetch_on_body(char *data, size_t one, size_t len, void *arg)
{
    hob_fetch_answer *a = fetch_answer_of(arg);
    (void)one; // 1
    if (a->state != FETCH_RUNNING)
        return CURL_WRITEFUNC_ERROR;
    if (!a->is_whole && !a->is_discarded && held(&a->body) > 0 && held(&a->body) + len > FETCH_WINDOW) {
        a->recv_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (a->coding == CODING_UNKNOWN)
        a->coding = hob__fetch_coding_of(a);
    if (a->coding == CODING_OTHER && !a->is_discarded)
        return refuse(a, HOB_EHTTP, "the body has a coding that was not asked for");
    bool     is_packed = a->coding == CODING_GZIP && !a->is_whole; // is counted when it is unpacked
    uint64_t most = a->is_discarded ? FETCH_DISCARD_MAX : is_packed ? UINT64_MAX : a->opts.body_bytes_max;
    if (len > most - a->body_bytes)
        return refuse(a, -EMSGSIZE, "the body is longer than body_bytes_max");
    a->body_bytes += len;
    a->client->stats.body_bytes += len;
    if (!a->is_discarded) {
        if (!hob__fetch_bytes_room(&a->body, len + 1)) // and a NUL
            return refuse(a, -ENOMEM, NULL);
        append(&a->body, data, len);
    }
    if (!a->is_whole) // who waits for all of it is told of the end
        hob_event_set(&a->in);
    return len;
}

/* ---- out: a callback of libcurl ---- */

size_t hob__fetch_on_send(char *to, size_t one, size_t len, void *arg)
{
    hob_fetch_answer *a = fetch_answer_of(arg);
    if (a->state != FETCH_RUNNING)
        return CURL_READFUNC_ABORT;
    size_t n = take(&a->to_send, to, one * len);
    if (n == 0 && !a->is_finished) {
        a->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    a->sent_bytes += n;
    a->quiet_since_ns = hob_now();
    hob_event_set(&a->out);
    return n;
}

/* ---- going on ---- */

/* After one of the pauses is over. */
static void go_on(hob_fetch_answer *a)
{
    int still = (a->recv_paused ? CURLPAUSE_RECV : 0) | (a->send_paused ? CURLPAUSE_SEND : 0);
    // It may hand over what it held, and be told to pause again.
    CURLcode code = curl_easy_pause(a->easy, still);
    if (code == CURLE_OK || a->state != FETCH_RUNNING)
        return;
    hob_fetch_step step;
    const char    *words;
    int            error = hob__fetch_error_of(a, code, &step, &words);
    hob__fetch_cut(a, error, step, words);
}

/* ---- how slow the other side may be ---- */

static bool is_too_slow(hob_fetch_answer *a, struct fetch_pace *pace, uint64_t bytes)
{
    uint64_t least = (uint64_t)(a->opts.slow_ns / HOB_MSEC) * a->opts.bytes_per_s_min / 1000;
    if (pace->waited_ns < a->opts.slow_ns)
        return false;
    bool is_slow = bytes - pace->mark < (least > 0 ? least : 1);
    pace->waited_ns = 0;
    pace->mark = bytes;
    return is_slow;
}

int hob__fetch_wait_paced(hob_fetch_answer *a, hob_event *event, struct fetch_pace *pace,
                          const uint64_t *bytes, hob_fetch_step step)
{
    // Who does not connect, or waits for what we still write, is not slow by this measure.
    bool is_ours = (a->opts.body_stream != NULL || a->opts.upload) && !a->is_finished;
    bool is_paced = a->opts.slow_ns != HOB_FOREVER && a->sendings > 0
                 && (step == HOB_FETCH_SEND || !is_ours);
    int64_t begun = hob_now(), limit = is_paced ? a->opts.slow_ns - pace->waited_ns : HOB_FOREVER;
    int64_t left = a->deadline_ns == HOB_FOREVER ? HOB_FOREVER : a->deadline_ns - begun;

    int r = hob__fetch_wait_event(event, limit < left ? limit : left);
    if (r < 0 && r != -ETIME)
        return r;
    int64_t now = hob_now();
    if (is_paced)
        pace->waited_ns += now - begun;
    if (a->state != FETCH_RUNNING)
        return 0;
    if (r == -ETIME && now >= a->deadline_ns)
        hob__fetch_cut(a, -ETIMEDOUT, step, "it took longer than all of it may");
    else if (is_paced && is_too_slow(a, pace, *bytes))
        hob__fetch_cut(a, -ETIMEDOUT, step, "the other side is too slow");
    return 0;
}

/* ---- reading ---- */

static void begin_use(bool *is_used, const char *function, const char *sentence)
{
    if (*is_used)
        hob_mistake(function, sentence);
    *is_used = true;
}

static hob_fetch_answer *answer_from(hob_fetch_answer *a, const char *function)
{
    if (a->tag != FETCH_TAG)
        hob_mistake(function, "this is no answer, or it was closed");
    return a;
}

/* It stays so: what came behind it is of no use. */
static int fail_body(hob_fetch_answer *a, int error, const char *words)
{
    hob__fetch_cut(a, error, HOB_FETCH_BODY, words);
    if (a->error == 0) { // it had ended well, as libcurl saw it
        a->error = error;
        hob__fetch_say(a, HOB_FETCH_BODY, error, words);
    }
    a->coding = CODING_NONE;
    a->body.begin = a->body.end = 0;
    return a->error;
}

static ssize_t unzip_some(hob_fetch_answer *a, void *buf, size_t len)
{
    ssize_t n = hob__fetch_unzip(a, buf, len);

    if (n < 0)
        return fail_body(a, (int)n, n == HOB_EHTTP ? "the body is not what gzip makes" : NULL);
    if ((uint64_t)n > a->opts.body_bytes_max - a->unzipped_bytes)
        return fail_body(a, -EMSGSIZE, "the body is longer than body_bytes_max");
    a->unzipped_bytes += (uint64_t)n;
    if (n == 0 && a->state == FETCH_DONE && a->error == 0 && !hob__fetch_unzip_is_whole(a))
        return fail_body(a, HOB_EHTTP, "the compressed body ends too early");
    return n;
}

int hob__fetch_unpack(hob_fetch_answer *a)
{
    struct fetch_bytes made = { .data = NULL };
    ssize_t            n;

    if (a->coding != CODING_GZIP || a->is_discarded)
        return 0;
    do {
        n = hob__fetch_bytes_room(&made, UNPACKED_AT_ONCE + 1) // and a NUL
                ? unzip_some(a, made.data + made.end, UNPACKED_AT_ONCE)
                : fail_body(a, -ENOMEM, NULL);
        made.end += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    hob__fetch_free(a->body.data);
    a->body = made;
    if (n < 0)
        a->body.end = 0;
    return (int)n;
}

/* What is there. Returns 0 when more must come, or it has ended. */
static ssize_t take_some(hob_fetch_answer *a, void *buf, size_t len)
{
    ssize_t n = a->coding == CODING_GZIP ? unzip_some(a, buf, len) : (ssize_t)take(&a->body, buf, len);
    if (a->recv_paused && held(&a->body) < FETCH_WINDOW / 2) {
        a->recv_paused = false;
        go_on(a);
    }
    return n;
}

static ssize_t read_some(hob_fetch_answer *a, void *buf, size_t len)
{
    for (;;) {
        hob_event_reset(&a->in);
        ssize_t n = take_some(a, buf, len);
        if (n != 0)
            return n;
        if (held(&a->body) > 0)
            continue; // go_on() brought more
        if (a->state == FETCH_DONE)
            return a->error;
        int r = a->is_head ? hob__fetch_wait_paced(a, &a->in, &a->in_pace, &a->body_bytes, HOB_FETCH_BODY)
                           : hob__fetch_wait_head(a);
        if (r < 0 && a->state == FETCH_RUNNING)
            return hob__fetch_cancelled(a, r);
    }
}

ssize_t hob_fetch_read(hob_fetch_answer *answer, void *buf, size_t len)
{
    hob_fetch_answer *a = answer_from(answer, "hob_fetch_read");
    if (len == 0)
        return 0;
    begin_use(&a->is_read, "hob_fetch_read", "another task reads this answer");
    ssize_t n = read_some(a, buf, len);
    a->is_read = false;
    return n;
}

int hob_fetch_wait(hob_fetch_answer *answer)
{
    hob_fetch_answer *a = answer_from(answer, "hob_fetch_wait");
    begin_use(&a->is_read, "hob_fetch_wait", "another task reads this answer");
    int r = hob__fetch_wait_head(a);
    a->is_read = false;
    return r;
}

/* ---- writing ---- */

static void send_on(hob_fetch_answer *a)
{
    if (!a->send_paused || a->state != FETCH_RUNNING)
        return;
    a->send_paused = false;
    go_on(a);
}

ssize_t hob__fetch_give(hob_fetch_answer *a, const void *data, size_t len)
{
    const char *at = data;
    size_t      left = len;
    while (left > 0) {
        hob_event_reset(&a->out);
        if (a->state == FETCH_DONE)
            return a->error < 0 ? a->error : -EPIPE;
        size_t room = FETCH_WINDOW - held(&a->to_send), n = left < room ? left : room;
        if (n == 0) {
            int r = hob__fetch_wait_paced(a, &a->out, &a->out_pace, &a->sent_bytes, HOB_FETCH_SEND);
            if (r < 0 && a->state == FETCH_RUNNING)
                return hob__fetch_cancelled(a, r);
            continue;
        }
        if (!hob__fetch_bytes_room(&a->to_send, n))
            return -ENOMEM;
        append(&a->to_send, at, n);
        at += n;
        left -= n;
        a->given_bytes += n;
        send_on(a);
    }
    return (ssize_t)len;
}

ssize_t hob_fetch_write(hob_fetch_answer *answer, const void *data, size_t len)
{
    hob_fetch_answer *a = answer_from(answer, "hob_fetch_write");
    if (!a->opts.upload || a->is_finished)
        hob_mistake("hob_fetch_write", "it was not opened with `upload`, or is finished");
    if (a->opts.body_length > 0 && len > (uint64_t)a->opts.body_length - a->given_bytes)
        return -EMSGSIZE;
    begin_use(&a->is_written, "hob_fetch_write", "another task writes to this exchange");
    ssize_t n = hob__fetch_give(a, data, len);
    a->is_written = false;
    return n;
}

int hob__fetch_close_body(hob_fetch_answer *a)
{
    if (a->is_finished)
        return a->error;
    if (a->opts.body_length > 0 && a->given_bytes < (uint64_t)a->opts.body_length) {
        hob__fetch_cut(a, -EPROTO, HOB_FETCH_SEND, "the body is shorter than its length");
        a->is_finished = true;
        return a->error < 0 ? a->error : 0; // there is an answer, and nobody waits for the rest
    }
    a->is_finished = true;
    a->quiet_since_ns = hob_now();
    send_on(a);
    hob_event_set(&a->in); // the limit of the head counts from here
    return a->error;
}

int hob_fetch_finish(hob_fetch_answer *answer)
{
    hob_fetch_answer *a = answer_from(answer, "hob_fetch_finish");
    if (!a->opts.upload)
        hob_mistake("hob_fetch_finish", "it was not opened with `upload`");
    return hob__fetch_close_body(a);
}

/* ---- from a stream ---- */

static ssize_t pump_some(hob_fetch_answer *a, char *buf, size_t size)
{
    size_t want = size;
    if (a->opts.body_length > 0 && (uint64_t)a->opts.body_length - a->given_bytes < want)
        want = (size_t)((uint64_t)a->opts.body_length - a->given_bytes);
    ssize_t n = want > 0 ? hob_stream_read(a->opts.body_stream, buf, want) : 0;
    if (n <= 0) {
        if (n < 0 && hob_cancelled() == 0)
            hob__fetch_cut(a, (int)n, HOB_FETCH_SEND, "the stream of the request's body failed");
        return n;
    }
    return hob__fetch_give(a, buf, (size_t)n);
}

int hob__fetch_pump(void *arg)
{
    hob_fetch_answer *a = arg;
    enum { PIECE = 16384 };
    char   *buf = hob__fetch_realloc(NULL, PIECE);
    ssize_t n = buf != NULL ? 1 : -ENOMEM;
    if (buf == NULL)
        hob__fetch_cut(a, -ENOMEM, HOB_FETCH_SEND, NULL);
    while (n > 0)
        n = pump_some(a, buf, PIECE);
    if (n == 0)
        (void)!hob__fetch_close_body(a); // what is wrong is the exchange's to tell
    hob__fetch_free(buf);
    return 0;
}
