/* SPDX-License-Identifier: MIT */
/*
 * What do tasks cost? One question a run, on the public headers only:
 *
 *     hob_tasks yield N                  two tasks yield in turn; each yield counts
 *     hob_tasks spawn N                  a scope, an empty task in it, the scope's end
 *     hob_tasks spawn-shared N           the same, in one scope for all
 *     hob_tasks spawn-wait N             a scope, a task that waits once, the scope's end
 *     hob_tasks async N                  hob_async of an empty task, and hob_await
 *     hob_tasks sleepers N SECONDS       N tasks asleep at once, each on its own stack
 *     hob_tasks sleepers-call N SECONDS  N sleeps at once, in callback form
 *     hob_tasks sleepers-then N SECONDS  the same, and each settles a promise
 */
#include <hob.h>

#include "bench.h"

#include <sys/mman.h>

struct question {
    const char  *name;
    hob_task_fn *fn;
    int          args;
};

static long    count;
static int64_t duration_ns;
static long    woken;
static long    asleep;

static void print_ns(int64_t began_ns)
{
    bench_print("ns", (double)(bench_cpu_ns() - began_ns) / (double)count);
}

static int yield_half(void *arg)
{
    (void)arg;
    for (long i = 0; i < count / 2; i++)
        hob_yield();
    return 0;
}

static int ask_yield(void *arg)
{
    int64_t began = bench_cpu_ns();

    (void)arg;
    HOB_SCOPE(s);
    hob_go(&s, yield_half, NULL);
    hob_go(&s, yield_half, NULL);
    HOB_TRY(hob_scope_end(&s));
    print_ns(began);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int yield_once(void *arg)
{
    (void)arg;
    hob_yield();
    return 0;
}

static int spawn_and_join(hob_task_fn *fn)
{
    HOB_SCOPE(s);
    hob_go(&s, fn, NULL);
    return hob_scope_end(&s);
}

static int ask_spawn(void *arg)
{
    int64_t began = bench_cpu_ns();

    (void)arg;
    for (long i = 0; i < count; i++)
        HOB_TRY(spawn_and_join(nothing));
    print_ns(began);
    return 0;
}

static int ask_spawn_wait(void *arg)
{
    int64_t began = bench_cpu_ns();

    (void)arg;
    for (long i = 0; i < count; i++)
        HOB_TRY(spawn_and_join(yield_once));
    print_ns(began);
    return 0;
}

static int ask_spawn_shared(void *arg)
{
    int64_t began = bench_cpu_ns();

    (void)arg;
    HOB_SCOPE(s);
    for (long i = 0; i < count; i++)
        hob_go(&s, nothing, NULL);
    HOB_TRY(hob_scope_end(&s));
    print_ns(began);
    return 0;
}

static int ask_async(void *arg)
{
    int64_t began = bench_cpu_ns();

    (void)arg;
    HOB_SCOPE(s);
    for (long i = 0; i < count; i++)
        HOB_TRY(hob_await(hob_async(&s, nothing, NULL)));
    HOB_TRY(hob_scope_end(&s));
    print_ns(began);
    return 0;
}

static int sleep_once(void *arg)
{
    (void)arg;
    asleep++;
    HOB_TRY(hob_sleep(duration_ns));
    woken++;
    return 0;
}

static double tables_bytes;

/* All are started: `woken` of them too early. */
static int print_started(int64_t began_ns)
{
    if (asleep != count)
        return hob_fail(-ECHILD);
    tables_bytes = bench_status_bytes("VmPTE");
    bench_print("start_s", (double)(hob_now() - began_ns) / 1e9);
    bench_print("woke_early", (double)woken);
    return 0;
}

static int print_woken(void)
{
    double later = bench_status_bytes("VmPTE");

    if (woken != count)
        return hob_fail(-ECHILD);
    if (later > tables_bytes)
        tables_bytes = later;
    bench_print("bytes", (bench_status_bytes("VmHWM") + tables_bytes) / (double)count);
    bench_print("cpu_s", (double)bench_cpu_ns() / 1e9);
    return 0;
}

static int ask_sleepers(void *arg)
{
    int64_t began = hob_now();

    (void)arg;
    HOB_SCOPE(s);
    for (long i = 0; i < count; i++)
        hob_go(&s, sleep_once, NULL);
    HOB_TRY(print_started(began));
    HOB_TRY(hob_scope_end(&s));
    return print_woken();
}

static void on_woken(void *arg, ssize_t result)
{
    (void)arg;
    if (result == 0)
        woken++;
}

/* Memory of which only what is touched is counted. */
static void *new_array(size_t bytes_each)
{
    void *p = mmap(NULL, (size_t)count * bytes_each, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static int ask_sleepers_call(void *arg)
{
    int64_t began = hob_now();
    hob_op *ops = new_array(sizeof *ops);

    (void)arg;
    HOB_SCOPE(s);
    for (long i = 0; i < count; i++) {
        hob_sleep_prep(&ops[i], hob_in(duration_ns));
        hob_op_call(&s, &ops[i], on_woken, NULL);
        asleep++;
    }
    HOB_TRY(print_started(began));
    HOB_TRY(hob_scope_end(&s));
    return print_woken();
}

static int ask_sleepers_then(void *arg)
{
    int64_t       began = hob_now();
    hob_op       *ops = new_array(sizeof *ops);
    hob_promise **promises = new_array(sizeof(hob_promise *));

    (void)arg;
    HOB_SCOPE(s);
    for (long i = 0; i < count; i++) {
        HOB_TRY(hob_promise_new(&promises[i]));
        hob_sleep_prep(&ops[i], hob_in(duration_ns));
        hob_op_settle(&s, &ops[i], promises[i]);
        asleep++;
    }
    HOB_TRY(print_started(began));
    for (long i = 0; i < count; i++) {
        HOB_TRY(hob_promise_await(promises[i], NULL));
        woken++;
    }
    HOB_TRY(hob_scope_end(&s));
    HOB_TRY(print_woken());
    for (long i = 0; i < count; i++)
        hob_promise_free(promises[i]);
    return 0;
}

static const struct question questions[] = {
    { "yield", ask_yield, 1 },
    { "spawn", ask_spawn, 1 },
    { "spawn-shared", ask_spawn_shared, 1 },
    { "spawn-wait", ask_spawn_wait, 1 },
    { "async", ask_async, 1 },
    { "sleepers", ask_sleepers, 2 },
    { "sleepers-call", ask_sleepers_call, 2 },
    { "sleepers-then", ask_sleepers_then, 2 },
};

int main(int argc, char **argv)
{
    // The program's own loops hold the worker for seconds: that is what is asked.
    hob_run_opts opts = { .slow_ns = -1 };

    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (argc != 2 + questions[i].args || strcmp(argv[1], questions[i].name) != 0)
            continue;
        count = atol(argv[2]);
        duration_ns = argc > 3 ? atol(argv[3]) * HOB_SEC : 0;
        if (count <= 0)
            break;
        return hob_run_with(&opts, questions[i].fn, NULL) == 0 ? 0 : 1;
    }
    fprintf(stderr, "usage: hob_tasks yield|spawn|spawn-shared|spawn-wait|async N\n"
                    "       hob_tasks sleepers|sleepers-call|sleepers-then N SECONDS\n");
    return 2;
}
