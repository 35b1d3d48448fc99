/* SPDX-License-Identifier: MIT */
/* Any thread asks; a test starts and stops from one thread, while no other asks. */
#include "base/fault.h"

int64_t hob__fault_countdown = HOB__FAULT_OFF;

static uint64_t asked;

bool hob__fault_ask(void)
{
    int64_t left = __atomic_load_n(&hob__fault_countdown, __ATOMIC_RELAXED);
    do {
        if (left == HOB__FAULT_OFF)
            return false;
    } while (!__atomic_compare_exchange_n(&hob__fault_countdown, &left, left - 1, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    __atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
    return left == 0; // and what is stored now is HOB__FAULT_OFF
}

void hob__fault_start(uint64_t at)
{
    hob_assert(at <= INT64_MAX);
    __atomic_store_n(&asked, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&hob__fault_countdown, (int64_t)at, __ATOMIC_RELAXED);
}

uint64_t hob__fault_stop(void)
{
    __atomic_store_n(&hob__fault_countdown, HOB__FAULT_OFF, __ATOMIC_RELAXED);
    return __atomic_load_n(&asked, __ATOMIC_RELAXED);
}

uint32_t hob__interrupts;

static __thread bool interrupted_before;
static uint64_t      interruptions;

void hob__interrupt_note(void)
{
    __atomic_fetch_add(&interruptions, 1, __ATOMIC_RELAXED);
}

bool hob__interrupt_ask(void)
{
    interrupted_before = !interrupted_before;
    if (interrupted_before)
        hob__interrupt_note();
    return interrupted_before;
}

void hob__interrupts_start(void)
{
    __atomic_store_n(&interruptions, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&hob__interrupts, 1, __ATOMIC_RELAXED);
}

uint64_t hob__interrupts_stop(void)
{
    __atomic_store_n(&hob__interrupts, 0, __ATOMIC_RELAXED);
    return __atomic_load_n(&interruptions, __ATOMIC_RELAXED);
}
