/* SPDX-License-Identifier: MIT */
/*
 * hob/chan.h: order, room, both ends, cancelling; and a random walk beside a model.
 */
#include "support/tasks.h"

#include <stdlib.h>

#include "hob/chan.h"
#include "hob/select.h"

static void free_chan(void *chan)
{
    hob_chan_free(*(hob_chan **)chan);
}

/* A channel of ints that is freed at the end of the block. */
#define CHAN(name, capacity, overflow, ...)                                       \
    hob_chan *name;                                                               \
    check_ok(hob_chan_new(sizeof(int), (capacity), (overflow), __VA_ARGS__, &name)); \
    HOB_DEFER(free_chan, &name)

static int send_1_to_10(void *arg)
{
    HOB_CHAN_SENDER(ch, arg);
    for (int i = 1; i <= 10; i++)
        HOB_TRY(hob_chan_send(ch, &i));
    return 0;
}

/* ---- values and room ---- */

TEST_ON_ALL(chan, values_arrive_in_the_order_of_the_sends_then_the_end)
{
    for (size_t capacity = 0; capacity <= 12; capacity += 3) {
        CHAN(ch, capacity, HOB_WAIT, NULL);
        HOB_SCOPE(s);
        check_ok(hob_go(&s, send_1_to_10, hob_chan_sender_ref(ch)));
        int value;
        for (int i = 1; i <= 10; i++) {
            check_ok(hob_chan_recv(ch, &value));
            check_eq(value, i);
        }
        check_err(hob_chan_recv(ch, &value), HOB_EOF);
        check_err(hob_chan_recv(ch, &value), HOB_EOF);
        check_ok(hob_scope_end(&s));
    }
}

TEST(chan, a_full_channel_makes_the_sender_wait)
{
    CHAN(ch, 3, HOB_WAIT, NULL);
    hob_chan_stats stats;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, send_1_to_10, hob_chan_sender_ref(ch)));
    settle();
    hob_chan_stats_get(ch, &stats);
    check_eq(stats.queued, 3);
    check_eq(stats.senders_waiting, 1);
    check_eq(stats.sent, 3);
    int value;
    for (int i = 1; i <= 10; i++)
        check_ok(hob_chan_recv(ch, &value));
    check_eq(value, 10);
    check_ok(hob_scope_end(&s));
    hob_chan_stats_get(ch, &stats);
    check_eq(stats.sent, 10);
    check_eq(stats.received, 10);
    check_eq(stats.queued_max, 3);
}

TEST(chan, without_room_a_sender_waits_until_it_was_received)
{
    CHAN(ch, 0, HOB_WAIT, NULL);
    hob_chan_stats stats;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, send_1_to_10, hob_chan_sender_ref(ch)));
    settle();
    hob_chan_stats_get(ch, &stats);
    check_eq(stats.sent, 0);
    check_eq(stats.senders_waiting, 1);
    hob_chan_stop(ch);
    check_err(hob_scope_end(&s), -EPIPE);
}

TEST(chan, the_try_forms_never_wait)
{
    CHAN(ch, 1, HOB_WAIT, NULL);
    int value = 0;
    check_err(hob_chan_try_recv(ch, &value), -EAGAIN);
    check_ok(hob_chan_try_send(ch, &(int){ 7 }));
    check_err(hob_chan_try_send(ch, &(int){ 8 }), -EAGAIN);
    check_ok(hob_chan_try_recv(ch, &value));
    check_eq(value, 7);
    check_err(hob_chan_try_recv(ch, &value), -EAGAIN);
    hob_chan_finish(ch);
    check_err(hob_chan_try_recv(ch, &value), HOB_EOF);
    check_err(hob_chan_try_send(ch, &value), -EPIPE);
}

struct waiting {
    hob_chan     *ch;
    struct notes *notes;
    char          letter;
};

static int receive_and_note(void *arg)
{
    struct waiting *w = arg;
    int             value;
    HOB_TRY(hob_chan_recv(w->ch, &value));
    note(w->notes, w->letter);
    return 0;
}

static int send_and_note(void *arg)
{
    struct waiting *w = arg;
    HOB_TRY(hob_chan_send(w->ch, &(int){ w->letter }));
    note(w->notes, w->letter);
    return 0;
}

