/* SPDX-License-Identifier: MIT */
/*
 * Switching stacks: the only place that knows the machine.
 *
 * A context is where a suspended flow of control goes on: an address, a stack
 * pointer and a frame pointer. Everything else the compiler saves around the
 * switch, because the switch declares that it destroys all registers. Nothing is
 * pushed, so the unwinding tables of the function that contains the switch hold
 * for a suspended one too: a debugger needs the three words and nothing more.
 *
 * The other side is entered by a jump, not by a return: a return that does not
 * match its call is mispredicted every time (2.7 ns against 7.8). All parks go
 * through one function (core/task.c), so the returns after it match again.
 *
 * Not switched: the floating-point control words (MXCSR, the x87 control word,
 * FPCR, fcsr). A task that changes the rounding mode must restore it before it
 * waits. That costs 3-4 ns otherwise, for all.
 *
 * hob__swap() is in switch_<machine>.h; hob__context_entry and hob__call_on are in
 * switch_<machine>.S; switch_generic.[ch] does all three by ucontext.
 *
 * AddressSanitizer and ThreadSanitizer are told of every switch here, Valgrind of
 * every stack in core/stack.c.
 */
#ifndef HOB_ARCH_SWITCH_H
#define HOB_ARCH_SWITCH_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define HOB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOB_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HOB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HOB_TSAN 1
#endif
#endif

struct context {
    void *resume; /* the address to go on at */
    void *sp;
    void *fp;
#ifdef HOB_ASAN
    void       *fake_stack;
    const void *stack_low;
    size_t      stack_bytes;
#endif
#ifdef HOB_TSAN
    void *fiber;
#endif
};

/* Suspends `from` here and goes on in `to`. Returns when somebody swaps to `from`. */
static inline void hob__swap(struct context *from, struct context *to);

/* The first code of a new context: calls the function that lies at the stack
 * pointer with the word above it as argument. That function never returns. */
void hob__context_entry(void);

/* Calls fn(arg) with the stack pointer at `top`, and returns what it returned. */
int hob__call_on(void *top, int (*fn)(void *arg), void *arg);

#if defined(HOB_SWITCH_GENERIC)
#include "arch/switch_generic.h"
#elif defined(__x86_64__)
#include "arch/switch_x86_64.h"
#elif defined(__aarch64__)
#include "arch/switch_aarch64.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "arch/switch_riscv64.h"
#else
#define HOB_SWITCH_GENERIC 1
#include "arch/switch_generic.h"
#endif

#ifdef HOB_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HOB_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Makes `ctx` a flow of control that begins with entry(arg) on the stack
 * [low, top); `top` is rounded down. entry must call hob__switch_arrived first. */
static inline void hob__context_init(struct context *ctx, void *low, void *top,
                                     void (*entry)(void *arg), void *arg)
{
    void **sp = (void **)((uintptr_t)top & ~(uintptr_t)15);
    *--sp = NULL;
    *--sp = NULL;
    *--sp = arg;
    *--sp = (void *)entry;
    ctx->resume = (void *)hob__context_entry;
    ctx->sp = sp;
    ctx->fp = NULL;
    (void)low;
#ifdef HOB_ASAN
    ctx->fake_stack = NULL;
    ctx->stack_low = low;
    ctx->stack_bytes = (size_t)((char *)top - (char *)low);
#endif
#ifdef HOB_TSAN
    ctx->fiber = __tsan_create_fiber(0);
#endif
}

/* Makes `ctx` stand for the thread's own stack, before its first switch away. */
static inline void hob__context_of_thread(struct context *ctx)
{
    (void)ctx;
#ifdef HOB_ASAN
    ctx->fake_stack = NULL;
    ctx->stack_low = NULL; // learnt at the first arrival in a task
    ctx->stack_bytes = 0;
#endif
#ifdef HOB_TSAN
    ctx->fiber = __tsan_get_current_fiber();
#endif
}

/* What a new context calls first; `from` is the context that switched to it. */
static inline void hob__switch_arrived(struct context *self, struct context *from)
{
    (void)self;
    (void)from;
#ifdef HOB_ASAN
    const void *low;
    size_t      bytes;
    __sanitizer_finish_switch_fiber(self->fake_stack, &low, &bytes);
    if (from != NULL && from->stack_low == NULL) {
        from->stack_low = low;
        from->stack_bytes = bytes;
    }
#endif
}

static inline __attribute__((always_inline)) void hob__switch(struct context *from,
                                                              struct context *to)
{
#ifdef HOB_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_bytes);
#endif
#ifdef HOB_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    hob__swap(from, to);
    hob__switch_arrived(from, NULL);
}

/* The last switch of a context that ends here: does not return. */
static inline __attribute__((always_inline)) void hob__switch_last(struct context *from,
                                                                   struct context *to)
{
#ifdef HOB_ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_bytes);
#endif
#ifdef HOB_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    hob__swap(from, to);
}

/* Frees what the sanitizers keep for a context that has ended. Called elsewhere. */
static inline void hob__context_fini(struct context *ctx)
{
    (void)ctx;
#ifdef HOB_TSAN
    __tsan_destroy_fiber(ctx->fiber);
#endif
}

#endif
