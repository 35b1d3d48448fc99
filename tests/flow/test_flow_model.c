/* SPDX-License-Identifier: MIT */
/*
 * Random flows beside a model.
 *
 * A flow of random stages is built, and beside it the list of what should come out, by plain loops.
 * Then it is run: to its end, or until a function fails, its time is over, or whoever asks has
 * enough. Functions wait at random. What is checked:
 *
 *   1. What came is what the model says, in order, and so is the error; or, where the flow was
 *      ended early, the beginning of it. After stages that mix, the order means nothing; after stages
 *      that leave out, and after an error among things that go on at once, what came was in the list.
 *   2. Every item was handed over or dropped, once.
 *   3. No task is left.
 */
#include <stdarg.h>

#include "flow/flows.h"

enum { LIST_MAX = 1024, STAGES_MAX = 10 };

struct token {
    int64_t value;
    int64_t id; /* in the table of those that are out */
};

/* How well the model knows what comes. */
enum known {
    KNOWN_EXACTLY,
    KNOWN_UNORDERED,
    KNOWN_SOME, /* not all of them will come */
    KNOWN_NOTHING,
};

struct list {
    int64_t    values[LIST_MAX];
    size_t     count;
    int        error;
    enum known known;
};

struct world;

/* What a stage's function needs. */
struct step {
    struct world *world;
    int64_t       number, other;
    int64_t       poison; /* fails for this value; < 0: for none */
    size_t        at, fails_at;
    struct list   list;   /* sources: what to give; tee: what the branch should get */
    size_t        branch_count;
    bool          branch_ok;
};

struct world {
    uint64_t     random;
    bool         is_real;  /* the clock is: short sleeps */
    struct owned owned;
    struct step  steps[2 * STAGES_MAX + 4];
    size_t       step_count;
    struct list  list;     /* what should come */
    struct list  scratch;
    char         text[512]; /* the stages, for people */
};

static uint64_t below(struct world *w, uint64_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % n;
}

static void say(struct world *w, const char *format, ...)
{
    size_t  len = strlen(w->text);
    va_list args;
    va_start(args, format);
    vsnprintf(w->text + len, sizeof w->text - len, format, args);
    va_end(args);
}

static struct step *new_step(struct world *w)
{
    struct step *step = &w->steps[w->step_count++];
    *step = (struct step){ .world = w, .poison = -1 };
    if (below(w, 12) == 0)
        step->poison = (int64_t)below(w, 100);
    return step;
}

/* Waits or not. */
static int dawdle(struct world *w)
{
    switch (below(w, 8)) {
    case 0:
        hob_yield();
        return hob_cancelled();
    case 1:
        return hob_sleep((int64_t)below(w, w->is_real ? 50 : 20000) * HOB_USEC);
    default:
        return 0;
    }
}

/* A value stays small, so that they meet. */
static int64_t fold(int64_t value)
{
    return (value % 100 + 100) % 100;
}

/* ---- functions of stages ---- */

static struct token token_new(struct world *w, int64_t value)
{
    return (struct token){ fold(value), owned_new(&w->owned) };
}

static void token_end(struct world *w, const struct token *token)
{
    owned_end(&w->owned, token->id);
}

static void drop_token(void *arg, void *item)
{
    token_end(arg, item);
}

static int copy_token(void *arg, const void *item, void *ret_item)
{
    *(struct token *)ret_item = token_new(arg, ((const struct token *)item)->value);
    return 0;
}

static void owns_tokens(hob_flow *f, struct world *w)
{
    hob_flow_owns(f, drop_token, copy_token, w);
}

static int give_list(void *arg, void *ret_item)
{
    struct step *step = arg;
    HOB_TRY(dawdle(step->world));
    if (step->at == step->list.count)
        return step->list.error != 0 ? step->list.error : HOB_EOF;
    if (step->at == step->fails_at && step->fails_at > 0) {
        step->fails_at = 0; // retry goes on from here
        return -EAGAIN;
    }
    *(struct token *)ret_item = token_new(step->world, step->list.values[step->at++]);
    return 0;
}

