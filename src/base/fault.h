/* SPDX-License-Identifier: MIT */
/*
 * Faults and interruptions on purpose, for torture runs.
 *
 * Each allocation and each system call that can fail asks hob__fault() first.
 * Normally that is one comparison. A torture run counts the questions of one
 * run, then repeats the run once for each, letting that one fail.
 */
#ifndef HOB_BASE_FAULT_H
#define HOB_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* HOB__FAULT_OFF, or how many questions are still to be answered with no. */
extern int64_t hob__fault_countdown;
enum { HOB__FAULT_OFF = -1 };

bool hob__fault_ask(void);

/* True when this call is to fail. */
static inline bool hob__fault(void)
{
    int64_t left = __atomic_load_n(&hob__fault_countdown, __ATOMIC_RELAXED);
    return hob_unlikely(left != HOB__FAULT_OFF) && hob__fault_ask();
}

/* Lets the question number `at` (from 0) be answered with yes, once; a large
 * number only counts. hob__fault_stop returns how many were asked. */
void     hob__fault_start(uint64_t at);
uint64_t hob__fault_stop(void);

/* Signals on purpose: while this is not 0, each call that a signal can interrupt is interrupted
 * once, before it did anything, and then made again by whoever made it. */
extern uint32_t hob__interrupts;

bool hob__interrupt_ask(void);

/* True when this call is to find that a signal came. Every other answer is no, so that who asks
 * again goes on. */
static inline bool hob__interrupt(void)
{
    return hob_unlikely(__atomic_load_n(&hob__interrupts, __ATOMIC_RELAXED) != 0) &&
           hob__interrupt_ask();
}

/* Whether it is so now: for those who count themselves. */
static inline bool hob__interrupts_all(void)
{
    return hob_unlikely(__atomic_load_n(&hob__interrupts, __ATOMIC_RELAXED) != 0);
}

void hob__interrupt_note(void); /* they count one */

/* hob__interrupts_stop returns how many calls were interrupted. */
void     hob__interrupts_start(void);
uint64_t hob__interrupts_stop(void);

#endif
