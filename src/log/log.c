/* SPDX-License-Identifier: MIT */
/*
 * Saying a line: who says it, whether it may, how it is made, and which way it goes. log.h has the map.
 */
#include "log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "core/crew.h"
#include "core/local.h"
#include "core/worker.h"
#include "hob/time.h"
#include "log/setup.h"
#include "sync/pool.h"

enum { LOCALS_MAX = 8 };

#define LOOK_AGAIN (1 * HOB_MSEC) /* whether an older writer has ended */

static hob__log_tee_fn *tee;
static __thread bool    is_logging;

/* ---- counts ---- */

static struct {
    atomic_ullong lines, dropped, suppressed, failures, rotations;
    atomic_int    last_error;
} counts;

uint32_t hob__log_next_number(void)
{
    static atomic_uint numbers;
    return atomic_fetch_add(&numbers, 1) + 1;
}

void hob__log_failed(int error)
{
    atomic_fetch_add(&counts.failures, 1);
    atomic_store(&counts.last_error, error);
}

void hob__log_rotated(void)
{
    atomic_fetch_add(&counts.rotations, 1);
}

void hob__log_dropped(uint64_t lines)
{
    if (lines > 0)
        atomic_fetch_add(&counts.dropped, lines);
}

void hob_log_stats_get(hob_log_stats *ret_stats)
{
    *ret_stats = (hob_log_stats){
        .lines = atomic_load(&counts.lines),
        .dropped = atomic_load(&counts.dropped),
        .suppressed = atomic_load(&counts.suppressed),
        .failures = atomic_load(&counts.failures),
        .rotations = atomic_load(&counts.rotations),
        .last_error = atomic_load(&counts.last_error),
    };
}

/* ---- who logs ---- */

struct speaker {
    struct worker *worker; /* NULL: a thread outside       */
    struct crew   *in_sim; /* the crew of a simulated run  */
    struct task   *task;
    int64_t        now_ns;
    int64_t        wall_ns;
};

static struct speaker who_speaks(void)
{
    struct speaker who = { .worker = hob__worker, .task = hob__task_self() };
    if (who.worker == NULL)
        who.worker = hob__job_simulator();
    if (who.worker != NULL && who.worker->backend != NULL) {
        struct backend *backend = who.worker->backend;
        who.in_sim = who.worker->crew->simulated ? who.worker->crew : NULL;
        who.now_ns = backend->type->now(backend);
        who.wall_ns = backend->type->wall_now(backend);
        return who;
    }
    who.worker = NULL;
    who.now_ns = hob__sys_clock_ns(CLOCK_MONOTONIC);
    who.wall_ns = hob__sys_clock_ns(CLOCK_REALTIME);
    return who;
}

/* Where a line is made: of the worker, so that no task's stack grows by it; others have large ones. */
struct scratch {
    char line[LOG_LINE_BYTES];
    char message[LOG_MESSAGE_BYTES];
};

static struct scratch *scratch_of(struct scratch *own)
{
    struct worker *w = hob__worker;
    if (w == NULL)
        return own;
    if (w->log_scratch == NULL)
        w->log_scratch = hob__alloc(sizeof(struct scratch));
    return w->log_scratch;
}

static size_t locals_of(const struct task *task, hob_log_field *fields)
{
    size_t count = 0;
    if (task == NULL)
        return 0;
    for (const struct local_frame *frame = task->locals; frame != NULL; frame = frame->outer) {
        const hob_local_key *key = frame->key;
        if (!key->is_logged || count == LOCALS_MAX)
            continue;
        fields[count++] = (hob_log_field){
            key->name != NULL ? key->name : "local",
            key->is_text ? hob_log_text(frame->value) : hob_log_pointer(frame->value),
        };
    }
    return count;
}

/* ---- delivering ---- */

