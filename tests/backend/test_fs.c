/* SPDX-License-Identifier: MIT */
/* The calls on files and folders of op/fs.h, each at least once. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "op/fs.h"
#include "world.h"

static bool was_called[FS_CALLS];

static void want_fs(struct req *req, struct world *w, struct thing *on, struct fs_call *call)
{
    req_init(req, w, OP_FS, on);
    req->op.fs.call = call;
    was_called[call->what] = true;
}

static int64_t run_fs(struct world *w, struct thing *on, struct fs_call call)
{
    struct req req;
    want_fs(&req, w, on, &call);
    return run(&req);
}

/* A path of the case that stays. */
static char *path_of(struct world *w, const char *name)
{
    static char paths[8][4200];
    static int  next;
    char       *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s", scratch(w, name));
    return path;
}

static void open_beneath(struct world *w, struct thing *dir, const char *path, unsigned flags,
                         struct thing *ret_thing)
{
    struct fs_call call = { .what = FS_OPEN, .path = path, .flags = flags, .mode = 0600 };
    int64_t        fd = run_fs(w, dir, call);
    thing_adopt(ret_thing, w, fd, DESC_FILE);
}

static void names(struct world *w)
{
    char *folder = path_of(w, "folder"), buf[64];
    struct thing dir, file;

    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_MKDIR, .path = folder, .mode = 0700 }), 0);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_MKDIR, .path = folder, .mode = 0700 }),
             -EEXIST);
    open_beneath(w, NULL, folder, O_RDONLY | O_DIRECTORY, &dir);
    open_beneath(w, &dir, "a", O_RDWR | O_CREAT | O_EXCL, &file);
    thing_close(&file);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_RENAME, .path = "a", .other = "b" }), 0);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_LINK, .path = "b", .other = "c" }), 0);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_SYMLINK, .path = "s", .other = "b" }), 0);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_READLINK, .path = "s", .buf = buf,
                                               .len = sizeof buf }), 1);
    check_eq(buf[0], 'b');
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_OPEN, .path = "../x", .flags = O_RDONLY,
                                               .a = RESOLVE_BENEATH }), -EXDEV);
    int64_t fd = run_fs(w, &dir, (struct fs_call){ .what = FS_OPEN, .path = "s",
                                                   .flags = O_RDONLY, .a = RESOLVE_BENEATH });
    thing_adopt(&file, w, fd, DESC_FILE);
    thing_close(&file);
    struct statx st;
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_STATX, .path = "b", .buf = &st,
                                               .mode = STATX_BASIC_STATS }), 0);
    check_eq(st.stx_nlink, 2);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_ACCESS, .path = "b", .mode = R_OK }), 0);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_CHMOD, .path = "b", .mode = 0644 }), 0);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_CHOWN, .path = "b", .a = -1, .b = -1 }),
             0);
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_UTIMES, .path = "b" }), 0);
    const char *left[] = { "b", "c", "s" };
    for (int i = 0; i < 3; i++)
        check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_UNLINK, .path = left[i] }), 0);
    char dents[1024];
    int64_t n = run_fs(w, &dir, (struct fs_call){ .what = FS_GETDENTS, .buf = dents,
                                                  .len = sizeof dents });
    check(n > 0); // `.` and `..`
    check_eq(run_fs(w, &dir, (struct fs_call){ .what = FS_GETDENTS, .buf = dents,
                                               .len = sizeof dents }), 0);
    thing_close(&dir);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = folder,
                                               .flags = AT_REMOVEDIR }), 0);
}

