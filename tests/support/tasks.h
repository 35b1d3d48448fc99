/* SPDX-License-Identifier: MIT */
/* Small tasks that many tests start, and a note-book for the order of events. */
#ifndef HOB_TESTS_SUPPORT_TASKS_H
#define HOB_TESTS_SUPPORT_TASKS_H

#include "support/test.h"

/* What happened, a letter each, in order. */
struct notes {
    char   text[128];
    size_t len;
};

static inline void note(struct notes *notes, char letter)
{
    if (notes->len + 1 < sizeof notes->text)
        notes->text[notes->len++] = letter;
}

/* Sleeps until it is cancelled, and says how: the argument is an int, or NULL. */
static inline int sleep_for_ever(void *ret_result)
{
    int r = hob_sleep(HOB_FOREVER);
    if (ret_result != NULL)
        *(int *)ret_result = r;
    return r;
}

/* Fails at once with the error that the argument points to. */
static inline int fail_with(void *error)
{
    return *(int *)error;
}

static inline int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

struct nap {
    int64_t ns;
    int     then;      /* what to return afterwards */
    int     result;    /* of the sleep               */
    int64_t woke_at;
};

/* Sleeps, and then ends as it was told, or with the sleep's error. */
static inline int nap(void *arg)
{
    struct nap *n = (struct nap *)arg;
    n->result = hob_sleep(n->ns);
    n->woke_at = hob_now();
    return n->result < 0 ? n->result : n->then;
}

#endif
