/* SPDX-License-Identifier: MIT */
/*
 * Flows: items that come one after the other, through stages, to where they are wanted.
 *
 *     hob_flow *f = hob_flow_range(1, 1000000);          // a source,
 *     hob_flow_filter(f, is_prime, NULL);                // stages, in the order of reading,
 *     hob_flow_map_at_once(f, 8, HOB_IN_ORDER, sizeof(struct page), fetch_page, NULL);
 *     hob_flow_take(f, 100);
 *     return hob_flow_for_each(f, print_page, NULL);     // and a sink, which runs it all
 *
 * Pull.  The sink asks the last stage for an item, which asks the one above it, and so on. So
 *   nothing is made before it is wanted, a slow stage slows down all that stand above it, and
 *   nothing piles up. Most stages are plain: they run in the task that asks, without a task
 *   and without a queue of their own. Stages with tasks say so; what they hold is bounded.
 *
 * Building.  Nothing of it waits, and none of it needs a check: a flow for which there was no
 *   memory, also one that is NULL, fails with -ENOMEM when it is run. A flow that is given to
 *   another (hob_flow_merge) is the other's from then on.
 *
 * Running.  Sinks wait, and free the flow in any case. They return 0 or the first error: of a
 *   function of yours, of what is waited for, -ENOMEM, -ECANCELED, -ETIMEDOUT. No task of the
 *   flow is left when they return. One that is not to be run is freed with hob_flow_free.
 *
 * Errors.  An error is the end of the items: what came before it is delivered first. Then the
 *   stages below end, and those above are cancelled and waited for. (Where several things go on
 *   at once and their order means nothing, in merge, flat_map, switch_map and latest, the
 *   others are cancelled at once.) A stage that wants no more, such as take, cancels what is
 *   above it in the same way, before it hands on its last item.
 *
 * Items.  Values of one size, which are copied, as in channels. Where they own something, say
 *   so with hob_flow_owns: what nobody will get is dropped then. Every function of yours that is
 *   given an item as `void *` has taken it over when it returns >= 0, and has not when it
 *   fails; one that is given `const void *` only looks. Items are aligned as malloc aligns.
 *
 * A flow belongs to the worker that made it, and but for hob_flow_map_spread its functions
 * run there. They may wait.
 */
#ifndef HOB_FLOW_H
#define HOB_FLOW_H

#include "hob/chan.h"
#include "hob/parallel.h"
#include "hob/time.h"

HOB_BEGIN_DECLS

typedef struct hob_flow hob_flow;

/* Frees a flow that was not run, and all that was given to it. Does not wait. */
HOB_API void hob_flow_free(hob_flow *flow);

/* ---- sources ---------------------------------------------------------------- */

/* The numbers from `first` up to, and without, `end`, as int64_t. */
HOB_API HOB_MUST_USE hob_flow *hob_flow_range(int64_t first, int64_t end);

/* The items of an array, which is lent until the flow ended. */
HOB_API HOB_MUST_USE hob_flow *hob_flow_array(const void *items, size_t item_bytes, size_t count);

/* What fn makes: it writes one item and returns 0, or HOB_EOF at the end, or an error. */
typedef int hob_flow_source_fn(void *arg, void *ret_item);
HOB_API HOB_MUST_USE hob_flow *hob_flow_generate(size_t item_bytes, hob_flow_source_fn *fn, void *arg);

/* What comes out of a channel for values of that size, which is lent until the flow ended. An
 * item is received when it is asked for; the rest stays in the channel, whose ends are not
 * touched. hob_chan_fail's error is the flow's. */
HOB_API HOB_MUST_USE hob_flow *hob_flow_from_chan(hob_chan *chan, size_t item_bytes);

/* A number for each beat, as uint64_t: 0 after one period, counted from when it is run, then 1,
 * and so on. Beats for which nobody waited are skipped, and so are their numbers. */
HOB_API HOB_MUST_USE hob_flow *hob_flow_ticks(int64_t period_ns);

