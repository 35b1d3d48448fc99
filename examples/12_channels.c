/* SPDX-License-Identifier: MIT */
/*
 * Channels and select: two cooks, one waiter, and room for two plates.
 *
 * The pass between kitchen and guests has room for two plates. A cook who finds it full waits:
 * a slow waiter slows the kitchen down, and no plates pile up. When both cooks have gone home
 * the waiter reads the end. A waiter who hears of no plate for a while asks.
 *
 *     build/hob run examples/12_channels.c
 */
#include <hob.h>

enum { PLATES_EACH = 4, ROOM = 2 };

static int cook(void *arg)
{
    HOB_CHAN_SENDER(pass, arg); // this end is mine until I return
    for (int plate = 1; plate <= PLATES_EACH; plate++) {
        HOB_TRY(hob_sleep(10 * HOB_MSEC));
        HOB_TRY(hob_chan_send(pass, &plate));
    }
    HOB_TRY(hob_sleep(200 * HOB_MSEC)); // washes up
    return 0;
}

static int waiter(void *arg)
{
    HOB_CHAN_RECEIVER(pass, arg);
    int served = 0;
    for (;;) {
        int plate, r;
        switch (HOB_SELECT(&r, HOB_RECV(pass, &plate), HOB_AFTER(120 * HOB_MSEC))) {
        case 0:
            if (r == HOB_EOF) {
                printf("served %d plates, and the cooks have gone home\n", served);
                return 0;
            }
            HOB_TRY(r);
            served++;
            HOB_TRY(hob_sleep(20 * HOB_MSEC)); // walks to the table
            break;
        case 1:
            puts("waiter: anything more?");
            break;
        default:
            return hob_cancelled();
        }
    }
}

static int evening(void *arg)
{
    hob_chan *pass;
    HOB_TRY(hob_chan_new(sizeof(int), ROOM, HOB_WAIT, NULL, &pass));

    HOB_SCOPE(s);
    hob_chan *left = hob_chan_sender_ref(pass), *right = hob_chan_sender_ref(pass);
    hob_chan *out = hob_chan_receiver_ref(pass);
    hob_go(&s, cook, left);
    hob_go(&s, cook, right);
    hob_go(&s, waiter, out);
    int r = hob_scope_end(&s);

    hob_chan_stats stats;
    hob_chan_stats_get(pass, &stats);
    printf("at most %d plates stood in the pass\n", (int)stats.queued_max);
    hob_chan_free(pass);
    return r;
}

int main(void) { return hob_run(evening, NULL); }
