/* SPDX-License-Identifier: MIT */
/*
 * One thread for all workers. Twice within each worker's limit it looks whether the worker is
 * still in the same run: the same turn of the loop and the same switch. The worker does
 * nothing for that; it counts turns and switches anyway.
 *
 * Who holds its worker is read from outside, by a copy that the kernel makes and that cannot
 * fault. Its stack is read by itself, in a signal, because only then does it stand still; but
 * not while it is blocked in a system call, which the signal might cut short.
 *
 * When all workers have slept for a while, so does the watchdog, and the first to wake up wakes
 * it. That is a flag without a fence: should it be missed, the watchdog looks after DOZE_NS.
 *
 * `lock` guards the watches; `starting`, that the thread runs exactly while there are some. The
 * snapshot passes from the watchdog to the handler and back by its state.
 */
#include "inspect/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#else
#define backtrace(pcs, max) 0
#endif

#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"
#include "core/worker.h"
#include "hob/inspect.h"
#include "hob/time.h"
#include "inspect/report.h"
#include "inspect/symbol.h"

enum {
    THREAD_STACK_BYTES = 256 * 1024,
    FRAMES_MAX = 32,
    PLACE_BYTES = 256,
    MISSED_LOOKS = 8, /* so many in a row: not the worker stood still, but the whole program */
};

#define DOZE_AFTER_NS (100 * HOB_MSEC) /* so that it sleeps between the ticks of a program */
#define DOZE_NS       (1 * HOB_SEC)
#define REPORT_EVERY  (1 * HOB_SEC) /* of a worker; the others are only counted */
#define ANSWER_NS     (100 * HOB_MSEC)
#define PERIOD_MIN_NS (1 * HOB_MSEC)

/* What the watchdog knows of a worker. */
struct watch {
    struct list_node link;
    struct worker   *worker;
    pthread_t        thread;
    int              thread_id;
    clockid_t        cpu_clock;
    uint64_t         turns, switches; /* of the run that was seen last      */
    bool             runs;            /* something did                      */
    bool             told;            /* that it takes too long             */
    int64_t          since_ns;        /* seen for the first time            */
    int64_t          since_cpu_ns;
    int64_t          reported_ns;
    uint64_t         untold;          /* slow runs since the last report    */
    uint64_t         slow_runs;       /* atomic                             */
};

static pthread_mutex_t  starting = PTHREAD_MUTEX_INITIALIZER; /* or stopping; taken before `lock` */
static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t   changed;
static struct list      watches = { { &watches.head, &watches.head } };
static pthread_t        thread;
static bool             thread_runs, thread_must_end;
static struct sigaction earlier_urgent;

/* ---- the stack, read by its owner ---- */

enum snapshot_state { NOT_ASKED, ASKED, TAKING, TAKEN };

static struct {
    enum snapshot_state state; /* atomic */
    const struct watch *watch;
    void               *pcs[FRAMES_MAX + 8];
    int                 count;
    uintptr_t           pc;
    sem_t               taken;
} snapshot;

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

