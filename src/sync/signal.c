/* SPDX-License-Identifier: MIT */
/*
 * hob/signal.h.
 *
 *     the kernel ──▶ on_signal, in any thread: a bit in each stream that wants it,
 *                       │                      and mail to its worker, if none is on its way
 *                       ▼
 *     the worker's loop: whoever waits takes a bit
 *
 * The handler takes no lock: it reads the registry, a table whose places are written under
 * one. Who takes a stream out of it waits until no handler is at work, before the stream is freed.
 *
 * Memory: a stream; the registry grows, and is freed with its last stream.
 */
#include "sync/signal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/sim.h"

enum { SIGNALS = 64 };

struct registry {
    size_t                        cap;
    _Atomic(struct hob_signals *) at[]; /* NULL: a free place */
};

static _Atomic(struct registry *) registry;
static atomic_uint                handlers; /* at work */
static atomic_int                 owner;    /* the process whose listeners these are */

/* Under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t          streams;
static struct {
    unsigned         users;
    struct sigaction before;
} held[SIGNALS + 1];

static uint64_t bit_of(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

static struct hob_signals *stream_from(hob_signals *s, const char *caller)
{
    if (hob_unlikely(s->tag != TAG_SIGNALS))
        hob__misuse_of(caller, "this is no open stream of signals");
    if (hob_unlikely(s->thing.worker != hob__worker))
        hob__misuse_of(caller, "it belongs to another worker; only that one may use it");
    return s;
}

/* ---- what comes ---- */

/* Also in a signal handler. */
static void note(struct hob_signals *s, uint64_t bit)
{
    atomic_fetch_or(&s->pending, bit);
    if (!atomic_exchange(&s->thing.worker->signal_posted, true))
        hob__mail_post(s->thing.worker, &s->thing.worker->signal_mail);
}

/* Tells those who want it: users, or the runs that it is to stop. Returns whether there were any. */
static bool tell(struct registry *r, int signal, bool is_stop)
{
    bool told = false;
    for (size_t i = 0; r != NULL && i < r->cap; i++) {
        struct hob_signals *s = atomic_load(&r->at[i]);
        if (s == NULL || s->is_stop != is_stop || (s->wanted & bit_of(signal)) == 0)
            continue;
        told = true;
        if (is_stop)
            hob__stop_signalled(s->thing.worker->crew, signal);
        else
            note(s, bit_of(signal));
    }
    return told;
}

/* A child of fork() that has not exec'd yet has our handlers, but nobody who would listen. */
static bool is_for_forked_child(int signal)
{
    if (getpid() == atomic_load(&owner))
        return false;
    (void)hob__sys_sigaction(signal, &held[signal].before, NULL);
    (void)raise(signal);
    return true;
}

static void on_signal(int signal)
{
    int saved = errno;
    if (is_for_forked_child(signal))
        return;
    atomic_fetch_add(&handlers, 1);
    struct registry *r = atomic_load(&registry);
    if (!tell(r, signal, false))
        tell(r, signal, true);
    atomic_fetch_sub(&handlers, 1);
    errno = saved;
}

static int take(struct hob_signals *s)
{
    uint64_t pending = atomic_load(&s->pending);
    if (pending == 0)
        return -EAGAIN;
    int signal = __builtin_ctzll(pending) + 1;
    atomic_fetch_and(&s->pending, ~bit_of(signal));
    return signal;
}

static void leave(struct op *op)
{
    list_remove(&op->link);
    if (op->waits_outside)
        crew_waited_outside(op->worker->crew);
    op->waits_outside = 0;
}

static void serve(struct hob_signals *s)
{
    int signal;
    while (!list_is_empty(&s->waiting) && (signal = take(s)) > 0) {
        struct op *op = container_of(list_first(&s->waiting), struct op, link);
        leave(op);
        hob__op_finish_local(op, signal);
    }
}

static void open_mail(struct worker *w, struct mail *mail)
{
    (void)mail;
    atomic_store(&w->signal_posted, false); // before looking: what comes later posts again
    list_for_each(node, &w->signals)
        serve(container_of(node, struct hob_signals, link));
}

/* ---- holding signals ---- */

/* Their dispositions are nobody else's while somebody listens. Under the lock. */
static int hold(int signal)
{
    struct sigaction before, ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
    if (held[signal].users++ > 0)
        return 0;
    sigfillset(&ours.sa_mask);
    atomic_store(&owner, getpid());
    held[signal].before = (struct sigaction){ .sa_handler = SIG_DFL }; // until it is known
    int r = hob__sys_sigaction(signal, &ours, &before);
    if (r < 0)
        held[signal].users--;
    else if (before.sa_handler != on_signal)
        held[signal].before = before;
    return r;
}