static int map_value(const struct step *step, int64_t value)
{
    return (int)fold(value * 3 + step->number);
}

static int map_token(void *item, void *arg, void *ret_item)
{
    struct step  *step = arg;
    struct token *token = item;
    HOB_TRY(dawdle(step->world));
    if (token->value == step->poison)
        return hob_fail(-EDOM);
    int64_t value = token->value;
    token_end(step->world, token);
    *(struct token *)ret_item = token_new(step->world, map_value(step, value));
    return 0;
}

static int test_token(const void *item, void *arg)
{
    const struct step  *step = arg;
    const struct token *token = item;
    HOB_TRY(dawdle(step->world));
    if (token->value == step->poison)
        return hob_fail(-EDOM);
    return token->value % step->number != step->other;
}

static int key_of_token(const void *item, void *arg, void *ret_key)
{
    *(int64_t *)ret_key = ((const struct token *)item)->value % ((struct step *)arg)->number;
    return 0;
}

static int scan_token(void *state, void *item, void *arg)
{
    struct step  *step = arg;
    struct token *sum = state, *token = item;
    HOB_TRY(dawdle(step->world));
    if (token->value == step->poison)
        return hob_fail(-EDOM);
    token_end(step->world, token);
    *sum = token_new(step->world, sum->value + token->value);
    return 0;
}

static int zip_tokens(void *item, void *other, void *arg, void *ret_item)
{
    struct step  *step = arg;
    struct token *a = item, *b = other;
    HOB_TRY(dawdle(step->world));
    int64_t value = a->value + b->value;
    token_end(step->world, a);
    token_end(step->world, b);
    *(struct token *)ret_item = token_new(step->world, value);
    return 0;
}

/* The sum of a batch. */
static int sum_tokens(void *item, void *arg, void *ret_item)
{
    struct step *step = arg;
    HOB_BATCH(struct token, 1) *batch = item;
    int64_t sum = 0;
    HOB_TRY(dawdle(step->world));
    for (size_t i = 0; i < batch->count; i++) {
        sum += batch->items[i].value;
        token_end(step->world, &batch->items[i]);
    }
    *(struct token *)ret_item = token_new(step->world, sum);
    return 0;
}

/* Two become one; an odd one at the end goes alone. */
static int pair_tokens(hob_flow *up, void *arg, void *ret_item)
{
    struct step *step = arg;
    struct token a, b;
    HOB_TRY(hob_flow_next(up, &a));
    int r = hob_flow_next(up, &b);
    if (r < 0 && r != HOB_EOF) {
        token_end(step->world, &a);
        return r;
    }
    int64_t value = a.value + (r == 0 ? b.value : 0);
    token_end(step->world, &a);
    if (r == 0)
        token_end(step->world, &b);
    *(struct token *)ret_item = token_new(step->world, value);
    return 0;
}

static size_t inner_count(int64_t value)
{
    return (size_t)(value % 3);
}

static hob_flow *inner_flow(void *item, void *arg)
{
    struct step  *outer = arg;
    struct token *token = item;
    if (token->value == outer->poison) {
        token_end(outer->world, token);
        hob_flow *failed = hob_flow_failed(sizeof *token, -EDOM);
        owns_tokens(failed, outer->world);
        if (failed == NULL)
            outer->world->owned.is_out[token->id] = 1; // it is still theirs
        return failed;
    }
    struct step *inner = malloc(sizeof *inner);
    if (inner == NULL)
        return NULL;
    *inner = (struct step){ .world = outer->world };
    inner->list.count = inner_count(token->value);
    for (size_t i = 0; i < inner->list.count; i++)
        inner->list.values[i] = token->value + 7 * (int64_t)i;
    hob_flow *f = hob_flow_generate(sizeof *token, give_list, inner);
    owns_tokens(f, outer->world);
    if (f != NULL)
        token_end(outer->world, token);
    hob_flow_finally(f, free, inner);
    return f;
}

static hob_flow *make_again(void *arg)
{
    struct step *step = arg;
    hob_flow    *f = hob_flow_generate(sizeof(struct token), give_list, step);
    owns_tokens(f, step->world);
    return f;
}

