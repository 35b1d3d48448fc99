/* SPDX-License-Identifier: MIT */
/*
 * When something hangs: two people who wait for each other.
 *
 * "After you." "No, after you." Nobody can ever go, and Hob says so: who waits for what,
 * since when, and where it was started. Then it cancels everything, so that the program ends.
 *
 *     build/hob run examples/11_stuck.c
 */
#include <hob.h>

struct door {
    hob_promise *ann_went, *bob_went;
};

static int ann(void *arg)
{
    struct door *door = arg;
    HOB_TRY(hob_promise_await(door->bob_went, NULL));
    hob_promise_resolve(door->ann_went, NULL);
    return 0;
}

static int bob(void *arg)
{
    struct door *door = arg;
    HOB_TRY(hob_promise_await(door->ann_went, NULL));
    hob_promise_resolve(door->bob_went, NULL);
    return 0;
}

static void free_promise(void *promise) { hob_promise_free(promise); }

static int meet_at_a_door(void *arg)
{
    struct door door;
    HOB_TRY(hob_promise_new(&door.ann_went));
    HOB_DEFER(free_promise, door.ann_went);
    HOB_TRY(hob_promise_new(&door.bob_went));
    HOB_DEFER(free_promise, door.bob_went);

    HOB_SCOPE(s);
    hob_go_with(&s, ann, &door, &(hob_task_opts){ .name = "Ann" });
    hob_go_with(&s, bob, &door, &(hob_task_opts){ .name = "Bob" });
    return hob_scope_end(&s);
}

int main(void) { return hob_run(meet_at_a_door, NULL); }
