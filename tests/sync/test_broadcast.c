/* SPDX-License-Identifier: MIT */
/* hob/broadcast.h: everybody gets everything, or is told how much was lost. */
#include "support/tasks.h"

#include "hob/broadcast.h"
#include "hob/select.h"

static void free_broadcast(void *broadcast)
{
    hob_broadcast_free(*(hob_broadcast **)broadcast);
}

/* A broadcast of ints that is freed at the end of the block. */
#define BROADCAST(name, capacity, ...)                                            \
    hob_broadcast *name;                                                          \
    check_ok(hob_broadcast_new(sizeof(int), (capacity), __VA_ARGS__, &name));     \
    HOB_DEFER(free_broadcast, &name)

static int send_range(hob_broadcast *b, int first, int last)
{
    for (int i = first; i <= last; i++)
        check_ok(hob_broadcast_send(b, &i));
    return 0;
}

TEST(broadcast, a_subscriber_gets_what_is_sent_after_it_came)
{
    BROADCAST(news, 8, NULL);
    hob_subscriber early, late;
    int            value;
    uint64_t       lost = 99;
    hob_subscribe(news, &early);
    send_range(news, 1, 3);
    hob_subscribe(news, &late);
    send_range(news, 4, 4);
    check_eq(hob_subscriber_behind(&early), 4);
    check_eq(hob_subscriber_behind(&late), 1);
    for (int i = 1; i <= 4; i++) {
        check_ok(hob_subscriber_recv(&early, &value, &lost));
        check_eq(value, i);
        check_eq(lost, 0);
    }
    check_ok(hob_subscriber_recv(&late, &value, NULL));
    check_eq(value, 4);
    check_err(hob_subscriber_try_recv(&late, &value, NULL), -EAGAIN);
    check_eq(hob_broadcast_sent(news), 4);
}

TEST(broadcast, who_is_too_slow_is_told_how_many_were_lost)
{
    BROADCAST(news, 3, NULL);
    hob_subscriber me;
    int            value;
    uint64_t       lost;
    hob_subscribe(news, &me);
    send_range(news, 1, 10);
    check_eq(hob_subscriber_behind(&me), 3);
    check_ok(hob_subscriber_recv(&me, &value, &lost));
    check_eq(value, 8);
    check_eq(lost, 7);
    check_ok(hob_subscriber_recv(&me, &value, &lost));
    check_eq(value, 9);
    check_eq(lost, 0);
}

TEST(broadcast, a_new_subscriber_gets_the_replay)
{
    BROADCAST(news, 4, &(hob_broadcast_opts){ .replay = 2 });
    hob_subscriber a, b;
    int            value;
    send_range(news, 1, 1);
    hob_subscribe(news, &a);
    check_ok(hob_subscriber_try_recv(&a, &value, NULL)); // there was only one
    check_eq(value, 1);
    send_range(news, 2, 9);
    hob_subscribe(news, &b);
    check_eq(hob_subscriber_behind(&b), 2);
    check_ok(hob_subscriber_try_recv(&b, &value, NULL));
    check_eq(value, 8);
}

struct listener {
    hob_subscriber me;
    int            sum;
};

static int listen_to_all(void *arg)
{
    struct listener *l = arg;
    int              value, r;
    while ((r = hob_subscriber_recv(&l->me, &value, NULL)) == 0)
        l->sum += value;
    return r == HOB_EOF ? 0 : r;
}

TEST_ON_ALL(broadcast, all_who_wait_are_woken_and_get_what_is_left_at_the_end)
{
    BROADCAST(news, 8, NULL);
    struct listener listeners[5] = { 0 };
    HOB_SCOPE(s);
    for (int i = 0; i < 5; i++) {
        hob_subscribe(news, &listeners[i].me);
        check_ok(hob_go(&s, listen_to_all, &listeners[i]));
    }
    settle();
    send_range(news, 1, 8);
    hob_broadcast_finish(news);
    hob_broadcast_finish(news);
    check_err(hob_broadcast_send(news, &(int){ 1 }), -EPIPE);
    check_ok(hob_scope_end(&s));
    for (int i = 0; i < 5; i++)
        check_eq(listeners[i].sum, 36);
}

TEST(broadcast, a_cancelled_receive_took_nothing)
{
    BROADCAST(news, 8, NULL);
    hob_subscriber me;
    int            value = 7;
    hob_subscribe(news, &me);
    {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, hob_in(HOB_SEC));
        check_err(hob_subscriber_recv(&me, &value, NULL), -ETIMEDOUT);
        check_err(hob_scope_end(&s), -ETIMEDOUT);
    }
    check_eq(value, 7);
    send_range(news, 1, 1);
    check_ok(hob_subscriber_recv(&me, &value, NULL));
    check_eq(value, 1);
}

TEST(broadcast, it_is_a_case_of_select)
{
    BROADCAST(news, 8, NULL);
    hob_subscriber me;
    int            value, r = 1;
    hob_subscribe(news, &me);
    check_eq(HOB_SELECT(&r, HOB_PUBLISHED(&me), HOB_AFTER(HOB_SEC)), 1);
    send_range(news, 6, 6);
    check_eq(HOB_SELECT(&r, HOB_PUBLISHED(&me), HOB_AFTER(HOB_SEC)), 0);
    check_eq(r, 0);
    check_ok(hob_subscriber_try_recv(&me, &value, NULL));
    check_eq(value, 6);
    hob_broadcast_finish(news);
    check_eq(HOB_SELECT(&r, HOB_PUBLISHED(&me), HOB_AFTER(HOB_SEC)), 0);
    check_err(r, HOB_EOF);
}

TEST_DIES(broadcast, more_replay_than_room_is_a_mistake, "more are to be replayed")
{
    hob_broadcast *b;
    ignore(hob_broadcast_new(1, 2, &(hob_broadcast_opts){ .replay = 3 }, &b));
}

TEST(broadcast, a_ring_that_cannot_be_is_refused)
{
    hob_broadcast *b;
    check_err(hob_broadcast_new(SIZE_MAX / 2, 4, NULL, &b), -ENOMEM);
}

/* Each subscriber beside a model of its own: what it got and lost, added up, is what was sent. */
TEST(broadcast, random_steps_add_up)
{
    enum { SUBSCRIBERS = 5 };
    BROADCAST(news, 7, &(hob_broadcast_opts){ .replay = 3 });
    hob_subscriber subscribers[SUBSCRIBERS];
    uint64_t       next[SUBSCRIBERS], sent = 0;
    for (int i = 0; i < SUBSCRIBERS; i++) {
        hob_subscribe(news, &subscribers[i]);
        next[i] = 0;
    }
    for (int step = 0; step < 20000; step++) {
        uint64_t dice = hob_random();
        size_t   who = dice / 16 % SUBSCRIBERS;
        if (dice % 16 == 0) {
            hob_subscribe(news, &subscribers[who]);
            next[who] = sent - (sent < 3 ? sent : 3);
        } else if (dice % 2 == 0) {
            check_ok(hob_broadcast_send(news, &(int){ (int)sent }));
            sent++;
        } else {
            int      value = -1;
            uint64_t lost = 0;
            int      r = hob_subscriber_try_recv(&subscribers[who], &value, &lost);
            if (next[who] == sent) {
                check_err(r, -EAGAIN);
                continue;
            }
            check_ok(r);
            uint64_t oldest = sent > 7 ? sent - 7 : 0;
            check_eq(lost, next[who] < oldest ? oldest - next[who] : 0);
            next[who] += lost;
            check_eq(value, next[who]);
            next[who]++;
        }
    }
    check_gt(sent, 1000);
}
