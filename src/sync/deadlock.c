/* SPDX-License-Identifier: MIT */
/*
 * A task is dead when what it waits for can only come from dead tasks:
 *
 *     in the line of a mutex     its holder is dead
 *     in the line of a limiter   all who borrow are dead
 *     for a value of a channel   all who hold an end of the other side are dead, and nobody
 *     or for room in it          else may use the channel (only_ends)
 *     for another task's end     that is dead
 *     for the end of a scope     one of its children is dead
 *
 * A task that is met again while its own wait is being followed closes the circle. Anything
 * else, and anything that is not known, is alive: also a wait that a deadline will end, an
 * operation that no task awaits, a thread, and the joins of other workers' tasks. So nothing
 * is called a deadlock that is none.
 *
 * While it looks it has all locks of lines, so nobody comes to a line or leaves one, and who
 * holds something that is waited for cannot give it up, and lives. It tells what it found
 * afterwards.
 */
#include "sync/deadlock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "inspect/report.h"
#include "inspect/symbol.h"
#include "hob/inspect.h"
#include "sync/chan.h"
#include "sync/line.h"

enum { DEPTH_MAX = 32, STEPS_MAX = 4096, PLACE_MAX = 200 };

/* One task of the circle, as it is told. */
struct link {
    uint64_t      id;
    char          name[32];
    hob_task_fn  *fn;
    const void   *spawned_at;
    const char   *waits_for;  /* "the mutex"                        */
    const char   *from;       /* ", which is held by"               */
    const char   *named;      /* what it waits for; NULL: no name   */
    const void   *object;     /* NULL: a join                       */
};

struct look {
    struct worker *w;
    struct task   *path[DEPTH_MAX]; /* whose waits are being followed                  */
    int            depth;
    int            steps;
    struct link    circle[DEPTH_MAX]; /* of the first that was closed                  */
    int            length;
    bool           is_newest;         /* the wait that is looked at closed that circle */
};

static struct link link_of(const struct task *task)
{
    struct link link = { .id = task->id, .fn = task->fn, .spawned_at = task->spawned_at };
    memcpy(link.name, task->name, sizeof link.name);
    const struct op *op = task->line_op;
    if (op == NULL) {
        link.waits_for = "the end of tasks that are waiting, too";
        link.from = ":";
        return link;
    }
    link.object = op->local.on;
    if (op_is_in_line(op)) {
        link.waits_for = hob__line_kind(op->kind)->what;
        link.from = ", which is held by";
        link.named = *(const char *const *)link.object;
    } else {
        link.waits_for = op->kind == OP_CHAN_SEND ? "room in the channel" : "a value of the channel";
        link.from = op->kind == OP_CHAN_SEND ? ", which is emptied by" : ", which is filled by";
        link.named = ((const hob_chan *)link.object)->opts.name;
    }
    return link;
}

/* The path from `from` on is a circle. The first that is found with the task that is looked at
 * is told; circles of others alone are found when those are looked at. */
static void note_circle(struct look *look, int from)
{
    if (from > 0 || look->length > 0)
        return;
    look->is_newest = true;
    for (int i = 0; i < look->depth; i++) {
        const struct task *task = look->path[i];
        look->circle[look->length++] = link_of(task);
        if (task->line_op != NULL && task->line_number > look->path[0]->line_number)
            look->is_newest = false;
    }
}

static bool is_dead(struct look *look, struct task *task);

static bool all_borrowers_are_dead(struct look *look, const struct hob__limiter *l)
{
    list_for_each(node, &l->borrows) {
        struct task *task = container_of(node, struct borrow, link)->task;
        if (task == NULL || !is_dead(look, task))
            return false;
    }
    return l->borrowed > 0;
}

/* An end that was counted and has no holder yet is on its way to one. */
static bool all_holders_are_dead(struct look *look, const struct list *ends, uint32_t refs)
{
    uint32_t held = 0;
    list_for_each(node, ends) {
        if (!is_dead(look, container_of(node, struct chan_end, link)->task))
            return false;
        held++;
    }
    return held > 0 && held == refs;
}

static bool other_side_is_dead(struct look *look, const struct op *op)
{
    const hob_chan *chan = op->local.on;
    return op->kind == OP_CHAN_SEND
               ? all_holders_are_dead(look, &chan->receiver_ends, chan->receiver_refs)
               : all_holders_are_dead(look, &chan->sender_ends, chan->sender_refs);
}

static bool a_child_is_dead(struct look *look, const struct scope *scope)
{
    list_for_each(node, &scope->tasks) {
        if (is_dead(look, container_of(node, struct task, sibling)))
            return true;
    }
    return false;
}

