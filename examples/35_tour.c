/* SPDX-License-Identifier: MIT */
/*
 * One job, in the styles that people come with: the sizes of some pages are asked for, all at
 * once, and added up. The first failure is the answer, and nothing goes on behind it.
 * README.md has each of them beside where it comes from.
 *
 *     build/hob run examples/35_tour.c
 */
#include <errno.h>

#include <hob.h>

struct page {
    const char  *name;
    int          bytes; /* or an error */
    hob_promise *size;  /* as in JavaScript */
    hob_chan    *sizes; /* as in Go */
};

static struct page pages[] = {
    { .name = "index", .bytes = 4200 },
    { .name = "news", .bytes = 11900 },
    { .name = "about", .bytes = 1700 },
};

enum { PAGES = sizeof pages / sizeof *pages };

/* Takes a while. */
static int size_of(void *page)
{
    HOB_TRY(hob_sleep(20 * HOB_MSEC));
    return ((struct page *)page)->bytes;
}

/* ---- as in JavaScript ---- */

static int settle_size(void *arg)
{
    struct page *page = arg;
    int          size = size_of(page);
    if (size < 0)
        hob_promise_reject(page->size, size);
    else
        hob_promise_resolve(page->size, (void *)(intptr_t)size);
    return 0;
}

static int total_by_promises(void)
{
    hob_promise *sizes[PAGES];
    HOB_SCOPE(s);
    for (int i = 0; i < PAGES; i++) {
        HOB_TRY(hob_promise_new(&pages[i].size));
        sizes[i] = pages[i].size;
        hob_go(&s, settle_size, &pages[i]);
    }
    int total = hob_promise_await_many(HOB_ALL, sizes, PAGES);
    int ended = hob_scope_end(&s);
    for (int i = 0; i < PAGES; i++) {
        total += total < 0 ? 0 : (int)(intptr_t)hob_promise_value(sizes[i]);
        hob_promise_free(sizes[i]);
    }
    return ended < 0 ? ended : total;
}

/* ---- as in asyncio ---- */

static int total_by_tasks(void)
{
    hob_future *sizes[PAGES];
    int         total = 0;
    HOB_SCOPE(group);
    for (int i = 0; i < PAGES; i++)
        sizes[i] = hob_async(&group, size_of, &pages[i]);
    for (int i = 0; i < PAGES; i++)
        total += HOB_TRY(hob_await(sizes[i]));
    return total;
}

/* ---- as in Go ---- */

static int send_size(void *arg)
{
    struct page *page = arg;
    HOB_CHAN_SENDER(sizes, page->sizes);
    int size = HOB_TRY(size_of(page));
    return hob_chan_send(sizes, &size);
}

static int total_by_channel(void)
{
    hob_chan *sizes;
    int       size, total = 0;
    HOB_TRY(hob_chan_new(sizeof size, 0, HOB_WAIT, NULL, &sizes));
    HOB_SCOPE(group);
    for (int i = 0; i < PAGES; i++)
        pages[i].sizes = hob_chan_sender_ref(sizes);
    for (int i = 0; i < PAGES; i++)
        hob_go(&group, send_size, &pages[i]);
    while (hob_chan_recv(sizes, &size) == 0)
        total += size;
    int r = hob_scope_end(&group);
    hob_chan_free(sizes);
    return r < 0 ? r : total;
}

/* ---- as in Reactor ---- */

static int map_to_size(void *page, void *arg, void *ret_size)
{
    *(int *)ret_size = HOB_TRY(size_of(page));
    return 0;
}

static int add(void *total, void *size, void *arg)
{
    *(int *)total += *(int *)size;
    return 0;
}

static int total_by_flow(void)
{
    int       total = 0;
    hob_flow *f = hob_flow_array(pages, sizeof pages[0], PAGES);
    hob_flow_map_at_once(f, 8, HOB_AS_DONE, sizeof(int), map_to_size, NULL);
    HOB_TRY(hob_flow_reduce(f, &total, add, NULL));
    return total;
}

/* ---- all of them, with two seconds for each ---- */

static int tell(const char *style, int (*ask_total)(void))
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(2 * HOB_SEC));
    int total = ask_total();
    (void)!hob_scope_end(&s); // a failure was taken already
    if (total < 0)
        printf("%-9s %s\n", style, hob_error_name(total));
    else
        printf("%-9s %d bytes\n", style, total);
    return 0;
}

static int tour(void *arg)
{
    for (int round = 0; round < 2; round++) {
        HOB_TRY(tell("promises", total_by_promises));
        HOB_TRY(tell("tasks", total_by_tasks));
        HOB_TRY(tell("channel", total_by_channel));
        HOB_TRY(tell("flow", total_by_flow));
        pages[1].bytes = -ENOENT; // and again, with a page that is not there
    }
    return 0;
}

int main(void) { return hob_run(tour, NULL); }
