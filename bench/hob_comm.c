/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to tell another task something? One question a run, on the public
 * headers only:
 *
 *     hob_comm rendezvous N   a value there and one back, without a queue; a round trip counts
 *     hob_comm stream N       values through a queue of 128; a value counts
 *     hob_comm select N       four channels without a queue, four senders, one selecting receiver
 *     hob_comm mutex N        two tasks hand a mutex to each other, with a yield each
 *     hob_comm rendezvous-2 N and stream-2, select-2, mutex-2: the same, on two workers: real time,
 *                             as two cores are at it
 *     hob_comm settled N      awaiting a promise that is settled already
 *     hob_comm settle N       a promise is made, settled, awaited and freed
 *     hob_comm each N         N items, by eight tasks, which yield once for each
 */
#include <hob.h>

#include "bench.h"

struct question {
    const char  *name;
    hob_task_fn *fn;
};

static long count;

/* CPU time; but across two workers real time, as they are both at it at once. */
static int64_t clock_ns(void)
{
    if (hob_workers() == 1)
        return bench_cpu_ns();
    hob_yield(); // the clock is read anew
    return hob_now();
}

static void print_ns(int64_t began_ns)
{
    bench_print("ns", (double)(clock_ns() - began_ns) / (double)count);
}

/* The other side: on the other worker, if there is one. */
static hob_task_opts there(void)
{
    return (hob_task_opts){ .where = HOB_ON(hob_workers() - 1) };
}

struct pair {
    hob_chan *there, *back;
};

static int answer(void *arg)
{
    struct pair *pair = arg;
    long         value;
    for (long i = 0; i < count; i++) {
        HOB_TRY(hob_chan_recv(pair->there, &value));
        HOB_TRY(hob_chan_send(pair->back, &value));
    }
    return 0;
}

static int ask_rendezvous(void *arg)
{
    struct pair pair;
    long        value;
    (void)arg;
    HOB_TRY(hob_chan_new(sizeof value, 0, HOB_WAIT, NULL, &pair.there));
    HOB_TRY(hob_chan_new(sizeof value, 0, HOB_WAIT, NULL, &pair.back));
    HOB_SCOPE(s);
    hob_task_opts there_opts = there();
    hob_go_with(&s, answer, &pair, &there_opts);
    int64_t began = clock_ns();
    for (long i = 0; i < count; i++) {
        HOB_TRY(hob_chan_send(pair.there, &i));
        HOB_TRY(hob_chan_recv(pair.back, &value));
    }
    print_ns(began);
    HOB_TRY(hob_scope_end(&s));
    hob_chan_free(pair.there);
    hob_chan_free(pair.back);
    return 0;
}

static int send_all(void *arg)
{
    for (long i = 0; i < count; i++)
        HOB_TRY(hob_chan_send(arg, &i));
    return 0;
}

static int ask_stream(void *arg)
{
    hob_chan *chan;
    long      value, sum = 0;
    (void)arg;
    HOB_TRY(hob_chan_new(sizeof value, 128, HOB_WAIT, NULL, &chan));
    HOB_SCOPE(s);
    hob_task_opts there_opts = there();
    int64_t       began = clock_ns();
    hob_go_with(&s, send_all, chan, &there_opts);
    for (long i = 0; i < count; i++) {
        HOB_TRY(hob_chan_recv(chan, &value));
        sum += value;
    }
    print_ns(began);
    HOB_TRY(hob_scope_end(&s));
    hob_chan_free(chan);
    return sum == count * (count - 1) / 2 ? 0 : hob_fail(-EBADMSG);
}

static int ask_select(void *arg)
{
    hob_chan *chans[4];
    long      value;
    (void)arg;
    count = count / 4 * 4;
    for (int i = 0; i < 4; i++)
        HOB_TRY(hob_chan_new(sizeof value, 0, HOB_WAIT, NULL, &chans[i]));
    HOB_SCOPE(s);
    count /= 4;
    hob_task_opts there_opts = there();
    for (int i = 0; i < 4; i++)
        hob_go_with(&s, send_all, chans[i], &there_opts);
    int64_t began = clock_ns();
    for (long i = 0; i < 4 * count; i++) {
        if (HOB_SELECT(NULL, HOB_RECV(chans[0], &value), HOB_RECV(chans[1], &value),
                       HOB_RECV(chans[2], &value), HOB_RECV(chans[3], &value)) < 0)
            return hob_fail(-EBADMSG);
    }
    count *= 4;
    print_ns(began);
    hob_scope_cancel(&s, "all were received");
    (void)!hob_scope_end(&s);
    for (int i = 0; i < 4; i++)
        hob_chan_free(chans[i]);
    return 0;
}