static int take_branch(void *item, void *arg)
{
    struct step *step = arg;
    HOB_TRY(dawdle(step->world));
    struct token *token = item;
    if (step->branch_count >= step->list.count || step->list.values[step->branch_count] != token->value)
        step->branch_ok = false;
    step->branch_count++;
    token_end(step->world, token);
    return 0;
}

static int run_branch(hob_flow *branch, void *arg)
{
    return hob_flow_for_each(branch, take_branch, arg);
}

/* ---- the model: what a stage makes of a list ---- */

static void list_push(struct list *list, int64_t value)
{
    if (list->count < LIST_MAX)
        list->values[list->count++] = fold(value);
}

/* A failure at one value: without an order nobody knows what came before it. */
static void fails(struct list *list, int error)
{
    list->error = error;
    if (list->known != KNOWN_EXACTLY)
        list->known = KNOWN_NOTHING;
}

/* Order mattered, and there was none. */
static void needs_order(struct list *list)
{
    if (list->known != KNOWN_EXACTLY)
        list->known = KNOWN_NOTHING;
}

/* Lets each value through by `test`: 1, 0, or an error. */
static void model_each(struct world *w, const struct step *step, bool is_map, bool is_filter)
{
    struct list *list = &w->list, *in = &w->scratch;
    *in = *list;
    list->count = 0;
    for (size_t i = 0; i < in->count; i++) {
        int64_t value = in->values[i];
        if (value == step->poison) {
            fails(list, -EDOM);
            return;
        }
        if (is_map)
            list_push(list, map_value(step, value));
        else if (!is_filter || value % step->number != step->other)
            list_push(list, value);
    }
}

static void random_list(struct world *w, struct list *list, size_t max)
{
    *list = (struct list){ .count = below(w, max) };
    for (size_t i = 0; i < list->count; i++)
        list->values[i] = (int64_t)below(w, 100);
    if (below(w, 8) == 0)
        list->error = -EIO;
}

/* A source, and its list. */
static hob_flow *random_source(struct world *w, struct list *ret_list)
{
    struct step *step = new_step(w);
    random_list(w, &step->list, 40);
    *ret_list = step->list;
    say(w, " source(%zu,%d)", step->list.count, step->list.error);
    if (below(w, 4) == 0) {
        step->fails_at = 1 + below(w, 10);
        step->list.error = ret_list->error = 0;
        hob_flow_retry_opts opts = { .backoff_ns = HOB_USEC };
        hob_flow           *f = hob_flow_retry(sizeof(struct token), &opts, make_again, step);
        owns_tokens(f, w);
        return f;
    }
    return make_again(step);
}

/* ---- one random stage, and what it means ---- */

static void model_batches(struct world *w, size_t max, size_t every, bool only_full)
{
    struct list *list = &w->list, *in = &w->scratch;
    needs_order(list);
    *in = *list;
    list->count = 0;
    for (size_t at = 0; at < in->count; at += every) {
        size_t  count = in->count - at < max ? in->count - at : max;
        int64_t sum = 0;
        if (only_full && count < max)
            break;
        for (size_t i = 0; i < count; i++)
            sum += in->values[at + i];
        list_push(list, sum);
    }
}

