/* SPDX-License-Identifier: MIT */
/*
 * hob/cache.h: what is given when, what is loaded when, who shares a load, what has to go; and
 * random walks beside what was to be looked up, and beside a list that is kept by hand.
 */
#include "support/tasks.h"

#include <stdlib.h>

#include "base/rand.h"

static void free_cache(hob_cache **cache)
{
    hob_cache_free(*cache);
}

#define CACHE(name) __attribute__((cleanup(free_cache))) hob_cache *name = NULL

/* A slow place where each key has the number of the load as its value. */
struct source {
    int64_t    takes_ns;
    hob_event *may_end; /* it waits for this, too; NULL   */
    int        error;   /* 0, or what it says             */
    int        loads, cancelled, gone;
    int64_t    ttl_ns;  /* what it says of the value's    */
    size_t     bytes;
};

static int load(void *arg, hob_cache_load *load, void *ret_value)
{
    struct source *s = arg;
    int            number = ++s->loads;
    load->ttl_ns = s->ttl_ns;
    load->bytes = s->bytes;
    int r = s->takes_ns > 0 ? hob_sleep(s->takes_ns) : 0;
    if (r == 0 && s->may_end != NULL)
        r = hob_event_wait(s->may_end);
    s->cancelled += r < 0;
    if (r < 0 || s->error < 0)
        return r < 0 ? r : s->error;
    *(int *)ret_value = number;
    return 0;
}

static void count_gone(void *arg)
{
    ((struct source *)arg)->gone++;
}

static int make(hob_scope *s, struct source *source, hob_cache_opts opts, hob_cache **ret_cache)
{
    opts.value_bytes = sizeof(int);
    opts.gone = count_gone;
    if (opts.jitter_percent == 0)
        opts.jitter_percent = -1;
    return hob_cache_new(s, load, source, &opts, ret_cache);
}

/* The value, or a negative error; *ret_stale, unless NULL: what hob_cache_get returned. */
static int get(hob_cache *c, const char *key, int *ret_stale)
{
    int value = -9999;
    int r = hob_cache_get(c, key, strlen(key), &value);
    if (ret_stale != NULL)
        *ret_stale = r;
    return r < 0 ? r : value;
}

static hob_cache_stats stats_of(hob_cache *c)
{
    hob_cache_stats stats;
    hob_cache_stats_get(c, &stats);
    return stats;
}

TEST(cache, a_value_is_loaded_once_and_again_when_its_time_is_over)
{
    struct source source = { .takes_ns = HOB_SEC };
    {
        HOB_SCOPE(s);
        CACHE(c);
        check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = 10 * HOB_SEC }, &c));
        int64_t began = hob_now();
        check_eq(get(c, "a", NULL), 1);
        check_eq(hob_now() - began, HOB_SEC);
        for (int i = 0; i < 5; i++)
            check_eq(get(c, "a", NULL), 1);
        check_eq(get(c, "", NULL), 2);
        check_ok(hob_sleep_until(began + 11 * HOB_SEC - 1));
        check_eq(get(c, "a", NULL), 1);
        check_ok(hob_sleep(1));
        check_eq(get(c, "a", NULL), 3);
        hob_cache_stats stats = stats_of(c);
        check_eq(stats.hits, 6);
        check_eq(stats.misses, 3);
        check_eq(stats.loads, 3);
        check_eq(stats.entries, 2);
        check_eq(stats.evicted, 0);
    }
    check_eq(source.gone, 1);
}

struct getter {
    hob_cache  *cache;
    const char *key;
    int         value;
};

static int get_in_task(void *arg)
{
    struct getter *g = arg;
    g->value = get(g->cache, g->key, NULL);
    return 0;
}

TEST_ON_ALL(cache, a_crowd_at_an_expired_entry_is_one_load)
{
    enum { CROWD = 500 };
    static struct getter g[CROWD];
    hob_event            all_are_there = { 0 };
    struct source        source = { .takes_ns = 1, .ttl_ns = 1, .may_end = &all_are_there };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ 0 }, &c));
    for (int round = 1; round <= 3; round++) {
        HOB_SCOPE(crowd);
        for (int i = 0; i < CROWD; i++) {
            g[i] = (struct getter){ c, "a", 0 };
            check_ok(hob_go(&crowd, get_in_task, &g[i]));
        }
        hob_event_set(&all_are_there);
        check_ok(hob_scope_end(&crowd));
        hob_event_reset(&all_are_there);
        for (int i = 0; i < CROWD; i++)
            check_eq(g[i].value, round);
        check_ok(hob_sleep(1));
    }
    check_eq(source.loads, 3);
    check_eq(stats_of(c).misses, 3 * CROWD);
}