/* No item; and no item but an error, which is negative. For functions that return flows. */
HOB_API HOB_MUST_USE hob_flow *hob_flow_empty(size_t item_bytes);
HOB_API HOB_MUST_USE hob_flow *hob_flow_failed(size_t item_bytes, int error);

typedef struct hob_flow_retry_opts {
    uint32_t retries_max;    /* that many in a row, without an item in between; 0: 3       */
    int64_t  backoff_ns;     /* how long to wait before the first; doubled with each; 0: 10 ms */
    int64_t  backoff_max_ns; /* but no longer than this; 0: 1 s                              */
} hob_flow_retry_opts;

/* The items of the flow that make(arg) returns; when that fails, it is made anew, and after the
 * last retry its error is this flow's. Where it goes on is for `make` to say. */
typedef hob_flow *hob_flow_make_fn(void *arg);
HOB_API HOB_MUST_USE hob_flow *hob_flow_retry(size_t item_bytes, const hob_flow_retry_opts *opts,
                                              hob_flow_make_fn *make, void *arg);

/* ---- plain stages: in the task that asks ----------------------------------------- */

/* From here on items own something: drop(arg, item) is told of each that nobody will get; it must
 * not wait. `copy` makes another of the same: 0 or an error; only hob_flow_tee and
 * windows that overlap need it, others take NULL. It holds until a stage makes new items, such
 * as map; a batch owns what its items own. */
typedef void hob_flow_drop_fn(void *arg, void *item);
typedef int  hob_flow_copy_fn(void *arg, const void *item, void *ret_item);
HOB_API void hob_flow_owns(hob_flow *flow, hob_flow_drop_fn *drop, hob_flow_copy_fn *copy, void *arg);

/* Has fn(arg) called when the flow is freed, for what its functions use: once, also when it was not
 * run, and at once when there is no memory. It must not wait. */
HOB_API void hob_flow_finally(hob_flow *flow, void (*fn)(void *arg), void *arg);

/* Makes another item of each. */
typedef int hob_flow_map_fn(void *item, void *arg, void *ret_item);
HOB_API void hob_flow_map(hob_flow *flow, size_t item_bytes, hob_flow_map_fn *fn, void *arg);

/* Lets those pass for which fn returns more than 0; drops others. */
typedef int hob_flow_test_fn(const void *item, void *arg);
HOB_API void hob_flow_filter(hob_flow *flow, hob_flow_test_fn *fn, void *arg);

/* The first `count`; all but those; and those before the first for which fn returns 0. */
HOB_API void hob_flow_take(hob_flow *flow, uint64_t count);
HOB_API void hob_flow_skip(hob_flow *flow, uint64_t count);
HOB_API void hob_flow_take_while(hob_flow *flow, hob_flow_test_fn *fn, void *arg);

/* Calls fn for each on its way. */
HOB_API void hob_flow_on_each(hob_flow *flow, hob_flow_test_fn *fn, void *arg);

/* Lets fn change `state` with each item, and gives a copy of it each time: running sums. The
 * state begins as a copy of the bytes at `initial`, which are kept (NULL: zero). */
typedef int hob_flow_fold_fn(void *state, void *item, void *arg);
HOB_API void hob_flow_scan(hob_flow *flow, size_t state_bytes, const void *initial,
                           hob_flow_fold_fn *fn, void *arg);

/* Drops each item whose key has the same bytes as the one before: fn writes the key. With NULL
 * the item is its own key, and key_bytes is not looked at. */
typedef int hob_flow_key_fn(const void *item, void *arg, void *ret_key);
HOB_API void hob_flow_distinct(hob_flow *flow, size_t key_bytes, hob_flow_key_fn *fn, void *arg);

/* Several items in one. `count` of them are there; `began_ns` is when the first of them came, or
 * when the window began, and 0 where time plays no part. */
