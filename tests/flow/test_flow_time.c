/* SPDX-License-Identifier: MIT */
/* hob/flow.h: stages and sources for which it matters when an item comes, to the millisecond. */
#include <stdarg.h>

#include "flow/flows.h"

/* Items that come at given times: the number of an item is its time in ms. */
struct timetable {
    const int64_t *at_ms;
    size_t         count, next;
    int64_t        began_ns;
    int            error;
};

static int come(void *arg, void *ret_item)
{
    struct timetable *table = arg;
    if (table->began_ns == 0)
        table->began_ns = hob_now();
    if (table->next == table->count)
        return table->error != 0 ? table->error : HOB_EOF;
    int64_t at_ms = table->at_ms[table->next];
    HOB_TRY(hob_sleep_until(table->began_ns + at_ms * HOB_MSEC));
    table->next++;
    *(int64_t *)ret_item = at_ms;
    return 0;
}

#define TIMETABLE(...) { .at_ms = NUMBERS(__VA_ARGS__), .count = COUNT(__VA_ARGS__) }

static hob_flow *flow_at(struct timetable *table)
{
    return hob_flow_generate(sizeof(int64_t), come, table);
}

/* What came at its end, and when. */
struct arrivals {
    int64_t began_ns, sleep_ns; /* after each */
    char    text[512];
};

static void arrivals_begin(struct arrivals *arrivals)
{
    *arrivals = (struct arrivals){ .began_ns = hob_now() };
}

static void note_text(struct arrivals *arrivals, const char *format, ...)
{
    size_t  len = strlen(arrivals->text);
    va_list args;
    va_start(args, format);
    vsnprintf(arrivals->text + len, sizeof arrivals->text - len, format, args);
    va_end(args);
}

static void note_time(struct arrivals *arrivals)
{
    note_text(arrivals, "@%lld ", (long long)((hob_now() - arrivals->began_ns) / HOB_MSEC));
}

static int note_number(void *item, void *arg)
{
    struct arrivals *arrivals = arg;
    note_text(arrivals, "%lld", (long long)*(int64_t *)item);
    note_time(arrivals);
    return arrivals->sleep_ns > 0 ? hob_sleep(arrivals->sleep_ns) : 0;
}

typedef HOB_BATCH(int64_t, 3) three;

/* As [1 2 3]b0@12: the items, when it began, when it came. */
static int note_batch(void *item, void *arg)
{
    struct arrivals *arrivals = arg;
    three           *batch = item;
    note_text(arrivals, "[");
    for (size_t i = 0; i < batch->count; i++)
        note_text(arrivals, "%s%lld", i > 0 ? " " : "", (long long)batch->items[i]);
    note_text(arrivals, "]");
    if (batch->began_ns != 0)
        note_text(arrivals, "b%lld", (long long)((batch->began_ns - arrivals->began_ns) / HOB_MSEC));
    note_time(arrivals);
    return arrivals->sleep_ns > 0 ? hob_sleep(arrivals->sleep_ns) : 0;
}

/* ---- ticks, throttle, pace ---- */

TEST(flow_time, ticks_come_with_the_beat_and_skip_what_nobody_waited_for)
{
    struct arrivals arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = hob_flow_ticks(10 * HOB_MSEC);
    hob_flow_take(f, 3);
    check_ok(hob_flow_for_each(f, note_number, &arrivals));
    check_str(arrivals.text, "0@10 1@20 2@30 ");

    arrivals_begin(&arrivals);
    arrivals.sleep_ns = 25 * HOB_MSEC;
    f = hob_flow_ticks(10 * HOB_MSEC);
    hob_flow_take(f, 3);
    check_ok(hob_flow_for_each(f, note_number, &arrivals));
    check_str(arrivals.text, "0@10 3@40 6@70 ");
}

TEST(flow_time, throttle_drops_what_comes_too_soon)
{
    struct timetable table = TIMETABLE(5, 7, 14, 15, 16, 40, 41);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_throttle(f, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_number, &arrivals));
    check_str(arrivals.text, "5@5 15@15 40@40 ");
}

