/* SPDX-License-Identifier: MIT */
/* The ring of hob/ws.h's topics and hob/sse.h's feeds. The broadcast carries no data: it wakes. */
#include "ws/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ws/ws.h"

/* ---- blobs ---- */

struct blob *hob__blob_new(size_t len)
{
    struct blob *blob = hob__ws_alloc(sizeof *blob + len);
    if (blob == NULL)
        return NULL;
    atomic_init(&blob->refs, 1);
    blob->len = len;
    return blob;
}

void hob__blob_unref(struct blob *blob)
{
    if (atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1)
        free(blob);
}

/* ---- feeds ---- */

int hob__feed_init(struct feed *feed, size_t cap, size_t bytes_max, const char *name)
{
    hob_broadcast_opts opts = { .name = name };

    memset(feed, 0, sizeof *feed);
    feed->ring = hob__ws_alloc(cap * sizeof *feed->ring);
    if (feed->ring == NULL)
        return -ENOMEM;
    int r = hob_broadcast_new(1, 1, &opts, &feed->news);
    if (r < 0) {
        free(feed->ring);
        return r;
    }
    pthread_mutex_init(&feed->lock, NULL); // cannot fail: the default kind
    feed->cap = cap;
    feed->bytes_max = bytes_max;
    return 0;
}

void hob__feed_fini(struct feed *feed)
{
    for (; feed->first < feed->next; feed->first++)
        hob__blob_unref(feed->ring[feed->first % feed->cap]);
    hob_broadcast_free(feed->news);
    pthread_mutex_destroy(&feed->lock);
    free(feed->ring);
}

/* The oldest is no longer there for who is behind. */
static struct blob *take_oldest(struct feed *feed)
{
    struct blob *blob = feed->ring[feed->first++ % feed->cap];
    feed->bytes -= blob->len;
    return blob;
}

/* Returns those that made room, in a list. */
static struct blob *add(struct feed *feed, struct blob *blob)
{
    struct blob *gone = NULL;

    while (feed->first < feed->next
           && (feed->next - feed->first == feed->cap || feed->bytes + blob->len > feed->bytes_max)) {
        struct blob *oldest = take_oldest(feed);
        oldest->next_gone = gone;
        gone = oldest;
    }
    feed->ring[feed->next++ % feed->cap] = blob;
    feed->bytes += blob->len;
    return gone;
}

/* Without the lock: a large one that comes may free thousands, and all workers would wait for it. */
static void let_go(struct blob *gone)
{
    while (gone != NULL) {
        struct blob *next = gone->next_gone;
        hob__blob_unref(gone);
        gone = next;
    }
}

static void tell(struct feed *feed)
{
    const char something = 1;
    (void)!hob_broadcast_send(feed->news, &something); // it is never finished
}

void hob__feed_put(struct feed *feed, struct blob *blob)
{
    pthread_mutex_lock(&feed->lock);
    struct blob *gone = add(feed, blob);
    pthread_mutex_unlock(&feed->lock);
    let_go(gone);
    tell(feed);
}

int hob__feed_make(struct feed *feed, struct blob *(*make)(void *arg, uint64_t number), void *arg)
{
    pthread_mutex_lock(&feed->lock);
    struct blob *blob = make(arg, feed->next), *gone = NULL;
    if (blob != NULL)
        gone = add(feed, blob);
    pthread_mutex_unlock(&feed->lock);
    if (blob == NULL)
        return -ENOMEM;
    let_go(gone);
    tell(feed);
    return 0;
}

uint64_t hob__feed_next(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    uint64_t next = feed->next;
    pthread_mutex_unlock(&feed->lock);
    return next;
}

uint64_t hob__feed_first(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    uint64_t first = feed->first;
    pthread_mutex_unlock(&feed->lock);
    return first;
}

size_t hob__feed_take(struct feed *feed, uint64_t *pos, struct blob **out, size_t max, size_t bytes,
                      uint64_t *ret_lost)
{
    size_t n = 0, so_far = 0;

    pthread_mutex_lock(&feed->lock);
    *ret_lost = *pos < feed->first ? feed->first - *pos : 0;
    *pos += *ret_lost;
    while (n < max && *pos < feed->next) {
        struct blob *blob = feed->ring[*pos % feed->cap];
        if (n > 0 && so_far + blob->len > bytes)
            break;
        atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
        out[n++] = blob;
        so_far += blob->len;
        ++*pos;
    }
    pthread_mutex_unlock(&feed->lock);
    return n;
}
