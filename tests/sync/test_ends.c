/* SPDX-License-Identifier: MIT */
/*
 * Channels of which it is known who holds the ends (only_ends): others are refused, and circles
 * of waits through them are found, with no false alarm.
 */
#include "support/workers.h"

static int run_breaking(uint32_t workers, hob_task_fn *fn, void *arg)
{
    hob_run_opts opts;
    hob_test_run_opts(&opts);
    opts.workers = workers;
    opts.break_deadlocks = true;
    return hob_run_with(&opts, fn, arg);
}

static int chan_new(const char *name, size_t capacity, hob_chan **ret_chan)
{
    return hob_chan_new(sizeof(int), capacity, HOB_WAIT,
                        &(hob_chan_opts){ .name = name, .only_ends = 1 }, ret_chan);
}

/* ---- who may ---- */

TEST(ends, who_holds_an_end_uses_it)
{
    hob_chan *ch;
    int       value = 7, got = 0, r = 1;
    check_ok(chan_new("pass", 1, &ch));
    {
        HOB_CHAN_SENDER(out, hob_chan_sender_ref(ch));
        HOB_CHAN_RECEIVER(in, hob_chan_receiver_ref(ch));
        check_ok(hob_chan_send(out, &value));
        check_err(hob_chan_try_send(out, &value), -EAGAIN);
        check_ok(hob_chan_recv(in, &got));
        check_eq(got, 7);
        check_eq(HOB_SELECT(&r, HOB_RECV(in, &got), HOB_SEND(out, &value)), 1);
        check_ok(hob_chan_try_recv(in, &got));
    }
    hob_chan_free(ch);
}

TEST_DIES(ends, who_holds_none_may_not_send, "the caller has no HOB_CHAN_SENDER of it")
{
    hob_chan *ch;
    check_ok(chan_new("pass", 1, &ch));
    HOB_CHAN_RECEIVER(in, hob_chan_receiver_ref(ch));
    ignore(hob_chan_send(in, &(int){ 1 }));
}

TEST_DIES(ends, who_holds_none_may_not_select, "the caller has no HOB_CHAN_RECEIVER of it")
{
    hob_chan *ch;
    int       value;
    check_ok(chan_new("pass", 1, &ch));
    ignore(HOB_SELECT(NULL, HOB_RECV(ch, &value), HOB_AFTER(1)));
}

static int add_up(void *item, void *sum)
{
    *(int *)sum += *(int *)item;
    return 0;
}

TEST(ends, for_each_receives_by_ends_of_its_own)
{
    hob_chan *ch;
    int       sum = 0;
    check_ok(chan_new("pass", 4, &ch));
    {
        HOB_CHAN_RECEIVER(in, hob_chan_receiver_ref(ch));
        {
            HOB_CHAN_SENDER(out, hob_chan_sender_ref(ch));
            for (int i = 1; i <= 4; i++)
                check_ok(hob_chan_send(out, &i));
        }
        check_ok(hob_for_each_recv(in, 3, add_up, &sum));
    }
    check_eq(sum, 10);
    hob_chan_free(ch);
}

TEST_DIES(ends, a_channel_whose_ends_are_held_is_not_freed, "tasks still hold ends")
{
    hob_chan *ch;
    check_ok(chan_new("pass", 4, &ch));
    HOB_CHAN_RECEIVER(in, hob_chan_receiver_ref(ch));
    hob_chan_free(ch);
}

/* ---- circles ---- */

struct side {
    hob_chan *in, *out;
    hob_mutex *mutex;
    int        result;
};

/* Answers a few values with one each; the other side does, too: nobody begins. */
static int answer(void *arg)
{
    struct side *side = arg;
    HOB_CHAN_RECEIVER(in, side->in);
    HOB_CHAN_SENDER(out, side->out);
    int value;
    for (int i = 0; i < 5 && (side->result = hob_chan_recv(in, &value)) == 0; i++) {
        int r = hob_chan_send(out, &value);
        if (r < 0)
            return r == -EPIPE ? 0 : r; // the other one has answered enough
    }
    return 0;
}

