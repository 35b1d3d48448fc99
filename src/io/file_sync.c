/* SPDX-License-Identifier: MIT */
/*
 * Syncs of one file, in groups.
 *
 *     hob_file_sync ──▶ next ──── a sync begins ────▶ now ──── it ended ────▶ (told)
 *
 * One fsync of the kernel serves all who asked for one before it began; who asks later wrote
 * perhaps what it did not see, and waits for the next, which begins when this one ended. So many
 * tasks that each write and sync make the disk work once for all that came meanwhile.
 *
 * Who is cancelled leaves the group, but for the last one: with him goes the kernel's sync, so he
 * waits until the kernel has let go, and gets its result if it was too late. A sync never outlives
 * those who wait for it, and so never the file's user.
 *
 * The kernel tells of a loss once and then calls the file clean. We remember.
 */
#include "io/file.h"

#include <errno.h>

static hob_file *file_of(const struct op *waiter)
{
    return waiter->local.on;
}

static bool wants_data_only(const struct op *waiter)
{
    return waiter->local.extra != NULL;
}

/* The one that is just starting is told by its state; the others are delivered by the loop. */
static void tell(struct syncs *syncs, struct list *waiters, int64_t result)
{
    for (struct list_node *node; (node = list_pop_front(waiters)) != NULL;) {
        struct op *op = container_of(node, struct op, link);
        if (op != syncs->starting) {
            hob__op_finish_local(op, result);
            continue;
        }
        op->result = result;
        op->state = OP_DONE;
    }
}

static void begin(hob_file *file);

static int64_t remember(hob_file *file, int64_t result)
{
    if (file->sync_error == 0 && result < 0 && result != -ECANCELED)
        file->sync_error = (int)result;
    return file->sync_error < 0 ? file->sync_error : result;
}

static void landed(struct op *op)
{
    hob_file *file = container_of(op, hob_file, syncs.op);

    file->syncs.flies = false;
    tell(&file->syncs, &file->syncs.now, remember(file, op->result));
    begin(file);
}

/* Those who wait in `next` become `now`, and a sync for them begins. */
static void begin(hob_file *file)
{
    struct syncs *syncs = &file->syncs;
    while (!syncs->flies && !list_is_empty(&syncs->next)) {
        bool data_only = true;
        list_append(&syncs->now, &syncs->next);
        list_for_each (node, &syncs->now)
            data_only = data_only && wants_data_only(container_of(node, struct op, link));
        if (file->tag != TAG_FILE || file->sync_error < 0) {
            tell(syncs, &syncs->now, file->sync_error < 0 ? file->sync_error : -ECANCELED);
            continue;
        }
        syncs->call = (struct fs_call){ .what = FS_DATASYNC };
        syncs->op = (struct op){ .kind = data_only ? OP_FS : OP_FSYNC, .desc = &file->desc,
                                 .done = landed };
        if (data_only)
            syncs->op.fs.call = &syncs->call;
        syncs->flies = true;
        if (hob__op_start(&syncs->op))
            return;
        syncs->flies = false;
        tell(syncs, &syncs->now, remember(file, syncs->op.result));
    }
}

static void start_waiting(struct op *op)
{
    hob_file *file = file_of(op);
    hob__desc_check(&file->desc);
    op->state = OP_FLYING;
    list_push_back(&file->syncs.next, &op->link);
    file->syncs.starting = op;
    begin(file);
    file->syncs.starting = NULL;
}

static bool is_alone(const struct op *op, const struct list *list)
{
    return list->head.next == &op->link && list->head.prev == &op->link;
}

static bool stop_waiting(struct op *op)
{
    hob_file *file = file_of(op);
    if (is_alone(op, &file->syncs.now)) {
        hob__op_ask_back(&file->syncs.op);
        return false;
    }
    list_remove(&op->link);
    return true;
}

static bool ended(struct op *op)
{
    hob__file_end_use(file_of(op));
    return true;
}

static void want_sync(struct op *op, hob_file *file, bool data_only)
{
    op->kind = OP_SYNC;
    op->local.start = start_waiting;
    op->local.withdraw = stop_waiting;
    op->local.on = file;
    op->local.extra = data_only ? file : NULL;
    op->finish = ended;
    file_begin_use(file);
}

static int await_sync(hob_file *file, bool data_only)
{
    if (file->sync_error < 0)
        return file->sync_error;
    struct op op = { .state = OP_IDLE };
    want_sync(&op, file, data_only);
    hob__op_await(&op);
    return (int)op.result;
}

int hob_file_sync(hob_file *file)
{
    hob_require(file_is_open(file), "hob_file_sync" NOT_OPEN);
    return await_sync(file, false);
}

void hob_file_sync_prep(hob_op *op, hob_file *file)
{
    hob_require(file_is_open(file), "hob_file_sync_prep" NOT_OPEN);
    want_sync(hob__op_prep(op, OP_SYNC, NULL), file, false);
}

int hob_file_datasync(hob_file *file)
{
    hob_require(file_is_open(file), "hob_file_datasync" NOT_OPEN);
    return await_sync(file, true);
}

void hob_file_datasync_prep(hob_op *op, hob_file *file)
{
    hob_require(file_is_open(file), "hob_file_datasync_prep" NOT_OPEN);
    want_sync(hob__op_prep(op, OP_SYNC, NULL), file, true);
}
