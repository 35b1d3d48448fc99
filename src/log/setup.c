/* SPDX-License-Identifier: MIT */
/*
 * How the log is set up, and when it has a writer.
 *
 * There is one setup at a time, which many may be using, and at most one writer that takes lines. Both
 * are reached under `state`, for a moment, and then held by a count: a setup is freed by the last who
 * lets go; who takes a writer away waits for the others, and they hold it only while they copy a line.
 *
 * `control` orders those who change them: short, too, so that the first line of a run may start its
 * writer. Stopping one, which can take long, is done by who took it away, with no lock.
 */
#include "log/setup.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/time.h"
#include "log/crash.h"

enum {
    BUFFER_BYTES = 256 * 1024,
    BUFFER_BYTES_MIN = 16 * 1024,
    SITE_PER_S = 1000,
    ROTATE_KEEP = 5,
    ROTATE_KEEP_MAX = 1000,
    SUFFIX_BYTES = 8, /* of the names of older files */
    NOT_ASKED = HOB_LOG_TRACE + 1,
};

#define END_LIMIT   (1 * HOB_SEC) /* at the end of a run */
#define SETUP_LIMIT (1 * HOB_SEC)

static struct setup        first = { .config = { .level = HOB_LOG_INFO,
                                                 .form = HOB_LOG_FORM_AUTO,
                                                 .rotate_keep = ROTATE_KEEP,
                                                 .buffer_bytes = BUFFER_BYTES,
                                                 .site_per_s = SITE_PER_S },
                                     .refs = 2 };
static struct lock         state;          /* of the next three                     */
static struct setup       *setup = &first;
static struct log_writer  *writer;         /* NULL: none                            */
static uint32_t            runs;           /* with threads                          */
static pthread_mutex_t     control = PTHREAD_MUTEX_INITIALIZER;
struct log_muted           hob__log_muted;
static atomic_uint         reopens;

int hob_log_limit = NOT_ASKED;

/* ---- holding ---- */

struct held hob__log_hold(void)
{
    lock_take(&state);
    struct held held = { setup, writer, runs > 0 };
    held.setup->refs++;
    if (writer != NULL)
        writer->users++;
    lock_give(&state);
    return held;
}

void hob__log_let_go(struct held *held)
{
    lock_take(&state);
    bool last = --held->setup->refs == 0;
    if (held->writer != NULL)
        held->writer->users--;
    lock_give(&state);
    if (last) {
        hob__log_config_fini(&held->setup->config);
        hob__free(held->setup);
    }
}

/* Puts another in its place, which may be NULL. Under `control`. */
static struct log_writer *replace_writer(struct log_writer *new_writer)
{
    lock_take(&state);
    struct log_writer *old = writer;
    writer = new_writer;
    lock_give(&state);
    hob__log_crash_watch(new_writer);
    return old;
}

/* Stops one that was replaced, once nobody holds it any more. */
static void stop_writer(struct log_writer *old, int64_t limit_ns)
{
    if (old == NULL)
        return;
    for (bool is_held = true; is_held;) {
        lock_take(&state);
        is_held = old->users > 0;
        lock_give(&state);
        if (is_held)
            sched_yield();
    }
    hob__log_writer_stop(old, limit_ns);
}

bool hob__log_in_run(void)
{
    lock_take(&state);
    bool in_run = runs > 0;
    lock_give(&state);
    return in_run;
}

bool hob__log_ensure_writer(struct held *held)
{
    struct log_writer *started = NULL;
    pthread_mutex_lock(&control);
    lock_take(&state);
    bool          is_missing = writer == NULL && runs > 0;
    struct setup *now = setup; // nobody replaces it meanwhile
    lock_give(&state);
    if (is_missing && hob__log_writer_start(&now->config, &hob__log_muted, &started) == 0)
        (void)replace_writer(started);
    lock_take(&state);
    held->writer = writer;
    if (writer != NULL)
        writer->users++;
    lock_give(&state);
    pthread_mutex_unlock(&control);
    return held->writer != NULL;
}

