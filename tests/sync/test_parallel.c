/* SPDX-License-Identifier: MIT */
/* The same for many things, so many at a time. */
#include "support/tasks.h"

enum { ITEMS = 20 };

struct crew {
    int under_way, under_way_max, begun;
    int fails_at; /* this item fails */
};

static int slow_square(void *item, void *arg)
{
    struct crew *crew = arg;
    int         *number = item;
    crew->begun++;
    if (++crew->under_way > crew->under_way_max)
        crew->under_way_max = crew->under_way;
    int r = hob_sleep(HOB_SEC);
    crew->under_way--;
    if (r < 0)
        return r;
    if (crew->fails_at != 0 && *number == crew->fails_at)
        return -EDOM;
    *number *= *number;
    return 0;
}

static void fill(int *numbers)
{
    for (int i = 0; i < ITEMS; i++)
        numbers[i] = i + 1;
}

TEST(parallel, each_item_is_done_once_and_so_many_at_a_time)
{
    for (size_t at_once = 0; at_once <= ITEMS + 1; at_once++) {
        struct crew crew = { 0 };
        int         numbers[ITEMS];
        int64_t     began = hob_now();
        size_t      tasks = at_once == 0 || at_once > ITEMS ? ITEMS : at_once;
        fill(numbers);
        check_ok(hob_for_each(numbers, sizeof numbers[0], ITEMS, at_once, slow_square, &crew));
        for (int i = 0; i < ITEMS; i++)
            check_eq(numbers[i], (i + 1) * (i + 1));
        check_eq(crew.begun, ITEMS);
        check_le(crew.under_way_max, tasks);
        check_eq((hob_now() - began) / HOB_SEC, (ITEMS + tasks - 1) / tasks);
    }
    check_ok(hob_for_each(NULL, 4, 0, 0, slow_square, NULL));
}

TEST(parallel, the_first_failure_ends_it)
{
    struct crew crew = { .fails_at = 3 };
    int         numbers[ITEMS];
    fill(numbers);
    check_err(hob_for_each(numbers, sizeof numbers[0], ITEMS, 4, slow_square, &crew), -EDOM);
    check_le(crew.begun, 8);
    check_eq(crew.under_way, 0);
}

static int fill_channel(void *arg)
{
    HOB_CHAN_SENDER(ch, arg);
    for (int i = 1; i <= ITEMS; i++)
        HOB_TRY(hob_chan_send(ch, &i));
    return 0;
}

static int add_up(void *item, void *arg)
{
    HOB_TRY(hob_sleep(HOB_SEC));
    *(int *)arg += *(int *)item;
    return 0;
}

static void free_chan(void *chan)
{
    hob_chan_free(*(hob_chan **)chan);
}

TEST(parallel, a_channel_is_worked_off_until_its_end)
{
    hob_chan *ch;
    int       sum = 0;
    check_ok(hob_chan_new(sizeof(int), 2, HOB_WAIT, NULL, &ch));
    HOB_DEFER(free_chan, &ch);
    HOB_SCOPE(s);
    int64_t began = hob_now();
    check_ok(hob_go(&s, fill_channel, hob_chan_sender_ref(ch)));
    check_ok(hob_for_each_recv(ch, 5, add_up, &sum));
    check_eq(sum, ITEMS * (ITEMS + 1) / 2);
    check_eq((hob_now() - began) / HOB_SEC, ITEMS / 5);
    check_ok(hob_scope_end(&s));
}

TEST(parallel, a_channel_that_failed_gives_its_error)
{
    hob_chan *ch;
    int       sum = 0;
    check_ok(hob_chan_new(sizeof(int), 2, HOB_WAIT, NULL, &ch));
    HOB_DEFER(free_chan, &ch);
    check_ok(hob_chan_send(ch, &(int){ 5 }));
    hob_chan_fail(ch, -EIO);
    check_err(hob_for_each_recv(ch, 1, add_up, &sum), -EIO);
    check_eq(sum, 5);
}