TEST(cache, what_was_loaded_together_does_not_expire_together)
{
    enum { KEYS = 1000 };
    struct source source = { .takes_ns = 0 };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = 100 * HOB_SEC, .jitter_percent = 20 }, &c));
    char    key[8];
    int64_t began = hob_now();
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%d", i);
        check_eq(get(c, key, NULL), i + 1);
    }
    int fresh = KEYS;
    for (int at = 80; at <= 100; at += 5) {
        check_ok(hob_sleep_until(began + at * HOB_SEC));
        int still = 0;
        for (int i = 0; i < KEYS; i++) {
            snprintf(key, sizeof key, "%d", i);
            still += hob_cache_peek(c, key, strlen(key), NULL) == 0;
        }
        if (at == 80)
            check_eq(still, KEYS);
        else
            check(fresh - still > KEYS / 4 - 80 && fresh - still < KEYS / 4 + 80);
        fresh = still;
    }
    check_eq(fresh, 0);
}

TEST(cache, an_error_that_is_an_answer_is_kept_as_long_as_told)
{
    struct source source = { .error = -ENOENT };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .negative_ttl_ns = HOB_SEC }, &c));
    for (int i = 0; i < 3; i++)
        check_err(get(c, "a", NULL), -ENOENT);
    check_eq(source.loads, 1);
    check_eq(stats_of(c).negative, 2);
    check_ok(hob_sleep(HOB_SEC));
    source.error = -EIO;
    for (int i = 0; i < 3; i++)
        check_err(get(c, "a", NULL), -EIO);
    check_eq(source.loads, 4);
    check_eq(stats_of(c).failures, 3);
    source.ttl_ns = HOB_SEC; // the load itself says that this one is to be kept
    for (int i = 0; i < 3; i++)
        check_err(get(c, "b", NULL), -EIO);
    check_eq(source.loads, 5);
    check_err(hob_cache_peek(c, "b", 1, NULL), -EIO);
}

TEST(cache, an_answer_takes_the_place_of_an_old_value_also_when_it_is_not_kept)
{
    struct source source = { .error = 0 };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = HOB_SEC, .stale_error_ns = HOB_HOUR }, &c));
    check_eq(get(c, "a", NULL), 1);
    check_ok(hob_sleep(HOB_SEC));
    source.error = -ENOENT;
    check_err(get(c, "a", NULL), -ENOENT);
    check_eq(stats_of(c).entries, 0);
}

TEST(cache, a_stale_value_is_given_at_once_and_loaded_behind)
{
    struct source source = { .takes_ns = HOB_SEC };
    int           stale;
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = 10 * HOB_SEC, .stale_ns = 5 * HOB_SEC }, &c));
    check_eq(get(c, "a", &stale), 1);
    check_eq(stale, 0);
    check_ok(hob_sleep(10 * HOB_SEC));
    int64_t began = hob_now();
    for (int i = 0; i < 3; i++) {
        check_eq(get(c, "a", &stale), 1);
        check_eq(stale, HOB_CACHE_STALE);
    }
    check_eq(hob_now(), began);
    check_ok(hob_sleep(HOB_SEC + 1));
    check_eq(get(c, "a", &stale), 2);
    check_eq(stale, 0);
    check_eq(source.loads, 2);
    check_eq(stats_of(c).refreshes, 1);
    check_eq(stats_of(c).stale, 3);
    check_ok(hob_sleep(15 * HOB_SEC)); // too old for that: it is waited for
    began = hob_now();
    check_eq(get(c, "a", &stale), 3);
    check_eq(hob_now() - began, HOB_SEC);
}

