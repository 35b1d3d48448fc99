/* SPDX-License-Identifier: MIT */
/*
 * A task that runs over the end of its stack touches the guard below it and gets SIGSEGV (on
 * some machines SIGBUS). The handler runs on the thread's alternate signal stack, says which
 * task it was, where it was started, how big its stack is and what to change, and lets the
 * signal happen again with its default action: a core file with the culprit on its stack.
 *
 * Faults elsewhere go to whoever handled the signal before.
 */
#include "inspect/overflow.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "inspect/report.h"

enum { SIGNAL_STACK_BYTES = 64 * 1024 };

static struct sigaction earlier_segv, earlier_bus;
static int              watchers; /* threads that watch; guarded by `lock` */
static volatile int     lock;

static void take_lock(void)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        ;
}

static void give_lock(void)
{
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void say_overflow(const struct worker *w, const struct stack *stack)
{
    const struct task *task = w->current;
    char               who[600], text[1200];
    size_t             kib = hob__stack_bytes(stack) / 1024;
    if (task == NULL) {
        hob__report(w, "hob: stack overflow in a callback or the loop");
        return;
    }
    hob__describe_task(task, who, sizeof who);
    snprintf(text, sizeof text,
             "hob: stack overflow in %s; its stack has %zu KiB%s. Give it more with "
             "hob_go_with(..., &(hob_task_opts){ .stack_bytes = %zu * 1024 }), make the one deep "
             "call with hob_call_deep(), or keep large arrays off the stack.",
             who, kib, stack != task->stack ? " (borrowed by hob_call_deep)" : "", kib * 4);
    hob__report(w, "%s", text);
}

static void on_fault(int signal, siginfo_t *info, void *machine_context)
{
    struct worker      *w = hob__worker;
    const struct stack *stack =
        w != NULL ? hob__stack_find(&w->stacks, info->si_addr, false) : NULL;
    const struct sigaction *earlier = signal == SIGSEGV ? &earlier_segv : &earlier_bus;
    if (stack != NULL) {
        say_overflow(w, stack);
        earlier = NULL;
    }
    if (earlier != NULL && (earlier->sa_flags & SA_SIGINFO) && earlier->sa_sigaction != NULL) {
        earlier->sa_sigaction(signal, info, machine_context);
        return;
    }
    if (earlier != NULL && earlier->sa_handler != SIG_DFL && earlier->sa_handler != SIG_IGN) {
        earlier->sa_handler(signal);
        return;
    }
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigaction(signal, &plain, NULL); // returning repeats the fault, now fatally
}

static int install(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    int              r = 0;
    take_lock();
    if (watchers == 0) {
        r = hob__sys_sigaction(SIGSEGV, &action, &earlier_segv);
        if (r == 0) {
            r = hob__sys_sigaction(SIGBUS, &action, &earlier_bus);
            if (r < 0)
                (void)hob__sys_sigaction(SIGSEGV, &earlier_segv, NULL);
        }
    }
    if (r == 0)
        watchers++;
    give_lock();
    return r;
}

static void uninstall(void)
{
    take_lock();
    if (--watchers == 0) {
        (void)hob__sys_sigaction(SIGSEGV, &earlier_segv, NULL);
        (void)hob__sys_sigaction(SIGBUS, &earlier_bus, NULL);
    }
    give_lock();
}

int hob__overflow_watch(struct worker *w)
{
    stack_t now;
    if (hob__sys_sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE) &&
        now.ss_size >= SIGNAL_STACK_BYTES / 4)
        return install(); // the program, or a sanitizer, has one already

    void *map;
    int   r = hob__sys_mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &map);
    if (r < 0)
        return r;
    stack_t mine = { .ss_sp = map, .ss_size = SIGNAL_STACK_BYTES };
    r = hob__sys_sigaltstack(&mine, NULL);
    if (r == 0)
        r = install();
    if (r < 0) {
        (void)hob__sys_munmap(map, SIGNAL_STACK_BYTES);
        return r;
    }
    w->signal_stack = map;
    return 0;
}

void hob__overflow_unwatch(struct worker *w)
{
    if (watchers > 0)
        uninstall();
    if (w->signal_stack == NULL)
        return;
    stack_t off = { .ss_flags = SS_DISABLE };
    (void)hob__sys_sigaltstack(&off, NULL);
    (void)hob__sys_munmap(w->signal_stack, SIGNAL_STACK_BYTES);
    w->signal_stack = NULL;
}
