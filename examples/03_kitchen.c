/* SPDX-License-Identifier: MIT */
/*
 * The kitchen: the same recipe step by step, and then all at once.
 *
 * Four dishes, each a plain function that waits. Called one after the other they
 * take an hour of kitchen time. Started as tasks they take as long as the
 * slowest dish: many pots, one stove, and still one cook and one thread.
 *
 *     build/hob run examples/03_kitchen.c
 *     build/hob run examples/03_kitchen.c --seed 7    # simulated: no waiting, and
 *                                                     # 7 always cooks the same meal
 */
#include <hob.h>

#include "timeline.h"

#define KITCHEN_MINUTE (25 * HOB_MSEC)

enum step { BOIL_WATER, COOK_PASTA, CHOP_ONIONS, SIMMER_SAUCE, BAKE_BREAD, SET_TABLE, STEPS };

static const struct {
    const char          *what;
    int                  minutes;
    enum timeline_colour colour;
} recipe[STEPS] = {
    [BOIL_WATER]   = { "boil the water",   8,  BLUE },
    [COOK_PASTA]   = { "cook the pasta",   10, BLUE },
    [CHOP_ONIONS]  = { "chop the onions",  4,  RED },
    [SIMMER_SAUCE] = { "simmer the sauce", 15, RED },
    [BAKE_BREAD]   = { "bake the bread",   20, YELLOW },
    [SET_TABLE]    = { "set the table",    3,  GREEN },
};

struct kitchen {
    int64_t         takes_ns[STEPS]; /* no stove is exact: today's times */
    struct timeline timeline;
};

static int take_step(struct kitchen *k, enum step step)
{
    int64_t from_ns = hob_now();
    HOB_TRY(hob_sleep(k->takes_ns[step]));

    struct timeline_bar *bar = timeline_bar(&k->timeline, recipe[step].what);
    bar->from_ns = from_ns;
    bar->to_ns = hob_now();
    bar->colour = recipe[step].colour;
    snprintf(bar->note, sizeof bar->note, "%.1f min",
             (double)(bar->to_ns - bar->from_ns) / (double)KITCHEN_MINUTE);
    return 0;
}

/* The dishes. Nothing in them says whether others cook at the same time. */

static int make_pasta(void *arg)
{
    HOB_TRY(take_step(arg, BOIL_WATER));
    HOB_TRY(take_step(arg, COOK_PASTA));
    return 0;
}

static int make_sauce(void *arg)
{
    HOB_TRY(take_step(arg, CHOP_ONIONS));
    HOB_TRY(take_step(arg, SIMMER_SAUCE));
    return 0;
}

static int make_bread(void *arg) { return take_step(arg, BAKE_BREAD); }
static int lay_table(void *arg) { return take_step(arg, SET_TABLE); }

/* The two ways to cook them. */

static int cook_step_by_step(struct kitchen *k)
{
    HOB_TRY(make_pasta(k));
    HOB_TRY(make_sauce(k));
    HOB_TRY(make_bread(k));
    HOB_TRY(lay_table(k));
    return 0;
}

static int cook_all_at_once(struct kitchen *k)
{
    HOB_SCOPE(dinner);
    hob_go(&dinner, make_pasta, k);
    hob_go(&dinner, make_sauce, k);
    hob_go(&dinner, make_bread, k);
    hob_go(&dinner, lay_table, k);
    return hob_scope_end(&dinner);
}

/* Cooks in one of the ways and draws it on a scale of `span_ns` (0: its own).
 * Returns how long it took. */
static int64_t cook(struct kitchen *k, const char *title, int (*way)(struct kitchen *),
                    int64_t span_ns)
{
    int64_t start_ns = hob_now();
    HOB_TRY(way(k));
    int64_t took_ns = hob_now() - start_ns;

    printf("%s: dinner after %.0f minutes\n\n", title, (double)took_ns / (double)KITCHEN_MINUTE);
    timeline_draw(&k->timeline, start_ns, span_ns > 0 ? span_ns : took_ns, KITCHEN_MINUTE, "min");
    putchar('\n');
    return took_ns;
}

static int cook_twice(void *arg)
{
    struct kitchen *k = arg;
    for (int i = 0; i < STEPS; i++) {
        int64_t percent = 90 + (int64_t)(hob_random() % 21);
        k->takes_ns[i] = recipe[i].minutes * KITCHEN_MINUTE * percent / 100;
    }

    int64_t slow_ns = HOB_TRY(cook(k, "Step by step", cook_step_by_step, 0));
    int64_t fast_ns = HOB_TRY(cook(k, "All at once", cook_all_at_once, slow_ns));
    printf("The same functions, %.1f times as fast.\n", (double)slow_ns / (double)fast_ns);
    return 0;
}

int main(int argc, char **argv)
{
    static struct kitchen kitchen;
    hob_run_opts          opts = { 0 };

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--ascii") == 0) {
            kitchen.timeline.ascii = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            opts.backend = "sim";
            opts.seed = strtoull(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--ascii]\n", argv[0]);
            return 2;
        }
    }
    return hob_run_with(&opts, cook_twice, &kitchen);
}