TEST(cache, when_loading_fails_the_old_value_is_better_than_none)
{
    struct source source = { .takes_ns = HOB_SEC };
    int           stale;
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = 10 * HOB_SEC, .pause_ns = 4 * HOB_SEC,
                                                 .stale_error_ns = HOB_MINUTE }, &c));
    check_eq(get(c, "a", NULL), 1);
    source.error = -ECONNREFUSED;
    check_ok(hob_sleep(10 * HOB_SEC));
    int64_t began = hob_now();
    check_eq(get(c, "a", &stale), 1);
    check_eq(stale, HOB_CACHE_STALE);
    check_eq(hob_now() - began, HOB_SEC); // it had to try
    for (int i = 0; i < 5; i++)
        check_eq(get(c, "a", NULL), 1); // and does not try again so soon
    check_eq(hob_now() - began, HOB_SEC);
    check_eq(source.loads, 2);
    check_ok(hob_sleep(4 * HOB_SEC));
    check_eq(get(c, "a", NULL), 1); // the pause is over: it tries again
    check_eq(source.loads, 3);
    check_ok(hob_sleep(HOB_MINUTE));
    check_err(get(c, "a", NULL), -ECONNREFUSED);
    source.error = 0;
    check_eq(get(c, "a", &stale), 5);
    check_eq(stale, 0);
}

TEST(cache, what_is_asked_for_is_loaded_before_its_time_is_over)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = 100 * HOB_SEC, .refresh_percent = 80 }, &c));
    check_eq(get(c, "a", NULL), 1);
    check_eq(get(c, "b", NULL), 2);
    int64_t began = hob_now() - HOB_SEC;
    check_ok(hob_sleep_until(began + 80 * HOB_SEC - 1));
    check_eq(get(c, "a", NULL), 1);
    check_eq(source.loads, 2);
    check_ok(hob_sleep(1));
    check_eq(get(c, "a", NULL), 1);
    check_eq(get(c, "a", NULL), 1);
    check_ok(hob_sleep(HOB_SEC + 1));
    check_eq(source.loads, 3);
    check_eq(get(c, "a", NULL), 3);
    check_ok(hob_sleep(40 * HOB_SEC));
    began = hob_now();
    check_eq(get(c, "a", NULL), 3); // nobody waited
    check_eq(hob_now(), began);
    check_eq(get(c, "b", NULL), 4); // nobody had asked for it
    check_eq(hob_now() - began, HOB_SEC);
}

/* ---- bounds ---- */

TEST(cache, there_are_no_more_entries_and_bytes_than_allowed)
{
    struct source source = { .bytes = 1000 };
    char          key[8];
    HOB_SCOPE(s);
    CACHE(few);
    CACHE(light);
    check_ok(make(&s, &source, (hob_cache_opts){ .entries_max = 10 }, &few));
    check_ok(make(&s, &source, (hob_cache_opts){ .bytes_max = 20000 }, &light));
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        check_ok(get(few, key, NULL));
        check_ok(get(light, key, NULL));
        check_le(stats_of(few).entries, 10);
        check_le(stats_of(light).bytes, 20000);
    }
    check_eq(stats_of(few).evicted, 90);
    check_ge(stats_of(light).entries, 15);
    source.bytes = 20000;
    check_ok(get(light, "heavy", NULL)); // it is given, and not kept
    check_err(hob_cache_peek(light, "heavy", 5, NULL), -ENOENT);
    check_err(hob_cache_put(light, "heavy", 5, &(int){ 1 }, 0, SIZE_MAX), -E2BIG);
    check_ge(stats_of(light).entries, 15);
}

TEST(cache, what_is_past_its_time_goes_before_what_is_asked_for)
{
    struct source source = { .ttl_ns = HOB_SEC };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .entries_max = 2 }, &c));
    check_ok(get(c, "old", NULL));
    check_ok(get(c, "old", NULL));
    source.ttl_ns = HOB_HOUR;
    check_ok(get(c, "new", NULL));
    check_ok(hob_sleep(HOB_SEC));
    check_ok(get(c, "newer", NULL));
    check_ok(hob_cache_peek(c, "new", 3, NULL));
    check_eq(stats_of(c).evicted, 0);
}

/* The same by hand: an array, oldest first. */
struct sieve {
    struct { int key; bool asked; } at[64];
    int count, max, hand;
};

