/* SPDX-License-Identifier: MIT */
/*
 * A shop that tells what it does.
 *
 * Three customers buy at the same time. What the shop says is one line each, for people or, with
 * HOB_LOG_FORM=json, for machines; each line has the request that it belongs to, though no function
 * passes that along. One part of the shop says too much, and is cut short.
 *
 *     build/hob run examples/37_log.c               to standard error
 *     build/hob run examples/37_log.c shop.log      into a file, which is rotated
 *     HOB_LOG_LEVEL=debug HOB_LOG_FORM=json build/hob run examples/37_log.c
 */
#include <errno.h>
#include <stdio.h>

#include <hob.h>

struct order {
    int         id;
    const char *user;
    double      total;
};

/* ---- buying ---- */

static const hob_local_key request = { .name = "request", .is_text = 1, .is_logged = 1 };

static int pay(const struct order *o)
{
    HOB_LOG(DEBUG, "asking the bank", "order", o->id, "total", o->total);
    HOB_TRY(hob_sleep(20 * HOB_MSEC));
    return o->total > 100 ? -EDQUOT : 0;
}

static int buy(void *arg)
{
    struct order *o = arg;
    char          id[16];

    snprintf(id, sizeof id, "r-%d", o->id);
    HOB_LOCAL(&request, id); // from here on, in all functions and tasks below

    int r = pay(o);
    if (r < 0)
        HOB_LOG(WARNING, "order refused", "user", o->user, "total", o->total, "error", hob_log_error(r));
    else
        HOB_LOG(INFO, "order paid", "user", o->user, "total", o->total);
    return 0;
}

/* ---- one who says too much ---- */

static int look_at_the_door(void *arg)
{
    for (int i = 0; i < 5000; i++)
        HOB_LOG(INFO, "nobody at the door", "looks", i);
    return 0;
}

/* ---- the shop ---- */

static int open_shop(void *arg)
{
    static struct order orders[] = {
        { 41, "ann", 9.5 }, { 42, "bob\nERROR all is lost", 17 }, { 43, "eve", 1e6 },
    };
    HOB_LOG(NOTICE, "the shop is open", "orders", sizeof orders / sizeof orders[0]);

    HOB_SCOPE(s);
    hob_go_with(&s, look_at_the_door, NULL, &(hob_task_opts){ .name = "porter" });
    for (int i = 0; i < 3; i++)
        hob_go(&s, buy, &orders[i]);
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    hob_log_opts log = {
        .path = argc > 1 ? argv[1] : NULL, // NULL: to standard error
        .rotate_bytes = 1 << 20,           // a megabyte, then it is shop.log.1, and so on to .5
        .site_per_s = 10,                  // from one place in the source
    };
    int r = hob_log_setup(&log);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], hob_strerror(r));
        return 1;
    }
    return hob_run_with(&(hob_run_opts){ .report = hob_log_report }, open_shop, NULL);
}