static void attributes(struct world *w, struct thing *file, const char *path)
{
    char value[16];
    int64_t r = run_fs(w, file, (struct fs_call){ .what = FS_XATTR_SET, .other = "user.x",
                                                  .buf = "12", .len = 2 });
    bool has = r != -EOPNOTSUPP;
    if (has)
        check_eq(r, 0);
    r = run_fs(w, NULL, (struct fs_call){ .what = FS_XATTR_GET, .path = path, .other = "user.x",
                                          .buf = value, .len = sizeof value });
    check_eq(r, has ? 2 : -EOPNOTSUPP);
    r = run_fs(w, file, (struct fs_call){ .what = FS_XATTR_LIST });
    check(has ? r >= 7 : true);
    r = run_fs(w, file, (struct fs_call){ .what = FS_XATTR_REMOVE, .other = "user.x" });
    check_eq(r, has ? 0 : -EOPNOTSUPP);
}

static void open_files(struct world *w)
{
    char          a[4] = "", b[4] = "";
    struct iovec  out[2] = { { "abc", 3 }, { "de", 2 } }, in[2] = { { a, 3 }, { b, 2 } };
    struct thing  file, other, unnamed;
    struct statvfs vfs;
    struct statx  st;
    char         *path = path_of(w, "calls"), *name = path_of(w, "named");

    open_beneath(w, NULL, path, O_RDWR | O_CREAT | O_TRUNC, &file);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_WRITEV, .buf = out, .len = 2 }), 5);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_READV, .buf = in, .len = 2 }), 5);
    check(memcmp(a, "abc", 3) == 0 && memcmp(b, "de", 2) == 0);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_DATASYNC }), 0);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_TRUNCATE, .a = 2 }), 0);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_TRUNCATE, .path = path, .a = 3 }), 0);
    int64_t r = run_fs(w, &file, (struct fs_call){ .what = FS_ALLOCATE, .b = 100 });
    check(r == 0 || r == -EOPNOTSUPP);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_STATX, .buf = &st,
                                                .mode = STATX_BASIC_STATS }), 0);
    check_eq(st.stx_size, r == 0 ? 100 : 3);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_STATVFS, .buf = &vfs }), 0);
    attributes(w, &file, path);

    open_beneath(w, NULL, path, O_RDWR, &other);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_LOCK, .flags = LOCK_EX }), 0);
    check_eq(run_fs(w, &other, (struct fs_call){ .what = FS_LOCK, .flags = LOCK_EX }), 1);
    check_eq(run_fs(w, &file, (struct fs_call){ .what = FS_LOCK_RANGE, .mode = F_WRLCK, .b = 9 }),
             0);
    check_eq(run_fs(w, &other, (struct fs_call){ .what = FS_LOCK_RANGE, .mode = F_RDLCK,
                                                 .a = 8, .b = 1 }), 1);
    check_eq(run_fs(w, &other, (struct fs_call){ .what = FS_LOCK_RANGE, .mode = F_RDLCK,
                                                 .a = 9, .b = 1 }), 0);
    thing_close(&other);
    thing_close(&file);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = path }), 0);

    r = run_fs(w, NULL, (struct fs_call){ .what = FS_OPEN, .path = w->is_sim ? "/tmp" : scratch_folder,
                                          .flags = O_TMPFILE | O_RDWR, .mode = 0600 });
    was_called[FS_LINK_FD] = true;
    if (r == -EOPNOTSUPP)
        return;
    thing_adopt(&unnamed, w, r, DESC_FILE);
    check_eq(run_fs(w, &unnamed, (struct fs_call){ .what = FS_LINK_FD, .other = name }), 0);
    check_eq(run_fs(w, &unnamed, (struct fs_call){ .what = FS_LINK_FD, .other = name }), -EEXIST);
    thing_close(&unnamed);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = name }), 0);
}

static const struct inotify_event *next_event(struct thing *watch)
{
    static _Alignas(8) char buf[4096];
    struct req req;
    want_rw(&req, watch, OP_READ, buf, sizeof buf, -1);
    check(run(&req) >= (int64_t)sizeof(struct inotify_event));
    return (const struct inotify_event *)buf;
}