static int sieve_find(const struct sieve *v, int key)
{
    for (int i = 0; i < v->count; i++) {
        if (v->at[i].key == key)
            return i;
    }
    return -1;
}

static void sieve_remove(struct sieve *v, int i)
{
    memmove(&v->at[i], &v->at[i + 1], (size_t)(v->count - i - 1) * sizeof v->at[0]);
    v->count--;
    if (v->hand > i)
        v->hand--;
    if (v->hand >= v->count)
        v->hand = 0;
}

static void sieve_put(struct sieve *v, int key)
{
    int old = sieve_find(v, key);
    if (old >= 0)
        sieve_remove(v, old);
    if (v->count == v->max) {
        while (v->at[v->hand].asked) {
            v->at[v->hand].asked = false;
            v->hand = (v->hand + 1) % v->count;
        }
        // The hand goes on to the next; from the newest it goes back to the oldest, which is
        // the one that is the oldest when it looks again.
        sieve_remove(v, v->hand);
    }
    v->at[v->count].key = key;
    v->at[v->count++].asked = false;
}

TEST(cache, who_goes_is_as_in_a_sieve_kept_by_hand)
{
    struct source source = { .error = 0 };
    struct rand   dice = { hob_test_seed() };
    struct sieve  v = { .max = 20 };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .entries_max = 20, .ttl_ns = HOB_FOREVER }, &c));
    for (int i = 0; i < (all_is_slow() ? 2000 : 30000); i++) {
        int key = (int)(rand_below(&dice, 60) * rand_below(&dice, 60) / 60), at = sieve_find(&v, key);
        switch (rand_below(&dice, 10)) {
        case 0:
            hob_cache_forget(c, &key, sizeof key);
            if (at >= 0)
                sieve_remove(&v, at);
            break;
        case 1:
        case 2:
        case 3:
            check_ok(hob_cache_put(c, &key, sizeof key, &key, 0, 0));
            sieve_put(&v, key);
            break;
        default:
            check_eq(hob_cache_peek(c, &key, sizeof key, NULL), at >= 0 ? 0 : -ENOENT);
            if (at >= 0)
                v.at[at].asked = true;
        }
        check_eq(stats_of(c).entries, v.count);
    }
}

/* ---- changes ---- */

TEST(cache, a_load_of_before_a_change_is_not_kept)
{
    struct source source = { .takes_ns = HOB_SEC };
    struct getter g[3];
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ 0 }, &c));
    HOB_SCOPE(getters);
    for (int i = 0; i < 3; i++) {
        g[i] = (struct getter){ c, "a", 0 };
        check_ok(hob_go(&getters, get_in_task, &g[i]));
        settle();
        if (i == 0)
            hob_cache_forget(c, "a", 1);
        else if (i == 1)
            hob_cache_clear(c);
    }
    check_ok(hob_scope_end(&getters));
    for (int i = 0; i < 3; i++)
        check_eq(g[i].value, i + 1);
    check_eq(get(c, "a", NULL), 3);
    check_eq(source.loads, 3);
}

TEST(cache, what_was_put_in_is_not_replaced_by_a_load_of_before)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .ttl_ns = 10 * HOB_SEC }, &c));
    struct getter g = { c, "a", 0 };
    HOB_SCOPE(getters);
    check_ok(hob_go(&getters, get_in_task, &g));
    settle();
    check_ok(hob_cache_put(c, "a", 1, &(int){ 77 }, 0, 0));
    check_eq(get(c, "a", NULL), 77);
    check_ok(hob_scope_end(&getters));
    check_eq(g.value, 1);
    check_eq(get(c, "a", NULL), 77);
    check_ok(hob_cache_put(c, "a", 1, NULL, -1, 0)); // that is to forget it
    check_eq(get(c, "a", NULL), 2);
    check_ok(hob_cache_put(c, "a", 1, &(int){ 78 }, 3 * HOB_SEC, 0));
    check_ok(hob_sleep(3 * HOB_SEC));
    check_eq(get(c, "a", NULL), 3);
}

TEST(cache, a_load_may_say_that_its_value_is_not_to_be_kept)
{
    struct source source = { .ttl_ns = -1 };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ 0 }, &c));
    check_eq(get(c, "a", NULL), 1);
    check_eq(get(c, "a", NULL), 2);
    check_eq(stats_of(c).entries, 0);
}

