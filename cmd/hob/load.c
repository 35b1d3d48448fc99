/* SPDX-License-Identifier: MIT */
/*
 *     work ─▶ connect ─▶ take ─▶ send them ─▶ receive the answers ─▶ take ─▶ ...
 *               ▲         │ none left: the end        │ trouble, or the server closes
 *               └─────────┼───────────────────────────┘
 *
 * All of it on one worker: the counters need no locks.
 */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

#ifdef HOB_WITH_TLS
#include <hob/tls.h>
#endif

enum { IN_BYTES = 16384 };

#define AFTER_TROUBLE_NS (50 * HOB_MSEC) /* until the next try, so that a dead server is not hammered */

/* A connection of the load, with its task. */
struct link {
    struct load  *load;
    hob_stream   *stream; /* NULL: there is none */
    hob_tcp      *tcp;
    size_t        in_begin, in_end; /* of `in`: came, and is of no answer yet */
    struct answer answer;
    char          in[IN_BYTES];
};

/* Requests that are sent together; they follow each other in time. */
struct batch {
    uint64_t first;
    uint32_t count;
    int64_t  sent_ns;
};

int load_init(struct load *load, const struct load_opts *opts)
{
    memset(load, 0, sizeof *load);
    load->opts = *opts;
    load->batch = malloc(opts->request_len * opts->depth);
    if (load->batch == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < opts->depth; i++)
        memcpy(load->batch + i * opts->request_len, opts->request, opts->request_len);
    load->interval_ns = opts->rate > 0 ? 1e9 / opts->rate : 0;
    return 0;
}

void load_fini(struct load *load)
{
    free(load->batch);
}

void load_stop(struct load *load)
{
    load->is_over = true;
}

uint64_t load_troubles(const struct load *load)
{
    uint64_t all = 0;
    for (int i = 0; i < LOAD_TROUBLES_COUNT; i++)
        all += load->troubles[i];
    return all;
}

/* ---- trouble ---- */

static void note(struct load *load, enum load_trouble trouble, int error)
{
    if (load->troubles[trouble]++ == 0)
        load->first_error[trouble] = error;
}

/* The load has been stopped: what fails now is nobody's fault. (A deadline is one of ours, for an answer.) */
static bool is_given_up(const struct load *load)
{
    int code = hob_cancelled();
    return load->is_over || (code != 0 && code != -ETIMEDOUT);
}

/* What a call on the stream gave, which was not what it should. */
static void note_stream(struct link *link, enum load_trouble trouble, int error)
{
    if (is_given_up(link->load))
        return;
    if (error == -ETIMEDOUT)
        trouble = LOAD_TIMEOUT;
    else if (error == HOB_ETLS || error == HOB_ETLSCERT)
        trouble = LOAD_TLS;
    note(link->load, trouble, error);
}

/* ---- connections ---- */

static void hang_up(struct link *link)
{
    hob_stream_close(link->stream);
    link->stream = NULL;
    link->in_begin = link->in_end = 0;
}

#ifdef HOB_WITH_TLS
static int shake_hands(struct link *link)
{
    hob_tls *tls;
    int      r = hob_tls_client(link->load->opts.tls, link->stream, link->load->opts.tls_name, &tls);
    if (r < 0)
        return r;
    link->stream = hob_tls_stream(tls);
    return hob_tls_handshake(tls);
}
#else
static int shake_hands(struct link *link)
{
    (void)link;
    return -ENOTSUP;
}
#endif

static bool connect_now(struct link *link)
{
    struct load      *load = link->load;
    enum load_trouble trouble = LOAD_CONNECT;
    hob_scope         scope;

    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(load->opts.timeout_ns));
    int r = hob_tcp_connect(&load->opts.addr, NULL, &link->tcp);
    if (r >= 0) {
        link->stream = hob_tcp_stream(link->tcp);
        load->connects++;
    }
    if (r >= 0 && load->opts.tls != NULL) {
        trouble = LOAD_TLS;
        r = shake_hands(link);
    }
    (void)!hob_scope_end(&scope);
    if (r >= 0)
        return true;
    note_stream(link, trouble, r);
    hang_up(link);
    load->taken += load->opts.requests_max > 0; // so that a number of requests has an end, too
    (void)!hob_sleep(AFTER_TROUBLE_NS);
    return false;
}

