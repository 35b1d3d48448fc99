/* SPDX-License-Identifier: MIT */
/*
 * The handler of SIGSEGV and SIGBUS, on a stack of its own.
 *
 * It runs in the middle of anything, so it first writes what is known by itself, with
 * write(2) and nothing else: who, how big, what to change. Only then are names looked
 * up, which needs no memory and takes no lock that this thread could hold; should that
 * fault, the signal is blocked by then and the kernel ends the program as it would have.
 *
 * A fault that is no overflow goes on to whoever handled it before, or is told and happens
 * again with the default action; so does an overflow once it was told: a core file shows
 * the place itself.
 */
#include "inspect/overflow.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "inspect/symbol.h"

enum {
    SIGNAL_STACK_BYTES = 64 * 1024,
    BELOW_MAX = 64 * 1024 * 1024, /* a frame that begins further below is somebody else's stack */
    LINE_BYTES = 1000,
    PLACE_BYTES = 256,
};

/* At the low end of the signal stack, which nothing reaches. */
struct signal_stack {
    stack_t     earlier; /* the thread's before, or none */
    max_align_t stack[];
};

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

/* ---- a line of text, without stdio ---- */

struct line {
    size_t len;
    char   text[LINE_BYTES];
};

static void add(struct line *line, const char *text)
{
    for (; *text != '\0' && line->len < sizeof line->text - 1; text++)
        line->text[line->len++] = *text;
}

static void add_number(struct line *line, uint64_t number)
{
    char digits[24];
    int  at = sizeof digits;
    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add(line, &digits[at]);
}

static void say(struct line *line)
{
    line->text[line->len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line->text, line->len); // nobody to tell if this fails
    (void)written;
    line->len = 0;
}

/* ---- where it happened ---- */

static uintptr_t stack_pointer_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#elif defined(__riscv)
    return (uintptr_t)context->uc_mcontext.__gregs[REG_SP];
#else
    (void)context;
    return 0;
#endif
}

static uintptr_t program_counter_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#elif defined(__riscv)
    return (uintptr_t)context->uc_mcontext.__gregs[REG_PC];
#else
    (void)context;
    return 0;
#endif
}

/* The stack on which the task was running, when this fault is its overflow: it touched the
 * guard, or one large frame took its stack pointer past it. */
static const struct stack *overflown(const struct worker *w, const void *address, uintptr_t sp)
{
    if (w == NULL || w->current == NULL)
        return NULL;
    uintptr_t           floor = (uintptr_t)w->current->floor;
    const struct stack *its = hob__stack_find(&w->stacks, (const void *)floor, true);
    bool                touched_guard = (uintptr_t)address - (floor - STACK_PAGE) < STACK_PAGE;
    bool                is_below = sp != 0 && sp < floor && floor - sp < BELOW_MAX;
    return touched_guard || is_below ? its : NULL;
}

/* ---- telling ---- */

static void add_task(struct line *line, const struct task *task)
{
    add(line, " in task ");
    add_number(line, task->id);
    if (task->name[0] != '\0') {
        add(line, " \"");
        add(line, task->name);
        add(line, "\"");
    }
}

static void say_fault(const struct task *task, int signal, const siginfo_t *info)
{
    struct line line = { 0 };
    bool        is_null = signal == SIGSEGV && info->si_code == SEGV_MAPERR &&
                   (uintptr_t)info->si_addr < STACK_PAGE;
    add(&line, signal == SIGSEGV ? "hob: SIGSEGV" : "hob: SIGBUS");
    add_task(&line, task);
    add(&line, is_null ? ": a NULL pointer was followed." : ".");
    say(&line);
}

static void say_overflow(const struct task *task, const struct stack *stack)
{
    struct line line = { 0 };
    size_t      kib = hob__stack_bytes(stack) / 1024;
    bool        is_largest = stack->class_index == STACK_CLASSES - 1;
    bool        is_borrowed = stack != task->stack;

    add(&line, "hob: stack overflow");
    add_task(&line, task);
    add(&line, is_borrowed ? ": the stack that it borrowed by hob_call_deep has "
                           : ": its stack has ");
    add_number(&line, kib);
    add(&line, " KiB.");
    say(&line);

    if (is_largest) {
        add(&line, "  No stack is larger. Recurse less deeply, or keep large arrays off the stack.");
    } else {
        add(&line, "  Give it more");
        if (is_borrowed)
            add(&line, ": hob_call_deep(");
        else if (task->id == 1)
            add(&line, ": hob_run_with(&(hob_run_opts){ .stack_bytes = ");
        else
            add(&line, ": hob_go_with(..., &(hob_task_opts){ .stack_bytes = ");
        add_number(&line, kib * 4);
        add(&line, is_borrowed ? " * 1024, ...)" : " * 1024 }, ...)");
        if (!is_borrowed)
            add(&line, "; or make the one deep call with hob_call_deep()");
        add(&line, "; or keep large arrays off the stack.");
    }
    say(&line);
}

