/* SPDX-License-Identifier: MIT */
#include "core/stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/sys.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__SANITIZE_ADDRESS__) && __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#define unpoison(low, bytes) ASAN_UNPOISON_MEMORY_REGION(low, bytes)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define unpoison(low, bytes) ASAN_UNPOISON_MEMORY_REGION(low, bytes)
#endif
#endif
#ifndef unpoison
#define unpoison(low, bytes) ((void)(low), (void)(bytes))
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

struct slab {
    struct list_node link;
    char            *map;
    size_t           map_bytes;
    uint32_t         count;
    uint32_t         used;        /* how many are not in a free list */
    uint32_t         fresh;       /* stacks from here on were never handed out */
    uint32_t         with_mprotect;
    uint8_t          class_index;
    struct stack     stacks[];
};

static const struct {
    size_t   bytes;
    uint32_t per_slab;
} sizes[STACK_CLASSES] = {
    { 64 * 1024, 512 },
    { 256 * 1024, 64 },
    { 1024 * 1024, 16 },
    { 8 * 1024 * 1024, 2 },
};

enum {
    COLOURS = 16,
    COLOUR_BYTES = 128,
    TRIM_AT_ONCE = 64,    /* stacks looked at when the worker is about to sleep,  */
    TRIM_SHARE = 16,      /* and one in so many of the hot ones                   */
    MANY_SLABS = 8,       /* from here on record pages come a slab at a time      */
    KEEP_PAGES = 1,       /* of a trimmed stack: where the next record will lie   */
    GUARD_BATCH = 512,
};

void hob__stack_pool_init(struct stack_pool *pool)
{
    *pool = (struct stack_pool){ .guard_install_works = true };
    for (int i = 0; i < STACK_CLASSES; i++) {
        list_init(&pool->classes[i].hot);
        list_init(&pool->classes[i].trimmed);
        list_init(&pool->classes[i].slabs);
    }

    // An mprotect guard makes two mappings; leave most of the process's to others.
    long  max_map_count = 65530;
    char  text[32];
    int   fd = hob__sys_open("/proc/sys/vm/max_map_count", 0, 0);
    if (fd >= 0) {
        ssize_t n = hob__sys_read(fd, text, sizeof text - 1);
        if (n > 0) {
            text[n] = '\0';
            max_map_count = atol(text);
        }
        hob__sys_close(fd);
    }
    pool->guards_by_mprotect_max = max_map_count > 0 ? (uint32_t)(max_map_count / 8) : 0;
}

int hob__stack_class(size_t bytes)
{
    hob_require(bytes <= sizes[STACK_CLASSES - 1].bytes,
                "hob_task_opts.stack_bytes, hob_call_deep: a stack has at most 8 MiB");
    int i = 0;
    while (i < STACK_CLASSES - 1 && sizes[i].bytes < bytes)
        i++;
    return i;
}

size_t hob__stack_bytes(const struct stack *stack)
{
    return sizes[stack->class_index].bytes;
}

static size_t stride_of(int class_index)
{
    return sizes[class_index].bytes + STACK_PAGE;
}

/* The end of the usable pages: `top` without the colour. */
static char *end_of(const struct stack *stack)
{
    return stack->low + sizes[stack->slab->class_index].bytes;
}

static bool guard_by_install(struct stack_pool *pool, struct slab *slab)
{
    struct iovec guards[GUARD_BATCH];
    uint32_t     done = 0;
    while (done < slab->count) {
        uint32_t n = 0;
        for (; n < GUARD_BATCH && done + n < slab->count; n++) {
            guards[n].iov_base = slab->stacks[done + n].low - STACK_PAGE;
            guards[n].iov_len = STACK_PAGE;
        }
        ssize_t bytes = hob__sys_madvise_many(guards, n, MADV_GUARD_INSTALL);
        if (bytes != (ssize_t)n * STACK_PAGE) {
            for (uint32_t i = 0; i < n; i++) { // one at a time, where batches are refused
                if (hob__sys_madvise(guards[i].iov_base, STACK_PAGE, MADV_GUARD_INSTALL) < 0) {
                    pool->guard_install_works = false;
                    return false;
                }
            }
        }
        done += n;
    }
    return true;
}

/* Where the next records will lie, in one call. Not vital: without it each comes by a fault. */
static void touch_record_pages(struct slab *slab)
{
    struct iovec pages[GUARD_BATCH];
    for (uint32_t done = 0, n; done < slab->count; done += n) {
        for (n = 0; n < GUARD_BATCH && done + n < slab->count; n++) {
            pages[n].iov_base = end_of(&slab->stacks[done + n]) - STACK_PAGE;
            pages[n].iov_len = STACK_PAGE;
        }
        (void)hob__sys_madvise_many(pages, n, MADV_POPULATE_WRITE);
    }
}

