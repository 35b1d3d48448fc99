/* SPDX-License-Identifier: MIT */
/*
 * Hob as a guest in a game: sixty frames a second, and none of them waits for a task.
 *
 * Each frame the game moves its ball, gives Hob 4 ms to spend, draws, and sleeps until the
 * next frame. A thousand tasks are at work meanwhile: each thinks a little, every
 * frame. What Hob took of the processor in each step is measured, and told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <hob.h>

enum { FRAMES = 60, CREATURES = 1000 };

#define FRAME  (HOB_SEC / 60)
#define BUDGET (4 * HOB_MSEC)

/* ---- in Hob ---- */

static int live(void *arg)
{
    long *thoughts = arg;
    for (;;) {
        HOB_TRY(hob_sleep(FRAME / 2));
        ++*thoughts;
    }
}

static int populate(void *arg)
{
    HOB_SCOPE(world);
    for (int i = 0; i < CREATURES; i++)
        hob_go(&world, live, arg);
    return hob_scope_end(&world);
}

/* ---- the game ---- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * HOB_SEC + t.tv_nsec;
}

static void sleep_until(int64_t when_ns)
{
    struct timespec t = { .tv_sec = when_ns / HOB_SEC, .tv_nsec = when_ns % HOB_SEC };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        ;
}

static int earlier(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    long      thoughts = 0;
    int       ball = 0, late = 0;
    int64_t   took_ns[FRAMES];
    hob_loop *loop;
    if (hob_begin(NULL, populate, &thoughts, &loop) < 0)
        return 1;

    int64_t next_ns = clock_ns(CLOCK_MONOTONIC);
    for (int frame = 0; frame < FRAMES; frame++) {
        ball = (ball + 1) % 40;
        int64_t before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        hob_step(loop, BUDGET);
        took_ns[frame] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
        late += took_ns[frame] > FRAME;
        printf("\r%*s", ball + 1, "o");
        next_ns += FRAME;
        sleep_until(next_ns);
    }
    (void)hob_finish(loop); // the creatures are cancelled: that is no failure of the game

    qsort(took_ns, FRAMES, sizeof took_ns[0], earlier);
    printf("\n%d frames, %ld thoughts; of the processor Hob took %lld us in the median step, %lld at most\n",
           FRAMES, thoughts, (long long)(took_ns[FRAMES / 2] / 1000),
           (long long)(took_ns[FRAMES - 1] / 1000));
    printf("%d frames were late because of Hob\n", late);
    return late > 0;
}
