/* SPDX-License-Identifier: MIT */
/*
 * Watching: hob/watch.h.
 *
 *     records of inotify ──▶ understood ──▶ events, gathered (watch_events.h) ──▶ the user
 *                                │
 *                                └──▶ work to do: a new folder to be marked and looked at,
 *                                     marks of a folder that left to be taken back
 *
 * All of it runs in hob_watch_next, in the task that waits. What it cannot finish, because it is
 * cancelled, stays in the lists and is done by the next call; looking at a folder twice does no
 * harm, for its events are merged.
 *
 * A file is watched by way of its folder, so that it may be replaced. Each folder has a mark, which
 * knows its path: a rename of a folder is one of all paths beneath.
 */
#include "hob/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "hob/scope.h"
#include "hob/time.h"
#include "io/conn.h"
#include "io/dir.h"
#include "io/watch_events.h"

enum { READ_BYTES = 16 * 1024, EVENTS_MAX = 4096 };

static const int64_t GATHER_NS = 10 * HOB_MSEC, HALF_NS = 2 * HOB_MSEC;

#define MARK_MASK                                                                              \
    (IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM |          \
     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

struct mark {
    struct map_node  by_number;
    struct list_node link;
    int              number;
    unsigned         round;  /* in which it was seen to be there; see look_again */
    char            *path;
};

enum work_kind { MARK_FOLDER, FORGET_FOLDER };

struct work {
    struct list_node link;
    enum work_kind   kind;
    bool             told;      /* its content, as new                          */
    bool             was_later; /* then its content is told, if the mark is new */
    char             path[];
};

struct hob_watch {
    enum hob__tag       tag;
    hob_watch_opts      opts;
    struct desc         desc;
    bool                desc_is_open;
    bool                is_gone; /* the descriptor is closed; who is inside frees  */
    bool                is_busy;
    bool                ended;   /* GONE was added                                 */
    bool                half_awaited;
    char               *folder;  /* that has the root mark                         */
    char               *only;    /* the one name in it that counts; NULL: all      */
    int                 root;    /* the mark's number; -1: none yet                */
    struct map          marks;   /* by number                                      */
    struct list         mark_list;
    unsigned            round;
    struct list         work;
    struct list         later;   /* work: a folder that is on its way, by what is known of it     */
    struct watch_events events;
    struct watch_event *given;   /* to the user                                    */
    int64_t             due_ns;  /* when what was gathered is given out            */
    size_t              at, len; /* of what was read                               */
    _Alignas(8) char    read_buf[READ_BYTES];
};

static hob_watch *watch_from(hob_watch *watch, const char *caller)
{
    if (watch == NULL || watch->tag != TAG_WATCH)
        hob__misuse_of(caller, "this is not open; was it closed already?");
    return watch;
}

static char *join(const char *folder, const char *name)
{
    size_t len = strlen(folder), name_len = strlen(name);
    bool   slash = len > 0 && folder[len - 1] != '/';
    char  *path = hob__alloc(len + slash + name_len + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, folder, len);
    if (slash)
        path[len] = '/';
    memcpy(path + len + slash, name, name_len + 1);
    return path;
}

/* ---- marks ---- */

static struct mark *find_mark(const hob_watch *watch, int number)
{
    for (struct map_node *node = hob__map_first(&watch->marks, hash_u64((uint64_t)number));
         node != NULL; node = hob__map_next(node)) {
        struct mark *mark = container_of(node, struct mark, by_number);
        if (mark->number == number)
            return mark;
    }
    return NULL;
}

static void drop_mark(hob_watch *watch, struct mark *mark)
{
    hob__map_remove(&watch->marks, &mark->by_number);
    list_remove(&mark->link);
    hob__free(mark->path);
    hob__free(mark);
}

static int new_mark(hob_watch *watch, int number, const char *path)
{
    struct mark *mark = hob__alloc_zero(sizeof *mark);
    char        *copy = hob__strdup(path);
    if (mark == NULL || copy == NULL ||
        hob__map_add(&watch->marks, &mark->by_number, hash_u64((uint64_t)number)) < 0) {
        hob__free(mark);
        hob__free(copy);
        return -ENOMEM;
    }
    mark->number = number;
    mark->round = watch->round;
    mark->path = copy;
    list_push_back(&watch->mark_list, &mark->link);
    return 0;
}

static int move_mark(struct mark *mark, const char *path)
{
    char *copy = hob__strdup(path);
    if (copy == NULL)
        return -ENOMEM;
    hob__free(mark->path);
    mark->path = copy;
    return 0;
}

/* Waits. The number, or a negative errno. */
static int mark_folder(hob_watch *watch, const char *path, bool follow)
{
    unsigned       mask = MARK_MASK | (follow ? 0 : IN_DONT_FOLLOW);
    struct fs_call call = { .what = FS_WATCH_ADD, .other = path, .mode = mask };
    return (int)hob__fs_await(call, &watch->desc);
}

/* A folder was renamed: true when it, or one beneath it, was marked. */
static bool move_marks(hob_watch *watch, const char *from, const char *to)
{
    bool any = false;
    list_for_each (node, &watch->mark_list) {
        struct mark *mark = container_of(node, struct mark, link);
        if (!hob__watch_is_under(mark->path, from))
            continue;
        const char *rest = mark->path + strlen(from);
        char       *path = hob__alloc(strlen(to) + strlen(rest) + 1);
        if (path == NULL) {
            hob__watch_events_overflow(&watch->events); // and then all are marked again
            return false;
        }
        strcpy(path, to);
        strcat(path, rest);
        hob__free(mark->path);
        mark->path = path;
        any = true;
    }
    return any;
}

/* ---- work ---- */

static struct work *work_new(enum work_kind kind, const char *path, bool told)
{
    struct work *work = hob__alloc(sizeof *work + strlen(path) + 1);
    if (work == NULL)
        return NULL;
    work->kind = kind;
    work->told = told;
    work->was_later = false;
    strcpy(work->path, path);
    return work;
}

/* Without memory for it nothing would ever be told of the folder: that is an overflow, which drops
 * the batch. Returns whether there was some. */
static bool add_work(hob_watch *watch, enum work_kind kind, const char *path, bool told)
{
    struct work *work = work_new(kind, path, told);
    if (work == NULL)
        hob__watch_events_overflow(&watch->events);
    else
        list_push_back(&watch->work, &work->link);
    return work != NULL;
}

static bool is_stop(int r)
{
    return r == -ECANCELED || r == -ETIMEDOUT || r == HOB_ESTUCK || r == -ENOMEM;
}

static void tell_blind(hob_watch *watch, const char *path, int error)
{
    if (error == -ENOENT || error == -ENOTDIR || error == -ELOOP)
        return; // it is no folder any more, and that is told elsewhere
    struct watch_event *event = hob__watch_events_add(&watch->events, HOB_WATCH_BLIND, path, true);
    if (event != NULL)
        event->error = error;
}

static int look_into(hob_watch *watch, hob_dir *dir, const struct work *work)
{
    hob_entry entry;
    int       r;
    while ((r = hob_dir_next(dir, &entry)) > 0) {
        bool  is_folder = entry.kind == HOB_ENTRY_FOLDER;
        char *path = join(work->path, entry.name);
        if (path == NULL)
            return -ENOMEM;
        if (work->told)
            (void)hob__watch_events_add(&watch->events, HOB_WATCH_CREATED, path, is_folder);
        if (is_folder)
            (void)add_work(watch, MARK_FOLDER, path, work->told);
        hob__free(path);
    }
    return r;
}

enum marked { IS_NEW, IS_KNOWN, IS_ELSEWHERE };

/* The folder that has this path now may be one that we know by another: it was renamed, and the
 * records that say so are still to come. Until then it keeps the path that they begin with. */
static int take_mark(hob_watch *watch, int number, const struct work *work)
{
    struct mark *mark = find_mark(watch, number);
    int          r;
    if (mark == NULL) {
        r = new_mark(watch, number, work->path);
        return r < 0 ? r : IS_NEW;
    }
    mark->round = watch->round;
    if (strcmp(mark->path, work->path) == 0)
        return IS_KNOWN;
    if (work->told && hob__watch_events_left_above(&watch->events, mark->path) == NULL)
        return IS_ELSEWHERE;
    r = move_mark(mark, work->path);
    return r < 0 ? r : IS_NEW;
}

static int look_beneath(hob_watch *watch, const struct work *work, bool is_root)
{
    hob_dir *dir;
    int      r = hob__dir_open_at(NULL, work->path, is_root ? 0 : O_NOFOLLOW, NULL, &dir);
    if (r == 0) {
        r = look_into(watch, dir, work);
        hob_dir_close(dir);
    }
    return r;
}

/* First the mark, then the look: what is made in between is told twice rather than never. Returns
 * 1 when that is for later. */
static int do_mark(hob_watch *watch, struct work *work)
{
    bool is_root = strcmp(work->path, watch->folder) == 0;
    int  r = mark_folder(watch, work->path, is_root);
    if (r >= 0)
        r = take_mark(watch, r, work);
    if (r == IS_ELSEWHERE || (r == IS_KNOWN && work->was_later)) {
        work->was_later = true;
        return r == IS_ELSEWHERE;
    }
    if (r >= 0)
        r = look_beneath(watch, work, is_root);
    if (r < 0 && !is_stop(r)) {
        tell_blind(watch, work->path, r);
        r = 0;
    }
    return r;
}

/* Waits. Fails only to be tried again. */
static int forget(hob_watch *watch, struct mark *mark)
{
    struct fs_call call = { .what = FS_WATCH_REMOVE, .a = mark->number };
    int            r = (int)hob__fs_await(call, &watch->desc);
    if (is_stop(r))
        return r;
    drop_mark(watch, mark); // or it was gone by itself
    return 0;
}

static int do_forget(hob_watch *watch, const struct work *work)
{
    list_for_each (node, &watch->mark_list) {
        struct mark *mark = container_of(node, struct mark, link);
        if (!hob__watch_is_under(mark->path, work->path))
            continue;
        int r = forget(watch, mark);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Events were lost, and with them may be folders that were made, moved or removed. Before that is
 * told, so that nothing is missed by who looks at all of it then. */
static int look_again(hob_watch *watch)
{
    watch->round++;
    if (watch->opts.recursive && !watch->ended) {
        struct work *work = work_new(MARK_FOLDER, watch->folder, false);
        if (work == NULL)
            return -ENOMEM;
        list_push_back(&watch->work, &work->link);
    }
    watch->events.unlooked = false;
    return 0;
}

/* After that: what was not found there has left. Returns 1, or an error. */
static int sweep(hob_watch *watch)
{
    list_for_each (node, &watch->mark_list) {
        struct mark *mark = container_of(node, struct mark, link);
        int          r = mark->round == watch->round || mark->number == watch->root
                             ? 0 : forget(watch, mark);
        if (r < 0)
            return r;
    }
    return 1;
}

static int do_work(hob_watch *watch)
{
    struct work *work = container_of(list_first(&watch->work), struct work, link);
    int r = work->kind == MARK_FOLDER ? do_mark(watch, work) : do_forget(watch, work);
    if (r < 0)
        return r; // it stays for the next time
    list_remove(&work->link);
    if (r > 0)
        list_push_back(&watch->later, &work->link);
    else
        hob__free(work);
    return 0;
}

/* ---- records ---- */

static void end(hob_watch *watch)
{
    for (int tries = 0; !watch->ended && tries < 2; tries++) // an overflow makes room
        watch->ended = hob__watch_events_add(&watch->events, HOB_WATCH_GONE, watch->folder,
                                             true) != NULL;
    watch->ended = true;
}

/* A folder that left is not watched any more. Returns false when there is no memory for that. */
static bool let_go(hob_watch *watch, struct watch_event *event)
{
    return !hob__watch_events_left(&watch->events, event) ||
           add_work(watch, FORGET_FOLDER, event->path, false);
}

/* The path gets something; what had it has left for good. */
static void add_new(hob_watch *watch, int kind, const char *path, bool is_folder)
{
    (void)let_go(watch, hob__watch_events_find(&watch->events, path)); // or there is an overflow
    (void)hob__watch_events_add(&watch->events, kind, path, is_folder);
    if (is_folder && watch->opts.recursive)
        (void)add_work(watch, MARK_FOLDER, path, true);
}

static void on_moved_to(hob_watch *watch, const struct inotify_event *record, const char *path,
                        bool is_folder)
{
    char *from = NULL;
    bool  marked = false;
    enum watch_pair pair = hob__watch_events_pair(&watch->events, record->cookie, path, &from);
    if (is_folder && pair == PAIR_ONE)
        marked = move_marks(watch, from, path);
    else if (is_folder && pair == PAIR_APART)
        (void)add_work(watch, FORGET_FOLDER, from, false);
    hob__free(from);
    if (pair != PAIR_ONE)
        add_new(watch, WATCH_PLACED, path, is_folder);
    else if (is_folder && !marked && watch->opts.recursive)
        (void)add_work(watch, MARK_FOLDER, path, true);
}

static void on_name(hob_watch *watch, const struct inotify_event *record, const char *path)
{
    bool     is_folder = record->mask & IN_ISDIR;
    uint32_t what = record->mask & IN_ALL_EVENTS;
    if (what & IN_MOVED_TO) {
        on_moved_to(watch, record, path, is_folder);
        return;
    }
    if (what & IN_CREATE) {
        add_new(watch, HOB_WATCH_CREATED, path, is_folder);
        return;
    }
    int kind = what & (IN_DELETE | IN_MOVED_FROM)  ? HOB_WATCH_REMOVED
             : what & (IN_MODIFY | IN_CLOSE_WRITE) ? HOB_WATCH_CHANGED : HOB_WATCH_ATTRIBUTES;
    struct watch_event *event = hob__watch_events_add(&watch->events, kind, path, is_folder);
    if (event != NULL && what & IN_MOVED_FROM)
        hob__watch_events_halve(&watch->events, event, record->cookie);
    if (what & IN_DELETE && is_folder)
        hob__watch_events_drop_beneath(&watch->events, path); // of another that has its name by now
}

static void on_record(hob_watch *watch, const struct inotify_event *record)
{
    if (watch->ended)
        return; // nothing comes after that
    if (record->mask & IN_Q_OVERFLOW) {
        hob__watch_events_overflow(&watch->events);
        return;
    }
    struct mark *mark = find_mark(watch, record->wd);
    if (mark == NULL)
        return; // taken back meanwhile
    if (record->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
        if (mark->number == watch->root)
            end(watch);
        if (record->mask & IN_IGNORED)
            drop_mark(watch, mark);
        return;
    }
    struct watch_event *left = hob__watch_events_left_above(&watch->events, mark->path);
    if (left != NULL) {
        left->missed = true; // it is not there any more, where it would be told
        return;
    }
    if (record->len == 0 || (watch->only != NULL && strcmp(record->name, watch->only) != 0))
        return;
    char *path = join(mark->path, record->name);
    if (path == NULL) {
        hob__watch_events_overflow(&watch->events);
        return;
    }
    on_name(watch, record, path);
    hob__free(path);
}

static void next_record(hob_watch *watch)
{
    const struct inotify_event *record = (const void *)(watch->read_buf + watch->at);
    watch->at += sizeof *record + record->len;
    on_record(watch, record);
}

/* ---- gathering ---- */

/* Until `due_ns` at most; -ETIMEDOUT then. INT64_MAX: it waits. */
static int read_records(hob_watch *watch, int64_t due_ns)
{
    struct op op = {
        .kind = OP_READ,
        .desc = &watch->desc,
        .rw = { .buf = watch->read_buf, .len = sizeof watch->read_buf, .offset = -1 },
    };
    HOB_SCOPE(s);
    if (due_ns != INT64_MAX)
        hob_scope_deadline(&s, due_ns);
    hob__op_await(&op);
    (void)!hob_scope_end(&s);
    if (op.result < 0)
        return (int)op.result;
    watch->at = 0;
    watch->len = (size_t)op.result;
    return 0;
}

/* The batch is whole: folders that left are not watched any more. Returns false when it cannot be
 * told. */
static bool close_batch(hob_watch *watch)
{
    list_for_each (node, &watch->events.batch) {
        if (!let_go(watch, container_of(node, struct watch_event, link)))
            return false;
    }
    return !watch->events.tangled || watch->ended;
}

static void give_out(hob_watch *watch)
{
    list_append(&watch->work, &watch->later);
    hob__watch_events_flush(&watch->events);
}

static int64_t begin_gathering(const hob_watch *watch)
{
    int64_t ns = watch->opts.gather_ns == 0 ? GATHER_NS : watch->opts.gather_ns;
    return hob_now() + (ns < 0 ? 0 : ns);
}

/* One step towards events that can be given out. Returns 1 when they can. */
static int gather(hob_watch *watch)
{
    if (watch->events.unlooked)
        return look_again(watch);
    if (!list_is_empty(&watch->work))
        return do_work(watch);
    if (watch->events.overflowed)
        return sweep(watch);
    if (watch->at < watch->len) {
        next_record(watch);
        return 0;
    }
    bool is_empty = hob__watch_events_is_empty(&watch->events);
    if (watch->ended)
        return 1;
    if (!is_empty && watch->due_ns == 0)
        watch->due_ns = begin_gathering(watch);
    int r = read_records(watch, is_empty ? INT64_MAX : watch->due_ns);
    if (r >= 0 || is_empty || hob_cancelled() < 0 || r != -ETIMEDOUT)
        return r;
    // Time is over; but the other half of a rename is on its way, if it comes at all.
    if (hob__watch_events_waits_for_half(&watch->events) && !watch->half_awaited) {
        watch->half_awaited = true;
        watch->due_ns = hob_now() + HALF_NS;
        return 0;
    }
    return 1;
}

static int gather_all(hob_watch *watch)
{
    int r = 0;
    while (r == 0 && watch->tag == TAG_WATCH) {
        r = gather(watch);
        if (r > 0 && !close_batch(watch)) {
            hob__watch_events_overflow(&watch->events);
            r = 0;
        }
    }
    if (r <= 0)
        return r == 0 ? -ECANCELED : r; // closed
    watch->due_ns = 0;
    watch->half_awaited = false;
    give_out(watch);
    return 0;
}

/* ---- outside ---- */

static void watch_free(hob_watch *watch)
{
    list_for_each (node, &watch->mark_list)
        drop_mark(watch, container_of(node, struct mark, link));
    hob__map_fini(&watch->marks);
    list_append(&watch->work, &watch->later);
    for (struct list_node *node; (node = list_pop_front(&watch->work)) != NULL;)
        hob__free(container_of(node, struct work, link));
    hob__watch_events_fini(&watch->events);
    hob__watch_event_free(watch->given);
    hob__free(watch->folder);
    hob__free(watch->only);
    hob__free(watch);
}

static void watch_gone(struct desc *desc)
{
    hob_watch *watch = container_of(desc, hob_watch, desc);
    watch->is_gone = true;
    if (!watch->is_busy)
        watch_free(watch);
}

static int tell(hob_watch *watch, hob_watch_event *ret_event)
{
    if (watch->events.overflowed && !watch->events.unlooked) {
        watch->events.overflowed = false;
        *ret_event = (hob_watch_event){ .kind = HOB_WATCH_OVERFLOW, .path = watch->folder,
                                        .is_folder = 1 };
        return 1;
    }
    struct watch_event *event = watch->given = hob__watch_events_take(&watch->events);
    if (event == NULL)
        return 0;
    *ret_event = (hob_watch_event){
        .kind = (enum hob_watch_kind)event->kind, .path = event->path, .from = event->from,
        .error = event->error, .is_folder = event->is_folder,
    };
    return 1;
}

int hob_watch_next(hob_watch *watch, hob_watch_event *ret_event)
{
    watch_from(watch, "hob_watch_next");
    hob_require(!watch->is_busy, "hob_watch_next: another task waits here already");
    int r = hob_cancelled();
    if (r < 0)
        return r;
    hob__watch_event_free(watch->given);
    watch->given = NULL;
    watch->is_busy = true;
    r = tell(watch, ret_event);
    while (r == 0 && !(watch->ended && hob__watch_events_is_empty(&watch->events))) {
        r = gather_all(watch);
        if (r == 0)
            r = tell(watch, ret_event);
    }
    watch->is_busy = false;
    if (watch->is_gone)
        watch_free(watch);
    return r;
}

const char *hob_watch_word(enum hob_watch_kind kind)
{
    static const char *const words[] = {
        [HOB_WATCH_CREATED] = "created", [HOB_WATCH_CHANGED] = "changed",
        [HOB_WATCH_ATTRIBUTES] = "attributes", [HOB_WATCH_REMOVED] = "removed",
        [HOB_WATCH_MOVED] = "moved", [HOB_WATCH_OVERFLOW] = "overflow",
        [HOB_WATCH_BLIND] = "blind", [HOB_WATCH_GONE] = "gone",
    };
    return (size_t)kind < sizeof words / sizeof words[0] ? words[kind] : "unknown";
}

void hob_watch_close(hob_watch *watch)
{
    if (watch == NULL)
        return;
    watch_from(watch, "hob_watch_close")->tag = TAG_FREED;
    if (watch->desc_is_open)
        hob__desc_close(&watch->desc);
    else
        watch_free(watch);
}

/* ---- opening ---- */

static hob_watch *watch_new(const hob_watch_opts *opts)
{
    hob_watch *watch = hob__alloc(sizeof *watch);
    if (watch == NULL)
        return NULL;
    memset(watch, 0, offsetof(hob_watch, read_buf));
    watch->tag = TAG_WATCH;
    watch->root = -1;
    if (opts != NULL)
        watch->opts = *opts;
    list_init(&watch->mark_list);
    list_init(&watch->work);
    list_init(&watch->later);
    hob__watch_events_init(&watch->events,
                           watch->opts.events_max != 0 ? watch->opts.events_max : EVENTS_MAX);
    return watch;
}

/* Which folder is to be marked, and which name in it counts. */
static int set_subject(hob_watch *watch, const char *path)
{
    struct stat st;
    int r = hob_path_stat(path, &st);
    if (r < 0 && r != -ENOENT)
        return r;
    watch->folder = hob__strdup(path);
    if (watch->folder == NULL || (r == 0 && S_ISDIR(st.st_mode)))
        return watch->folder != NULL ? 0 : -ENOMEM;

    char       *slash = strrchr(watch->folder, '/');
    const char *name = slash != NULL ? slash + 1 : watch->folder;
    if (name[0] == '\0')
        return r < 0 ? r : -ENOTDIR;
    watch->only = hob__strdup(name);
    if (watch->only == NULL)
        return -ENOMEM;
    watch->opts.recursive = 0;
    if (slash != NULL) {
        slash[slash == watch->folder] = '\0';
        return 0;
    }
    watch->folder[0] = '\0'; // and the path "" below; the mark is asked for by "."
    return 0;
}

static int mark_root(hob_watch *watch)
{
    watch->root = mark_folder(watch, watch->folder[0] != '\0' ? watch->folder : ".", true);
    return watch->root < 0 ? watch->root : new_mark(watch, watch->root, watch->folder);
}

/* All folders that are there now; one that cannot be marked is an error of the opening. */
static int mark_all(hob_watch *watch)
{
    while (!list_is_empty(&watch->work)) {
        int r = do_work(watch);
        if (r < 0)
            return r;
        struct list_node *blind = list_first(&watch->events.batch);
        if (blind != NULL && container_of(blind, struct watch_event, link)->error == -ENOSPC)
            return -ENOSPC;
        hob__watch_events_flush(&watch->events); // others are told by hob_watch_next
    }
    return watch->events.overflowed ? -ENOMEM : 0;
}

/* What is in it already is looked at, but not told. */
static int look_at_root(hob_watch *watch, const void *made_at)
{
    hob_dir     *dir;
    struct work *work = hob__alloc(sizeof *work + strlen(watch->folder) + 1);
    if (work == NULL)
        return -ENOMEM;
    *work = (struct work){ .kind = MARK_FOLDER };
    strcpy(work->path, watch->folder);
    int r = hob__dir_open_at(NULL, watch->folder, 0, made_at, &dir);
    if (r == 0) {
        r = look_into(watch, dir, work);
        hob_dir_close(dir);
    }
    hob__free(work);
    return r < 0 ? r : mark_all(watch);
}

static int open_watch(hob_watch *watch, const char *path, const void *made_at)
{
    int r = set_subject(watch, path);
    if (r < 0)
        return r;
    int fd = (int)hob__fs_await((struct fs_call){ .what = FS_WATCH_NEW }, NULL);
    if (fd < 0)
        return fd;
    hob__desc_open(&watch->desc, fd, DESC_PIPE, "watch", made_at, watch_gone);
    watch->desc.slow_close = true; // the kernel waits for all who might be telling it something
    watch->desc_is_open = true;
    r = mark_root(watch);
    if (r < 0 || !watch->opts.recursive)
        return r;
    return look_at_root(watch, made_at);
}

int hob_watch_open(const char *path, const hob_watch_opts *opts, hob_watch **ret_watch)
{
    int r = hob__fs_check_path(path);
    if (r < 0)
        return r;
    hob_watch *watch = watch_new(opts);
    if (watch == NULL)
        return -ENOMEM;
    r = open_watch(watch, path, __builtin_return_address(0));
    if (r < 0) {
        hob_watch_close(watch);
        return r;
    }
    *ret_watch = watch;
    return 0;
}
