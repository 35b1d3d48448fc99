/* SPDX-License-Identifier: MIT */
/*
 * Cancellation and deadlines: who stops, when, and what may still be done.
 *
 * A customer is patient for a second and a half, and gives each try half a second. The shop
 * is closed for the first two tries. At the end a guard closes the shop: its clerk hears why,
 * and has a moment to put things in order.
 *
 *     build/hob run examples/09_deadlines.c
 */
#include <errno.h>

#include <hob.h>

struct shop {
    int64_t     opened_ns;
    int64_t     opens_ns; /* before that, nobody answers */
    hob_promise *bell;    /* settled when the shop opens */
};

static int at_ms(const struct shop *shop)
{
    return (int)((hob_now() - shop->opened_ns) / HOB_MSEC);
}

static int buy_bread(struct shop *shop)
{
    HOB_SCOPE(try);
    hob_scope_deadline(&try, hob_in(500 * HOB_MSEC)); // or the customer's, if that is earlier
    HOB_TRY(hob_promise_await(shop->bell, NULL));
    return 0;
}

static int customer(void *arg)
{
    struct shop *shop = arg;
    int          r;

    HOB_SCOPE(patience);
    hob_scope_deadline(&patience, hob_in(1500 * HOB_MSEC));
    while ((r = buy_bread(shop)) == -ETIMEDOUT && hob_cancelled() == 0)
        printf("%5d ms  customer: nobody answers, again\n", at_ms(shop));
    printf("%5d ms  customer: %s\n", at_ms(shop), r == 0 ? "bread!" : hob_strerror(r));
    return r;
}

static void put_in_order(struct shop *shop)
{
    HOB_SHIELD(1 * HOB_SEC) { // up to a second, whatever happens outside
        if (hob_sleep(100 * HOB_MSEC) == 0)
            printf("%5d ms  clerk: all in order\n", at_ms(shop));
    }
}

static int clerk(void *arg)
{
    struct shop *shop = arg;
    HOB_TRY(hob_sleep_until(shop->opens_ns));
    hob_promise_resolve(shop->bell, NULL);

    int r = hob_sleep(HOB_FOREVER);
    printf("%5d ms  clerk: %s\n", at_ms(shop), hob_cancel_reason());
    put_in_order(shop);
    return r;
}

static int a_day(void *arg)
{
    struct shop shop = { .opened_ns = hob_now(), .opens_ns = hob_in(1200 * HOB_MSEC) };
    HOB_TRY(hob_promise_new(&shop.bell));

    HOB_SCOPE(street);
    hob_go(&street, clerk, &shop);
    int r = customer(&shop);
    hob_scope_cancel(&street, "it is getting dark");

    int ended = hob_scope_end(&street);
    printf("%5d ms  street: %s\n", at_ms(&shop), hob_error_name(ended));
    hob_promise_free(shop.bell);
    return r;
}

int main(void) { return hob_run(a_day, NULL); }