static bool snapshot_goes_on(enum snapshot_state from, enum snapshot_state to)
{
    return __atomic_compare_exchange_n(&snapshot.state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void take_snapshot(void *machine_context)
{
    const struct watch  *watch = snapshot.watch;
    const struct worker *w = hob__worker;
    snapshot.count = 0;
    if (w == watch->worker && w->stats.switches == watch->switches) {
        snapshot.pc = program_counter_of(machine_context);
        snapshot.count = backtrace(snapshot.pcs, FRAMES_MAX + 8);
    }
    __atomic_store_n(&snapshot.state, TAKEN, __ATOMIC_RELEASE);
    sem_post(&snapshot.taken);
}

static void on_urgent(int signal, siginfo_t *info, void *machine_context)
{
    int before = errno;
    if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &snapshot) {
        if (snapshot_goes_on(ASKED, TAKING))
            take_snapshot(machine_context);
    } else if (earlier_urgent.sa_flags & SA_SIGINFO) {
        earlier_urgent.sa_sigaction(signal, info, machine_context);
    } else if (earlier_urgent.sa_handler != SIG_DFL && earlier_urgent.sa_handler != SIG_IGN) {
        earlier_urgent.sa_handler(signal);
    }
    errno = before;
}

/* Has the worker's thread read its stack; false when it does not answer in time. */
static bool ask_for_stack(const struct watch *watch)
{
    struct timespec until;
    snapshot.watch = watch;
    __atomic_store_n(&snapshot.state, ASKED, __ATOMIC_RELEASE);
    if (pthread_sigqueue(watch->thread, SIGURG, (union sigval){ .sival_ptr = &snapshot }) != 0)
        return false;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ANSWER_NS;
    until.tv_sec += until.tv_nsec / HOB_SEC;
    until.tv_nsec %= HOB_SEC;
    while (sem_timedwait(&snapshot.taken, &until) < 0) {
        if (errno == ETIMEDOUT && snapshot_goes_on(ASKED, NOT_ASKED))
            return false; // it blocks signals; what comes now is not looked at
        if (errno == ETIMEDOUT)
            usleep(1000); // it is just answering
    }
    __atomic_store_n(&snapshot.state, NOT_ASKED, __ATOMIC_RELAXED);
    return snapshot.count > 0;
}

/* ---- the worker, read while it runs ---- */

/* Words are read whole, and one that is a moment old is as good. */
__attribute__((no_sanitize_thread)) static uint64_t peek(const uint64_t *word)
{
    return *(const volatile uint64_t *)word;
}

__attribute__((no_sanitize_thread)) static struct task *peek_current(const struct worker *w)
{
    return *(struct task *const volatile *)&w->current;
}

/* ---- telling ---- */

/* The task that holds the worker, copied; false when none does any more. */
static bool copy_task(const struct watch *watch, struct task *ret_task)
{
    const struct worker *w = watch->worker;
    struct task         *at = peek_current(w);
    struct iovec         to = { ret_task, sizeof *ret_task }, from = { at, sizeof *at };
    if (at == NULL || process_vm_readv(getpid(), &to, 1, &from, 1, 0) != sizeof *at)
        return false;
    return ret_task->tag == TAG_TASK && ret_task->state == TASK_RUNNING;
}

/* Where the thread is blocked in a system call; 0 when it is not. */
static uintptr_t blocked_at(const struct watch *watch)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", watch->thread_id);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    char *line = fgets(text, sizeof text, file);
    fclose(file);
    if (line == NULL || line[0] < '0' || line[0] > '9')
        return 0;
    char *last = strrchr(line, ' ');
    return last != NULL ? (uintptr_t)strtoull(last, NULL, 16) : 0;
}

static void report_frames(const struct worker *w)
{
    int first = 0, end = snapshot.count;
    while (first < end && (uintptr_t)snapshot.pcs[first] != snapshot.pc)
        first++; // the handler and its trampoline
    if (first == end)
        return;
    snapshot.pcs[first] = (void *)(snapshot.pc + 1); // the others are where calls return to
    hob__symbols_prepare((const void *const *)&snapshot.pcs[first], (size_t)(end - first));
    for (int i = first; i < end; i++) {
        char place[PLACE_BYTES];
        hob__function_name(snapshot.pcs[i], place, sizeof place);
        if (strcmp(place, "task_main") == 0 || strcmp(place, "hob__context_entry") == 0)
            return;
        hob_describe_address(snapshot.pcs[i], place, sizeof place);
        hob__report(w, "  %s %s", i == first ? "in  " : "from", place);
    }
}