/* ---- which requests, and when ---- */

static int64_t due_ns(const struct load *load, uint64_t number)
{
    return load->began_ns + (int64_t)((double)number * load->interval_ns);
}

static bool is_left(const struct load *load)
{
    if (load->is_over || (load->opts.requests_max > 0 && load->taken >= load->opts.requests_max))
        return false;
    int64_t end_ns = load->began_ns + load->opts.duration_ns;
    return hob_now() < end_ns && (load->opts.rate == 0 || due_ns(load, load->taken) < end_ns);
}

/* The next ones, when the first of them is due; further ones that are due by then, too, go with it. False:
 * there are no more. */
static bool take(struct load *load, struct batch *ret_batch)
{
    if (!is_left(load))
        return false;
    struct batch batch = { .first = load->taken, .count = 1 };
    bool         is_open = load->opts.rate > 0;
    load->taken++;
    if (is_open && hob_sleep_until(due_ns(load, batch.first)) < 0)
        return false;
    batch.sent_ns = hob_now();
    while (batch.count < load->opts.depth && load->taken == batch.first + batch.count && is_left(load)
           && (!is_open || due_ns(load, load->taken) <= batch.sent_ns)) {
        load->taken++;
        batch.count++;
    }
    *ret_batch = batch;
    return true;
}

/* ---- a batch ---- */

struct sending {
    struct link *link;
    size_t       len;
    ssize_t      result;
};

static int send_task(void *arg)
{
    struct sending *sending = arg;
    sending->result = hob_stream_write(sending->link->stream, sending->link->load->batch, sending->len);
    return 0;
}

/* Returns as hob_stream_read; what is not a byte more was counted, if it is trouble. */
static ssize_t receive(struct link *link)
{
    ssize_t n = hob_stream_read(link->stream, link->in, sizeof link->in);

    link->in_begin = 0;
    link->in_end = n > 0 ? (size_t)n : 0;
    if (n > 0)
        link->load->bytes += (uint64_t)n;
    else if (n < 0)
        note_stream(link, LOAD_RECEIVE, (int)n);
    else if (answer_end(&link->answer) != ANSWER_DONE)
        note_stream(link, LOAD_CLOSED, HOB_EOF);
    return n;
}

static void count(struct load *load, const struct batch *batch, uint32_t index, int status)
{
    int64_t now_ns = hob_now();
    int64_t from_ns = load->opts.rate > 0 ? due_ns(load, batch->first + index) : batch->sent_ns;

    load->answers++;
    load->by_class[status / 100 < 6 ? status / 100 : 0]++;
    histogram_add(&load->latency, now_ns - from_ns);
}

/* Reads one answer. False: the connection is of no use any more, *ret_is_whole or not. */
static bool read_answer(struct link *link, bool *ret_is_whole)
{
    struct answer *answer = &link->answer;
    size_t         used;

    *ret_is_whole = false;
    answer_begin(answer, link->load->opts.to_head);
    for (;;) {
        int r = answer_feed(answer, link->in + link->in_begin, link->in_end - link->in_begin, &used);
        link->in_begin += used;
        if (r == ANSWER_DONE) {
            *ret_is_whole = true;
            return answer->keep_alive;
        }
        if (r < 0) {
            note(link->load, LOAD_ANSWER, r);
            return false;
        }
        ssize_t n = receive(link);
        if (n <= 0) {
            *ret_is_whole = n == 0 && answer_end(answer) == ANSWER_DONE;
            return false;
        }
    }
}

