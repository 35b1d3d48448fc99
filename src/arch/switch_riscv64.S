/* SPDX-License-Identifier: MIT */
/* The first code of a task, and a call on another stack, for riscv64. See switch.h. */

    .text

/* The end of every backtrace: there is no caller, and the tables say so. */
    .globl hob__context_entry
    .hidden hob__context_entry
    .type hob__context_entry, @function
    .p2align 2
hob__context_entry:
    .cfi_startproc
    .cfi_undefined ra
    .cfi_undefined s0
    ld t2, 0(sp)
    ld a0, 8(sp)
    li s0, 0
    la ra, 1f
    jr t2
    nop
1:  ebreak
    .cfi_endproc
    .size hob__context_entry, . - hob__context_entry

/* int hob__call_on(void *top, int (*fn)(void *), void *arg) */
    .globl hob__call_on
    .hidden hob__call_on
    .type hob__call_on, @function
    .p2align 2
hob__call_on:
    .cfi_startproc
    addi sp, sp, -16
    .cfi_def_cfa_offset 16
    sd ra, 8(sp)
    sd s0, 0(sp)
    .cfi_offset ra, -8
    .cfi_offset s0, -16
    addi s0, sp, 16
    .cfi_def_cfa s0, 0
    andi sp, a0, -16
    mv t0, a1
    mv a0, a2
    jalr ra, t0, 0
    addi sp, s0, -16
    .cfi_def_cfa sp, 16
    ld ra, 8(sp)
    ld s0, 0(sp)
    addi sp, sp, 16
    .cfi_def_cfa_offset 0
    .cfi_restore ra
    .cfi_restore s0
    ret
    .cfi_endproc
    .size hob__call_on, . - hob__call_on

    .section .note.GNU-stack, "", @progbits
