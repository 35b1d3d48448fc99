/* SPDX-License-Identifier: MIT */
/*
 * Static files: a folder, given out by HTTP.
 *
 *     static int serve(hob_tcp_listener *listener, void *arg)
 *     {
 *         hob_static *files;
 *         HOB_TRY(hob_static_open("public", NULL, &files));
 *         int r = hob_http_serve(listener, NULL, hob_static_handle, files);
 *         hob_static_close(files);
 *         return r;
 *     }
 *
 * or, in a service of hob/web.h, on all of its workers:
 *
 *     hob_web_handle(web, "GET /assets/{name...}", hob_static_handle, files); // opts.prefix = "/assets"
 *
 * Not part of hob.h: link libhob-site (pkg-config).
 *
 * Nothing outside of the folder is ever given out, whatever a client asks for, and whatever symbolic
 * links are in it or are put there meanwhile: see hob_dir_open_file. Names that begin with a dot are
 * not there, but for what is in `/.well-known/` (RFC 8615).
 *
 * ETags, dates, conditions and ranges are those of hob_http_reply_file. A file that was changed within the last
 * 10 ms may just be written: it is waited for, 40 ms at most; for one that was just made empty, 250 ms.
 */
#ifndef HOB_STATIC_H
#define HOB_STATIC_H

#include "hob/http.h"

HOB_BEGIN_DECLS

typedef struct hob_static hob_static;

/* A media type of your own, by what stands behind a name's last dot. */
typedef struct hob_static_type {
    const char *extension; /* "csv"; in small letters */
    const char *type;      /* "text/csv; charset=utf-8" */
} hob_static_type;

/* All zero, or NULL where a pointer is taken, means the defaults. Texts are copied. */
typedef struct hob_static_opts {
    const char *prefix; /* what the paths of requests begin with: "/assets"; NULL: nothing */
    const char *index;  /* the file that stands for its folder; NULL: "index.html"; "": none */
    const char *cache_control; /* NULL: "no-cache": may be kept, and is asked for each time, which
                                  costs a 304; "": not said. One that was set before stays */

    const hob_static_type *types; /* looked at before the built-in ones */
    size_t                 type_count;
    const char            *other_type; /* of names that none fits; NULL: application/octet-stream */

    size_t  memory_bytes; /* small files, of up to 32 KiB, are kept in so much memory, on each worker
                             that gives them out; 0: none are                                      */
    int64_t fresh_ns;     /* for so long what is in memory is not compared with the disk; 0: 1 s   */

    /* Answers hob_static_handle's requests for what is not there, in the place of a plain 404: with a
     * page, or, for the one page of an application, by hob_static_reply(req, files, "index.html"). */
    hob_http_handler *missing;
    void             *missing_arg;

    unsigned listing : 1;  /* a folder without an index is answered by a page with its names    */
    unsigned dotfiles : 1; /* names that begin with a dot are like others                       */
    unsigned immutable : 1; /* names with a hash in them, such as app.3f2a91c0.js or
                               index-BaVW7x2q1Z.css, are never asked for again: 8 or more
                               letters and digits, one of each at least, between two of . - _  */
    unsigned precompressed : 1; /* for a.css, a.css.br, .zst or .gz is sent to who takes it, if it
                                   is not older; each costs a look at the disk                 */
} hob_static_opts;

/* Opens a folder, to be given out by the tasks of all workers; it stays the same one when it is renamed.
 * Waits. Returns 0 or a negative errno: -ENOENT, -ENOTDIR, -EACCES, -EMFILE, -ENOMEM;
 * -EINVAL: a prefix that does not begin with a slash. */
HOB_API HOB_MUST_USE int hob_static_open(const char *folder, const hob_static_opts *opts,
                                         hob_static **ret_static);

/* Closes it, on the worker that opened it; NULL is fine. No request may be in it any more. Never waits. */
HOB_API void hob_static_close(hob_static *files);

/* A handler, for hob_http_serve, a router, or to be called: answers with the file that the path of
 * the request names; `files` is a hob_static.
 *
 *   200, 206, 304, 412, 416  of hob_http_reply_file
 *   204, 405   to OPTIONS, and to what is not GET or HEAD
 *   301        from a folder to itself with a slash
 *   400        the path is no path: a % that no two hexadecimal digits follow
 *   403        the system forbids to read it
 *   404        it is not there; so is what is outside, has a `..`, a NUL or an escaped slash in its
 *              path or 1,024 bytes in its name, or is neither a file nor a folder
 *   503        too many files are open; or it is written over again and again
 *
 * Waits. Returns 0, or an error of the disk or of hob_http_reply. */
HOB_API HOB_MUST_USE int hob_static_handle(hob_http_request *req, void *files);

/* The same for a name that is relative to the folder, and no longer percent-encoded: "css/a.css",
 * such as a router has found in a path. It may come from anybody. What is not there is 404, without
 * `missing`. */
HOB_API HOB_MUST_USE int hob_static_reply(hob_http_request *req, hob_static *files,
                                          const char *name);

/* The media type that a file's name speaks of, with its charset; NULL: none that we know. Does not
 * wait. */
HOB_API const char *hob_static_type_of(const char *name);

HOB_END_DECLS

#endif
