/* SPDX-License-Identifier: MIT */
/*
 * Locks: a recipe book, two stoves, and a cellar that is unlocked once.
 *
 * The cooks work on all workers. The book is written in under a lock, since a note is
 * more than one step; at most two cook at a time; and whoever needs the cellar first
 * unlocks it for all. At the end two cooks take two keys in different order, which is
 * told, and broken off.
 *
 *     build/hob run examples/14_locks.c
 */
#include <errno.h>

#include <hob.h>

enum { COOKS = 6 };

static hob_mutex   book_lock = { .name = "book" };
static hob_limiter stoves = { .name = "stoves", .limit = 2 };
static hob_once    cellar = { .name = "cellar" };
static int         notes, unlocked;

static int unlock_cellar(void *arg)
{
    HOB_TRY(hob_sleep(10 * HOB_MSEC)); // the key turns slowly; a cook who is called away leaves it
    unlocked++;                        // to the next
    return 0;
}

static int cook(void *arg)
{
    HOB_TRY(hob_once_run(&cellar, unlock_cellar, NULL));
    HOB_LIMITED(&stoves); // until the end of the block, like the next
    HOB_TRY(hob_sleep(20 * HOB_MSEC));
    HOB_LOCKED(&book_lock);
    int before = notes;
    HOB_TRY(hob_sleep(1 * HOB_MSEC)); // writes; nobody else does meanwhile
    notes = before + 1;
    return 0;
}

struct keys {
    hob_mutex *first, *second;
};

static int take_both(void *arg)
{
    struct keys *keys = arg;
    HOB_LOCKED(keys->first);
    HOB_TRY(hob_sleep(10 * HOB_MSEC));
    int r = hob_mutex_lock(keys->second);
    if (r == -EDEADLK)
        return 0; // gives the first one back, and the other cook goes on
    HOB_TRY(r);
    hob_mutex_unlock(keys->second);
    puts("one of them got both keys");
    return 0;
}

static int kitchen(void *arg)
{
    HOB_SCOPE(s);
    for (int i = 0; i < COOKS; i++)
        hob_go_with(&s, cook, NULL, &(hob_task_opts){ .where = HOB_ANYWHERE });
    HOB_TRY(hob_scope_end(&s));
    printf("%d notes, and the cellar was unlocked %d time\n", notes, unlocked);

    hob_mutex   pantry = { .name = "pantry" }, icebox = { .name = "icebox" };
    struct keys ann = { &pantry, &icebox }, bob = { &icebox, &pantry };
    HOB_SCOPE(quarrel);
    hob_go_with(&quarrel, take_both, &ann, &(hob_task_opts){ .name = "ann" });
    hob_go_with(&quarrel, take_both, &bob, &(hob_task_opts){ .name = "bob" });
    return hob_scope_end(&quarrel);
}

int main(void)
{
    return hob_run_with(&(hob_run_opts){ .break_deadlocks = 1 }, kitchen, NULL);
}
