/* SPDX-License-Identifier: MIT */
/*
 * Where lines go: a descriptor, a file that is rotated, or a function of the user's.
 *
 * A sink belongs to whoever writes: the thread of the log, a task in sim, or, outside of a run, who
 * logs. It never waits for a reader: a pipe that is full is -EAGAIN. What failed is to be tried again
 * with the same bytes. A line is never torn by a rotation.
 */
#ifndef HOB_LOG_SINK_H
#define HOB_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hob/file.h"

enum { LOG_FILE_MODE = 0640 };

/* What hob_log_setup was given, complete. */
struct log_config {
    int      form;
    int      level;
    char    *path; /* NULL: standard error */
    int64_t  rotate_bytes;
    uint32_t rotate_keep;
    uint32_t buffer_bytes;
    int32_t  site_per_s;
    int    (*write)(void *arg, const char *lines, size_t len);
    void    *write_arg;
    bool     is_given; /* somebody said where to */
};

struct log_file {
    int       fd;      /* of the real disk      */
    hob_file *in_sim;  /* of the simulated one  */
    bool      is_regular;
};

/* What a sink asks of a disk: the real one (may block, on threads), or that of sim (waits). */
struct log_disk {
    int     (*open)(const char *path, struct log_file *ret_file, int64_t *ret_size);
    ssize_t (*write)(struct log_file *file, const char *bytes, size_t len);
    void    (*close)(struct log_file *file);
    int     (*rename)(const char *from, const char *to);
    int     (*exists)(const char *path); /* 0, or -ENOENT */
};

extern const struct log_disk hob__log_disk_real, hob__log_disk_sim;

struct log_sink {
    const struct log_config *config;
    const struct log_disk   *disk;
    struct log_file          file;
    bool                     is_open;
    bool                     in_line;   /* the last byte was no newline           */
    unsigned                 reopened;  /* of hob__log_reopens, when it was opened */
    int64_t                  size;
    int64_t                  rotate_at; /* the file is to get no longer            */
};

/* How often hob_log_reopen was called. */
unsigned hob__log_reopens(void);

/* An error is counted, and a rotation. */
void hob__log_failed(int error);
void hob__log_rotated(void);

/* Opens what the config says. Returns 0 or a negative error. */
int  hob__log_sink_open(struct log_sink *sink);
void hob__log_sink_close(struct log_sink *sink);

/* Writes some of `len` > 0 bytes, which begin where the last ended; opens what is not open. Returns
 * how many, more than 0; -EAGAIN: nobody reads; or another negative error, which was counted. */
ssize_t hob__log_sink_write(struct log_sink *sink, const char *bytes, size_t len);

/* For the crash handler: the descriptor of the sink, which may be opened for it; or standard error. */
int hob__log_sink_fd(const struct log_sink *sink);

#endif