/* ---- configs ---- */

int hob__log_config_copy(const struct log_config *config, struct log_config *ret_config)
{
    *ret_config = *config;
    if (config->path != NULL) {
        ret_config->path = hob__strdup(config->path);
        if (ret_config->path == NULL)
            return -ENOMEM;
    }
    return 0;
}

void hob__log_config_fini(struct log_config *config)
{
    hob__free(config->path);
    config->path = NULL;
}

/* JOURNAL_STREAM is "device:inode" of the stream to the journal: whether standard error is still
 * that one. */
static bool goes_to_the_journal(void)
{
    const char        *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat        st;
    return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static int form_by(int form, const struct log_config *config)
{
    const char *env = getenv("HOB_LOG_FORM");
    if (env != NULL && strcmp(env, "json") == 0)
        form = HOB_LOG_FORM_JSON;
    else if (env != NULL && strcmp(env, "text") == 0)
        form = HOB_LOG_FORM_TEXT;
    else if (env != NULL && strcmp(env, "journal") == 0)
        form = HOB_LOG_FORM_JOURNAL;
    if (form != HOB_LOG_FORM_AUTO)
        return form;
    bool to_stderr = config->path == NULL && config->write == NULL;
    return to_stderr && goes_to_the_journal() ? HOB_LOG_FORM_JOURNAL : HOB_LOG_FORM_TEXT;
}

static int level_by(int level)
{
    const char *env = getenv("HOB_LOG_LEVEL");
    int         asked = env != NULL ? hob__log_level_of(env) : 0;
    return asked != 0 ? asked : level != 0 ? level : HOB_LOG_INFO;
}

static void set_limit(int level)
{
    __atomic_store_n(&hob_log_limit, level, __ATOMIC_RELAXED);
}

static void ask_environment(void)
{
    first.config.form = form_by(HOB_LOG_FORM_AUTO, &first.config);
    int unset = NOT_ASKED, level = level_by(0);
    (void)__atomic_compare_exchange_n(&hob_log_limit, &unset, level, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED);
    (void)atexit(hob__log_at_exit); // without: what is buffered when exit(3) ends a run is lost
}

void hob__log_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_environment);
}

void hob_log_set_level(int level)
{
    hob__log_begin();
    set_limit(level);
}

int hob_log_level(void)
{
    hob__log_begin();
    return __atomic_load_n(&hob_log_limit, __ATOMIC_RELAXED);
}

void hob_log_reopen(void)
{
    atomic_fetch_add(&reopens, 1);
}

unsigned hob__log_reopens(void)
{
    return atomic_load_explicit(&reopens, memory_order_relaxed);
}

/* ---- setting up ---- */

static int complete(const hob_log_opts *opts, struct log_config *ret_config)
{
    struct log_config c = {
        .level = level_by(opts->level),
        .rotate_bytes = opts->rotate_bytes > 0 ? opts->rotate_bytes : 0,
        .rotate_keep = opts->rotate_keep != 0 ? opts->rotate_keep : ROTATE_KEEP,
        .buffer_bytes = opts->buffer_bytes != 0 ? opts->buffer_bytes : BUFFER_BYTES,
        .site_per_s = opts->site_per_s != 0 ? opts->site_per_s : SITE_PER_S,
        .write = opts->write,
        .write_arg = opts->write_arg,
        .path = opts->write == NULL ? (char *)(uintptr_t)opts->path : NULL,
        .is_given = opts->path != NULL || opts->write != NULL,
    };
    if (c.rotate_keep > ROTATE_KEEP_MAX)
        c.rotate_keep = ROTATE_KEEP_MAX;
    if (c.buffer_bytes < BUFFER_BYTES_MIN)
        c.buffer_bytes = BUFFER_BYTES_MIN;
    c.form = form_by((int)opts->form, &c);
    if (c.path != NULL && strlen(c.path) + SUFFIX_BYTES > PATH_MAX)
        return -ENAMETOOLONG;
    return hob__log_config_copy(&c, ret_config);
}