static void guard_by_mprotect(struct stack_pool *pool, struct slab *slab)
{
    for (uint32_t i = 0; i < slab->count; i++) {
        if (pool->guards_by_mprotect >= pool->guards_by_mprotect_max ||
            hob__sys_mprotect(slab->stacks[i].low - STACK_PAGE, STACK_PAGE, PROT_NONE) < 0) {
            pool->guards_ran_out = true;
            return;
        }
        pool->guards_by_mprotect++;
        slab->with_mprotect++;
    }
}

static struct slab *slab_new(struct stack_pool *pool, int class_index)
{
    uint32_t     count = sizes[class_index].per_slab;
    size_t       stride = stride_of(class_index);
    struct slab *slab = hob__alloc_zero(sizeof *slab + count * sizeof slab->stacks[0]);
    if (slab == NULL)
        return NULL;

    slab->count = count;
    slab->class_index = (uint8_t)class_index;
    slab->map_bytes = count * stride;
    void *map;
    if (hob__sys_mmap(NULL, slab->map_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0, &map) < 0) {
        hob__free(slab);
        return NULL;
    }
    slab->map = map;
    // A huge page would make every stack in it resident. Refused by kernels without them: fine.
    (void)hob__sys_madvise(map, slab->map_bytes, MADV_NOHUGEPAGE);

    for (uint32_t i = 0; i < count; i++) {
        struct stack *stack = &slab->stacks[i];
        list_node_init(&stack->link);
        stack->slab = slab;
        stack->low = slab->map + i * stride + STACK_PAGE;
        stack->class_index = (uint8_t)class_index;
        stack->top = stack->low + sizes[class_index].bytes - (i % COLOURS) * COLOUR_BYTES;
    }
    if (!pool->guard_install_works || !guard_by_install(pool, slab))
        guard_by_mprotect(pool, slab);

    if (pool->classes[class_index].mapped >= MANY_SLABS * count)
        touch_record_pages(slab);

    if (RUNNING_ON_VALGRIND) {
        for (uint32_t i = 0; i < count; i++)
            slab->stacks[i].valgrind_id =
                VALGRIND_STACK_REGISTER(slab->stacks[i].low, end_of(&slab->stacks[i]));
    }

    struct stack_class *class = &pool->classes[class_index];
    list_push_front(&class->slabs, &slab->link);
    class->mapped += count;
    return slab;
}

static void slab_free(struct stack_pool *pool, struct slab *slab)
{
    struct stack_class *class = &pool->classes[slab->class_index];
    for (uint32_t i = 0; i < slab->count; i++)
        VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind_id);
    pool->guards_by_mprotect -= slab->with_mprotect;
    class->mapped -= slab->count;
    list_remove(&slab->link);
    unpoison(slab->map, slab->map_bytes); // the address may be given to somebody else
    (void)hob__sys_munmap(slab->map, slab->map_bytes);
    hob__free(slab);
}

static void put_last_away(struct stack_pool *pool)
{
    struct stack *last = pool->last;
    pool->last = NULL;
    if (last != NULL)
        hob__stack_put_away(pool, last);
}

void hob__stack_pool_fini(struct stack_pool *pool)
{
    put_last_away(pool);
    for (int i = 0; i < STACK_CLASSES; i++) {
        list_for_each(node, &pool->classes[i].slabs) {
            struct slab *slab = container_of(node, struct slab, link);
            hob_assert(slab->used == 0);
            slab_free(pool, slab);
        }
    }
}

/* A stack that was never handed out, of a slab that has one. */
static __attribute__((noinline)) struct stack *get_fresh(struct stack_pool *pool, int class_index)
{
    struct stack_class *class = &pool->classes[class_index];
    struct list_node   *first = list_first(&class->slabs);
    struct slab        *slab = first != NULL ? container_of(first, struct slab, link) : NULL;
    if (slab == NULL || slab->fresh == slab->count) {
        slab = slab_new(pool, class_index);
        if (slab == NULL)
            return NULL;
    }
    return &slab->stacks[slab->fresh++];
}

