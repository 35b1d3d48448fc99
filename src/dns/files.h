/* SPDX-License-Identifier: MIT */
/* The two files that say who is who here, and who knows the rest: read, and read again when changed. */
#ifndef HOB_DNS_FILES_H
#define HOB_DNS_FILES_H

#include "dns/exchange.h"
#include "dns/hosts.h"
#include "dns/resolv.h"

/* What both of them say. What holds one is counted: a look-up goes on with the one it began with. */
struct dns_view {
    unsigned          refs;
    struct dns_hosts  hosts;
    struct dns_resolv resolv;
    struct dns_server servers[HOB_DNS_SERVERS_MAX]; /* those of resolv */
};

struct dns_view *hob__dns_view_ref(struct dns_view *view);
void             hob__dns_view_unref(struct dns_view *view); /* NULL is fine */

/* One of the files, as it was when it was looked at last. */
struct dns_file {
    const char *path; /* "": none */
    int         error;
    uint64_t    dev, inode;
    int64_t     size;
    int64_t     written_s, written_ns; /* st_mtim */
    int64_t     changed_s, changed_ns; /* st_ctim */
};

struct dns_files {
    struct dns_file hosts, resolv;
    hob_addr        servers[HOB_DNS_SERVERS_MAX]; /* given by the user, instead of resolv's */
    size_t          server_count;
    bool            must_read; /* whether they have changed or not */
};

/* Looks at the files, and reads them when they have changed; `before` is what they said, or NULL.
 * Waits. Returns 0, and nothing has changed; 1, and *ret_view is the caller's; or an error, and then
 * `before` still holds: -ENOMEM, -ECANCELED, -ETIMEDOUT; with a `before` also -EIO and so on. */
int hob__dns_files_look(struct dns_files *files, const struct dns_view *before,
                        struct dns_view **ret_view);

#endif
