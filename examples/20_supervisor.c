/* SPDX-License-Identifier: MIT */
/*
 * A supervisor: what fails is started again, with all that leans on it.
 *
 * The baker leans on the oven, which stands before him in the list. When the oven burns out
 * he is called away, a new oven is lit, and he begins anew with it. The radio leans on
 * nobody, and plays on. A fuse that blows each time is given up.
 *
 *     build/hob run examples/20_supervisor.c
 */
#include <errno.h>

#include <hob.h>

enum { LOAVES = 8, GOOD_OVEN = 3 };

static hob_event closed = { .name = "the bakery is closed" };
static int       ovens, loaves;

static int oven(void *arg)
{
    printf("oven %d is hot\n", ++ovens);
    if (ovens == GOOD_OVEN)
        return hob_event_wait(&closed);
    HOB_TRY(hob_sleep(35 * HOB_MSEC));
    return -EIO;
}

static int baker(void *arg)
{
    while (loaves < LOAVES) {
        HOB_TRY(hob_sleep(10 * HOB_MSEC)); // the loaf in the oven is lost when he is called away
        loaves++;
    }
    hob_event_set(&closed);
    return 0;
}

static int radio(void *arg)
{
    return hob_event_wait(&closed);
}

static int fuse(void *arg)
{
    int *tries = arg;
    ++*tries;
    return -EPIPE;
}

static void tell(void *arg, const char *name, int error)
{
    printf("%s: %s; it is started again\n", name, hob_error_name(error));
}

static int day(void *arg)
{
    static const hob_child bakery[] = {
        { .name = "radio", .fn = radio, .restart = HOB_RESTART_ON_FAILURE },
        { .name = "oven", .fn = oven, .restart = HOB_RESTART_ON_FAILURE },
        { .name = "baker", .fn = baker, .restart = HOB_RESTART_ON_FAILURE },
    };
    HOB_TRY(hob_supervise(bakery, 3, &(hob_supervise_opts){ .strategy = HOB_REST_FOR_ONE,
                                                            .on_restart = tell }));
    printf("%d loaves, %d ovens\n", loaves, ovens);

    int             tries = 0;
    const hob_child cellar[] = { { .name = "fuse", .fn = fuse, .arg = &tries } };
    int             r = hob_supervise(cellar, 1, &(hob_supervise_opts){ .restarts_max = 4,
                                                                        .on_restart = tell });
    printf("the fuse is given up after %d tries: %s\n", tries, hob_error_name(r));
    return 0;
}

int main(void) { return hob_run(day, NULL); }
