/* SPDX-License-Identifier: MIT */
/* The swap for any machine, by ucontext: slower (a system call for the signal mask), but everywhere. */
#ifndef HOB_ARCH_SWITCH_GENERIC_H
#define HOB_ARCH_SWITCH_GENERIC_H

void hob__swap_generic(struct context *from, struct context *to);

static inline void hob__swap(struct context *from, struct context *to)
{
    hob__swap_generic(from, to);
}

#endif