TEST(chan, who_waits_longest_is_served_first)
{
    CHAN(ch, 0, HOB_WAIT, NULL);
    struct notes notes = { 0 };
    HOB_SCOPE(s);
    for (char letter = 'a'; letter <= 'e'; letter++) {
        struct waiting waiting = { ch, &notes, letter };
        check_ok(hob_go_copy(&s, receive_and_note, &waiting, sizeof waiting));
        settle();
    }
    for (int i = 0; i < 5; i++) {
        check_ok(hob_chan_send(ch, &i));
        settle();
    }
    check_str(notes.text, "abcde");
    for (char letter = 'v'; letter <= 'z'; letter++) {
        struct waiting waiting = { ch, &notes, letter };
        check_ok(hob_go_copy(&s, send_and_note, &waiting, sizeof waiting));
        settle();
    }
    for (char letter = 'v'; letter <= 'z'; letter++) {
        int value;
        check_ok(hob_chan_recv(ch, &value));
        check_eq(value, letter);
    }
    check_ok(hob_scope_end(&s));
}

TEST(chan, values_of_any_size_are_copied_whole)
{
    for (size_t bytes = 1; bytes < 70; bytes++) {
        unsigned char sent[70], got[71];
        hob_chan     *ch;
        check_ok(hob_chan_new(bytes, 2, HOB_WAIT, NULL, &ch));
        HOB_DEFER(free_chan, &ch);
        memset(got, 0xEE, sizeof got);
        for (size_t i = 0; i < bytes; i++)
            sent[i] = (unsigned char)(i * 7 + bytes);
        check_ok(hob_chan_send(ch, sent));
        check_ok(hob_chan_recv(ch, got));
        check_mem(got, sent, bytes);
        check_eq(got[bytes], 0xEE);
    }
}

/* ---- no room ---- */

struct dropped {
    int values[64];
    int count;
};

static void note_drop(void *arg, void *value)
{
    struct dropped *dropped = arg;
    if (dropped->count < 64)
        dropped->values[dropped->count] = *(int *)value;
    dropped->count++;
}

TEST(chan, drop_oldest_keeps_the_newest)
{
    struct dropped dropped = { 0 };
    CHAN(ch, 3, HOB_DROP_OLDEST, &(hob_chan_opts){ .drop = note_drop, .drop_arg = &dropped });
    int value;
    for (int i = 1; i <= 5; i++)
        check_ok(hob_chan_send(ch, &i));
    check_eq(dropped.count, 2);
    check_eq(dropped.values[0], 1);
    check_eq(dropped.values[1], 2);
    for (int i = 3; i <= 5; i++) {
        check_ok(hob_chan_recv(ch, &value));
        check_eq(value, i);
    }
}

TEST(chan, drop_newest_keeps_the_oldest)
{
    struct dropped dropped = { 0 };
    CHAN(ch, 3, HOB_DROP_NEWEST, &(hob_chan_opts){ .drop = note_drop, .drop_arg = &dropped });
    int value;
    for (int i = 1; i <= 5; i++)
        check_ok(hob_chan_send(ch, &i));
    check_eq(dropped.count, 2);
    check_eq(dropped.values[0], 4);
    check_eq(dropped.values[1], 5);
    for (int i = 1; i <= 3; i++) {
        check_ok(hob_chan_recv(ch, &value));
        check_eq(value, i);
    }
}

TEST(chan, fail_says_that_there_is_no_room)
{
    CHAN(ch, 1, HOB_FAIL, NULL);
    check_ok(hob_chan_send(ch, &(int){ 1 }));
    check_err(hob_chan_send(ch, &(int){ 2 }), -ENOBUFS);
    int value;
    check_ok(hob_chan_recv(ch, &value));
    check_eq(value, 1);
    check_ok(hob_chan_send(ch, &(int){ 3 }));
}

/* ---- the ends ---- */

TEST(chan, stop_drops_what_is_left_and_tells_the_senders)
{
    struct dropped dropped = { 0 };
    CHAN(ch, 4, HOB_WAIT, &(hob_chan_opts){ .drop = note_drop, .drop_arg = &dropped });
    HOB_SCOPE(s);
    check_ok(hob_go(&s, send_1_to_10, hob_chan_sender_ref(ch)));
    settle();
    hob_chan_stop(ch);
    check_eq(dropped.count, 4);
    check_err(hob_scope_end(&s), -EPIPE);
    check_err(hob_chan_send(ch, &(int){ 1 }), -EPIPE);
    hob_chan_stop(ch);
    hob_chan_finish(ch);
    check_eq(dropped.count, 4);
}

TEST(chan, free_drops_what_is_left)
{
    struct dropped dropped = { 0 };
    hob_chan      *ch;
    check_ok(hob_chan_new(sizeof(int), 4, HOB_WAIT,
                          &(hob_chan_opts){ .drop = note_drop, .drop_arg = &dropped }, &ch));
    check_ok(hob_chan_send(ch, &(int){ 1 }));
    check_ok(hob_chan_send(ch, &(int){ 2 }));
    hob_chan_free(ch);
    check_eq(dropped.count, 2);
    hob_chan_free(NULL);
}