/* No deadline ends the wait. Of tasks elsewhere it is known as it was when the wait began. */
static bool waits_for_ever(const struct look *look, const struct task *task)
{
    if (task->worker == look->w)
        return hob__scope_is_timeless(task->scope);
    return task->line_for_ever && task->line_late == atomic_load(&look->w->crew->late_deadlines);
}

static bool join_is_dead(struct look *look, const struct task *task)
{
    const struct op *op = task->op;
    if (task->worker != look->w || task->state != TASK_PARKED || op == NULL ||
        op->kind != OP_JOIN || !waits_for_ever(look, task))
        return false;
    if (op->local.start == NULL && op->local.withdraw == NULL)
        return op->local.on != NULL && a_child_is_dead(look, op->local.on);
    struct task *other = ((const struct hob_future *)op->local.on)->task;
    return other != NULL && is_dead(look, other);
}

static bool wait_is_dead(struct look *look, const struct task *task)
{
    const struct op *op = task->line_op;
    if (op == NULL)
        return join_is_dead(look, task);
    if (!waits_for_ever(look, task))
        return false;
    if (op->kind == OP_CHAN_SEND || op->kind == OP_CHAN_RECV)
        return other_side_is_dead(look, op);
    if (op->kind == OP_LIMITER)
        return all_borrowers_are_dead(look, op->local.on);
    if (op->kind != OP_MUTEX)
        return false;
    struct task *holder = hob__mutex_holder(op->local.on);
    return holder != NULL && is_dead(look, holder);
}

static bool is_dead(struct look *look, struct task *task)
{
    for (int i = look->depth; i-- > 0;) {
        if (look->path[i] == task) {
            note_circle(look, i);
            return true;
        }
    }
    if (look->depth == DEPTH_MAX || look->steps == STEPS_MAX)
        return false;
    int told = look->length;
    look->steps++;
    look->path[look->depth++] = task;
    bool dead = wait_is_dead(look, task);
    look->depth--;
    if (!dead)
        look->length = told; // what was noted on the way is no circle of the dead
    return dead;
}

static void report(struct worker *w, const struct look *look, bool broken)
{
    char function[PLACE_MAX], place[PLACE_MAX], what[PLACE_MAX];
    hob__report(w, "hob: deadlock: %s. %s",
                look->length == 1 ? "a task waits for itself"
                                  : "these tasks wait for each other in a circle",
                broken ? "The first of them gets EDEADLK, as hob_run_opts.break_deadlocks says."
                       : "None of them goes on unless it is cancelled. Take locks in the same order "
                         "everywhere.");
    for (int i = 0; i < look->length; i++) {
        const struct link *link = &look->circle[i], *next = &look->circle[(i + 1) % look->length];
        bool               named = link->name[0] != '\0';
        hob__function_name((const void *)link->fn, function, sizeof function);
        hob_describe_address(link->spawned_at, place, sizeof place);
        if (link->object == NULL)
            snprintf(what, sizeof what, "%s", link->waits_for);
        else if (link->named != NULL)
            snprintf(what, sizeof what, "%s \"%s\"", link->waits_for, link->named);
        else
            snprintf(what, sizeof what, "%s at %p", link->waits_for, link->object);
        hob__report(w, "  task %llu%s%s%s (%s), started at %s, waits for %s%s task %llu",
                    (unsigned long long)link->id, named ? " \"" : "", link->name,
                    named ? "\"" : "", function, place, what,
                    link->from, (unsigned long long)next->id);
    }
}

/* Looks at one wait. */
static void look_at(struct worker *w, struct task *task)
{
    struct look look = { .w = w };
    struct list go;
    list_init(&go);
    hob__line_lock_set(HOB__LINE_LOCKS_ALL);
    struct op *op = task->line_op;
    bool       found = op != NULL && is_dead(&look, task) && look.length > 0 && look.is_newest;
    bool       broken = found && w->opts.break_deadlocks && op->local.withdraw != NULL;
    if (broken) {
        hob__line_let_go(op, -EDEADLK, &go);
        if (op_is_in_line(op))
            hob__line_kind(op->kind)->serve(op->local.on, &go);
    }
    hob__line_unlock_set(HOB__LINE_LOCKS_ALL);
    if (found)
        report(w, &look, broken);
    hob__line_finish(&go);
}

void hob__deadlocks_look(struct worker *w)
{
    int64_t now_ns = w->wheel.now_ns;
    while (deadlock_look_due(w) <= now_ns) {
        struct list_node *node = list_pop_front(&w->line_waits);
        look_at(w, container_of(node, struct task, line_link));
    }
}
