/* SPDX-License-Identifier: MIT */
#include "log/writer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"
#include "hob/time.h"

enum { THREAD_STACK_BYTES = 256 * 1024 };

#define RETRY   (250 * HOB_MSEC) /* after an error, which mostly is a full disk            */
#define HURRY   (10 * HOB_MSEC)  /* the same, when the run wants to end                     */
#define LAST    (500 * HOB_MSEC) /* that a writer has to end in when it was to give up      */
#define A_LITTLE (1 * HOB_MSEC)  /* for somebody else who writes                           */

static int64_t now(void)
{
    return hob__sys_clock_ns(CLOCK_MONOTONIC);
}

/* ---- whose turn it is ---- */

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static struct lock     line_lock; /* of the next */
static struct list     line = { { &line.head, &line.head } };

static void join_line(struct log_writer *w)
{
    lock_take(&line_lock);
    list_push_back(&line, &w->line);
    lock_give(&line_lock);
}

/* The second time it has no effect. */
static void leave_line(struct log_writer *w)
{
    lock_take(&line_lock);
    if (w->line.next != NULL)
        list_remove(&w->line);
    w->line.next = NULL;
    lock_give(&line_lock);
}

static bool is_first(struct log_writer *w)
{
    lock_take(&line_lock);
    bool first = list_first(&line) == &w->line;
    lock_give(&line_lock);
    return first;
}

bool hob__log_output_take(bool alone)
{
    pthread_mutex_lock(&output);
    lock_take(&line_lock);
    bool may = !alone || list_is_empty(&line);
    lock_give(&line_lock);
    if (!may)
        pthread_mutex_unlock(&output);
    return may;
}

void hob__log_output_give(void)
{
    pthread_mutex_unlock(&output);
}

void hob__log_output_forget(void)
{
    pthread_mutex_init(&output, NULL);
    line_lock = (struct lock){ 0 };
    list_init(&line);
}

static void wait_for(int64_t ns)
{
    nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* ---- writing ---- */

/* When all has left, the next block, with a line about what did not fit into it. */
static bool turn(struct log_buffer *b, const struct log_config *config, int64_t wall_ns)
{
    char     line[LOG_LINE_BYTES];
    size_t   len = 0;
    uint64_t dropped = hob__log_buffer_dropped(b);
    if (dropped > 0)
        len = hob__log_compose_own(config, NULL, HOB_LOG_WARNING, wall_ns,
                                   "dropped %llu lines here: the log was full", "dropped", dropped,
                                   line);
    return hob__log_buffer_turn(b, line, len, dropped);
}

enum log_step hob__log_write_some(struct log_buffer *b, struct log_sink *sink, int64_t wall_ns)
{
    if (!log_buffer_begin(b)) { // a crash handler writes, and mostly nothing comes after that
        wait_for(A_LITTLE);
        return LOG_WROTE;
    }
    size_t        left = atomic_load(&b->left), len = atomic_load(&b->leaving->len);
    enum log_step step = LOG_EMPTY;
    if (left < len || turn(b, sink->config, wall_ns)) {
        left = atomic_load(&b->left);
        len = atomic_load(&b->leaving->len);
        ssize_t n = hob__log_sink_write(sink, b->leaving->text + left, len - left);
        step = n == -EAGAIN && sink->config->write == NULL ? LOG_WROTE : n < 0 ? LOG_STUCK : LOG_WROTE;
        if (n > 0)
            hob__log_buffer_advance(b, (size_t)n);
    }
    log_buffer_end(b);
    return step;
}

/* ---- the thread ---- */

static void tell_muted(struct log_writer *w, bool all, int64_t *ret_next_ns)
{
    char          line[LOG_LINE_BYTES];
    int           level;
    uint64_t      count;
    hob_log_site *site;
    int64_t       wall_ns = hob__sys_clock_ns(CLOCK_REALTIME);
    while ((site = hob__log_muted_take(w->muted, now(), all, &level, &count, ret_next_ns)) != NULL) {
        size_t len = hob__log_compose_own(&w->config, site, level, wall_ns,
                                          "suppressed %llu more of this", "suppressed", count, line);
        if (!hob__log_buffer_put(&w->buffer, line, len))
            hob__log_dropped(1);
    }
}

/* Until somebody wakes it, unless that was since `seen`, or the time has come. */
static void sleep_until(struct log_writer *w, unsigned seen, int64_t deadline_ns, bool for_lines)
{
    atomic_store(&w->sleeps, for_lines);
    bool has_come = for_lines && (hob__log_buffer_mark(&w->buffer) > atomic_load(&w->buffer.gone) ||
                                  hob__log_buffer_dropped(&w->buffer) > 0);
    if (!has_come)
        hob__sys_futex_wait_until(&w->wakes, seen, deadline_ns);
    atomic_store(&w->sleeps, false);
}

static enum log_step write_in_turn(struct log_writer *w)
{
    if (pthread_mutex_trylock(&output) != 0) { // who writes outside of runs may wait there for ever
        wait_for(A_LITTLE);
        return LOG_WROTE;
    }
    enum log_step step = hob__log_write_some(&w->buffer, &w->sink, hob__sys_clock_ns(CLOCK_REALTIME));
    pthread_mutex_unlock(&output);
    return step;
}

static void *write_all(void *arg)
{
    struct log_writer *w = arg;
    while (!is_first(w) && !atomic_load(&w->giving_up))
        wait_for(A_LITTLE);
    while (!atomic_load(&w->giving_up)) {
        unsigned      seen = atomic_load(&w->wakes);
        bool          stopping = atomic_load(&w->stopping); // before looking: then this was all
        int64_t       next_ns;
        tell_muted(w, stopping, &next_ns);
        enum log_step step = write_in_turn(w);
        if (step == LOG_EMPTY && stopping)
            break;
        if (step == LOG_EMPTY)
            sleep_until(w, seen, next_ns, true);
        else if (step == LOG_STUCK && stopping)
            wait_for(HURRY);
        else if (step == LOG_STUCK)
            sleep_until(w, seen, now() + RETRY, false);
    }
    hob__log_dropped(hob__log_buffer_abandon(&w->buffer));
    hob__log_sink_close(&w->sink);
    leave_line(w);
    atomic_store(&w->ended, 1);
    hob__sys_futex_wake(&w->ended, 1);
    return NULL;
}

/* ---- starting ---- */

/* Faults of its own are for those who look at faults; all other signals are for the program. */
static int create_thread(struct log_writer *w)
{
    pthread_attr_t attr;
    sigset_t       all, before;
    if (hob__fault() || pthread_attr_init(&attr) != 0)
        return -EAGAIN;
    sigfillset(&all);
    for (const int *fault = (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, 0 };
         *fault != 0; fault++)
        sigdelset(&all, *fault);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&w->thread, &attr, write_all, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r == 0)
        pthread_setname_np(w->thread, "hob-log");
    return -r;
}

