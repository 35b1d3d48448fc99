/* SPDX-License-Identifier: MIT */
/*
 * Lines: a message and its fields become bytes. No I/O, no memory, no clock; for the fuzzer, too.
 *
 * What holds of every line, whatever went in: it ends with its only newline, is valid UTF-8, has no
 * control characters, and at most LOG_LINE_BYTES bytes; as JSON it is one object.
 */
#ifndef HOB_LOG_LINE_H
#define HOB_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hob/log.h"

enum {
    LOG_LINE_BYTES = 4096, /* of a pipe's atomic writes, too: PIPE_BUF */
    LOG_MESSAGE_BYTES = 2048,
};

enum log_kind {
    LOG_NULL,
    LOG_INT,
    LOG_UINT,
    LOG_DOUBLE,
    LOG_BOOL,
    LOG_TEXT,  /* ends with a NUL   */
    LOG_BYTES, /* ends after `len`  */
    LOG_POINTER,
    LOG_ADDR,
    LOG_ERROR,
};

/* The form of the tests' text: without time, and what would differ between runs. */
enum { LOG_FORM_BARE = HOB_LOG_FORM_JOURNAL + 1 };

struct log_entry {
    int                  level;
    int64_t              wall_ns;   /* since 1970, UTC                       */
    const char          *message;   /* NULL: none                            */
    const hob_log_field *fields;
    size_t               count;
    const hob_log_field *more;      /* those of task-locals                  */
    size_t               more_count;
    uint64_t             task;      /* its number; 0: none                   */
    const char          *task_name; /* "": none                              */
    int64_t              worker;    /* its number; -1: none                  */
    const char          *file;      /* NULL: none                            */
    int                  line;
};

/* Writes the line to `line`, which has room for LOG_LINE_BYTES. Returns its length. */
size_t hob__log_compose(const struct log_entry *entry, int form, char *line);

/* "error" and so on; and the level of such a word, or 0. */
const char *hob__log_level_name(int level);
int         hob__log_level_of(const char *name);

#endif