static void add_plain_stage(hob_flow *f, struct world *w)
{
    struct list *list = &w->list, *in = &w->scratch;
    struct step *step = new_step(w);
    size_t       n = 1 + below(w, 8), kept = 0;
    step->number = 2 + (int64_t)below(w, 5);
    step->other = (int64_t)below(w, (uint64_t)step->number);
    *in = *list;
    switch (below(w, 13)) {
    case 0:
        say(w, " map(%d)", (int)step->poison);
        hob_flow_map(f, sizeof(struct token), map_token, step);
        owns_tokens(f, w);
        model_each(w, step, true, false);
        break;
    case 1:
        say(w, " filter(%d)", (int)step->poison);
        hob_flow_filter(f, test_token, step);
        model_each(w, step, false, true);
        break;
    case 2:
        say(w, " on_each(%d)", (int)step->poison);
        hob_flow_on_each(f, test_token, step);
        model_each(w, step, false, false);
        break;
    case 3:
        n = below(w, 40);
        say(w, " take(%zu)", n);
        hob_flow_take(f, n);
        if (list->count >= n) {
            needs_order(list);
            list->count = n;
            list->error = 0;
        }
        break;
    case 4:
        needs_order(list);
        say(w, " skip(%zu)", n);
        hob_flow_skip(f, n);
        n = n < list->count ? n : list->count;
        list->count -= n;
        memmove(list->values, list->values + n, list->count * sizeof *list->values);
        break;
    case 5:
        needs_order(list);
        step->poison = -1;
        say(w, " take_while");
        hob_flow_take_while(f, test_token, step);
        while (kept < list->count && list->values[kept] % step->number != step->other)
            kept++;
        if (kept < list->count)
            list->error = 0;
        list->count = kept;
        break;
    case 6:
        needs_order(list);
        say(w, " distinct");
        hob_flow_distinct(f, sizeof(int64_t), key_of_token, step);
        list->count = 0;
        for (size_t i = 0; i < in->count; i++) {
            if (i == 0 || in->values[i] % step->number != in->values[i - 1] % step->number)
                list_push(list, in->values[i]);
        }
        break;
    case 7: {
        needs_order(list);
        say(w, " scan(%d)", (int)step->poison);
        hob_flow_scan(f, sizeof(struct token), NULL, scan_token, step);
        owns_tokens(f, w);
        int64_t sum = 0;
        list->count = 0;
        for (size_t i = 0; i < in->count; i++) {
            if (in->values[i] == step->poison) {
                fails(list, -EDOM);
                break;
            }
            sum = fold(sum + in->values[i]);
            list_push(list, sum);
        }
        break;
    }
    case 8:
        say(w, " batch(%zu)", n);
        hob_flow_batch(f, n, below(w, 2) == 0 ? 0 : HOB_HOUR);
        hob_flow_map(f, sizeof(struct token), sum_tokens, step);
        owns_tokens(f, w);
        model_batches(w, n, n, false);
        break;
    case 9: {
        size_t every = 1 + below(w, 8);
        say(w, " window(%zu,%zu)", n, every);
        hob_flow_window(f, n, every);
        hob_flow_map(f, sizeof(struct token), sum_tokens, step);
        owns_tokens(f, w);
        model_batches(w, n, every, true);
        break;
    }
    case 10:
        // An error in the second of a pair takes the first with it.
        say(w, " through");
        hob_flow_through(f, sizeof(struct token), pair_tokens, step);
        owns_tokens(f, w);
        if (list->error != 0 && list->count % 2 == 1)
            list->count--;
        model_batches(w, 2, 2, false);
        break;
    case 11:
        say(w, " pace");
        hob_flow_pace(f, w->is_real ? HOB_USEC : HOB_MSEC);
        break;
    case 12:
        say(w, " flat_map(1,%d)", (int)step->poison);
        hob_flow_flat_map(f, 1, sizeof(struct token), inner_flow, step);
        owns_tokens(f, w);
        list->count = 0;
        for (size_t i = 0; i < in->count && list->count < LIST_MAX - 3; i++) {
            if (in->values[i] == step->poison) {
                fails(list, -EDOM);
                break;
            }
            for (size_t k = 0; k < inner_count(in->values[i]); k++)
                list_push(list, in->values[i] + 7 * (int64_t)k);
        }
        break;
    }
}

/* What several tasks made of it: in no order, and with an error only some. */
static void mix(struct list *list)
{
    if (list->known == KNOWN_EXACTLY)
        list->known = KNOWN_UNORDERED;
    if (list->error != 0 && list->known == KNOWN_UNORDERED)
        list->known = KNOWN_SOME;
}

