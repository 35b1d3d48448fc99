/* SPDX-License-Identifier: MIT */
/*
 * What the tests of flows have in common: what a flow of numbers gives, and items that own
 * something, of which each must be handed over or dropped once.
 */
#ifndef HOB_TESTS_FLOW_FLOWS_H
#define HOB_TESTS_FLOW_FLOWS_H

#include "support/tasks.h"

#include "hob/flow.h"

enum { FLOW_MAX = 4096 };

#define NUMBERS(...) (const int64_t[]){ __VA_ARGS__ }
#define COUNT(...)   (sizeof NUMBERS(__VA_ARGS__) / sizeof(int64_t))

/* A flow of numbers that are a compound literal: it lives as long as the block. */
#define FLOW_OF(...) hob_flow_array(NUMBERS(__VA_ARGS__), sizeof(int64_t), COUNT(__VA_ARGS__))

/* Runs a flow of numbers by hand and compares: those items, and then the error, or 0. */
static inline int check_flow(hob_flow *f, const int64_t *want, size_t count, int error)
{
    HOB_SCOPE(s);
    int64_t got = 0;
    size_t  at = 0;
    int     r = hob_flow_begin(f, &s);
    while (r == 0 && (r = hob_flow_next(f, &got)) == 0) {
        if (at == count || got != want[at])
            hob_test_failed(__FILE__, __LINE__, "item %zu is %lld and not %lld", at, (long long)got,
                            at < count ? (long long)want[at] : -1LL);
        if (at++ == count)
            break;
    }
    if (r == HOB_EOF)
        r = 0;
    hob_flow_end(f);
    int ended = hob_scope_end(&s);
    check_eq(r, error);
    check_eq(at, count);
    return ended == r ? 0 : ended;
}

#define GIVES(flow, ...)               check_flow(flow, NUMBERS(__VA_ARGS__), COUNT(__VA_ARGS__), 0)
#define GIVES_THEN(flow, error, ...)   check_flow(flow, NUMBERS(__VA_ARGS__), COUNT(__VA_ARGS__), error)
#define GIVES_NOTHING(flow, error)     check_flow(flow, NULL, 0, error)

/* ---- functions for stages ---- */

static inline int add_arg(void *item, void *arg, void *ret_item)
{
    *(int64_t *)ret_item = *(int64_t *)item + *(int64_t *)arg;
    return 0;
}

static inline int square(void *item, void *arg, void *ret_item)
{
    *(int64_t *)ret_item = *(int64_t *)item * *(int64_t *)item;
    return 0;
}

static inline int is_even(const void *item, void *arg)
{
    return *(const int64_t *)item % 2 == 0;
}

static inline int is_below(const void *item, void *arg)
{
    return *(const int64_t *)item < *(int64_t *)arg;
}

static inline int add_up(void *state, void *item, void *arg)
{
    *(int64_t *)state += *(int64_t *)item;
    return 0;
}

/* Fails at the number that the argument points to. */
static inline int fail_at(const void *item, void *arg)
{
    return *(const int64_t *)item == *(int64_t *)arg ? hob_fail(-EDOM) : 0;
}

/* ---- items that own something ---- */

enum { OWNED_MAX = 65536 };

struct owned {
    unsigned char is_out[OWNED_MAX]; /* 1: made, and neither handed over nor dropped */
    int64_t       made, dropped, wrong;
    int64_t       given, until;      /* own_numbers: how many, then `error` or the end */
    int           error;
};

static inline int64_t owned_new(struct owned *owned)
{
    owned->is_out[owned->made] = 1;
    return owned->made++;
}

/* Somebody has it, and ends it. */
static inline void owned_end(struct owned *owned, int64_t number)
{
    if (number < 0 || number >= owned->made || owned->is_out[number] != 1)
        owned->wrong++;
    else
        owned->is_out[number] = 0;
}

static inline void drop_owned(void *arg, void *item)
{
    struct owned *owned = (struct owned *)arg;
    owned_end(owned, *(int64_t *)item);
    owned->dropped++;
}

static inline int copy_owned(void *arg, const void *item, void *ret_item)
{
    *(int64_t *)ret_item = owned_new((struct owned *)arg);
    return 0;
}

static inline int own_numbers(void *arg, void *ret_item)
{
    struct owned *owned = (struct owned *)arg;
    if (owned->given == owned->until)
        return owned->error != 0 ? owned->error : HOB_EOF;
    owned->given++;
    *(int64_t *)ret_item = owned_new(owned);
    return 0;
}

/* `until` items that own something, and then an error, unless that is 0. */
static inline hob_flow *flow_of_owned(struct owned *owned, int64_t until, int error)
{
    *owned = (struct owned){ .until = until, .error = error };
    hob_flow *f = hob_flow_generate(sizeof(int64_t), own_numbers, owned);
    hob_flow_owns(f, drop_owned, copy_owned, owned);
    return f;
}

/* The one who gets it ends it. */
static inline int take_owned(void *item, void *arg)
{
    owned_end((struct owned *)arg, *(int64_t *)item);
    return 0;
}

static inline int check_owned(const struct owned *owned)
{
    int64_t left = 0;
    for (int64_t i = 0; i < owned->made; i++)
        left += owned->is_out[i];
    check_eq(left, 0);
    check_eq(owned->wrong, 0);
    return 0;
}

#endif
