/* SPDX-License-Identifier: MIT */
/*
 * One flow after the other, made while it runs: hob_flow_flat_map one at a time, and
 * hob_flow_retry. Both are plain: the inner flow is asked in the task that asks.
 */
#include "flow/inner.h"

#include <errno.h>

#include "flow/mixed.h"

int hob__inner_make(hob_flow_inner_fn *fn, void *arg, const struct item *in, void *item,
                    const struct item *out, const char *caller, struct stage **ret_last)
{
    int       error;
    hob_flow *flow = fn(item, arg);
    if (flow == NULL) {
        item_drop(in, item);
        return -ENOMEM;
    }
    struct stage *last = hob__flow_take(flow, &error, caller);
    if (last == NULL)
        return error;
    hob__flow_check_alike(&last->out, out, caller);
    *ret_last = last;
    return 0;
}

/* The inner flow of now: opened in the scope of who asks. */
struct inner {
    hob_scope    *scope;
    struct stage *last; /* NULL: none */
};

static void inner_end(struct inner *inner)
{
    if (inner->last != NULL)
        hob__stage_close(inner->last);
    hob__stage_free(inner->last);
    inner->last = NULL;
}

/* ---- flat_map, one at a time ---- */

struct flat {
    struct stage       stage;
    struct inner       inner;
    hob_flow_inner_fn *fn;
    void              *arg;
    char               item[] __attribute__((aligned(16)));
};

static int flat_open(struct stage *stage, hob_scope *scope)
{
    ((struct flat *)stage)->inner.scope = scope;
    return hob__stage_open(stage->up, scope);
}

/* Asks for one more item, and opens its flow: 1, 0 at the end, or an error. */
static int flat_begin(struct flat *self)
{
    struct stage *stage = &self->stage;
    int           r = stage_next(stage->up, self->item);
    if (r <= 0)
        return r;
    r = hob__inner_make(self->fn, self->arg, &stage->up->out, self->item, &stage->out,
                        "hob_flow_flat_map", &self->inner.last);
    if (r == 0)
        r = hob__stage_open(self->inner.last, self->inner.scope);
    return r < 0 ? r : 1;
}

static int flat_next(struct stage *stage, void *ret_item)
{
    struct flat *self = (struct flat *)stage;
    for (;;) {
        if (self->inner.last != NULL) {
            int r = stage_next(self->inner.last, ret_item);
            if (r != 0)
                return r;
            inner_end(&self->inner);
        }
        int r = flat_begin(self);
        if (r <= 0)
            return r;
    }
}

static void flat_close(struct stage *stage)
{
    inner_end(&((struct flat *)stage)->inner);
    hob__stage_close(stage->up);
}

static void flat_free(struct stage *stage)
{
    inner_end(&((struct flat *)stage)->inner);
}

static const struct stage_type FLAT = { .size = sizeof(struct flat), .next = flat_next,
                                        .open = flat_open, .close = flat_close,
                                        .free = flat_free };

void hob_flow_flat_map(hob_flow *flow, size_t at_once, size_t item_bytes, hob_flow_inner_fn *fn,
                       void *arg)
{
    hob_require(at_once > 0, "hob_flow_flat_map: at_once must be at least 1");
    if (at_once > 1) {
        hob__flow_mix(flow, at_once, item_bytes, fn, arg);
        return;
    }
    size_t       in = hob__flow_item_bytes(flow, "hob_flow_flat_map");
    struct flat *self = (struct flat *)hob__flow_add(flow, &FLAT, in, item_bytes,
                                                     "hob_flow_flat_map");
    if (self == NULL)
        return;
    self->fn = fn;
    self->arg = arg;
}

/* ---- retry ---- */

struct retry {
    struct stage        stage;
    struct inner        inner;
    hob_flow_retry_opts opts;
    uint32_t            retries; /* in a row */
    hob_flow_make_fn   *make;
    void               *arg;
};

static int retry_open(struct stage *stage, hob_scope *scope)
{
    ((struct retry *)stage)->inner.scope = scope;
    return 0;
}

static int retry_begin(struct retry *self)
{
    int       error;
    hob_flow *flow = self->make(self->arg);
    self->inner.last = hob__flow_take(flow, &error, "hob_flow_retry");
    if (self->inner.last == NULL)
        return error;
    hob__flow_check_alike(&self->inner.last->out, &self->stage.out, "hob_flow_retry");
    return hob__stage_open(self->inner.last, self->inner.scope);
}

/* Waits before the next try; with the error when there is none. */
static int retry_wait(struct retry *self, int error)
{
    const hob_flow_retry_opts *opts = &self->opts;
    if (hob_cancelled() != 0 || self->retries == opts->retries_max)
        return error;
    int64_t wait_ns = opts->backoff_ns;
    for (uint32_t i = 0; i < self->retries && wait_ns < opts->backoff_max_ns; i++)
        wait_ns = wait_ns > opts->backoff_max_ns / 2 ? opts->backoff_max_ns : 2 * wait_ns;
    self->retries++;
    return hob_sleep(wait_ns < opts->backoff_max_ns ? wait_ns : opts->backoff_max_ns);
}

static int retry_next(struct stage *stage, void *ret_item)
{
    struct retry *self = (struct retry *)stage;
    for (;;) {
        int r = self->inner.last != NULL ? 0 : retry_begin(self);
        if (r == 0) {
            r = stage_next(self->inner.last, ret_item);
            if (hob_likely(r > 0))
                self->retries = 0;
            if (r >= 0)
                return r;
        }
        inner_end(&self->inner);
        r = retry_wait(self, r);
        if (r < 0)
            return r;
    }
}

static void retry_end(struct stage *stage)
{
    inner_end(&((struct retry *)stage)->inner);
}

static const struct stage_type RETRY = { .size = sizeof(struct retry), .next = retry_next,
                                         .open = retry_open, .close = retry_end,
                                         .free = retry_end };

hob_flow *hob_flow_retry(size_t item_bytes, const hob_flow_retry_opts *opts, hob_flow_make_fn *make,
                         void *arg)
{
    hob_flow     *flow;
    struct retry *self = (struct retry *)hob__flow_new(&RETRY, 0, item_bytes, &flow);
    if (self == NULL)
        return NULL;
    if (opts != NULL)
        self->opts = *opts;
    if (self->opts.retries_max == 0)
        self->opts.retries_max = 3;
    if (self->opts.backoff_ns == 0)
        self->opts.backoff_ns = 10 * HOB_MSEC;
    if (self->opts.backoff_max_ns == 0)
        self->opts.backoff_max_ns = HOB_SEC;
    self->make = make;
    self->arg = arg;
    return flow;
}
