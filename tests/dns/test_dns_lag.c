/* SPDX-License-Identifier: MIT */
/*
 * A slow name server, pools full of the user's work, and a disk that does not answer: none of them
 * delays the others, nor the loop. In sim that is measured, to the nanosecond; on the real backends it
 * is shown by the order of things.
 */
#include <semaphore.h>
#include <stdatomic.h>

#include "dns/server.h"

static const struct rr ZONE[] = {
    { "a.example", A, 300, "192.0.2.1" },
    { "b.example", A, 300, "192.0.2.2" },
    { NULL, 0, 0, NULL },
};

/* ---- how late the loop is ---- */

struct lag {
    int64_t  worst_ns;
    uint64_t ticks;
};

static int tick(void *arg)
{
    struct lag *lag = arg;
    for (;;) {
        int64_t due_ns = hob_in(HOB_MSEC);
        HOB_TRY(hob_sleep_until(due_ns));
        if (hob_now() - due_ns > lag->worst_ns)
            lag->worst_ns = hob_now() - due_ns;
        lag->ticks++;
    }
}

/* ---- what is slow ---- */

static int work_for_a_minute(void *arg)
{
    return 0; // how long it takes is a matter of the simulated world
}

static int offload_work(void *arg)
{
    return hob_offload(*(hob_pool **)arg, work_for_a_minute, NULL);
}

static int read_disk(void *arg)
{
    char  *data;
    size_t len;
    HOB_TRY(hob_path_read("/data", 100, &data, &len));
    free(data);
    *(int64_t *)arg = hob_now();
    return 0;
}

struct look_up {
    hob_dns    *dns;
    const char *name;
    int         r;
    int64_t     took_ns;
};

static int look_up(void *arg)
{
    struct look_up *l = arg;
    int64_t         began_ns = hob_now();
    l->r = hob_dns_addrs(l->dns, l->name, 1, AF_INET, NULL, 0);
    l->took_ns = hob_now() - began_ns;
    return 0;
}

TEST_ONCE(lag, a_slow_server_full_pools_and_a_disk_that_hangs_delay_nobody)
{
    SERVER(slow) = { .zone = ZONE, .delay_ns = HOB_SEC };
    SERVER(server) = { .zone = ZONE };
    DNS(of_slow);
    DNS(dns);
    DNS(other);
    struct lag lag = { 0, 0 };
    int64_t    disk_ns = 0, began_ns;
    hob_pool  *pools[] = { hob_pool_cpu(), hob_pool_blocking() };
    HOB_SCOPE(s);
    check_ok(start_server(&s, &slow));
    check_ok(start_server(&s, &server));
    check_ok(hob_sim_put_file("/hosts", "192.0.2.9 me.example\n", 21));
    check_ok(hob_sim_put_file("/data", "data", 4));
    hob_dns_opts opts = { .hosts_file = "/hosts" };
    check_ok(make_dns(&s, &slow, &opts, &of_slow));
    check_ok(make_dns(&s, &server, &opts, &dns));
    check_ok(make_dns(&s, &server, &(hob_dns_opts){ .hosts_file = "/hosts2" }, &other));
    struct look_up me = { .dns = dns, .name = "me.example" };
    look_up(&me); // so the files were read once
    look_up(&(struct look_up){ .dns = of_slow, .name = "me.example" });
    check_eq(me.r, 1);

    check_ok(hob_sim_set_world(&(hob_sim_world){ .disk_min_ns = HOB_HOUR, .disk_max_ns = HOB_HOUR,
                                                 .offload_min_ns = HOB_MINUTE,
                                                 .offload_max_ns = HOB_MINUTE }));
    HOB_SCOPE(work);
    hob_go_with(&work, tick, &lag, &(hob_task_opts){ .daemon = 1 });
    for (int i = 0; i < 200; i++) // more than they have threads
        hob_go(&work, offload_work, &pools[i % 2]);
    hob_go(&work, read_disk, &disk_ns);
    check_ok(hob_sleep(6 * HOB_SEC)); // it is time to look at the files again, too
    began_ns = hob_now();
    struct look_up slow_one = { .dns = of_slow, .name = "a.example" };
    struct look_up quick = { .dns = dns, .name = "a.example" };
    struct look_up quick2 = { .dns = dns, .name = "b.example" };
    struct look_up first = { .dns = other, .name = "a.example" };
    me.r = 0;
    {
        HOB_SCOPE(looking);
        hob_go(&looking, look_up, &slow_one);
        hob_go(&looking, look_up, &quick);
        hob_go(&looking, look_up, &first); // which knows nothing yet, and has to wait for the disk
        check_ok(hob_sleep(200 * HOB_MSEC));
        hob_go(&looking, look_up, &me);
        hob_go(&looking, look_up, &quick2);
        check_ok(hob_scope_end(&looking));
    }
    check_eq(quick.r, 1);
    check_eq(quick.took_ns, 100 * HOB_MSEC); // its patience with the disk, in the one look-up in 5 s
    check_eq(quick2.r, 1);
    check_eq(quick2.took_ns, 0);
    check_eq(me.r, 1);
    check_eq(me.took_ns, 0);
    check_eq(slow_one.r, 1);
    check_eq(slow_one.took_ns, HOB_SEC + 100 * HOB_MSEC);
    check_err(first.r, -ETIMEDOUT);
    check_eq(first.took_ns, 15 * HOB_SEC);
    check_eq(lag.worst_ns, 0);
    check_eq(lag.ticks, (uint64_t)((hob_now() - began_ns) / HOB_MSEC + 6000));
    check_eq(disk_ns, 0); // it still hangs
    hob_pool_stats stats;
    hob_pool_stats_get(pools[0], &stats);
    check_gt(stats.queued, 0); // and there is no thread to be had
    check_ok(hob_sim_set_world(&(hob_sim_world){ .latency_min_ns = 0 }));
    hob_scope_cancel(&work, "all was seen");
    ignore(hob_scope_end(&work));
}