static void report(struct watch *watch, int64_t now, int64_t cpu_ns)
{
    const struct worker *w = watch->worker;
    struct task          task;
    char                 who[600], more[80] = "", place[PLACE_BYTES];
    bool                 is_task = copy_task(watch, &task);
    uintptr_t            blocked = blocked_at(watch);
    bool                 has_stack = blocked == 0 && ask_for_stack(watch);
    if (watch->untold > 0)
        snprintf(more, sizeof more, " (%llu slow runs before this one were only counted)",
                 (unsigned long long)watch->untold);
    hob__report(w, "hob: %s has held its worker for %lld ms, and computed for %lld ms of them; "
                   "nobody else runs meanwhile%s. %s",
                is_task                    ? hob__describe_task(&task, who, sizeof who)
                : peek_current(w) != NULL ? "a task (nameless: process_vm_readv is refused here)"
                                          : "a callback",
                (long long)((now - watch->since_ns) / HOB_MSEC), (long long)(cpu_ns / HOB_MSEC),
                more,
                blocked != 0 ? "It is blocked in a system call: use Hob's call for it, or hob_offload."
                : is_task ? "Call hob_checkpoint() in long loops, or give long work to hob_offload."
                          : "Start a task for what takes long.");
    if (blocked != 0)
        hob__report(w, "  blocked in %s",
                    hob_describe_address((const void *)blocked, place, sizeof place));
    else if (has_stack)
        report_frames(w);
}

/* ---- looking ---- */

static int64_t now_ns(void)
{
    return hob__sys_clock_ns(CLOCK_MONOTONIC);
}

static int64_t cpu_now(const struct watch *watch)
{
    struct timespec ts;
    if (clock_gettime(watch->cpu_clock, &ts) < 0)
        return 0;
    return (int64_t)ts.tv_sec * HOB_SEC + ts.tv_nsec;
}

/* Neither computing nor blocked: it would run, but the machine has no processor for it. That is
 * nobody's fault here, and nothing that a task could do better. */
static bool is_starved(const struct watch *watch, int64_t cpu_ns)
{
    return cpu_ns < watch->worker->opts.slow_ns / 2 && blocked_at(watch) == 0;
}

static void look(struct watch *watch, int64_t now)
{
    const struct worker *w = watch->worker;
    uint64_t             switches = peek(&w->stats.switches), turns = peek(&w->stats.turns);
    bool                 runs = !__atomic_load_n(&w->sleeps, __ATOMIC_RELAXED) &&
                !hob__symbols_are_asked_by(watch->thread_id); // a report takes long by itself
    if (runs != watch->runs || switches != watch->switches || turns != watch->turns) {
        watch->runs = runs;
        watch->switches = switches;
        watch->turns = turns;
        watch->since_ns = now;
        watch->since_cpu_ns = runs ? cpu_now(watch) : 0;
        watch->told = false;
        return;
    }
    if (!runs || watch->told || now - watch->since_ns < w->opts.slow_ns)
        return;
    int64_t cpu_ns = cpu_now(watch) - watch->since_cpu_ns;
    if (is_starved(watch, cpu_ns))
        return;
    watch->told = true;
    __atomic_fetch_add(&watch->slow_runs, 1, __ATOMIC_RELAXED);
    if (watch->reported_ns != 0 && now - watch->reported_ns < REPORT_EVERY) {
        watch->untold++;
        return;
    }
    watch->reported_ns = now;
    report(watch, now, cpu_ns);
    watch->untold = 0;
}

/* What was seen to run is too old to be compared with. */
static void forget(int64_t now)
{
    list_for_each(node, &watches) {
        struct watch *watch = container_of(node, struct watch, link);
        if (watch->runs)
            watch->since_ns = now;
    }
}

static bool all_doze(int64_t now)
{
    list_for_each(node, &watches) {
        const struct watch *watch = container_of(node, struct watch, link);
        if (watch->runs || now - watch->since_ns < DOZE_AFTER_NS)
            return false;
    }
    return true;
}

static void say_dozing(bool dozes)
{
    list_for_each(node, &watches)
        __atomic_store_n(&container_of(node, struct watch, link)->worker->watchdog_dozes, dozes,
                         __ATOMIC_RELAXED);
}

static int64_t period(void)
{
    int64_t ns = HOB_SEC;
    list_for_each(node, &watches) {
        int64_t half = container_of(node, struct watch, link)->worker->opts.slow_ns / 2;
        ns = half < ns ? half : ns;
    }
    return ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : ns;
}

static void wait_for(int64_t ns)
{
    int64_t         until = now_ns() + ns;
    struct timespec ts = { until / HOB_SEC, until % HOB_SEC };
    pthread_cond_timedwait(&changed, &lock, &ts);
}