static void watches(struct world *w)
{
    struct thing watch;
    struct req   waits;
    char         buf[512];
    char        *folder = path_of(w, "watched"), *name = path_of(w, "watched/new");

    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_MKDIR, .path = folder, .mode = 0700 }), 0);
    thing_adopt(&watch, w, run_fs(w, NULL, (struct fs_call){ .what = FS_WATCH_NEW }), DESC_PIPE);
    int64_t mark = run_fs(w, &watch, (struct fs_call){ .what = FS_WATCH_ADD, .other = folder,
                                                       .mode = IN_CREATE | IN_DELETE });
    check(mark > 0);
    want_rw(&waits, &watch, OP_READ, buf, sizeof buf, -1);
    submit(&waits);
    settle(w);
    check(!waits.ended);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_MKDIR, .path = name, .mode = 0700 }), 0);
    wait_for(&waits);
    const struct inotify_event *event = (const void *)buf;
    check_eq(event->wd, mark);
    check_eq(event->mask, IN_CREATE | IN_ISDIR);
    check_eq(strcmp(event->name, "new"), 0);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = name,
                                               .flags = AT_REMOVEDIR }), 0);
    check_eq(next_event(&watch)->mask, IN_DELETE | IN_ISDIR);
    check_eq(run_fs(w, &watch, (struct fs_call){ .what = FS_WATCH_REMOVE, .a = mark }), 0);
    check_eq(next_event(&watch)->mask, IN_IGNORED);
    want_rw(&waits, &watch, OP_READ, buf, sizeof buf, -1);
    submit(&waits);
    settle(w);
    thing_close(&watch);
    check_eq(waits.result, -ECANCELED);
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = folder,
                                               .flags = AT_REMOVEDIR }), 0);
}

static void every_call(struct world *w)
{
    names(w);
    open_files(w);
    watches(w);
    for (int what = 0; what < FS_CALLS; what++) {
        doing = hob__fs_name((enum fs_what)what);
        check(was_called[what]);
    }
}

/* Those that io_uring has opcodes for, and those that it has not. */
static void cancelled(struct world *w)
{
    enum { COUNT = 60 };
    static struct fs_call calls[COUNT];
    static char  paths[COUNT][4200], targets[COUNT][16];
    struct req   req[COUNT];
    struct statx st;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++) {
            char name[32];
            snprintf(name, sizeof name, "made%d", i);
            snprintf(paths[i], sizeof paths[i], "%s", scratch(w, name));
            snprintf(targets[i], sizeof targets[i], "%d", i);
            calls[i] = i % 2 ? (struct fs_call){ .what = FS_MKDIR, .path = paths[i], .mode = 0700 }
                             : (struct fs_call){ .what = FS_SYMLINK, .path = paths[i],
                                                 .other = targets[i] };
            want_fs(&req[i], w, NULL, &calls[i]);
            submit(&req[i]);
        }
        if (round % 2)
            turn(w, 0);
        for (int i = 0; i < COUNT; i += 1 + round % 3) {
            cancel(&req[i]);
            w->races++;
        }
        for (int i = 0; i < COUNT; i++) {
            wait_for(&req[i]);
            check(req[i].result == 0 || req[i].result == -ECANCELED);
            int64_t r = run_fs(w, NULL, (struct fs_call){ .what = FS_STATX, .path = paths[i],
                                                          .flags = AT_SYMLINK_NOFOLLOW,
                                                          .buf = &st, .mode = STATX_TYPE });
            check_eq(r, req[i].result == 0 ? 0 : -ENOENT);
            if (r == 0)
                check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = paths[i],
                                                           .flags = i % 2 ? AT_REMOVEDIR : 0 }), 0);
        }
    }
}