/* By who logs, who has the output. What nobody reads is waited for: there is no task to be held up. */
static void write_here(const struct log_config *config, const char *line, size_t len)
{
    struct log_sink sink = { .config = config, .disk = &hob__log_disk_real };
    ssize_t         n = 1;
    for (size_t at = 0; at < len && n > 0; at += n > 0 ? (size_t)n : 0) {
        do
            n = hob__log_sink_write(&sink, line + at, len - at);
        while (n == -EAGAIN && config->write == NULL);
    }
    hob__log_sink_close(&sink);
    hob__log_output_give();
    if (n < 0)
        hob__log_dropped(1);
}

static void put(struct held *held, const char *line, size_t len)
{
    if (held->writer != NULL || hob__log_ensure_writer(held))
        hob__log_writer_put(held->writer, line, len);
    else
        hob__log_dropped(1);
}

/* Outside of a run, unless one begins while the writer of another is still writing. */
static void write_or_put(struct held *held, const char *line, size_t len)
{
    while (!hob__log_output_take(true)) {
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN }, NULL);
        held->in_run = hob__log_in_run();
        if (held->in_run) {
            put(held, line, len);
            return;
        }
    }
    write_here(&held->setup->config, line, len);
}

static void deliver(struct held *held, const struct speaker *who, const char *line, size_t len)
{
    const struct log_config *config = &held->setup->config;
    atomic_fetch_add_explicit(&counts.lines, 1, memory_order_relaxed);
    if (who->in_sim != NULL && config->path != NULL && config->write == NULL)
        hob__log_sim_put(who->in_sim, config, line, len);
    else if (who->in_sim != NULL && hob__log_output_take(false))
        write_here(config, line, len);
    else if (!held->in_run)
        write_or_put(held, line, len);
    else
        put(held, line, len);
}

static void say(struct held *held, const struct speaker *who, const struct log_entry *entry)
{
    struct scratch  on_stack, *scratch = scratch_of(&on_stack);
    hob__log_tee_fn *to_test = __atomic_load_n(&tee, __ATOMIC_ACQUIRE);
    if (scratch == NULL) {
        hob__log_dropped(1);
        return;
    }
    if (to_test != NULL)
        to_test(scratch->line, hob__log_compose(entry, LOG_FORM_BARE, scratch->line));
    if (to_test == NULL || held->setup->config.is_given)
        deliver(held, who, scratch->line,
                hob__log_compose(entry, held->setup->config.form, scratch->line));
}

size_t hob__log_compose_own(const struct log_config *config, const hob_log_site *site, int level,
                            int64_t wall_ns, const char *message, const char *name, uint64_t count,
                            char *line)
{
    char          text[128];
    hob_log_field field = { name, hob_log_uint(count) };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, message, (unsigned long long)count);
#pragma GCC diagnostic pop
    struct log_entry entry = {
        .level = level,
        .wall_ns = wall_ns,
        .message = text,
        .fields = &field,
        .count = 1,
        .worker = -1,
        .file = site != NULL ? site->file : NULL,
        .line = site != NULL ? site->line : 0,
    };
    return hob__log_compose(&entry, config->form, line);
}

static void say_muted(struct held *held, const struct speaker *who, const hob_log_site *site,
                      int level, uint64_t count)
{
    char          text[64];
    hob_log_field field = { "suppressed", hob_log_uint(count) };
    snprintf(text, sizeof text, "suppressed %llu more of this", (unsigned long long)count);
    struct log_entry entry = { .level = level, .wall_ns = who->wall_ns, .message = text,
                               .fields = &field, .count = 1, .worker = -1,
                               .file = site->file, .line = site->line };
    say(held, who, &entry);
}

void hob__log_tell_muted(const hob_log_site *site, int level, uint64_t count)
{
    struct held    held = hob__log_hold();
    struct speaker who = who_speaks();
    is_logging = true;
    say_muted(&held, &who, site, level, count);
    is_logging = false;
    hob__log_let_go(&held);
}

/* ---- logging ---- */