static bool read_answers(struct link *link, const struct batch *batch)
{
    bool is_whole = true, stays = true;

    for (uint32_t i = 0; i < batch->count && stays; i++) {
        stays = read_answer(link, &is_whole);
        if (is_whole)
            count(link->load, batch, i, link->answer.status);
        // Those behind the one after which the server closed are not answered.
        if (is_whole && !stays && i + 1 < batch->count)
            note(link->load, LOAD_CLOSED, HOB_EOF);
    }
    if (stays && link->in_begin < link->in_end) {
        note(link->load, LOAD_ANSWER, HOB_EHTTP); // there is more than was asked for
        stays = false;
    }
    return stays;
}

/* Sends and receives at once: a server that answers before it has read all must not stand still. */
static bool exchange_large(struct link *link, const struct batch *batch, size_t len)
{
    struct sending sending = { link, len, 0 };
    hob_scope      scope;

    hob_scope_begin(&scope);
    int  r = hob_go(&scope, send_task, &sending);
    bool stays = r >= 0 && read_answers(link, batch);
    if (!stays)
        hob_scope_cancel(&scope, "the answers have ended");
    (void)!hob_scope_end(&scope);
    if (r < 0)
        note_stream(link, LOAD_SEND, r);
    return stays && sending.result == (ssize_t)len;
}

enum { SEND_FIRST_MAX = 16384 };

/* Returns whether the connection can be used again. */
static bool exchange(struct link *link, const struct batch *batch)
{
    struct load *load = link->load;
    size_t       len = load->opts.request_len * batch->count;
    bool         stays = false;
    hob_scope    scope;

    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(load->opts.timeout_ns));
    if (len > SEND_FIRST_MAX) {
        stays = exchange_large(link, batch, len);
    } else {
        ssize_t n = hob_stream_write(link->stream, load->batch, len);
        if (n < 0)
            note_stream(link, LOAD_SEND, (int)n);
        else
            stays = read_answers(link, batch);
    }
    (void)!hob_scope_end(&scope);
    return stays;
}

/* ---- all of them ---- */

/* The task of one: a request that it took and has no connection for waits until there is one, and its time
 * runs. */
static int work(void *arg)
{
    struct link *link = calloc(1, sizeof *link);
    struct batch batch;

    if (link == NULL)
        return -ENOMEM;
    link->load = arg;
    while (hob_cancelled() == 0 && is_left(link->load)) {
        if (link->stream == NULL && !connect_now(link))
            continue;
        if (!take(link->load, &batch))
            break;
        if (!exchange(link, &batch))
            hang_up(link);
    }
    hang_up(link);
    free(link);
    return 0;
}

/* Gives up what is under way when load_stop was called. */
static int look_after_end(void *arg)
{
    struct load *load = arg;
    while (!load->is_over)
        HOB_TRY(hob_sleep(20 * HOB_MSEC));
    return -ECANCELED; // the others with it
}

int load_run(struct load *load)
{
    hob_task_opts beside = { .name = "bench: the end", .daemon = 1 };
    hob_scope     scope;

    load->began_ns = hob_now();
    hob_scope_begin(&scope);
    int r = hob_go_with(&scope, look_after_end, load, &beside);
    for (uint32_t i = 0; r >= 0 && i < load->opts.connections; i++)
        r = hob_go(&scope, work, load);
    if (r < 0)
        hob_scope_cancel(&scope, "out of memory");
    int ended = hob_scope_end(&scope);

    load->ended_ns = hob_now();
    if (load->opts.rate > 0 && !load->is_over) {
        double all = (double)load->opts.duration_ns / load->interval_ns;
        if (load->opts.requests_max > 0 && (double)load->opts.requests_max < all)
            all = (double)load->opts.requests_max;
        load->unsent = (uint64_t)all > load->taken ? (uint64_t)all - load->taken : 0;
    }
    if (r < 0)
        return r;
    return load->is_over && ended == -ECANCELED ? 0 : ended;
}
