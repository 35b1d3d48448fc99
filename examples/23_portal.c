/* SPDX-License-Identifier: MIT */
/*
 * A thread from outside: the thermometer of an oven has a library with a thread of its own.
 *
 * The thread calls the program back for each reading. It must not touch what belongs to the loop:
 * it goes in by a portal. A reading is posted, and the thread goes on measuring; when the oven is
 * too hot it asks the cook, and waits for the answer, but not for ever.
 *
 *     build/hob run examples/23_portal.c
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <hob.h>

enum { READINGS = 60 };

/* ---- a library that knows nothing of Hob ---- */

typedef struct thermometer {
    void    (*on_reading)(void *arg, int degrees); /* on the library's thread */
    void    (*on_end)(void *arg);
    void     *arg;
    int       degrees;
    pthread_t thread;
} thermometer;

static void *measure(void *arg)
{
    const struct timespec pause = { .tv_nsec = HOB_MSEC };
    thermometer          *t = arg;
    for (int i = 0; i < READINGS; i++) {
        t->on_reading(t->arg, t->degrees += 5);
        nanosleep(&pause, NULL);
    }
    t->on_end(t->arg);
    return NULL;
}

static int thermometer_start(thermometer *t)
{
    return -pthread_create(&t->thread, NULL, measure, t);
}

/* ---- on the loop: tasks that come by the portal ---- */

struct oven {
    hob_portal *portal;
    thermometer thermometer;
    int         readings, hottest, questions;
    int         lost, unanswered; /* the thread's own */
};

struct reading {
    struct oven *oven;
    int          degrees;
};

static int note_reading(void *arg)
{
    struct reading *reading = arg; // it was given to this task
    struct oven    *oven = reading->oven;
    oven->readings++;
    if (reading->degrees > oven->hottest)
        oven->hottest = reading->degrees;
    free(reading);
    return 0;
}

static int ask_cook(void *arg)
{
    struct oven *oven = arg;
    HOB_TRY(hob_sleep(3 * HOB_MSEC)); // any wait will do: only this task and the thread wait
    oven->questions++;
    return 120; // so many degrees, says the cook
}

static int close_oven(void *arg)
{
    struct oven *oven = arg;
    hob_portal_close(oven->portal);
    return 0;
}

/* ---- on the library's thread: the ways in ---- */

static void on_reading(void *arg, int degrees)
{
    struct oven    *oven = arg;
    struct reading *reading = malloc(sizeof *reading);
    *reading = (struct reading){ oven, degrees };
    if (hob_portal_post(oven->portal, note_reading, reading) < 0) {
        free(reading); // the loop is behind: better a reading less than more and more in line
        oven->lost++;
    }
    if (degrees <= 250)
        return;
    int cooler = hob_portal_call_within(oven->portal, HOB_SEC, ask_cook, oven);
    if (cooler < 0)
        oven->unanswered++;
    else
        oven->thermometer.degrees = cooler;
}

static void on_end(void *arg)
{
    struct oven *oven = arg;
    if (hob_portal_call(oven->portal, close_oven, oven) < 0) // after which there is no way in
        abort(); // no memory for a task
}

static int heat(void *arg)
{
    struct oven *oven = arg;
    HOB_SCOPE(s);
    HOB_TRY(hob_portal_open(&s, &(hob_portal_opts){ .name = "oven" }, &oven->portal));
    hob_portal *mine = hob_portal_ref(oven->portal); // until the thread has ended
    int         r = thermometer_start(&oven->thermometer);
    if (r < 0)
        hob_portal_close(oven->portal);
    int ended = hob_scope_end(&s); // serves, until the portal is closed
    if (r == 0)
        pthread_join(oven->thermometer.thread, NULL);
    hob_portal_unref(mine);
    return r < 0 ? r : ended;
}

int main(void)
{
    struct oven oven = { .thermometer = { on_reading, on_end, &oven, .degrees = 100 } };
    int         r = hob_run(heat, &oven);
    printf("%d readings, the hottest of %d degrees; %d did not fit\n", oven.readings, oven.hottest,
           oven.lost);
    printf("the cook was asked %d times; %d questions had no answer\n", oven.questions,
           oven.unanswered);
    return r;
}
