/* SPDX-License-Identifier: MIT */
/* hob/flow.h: sources, plain stages, sinks, and who owns what. */
#include "flow/flows.h"

/* ---- sources ---- */

TEST_ON_ALL(flow, a_range_and_an_array_give_what_is_in_them)
{
    check_ok(GIVES(hob_flow_range(3, 7), 3, 4, 5, 6));
    check_ok(GIVES_NOTHING(hob_flow_range(3, 3), 0));
    check_ok(GIVES_NOTHING(hob_flow_range(3, -3), 0));
    check_ok(GIVES(hob_flow_range(INT64_MAX - 2, INT64_MAX), INT64_MAX - 2, INT64_MAX - 1));
    check_ok(GIVES(FLOW_OF(5, 1, 4), 5, 1, 4));
    check_ok(GIVES_NOTHING(hob_flow_array(NULL, sizeof(int64_t), 0), 0));
    check_ok(GIVES_NOTHING(hob_flow_empty(sizeof(int64_t)), 0));
    check_ok(GIVES_NOTHING(hob_flow_failed(sizeof(int64_t), -EIO), -EIO));
}

static int count_down(void *arg, void *ret_item)
{
    int64_t *left = arg;
    if (*left == 0)
        return HOB_EOF;
    if (*left < 0)
        return -EDOM;
    *(int64_t *)ret_item = (*left)--;
    return 0;
}

TEST_ON_ALL(flow, a_function_gives_items_until_it_says_the_end_or_fails)
{
    int64_t left = 3, none = -1;
    check_ok(GIVES(hob_flow_generate(sizeof(int64_t), count_down, &left), 3, 2, 1));
    check_ok(GIVES_NOTHING(hob_flow_generate(sizeof(int64_t), count_down, &none), -EDOM));
}

static int send_numbers(void *arg)
{
    HOB_CHAN_SENDER(chan, arg);
    for (int64_t i = 1; i <= 9; i++)
        HOB_TRY(hob_chan_send(chan, &i));
    return 0;
}

static void free_chan(void *chan)
{
    hob_chan_free(*(hob_chan **)chan);
}

TEST_ON_ALL(flow, what_a_flow_did_not_take_stays_in_the_channel)
{
    hob_chan *chan;
    check_ok(hob_chan_new(sizeof(int64_t), 2, HOB_WAIT, NULL, &chan));
    HOB_DEFER(free_chan, &chan);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, send_numbers, hob_chan_sender_ref(chan)));
    hob_flow *f = hob_flow_from_chan(chan, sizeof(int64_t));
    hob_flow_take(f, 3);
    check_ok(GIVES(f, 1, 2, 3));
    check_ok(GIVES(hob_flow_from_chan(chan, sizeof(int64_t)), 4, 5, 6, 7, 8, 9));
    check_ok(hob_scope_end(&s));
    check_ok(GIVES_NOTHING(hob_flow_from_chan(chan, sizeof(int64_t)), 0));
}

TEST_ON_ALL(flow, the_error_of_a_channel_is_the_error_of_the_flow)
{
    hob_chan *chan;
    check_ok(hob_chan_new(sizeof(int64_t), 2, HOB_WAIT, NULL, &chan));
    HOB_DEFER(free_chan, &chan);
    check_ok(hob_chan_send(chan, &(int64_t){ 7 }));
    hob_chan_fail(chan, -EIO);
    check_ok(GIVES_THEN(hob_flow_from_chan(chan, sizeof(int64_t)), -EIO, 7));
}

/* ---- stages ---- */

TEST_ON_ALL(flow, map_filter_take_and_skip_pass_each_item_on_in_order)
{
    int64_t   ten = 10, five = 5;
    hob_flow *f = hob_flow_range(0, 100);
    hob_flow_filter(f, is_even, NULL);
    hob_flow_skip(f, 2);
    hob_flow_map(f, sizeof(int64_t), square, NULL);
    hob_flow_map(f, sizeof(int64_t), add_arg, &ten);
    hob_flow_take(f, 3);
    check_ok(GIVES(f, 26, 46, 74));

    f = hob_flow_range(0, 100);
    hob_flow_take_while(f, is_below, &five);
    check_ok(GIVES(f, 0, 1, 2, 3, 4));

    f = hob_flow_range(0, 3);
    hob_flow_skip(f, 5);
    check_ok(GIVES_NOTHING(f, 0));
    f = hob_flow_range(0, 3);
    hob_flow_take(f, 0);
    check_ok(GIVES_NOTHING(f, 0));
    f = hob_flow_range(0, 3);
    hob_flow_take(f, UINT64_MAX);
    check_ok(GIVES(f, 0, 1, 2));
}