TEST(chan, fail_gives_its_error_after_what_is_left)
{
    CHAN(ch, 4, HOB_WAIT, NULL);
    int value;
    check_ok(hob_chan_send(ch, &(int){ 1 }));
    hob_chan_fail(ch, -EIO);
    hob_chan_finish(ch); // too late to change it
    check_ok(hob_chan_recv(ch, &value));
    check_err(hob_chan_recv(ch, &value), -EIO);
    check_err(hob_chan_send(ch, &value), -EPIPE);
}

static int receive_3(void *arg)
{
    HOB_CHAN_RECEIVER(ch, arg);
    for (int i = 0; i < 3; i++) {
        int value;
        HOB_TRY(hob_chan_recv(ch, &value));
    }
    return 0;
}

TEST(chan, the_last_counted_receiver_stops_it)
{
    CHAN(ch, 2, HOB_WAIT, NULL);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, receive_3, hob_chan_receiver_ref(ch)));
    check_ok(hob_go(&s, receive_3, hob_chan_receiver_ref(ch)));
    int sent = 0;
    while (hob_chan_send(ch, &sent) == 0)
        sent++;
    check_ge(sent, 6);
    check_ok(hob_scope_end(&s));
}

TEST(chan, the_last_counted_sender_finishes_it)
{
    CHAN(ch, 2, HOB_WAIT, NULL);
    HOB_SCOPE(s);
    for (int i = 0; i < 5; i++)
        check_ok(hob_go(&s, send_1_to_10, hob_chan_sender_ref(ch)));
    int value, count = 0, sum = 0, r;
    while ((r = hob_chan_recv(ch, &value)) == 0) {
        count++;
        sum += value;
    }
    check_err(r, HOB_EOF);
    check_eq(count, 50);
    check_eq(sum, 5 * 55);
    check_ok(hob_scope_end(&s));
}

/* ---- cancelling ---- */

TEST(chan, a_cancelled_send_keeps_its_value_and_a_cancelled_receive_takes_none)
{
    CHAN(ch, 0, HOB_WAIT, NULL);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_SEC));
        check_err(hob_chan_send(ch, &(int){ 1 }), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    int value = 5;
    check_err(hob_chan_try_recv(ch, &value), -EAGAIN);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_SEC));
        check_err(hob_chan_recv(ch, &value), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_err(hob_chan_try_send(ch, &(int){ 2 }), -EAGAIN);
    check_eq(value, 5);
}

/* ---- the other styles ---- */

static void note_result(void *arg, ssize_t result)
{
    *(ssize_t *)arg = result;
}

TEST(chan, sends_and_receives_are_operations)
{
    CHAN(ch, 0, HOB_WAIT, NULL);
    ssize_t sent = 1, received = 1;
    int     value = 0;
    hob_op  send, recv;
    HOB_SCOPE(s);
    hob_chan_send_prep(&send, ch, &(int){ 9 });
    hob_chan_recv_prep(&recv, ch, &value);
    hob_op_call(&s, &send, note_result, &sent);
    settle();
    check_eq(sent, 1);
    hob_op_call(&s, &recv, note_result, &received);
    check_ok(hob_scope_end(&s));
    check_eq(sent, 0);
    check_eq(received, 0);
    check_eq(value, 9);
}

TEST_DIES(chan, freeing_one_that_is_waited_on_is_a_mistake, "hob_chan_free: tasks still wait")
{
    hob_chan *ch;
    check_ok(hob_chan_new(sizeof(int), 0, HOB_WAIT, NULL, &ch));
    HOB_SCOPE(s);
    check_ok(hob_go(&s, receive_3, hob_chan_receiver_ref(ch)));
    settle();
    hob_chan_free(ch);
}

TEST(chan, it_may_fail_with_any_error)
{
    CHAN(ch, 0, HOB_WAIT, NULL);
    int value, r = 1;
    hob_chan_fail(ch, -EAGAIN); // which the try forms say for something else
    check_err(hob_chan_recv(ch, &value), -EAGAIN);
    check_eq(HOB_SELECT(&r, HOB_RECV(ch, &value), HOB_AFTER(HOB_SEC)), 0);
    check_err(r, -EAGAIN);
}

static int wait_on_a_channel(void *arg)
{
    CHAN(ch, 0, HOB_WAIT, &(hob_chan_opts){ .name = "orders" });
    return hob_chan_recv(ch, &(int){ 0 });
}

TEST_BARE_ON_ALL(chan, who_waits_for_ever_on_a_channel_is_told_by_its_name)
{
    check_err(hob_test_run(wait_on_a_channel, NULL), HOB_ESTUCK);
    check_has(hob_test_report_text(), "channel receive");
    check_has(hob_test_report_text(), "orders");
    check_has(hob_test_report_text(), "wait_on_a_channel");
}