#define HOB_BATCH(type, max)                                                       \
    struct {                                                                       \
        size_t  count;                                                             \
        int64_t began_ns __attribute__((aligned(8)));                              \
        type    items[max];                                                        \
    }

/* Each `max` items as one HOB_BATCH; the last may be smaller. With a `within_ns` above 0 a batch
 * is given that long after its first item came, full or not; then the stage has a task, which
 * reads up to `max` items ahead. */
HOB_API void hob_flow_batch(hob_flow *flow, size_t max, int64_t within_ns);

/* The last `count` items as one HOB_BATCH, anew after each `every` items. With every < count
 * windows overlap, with every > count items between are dropped. What does not fill a window is
 * not given. */
HOB_API void hob_flow_window(hob_flow *flow, size_t count, size_t every);

/* What came in each `length_ns` as one HOB_BATCH, counted from when the flow is run; an empty one
 * too, unless nobody waited for it. One that has `max` items is given early, and the same window
 * goes on with the next. The stage has a task, which reads up to `max` items ahead. */
HOB_API void hob_flow_window_time(hob_flow *flow, size_t max, int64_t length_ns);

/* After an item, drops those that come within `period_ns`. */
HOB_API void hob_flow_throttle(hob_flow *flow, int64_t period_ns);

/* At most one item in each `period_ns`: the next one waits. */
HOB_API void hob_flow_pace(hob_flow *flow, int64_t period_ns);

/* After the flow's items, those of `then`. */
HOB_API void hob_flow_concat(hob_flow *flow, hob_flow *then);

/* One item of each of two flows makes one, until one of them ends. They are asked one after the
 * other: hob_flow_buffer before it lets both go on. */
typedef int hob_flow_zip_fn(void *item, void *other_item, void *arg, void *ret_item);
HOB_API void hob_flow_zip(hob_flow *flow, hob_flow *other, size_t item_bytes, hob_flow_zip_fn *fn,
                          void *arg);

/* A stage of your own: fn writes one item and returns 0, or HOB_EOF, or an error, and asks `up`
 * by hob_flow_next as often as it likes: one line of many pieces, many words of one line. */
typedef int hob_flow_through_fn(hob_flow *up, void *arg, void *ret_item);
HOB_API void hob_flow_through(hob_flow *flow, size_t item_bytes, hob_flow_through_fn *fn, void *arg);

/* ---- stages with tasks ------------------------------------------------------------ */

/* Asks ahead for up to `capacity` items, and one in hand. With HOB_WAIT that is all; other
 * policies never let what is above wait: when there is no room an item is dropped, or the flow
 * fails with -ENOBUFS. */
HOB_API void hob_flow_buffer(hob_flow *flow, size_t capacity, hob_overflow overflow);

typedef enum hob_flow_order {
    HOB_IN_ORDER, /* of the items that came in      */
    HOB_AS_DONE,  /* whichever is done first        */
} hob_flow_order;

/* As hob_flow_map, with up to `at_once` calls of fn going on, each in a task. Items under way and
 * results not yet taken are never more than `at_once`. After a failure nothing new is begun. */
HOB_API void hob_flow_map_at_once(hob_flow *flow, size_t at_once, hob_flow_order order,
                                  size_t item_bytes, hob_flow_map_fn *fn, void *arg);

/* The same on all workers (threads), for what computes: those tasks are dealt out to them in turn,
 * to the flow's own worker last. fn and what it uses must be fit for that. */
HOB_API void hob_flow_map_spread(hob_flow *flow, size_t at_once, hob_flow_order order,
                                   size_t item_bytes, hob_flow_map_fn *fn, void *arg);

/* Of each item fn makes a flow, and the items of those are given: of up to `at_once` flows mixed
 * as they come; with 1, of one flow after the other, and then without a task. fn has taken the
 * item unless it returns NULL. */
typedef hob_flow *hob_flow_inner_fn(void *item, void *arg);
HOB_API void hob_flow_flat_map(hob_flow *flow, size_t at_once, size_t item_bytes,
                               hob_flow_inner_fn *fn, void *arg);