TEST(flow_time, pace_lets_items_wait_and_loses_none)
{
    struct timetable table = TIMETABLE(5, 7, 8, 40, 55);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_pace(f, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_number, &arrivals));
    check_str(arrivals.text, "5@5 7@15 8@25 40@40 55@55 ");
}

/* ---- batches and windows ---- */

TEST(flow_time, a_batch_is_given_when_it_is_full_or_when_its_time_is_over)
{
    struct timetable table = TIMETABLE(5, 6, 7, 8, 30, 50, 51, 52, 53);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_batch(f, 3, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_batch, &arrivals));
    check_str(arrivals.text, "[5 6 7]b5@7 [8]b8@18 [30]b30@40 [50 51 52]b50@52 [53]b53@53 ");
}

TEST(flow_time, who_asks_late_gets_batches_as_if_they_had_not_been_late)
{
    struct timetable table = TIMETABLE(5, 6, 30, 31, 45, 60);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    arrivals.sleep_ns = 40 * HOB_MSEC;
    hob_flow *f = flow_at(&table);
    hob_flow_batch(f, 3, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_batch, &arrivals));
    check_str(arrivals.text, "[5 6]b5@15 [30 31]b30@55 [45]b45@95 [60]b60@135 ");
}

TEST(flow_time, who_is_cancelled_gets_no_half_batch)
{
    struct arrivals arrivals;
    for (int64_t within_ns = 0; within_ns <= HOB_SEC; within_ns += HOB_SEC) {
        struct timetable table = TIMETABLE(5, 6, 7, 8, 50);
        arrivals_begin(&arrivals);
        hob_flow *f = flow_at(&table);
        hob_flow_batch(f, 3, within_ns);
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(20 * HOB_MSEC));
        check_err(hob_flow_for_each(f, note_batch, &arrivals), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
        check_has(arrivals.text, "[5 6 7]");
        check(strstr(arrivals.text, "[8]") == NULL);
    }
}

TEST(flow_time, an_error_comes_after_the_batch_before_it)
{
    struct timetable table = TIMETABLE(5, 6, 7, 8);
    struct arrivals  arrivals;
    table.error = -EIO;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_batch(f, 3, HOB_SEC);
    check_err(hob_flow_for_each(f, note_batch, &arrivals), -EIO);
    check_str(arrivals.text, "[5 6 7]b5@7 [8]b8@8 ");
}

TEST(flow_time, windows_of_time_are_given_empty_too)
{
    struct timetable table = TIMETABLE(5, 6, 10, 35, 36, 37, 38);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_window_time(f, 3, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_batch, &arrivals));
    check_str(arrivals.text, "[5 6]b0@10 [10]b10@20 []b20@30 [35 36 37]b30@37 [38]b30@38 ");
}

TEST(flow_time, windows_that_nobody_waited_for_are_given_when_something_came)
{
    struct timetable table = TIMETABLE(5, 12, 35, 71);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    arrivals.sleep_ns = 30 * HOB_MSEC;
    hob_flow *f = flow_at(&table);
    hob_flow_window_time(f, 3, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_batch, &arrivals));
    check_str(arrivals.text, "[5]b0@10 [12]b10@40 [35]b30@70 [71]b70@100 ");
}

/* ---- debounce, sample ---- */

TEST(flow_time, debounce_gives_the_last_item_before_it_was_quiet)
{
    struct timetable table = TIMETABLE(5, 8, 14, 40, 60, 64, 66);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_debounce(f, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_number, &arrivals));
    check_str(arrivals.text, "14@24 40@50 66@66 "); // the end counts as quiet
}

TEST(flow_time, debounce_replaces_what_nobody_took)
{
    struct timetable table = TIMETABLE(5, 20, 40, 100);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    arrivals.sleep_ns = 50 * HOB_MSEC;
    table.error = -EIO;
    hob_flow *f = flow_at(&table);
    hob_flow_debounce(f, 10 * HOB_MSEC);
    check_err(hob_flow_for_each(f, note_number, &arrivals), -EIO);
    check_str(arrivals.text, "5@15 40@65 100@115 ");
}