static int last_digit(const void *item, void *arg, void *ret_key)
{
    *(int64_t *)ret_key = *(const int64_t *)item % 10;
    return 0;
}

TEST_ON_ALL(flow, scan_gives_what_it_has_so_far_and_distinct_drops_repeats)
{
    int64_t   hundred = 100;
    hob_flow *f = hob_flow_range(1, 5);
    hob_flow_scan(f, sizeof(int64_t), &hundred, add_up, NULL);
    check_ok(GIVES(f, 101, 103, 106, 110));
    f = hob_flow_range(1, 5);
    hob_flow_scan(f, sizeof(int64_t), NULL, add_up, NULL);
    check_ok(GIVES(f, 1, 3, 6, 10));

    f = FLOW_OF(0, 0, 1, 1, 1, 2, 0, 0);
    hob_flow_distinct(f, 0, NULL, NULL);
    check_ok(GIVES(f, 0, 1, 2, 0));
    f = FLOW_OF(11, 21, 22, 2, 31);
    hob_flow_distinct(f, sizeof(int64_t), last_digit, NULL);
    check_ok(GIVES(f, 11, 22, 31));
}

static int sum_of_batch(void *item, void *arg, void *ret_item)
{
    const HOB_BATCH(int64_t, 4) *batch = item;
    int64_t sum = 0;
    for (size_t i = 0; i < batch->count; i++)
        sum = 10 * sum + batch->items[i];
    *(int64_t *)ret_item = sum;
    return 0;
}

TEST_ON_ALL(flow, a_batch_has_so_many_items_and_the_last_one_the_rest)
{
    hob_flow *f = hob_flow_range(1, 8);
    hob_flow_batch(f, 3, 0);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    check_ok(GIVES(f, 123, 456, 7));
    f = hob_flow_range(1, 7);
    hob_flow_batch(f, 3, 0);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    check_ok(GIVES(f, 123, 456));
    int64_t six = 6;
    f = hob_flow_range(1, 8);
    hob_flow_on_each(f, fail_at, &six);
    hob_flow_batch(f, 3, HOB_FOREVER);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    check_ok(GIVES_THEN(f, -EDOM, 123, 45)); // what came before the error
}

TEST_ON_ALL(flow, windows_overlap_or_leave_items_out)
{
    hob_flow *f = hob_flow_range(1, 7);
    hob_flow_window(f, 3, 1);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    check_ok(GIVES(f, 123, 234, 345, 456));
    f = hob_flow_range(1, 10);
    hob_flow_window(f, 2, 3);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    check_ok(GIVES(f, 12, 45, 78));
    f = hob_flow_range(1, 10);
    hob_flow_window(f, 4, 4);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    check_ok(GIVES(f, 1234, 5678)); // 9 fills no window
}

/* The user's structs are laid out as ours, whatever is in them. */
TEST(flow, a_batch_of_any_item_is_as_large_as_the_users_struct)
{
    check_eq(sizeof(HOB_BATCH(char, 3)), 24);
    check_eq(sizeof(HOB_BATCH(long double, 3)), 64);
    struct odd { char c[3]; };
#define CHECK_SIZE(type, max)                                                      \
    do {                                                                           \
        static type items_[max];                                                   \
        HOB_BATCH(type, max) got_[2];                                              \
        size_t count_ = 99;                                                        \
        memset(got_, 0x5A, sizeof got_);                                           \
        hob_flow *f_ = hob_flow_array(items_, sizeof(type), (max));                \
        hob_flow_batch(f_, (max), 0);                                              \
        check_ok(hob_flow_to_array(f_, got_, 2, &count_));                         \
        check_eq(count_, 1);                                                       \
        check_eq(got_[0].count, (max));                                            \
        for (size_t i_ = 0; i_ < sizeof got_[1]; i_++)                             \
            check_eq(((unsigned char *)&got_[1])[i_], 0x5A);                       \
    } while (0)
    CHECK_SIZE(struct odd, 1);
    CHECK_SIZE(struct odd, 5);
    CHECK_SIZE(struct nap, 7);
}

