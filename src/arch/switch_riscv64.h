/* SPDX-License-Identifier: MIT */
/* The swap for riscv64 (LP64D). See switch.h. gp and tp stay. */
#ifndef HOB_ARCH_SWITCH_RISCV64_H
#define HOB_ARCH_SWITCH_RISCV64_H

static inline __attribute__((always_inline)) void hob__swap(struct context *from,
                                                            struct context *to)
{
    register struct context *a0 __asm__("a0") = from;
    register struct context *a1 __asm__("a1") = to;
    __asm__ volatile("la t0, 1f\n\t"
                     "sd t0, 0(%0)\n\t"
                     "sd sp, 8(%0)\n\t"
                     "sd s0, 16(%0)\n\t"
                     "ld t0, 0(%1)\n\t"
                     "ld sp, 8(%1)\n\t"
                     "ld s0, 16(%1)\n\t"
                     "jr t0\n"
                     "1:\n\t"
                     : "+r"(a0), "+r"(a1)
                     :
                     : "ra", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a2", "a3", "a4", "a5", "a6",
                       "a7", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
                       "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "ft8", "ft9",
                       "ft10", "ft11", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",
                       "fs0", "fs1", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9",
                       "fs10", "fs11", "memory");
}

#endif
