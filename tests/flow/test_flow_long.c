/* SPDX-License-Identifier: MIT */
/*
 * Many items in constant memory: five stages and a slow end. Each item is a block of the system's
 * memory, so that those on their way can be counted; 10 million of them in a long run (--deep).
 */
#include <unistd.h>

#include "base/alloc.h"
#include "flow/flows.h"

enum { RECORD_BYTES = 64, BUFFER = 16, AT_ONCE = 4, BATCH = 8 };

struct record {
    int64_t number;
    char    text[RECORD_BYTES - sizeof(int64_t)];
};

struct line {
    int64_t  count, made, out, out_max; /* records: to make, made, on their way now and at most */
    int64_t  sum, next;
    bool     in_order;
    uint64_t bytes_at_first, bytes_max; /* of Hob's own memory */
    long     pages_at_first, pages_max; /* of the process */
};

static int make_record(void *arg, void *ret_item)
{
    struct line *line = arg;
    if (line->made == line->count)
        return HOB_EOF;
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return -ENOMEM;
    record->number = line->made++;
    if (++line->out > line->out_max)
        line->out_max = line->out;
    *(struct record **)ret_item = record;
    return 0;
}

static void drop_record(void *arg, void *item)
{
    struct line *line = arg;
    line->out--;
    free(*(struct record **)item);
}

static int stamp_record(const void *item, void *arg)
{
    struct record *record = *(struct record *const *)item;
    record->text[0] = (char)record->number;
    return 0;
}

static int not_every_tenth(const void *item, void *arg)
{
    return (*(struct record *const *)item)->number % 10 != 9;
}

static int check_record(void *item, void *arg, void *ret_item)
{
    struct record *record = *(struct record **)item;
    if (record->text[0] != (char)record->number)
        return -EBADMSG;
    if (record->number % 64 == 0)
        HOB_TRY(hob_sleep(HOB_USEC));
    *(struct record **)ret_item = record;
    return 0;
}

static long resident_pages(void)
{
    long  pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages;
}

static void look_at_memory(struct line *line)
{
    long pages = resident_pages();
    if (hob__alloc_bytes() > line->bytes_max)
        line->bytes_max = hob__alloc_bytes();
    if (line->pages_at_first == 0) {
        line->pages_at_first = pages;
        line->bytes_at_first = line->bytes_max;
    }
    if (pages > line->pages_max)
        line->pages_max = pages;
}

/* The slow end: it takes longer than all the others. */
static int store_batch(void *item, void *arg)
{
    struct line *line = arg;
    HOB_BATCH(struct record *, BATCH) *batch = item;
    HOB_TRY(hob_sleep(100 * HOB_USEC));
    for (size_t i = 0; i < batch->count; i++) {
        if (line->next % 10 == 9)
            line->next++;
        line->in_order = line->in_order && batch->items[i]->number == line->next++;
        line->sum += batch->items[i]->number;
        drop_record(line, &batch->items[i]);
    }
    if (line->next / 1000 != (line->next - BATCH - 1) / 1000)
        look_at_memory(line);
    return 0;
}

TEST_ONCE(flow_long, any_number_of_items_passes_a_slow_end_in_constant_memory)
{
    int64_t     count = all_is_slow() ? 20000 : hob_test_is_deep() ? 10000000 : 200000;
    struct line line = { .count = count, .in_order = true };
    hob_test_timeout(300);

    hob_flow *f = hob_flow_generate(sizeof(struct record *), make_record, &line);
    hob_flow_owns(f, drop_record, NULL, &line);
    hob_flow_on_each(f, stamp_record, NULL);
    hob_flow_filter(f, not_every_tenth, NULL);
    hob_flow_buffer(f, BUFFER, HOB_WAIT);
    hob_flow_map_at_once(f, AT_ONCE, HOB_IN_ORDER, sizeof(struct record *), check_record, NULL);
    hob_flow_owns(f, drop_record, NULL, &line);
    hob_flow_batch(f, BATCH, 0);
    check_ok(hob_flow_for_each(f, store_batch, &line));

    check_eq(line.made, count);
    check_eq(line.out, 0);
    check(line.in_order);
    // All numbers below `count`, without those that end in 9.
    check_eq(line.sum, count * (count - 1) / 2 - (count / 10) * (count / 10 - 1) / 2 * 10 - count / 10 * 9);
    // The buffer, one in hand on each side of it, the slots, a batch.
    check_le(line.out_max, BUFFER + 1 + AT_ONCE + 1 + BATCH);
    check_eq(line.bytes_max, line.bytes_at_first);
    if (!all_is_slow())
        check_le(line.pages_max - line.pages_at_first, 64);
    if (hob_test_is_deep())
        printf("  %lld items: at most %lld on their way, %ld KiB resident after 1000 and %ld at most\n",
               (long long)count, (long long)line.out_max,
               line.pages_at_first * sysconf(_SC_PAGESIZE) / 1024,
               line.pages_max * sysconf(_SC_PAGESIZE) / 1024);
}