static void add_stage_with_tasks(hob_flow *f, struct world *w)
{
    struct list *list = &w->list, *in = &w->scratch, other;
    struct step *step = new_step(w);
    size_t       n = 1 + below(w, 6);
    step->number = (int64_t)below(w, 5);
    *in = *list;
    switch (below(w, 20) % 11) {
    case 10:
    case 0:
        say(w, " buffer");
        hob_flow_buffer(f, below(w, 5), HOB_WAIT);
        break;
    case 1:
        say(w, " in_order(%zu,%d)", n, (int)step->poison);
        hob_flow_map_at_once(f, n, HOB_IN_ORDER, sizeof(struct token), map_token, step);
        owns_tokens(f, w);
        model_each(w, step, true, false);
        break;
    case 2:
        say(w, " as_done(%zu,%d)", n, (int)step->poison);
        hob_flow_map_at_once(f, n, HOB_AS_DONE, sizeof(struct token), map_token, step);
        owns_tokens(f, w);
        if (n > 1 && list->known == KNOWN_EXACTLY)
            list->known = KNOWN_UNORDERED;
        model_each(w, step, true, false);
        if (n > 1 && list->error == -EDOM)
            *list = (struct list){ .error = -EDOM, .known = KNOWN_NOTHING }; // later ones may be first
        break;
    case 3:
        say(w, " flat_map(%zu,%d)", 2 + n, (int)step->poison);
        hob_flow_flat_map(f, 2 + n, sizeof(struct token), inner_flow, step);
        owns_tokens(f, w);
        list->count = 0;
        for (size_t i = 0; i < in->count && list->count < LIST_MAX - 3; i++) {
            if (in->values[i] == step->poison)
                list->error = -EDOM;
            else
                for (size_t k = 0; k < inner_count(in->values[i]); k++)
                    list_push(list, in->values[i] + 7 * (int64_t)k);
        }
        mix(list);
        if (list->error != 0)
            list->known = KNOWN_NOTHING; // which of two errors is first?
        break;
    case 4:
        say(w, " merge");
        hob_flow_merge(f, random_source(w, &other));
        for (size_t i = 0; i < other.count; i++)
            list_push(list, other.values[i]);
        if (list->error != 0 && other.error != 0)
            list->known = KNOWN_NOTHING;
        list->error = list->error != 0 ? list->error : other.error;
        mix(list);
        break;
    case 5:
        say(w, " concat");
        hob_flow_concat(f, random_source(w, &other));
        if (list->error != 0)
            break;
        for (size_t i = 0; i < other.count; i++)
            list_push(list, other.values[i]);
        list->error = other.error;
        mix(&other); // only its own order counts
        if (list->known == KNOWN_UNORDERED)
            mix(list);
        break;
    case 6: {
        needs_order(list);
        say(w, " zip");
        hob_flow_zip(f, random_source(w, &other), sizeof(struct token), zip_tokens, step);
        owns_tokens(f, w);
        size_t both = list->count < other.count ? list->count : other.count;
        for (size_t i = 0; i < both; i++)
            list->values[i] = fold(list->values[i] + other.values[i]);
        if (list->count > other.count)
            list->error = other.error; // the first one had an item, the other was asked
        list->count = both;
        break;
    }
    case 7:
        step->list = *list;
        step->branch_ok = true;
        say(w, " tee(%zu)", n);
        hob_flow_tee(f, n, HOB_WAIT, run_branch, step);
        if (list->known != KNOWN_EXACTLY)
            step->list.known = KNOWN_NOTHING;
        break;
    case 8:
        say(w, " latest(%d)", (int)step->poison);
        hob_flow_latest(f, sizeof(struct token), map_token, step);
        owns_tokens(f, w);
        list->known = KNOWN_NOTHING;
        break;
    case 9:
        say(w, " debounce or switch_map");
        if (below(w, 2) == 0)
            hob_flow_debounce(f, HOB_MSEC);
        else
            hob_flow_switch_map(f, sizeof(struct token), inner_flow, step);
        owns_tokens(f, w);
        list->known = KNOWN_NOTHING;
        break;
    }
    if (list->count > 300)
        list->known = KNOWN_NOTHING;
}

/* ---- a run ---- */

struct outcome {
    struct world *world;
    int64_t       values[LIST_MAX];
    size_t        count, enough; /* fails with -ECHILD after so many */
};

