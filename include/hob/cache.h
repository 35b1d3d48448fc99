/* SPDX-License-Identifier: MIT */
/*
 * A cache in front of something slow.
 *
 *     HOB_TRY(hob_cache_new(&server, load_user, db, &(hob_cache_opts){
 *                               .value_bytes = sizeof(struct user),
 *                               .ttl_ns = HOB_MINUTE, .stale_ns = HOB_HOUR }, &users));
 *     ...
 *     struct user user;
 *     HOB_TRY(hob_cache_get(users, name, strlen(name), &user));
 *
 *       made               ttl                        ttl + stale_ns     ttl + stale_error_ns
 *        │      fresh       │          stale               │   for want of better   │
 *        ├──────────────────┼──────────────────────────────┼────────────────────────┤
 *        │ given            │ given, and loaded behind     │ loaded; given if       │ loaded
 *        │                  │                              │ loading fails          │
 *
 * What is missing is loaded by a function; whoever asks meanwhile waits for the same run
 * (hob/flight.h), so no crowd comes through when an entry has expired. Those that were loaded
 * together do not expire together: lifetimes are shortened by chance.
 *
 * Bounds.  In entries and in bytes. What has not been asked for since the last look goes first
 *   (SIEVE: Zhang et al., "SIEVE is Simpler than LRU", 2024); what is too old goes before it.
 * Whose value.  A value has a fixed size. The cache has its own, and each caller gets a copy, by
 *   `copy`; `drop` is called for the cache's. For a counted pointer, copy is ref and drop is unref.
 *   Neither may wait, nor use the cache.
 * Workers.  A cache belongs to the worker that made it. Servers with several workers have one
 *   for each: what is asked for often is there as many times, and nobody waits for a lock.
 */
#ifndef HOB_CACHE_H
#define HOB_CACHE_H

#include "hob/task.h"
#include "hob/time.h"

HOB_BEGIN_DECLS

typedef struct hob_cache hob_cache;

/* One load. The first two are for the function to read, the rest for it to set. */
typedef struct hob_cache_load {
    const void *key; /* Hob's copy, until the load has ended */
    size_t      key_len;
    int64_t     ttl_ns; /* how long the value, or the error, is fresh; 0: as the options say;
                           < 0: it is not kept                                             */
    size_t      bytes;  /* what the value weighs besides its value_bytes                   */
} hob_cache_load;

/* Finds the value for load->key: writes it to *ret_value and returns >= 0, or an error. Runs in a
 * task of its own, in the scope of the cache; -ECANCELED means that nobody wants it. */
typedef int hob_cache_fn(void *arg, hob_cache_load *load, void *ret_value);

/* All zero, or NULL, means the defaults; but a value mostly has some bytes. */
typedef struct hob_cache_opts {
    const char *name;            /* of the loads' tasks, for reports; kept, not copied        */
    size_t      value_bytes;
    int       (*copy)(void *to, const void *from); /* 0 or an error; NULL: memcpy             */
    void      (*drop)(void *value); /* NULL: values hold nothing; with it there must be copy  */
    uint32_t    entries_max;     /* 0: 1024                                                   */
    size_t      bytes_max;       /* keys, values, and some 100 bytes for each; 0: 64 MiB      */
    int64_t     ttl_ns;          /* 0: a minute; HOB_FOREVER                                  */
    int64_t     negative_ttl_ns; /* how long an error is kept that is an answer; 0: it is not */
    int       (*is_answer)(void *arg, int error); /* NULL: -ENOENT is one, all others are not */
    int         jitter_percent;  /* lifetimes are shortened by 0 to so much; 0: 10; < 0: not  */
    int64_t     stale_ns;        /* so long after its time a value is still given, and loaded
                                    behind the caller's back; 0: not                          */
    int64_t     stale_error_ns;  /* so long after its time a value is given when loading has
                                    failed; 0: not                                            */
    uint32_t    refresh_percent; /* of its time; asked for after that, a fresh value is loaded
                                    behind the caller's back; 0: not                          */
    int64_t     pause_ns;        /* a load that failed is not begun again so soon, while there
                                    is an old value to give; 0: 1 s                           */
    int64_t     load_max_ns;     /* the deadline of a load; 0: 30 s                           */
    uint32_t    loads_max;       /* at a time; then gets have -EAGAIN; 0: 1024                */
    size_t      stack_bytes;     /* of a load, as in hob_task_opts                            */
    void      (*gone)(void *arg); /* called, once, when nothing given here will be used again */
} hob_cache_opts;

/* Makes a cache whose loads are tasks in `scope`, as the runs of hob_flights_new are: they do not
 * keep it from ending, and its end cancels them. Waits a moment. Returns 0; -ENOMEM, -EAGAIN;
 * -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_cache_new(hob_scope *scope, hob_cache_fn *load, void *arg,
                                       const hob_cache_opts *opts, hob_cache **ret_cache);

/* Frees it, with all that is in it; NULL is fine. Loads are cancelled, and end soon after; who
 * waits for them gets their -ECANCELED. Does not wait. */
HOB_API void hob_cache_free(hob_cache *cache);

enum { HOB_CACHE_STALE = 1 };

/* Gets the value for the key, which is lent. Waits only when it has to be loaded. Returns 0, or
 * HOB_CACHE_STALE when it is past its time, and *ret_value is the caller's copy (ret_value may be
 * NULL). Or the error of the load, also one that is kept; -ECANCELED, -ETIMEDOUT for a caller
 * that was cancelled, -ECANCELED too when the scope of the loads was; -ENOMEM, -EAGAIN; copy's
 * error. */
HOB_API HOB_MUST_USE int hob_cache_get(hob_cache *cache, const void *key, size_t key_len,
                                       void *ret_value);

/* The same without loading anything: -ENOENT when it is not there, or is past all its time. Does
 * not wait. */
HOB_API HOB_MUST_USE int hob_cache_peek(hob_cache *cache, const void *key, size_t key_len,
                                        void *ret_value);

/* Puts a copy of the value in; a load for the key that is under way will not replace it. `ttl_ns`
 * and `bytes` as in hob_cache_load. Returns 0; -ENOMEM, copy's error, and then, and with ttl_ns
 * < 0, there is none; -E2BIG when it weighs more than all may. Does not wait. */
HOB_API HOB_MUST_USE int hob_cache_put(hob_cache *cache, const void *key, size_t key_len,
                                       const void *value, int64_t ttl_ns, size_t bytes);

/* Forgets the entry; all of them. Call it after the thing has changed: a load that is under way
 * is given to those who wait for it, and not kept. Do not wait. */
HOB_API void hob_cache_forget(hob_cache *cache, const void *key, size_t key_len);
HOB_API void hob_cache_clear(hob_cache *cache);

typedef struct hob_cache_stats {
    uint64_t entries, bytes; /* now                                                         */
    uint64_t hits;           /* gets answered at once, fresh                                */
    uint64_t negative;       /* of these, by an error that was kept                         */
    uint64_t stale;          /* gets answered by what was past its time                     */
    uint64_t misses;         /* gets that waited for a load                                 */
    uint64_t loads;          /* that were begun; fewer than misses: they were shared        */
    uint64_t refreshes;      /* of these, behind the caller's back                          */
    uint64_t failures;       /* loads that ended with an error that is no answer            */
    uint64_t evicted;        /* entries that had to go for others, though not past their time */
} hob_cache_stats;

HOB_API void hob_cache_stats_get(hob_cache *cache, hob_cache_stats *ret_stats);

HOB_END_DECLS

#endif