static void released(struct world *w)
{
    enum { COUNT = 40 };
    static struct fs_call calls[COUNT];
    static struct statx   statx[COUNT];
    static char           bytes[COUNT][600];
    static struct iovec   iov[COUNT];
    static struct statvfs vfs[COUNT];
    struct thing file;
    struct req   req[COUNT];
    char        *path = path_of(w, "released");
    for (int round = 0; round < 20; round++) {
        open_beneath(w, NULL, path, O_RDWR | O_CREAT, &file);
        for (int i = 0; i < COUNT; i++) {
            iov[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
            calls[i] = (struct fs_call){ .what = i % 4 == 0   ? FS_READV
                                                 : i % 4 == 1 ? FS_WRITEV
                                                 : i % 4 == 2 ? FS_STATX : FS_STATVFS,
                                         .buf = i % 4 < 2    ? (void *)&iov[i]
                                                : i % 4 == 2 ? (void *)&statx[i] : (void *)&vfs[i],
                                         .len = 1, .mode = STATX_SIZE };
            want_fs(&req[i], w, &file, &calls[i]);
            submit(&req[i]);
        }
        if (round % 2)
            turn(w, 0);
        thing_close(&file);
        for (int i = 0; i < COUNT; i++) {
            check(req[i].ended);
            check(req[i].result >= 0 || req[i].result == -ECANCELED);
        }
    }
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = path }), 0);
}

/* A cancelled open of a folder, which the ring does, and of a file, which a thread does. */
static void opens_cancelled(struct world *w)
{
    enum { COUNT = 40 };
    static struct fs_call calls[COUNT];
    struct thing thing;
    struct req   req[COUNT];
    char        *path = path_of(w, "opened");
    open_beneath(w, NULL, path, O_RDWR | O_CREAT, &thing);
    thing_close(&thing);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i++) {
            calls[i] = (struct fs_call){ .what = FS_OPEN,
                                         .path = i % 2 ? path : w->is_sim ? "/tmp" : scratch_folder,
                                         .flags = i % 2 ? O_RDONLY : O_RDONLY | O_DIRECTORY };
            want_fs(&req[i], w, NULL, &calls[i]);
            submit(&req[i]);
        }
        if (round % 2)
            turn(w, 0);
        for (int i = round % 4; i < COUNT; i += 3)
            cancel(&req[i]);
        for (int i = 0; i < COUNT; i++) {
            wait_for(&req[i]);
            check(req[i].result >= 0 || req[i].result == -ECANCELED);
            if (req[i].result >= 0) {
                check_eq(calls[i].b, i % 2 ? S_IFREG : S_IFDIR);
                thing_adopt(&thing, w, req[i].result, DESC_FILE);
                thing_close(&thing);
            }
        }
    }
    check_eq(run_fs(w, NULL, (struct fs_call){ .what = FS_UNLINK, .path = path }), 0);
}

/* It is opened at once and its type told, so that who reads it does so as a pipe. */
static void fifo(struct world *w)
{
    struct thing   thing;
    char          *path = path_of(w, "fifo");
    struct fs_call call = { .what = FS_OPEN, .path = path, .flags = O_RDONLY };
    struct req     req;
    check_eq(mkfifo(path, 0600), 0);
    want_fs(&req, w, NULL, &call);
    thing_adopt(&thing, w, run(&req), DESC_PIPE);
    check_eq(call.b, S_IFIFO);
    thing_close(&thing);
    check_eq(unlink(path), 0);
}

#define TINY { .ring_entries = 2, .completions = 4, .recv_bufs = 2, .blocking_threads = 1 }

const struct test_case fs_cases[] = {
    { "each call on files and folders is carried out", every_call, 0, { 0 } },
    { "each call on files and folders is carried out in tiny queues", every_call, 0, TINY },
    { "a cancelled call on files was done whole or not at all", cancelled, 0, { 0 } },
    { "a cancelled call on files was done whole or not at all, in tiny queues", cancelled, 0, TINY },
    { "release waits for calls on the file", released, 0, { 0 } },
    { "release waits for calls on the file, in tiny queues", released, 0, TINY },
    { "a cancelled open of folders and files leaks no descriptor", opens_cancelled, 0, { 0 } },
    { "a FIFO is opened without its other end", fifo, NEEDS_KERNEL, { 0 } },
    { 0 },
};
