/* SPDX-License-Identifier: MIT */
/* hob serve: what its files share. */
#ifndef HOB_CMD_SERVE_H
#define HOB_CMD_SERVE_H

#include <stdbool.h>

#include <hob/http.h>

enum log_format { LOG_COMMON, LOG_COMBINED, LOG_JSON, LOG_NONE };

/* access.c: writes a line to standard output for a request that is answered. `error`: of its handler; 0. */
void access_log(enum log_format format, const hob_http_request *req, int error, int64_t took_ns);

/* The same for what was no request. */
void access_log_bad(enum log_format format, const hob_http_record *record);

/* serve_options.c: what was asked for. */
struct serve_options {
    const char     *folder, *host, *index, *app, *cache, *cert, *key;
    unsigned        port, redirect_port, workers, memory_mib;
    bool            has_redirect, no_listing, dotfiles, immutable, precompressed, cors;
    enum log_format log;
};

/* Reads them, or ends the command. */
void serve_options_read(struct serve_options *o, int argc, char **argv);

#endif
