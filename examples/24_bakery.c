/* SPDX-License-Identifier: MIT */
/*
 * A flow, and backpressure that one can see: a bakery with a slow seller.
 *
 * Dough could be kneaded at once for all loaves of the day. But a loaf is kneaded when an oven is
 * free for it, an oven is free when its loaf has found room on the shelf, and the shelf has room when
 * the seller has sold. So the seller, who is slow, sets the pace of all, and no loaves pile up.
 *
 *     build/hob run examples/24_bakery.c
 */
#include <hob.h>

enum { LOAVES = 24, OVENS = 3, SHELF = 4, BAG = 2 };

struct loaf {
    int number;
    int oven_ms; /* how long it was in there */
};

typedef HOB_BATCH(struct loaf, BAG) bag;

struct bakery {
    int64_t opened_ns;
    int     kneaded, baked, sold, most;
};

static int knead(void *number, void *arg, void *ret_loaf)
{
    struct bakery *bakery = arg;
    struct loaf   *loaf = ret_loaf;
    loaf->number = (int)*(int64_t *)number;
    loaf->oven_ms = 10 + 5 * (loaf->number % 3);
    bakery->kneaded++;
    return 0;
}

static int bake(void *item, void *arg, void *ret_loaf)
{
    struct bakery *bakery = arg;
    struct loaf    loaf = *(struct loaf *)item;
    HOB_TRY(hob_sleep(loaf.oven_ms * HOB_MSEC));
    bakery->baked++;
    *(struct loaf *)ret_loaf = loaf;
    return 0;
}

/* A line for each bag: who is how far, and a mark for each loaf on its way. */
static int sell(void *item, void *arg)
{
    const bag     *sold = item;
    struct bakery *bakery = arg;
    HOB_TRY(hob_sleep(40 * HOB_MSEC)); // a long talk
    int on_the_way = bakery->kneaded - bakery->sold;
    bakery->sold += (int)sold->count;
    if (on_the_way > bakery->most)
        bakery->most = on_the_way;
    printf("%4d ms  kneaded %2d  baked %2d  sold %2d  ",
           (int)((hob_now() - bakery->opened_ns) / HOB_MSEC), bakery->kneaded, bakery->baked,
           bakery->sold);
    for (int i = 0; i < on_the_way; i++)
        putchar('o');
    putchar('\n');
    return 0;
}

static int run_bakery(struct bakery *bakery)
{
    hob_flow *f = hob_flow_range(1, LOAVES + 1);
    hob_flow_map(f, sizeof(struct loaf), knead, bakery);
    hob_flow_map_at_once(f, OVENS, HOB_IN_ORDER, sizeof(struct loaf), bake, bakery);
    hob_flow_buffer(f, SHELF, HOB_WAIT);
    hob_flow_batch(f, BAG, 0);
    return hob_flow_for_each(f, sell, bakery);
}

static int open_bakery(void *arg)
{
    struct bakery bakery = { .opened_ns = hob_now() };
    HOB_TRY(run_bakery(&bakery));
    printf("%d loaves sold, and never more than %d on their way\n", bakery.sold, bakery.most);
    return 0;
}

int main(void) { return hob_run(open_bakery, NULL); }
