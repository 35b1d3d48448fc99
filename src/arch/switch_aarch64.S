/* SPDX-License-Identifier: MIT */
/* The first code of a task, and a call on another stack, for aarch64. See switch.h. */

    .text

/* The end of every backtrace: there is no caller, and the tables say so. */
    .globl hob__context_entry
    .hidden hob__context_entry
    .type hob__context_entry, %function
    .p2align 4
hob__context_entry:
    .cfi_startproc
    .cfi_undefined x30
    .cfi_undefined x29
    hint #36
    ldp x16, x0, [sp]
    mov x29, #0
    adr x30, 1f
    br x16
    nop
1:  brk #1
    .cfi_endproc
    .size hob__context_entry, . - hob__context_entry

/* int hob__call_on(void *top, int (*fn)(void *), void *arg) */
    .globl hob__call_on
    .hidden hob__call_on
    .type hob__call_on, %function
    .p2align 4
hob__call_on:
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    .cfi_def_cfa_register x29
    and x9, x0, #-16
    mov sp, x9
    mov x0, x2
    blr x1
    mov sp, x29
    .cfi_def_cfa_register sp
    ldp x29, x30, [sp], #16
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size hob__call_on, . - hob__call_on

    .section .note.GNU-stack, "", %progbits
