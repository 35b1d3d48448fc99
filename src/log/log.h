/* SPDX-License-Identifier: MIT */
/*
 * The log from inside: what the core tells it, and what its parts share.
 *
 *     HOB_LOG ──▶ log.c ──▶ site.c (too many?) ──▶ line.c (bytes)         setup.c: how, and when
 *                   │
 *                   ├── in a run:       writer.c: buffer ──▶ a thread ──▶ sink.c
 *                   ├── in sim:         sim.c:    buffer ──▶ a task   ──▶ sink.c (files; else at once)
 *                   └── outside:        sink.c, at once
 */
#ifndef HOB_LOG_LOG_H
#define HOB_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hob/log.h"
#include "log/line.h"
#include "log/sink.h"

struct crew;
struct log_muted;

/* ---- for the core ---- */

/* A run with real threads begins and ends; at its end what was logged is written. */
void hob__log_run_begins(void);
void hob__log_run_ends(void);

/* The end of a run is about to be told on standard error: what was logged comes first. */
void hob__log_before_report(void);

/* The crew is freed. */
void hob__log_crew_ends(struct crew *crew);

/* In a forked child: nothing of the parent's is there. */
void hob__log_forget(void);

/* ---- for the test library ---- */

/* Takes each line, in the bare form; then only what hob_log_setup asked for goes anywhere else.
 * NULL: nobody does. `hob__log_reset`: as if nothing had ever been set up. */
typedef void hob__log_tee_fn(const char *line, size_t len);
void hob__log_tee(hob__log_tee_fn *fn);
void hob__log_reset(void);

/* ---- among themselves ---- */

/* For whose clock, and whose counts, those of log/site.h are. */
uint32_t hob__log_next_number(void);

/* Counted for everybody. */
void hob__log_dropped(uint64_t lines);

/* A line of the log's own: `message` with %llu in it, and the field `name`, both of `count`. */
size_t hob__log_compose_own(const struct log_config *config, const hob_log_site *site, int level,
                            int64_t wall_ns, const char *message, const char *name, uint64_t count,
                            char *line);

/* A copy that is to be let go. Returns 0 or -ENOMEM. */
int  hob__log_config_copy(const struct log_config *config, struct log_config *ret_config);
void hob__log_config_fini(struct log_config *config);

/* sim.c, for the crew of a simulated run: a line for the file; a place on its list was muted. */
void hob__log_sim_put(struct crew *crew, const struct log_config *config, const char *line, size_t len);
void hob__log_sim_muted(struct crew *crew, const struct log_config *config);

/* The list, or NULL without memory; and the run's number for log/site.h. */
struct log_muted *hob__log_sim_sites(struct crew *crew, const struct log_config *config);
uint32_t          hob__log_sim_number(struct crew *crew, const struct log_config *config);

/* Where it stands, false: it has nothing; and whether that is written. */
bool hob__log_sim_mark(struct crew *crew, uint64_t *ret_mark);
bool hob__log_sim_is_past(struct crew *crew, uint32_t number, uint64_t mark);

/* Another config counts from the next line on. */
void hob__log_sim_renew(struct crew *crew);

/* In a forked child, which may have been in the middle of a line. */
void hob__log_forget_line(void);

/* Says of a place that it said too much. */
void hob__log_tell_muted(const hob_log_site *site, int level, uint64_t count);

#endif
