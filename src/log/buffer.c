/* SPDX-License-Identifier: MIT */
#include "log/buffer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "log/line.h"

int hob__log_buffer_init(struct log_buffer *b, size_t cap)
{
    *b = (struct log_buffer){ .cap = cap };
    b->filling = &b->blocks[0];
    b->leaving = &b->blocks[1];
    for (int i = 0; i < 2; i++) {
        b->blocks[i].text = hob__alloc(cap + LOG_LINE_BYTES);
        if (b->blocks[i].text == NULL) {
            hob__log_buffer_fini(b);
            return -ENOMEM;
        }
    }
    return 0;
}

void hob__log_buffer_fini(struct log_buffer *b)
{
    hob__free(b->blocks[0].text);
    hob__free(b->blocks[1].text);
    b->blocks[0].text = b->blocks[1].text = NULL;
}

static void add(struct log_block *block, const char *line, size_t len)
{
    size_t at = atomic_load_explicit(&block->len, memory_order_relaxed);
    memcpy(block->text + at, line, len);
    atomic_store_explicit(&block->len, at + len, memory_order_release);
}

bool hob__log_buffer_put(struct log_buffer *b, const char *line, size_t len)
{
    lock_take(&b->lock);
    // Once one was dropped, so are those that follow until that was told: the order stays true.
    bool fits = b->dropped == 0 && len <= b->cap - atomic_load(&b->filling->len);
    if (fits) {
        add(b->filling, line, len);
        b->put += len;
    } else {
        b->dropped++;
    }
    lock_give(&b->lock);
    return fits;
}

uint64_t hob__log_buffer_dropped(struct log_buffer *b)
{
    lock_take(&b->lock);
    uint64_t dropped = b->dropped;
    lock_give(&b->lock);
    return dropped;
}

bool hob__log_buffer_turn(struct log_buffer *b, const char *line, size_t len, uint64_t told)
{
    hob_assert(atomic_load(&b->left) == atomic_load(&b->leaving->len));
    lock_take(&b->lock);
    struct log_block *full = b->filling;
    if (told > 0) {
        hob_assert(told <= b->dropped);
        add(full, line, len);
        b->put += len;
        b->dropped -= told;
    }
    bool any = atomic_load(&full->len) > 0;
    if (any) {
        atomic_store(&b->leaving->len, 0);
        atomic_store(&b->left, 0);
        b->filling = b->leaving;
        b->leaving = full;
    }
    lock_give(&b->lock);
    return any;
}

void hob__log_buffer_advance(struct log_buffer *b, size_t len)
{
    atomic_fetch_add(&b->left, len);
    hob_assert(atomic_load(&b->left) <= atomic_load(&b->leaving->len));
    atomic_fetch_add(&b->gone, len);
}

static uint64_t count_lines(const char *text, size_t len)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines;
}

uint64_t hob__log_buffer_abandon(struct log_buffer *b)
{
    lock_take(&b->lock);
    size_t   left = atomic_load(&b->left), leaving = atomic_load(&b->leaving->len) - left;
    size_t   filling = atomic_load(&b->filling->len);
    uint64_t lines = count_lines(b->leaving->text + left, leaving) +
                     count_lines(b->filling->text, filling);
    atomic_fetch_add(&b->left, leaving);
    atomic_store(&b->filling->len, 0);
    atomic_fetch_add(&b->gone, leaving + filling);
    lock_give(&b->lock);
    return lines;
}

uint64_t hob__log_buffer_mark(struct log_buffer *b)
{
    lock_take(&b->lock);
    uint64_t mark = b->put + (b->dropped > 0); // the line that tells of these comes next
    lock_give(&b->lock);
    return mark;
}
