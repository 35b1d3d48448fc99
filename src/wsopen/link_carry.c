/* SPDX-License-Identifier: MIT */
/*
 * Who waits carries: a link has no task, so the tasks that wait on it read and write for all of them.
 *
 *     wait ─┬─ there is something to send, and nobody does: starts a task that does, and ends it with its wait
 *           ├─ nobody reads: reads, and gives nghttp2 what came
 *           └─ else: until somebody has news for it
 *
 * Who leaves hands on: whoever waits next is woken, and looks again at what there is to do. Nobody reads and
 * writes in one task, since the server may wait for us to read before it reads itself.
 *
 * A task that writes dies with the wait of who started it, in between two writes or with a part of one: `out` then
 * keeps the rest for the next.
 */
#include <errno.h>

#include "hob/task.h"
#include "wsopen/link.h"

/* ---- who waits ---- */

static void add(struct link_list *list, struct link_waiter *waiter)
{
    waiter->prev = list->last;
    if (list->last != NULL)
        list->last->next = waiter;
    else
        list->first = waiter;
    list->last = waiter;
}

static void take_out(struct link_list *list, struct link_waiter *waiter)
{
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        list->first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        list->last = waiter->prev;
}

void hob__link_wake(struct link_waiter *waiter)
{
    if (waiter == NULL)
        return;
    hob_event_set(&waiter->news);
    if (waiter->reading != NULL)
        hob_scope_cancel(waiter->reading, "there is something else to do");
}

static bool has_output(hob_ws_link *link)
{
    hob__link_collect(link);
    return link->error == 0 && link->out_begin < link->out_end;
}

/* If something is left undone, and somebody waits who can do it. */
static void hand_on(hob_ws_link *link)
{
    struct link_waiter *next = link->reader;

    if (link->error != 0 || (next != NULL && (link->is_writing || !has_output(link))))
        return;
    if (next == NULL)
        next = link->hearers.first != NULL ? link->hearers.first : link->senders.first;
    hob__link_wake(next);
}

/* ---- writing ---- */

static void wake_who_was_sent(hob_ws_link *link)
{
    for (struct link_waiter *w = link->senders.first; w != NULL; w = w->next) {
        if (w->until <= link->sent)
            hob__link_wake(w);
    }
}

/* A task: until there is nothing to send, or it is cancelled. */
static int write_for_all(void *arg)
{
    hob_ws_link *link = arg;

    while (has_output(link)) {
        ssize_t n = hob_stream_write_some(link->below, link->out + link->out_begin, link->out_end - link->out_begin);
        if (n < 0 && hob_cancelled() != 0)
            break;
        if (n < 0) {
            hob__link_end(link, n == -EPIPE ? -ECONNRESET : (int)n, "%s takes nothing more: %s", link->host_port,
                          hob_strerror((int)n));
            break;
        }
        link->out_begin += (size_t)n;
        link->sent += (uint64_t)n;
        wake_who_was_sent(link);
    }
    link->is_writing = false;
    hob__link_judge(link);
    hob__link_close_below(link);
    return 0;
}

static void start_writer(hob_ws_link *link, hob_scope *crew)
{
    hob_task_opts opts = { .name = "WebSocket link: sends" };

    link->is_writing = true;
    if (hob_go_with(crew, write_for_all, link, &opts) < 0)
        (void)!write_for_all(link); // there is no room for a task: then nobody reads as long
}

/* ---- reading ---- */

static void take_end(hob_ws_link *link)
{
    if (link->words[0] != '\0') // it had said why
        hob__link_end(link, -ECONNRESET, "%s ended the connection: %s", link->host_port, link->words);
    else
        hob__link_end(link, -ECONNRESET, "%s ended the connection", link->host_port);
}

static void read_for_all(hob_ws_link *link, struct link_waiter *me)
{
    hob_scope s;

    hob_scope_begin(&s);
    link->reader = me;
    me->reading = &s;
    ssize_t n = hob_stream_read(link->below, link->in, sizeof link->in);
    me->reading = NULL;
    link->reader = NULL;
    bool is_called = hob_scope_cancelled(&s) != 0; // or its wait is over
    (void)!hob_scope_end(&s);
    if (n > 0 && link->error == 0) // else it has ended meanwhile, and its streams may be gone
        hob__link_feed(link, (size_t)n);
    if (n == 0)
        take_end(link);
    if (n < 0 && !is_called)
        hob__link_end(link, (int)n, "the connection to %s broke: %s", link->host_port, hob_strerror((int)n));
    hob__link_close_below(link);
}

static void rest(struct link_waiter *me)
{
    (void)!hob_event_wait(&me->news); // carry looks at being cancelled
}

/* ---- both ---- */

/* Carries for one step. Returns 0: look again; or the code of being cancelled. */
static int carry(hob_ws_link *link, struct link_waiter *me)
{
    int r = hob_cancelled();
    if (r < 0)
        return r;
    hob_event_reset(&me->news);
    if (link->reader == NULL)
        read_for_all(link, me);
    else
        rest(me);
    return 0;
}

int hob__link_wait(hob_ws_link *link, struct link_list *list, struct link_waiter **place, link_question *is_there,
                   void *arg)
{
    struct link_waiter me = { .news.name = "a WebSocket link", .until = UINT64_MAX };
    hob_scope          crew;
    int                r = 0;

    hob_scope_begin(&crew);
    add(list, &me);
    *place = &me;
    while (r == 0) {
        if (!link->is_writing && has_output(link))
            start_writer(link, &crew);
        hob__link_judge(link);
        if (link->error != 0 || is_there(arg))
            break;
        r = carry(link, &me);
    }
    *place = NULL;
    take_out(list, &me);
    hob_scope_cancel(&crew, "who waited has what it waited for");
    (void)!hob_scope_end(&crew);
    hand_on(link);
    return r;
}

static bool at_once(void *arg)
{
    (void)arg;
    return true;
}

void hob__link_flush(hob_ws_link *link)
{
    struct link_waiter *nobody;

    if (!link->is_writing && has_output(link))
        (void)!hob__link_wait(link, &link->senders, &nobody, at_once, NULL); // what is not sent now is sent later
}

void hob__link_kick(hob_ws_link *link)
{
    hand_on(link);
}

void hob__link_close_below(hob_ws_link *link)
{
    if (link->error == 0 || link->reader != NULL || link->is_writing)
        return;
    hob_stream *below = link->below;
    link->below = NULL;
    hob_stream_close(below);
}