static int add_both(void *item, void *other, void *arg, void *ret_item)
{
    *(int64_t *)ret_item = *(int64_t *)item * 100 + *(int64_t *)other;
    return 0;
}

TEST_ON_ALL(flow, concat_gives_one_after_the_other_and_zip_one_of_each)
{
    hob_flow *f = hob_flow_range(0, 2);
    hob_flow_concat(f, hob_flow_range(7, 9));
    hob_flow_concat(f, FLOW_OF(5));
    check_ok(GIVES(f, 0, 1, 7, 8, 5));

    f = hob_flow_range(0, 100);
    hob_flow_zip(f, hob_flow_range(7, 10), sizeof(int64_t), add_both, NULL);
    check_ok(GIVES(f, 7, 108, 209));
    f = hob_flow_range(0, 2);
    hob_flow_zip(f, hob_flow_range(7, 1000), sizeof(int64_t), add_both, NULL);
    check_ok(GIVES(f, 7, 108));

    f = hob_flow_range(0, 2);
    hob_flow_concat(f, hob_flow_failed(sizeof(int64_t), -EIO));
    hob_flow_concat(f, FLOW_OF(5));
    check_ok(GIVES_THEN(f, -EIO, 0, 1));
}

/* The pairs of neighbours: two items become one, and the first has none. */
static int differences(hob_flow *up, void *arg, void *ret_item)
{
    int64_t *before = arg, item;
    if (*before < 0)
        HOB_TRY(hob_flow_next(up, before));
    HOB_TRY(hob_flow_next(up, &item));
    *(int64_t *)ret_item = item - *before;
    *before = item;
    return 0;
}

TEST_ON_ALL(flow, a_stage_of_ones_own_asks_as_often_as_it_likes)
{
    int64_t   before = -1;
    hob_flow *f = FLOW_OF(1, 4, 9, 16);
    hob_flow_through(f, sizeof(int64_t), differences, &before);
    check_ok(GIVES(f, 3, 5, 7));
    int64_t nine = 9;
    before = -1;
    f = FLOW_OF(1, 4, 9, 16);
    hob_flow_on_each(f, fail_at, &nine);
    hob_flow_through(f, sizeof(int64_t), differences, &before);
    check_ok(GIVES_THEN(f, -EDOM, 3));
}

static hob_flow *repeat(void *item, void *arg)
{
    int64_t n = *(int64_t *)item;
    if (arg != NULL && n == *(int64_t *)arg)
        return hob_flow_failed(sizeof n, -EIO);
    return hob_flow_range(10 * n, 10 * n + n);
}

TEST_ON_ALL(flow, flat_map_gives_the_items_of_one_flow_after_the_other)
{
    hob_flow *f = hob_flow_range(0, 4);
    hob_flow_flat_map(f, 1, sizeof(int64_t), repeat, NULL);
    check_ok(GIVES(f, 10, 20, 21, 30, 31, 32));
    int64_t two = 2;
    f = hob_flow_range(0, 4);
    hob_flow_flat_map(f, 1, sizeof(int64_t), repeat, &two);
    check_ok(GIVES_THEN(f, -EIO, 10));
    f = hob_flow_range(0, 4);
    hob_flow_flat_map(f, 1, sizeof(int64_t), repeat, NULL);
    hob_flow_take(f, 2);
    check_ok(GIVES(f, 10, 20));
}

/* ---- sinks ---- */