static void let_go(int signal)
{
    struct sigaction now = { .sa_handler = on_signal };
    if (--held[signal].users > 0)
        return;
    (void)hob__sys_sigaction(signal, NULL, &now);
    if (now.sa_handler == on_signal) // else somebody has set another since
        (void)hob__sys_sigaction(signal, &held[signal].before, NULL);
}

static void let_go_of_all(uint64_t signals)
{
    for (int signal = 1; signal <= SIGNALS; signal++) {
        if (signals & bit_of(signal))
            let_go(signal);
    }
}

static int hold_all(uint64_t signals)
{
    uint64_t so_far = 0;
    for (int signal = 1; signal <= SIGNALS; signal++) {
        if ((signals & bit_of(signal)) == 0)
            continue;
        int r = hold(signal);
        if (r < 0) {
            let_go_of_all(so_far);
            return r;
        }
        so_far |= bit_of(signal);
    }
    return 0;
}

/* ---- the registry, under the lock ---- */

static void wait_for_handlers(void)
{
    while (atomic_load(&handlers) != 0)
        sched_yield();
}

static int find_place(struct registry *r, const struct hob_signals *s, size_t *ret_at)
{
    for (size_t i = 0; r != NULL && i < r->cap; i++) {
        if (atomic_load(&r->at[i]) == s) {
            *ret_at = i;
            return 0;
        }
    }
    return -ENOENT;
}

static int grow_registry(void)
{
    struct registry *old = atomic_load(&registry);
    size_t           cap = old != NULL ? 2 * old->cap : 8;
    struct registry *grown = hob__alloc_zero(sizeof *grown + cap * sizeof grown->at[0]);
    if (grown == NULL)
        return -ENOMEM;
    grown->cap = cap;
    for (size_t i = 0; old != NULL && i < old->cap; i++)
        atomic_store(&grown->at[i], atomic_load(&old->at[i]));
    atomic_store(&registry, grown);
    wait_for_handlers();
    hob__free(old);
    return 0;
}

static int add_to_registry(struct hob_signals *s)
{
    size_t at = 0;
    if (find_place(atomic_load(&registry), NULL, &at) < 0) {
        int r = grow_registry();
        if (r < 0)
            return r;
        (void)find_place(atomic_load(&registry), NULL, &at);
    }
    atomic_store(&atomic_load(&registry)->at[at], s);
    streams++;
    return 0;
}

static void remove_from_registry(struct hob_signals *s)
{
    struct registry *r = atomic_load(&registry);
    size_t           at;
    if (find_place(r, s, &at) < 0)
        return;
    atomic_store(&r->at[at], NULL);
    if (--streams == 0)
        atomic_store(&registry, NULL);
    wait_for_handlers();
    if (streams == 0)
        hob__free(r);
}

static void stop_listening(struct hob_signals *s)
{
    pthread_mutex_lock(&lock);
    let_go_of_all(s->wanted);
    remove_from_registry(s);
    pthread_mutex_unlock(&lock);
}

