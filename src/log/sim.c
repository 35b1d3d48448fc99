/* SPDX-License-Identifier: MIT */
/*
 * The log of a simulated run, as far as it needs the simulated disk or the virtual clock.
 *
 * A line goes into a buffer of the crew's, and a mail to worker 0 says so; there a task is started in
 * the root scope "log", which writes until the buffer is empty, and ends. So a seed repeats a run, a
 * call of HOB_LOG is never a place where others run, and nobody sleeps for ever. The file is open
 * only meanwhile. A task that cannot be started leaves the lines to the next one.
 *
 * In the same way one is started that sleeps until the second of a muted place is over, and tells.
 *
 * When the main task has ended, the tasks are cancelled as all in root scopes are: what can be written
 * still is, and then nobody waits for the disk any more.
 *
 * Threads: only one, that of the run.
 */
#include <errno.h>

#include "base/alloc.h"
#include "core/crew.h"
#include "core/worker.h"
#include "hob/time.h"
#include "log/buffer.h"
#include "log/log.h"
#include "log/site.h"
#include "log/writer.h"

#define RETRY (250 * HOB_MSEC)

struct log_sim {
    struct crew      *crew;
    struct log_buffer buffer;
    struct log_config config;
    struct log_muted  muted;
    uint32_t          number; /* of this run, for log/site.h */
    struct mail       mail;
    struct log_sim   *older;  /* in crew.log_older, once it was replaced */
    bool              is_posted;
    bool              is_writing;
    bool              is_waiting; /* for the second of a muted place */
};

/* ---- the tasks ---- */

/* Returns whether it is worth another try. */
static bool write_in_shield(struct log_sim *sim)
{
    struct log_sink sink = { .config = &sim->config, .disk = &hob__log_disk_sim };
    enum log_step   step = LOG_EMPTY;
    HOB_SHIELD(HOB_MINUTE) {
        do
            step = hob__log_write_some(&sim->buffer, &sink, hob_wall_now());
        while (step == LOG_WROTE);
    }
    hob__log_sink_close(&sink);
    return step == LOG_STUCK;
}

static int write_all(void *arg)
{
    struct log_sim *sim = arg;
    while (write_in_shield(sim)) {
        if (hob_sleep(RETRY) < 0)
            break;
    }
    sim->is_writing = false;
    return 0;
}

static int tell_later(void *arg)
{
    struct log_sim *sim = arg;
    hob_log_site   *site;
    int             level;
    uint64_t        count;
    int64_t         next_ns = 0;
    while (next_ns != INT64_MAX) {
        bool cancelled = hob_sleep_until(next_ns) < 0;
        while ((site = hob__log_muted_take(&sim->muted, hob_now(), cancelled, &level, &count,
                                           &next_ns)) != NULL)
            hob__log_tell_muted(site, level, count);
    }
    sim->is_waiting = false;
    return 0;
}

static bool start(hob_task_fn *fn, struct log_sim *sim)
{
    hob_scope    *root = hob_root("log");
    hob_task_opts opts = { .name = "log" };
    return root != NULL && hob__task_start(scope_from(root), fn, sim, &opts,
                                           (const void *)(uintptr_t)fn, NULL, NULL) == 0;
}

static void open_mail(struct worker *w, struct mail *mail)
{
    struct log_sim *sim = container_of(mail, struct log_sim, mail);
    (void)w;
    sim->is_posted = false;
    bool lines = hob__log_buffer_mark(&sim->buffer) > atomic_load(&sim->buffer.gone) ||
                 hob__log_buffer_dropped(&sim->buffer) > 0;
    if (lines && !sim->is_writing) {
        sim->is_writing = true; // before it is started: it may have ended when that returns
        if (!start(write_all, sim))
            sim->is_writing = false;
    }
    if (sim->muted.count > 0 && !sim->is_waiting) {
        sim->is_waiting = true;
        if (!start(tell_later, sim))
            sim->is_waiting = false;
    }
}

/* ---- from log.c ---- */

static struct log_sim *log_of(struct crew *crew, const struct log_config *config)
{
    struct log_sim *sim = crew->log;
    if (sim != NULL)
        return sim;
    sim = hob__alloc_zero(sizeof *sim);
    if (sim == NULL)
        return NULL;
    int r = hob__log_config_copy(config, &sim->config);
    if (r == 0)
        r = hob__log_buffer_init(&sim->buffer, config->buffer_bytes);
    if (r < 0) {
        hob__log_config_fini(&sim->config);
        hob__free(sim);
        return NULL;
    }
    sim->crew = crew;
    sim->number = hob__log_next_number();
    sim->mail.open = open_mail;
    return crew->log = sim;
}

static void post(struct log_sim *sim)
{
    if (sim->is_posted || atomic_load(&sim->crew->over))
        return;
    sim->is_posted = true;
    hob__mail_post(sim->crew->workers[0], &sim->mail);
}

void hob__log_sim_put(struct crew *crew, const struct log_config *config, const char *line, size_t len)
{
    struct log_sim *sim = log_of(crew, config);
    if (sim == NULL || !hob__log_buffer_put(&sim->buffer, line, len))
        hob__log_dropped(1);
    if (sim != NULL && !sim->is_writing)
        post(sim);
}

void hob__log_sim_muted(struct crew *crew, const struct log_config *config)
{
    struct log_sim *sim = log_of(crew, config);
    if (sim != NULL && !sim->is_waiting)
        post(sim);
}

struct log_muted *hob__log_sim_sites(struct crew *crew, const struct log_config *config)
{
    struct log_sim *sim = log_of(crew, config);
    return sim != NULL ? &sim->muted : NULL;
}

uint32_t hob__log_sim_number(struct crew *crew, const struct log_config *config)
{
    struct log_sim *sim = log_of(crew, config);
    return sim != NULL ? sim->number : 0;
}

bool hob__log_sim_mark(struct crew *crew, uint64_t *ret_mark)
{
    struct log_sim *sim = crew->log;
    if (sim == NULL)
        return false;
    *ret_mark = hob__log_buffer_mark(&sim->buffer);
    return true;
}

/* One that was begun anew meanwhile has nothing of what was asked for. */
bool hob__log_sim_is_past(struct crew *crew, uint32_t number, uint64_t mark)
{
    struct log_sim *sim = crew->log;
    if (sim == NULL || sim->number != number || hob__log_buffer_is_past(&sim->buffer, mark))
        return true;
    if (!sim->is_writing) // no memory to start it, the last time
        post(sim);
    return false;
}

static void sim_free(struct log_sim *sim)
{
    hob__log_dropped(hob__log_buffer_abandon(&sim->buffer));
    hob__log_buffer_fini(&sim->buffer);
    hob__log_config_fini(&sim->config);
    hob__free(sim);
}

void hob__log_sim_renew(struct crew *crew)
{
    struct log_sim *sim = crew->log;
    if (sim == NULL)
        return;
    crew->log = NULL;
    if (sim->is_posted || sim->is_writing || sim->is_waiting) {
        sim->older = crew->log_older;
        crew->log_older = sim;
    } else {
        sim_free(sim);
    }
}

void hob__log_crew_ends(struct crew *crew)
{
    hob__log_sim_renew(crew);
    for (struct log_sim *sim; (sim = crew->log_older) != NULL;) {
        crew->log_older = sim->older;
        sim_free(sim);
    }
}
