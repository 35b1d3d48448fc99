/* SPDX-License-Identifier: MIT */
/* hob bench: its options, and how it tells what came out. */
#ifndef HOB_CMD_BENCH_H
#define HOB_CMD_BENCH_H

#include "load.h"
#include "url.h"

enum { ADDRS_MAX = 8 };

struct bench {
    hob_addr    addrs[ADDRS_MAX]; /* of the server: the first that answers is taken */
    size_t      addr_count;
    struct url  url;
    const char *url_text;
    struct load load;

    const char *method;
    const char *body; /* NULL: none */
    size_t      body_len;
    char       *headers; /* lines, each with its end */
    size_t      headers_len;
    bool        is_json, is_insecure, is_quiet;
    int         interrupted_by; /* a signal; 0 or less: by none */
    const char *ca_file;
};

/* ---- bench_report.c ---- */

/* While it goes on: one line, over the one before. */
void bench_show_progress(const struct bench *bench);
void bench_end_progress(void);

/* In the end, to standard output. */
void bench_report(const struct bench *bench);

#endif