static struct side ask_side(hob_chan *in, hob_chan *out)
{
    return (struct side){ hob_chan_receiver_ref(in), hob_chan_sender_ref(out), NULL, 9 };
}

static int both_answer(void *arg)
{
    uint32_t  other = *(uint32_t *)arg;
    hob_chan *there, *back;
    HOB_TRY(chan_new("there", 1, &there));
    HOB_TRY(chan_new("back", 1, &back));
    struct side ann = ask_side(there, back), bob = ask_side(back, there);
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, answer, &ann, &(hob_task_opts){ .name = "ann" }));
    check_ok(hob_go_with(&s, answer, &bob, &(hob_task_opts){ .name = "bob", .where = HOB_ON(other) }));
    check_ok(hob_scope_end(&s));
    check(ann.result == -EDEADLK || bob.result == -EDEADLK);
    check(ann.result == HOB_EOF || bob.result == HOB_EOF); // the other one saw the end
    hob_chan_free(there);
    hob_chan_free(back);
    return 0;
}

TEST_BARE_ON_ALL(ends, two_who_only_answer_each_other_are_a_circle)
{
    for (uint32_t other = 0; other < 2; other++) {
        check_ok(run_breaking(other + 1, both_answer, &other));
        check_has(hob_test_report_text(), "wait for each other in a circle");
        check_has(hob_test_report_text(), "\"ann\"");
        check_has(hob_test_report_text(), "a value of the channel \"back\", which is filled by task");
        check_has(hob_test_report_text(), "a value of the channel \"there\"");
        hob_test_report_clear();
    }
}

/* Each fills the other's channel, and would empty its own afterwards. */
static int fill_then_empty(void *arg)
{
    struct side *side = arg;
    HOB_CHAN_RECEIVER(in, side->in);
    HOB_CHAN_SENDER(out, side->out);
    int value = 0;
    for (int i = 0; i < 3 && side->result != -EDEADLK; i++)
        side->result = hob_chan_send(out, &value);
    return 0;
}

static int both_fill(void *arg)
{
    hob_chan *there, *back;
    HOB_TRY(chan_new("there", 1, &there));
    HOB_TRY(chan_new("back", 2, &back));
    struct side ann = ask_side(there, back), bob = ask_side(back, there);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, fill_then_empty, &ann));
    check_ok(hob_go(&s, fill_then_empty, &bob));
    check_ok(hob_scope_end(&s));
    check_eq((ann.result == -EDEADLK) + (bob.result == -EDEADLK), 1);
    hob_chan_free(there);
    hob_chan_free(back);
    return 0;
}

TEST_BARE_ON_ALL(ends, two_who_wait_for_room_in_each_others_channel_are_a_circle)
{
    check_ok(run_breaking(1, both_fill, NULL));
    check_has(hob_test_report_text(), "room in the channel \"there\", which is emptied by task");
    hob_test_report_clear();
}

static int lock_then_send(void *arg)
{
    struct side *side = arg;
    HOB_CHAN_SENDER(out, side->out);
    HOB_TRY(hob_sleep(10 * HOB_MSEC));
    side->result = hob_mutex_lock(side->mutex);
    if (side->result < 0)
        return 0;
    hob_mutex_unlock(side->mutex);
    return hob_chan_send(out, &(int){ 1 });
}

static int receive_with_the_lock(void *arg)
{
    hob_chan *ch;
    hob_mutex mutex = { .name = "till" };
    int       value;
    HOB_TRY(chan_new("orders", 0, &ch));
    HOB_SCOPE(s);
    struct side side = { .out = hob_chan_sender_ref(ch), .mutex = &mutex };
    check_ok(hob_go(&s, lock_then_send, &side));
    {
        HOB_LOCKED(&mutex);
        HOB_CHAN_RECEIVER(in, hob_chan_receiver_ref(ch));
        check_err(hob_chan_recv(in, &value), HOB_EOF); // the sender gave up
    }
    check_ok(hob_scope_end(&s));
    check_err(side.result, -EDEADLK);
    hob_chan_free(ch);
    return 0;
}

