/* SPDX-License-Identifier: MIT */
/*
 * A pool of workers with limits: a print shop.
 *
 * Orders come by a channel with room for two, so customers wait outside when the shop is full.
 * Six clerks serve them. Two limits hold for all clerks together: paper comes at one sheet
 * every 10 ms, of which three are kept in store; and there are two presses, until the owner
 * sees that both are busy, and opens a third.
 *
 *     build/hob run examples/19_print_shop.c
 */
#include <hob.h>

enum { ORDERS = 16, CLERKS = 6, PAPER_STORE = 3 };

static hob_limiter presses = { .name = "presses", .limit = 2 };

struct shop {
    hob_chan *orders, *paper;
    int64_t   opened_ns;
    int       printing, printing_max;
};

static int at_ms(const struct shop *shop)
{
    return (int)((hob_now() - shop->opened_ns) / HOB_MSEC);
}

/* So many in a time: what does not fit into the store is not delivered. */
static int deliver_paper(void *arg)
{
    struct shop *shop = arg;
    hob_ticker   beat;
    hob_ticker_init(&beat, 10 * HOB_MSEC);
    for (char sheet = 'A';; sheet = sheet == 'Z' ? 'A' : sheet + 1) {
        HOB_TRY(hob_chan_send(shop->paper, &sheet));
        HOB_TRY(hob_ticker_wait(&beat));
    }
}

static int print_order(void *item, void *arg)
{
    const int   *order = item;
    struct shop *shop = arg;
    char         sheet;
    HOB_TRY(hob_chan_recv(shop->paper, &sheet));
    HOB_LIMITED(&presses); // so many at a time; until I return
    shop->printing++;
    if (shop->printing > shop->printing_max)
        shop->printing_max = shop->printing;
    HOB_TRY(hob_sleep(40 * HOB_MSEC));
    shop->printing--;
    printf("%4d ms  order %d is printed on sheet %c\n", at_ms(shop), *order, sheet);
    return 0;
}

static int bring_orders(void *arg)
{
    HOB_CHAN_SENDER(orders, arg);
    for (int order = 1; order <= ORDERS; order++)
        HOB_TRY(hob_chan_send(orders, &order));
    return 0;
}

static int watch_over(void *arg)
{
    const struct shop *shop = arg;
    HOB_TRY(hob_sleep(100 * HOB_MSEC));
    hob_borrower busy[8];
    size_t       count = hob_limiter_borrowers(&presses, busy, 8);
    printf("%4d ms  owner: %zu presses are busy; here is a third\n", at_ms(shop), count);
    hob_limiter_resize(&presses, 3);
    return 0;
}

static int run_shop(struct shop *shop)
{
    HOB_SCOPE(s);
    hob_go_with(&s, deliver_paper, shop, &(hob_task_opts){ .name = "paper", .daemon = 1 });
    hob_go(&s, bring_orders, hob_chan_sender_ref(shop->orders));
    hob_go(&s, watch_over, shop);
    HOB_TRY(hob_for_each_recv(shop->orders, CLERKS, print_order, shop)); // until the last order
    printf("%4d ms  %d orders, never more than %d at a time\n", at_ms(shop), ORDERS,
           shop->printing_max);
    return hob_scope_end(&s);
}

static int open_shop(void *arg)
{
    struct shop shop = { .opened_ns = hob_now() };
    HOB_TRY(hob_chan_new(sizeof(int), 2, HOB_WAIT, NULL, &shop.orders));
    int r = hob_chan_new(1, PAPER_STORE, HOB_DROP_NEWEST, NULL, &shop.paper);
    if (r == 0)
        r = run_shop(&shop);
    hob_chan_free(shop.paper);
    hob_chan_free(shop.orders);
    return r;
}

int main(void) { return hob_run(open_shop, NULL); }
