/* SPDX-License-Identifier: MIT */
/*
 * Switching by ucontext, where there is no assembly for the machine.
 *
 * A suspended context's ucontext_t lies on its own stack, in the frame of
 * hob__swap_generic; `resume` points to it. A new context has none yet: its
 * `resume` is hob__context_entry, which is never called here, only compared.
 */
#include "arch/switch.h"

#ifdef HOB_SWITCH_GENERIC

#include <stdint.h>
#include <ucontext.h>

void hob__context_entry(void)
{
    __builtin_trap();
}

/* makecontext passes ints only: a pointer travels in two halves. */
static void begin(unsigned high, unsigned low)
{
    void **sp = (void **)(uintptr_t)((uint64_t)high << 32 | low);
    void (*entry)(void *) = (void (*)(void *))sp[0];
    entry(sp[1]);
    __builtin_trap();
}

/* How much below the first words a new stack is surely usable. */
enum { FIRST_STACK_BYTES = 32 * 1024 };

void hob__swap_generic(struct context *from, struct context *to)
{
    ucontext_t here, there;
    from->resume = &here;
    if (to->resume != (void *)hob__context_entry) {
        swapcontext(&here, to->resume);
        return;
    }
    getcontext(&there);
    there.uc_stack.ss_sp = (char *)to->sp - FIRST_STACK_BYTES;
    there.uc_stack.ss_size = FIRST_STACK_BYTES;
    there.uc_link = NULL;
    makecontext(&there, (void (*)(void))begin, 2, (unsigned)((uint64_t)(uintptr_t)to->sp >> 32),
                (unsigned)(uintptr_t)to->sp);
    swapcontext(&here, &there);
}

struct call {
    ucontext_t caller;
    int (*fn)(void *arg);
    void *arg;
    int   result;
};

static void call_there(unsigned high, unsigned low)
{
    struct call *call = (struct call *)(uintptr_t)((uint64_t)high << 32 | low);
    call->result = call->fn(call->arg);
    setcontext(&call->caller);
}

int hob__call_on(void *top, int (*fn)(void *arg), void *arg)
{
    struct call call = { .fn = fn, .arg = arg };
    ucontext_t  there;
    getcontext(&there);
    there.uc_stack.ss_sp = (char *)top - FIRST_STACK_BYTES;
    there.uc_stack.ss_size = FIRST_STACK_BYTES;
    there.uc_link = NULL;
    makecontext(&there, (void (*)(void))call_there, 2,
                (unsigned)((uint64_t)(uintptr_t)&call >> 32), (unsigned)(uintptr_t)&call);
    swapcontext(&call.caller, &there);
    return call.result;
}

#endif