static void say_places(const struct task *task, const char *what, uintptr_t pc)
{
    struct line line = { 0 };
    char        place[PLACE_BYTES];
    add(&line, "  It runs ");
    add(&line, hob__function_name((const void *)task->fn, place, sizeof place));
    add(&line, ", was started at ");
    add(&line, hob_describe_address(task->spawned_at, place, sizeof place));
    if (pc != 0) {
        add(&line, what);
        add(&line, hob_describe_address((const void *)(pc + 1), place, sizeof place));
    }
    add(&line, ".");
    say(&line);
}

static const struct sigaction *earlier_of(int signal)
{
    return signal == SIGSEGV ? &earlier_segv : &earlier_bus;
}

/* Who handles faults may have meant this one, or has words of his own. */
static bool is_handled(int signal)
{
    const struct sigaction *earlier = earlier_of(signal);
    return (earlier->sa_flags & SA_SIGINFO) != 0 ||
           (earlier->sa_handler != SIG_DFL && earlier->sa_handler != SIG_IGN);
}

/* Whoever handled it before; with nobody there, the default, which ends the program. */
static void hand_on(int signal, siginfo_t *info, void *machine_context)
{
    const struct sigaction *earlier = earlier_of(signal);
    bool                    was_sent = info->si_code <= 0; // by kill(2): it will not happen again
    if (earlier->sa_flags & SA_SIGINFO) {
        earlier->sa_sigaction(signal, info, machine_context);
        return;
    }
    if (is_handled(signal)) {
        earlier->sa_handler(signal);
        return;
    }
    if (was_sent && earlier->sa_handler == SIG_IGN)
        return;
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigaction(signal, &plain, NULL); // returning repeats the fault, now fatally
    if (was_sent)
        raise(signal);
}

static void on_fault(int signal, siginfo_t *info, void *machine_context)
{
    const struct worker *w = hob__worker;
    const ucontext_t    *context = machine_context;
    const struct stack  *stack = NULL;
    void               (*last_lines)(void) = __atomic_load_n(&hob__last_lines, __ATOMIC_ACQUIRE);
    if (last_lines != NULL) // they were said before
        last_lines();
    if (info->si_code > 0)
        stack = overflown(w, info->si_addr, stack_pointer_of(context));
    if (stack != NULL) {
        say_overflow(w->current, stack);
        say_places(w->current, ", and overflowed in ", program_counter_of(context));
    } else if (info->si_code > 0 && w != NULL && w->current != NULL && !is_handled(signal)) {
        say_fault(w->current, signal, info);
        say_places(w->current, ", and crashed in ", program_counter_of(context));
    }
    hand_on(signal, info, machine_context);
}

/* ---- installing ---- */

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

/* Gives the signal back, unless the program took it over meanwhile. */
static void give_back(int signal, const struct sigaction *earlier)
{
    struct sigaction now;
    if (hob__sys_sigaction(signal, NULL, &now) == 0 && now.sa_sigaction == on_fault)
        (void)hob__sys_sigaction(signal, earlier, NULL);
}

static void uninstall(void)
{
    take_lock();
    if (--watchers == 0) {
        give_back(SIGSEGV, &earlier_segv);
        give_back(SIGBUS, &earlier_bus);
    }
    give_lock();
}

/* The thread may have a signal stack already, but how large it is was meant for others. */
int hob__overflow_watch(struct worker *w)
{
    void *map;
    int   r = hob__sys_mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &map);
    if (r < 0)
        return r;
    struct signal_stack *own = map;
    stack_t stack = { .ss_sp = own->stack, .ss_size = SIGNAL_STACK_BYTES - sizeof *own };
    r = hob__sys_sigaltstack(&stack, &own->earlier);
    if (r == 0) {
        r = install();
        if (r < 0)
            (void)hob__sys_sigaltstack(&own->earlier, NULL);
    }
    if (r < 0) {
        (void)hob__sys_munmap(map, SIGNAL_STACK_BYTES);
        return r;
    }
    w->signal_stack = own;
    return 0;
}

void hob__overflow_unwatch(struct worker *w)
{
    struct signal_stack *own = w->signal_stack;
    if (own == NULL)
        return;
    uninstall();
    stack_t earlier = own->earlier;
    (void)sigaltstack(&earlier, NULL); // not to be made to fail: the memory goes away
    (void)hob__sys_munmap(own, SIGNAL_STACK_BYTES);
    w->signal_stack = NULL;
}
