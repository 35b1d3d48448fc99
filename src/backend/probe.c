/* SPDX-License-Identifier: MIT */
/*
 * Which backend? Try it and see: no version numbers.
 *
 * io_uring may be missing at run time (old kernels, containers that forbid it by seccomp), and
 * some sandboxes end a process that asks. So with a name given, nothing else is tried: with
 * HOB_BACKEND=epoll the first io_uring call is never made.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "base/lack.h"

static const struct backend_type *const known[] = {
#ifdef HOB_HAVE_URING
    &hob__backend_uring,
#endif
    &hob__backend_epoll,
    &hob__backend_sim,
};

enum { KNOWN = sizeof known / sizeof known[0] };

static int open_named(const char *name, const struct backend_opts *opts,
                      struct backend **ret_backend, char *why, size_t why_size)
{
    for (int i = 0; i < KNOWN; i++) {
        if (strcmp(known[i]->name, name) != 0)
            continue;
        int r = known[i]->open(opts, ret_backend);
        if (r < 0)
            snprintf(why, why_size, "%s was asked for and does not work here: %s", name,
                     strerror(-r));
        else
            snprintf(why, why_size, "as asked for");
        return r == -ENOMEM || r >= 0 ? r : -ENOTSUP;
    }
#ifndef HOB_HAVE_URING
    if (strcmp(name, "uring") == 0) {
        snprintf(why, why_size, "uring was asked for, but this build has no liburing");
        return -ENOTSUP;
    }
#endif
    snprintf(why, why_size, "\"%s\" is unknown; there are uring, epoll and sim", name);
    return -ENOTSUP;
}

int hob__backend_probe(const char *name, const struct backend_opts *opts,
                       struct backend **ret_backend, char *why, size_t why_size)
{
    const char *unknown = hob__lacks_unknown();
    if (unknown != NULL) {
        snprintf(why, why_size, "HOB_WITHOUT: there is no \"%.*s\" to go without",
                 (int)strcspn(unknown, ","), unknown);
        return -ENOTSUP;
    }
    if (name != NULL)
        return open_named(name, opts, ret_backend, why, why_size);

#ifdef HOB_HAVE_URING
    int r = hob__backend_uring.open(opts, ret_backend);
    if (r >= 0) {
        snprintf(why, why_size, "io_uring works here");
        return r;
    }
    snprintf(why, why_size, "io_uring does not work here: %s", strerror(-r));
#else
    snprintf(why, why_size, "this build has no liburing");
#endif
    return hob__backend_epoll.open(opts, ret_backend);
}
