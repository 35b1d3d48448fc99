/* SPDX-License-Identifier: MIT */
/*
 * Who is told of changes on the simulated disk: records as inotify(7) makes them.
 *
 * A mark is a watch's interest in one inode. What happens to an inode is told to its own marks and,
 * with the name, to those of the folders that it is in. (Linux tells only the folder through which
 * a file with several names was opened; here all are told.) A record that is the same as the last
 * one that waits is left out, as there.
 */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#include "backend/sim_disk.h"
#include "base/alloc.h"

enum { RECORDS_MAX = 16384 };

struct mark {
    struct list_node of_inode, of_node;
    struct inode    *inode;
    struct node     *node;
    int              wd;
    uint32_t         mask;
};

/* struct inotify_event without its name. */
struct head {
    int32_t  wd;
    uint32_t mask, cookie, len;
};

static_assert(sizeof(struct head) == sizeof(struct inotify_event), "as the kernel has it");

struct record {
    struct list_node link; /* in node->queue */
    struct head      event;
    char             name[SIM_NAME_BYTES + 1]; /* padded with zeros to event.len */
};

static bool is_same(const struct record *record, const struct head *event,
                    const char *name, size_t len)
{
    return record->event.wd == event->wd && record->event.mask == event->mask
        && record->event.cookie == event->cookie && record->event.len == event->len
        && memcmp(record->name, name, len) == 0;
}

/* When memory is short it is as when the queue is full; when not even that can be told, the last
 * record that waits becomes the word of it. */
static void push(struct sim *sim, struct node *node, struct head event, const char *name,
                 size_t len)
{
    struct record *last = list_is_empty(&node->queue) ? NULL
                        : container_of(node->queue.head.prev, struct record, link);
    event.len = len > 0 ? (uint32_t)((len + 1 + 15) & ~(size_t)15) : 0;
    if (last != NULL && (last->event.mask & IN_Q_OVERFLOW || is_same(last, &event, name, len)))
        return;
    struct record *record = node->queued < RECORDS_MAX ? hob__alloc_zero(sizeof *record) : NULL;
    if (record == NULL && last != NULL) {
        last->event = (struct head){ .wd = -1, .mask = IN_Q_OVERFLOW };
        return;
    }
    if (record == NULL) {
        node->error = ENOMEM; // nothing waits: the next read says so
        hob__sim_touch(sim, node);
        return;
    }
    record->event = event;
    memcpy(record->name, name, len);
    list_push_back(&node->queue, &record->link);
    node->queued++;
    hob__sim_touch(sim, node);
}

static void tell_marks(struct sim *sim, struct inode *inode, uint32_t mask, uint32_t cookie,
                       const char *name, size_t len, bool is_folder)
{
    list_for_each (link, &inode->marks) {
        const struct mark *mark = container_of(link, struct mark, of_inode);
        if ((mark->mask & mask) == 0)
            continue;
        struct head event = {
            .wd = mark->wd, .mask = mask | (is_folder ? IN_ISDIR : 0u), .cookie = cookie,
        };
        push(sim, mark->node, event, name, len);
    }
}

void hob__sim_tell_name(struct sim *sim, struct inode *folder, uint32_t mask, uint32_t cookie,
                        const char *text, size_t len, const struct inode *inode)
{
    tell_marks(sim, folder, mask, cookie, text, len, inode->kind == INODE_FOLDER);
    if (mask == IN_MOVED_TO)
        tell_marks(sim, (struct inode *)(uintptr_t)inode, IN_MOVE_SELF, 0, "", 0, false);
}

void hob__sim_tell(struct sim *sim, struct inode *inode, uint32_t mask)
{
    bool is_folder = inode->kind == INODE_FOLDER;
    list_for_each (link, &inode->dentries) {
        const struct dentry *dentry = container_of(link, struct dentry, of_inode);
        tell_marks(sim, dentry->folder, mask, 0, dentry->text, dentry->len, is_folder);
    }
    tell_marks(sim, inode, mask, 0, "", 0, is_folder);
}

static void free_mark(struct mark *mark)
{
    list_remove(&mark->of_inode);
    list_remove(&mark->of_node);
    hob__free(mark);
}

static void end_mark(struct sim *sim, struct mark *mark)
{
    push(sim, mark->node, (struct head){ .wd = mark->wd, .mask = IN_IGNORED }, "", 0);
    free_mark(mark);
}

void hob__sim_tell_gone(struct sim *sim, struct inode *inode)
{
    tell_marks(sim, inode, IN_DELETE_SELF, 0, "", 0, false);
    list_for_each (link, &inode->marks)
        end_mark(sim, container_of(link, struct mark, of_inode));
}

int64_t hob__sim_watch_new(struct sim *sim)
{
    struct node *node = hob__sim_node_new(sim, NODE_WATCH, AF_UNSPEC);
    if (node == NULL)
        return -ENOMEM;
    int fd = hob__sim_node_number(sim, node);
    if (fd < 0)
        hob__sim_node_close(sim, node);
    return fd;
}

int64_t hob__sim_watch_add(struct sim *sim, struct node *node, struct inode *inode, uint32_t mask)
{
    (void)sim;
    if ((mask & IN_ALL_EVENTS) == 0)
        return -EINVAL;
    list_for_each (link, &node->marks) {
        struct mark *mark = container_of(link, struct mark, of_node);
        if (mark->inode != inode)
            continue;
        if (mask & IN_MASK_CREATE)
            return -EEXIST;
        mark->mask = mask & IN_ALL_EVENTS;
        return mark->wd;
    }
    struct mark *mark = hob__alloc(sizeof *mark);
    if (mark == NULL)
        return -ENOMEM;
    *mark = (struct mark){ .inode = inode, .node = node, .wd = ++node->marks_made,
                           .mask = mask & IN_ALL_EVENTS };
    list_push_back(&inode->marks, &mark->of_inode);
    list_push_back(&node->marks, &mark->of_node);
    return mark->wd;
}

int hob__sim_watch_remove(struct sim *sim, struct node *node, int wd)
{
    list_for_each (link, &node->marks) {
        struct mark *mark = container_of(link, struct mark, of_node);
        if (mark->wd != wd)
            continue;
        end_mark(sim, mark);
        return 0;
    }
    return -EINVAL;
}

static size_t put_record(const struct record *record, char *buf, size_t room)
{
    size_t size = sizeof record->event + record->event.len;
    if (size > room)
        return 0;
    memcpy(buf, &record->event, sizeof record->event);
    memcpy(buf + sizeof record->event, record->name, record->event.len);
    return size;
}

int64_t hob__sim_watch_read(struct node *node, const struct msghdr *msg)
{
    char  *buf = msg->msg_iov[0].iov_base;
    size_t len = msg->msg_iov[0].iov_len, used = 0;
    if (node->error != 0) {
        int error = node->error;
        node->error = 0;
        return -error;
    }
    for (struct list_node *link; (link = list_first(&node->queue)) != NULL;) {
        struct record *record = container_of(link, struct record, link);
        size_t n = put_record(record, buf + used, len - used);
        if (n == 0)
            return used > 0 ? (int64_t)used : -EINVAL;
        used += n;
        list_remove(link);
        node->queued--;
        hob__free(record);
    }
    return used > 0 ? (int64_t)used : SIM_WAIT;
}

void hob__sim_watch_close(struct sim *sim, struct node *node)
{
    (void)sim;
    list_for_each (link, &node->marks)
        free_mark(container_of(link, struct mark, of_node));
    for (struct list_node *link; (link = list_pop_front(&node->queue)) != NULL;)
        hob__free(container_of(link, struct record, link));
    node->queued = 0;
}