TEST(flow_time, sample_gives_the_last_item_with_each_beat_if_it_is_new)
{
    struct timetable table = TIMETABLE(5, 8, 14, 41, 62, 64);
    struct arrivals  arrivals;
    arrivals_begin(&arrivals);
    hob_flow *f = flow_at(&table);
    hob_flow_sample(f, 10 * HOB_MSEC);
    check_ok(hob_flow_for_each(f, note_number, &arrivals));
    check_str(arrivals.text, "8@10 14@20 41@50 64@64 ");

    struct timetable again = TIMETABLE(5, 8, 14, 41);
    again.error = -EIO;
    arrivals_begin(&arrivals);
    arrivals.sleep_ns = 25 * HOB_MSEC;
    f = flow_at(&again);
    hob_flow_sample(f, 10 * HOB_MSEC);
    check_err(hob_flow_for_each(f, note_number, &arrivals), -EIO);
    check_str(arrivals.text, "8@10 14@35 41@60 "); // a beat that was missed is served at once
}

/* ---- on a real clock, too: what comes out, not when ---- */

TEST_ON_ALL(flow_time, nothing_is_lost_or_doubled_by_the_clock)
{
    uint64_t  count = 0;
    int64_t   sum = 0;
    hob_flow *f = hob_flow_ticks(HOB_MSEC / 4);
    hob_flow_take(f, 20);
    hob_flow_pace(f, HOB_MSEC / 4);
    check_ok(hob_flow_count(f, &count));
    check_eq(count, 20);

    f = hob_flow_range(0, 1000);
    hob_flow_batch(f, 7, HOB_MSEC);
    check_ok(hob_flow_count(f, &count));
    check_ge(count, 1000 / 7);
    f = hob_flow_range(0, 1000);
    hob_flow_throttle(f, HOB_HOUR);
    check_ok(hob_flow_reduce(f, &sum, add_up, NULL));
    check_eq(sum, 0);
    f = hob_flow_range(0, 1000);
    hob_flow_debounce(f, HOB_HOUR);
    check_ok(hob_flow_reduce(f, &sum, add_up, NULL));
    check_eq(sum, 999);
    f = hob_flow_range(0, 1000);
    hob_flow_sample(f, HOB_HOUR);
    check_ok(hob_flow_reduce(f, &sum, add_up, NULL));
    check_eq(sum, 2 * 999);
}

static int add_batch_up(void *state, void *item, void *arg)
{
    three *batch = item;
    for (size_t i = 0; i < batch->count; i++)
        *(int64_t *)state += batch->items[i];
    return 0;
}

TEST_ON_ALL(flow_time, every_item_is_in_one_window)
{
    int64_t   sum = 0;
    hob_flow *f = hob_flow_range(0, 500);
    hob_flow_window_time(f, 3, HOB_MSEC);
    check_ok(hob_flow_reduce(f, &sum, add_batch_up, NULL));
    check_eq(sum, 499 * 250);
}

/* ---- who owns what ---- */

static int take_three(void *item, void *arg)
{
    three *batch = item;
    for (size_t i = 0; i < batch->count; i++)
        owned_end(arg, batch->items[i]);
    return 0;
}

TEST_ON_ALL(flow_time, what_time_leaves_out_is_dropped_once)
{
    static struct owned owned;
    for (int which = 0; which < 5; which++) {
        for (uint64_t taken = 1; taken < 6; taken += 4) {
            bool      is_batch = which >= 3;
            hob_flow *f = flow_of_owned(&owned, 50, taken == 1 ? 0 : -EIO);
            hob_flow_pace(f, HOB_MSEC / 5);
            if (which == 0)
                hob_flow_throttle(f, HOB_MSEC);
            if (which == 1)
                hob_flow_debounce(f, HOB_MSEC / 10);
            if (which == 2)
                hob_flow_sample(f, HOB_MSEC / 2);
            if (which == 3)
                hob_flow_batch(f, 3, HOB_MSEC / 2);
            if (which == 4)
                hob_flow_window_time(f, 3, HOB_MSEC / 2);
            hob_flow_take(f, taken);
            int r = hob_flow_for_each(f, is_batch ? take_three : take_owned, &owned);
            check(r == 0 || r == -EIO);
            check_ok(check_owned(&owned));
        }
    }
}