/* ---- cancelling and ending ---- */

TEST(cache, who_is_cancelled_gets_no_old_value_for_it_and_the_load_ends_with_the_last)
{
    struct source source = { .takes_ns = HOB_HOUR };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .stale_error_ns = HOB_HOUR, .ttl_ns = HOB_SEC,
                                                 .load_max_ns = 2 * HOB_HOUR }, &c));
    check_ok(hob_cache_put(c, "a", 1, &(int){ 77 }, 0, 0));
    check_ok(hob_sleep(HOB_SEC));
    {
        HOB_SCOPE(impatient);
        hob_scope_deadline(&impatient, hob_in(HOB_SEC));
        check_err(get(c, "a", NULL), -ETIMEDOUT);
        check_err(get(c, "a", NULL), -ETIMEDOUT);
        ignore(hob_scope_end(&impatient));
    }
    check_ok(hob_sleep(1));
    check_eq(source.cancelled, 1);
    check_eq(stats_of(c).failures, 0); // nobody wanted it: that is no failure
}

TEST(cache, a_load_that_takes_too_long_has_failed)
{
    struct source source = { .takes_ns = HOB_HOUR };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ .load_max_ns = HOB_SEC }, &c));
    int64_t began = hob_now();
    check_err(get(c, "a", NULL), -ETIMEDOUT);
    check_eq(hob_now() - began, HOB_SEC);
    check_eq(stats_of(c).failures, 1);
}

TEST_ON_ALL(cache, freed_in_the_middle_it_lets_all_go)
{
    struct source source = { .takes_ns = HOB_SEC };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(make(&s, &source, (hob_cache_opts){ 0 }, &c));
    struct getter g = { c, "a", 0 };
    check_ok(hob_go(&s, get_in_task, &g));
    settle();
    hob_cache_free(c);
    c = NULL;
    check_ok(hob_scope_end(&s));
    check_err(g.value, -ECANCELED);
    check_eq(source.gone, 1);
}

static int load_stubbornly(void *arg, hob_cache_load *l, void *ret_value)
{
    int r = -EIO;
    HOB_SHIELD(HOB_FOREVER) {
        r = load(arg, l, ret_value);
    }
    return r;
}

TEST_ON_ALL(cache, what_comes_after_it_was_freed_is_for_those_who_wait_and_not_kept)
{
    struct source source = { .takes_ns = 20 * HOB_MSEC };
    HOB_SCOPE(s);
    CACHE(c);
    check_ok(hob_cache_new(&s, load_stubbornly, &source, &(hob_cache_opts){
                           .value_bytes = sizeof(int), .gone = count_gone }, &c));
    struct getter g = { c, "a", 0 };
    check_ok(hob_go(&s, get_in_task, &g));
    settle();
    hob_cache_free(c);
    c = NULL;
    check_ok(hob_scope_end(&s));
    check_eq(g.value, 1);
    check_eq(source.gone, 1);
}

TEST_DIES(cache, dropping_without_copying_is_a_mistake, "hob_cache_new: values that are to be dropped*")
{
    HOB_SCOPE(s);
    hob_cache *c;
    ignore(hob_cache_new(&s, load, NULL, &(hob_cache_opts){ .drop = free }, &c));
}

/* ---- a random walk beside the thing that is cached ---- */

enum { KEYS = 40, WALKERS = 10 };

/* Each key has a version, which grows; whoever changes it tells the cache. */
struct world {
    hob_cache  *cache;
    struct rand dice;
    int         version[KEYS];
    int64_t     changed_ns[KEYS];
    int         gets, changes, stale, errors, left;
    long        alive, steps;
    int         wrong;
    bool        is_down;
};

struct answer {
    int   key, version;
    long *alive;
};

static int copy_answer(void *to, const void *from)
{
    const struct answer *a = from;
    *(struct answer *)to = *a;
    ++*a->alive;
    return 0;
}

static void drop_answer(void *answer)
{
    --*((struct answer *)answer)->alive;
}