TEST_BARE_ON_ALL(ends, a_circle_may_lead_through_a_channel_and_a_mutex)
{
    check_ok(run_breaking(1, receive_with_the_lock, NULL));
    check_has(hob_test_report_text(), "the mutex \"till\", which is held by task");
    check_has(hob_test_report_text(), "a value of the channel \"orders\"");
    hob_test_report_clear();
}

/* ---- no circles ---- */

static int send_late(void *arg)
{
    HOB_CHAN_SENDER(out, arg);
    HOB_TRY(hob_sleep(500 * HOB_MSEC));
    return hob_chan_send(out, &(int){ 1 });
}

static int one_sender_lives(void *arg)
{
    hob_chan *there, *back;
    HOB_TRY(chan_new("there", 1, &there));
    HOB_TRY(chan_new("back", 1, &back));
    struct side ann = ask_side(there, back), bob = ask_side(back, there);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, answer, &ann));
    check_ok(hob_go(&s, answer, &bob));
    check_ok(hob_go(&s, send_late, hob_chan_sender_ref(back))); // a third one begins, in the end
    check_ok(hob_scope_end(&s));
    check_ok(ann.result);
    hob_chan_free(there);
    hob_chan_free(back);
    return 0;
}

TEST_BARE_ON_ALL(ends, while_one_sender_lives_there_is_no_circle)
{
    check_ok(run_breaking(1, one_sender_lives, NULL));
    check_str(hob_test_report_text(), "");
}

static int an_end_is_on_its_way(void *arg)
{
    hob_chan *there, *back;
    HOB_TRY(chan_new("there", 1, &there));
    HOB_TRY(chan_new("back", 1, &back));
    struct side ann = ask_side(there, back), bob = ask_side(back, there);
    hob_chan   *later = hob_chan_sender_ref(back);
    HOB_SCOPE(s);
    check_ok(hob_go(&s, answer, &ann));
    check_ok(hob_go(&s, answer, &bob));
    HOB_TRY(hob_sleep(HOB_SEC));
    check_str(hob_test_report_text(), "");
    hob_scope_cancel(&s, "enough seen");
    ignore(hob_scope_end(&s));
    hob_chan_sender_unref(later);
    hob_chan_free(there);
    hob_chan_free(back);
    return 0;
}

static int set_a_deadline_late(void *arg)
{
    hob_chan *there, *back;
    HOB_TRY(chan_new("there", 1, &there));
    HOB_TRY(chan_new("back", 1, &back));
    struct side ann = ask_side(there, back), bob = ask_side(back, there);
    uint32_t    other = *(uint32_t *)arg;
    HOB_SCOPE(s);
    check_ok(hob_go(&s, answer, &ann));
    check_ok(go_on(&s, other, answer, &bob));
    HOB_TRY(hob_sleep(50 * HOB_MSEC));
    hob_scope_deadline(&s, hob_in(HOB_SEC)); // they wait already
    check_err(hob_scope_end(&s), -ETIMEDOUT);
    hob_chan_free(there);
    hob_chan_free(back);
    return 0;
}

TEST_BARE_ON_ALL(ends, a_deadline_that_is_set_while_they_wait_ends_them_and_is_no_circle)
{
    for (uint32_t other = 0; other < 2; other++) {
        check_ok(run_breaking(other + 1, set_a_deadline_late, &other));
        check_str(hob_test_report_text(), "");
    }
}

TEST_BARE_ON_ALL(ends, an_end_that_nobody_holds_yet_may_still_send)
{
    check_ok(run_breaking(1, an_end_is_on_its_way, NULL));
    check_str(hob_test_report_text(), "");
}
