/* SPDX-License-Identifier: MIT */
/*
 * Promises: three shops are asked at once, and each way to wait gets its own answer.
 *
 *     JavaScript                               here
 *     const p = ask(shop)                      ask(&s, &shop), and shop.answer is p
 *     await p                                  hob_promise_await(p, &value)
 *     p.then(tell, tell)                       hob_promise_then(&s, p, tell, arg)
 *     await Promise.all([...])                 hob_promise_await_many(HOB_ALL, ...)
 *     await Promise.allSettled([...])          hob_promise_await_many(HOB_ALL_SETTLED, ...)
 *     await Promise.any([...])                 hob_promise_await_many(HOB_ANY, ...)
 *     await Promise.race([...])                hob_promise_await_many(HOB_RACE, ...)
 *
 * What JavaScript leaves running, Hob calls back: a shop whose answer is not needed any more
 * is told so, and the scope waits until it has hung up.
 *
 *     build/hob run examples/21_promises.c
 */
#include <errno.h>

#include <hob.h>

enum { SHOPS = 3 };

struct shop {
    const char  *name;
    int64_t      takes_ns;
    int          price; /* or an error */
    hob_op       op;
    hob_promise *answer;
};

/* ---- a function that returns a promise ---- */

static void on_answer(void *arg, ssize_t result)
{
    struct shop *shop = arg;
    if (result < 0)
        hob_promise_reject(shop->answer, (int)result);
    else if (shop->price < 0)
        hob_promise_reject(shop->answer, shop->price);
    else
        hob_promise_resolve(shop->answer, &shop->price);
}

static void hang_up(void *arg)
{
    struct shop *shop = arg;
    hob_op_cancel(&shop->op);
}

static int ask(hob_scope *scope, struct shop *shop)
{
    HOB_TRY(hob_promise_new(&shop->answer));
    hob_promise_on_cancel(shop->answer, hang_up, shop);
    hob_sleep_prep(&shop->op, hob_in(shop->takes_ns)); // any operation would do
    hob_op_call(scope, &shop->op, on_answer, shop);
    return 0;
}

/* ---- the ways to wait ---- */

static void forget(void *arg)
{
    struct shop *shops = arg;
    for (int i = 0; i < SHOPS; i++)
        hob_promise_free(shops[i].answer);
}

/* Does not wait any more: all are settled. */
static void tell_all(const struct shop *shops)
{
    for (int i = 0; i < SHOPS; i++) {
        void *price;
        int   r = hob_promise_await(shops[i].answer, &price);
        if (r < 0)
            printf("    %-6s %s\n", shops[i].name, hob_error_name(r));
        else
            printf("    %-6s %d cents\n", shops[i].name, *(int *)price);
    }
}

static int ask_three(const char *how_name, hob_promise_how how)
{
    struct shop shops[SHOPS] = {
        { .name = "corner", .takes_ns = 60 * HOB_MSEC, .price = 320 },
        { .name = "market", .takes_ns = 20 * HOB_MSEC, .price = -ENOENT }, // sold out
        { .name = "farm", .takes_ns = 40 * HOB_MSEC, .price = 280 },
    };
    hob_promise *answers[SHOPS];
    int64_t      began_ns = hob_now();
    HOB_DEFER(forget, shops);
    HOB_SCOPE(s);
    for (int i = 0; i < SHOPS; i++) {
        HOB_TRY(ask(&s, &shops[i]));
        answers[i] = shops[i].answer;
    }
    int r = hob_promise_await_many(how, answers, SHOPS);
    printf("%-11s after %2d ms: %s\n", how_name, (int)((hob_now() - began_ns) / HOB_MSEC),
           r < 0                              ? hob_error_name(r)
           : how == HOB_ANY || how == HOB_RACE ? shops[r].name
                                              : "all are there");
    tell_all(shops);
    return hob_scope_end(&s);
}

/* ---- callbacks, if one must ---- */

static void tell(void *arg, int error, void *value)
{
    const struct shop *shop = arg;
    if (error < 0)
        printf("    %s says %s\n", shop->name, hob_error_name(error));
    else
        printf("    %s says %d cents\n", shop->name, *(int *)value);
}

static int ask_and_go_on(void)
{
    struct shop shops[SHOPS] = { { .name = "corner", .takes_ns = 10 * HOB_MSEC, .price = 320 },
                                 { .name = "farm", .takes_ns = 5 * HOB_MSEC, .price = -EHOSTDOWN } };
    HOB_DEFER(forget, shops);
    HOB_SCOPE(s);
    for (int i = 0; i < 2; i++) {
        HOB_TRY(ask(&s, &shops[i]));
        HOB_TRY(hob_promise_then(&s, shops[i].answer, tell, &shops[i]));
    }
    puts("then        meanwhile I go on");
    return hob_scope_end(&s); // when the last has been told
}

static int shopping(void *arg)
{
    HOB_TRY(ask_three("all", HOB_ALL));
    HOB_TRY(ask_three("all settled", HOB_ALL_SETTLED));
    HOB_TRY(ask_three("any", HOB_ANY));
    HOB_TRY(ask_three("race", HOB_RACE));
    return ask_and_go_on();
}

int main(void) { return hob_run(shopping, NULL); }