/* Two tasks lock and unlock in turn: each unlock hands the mutex over. */
static int lock_all(void *arg)
{
    for (long i = 0; i < count / 2; i++) {
        HOB_TRY(hob_mutex_lock(arg));
        hob_yield(); // the other one comes to wait
        hob_mutex_unlock(arg);
    }
    return 0;
}

static int ask_mutex(void *arg)
{
    hob_mutex     mutex = { .name = "mutex" };
    hob_task_opts there_opts = there();

    (void)arg;
    int64_t began = clock_ns();
    HOB_SCOPE(s);
    hob_go_with(&s, lock_all, &mutex, &there_opts);
    hob_go_with(&s, lock_all, &mutex, &(hob_task_opts){ .where = HOB_ON(0) });
    HOB_TRY(hob_scope_end(&s));
    print_ns(began);
    return 0;
}

static int ask_settled(void *arg)
{
    hob_promise *promise;
    void        *value;
    long         sum = 0;

    (void)arg;
    HOB_TRY(hob_promise_new(&promise));
    hob_promise_resolve(promise, (void *)(intptr_t)1);
    int64_t began = bench_cpu_ns();
    for (long i = 0; i < count; i++) {
        HOB_TRY(hob_promise_await(promise, &value));
        sum += (intptr_t)value;
    }
    print_ns(began);
    hob_promise_free(promise);
    return sum == count ? 0 : hob_fail(-EBADMSG);
}

static int ask_settle(void *arg)
{
    void *value;
    long  sum = 0;

    (void)arg;
    int64_t began = bench_cpu_ns();
    for (long i = 0; i < count; i++) {
        hob_promise *promise;
        HOB_TRY(hob_promise_new(&promise));
        hob_promise_resolve(promise, (void *)(intptr_t)1);
        int r = hob_promise_await(promise, &value);
        hob_promise_free(promise);
        HOB_TRY(r);
        sum += (intptr_t)value;
    }
    print_ns(began);
    return sum == count ? 0 : hob_fail(-EBADMSG);
}

static int add_item(void *item, void *sum)
{
    hob_yield();
    *(long *)sum += *(char *)item;
    return 0;
}

static int ask_each(void *arg)
{
    static char items[1000];
    long        sum = 0;

    (void)arg;
    memset(items, 1, sizeof items);
    count = count / (long)sizeof items * (long)sizeof items;
    int64_t began = bench_cpu_ns();
    for (long i = 0; i < count; i += (long)sizeof items)
        HOB_TRY(hob_for_each(items, 1, sizeof items, 8, add_item, &sum));
    print_ns(began);
    return sum == count ? 0 : hob_fail(-EBADMSG);
}

static const struct question questions[] = {
    { "rendezvous", ask_rendezvous },
    { "stream", ask_stream },
    { "select", ask_select },
    { "mutex", ask_mutex },
    { "settled", ask_settled },
    { "settle", ask_settle },
    { "each", ask_each },
};

/* Whether the argument is this question: 1, or 2 when it is to be asked on two workers. */
static uint32_t is_asked(const char *arg, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(arg, name, len) != 0)
        return 0;
    return arg[len] == '\0' ? 1 : strcmp(arg + len, "-2") == 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    hob_run_opts opts = { .slow_ns = -1 };

    for (size_t i = 0; i < sizeof questions / sizeof *questions && argc == 3; i++) {
        opts.workers = is_asked(argv[1], questions[i].name);
        if (opts.workers == 0)
            continue;
        count = atol(argv[2]);
        if (count < 4)
            break;
        return hob_run_with(&opts, questions[i].fn, NULL) == 0 ? 0 : 1;
    }
    fprintf(stderr, "usage: hob_comm rendezvous|stream|select|mutex[-2]|settled|settle|each N\n");
    return 2;
}