/* Better told now than by lines that are not there. */
static int try_to_open(const struct log_config *config)
{
    struct worker  *w = hob__worker;
    bool            in_sim = w != NULL && w->crew->simulated;
    struct log_sink sink = { .config = config,
                             .disk = in_sim ? &hob__log_disk_sim : &hob__log_disk_real };
    if (config->path == NULL)
        return 0;
    int r = hob__log_sink_open(&sink);
    hob__log_sink_close(&sink);
    return r;
}

static void swap_setup(struct setup *new_setup)
{
    struct held old = { 0 };
    lock_take(&state);
    old.setup = setup;
    setup = new_setup;
    lock_give(&state);
    hob__log_let_go(&old);
}

static struct setup *new_setup_of(const hob_log_opts *opts, int *ret_error)
{
    struct setup *s = hob__alloc_zero(sizeof *s);
    *ret_error = -ENOMEM;
    if (s == NULL)
        return NULL;
    s->refs = 1;
    atomic_store(&s->number, hob__log_next_number());
    *ret_error = complete(opts, &s->config);
    if (*ret_error == 0)
        *ret_error = try_to_open(&s->config);
    if (*ret_error < 0) {
        hob__log_config_fini(&s->config);
        hob__free(s);
        return NULL;
    }
    return s;
}

/* With a writer of its own if there was one, which writes when the old one has ended. */
static int install(struct setup *s)
{
    struct log_writer *old = NULL, *next = NULL;
    int                r = 0;
    pthread_mutex_lock(&control);
    lock_take(&state);
    bool has_writer = writer != NULL;
    lock_give(&state);
    if (has_writer)
        r = hob__log_writer_start(&s->config, &hob__log_muted, &next);
    if (r == 0) {
        set_limit(s->config.level);
        swap_setup(s);
        if (has_writer)
            old = replace_writer(next);
    }
    pthread_mutex_unlock(&control);
    stop_writer(old, SETUP_LIMIT);
    return r;
}

int hob_log_setup(const hob_log_opts *opts)
{
    static const hob_log_opts defaults;
    int                       r;
    hob__log_begin();
    if (hob__worker != NULL && hob__worker->crew->simulated) {
        if (hob__worker->crew->log != NULL)
            (void)!hob_log_flush(SETUP_LIMIT); // what is not written then is given up
        hob__log_sim_renew(hob__worker->crew);
    }
    struct setup *s = new_setup_of(opts != NULL ? opts : &defaults, &r);
    if (s == NULL)
        return r;
    r = install(s);
    if (r < 0) {
        hob__log_config_fini(&s->config);
        hob__free(s);
    }
    return r;
}

/* ---- runs ---- */

void hob__log_run_begins(void)
{
    lock_take(&state);
    runs++;
    lock_give(&state);
}

void hob__log_run_ends(void)
{
    struct log_writer *old = NULL;
    pthread_mutex_lock(&control);
    lock_take(&state);
    bool last = --runs == 0;
    lock_give(&state);
    if (last)
        old = replace_writer(NULL);
    pthread_mutex_unlock(&control);
    stop_writer(old, END_LIMIT);
}

void hob__log_forget(void)
{
    state = (struct lock){ 0 };
    pthread_mutex_init(&control, NULL);
    hob__log_output_forget();
    hob__log_muted = (struct log_muted){ 0 };
    writer = NULL;
    runs = 0;
    hob__log_forget_line();
    hob__log_crash_forget();
}

void hob__log_reset(void)
{
    hob__log_begin();
    first.refs++; // it is static
    atomic_store(&first.number, hob__log_next_number());
    swap_setup(&first);
    set_limit(level_by(0));
    hob__log_muted = (struct log_muted){ 0 };
}