static int listen_for(struct hob_signals *s)
{
    pthread_mutex_lock(&lock);
    int r = add_to_registry(s);
    if (r == 0) {
        r = hold_all(s->wanted);
        if (r < 0)
            remove_from_registry(s);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

/* ---- the run's own ---- */

/* Under the lock. What somebody listens for already has its true effect in `held`. */
static bool has_default_effect(int signal)
{
    struct sigaction now = { .sa_handler = SIG_IGN };
    if (held[signal].users > 0)
        return held[signal].before.sa_handler == SIG_DFL;
    (void)hob__sys_sigaction(signal, NULL, &now);
    return now.sa_handler == SIG_DFL;
}

int hob__signals_open_stop(struct worker *w, struct hob_signals **ret_signals)
{
    uint64_t wanted = 0;
    pthread_mutex_lock(&lock);
    for (int signal = 1; signal <= SIGNALS; signal++) {
        if (hob__stop_is_signal(signal) && has_default_effect(signal))
            wanted |= bit_of(signal);
    }
    pthread_mutex_unlock(&lock);
    if (wanted == 0)
        return 0;
    struct hob_signals *s = hob__alloc_zero(sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->tag = TAG_SIGNALS;
    s->thing.worker = w; // but nobody's to close, so in no list
    s->wanted = wanted;
    s->is_stop = true;
    list_init(&s->waiting);
    int r = listen_for(s);
    if (r < 0)
        hob__free(s);
    else
        *ret_signals = s;
    return r;
}

void hob__signals_close_stop(struct hob_signals *s)
{
    stop_listening(s);
    s->tag = TAG_FREED;
    hob__free(s);
}

void hob__signals_forget(void)
{
    atomic_store(&registry, NULL);
    for (int signal = 1; signal <= SIGNALS; signal++) {
        if (held[signal].users > 0)
            (void)hob__sys_sigaction(signal, &held[signal].before, NULL);
    }
}

/* ---- the calls ---- */

static bool can_be_held(int signal)
{
    static const int never[] = { SIGKILL, SIGSTOP, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                 SIGTRAP, SIGABRT, SIGSYS };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (signal == never[i])
            return false;
    }
    return signal > 0 && signal <= SIGNALS;
}

static void free_thing(struct thing *thing)
{
    hob_signals_close(container_of(thing, struct hob_signals, thing));
}

static const struct thing_kind kind = { "a stream of signals", "hob_signals_close", free_thing };

static int signals_open(const int *signals, const void *made_at, hob_signals **ret_signals)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_signals_open: called outside of hob_run");
    uint64_t wanted = 0;
    for (; *signals != 0; signals++) {
        if (!can_be_held(*signals))
            return -EINVAL;
        wanted |= bit_of(*signals);
    }
    struct hob_signals *s = hob__alloc_zero(sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->tag = TAG_SIGNALS;
    s->wanted = wanted;
    list_init(&s->waiting);
    w->signal_mail.open = open_mail;
    hob__thing_open(&s->thing, &kind, made_at);
    int r = w->seeded ? 0 : listen_for(s); // from here on the handler may look at it
    if (r < 0) {
        hob__thing_close(&s->thing);
        hob__free(s);
        return r;
    }
    list_push_back(&w->signals, &s->link);
    *ret_signals = s;
    return 0;
}

int hob_signals_open(const int *signals, hob_signals **ret_signals)
{
    return signals_open(signals, __builtin_return_address(0), ret_signals);
}

void hob_signals_close(hob_signals *signals)
{
    if (signals == NULL)
        return;
    struct hob_signals *s = stream_from(signals, "hob_signals_close");
    if (!s->thing.worker->seeded)
        stop_listening(s);
    list_remove(&s->link);
    hob__thing_close(&s->thing);
    while (!list_is_empty(&s->waiting)) {
        struct op *op = container_of(list_first(&s->waiting), struct op, link);
        leave(op);
        hob__op_finish_local(op, -ECANCELED);
    }
    s->tag = TAG_FREED;
    hob__free(s);
}

static void start(struct op *op)
{
    struct hob_signals *s = op->local.on;
    int signal = list_is_empty(&s->waiting) ? take(s) : -EAGAIN;
    if (signal > 0) {
        op->result = signal;
        op->state = OP_DONE;
        return;
    }
    op->worker = s->thing.worker;
    op->state = OP_FLYING;
    list_push_back(&s->waiting, &op->link);
    op->waits_outside = !s->thing.worker->seeded;
    if (op->waits_outside)
        crew_waits_outside(s->thing.worker->crew);
}

static bool withdraw(struct op *op)
{
    leave(op);
    return true;
}

int hob__signals_try(struct hob_signals *s)
{
    return take(stream_from(s, "hob_signals_next"));
}

void hob__signals_give_back(struct hob_signals *s, int signal)
{
    note(s, bit_of(signal));
}

void hob__signals_op_init(struct op *op, struct hob_signals *s)
{
    op->kind = OP_SIGNAL;
    op->local.start = start;
    op->local.withdraw = withdraw;
    op->local.on = stream_from(s, "hob_signals_next");
}

int hob_signals_next(hob_signals *signals)
{
    struct op op = { .state = OP_IDLE };
    hob__signals_op_init(&op, signals);
    hob__op_await(&op);
    return (int)op.result;
}

void hob_signals_next_prep(hob_op *op, hob_signals *signals)
{
    hob__signals_op_init(hob__op_prep(op, OP_SIGNAL, NULL), signals);
}

int hob_signal_wait(const int *signals)
{
    hob_signals *s;
    int          r = signals_open(signals, __builtin_return_address(0), &s);
    if (r < 0)
        return r;
    r = hob_signals_next(s);
    hob_signals_close(s);
    return r;
}

int hob_sim_raise(int signal)
{
    struct worker *w = hob__worker;
    hob_require(w != NULL, "hob_sim_raise: called outside of hob_run");
    if (!w->seeded)
        return -ENOTSUP;
    if (!can_be_held(signal))
        return -EINVAL;
    bool told = false;
    for (uint32_t i = 0; i < w->crew->count; i++) {
        struct worker *there = w->crew->workers[i];
        if (there == NULL)
            continue;
        list_for_each(node, &there->signals) {
            struct hob_signals *s = container_of(node, struct hob_signals, link);
            if ((s->wanted & bit_of(signal)) == 0)
                continue;
            told = true;
            if (there != w) {
                note(s, bit_of(signal));
                continue;
            }
            atomic_fetch_or(&s->pending, bit_of(signal));
            serve(s);
        }
    }
    if (!told && w->crew->stop.by_sim && hob__stop_is_signal(signal))
        hob__stop_signalled(w->crew, signal);
    return 0;
}
