/* SPDX-License-Identifier: MIT */
/* A folder that is given out: what its two files share. */
#ifndef HOB_SITE_STATIC_H
#define HOB_SITE_STATIC_H

#include "hob/dir.h"
#include "hob/static.h"
#include "site/site.h"

enum { LISTING_MAX = 10000 }; /* names on the page of a folder */

struct hob_static {
    hob_dir        *dir;
    hob_static_opts opts; /* the defaults filled in; its texts are ours */
    size_t          prefix_len;
};

/* Answers with the page of the folder `name` ("": the one that is given out). */
int hob__site_listing(hob_http_request *req, const hob_static *files, const char *name);

#endif
