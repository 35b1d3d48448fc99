/* SPDX-License-Identifier: MIT */
/* The swap for x86-64 (System V ABI). See switch.h. */
#ifndef HOB_ARCH_SWITCH_X86_64_H
#define HOB_ARCH_SWITCH_X86_64_H

#ifdef __AVX512F__
#define HOB_CLOBBER_AVX512                                                                       \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5",      \
        "k6", "k7"
#else
#define HOB_CLOBBER_AVX512
#endif

static inline __attribute__((always_inline)) void hob__swap(struct context *from,
                                                            struct context *to)
{
    // The landing is marked for indirect branch tracking, should a kernel ask for it.
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, 0(%0)\n\t"
                     "movq %%rsp, 8(%0)\n\t"
                     "movq %%rbp, 16(%0)\n\t"
                     "movq 8(%1), %%rsp\n\t"
                     "movq 16(%1), %%rbp\n\t"
                     "jmpq *0(%1)\n"
                     "1:\tendbr64\n\t"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15" HOB_CLOBBER_AVX512, "cc", "memory");
}

#endif
