/* SPDX-License-Identifier: MIT */
/*
 * Stacks: the message of an overflow, wherever it happens; what is measured; memory given back.
 *
 * SURVIVAL 3: an overflow names the task and stops the program; nothing is overwritten.
 */
#include "support/tasks.h"

static const hob_task_opts digger = { .name = "digger" };

static int start_a_digger(hob_task_fn *fn, void *arg)
{
    HOB_SCOPE(s);
    check_ok(hob_go_with(&s, fn, arg, &digger));
    return hob_scope_end(&s);
}

static int (*volatile again)(volatile char *, int);

static int recurse(volatile char *above, int depth)
{
    volatile char page[512];
    page[0] = (char)depth;
    page[511] = above != NULL ? above[0] : 0;
    return again(page, depth + 1) + page[511];
}

static int overflow_in_user_code(void *arg)
{
    again = recurse;
    return recurse(NULL, 0);
}

TEST_DIES(stack, an_overflow_in_user_code_names_the_task, "stack*digger")
{
    ignore(start_a_digger(overflow_in_user_code, NULL));
}

TEST_DIES(stack, the_message_says_how_big_the_stack_was, "64 KiB")
{
    ignore(start_a_digger(overflow_in_user_code, NULL));
}

TEST_DIES(stack, the_message_says_where_the_task_was_started, "start_a_digger")
{
    ignore(start_a_digger(overflow_in_user_code, NULL));
}

TEST_DIES(stack, the_message_says_what_to_change, "stack_bytes")
{
    ignore(start_a_digger(overflow_in_user_code, NULL));
}

/* Leaves some hundred bytes, and calls printf there. */
static int fill_and_print(volatile char *above, int depth)
{
    volatile char page[256];
    char          text[64];
    page[0] = (char)depth;
    page[255] = above != NULL ? above[0] : 0;
    snprintf(text, sizeof text, "%d %.17g %s", depth, (double)depth / 3, (const char *)"deep");
    if (depth % 64 == 0)
        printf("%s\n", text);
    return again(page, depth + 1) + page[255];
}

static int overflow_in_printf(void *arg)
{
    again = fill_and_print;
    return fill_and_print(NULL, 0);
}

TEST_DIES(stack, an_overflow_in_printf_names_the_task, "stack*digger")
{
    ignore(start_a_digger(overflow_in_printf, NULL));
}

static int compare_deeply(const void *a, const void *b)
{
    again = recurse;
    return recurse(NULL, *(const int *)a - *(const int *)b);
}

static int overflow_in_qsort(void *arg)
{
    int numbers[] = { 3, 1, 2 };
    qsort(numbers, 3, sizeof numbers[0], compare_deeply);
    return numbers[0];
}

TEST_DIES(stack, an_overflow_in_a_callback_of_qsort_names_the_task, "stack*digger")
{
    ignore(start_a_digger(overflow_in_qsort, NULL));
}

#ifdef __x86_64__ // the emulators that run the others accept guards, and make none
static int one_big_frame(void *arg)
{
    volatile char big[512 << 10]; // over the guard and far beyond it, if nobody looks
    for (size_t i = sizeof big; i-- > 0;)
        big[i] = (char)i;
    return big[17];
}

TEST_DIES(stack, one_frame_that_is_bigger_than_the_stack_is_caught, "stack*digger")
{
    ignore(start_a_digger(one_big_frame, NULL));
}
#endif

TEST_DIES(stack, an_overflow_in_the_main_task_is_caught, "stack")
{
    ignore(overflow_in_user_code(NULL));
}

static int overflow_deep(void *arg)
{
    return hob_call_deep(256 << 10, overflow_in_user_code, NULL);
}

TEST_DIES(stack, an_overflow_in_a_deep_call_is_caught, "stack*digger")
{
    ignore(start_a_digger(overflow_deep, NULL));
}

/* ---- what is measured ---- */

static int use_stack(void *arg)
{
    char bytes[24 << 10];
    memset(bytes, 1, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory"); // clang keeps of an array only what is used
    return bytes[0] - 1;
}

/* One place, whatever the compiler knows about n. */
static __attribute__((noinline)) int start_users(int how_many)
{
    volatile int n = how_many;
    HOB_SCOPE(s);
    for (int i = 0; i < n; i++)
        check_ok(hob_go(&s, use_stack, NULL));
    return hob_scope_end(&s);
}

TEST(stack, the_high_water_mark_is_kept_by_place)
{
    check_ok(start_users(3));
    hob_stack_use uses[16];
    size_t        n = hob_stack_uses(uses, 16);
    check_gt(n, 0);
    bool found = false;
    for (size_t i = 0; i < n && i < 16; i++) {
        if (uses[i].tasks != 3 || uses[i].stack_bytes_used < 24 << 10)
            continue;
        found = true;
        check_le(uses[i].stack_bytes_used, uses[i].stack_bytes);
        check(uses[i].spawned_at != NULL);
        char text[256];
        check_has(hob_describe_address(uses[i].spawned_at, text, sizeof text), "start_users");
    }
    check(found);
}

TEST(stack, an_address_is_described_even_in_little_room)
{
    char text[8];
    memset(text, 'x', sizeof text);
    hob_describe_address((const void *)start_users, text, sizeof text);
    check_lt(strnlen(text, sizeof text), sizeof text);
    hob_describe_address((const void *)16, text, sizeof text);
    check_lt(strnlen(text, sizeof text), sizeof text);
}

/* ---- memory comes back ---- */

static long resident_kib(void)
{
    long  kib = -1;
    char  line[128];
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static int touch_much(void *arg)
{
    volatile char big[6 << 20];
    memset((void *)big, 1, sizeof big);
    hob_yield();
    return big[0] - 1;
}

TEST_ONCE(stack, memory_is_given_back_after_deep_use)
{
    if (IS_SANITIZED)
        skip("sanitizers keep books about each byte that was touched");
    hob_task_opts opts = { .stack_bytes = 8 << 20 };
    long          before = resident_kib();
    for (int round = 0; round < 2; round++) {
        HOB_SCOPE(s);
        for (int i = 0; i < 8; i++)
            check_ok(hob_go_with(&s, touch_much, NULL, &opts));
        check_ok(hob_scope_end(&s));
    }
    check_ok(hob_sleep(HOB_SEC));                 // it is given back when there is time for it
    check_le(resident_kib(), before + (4 << 10)); // of the 48 MiB that were touched
}

static int small_task(void *arg)
{
    volatile char bytes[1000];
    bytes[0] = 1;
    return hob_sleep(HOB_SEC) + bytes[0] - 1;
}

TEST_ONCE(stack, a_parked_task_costs_few_pages)
{
    enum { TASKS = 10000 };
    if (IS_SANITIZED || is_in_valgrind())
        skip("sanitizers need more for each, and have room for fewer");
    HOB_SCOPE(s);
    long before = resident_kib();
    for (int i = 0; i < TASKS; i++)
        check_ok(hob_go(&s, small_task, NULL));
    long each = (resident_kib() - before) * 1024 / TASKS;
    check_ok(hob_scope_end(&s));
    check_le(each, 8 << 10);
}