static void writer_free(struct log_writer *w)
{
    hob__log_buffer_fini(&w->buffer);
    hob__log_config_fini(&w->config);
    hob__free(w);
}

int hob__log_writer_start(const struct log_config *config, struct log_muted *muted,
                          struct log_writer **ret_writer)
{
    static atomic_ullong numbers;
    struct log_writer   *w = hob__alloc_zero(sizeof *w);
    if (w == NULL)
        return -ENOMEM;
    w->number = atomic_fetch_add(&numbers, 1) + 1;
    w->muted = muted;
    int r = hob__log_config_copy(config, &w->config);
    if (r == 0)
        r = hob__log_buffer_init(&w->buffer, w->config.buffer_bytes);
    w->sink = (struct log_sink){ .config = &w->config, .disk = &hob__log_disk_real };
    if (r == 0) {
        join_line(w);
        r = create_thread(w);
    }
    if (r < 0) {
        leave_line(w);
        writer_free(w);
        return r;
    }
    *ret_writer = w;
    return 0;
}

/* ---- from other threads ---- */

static void wake_up(struct log_writer *w)
{
    atomic_fetch_add(&w->wakes, 1);
    hob__sys_futex_wake(&w->wakes, 1);
}

void hob__log_writer_look(struct log_writer *w)
{
    wake_up(w);
}

static void wake_for_line(struct log_writer *w)
{
    if (atomic_load(&w->sleeps) && atomic_exchange(&w->sleeps, false))
        wake_up(w);
}

void hob__log_writer_put(struct log_writer *w, const char *line, size_t len)
{
    if (!hob__log_buffer_put(&w->buffer, line, len))
        hob__log_dropped(1);
    wake_for_line(w);
}

static bool has_ended(struct log_writer *w, int64_t deadline_ns)
{
    while (atomic_load(&w->ended) == 0 && now() < deadline_ns)
        hob__sys_futex_wait_until(&w->ended, 0, deadline_ns);
    return atomic_load(&w->ended) != 0;
}

void hob__log_writer_stop(struct log_writer *w, int64_t limit_ns)
{
    atomic_store(&w->stopping, true);
    wake_up(w);
    bool ended = has_ended(w, now() + limit_ns);
    if (!ended) {
        atomic_store(&w->giving_up, true);
        wake_up(w);
        ended = has_ended(w, now() + LAST);
    }
    if (!ended) { // in write(2), on what takes nothing: its memory is its own from now on
        leave_line(w);
        pthread_detach(w->thread);
        return;
    }
    pthread_join(w->thread, NULL);
    writer_free(w);
}