static int take_token(void *item, void *arg)
{
    struct outcome *got = arg;
    HOB_TRY(dawdle(got->world));
    if (got->count == got->enough)
        return hob_fail(-ECHILD);
    struct token *token = item;
    if (got->count < LIST_MAX)
        got->values[got->count++] = token->value;
    token_end(got->world, token);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* Whether all of the few are among the many; both are sorted here. */
static bool is_among(int64_t *few, size_t few_count, int64_t *many, size_t many_count)
{
    size_t at = 0;
    qsort(few, few_count, sizeof *few, by_value);
    qsort(many, many_count, sizeof *many, by_value);
    for (size_t i = 0; i < many_count && at < few_count; i++)
        at += few[at] == many[i];
    return at == few_count;
}

static int check_outcome(struct world *w, struct outcome *got, int result, bool is_cut)
{
    struct list *list = &w->list;
    if (list->known == KNOWN_NOTHING)
        return 0;
    if (!is_cut)
        check_eq(result, list->error);
    if (!is_cut && list->known != KNOWN_SOME)
        check_eq(got->count, list->count);
    check_le(got->count, list->count);
    if (list->known == KNOWN_EXACTLY)
        check_mem(got->values, list->values, got->count * sizeof *got->values);
    else
        check(is_among(got->values, got->count, list->values, list->count));
    return 0;
}

static int check_branches(struct world *w, bool is_whole)
{
    for (size_t i = 0; i < w->step_count; i++) {
        struct step *step = &w->steps[i];
        if (step->branch_ok || step->branch_count == 0 || step->list.known == KNOWN_NOTHING)
            continue;
        fail("a branch got other items than it should");
    }
    (void)is_whole;
    return 0;
}

static int run_one(struct world *w)
{
    hob_flow      *f = random_source(w, &w->list);
    size_t         stages = below(w, STAGES_MAX);
    struct outcome got = { .world = w, .enough = SIZE_MAX };
    bool           is_cut = false;
    for (size_t i = 0; i < stages; i++) {
        if (below(w, 2) == 0)
            add_plain_stage(f, w);
        else
            add_stage_with_tasks(f, w);
    }
    HOB_SCOPE(s);
    switch (below(w, 5)) {
    case 0:
        hob_scope_deadline(&s, hob_in((int64_t)below(w, w->is_real ? 500 : 100000) * HOB_USEC));
        is_cut = true;
        break;
    case 1:
        got.enough = below(w, 10);
        is_cut = true;
        break;
    case 2:
        if (below(w, 5) == 0) {
            hob_flow_free(f);
            return 0;
        }
        break;
    }
    int r = hob_flow_for_each(f, take_token, &got);
    hob_stats stats;
    hob_stats_get(&stats);
    int ended = hob_scope_end(&s);
    check(ended == 0 || (is_cut && ended == -ETIMEDOUT));
    check_eq(stats.tasks_alive, 1);
    check_ok(check_owned(&w->owned));
    if (is_cut && r == w->list.error && got.count == w->list.count)
        is_cut = false;
    check_ok(check_outcome(w, &got, r, is_cut));
    return check_branches(w, !is_cut);
}

static int run_many(uint64_t seed, int rounds)
{
    static struct world world;
    for (int i = 0; i < rounds; i++) {
        uint64_t random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)i * 7919;
        memset(&world.owned, 0, sizeof world.owned);
        world.random = random != 0 ? random : 1;
        world.step_count = 0;
        world.text[0] = '\0';
        world.is_real = strcmp(hob_test_backend(), "sim") != 0;
        int r = run_one(&world);
        if (r < 0) {
            hob_test_failed(__FILE__, __LINE__, "in round %d:%s", i, world.text);
            return r;
        }
    }
    return 0;
}

/* A few, so that torture can be had. */
TEST_ON_ALL(flow_model, random_flows_give_what_plain_loops_give_and_leave_nothing)
{
    check_ok(run_many(hob_test_seed(), 20));
}

TEST_AS(flow_model, a_thousand_random_flows, HOB_TEST_EACH_BACKEND | HOB_TEST_ONE_SEED, NULL)
{
    hob_test_timeout(300);
    check_ok(run_many(hob_test_seed(), all_is_slow() ? 200 : hob_test_is_deep() ? 100000 : 2000));
}