/* ---- a random walk ----
 *
 * Many senders and receivers, cancelled at random. Each value is one of a kind. At the end each
 * value that was sent was received or dropped, once; none that was not sent; and the values of
 * one sender came in order.
 */

enum { WALKERS = 12, VALUES_EACH = 400, VALUES = WALKERS * VALUES_EACH };

struct walk {
    hob_chan     *ch;
    uint64_t      random;
    unsigned char fate[VALUES]; /* 0: never sent, 1: sent, 2: arrived or dropped */
    int           wrong;
    int           arrived, senders_left;
};

static uint64_t next_random(struct walk *walk)
{
    walk->random ^= walk->random << 13;
    walk->random ^= walk->random >> 7;
    walk->random ^= walk->random << 17;
    return walk->random;
}

static void value_arrived(struct walk *walk, int value)
{
    // A sender that waits is told after its value went: so "never sent" may be seen here.
    if (walk->fate[value] >= 2)
        walk->wrong++;
    walk->fate[value] += 2;
    walk->arrived++;
}

static void value_dropped(void *arg, void *value)
{
    value_arrived(arg, *(int *)value);
}

struct walker {
    struct walk *walk;
    int          number;
};

static int send_at_random(void *arg)
{
    struct walker *walker = arg;
    struct walk   *walk = walker->walk;
    for (int i = 0; i < VALUES_EACH; i++) {
        int value = walker->number * VALUES_EACH + i;
        HOB_SCOPE(s);
        if (next_random(walk) % 4 == 0)
            hob_scope_deadline(&s, hob_in((int64_t)(next_random(walk) % 3)));
        if (hob_chan_send(walk->ch, &value) == 0)
            walk->fate[value]++;
        int r = hob_scope_end(&s);
        if (r < 0 && r != -ETIMEDOUT)
            return r;
        if (next_random(walk) % 3 == 0)
            HOB_TRY(hob_sleep((int64_t)(next_random(walk) % 5)));
    }
    if (--walk->senders_left == 0)
        hob_chan_finish(walk->ch);
    return 0;
}

static int receive_at_random(void *arg)
{
    struct walker *walker = arg;
    struct walk   *walk = walker->walk;
    int            last[WALKERS];
    memset(last, -1, sizeof last);
    for (;;) {
        int value = -1;
        HOB_SCOPE(s);
        if (next_random(walk) % 4 == 0)
            hob_scope_deadline(&s, hob_in((int64_t)(next_random(walk) % 3)));
        int r = next_random(walk) % 8 == 0 ? hob_chan_try_recv(walk->ch, &value)
                                           : hob_chan_recv(walk->ch, &value);
        if (r == 0) {
            value_arrived(walk, value);
            if (last[value / VALUES_EACH] >= value % VALUES_EACH)
                walk->wrong++;
            last[value / VALUES_EACH] = value % VALUES_EACH;
        } else if (value != -1) {
            walk->wrong++;
        }
        (void)!hob_scope_end(&s);
        if (r == HOB_EOF)
            return 0;
        if (next_random(walk) % 3 == 0)
            HOB_TRY(hob_sleep((int64_t)(next_random(walk) % 5)));
    }
}

TEST(chan, random_walks_lose_double_and_reorder_nothing)
{
    static const hob_overflow policies[] = { HOB_WAIT, HOB_FAIL, HOB_DROP_OLDEST, HOB_DROP_NEWEST };
    for (int round = 0; round < 8; round++) {
        struct walk *walk = calloc(1, sizeof *walk);
        check(walk != NULL);
        HOB_DEFER(free, walk);
        walk->random = hob_test_seed() * 8 + (uint64_t)round + 88172645463325252u;
        walk->senders_left = WALKERS / 2;
        CHAN(ch, (size_t)(round / 4 + round % 4 / 2), policies[round % 4],
             &(hob_chan_opts){ .drop = value_dropped, .drop_arg = walk });
        walk->ch = ch;
        HOB_SCOPE(s);
        for (int i = 0; i < WALKERS; i++) {
            struct walker walker = { walk, i / 2 };
            check_ok(hob_go_copy(&s, i % 2 == 0 ? send_at_random : receive_at_random, &walker,
                                 sizeof walker));
        }
        check_ok(hob_scope_end(&s));
        int sent = 0;
        for (int i = 0; i < VALUES; i++) {
            sent += walk->fate[i] == 3;
            check(walk->fate[i] == 0 || walk->fate[i] == 3);
        }
        check_eq(walk->wrong, 0);
        check_eq(walk->arrived, sent);
        check_gt(sent, 100);
    }
}
