/* SPDX-License-Identifier: MIT */
/* The first code of a task, and a call on another stack, for x86-64. See switch.h. */

    .text

/* The end of every backtrace: there is no caller, and the tables say so.
 *
 * The function is entered by a jump, with a return address that nobody returns to. A call
 * would push onto the processor's return stack, and then every return of whoever this task
 * switches to when it ends would be mispredicted. */
    .globl hob__context_entry
    .hidden hob__context_entry
    .type hob__context_entry, @function
    .p2align 4
hob__context_entry:
    .cfi_startproc
    .cfi_undefined %rip
    .cfi_undefined %rbp
    endbr64
    movq 0(%rsp), %rax
    movq 8(%rsp), %rdi
    leaq 1f(%rip), %rcx
    addq $8, %rsp
    movq %rcx, 0(%rsp)
    xorl %ebp, %ebp
    jmp *%rax
    nop
1:  ud2
    .cfi_endproc
    .size hob__context_entry, . - hob__context_entry

/* int hob__call_on(void *top, int (*fn)(void *), void *arg) */
    .globl hob__call_on
    .hidden hob__call_on
    .type hob__call_on, @function
    .p2align 4
hob__call_on:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    movq %rdi, %rsp
    andq $-16, %rsp
    movq %rdx, %rdi
    call *%rsi
    movq %rbp, %rsp
    popq %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size hob__call_on, . - hob__call_on

/* This code works without a shadow stack only, so it does not claim SHSTK: the
 * loader then leaves shadow stacks off for the program. */
    .section .note.GNU-stack, "", @progbits
