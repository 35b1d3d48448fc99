/* SPDX-License-Identifier: MIT */
/*
 * Watching files and folders for changes.
 *
 *     hob_watch *watch;
 *     HOB_TRY(hob_watch_open("site", &(hob_watch_opts){ .recursive = 1 }, &watch));
 *     hob_watch_event event;
 *     while ((r = hob_watch_next(watch, &event)) > 0)
 *         printf("%s %s\n", hob_watch_word(event.kind), event.path);
 *     hob_watch_close(watch);
 *
 * By inotify(7), with what that leaves to do: events on one path within a short time become one,
 * the two halves of a rename one, folders that are made later are watched as well, and what was in
 * them before we could look is told. What no kernel tells (changes from the other side of a network
 * file system, writing to mapped memory) is not told here either. Of a file that has no name (one
 * of hob_file_open_temp) some file systems tell changed attributes under the name `#` and a number.
 */
#ifndef HOB_WATCH_H
#define HOB_WATCH_H

#include "hob/path.h"

HOB_BEGIN_DECLS

typedef struct hob_watch hob_watch;

enum hob_watch_kind {
    HOB_WATCH_CREATED,    /* it is there now: new, moved to here, or in the place of another      */
    HOB_WATCH_CHANGED,    /* its bytes                                                            */
    HOB_WATCH_ATTRIBUTES, /* its mode, owner, times, number of links, extended attributes         */
    HOB_WATCH_REMOVED,    /* it is not there any more: removed, or moved to elsewhere             */
    HOB_WATCH_MOVED,      /* from `from` to `path`, both of which are watched                     */
    HOB_WATCH_OVERFLOW,   /* events were lost: look at all of it again                            */
    HOB_WATCH_BLIND,      /* the folder `path` cannot be watched, `error` says why: -ENOSPC when
                             the user has no watches left, -EACCES                                */
    HOB_WATCH_GONE,       /* what is watched was itself removed or moved; nothing comes after it  */
};

/* How to watch. All zero, or NULL, means the defaults. */
typedef struct hob_watch_opts {
    int64_t  gather_ns;     /* from the first event on, so long more are awaited, so that those on
                               one path become one; 0: 10 ms; < 0: only what is there already */
    uint32_t events_max;    /* held at once; then an overflow; 0: 4096                      */
    unsigned recursive : 1; /* folders in the folder, too, and in them; no symbolic links   */
} hob_watch_opts;

typedef struct hob_watch_event {
    enum hob_watch_kind kind;
    const char         *path; /* begins with the path that is watched; valid, as `from`, until the */
    const char         *from; /* next call on the watch. MOVED: where it was; else NULL            */
    int                 error; /* BLIND */
    unsigned            is_folder : 1;
} hob_watch_event;

/* Begins to watch what `path` names; a file also when it is replaced, and it need not be there yet
 * if its folder is. The path and the options are copied. Waits. Returns 0 or a negative errno:
 * -ENOENT, -EACCES, -EMFILE, -ENOSPC (this user's watches are used up), -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_watch_open(const char *path, const hob_watch_opts *opts,
                                        hob_watch **ret_watch);

/* The next event. Of what happened within the gathering time each path has one, as it looks in
 * the end: created and written is CREATED; made and removed is none. A second one comes where one
 * cannot say all: MOVED and CHANGED, or REMOVED of a folder and CREATED of what has its name now.
 * A folder that was renamed and in which more happened is REMOVED there and CREATED here, with
 * all that is in it. Whoever does to a copy what the events say, in their order, has the same tree.
 * (What no kernel tells: two names exchanged in one step look like a rename there and back.) Waits. Returns 1; 0 after
 * HOB_WATCH_GONE; or a negative errno: -ENOMEM, -ECANCELED, -ETIMEDOUT: no event is lost by
 * them. One task at a time. */
HOB_API HOB_MUST_USE int hob_watch_next(hob_watch *watch, hob_watch_event *ret_event);

/* "created", "changed" and so on. */
HOB_API const char *hob_watch_word(enum hob_watch_kind kind);

/* Ends it; NULL is fine. Never waits. */
HOB_API void hob_watch_close(hob_watch *watch);

HOB_END_DECLS

#endif