static int look_up(void *arg, hob_cache_load *load, void *ret_value)
{
    struct world *w = arg;
    int           key = *(const char *)load->key, version = w->version[key];
    int           r = hob_sleep(rand_between(&w->dice, 0, 40));
    if (r < 0)
        return r;
    if (w->is_down && rand_below(&w->dice, 4) != 0)
        return -ECONNREFUSED;
    if (rand_below(&w->dice, 16) == 0)
        load->ttl_ns = rand_between(&w->dice, -1, 50);
    load->bytes = rand_below(&w->dice, 3000);
    *(struct answer *)ret_value = (struct answer){ key, version, &w->alive };
    w->alive++;
    return 0;
}

static void get_one(struct world *w)
{
    char          key = (char)rand_below(&w->dice, rand_below(&w->dice, 2) ? 6 : KEYS);
    int           least = w->version[(int)key]; // what was told before the call
    struct answer answer;
    int           r = hob_cache_get(w->cache, &key, 1, &answer);
    w->gets++;
    if (r >= 0) {
        w->stale += r == HOB_CACHE_STALE;
        w->wrong += answer.key != key || answer.version < least ||
                    answer.version > w->version[(int)key];
        drop_answer(&answer);
    } else if (r == -ECONNREFUSED) {
        w->errors++;
    } else {
        w->wrong += r != -ETIMEDOUT;
        w->left++;
    }
}

static void change_one(struct world *w)
{
    char key = (char)rand_below(&w->dice, KEYS);
    w->changes++;
    w->version[(int)key]++;
    if (rand_below(&w->dice, 2) == 0) {
        hob_cache_forget(w->cache, &key, 1);
        return;
    }
    struct answer answer = { key, w->version[(int)key], &w->alive };
    int           r = hob_cache_put(w->cache, &key, 1, &answer, 0, rand_below(&w->dice, 3000));
    w->wrong += r < 0;
}

static int walk(void *arg)
{
    struct world *w = arg;
    for (long i = 0; i < w->steps; i++) {
        HOB_SCOPE(s);
        if (rand_below(&w->dice, 5) == 0)
            hob_scope_deadline(&s, hob_in(rand_between(&w->dice, 0, 30)));
        if (rand_below(&w->dice, 20) == 0)
            change_one(w);
        else
            get_one(w);
        ignore(hob_scope_end(&s));
        if (rand_below(&w->dice, 4) == 0)
            HOB_TRY(hob_sleep(rand_between(&w->dice, 0, 30)));
        if (rand_below(&w->dice, 500) == 0)
            w->is_down = !w->is_down;
        if (rand_below(&w->dice, 3000) == 0)
            hob_cache_clear(w->cache);
        hob_cache_stats stats = stats_of(w->cache);
        w->wrong += stats.entries > 16 || stats.bytes > 24000;
    }
    return 0;
}

TEST_ONCE(cache, nobody_gets_what_was_before_a_change_that_was_told)
{
    long total = hob_test_is_deep() && !all_is_slow() ? 1000000 : all_is_slow() ? 5000 : 120000;
    static struct world w;
    hob_test_timeout(120);
    w = (struct world){ .dice = { hob_test_seed() }, .steps = total / WALKERS };
    {
        HOB_SCOPE(s);
        CACHE(c);
        check_ok(hob_cache_new(&s, look_up, &w, &(hob_cache_opts){
                               .value_bytes = sizeof(struct answer), .copy = copy_answer,
                               .drop = drop_answer, .entries_max = 16, .bytes_max = 24000,
                               .ttl_ns = 400, .stale_ns = 100, .stale_error_ns = 2000,
                               .refresh_percent = 75, .pause_ns = 50 }, &c));
        w.cache = c;
        HOB_SCOPE(walkers);
        for (int i = 0; i < WALKERS; i++)
            check_ok(hob_go(&walkers, walk, &w));
        check_ok(hob_scope_end(&walkers));
        hob_cache_stats stats = stats_of(c);
        check_eq(w.wrong, 0);
        check_eq(stats.stale, w.stale);
        check_gt(stats.hits, w.gets / 4);
        check_gt(stats.refreshes, w.gets / 200);
        check_gt(stats.evicted, w.gets / 50);
        check_gt(w.stale, w.gets / 200);
        check_gt(w.errors, w.gets / 200);
        check_gt(w.left, w.gets / 200);
        check_lt(stats.loads, stats.misses + stats.refreshes);
    }
    check_eq(w.alive, 0);
}