TEST_ON_ALL(flow, each_sink_says_what_came)
{
    int64_t  numbers[8], number = 0;
    uint64_t count = 0;
    size_t   length = 0;
    check_ok(hob_flow_reduce(hob_flow_range(0, 101), &number, add_up, NULL));
    check_eq(number, 5050);
    check_ok(hob_flow_count(hob_flow_range(0, 1000), &count));
    check_eq(count, 1000);
    check_ok(hob_flow_drain(hob_flow_range(0, 1000)));
    check_ok(hob_flow_first(hob_flow_range(7, INT64_MAX), &number));
    check_eq(number, 7);
    check_err(hob_flow_first(hob_flow_empty(sizeof number), &number), HOB_EOF);
    check_err(hob_flow_first(hob_flow_failed(sizeof number, -EIO), &number), -EIO);
    check_eq(number, 7);
    check_ok(hob_flow_to_array(hob_flow_range(0, 8), numbers, 8, &length));
    check_eq(length, 8);
    check_eq(numbers[7], 7);
    length = 3;
    check_err(hob_flow_to_array(hob_flow_range(0, 9), numbers, 8, &length), -ENOBUFS);
    check_eq(length, 3);
}

static int square_in_place(void *item, void *arg)
{
    *(int64_t *)arg += *(int64_t *)item;
    return *(int64_t *)item == 7 ? -EDOM : 0;
}

TEST_ON_ALL(flow, for_each_stops_at_the_first_failure)
{
    int64_t sum = 0;
    check_ok(hob_flow_for_each(hob_flow_range(0, 7), square_in_place, &sum));
    check_eq(sum, 21);
    check_err(hob_flow_for_each(hob_flow_range(0, INT64_MAX), square_in_place, &sum), -EDOM);
    check_eq(sum, 21 + 28);
}

TEST_ON_ALL(flow, into_a_channel_waits_for_room_and_ends_when_nobody_receives)
{
    hob_chan *chan;
    check_ok(hob_chan_new(sizeof(int64_t), 4, HOB_WAIT, NULL, &chan));
    HOB_DEFER(free_chan, &chan);
    check_ok(hob_flow_into_chan(hob_flow_range(0, 4), chan));
    int64_t number;
    for (int64_t i = 0; i < 4; i++) {
        check_ok(hob_chan_try_recv(chan, &number));
        check_eq(number, i);
    }
    check_err(hob_chan_try_recv(chan, &number), -EAGAIN); // not finished
    hob_chan_stop(chan);
    check_err(hob_flow_into_chan(hob_flow_range(0, 4), chan), -EPIPE);
}

TEST(flow, by_hand_the_end_is_told_again_and_again)
{
    HOB_SCOPE(s);
    hob_flow *f = hob_flow_range(0, 1);
    int64_t   number;
    int       begun = hob_flow_begin(f, &s);
    int       first = begun == 0 ? hob_flow_next(f, &number) : begun;
    int       second = hob_flow_next(f, &number), third = hob_flow_next(f, &number);
    hob_flow_end(f);
    hob_flow_end(NULL);
    check_ok(first);
    check_eq(number, 0);
    check_err(second, HOB_EOF);
    check_err(third, HOB_EOF);
}

/* An error must never look like the end. */
static int fail_as_the_end(const void *item, void *arg)
{
    return HOB_EOF;
}

TEST(flow, an_error_that_is_called_the_end_is_still_an_error)
{
    hob_flow *f = hob_flow_range(0, 9);
    hob_flow_on_each(f, fail_as_the_end, NULL);
    check_err(hob_flow_drain(f), HOB_EOF);
    f = hob_flow_range(0, 9);
    hob_flow_on_each(f, fail_as_the_end, NULL);
    hob_flow_buffer(f, 4, HOB_WAIT);
    check_err(hob_flow_drain(f), HOB_EOF);
    f = hob_flow_range(0, 9);
    hob_flow_on_each(f, fail_as_the_end, NULL);
    check_ok(GIVES_NOTHING(f, HOB_EBROKEN));
}

/* ---- without memory, and without being run ---- */