struct stack *hob__stack_get_other(struct stack_pool *pool, int class_index)
{
    struct stack_class *class = &pool->classes[class_index];
    struct stack       *stack;
    struct list_node   *node = list_pop_front(&class->hot);
    if (hob_likely(node != NULL)) {
        class->hot_count--;
        class->free_count--;
        stack = container_of(node, struct stack, link);
        stack->is_hot = false;
    } else if ((node = list_pop_front(&class->trimmed)) != NULL) {
        class->free_count--;
        stack = container_of(node, struct stack, link);
    } else {
        stack = get_fresh(pool, class_index);
        if (stack == NULL)
            return NULL;
    }
    stack->slab->used++;
    return stack;
}

static size_t touched_from(const struct stack *stack, char *from)
{
    unsigned char resident[256];
    char         *end = end_of(stack);
    for (char *at = from; at < end;) { // big stacks take several looks
        size_t pages = (size_t)(end - at) / STACK_PAGE;
        if (pages > sizeof resident)
            pages = sizeof resident;
        if (hob__sys_mincore(at, pages * STACK_PAGE, resident) < 0)
            return 0;
        for (size_t i = 0; i < pages; i++) {
            if (resident[i] & 1)
                return (size_t)(end - at) - i * STACK_PAGE;
        }
        at += pages * STACK_PAGE;
    }
    return 0;
}

size_t hob__stack_touched(const struct stack *stack)
{
    return touched_from(stack, stack->low);
}

void hob__stack_trim(struct stack *stack)
{
    if (hob__stack_touched(stack) > KEEP_PAGES * STACK_PAGE)
        (void)hob__sys_madvise(stack->low, hob__stack_bytes(stack) - KEEP_PAGES * STACK_PAGE,
                               MADV_DONTNEED);
}

static __attribute__((noinline)) void trim_coldest(struct stack_class *class)
{
    struct stack *stack = container_of(class->hot.head.prev, struct stack, link);
    list_remove(&stack->link);
    class->hot_count--;
    stack->is_hot = false;
    hob__stack_trim(stack);
    list_push_front(&class->trimmed, &stack->link);
}

/* All stacks of the slab are free, and so are many others: give everything back. */
static void slab_retire(struct stack_pool *pool, struct slab *slab)
{
    struct stack_class *class = &pool->classes[slab->class_index];
    for (uint32_t i = 0; i < slab->fresh; i++) {
        struct stack *stack = &slab->stacks[i];
        if (list_node_is_linked(&stack->link)) {
            list_remove(&stack->link);
            class->free_count--;
            class->hot_count -= stack->is_hot;
        }
    }
    slab_free(pool, slab);
}

static __attribute__((noinline)) void retire_if_many_are_free(struct stack_pool *pool,
                                                              struct slab *slab)
{
    struct stack_class *class = &pool->classes[slab->class_index];
    uint32_t            in_use = class->mapped - class->free_count;
    if (class->free_count > 2 * slab->count + in_use && slab->fresh == slab->count)
        slab_retire(pool, slab);
}

void hob__stack_put_away(struct stack_pool *pool, struct stack *stack)
{
    struct slab        *slab = stack->slab;
    struct stack_class *class = &pool->classes[slab->class_index];
    hob_assert(slab->used > 0);
    slab->used--;
    list_push_front(&class->hot, &stack->link);
    stack->is_hot = true;
    class->hot_count++;
    class->free_count++;
    if (hob_unlikely(slab->used == 0))
        retire_if_many_are_free(pool, slab);
}

void hob__stack_pool_trim(struct stack_pool *pool)
{
    put_last_away(pool);
    for (int i = 0; i < STACK_CLASSES; i++) {
        struct stack_class *class = &pool->classes[i];
        uint32_t            left = class->hot_count / TRIM_SHARE + TRIM_AT_ONCE;
        while (class->hot_count > 0 && left-- > 0)
            trim_coldest(class);
    }
}

const struct stack *hob__stack_find(const struct stack_pool *pool, const void *address, bool inside)
{
    uintptr_t where = (uintptr_t)address;
    for (int i = 0; i < STACK_CLASSES; i++) {
        size_t stride = stride_of(i);
        for (struct list_node *node = pool->classes[i].slabs.head.next;
             node != &pool->classes[i].slabs.head; node = node->next) {
            const struct slab *slab = container_of(node, struct slab, link);
            uintptr_t          start = (uintptr_t)slab->map;
            if (where < start || where >= start + slab->map_bytes)
                continue;
            bool in_guard = (where - start) % stride < STACK_PAGE;
            return in_guard != inside ? &slab->stacks[(where - start) / stride] : NULL;
        }
    }
    return NULL;
}