/* Somebody is to look when its second is over. */
static void note_muted(struct held *held, const struct speaker *who, hob_log_site *site)
{
    if (who->in_sim != NULL) {
        struct log_muted *list = hob__log_sim_sites(who->in_sim, &held->setup->config);
        if (list != NULL) {
            hob__log_muted_add(list, site);
            hob__log_sim_muted(who->in_sim, &held->setup->config);
        }
        return;
    }
    hob__log_muted_add(&hob__log_muted, site);
    if (held->writer != NULL)
        hob__log_writer_look(held->writer);
}

static bool may_say(struct held *held, const struct speaker *who, hob_log_site *site, int level)
{
    const struct log_config *config = &held->setup->config;
    uint64_t                 untold;
    bool                     is_first;
    if (config->site_per_s < 0)
        return true;
    uint32_t number = who->in_sim != NULL ? hob__log_sim_number(who->in_sim, config)
                                           : atomic_load(&held->setup->number);
    bool     may = hob__log_site_admit(site, level, number, who->now_ns, (uint32_t)config->site_per_s,
                                       &untold, &is_first);
    if (untold > 0)
        say_muted(held, who, site, level, untold);
    if (!may)
        atomic_fetch_add_explicit(&counts.suppressed, 1, memory_order_relaxed);
    if (is_first)
        note_muted(held, who, site);
    return may;
}

static void write_entry(hob_log_site *site, int level, const char *message,
                        const hob_log_field *fields, size_t count)
{
    hob_log_field  more[LOCALS_MAX];
    struct held    held = hob__log_hold();
    struct speaker who = who_speaks();
    if (may_say(&held, &who, site, level)) {
        struct log_entry entry = {
            .level = level,
            .wall_ns = who.wall_ns,
            .message = message,
            .fields = fields,
            .count = count,
            .more = more,
            .more_count = locals_of(who.task, more),
            .task = who.task != NULL ? who.task->id : 0,
            .task_name = who.task != NULL ? who.task->name : "",
            .worker = who.worker != NULL ? (int64_t)who.worker->number : -1,
            .file = site->file,
            .line = site->line,
        };
        say(&held, &who, &entry);
    }
    hob__log_let_go(&held);
}

/* A line in the middle of a line: of a function of the user's that takes lines, or a handler. */
static bool begin_line(int level)
{
    hob__log_begin();
    if (level > __atomic_load_n(&hob_log_limit, __ATOMIC_RELAXED))
        return false;
    if (is_logging) {
        hob__log_dropped(1);
        return false;
    }
    is_logging = true;
    return true;
}

void hob_log_write(hob_log_site *site, int level, const char *message, const hob_log_field *fields,
                   size_t count)
{
    int before = errno;
    if (begin_line(level)) {
        write_entry(site, level, message, fields, count);
        is_logging = false;
    }
    errno = before;
}

void hob_log_printf(hob_log_site *site, int level, const char *format, ...)
{
    int before = errno;
    if (begin_line(level)) {
        struct scratch  on_stack, *scratch = scratch_of(&on_stack);
        va_list         args;
        va_start(args, format);
        errno = before; // for %m
        int n = scratch != NULL
                    ? vsnprintf(scratch->message, sizeof scratch->message, format, args) : -1;
        va_end(args);
        if (n >= 0)
            write_entry(site, level, scratch->message, NULL, 0);
        else
            hob__log_dropped(1);
        is_logging = false;
    }
    errno = before;
}

void hob_log_report(void *arg, const char *text)
{
    static hob_log_site site;
    (void)arg;
    if (strncmp(text, "hob: ", 5) == 0)
        text += 5;
    text += strspn(text, " ");
    hob_log_write(&site, HOB_LOG_WARNING, text, NULL, 0);
}

/* ---- for others ---- */

void hob__log_tee(hob__log_tee_fn *fn)
{
    __atomic_store_n(&tee, fn, __ATOMIC_RELEASE);
}

void hob__log_forget_line(void)
{
    is_logging = false;
}
