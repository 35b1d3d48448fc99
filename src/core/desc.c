/* SPDX-License-Identifier: MIT */
/* Open descriptors: counted, so that what is left open can be told with its place. */
#include <errno.h>
#include <string.h>

#include "core/await.h"
#include "core/crew.h"
#include "core/worker.h"

static struct worker *worker_for(const char *sentence)
{
    hob_require(hob__worker != NULL, sentence);
    return hob__worker;
}

void hob__desc_check(const struct desc *desc)
{
    hob_require(desc->worker == hob__worker,
                "a connection, file or socket was used by another worker than the one that made it");
}

bool hob__desc_is_here(const struct desc *desc)
{
    return desc->worker == hob__worker;
}

void hob__desc_visit(struct desc *desc, const struct desc *host)
{
    memset(desc, 0, sizeof *desc);
    desc->worker = worker_for("a descriptor was used outside of hob_run");
    desc->fd = host->fd;
    desc->kind = host->kind;
    desc->what = host->what;
    desc->made_at = host->made_at;
    list_init(&desc->ops);
    list_node_init(&desc->link);
}

void hob__desc_open(struct desc *desc, int fd, enum desc_kind kind, const char *what,
                    const void *made_at, void (*gone)(struct desc *desc))
{
    struct worker *w = worker_for("a descriptor was made outside of hob_run");
    memset(desc, 0, sizeof *desc);
    desc->worker = w;
    desc->fd = fd;
    desc->kind = kind;
    desc->what = what;
    desc->made_at = hob__place_of(made_at);
    desc->gone = gone;
    list_init(&desc->ops);
    list_push_back(&w->descs, &desc->link);
    w->stats.descriptors++;
}

void hob__desc_close(struct desc *desc)
{
    struct worker *w = worker_for("a descriptor was closed outside of hob_run");
    hob_require(desc->worker == w, "a connection, file or socket was closed by another worker "
                                   "than the one that made it");
    hob_assert(!desc->closing);
    desc->closing = true;
    list_remove(&desc->link);
    w->stats.descriptors--;
    w->backend->type->release(w->backend, desc);
}

/* A bare number gets a desc for the length of the call only, where nothing can be in flight. */
static void nobody(struct desc *desc)
{
    (void)desc;
}

void hob__fd_close(int fd, enum desc_kind kind)
{
    struct desc desc;
    hob__desc_open(&desc, fd, kind, "unwanted descriptor", NULL, nobody);
    hob__desc_close(&desc);
}

void hob__count_listener(int change)
{
    struct worker *w = worker_for("a listener was used outside of hob_run");
    atomic_fetch_add(&w->crew->stop.listeners, (unsigned)change);
}

void hob__count_accept_pause(void)
{
    worker_for("accept was called outside of hob_run")->stats.accept_pauses++;
}
