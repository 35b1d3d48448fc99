/* SPDX-License-Identifier: MIT */
/* Tasks that are parked in different ways, for test_gdb.py to look at. Writes "ready" and waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hob.h>

#define NOINLINE __attribute__((noinline))

/* The calls must stay calls, and the values be kept over them. */
#define KEEP(value) __asm__ volatile("" : "+r"(value) : : "memory")

static hob_promise *promise;
static int          dump;

static NOINLINE int boil_water(int minutes)
{
    int64_t until = hob_in(minutes * 60 * HOB_SEC);
    KEEP(minutes);
    int r = hob_sleep_until(until);
    KEEP(r);
    return r + minutes * 0;
}

static int make_tea(void *arg)
{
    int r = boil_water(10 + (arg != NULL));
    KEEP(r);
    return r;
}

static NOINLINE int ask_the_cook(void)
{
    int r = hob_promise_await(promise, NULL);
    KEEP(r);
    return r;
}

static int set_the_table(void *arg)
{
    (void)arg;
    int r = ask_the_cook();
    KEEP(r);
    return r;
}

static NOINLINE int hear_the_bell(hob_unix *door)
{
    char    byte;
    ssize_t n = hob_unix_read(door, &byte, 1);
    KEEP(n);
    return (int)n;
}

static int watch_the_door(void *arg)
{
    int r = hear_the_bell(arg);
    KEEP(r);
    return r;
}

static NOINLINE int dig(void *arg)
{
    int r = hob_sleep(HOB_FOREVER);
    (void)arg;
    KEEP(r);
    return r;
}

static int fetch_from_the_cellar(void *arg)
{
    int r = hob_call_deep(1 << 20, dig, arg);
    KEEP(r);
    return r;
}

static NOINLINE int wait_for_guests(hob_scope *s)
{
    int r = hob_scope_end(s);
    KEEP(r);
    return r;
}

static int run_the_house(void *arg)
{
    (void)arg;
    hob_unix *inside, *outside;
    HOB_TRY(hob_promise_new(&promise));
    HOB_TRY(hob_unix_pair(&inside, &outside));
    HOB_SCOPE(s);
    hob_go_with(&s, make_tea, NULL, &(hob_task_opts){ .name = "tea" });
    hob_go_with(&s, set_the_table, NULL, &(hob_task_opts){ .name = "table" });
    hob_go_with(&s, watch_the_door, inside, &(hob_task_opts){ .name = "door" });
    hob_go_with(&s, fetch_from_the_cellar, NULL, &(hob_task_opts){ .name = "cellar" });
    for (int i = 0; i < 3; i++)
        hob_go(&s, make_tea, NULL);
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    if (dump)
        abort();
    int r = wait_for_guests(&s);
    hob_unix_close(outside);
    return r;
}

/* parked: as they are; parked core: and ends with a core file at once. */
int main(int argc, char **argv)
{
    dump = argc > 1 && strcmp(argv[1], "core") == 0;
    return hob_run(run_the_house, NULL) < 0;
}