static void *watch_all(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    for (int64_t looked = now_ns(), now; !thread_must_end; looked = now) {
        int64_t next = period();
        bool    dozes = all_doze(looked);
        if (dozes)
            say_dozing(true);
        wait_for(dozes ? DOZE_NS : next);
        if (dozes)
            say_dozing(false);
        now = now_ns();
        if (now - looked > MISSED_LOOKS * next)
            forget(now); // a debugger held the program, or the machine slept
        list_for_each(node, &watches)
            look(container_of(node, struct watch, link), now);
        now = now_ns(); // reports take time
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

void hob__watchdog_rouse(struct worker *w)
{
    __atomic_store_n(&w->watchdog_dozes, false, __ATOMIC_RELAXED);
    pthread_cond_signal(&changed);
}

/* ---- starting and stopping ---- */

static void prepare_once(void)
{
    pthread_condattr_t attr;
    void              *pc[2];
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
    sem_init(&snapshot.taken, 0, 0);
    (void)!backtrace(pc, 2); // loads the unwinder, which a signal handler must not do
}

static int start_thread(void)
{
    struct sigaction action = { .sa_sigaction = on_urgent,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    sigset_t       all, before;
    pthread_attr_t attr;
    if (hob__fault() || pthread_attr_init(&attr) != 0)
        return -EAGAIN;
    (void)hob__sys_sigaction(SIGURG, &action, &earlier_urgent);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_must_end = false;
    int r = pthread_create(&thread, &attr, watch_all, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0)
        (void)hob__sys_sigaction(SIGURG, &earlier_urgent, NULL);
    return -r;
}

static void stop_thread(void)
{
    struct sigaction now;
    pthread_join(thread, NULL);
    thread_runs = false;
    if (hob__sys_sigaction(SIGURG, NULL, &now) == 0 && now.sa_sigaction == on_urgent)
        (void)hob__sys_sigaction(SIGURG, &earlier_urgent, NULL);
}

/* In the child of a fork: the thread is the parent's, and so is what it was doing. */
void hob__watchdog_forget(void)
{
    pthread_mutex_init(&starting, NULL);
    pthread_mutex_init(&lock, NULL);
    list_init(&watches);
    thread_runs = false;
}

static struct watch *watch_new(struct worker *w)
{
    struct watch *watch = hob__alloc_zero(sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->worker = w;
    watch->thread = pthread_self();
    watch->thread_id = (int)syscall(SYS_gettid);
    watch->since_ns = now_ns();
    if (pthread_getcpuclockid(watch->thread, &watch->cpu_clock) != 0)
        watch->cpu_clock = CLOCK_PROCESS_CPUTIME_ID;
    return watch;
}

int hob__watchdog_start(struct worker *w)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (w->opts.slow_ns < 0 || w->seeded)
        return 0;
    pthread_once(&once, prepare_once);
    struct watch *watch = watch_new(w);
    int           r = watch != NULL ? 0 : -ENOMEM;
    pthread_mutex_lock(&starting);
    if (r == 0 && !thread_runs) {
        r = start_thread();
        thread_runs = r == 0;
    }
    if (r == 0) {
        pthread_mutex_lock(&lock);
        list_push_back(&watches, &watch->link);
        pthread_cond_signal(&changed); // it may have to look more often
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&starting);
    if (r == 0) {
        w->watchdog = watch;
        return 0;
    }
    hob__free(watch);
    hob__report(w, "hob: no watchdog (%s): a task that holds its worker will not be told of",
                hob_strerror(r));
    return 0;
}

void hob__watchdog_stop(struct worker *w)
{
    struct watch *watch = w->watchdog;
    if (watch == NULL)
        return;
    pthread_mutex_lock(&starting);
    pthread_mutex_lock(&lock);
    list_remove(&watch->link);
    thread_must_end = list_is_empty(&watches);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    if (thread_must_end)
        stop_thread();
    pthread_mutex_unlock(&starting);
    hob__free(watch);
    w->watchdog = NULL;
}

uint64_t hob__watchdog_slow_runs(const struct worker *w)
{
    const struct watch *watch = w->watchdog;
    return watch != NULL ? __atomic_load_n(&watch->slow_runs, __ATOMIC_RELAXED) : 0;
}