TEST(flow, a_flow_that_could_not_be_made_takes_all_stages_and_fails_at_its_sink)
{
    hob_flow *f = NULL;
    hob_flow_map(f, sizeof(int64_t), square, NULL);
    hob_flow_filter(f, is_even, NULL);
    hob_flow_merge(f, hob_flow_range(0, 3));
    hob_flow_concat(f, hob_flow_range(0, 3));
    hob_flow_zip(f, hob_flow_range(0, 3), sizeof(int64_t), add_both, NULL);
    hob_flow_window(f, 3, 1);
    hob_flow_owns(f, drop_owned, NULL, NULL);
    check_err(hob_flow_drain(f), -ENOMEM);
    check_err(hob_flow_first(f, &(int64_t){ 0 }), -ENOMEM);
    check_err(hob_flow_begin(f, NULL), -ENOMEM);
    hob_flow_free(f);

    f = hob_flow_range(0, 3);
    hob_flow_merge(f, NULL);
    check_err(hob_flow_drain(f), -ENOMEM);
    f = hob_flow_range(0, 3);
    hob_flow_zip(f, NULL, sizeof(int64_t), add_both, NULL);
    hob_flow_map(f, sizeof(int64_t), square, NULL);
    check_err(hob_flow_drain(f), -ENOMEM);
    f = hob_flow_range(0, 3);
    hob_flow_batch(f, SIZE_MAX / 4, 0);
    check_err(hob_flow_drain(f), -ENOMEM);
    if (IS_SANITIZED)
        return; // they stop whoever asks for so much
    for (size_t bytes = SIZE_MAX; bytes > SIZE_MAX / 64; bytes = bytes / 2 + 7) {
        f = hob_flow_range(0, 3);
        hob_flow_map(f, bytes, square, NULL);
        hob_flow_debounce(f, HOB_SEC);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_scan(f, bytes, NULL, add_up, NULL);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_distinct(f, bytes, last_digit, NULL);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_map_at_once(f, 2, HOB_IN_ORDER, bytes, square, NULL);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_latest(f, bytes, square, NULL);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_zip(f, hob_flow_range(0, 3), bytes, add_both, NULL);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_buffer(f, bytes, HOB_WAIT);
        check_err(hob_flow_drain(f), -ENOMEM);
        f = hob_flow_range(0, 3);
        hob_flow_window(f, bytes, 1);
        check_err(hob_flow_drain(f), -ENOMEM);
    }
    f = hob_flow_range(0, 3);
    hob_flow_map_at_once(f, SIZE_MAX / 4, HOB_IN_ORDER, sizeof(int64_t), square, NULL);
    check_err(hob_flow_drain(f), -ENOMEM);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

TEST(flow, finally_is_called_once_however_the_flow_ends)
{
    int       calls = 0;
    hob_flow *f = hob_flow_range(0, 3);
    hob_flow_finally(f, count_call, &calls);
    hob_flow_take(f, 1);
    ignore(hob_flow_drain(f));
    check_eq(calls, 1);
    f = hob_flow_range(0, 3);
    hob_flow_finally(f, count_call, &calls);
    hob_flow_free(f);
    check_eq(calls, 2);
    hob_flow_finally(NULL, count_call, &calls);
    check_eq(calls, 3);
    f = hob_flow_range(0, 3);
    hob_flow_concat(f, NULL); // cannot be run any more
    hob_flow_finally(f, count_call, &calls);
    check_eq(calls, 4);
    hob_flow_free(f);
    check_eq(calls, 4);
    hob_flow *other = hob_flow_range(0, 3);
    hob_flow_finally(other, count_call, &calls);
    f = hob_flow_range(0, 3);
    hob_flow_merge(f, other);
    hob_flow_on_each(f, fail_at, &(int64_t){ 1 });
    ignore(hob_flow_drain(f));
    check_eq(calls, 5);
}

static int never_branch(hob_flow *branch, void *arg)
{
    return hob_flow_drain(branch);
}

static int last_digit_of(void *item, void *arg, void *ret_item)
{
    *(int64_t *)ret_item = *(int64_t *)item % 10;
    return 0;
}

static hob_flow *repeat_once(void *item, void *arg)
{
    return hob_flow_range(*(int64_t *)item, *(int64_t *)item + 2);
}

/* All of them, so that torture finds each place where there is no memory. */
static hob_flow *with_everything(void)
{
    hob_flow *f = hob_flow_range(0, 50);
    hob_flow_map(f, sizeof(int64_t), square, NULL);
    hob_flow_merge(f, hob_flow_range(0, 3));
    hob_flow_merge(f, hob_flow_range(0, 3));
    hob_flow_buffer(f, 3, HOB_WAIT);
    hob_flow_concat(f, hob_flow_range(0, 3));
    hob_flow_map_at_once(f, 3, HOB_AS_DONE, sizeof(int64_t), square, NULL);
    hob_flow_map_at_once(f, 3, HOB_IN_ORDER, sizeof(int64_t), square, NULL);
    hob_flow_zip(f, hob_flow_range(0, 1000), sizeof(int64_t), add_both, NULL);
    hob_flow_tee(f, 2, HOB_WAIT, never_branch, NULL);
    hob_flow_take(f, 40);
    hob_flow_scan(f, sizeof(int64_t), NULL, add_up, NULL);
    hob_flow_window(f, 3, 1);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    hob_flow_batch(f, 2, HOB_SEC);
    hob_flow_map(f, sizeof(int64_t), sum_of_batch, NULL);
    hob_flow_take(f, 5);
    hob_flow_map(f, sizeof(int64_t), last_digit_of, NULL);
    hob_flow_flat_map(f, 3, sizeof(int64_t), repeat, NULL);
    hob_flow_flat_map(f, 1, sizeof(int64_t), repeat_once, NULL);
    hob_flow_distinct(f, 0, NULL, NULL);
    return f;
}

TEST_ON_ALL(flow, a_flow_of_everything_runs_or_is_freed_unrun)
{
    uint64_t count = 0;
    hob_flow_free(with_everything());
    hob_flow_free(NULL);
    check_ok(hob_flow_count(with_everything(), &count));
    check_gt(count, 0);
    HOB_SCOPE(s);
    hob_flow *f = with_everything();
    int       r = hob_flow_begin(f, &s);
    if (r == 0)
        r = hob_flow_next(f, &(int64_t){ 0 });
    hob_flow_end(f); // in the middle
    check_ok(r);
    check_ok(hob_scope_end(&s));
}

/* ---- who owns what ---- */

/* Takes the item over, and makes another, or fails. */
struct renewal {
    struct owned *owned;
    int64_t       fails_at; /* the call that fails */
    int64_t       calls;
};

static int renew(void *item, void *arg, void *ret_item)
{
    struct renewal *renewal = arg;
    if (renewal->calls++ == renewal->fails_at)
        return -EDOM;
    owned_end(renewal->owned, *(int64_t *)item);
    *(int64_t *)ret_item = owned_new(renewal->owned);
    return 0;
}

TEST_ON_ALL(flow, what_a_stage_does_not_pass_on_is_dropped_once)
{
    static struct owned owned;
    int64_t             four = 4;

    hob_flow *f = flow_of_owned(&owned, 20, 0);
    hob_flow_skip(f, 3);
    hob_flow_filter(f, is_even, NULL);
    hob_flow_take(f, 4);
    check_ok(hob_flow_for_each(f, take_owned, &owned));
    check_eq(owned.made, 11);
    check_eq(owned.dropped, 11 - 4);
    check_ok(check_owned(&owned));

    f = flow_of_owned(&owned, 20, 0);
    hob_flow_take_while(f, is_below, &four);
    check_ok(hob_flow_drain(f));
    check_eq(owned.dropped, 5);
    check_ok(check_owned(&owned));

    f = flow_of_owned(&owned, 20, 0);
    hob_flow_on_each(f, fail_at, &four);
    check_err(hob_flow_for_each(f, take_owned, &owned), -EDOM);
    check_eq(owned.dropped, 1);
    check_ok(check_owned(&owned));

    f = flow_of_owned(&owned, 20, 0);
    hob_flow_zip(f, hob_flow_range(0, 5), sizeof(int64_t), add_both, NULL);
    hob_flow_free(f);
    check_eq(owned.made, 0);

    struct renewal renewal = { &owned, 6, 0 };
    f = flow_of_owned(&owned, 8, 0);
    hob_flow_map(f, sizeof(int64_t), renew, &renewal);
    hob_flow_owns(f, drop_owned, NULL, &owned);
    check_err(hob_flow_for_each(f, take_owned, &owned), -EDOM);
    check_eq(owned.dropped, 1);
    check_ok(check_owned(&owned));
}

static int take_batch(void *item, void *arg)
{
    const HOB_BATCH(int64_t, 4) *batch = item;
    for (size_t i = 0; i < batch->count; i++)
        owned_end(arg, batch->items[i]);
    return 0;
}

TEST_ON_ALL(flow, a_batch_owns_what_its_items_own)
{
    static struct owned owned;
    hob_flow           *f = flow_of_owned(&owned, 10, 0);
    hob_flow_batch(f, 4, 0);
    check_ok(hob_flow_for_each(f, take_batch, &owned));
    check_eq(owned.dropped, 0);
    check_ok(check_owned(&owned));

    f = flow_of_owned(&owned, 10, -EIO);
    hob_flow_batch(f, 4, 0);
    hob_flow_skip(f, 1);
    check_err(hob_flow_drain(f), -EIO);
    check_eq(owned.dropped, 10);
    check_ok(check_owned(&owned));

    HOB_BATCH(int64_t, 4) batches[2];
    size_t count;
    f = flow_of_owned(&owned, 10, 0);
    hob_flow_batch(f, 4, 0);
    check_err(hob_flow_to_array(f, batches, 2, &count), -ENOBUFS); // and what was in it is dropped
    check_eq(owned.dropped, 10);
    check_ok(check_owned(&owned));

    f = flow_of_owned(&owned, 10, 0);
    hob_flow_window(f, 4, 3);
    check_ok(hob_flow_for_each(f, take_batch, &owned));
    check_ok(check_owned(&owned));
    f = flow_of_owned(&owned, 10, 0);
    hob_flow_window(f, 2, 3);
    hob_flow_buffer(f, 2, HOB_WAIT);
    hob_flow_take(f, 2);
    check_ok(hob_flow_for_each(f, take_batch, &owned));
    check_ok(check_owned(&owned));
}

/* ---- mistakes ---- */

TEST_DIES(flow, a_flow_that_runs_takes_no_more_stages, "hob_flow_map: the flow runs already")
{
    HOB_SCOPE(s);
    hob_flow *f = hob_flow_range(0, 3);
    check_ok(hob_flow_begin(f, &s));
    hob_flow_map(f, sizeof(int64_t), square, NULL);
}

static int end_what_was_lent(hob_flow *up, void *arg, void *ret_item)
{
    hob_flow_end(up);
    return HOB_EOF;
}

TEST_DIES(flow, through_only_lends_its_flow, "hob_flow_end: hob_flow_through only lends")
{
    hob_flow *f = hob_flow_range(0, 3);
    hob_flow_through(f, sizeof(int64_t), end_what_was_lent, NULL);
    check_ok(hob_flow_drain(f));
}

TEST_DIES(flow, flows_of_different_items_do_not_mix, "hob_flow_merge: the items of the flows differ in size")
{
    hob_flow *f = hob_flow_range(0, 3);
    hob_flow_merge(f, hob_flow_array("abc", 1, 3));
}

TEST_DIES(flow, owned_items_do_not_mix_with_others, "hob_flow_concat: the items of the flows are not dropped")
{
    static struct owned owned;
    hob_flow           *f = flow_of_owned(&owned, 3, 0);
    hob_flow_concat(f, hob_flow_range(0, 3));
}

TEST_DIES(flow, overlapping_windows_need_a_copy_function, "hob_flow_window: windows overlap")
{
    hob_flow *f = hob_flow_range(0, 3);
    hob_flow_owns(f, drop_owned, NULL, NULL);
    hob_flow_window(f, 3, 1);
    check_ok(hob_flow_drain(f));
}

TEST_DIES(flow, an_item_has_at_least_one_byte, "hob_flow: an item has at least one byte")
{
    hob_flow_free(hob_flow_array("", 0, 3));
}