/* As hob_flow_map, for answers that only the latest question deserves: when a new item comes while
 * fn still works on the one before, or its result was not taken, that is cancelled, waited for
 * and dropped first. */
HOB_API void hob_flow_latest(hob_flow *flow, size_t item_bytes, hob_flow_map_fn *fn, void *arg);

/* The same with a flow for each item: the one before ends when a new one begins. */
HOB_API void hob_flow_switch_map(hob_flow *flow, size_t item_bytes, hob_flow_inner_fn *fn, void *arg);

/* The items of both, as they come. Ends when both have. */
HOB_API void hob_flow_merge(hob_flow *flow, hob_flow *other);

/* The last item, when for `quiet_ns` none has come after it. What comes while nobody asks replaces
 * what is not given yet. The end of the items counts as quiet. */
HOB_API void hob_flow_debounce(hob_flow *flow, int64_t quiet_ns);

/* With each beat the last item, if a new one has come; and the last before the end. Who asks after a
 * beat gets it at once. */
HOB_API void hob_flow_sample(hob_flow *flow, int64_t period_ns);

/* Runs fn(branch, arg) in a task beside what follows, with a flow that gives a copy of each item,
 * for which it calls a sink. It may lag behind by `lag` items (at least 1); then `overflow`
 * says what happens. When it returns 0 early, the rest goes on without it; its failure is the
 * flow's; and the flow's end waits for it. What ends early below cancels it: so take comes
 * before tee. */
typedef int hob_flow_branch_fn(hob_flow *branch, void *arg);
HOB_API void hob_flow_tee(hob_flow *flow, size_t lag, hob_overflow overflow, hob_flow_branch_fn *fn,
                          void *arg);

/* ---- sinks: they wait, run the flow, and free it ----------------------------------- */

/* Calls fn for each item. */
HOB_API HOB_MUST_USE int hob_flow_for_each(hob_flow *flow, hob_item_fn *fn, void *arg);

/* Only runs it, and drops the items; counts them. */
HOB_API HOB_MUST_USE int hob_flow_drain(hob_flow *flow);
HOB_API HOB_MUST_USE int hob_flow_count(hob_flow *flow, uint64_t *ret_count);

/* Lets fn change `state`, which is lent, with each item. */
HOB_API HOB_MUST_USE int hob_flow_reduce(hob_flow *flow, void *state, hob_flow_fold_fn *fn, void *arg);

/* The first item; HOB_EOF when there is none. */
HOB_API HOB_MUST_USE int hob_flow_first(hob_flow *flow, void *ret_item);

/* All items, into an array for `max` of them; -ENOBUFS when there are more. After an error there
 * is nothing in it. */
HOB_API HOB_MUST_USE int hob_flow_to_array(hob_flow *flow, void *items, size_t max, size_t *ret_count);

/* Sends all to a channel for values of that size, and does not finish it. -EPIPE when nobody
 * receives any more. */
HOB_API HOB_MUST_USE int hob_flow_into_chan(hob_flow *flow, hob_chan *chan);

/* ---- by hand -------------------------------------------------------------------------- */

/* Runs it by hand: its tasks live in `scope`, a scope of the caller, and hob_flow_end comes before
 * the end of that. Waits only as starting tasks does. Returns 0 or an error; hob_flow_end
 * follows in any case. */
HOB_API HOB_MUST_USE int hob_flow_begin(hob_flow *flow, hob_scope *scope);

/* The next item: 0; HOB_EOF at the end, again and again; or the error (HOB_EBROKEN for one that is
 * HOB_EOF). Waits. What is at *ret_item when none is given is undefined. */
HOB_API HOB_MUST_USE int hob_flow_next(hob_flow *flow, void *ret_item);

/* Cancels what goes on in it, waits for that, and frees it. Also when it was not begun. */
HOB_API void hob_flow_end(hob_flow *flow);

HOB_END_DECLS

#endif