/* ---- the same on the real ones: by order ---- */

struct hold {
    sem_t      *release;
    atomic_int *running;
};

static int hold_a_thread(void *arg)
{
    struct hold *hold = arg;
    atomic_fetch_add(hold->running, 1);
    while (sem_wait(hold->release) < 0)
        ;
    return 0;
}

struct holder {
    hob_pool   *pool;
    struct hold hold;
};

static int offload_hold(void *arg)
{
    struct holder *h = arg;
    return hob_offload(h->pool, hold_a_thread, &h->hold);
}

enum { HOLDERS = 100 }; // more than either pool has threads

struct holding {
    sem_t        release;
    atomic_int   running;
    struct holder holders[HOLDERS];
};

static void release_all(void *arg)
{
    struct holding *h = arg;
    for (int i = 0; i < HOLDERS; i++)
        sem_post(&h->release);
}

TEST_ON_ALL(lag, with_pools_full_of_work_names_are_found_and_the_loop_turns)
{
    if (in_sim())
        skip("a function that blocks until a task has done something would block that task, too");
    static struct holding h;
    SERVER(server) = { .zone = ZONE, .delay_ns = 20 * HOB_MSEC };
    DNS(dns);
    struct lag lag = { 0, 0 };
    HOB_SCOPE(s);
    check_ok(put_text(scratch_path("hosts"), "192.0.2.9 me.example\n"));
    check_ok(start_server(&s, &server));
    hob_dns_opts opts = { .hosts_file = scratch_path("hosts") };
    check_ok(make_dns(&s, &server, &opts, &dns));

    atomic_store(&h.running, 0);
    sem_init(&h.release, 0, 0);
    HOB_SCOPE(work);
    HOB_DEFER(release_all, &h);
    hob_go_with(&work, tick, &lag, &(hob_task_opts){ .daemon = 1 });
    for (int i = 0; i < HOLDERS; i++) {
        h.holders[i] = (struct holder){ i % 2 == 0 ? hob_pool_cpu() : hob_pool_blocking(),
                                        { &h.release, &h.running } };
        hob_go(&work, offload_hold, &h.holders[i]);
    }
    while (atomic_load(&h.running) < 10)
        check_ok(hob_sleep(HOB_MSEC));
    uint64_t ticks = lag.ticks;
    check_eq(hob_dns_addrs(dns, "me.example", 1, AF_INET, NULL, 0), 1); // by files, which had to be read
    check_eq(hob_dns_addrs(dns, "a.example", 1, AF_INET, NULL, 0), 1);
    check_eq(hob_dns_addrs(dns, "b.example", 1, AF_INET, NULL, 0), 1);
    check_gt(lag.ticks, ticks);
    hob_pool_stats stats;
    hob_pool_stats_get(hob_pool_cpu(), &stats);
    check_eq(stats.done, 0); // nobody was let go of meanwhile
    release_all(&h);
    check_ok(hob_scope_end(&work));
}
