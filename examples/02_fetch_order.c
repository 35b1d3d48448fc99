/* SPDX-License-Identifier: MIT */
/*
 * Three things at once: a scope.
 *
 * fetch_order starts three tasks and waits for all of them. When one fails, or
 * when two seconds have passed, the others are cancelled; in no case does
 * anything of it run on after fetch_order has returned. Three days show it.
 *
 *     build/hob run examples/02_fetch_order.c
 */
#include <errno.h>

#include <hob.h>

struct order {
    int64_t price_takes_ns;  /* how long the price service thinks ... */
    int     price_answer;    /* ... and what it says: 0, or an error  */
    int64_t began_ns;
};

static int load_user(void *arg);
static int ask_price(void *arg);
static int write_log(void *arg);

static int fetch_order(struct order *o)      /* three things at once, bounded in time, nothing leaks */
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(2 * HOB_SEC));
    hob_go(&s, load_user, o);
    hob_go(&s, ask_price, o);
    hob_go(&s, write_log, o);
    return hob_scope_end(&s);                /* 0, or the first failure; the others were cancelled and joined */
}

/* Stands for a database, a service or a disk: takes a while, then answers. */
static int take_a_while(struct order *o, const char *who, int64_t while_ns, int answer)
{
    int r = hob_sleep(while_ns);
    int at_ms = (int)((hob_now() - o->began_ns) / HOB_MSEC);
    if (r < 0) {
        printf("  %4d ms  %s is cancelled: %s\n", at_ms, who, hob_cancel_reason());
        return r;
    }
    printf("  %4d ms  %s %s\n", at_ms, who, answer == 0 ? "is done" : hob_strerror(answer));
    return answer;
}

static int load_user(void *arg) { return take_a_while(arg, "load_user", 300 * HOB_MSEC, 0); }
static int write_log(void *arg) { return take_a_while(arg, "write_log", 100 * HOB_MSEC, 0); }

static int ask_price(void *arg)
{
    struct order *o = arg;
    return take_a_while(o, "ask_price", o->price_takes_ns, o->price_answer);
}

static void fetch_on(const char *day, int64_t price_takes_ns, int price_answer)
{
    struct order o = { price_takes_ns, price_answer, hob_now() };
    puts(day);
    int r = fetch_order(&o);
    printf("        =  %s\n", r == 0 ? "fetched" : hob_error_name(r));
}

static int three_days(void *arg)
{
    fetch_on("A good day", 500 * HOB_MSEC, 0);
    fetch_on("The price service is down", 200 * HOB_MSEC, -ECONNREFUSED);
    fetch_on("The price service is lost in thought", 1 * HOB_HOUR, 0);
    return 0;
}

int main(void) { return hob_run(three_days, NULL); }
