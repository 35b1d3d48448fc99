/* SPDX-License-Identifier: MIT */
/* A folder that is given out: what its files share. */
#ifndef HOB_SITE_STATIC_H
#define HOB_SITE_STATIC_H

#include "hob/dir.h"
#include "hob/static.h"
#include "site/shelf.h"
#include "site/site.h"

enum { LISTING_MAX = 10000 }; /* names on the page of a folder */

struct hob_static {
    hob_dir        *dir;
    hob_static_opts opts; /* the defaults filled in; its texts are ours */
    size_t          prefix_len;
    struct shelf  **shelves; /* by worker, each its worker's alone, made when it is needed; NULL: nothing
                                is kept in memory */
    uint32_t        shelf_count;
};

struct stat;

/* What functions here give for what is not there: then nothing was answered. */
enum { STATIC_MISSING = 1 };

/* ---- send.c ---- */

/* Whether the shelf can answer a request for that name: one that is for the file and no more, or for what
 * is not the one that it has. The key is made of the name; of the codings that the client takes, where
 * it matters; and of whether the path ends with a slash, on which a folder's answer depends. */
bool hob__static_key(const hob_http_request *req, const hob_static *files, const char *name,
                     char key[static SHELF_KEY_MAX]);

/* Answers from the shelf. Returns 0 or an error; STATIC_MISSING: it is not there, or not what is asked for. */
int hob__static_from_shelf(hob_http_request *req, const hob_static *files, const char *key);

/* Answers with a file, which is a regular one. `key`: NULL, or what it is on the shelf from now on. */
int hob__static_send(hob_http_request *req, const hob_static *files, const char *name, const char *key,
                     hob_file *file, const struct stat *st);

/* ---- listing.c ---- */

/* Answers with the page of the folder `name` ("": the one that is given out). */
int hob__site_listing(hob_http_request *req, const hob_static *files, const char *name);

#endif
