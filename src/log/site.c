/* SPDX-License-Identifier: MIT */
#include "log/site.h"

#include <assert.h>

#include "hob/time.h"

#define SECOND HOB_SEC

/* What lies in hob_log_site._private; all zero at first. */
struct site {
    atomic_llong began_ns; /* the second that counts                     */
    atomic_uint  run;      /* whose clock that is                        */
    atomic_uint  said;     /* in it, with those that were not let through */
    atomic_uint  untold;   /* of those, that nobody has told of          */
    atomic_int   level;
};

static_assert(sizeof(struct site) <= sizeof((hob_log_site *)0)->_private, "a site has room");

static struct site *inside(hob_log_site *site)
{
    return (struct site *)(void *)site->_private;
}

static bool is_over(const struct site *s, int64_t now_ns)
{
    int64_t began_ns = atomic_load_explicit(&s->began_ns, memory_order_relaxed);
    return now_ns - began_ns >= SECOND || now_ns < began_ns;
}

/* A clock of another run: nothing of what was counted matters there. */
static void begin_anew(struct site *s, uint32_t run, int64_t now_ns)
{
    atomic_store_explicit(&s->run, run, memory_order_relaxed);
    atomic_store_explicit(&s->began_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&s->said, 0, memory_order_relaxed);
    atomic_store_explicit(&s->untold, 0, memory_order_relaxed);
}

bool hob__log_site_admit(hob_log_site *site, int level, uint32_t run, int64_t now_ns, uint32_t limit,
                         uint64_t *ret_untold, bool *ret_first)
{
    struct site *s = inside(site);
    *ret_untold = 0;
    *ret_first = false;
    if (hob_unlikely(atomic_load_explicit(&s->run, memory_order_relaxed) != run)) {
        begin_anew(s, run, now_ns);
    } else if (is_over(s, now_ns)) {
        long long began_ns = atomic_load_explicit(&s->began_ns, memory_order_relaxed);
        if (atomic_compare_exchange_strong(&s->began_ns, &began_ns, now_ns)) {
            atomic_store_explicit(&s->said, 0, memory_order_relaxed);
            *ret_untold = atomic_exchange(&s->untold, 0);
        }
    }
    if (atomic_fetch_add_explicit(&s->said, 1, memory_order_relaxed) < limit)
        return true;
    atomic_store_explicit(&s->said, limit, memory_order_relaxed); // it is not to come round to 0
    atomic_store_explicit(&s->level, level, memory_order_relaxed);
    *ret_first = atomic_fetch_add(&s->untold, 1) == 0;
    return false;
}

void hob__log_muted_add(struct log_muted *muted, hob_log_site *site)
{
    lock_take(&muted->lock);
    uint32_t at = 0;
    while (at < muted->count && muted->sites[at] != site)
        at++;
    if (at == muted->count && at < LOG_MUTED_MAX)
        muted->sites[muted->count++] = site;
    lock_give(&muted->lock);
}

hob_log_site *hob__log_muted_take(struct log_muted *muted, int64_t now_ns, bool any, int *ret_level,
                                  uint64_t *ret_count, int64_t *ret_next_ns)
{
    hob_log_site *found = NULL;
    *ret_next_ns = INT64_MAX;
    lock_take(&muted->lock);
    for (uint32_t i = 0; i < muted->count && found == NULL;) {
        struct site *s = inside(muted->sites[i]);
        int64_t      due_ns = atomic_load(&s->began_ns) + SECOND;
        if (!any && !is_over(s, now_ns)) {
            *ret_next_ns = due_ns < *ret_next_ns ? due_ns : *ret_next_ns;
            i++;
            continue;
        }
        uint64_t count = atomic_exchange(&s->untold, 0);
        if (count > 0) {
            found = muted->sites[i];
            *ret_level = atomic_load_explicit(&s->level, memory_order_relaxed);
            *ret_count = count;
        }
        muted->sites[i] = muted->sites[--muted->count];
    }
    lock_give(&muted->lock);
    return found;
}
